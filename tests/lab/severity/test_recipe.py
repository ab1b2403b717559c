"""Recipes: what is shipped, and how strictly they are read."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from melascope.lab.severity.recipe import SHIPPED, RecipeError, differences, parse_recipe, read_recipe


def text(name: str = "zhang2025") -> str:
    return files("melascope.lab.severity").joinpath("recipes", f"{name}.toml").read_text(encoding="utf-8")


def test_the_papers_recipe_is_what_the_paper_prints() -> None:
    recipe = read_recipe("zhang2025")
    assert recipe.picture.side == 224
    assert recipe.picture.frame == "whole"
    assert (recipe.augment.flip, recipe.augment.rotate_deg) == (0.5, 15.0)
    assert recipe.augment.brightness > 0 and recipe.augment.saturation > 0
    assert (recipe.loss.target, recipe.loss.smoothing, recipe.loss.balance, recipe.loss.masi) == ("class", 0, 0, 0)
    assert (recipe.optimiser.kind, recipe.optimiser.rate, recipe.optimiser.weight_decay) == ("adam", 1e-3, 1e-4)
    assert (recipe.optimiser.batch, recipe.optimiser.schedule, recipe.optimiser.average) == (32, "constant", 0)
    assert recipe.stop.patience == 3
    assert recipe.reading.views == 1 and recipe.reading.calibration == "none"


def test_ours_hides_no_skin_and_predicts_the_masi() -> None:
    recipe = read_recipe("melascope")
    assert recipe.augment.erase == 0
    assert recipe.loss.masi > 0 and recipe.loss.target == "raters"


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_is_read_and_named_as_its_file(name: str) -> None:
    assert read_recipe(name).name == name


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rate = 1e-3", "rat = 1e-3", r"optimiser\.rat is not known \(did you mean 'rate'\?\); known are kind, rate"),
        ("[stop]", "[stopp]", "stopp is not known"),
        ("patience = 3", "", r"stop\.patience is missing"),
        ("patience = 3", "patience = 2.5", r"stop\.patience = 2\.5: must be a whole number"),
        ("patience = 3", "patience = true", "must be a whole number"),
        ("flip = 0.5", "flip = 1.5", r"augment\.flip = 1\.5: must lie between 0 and 1"),
        ("flip = 0.5", 'flip = "0.5"', "must be a number"),
        ("rate = 1e-3", "rate = nan", "must be a number"),
        ("rate = 1e-3", "rate = 0.0", "must be above 0"),
        ("zoom = [1.0, 1.0]", "zoom = [1.0]", "must be a list of 2 numbers"),
        ("zoom = [1.0, 1.0]", "zoom = [1.2, 0.8]", "the smaller first"),
        ('kind = "adam"', 'kind = "lion"', "must be one of 'adam', 'adamw', 'sgd'"),
        ("views = 1", "views = 3", "must be 1, 2, 4, 6 or 10"),
        ('calibration = "none"', 'calibration = "ordinal"', "needs a predicted MASI"),
        ("side = 224", "side = 16", "must lie between 32 and 1024"),
        ('name = "zhang2025"', 'name = "zhang2025', "is no TOML"),
    ],
)
def test_what_breaks_a_rule_is_named(old: str, new: str, said: str) -> None:
    whole = text()
    assert whole.count(old) == 1
    with pytest.raises(RecipeError, match=said):
        parse_recipe(whole.replace(old, new), "mine.toml")


def test_whole_numbers_serve_as_numbers() -> None:
    assert parse_recipe(text().replace("rotate_deg = 15.0", "rotate_deg = 15")).augment.rotate_deg == 15.0


def test_a_recipe_that_is_not_there_names_the_shipped_ones() -> None:
    with pytest.raises(RecipeError, match="zhang2025, melascope and pretrain"):
        read_recipe("zang2025")


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text().replace("batch = 32", "batch = 8"), encoding="utf-8")
    assert list(differences(read_recipe(path), read_recipe("zhang2025"))) == ["optimiser.batch: 32 there, 8 now"]


def test_overriding_keeps_to_the_rules() -> None:
    recipe = read_recipe("zhang2025").with_(side=64, epochs=2, batch=4)
    assert (recipe.picture.side, recipe.stop.epochs, recipe.optimiser.batch) == (64, 2, 4)
    with pytest.raises(RecipeError, match="side = 8"):
        recipe.with_(side=8)

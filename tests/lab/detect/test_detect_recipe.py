"""The recipes of detectors, read strictly."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from melascope.lab.detect.recipe import SHIPPED, RecipeError, parse_recipe, read_recipe

SAID = re.compile(r"# (paper|ours)\b")


def text(name: str = "ding2022") -> str:
    return files("melascope.lab.detect").joinpath("recipes", f"{name}.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes_are_read(name: str) -> None:
    assert read_recipe(name).name == name


def test_the_papers_numbers_are_the_printed_ones() -> None:
    recipe = read_recipe("ding2022")
    how = recipe.optimiser
    assert (how.kind, how.rate, how.momentum, how.weight_decay, how.batch) == ("sgd", 0.002, 0.9, 0.0005, 8)
    assert (recipe.loss.box, recipe.loss.classes, recipe.loss.positive, recipe.loss.negative) == (
        "ciou", "overlap", 0.5, 0.02,
    )  # fmt: skip
    assert recipe.anchors == "adaptive"


def test_every_line_of_the_papers_recipe_says_where_it_is_from() -> None:
    before, _, rest = text().partition("[augment]")
    values = [line for line in (before + rest.partition("[mosaic]")[2]).splitlines() if "=" in line]
    silent = [line for line in values if not line.startswith(("name", "about", "#")) and not SAID.search(line)]
    assert len(values) > 35
    assert silent == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("side = 640", "side = 333", "side = 333: must be a multiple of 32, such as 320"),
        ("side = 640", "size = 640", "picture.size is not known .did you mean 'side'"),
        ('boxes = "grouped"', 'boxes = "all"', "must be one of 'grouped', 'single'"),
        ("sum_over_batch = true", "sum_over_batch = 1", "must be true or false"),
        ("negative = 0.02", "negative = 0.6", "negative = 0.6: must not exceed positive = 0.5"),
        ("momentum = 0.9 ", "momentum = 1.5 ", "momentum = 1.5: must lie between 0"),
        ("reach = 0.08", "reach = 0.8", "truth.reach = 0.8"),
        ("share = 0.0", "share = 2.0", "mosaic.share = 2"),
    ],
)
def test_what_breaks_a_rule_is_named(old: str, new: str, said: str) -> None:
    assert text().count(old) == 1
    with pytest.raises(RecipeError, match=said):
        parse_recipe(text().replace(old, new), "mine.toml")


def test_overriding_keeps_to_the_rules() -> None:
    recipe = read_recipe("melascope").with_(side=320, epochs=2, batch=4, boxes="single")
    assert (recipe.picture.side, recipe.stop.epochs, recipe.optimiser.batch, recipe.truth.boxes) == (
        320,
        2,
        4,
        "single",
    )
    for wrong in ({"side": 300}, {"epochs": 0}, {"boxes": "some"}):
        with pytest.raises(RecipeError):
            recipe.with_(**wrong)
    with pytest.raises(RecipeError, match="ding2022, melascope and melascope-transformer"):
        read_recipe("dong2022")

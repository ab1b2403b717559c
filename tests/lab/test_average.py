"""The mean of two trainings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
pytestmark = pytest.mark.torch

from melascope.lab.skin.average import average  # noqa: E402


def run(folder: Path, value: float, steps: int) -> Path:
    folder.mkdir()
    weights = {"a.weight": torch.full((2, 3), value), "a.number": torch.tensor(steps)}
    torch.save({"step": steps, "network": {}, "average": weights}, folder / "checkpoint.pt")
    (folder / "recipe.json").write_text(json.dumps({"samples": steps}))
    return folder


def test_weights_are_meant_and_counters_and_recipe_are_the_lasts(tmp_path: Path) -> None:
    runs = [run(tmp_path / "one", 1.0, 10), run(tmp_path / "two", 2.0, 20)]
    found = torch.load(average(runs, tmp_path / "mean"), weights_only=True)
    assert found["step"] == 20
    assert (found["average"]["a.weight"] == 1.5).all()
    assert found["average"]["a.number"] == 20
    recipe = json.loads((tmp_path / "mean" / "recipe.json").read_text())
    assert recipe["samples"] == 20
    assert len(set(recipe["mean_of"])) == 2


def test_one_run_has_no_mean(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two or more"):
        average([run(tmp_path / "one", 1.0, 10)], tmp_path / "mean")

"""A small training, whole: run folder, resuming after a kill, refusing another run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
pytestmark = pytest.mark.torch

from melascope.detection.predictions import read  # noqa: E402
from melascope.lab.detect import train as training  # noqa: E402
from melascope.lab.detect.recipe import Recipe, read_recipe  # noqa: E402
from melascope.lab.detect.registry import CARDS  # noqa: E402
from melascope.lab.detect.run import Run, RunError, detect, load_run  # noqa: E402
from melascope.lab.detect.study import Study, gather  # noqa: E402
from melascope.lab.detect.train import train  # noqa: E402
from melascope.lab.machine import Machine  # noqa: E402
from tests.lab.detect.test_study import made  # noqa: E402

FILES = {
    "card.json", "config.json", "costs.json", "curves.png", "history.csv", "model.onnx", "predictions.json",
    "split.csv", "weights.safetensors",
}  # fmt: skip
MACHINE = Machine("cpu", 0, "32", 1)
EACH = (
    "yolov5n", "yolov4", "yolo_skin", "ssdlite_mobilenet", "ssd300_vgg16", "fasterrcnn_mobilenet",
    "fasterrcnn_resnet50", "yolov4_skin", "fasterrcnn_skin", "ssd_skin", "dfine_n",
)  # fmt: skip
"""One of each kind of network."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return gather(made(tmp_path_factory.mktemp("data"), 8), recipe().truth)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """For networks that take seconds a photo."""
    return gather(made(tmp_path_factory.mktemp("few"), 4), recipe().truth)


def recipe(epochs: int = 2) -> Recipe:
    small = read_recipe("melascope").with_(side=64, epochs=epochs, batch=4)
    return replace(small, optimiser=replace(small.optimiser, average=0.9))


def go(study: Study, folder: Path, **how: object) -> object:
    return train(study, "yolov5n", how.pop("recipe", recipe()), folder, machine=MACHINE, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", EACH)
def test_a_killed_training_gives_the_weights_of_one_that_was_not(
    name: str, few: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go(folder: Path, **how: object) -> Run:
        side = max(64, CARDS[name].least)
        small = recipe().with_(side=side)
        small = replace(small, stop=replace(small.stop, keep="last"))  # the weights after the kill, not the best ones
        return train(few, name, small, folder, machine=MACHINE, **how)  # type: ignore[arg-type]

    whole = go(tmp_path / "whole")
    assert {p.name for p in (tmp_path / "whole").iterdir() if p.is_file()} == FILES

    class Killed(BaseException):
        """As from outside: nothing is tidied up."""

    ran = training._Lesson.epoch

    def stops(lesson: training._Lesson, number: int, advance: object) -> dict[str, float]:
        if number == 1:
            raise Killed
        return ran(lesson, number, advance)  # type: ignore[arg-type]

    monkeypatch.setattr(training._Lesson, "epoch", stops)
    with pytest.raises(Killed):
        go(tmp_path / "killed")
    monkeypatch.undo()
    (tmp_path / "killed" / ".last.ckpt.part").write_bytes(b"half")
    told: list[str] = []
    again = go(tmp_path / "killed", tell=told.append)
    assert any("goes on after epoch 1" in line for line in told)
    for (part, one), (_, two) in zip(
        whole.detector.state_dict().items(), again.detector.state_dict().items(), strict=True
    ):
        assert torch.equal(one, two), part


def test_a_run_holds_what_was_found_and_what_it_cost(study: Study, tmp_path: Path) -> None:
    run = go(study, tmp_path, recipe=recipe(1))
    found = read(tmp_path / "predictions.json")
    assert [kind.value for kind in found.classes] == ["sl", "fre", "mel", "caf", "ota", "hori"]
    assert {p.part for p in found.photos} == {"train", "validation", "test"}
    assert [len(p.truth.kinds) for p in found.photos[:3]] == [0, 2, 2]
    card = json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))
    assert card["onnx"]["largest_difference_from_torch"] < 1e-3
    assert card["anchors"]["fitted"] is False
    costs = json.loads((tmp_path / "costs.json").read_text(encoding="utf-8"))
    assert costs["parameters"] == sum(p.numel() for p in run.detector.parameters())
    loaded = load_run(tmp_path)
    photo = study.photos[1]
    there = detect(loaded, photo.file)
    mine = next(p for p in found.photos if p.photo == photo.name)
    assert len(there) == len(mine.found.kinds)
    np.testing.assert_allclose(there.boxes, mine.found.boxes, atol=0.02)


def test_another_run_is_not_touched(study: Study, tmp_path: Path) -> None:
    go(study, tmp_path, recipe=recipe(1))
    assert go(study, tmp_path, recipe=recipe(1)) is not None
    with pytest.raises(RunError, match=r"stop\.epochs: 1 there, 3 now"):
        go(study, tmp_path, recipe=recipe(3))
    with pytest.raises(RunError, match="other photos"):
        go(replace(study, identity="other"), tmp_path, recipe=recipe(1))
    with pytest.raises(RunError, match="seed: 7 there, 8 now"):
        go(study, tmp_path, recipe=recipe(1), seed=8)

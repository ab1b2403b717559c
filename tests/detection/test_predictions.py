"""predictions.json: there and back, and every fault with its photo and the way out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from melascope.detection.predictions import PredictionsError, read, write
from tests.detection.simulated import predictions


def test_there_and_back(tmp_path: Path) -> None:
    made = predictions(12, crowds=True)
    write(made, tmp_path / "predictions.json")
    again = read(tmp_path / "predictions.json")
    assert again.classes == made.classes
    for one, other in zip(made.photos, again.photos, strict=True):
        assert (one.photo, one.patient, one.part, one.width, one.tone_band) == (
            other.photo, other.patient, other.part, other.width, other.tone_band,
        )  # fmt: skip
        assert np.array_equal(one.truth.boxes, other.truth.boxes)
        assert np.array_equal(one.truth.crowd, other.truth.crowd)
        assert np.array_equal(one.truth.kinds, other.truth.kinds)
        assert np.array_equal(one.found.boxes, other.found.boxes)
        assert np.array_equal(one.found.scores, other.found.scores)
        assert np.array_equal(one.found.kinds, other.found.kinds)


def content() -> dict[str, Any]:
    photo = {
        "photo": "a.jpg", "patient": "P1", "part": "test", "width": 100, "height": 80, "device": "", "view": "",
        "tone_band": "", "truth": [{"kind": "mel", "box": [1, 2, 30, 40]}],
        "found": [{"kind": "mel", "box": [1, 2, 30, 41.5], "score": 0.9}],
    }  # fmt: skip
    other = {**photo, "photo": "b.jpg", "patient": "P2", "truth": [], "found": []}
    return {"classes": ["sl", "fre", "mel", "caf", "ota", "hori"], "photos": [photo, other]}


def test_the_example_is_sound(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps(content()))
    assert len(read(tmp_path / "p.json").photos) == 2


def _set(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(whole: Any) -> None:
        for step in path[:-1]:
            whole = whole[step]
        whole[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set("classes", to=["mel", "wart"]), ("classes", "sl, fre, mel")),
        (_set("classes", to=["mel", "mel"]), ("names a kind twice",)),
        (_set("photos", to=[]), ("at least one photo",)),
        (_set("photos", 0, to=3), ("photo 1", "must be an object")),
        (_set("photos", 0, "patient", to=""), ("photo 1 (a.jpg)", '"patient"', "must be a name")),
        (_set("photos", 0, "part", to="val"), ('"part" is \'val\'', "train, validation, test")),
        (_set("photos", 0, "width", to=0), ("0 x 80", "whole pixels")),
        (_set("photos", 0, "device", to=7), ('"device" is 7', "must be text")),
        (_set("photos", 0, "truth", to=None), ('"truth" is None', "[] where there is nothing")),
        (_set("photos", 0, "truth", 0, "kind", to="melasma"), ("truth 1", "'melasma'", "one of the classes")),
        (_set("photos", 0, "truth", 0, "box", to=[1, 2, 3]), ("truth 1", "four numbers")),
        (_set("photos", 0, "truth", 0, "box", to=[30, 40, 10, 10]), ("is empty", "not width and height")),
        (_set("photos", 0, "truth", 0, "box", to=[1, 2, 300, 40]), ("beyond the picture of 100 x 80", "upright")),
        (_set("photos", 0, "found", 0, "box", to=[1, 2, "x", 4]), ("found 1", "four numbers")),
        (_set("photos", 0, "found", 0, "box", to=[9, 2, 1, 4]), ("found 1", "turned round")),
        (_set("photos", 0, "found", 0, "score", to=3.2), ("score 3.2", "0 to 1", "not logits")),
        (_set("photos", 0, "found", 0, "score", to=None), ("score None",)),
        (_set("photos", 0, "found", 0, "box", to=[1, 2, float("nan"), 4]), ("four numbers",)),
        (_set("photos", 1, "photo", to="a.jpg"), ("a.jpg", "comes twice")),
        (
            lambda whole: whole["photos"][1].update(patient="P1", part="train"),
            ("b.jpg", "'P1'", "train here", "test with a.jpg", "split anew"),
        ),
        (
            lambda whole: [one.update(group="g", part=("test", "train")[k]) for k, one in enumerate(whole["photos"])],
            ("b.jpg", "group 'g'", "train here", "test with a.jpg", "a group belongs to one part"),
        ),
    ],
)  # fmt: skip
def test_faults_are_told_with_their_place(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], words: tuple[str, ...]
) -> None:
    whole = content()
    change(whole)
    (tmp_path / "p.json").write_text(json.dumps(whole))
    with pytest.raises(PredictionsError) as caught:
        read(tmp_path / "p.json")
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", "\ud800", "[" * 100_000])
def test_what_is_no_predictions_file_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(PredictionsError, match="predict the photos"):
        read(tmp_path / "p.json")
    with pytest.raises(PredictionsError, match="is no file"):
        read(tmp_path / "other.json")

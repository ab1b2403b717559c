"""The reviewer who does not exist: what is left as it was proposed, corrected, drawn, and deleted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
pytestmark = pytest.mark.torch

from benchmarks.annotation_loop import by_hand, reviewed  # noqa: E402

from melascope.data.box import Box  # noqa: E402
from melascope.detection.loop import Made  # noqa: E402
from melascope.lab.detect.study import Photo  # noqa: E402
from melascope.vocabulary import Lesion  # noqa: E402

MEL, HORI = Lesion.MELASMA, Lesion.HORI_NEVUS
TRUE = Box(kind=MEL, x0=0, y0=0, x1=100, y1=100)


@pytest.mark.parametrize(
    ("proposed", "handed_on"),
    [
        ([Made(kind=MEL, box=(0, 0, 100, 80))], (0, 0, 100, 80)),  # an overlap of 0.8 is left as it is
        ([Made(kind=MEL, box=(0, 0, 100, 70))], (0, 0, 100, 100)),  # 0.7 is corrected
        ([Made(kind=HORI, box=(0, 0, 100, 100))], (0, 0, 100, 100)),  # another kind is named anew
        ([], (0, 0, 100, 100)),  # what is missing is drawn
        ([Made(kind=MEL, box=(0, 0, 100, 90)), Made(kind=MEL, box=(200, 0, 300, 90))], (0, 0, 100, 90)),  # deleted
    ],
)
def test_each_true_lesion_is_handed_on_once(proposed: list[Made], handed_on: tuple[float, ...]) -> None:
    assert [(box.kind, box.corners) for box in reviewed([TRUE], proposed, leave=0.75)] == [(MEL, handed_on)]


def test_all_photos_of_a_group_are_labelled_by_hand_or_none() -> None:
    photos = [Photo(f"{i}.jpg", Path(f"{i}.jpg"), f"p{i}", "train", 9, 9, (), group=f"g{i // 4}") for i in range(2000)]
    hand = [by_hand(photo, 0.38) for photo in photos]
    assert all(len(set(hand[first : first + 4])) == 1 for first in range(0, 2000, 4))
    assert 0.3 < sum(hand) / 2000 < 0.46
    alone = replace(photos[0], group="")
    assert by_hand(alone, 1.0) and not by_hand(alone, 0.0)

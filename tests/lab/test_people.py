"""Who is learnt from: people are known by head, canvas or patient, and dealt by that alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from melascope.data.row import Row
from melascope.lab.skin.people import FACTORS, FIGURES, PARTS, group_of, part_of, photographed


@pytest.mark.parametrize(
    ("group", "told", "whose"),
    [
        ("head0003", {"cohort": {"seed": 7}}, "turn, head0003"),
        ("", {"cohort": {"seed": 7}}, "turn, p1"),
        ("family", {"canvas": "ab12"}, "ab12"),
        ("family", {}, "family"),
        ("", {}, "p1"),
    ],
)
def test_whose_photograph_it_is(group: str, told: dict[str, Any], whose: str) -> None:
    row = Row(photo_id="a", patient="p1", file="photos/a.jpg", group=group)
    assert group_of(Path("runs/turn"), row, told) == whose
    assert photographed(whose) == ("cohort" not in told)


def test_people_are_dealt_evenly_and_to_one_part_each() -> None:
    parts = [part_of(f"turn, head{number:04d}") for number in range(4000)]
    counts = [parts.count(part) for part in range(PARTS)]
    assert sum(counts) == 4000
    assert min(counts) > 140 and max(counts) < 260
    assert not set(FIGURES) & set(FACTORS)

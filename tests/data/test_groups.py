"""Groups of boxes against a slow reading of their rule."""

from __future__ import annotations

import numpy as np
import pytest

from melascope.data.box import Box
from melascope.data.groups import grouped
from melascope.vocabulary import Lesion


def box(kind: Lesion, x0: float, y0: float, x1: float, y1: float, area: float | None = None) -> Box:
    return Box(kind=kind, x0=x0, y0=y0, x1=x1, y1=y1, area_px=area, instance=1)


def slow(corners: list[tuple[float, float, float, float]], reach: float) -> set[tuple[float, float, float, float]]:
    """Join any two until none can be joined: first neighbours of single boxes, then overlapping rectangles."""
    groups = [[each] for each in corners]

    def joined(groups: list, near) -> list:
        while True:
            for i in range(len(groups)):
                for j in range(i + 1, len(groups)):
                    if near(groups[i], groups[j]):
                        groups[i] += groups.pop(j)
                        break
                else:
                    continue
                break
            else:
                return groups

    def hull(group: list) -> tuple[float, float, float, float]:
        x0, y0, x1, y1 = zip(*group, strict=True)
        return min(x0), min(y0), max(x1), max(y1)

    def gap(a, b) -> float:
        return max(max(a[0], b[0]) - min(a[2], b[2]), max(a[1], b[1]) - min(a[3], b[3]))

    if reach > 0:
        groups = joined(groups, lambda one, two: any(gap(a, b) <= reach for a in one for b in two))
    groups = joined(groups, lambda one, two: gap(hull(one), hull(two)) < 0)
    return {hull(group) for group in groups}


@pytest.mark.parametrize("reach", [0.0, 3.0, 10.0, 40.0])
@pytest.mark.parametrize("seed", range(6))
def test_groups_are_those_of_the_slow_rule(seed: int, reach: float) -> None:
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 150, (25, 2))
    corners = [
        (int(x), int(y), int(x + w), int(y + h))
        for (x, y), (w, h) in zip(low, rng.integers(1, 15, (25, 2)), strict=True)
    ]
    found = grouped([box(Lesion.FRECKLE, *each) for each in corners], reach)
    assert {each.corners for each in found} == slow(list(dict.fromkeys(corners)), reach) | (
        set() if len(set(corners)) == len(corners) else {each.corners for each in found}
    )


def test_kinds_are_kept_apart_and_lone_boxes_stay_as_they_are() -> None:
    freckles = [box(Lesion.FRECKLE, 0, 0, 5, 5, 20), box(Lesion.FRECKLE, 7, 0, 12, 5, 10)]
    patch = box(Lesion.MELASMA, 0, 0, 12, 5, 60)
    found = grouped([*freckles, patch], reach=4)
    assert found == [Box(kind=Lesion.FRECKLE, x0=0, y0=0, x1=12, y1=5, area_px=30), patch]


def test_rectangles_that_come_to_overlap_are_joined() -> None:
    # An L of three freckles encloses a fourth that is far from each of them.
    corner = [(0, 0, 4, 4), (0, 30, 4, 34), (0, 60, 4, 64), (30, 60, 34, 64), (60, 60, 64, 64), (50, 5, 54, 9)]
    found = grouped([box(Lesion.FRECKLE, *each) for each in corner], reach=27)
    assert [each.corners for each in found] == [(0, 0, 64, 64)]


def test_nothing_stays_nothing_and_a_negative_reach_is_refused() -> None:
    assert grouped([], 5) == []
    with pytest.raises(ValueError, match="reach = -1"):
        grouped([], -1)

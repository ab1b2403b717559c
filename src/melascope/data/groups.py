"""Rectangles as a person draws them: one around lesions of a kind that lie together, not one around every freckle."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from melascope.data.box import Box

__all__ = ["clusters", "grouped"]


def grouped(boxes: Iterable[Box], reach: float) -> list[Box]:
    """One rectangle for each group of lesions of one kind.

    Lesions belong together if a chain of others of their kind joins them in which no two neighbours' boxes lie more
    than `reach` apart, across or down. Each group's rectangle is the smallest around its boxes; rectangles of one kind
    that overlap become one, until none do.

    Args:
        boxes: Of one photo.
        reach: Pixels, 0 or more.

    Returns:
        By kind, then from top to bottom. A box of its own stays as it is; of a group, the areas are added and outlines,
        numbers and sizes on the skin are left out.

    Raises:
        ValueError: `reach` is negative.

    Example:
        >>> from melascope.vocabulary import Lesion
        >>> row = [Box(kind=Lesion.FRECKLE, x0=x, y0=0, x1=x + 4, y1=4) for x in (0, 10, 100)]
        >>> [box.corners for box in grouped(row, reach=8)]
        [(0, 0, 14, 4), (100, 0, 104, 4)]
    """
    if reach < 0:
        raise ValueError(f"reach = {reach}: must be 0 pixels or more")
    found = []
    for _, same in groupby(sorted(boxes, key=lambda box: box.kind.value), key=lambda box: box.kind):
        groups = [[box] for box in same]
        near = reach
        while True:
            numbers = clusters(np.array([_around(group) for group in groups], np.float64), near)
            if numbers.max(initial=-1) + 1 == len(groups) and near == 0:
                break
            joined: list[list[Box]] = [[] for _ in range(int(numbers.max(initial=-1)) + 1)]
            for group, number in zip(groups, numbers, strict=True):
                joined[number] += group
            groups, near = joined, 0.0
        found += [_box(group) for group in groups]
    return sorted(found, key=lambda box: (box.kind.value, box.y0, box.x0))


def clusters(corners: NDArray[np.float64], reach: float) -> NDArray[np.intp]:
    """(n,) number of the cluster of each of (n, 4) boxes x0, y0, x1, y1; boxes that touch are not overlapping.

    Two boxes are neighbours if the gap between them is at most `reach` across and down; if `reach` is 0, if they
    overlap.
    """
    x0, y0, x1, y1 = corners.T
    across = np.maximum(x0[:, None], x0[None]) - np.minimum(x1[:, None], x1[None])
    down = np.maximum(y0[:, None], y0[None]) - np.minimum(y1[:, None], y1[None])
    gap = np.maximum(across, down)
    near = gap <= reach if reach > 0 else gap < 0
    numbers = np.full(len(corners), -1, np.intp)
    count = 0
    for start in range(len(corners)):
        if numbers[start] >= 0:
            continue
        numbers[start] = count
        front = [start]
        while front:
            fresh = np.flatnonzero(near[front].any(axis=0) & (numbers < 0))
            numbers[fresh] = count
            front = fresh.tolist()
        count += 1
    return numbers


def _around(group: list[Box]) -> tuple[float, float, float, float]:
    return (
        min(box.x0 for box in group),
        min(box.y0 for box in group),
        max(box.x1 for box in group),
        max(box.y1 for box in group),
    )


def _box(group: list[Box]) -> Box:
    if len(group) == 1:
        return group[0]
    x0, y0, x1, y1 = _around(group)
    areas = [box.area_px for box in group if box.area_px is not None]
    whole = sum(areas) if len(areas) == len(group) else None
    return Box(kind=group[0].kind, x0=x0, y0=y0, x1=x1, y1=y1, area_px=whole)

"""How many lesions of each kind a data set's boxes hold, and how large they are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from melascope.data.box import Box
from melascope.data.row import Row
from melascope.vocabulary import Lesion

__all__ = ["BoxStats", "KindStats", "box_stats"]


@dataclass(frozen=True)
class KindStats:
    """The boxes of one kind."""

    kind: Lesion
    boxes: int
    photos: int
    patients: int
    per_photo: tuple[float, int]
    """Median and highest number on the photos that show the kind."""
    side_px: tuple[float, float, float]
    """10th, 50th and 90th percentile of the square root of the area."""
    side_percent: tuple[float, float, float]
    """The same, of the photo's shorter side; nan where sizes are not known."""


@dataclass(frozen=True)
class BoxStats:
    """All boxes."""

    kinds: tuple[KindStats, ...]
    """Of those that occur."""
    photos: int
    unknown: int
    """Photos that nobody has annotated."""
    empty: int
    """Photos that are known to show none."""
    several: int
    """Photos with more than one kind."""


def box_stats(photos: Iterable[tuple[Row, list[Box] | None]]) -> BoxStats:
    """Count and measure the boxes of photos."""
    listed = list(photos)
    known = [(row, boxes) for row, boxes in listed if boxes is not None]
    kinds = []
    for kind in Lesion:
        own = [(row, [box for box in boxes if box.kind is kind]) for row, boxes in known]
        own = [(row, boxes) for row, boxes in own if boxes]
        if not own:
            continue
        counts = [len(boxes) for _, boxes in own]
        sides = [math.sqrt((b.x1 - b.x0) * (b.y1 - b.y0)) for _, boxes in own for b in boxes]
        shares = [
            100 * math.sqrt((b.x1 - b.x0) * (b.y1 - b.y0)) / min(row.width, row.height)
            for row, boxes in own
            for b in boxes
            if row.width and row.height
        ]
        kinds.append(
            KindStats(
                kind,
                sum(counts),
                len(own),
                len({row.patient for row, _ in own}),
                (float(np.median(counts)), max(counts)),
                _percentiles(sides),
                _percentiles(shares),
            )
        )
    return BoxStats(
        tuple(kinds),
        len(listed),
        len(listed) - len(known),
        sum(not boxes for _, boxes in known),
        sum(len({box.kind for box in boxes}) > 1 for _, boxes in known),
    )


def _percentiles(values: list[float]) -> tuple[float, float, float]:
    if not values:
        return (math.nan,) * 3
    low, middle, high = np.percentile(values, (10, 50, 90)).tolist()
    return low, middle, high

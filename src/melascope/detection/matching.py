"""Which found boxes are which true ones: greedy, the surest first, at a least overlap.

The rules are those of COCO's own evaluation: each found box takes the free true box that it overlaps most, provided the
overlap (intersection over union) reaches the threshold; true boxes that do not count are taken last; a crowd may be
taken any number of times, and overlap with it is measured against the found box alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Match", "match"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Match:
    """What became of the found boxes of one photo and kind."""

    taken: Indices
    """(found,) number of the true box, -1 for none."""
    ignored: Flags
    """(found,) matched to what does not count: neither hit nor false alarm."""


def match(overlaps: Floats, threshold: float, ignore: Flags | None = None, crowd: Flags | None = None) -> Match:
    """Match the found boxes of one photo to its true ones.

    Args:
        overlaps: (found, true), the surest found box first.
        threshold: Least overlap, 0 to 1.
        ignore: (true,) which true boxes do not count, such as those of another size; crowds never do.
        crowd: (true,) which are crowds.
    """
    found, true = overlaps.shape
    crowds = np.zeros(true, dtype=np.bool_) if crowd is None else crowd
    passed = crowds if ignore is None else ignore | crowds
    taken = np.full(found, -1, dtype=np.intp)
    if found == 0 or true == 0:
        return Match(taken, np.zeros(found, dtype=np.bool_))
    enough = overlaps >= min(threshold, 1 - 1e-10)
    free = np.ones(true, dtype=np.bool_)
    for row in np.flatnonzero(enough.any(axis=1)):
        open_ = enough[row] & (free | crowds)
        for group in (open_ & ~passed, open_ & passed):
            places = np.flatnonzero(group)
            if len(places):
                # Of equal overlaps the last one, as COCO takes it.
                best = places[len(places) - 1 - int(np.argmax(overlaps[row, places[::-1]]))]
                taken[row] = best
                free[best] = False
                break
    return Match(taken, np.where(taken >= 0, passed[np.maximum(taken, 0)], False))

"""Average precision as COCO's own programme gives it: 101 recalls, the best precision at each recall or above.

Lin et al. 2014; mAP@50 at an overlap of 0.5, mAP@50-95 averaged over ten overlaps from 0.5 to 0.95, and kinds that no
photo truly shows left out. Photos may be weighted, which is how intervals come about.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.detection.ranked import Ranked

__all__ = ["RECALLS", "average_precision", "precision_recall"]

Floats = NDArray[np.float64]
RECALLS: Final = np.linspace(0.0, 1.0, 101)
_CELLS: Final = 4_000_000
"""Numbers held at a time."""


def average_precision(found: Ranked, weights: Floats | None = None) -> Floats:
    """Average precision at each overlap of `found`.

    Args:
        found: One kind.
        weights: (n, photos) how often each photo counts; once each if not given.

    Returns:
        (n, overlaps), or (overlaps,) without weights; nan where no true box counts.
    """
    counts = np.ones((1, len(found.truths))) if weights is None else weights
    result = np.empty((len(counts), len(found.hit)))
    step = max(1, _CELLS // max(1, len(found.photos)))
    for start in range(0, len(counts), step):
        some = counts[start : start + step]
        truths = some @ found.truths
        for place in range(len(found.hit)):
            result[start : start + step, place] = _areas(found, place, some, truths)
    return result[0] if weights is None else result


def precision_recall(found: Ranked, overlap: int = 0) -> tuple[Floats, Floats, Floats]:
    """Precision and recall at every score, and the scores: the curve as it is, not smoothed.

    Args:
        found: One kind, or several joined.
        overlap: Place among the overlaps.
    """
    hits = found.hit[overlap].cumsum().astype(np.float64)
    alarms = found.alarm[overlap].cumsum().astype(np.float64)
    every, true = hits + alarms, float(found.truths.sum())
    precision = np.divide(hits, every, out=np.ones_like(hits), where=every > 0)
    recall = hits / true if true else np.full_like(hits, np.nan)
    # Of boxes with one score only the last point can be reached.
    last = np.append(np.diff(found.scores) != 0, True)[: len(hits)]
    return precision[last], recall[last], found.scores[last]


def _areas(found: Ranked, overlap: int, weights: Floats, truths: Floats) -> Floats:
    """(n,) areas at one overlap."""
    places = np.flatnonzero(found.hit[overlap])
    if not len(places):
        return np.where(truths > 0, 0.0, np.nan)
    # Precision can only be highest where a true box was just found.
    hits = weights[:, found.photos[places]].cumsum(axis=1)
    until = places[-1] + 1
    alarmed = np.flatnonzero(found.alarm[overlap, :until])
    alarms = np.zeros((len(weights), len(alarmed) + 1))
    weights[:, found.photos[alarmed]].cumsum(axis=1, out=alarms[:, 1:])
    before = alarms[:, np.searchsorted(alarmed, places)]
    precision = hits / (hits + before + np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = np.divide(hits, truths[:, None], out=np.zeros_like(hits), where=truths[:, None] > 0)
    area = np.empty(len(weights))
    padded = np.append(envelope, np.zeros((len(weights), 1)), axis=1)
    for row in range(len(weights)):
        area[row] = padded[row, np.searchsorted(recall[row], RECALLS, side="left")].mean()
    return np.where(truths > 0, area, np.nan)

"""Sensitivity against false alarms per photo: the free-response ROC curve (Bunch et al. 1977).

Lesions are the unit, not photos: a lesion is found when a box of its kind overlaps it by half or more. The curve's
score is the mean sensitivity at seven rates of false alarms, 1/8 to 8 a photo (as in the LUNA16 challenge, Setio et al.
2017).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.detection.ranked import Ranked

__all__ = ["RATES", "curve", "sensitivities"]

Floats = NDArray[np.float64]
RATES: Final = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False alarms a photo."""


def curve(found: Ranked, overlap: int = 0) -> tuple[Floats, Floats, Floats]:
    """False alarms per photo and sensitivity, from (0, 0) on, and the scores from which they hold (first: inf)."""
    hits = np.append(0, found.hit[overlap].cumsum())
    alarms = np.append(0, found.alarm[overlap].cumsum())
    scores = np.append(np.inf, found.scores)
    last = np.append(np.diff(scores) != 0, True)
    true = float(found.truths.sum())
    share = hits / true if true else np.full(len(hits), np.nan)
    return alarms[last] / len(found.truths), share[last], scores[last]


def sensitivities(found: Ranked, weights: Floats | None = None, overlap: int = 0) -> Floats:
    """Sensitivity at each of `RATES`: the highest that can be had without more false alarms than that.

    Args:
        found: One kind, or several joined.
        weights: (n, photos) how often each photo counts; once each if not given.
        overlap: Place among the overlaps.

    Returns:
        (n, rates), or (rates,) without weights; nan where no true box counts.
    """
    counts = np.ones((1, len(found.truths))) if weights is None else weights
    truths, photos = counts @ found.truths, counts.sum(axis=1)
    result = np.full((len(counts), len(RATES)), np.nan)
    ends = np.flatnonzero(np.append(np.diff(found.scores) != 0, True)[: len(found.scores)])
    for row in np.flatnonzero(truths > 0):
        own = counts[row, found.photos]
        hits = np.append(0.0, np.cumsum(own * found.hit[overlap])[ends])
        alarms = np.append(0.0, np.cumsum(own * found.alarm[overlap])[ends])
        rate = alarms / photos[row]
        result[row] = hits[np.searchsorted(rate, np.array(RATES) + 1e-12, side="right") - 1] / truths[row]
    return result[0] if weights is None else result

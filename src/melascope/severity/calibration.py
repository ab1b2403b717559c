"""Whether a probability of 0.8 is right eight times out of ten.

The expected calibration error is that of Naeini et al. 2015 and Guo et al. 2017: the photos are sorted into ten bins of
equal width by the probability of the class that was chosen; in each bin the mean probability is held against the share
that is right, and the differences are averaged over the photos.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "Bin", "bins", "brier", "calibration_error", "log_loss"]

Floats = NDArray[np.float64]
Classes = NDArray[np.intp]
BINS: Final = 10
_LEAST: Final = 1e-7
"""A probability of less counts as this one in the logarithmic loss."""
_Z: Final = 1.959963984540054


@dataclass(frozen=True)
class Bin:
    """One bin of a reliability diagram."""

    low: float
    high: float
    """Probabilities in (low, high]."""
    count: int
    confidence: float
    """Mean probability of the chosen class; nan in an empty bin."""
    right: float
    """Share of the photos of which the chosen class is true; nan in an empty bin."""
    right_low: float
    right_high: float
    """Its 95 % interval (Wilson 1927), photos taken as independent."""


def bins(truth: Classes, probabilities: Floats, count: int = BINS) -> tuple[Bin, ...]:
    """Reliability bins of equal width of the chosen class's probability.

    Args:
        truth: (n,) classes.
        probabilities: (n, classes).
        count: How many bins from 0 to 1.
    """
    confidence, right, where = _chosen(truth, probabilities, count)
    found = []
    for k in range(count):
        inside = where == k
        n = int(inside.sum())
        share = float(right[inside].mean()) if n else math.nan
        low, high = _wilson(share, n) if n else (math.nan, math.nan)
        mean = float(confidence[inside].mean()) if n else math.nan
        found.append(Bin(k / count, (k + 1) / count, n, mean, share, low, high))
    return tuple(found)


def calibration_error(
    truth: Classes, probabilities: Floats, weights: Floats | None = None, count: int = BINS
) -> Floats:
    """Expected calibration error, 0 (best) to 1, over (..., n) weights."""
    confidence, right, where = _chosen(truth, probabilities, count)
    counts = np.ones(len(truth)) if weights is None else weights
    gaps = np.zeros((len(truth), count))
    gaps[np.arange(len(truth)), where] = right - confidence
    return np.asarray(np.abs(counts @ gaps).sum(axis=-1) / counts.sum(axis=-1))


def log_loss(truth: Classes, probabilities: Floats, weights: Floats | None = None) -> Floats:
    """Mean of -ln p of the true class, over (..., n) weights; probabilities below 1e-7 count as 1e-7."""
    true = probabilities[np.arange(len(truth)), truth]
    return _mean(-np.log(np.maximum(true, _LEAST)), weights)


def brier(truth: Classes, probabilities: Floats, weights: Floats | None = None) -> Floats:
    """Mean squared distance of the probabilities from the truth, 0 (best) to 2 (Brier 1950), over (..., n) weights."""
    return _mean(((probabilities - np.eye(probabilities.shape[1])[truth]) ** 2).sum(axis=1), weights)


def _mean(values: Floats, weights: Floats | None) -> Floats:
    counts = np.ones(len(values)) if weights is None else weights
    return np.asarray(counts @ values / counts.sum(axis=-1))


def _chosen(truth: Classes, probabilities: Floats, count: int) -> tuple[Floats, Floats, Classes]:
    """Probability of the chosen class, whether it is true, and the bin."""
    chosen = np.argmax(probabilities, axis=1)
    confidence = probabilities[np.arange(len(truth)), chosen]
    where = np.clip(np.ceil(confidence * count).astype(np.intp) - 1, 0, count - 1)
    return confidence, (chosen == truth).astype(np.float64), where


def _wilson(share: float, n: int) -> tuple[float, float]:
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)

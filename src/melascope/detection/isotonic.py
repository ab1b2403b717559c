"""Scores as shares that are right: isotonic regression (Ayer et al. 1955), by pooling adjacent violators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Isotonic", "isotonic"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Isotonic:
    """A rising curve through (score, share right)."""

    scores: Floats
    shares: Floats

    def __call__(self, scores: Floats) -> Floats:
        """Shares of scores, straight lines between the points, level beyond them."""
        return np.interp(scores, self.scores, self.shares)


def isotonic(scores: Floats, right: NDArray[np.bool_]) -> Isotonic:
    """Fit a rising curve.

    One photo that was right and one that was not are added to every level, so that no share is 0 or 1 for certain.

    Args:
        scores: (n,)
        right: (n,) whether each was right.

    Returns:
        The curve; the scores themselves if there are none.

    Example:
        >>> fit = isotonic(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, True, False, True]))
        >>> [round(float(share), 2) for share in fit(np.array([0.0, 0.4, 1.0]))]
        [0.33, 0.5, 0.67]
    """
    if not len(scores):
        return Isotonic(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    order = np.argsort(scores, kind="stable")
    levels: list[list[float]] = []
    """Of pooled levels: hits, count, sum of scores."""
    values, starts = np.unique(scores[order], return_index=True)
    for value, some in zip(values, np.split(right[order], starts[1:]), strict=True):
        levels.append([float(some.sum()), float(len(some)), float(value) * len(some)])
        while len(levels) > 1 and levels[-2][0] * levels[-1][1] >= levels[-1][0] * levels[-2][1]:
            last = levels.pop()
            levels[-1] = [a + b for a, b in zip(levels[-1], last, strict=True)]
    table = np.array(levels)
    shares = (table[:, 0] + 1) / (table[:, 1] + 2)
    return Isotonic(table[:, 2] / table[:, 1], np.maximum.accumulate(shares))

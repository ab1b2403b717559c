"""How well a score ranks: the area under the ROC curve, and the curve's points.

The area is the chance that a photo of the class scores higher than one of the others, ties counted half (Hanley &
McNeil 1982; the Mann-Whitney statistic).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Roc", "auc", "roc"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Roc:
    """Points of a ROC curve from (0, 0) to (1, 1); the points that lie on a straight line between two are left out."""

    false_positive: Floats
    """1 - specificity."""
    true_positive: Floats
    """Sensitivity."""
    thresholds: Floats
    """A photo counts as positive from this score on; infinite at the first point."""


def auc(positive: NDArray[np.bool_], score: Floats, weights: Floats | None = None) -> Floats:
    """Area under the ROC curve.

    Args:
        positive: (n,) which photos are of the class.
        score: (n,) higher for what is more likely of the class.
        weights: (..., n) how often each photo counts; once each if not given.

    Returns:
        (...): 0 to 1; nan where there is no photo of the class, or none of the others.

    Example:
        >>> float(auc(np.array([False, True, True]), np.array([0.1, 0.1, 0.8])))
        0.75
    """
    counts = np.ones(len(score)) if weights is None else weights
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    sorted_counts = counts[..., order]
    is_positive = positive[order].astype(np.float64)
    pos = np.add.reduceat(sorted_counts * is_positive, starts, axis=-1)
    neg = np.add.reduceat(sorted_counts * (1 - is_positive), starts, axis=-1)
    wins = (pos * (np.cumsum(neg, axis=-1) - neg / 2)).sum(axis=-1)
    pairs = pos.sum(axis=-1) * neg.sum(axis=-1)
    return np.asarray(np.divide(wins, pairs, out=np.full_like(pairs, np.nan), where=pairs > 0))


def roc(positive: NDArray[np.bool_], score: Floats) -> Roc:
    """ROC curve of a score; the threshold moves over every distinct score.

    Raises:
        ValueError: There is no photo of the class, or none of the others.
    """
    total = int(positive.sum())
    if total in (0, len(positive)):
        raise ValueError(f"{total} of {len(positive)} photos are of the class: a ROC curve needs both kinds")
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.concatenate([np.diff(score[order]) != 0, [True]]))
    hits = np.concatenate([[0], np.cumsum(positive[order])[last]])
    misses = np.concatenate([[0], np.cumsum(~positive[order])[last]])
    turns = np.ones(len(hits), dtype=bool)
    turns[1:-1] = np.diff(hits[:-1]) * np.diff(misses[1:]) != np.diff(hits[1:]) * np.diff(misses[:-1])
    thresholds = np.concatenate([[np.inf], score[order][last]])
    return Roc(misses[turns] / (len(positive) - total), hits[turns] / total, thresholds[turns])

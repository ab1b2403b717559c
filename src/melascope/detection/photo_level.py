"""What a photo shows, yes or no for each kind: the tables of Ding et al. 2022, with the standard specificity.

A kind is called when its surest box reaches the kind's threshold, chosen on validation photos. Precision is
TP / (TP + FP), sensitivity TP / (TP + FN), specificity TN / (TN + FP): the paper's equation 9 prints TN / (FP + FN),
which is no specificity. Accuracy is the paper's own: a photo is right only when all its kinds are, and no other is
called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.severity.ranking import auc

__all__ = ["DEFAULT_THRESHOLD", "best_threshold", "measure", "measure_calls", "thresholds"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
DEFAULT_THRESHOLD: Final = 0.5
"""Where there is nothing to choose it on."""


def thresholds(shown: Flags, surest: Floats) -> Floats:
    """Each kind's threshold of highest F1 on these photos, the validation photos.

    Args:
        shown: (photos, kinds) what is true.
        surest: (photos, kinds) highest score of each kind.

    Returns:
        (kinds,): halfway between the lowest score that is called and the next one below it; `DEFAULT_THRESHOLD` for a
        kind that no photo shows, or none without.
    """
    return np.array([best_threshold(shown[:, k], surest[:, k]) for k in range(shown.shape[1])])


def best_threshold(positive: Flags, score: Floats, missed: int = 0) -> float:
    """Score of highest F1, halfway to the next lower one; of several the highest.

    Args:
        positive: (n,) which are of the kind.
        score: (n,) 0 where nothing was found.
        missed: Positives beyond these that no score reaches, such as lesions that no box was put on.

    Example:
        >>> best_threshold(np.array([True, True, False]), np.array([0.9, 0.5, 0.3]))
        0.4
    """
    if not positive.any() or (positive.all() and not missed and len(positive) < 2):
        return DEFAULT_THRESHOLD
    values = np.unique(score[score > 0])[::-1]
    if not len(values):
        return DEFAULT_THRESHOLD
    order = np.argsort(-score, kind="stable")
    called = np.searchsorted(-score[order], -values, side="right")
    hits = np.append(0, positive[order].cumsum())[called]
    f1 = 2 * hits / (called + positive.sum() + missed)
    best = int(np.argmax(f1))
    lower = values[best + 1] if best + 1 < len(values) else 0.0
    return float((values[best] + lower) / 2)


def measure(
    shown: Flags, surest: Floats, levels: Floats, names: Sequence[str], weights: Floats | None = None
) -> dict[str, Floats]:
    """Every figure of the photos, the areas under the ROC curves included.

    Args:
        shown: (photos, kinds) what is true.
        surest: (photos, kinds) highest score of each kind.
        levels: (kinds,) thresholds.
        names: Of the kinds, for the figures' names: ``precision_fre``.
        weights: (..., photos) how often each photo counts; once each if not given.
    """
    found = measure_calls(shown, surest >= levels[None, :], names, weights)
    areas = [auc(shown[:, k], surest[:, k], weights) for k in range(len(names))]
    found |= {f"auc_{name}": area for name, area in zip(names, areas, strict=True)}
    return found | {"auc_mean": _mean(areas)}


def measure_calls(
    shown: Flags, called: Flags, names: Sequence[str], weights: Floats | None = None
) -> dict[str, Floats]:
    """Precision, sensitivity, specificity and accuracy of each kind, their means, and the exact-match accuracy.

    Where a division by zero threatens: the precision of a kind that photos have and no call names is 0; a kind that no
    photo has (or that all have) is undefined and left out of the means.
    """
    counts = np.ones(len(shown)) if weights is None else weights
    cells = {
        name: counts @ flags.astype(np.float64)
        for name, flags in (
            ("tp", shown & called),
            ("fp", ~shown & called),
            ("fn", shown & ~called),
            ("tn", ~shown & ~called),
        )
    }
    tp, fp, fn, tn = (cells[name] for name in ("tp", "fp", "fn", "tn"))
    total = counts.sum(axis=-1)[..., None]
    table = {
        "precision": np.where(tp + fn > 0, _ratio(tp, tp + fp, empty=0.0), np.nan),
        "sensitivity": _ratio(tp, tp + fn),
        "specificity": _ratio(tn, tn + fp),
        "accuracy": _ratio(tp + tn, np.broadcast_to(total, tp.shape)),
    }
    found = {f"{key}_{name}": values[..., k] for key, values in table.items() for k, name in enumerate(names)}
    found |= {f"{key}_mean": _mean(list(np.moveaxis(values, -1, 0))) for key, values in table.items()}
    right = (shown == called).all(axis=1).astype(np.float64)
    return found | {"exact": np.asarray(counts @ right / counts.sum(axis=-1))}


def _mean(values: Sequence[Floats]) -> Floats:
    """Mean of those that are defined."""
    table = np.stack([np.asarray(value, dtype=np.float64) for value in values])
    known = ~np.isnan(table)
    return _ratio(np.where(known, table, 0.0).sum(axis=0), known.sum(axis=0))


def _ratio(above: Floats, below: NDArray[np.generic], empty: float = np.nan) -> Floats:
    lower = np.asarray(below, dtype=np.float64)
    return np.asarray(np.divide(above, lower, out=np.full(lower.shape, empty), where=lower > 0))

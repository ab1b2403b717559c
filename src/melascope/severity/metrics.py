"""Every figure that is said of a classification of photos into mild, moderate and severe.

All of them take weights of any leading shape, so that thousands of resamples are one matrix product. Where a division
by zero threatens, one rule holds: a class that no photo has is undefined (nan) and left out of the macro averages; the
precision of a class that was never predicted, but that photos have, is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.severity.calibration import Bin, bins, brier, calibration_error, log_loss
from melascope.severity.prediction import CLASSES, Scored
from melascope.severity.ranking import Roc, auc, roc

__all__ = [
    "METRICS",
    "Bin",
    "Metric",
    "Roc",
    "accuracy",
    "auc",
    "balanced_accuracy",
    "band_error",
    "bins",
    "brier",
    "calibration_error",
    "confusion",
    "f1s",
    "log_loss",
    "macro",
    "measure",
    "measure_labels",
    "measure_ranks",
    "precisions",
    "quadratic_kappa",
    "recalls",
    "roc",
    "weighted",
]

Floats = NDArray[np.float64]
Classes = NDArray[np.intp]
_K: Final = len(CLASSES)


@dataclass(frozen=True)
class Metric:
    """One figure: its name for people, and which way is better."""

    key: str
    label: str
    higher_is_better: bool
    gloss: str


METRICS: Final[Mapping[str, Metric]] = {
    metric.key: metric
    for metric in (
        Metric("accuracy", "Accuracy", True, "share of photos whose class is right; equal to the weighted recall"),
        Metric("precision_weighted", "Precision (weighted)", True, "classes weighted by their photos"),
        Metric("recall_weighted", "Recall (weighted)", True, "classes weighted by their photos: the accuracy again"),
        Metric("f1_weighted", "F1 (weighted)", True, "classes weighted by their photos"),
        Metric("precision_macro", "Precision (macro)", True, "every class counts the same"),
        Metric("recall_macro", "Recall (macro)", True, "every class counts the same: the balanced accuracy"),
        Metric("f1_macro", "F1 (macro)", True, "mean of the classes' F1"),
        Metric("balanced_accuracy", "Balanced accuracy", True, "mean of the classes' recall"),
        Metric("kappa", "Quadratic kappa", True, "Cohen's kappa, errors weighted by the square of their bands"),
        Metric("band_error", "Error in bands", False, "mean distance between predicted and true band, 0 to 2"),
        *(
            Metric(f"{name}_{band.value}", f"{label}, {band.value}", True, "of this class against the others")
            for name, label in (("precision", "Precision"), ("recall", "Recall"), ("f1", "F1"), ("auc", "AUC"))
            for band in CLASSES
        ),
        Metric("auc_macro", "AUC (macro)", True, "mean of the three areas, each class against the others"),
        Metric("calibration_error", "Calibration error", False, "expected calibration error, ten bins"),
        Metric("log_loss", "Log loss", False, "mean of -ln p of the true class"),
        Metric("brier", "Brier score", False, "squared distance of the probabilities from the truth, 0 to 2"),
        Metric("masi_error", "MASI error", False, "mean absolute error of the implied MASI against the label's"),
    )
}


def confusion(truth: Classes, predicted: Classes, weights: Floats | None = None) -> Floats:
    """Counts of (true class, predicted class).

    Args:
        truth: (n,) classes.
        predicted: (n,) classes.
        weights: (..., n) how often each photo counts; once each if not given.

    Returns:
        (..., 3, 3): a row is a true class, a column a predicted one.

    Example:
        >>> confusion(np.array([0, 1, 1]), np.array([0, 1, 2])).astype(int).tolist()
        [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    """
    counts = np.ones(len(truth)) if weights is None else weights
    cells = np.zeros((len(truth), _K * _K))
    cells[np.arange(len(truth)), truth * _K + predicted] = 1
    flat = counts @ cells
    return np.asarray(flat.reshape(*flat.shape[:-1], _K, _K))


def accuracy(matrix: Floats) -> Floats:
    """Share of right photos of (..., 3, 3) counts."""
    return _ratio(_right(matrix).sum(axis=-1), matrix.sum(axis=(-2, -1)))


def recalls(matrix: Floats) -> Floats:
    """(..., 3) right share of each class's photos; nan where it has none."""
    return _ratio(_right(matrix), matrix.sum(axis=-1))


def precisions(matrix: Floats) -> Floats:
    """(..., 3) right share of the photos given to each class; 0 where none was, nan where the class has no photo."""
    found = _ratio(_right(matrix), matrix.sum(axis=-2), empty=0.0)
    return np.where(matrix.sum(axis=-1) > 0, found, np.nan)


def f1s(matrix: Floats) -> Floats:
    """(..., 3) harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN); nan where the class has no photo."""
    found = _ratio(2 * _right(matrix), matrix.sum(axis=-1) + matrix.sum(axis=-2))
    return np.where(matrix.sum(axis=-1) > 0, found, np.nan)


def macro(values: Floats) -> Floats:
    """Mean over the classes of (..., 3) that are defined; nan where none is."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1).astype(np.float64))


def weighted(values: Floats, matrix: Floats) -> Floats:
    """Mean over the classes of (..., 3), each weighted by its photos in (..., 3, 3)."""
    support = matrix.sum(axis=-1)
    return _ratio((np.where(support > 0, values, 0.0) * support).sum(axis=-1), support.sum(axis=-1))


def balanced_accuracy(matrix: Floats) -> Floats:
    """Mean recall of the classes that occur."""
    return macro(recalls(matrix))


def quadratic_kappa(matrix: Floats) -> Floats:
    """Cohen's weighted kappa with squared distances (Cohen 1968); nan where truth and prediction are one same class."""
    distance = (np.arange(_K)[:, None] - np.arange(_K)[None, :]) ** 2
    total = matrix.sum(axis=(-2, -1))
    expected = matrix.sum(axis=-1)[..., :, None] * matrix.sum(axis=-2)[..., None, :]
    by_chance = _ratio((expected * distance).sum(axis=(-2, -1)), total)
    return 1 - _ratio((matrix * distance).sum(axis=(-2, -1)), by_chance)


def band_error(matrix: Floats) -> Floats:
    """Mean distance between predicted and true class, 0 to 2."""
    distance = np.abs(np.arange(_K)[:, None] - np.arange(_K)[None, :])
    return _ratio((matrix * distance).sum(axis=(-2, -1)), matrix.sum(axis=(-2, -1)))


def measure_labels(matrix: Floats) -> dict[str, Floats]:
    """Every figure of (..., 3, 3) counts, by the keys of `METRICS`."""
    by_class = {"precision": precisions(matrix), "recall": recalls(matrix), "f1": f1s(matrix)}
    found = {"accuracy": accuracy(matrix)}
    found |= {f"{name}_weighted": weighted(values, matrix) for name, values in by_class.items()}
    found |= {f"{name}_macro": macro(values) for name, values in by_class.items()}
    found |= {
        "balanced_accuracy": balanced_accuracy(matrix),
        "kappa": quadratic_kappa(matrix),
        "band_error": band_error(matrix),
    }
    return found | {
        f"{name}_{band.value}": values[..., k] for name, values in by_class.items() for k, band in enumerate(CLASSES)
    }


def measure_ranks(truth: Classes, scores: Floats, weights: Floats | None = None) -> dict[str, Floats]:
    """Areas under the ROC curves of (n, 3) scores, each class against the others, and their mean."""
    areas = np.stack([auc(truth == k, scores[:, k], weights) for k in range(_K)], axis=-1)
    return {f"auc_{band.value}": areas[..., k] for k, band in enumerate(CLASSES)} | {"auc_macro": macro(areas)}


def measure(table: Scored, weights: Floats | None = None) -> dict[str, Floats]:
    """Every figure of `METRICS` that these predictions allow, over (..., n) weights."""
    found = measure_labels(confusion(table.truth, table.predicted, weights))
    found |= measure_ranks(table.truth, table.probabilities, weights)
    found |= {
        "calibration_error": calibration_error(table.truth, table.probabilities, weights),
        "log_loss": log_loss(table.truth, table.probabilities, weights),
        "brier": brier(table.truth, table.probabilities, weights),
    }
    if table.predicted_masi is not None:
        counts = np.ones(len(table.truth)) if weights is None else weights
        error = np.abs(table.predicted_masi - table.rated_masi)
        found["masi_error"] = np.asarray(counts @ error / counts.sum(axis=-1))
    return found


def _right(matrix: Floats) -> Floats:
    return np.asarray(np.diagonal(matrix, axis1=-2, axis2=-1))


def _ratio(above: Floats, below: Floats, empty: float = np.nan) -> Floats:
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    return np.asarray(np.divide(above, below, out=np.full(below.shape, empty), where=below > 0))

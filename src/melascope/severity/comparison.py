"""Whether one network is better than another on the same photos: McNemar's exact test and that of DeLong.

McNemar 1947 looks at the photos that only one of the two gets right, and takes photos as independent. DeLong et al.
1988 compares two areas under ROC curves; where a patient has several photos its sums are taken by patient (Obuchowski
1997), and where each has one, that is DeLong's own formula.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["DeLong", "McNemar", "delong", "holm", "mcnemar"]

Floats = NDArray[np.float64]
_Z: Final = 1.959963984540054


@dataclass(frozen=True)
class McNemar:
    """Exact McNemar test of two classifiers on the same photos."""

    only_first: int
    """Photos that only the first gets right."""
    only_second: int
    p: float
    """Two-sided; 1 where both are right on the same photos."""


@dataclass(frozen=True)
class DeLong:
    """Two areas under ROC curves on the same photos."""

    first: float
    second: float
    difference: float
    """First minus second."""
    low: float
    high: float
    """Its 95 % interval."""
    p: float
    """Two-sided; nan where the areas cannot be told."""


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> McNemar:
    """Exact two-sided McNemar test: a coin thrown for every photo that only one gets right.

    Args:
        first_right: (n,) whether the first classifier is right.
        second_right: (n,) the same of the second.

    Example:
        >>> found = mcnemar(np.array([True] * 6 + [False]), np.array([False] * 7))
        >>> found.only_first, found.p
        (6, 0.03125)
    """
    b = int((first_right & ~second_right).sum())
    c = int((second_right & ~first_right).sum())
    ways = tail = 1
    for k in range(min(b, c)):
        ways = ways * (b + c - k) // (k + 1)
        tail += ways
    return McNemar(b, c, min(1.0, 2 * tail / 2 ** (b + c)))


def delong(
    positive: NDArray[np.bool_], first: Floats, second: Floats, patients: NDArray[np.intp] | None = None
) -> DeLong:
    """Compare the areas under two ROC curves of the same photos.

    Args:
        positive: (n,) which photos are of the class.
        first: (n,) score of the first network, higher for what is more likely of the class.
        second: (n,) score of the second.
        patients: (n,) number of each photo's patient; without it every photo is taken as independent.
    """
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        return DeLong(*(math.nan,) * 6)
    of_positive, of_negative = (np.empty((2, size)) for size in (m, n))
    for k, score in enumerate((first, second)):
        of_positive[k], of_negative[k] = _components(score[positive], score[~positive])
    areas = of_positive.mean(axis=1)
    groups = np.arange(len(positive)) if patients is None else patients
    groups = np.unique(groups, return_inverse=True)[1]
    people = int(groups.max()) + 1
    # Deviations from the area, added up by person, of the photos of the class and of the others.
    inside, outside = np.zeros((2, people)), np.zeros((2, people))
    for k in range(2):
        np.add.at(inside[k], groups[positive], of_positive[k] - areas[k])
        np.add.at(outside[k], groups[~positive], of_negative[k] - areas[k])
    cross = _covariance(inside, outside, people) / (m * n)
    covariance = (
        _covariance(inside, inside, len(np.unique(groups[positive]))) / m**2
        + _covariance(outside, outside, len(np.unique(groups[~positive]))) / n**2
    )
    if patients is not None:
        covariance = covariance + cross + cross.T
    variance = covariance[0, 0] + covariance[1, 1] - covariance[0, 1] - covariance[1, 0]
    difference = float(areas[0] - areas[1])
    error = math.sqrt(max(0.0, float(variance)))
    if math.isnan(float(variance)):
        return DeLong(float(areas[0]), float(areas[1]), difference, math.nan, math.nan, math.nan)
    if error < 1e-12:
        p = 1.0 if abs(difference) < 1e-12 else 0.0
    else:
        p = math.erfc(abs(difference) / error / math.sqrt(2))
    return DeLong(float(areas[0]), float(areas[1]), difference, difference - _Z * error, difference + _Z * error, p)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """P-values adjusted for their number (Holm 1979); nan stays nan and does not count.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        (0.03, 0.06, 0.06)
    """
    known = sorted((p, k) for k, p in enumerate(p_values) if not math.isnan(p))
    adjusted = [math.nan] * len(p_values)
    highest = 0.0
    for rank, (p, k) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        adjusted[k] = highest
    return tuple(adjusted)


def _components(positive: Floats, negative: Floats) -> tuple[Floats, Floats]:
    """DeLong's structural components: of each photo, the share of the other kind that it is ranked rightly against."""
    low, high = np.sort(negative), np.sort(positive)
    beaten = np.searchsorted(low, positive, "left") + np.searchsorted(low, positive, "right")
    beating = 2 * len(positive) - np.searchsorted(high, negative, "left") - np.searchsorted(high, negative, "right")
    return beaten / (2 * len(negative)), beating / (2 * len(positive))


def _covariance(first: Floats, second: Floats, groups: int) -> Floats:
    """Sums over persons of products of deviations, with the correction for their number; nan for a single person."""
    return first @ second.T * (groups / (groups - 1) if groups > 1 else math.nan)

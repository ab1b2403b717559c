"""MASI and mMASI: the arithmetic of the melasma area and severity index, and its severity bands.

MASI = 0.3 A(D+H) forehead + 0.3 A(D+H) right malar + 0.3 A(D+H) left malar + 0.1 A(D+H) chin, 0 to 48
(Kimbrough-Green et al. 1994). mMASI leaves homogeneity out, 0 to 24 (Pandya et al. 2011). How far several raters agree
is said by the intraclass correlation (Shrout & Fleiss 1979; McGraw & Wong 1996).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from melascope.vocabulary import MASI_REGIONS, Region, Severity

__all__ = [
    "AREA_LIMITS",
    "AREA_VALUES",
    "DARKNESS",
    "DETECTION_FLOOR",
    "HOMOGENEITY_MM",
    "WEIGHTS",
    "Agreement",
    "RegionalScore",
    "area_step",
    "area_value",
    "f_above",
    "f_quantile",
    "icc",
    "masi",
    "mmasi",
    "patch_diameter",
    "regional_score",
    "severity",
    "step",
]

WEIGHTS: Final = dict(zip(MASI_REGIONS, (0.3, 0.3, 0.3, 0.1), strict=True))
_TENTHS: Final = dict(zip(MASI_REGIONS, (3, 3, 3, 1), strict=True))
"""The weights as whole numbers: steps that make 16 add up to 16, not to 15.999999999999998, which is another band."""
AREA_LIMITS: Final = (0.10, 0.30, 0.50, 0.70, 0.90)
"""Involved shares at which A passes from 1 to 2, ... 5 to 6; each belongs to the higher step."""
DETECTION_FLOOR: Final = 0.01
"""Share below which an automatic measurement cannot tell involvement from none: A is 0 there."""
AREA_VALUES: Final = tuple(
    zip((0.0, DETECTION_FLOOR, *AREA_LIMITS, 1.0), (0.0, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.0), strict=True)
)
"""(involved share, continuous A)."""
DARKNESS: Final = ((0.0, 0.0), (0.03, 1.0), (0.08, 2.0), (0.14, 3.0), (0.22, 4.0))
"""(melanin density above normal, D). On skin of L* 65 the densities darken by about 3, 7, 11 and 17 units of L*."""
HOMOGENEITY_MM: Final = ((0.0, 0.5), (3.0, 1.0), (10.0, 2.0), (25.0, 3.0))
"""(typical diameter of a patch in mm, H); from 3 to 4 by the involved share, see `regional_score`."""


@dataclass(frozen=True)
class RegionalScore:
    """A (0 to 6), D and H (0 to 4) of one region, step or continuous values.

    Raises:
        ValueError: A value is not finite or out of its range.

    Example:
        >>> RegionalScore(area=2, darkness=3, homogeneity=1).darkness
        3
    """

    area: float
    darkness: float
    homogeneity: float

    def __post_init__(self) -> None:
        for name, top in (("area", 6), ("darkness", 4), ("homogeneity", 4)):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0 <= value <= top):
                raise ValueError(f"{name} = {value}: must lie between 0 and {top}; correct the score")


def area_step(share: float) -> int:
    """A of an involved share between 0 and 1: 0 none, 1 < 10 %, 2 < 30 %, 3 < 50 %, 4 < 70 %, 5 < 90 %, 6 from 90 %.

    Example:
        >>> [area_step(s) for s in (0.0, 0.05, 0.10, 0.95)]
        [0, 1, 2, 6]
    """
    _check_share(share)
    if share < DETECTION_FLOOR:
        return 0
    return 1 + sum(share >= limit for limit in AREA_LIMITS)


def area_value(share: float) -> float:
    """A as a continuous function of the involved share, whose rounding is `area_step`.

    Piecewise linear; it passes half-way between two steps at the share where the step changes, so that a small change
    of the share never makes a jump of the score.

    Example:
        >>> round(area_value(0.10), 3), area_value(1.0), area_value(0.0)
        (1.5, 6.0, 0.0)
    """
    _check_share(share)
    return _between(AREA_VALUES, share)


def regional_score(share: float, density: float, diameter_mm: float) -> RegionalScore:
    """Continuous A, D and H of physical quantities, the one way from a measured or a true region to its score.

    D interpolates `DARKNESS`, H `HOMOGENEITY_MM` after the wording of Kimbrough-Green et al. 1994 (0 normal, 1 specks,
    2 patches under 1.5 cm, 3 patches over 2 cm, 4 uniform without clear areas); the tables are ours, for no published
    calibration exists. Around the detection floor D and H fade in, so that a few pixels make no jump of the score.

    Args:
        share: Involved share of the region's skin, 0 to 1.
        density: Melanin density of the involved skin above normal (decadic optical density in red), at least 0.
        diameter_mm: Typical diameter of a patch, see `patch_diameter`.

    Example:
        >>> regional_score(1.0, 0.22, 60.0)
        RegionalScore(area=6.0, darkness=4.0, homogeneity=4.0)
    """
    area = area_value(share)
    fade = min(1.0, max(0.0, (share - DETECTION_FLOOR / 2) / (1.5 * DETECTION_FLOOR)))
    by_size = _between(HOMOGENEITY_MM, diameter_mm)
    uniform = min(1.0, max(0.0, (share - 0.5) / 0.45)) * min(1.0, max(0.0, (diameter_mm - 10.0) / 15.0))
    return RegionalScore(area, fade * _between(DARKNESS, density), fade * (by_size + (4.0 - by_size) * uniform))


def patch_diameter(areas: Iterable[float]) -> float:
    """Diameter of the disc that the average involved pixel's patch would fill: patches weighted by their area.

    Args:
        areas: Areas of the patches, pixels or mm^2; the diameter has the root of their unit. 0 if there are none.

    Example:
        >>> round(patch_diameter([math.pi * 25.0]), 6)
        10.0
    """
    patches = list(areas)
    total = math.fsum(patches)
    return 2 * math.sqrt(math.fsum(a * a for a in patches) / total / math.pi) if total > 0 else 0.0


def step(value: float) -> int:
    """The step value of a continuous D or H: the nearest whole number, halves upward."""
    return math.floor(value + 0.5)


def masi(scores: Mapping[Region, RegionalScore]) -> float | None:
    """MASI, 0 to 48; None if one of the four regions is missing (it is never counted as zero).

    Example:
        >>> masi({region: RegionalScore(6, 4, 4) for region in MASI_REGIONS})
        48.0
    """
    if any(region not in scores for region in MASI_REGIONS):
        return None
    parts = (w * scores[r].area * (scores[r].darkness + scores[r].homogeneity) for r, w in _TENTHS.items())
    return min(48.0, math.fsum(parts) / 10)


def mmasi(scores: Mapping[Region, RegionalScore]) -> float | None:
    """Modified MASI, 0 to 24; None if one of the four regions is missing.

    Example:
        >>> mmasi({region: RegionalScore(6, 4, 0) for region in MASI_REGIONS})
        24.0
    """
    if any(region not in scores for region in MASI_REGIONS):
        return None
    return min(24.0, math.fsum(w * scores[r].area * scores[r].darkness for r, w in _TENTHS.items()) / 10)


def severity(total: float) -> Severity:
    """Band of a MASI: mild < 16, moderate 16 to < 32, severe from 32 (Zhang et al. 2025).

    The paper prints "16-32" and "32-48", so that 32 has two bands; here the bands are half-open.

    Example:
        >>> severity(32.0).value
        'severe'
    """
    if not (math.isfinite(total) and 0 <= total <= 48):
        raise ValueError(f"MASI = {total}: must lie between 0 and 48; correct the score")
    if total < 16:
        return Severity.MILD
    return Severity.MODERATE if total < 32 else Severity.SEVERE


@dataclass(frozen=True)
class Agreement:
    """Intraclass correlations of a table of ratings: two-way random effects, absolute agreement, with intervals."""

    single: float
    """ICC(2,1): how far one rater's score can be trusted."""
    single_low: float
    single_high: float
    mean: float
    """ICC(2,k): how far the mean of these k raters can be trusted; -inf where they agree far less than by chance."""
    mean_low: float
    mean_high: float
    subjects: int
    """n, rows of the table."""
    raters: int
    """k, columns of the table."""
    confidence: float
    """Share of such intervals that hold the true value."""


def icc(ratings: Iterable[Iterable[float]], confidence: float = 0.95) -> Agreement:
    """ICC(2,1) and ICC(2,k) of n subjects (rows) that the same k raters (columns) have scored.

    Shrout & Fleiss 1979, with the F intervals of McGraw & Wong 1996, case 2A. The value can fall below 0 where raters
    agree less than by chance.

    Args:
        ratings: (n, k) finite numbers, n and k at least 2; an array will do.
        confidence: 0 to 1, exclusive.

    Raises:
        ValueError: The table is ragged, too small, holds a value that is not finite, or its rows do not differ.

    Example:
        >>> found = icc([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
        >>> round(found.single, 2), round(found.mean, 2)
        (0.29, 0.62)
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence = {confidence}: must lie between 0 and 1; 0.95 is customary")
    table = [[float(value) for value in row] for row in ratings]
    n, k = len(table), len(table[0]) if table else 0
    if n < 2 or k < 2 or any(len(row) != k for row in table):
        raise ValueError(f"{n} rows, the first with {k} ratings: need 2 subjects or more, all with the same 2 or more")
    if not all(math.isfinite(value) for row in table for value in row):
        raise ValueError("a rating is not finite: leave out the subjects that not every rater has scored")
    rows, between, error = _mean_squares(table)
    if rows <= 1e-12 * (between + error) or rows == 0:
        raise ValueError(
            f"the {n} subjects do not differ in their mean rating: no correlation can be told; rate other ones"
        )
    single = (rows - error) / (rows + (k - 1) * error + k * (between - error) / n)
    a, b = k * single / n, 1 - single + k * single * (n - 1) / n
    parts = (a * between) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    freedom = max(k - 1, (a * between + b * error) ** 2 / parts) if parts > 0 else k - 1
    tail = (1 + confidence) / 2
    rest = k * between + (k * n - k - n) * error
    f_low, f_high = f_quantile(tail, n - 1, freedom), f_quantile(tail, freedom, n - 1)
    low = n * (rows - f_low * error) / (f_low * rest + n * rows)
    high = n * (f_high * rows - error) / (rest + n * f_high * rows)

    def mean(value: float) -> float:
        return k * value / (1 + (k - 1) * value) if 1 + (k - 1) * value > 0 else -math.inf

    return Agreement(single, low, high, mean(single), mean(low), mean(high), n, k, confidence)


def f_quantile(probability: float, freedom_1: float, freedom_2: float) -> float:
    """Value below which an F-distributed number lies with a probability (0 to 1, exclusive).

    Bisection of the regularised incomplete beta function; nine digits or more from one degree of freedom up.

    Example:
        >>> round(f_quantile(0.95, 3, 10), 3)
        3.708
    """
    if not (0 < probability < 1 and 0 < freedom_1 < math.inf and 0 < freedom_2 < math.inf):
        raise ValueError(
            f"F quantile of {probability} with {freedom_1} and {freedom_2} degrees of freedom: the probability must "
            "lie between 0 and 1, the degrees must be positive and finite"
        )
    if probability < 0.5:
        return 1 / f_quantile(1 - probability, freedom_2, freedom_1)
    # In u = d2 / (d2 + d1 F) the upper tail is the lower one: small numbers, which keep their digits.
    low, high = -700.0, 0.0
    while high - low > 1e-13 * max(1.0, -low):
        middle = (low + high) / 2
        below = _beta_share(math.exp(middle), freedom_2 / 2, freedom_1 / 2) < 1 - probability
        low, high = (middle, high) if below else (low, middle)
    return freedom_2 / freedom_1 * math.expm1(-high)


def f_above(value: float, freedom_1: float, freedom_2: float) -> float:
    """Probability that an F-distributed number is above a value: the p-value of an F test.

    Example:
        >>> round(f_above(3.708, 3, 10), 3)
        0.05
    """
    if not (freedom_1 > 0 and freedom_2 > 0 and value >= 0):
        raise ValueError(
            f"F of {value} with {freedom_1} and {freedom_2} degrees of freedom: the value must not be negative, the "
            "degrees must be positive"
        )
    share = freedom_2 / (freedom_2 + freedom_1 * value)
    return 1.0 if value == 0 else _beta_share(share, freedom_2 / 2, freedom_1 / 2)


def _mean_squares(table: list[list[float]]) -> tuple[float, float, float]:
    """Mean squares between subjects, between raters, and of the error."""
    n, k = len(table), len(table[0])
    by_subject = [math.fsum(row) / k for row in table]
    by_rater = [math.fsum(column) / n for column in zip(*table, strict=True)]
    grand = math.fsum(by_rater) / k
    rows = k * math.fsum((value - grand) ** 2 for value in by_subject) / (n - 1)
    between = n * math.fsum((value - grand) ** 2 for value in by_rater) / (k - 1)
    error = math.fsum(
        (value - by_subject[i] - by_rater[j] + grand) ** 2 for i, row in enumerate(table) for j, value in enumerate(row)
    )
    return rows, between, error / ((n - 1) * (k - 1))


def _beta_share(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b): continued fraction (DLMF 8.17.22), from the nearer end."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_share(1 - x, b, a)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a + 1) - math.lgamma(b))
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    total = d
    for m in range(1, 100_000):
        for factor in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + factor * d or tiny)
            c = 1 + factor / c or tiny
            total *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * total


def _check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise ValueError(f"share = {share}: must lie between 0 and 1; divide the involved skin by the region's skin")


def _between(table: tuple[tuple[float, float], ...], x: float) -> float:
    """Linear interpolation in a table of (x, y), constant beyond its ends."""
    for (x0, y0), (x1, y1) in pairwise(table):
        if x <= x1:
            return y0 + (y1 - y0) * max(0.0, x - x0) / (x1 - x0)
    return table[-1][1]

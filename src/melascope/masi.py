"""MASI and mMASI: the arithmetic of the melasma area and severity index, and its severity bands.

MASI = 0.3 A(D+H) forehead + 0.3 A(D+H) right malar + 0.3 A(D+H) left malar + 0.1 A(D+H) chin, 0 to 48
(Kimbrough-Green et al. 1994). mMASI leaves homogeneity out, 0 to 24 (Pandya et al. 2011).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from melascope.vocabulary import MASI_REGIONS, Region, Severity

__all__ = [
    "AREA_LIMITS",
    "DETECTION_FLOOR",
    "WEIGHTS",
    "RegionalScore",
    "area_step",
    "area_value",
    "masi",
    "mmasi",
    "severity",
    "step",
]

WEIGHTS: Final = dict(zip(MASI_REGIONS, (0.3, 0.3, 0.3, 0.1), strict=True))
AREA_LIMITS: Final = (0.10, 0.30, 0.50, 0.70, 0.90)
"""Involved shares at which A passes from 1 to 2, ... 5 to 6; each belongs to the higher step."""
DETECTION_FLOOR: Final = 0.01
"""Share below which an automatic measurement cannot tell involvement from none: A is 0 there."""


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
    shares = (0.0, DETECTION_FLOOR, *AREA_LIMITS, 1.0)
    values = (0.0, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.0)
    for x0, x1, y0, y1 in zip(shares, shares[1:], values, values[1:], strict=False):
        if share <= x1:
            return y0 + (y1 - y0) * (share - x0) / (x1 - x0)
    return 6.0


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
    parts = (w * scores[r].area * (scores[r].darkness + scores[r].homogeneity) for r, w in WEIGHTS.items())
    return min(48.0, math.fsum(parts))


def mmasi(scores: Mapping[Region, RegionalScore]) -> float | None:
    """Modified MASI, 0 to 24; None if one of the four regions is missing.

    Example:
        >>> mmasi({region: RegionalScore(6, 4, 0) for region in MASI_REGIONS})
        24.0
    """
    if any(region not in scores for region in MASI_REGIONS):
        return None
    return min(24.0, math.fsum(w * scores[r].area * scores[r].darkness for r, w in WEIGHTS.items()))


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


def _check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise ValueError(f"share = {share}: must lie between 0 and 1; divide the involved skin by the region's skin")

"""MASI and mMASI: the arithmetic of the melasma area and severity index, and its severity bands.

MASI = 0.3 A(D+H) forehead + 0.3 A(D+H) right malar + 0.3 A(D+H) left malar + 0.1 A(D+H) chin, 0 to 48
(Kimbrough-Green et al. 1994). mMASI leaves homogeneity out, 0 to 24 (Pandya et al. 2011).
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
    "DARKNESS",
    "DETECTION_FLOOR",
    "HOMOGENEITY_MM",
    "WEIGHTS",
    "RegionalScore",
    "area_step",
    "area_value",
    "masi",
    "mmasi",
    "patch_diameter",
    "regional_score",
    "severity",
    "step",
]

WEIGHTS: Final = dict(zip(MASI_REGIONS, (0.3, 0.3, 0.3, 0.1), strict=True))
AREA_LIMITS: Final = (0.10, 0.30, 0.50, 0.70, 0.90)
"""Involved shares at which A passes from 1 to 2, ... 5 to 6; each belongs to the higher step."""
DETECTION_FLOOR: Final = 0.01
"""Share below which an automatic measurement cannot tell involvement from none: A is 0 there."""
DARKNESS: Final = ((0.0, 0.0), (0.03, 1.0), (0.08, 2.0), (0.14, 3.0), (0.22, 4.0))
"""(melanin density above normal, D). On skin of L* 65 the densities darken by about 3, 8, 13 and 21 units of L*."""
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
    shares = (0.0, DETECTION_FLOOR, *AREA_LIMITS, 1.0)
    values = (0.0, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.0)
    for x0, x1, y0, y1 in zip(shares, shares[1:], values, values[1:], strict=False):
        if share <= x1:
            return y0 + (y1 - y0) * (share - x0) / (x1 - x0)
    return 6.0


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


def _between(table: tuple[tuple[float, float], ...], x: float) -> float:
    """Linear interpolation in a table of (x, y), constant beyond its ends."""
    for (x0, y0), (x1, y1) in pairwise(table):
        if x <= x1:
            return y0 + (y1 - y0) * max(0.0, x - x0) / (x1 - x0)
    return table[-1][1]

"""Area, darkness and homogeneity of a region of a photograph, with intervals, as numbers behind the MASI steps.

Area is the involved share of the region's bare skin. Darkness is the melanin density of the involved skin above the
skin beneath it, homogeneity comes from the size of the patches; `masi.regional_score` turns them into steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope import networks
from melascope.lesions.outline import FACE_MM
from melascope.lesions.pigment import PigmentMap, involvement
from melascope.masi import WEIGHTS, RegionalScore, patch_diameter, regional_score
from melascope.vocabulary import Region

__all__ = ["UNCALIBRATED", "Calibration", "RegionMeasure", "calibration", "measure_region", "total_error"]

LEAST_DOUBT: Final = 0.005
"""What even a clear region may hide: the least uncertainty of a share."""
SPREAD: Final = 0.25
"""Half width of the logarithm of a patch's diameter, before calibration."""
SURENESS: Final = 8.0
"""Power of its probability with which a pixel counts in the density of a region."""


Factors = tuple[float, float]
"""Of what lies below a measured value, and of what lies above it: pigment is missed more often than it is invented."""


@dataclass(frozen=True)
class Calibration:
    """Factors that make half widths hold the truth in 90 % of the photographs that they were measured on.

    Of a region's share: times the mean of p (1 - p) over its pixels, the share that is expected to be called wrongly if
    p is right. Of the density: times 0.01 + 0.2 x density. Of the logarithm of a patch's diameter: times `SPREAD`. Of a
    total: times what the regions' intervals add up to.
    """

    share: Factors
    density: Factors
    diameter: Factors
    total: Factors


UNCALIBRATED: Final = Calibration((1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0))


@cache
def calibration() -> Calibration:
    """That of the shipped network, from its card."""
    found = networks.load("skin").card.get("calibration")
    if not found:
        return UNCALIBRATED
    return Calibration(*((found[name][0], found[name][1]) for name in ("share", "density", "diameter", "total")))


@dataclass(frozen=True)
class RegionMeasure:
    """What was measured in one region. Shares are 0 to 1; intervals are meant to hold the truth in nine of ten."""

    skin_px: int
    """Working pixels of bare skin."""
    share: float
    share_doubt: float
    """Half width of its interval before calibration."""
    low: float
    high: float
    excess: float
    """Median melanin density of the involved skin above normal, surer pixels counting more; 0 if none is involved."""
    excess_doubt: float
    """Half width of its interval before calibration."""
    diameter_mm: float
    """Typical diameter of a patch; 0 where there is none."""
    score: RegionalScore
    lowest: RegionalScore
    highest: RegionalScore
    """The scores at the lower and upper ends of the 90 % intervals of share, density and diameter."""
    least: RegionalScore
    most: RegionalScore
    """The scores at the lower and upper ends of share and darkness, before calibration: a total has its own factor."""


def measure_region(
    pigment: PigmentMap,
    codes: NDArray[np.uint8],
    region: Region | tuple[Region, ...],
    widening: float,
    factors: Calibration | None = None,
) -> RegionMeasure:
    """Measures one region, or several as one.

    Args:
        pigment: The photograph's pigment map.
        codes: (h, w) region codes.
        region: Which region or regions.
        widening: Factor of at least 1 by which the photograph's faults widen the intervals.
        factors: Of the intervals; the shipped network's if None.

    Raises:
        ValueError: The region has no pixel.
    """
    wanted = (region,) if isinstance(region, Region) else region
    place = np.isin(codes, wanted)
    total = int(place.sum())
    if not total:
        names = ", ".join(one.label for one in wanted)
        raise ValueError(f"{names}: no pixel of it in the photograph; ask only for regions that are present")
    patches = pigment.patches & place
    share = float(involvement(pigment.probability[place]).mean())
    factors = factors or calibration()
    doubt = widening * (_doubt(pigment.probability[place]) + LEAST_DOUBT)
    diameter = _typical_diameter(patches) * FACE_MM / pigment.face_px
    inner = patches & pigment.core if (patches & pigment.core).any() else patches
    excess = max(0.0, _middle(pigment.density[inner], pigment.probability[inner] ** SURENESS)) if inner.any() else 0.0
    error = widening * (0.01 + 0.2 * excess)
    low, high = max(0.0, share - factors.share[0] * doubt), min(1.0, share + factors.share[1] * doubt)
    lightest = max(0.0, excess - factors.density[0] * error)
    smallest, largest = (diameter * float(np.exp(f * widening * SPREAD)) for f in _signed(factors.diameter))
    return RegionMeasure(
        skin_px=total,
        share=share,
        share_doubt=doubt,
        low=low,
        high=high,
        excess=excess,
        excess_doubt=error,
        diameter_mm=diameter,
        score=regional_score(share, excess, diameter),
        lowest=regional_score(low, lightest, smallest),
        highest=regional_score(high, excess + factors.density[1] * error, largest),
        least=regional_score(max(0.0, share - doubt), max(0.0, excess - error), diameter),
        most=regional_score(min(1.0, share + doubt), excess + error, diameter),
    )


def _signed(factors: Factors) -> Factors:
    return -factors[0], factors[1]


def _middle(values: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    """Weighted median."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order], dtype=np.float64)
    return float(values[order][int(np.searchsorted(reached, reached[-1] / 2))])


def total_error(measured: Mapping[Region, RegionMeasure], *, modified: bool) -> tuple[float, float]:
    """How far MASI (or mMASI) may lie below and above what was measured, before the calibration's factor.

    The regions share light and camera, so that their errors are added, half of them squared.
    """
    down, up = [], []
    for region, m in measured.items():
        least, middle, most = (_product(score, modified) for score in (m.least, m.score, m.most))
        down.append(WEIGHTS[region] * (middle - least))
        up.append(WEIGHTS[region] * (most - middle))
    return _together(down), _together(up)


def _product(score: RegionalScore, modified: bool) -> float:
    return score.area * (score.darkness + (0.0 if modified else score.homogeneity))


def _together(errors: list[float]) -> float:
    """Mean of the sum (errors of one cause) and of the root of the sum of squares (errors of their own)."""
    return (sum(errors) + float(np.sqrt(sum(e * e for e in errors)))) / 2


def _doubt(probability: NDArray[np.float32]) -> float:
    """Share of pixels that is expected on the wrong side if p is right: the mean of p (1 - p)."""
    return float((probability * (1 - probability)).mean())


def _typical_diameter(patches: NDArray[np.bool_]) -> float:
    """Typical diameter of the patches in pixels."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(patches.astype(np.uint8), connectivity=8)
    return patch_diameter(stats[1:count, cv2.CC_STAT_AREA].astype(float).tolist())

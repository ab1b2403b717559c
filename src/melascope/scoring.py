"""Area, darkness and homogeneity of a region, as numbers behind the MASI steps.

Area is the involved share of the region's bare skin. Darkness is the mean melanin density of the involved skin above
the unaffected skin around it. Homogeneity follows the wording of Kimbrough-Green et al. 1994 (0 normal, 1 specks, 2
patches under 1.5 cm, 3 patches over 2 cm, 4 uniform without clear areas). The tables that turn them into 0 to 4 are
ours; no published calibration against dermatologists exists for optical density, and the report says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.lesions.outline import FACE_MM
from melascope.lesions.pigment import PigmentMap
from melascope.masi import DETECTION_FLOOR, RegionalScore, area_value
from melascope.vocabulary import Region

__all__ = ["DARKNESS", "HOMOGENEITY_MM", "RegionMeasure", "measure_region"]

DARKNESS: Final = ((0.0, 0.0), (0.03, 1.0), (0.08, 2.0), (0.14, 3.0), (0.22, 4.0))
"""(melanin density above normal, D). On skin of L* 65 the densities darken by about 3, 8, 13 and 21 units of L*."""
HOMOGENEITY_MM: Final = ((0.0, 0.5), (3.0, 1.0), (10.0, 2.0), (25.0, 3.0))
"""(typical diameter of a patch in mm, H); from 3 to 4 by the involved share, see `_homogeneity`."""


@dataclass(frozen=True)
class RegionMeasure:
    """What was measured in one region. Shares are 0 to 1; intervals cover 90 % on the painted test faces."""

    skin_px: int
    """Working pixels of bare skin."""
    share: float
    low: float
    high: float
    excess: float
    """Median melanin density of the involved skin above normal; 0 where none is involved."""
    excess_error: float
    """Half width of its 90 % interval."""
    score: RegionalScore
    least: RegionalScore
    most: RegionalScore
    """The scores at the lower and upper ends of share and darkness."""


def measure_region(
    pigment: PigmentMap, codes: NDArray[np.uint8], region: Region | tuple[Region, ...], widening: float
) -> RegionMeasure:
    """Measures one region, or several as one.

    Args:
        pigment: The photograph's pigment map.
        codes: (h, w) region codes.
        region: Which region or regions.
        widening: Factor of at least 1 by which the photograph's faults widen the intervals.

    Raises:
        ValueError: The region has no pixel.
    """
    wanted = (region,) if isinstance(region, Region) else region
    place = np.isin(codes, wanted)
    total = int(place.sum())
    if not total:
        names = ", ".join(one.label for one in wanted)
        raise ValueError(f"{names}: no pixel of it in the photograph; ask only for regions that are present")
    involved = pigment.involved & place
    share = float(involved.sum()) / total
    low, high = _interval(pigment.probability[place], share, widening)
    diameter = _typical_diameter(involved) * FACE_MM / pigment.face_px
    inner = involved & pigment.core if (involved & pigment.core).any() else involved
    excess = max(0.0, float(np.median(pigment.excess[inner]))) if inner.any() else 0.0
    error = widening * (0.015 + 0.25 * excess)
    return RegionMeasure(
        skin_px=total,
        share=share,
        low=low,
        high=high,
        excess=excess,
        excess_error=error,
        score=_score(share, excess, diameter),
        least=_score(low, max(0.0, excess - error), diameter),
        most=_score(high, excess + error, diameter),
    )


def _interval(probability: NDArray[np.float32], share: float, widening: float) -> tuple[float, float]:
    """90 % interval of a share: from the sure pixels to the possible ones, never narrower than the detection floor."""
    sure = float((probability >= 0.85).mean())
    possible = float((probability >= 0.15).mean())
    margin = DETECTION_FLOOR + 0.05 * np.sqrt(share * (1 - share))
    low = share - widening * (margin + max(0.0, share - sure))
    high = share + widening * (margin + max(0.0, possible - share))
    return float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))


def _typical_diameter(involved: NDArray[np.bool_]) -> float:
    """Diameter in pixels of the disc that the average involved pixel's patch would fill (weighted by area)."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(involved.astype(np.uint8), connectivity=8)
    areas = stats[1:count, cv2.CC_STAT_AREA].astype(float)
    if not areas.size:
        return 0.0
    return float(2 * np.sqrt((areas**2).sum() / areas.sum() / np.pi))


def _score(share: float, excess: float, diameter_mm: float) -> RegionalScore:
    # Around the detection floor darkness and homogeneity fade in, so that a few pixels never make a jump of the score.
    fade = float(np.clip((share - DETECTION_FLOOR / 2) / (1.5 * DETECTION_FLOOR), 0, 1))
    darkness = float(np.interp(excess, [x for x, _ in DARKNESS], [d for _, d in DARKNESS]))
    return RegionalScore(area_value(share), fade * darkness, fade * _homogeneity(share, diameter_mm))


def _homogeneity(share: float, diameter_mm: float) -> float:
    by_size = float(np.interp(diameter_mm, [x for x, _ in HOMOGENEITY_MM], [h for _, h in HOMOGENEITY_MM]))
    uniform = float(np.clip((share - 0.5) / 0.45, 0, 1))
    return by_size + (4.0 - by_size) * uniform * float(np.clip((diameter_mm - 10) / 15, 0, 1))

"""Area, darkness and homogeneity of a region of a photograph, with intervals, as numbers behind the MASI steps.

Area is the involved share of the region's bare skin. Darkness is the melanin density of the involved skin above the
unaffected skin around it, homogeneity comes from the size of the patches; `masi.regional_score` turns them into steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.lesions.outline import FACE_MM
from melascope.lesions.pigment import PigmentMap
from melascope.masi import DETECTION_FLOOR, RegionalScore, patch_diameter, regional_score
from melascope.vocabulary import Region

__all__ = ["RegionMeasure", "measure_region"]


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
        score=regional_score(share, excess, diameter),
        least=regional_score(low, max(0.0, excess - error), diameter),
        most=regional_score(high, excess + error, diameter),
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
    """Typical diameter of the patches in pixels."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(involved.astype(np.uint8), connectivity=8)
    return patch_diameter(stats[1:count, cv2.CC_STAT_AREA].astype(float).tolist())

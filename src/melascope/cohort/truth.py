"""What is true of a patient and of a photograph: shares, darkness, homogeneity, MASI, from the maps themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.chart import PX_MM, Chart
from melascope.cohort.face import Face
from melascope.cohort.photograph import Photograph
from melascope.data.box import KIND_CODES
from melascope.masi import RegionalScore, masi, mmasi, patch_diameter, regional_score, severity
from melascope.vocabulary import MASI_REGIONS, Lesion, Region

__all__ = [
    "ALL_KINDS",
    "MELASMA",
    "RegionTruth",
    "Scores",
    "as_json",
    "photo_truth",
    "score",
    "surface_scores",
    "true_regions",
]

MELASMA: Final = (KIND_CODES[Lesion.MELASMA],)
"""The kind that the MASI counts."""
ALL_KINDS: Final = tuple(KIND_CODES.values())
"""What a measurement that does not name kinds counts."""
LEAST_PX: Final = 30
"""Pixels that a region must show in a photograph to be scored, as in the measurement."""
LEAST_SHARE: Final = 0.25
"""Share of its whole surface that a region must show in a photograph to be scored."""


@dataclass(frozen=True)
class RegionTruth:
    """Truth of one region."""

    share: float
    """Involved share of the region's skin, 0 to 1."""
    density: float
    """Median optical density in red that lesions add to the involved skin; 0 where none is involved."""
    diameter_mm: float
    """Typical diameter of a patch (`masi.patch_diameter`)."""
    area_mm2: float
    """Skin of the region."""

    @property
    def score(self) -> RegionalScore:
        """Continuous A, D, H."""
        return regional_score(self.share, self.density, self.diameter_mm)


@dataclass(frozen=True)
class Scores:
    """Totals of a patient or a photograph; None where a region is missing."""

    masi: float | None
    mmasi: float | None
    severity: str | None


def true_regions(
    regions: NDArray[np.uint8],
    involved: NDArray[np.bool_],
    density: NDArray[np.float32],
    mm2: NDArray[np.float32],
    whole_mm2: Mapping[Region, float] | None = None,
) -> dict[Region, RegionTruth]:
    """Truth of the MASI regions of a map, leaving out those that it does not show.

    Args:
        regions: (h, w) codes.
        involved: (h, w) where lesions that count cover the skin.
        density: (h, w) what lesions add.
        mm2: (h, w) area of a pixel on the skin. Shares count pixels, as a rater of the picture would; areas do not.
        whole_mm2: Area of each region's whole surface, to leave out regions of which little is seen; None asks for
            `LEAST_PX` pixels alone.
    """
    found = {}
    for region in MASI_REGIONS:
        place = regions == region
        total, area = int(place.sum()), float(mm2[place].sum())
        if total < LEAST_PX or (whole_mm2 and area < LEAST_SHARE * whole_mm2[region]):
            continue
        inside = involved & place
        count, labels, _, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=8)
        patches = np.bincount(labels.ravel(), weights=mm2.ravel().astype(float), minlength=count)[1:]
        found[region] = RegionTruth(
            share=float(inside.sum()) / total,
            density=float(np.median(density[inside])) if inside.any() else 0.0,
            diameter_mm=patch_diameter(patches.tolist()),
            area_mm2=area,
        )
    return found


def score(truth: Mapping[Region, RegionTruth]) -> Scores:
    """MASI, mMASI and severity of the regions' truth."""
    scores = {region: one.score for region, one in truth.items()}
    total, modified = masi(scores), mmasi(scores)
    return Scores(total, modified, None if total is None else severity(total).value)


def surface_scores(face: Face, chart: Chart, kinds: Collection[int] = MELASMA) -> dict[Region, RegionTruth]:
    """Truth of the whole face's surface, seen from nowhere: what a rater scores who may turn the patient's head."""
    mm2 = np.full(chart.codes.shape, 1.0 / PX_MM**2, np.float32)
    return true_regions(chart.codes, np.isin(face.kinds, list(kinds)), face.density, mm2)


def photo_truth(
    photo: Photograph, whole: Mapping[Region, RegionTruth], kinds: Collection[int] = MELASMA
) -> dict[Region, RegionTruth]:
    """Truth of what a photograph shows."""
    areas = {region: one.area_mm2 for region, one in whole.items()}
    return true_regions(photo.regions, np.isin(photo.kinds, list(kinds)), photo.density, photo.mm2_per_px, areas)


def as_json(truth: Mapping[Region, RegionTruth]) -> dict[str, dict[str, Any]]:
    """Plain values for a record: what was true and the score that follows from it."""
    return {
        region.key: {
            "share": one.share,
            "density": one.density,
            "diameter_mm": one.diameter_mm,
            "area_mm2": one.area_mm2,
            "area": one.score.area,
            "darkness": one.score.darkness,
            "homogeneity": one.score.homogeneity,
        }
        for region, one in truth.items()
    }

"""Area, darkness and homogeneity of a region of a photograph, with intervals, as numbers behind the MASI steps.

Area is the involved share of the region's bare skin. Darkness is the melanin density of the involved skin above the
skin beneath it, homogeneity comes from the size of the patches; `masi.regional_score` turns them into steps. In a
close-up they are counted in pixels. Of a whole face a second network, the regional network, says how far that count is
off: where pigment is faint or broad no pixel is sure, but the face as a whole often is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope import networks
from melascope.lesions.outline import FACE_MM
from melascope.lesions.pigment import PigmentMap, involvement
from melascope.lesions.regional import FaceMaps, face_maps
from melascope.masi import DETECTION_FLOOR, WEIGHTS, RegionalScore, patch_diameter, regional_score
from melascope.photo.geometry import among, window_of
from melascope.skin.regions import RegionMap
from melascope.vocabulary import EXCHANGED_WHEN_MIRRORED, MASI_REGIONS, Region, View

__all__ = [
    "COUNTED",
    "DENSITY_DOUBT",
    "MEASURED",
    "NETWORK",
    "UNCALIBRATED",
    "Calibration",
    "Doubts",
    "Factors",
    "RegionMeasure",
    "calibration",
    "check_pair",
    "counted",
    "measure_region",
    "measure_regions",
    "read_regions",
    "total_error",
    "total_interval",
]

NETWORK: Final = "regional"
MEASURED: Final = 11
"""Numbers of a region that the regional network is told."""
COUNTED: Final = 2
"""Edition of what they mean: a network that learnt from another is refused."""

LEAST_DOUBT: Final = 0.005
"""What even a clear region may hide: the least uncertainty of a share."""
LEAST_DENSITY: Final = 0.003
LEAST_LOG: Final = 0.05
"""Likewise of a density and of a diameter's logarithm in a whole face."""
DENSITY_DOUBT: Final = (0.01, 0.2)
"""Half width of a density that was counted in pixels, before calibration: the first and so much of the density."""
SPREAD: Final = 0.25
"""Half width of the logarithm of a patch's diameter, before calibration."""
CLEAR_DENSITY: Final = 0.05
"""Density from which the regional network is told the diameter of the patches in full."""
SURENESS: Final = 8.0
"""Power of its probability with which a pixel counts in the density of a region."""


Factors = tuple[float, float]
"""Of what lies below a measured value, and of what lies above it: pigment is missed more often than it is invented."""


@dataclass(frozen=True)
class Calibration:
    """Factors that make half widths hold the truth in 90 % of the photographs that they were measured on.

    Each is of a half width of `Doubts`; that of a total is of what the regions' intervals add up to.
    """

    share: Factors
    density: Factors
    diameter: Factors
    total: Factors


UNCALIBRATED: Final = Calibration((1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0))


@cache
def calibration(network: str = NETWORK) -> Calibration:
    """That of a shipped network, from its card: "regional" for whole faces, "skin" for close-ups."""
    found = networks.load(network).card.get("calibration")
    if not found:
        return UNCALIBRATED
    return Calibration(*((found[name][0], found[name][1]) for name in ("share", "density", "diameter", "total")))


@dataclass(frozen=True)
class Doubts:
    """Half widths of the 90 % intervals below and above a value, before calibration."""

    share: Factors
    density: Factors
    diameter: Factors
    """Of the diameter's logarithm."""


@dataclass(frozen=True)
class RegionMeasure:
    """What was measured in one region. Shares are 0 to 1; intervals are meant to hold the truth in nine of ten."""

    skin_px: int
    """Working pixels of bare skin."""
    share: float
    low: float
    high: float
    excess: float
    """Melanin density of the involved skin above normal; 0 if none is involved."""
    diameter_mm: float
    """Typical diameter of a patch; 0 where there is none."""
    doubts: Doubts
    score: RegionalScore
    lowest: RegionalScore
    highest: RegionalScore
    """The scores at the lower and upper ends of the 90 % intervals of share, density and diameter."""
    least: RegionalScore
    most: RegionalScore
    """The scores at the lower and upper ends of share and darkness, before calibration: a total has its own factor."""


def measure_regions(
    regions: RegionMap, pigment: PigmentMap, widening: float = 1.0, factors: Calibration | None = None
) -> dict[Region, RegionMeasure]:
    """Measures the MASI regions that a photograph shows.

    Args:
        regions: The photograph's regions.
        pigment: Its pigment map.
        widening: Factor of at least 1 by which the photograph's faults widen the intervals.
        factors: Of the intervals; if None, those of the network that has the last word: the regional network of a whole
            face, the skin network of a close-up.

    Raises:
        NetworkError: The installation is damaged.
    """
    seen = [region for region in MASI_REGIONS if region in regions.visible]
    if regions.view is not View.FACE or not seen:
        return {region: measure_region(pigment, regions.codes, region, widening, factors) for region in seen}
    alone = {region: measure_region(pigment, regions.codes, region, 1.0, UNCALIBRATED) for region in seen}
    rows: dict[Region, NDArray[np.float32]] = {
        region: counted(alone[region], regions, pigment, region) for region in seen
    }
    check_pair()
    found = read_regions(_look(face_maps(regions, pigment), rows), rows, widening, factors or calibration())
    return {region: replace(found[region], skin_px=alone[region].skin_px) for region in seen}


@cache
def check_pair() -> None:
    """The regional network must have learnt from the maps of this skin network, and from what is `counted` today.

    Raises:
        NetworkError: It learnt from others.
    """
    networks.check_learnt_from(NETWORK, "skin", anew=_ANEW)
    edition = networks.load(NETWORK).card.get("counted")
    if edition != COUNTED:
        raise networks.NetworkError(
            f"network {NETWORK!r}: it learnt from other numbers ({edition}) than it is told today ({COUNTED}); install "
            f"melascope again, or train it anew (`{_ANEW}`)"
        )


_ANEW: Final = "python -m melascope.lab.skin regional-maps"


def counted(measured: RegionMeasure, regions: RegionMap, pigment: PigmentMap, region: Region) -> NDArray[np.float32]:
    """(MEASURED,) what the regional network is told of a region.

    1, then share, density, diameter in mm; mean, tenth percentile, median and ninetieth percentile of the probability;
    mean density; half widths of share and density. Density and diameter fade in with the share that patches cover, up
    to `DETECTION_FLOOR`, and the diameter with that density, too: patches that come and go with the file's compression
    would make both jump. The density's half width is that of the density that is told.
    """
    place = regions.codes == region
    window = window_of(place)
    place = place[window]
    chance = pigment.probability[window][place]
    fade = min(1.0, float(pigment.patches[window][place].mean()) / DETECTION_FLOOR)
    density = fade * measured.excess
    values = measured.share, density, fade * min(1.0, density / CLEAR_DENSITY) * measured.diameter_mm
    quantiles = np.quantile(chance, (0.1, 0.5, 0.9))
    doubts = measured.doubts.share[0], _density_doubt(density)
    return np.array(
        [1.0, *values, chance.mean(), *quantiles, regions.density[window][place].mean(), *doubts], np.float32
    )


def read_regions(
    values: NDArray[np.float32], rows: Mapping[Region, NDArray[np.float32]], widening: float, factors: Calibration
) -> dict[Region, RegionMeasure]:
    """What the regional network says, as measures; `skin_px` is 0, for it is not told.

    However sure the network is of a share, its half widths are no less than what the pixels' probabilities leave open.

    Args:
        values: (4, 3, 3): of the regions in the order of the MASI share, density and log (1 + diameter in mm), of each
            low end, middle and high end.
        rows: What was `counted`, of the regions in view.
        widening: Factor of the intervals, for the photograph's faults.
        factors: Factors of the intervals.
    """
    result = {}
    for region, row in rows.items():
        share, density, size = values[MASI_REGIONS.index(region)].astype(float).tolist()
        diameters = [max(_LEAST_MM, float(np.expm1(value))) for value in size]
        doubts = Doubts(
            share=_halves(share, LEAST_DOUBT, widening, floor=float(row[_SHARE_DOUBT])),
            density=_halves(density, LEAST_DENSITY, widening),
            diameter=_halves([float(np.log(value)) for value in diameters], LEAST_LOG, widening),
        )
        found = _measure(0, share[1], density[1], diameters[1], doubts, factors)
        # Of involved skin nothing is told where there is hardly any; but the ends of its intervals hold some.
        clear = share[1] < DETECTION_FLOOR / 2
        result[region] = replace(found, excess=0.0, diameter_mm=0.0) if clear else found
    return result


def _look(maps: FaceMaps, rows: Mapping[Region, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Values for `read_regions`: the mean of those of the face and of its mirror image."""
    table = np.zeros((len(MASI_REGIONS), MEASURED), np.float32)
    for region, row in rows.items():
        table[MASI_REGIONS.index(region)] = row
    mirrored = maps.mirrored()
    order = [MASI_REGIONS.index(_MIRRORED.get(region, region)) for region in MASI_REGIONS]
    found = networks.load(NETWORK).run(
        {
            "maps": np.stack([maps.maps, mirrored.maps]),
            "face": np.stack([maps.face, mirrored.face]),
            "counted": np.stack([table, table[order]]),
        }
    )["measures"]
    return np.asarray((found[0] + found[1][order]) / 2, np.float32)


_MIRRORED: Final = dict(zip(EXCHANGED_WHEN_MIRRORED, reversed(EXCHANGED_WHEN_MIRRORED), strict=True))
_LEAST_MM: Final = 0.1


_SHARE_DOUBT: Final = 9
"""Place of the half width of the share in what was `counted`."""


def _halves(values: list[float], least: float, widening: float, floor: float = 0.0) -> Factors:
    low, middle, high = values
    below, above = max(0.0, middle - low) + least, max(0.0, high - middle) + least
    return widening * max(floor, below), widening * max(floor, above)


def measure_region(
    pigment: PigmentMap,
    codes: NDArray[np.uint8],
    region: Region | tuple[Region, ...],
    widening: float,
    factors: Calibration | None = None,
) -> RegionMeasure:
    """Measures one region, or several as one, by its pixels alone.

    Darkness is the median density, surer pixels counting more. The half width of the share is the mean of p (1 - p)
    over its pixels, the share that is expected to be called wrongly if p is right; that of the density as
    `DENSITY_DOUBT` says; that of the logarithm of a patch's diameter `SPREAD`.

    Args:
        pigment: The photograph's pigment map.
        codes: (h, w) region codes.
        region: Which region or regions.
        widening: Factor of at least 1 by which the photograph's faults widen the intervals.
        factors: Of the intervals; the skin network's if None.

    Raises:
        ValueError: The region has no pixel.
    """
    wanted = (region,) if isinstance(region, Region) else region
    place = among(codes, wanted)
    total = int(np.count_nonzero(place))
    if not total:
        names = ", ".join(one.label for one in wanted)
        raise ValueError(f"{names}: no pixel of it in the photograph; ask only for regions that are present")
    window = window_of(place)
    place, probability, core = place[window], pigment.probability[window], pigment.core[window]
    patches = pigment.patches[window] & place
    share = float(involvement(probability[place]).mean())
    doubt = widening * (_doubt(probability[place]) + LEAST_DOUBT)
    diameter = _typical_diameter(patches) * FACE_MM / pigment.face_px
    inner = patches & core if (patches & core).any() else patches
    surest = probability[inner] ** SURENESS
    excess = max(0.0, _middle(pigment.density[window][inner], surest)) if inner.any() else 0.0
    error = widening * _density_doubt(excess)
    doubts = Doubts((doubt, doubt), (error, error), (widening * SPREAD, widening * SPREAD))
    return _measure(total, share, excess, diameter, doubts, factors or calibration("skin"))


def _measure(
    skin_px: int, share: float, excess: float, diameter: float, doubts: Doubts, factors: Calibration
) -> RegionMeasure:
    low, high = _ends(share, doubts.share, factors.share)
    lightest, darkest = _ends(excess, doubts.density, factors.density, most=np.inf)
    smallest, largest = (
        diameter * float(np.exp(f * d)) for f, d in zip(_signed(factors.diameter), doubts.diameter, strict=True)
    )
    few, many = _ends(share, doubts.share)
    faint, dark = _ends(excess, doubts.density, most=np.inf)
    return RegionMeasure(
        skin_px=skin_px,
        share=share,
        low=low,
        high=high,
        excess=excess,
        diameter_mm=diameter,
        doubts=doubts,
        score=regional_score(share, excess, diameter),
        lowest=regional_score(low, lightest, smallest),
        highest=regional_score(high, darkest, largest),
        least=regional_score(few, faint, diameter),
        most=regional_score(many, dark, diameter),
    )


def _ends(value: float, doubt: Factors, factors: Factors = (1.0, 1.0), most: float = 1.0) -> Factors:
    return max(0.0, value - factors[0] * doubt[0]), min(most, value + factors[1] * doubt[1])


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


def total_interval(
    measured: Mapping[Region, RegionMeasure], total: float, factors: Factors, *, modified: bool
) -> tuple[float, float]:
    """90 % interval of a MASI (or mMASI): its error times its factors, within the scale.

    It begins at 0 where each region's own interval does: errors that are partly independent do not add up, and the
    total would exclude what no region excludes.
    """
    down, up = total_error(measured, modified=modified)
    clear = all(_product(m.lowest, modified) == 0 for m in measured.values())
    low = 0.0 if clear else max(0.0, total - factors[0] * down)
    return low, min(24.0 if modified else 48.0, total + factors[1] * up)


def _product(score: RegionalScore, modified: bool) -> float:
    return score.area * (score.darkness + (0.0 if modified else score.homogeneity))


def _together(errors: list[float]) -> float:
    """Mean of the sum (errors of one cause) and of the root of the sum of squares (errors of their own)."""
    return (sum(errors) + float(np.sqrt(sum(e * e for e in errors)))) / 2


def _doubt(probability: NDArray[np.float32]) -> float:
    """Share of pixels that is expected on the wrong side if p is right: the mean of p (1 - p)."""
    return float((probability * (1 - probability)).mean())


def _density_doubt(density: float) -> float:
    least, part = DENSITY_DOUBT
    return least + part * density


def _typical_diameter(patches: NDArray[np.bool_]) -> float:
    """Typical diameter of the patches in pixels."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(patches.astype(np.uint8), connectivity=8)
    return patch_diameter(stats[1:count, cv2.CC_STAT_AREA].astype(float).tolist())

"""Factors of the intervals: what makes them hold the truth of nine photographs of ten.

Split conformal prediction (Vovk et al. 2005; Lei et al. 2018): on virtual patients that neither training nor any figure
has seen, each error is divided by the half width that the measurement gives it, and the 95 % quantiles of that ratio on
either side become the factors (Romano et al. 2019).
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from melascope import networks
from melascope.lab.skin.evaluate import each
from melascope.lesions.pigment import map_pigment
from melascope.masi import DETECTION_FLOOR, masi
from melascope.photo.reading import read_photo
from melascope.scoring import UNCALIBRATED, Calibration, Factors, RegionMeasure, measure_region, total_error
from melascope.skin.regions import find_regions
from melascope.vocabulary import MASI_REGIONS, Lesion, Region, View

__all__ = ["Ratio", "Ratios", "add", "calibrate", "factors", "sides"]

LEVEL: Final = 0.90
LEAST_ERROR: Final = 0.05
"""Points of MASI that no interval is narrower than."""

Ratio = tuple[str, float]
"""Group, and an error as a multiple of a half width."""


@dataclass
class Ratios:
    """Errors, true less measured, as multiples of uncalibrated half widths, with the group of each.

    A group is a tone band without pigment, with that of melasma alone, or with other pigment: each counts alike.
    Density and diameter are asked only where there is pigment.
    """

    share: list[Ratio] = field(default_factory=list)
    density: list[Ratio] = field(default_factory=list)
    diameter: list[Ratio] = field(default_factory=list)
    total: list[Ratio] = field(default_factory=list)


def factors(ratios: Ratios) -> Calibration:
    """Quantiles on either side that leave 5 % beyond them, every group counting alike however large it is."""
    return Calibration(*(sides(part) for part in (ratios.share, ratios.density, ratios.diameter, ratios.total)))


def sides(part: Sequence[Ratio]) -> Factors:
    """Those of one measure, below and above it."""
    return _quantile([(group, -value) for group, value in part]), _quantile(part)


def _quantile(part: Sequence[Ratio]) -> float:
    """Weighted quantile, with the weight that a new photograph would add counted above all (Tibshirani et al. 2019)."""
    groups = [group for group, _ in part]
    weights = np.array([1.0 / groups.count(group) for group in groups])
    values = np.array([max(0.0, value) for _, value in part])
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / (weights.sum() + weights.mean())
    return round(float(values[order][min(len(values) - 1, int(np.searchsorted(reached, (1 + LEVEL) / 2)))]), 3)


def calibrate(cohorts: Sequence[Path], *, write_card: bool = False) -> str:
    """Measures the factors on virtual patients and says them; with `write_card`, they go into the shipped card.

    Raises:
        FileNotFoundError: A folder holds no virtual patients.
    """
    records: list[Path] = []
    for folder in cohorts:
        some = sorted((folder / "records").glob("*.json"))
        if not some:
            raise FileNotFoundError(f"{folder}: holds no virtual patients; make some with `melascope cohort render`")
        records += some
    ratios = Ratios()
    for part in each(_ratios_of, records):
        for name, values in vars(part).items():
            getattr(ratios, name).extend(values)
    found = factors(ratios)
    values = {**asdict(found), "photos": len(records), "level": LEVEL}
    if write_card:
        path = networks.folder_of("skin") / "skin.json"
        card = {**json.loads(path.read_text(encoding="utf-8")), "calibration": values}
        path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return json.dumps(values, indent=2)


def add(
    ratios: Ratios,
    measured: Mapping[Region, RegionMeasure],
    true: Mapping[str, Mapping[str, float]],
    *,
    band: str,
    kinds: Collection[str],
    total: float | None,
) -> None:
    """Adds the errors of one photograph.

    Args:
        ratios: To these.
        measured: By region, without calibration.
        true: By the region's key: share, density and diameter_mm.
        band: Its tone band.
        kinds: Of its lesions.
        total: Its true MASI, if it is to be held against that of the four regions.
    """
    for region, found in measured.items():
        part, doubts = true[region.key], found.doubts
        group = _group(band, kinds if part["share"] >= DETECTION_FLOOR else ())
        ratios.share.append((group, _ratio(part["share"] - found.share, doubts.share)))
        if part["share"] > 0.05 and found.share > 0.05:
            ratios.density.append((group, _ratio(part["density"] - found.excess, doubts.density)))
        # Below the floor homogeneity fades out: patches of a few pixels would decide about the size of all.
        if part["share"] >= DETECTION_FLOOR and part["diameter_mm"] > 0 and found.diameter_mm > 0:
            ratios.diameter.append((group, _ratio(math.log(part["diameter_mm"] / found.diameter_mm), doubts.diameter)))
    scores = masi({region: found.score for region, found in measured.items()})
    if total is None or scores is None:
        return
    down, up = total_error(measured, modified=False)
    pigmented = any(true[region.key]["share"] >= DETECTION_FLOOR for region in measured)
    ratios.total.append((_group(band, kinds if pigmented else ()), _ratio(total - scores, (down, up), LEAST_ERROR)))


def _ratio(error: float, doubt: tuple[float, float], least: float = 0.0) -> float:
    return error / max(doubt[0] if error < 0 else doubt[1], least)


def _ratios_of(number: int, path: Path) -> Ratios:  # noqa: ARG001
    """Those of one photograph, by its record."""
    ratios, record = Ratios(), json.loads(path.read_text(encoding="utf-8"))
    truth, folder = record["truth"], path.parents[1]
    true = truth["photo"]["all_pigment"]
    regions = find_regions(read_photo(folder / record["photo"]["file"]).pixels)
    pigment = map_pigment(regions)
    measured: dict[Region, RegionMeasure] = {
        region: measure_region(pigment, regions.codes, region, 1.0, UNCALIBRATED)
        for region in MASI_REGIONS
        if region in regions.visible and region.key in true
    }
    whole = regions.view is View.FACE
    add(
        ratios,
        measured,
        true,
        band=str(truth["tone_band"]),
        kinds={str(lesion["kind"]) for lesion in record["visit"]["lesions"]},
        total=true["totals"]["masi"] if whole else None,
    )
    return ratios


def _group(band: str, kinds: Collection[str]) -> str:
    if not kinds:
        return f"{band}, without pigment"
    return f"{band}, {'melasma' if set(kinds) == {Lesion.MELASMA.value} else 'other pigment'}"

"""What is true of a virtual patient's photograph beside what is measured, read and counted of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.classical import classical_map
from benchmarks.rendered import opened
from numpy.typing import NDArray

from melascope import analyze
from melascope import masi as index
from melascope.lesions.pigment import map_pigment
from melascope.photo.reading import read_photo
from melascope.scoring import measure_region
from melascope.skin.regions import find_regions
from melascope.vocabulary import MASI_REGIONS, View

__all__ = ["Pair", "compare", "otherwise"]


@dataclass(frozen=True)
class Pair:
    """One photograph: what is true and what was measured; None where nothing was measured."""

    photo: str
    visit: tuple[str, int]
    """Patient and visit: what a test and its retest have in common."""
    scene: tuple[str, str]
    """Head and device: what the light and pose of a frontal photograph depend on."""
    band: str
    device: str
    kinds: tuple[str, ...]
    ita: tuple[float, float | None]
    masi: tuple[float | None, float | None]
    counted: float | None
    """MASI of what the skin network's pixels count, without the regional network; None where there is no total."""
    classical: float | None
    """MASI by thresholds on the same photograph; likewise."""
    inside: bool | None
    """Whether the interval of the measured MASI holds the true one."""
    read: tuple[float | None, float | None]
    """MASI of melasma alone, which is what the severity network learnt, and as it reads it."""
    read_inside: bool | None
    """Whether the interval of its reading holds the true one."""
    disagrees: bool | None
    """Whether the two instruments have no value in common."""
    shares: tuple[tuple[float, float], ...]
    darknesses: tuple[tuple[float, float], ...]
    verdict: str


def compare(task: tuple[str, str]) -> Pair:
    """Analyses one photograph of a cohort."""
    folder, photo_id = task
    sample = opened(folder)[photo_id]
    record = sample.record()
    assert record is not None
    truth = record["truth"]["photo"]["all_pigment"]
    photo = read_photo(Path(folder) / sample.row.file)
    analysis = analyze(photo)
    shares, darknesses = [], []
    for region in MASI_REGIONS:
        measured = getattr(analysis.regions, region.key) if analysis.regions else None
        if region.key in truth and measured is not None and measured.visible:
            shares.append((truth[region.key]["share"], measured.involved_fraction))
            if truth[region.key]["share"] > 0.05 and measured.involved_fraction > 0.05:
                darknesses.append((truth[region.key]["darkness"], measured.darkness))
    total = analysis.masi.masi if analysis.masi else None
    true = truth["totals"]["masi"]
    inside = None
    if total is not None and true is not None and analysis.masi:
        assert analysis.masi.masi_low is not None
        assert analysis.masi.masi_high is not None
        inside = analysis.masi.masi_low <= true <= analysis.masi.masi_high
    counted, classical = (None, None) if total is None else otherwise(photo.pixels)
    tone = analysis.skin_tone
    reading = analysis.severity_reading
    melasma = record["truth"]["photo"]["melasma"]["totals"]["masi"]
    read_inside = None
    if reading is not None and melasma is not None:
        read_inside = reading.masi_low <= melasma <= reading.masi_high
    return Pair(
        photo=photo_id,
        visit=(sample.row.patient, sample.row.visit),
        scene=(sample.row.group, sample.row.device),
        band=str(sample.row.tone_band),
        device=sample.row.device,
        kinds=tuple(str(kind) for kind in sample.row.kinds or ()),
        ita=(record["truth"]["ita_deg"], tone.ita_deg if tone else None),
        masi=(true, total),
        counted=counted,
        classical=classical,
        inside=inside,
        read=(melasma, reading.masi if reading else None),
        read_inside=read_inside,
        disagrees=reading.disagrees if reading else None,
        shares=tuple(shares),
        darknesses=tuple(darknesses),
        verdict=str(analysis.quality.verdict),
    )


def otherwise(pixels: NDArray[np.uint8]) -> tuple[float | None, float | None]:
    """MASI of a whole face counted in pixels, and without a network's opinion on where pigment is."""
    regions = find_regions(pixels)
    if regions.view is not View.FACE:
        return None, None
    counted, classical = (
        index.masi({r: measure_region(pigment, regions.codes, r, 1.0).score for r in regions.visible})
        for pigment in (map_pigment(regions), classical_map(regions))
    )
    return counted, classical

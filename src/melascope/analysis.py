"""The way of a photo: `analyze(photo) -> Analysis`, the one function that everything else calls."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope import masi as index
from melascope import networks
from melascope.lesions.naming import NETWORK as NAMING
from melascope.lesions.naming import Naming, name
from melascope.lesions.outline import Outline, outline_lesions
from melascope.lesions.pigment import LITTLE_NORMAL, PigmentMap, map_pigment
from melascope.photo import Finding, Photo, PhotoRefused, read_photo
from melascope.photo.geometry import covered_fractions
from melascope.photo.quality import assess, tone_penalty, verdict, widening
from melascope.reading import NETWORK, SeverityReading, read_severity
from melascope.record import (
    SCHEMA_VERSION,
    Analysis,
    Arrays,
    KindChance,
    LesionRecord,
    Masi,
    PhotoRecord,
    Quality,
    Regions,
    RegionScore,
    SeverityRecord,
    SkinTone,
)
from melascope.scoring import NETWORK as REGIONAL
from melascope.scoring import RegionMeasure, calibration, measure_region, measure_regions, total_interval
from melascope.skin.regions import RegionMap, find_regions
from melascope.skin.tone import measure_tone
from melascope.vocabulary import DISCLAIMER, MASI_REGIONS, SKIN, Region, Verdict, View

__all__ = ["analyze", "versions"]

_GRAVEST_FIRST = ("refused", "reservation", "note")
MOST_UNSEEN: Final = 0.15
"""Share of a region that may be counted as involved beyond what is outlined, before a note says so."""


def analyze(photo: str | Path | bytes | NDArray[Any] | Photo, *, name: str | None = None) -> Analysis:
    """Measures the pigment of one photograph.

    Args:
        photo: A file's path, a file's bytes, an sRGB array (H, W, 3) uint8 or float 0 to 1, or a decoded `Photo`.
        name: Name to report; the file's own if None.

    Returns:
        The record, with its masks and maps in `.arrays`. A photograph that cannot be measured gives a record whose
        `quality.verdict` is "refused" and whose findings say why; it never raises for what is in a file.

    Raises:
        TypeError: Something else was passed.
        ValueError: An array has another shape, type or range.
        NetworkError: The installation is damaged.

    Example:
        >>> analyze(b"not a photograph", name="notes.txt").quality.verdict.value
        'refused'
    """
    try:
        taken = _take(photo, name)
    except PhotoRefused as refusal:
        return _refused(refusal.name, refusal.sha256, refusal.width, refusal.height, View.NONE, (refusal.finding,))
    regions = find_regions(taken.pixels)
    findings = taken.notes + assess(
        regions.pixels,
        regions.codes,
        view=regions.view,
        visible=regions.visible,
        faces=regions.faces,
        grey=taken.grey,
        scale=regions.scale,
    )
    if verdict(findings) is Verdict.REFUSED:
        return _refused(taken.name, taken.sha256, taken.width, taken.height, regions.view, findings)
    with ThreadPoolExecutor(1) as beside:  # the one instrument reads while the other measures
        reading = beside.submit(read_severity, taken.pixels, regions)
        pigment = map_pigment(regions)
        if pigment.normal_share < LITTLE_NORMAL:
            findings += (_little_normal_skin(pigment.normal_share),)
        return _assemble(taken, regions, pigment, findings, reading)


def _little_normal_skin(share: float) -> Finding:
    return Finding(
        code="little_normal_skin",
        value=share,
        limit=LITTLE_NORMAL,
        advice="Hardly any skin in view is free of excess pigment, so that little tells what is normal for this "
        "person: darkness is uncertain. Take in more unaffected skin.",
        effect="reservation",
    )


def _take(photo: str | Path | bytes | NDArray[Any] | Photo, name: str | None) -> Photo:
    if isinstance(photo, Photo):
        return replace(photo, name=name) if name else photo
    if isinstance(photo, np.ndarray):
        return Photo.from_array(photo, name or "array")
    if not isinstance(photo, (str, Path, bytes)):
        raise TypeError(f"{type(photo).__name__}: pass a path, a file's bytes, a uint8 or float array, or a Photo")
    return read_photo(photo, name)


def _assemble(
    photo: Photo,
    regions: RegionMap,
    pigment: PigmentMap,
    findings: tuple[Finding, ...],
    reading: Future[SeverityReading | None],
) -> Analysis:
    face = regions.view is View.FACE
    factor = widening(findings)
    measured = measure_regions(regions, pigment, factor)
    findings += _faint_pigment(measured, regions, pigment)
    penalty = tone_penalty(findings)
    tone = measure_tone(regions.pixels, regions.codes, pigment.involved, penalty_deg=penalty, scale=regions.scale)
    lesions = outline_lesions(regions, pigment)
    totals = _masi(measured, face)
    named = name(lesions, regions, pigment)
    read_off = reading.result()
    read = None if read_off is None else _reading(read_off.widened(factor), totals)
    if read is not None and read.disagrees:
        findings += (_readings_disagree(read, totals),)
    covered = covered_fractions(regions.codes)
    record = Analysis(
        photo=PhotoRecord(file=photo.name, width=photo.width, height=photo.height, sha256=photo.sha256),
        view=regions.view,
        quality=_quality(findings),
        skin_tone=SkinTone(**asdict(tone)) if tone else None,
        regions=Regions(**{r.key: _region_score(r, regions, measured.get(r), covered[r], face) for r in MASI_REGIONS}),
        masi=totals,
        skin_in_view=None if face else _all_skin(pigment, regions, factor),
        severity_reading=read,
        lesions=tuple(_lesion(outline, naming, regions) for outline, naming in zip(lesions, named, strict=True)),
        versions=versions(),
        disclaimer=DISCLAIMER,
    )
    return record.with_arrays(_arrays(photo, regions, pigment, read_off))


def _all_skin(pigment: PigmentMap, regions: RegionMap, factor: float) -> RegionScore:
    measure = measure_region(pigment, regions.codes, SKIN, factor)
    return RegionScore(
        visible=True,
        skin_px=round(measure.skin_px / regions.scale**2),
        involved_fraction=measure.share,
        involved_low=measure.low,
        involved_high=measure.high,
        area=measure.score.area,
        darkness=measure.score.darkness,
        darkness_low=measure.lowest.darkness,
        darkness_high=measure.highest.darkness,
        homogeneity=None,
        area_step=index.area_step(measure.share),
        darkness_step=index.step(measure.score.darkness),
        melanin_excess=measure.excess,
    )


def _region_score(
    region: Region, regions: RegionMap, measure: RegionMeasure | None, covered: float | None, face: bool
) -> RegionScore:
    per_pixel = 1.0 / regions.scale**2
    if measure is None:
        pixels = round(np.count_nonzero(regions.codes == region) * per_pixel)
        return RegionScore(
            visible=region in regions.visible,
            skin_px=pixels,
            involved_fraction=None,
            area=None,
            darkness=None,
            homogeneity=None,
            confidence=regions.confidence.get(region),
        )
    score = measure.score
    return RegionScore(
        visible=True,
        skin_px=round(measure.skin_px * per_pixel),
        involved_fraction=measure.share,
        involved_low=measure.low,
        involved_high=measure.high,
        area=score.area,
        darkness=score.darkness,
        darkness_low=measure.lowest.darkness,
        darkness_high=measure.highest.darkness,
        # Sizes in millimetres need a whole face as their scale.
        homogeneity=score.homogeneity if face else None,
        homogeneity_low=measure.lowest.homogeneity if face else None,
        homogeneity_high=measure.highest.homogeneity if face else None,
        area_step=index.area_step(measure.share),
        darkness_step=index.step(score.darkness),
        homogeneity_step=index.step(score.homogeneity) if face else None,
        melanin_excess=measure.excess,
        confidence=regions.confidence.get(region),
        covered_fraction=covered,
    )


def _masi(measured: Mapping[Region, RegionMeasure], face: bool) -> Masi:
    missing = tuple(region.key for region in MASI_REGIONS if region not in measured)
    total = index.masi({r: m.score for r, m in measured.items()}) if face else None
    modified = index.mmasi({r: m.score for r, m in measured.items()}) if face else None
    if total is None or modified is None:
        return Masi(masi=None, mmasi=None, severity=None, complete=False, missing=missing)  # type: ignore[arg-type]
    steps = {
        r: index.RegionalScore(index.area_step(m.share), index.step(m.score.darkness), index.step(m.score.homogeneity))
        for r, m in measured.items()
    }
    factors = calibration().total
    masi_low, masi_high = total_interval(measured, total, factors, modified=False)
    mmasi_low, mmasi_high = total_interval(measured, modified, factors, modified=True)
    return Masi(
        masi=total,
        masi_low=masi_low,
        masi_high=masi_high,
        mmasi=modified,
        mmasi_low=mmasi_low,
        mmasi_high=mmasi_high,
        masi_from_steps=index.masi(steps),
        mmasi_from_steps=index.mmasi(steps),
        severity=index.severity(total),
        complete=True,
        missing=missing,  # type: ignore[arg-type]
    )


def _faint_pigment(
    measured: Mapping[Region, RegionMeasure], regions: RegionMap, pigment: PigmentMap
) -> tuple[Finding, ...]:
    """A note where much more of a region is counted as involved than is outlined."""
    outlined = {region: float(pigment.involved[regions.codes == region].mean()) for region in measured}
    gaps = {region: measured[region].share - outlined[region] for region in measured}
    faint = [region for region in measured if gaps[region] > MOST_UNSEEN]
    if not faint:
        return ()
    told = ", ".join(
        f"{region.label.lower()} {measured[region].share:.0%} (outlined {outlined[region]:.0%})" for region in faint
    )
    advice = (
        f"More pigment is counted than is outlined: {told}. It is too faint or too broad for an outline, and its share "
        "is less certain; look at the skin in even light, and score the face yourself if much depends on it."
    )
    return (Finding(code="faint_pigment", value=max(gaps.values()), limit=MOST_UNSEEN, advice=advice, effect="note"),)


def _reading(reading: SeverityReading, totals: Masi) -> SeverityRecord:
    mild, moderate, severe = reading.probabilities
    apart = None
    if totals.masi_low is not None and totals.masi_high is not None:
        apart = reading.masi_high < totals.masi_low or reading.masi_low > totals.masi_high
    return SeverityRecord(
        severity=reading.severity,
        mild=mild,
        moderate=moderate,
        severe=severe,
        masi=reading.masi,
        masi_low=reading.masi_low,
        masi_high=reading.masi_high,
        disagrees=apart,
        virtual_only=reading.virtual_only,
        labels=reading.labels,
    )


def _readings_disagree(read: SeverityRecord, totals: Masi) -> Finding:
    return Finding(
        code="readings_disagree",
        value=read.masi,
        limit=totals.masi_high if read.masi > (totals.masi or 0.0) else totals.masi_low,
        advice=f"The two instruments disagree: the measured MASI is {totals.masi:.1f} ({totals.masi_low:.1f} to "
        f"{totals.masi_high:.1f}), and the severity network reads {read.masi:.1f} ({read.masi_low:.1f} to "
        f"{read.masi_high:.1f}) off the whole face, so trust neither before you have looked at the outlines and scored "
        "the face yourself.",
        effect="note",
    )


def _lesion(outline: Outline, naming: Naming, regions: RegionMap) -> LesionRecord:
    across, down = regions.scales
    x0, y0, x1, y1 = (value / scale for value, scale in zip(outline.box, (across, down) * 2, strict=True))
    left, top, right, bottom = regions.frame
    return LesionRecord(
        kind=naming.kind,
        kind_probability=max(naming.chances),
        kinds=tuple(KindChance(kind=kind, probability=chance) for kind, chance in naming.kinds),
        other_probability=naming.other,
        box=(
            left + int(x0),
            top + int(y0),
            min(right, left + int(np.ceil(x1))),
            min(bottom, top + int(np.ceil(y1))),
        ),
        score=outline.probability,
        area_px=round(outline.area / regions.scale**2),
        contrast=outline.contrast,
        edge_sharpness=outline.edge_sharpness,
        blueness=outline.blueness,
        region=outline.region.key,
    )


def _arrays(photo: Photo, regions: RegionMap, pigment: PigmentMap, reading: SeverityReading | None) -> Arrays:
    x0, y0, x1, y1 = regions.frame
    mask = np.zeros((photo.height, photo.width), bool)
    size = (x1 - x0, y1 - y0)
    mask[y0:y1, x0:x1] = cv2.resize(pigment.involved.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(
        bool
    )
    return Arrays(
        pixels=photo.pixels,
        region_codes=regions.full_size(photo.width, photo.height),
        lesion_mask=mask,
        melanin=pigment.melanin,
        haemoglobin=pigment.haemoglobin,
        pigment=pigment.density,
        frame=regions.frame,
        relevance=None if reading is None else reading.relevance_on(regions.frame, pigment.melanin.shape),
    )


def _quality(findings: tuple[Finding, ...]) -> Quality:
    ordered = tuple(sorted(findings, key=lambda finding: _GRAVEST_FIRST.index(finding.effect)))
    judged = verdict(findings)
    return Quality(usable=judged is not Verdict.REFUSED, verdict=judged, findings=ordered)


def _refused(
    name: str, sha256: str | None, width: int, height: int, view: View, findings: tuple[Finding, ...]
) -> Analysis:
    return Analysis(
        photo=PhotoRecord(file=name, width=width, height=height, sha256=sha256),
        view=view,
        quality=_quality(findings),
        skin_tone=None,
        regions=None,
        masi=None,
        lesions=(),
        versions=versions(),
        disclaimer=DISCLAIMER,
    )


def versions() -> dict[str, str]:
    """What measures here: schema, package, libraries and networks, as each record names them."""
    found = {"schema": SCHEMA_VERSION, "python": platform.python_version(), **_packages()}
    for network in ("skin", REGIONAL, NAMING):
        found[f"{network} network"] = networks.load(network).sha256[:16]
    if networks.ships(NETWORK):
        found["severity network"] = networks.load(NETWORK).sha256[:16]
    return found


@cache
def _packages() -> dict[str, str]:
    """Versions of what is installed, looked up once."""
    found = {}
    for package in ("melascope", "numpy", "onnxruntime", "opencv-python-headless", "pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a source tree
            found[package] = "unknown"
    return found

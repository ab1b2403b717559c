"""What a report says, as plain strings: the HTML page and the PDF are two layouts of the same `Page`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from melascope.masi import WEIGHTS
from melascope.photo.geometry import among
from melascope.record import Analysis, Arrays, Finding, LesionRecord, Masi, RegionScore
from melascope.report import words
from melascope.report.palette import REGIONS, Colour, to_hex
from melascope.vocabulary import FACIAL_SKIN, MASI_REGIONS, MONK_TONES, SKIN, Region, Severity, Verdict, View

__all__ = ["APART", "LISTED_LESIONS", "Page", "Row", "Said", "arrays_of", "gauge_of", "page", "tone_colour"]

LISTED_LESIONS: Final = 12
"""So many of the largest lesions are listed, under the number that they carry in the picture."""
APART: Final = "readings_disagree"
"""Finding that stands beneath the result, not among the remarks on the photograph."""


@dataclass(frozen=True)
class Gauge:
    """MASI on its scale, in per cent of the scale's length."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """One region. Empty strings where nothing was scored."""

    name: str
    colour: str
    share: str
    share_interval: str
    area: str
    area_value: str
    darkness: str
    darkness_value: str
    homogeneity: str
    homogeneity_value: str
    points: str
    note: str


@dataclass(frozen=True)
class Tone:
    """Skin tone."""

    colour: str
    band: str
    ita: str
    lab: str
    monk: int
    monk_range: str
    monk_colours: tuple[str, ...]
    monk_from: int
    monk_to: int
    fitzpatrick: str


@dataclass(frozen=True)
class Patch:
    """One lesion."""

    number: int
    kind: str
    region: str
    size: str
    contrast: str
    edge: str
    hue: str


@dataclass(frozen=True)
class Reading:
    """What the severity network reads."""

    severity: str
    classes: tuple[tuple[str, str, float], ...]
    """(class, probability in words, in per cent) of mild, moderate, severe."""
    masi: str
    masi_interval: str
    gauge: Gauge
    measured: str
    """The measured MASI beside which it stands; empty if there is none."""
    measured_interval: str
    measured_gauge: Gauge | None
    agreement: str
    disagrees: bool
    caution: str
    what: str = words.READING_WHAT


@dataclass(frozen=True)
class Remark:
    """One quality finding."""

    title: str
    effect: str
    level: str
    measured: str
    advice: str


@dataclass(frozen=True)
class Said:
    """What people changed, and who signed."""

    changes: tuple[str, ...]
    signature: str


@dataclass(frozen=True)
class Page:
    """A report in words."""

    file: str
    size: str
    sha256: str
    level: str
    """`usable`, `reservation` or `refused`."""
    status: str
    answer: str
    explanation: str
    disclaimer: str
    masi: str
    masi_interval: str
    mmasi: str
    mmasi_interval: str
    severity: str
    gauge: Gauge | None
    rows: tuple[Row, ...]
    tone: Tone | None
    no_tone: str
    reading: Reading | None
    patches: tuple[Patch, ...]
    patches_more: str
    kinds_named: bool
    remarks: tuple[Remark, ...]
    measured: bool
    method: tuple[str, ...]
    glossary: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    said: Said | None = None
    """None where no clinic stands around the photograph."""


def page(analysis: Analysis) -> Page:
    """The words of a report.

    Args:
        analysis: Any record, with or without arrays (without, the tone swatch is left out).

    Returns:
        Strings ready to be set; none of them is escaped for any markup.
    """
    totals = analysis.masi
    has_total = totals is not None and totals.masi is not None
    refused = analysis.quality.verdict is Verdict.REFUSED
    photo = analysis.photo
    named = any(words.kind_words(lesion) for lesion in analysis.lesions)
    read = analysis.severity_reading
    return Page(
        file=photo.file,
        size=f"{photo.width} × {photo.height} pixels" if photo.width and photo.height else "could not be decoded",
        sha256=photo.sha256 or "",
        level={Verdict.USABLE: "usable", Verdict.RESERVATIONS: "reservation"}.get(analysis.quality.verdict, "refused"),
        status=_status(analysis),
        answer=_answer(analysis),
        explanation=_explanation(analysis),
        disclaimer=analysis.disclaimer,
        masi=words.one_decimal(totals.masi) if totals else "",
        masi_interval=words.span(totals.masi_low, totals.masi_high) if totals else "",
        mmasi=words.one_decimal(totals.mmasi) if totals else "",
        mmasi_interval=words.span(totals.mmasi_low, totals.mmasi_high) if totals else "",
        severity=totals.severity.value if totals and totals.severity else "",
        gauge=_gauge(totals) if has_total else None,
        rows=_rows(analysis),
        tone=_tone(analysis),
        no_tone="" if refused else "No skin tone was measured: see the remarks on the photograph.",
        reading=_reading(analysis),
        patches=tuple(_patch(n, p) for n, p in enumerate(analysis.lesions[:LISTED_LESIONS], start=1)),
        patches_more=_more(analysis),
        kinds_named=named,
        remarks=tuple(_remark(f) for f in analysis.quality.findings if f.code != APART),
        measured=not refused,
        method=() if refused else _method(analysis),
        glossary=()
        if refused
        else words.glossary(
            totals=has_total, tone=analysis.skin_tone is not None, kinds=named, reading=read is not None
        ),
        versions=tuple(analysis.versions.items()),
    )


def arrays_of(analysis: Analysis) -> Arrays | None:
    """The arrays of a record, or None where it carries none."""
    try:
        return analysis.arrays
    except LookupError:
        return None


def tone_colour(analysis: Analysis) -> Colour | None:
    """Median sRGB colour of the bare skin outside the lesions; None without arrays or without skin."""
    arrays = arrays_of(analysis)
    if arrays is None:
        return None
    stride = max(1, max(arrays.region_codes.shape) // 512)
    codes = arrays.region_codes[::stride, ::stride]
    clear = ~arrays.lesion_mask[::stride, ::stride]
    pixels = arrays.pixels[::stride, ::stride]
    for regions in (FACIAL_SKIN, SKIN):
        chosen = among(codes, regions) & clear
        if chosen.any():
            red, green, blue = (round(float(np.median(channel[chosen]))) for channel in np.moveaxis(pixels, 2, 0))
            return red, green, blue
    return None


def _status(analysis: Analysis) -> str:
    if analysis.quality.verdict is Verdict.REFUSED:
        return "Refused"
    view = {View.FACE: "Whole face", View.CLOSE_UP: "Close-up"}.get(analysis.view, "No skin")
    return f"{view}, {analysis.quality.verdict.value}"


def _answer(analysis: Analysis) -> str:
    totals = analysis.masi
    if analysis.quality.verdict is Verdict.REFUSED:
        reasons = [words.title(f.code) for f in analysis.quality.findings if f.effect == "refused"]
        return f"Nothing was measured: {', '.join(reasons).lower() or 'the photograph cannot be used'}."
    if totals is not None and totals.masi is not None and totals.severity is not None:
        interval = words.span(totals.masi_low, totals.masi_high)
        return f"MASI {words.one_decimal(totals.masi)} (90 % interval {interval}): {totals.severity.value}."
    if analysis.view is View.CLOSE_UP:
        return "No MASI: a close-up shows only part of a face."
    return f"No MASI: {words.listed(_absent(analysis))} could not be scored."


def _explanation(analysis: Analysis) -> str:
    totals = analysis.masi
    if analysis.quality.verdict is Verdict.REFUSED:
        return "What to do about it stands below. Take or choose another photograph and analyse that."
    if totals is not None and totals.masi is not None:
        band = words.band_sentence(totals.masi, totals.masi_low, totals.masi_high)
        return " ".join((band, *(f.advice for f in analysis.quality.findings if f.code == APART)))
    if analysis.view is View.CLOSE_UP:
        return "The total needs all four regions of a face. What is visible was measured and is given below."
    return "A region that is not visible is never counted as zero. The other regions were scored and are given below."


def _absent(analysis: Analysis) -> list[str]:
    keys = analysis.masi.missing if analysis.masi else tuple(r.key for r in MASI_REGIONS)
    return [words.region_name(key).lower() for key in keys]


def _gauge(totals: Masi | None) -> Gauge | None:
    if totals is None or totals.masi is None:
        return None
    low = totals.masi if totals.masi_low is None else totals.masi_low
    high = totals.masi if totals.masi_high is None else totals.masi_high
    return gauge_of(totals.masi, low, high)


def gauge_of(masi: float, low: float, high: float) -> Gauge:
    """Where a MASI and its interval lie on the scale."""
    return Gauge(*(round(value / 48 * 100, 2) for value in (masi, low, high)))


def _reading(analysis: Analysis) -> Reading | None:
    read, totals = analysis.severity_reading, analysis.masi
    if read is None:
        return None
    chances = zip(Severity, (read.mild, read.moderate, read.severe), strict=True)
    return Reading(
        severity=read.severity.value,
        classes=tuple((band.value, words.percent(chance), round(100 * chance, 2)) for band, chance in chances),
        masi=words.one_decimal(read.masi),
        masi_interval=words.span(read.masi_low, read.masi_high),
        gauge=gauge_of(read.masi, read.masi_low, read.masi_high),
        measured=words.one_decimal(totals.masi) if totals else "",
        measured_interval=words.span(totals.masi_low, totals.masi_high) if totals else "",
        measured_gauge=_gauge(totals),
        agreement=words.agreement_sentence(analysis.masi, read),
        disagrees=bool(read.disagrees),
        caution=words.reading_caution(read),
    )


def _rows(analysis: Analysis) -> tuple[Row, ...]:
    if analysis.regions is None:
        return ()
    rows = []
    for region in MASI_REGIONS:
        score: RegionScore = getattr(analysis.regions, region.key)
        if analysis.view is View.FACE or score.skin_px:
            rows.append(_row(region, score))
    if analysis.skin_in_view is not None:
        row = _row(Region.OTHER_SKIN, analysis.skin_in_view)
        rows.append(replace(row, name="All skin in view", points=""))
    return tuple(rows)


def _row(region: Region, score: RegionScore) -> Row:
    parts = (score.area, score.darkness, score.homogeneity)
    points = ""
    if region in WEIGHTS and score.area is not None and score.darkness is not None and score.homogeneity is not None:
        points = words.one_decimal(WEIGHTS[region] * score.area * (score.darkness + score.homogeneity))
    steps = [
        "" if step is None else str(step) for step in (score.area_step, score.darkness_step, score.homogeneity_step)
    ]
    values = ["" if value is None else words.one_decimal(value) for value in parts]
    note = "" if score.visible or score.involved_fraction is not None else "not visible enough to be scored"
    if score.covered_fraction is not None and score.covered_fraction >= 0.1:
        note = "; ".join(filter(None, (note, f"about {words.percent(score.covered_fraction)} covered")))
    scored = score.involved_fraction is not None
    return Row(
        name=region.label,
        colour=to_hex(REGIONS[region]) if region in REGIONS else "#8a8a8a",
        share=words.percent(score.involved_fraction) if scored else "",
        share_interval=words.percent_span(score.involved_low, score.involved_high) if scored else "",
        area=steps[0],
        area_value=values[0],
        darkness=steps[1],
        darkness_value=values[1],
        homogeneity=steps[2],
        homogeneity_value=values[2],
        points=points,
        note=note,
    )


def _tone(analysis: Analysis) -> Tone | None:
    tone = analysis.skin_tone
    if tone is None:
        return None
    colour = tone_colour(analysis)
    return Tone(
        colour=to_hex(colour) if colour else "",
        band=words.band_span(tone),
        ita=f"{tone.ita_deg:.0f}° ({words.span(tone.ita_low, tone.ita_high, 0)})",
        lab=f"L* {tone.l_star:.1f}, b* {tone.b_star:.1f}",
        monk=tone.monk,
        monk_range=words.whole_span(*tone.monk_range),
        monk_colours=MONK_TONES,
        monk_from=min(tone.monk_range),
        monk_to=max(tone.monk_range),
        fitzpatrick=words.whole_span(*tone.fitzpatrick_range, roman=True),
    )


def _method(analysis: Analysis) -> tuple[str, ...]:
    """How this record was made: records of an earlier version had fewer networks."""
    further = (
        (words.NAMING_METHOD, "naming network" in analysis.versions),
        (words.READING_METHOD, analysis.severity_reading is not None),
    )
    return (*words.METHOD, *(sentence for sentence, holds in further if holds))


def _more(analysis: Analysis) -> str:
    """How many patches are not listed."""
    more = len(analysis.lesions) - LISTED_LESIONS
    number = words.patch_count(analysis, LISTED_LESIONS)
    return f"{number} smaller patch{'es' if more > 1 else ''} not listed." if more > 0 else ""


def _patch(number: int, lesion: LesionRecord) -> Patch:
    x0, y0, x1, y1 = lesion.box
    return Patch(
        number=number,
        kind=words.kind_words(lesion),
        region=words.region_name(lesion.region),
        size=f"{x1 - x0} × {y1 - y0}",
        contrast=f"{lesion.contrast:.2f}",
        edge=words.edge(lesion.edge_sharpness),
        hue=words.hue(lesion.blueness),
    )


def _remark(finding: Finding) -> Remark:
    where = f", {words.region_name(finding.region).lower()}" if finding.region else ""
    measured = ""
    if finding.value is not None:
        measured = f"measured {finding.value:.3g}"
        if finding.limit is not None:
            measured += f", limit {finding.limit:.3g}"
    effect = {"refused": "Refused", "reservation": "Reservation", "note": "Note"}[finding.effect]
    return Remark(words.title(finding.code) + where, effect, finding.effect, measured, finding.advice)

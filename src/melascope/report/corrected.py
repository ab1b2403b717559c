"""A report as it stands after people have spoken: their scores, their names for patches, their signatures.

The measurement stays in sight: what a person changed is named with what was measured, who changed it and when.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from melascope.masi import WEIGHTS
from melascope.record import LesionRecord, RegionScore
from melascope.report import words
from melascope.report.page import Page, Row, Said, gauge_of
from melascope.report.statement import Named, PhotoStatement, Rated, Statement
from melascope.vocabulary import MASI_REGIONS, Region

__all__ = ["corrected"]


def corrected(page: Page, said: Statement) -> Page:
    """The words of a report on a photograph about which people said something.

    Args:
        page: The report of its record, as measured.
        said: What is stated of this one photograph.

    Returns:
        The same report where nobody said anything, else one whose result, rows and patches are those that hold.
    """
    (photo,) = said.photos
    page = replace(page, said=Said(tuple(_changes(photo)), _signature(said)))
    if photo.rated:
        page = _rescored(page, photo)
    patches = tuple(
        replace(patch, kind=_kind(photo, photo.record.lesions[patch.number - 1], patch.kind)) for patch in page.patches
    )
    named = page.kinds_named or any(patch.kind for patch in patches)
    return replace(page, patches=patches, kinds_named=named)


def _rescored(page: Page, photo: PhotoStatement) -> Page:
    regions = photo.record.regions
    rows = []
    for row in page.rows:
        region = next((each for each in photo.rated if each.label == row.name), None)
        measured: RegionScore | None = None if region is None else getattr(regions, region.key, None)
        rows.append(row if region is None else _row(row, region, photo.rated[region], measured))
    who = words.listed([person.name for person in photo.raters])
    absent = [
        words.region_name(key).lower()
        for key in (photo.record.masi.missing if photo.record.masi else [each.key for each in MASI_REGIONS])
        if Region[key.upper()] not in photo.rated
    ]
    page = replace(page, rows=tuple(rows), missing=f"Not scored: {words.listed(absent)}." if absent else "")
    if photo.masi is None or photo.severity is None:
        return page if not absent else replace(page, answer=f"No MASI: {words.listed(absent)} could not be scored.")
    totals = photo.record.masi
    measured_text = "Nothing was measured from which a MASI could be added up."
    if totals is not None and totals.masi is not None and totals.severity is not None:
        interval = words.span(totals.masi_low, totals.masi_high)
        measured_text = (
            f"Measured: MASI {words.one_decimal(totals.masi)} (90 % interval {interval}), {totals.severity.value}."
        )
    return replace(
        page,
        answer=f"MASI {words.one_decimal(photo.masi)} as scored by {who}: {photo.severity.value}.",
        explanation=f"{measured_text} {words.band_sentence(photo.masi, None, None)}",
        masi=words.one_decimal(photo.masi),
        masi_interval="",
        mmasi=words.one_decimal(photo.mmasi),
        mmasi_interval="",
        severity=photo.severity.value,
        gauge=gauge_of(photo.masi, photo.masi, photo.masi),
    )


def _row(row: Row, region: Region, rated: Rated, measured: RegionScore | None) -> Row:
    points = WEIGHTS[region] * rated.area * (rated.darkness + rated.homogeneity)
    return replace(
        row,
        share=row.share or "not measured",
        area=f"{rated.area:g}",
        area_value="",
        darkness=f"{rated.darkness:g}",
        darkness_value="",
        homogeneity=f"{rated.homogeneity:g}",
        homogeneity_value="",
        points=words.one_decimal(points),
        note=f"scored by {rated.by.name}; {_measured_steps(measured)}",
    )


def _measured_steps(measured: RegionScore | None) -> str:
    if measured is None or measured.area is None:
        return "not measured"
    values = (measured.area, measured.darkness, measured.homogeneity)
    said = ", ".join(f"{name} {words.one_decimal(value)}" for name, value in zip("ADH", values, strict=True))
    return f"measured {said}"


def _changes(photo: PhotoStatement) -> list[str]:
    """One sentence for each thing that a person changed."""
    said = []
    for region in MASI_REGIONS:
        if (rated := photo.rated.get(region)) is not None:
            scores = f"A {rated.area:g}, D {rated.darkness:g}, H {rated.homogeneity:g}"
            measured = _measured_steps(getattr(photo.record.regions, region.key, None))
            said.append(f"{region.label}: {scores} by {_by(rated.by.name, rated.at)}; {measured}.")
    drawn = len(photo.record.lesions)
    for patch in photo.lesions:
        drawn += patch.measured is None
        if patch.by is None:
            continue
        kind = words.kind_name(patch.kind) if patch.kind else "kind not named"
        if patch.measured is None:
            x0, y0, x1, y1 = patch.box
            where = f"{x1 - x0} × {y1 - y0} pixels from ({x0}, {y0})"
            said.append(f"Patch {drawn}: drawn by {_by(patch.by.name, patch.at)}, {kind}, {where}.")
        else:
            was = words.kind_name(patch.measured.kind) if patch.measured.kind else "not named"
            who = _by(patch.by.name, patch.at)
            said.append(f"Patch {_number(photo, patch.measured)}: {kind} by {who}; as measured: {was}.")
    for patch in photo.removed:
        if patch.measured is not None and patch.by is not None:
            number, who = _number(photo, patch.measured), _by(patch.by.name, patch.at)
            said.append(f"Patch {number}: taken out as no lesion by {who}; the measured scores still count it.")
    return said


def _by(name: str, at: datetime | None) -> str:
    return name if at is None else f"{name} on {at.date().isoformat()}"


def _number(photo: PhotoStatement, measured: LesionRecord) -> int:
    return 1 + next(index for index, lesion in enumerate(photo.record.lesions) if lesion is measured)


def _kind(photo: PhotoStatement, lesion: LesionRecord, kind: str) -> str:
    def mine(patches: tuple[Named, ...]) -> Named | None:
        return next((patch for patch in patches if patch.measured is lesion and patch.by is not None), None)

    if mine(photo.removed) is not None:
        return "taken out"
    changed = mine(photo.lesions)
    if changed is None:
        return kind
    return words.kind_name(changed.kind) if changed.kind else ""


def _signature(said: Statement) -> str:
    if said.signed:
        return f"Signed by {words.listed([_by(person.name, at) for person, at in said.signed])}."
    if said.signed_before:
        return "Not signed: it was signed before, and changed since."
    return "Not signed."

"""A report as it stands after people have spoken: their scores, their names for patches, their signatures.

The measurement stays in sight: what a person changed is named with what was measured, who changed it and when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from melascope.masi import WEIGHTS
from melascope.record import LesionRecord, RegionScore
from melascope.report import words
from melascope.report.page import APART, Page, Row, Said, gauge_of
from melascope.report.palette import REGIONS, to_hex
from melascope.report.statement import Named, PhotoStatement, Statement
from melascope.vocabulary import MASI_REGIONS, Region, View

__all__ = ["corrected"]

_METHOD: Final = "A region that a person scored counts with that person's steps."


def corrected(page: Page, said: Statement) -> Page:
    """The words of a report on a photograph about which people said something.

    Args:
        page: The report of its record, as measured.
        said: What is stated of this one photograph.

    Returns:
        The same report where nobody said anything, else one whose totals and rows are those that hold. Its patches are
        those that were outlined, under the names that people gave them; drawn ones are among the changes.
    """
    (photo,) = said.photos
    page = replace(page, said=Said(tuple(_changes(photo)), _signature(said)))
    if photo.rated:
        page = _rescored(page, photo)
    patches = tuple(
        replace(patch, kind=_kind(photo, photo.record.lesions[patch.number - 1], patch.kind)) for patch in page.patches
    )
    named = page.kinds_named or any(patch.kind for patch in patches)
    glossary = page.glossary
    if glossary or photo.rated:
        glossary = words.glossary(
            totals=page.gauge is not None,
            tone=page.tone is not None,
            kinds=named,
            reading=page.reading is not None,
        )
    return replace(page, patches=patches, kinds_named=named, glossary=glossary)


def _rescored(page: Page, photo: PhotoStatement) -> Page:
    """With scores that a person gave to one region or more."""
    rows = {row.name: row for row in page.rows}
    first = {
        region.label: _row(rows.get(region.label), region, photo) if region in photo.rated else rows[region.label]
        for region in MASI_REGIONS
        if region in photo.rated or region.label in rows
    }
    page = replace(page, rows=(*first.values(), *(row for name, row in rows.items() if name not in first)))
    if page.method:
        page = replace(page, method=(*page.method, _METHOD))
    if photo.masi is None or photo.severity is None:
        absent = [region for region in MASI_REGIONS if region not in photo.rated and not _measured(photo, region)]
        if photo.record.view is not View.FACE:
            return page
        return replace(page, answer=f"No MASI: {_names(absent)} could not be scored.")
    who = words.listed([person.name for person in photo.raters])
    rest = ", the rest as measured" if len(photo.rated) < len(MASI_REGIONS) else ""
    scored = _names([region for region in MASI_REGIONS if region in photo.rated])
    advice = [finding.advice for finding in photo.record.quality.findings if finding.code == APART]
    return replace(
        page,
        answer=f"MASI {words.one_decimal(photo.masi)}: {photo.severity.value}; {scored} scored by {who}{rest}.",
        explanation=" ".join((_measured_total(photo), words.band_sentence(photo.masi, None, None), *advice)),
        masi=words.one_decimal(photo.masi),
        masi_interval="",
        mmasi=words.one_decimal(photo.mmasi),
        mmasi_interval="",
        severity=photo.severity.value,
        gauge=gauge_of(photo.masi, photo.masi, photo.masi),
    )


def _measured_total(photo: PhotoStatement) -> str:
    """What was measured in place of a total that holds."""
    totals = photo.record.masi
    if totals is not None and totals.masi is not None and totals.severity is not None:
        interval = words.span(totals.masi_low, totals.masi_high)
        return f"Measured: MASI {words.one_decimal(totals.masi)} (90 % interval {interval}), {totals.severity.value}."
    if photo.record.view is not View.FACE:
        return "No MASI was measured: this is no whole face."
    absent = [region for region in MASI_REGIONS if not _measured(photo, region)]
    return f"No MASI was measured: {_names(absent)} could not be scored."


def _names(regions: Sequence[Region]) -> str:
    return words.listed([region.label.lower() for region in regions])


def _measured(photo: PhotoStatement, region: Region) -> bool:
    """Whether all that a total needs of a region was measured."""
    score: RegionScore | None = getattr(photo.record.regions, region.key, None)
    return score is not None and None not in (score.area, score.darkness, score.homogeneity)


def _row(row: Row | None, region: Region, photo: PhotoStatement) -> Row:
    """A region as a person scored it; None: one that has no row as measured."""
    rated = photo.rated[region]
    values = _measured_values(photo, region)
    covered = [] if row is None else [part for part in row.note.split("; ") if "covered" in part]
    return Row(
        name=region.label,
        colour=to_hex(REGIONS[region]),
        share=(row.share if row is not None else "") or "not measured",
        share_interval="" if row is None else row.share_interval,
        area=f"{rated.area:g}",
        area_value="",
        darkness=f"{rated.darkness:g}",
        darkness_value="",
        homogeneity=f"{rated.homogeneity:g}",
        homogeneity_value="",
        points=words.one_decimal(WEIGHTS[region] * rated.area * (rated.darkness + rated.homogeneity)),
        note="; ".join((*covered, f"scored by {rated.by.name}", *([f"measured {values}"] if values else []))),
    )


def _measured_values(photo: PhotoStatement, region: Region) -> str:
    """``A 2.4, D 1.8, H 2.3``: as much of it as was measured."""
    score: RegionScore | None = getattr(photo.record.regions, region.key, None)
    if score is None:
        return ""
    values = zip("ADH", (score.area, score.darkness, score.homogeneity), strict=True)
    return ", ".join(f"{name} {words.one_decimal(value)}" for name, value in values if value is not None)


def _changes(photo: PhotoStatement) -> list[str]:
    """One sentence for each thing that a person changed."""
    said = []
    for region in MASI_REGIONS:
        if (rated := photo.rated.get(region)) is not None:
            scores = f"A {rated.area:g}, D {rated.darkness:g}, H {rated.homogeneity:g}"
            values = _measured_values(photo, region)
            measured = f"measured {values}" if values else "not measured"
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
            was = words.kind_words(patch.measured) or "not named"
            who = _by(patch.by.name, patch.at)
            said.append(f"Patch {_number(photo, patch.measured)}: {kind} by {who}; as measured, {was}.")
    for patch in photo.removed:
        if patch.measured is not None and patch.by is not None:
            number, who = _number(photo, patch.measured), _by(patch.by.name, patch.at)
            said.append(f"Patch {number}: taken out as no lesion by {who}; the measured scores still count it.")
    return said


def _by(name: str, at: datetime | None) -> str:
    return name if at is None else f"{name} on {at.astimezone().date().isoformat()}"


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
        return f"The visit was signed by {words.listed([_by(person.name, at) for person, at in said.signed])}."
    if said.signed_before:
        return "The visit is not signed: it was signed before, and changed since."
    return "The visit is not signed."

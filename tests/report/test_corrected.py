"""A report after people spoke: their scores count, what was measured stays in sight, and who said it is named."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("typst")

from melascope.masi import RegionalScore, masi, mmasi, severity
from melascope.record import Analysis
from melascope.report.corrected import corrected
from melascope.report.html import render
from melascope.report.page import page
from melascope.report.pdf import typeset
from melascope.report.statement import Named, Person, PhotoStatement, Rated, Statement
from melascope.vocabulary import MASI_REGIONS, Lesion, Region
from tests.report.synthetic import CASES

AT = datetime(2026, 2, 3, 9, 30, tzinfo=UTC)
ANN, BO = Person("a" * 32, "Ann"), Person("b" * 32, "Bo")


def said_of(record: Analysis, scored: dict[Region, tuple[int, int, int]] | None = None, **more: object) -> Statement:
    """A statement on a record in which Ann gave these scores."""
    scored, photo = scored or {}, PhotoStatement.of(record)
    scores = {}
    for region in MASI_REGIONS:
        row = getattr(record.regions, region.key, None)
        if region in scored:
            scores[region] = RegionalScore(*scored[region])
        elif row is not None and row.homogeneity is not None:
            scores[region] = RegionalScore(row.area, row.darkness, row.homogeneity)
    if scored:
        total, modified = masi(scores), mmasi(scores)
        rated = {region: Rated(*steps, ANN, AT) for region, steps in scored.items()}
        band = None if total is None else severity(total)
        photo = replace(photo, rated=rated, masi=total, mmasi=modified, severity=band)
    return Statement("v" * 32, AT, (replace(photo, **more),))


def test_scores_of_a_person_count_and_what_was_measured_stays_in_sight() -> None:
    record = CASES["named"]
    plain = page(record)
    shown = corrected(plain, said_of(record, {Region.CHIN: (6, 4, 4), Region.FOREHEAD: (0, 0, 0)}))
    expected = masi(
        {
            Region.CHIN: RegionalScore(6, 4, 4),
            Region.FOREHEAD: RegionalScore(0, 0, 0),
            **{
                region: RegionalScore(row.area, row.darkness, row.homogeneity)
                for region in (Region.RIGHT_MALAR, Region.LEFT_MALAR)
                for row in [getattr(record.regions, region.key)]
            },
        }
    )
    assert shown.answer == f"MASI {expected:.1f}: mild; forehead and chin scored by Ann, the rest as measured."
    assert shown.masi == f"{expected:.1f}"
    assert record.masi is not None and f"Measured: MASI {record.masi.masi:.1f}" in shown.explanation
    assert shown.masi_interval == "" and shown.gauge is not None and shown.gauge.low == shown.gauge.high
    rows = {row.name: row for row in shown.rows}
    chin = rows[Region.CHIN.label]
    assert (chin.area, chin.darkness, chin.homogeneity, chin.points) == ("6", "4", "4", "4.8")
    assert f"measured A {record.regions.chin.area:.1f}" in chin.note  # type: ignore[union-attr]
    assert rows[Region.LEFT_MALAR.label] == next(row for row in plain.rows if row.name == Region.LEFT_MALAR.label)
    assert shown.said is not None and len(shown.said.changes) == 2
    assert "2026-02-03" in shown.said.changes[0] and shown.said.signature == "The visit is not signed."


@pytest.mark.parametrize(
    ("signed", "before", "words"),
    [
        (((ANN, AT), (BO, AT)), False, "The visit was signed by Ann on 2026-02-03 and Bo on 2026-02-03."),
        (((ANN, AT),), True, "The visit was signed by Ann on 2026-02-03."),
        ((), True, "The visit is not signed: it was signed before, and changed since."),
        ((), False, "The visit is not signed."),
    ],
)
def test_the_signature(signed: tuple[tuple[Person, datetime], ...], before: bool, words: str) -> None:
    said = replace(said_of(CASES["named"]), signed=signed, signed_before=before)
    shown = corrected(page(CASES["named"]), said)
    assert shown.said is not None and shown.said.signature == words and not shown.said.changes
    assert replace(shown, said=None) == page(CASES["named"])


def test_patches_named_taken_out_and_drawn() -> None:
    record = CASES["named"]
    first, second, *rest = PhotoStatement.of(record).lesions
    said = said_of(
        record,
        lesions=(
            replace(first, kind=Lesion.FRECKLE, by=ANN, at=AT),
            *rest,
            Named("box-1", (3, 4, 30, 40), Lesion.HORI_NEVUS, None, BO, AT),
        ),
        removed=(replace(second, by=BO, at=AT),),
    )
    shown = corrected(page(record), said)
    assert [patch.kind for patch in shown.patches[:2]] == ["freckle", "taken out"]
    assert [patch.kind for patch in shown.patches[2:]] == [patch.kind for patch in page(record).patches[2:]]
    assert shown.said is not None
    changes = " ".join(shown.said.changes)
    assert "Patch 1: freckle by Ann" in changes and "Patch 2: taken out as no lesion by Bo" in changes
    assert f"Patch {len(record.lesions) + 1}: drawn by Bo on 2026-02-03, Hori's nevus, 27 × 36 pixels" in changes


def test_a_region_that_was_not_measured_may_be_scored() -> None:
    record = CASES["incomplete"]
    assert record.masi is not None and record.masi.missing == ("left_malar",)
    shown = corrected(page(record), said_of(record, {Region.LEFT_MALAR: (1, 1, 1)}))
    assert shown.answer.endswith("; left malar scored by Ann, the rest as measured.")
    assert shown.explanation.startswith("No MASI was measured: left malar could not be scored.")
    row = next(row for row in shown.rows if row.name == Region.LEFT_MALAR.label)
    assert (row.share, row.area, row.note) == ("not measured", "1", "scored by Ann")
    assert "Points" in dict(shown.glossary) and "Points" not in dict(page(record).glossary)
    every = corrected(page(record), said_of(record, dict.fromkeys(MASI_REGIONS, (1, 1, 1))))
    assert every.answer == "MASI 2.0: mild; forehead, right malar, left malar and chin scored by Ann."


def test_a_close_up_needs_all_four_regions() -> None:
    record = CASES["close_up"]
    one = corrected(page(record), said_of(record, {Region.RIGHT_MALAR: (2, 2, 2)}))
    assert one.answer == page(record).answer == "No MASI: a close-up shows only part of a face."
    assert one.said is not None and one.said.changes[0].count("H") == 1  # H is not measured in a close-up
    every = corrected(page(record), said_of(record, dict.fromkeys(MASI_REGIONS, (1, 1, 1))))
    assert every.answer.startswith("MASI 2.0: mild;") and "no whole face" in every.explanation
    assert [row.name for row in every.rows[:4]] == [region.label for region in MASI_REGIONS]
    assert sum(float(row.points) for row in every.rows[:4]) == pytest.approx(2.0)


def test_a_second_reading_stands_beside_what_was_measured() -> None:
    record = CASES["apart"]
    plain, shown = page(record), corrected(page(record), said_of(record, {Region.CHIN: (0, 0, 0)}))
    assert shown.reading == plain.reading and shown.masi != plain.masi
    assert shown.reading is not None and shown.reading.measured == plain.masi
    (advice,) = [finding.advice for finding in record.quality.findings if finding.code == "readings_disagree"]
    assert shown.explanation.endswith(advice)


def test_a_patch_that_a_person_drew_is_not_denied() -> None:
    record = CASES["clear"]
    said = said_of(record, lesions=(Named("box-1", (3, 4, 30, 40), Lesion.FRECKLE, None, BO, AT),))
    html = render(record, None, None, said=said)
    assert "Patch 1: drawn by Bo on 2026-02-03, freckle" in html
    assert "The analysis outlined no patch." in html and "No patch stands out" not in html


def test_how_much_is_covered_stays() -> None:
    record = CASES["named"]
    assert record.regions is not None
    chin = record.regions.chin.model_copy(update={"covered_fraction": 0.3})
    record = record.model_copy(update={"regions": record.regions.model_copy(update={"chin": chin})})
    shown = corrected(page(record), said_of(record, {Region.CHIN: (1, 1, 1)}))
    note = next(row.note for row in shown.rows if row.name == Region.CHIN.label)
    assert "30 % covered" in note and "scored by Ann" in note


@pytest.mark.parametrize("case", sorted(CASES))
def test_both_layouts_hold_it(case: str, tmp_path: Path) -> None:
    record = CASES[case]
    scored = {} if record.masi is None else {Region.CHIN: (6, 4, 4)}
    said = replace(said_of(record, scored), signed=((Person("c" * 32, "陳 <b>"), AT),))
    found = corrected(page(record), said)
    assert found.said is not None
    html = render(record, None, None, said=said)
    assert found.answer.replace("'", "&#39;") in html
    assert "The visit was signed by 陳 &lt;b&gt; on 2026-02-03." in html and all(
        change in html for change in found.said.changes
    )
    path = tmp_path / "report.pdf"
    path.write_bytes(typeset(record, None, None, said=said))
    if shutil.which("pdftotext") is not None:
        text = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, check=True).stdout.decode()
        for sentence in (found.answer, *found.said.changes, "<b> on 2026-02-03."):
            assert "".join(sentence.split()) in "".join(text.split())

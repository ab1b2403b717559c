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
        elif row is not None and row.area is not None:
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
    assert shown.answer.startswith(f"MASI {expected:.1f} as scored by Ann") and shown.masi == f"{expected:.1f}"
    assert record.masi is not None and f"Measured: MASI {record.masi.masi:.1f}" in shown.explanation
    assert shown.masi_interval == "" and shown.gauge is not None and shown.gauge.low == shown.gauge.high
    rows = {row.name: row for row in shown.rows}
    chin = rows[Region.CHIN.label]
    assert (chin.area, chin.darkness, chin.homogeneity, chin.points) == ("6", "4", "4", "4.8")
    assert f"measured A {record.regions.chin.area:.1f}" in chin.note  # type: ignore[union-attr]
    assert rows[Region.LEFT_MALAR.label] == next(row for row in plain.rows if row.name == Region.LEFT_MALAR.label)
    assert shown.said is not None and len(shown.said.changes) == 2
    assert "2026-02-03" in shown.said.changes[0] and shown.said.signature == "Not signed."


@pytest.mark.parametrize(
    ("signed", "before", "words"),
    [
        (((ANN, AT), (BO, AT)), False, "Signed by Ann on 2026-02-03 and Bo on 2026-02-03."),
        (((ANN, AT),), True, "Signed by Ann on 2026-02-03."),
        ((), True, "Not signed: it was signed before, and changed since."),
        ((), False, "Not signed."),
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
    assert record.masi is not None and record.masi.missing
    missing = [Region[key.upper()] for key in record.masi.missing]
    some = corrected(page(record), said_of(record, {missing[0]: (1, 1, 1)}))
    row = next((row for row in some.rows if row.name == missing[0].label), None)
    assert row is None or (row.share == "not measured" and row.area == "1")
    every = corrected(page(record), said_of(record, dict.fromkeys(MASI_REGIONS, (1, 1, 1))))
    assert every.answer == "MASI 2.0 as scored by Ann: mild." and every.missing == ""


@pytest.mark.parametrize("case", sorted(CASES))
def test_both_layouts_hold_it(case: str, tmp_path: Path) -> None:
    record = CASES[case]
    scored = {} if record.masi is None else {Region.CHIN: (6, 4, 4)}
    said = replace(said_of(record, scored), signed=((Person("c" * 32, "陳 <b>"), AT),))
    found = corrected(page(record), said)
    assert found.said is not None
    html = render(record, None, None, said=said)
    assert found.answer.replace("'", "&#39;") in html
    assert "Signed by 陳 &lt;b&gt; on 2026-02-03." in html and all(change in html for change in found.said.changes)
    path = tmp_path / "report.pdf"
    path.write_bytes(typeset(record, None, None, said=said))
    if shutil.which("pdftotext") is not None:
        text = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, check=True).stdout.decode()
        for sentence in (found.answer, *found.said.changes, "<b> on 2026-02-03."):
            assert "".join(sentence.split()) in "".join(text.split())

"""summary.csv: columns, empty cells, and cells that a spreadsheet must not run."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from melascope.report.summary import COLUMNS, row, write_summary
from tests.report.synthetic import CASES, VERSIONS, measured, refused


def test_rows_come_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "summary.csv"
    write_summary([row(analysis, name) for name, analysis in CASES.items()], path)
    with path.open(encoding="utf-8", newline="") as stream:
        rows = {cells["folder"]: cells for cells in csv.DictReader(stream)}
    assert list(rows) == list(CASES)
    assert all(tuple(cells) == COLUMNS for cells in rows.values())
    complete = CASES["complete"]
    assert complete.masi is not None
    assert complete.regions is not None
    assert float(rows["complete"]["masi"]) == pytest.approx(complete.masi.masi, abs=1e-4)
    assert float(rows["complete"]["chin_area"]) == pytest.approx(complete.regions.chin.area, abs=1e-4)
    assert float(rows["complete"]["mmasi_low"]) == pytest.approx(complete.masi.mmasi_low, abs=1e-4)
    assert float(rows["complete"]["mmasi_high"]) == pytest.approx(complete.masi.mmasi_high, abs=1e-4)
    for key in ("forehead", "right_malar", "left_malar", "chin"):
        score = getattr(complete.regions, key)
        assert float(rows["complete"][f"{key}_involved_low"]) == pytest.approx(score.involved_low, abs=1e-4)
        assert float(rows["complete"][f"{key}_involved_high"]) == pytest.approx(score.involved_high, abs=1e-4)
    for name, cells in rows.items():
        assert cells["sha256"] == CASES[name].photo.sha256
        assert cells["melascope"] == VERSIONS["melascope"]
        assert cells["skin_network"] == VERSIONS["skin network"]
    assert rows["incomplete"]["masi"] == rows["incomplete"]["mmasi_high"] == ""
    assert rows["incomplete"]["missing"] == "left_malar"
    assert rows["incomplete"]["findings"] == "strong_shading"
    assert rows["refused"]["lesions"] == ""
    assert rows["clear"]["lesions"] == "0"
    assert rows["grey"]["ita_deg"] == ""
    read = CASES["apart"].severity_reading
    assert read is not None
    for name in ("mild", "moderate", "severe", "masi", "masi_low", "masi_high"):
        assert float(rows["apart"][f"read_{name}"]) == pytest.approx(getattr(read, name), abs=1e-4)
        assert rows["complete"][f"read_{name}"] == ""
    assert [rows[name]["read_disagrees"] for name in ("complete", "read", "apart")] == ["", "no", "yes"]
    assert [rows[name]["read_severity"] for name in ("complete", "read")] == ["", "moderate"]
    assert [rows[name]["severity_network"] for name in ("complete", "read")] == ["", "fedcba9876543210"]
    assert [p.name for p in path.parent.iterdir()] == ["summary.csv"]


@pytest.mark.parametrize(
    "name", ["=cmd().jpg", "+1.jpg", "-x.jpg", "@sum.jpg", "\tx.jpg", " =x.jpg", "＝x.jpg", "'=x.jpg"]
)
def test_text_that_looks_like_a_formula_is_made_harmless(name: str) -> None:
    cells = row(refused(name), name)
    assert cells["file"] == f"'{name}"
    assert cells["folder"] == f"'{name}"


def test_negative_numbers_stay_numbers() -> None:
    analysis = measured()
    assert analysis.skin_tone is not None
    dark = analysis.model_copy(update={"skin_tone": analysis.skin_tone.model_copy(update={"ita_deg": -41.25})})
    assert row(dark, "x")["ita_deg"] == "-41.2500"


def test_quotes_commas_and_line_ends_survive(tmp_path: Path) -> None:
    name = 'a,"b"\nc.jpg'
    write_summary([row(refused(name), "f")], tmp_path / "s.csv")
    with (tmp_path / "s.csv").open(encoding="utf-8", newline="") as stream:
        assert next(csv.DictReader(stream))["file"] == name

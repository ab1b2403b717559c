"""The command and what it writes."""

from __future__ import annotations

import csv
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from typer.testing import CliRunner

from melascope.cli.app import app
from melascope.severity.agreement import agreement
from melascope.severity.agreement_page import COLUMNS, between, figures, grade, html, number, write
from melascope.vocabulary import DISCLAIMER
from tests.severity.faults import GOOD, HEADER, PARTS, TWELVE
from tests.severity.made import made, noisy


def invoke(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["severity", "agreement", *map(str, words)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [
        f"{i}.jpg,P{i},{rater},{score}"
        for i, line in enumerate(noisy(25))
        for rater, score in zip(("anna", "ben <b>", "carl"), line, strict=True)
    ]
    path = tmp_path / "ratings.csv"
    path.write_text("\n".join([HEADER, *rows]))
    return path


def test_the_command_prints_and_writes(table: Path, tmp_path: Path) -> None:
    code, printed, _ = invoke(table, "--out", tmp_path / "out")
    assert code == 0
    for words in (
        "25 readings of 25 patients by 3 raters",
        "ICC(2,1)",
        "ICC(2,3)",
        "anna - carl",
        "To read again",
        DISCLAIMER,
    ):
        assert words in printed
    page = (tmp_path / "out" / "agreement.html").read_text(encoding="utf-8")
    assert DISCLAIMER in page and "ben &lt;b&gt;" in page and "ben <b>" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "") and "<script" not in page
    assert page.count("<svg") == 2 + 3 + 3 + 1
    assert str(tmp_path) not in page
    for part in page.split("<svg")[1:]:
        ET.fromstring("<svg" + part.partition("</svg>")[0] + "</svg>")


def test_the_csv_holds_every_figure_to_the_last_digit(tmp_path: Path) -> None:
    scores = noisy(25)
    report = agreement(made(scores), resamples=100)
    _, file, again = write(report, "x", tmp_path)
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert tuple(rows[0]) == COLUMNS and len(rows) == len(list(figures(report)))
    by_name = {(row["figure"], row["of"], row["and"]): row for row in rows}
    assert report.icc is not None and float(by_name["ICC(2,1)", "MASI", ""]["value"]) == report.icc.single
    assert float(by_name["bias", "r0", "r2"]["value"]) == pytest.approx((scores[:, 0] - scores[:, 2]).mean(), abs=1e-12)
    assert by_name["drift, MASI points per 100 readings", "r1", ""]["n"] == "25"
    listed = list(csv.reader(again.read_text().splitlines()))
    assert listed[0] == ["photos", "patient", "r0 MASI", "r1 MASI", "r2 MASI", "mean MASI", "apart", "why"]
    assert len(listed) == 1 + len(report.reread)
    apart = [float(row[6]) for row in listed[1:]]
    assert apart == sorted(apart, reverse=True)


def test_a_page_with_regions_and_one_without_variation(tmp_path: Path) -> None:
    other = TWELVE.replace("3", "4")
    path = tmp_path / "r.csv"
    path.write_text(f"photo,patient,rater,{PARTS}\na,P1,x,{TWELVE}\na,P1,y,{other}\nb,P2,x,{other}\nb,P2,y,{TWELVE}\n")
    code, printed, _ = invoke(path, "--out", tmp_path)
    assert code == 0 and "do not differ" in printed
    page = (tmp_path / "agreement.html").read_text(encoding="utf-8")
    assert "Right malar" in page and "no correlation can be told" in page and "Figure 3" not in page


def test_nothing_to_read_again_is_said() -> None:
    page = html(agreement(made([[1, 1.5], [20, 20.5], [40, 41]]), resamples=50), "x")
    assert "Nothing: all raters" in page and "Figure 4" not in page


def test_a_cohort_s_page_survives_two_thousand_readings() -> None:
    page = html(agreement(made(noisy(2000)), resamples=50), "x")
    assert len(page) < 3_000_000 and "the first 60 of" in page


def test_faults_end_with_1_and_say_every_row(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("\n".join([HEADER, *GOOD, "c.jpg,P3,anna,49", "d.jpg,P4,anna,-1"]))
    code, printed, said = invoke(path)
    assert code == 1 and not printed and "row 6" in said and "row 7" in said and "Traceback" not in said
    code, _, said = invoke(tmp_path / "nowhere.csv")
    assert code == 1 and "is not there" in said
    path.write_text("photo,patient,masi\na,P1,3\nb,P2,4\n")
    code, _, said = invoke(path)
    assert code == 1 and "there is one rater" in said


def test_wrong_usage_ends_with_2(table: Path, tmp_path: Path) -> None:
    assert invoke()[0] == 2
    assert invoke(table, "--incomplete", "maybe")[0] == 2
    assert invoke(table, "--out", table)[0] == 2
    assert invoke(table, "--apart", "0")[0] == 2


def test_incomplete_photos_can_be_dropped(table: Path) -> None:
    with table.open("a") as file:
        file.write("\nlast.jpg,P99,anna,3\n")
    assert invoke(table)[0] == 1
    code, printed, _ = invoke(table, "--incomplete", "drop")
    assert code == 0 and "1 of 26 photos were left out" in printed


@pytest.mark.parametrize(("value", "words"), [(-0.004, "0.00"), (-1.237, "−1.24"), (0.5, "0.50"), (np.nan, "n/a")])
def test_numbers_for_people(value: float, words: str) -> None:
    assert number(value) == words


def test_words_for_intervals() -> None:
    assert between(-1.0, 2.0, 1) == "−1.0 to 2.0" and between(np.nan, np.nan) == "no interval"
    assert grade(0.4, 0.49) == "poor" and grade(0.4, 0.95) == "poor to excellent" and grade(np.nan, 1) == ""

"""The PDF report: pages, text taken literally."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("typst")

from melascope.report import words
from melascope.report.page import page
from melascope.report.pdf import pdf
from tests.report.synthetic import CASES, SIDE_LIGHT, measured

ODD = 'a#b$c*d_e`f@g<h>i[x]{y}\\"//~=+-.jpg'


def pages_of(data: bytes) -> int:
    counts = [int(found) for found in re.findall(rb"/Count (\d+)", data)]
    return max(counts)


@pytest.mark.parametrize("case", CASES)
def test_one_or_two_pages_and_a_third_for_a_second_reading_or_doubts(case: str) -> None:
    data = pdf(CASES[case])
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert pages_of(data) == {"refused": 1, "read": 3, "apart": 3, "unsure": 3}.get(case, 2)


def _text(path: Path) -> str:
    return subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, check=True).stdout.decode()


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed")
def test_a_sentence_keeps_the_sign_after_a_number(tmp_path: Path) -> None:
    """In a template of typst a semicolon ends what is computed, and is not set."""
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf(CASES["complete"]))
    text = " ".join(_text(path).split())
    shown = page(CASES["complete"])
    assert f"The largest of {words.patch_count(CASES['complete'])}; the numbers are those in the picture." in text
    assert f"90 % interval {shown.mmasi_interval}; the same without homogeneity" in text


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed")
def test_markup_signs_come_out_literally(tmp_path: Path) -> None:
    finding = SIDE_LIGHT.model_copy(update={"advice": "#panic() $x$ *no* @ref <label>"})
    path = tmp_path / "odd.pdf"
    path.write_bytes(pdf(measured(ODD, width=60, height=80, findings=(finding,))))
    text = _text(path)
    assert ODD in text
    assert "#panic() $x$ *no* @ref <label>" in text
    assert "usable with reservations" in text


def test_other_scripts_are_set(tmp_path: Path) -> None:
    assert pdf(measured("写真 صورة фото.jpg", width=60, height=80)).startswith(b"%PDF-")

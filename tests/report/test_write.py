"""Files of one photograph: all there, whole, upright, without metadata."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from melascope.record import Analysis
from melascope.report.write import Exports, write
from tests.report.synthetic import CASES, measured, refused

MEASURED = {"analysis.json", "overlay.png", "maps.png", "report.html", "region_mask.png", "lesion_mask.png"}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_all_files_of_a_measured_photograph(tmp_path: Path) -> None:
    analysis = CASES["complete"]
    written = write(analysis, tmp_path / "a" / "b")
    folder = tmp_path / "a" / "b"
    assert names(folder) == MEASURED
    text = (folder / "analysis.json").read_text(encoding="utf-8")
    assert text == written.to_json() == Analysis.model_validate_json(text).to_json()
    for kind, name in written.files:
        assert (name is None) == (kind in {"report_pdf", "relevance", "fhir", "dicom"})
        assert name is None or (folder / name).is_file()
    assert written.arrays is analysis.arrays
    assert analysis.files.report is None


def test_relevance_is_written_where_something_was_read_and_goes_when_it_was_not(tmp_path: Path) -> None:
    written = write(CASES["read"], tmp_path)
    assert names(tmp_path) == MEASURED | {"relevance.png"} and written.files.relevance == "relevance.png"
    write(CASES["complete"], tmp_path)
    assert names(tmp_path) == MEASURED


def test_masks_are_those_of_the_photograph(tmp_path: Path) -> None:
    analysis = measured(width=130, height=90)
    write(analysis, tmp_path)
    codes = np.asarray(Image.open(tmp_path / "region_mask.png"))
    lesions = np.asarray(Image.open(tmp_path / "lesion_mask.png"))
    np.testing.assert_array_equal(codes, analysis.arrays.region_codes)
    np.testing.assert_array_equal(lesions, analysis.arrays.lesion_mask * 255)


def test_pictures_carry_no_metadata_and_show_rgb(tmp_path: Path) -> None:
    analysis = measured(skin=(230, 150, 110))
    write(analysis, tmp_path)
    for name in MEASURED - {"analysis.json", "report.html"}:
        with Image.open(tmp_path / name) as picture:
            assert not picture.info
            assert not picture.getexif()
    red, _, blue = np.asarray(Image.open(tmp_path / "overlay.png").convert("RGB")).reshape(-1, 3).mean(axis=0)
    assert red > blue


@pytest.mark.parametrize("pdf", [False, True])
def test_refusal_has_record_and_report(tmp_path: Path, pdf: bool) -> None:
    written = write(refused(), tmp_path, pdf=pdf)
    assert names(tmp_path) == {"analysis.json", "report.html"} | ({"report.pdf"} if pdf else set())
    assert written.files.overlay is None
    assert json.loads((tmp_path / "analysis.json").read_text())["files"]["report"] == "report.html"


def test_second_writing_removes_what_no_longer_belongs(tmp_path: Path) -> None:
    write(measured(), tmp_path, pdf=True)
    (tmp_path / "note.txt").write_text("mine")
    write(refused(), tmp_path)
    assert names(tmp_path) == {"analysis.json", "report.html", "note.txt"}


@pytest.mark.parametrize("step", range(1, 8))
def test_a_disk_that_fills_up_costs_no_earlier_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    write(measured("before.jpg"), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    written = Path.write_bytes
    steps = iter(range(1, 9))

    def full(path: Path, data: bytes) -> int:
        if next(steps) < step:
            return written(path, data)
        written(path, data[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write(CASES["read"], tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_dicom_that_cannot_be_written_costs_no_earlier_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("highdicom", reason="highdicom is not installed: pip install 'melascope[dicom]'")
    write(measured(), tmp_path, exports=Exports(dicom=True))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    written = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if "segmentation" in path.name:
            raise OSError(28, "No space left on device")
        return written(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    for folder in (tmp_path, tmp_path / "new"):
        with pytest.raises(OSError, match="No space"):
            write(measured(), folder, exports=Exports(dicom=True))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert names(tmp_path / "new") == set()


def test_no_record_stands_over_files_of_two_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(measured(), tmp_path)
    replace = os.replace

    def stopped(part: Path, place: Path) -> None:
        assert not (tmp_path / "analysis.json").exists()
        if place.name == "report.html":
            raise PermissionError(13, "Permission denied")
        replace(part, place)

    monkeypatch.setattr(os, "replace", stopped)
    with pytest.raises(OSError, match="denied"):
        write(measured(), tmp_path)
    assert names(tmp_path) == MEASURED - {"analysis.json"}


def test_what_a_killed_run_left_half_written_goes(tmp_path: Path) -> None:
    write(measured(), tmp_path)
    (tmp_path / ".report.pdf.part").write_bytes(b"%PDF")
    write(measured(), tmp_path)
    assert names(tmp_path) == MEASURED

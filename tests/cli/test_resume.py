"""Going on where a run was stopped."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from melascope import archive
from melascope.archive import done_before, give_folders
from melascope.cli.app import app
from melascope.record import Analysis
from melascope.report.dicom import MISSING
from melascope.report.write import Exports
from tests.report.synthetic import analyse_drawn


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], obj=analyse_drawn)


def put(path: Path, text: str = "ok") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "summary.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def written(out: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("*/analysis.json")}


def test_resume_does_what_is_left_and_the_table_holds_all(tmp_path: Path) -> None:
    photos, out = tmp_path / "in", tmp_path / "out"
    for name in "abc":
        put(photos / f"{name}.jpg", f"ok {name}")
    put(photos / "d.jpg", "refuse")
    assert call("analyze", photos, "--out", out, "--jobs", 1).exit_code == 1
    whole, before = rows(out), written(out)
    (out / "b" / "analysis.json").unlink()  # stopped before its record was written
    put(photos / "c.jpg", "ok another")
    result = call("analyze", photos, "--out", out, "--jobs", 1, "--resume")
    assert result.exit_code == 1, result.output  # d is refused, as it was
    assert "2 of 4 photographs were done before." in result.stderr
    after = written(out)
    assert set(after) == {"a", "b", "c", "c-2", "d"}
    assert after["a"] == before["a"] and after["d"] == before["d"] and after["b"] != before["b"]
    assert [cells["folder"] for cells in rows(out)] == ["a", "b", "c-2", "d"]
    assert rows(out)[0] == whole[0] and rows(out)[3] == whole[3]


def test_without_resume_everything_is_done_again(tmp_path: Path) -> None:
    photo, out = put(tmp_path / "a.jpg"), tmp_path / "out"
    call("analyze", photo, "--out", out)
    before = written(out)
    call("analyze", photo, "--out", out)
    assert written(out) != before


def test_what_failed_or_has_another_version_or_lacks_its_pdf_is_not_done(tmp_path: Path) -> None:
    out = tmp_path / "out"
    good, bad = put(tmp_path / "a.jpg"), put(tmp_path / "b.jpg", "raise")
    call("analyze", good, bad, "--out", out, "--jobs", 1)
    assert done_before(good, out / "a", analyse=analyse_drawn) is not None
    assert done_before(good, out / "a", analyse=analyse_drawn, pdf=True) is None
    assert done_before(bad, out / "b", analyse=analyse_drawn) is None
    assert done_before(good, out / "a") is None  # the stand-in names other networks
    record = Analysis.model_validate_json((out / "a" / "analysis.json").read_text(encoding="utf-8"))
    older = record.model_copy(update={"versions": {**record.versions, "melascope": "0.0.1"}})
    (out / "a" / "analysis.json").write_text(older.to_json(), encoding="utf-8")
    assert done_before(good, out / "a", analyse=analyse_drawn) is None
    (out / "a" / "analysis.json").write_text("{", encoding="utf-8")
    assert done_before(good, out / "a", analyse=analyse_drawn) is None


def test_a_record_by_another_network_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"schema": "1.4", "melascope": "9", "skin network": "s", "regional network": "r", "naming network": "n"}
    monkeypatch.setattr("melascope.analysis.versions", lambda: made | {"numpy": "1"})
    assert archive._made_by(None) == made | {"severity network": None}


def test_only_to_resume_an_unfinished_folder_is_free_and_never_one_with_something_else(tmp_path: Path) -> None:
    photo, out = put(tmp_path / "a.jpg"), tmp_path / "out"
    put(out / "a" / "overlay.png")
    put(out / "a" / ".maps.png.part")
    assert give_folders([photo], out) == [out / "a-2"]
    assert give_folders([photo], out, resume=True) == [out / "a"]
    put(out / "a" / "diary.txt", "mine")
    assert give_folders([photo], out, resume=True) == [out / "a-2"]


def test_exports_that_are_wished_otherwise_now_are_made(tmp_path: Path) -> None:
    out, good, refused = tmp_path / "out", put(tmp_path / "a.jpg"), put(tmp_path / "b.jpg", "refuse")
    call("analyze", good, refused, "--out", out, "--jobs", 1, "--fhir", "r4")
    assert done_before(good, out / "a", exports=Exports("r4"), analyse=analyse_drawn) is not None
    assert done_before(good, out / "a", exports=Exports("r5"), analyse=analyse_drawn) is None
    if MISSING:
        pytest.skip(f"{MISSING} not installed")
    call("analyze", good, refused, "--out", out, "--jobs", 1, "--dicom")
    for photo, name in ((good, "a"), (refused, "b")):  # of a refused one there is nothing to write
        assert done_before(photo, out / name, exports=Exports(dicom=True), analyse=analyse_drawn) is not None
    (out / "a" / "analysis.json").unlink()  # stopped before its record was written
    assert give_folders([good], out, resume=True) == [out / "a"]
    put(out / "a" / "dicom" / "mine.txt")
    assert give_folders([good], out, resume=True) == [out / "a-2"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--resume", "--json"], "leave --resume out"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(tmp_path: Path, options: list[str], sentence: str) -> None:
    result = call("analyze", put(tmp_path / "a.jpg"), "--out", tmp_path / "out", *options)
    assert result.exit_code == 2, result.output
    assert sentence in result.stderr
    assert result.stdout == ""

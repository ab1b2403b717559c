"""The demo: three samples, a table, a report."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from melascope.cli.app import app
from melascope.record import Analysis
from tests.report.synthetic import analyse_drawn


def test_demo_shows_its_samples(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)], obj=analyse_drawn)
    assert result.exit_code == 0, result.output
    for name in ("astronaut", "cheek-close-up", "rocket"):
        assert name in result.stdout
        assert (tmp_path / name / "report.html").is_file()
    assert f"Open {tmp_path / 'astronaut' / 'report.html'}" in result.stdout


def test_demo_shows_a_face_a_close_up_and_a_refusal(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    shown = {}
    for name in ("astronaut", "cheek-close-up", "rocket"):
        record = Analysis.model_validate_json((tmp_path / name / "analysis.json").read_text(encoding="utf-8"))
        shown[name] = (record.view.value, record.quality.usable, [f.code for f in record.quality.findings])
    assert shown["astronaut"][:2] == ("face", True)
    assert shown["cheek-close-up"][:2] == ("close-up", True)
    assert shown["rocket"] == ("none", False, ["no_skin"])


def test_demo_without_scikit_image_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "new")], obj=analyse_drawn)
    assert result.exit_code == 2
    assert "pip install melascope[demo]" in result.stderr
    assert not (tmp_path / "new").exists()

"""The demo: virtual patients, a table, their truth beside it, a report."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from melascope.cli.app import app
from melascope.cli.demo import samples
from melascope.masi import RegionalScore, area_value, masi
from melascope.record import Analysis
from melascope.vocabulary import MASI_REGIONS
from tests.report.synthetic import analyse_drawn

TRUTH = json.loads(samples().joinpath("truth.json").read_text(encoding="utf-8"))


def test_demo_shows_its_samples_and_their_truth(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)], obj=analyse_drawn)
    assert result.exit_code == 0, result.output
    assert "measured / true" in result.stdout
    for name, true in TRUTH.items():
        stem = Path(name).stem
        assert stem in result.stdout
        assert (tmp_path / stem / "report.html").is_file()
        assert f"/ {true['ita_deg']:.0f}°" in result.stdout
    assert f"Open {tmp_path / Path(next(iter(TRUTH))).stem / 'report.html'}" in result.stdout


def test_a_folder_that_cannot_be_written_to_is_wrong_usage(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    for out in (taken, taken / "demo"):
        result = CliRunner().invoke(app, ["demo", "--out", str(out)], obj=analyse_drawn)
        assert result.exit_code == 2, result.output
        assert result.stderr.startswith(f"Error: --out {out}: cannot be written to (")
        assert isinstance(result.exception, SystemExit)


def test_samples_are_small_and_their_totals_follow_from_their_parts() -> None:
    assert 2 <= len(TRUTH) <= 4
    for name, true in TRUTH.items():
        assert len(samples().joinpath(name).read_bytes()) < 200_000
        if true["masi"] is None:
            continue
        scores = {
            region: RegionalScore(area_value(true["shares"][region.key]), *true["darkness_homogeneity"][region.key])
            for region in MASI_REGIONS
        }
        total = masi(scores)
        assert total is not None
        assert abs(total - true["masi"]) < 1e-6


def test_every_sample_is_measured(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "MASI read" in result.stdout
    for name, true in TRUTH.items():
        record = Analysis.model_validate_json(
            (tmp_path / Path(name).stem / "analysis.json").read_text(encoding="utf-8")
        )
        assert record.quality.usable
        assert record.view.value == ("close-up" if true["view"] == "close-up" else "face")
        reading = record.severity_reading
        assert (reading is None) == (true["view"] == "close-up")
        if reading is not None:
            assert f"{reading.masi:.1f} ({reading.masi_low:.1f} to {reading.masi_high:.1f})" in result.stdout

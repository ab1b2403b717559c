"""`melascope severity evaluate`: exit codes, files, and that the same numbers come out again."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from melascope.cli.app import app
from melascope.severity.predictions import write_predictions
from tests.severity.simulated import rows


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["severity", "evaluate", *map(str, arguments), "--resamples", "100"])


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for k, name in enumerate(("googlenet", "ours")):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        write_predictions(rows(60, seed=k, noise=5.0 - 3 * k), folder / "predictions.csv")
    return tmp_path / "runs"


def accuracy(folder: Path) -> dict[str, str]:
    with (folder / "table1.csv").open(newline="") as stream:
        return {row["network"]: row["accuracy"] for row in csv.DictReader(stream)}


def test_a_folder_of_runs_becomes_a_page_beside_it(runs: Path) -> None:
    found = call(runs)
    assert found.exit_code == 0, found.output
    assert "60 photos of 60 patients" in found.stdout
    assert (runs / "evaluation" / "benchmark.html").is_file()
    assert set(accuracy(runs / "evaluation")) == {"googlenet", "ours"}


def test_run_folder_predictions_and_the_whole_give_the_same_numbers(runs: Path, tmp_path: Path) -> None:
    assert call(runs, "--out", tmp_path / "whole").exit_code == 0
    assert call(runs / "ours", "--out", tmp_path / "run").exit_code == 0
    assert call(runs / "ours" / "predictions.csv", "--out", tmp_path / "table").exit_code == 0
    expected = accuracy(tmp_path / "whole")["ours"]
    assert accuracy(tmp_path / "run")["ours"] == accuracy(tmp_path / "table")["ours"] == expected


def test_only_and_markdown(runs: Path, tmp_path: Path) -> None:
    found = call(runs / "ours", "--only", "device=dslr", "--markdown", tmp_path / "s.md")
    assert found.exit_code == 0, found.output
    assert "30 photos" in found.stdout
    assert "30 photos" in (tmp_path / "s.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (("--only", "colour=red"), 2, "COLUMN=VALUE"),
        (("--part", "exam"), 2, "--part exam: must be test, validation, train or all"),
        (("--part", "train"), 1, "no photo of part train; its parts are: test 60"),
        (("--only", "device=film"), 1, "no photo of part test and device film"),
    ],
)
def test_wrong_questions_are_answered_without_a_traceback(
    runs: Path, more: tuple[str, ...], code: int, words: str
) -> None:
    found = call(runs / "ours", *more)
    assert found.exit_code == code
    assert words in found.stderr
    assert found.exception is None or isinstance(found.exception, SystemExit)


def test_what_is_not_there_or_damaged_is_told(runs: Path, tmp_path: Path) -> None:
    assert call(tmp_path / "nowhere").exit_code == 1
    (tmp_path / "empty").mkdir()
    found = call(tmp_path / "empty")
    assert (found.exit_code, "holds no predictions.csv" in found.stderr) == (1, True)
    table = runs / "ours" / "predictions.csv"
    table.write_text(table.read_text().replace("test", "test,", 1))
    found = call(runs / "ours")
    assert (found.exit_code, "line 2" in found.stderr) == (1, True)


def test_several_runs_need_a_folder_for_their_page(runs: Path) -> None:
    found = call(runs / "ours", runs / "googlenet")
    assert (found.exit_code, "--out" in found.stderr) == (2, True)

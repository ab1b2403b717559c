"""The commands of virtual patients: help, usage, and what each says when it cannot go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from melascope.cli import cohort as command
from melascope.cli.app import app


def run(*words: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["cohort", *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("name", ["render", "sheet", "paint", "again"])
def test_every_command_has_help(name: str) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    assert "--help" in out and len(out) > 200


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    code, _, err = run("render", tmp_path / "out")
    assert code == 2
    assert "pip install 'melascope[cohort]'" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--patients", "3", "--size", "100"], "size_px = 100"),
        (["--kinds", "mel,wart"], "'wart' is unknown"),
        (["--visits", "99"], "visits = 99"),
        (["--each-tone", "--patients", "20"], "patients = 20: each person is 6 patients"),
    ],
)
def test_wrong_usage(tmp_path: Path, words: list[str], told: str) -> None:
    pytest.importorskip("mitsuba")
    code, _, err = run("render", tmp_path / "out", *words)
    assert code == 2
    assert told in err


def test_what_is_asked_for_is_what_is_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mitsuba")
    from melascope.cohort import render
    from melascope.cohort.patient import Cohort

    asked: list[Cohort] = []

    def rendered(cohort: Cohort, out: Path, **_: object) -> Path:
        asked.append(cohort)
        return out / "manifest.csv"

    monkeypatch.setattr(render, "render_cohort", rendered)
    assert run("render", tmp_path / "some", "--patients", "12")[0] == 0
    words = "--patients 12 --seed 3 --visits 2 --photos 3 --size 480 --kinds mel,sl --per-head 2 --tones tan,dark"
    words += " --views close-up --each-tone --any-density"
    assert run("render", tmp_path / "all", *words.split())[0] == 0
    assert asked == [
        Cohort(12),
        Cohort(12, 3, 2, 3, 480, ("mel", "sl"), 2, ("tan", "dark"), ("close-up",), each_tone=True, any_density=True),
    ]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    pytest.importorskip("mitsuba")
    (tmp_path / "thesis.txt").write_text("mine")
    code, _, err = run("render", tmp_path)
    assert code == 1
    assert "not empty and holds no cohort" in err
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_sheet_again_and_paint_say_what_is_missing(tmp_path: Path) -> None:
    code, _, err = run("sheet", tmp_path)
    assert code == 1 and "manifest.csv" in err
    code, _, err = run("sheet", tmp_path, "--by", "kind")
    assert code == 2 and "two words" in err
    pytest.importorskip("mitsuba")
    code, _, err = run("again", tmp_path / "no.json", "--to", tmp_path / "x.png")
    assert code == 1 and "cannot be read" in err
    code, _, err = run("again", tmp_path / "no.json", "--to", tmp_path / "x.gif")
    assert code == 2 and "must end in .png or .jpg" in err
    code, _, err = run("paint", tmp_path, tmp_path / "out")
    assert code == 1 and "holds no photograph" in err

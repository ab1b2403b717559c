"""``melascope lesions train``: wrong usage is told, with the exit code 2; what cannot be done, with 1."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from melascope.cli.app import app


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["lesions", "train", *map(str, words)])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--scheme", "55"), "--scheme 55: must be 631 or 82"),
        (("--boxes", "all"), "--boxes all: must be grouped or single"),
        (("--precision", "8"), "--precision 8: must be auto, bf16 or 32"),
        (("--accelerator", "tpu"), "--accelerator tpu: must be auto, cpu or gpu"),
    ],
)
def test_wrong_usage_is_told(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    code, output = run(tmp_path, "--out", tmp_path / "run", *words)
    assert code == 2
    assert said in output
    assert not (tmp_path / "run").exists()


def test_a_file_is_no_folder_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x", encoding="utf-8")
    code, output = run(tmp_path, "--out", tmp_path / "run")
    assert code == 2
    assert "is a file; name a folder" in output


@pytest.mark.torch
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "yolov9"), "'yolov9' is no detector of this laboratory"),
        (("--recipe", "dong"), "dong: is no recipe"),
        (("--size", "333"), "side = 333: must be a multiple of 32"),
        ((), "is not there: name the folder of a data set"),
    ],
)
def test_what_cannot_be_done_is_told_without_a_traceback(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
    code, output = run(tmp_path, "--out", tmp_path / "run", *words)
    assert code == 1
    assert said in " ".join(output.split())
    assert "Traceback" not in output

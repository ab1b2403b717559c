"""``melascope severity train`` and ``benchmark``: what is refused, and how it is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from melascope.cli import outcome, severity_train
from melascope.cli.app import app
from melascope.data import ManifestError
from melascope.severity.sharing import MAJORITY
from tests.lab.severity.test_study import cohort

COMMANDS = ("train", "benchmark")


def said(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["severity", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_without_the_laboratory_it_says_what_to_install(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome, "find_spec", lambda name: None if name == "lightning" else object())
    code, line = said(command, str(tmp_path), "--out", str(tmp_path / "out"))
    assert code == 1 and line.startswith("Error: ") and "pip install 'melascope[lab]'" in line and "lightning" in line


@pytest.mark.parametrize("function", [severity_train.train_command, severity_train.benchmark_command])
def test_the_papers_share_is_the_default(function: object) -> None:
    assert function.__kwdefaults__ is None
    names = function.__code__.co_varnames[: function.__code__.co_argcount]  # type: ignore[attr-defined]
    defaults = dict(zip(reversed(names), reversed(function.__defaults__), strict=False))  # type: ignore[attr-defined]
    assert defaults["majority"] == MAJORITY


def test_the_command_is_printed_as_it_was_typed() -> None:
    assert severity_train._command(["severity", "benchmark", "my data"]) == "melascope severity benchmark 'my data'"


class TestWithTorch:
    """One sentence each, no traceback."""

    pytestmark = pytest.mark.torch

    @pytest.fixture(autouse=True)
    def _torch(self) -> None:
        for package in ("torch", "torchvision", "lightning", "safetensors", "onnx"):
            pytest.importorskip(package, reason=f"{package} is not installed: `make lab` adds it")

    @pytest.mark.parametrize(
        ("words", "code", "line"),
        [
            (["train", "--precision", "64"], 2, "--precision 64: must be auto, bf16 or 32"),
            (["train", "--accelerator", "abacus"], 2, "must be auto, cpu, gpu"),
            (["train", "--labels", "guesses"], 2, "--labels guesses: must be raters or truth"),
            (["train", "twice", "--photos", "."], 2, "--photos names the photos of one table"),
            (["train", "--model", "vgg"], 1, "'vgg' is no network of this laboratory; choose one of alexnet"),
            (["train", "--recipe", "mine"], 1, "mine: is no recipe"),
            (["train", "--view", "left45", "--all"], 1, "no photo is of view 'left45'"),
            (["train", "--all", "--weights", "x.pth"], 1, "there is no such file or folder"),
            (["benchmark", "--models", "vgg"], 1, "'vgg' is no network"),
            (["benchmark", "--weights", "vgg=none"], 2, "vgg is not among the networks of this benchmark"),
            (["benchmark", "--weights", "none", "--weights", "imagenet"], 2, "one may stand for all networks"),
            (["benchmark", "--all", "--devices", "2", "--weights", "none"], 1, "need torchrun"),
        ],
    )
    def test_what_is_wrong_is_said(self, words: list[str], code: int, line: str, tmp_path: Path) -> None:
        data = cohort(tmp_path / "c", count=12)
        found = said(words[0], str(data), "--out", str(tmp_path / "out"), *words[1:])
        assert found[0] == code and line in " ".join(found[1].split())

    def test_a_damaged_description_ends_without_a_traceback(self, tmp_path: Path) -> None:
        data = cohort(tmp_path / "c", count=12)
        (data / "dataset.json").write_text("{", encoding="utf-8")
        for command in COMMANDS:
            code, line = said(command, str(data), "--out", str(tmp_path / "out"), "--all")
            assert code == 1 and line.startswith("Error: ") and "dataset.json: " in line

    def test_a_manifest_that_is_wrong_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def wrong(*_: object, **__: object) -> None:
            raise ManifestError("manifest.csv", [])

        monkeypatch.setattr("melascope.lab.severity.study.read_source", wrong)
        code, line = said("train", str(tmp_path), "--out", str(tmp_path / "out"))
        assert code == 1 and line.startswith("Error: manifest.csv")

    def test_no_network_no_silent_random_start(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def offline(*_: object, **__: object) -> None:
            raise OSError("Network is unreachable")

        monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
        data, out = cohort(tmp_path / "c", count=12), tmp_path / "out"
        code, line = said("train", str(data), "--out", str(out), "--model", "mobilenet_v2", "--all")
        assert code == 1
        assert line.splitlines()[-1] == (
            "Error: ImageNet weights of MobileNetV2 cannot be had from here (Network is unreachable): use --weights "
            "none (a random start) or --weights FILE."
        )
        assert not (out / "config.json").exists()

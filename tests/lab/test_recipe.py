"""The one command that trains the networks that measure: each step can be taken, and after what it needs."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
from typer.main import get_command

from melascope.cli.cohort import app as cohort
from melascope.lab.naming.__main__ import app as naming
from melascope.lab.skin.__main__ import app as skin

ROOT = Path(__file__).parents[2]
GROUPS: dict[str, Any] = {
    "melascope.lab.skin": get_command(skin),
    "melascope.lab.naming": get_command(naming),
    "cohort": get_command(cohort),
}
OWN = {"FACES": "faces", "PORTRAITS": "portraits", "LANDMARKER": "face_landmarker.task", "WEIGHTS": "mobilenet_v2.pth"}


def steps(tmp_path: Path, **said: str) -> list[list[str]]:
    """The words of all commands that `make measuring` would give, after the programme's own."""
    own = {name: str(tmp_path / place) for name, place in OWN.items()}
    for place in own.values():
        Path(place).touch()
    told = [f"{name}={value}" for name, value in {**own, "OUT": str(tmp_path / "out"), **said}.items()]
    done = subprocess.run(["make", "-n", "measuring", *told], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [shlex.split(line) for line in done.stdout.splitlines()]
    return [words[2:] if words[1] == "-m" else words[1:] for words in lines if {*words} & {*GROUPS}]


def read(words: list[str]) -> dict[str, Any]:
    """A command's parameters, as it reads them; it is not run."""
    group, name, *given = words
    command: click.Command = GROUPS[group].commands[name]
    return command.make_context(name, given).params


@pytest.mark.parametrize("said", [{}, {"CLOSE_UPS": "close", "PERSON": "^[^_]+"}, {"PERCENT": "20", "MEMBERS": "4"}])
def test_every_step_is_a_command_that_reads_what_an_earlier_one_wrote(tmp_path: Path, said: dict[str, str]) -> None:
    there = {str(tmp_path / place) for place in OWN.values()}
    if "CLOSE_UPS" in said:
        said = {**said, "CLOSE_UPS": str(tmp_path / "close")}
        there.add(said["CLOSE_UPS"])
    commands = steps(tmp_path, **said)
    given = {words[1] for words in commands}
    assert given >= {"label", "render", "train", "export", "regional-export", "fit", "calibrate", "evaluate"}
    for words in commands:
        params = read(words)
        if words[1] == "evaluate":  # `out` is what it reads
            params = {**params, "labels": params["out"], "out": None}
        writes = {str(params[name]) for name in ("out", "page") if params.get(name)}
        if words[1] == "export":
            assert writes <= there, "nothing is exported that was not trained"
        for value in params.values():
            for one in value if isinstance(value, list | tuple) else [value]:
                for place in str(one).split("="):
                    if place.startswith(str(tmp_path)) and place not in writes:
                        known = {place, *(str(parent) for parent in Path(place).parents)} & there
                        assert known, f"{words[1]} reads {place}, which nothing has written by then"
        there |= writes


def test_patients_fill_heads_and_tones_at_any_percentage(tmp_path: Path) -> None:
    counts = {}
    for percent in ("1", "20", "100"):
        renders = [read(words) for words in steps(tmp_path, PERCENT=percent) if words[:2] == ["cohort", "render"]]
        counts[percent] = [params["patients"] for params in renders]
        for params in renders:
            tones = len(params["tones"].split(",")) if params["tones"] else 6
            assert params["patients"] % params["per_head"] == 0
            assert params["patients"] % tones == 0 or not params["each_tone"]
    assert sum(counts["1"]) < sum(counts["20"]) < sum(counts["100"]) and min(counts["1"]) > 0


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    told = [f"{name}={tmp_path}" for name in OWN if name != "WEIGHTS"]
    done = subprocess.run(["make", "-n", "measuring", *told], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode
    assert 'WEIGHTS="" is not there: say make measuring WEIGHTS=PLACE' in done.stderr

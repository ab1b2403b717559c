"""The one command that trains the networks that measure: each step can be taken, and after what it needs."""

from __future__ import annotations

import os
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
from melascope.networks import FOLDER_VARIABLE

ROOT = Path(__file__).parents[2]
GROUPS: dict[str, Any] = {
    "melascope.lab.skin": get_command(skin),
    "melascope.lab.naming": get_command(naming),
    "cohort": get_command(cohort),
}
OWN = {"FACES": "faces", "PORTRAITS": "portraits", "LANDMARKER": "face_landmarker.task", "WEIGHTS": "mobilenet_v2.pth"}
MAKES = {"export": "skin", "regional-export": "regional", "fit": "naming"}
LOOKS = {
    "paint": {"skin"},
    "regional-maps": {"skin"},
    "facts": {"skin"},
    "calibrate": {"skin"},
    "evaluate": {"skin", "regional"},
}
"""Which networks a command looks with."""


def told(tmp_path: Path, said: dict[str, str]) -> list[str]:
    """What is said on the command line; the own files and folders are there."""
    own = {name: str(tmp_path / place) for name, place in OWN.items()}
    for place in own.values():
        Path(place).touch()
    return [f"{name}={value}" for name, value in {**own, "OUT": str(tmp_path / "out"), **said}.items()]


def make(*words: str) -> subprocess.CompletedProcess[str]:
    apart = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # `make test` runs us
    return subprocess.run(["make", "-n", *words], cwd=ROOT, env=apart, capture_output=True, text=True, check=False)


def commands(target: str, said: list[str]) -> list[list[str]]:
    """The words of all commands that a target takes, from the name of the group on."""
    done = make(target, *said)
    assert done.returncode == 0, done.stderr
    lines = [shlex.split(line) for line in done.stdout.splitlines()]
    found = [words for words in lines if {*words} & {*GROUPS}]
    out = next(word for word in said if word.startswith("OUT="))[4:]
    assert all(words[0] == f"{FOLDER_VARIABLE}={out}/networks" for words in found), "networks stay in OUT"
    return [words[next(place for place, word in enumerate(words) if word in GROUPS) :] for words in found]


def read(words: list[str]) -> dict[str, Any]:
    """A command's parameters, as it reads them; it is not run."""
    group, name, *given = words
    command: click.Command = GROUPS[group].commands[name]
    return command.make_context(name, given).params


def targets(tmp_path: Path, said: list[str]) -> list[str]:
    """All steps, by the files that they leave."""
    lines = [shlex.split(line) for line in make("measuring", *said).stdout.splitlines()]
    return [words[1] for words in lines if words[0] == "touch"]


@pytest.mark.parametrize("said", [{}, {"CLOSE_UPS": "close", "PERSON": "^[^_]+"}])
def test_every_step_alone_takes_all_that_it_reads(tmp_path: Path, said: dict[str, str]) -> None:
    if "CLOSE_UPS" in said:
        (tmp_path / "close").mkdir()
        said = {**said, "CLOSE_UPS": str(tmp_path / "close")}
    words = told(tmp_path, said)
    steps = targets(tmp_path, words)
    assert len(steps) > 30 and steps[-1].endswith("/figures")
    for step in steps:
        there = {str(tmp_path / place) for place in OWN.values()} | {said.get("CLOSE_UPS", str(tmp_path / "faces"))}
        networks: set[str] = set()
        for command in commands(step, words):
            name, params = command[1], read(command)
            if name == "evaluate":  # `out` is what it reads
                params = {**params, "labels": params["out"], "out": None}
            writes = {str(params[key]) for key in ("out", "page") if params.get(key)}
            if name == "export":
                assert writes <= there, "nothing is exported that was not trained"
            assert LOOKS.get(name, set()) <= networks, f"{step}: {name} looks with a network that is not made by then"
            for value in params.values():
                for one in value if isinstance(value, list | tuple) else [value]:
                    for place in str(one).split("="):
                        if place.startswith(str(tmp_path)) and place not in writes:
                            known = {place, *(str(parent) for parent in Path(place).parents)} & there
                            assert known, f"{step}: {name} reads {place}, which nothing has written by then"
            there |= writes
            networks |= {MAKES[name]} if name in MAKES else set()


def test_patients_fill_heads_and_tones_at_any_percentage(tmp_path: Path) -> None:
    counts = {}
    for percent in ("1", "20", "100"):
        found = commands("measuring", told(tmp_path, {"PERCENT": percent}))
        renders = [read(words) for words in found if words[:2] == ["cohort", "render"]]
        counts[percent] = [params["patients"] for params in renders]
        for params in renders:
            tones = len(params["tones"].split(",")) if params["tones"] else 6
            assert params["patients"] % params["per_head"] == 0
            assert params["patients"] % tones == 0 or not params["each_tone"]
    assert sum(counts["1"]) < sum(counts["20"]) < sum(counts["100"]) and min(counts["1"]) > 0


def test_no_two_cohorts_share_their_people(tmp_path: Path) -> None:
    found = [read(words) for words in commands("measuring", told(tmp_path, {}))]
    seeds = [params["seed"] for params in found if "patients" in params]
    assert len(seeds) == len(set(seeds)) > 10


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"WEIGHTS": ""}, 'WEIGHTS="" is not there: say make measuring WEIGHTS=PLACE'),
        ({"CLOSE_UPS": "/none"}, 'CLOSE_UPS="/none" is not there'),
        ({"OUT": "runs/a b"}, 'OUT="runs/a b": a path may not hold a space'),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_done(tmp_path: Path, said: dict[str, str], error: str) -> None:
    done = make("measuring", *told(tmp_path, said))
    assert done.returncode and error in done.stderr and not done.stdout


def test_a_folder_goes_on_only_with_what_was_said(tmp_path: Path) -> None:
    words = told(tmp_path, {"PERCENT": "20", "PERSON": r"\bPAT_[0-9]+"})
    [saying] = [line for line in make("measuring", *words).stdout.splitlines() if "'FACES=" in line]
    (tmp_path / "out" / "done").mkdir(parents=True)
    subprocess.run(saying, shell=True, cwd=ROOT, check=True)
    assert make("measuring", *words).returncode == 0
    for other in ("PERCENT=100", "MEMBERS=1 2 3 4 5 6 7", "MEMBERS=1 2"):
        done = make("measuring", *words, other)
        assert done.returncode and "was begun with FACES=" in done.stderr and "name another OUT" in done.stderr

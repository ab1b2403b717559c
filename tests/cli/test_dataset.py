"""`melascope dataset`: exit codes, what is printed, and that nothing heavy is loaded for help."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from melascope.cli.app import app
from melascope.data import write_manifest
from tests.data import made


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["dataset", *map(str, arguments)])


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.write(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def broken(sound: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "broken"
    shutil.copytree(sound, folder)
    rows = made.rows()
    rows[1] = replace(rows[1], split_631="val")
    write_manifest(rows, folder / "manifest.csv")
    (folder / "masks/regions/p3v1.png").unlink()
    return folder


def test_a_sound_data_set_ends_with_0(sound: Path) -> None:
    result = call("check", sound, "--jobs", 1)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{sound}: 8 photos: no errors, no warnings.\n"


def test_errors_end_with_1_and_say_what_to_do(broken: Path) -> None:
    result = call("check", broken, "--jobs", 1)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("error manifest.csv line 3, split_631: patient 'p0' is in train (line 2), val (line 3).")
    assert lines[0].endswith(
        "put all photos of the patient in one split; assign_splits() does that. [patient-in-two-splits]"
    )
    assert any(line.startswith("warning masks/regions: 1 of 8 photos") for line in lines)
    assert lines[-1] == f"{broken}: 8 photos: 2 errors, 1 warning."


def test_warnings_alone_end_with_0(broken: Path) -> None:
    write_manifest(made.rows(), broken / "manifest.csv")
    result = call("check", broken, "--jobs", 1)
    assert result.exit_code == 0
    assert "no errors, 1 warning." in result.stdout


def test_json_holds_every_finding_and_nothing_else_is_printed(broken: Path) -> None:
    result = call("check", broken, "--json", "--jobs", 1)
    assert result.exit_code == 1
    content = json.loads(result.stdout)
    assert content["schema_version"] == "1.0" and content["photos"] == 8
    assert content["errors"] + content["warnings"] == len(content["findings"])
    assert set(content["findings"][0]) == {"code", "severity", "where", "what", "advice"}
    assert content["folder"] == "broken"


def test_many_findings_of_one_kind_are_cut_short(sound: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    shutil.copytree(sound, folder)
    for number in range(13):
        (folder / f"photos/x{number}\x1b[31m.jpg").write_bytes(b"")
    result = call("check", folder, "--jobs", 1)
    assert "... and 3 more of stranger; --json prints all." in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check"], "Missing argument"),
        (["check", "nowhere"], "is no folder"),
        (["check", "EMPTY"], "holds no manifest.csv"),
        (["summary", "EMPTY"], "holds no manifest.csv"),
        (["check", "EMPTY", "--jobs", "0"], "--jobs"),
        (["mend", "EMPTY"], "No such command"),
    ],
)
def test_wrong_usage_ends_with_2(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    result = call(*(tmp_path if a == "EMPTY" else a for a in arguments))
    assert result.exit_code == 2, result.output
    assert sentence in result.stderr
    assert result.stdout == ""


def test_the_summary_counts(sound: Path, broken: Path) -> None:
    result = call("summary", sound)
    assert result.exit_code == 0
    assert result.stdout.startswith("made: 8 photos of 4 patients in 8 visits\n")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["split", "6:3:1", "train", "4", "2"] in rows
    assert ["tone", "intermediate", "8", "4"] in rows
    assert ["phone", "4", "2"] in rows
    (broken / "manifest.csv").write_text("photo_id,patient\n")
    result = call("summary", broken)
    assert result.exit_code == 1
    assert "column file: is missing" in result.stderr and result.stdout == ""


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['melascope', 'dataset', 'check', '--help']\n"
        "from melascope.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'cv2', 'PIL', 'torch', 'rich.progress'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Exit code: 0 no error" in done.stdout

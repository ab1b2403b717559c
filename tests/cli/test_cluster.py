"""Ray, held file by file to the engine of one machine; and what is said where there is none."""

from __future__ import annotations

import csv
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from melascope import batch, cluster
from melascope.batch import analyze_all
from melascope.cli.app import app
from melascope.networks import FOLDER_VARIABLE
from tests.report.synthetic import analyse_drawn

ROOT = Path(__file__).parents[2]
ASKED = "MELASCOPE_TEST_RAY"
PROGRAM = """
from tests.report.synthetic import analyse_drawn
from melascope.cli.app import app
if __name__ == "__main__":
    app(obj=analyse_drawn)
"""


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], obj=analyse_drawn)


def put(path: Path, text: str = "ok") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "summary.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def files(out: Path) -> dict[str, bytes]:
    """What was written, without the moments that a bundle says it was made at."""
    return {
        str(path.relative_to(out)): re.sub(rb"\d{4}-\d\d-\d\dT[\d:.]+", b"", path.read_bytes())
        if path.name == "fhir.json"
        else path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def ray_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("melascope.cli.analyze._need_ray", lambda: None)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--ray-address", "auto"], "--ray-address auto: is of use with --engine ray alone"),
        (["--engine", "ray", "--json"], "leave --engine out"),
        (["--engine", "spark"], "spark"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(tmp_path: Path, options: list[str], sentence: str) -> None:
    result = call("analyze", put(tmp_path / "a.jpg"), "--out", tmp_path / "out", *options)
    assert result.exit_code == 2, result.output
    assert sentence in result.stderr
    assert result.stdout == ""


def test_without_ray_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "ray" else find_spec(name))
    result = call("analyze", put(tmp_path / "a.jpg"), "--out", tmp_path / "out", "--engine", "ray")
    assert result.exit_code == 2
    assert "pip install 'melascope[ray]'" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("ray_is_there")
@pytest.mark.parametrize("address", ["nonsense", "host:", "host:port", "host:70000", ":6379", "ray://host", ""])
def test_an_address_that_is_none_is_wrong_usage(tmp_path: Path, address: str) -> None:
    photo = put(tmp_path / "a.jpg")
    result = call("analyze", photo, "--out", tmp_path / "out", "--engine", "ray", "--ray-address", address)
    assert result.exit_code == 2, result.output
    assert f"the address {address!r} of Ray must be host:6379" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.usefixtures("ray_is_there")
@pytest.mark.parametrize("start", ["", "ray://"])
def test_a_head_that_is_not_there_is_named_at_once(tmp_path: Path, start: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"{start}127.0.0.1:{free.getsockname()[1]}"
        photo = put(tmp_path / "a.jpg")
        result = call("analyze", photo, "--out", tmp_path / "out", "--engine", "ray", "--ray-address", address)
    assert result.exit_code == 2, result.output
    assert f"Ray at {address} cannot be reached" in result.stderr
    assert "use --engine local" in result.stderr


@pytest.mark.usefixtures("ray_is_there")
def test_the_command_hands_everything_on_and_only_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def stand_in(photos: list[Path], folders: list[Path], **options: Any) -> Iterator[batch.Result]:
        given.update(options, photos=photos)
        yield from analyze_all(photos, folders, analyse=options["analyse"])

    monkeypatch.setattr(cluster, "analyze_on_cluster", stand_in)
    first, second = put(tmp_path / "a.jpg"), put(tmp_path / "b.jpg", "ok b")
    out = tmp_path / "out"
    call("analyze", first, "--out", out, "--fhir", "r4")
    result = call(
        *("analyze", first, second, "--out", out, "--fhir", "r4", "--jobs", 3, "--resume"),
        *("--engine", "ray", "--ray-address", "head:6379"),
    )
    assert result.exit_code == 0, result.output
    assert given["photos"] == [second]
    assert (given["address"], given["jobs"], given["exports"].fhir) == ("head:6379", 3, "r4")
    assert [cells["folder"] for cells in rows(out)] == ["a", "b"]


def test_a_block_is_done_as_one_machine_does_it_and_outlives_a_process_that_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert cluster._own_networks() == str(tmp_path)
    photo = put(tmp_path / "d.jpg", "die")

    class Block:
        def to_pylist(self) -> list[dict[str, Any]]:
            return [{"index": 7, "photo": os.fsencode(photo), "folder": os.fsencode(tmp_path / "out")}]

    [answer] = cluster._block(Block(), pdf=False, exports=None, analyse=analyse_drawn, networks="")
    assert os.environ[FOLDER_VARIABLE] == "", "networks are those that were asked for, not the machine's own"
    assert answer["index"] == [7]
    assert "ended with code 9" in answer["record"][0]


@pytest.mark.skipif(os.environ.get(ASKED) != "1", reason=f"a Ray is started only where {ASKED}=1 is set")
def test_ray_writes_what_the_engine_of_one_machine_writes(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed: pip install 'melascope[ray]'")
    photos = tmp_path / "in"
    words = {"a": "ok a", "b": "raise", "c": "die", "d": "refuse", "e": "ok e"}
    for name, word in words.items():
        put(photos / f"{name}.jpg", word)
    put(photos / "deep" / "a.jpg", "ok another")
    local, far = tmp_path / "local", tmp_path / "far"
    assert call("analyze", photos, "--out", local, "--jobs", 2, "--fhir", "r4").exit_code == 1
    # In a process of its own: Ray leaves threads and files behind that belong to no test.
    program = put(tmp_path / "program.py", PROGRAM)
    command = [sys.executable, str(program), "analyze", "in", "--out", "far", "--engine", "ray", "--jobs", "2"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src")))}
    done = subprocess.run(
        [*command, "--fhir", "r4"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""  # Ray is quiet
    assert done.stdout.splitlines()[-2].startswith("6 photographs: 3 usable, 3 refused.")
    assert rows(far) == rows(local)
    found, wanted = files(far), files(local)
    assert sorted(found) == sorted(wanted)
    assert [name for name in wanted if found[name] != wanted[name]] == []
    result = call("analyze", photos, "--out", far, "--jobs", 1, "--fhir", "r4", "--resume")
    assert "4 of 6 photographs were done before." in result.stderr  # either engine goes on where the other stopped

"""`melascope dataset convert`, `split`, `stats`: exit codes and files."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from melascope.cli.app import app
from melascope.data import read_manifest
from tests.data import made


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["dataset", *map(str, arguments)])


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.write(tmp_path_factory.mktemp("sound"))


def test_a_folder_of_labelimg_becomes_a_data_set(sound: Path, tmp_path: Path) -> None:
    assert call("convert", sound, tmp_path / "xml", "--to", "voc").exit_code == 0
    found = call("convert", tmp_path / "xml", tmp_path / "new", "--photos", sound, "--pattern", r"(p\d)v")
    assert found.exit_code == 0, found.output
    assert "8 photos, 40 boxes; 0 photos show none, 0 are not annotated." in found.stdout
    assert "4 patients" in found.stdout
    rows = read_manifest(tmp_path / "new/manifest.csv").rows
    assert {row.patient for row in rows} == {"p0", "p1", "p2", "p3"}
    assert call("check", tmp_path / "new", "--jobs", 1).exit_code == 0


def test_patients_come_from_a_table_or_are_warned_of(sound: Path, tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    table.write_text("photo,patient\n" + "".join(f"p{k // 2}v{k % 2 + 1}.jpg,anna{k // 4}\n" for k in range(8)))
    source = sound / "annotations.coco.json"
    found = call("convert", source, tmp_path / "new", "--patients", table)
    assert (found.exit_code, "2 patients" in found.stdout) == (0, True), found.output
    table.write_text("photo,patient\np0v1.jpg,anna\n")
    found = call("convert", source, tmp_path / "other", "--patients", table)
    assert (found.exit_code, "photos/p0v2.jpg: is not in the table of patients" in found.stderr) == (1, True)
    assert not (tmp_path / "other").exists()
    found = call("convert", source, tmp_path / "alone")
    assert (found.exit_code, "splits leak" in found.stderr) == (0, True)


def test_wrong_use_and_broken_files_have_their_codes(sound: Path, tmp_path: Path) -> None:
    for more, words in (
        (("--to", "pdf"), "--to pdf: must be one of dataset, voc"),
        (("--from", "pdf"), "--from pdf"),
        (("--drawn-on", "side"), "--drawn-on side"),
        (("--pattern", "p("), "no regular expression"),
        (("--pattern", "p"), "has no group"),
        (("--pattern", "(p)", "--patients", "x.csv"), "give one of them"),
    ):
        found = call("convert", sound / "annotations.coco.json", tmp_path / "a", *more)
        assert (found.exit_code, words in found.stderr) == (2, True), found.output
    assert call("convert", sound / "nowhere", tmp_path / "a").exit_code == 2
    assert call("convert", sound, sound).exit_code == 2
    broken = tmp_path / "c.json"
    broken.write_text((sound / "annotations.coco.json").read_text().replace('"bbox":[', '"bbox":[99'))
    found = call("convert", broken, tmp_path / "a", "--photos", sound)
    assert found.exit_code == 1
    assert "nothing was written" in found.stderr and "and 20 more" in found.stderr
    assert not (tmp_path / "a").exists()


def test_splits_are_dealt_once(sound: Path, tmp_path: Path) -> None:
    call("convert", sound, tmp_path / "new")
    found = call("split", tmp_path / "new")
    assert (found.exit_code, "--again" in found.stderr) == (1, True)
    found = call("split", tmp_path / "new", "--again", "--seed", 3)
    assert found.exit_code == 0, found.output
    assert found.stdout.startswith("6:3:1: train ")
    rows = read_manifest(tmp_path / "new/manifest.csv").rows
    assert all(row.split_631 and row.split_82 for row in rows)


def test_stats_count_boxes(sound: Path, tmp_path: Path) -> None:
    found = call("stats", sound)
    assert found.exit_code == 0, found.output
    lines = [line.split() for line in found.stdout.splitlines()]
    assert ["fre", "32", "8", "4", "4", "(4)"] in [line[:6] for line in lines]
    assert call("stats", tmp_path).exit_code == 2

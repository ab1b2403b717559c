"""`melascope dataset convert`, `split`, `stats`: exit codes and files."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from melascope.cli.app import app
from melascope.data import read_manifest
from melascope.data.about import read_about
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
    table.write_text("photo,patient\np0v1.jpg,anna\np0v1.jpg,bert\n")
    found = call("convert", source, tmp_path / "other", "--patients", table)
    assert (found.exit_code, "'p0v1.jpg' is of patient 'bert', and of 'anna' in line 2" in found.stderr) == (1, True)
    assert not (tmp_path / "other").exists()
    found = call("convert", source, tmp_path / "alone")
    assert (found.exit_code, "splits leak" in found.stderr) == (0, True)


def test_of_a_data_set_all_that_its_manifest_says_is_kept(sound: Path, tmp_path: Path) -> None:
    found = call("convert", sound, tmp_path / "new", "--name", "again")
    assert (found.exit_code, found.stderr) == (0, ""), found.output
    assert "4 patients" in found.stdout
    assert read_manifest(tmp_path / "new/manifest.csv") == read_manifest(sound / "manifest.csv")
    old, new = (read_about(folder / "dataset.json") for folder in (sound, tmp_path / "new"))
    assert new == old.model_copy(update={"name": "again"})
    assert call("check", tmp_path / "new", "--jobs", 1).exit_code == 0
    # Where the data set has no split, one is dealt out by group.
    rows = [replace(row, split_631=None, group=f"g{int(row.patient[1]) // 2}") for row in made.rows()]
    call("convert", made.write(tmp_path / "bare", rows), tmp_path / "dealt")
    dealt = read_manifest(tmp_path / "dealt/manifest.csv").rows
    assert [row.split_82 for row in dealt] == [row.split_82 for row in rows]
    assert len({(row.group, row.split_631) for row in dealt}) == 2 and all(row.split_631 for row in dealt)


def test_other_patients_than_the_manifests_may_be_named(sound: Path, tmp_path: Path) -> None:
    found = call("convert", sound, tmp_path / "new", "--pattern", r"(p\dv\d)")
    assert (found.exit_code, found.stderr) == (0, ""), found.output
    rows = read_manifest(tmp_path / "new/manifest.csv").rows
    assert [row.patient for row in rows] == [row.photo_id for row in rows]
    assert [row.device for row in rows] == [row.device for row in made.rows()]
    parts = {group: {row.split_631 for row in rows if row.group == group} for group in {row.group for row in rows}}
    assert len(parts) == 4 and all(len(each) == 1 for each in parts.values())  # families stay together
    found = call("convert", sound, tmp_path / "one", "--pattern", "(p)")
    words = "photos/p1v1.jpg: patient 'p' is in group 'head1', and in 'head0' with photos/p0v1.jpg: give"
    assert (found.exit_code, words in found.stderr) == (1, True), found.output
    assert not (tmp_path / "one").exists()


def test_photos_of_long_names_are_taken(sound: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    long = f"{'x' * 130}.jpg"
    (tmp_path / "photos" / long).write_bytes((sound / "photos/p0v1.jpg").read_bytes())
    (tmp_path / "photos/classes.txt").write_text("sl\n")
    (tmp_path / "photos" / long).with_suffix(".txt").write_text("")
    found = call("convert", tmp_path / "photos", tmp_path / "new")
    assert found.exit_code == 0, found.output
    assert [row.patient for row in read_manifest(tmp_path / "new/manifest.csv").rows] == ["x" * 120]


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


def test_what_cannot_be_read_is_not_blamed_on_the_disk(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = call("convert", sound, tmp_path / "a", "--patients", tmp_path / "none.csv")
    words = f"--patients {tmp_path / 'none.csv'}: is no file; name a CSV with the columns photo and patient"
    assert (found.exit_code, words in found.stderr) == (2, True), found.output
    for form in ("coco", "label-studio"):
        found = call("convert", sound, tmp_path / "a", "--from", form)
        words = f"{sound}: is a folder: name the JSON file of {form}"
        assert (found.exit_code, words in found.stderr) == (1, True), found.output
    lacks = tmp_path / "lacks"
    shutil.copytree(sound, lacks)
    (lacks / "photos/p1v1.jpg").unlink()
    for to in ("dataset", "voc"):
        found = call("convert", lacks, tmp_path / "a", "--to", to)
        words = f"{lacks / 'photos/p1v1.jpg'}: No such file or directory; see that it is there and may be read"
        assert (found.exit_code, words in found.stderr) == (1, True), found.output
    assert not (tmp_path / "a").exists()

    def full(path: str, target: Path) -> None:
        raise OSError(28, "No space left on device", path, None, str(target))

    monkeypatch.setattr("os.replace", full)
    for to in ("dataset", "voc"):
        found = call("convert", sound, tmp_path / to, "--to", to)
        words = "No space left on device; free the disk or name another folder"
        assert (found.exit_code, words in found.stderr) == (1, True), found.output


def test_splits_are_dealt_once(sound: Path, tmp_path: Path) -> None:
    call("convert", sound, tmp_path / "new")
    found = call("split", tmp_path / "new")
    assert (found.exit_code, "--again" in found.stderr) == (1, True)
    found = call("split", tmp_path / "new", "--again", "--seed", 3)
    assert found.exit_code == 0, found.output
    assert found.stdout.startswith("6:3:1: train ")
    rows = read_manifest(tmp_path / "new/manifest.csv").rows
    assert all(row.split_631 and row.split_82 for row in rows)


def test_a_patient_lies_in_one_split_where_the_group_is_not_always_filled_in(tmp_path: Path) -> None:
    rows = [replace(row, group=row.group if row.visit == 1 else "") for row in made.rows()]
    folder = made.write(tmp_path / "set", rows)
    for seed in range(5):
        assert call("split", folder, "--again", "--seed", seed).exit_code == 0
        dealt = read_manifest(folder / "manifest.csv").rows
        assert len({(row.patient, row.split_631, row.split_82) for row in dealt}) == 4


def test_a_manifest_that_cannot_be_written_is_told(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("convert", sound, tmp_path / "new")
    before = (tmp_path / "new/manifest.csv").read_bytes()

    def full(path: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    found = call("split", tmp_path / "new", "--again")
    words = f"{tmp_path / 'new/manifest.csv'}: No space left on device; free the disk, or see that it may be written"
    assert (found.exit_code, words in found.stderr) == (1, True), found.output
    assert (tmp_path / "new/manifest.csv").read_bytes() == before


@pytest.mark.parametrize("command", ["split", "stats", "summary"])
def test_a_manifest_that_cannot_be_read_is_told(sound: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    found = call(command, sound)
    words = f"{sound / 'manifest.csv'}: Permission denied; see that it is there and may be read"
    assert (found.exit_code, words in found.stderr) == (1, True), found.output


def test_stats_count_boxes(sound: Path, tmp_path: Path) -> None:
    found = call("stats", sound)
    assert found.exit_code == 0, found.output
    lines = [line.split() for line in found.stdout.splitlines()]
    assert ["fre", "32", "8", "4", "4", "(4)"] in [line[:6] for line in lines]
    assert call("stats", tmp_path).exit_code == 2


def test_a_damaged_description_is_wrong_data_and_nothing_is_written(sound: Path, tmp_path: Path) -> None:
    source = tmp_path / "set"
    assert call("convert", sound, source).exit_code == 0
    (source / "dataset.json").write_text("{", encoding="utf-8")
    done = call("convert", source, tmp_path / "out")
    assert done.exit_code == 1
    assert "nothing was written" in done.stderr and "dataset.json" in done.stderr
    assert not (tmp_path / "out").exists()

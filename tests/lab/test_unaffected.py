"""Photographs of people without pigment disease, as a data set."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from melascope.data import DataSet
from melascope.data.check import check
from melascope.lab.skin.__main__ import app
from melascope.lab.skin.faces import is_held_out
from melascope.lab.skin.unaffected import write_unaffected

NAMES = ("PAT_1_1_9", "PAT_1_2_7", "PAT_2_3_1", "other_4", "other_5", "other_6")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "some-faces"
    place.mkdir()
    for level, name in enumerate(NAMES):
        Image.fromarray(np.full((240, 200, 3), 20 * level, np.uint8)).save(place / f"{name}.png")
    (place / "notes.txt").write_text("not a photograph")
    (place / "broken.jpg").write_bytes(b"no picture")
    return place


def test_each_photograph_is_somebody_without_pigment(folder: Path, tmp_path: Path) -> None:
    assert write_unaffected(folder, tmp_path / "out") == len(NAMES)
    assert check(tmp_path / "out").errors == 0
    data = DataSet.open(tmp_path / "out")
    for row in data.manifest.rows:
        file = (folder / f"{row.photo_id}.png").read_bytes()
        assert (row.masi, row.kinds, row.view, row.patient) == (0.0, (), "frontal", row.photo_id)
        assert (row.width, row.height) == (200, 240)
        assert row.group == hashlib.sha256(file).hexdigest()
        assert (tmp_path / "out" / row.file).read_bytes() == file


def test_close_ups_have_no_masi_and_their_patient_from_the_name(folder: Path, tmp_path: Path) -> None:
    for name in ("other_4.png", "other_5.png", "other_6.png", "broken.jpg"):
        (folder / name).unlink()
    write_unaffected(folder, tmp_path / "out", view="close-up", person="PAT_[0-9]+")
    rows = DataSet.open(tmp_path / "out").manifest.rows
    assert [row.patient for row in rows] == [row.kept_together for row in rows] == ["PAT_1", "PAT_1", "PAT_2"]
    assert {(row.masi, row.view, row.kinds) for row in rows} == {(None, "close-up", ())}


def test_those_of_whom_figures_are_made_can_be_left_out(folder: Path, tmp_path: Path) -> None:
    write_unaffected(folder, tmp_path / "out", learnt=True)
    kept = {row.photo_id for row in DataSet.open(tmp_path / "out").manifest.rows}
    assert kept == {name for name in NAMES if not is_held_out(f"some-faces-{name}")}
    assert 0 < len(kept) < len(NAMES)
    assert {path.stem for path in (tmp_path / "out" / "photos").iterdir()} == kept


@pytest.mark.parametrize(
    ("person", "told"),
    [
        ("PAT_[0-9]+", "is nowhere in the names of 4 photographs, such as broken.jpg"),
        ("(", "no regular expression"),
    ],
)
def test_a_rule_that_does_not_fit_is_told(folder: Path, tmp_path: Path, person: str, told: str) -> None:
    with pytest.raises(ValueError, match=told.replace("(", r"\(")):
        write_unaffected(folder, tmp_path / "out", person=person)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_photographs_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no photograph that can be read"):
        write_unaffected(tmp_path / "empty", tmp_path / "out")


def test_the_same_again_mends_what_was_cut_short(folder: Path, tmp_path: Path) -> None:
    write_unaffected(folder, tmp_path / "out")
    cut = tmp_path / "out" / "photos" / "other_4.png"
    whole = cut.read_bytes()
    cut.write_bytes(whole[:-9])
    write_unaffected(folder, tmp_path / "out")
    assert cut.read_bytes() == whole
    assert {path.stem for path in cut.parent.iterdir()} == set(NAMES)


@pytest.mark.parametrize("names", [("a/faces/x.jpg", "b/faces/x.jpg"), ("a/faces/x.jpg", "a/faces/x.png")])
def test_photographs_that_would_count_as_one_are_not_labelled(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    folders = sorted({str((tmp_path / name).parent) for name in names})
    words = ["label", folders[0], "--landmarker", "none", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, words + [word for folder in folders[1:] for word in ("--unpainted", folder)])
    assert done.exit_code == 2 and "would count as one" in " ".join(done.output.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_close_ups_of_one_name_are_not_labelled(tmp_path: Path) -> None:
    for name in ("faces", "a/x.jpg", "b/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch() if "." in name else (tmp_path / name).mkdir()
    words = ["label", str(tmp_path / "faces"), "--landmarker", "none", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*words, "--skin", str(tmp_path / "a"), "--skin", str(tmp_path / "b")])
    assert done.exit_code == 2 and "would count as one" in " ".join(done.output.replace("│", " ").split())


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    words = ["label", str(tmp_path / "faces"), "--skin", str(tmp_path / "none"), "--landmarker", "none"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2 and "is no folder" in " ".join(done.output.replace("│", " ").split())
    with pytest.raises(ValueError, match="is no folder"):
        write_unaffected(tmp_path / "none", tmp_path / "out")

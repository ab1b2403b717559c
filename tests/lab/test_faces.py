"""Labelled folders: what is written is read, and nobody of the held-out third gets into training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from melascope.lab.skin.faces import (
    LabelledFace,
    apparent_ita,
    is_held_out,
    label_skin,
    read_labelled,
    tone_band,
    write_labelled,
)
from melascope.lab.skin.teacher import IGNORE, SOME_SKIN
from melascope.vocabulary import Region, ToneBand
from tests.lab.drawn import drawn_face


def faces() -> list[LabelledFace]:
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    labels = rng.choice([*Region, SOME_SKIN, IGNORE], (40, 30)).astype(np.uint8)
    return [
        drawn_face(person="a"),
        replace(drawn_face(person="b", paintable=False), band=None),
        LabelledFace("close-up, of an arm", "c d", texture, labels, None, ToneBand.VERY_LIGHT, paintable=False),
    ]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = faces()
    assert write_labelled(iter(written), tmp_path / "new" / "folder") == 3
    read = read_labelled(tmp_path / "new" / "folder")
    assert len(read) == 3
    for before, after in zip(written, read, strict=True):
        assert (after.pixels == before.pixels).all()
        assert (after.labels == before.labels).all()
        assert (after.pixels.dtype, after.labels.dtype) == (np.uint8, np.uint8)
        for name in ("name", "person", "eyes", "band", "paintable"):
            assert getattr(after, name) == getattr(before, name), name


def test_training_and_held_out_faces_are_all_faces(tmp_path: Path) -> None:
    people = [f"person-{number}" for number in range(12)]
    # Two photographs of each person: both fall on the same side.
    written = [replace(faces()[2], name=f"{person}-{n}", person=person) for person in people for n in (1, 2)]
    write_labelled(iter(written), tmp_path)
    training = {face.name for face in read_labelled(tmp_path, held_out=False)}
    held_out = {face.name for face in read_labelled(tmp_path, held_out=True)}
    assert training | held_out == {face.name for face in written}
    assert held_out == {f"{person}-{n}" for person in people if is_held_out(person) for n in (1, 2)}
    assert 0 < len(held_out) < len(training)


def test_the_split_never_changes() -> None:
    # Pinned: another answer here would let persons of the held-out third into training.
    names = ["portraits-001", "portraits-002", "portraits-004", "synthetic-faces-7", "synthetic-faces-8", "Å. Æ"]
    assert [is_held_out(name) for name in names] == [True, False, True, False, True, False]


def test_about_a_third_is_held_out() -> None:
    assert np.mean([is_held_out(f"someone {number}") for number in range(5000)]) == pytest.approx(1 / 3, abs=0.02)


def test_a_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"index\.csv: a labelled folder needs it"):
        read_labelled(tmp_path)


@pytest.mark.parametrize("part", ["images", "labels"])
def test_a_missing_picture_is_named(tmp_path: Path, part: str) -> None:
    write_labelled(iter(faces()), tmp_path)
    (tmp_path / part / "b.png").unlink()
    with pytest.raises(FileNotFoundError, match="'b' is missing; label again"):
        read_labelled(tmp_path)


@pytest.mark.parametrize(
    ("colour", "band"),
    [((245, 225, 210), ToneBand.VERY_LIGHT), ((205, 160, 135), ToneBand.LIGHT), ((75, 50, 42), ToneBand.DARK)],
)
def test_the_band_is_that_of_the_skin(colour: tuple[int, int, int], band: ToneBand) -> None:
    face = drawn_face()
    pixels = face.pixels.copy()
    pixels[np.isin(face.labels, [Region.FOREHEAD, Region.RIGHT_MALAR, Region.LEFT_MALAR])] = colour
    assert tone_band(apparent_ita(pixels, face.labels)) == band
    assert tone_band(apparent_ita(pixels, np.zeros_like(face.labels))) is None


def test_a_close_up_is_skin_of_no_known_place(tmp_path: Path) -> None:
    pixels = np.full((80, 100, 3), (205, 160, 135), np.uint8)
    pixels[:20, :30] = (20, 60, 200)  # a ruler
    path = tmp_path / "PAT_311_666_191.png"
    cv2.imwrite(str(path), pixels[..., ::-1])
    (face,) = label_skin([path])
    assert (face.name, face.person) == ("skin-PAT_311_666_191", "skin-PAT_311")
    assert (face.eyes, face.paintable) == (None, False)
    assert (face.pixels == pixels).all()
    expected = np.full((80, 100), SOME_SKIN)
    expected[:20, :30] = IGNORE
    assert (face.labels == expected).all()


def test_an_unreadable_photograph_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"broken\.png: cannot be read as an image"):
        list(label_skin([path]))

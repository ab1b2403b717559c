"""The faces that the regional network learns from: who is drawn, who is held out, which folders are refused."""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")

from melascope.lab.skin import regional_faces
from melascope.lab.skin.people import FACTORS, FIGURES, PARTS, photographed
from tests.lab.drawn import drawn_maps

pytestmark = pytest.mark.torch


def test_a_folder_without_faces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no faces; draw some with `regional-maps`"):
        regional_faces.read_faces(tmp_path)


def test_photographs_without_a_truth_are_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"")
    (tmp_path / "manifest.csv").write_text("photo_id,patient,file,view,masi\na,b,photos/a.jpg,frontal,12\n")
    with pytest.raises(ValueError, match="a has neither a record of its truth nor a MASI of 0"):
        regional_faces.collect([str(tmp_path)], tmp_path / "out")


@pytest.mark.parametrize("told", [{}, {"edition": np.array(1)}], ids=["none", "first"])
def test_faces_that_were_drawn_when_other_numbers_were_told_are_refused(
    tmp_path: Path, told: dict[str, np.ndarray]
) -> None:
    folder = drawn_maps(tmp_path / "faces")
    old = dict(np.load(folder / "some.npz"))
    del old["edition"]
    np.savez(folder / "some.npz", **old, **told)
    with pytest.raises(ValueError, match=r"some\.npz were drawn when other numbers were told; draw them again"):
        regional_faces.read_faces(folder)


def test_maps_of_two_skin_networks_are_refused(tmp_path: Path) -> None:
    folder = drawn_maps(tmp_path / "faces", 8)
    other = dict(np.load(folder / "some.npz")) | {"skin": np.array("another")}
    np.savez(folder / "others.npz", **other)
    with pytest.raises(ValueError, match="its faces were drawn with 2 skin networks; draw all of them again"):
        regional_faces.read_faces(folder)


def test_one_head_in_two_folders_is_refused(tmp_path: Path) -> None:
    folder = drawn_maps(tmp_path / "faces", 8)
    first = dict(np.load(folder / "some.npz"))
    heads = np.array([f"head{n}" for n in range(8)])

    def write(name: str, seed: int) -> None:
        named = {"group": np.char.add(f"{name}, ", heads), "person": np.char.add(f"seed{seed}/", heads)}
        np.savez(folder / f"{name}.npz", **first | named)

    write("a", 7)
    write("b", 8)
    assert len(regional_faces.read_faces(folder).groups) == 24  # the first folder was drawn by an older version
    write("b", 7)
    with pytest.raises(ValueError, match=r"'a, head0' and 'b, head0' are one head, seed7/head0: two folders hold"):
        regional_faces.read_faces(folder)


def test_a_virtual_head_is_known_by_its_seed(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "manifest.csv").write_text("photo_id,patient,file,view,group\na,b,photos/a.jpg,frontal,head0003\n")
    (tmp_path / "records" / "a.json").write_text(json.dumps({"cohort": {"seed": 7}, "truth": {}}))
    (job,) = [job for job in regional_faces._jobs(tmp_path, "", 0.0) if job.again is None]
    assert (job.group, job.person) == (f"{tmp_path.name}, head0003", "seed7/head0003")


def test_faces_free_of_pigment_are_drawn_and_the_held_out_third_is_not(tmp_path: Path) -> None:
    from skimage import data

    folder = tmp_path / "people"
    (folder / "photos").mkdir(parents=True)
    names = ["one", "two", "three", "four", "five", "six"]
    kept = [name for name in names if not regional_faces.is_held_out(f"labelled-{name}")]
    assert 0 < len(kept) < len(names)
    rows = ["photo_id,patient,file,view,masi,tone_band"]
    for name in names:
        path = folder / "photos" / f"{name}.jpg"
        cv2.imwrite(str(path), data.astronaut()[..., ::-1])
        path.write_bytes(path.read_bytes() + name.encode())  # the same picture, and yet another photograph
        rows.append(f"{name},{name},photos/{name}.jpg,frontal,0,light")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    learnt = [name for name in kept if zlib.crc32(name.encode()) % PARTS not in (*FIGURES, *FACTORS)]
    assert 0 < len(learnt) < len(kept)
    copies = regional_faces.COPIES_CLEAR
    assert regional_faces.collect([f"{folder}=labelled"], tmp_path / "out") == len(kept) + copies * len(learnt)
    faces = regional_faces.read_faces(tmp_path / "out")
    assert sorted(faces.groups) == sorted(kept + learnt * copies) and set(faces.bands) == {"light"}
    assert bool((faces.truth[..., 0] == 1).all()) and not faces.truth[..., 1:].any()
    assert all(photographed(group) for group in faces.groups)
    seen = {name: faces.face.numpy()[faces.groups == name] for name in kept}
    assert np.ptp([some[0] for some in seen.values()], axis=0).max() == 0  # one face, drawn as often
    assert len(np.unique(faces.face.numpy(), axis=0)) == 1 + len(learnt) * copies  # each copy in a light of its own


def test_of_canvases_the_held_out_third_is_told_by_the_photographs_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their records hold a SHA-256 and no name: who was held out is known where the originals are."""
    originals, painted = tmp_path / "labelled", tmp_path / "painted"
    originals.mkdir()
    (painted / "records").mkdir(parents=True)
    rows, names = ["photo_id,patient,file,view,masi"], ["one", "two", "three", "four", "five", "six"]
    for number, name in enumerate(names):
        cv2.imwrite(str(originals / f"{name}.png"), np.full((8, 8, 3), number, np.uint8))
        told = {"canvas": hashlib.sha256((originals / f"{name}.png").read_bytes()).hexdigest(), "truth": {}}
        (painted / "records" / f"p{number}.json").write_text(json.dumps(told))
        rows.append(f"p{number},c{number},photos/p{number}.jpg,frontal,3")
    (painted / "manifest.csv").write_text("\n".join(rows) + "\n")
    jobs = list(regional_faces._jobs(painted, str(originals), 0.0))
    kept = {f"p{n}.jpg" for n, name in enumerate(names) if not regional_faces.is_held_out(f"labelled-{name}")}
    assert {job.photo.name for job in jobs} == kept
    assert 0 < len(kept) < len(names)
    (painted / "photos").mkdir()
    for number, name in enumerate(names):
        (painted / "photos" / f"p{number}.jpg").write_bytes((originals / f"{name}.png").read_bytes())
    plain = tmp_path / "plain"
    (plain / "photos").mkdir(parents=True)
    (plain / "manifest.csv").write_text("\n".join(rows).replace("frontal,3", "frontal,0") + "\n")
    for path in (painted / "photos").iterdir():
        (plain / "photos" / path.name).write_bytes(path.read_bytes())
    unpainted = list(regional_faces._jobs(plain, str(originals), 0.0))
    assert {job.photo.name for job in unpainted} == kept  # by what they are, whatever they are called
    assert {job.person for job in unpainted} == {job.person for job in jobs}
    with pytest.raises(ValueError, match=r"is not in labelled, .* name the folder that was painted on"):
        list(regional_faces._jobs(painted, "labelled", 0.0))
    with monkeypatch.context() as here:
        here.chdir(originals)
        assert {job.photo.name for job in regional_faces._jobs(painted, ".", 0.0)} == kept
    (painted / "records" / "p0.json").write_text(json.dumps({"canvas": "one.png", "truth": {}}))
    with pytest.raises(ValueError, match="painted by an older version"):
        list(regional_faces._jobs(painted, str(originals), 0.0))

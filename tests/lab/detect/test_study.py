"""What a detector learns from, read from a small data set."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from melascope.data.about import About, write_about
from melascope.data.box import KIND_CODES, Box
from melascope.data.manifest import write_manifest
from melascope.data.row import Row
from melascope.data.voc import write_voc
from melascope.lab.detect.recipe import Truth
from melascope.lab.detect.store import StoreError, keep
from melascope.lab.detect.study import StudyError, gather
from melascope.vocabulary import Lesion

SINGLE = Truth("single", 0.05, 2.0)
GROUPED = Truth("grouped", 0.05, 2.0)


def made(folder: Path, patients: int = 12, *, split: bool = True, size: tuple[int, int] = (96, 64)) -> Path:
    width, height = size
    rows = []
    for i in range(patients):
        part = ("train", "val", "test")[0 if i % 4 < 2 else i % 4 - 1]
        name = f"p{i:02}"
        pixels = np.full((height, width, 3), 150, np.uint8)
        cv2.rectangle(pixels, (10, 10), (20, 18), (40, 60, 90), -1)
        pixels[-1, -1] = i  # no two photos are alike
        (folder / "photos").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "photos" / f"{name}.png"), pixels)
        boxes = [
            Box(kind=Lesion.FRECKLE, x0=10, y0=10, x1=14, y1=14),
            Box(kind=Lesion.FRECKLE, x0=16, y0=12, x1=21, y1=19),
            Box(kind=Lesion.MELASMA, x0=40, y0=20, x1=80, y1=60),
        ]
        write_voc(folder / "voc" / f"{name}.xml", f"photos/{name}.png", (height, width), boxes if i % 3 else [])
        rows.append(
            Row(
                photo_id=name, patient=f"Q{i}", file=f"photos/{name}.png", width=width, height=height, view="frontal",
                device="dslr" if i % 8 < 4 else "phone", split_631=part if split else None,
            )
        )  # fmt: skip
    write_manifest(rows, folder / "manifest.csv")
    return folder


def test_of_further_data_sets_all_but_the_test_part_is_learnt_from(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a", 8), made(tmp_path / "b", 12, size=(100, 64))
    alone, both = gather(first, SINGLE), gather(first, SINGLE, more=[second])
    assert [p for p in both.photos if not p.name.startswith("more1/")] == list(alone.photos)
    added = [p for p in both.photos if p.name.startswith("more1/")]
    assert {p.part for p in added} == {"train"}
    assert len(added) == 12 - len(gather(second, SINGLE).part("test"))
    assert not {p.patient for p in added} & {p.patient for p in alone.photos}
    assert both.identity != alone.identity
    assert both.more == f"{len(added)} of b"
    assert keep(both, 64, tmp_path / "cache").pixels.shape[0] == len(both.photos)


def test_boxes_are_read_one_by_one_or_in_groups(tmp_path: Path) -> None:
    folder = made(tmp_path)
    single, groups = gather(folder, SINGLE), gather(folder, GROUPED)
    assert [len(p.boxes) for p in single.photos[:3]] == [0, 3, 3]
    assert [len(p.boxes) for p in groups.photos[:3]] == [0, 2, 2]
    freckle = next(b for b in groups.photos[1].boxes if b.kind is Lesion.FRECKLE)
    assert freckle.corners == (10, 10, 21, 19)
    assert single.identity != groups.identity
    assert gather(folder, SINGLE) == single


def test_parts_are_the_manifests_or_dealt_by_patient(tmp_path: Path) -> None:
    given = gather(made(tmp_path / "a"), SINGLE)
    assert {p.patient: p.part for p in given.photos}["Q3"] == "test"
    dealt = gather(made(tmp_path / "b", 40, split=False), SINGLE, scheme="82")
    assert {p.part for p in dealt.photos} == {"train", "validation", "test"}
    assert len(dealt.part("test")) == 8
    assert 0 < len(dealt.part("validation")) < 12


def test_a_split_file_decides_and_leaves_out(tmp_path: Path) -> None:
    folder = made(tmp_path)
    path = tmp_path / "split.csv"
    path.write_text("photo,patient,part\nphotos/p01.png,Q1,test\np02,Q2,train\np04,Q4,validation\n", encoding="utf-8")
    study = gather(folder, SINGLE, split=path)
    assert [(p.name, p.part) for p in study.photos] == [
        ("photos/p01.png", "test"), ("photos/p02.png", "train"), ("photos/p04.png", "validation"),
    ]  # fmt: skip


def test_what_cannot_be_learnt_from_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="is not there"):
        gather(tmp_path, SINGLE)
    folder = made(tmp_path / "a")
    with pytest.raises(StudyError, match="no photo is of view 'left45'"):
        gather(folder, SINGLE, view="left45")
    path = tmp_path / "split.csv"
    path.write_text("photo,patient,part\np01,Q1,test\np02,Q2,train\n", encoding="utf-8")
    with pytest.raises(StudyError, match="no photo is in the part validation"):
        gather(folder, SINGLE, split=path)
    for voc in (folder / "voc").iterdir():
        voc.unlink()
    with pytest.raises(StudyError, match="nothing is known of the boxes"):
        gather(folder, SINGLE)


def test_photos_are_kept_once_and_boxes_lie_on_them(tmp_path: Path) -> None:
    study = gather(made(tmp_path / "data"), SINGLE)
    told: list[tuple[int, int]] = []
    kept = keep(study, 64, tmp_path / "cache", advance=lambda done, of: told.append((done, of)))
    assert told == [(12, 12)]
    again = keep(study, 64, tmp_path / "cache", advance=lambda *_: pytest.fail("read twice"))
    assert (again.pixels == kept.pixels).all()
    box = kept.fits[1].to_picture(study.photos[1].corners)[2].round().astype(int)
    assert kept.pixels.shape == (12, 64, 64, 3)
    assert box.tolist() == [27, 23, 53, 50]
    dark = np.argwhere(kept.pixels[1][..., 2] < 80)
    assert np.abs(dark.min(axis=0) - np.array([10, 10]) * 64 / 96 - [11, 0]).max() <= 1.5


def test_a_photo_of_another_size_is_refused(tmp_path: Path) -> None:
    folder = made(tmp_path / "data")
    cv2.imwrite(str(folder / "photos" / "p01.png"), np.full((90, 70, 3), 99, np.uint8))
    with pytest.raises(StoreError, match=r"p01.png: is of 70 x 90, and the manifest says 96 x 64"):
        keep(gather(folder, SINGLE), 64, tmp_path / "cache")


def test_nobody_of_the_test_part_is_learnt_from_by_way_of_another_data_set(tmp_path: Path) -> None:
    folder = made(tmp_path / "a", 8)
    with pytest.raises(StudyError, match=r"is a validation or test photo of .* too"):
        gather(folder, SINGLE, more=[Path(shutil.copytree(folder, tmp_path / "b", dirs_exist_ok=True))], scheme="82")


def test_the_people_of_one_seed_are_learnt_from_once(tmp_path: Path) -> None:
    first, second, third = (made(tmp_path / name, 8, size=(96 + k, 64)) for k, name in enumerate("abc"))
    for folder, seed, patients in ((second, 5, 100), (third, 5, 300)):
        about = About(name=f"cohort of {patients}", made_by="melascope", generator={"seed": seed, "patients": patients})
        write_about(about, folder / "dataset.json")
    assert gather(first, SINGLE, more=[second])
    with pytest.raises(StudyError, match=r"its people are those of another of these data sets \(seed 5\)"):
        gather(first, SINGLE, more=[second, third])


def test_where_only_masks_are_known_each_patch_of_a_kind_is_a_box(tmp_path: Path) -> None:
    folder = made(tmp_path, 8)
    shutil.rmtree(folder / "voc")
    (folder / "masks" / "lesions").mkdir(parents=True)
    for i in range(8):
        mask = np.zeros((64, 96), np.uint8)
        mask[10:20, 10:20] = mask[40:50, 30:60] = KIND_CODES[Lesion.HORI_NEVUS]
        cv2.imwrite(str(folder / "masks" / "lesions" / f"p{i:02}.png"), mask if i else mask * 0)
    photos = gather(folder, SINGLE).photos
    assert photos[0].boxes == ()
    assert [(box.kind, box.corners) for box in photos[1].boxes] == [
        (Lesion.HORI_NEVUS, (10, 10, 20, 20)),
        (Lesion.HORI_NEVUS, (30, 40, 60, 50)),
    ]
    cv2.imwrite(str(folder / "masks" / "lesions" / "p01.png"), np.zeros((9, 9), np.uint8))
    with pytest.raises(StudyError, match="its lesion mask of 9 x 9"):
        gather(folder, SINGLE)


def test_a_head_that_is_in_two_parts_is_told(tmp_path: Path) -> None:
    folder = made(tmp_path, 8)
    text = (folder / "manifest.csv").read_text(encoding="utf-8").splitlines()
    column = text[0].split(",").index("group")
    rows = [line.split(",") for line in text]
    for row in rows[1:]:
        row[column] = "head1"
    (folder / "manifest.csv").write_text("\n".join(",".join(row) for row in rows) + "\n", encoding="utf-8")
    with pytest.raises(StudyError, match="group 'head1' is in train and in"):
        gather(folder, SINGLE)

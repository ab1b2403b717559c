"""What a detector learns from, read from a small data set."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest

from melascope.data.about import About, write_about
from melascope.data.box import KIND_CODES, Box
from melascope.data.manifest import read_manifest, write_manifest
from melascope.data.row import Row
from melascope.data.voc import write_voc
from melascope.lab.detect.recipe import Truth
from melascope.lab.detect.store import StoreError, keep
from melascope.lab.detect.study import StudyError, gather
from melascope.vocabulary import Lesion

SINGLE = Truth("single", 0.05, 2.0)
GROUPED = Truth("grouped", 0.05, 2.0)


def made(
    folder: Path, patients: int = 12, *, split: bool = True, size: tuple[int, int] = (96, 64), who: str = "Q"
) -> Path:
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
                photo_id=name, patient=f"{who}{i}", file=f"photos/{name}.png", width=width, height=height,
                view="frontal", device="dslr" if i % 8 < 4 else "phone", split_631=part if split else None,
            )
        )  # fmt: skip
    write_manifest(rows, folder / "manifest.csv")
    return folder


def test_of_further_data_sets_all_but_the_test_part_is_learnt_from(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a", 8), made(tmp_path / "b", 12, size=(100, 64), who="R")
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


def emptied(folder: Path, column: str, rows: set[int]) -> Path:
    """The data set with some cells of its manifest emptied."""
    path = folder / "manifest.csv"
    cells = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    place = cells[0].index(column)
    for k in rows:
        cells[k + 1][place] = ""
    path.write_text("".join(f"{','.join(row)}\n" for row in cells), encoding="utf-8")
    return folder


def test_a_split_with_gaps_is_told_and_not_dealt_anew(tmp_path: Path) -> None:
    folder = emptied(made(tmp_path / "a", 40), "split_631", {5})
    words = r"a/manifest.csv: split_631 is empty for 1 of 40 photos \(photos/p05.png\): fill it,.*split DATA --again"
    with pytest.raises(StudyError, match=words):
        gather(folder, SINGLE)
    # No photo of the chosen ones has a part, others have: some of these are test photos of the same people.
    phones = {i for i in range(40) if i % 8 >= 4}
    with pytest.raises(StudyError, match=r"split_631 is empty for 20 of 40 photos \(photos/p04.png, .* \.\.\.\)"):
        gather(emptied(made(tmp_path / "b", 40), "split_631", phones), SINGLE, device="phone")
    assert gather(tmp_path / "b", SINGLE, device="dslr").left_out == "20 of 40 photos (device dslr)"
    path = tmp_path / "split.csv"
    lines = "".join(f"p{i:02},Q{i},{('train', 'validation', 'test')[i // 2 % 3]}\n" for i in range(40))
    path.write_text(f"photo,patient,part\n{lines}", encoding="utf-8")
    assert len(gather(folder, SINGLE, split=path).photos) == 40


def test_that_parts_were_dealt_out_is_said(tmp_path: Path) -> None:
    folder = made(tmp_path / "a", 40, split=False)
    said = "40 of 40 photos (view frontal, patients dealt out by hash: split_82 is empty)"
    assert gather(folder, SINGLE, scheme="82", view="frontal").left_out == said
    assert gather(made(tmp_path / "b"), SINGLE).left_out == "12 of 12 photos"


@pytest.mark.parametrize("scheme", ["631", "82"])
def test_a_patient_whose_group_has_gaps_is_in_one_part(tmp_path: Path, scheme: Literal["631", "82"]) -> None:
    folder = made(tmp_path / "a", 40, split=False)
    rows = [
        replace(row, patient=f"Q{k // 2}", group=f"g{k}" if k % 2 else "", device=("dslr", "phone")[k // 20])
        for k, row in enumerate(read_manifest(folder / "manifest.csv").rows)
    ]
    # Two patients who are joined by a photo alone that is not chosen.
    rows.append(replace(rows[20], photo_id="tie", patient="Q0", group="g3"))
    write_manifest(rows, folder / "manifest.csv")
    parts = {(p.patient, p.part) for p in gather(folder, SINGLE, scheme=scheme, device="dslr").photos}
    assert len(parts) == 10
    assert dict(parts)["Q0"] == dict(parts)["Q1"]


@pytest.mark.parametrize("content", ["{", "[]", '{"name": 5}', '{"name": "a", "schema_version": "9"}'])
def test_a_damaged_dataset_json_is_told(tmp_path: Path, content: str) -> None:
    first, second = made(tmp_path / "a", 8), made(tmp_path / "b", size=(100, 64), who="R")
    (second / "dataset.json").write_text(content, encoding="utf-8")
    for folder, more in ((second, ()), (first, (second,))):
        with pytest.raises(StudyError, match=r"b/dataset\.json: .*(correct|update) it"):
            gather(folder, SINGLE, more=more)


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


def test_a_test_patient_is_not_learnt_from_by_way_of_other_photos(tmp_path: Path) -> None:
    first = made(tmp_path / "a", 8)
    held = {photo.patient for photo in gather(first, SINGLE).photos if photo.part != "train"}
    assert held == {"Q2", "Q3", "Q6", "Q7"}
    second = made(tmp_path / "b", 12, size=(100, 64), who="q")
    words = r"p02.png is of the patient 'q2', a name that is in the validation part of .*; leave the patient out"
    with pytest.raises(StudyError, match=words):
        gather(first, SINGLE, more=[second])
    # The people of a virtual cohort follow from its seed: their names say nothing.
    write_about(About(name="cohort", generator={"seed": 5, "patients": 12}), second / "dataset.json")
    assert gather(first, SINGLE, more=[second]).more == "9 of cohort"


def test_a_test_group_is_not_learnt_from_by_way_of_other_photos(tmp_path: Path) -> None:
    folders = []
    for name, who, width in (("a", "Q", 96), ("b", "R", 100)):
        folder = made(tmp_path / name, 8, size=(width, 64), who=who)
        rows = read_manifest(folder / "manifest.csv").rows
        rows = [replace(row, group=f"{who}-family{row.patient[1:]}") for row in rows]
        if who == "R":
            rows[0] = replace(rows[0], group="Q-family3")
        write_manifest(rows, folder / "manifest.csv")
        folders.append(folder)
    with pytest.raises(StudyError, match=r"p00.png is of the group 'Q-family3', a name that is in the test part"):
        gather(folders[0], SINGLE, more=folders[1:])


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

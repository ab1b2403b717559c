"""The check finds each fault that a sound data set can be given, says where it is, and finds nothing in a sound one."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from melascope.data import Part, write_manifest
from melascope.data.check import check
from melascope.data.layout import (
    ABOUT,
    ANNOTATIONS,
    instances_path,
    lesion_mask_path,
    region_mask_path,
    voc_path,
    write_whole,
)
from melascope.data.pixels import write_mask
from melascope.vocabulary import Lesion, Region, Severity, ToneBand
from tests.data import made

Fault = Callable[[Path], object]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.write(tmp_path_factory.mktemp("sound"))


def row(number: int, **changes: Any) -> Fault:
    """Change a row of the manifest."""

    def fault(folder: Path) -> None:
        rows = made.rows()
        rows[number] = replace(rows[number], **changes)
        write_manifest(rows, folder / "manifest.csv")

    return fault


def text(name: str, old: str, new: str, count: int = 1) -> Fault:
    """Change the text of a file."""

    def fault(folder: Path) -> None:
        content = (folder / name).read_text(encoding="utf-8")
        assert old in content
        write_whole(folder / name, content.replace(old, new, count))

    return fault


def cut(name: str, keep: float = 0.6) -> Fault:
    """Cut a file off."""

    def fault(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(keep * len(content))])

    return fault


def gone(name: str) -> Fault:
    return lambda folder: (folder / name).unlink()


def photo(name: str, pixels: Any) -> Fault:
    return lambda folder: write_whole(folder / "photos" / name, made.jpeg(pixels, 80))


def mask(place: Callable[[Path, str], Path], change: Callable[[Any], Any]) -> Fault:
    """Change the mask of the first photo; 0 regions, 1 lesions, 2 instances."""
    index = [region_mask_path, lesion_mask_path, instances_path].index(place)
    return lambda folder: write_mask(place(folder, "p0v1"), change(made.masks(0)[index].copy()))


def annotation(number: int, **changes: Any) -> Fault:
    """Change an annotation of the COCO file."""

    def fault(folder: Path) -> None:
        content = json.loads((folder / ANNOTATIONS).read_text())
        content["annotations"][number].update(changes)
        write_whole(folder / ANNOTATIONS, json.dumps(content))

    return fault


def no_annotation(folder: Path) -> None:
    content = json.loads((folder / ANNOTATIONS).read_text())
    del content["annotations"][2]
    write_whole(folder / ANNOTATIONS, json.dumps(content))


FAULTS: list[tuple[Fault, str, str, str]] = [
    (row(1, split_631="val"), "patient-in-two-splits", "manifest.csv line 3, split_631", "train .*val"),
    (row(1, split_82="test"), "patient-in-two-splits", "manifest.csv line 3, split_82", "p0"),
    (row(1, split_631="val"), "group-in-two-splits", "manifest.csv line 3, split_631", "head0"),
    (row(1, split_631=None), "split-missing", "manifest.csv line 3, split_631", "1 of 8"),
    (row(1, group="other"), "patient-in-two-groups", "manifest.csv line 3, group", "other"),
    (row(1, sex="male"), "sex-differs", "manifest.csv line 3, sex", "male, and female in line 2"),
    (row(1, file="photos/p0v1.jpg"), "file-twice", "manifest.csv line 3, file", "line 2"),
    (row(0, masi=7.3620021), "total-differs", "manifest.csv line 2, masi", "7.362"),
    (row(0, mmasi=1.0), "total-differs", "manifest.csv line 2, mmasi", "4.53"),
    (row(0, rater_mean_masi=5.0), "total-differs", "manifest.csv line 2, rater_mean_masi", "4.5"),
    (row(0, severity=Severity.SEVERE), "band-differs", "manifest.csv line 2, severity", "mild"),
    (row(0, rater_severity=Severity.SEVERE), "band-differs", "manifest.csv line 2, rater_severity", "mild"),
    (row(0, tone_band=ToneBand.DARK), "band-differs", "manifest.csv line 2, tone_band", "intermediate"),
    (row(0, view="close-up"), "close-up-of-nothing", "manifest.csv line 2, region", "no region"),
    (text("manifest.csv", ",41.5,", ",141.5,"), "manifest", "manifest.csv line 2, age", "'141.5' must be a number"),
    (text("manifest.csv", "p0v2,p0", "p0v1,p0"), "manifest", "manifest.csv line 3, photo_id", "also the id in line 2"),
    (text("ratings.csv", "p1,2", "p1,3"), "rating-of-nothing", "ratings.csv line 5", "'p1', visit 3,"),
    (text("ratings.csv", ",4.0\n", ",5.0\n"), "rating-total-differs", "ratings.csv line 2, masi", "give 4"),
    (text("ratings.csv", "r1,2", "r1,7"), "ratings", "ratings.csv line 2, forehead_area", "from 0 to 6"),
    (gone(ABOUT), "about-missing", "dataset.json", ""),
    (text(ABOUT, "CC0-1.0", ""), "about", "dataset.json licence", "empty"),
    (text(ABOUT, "{", "["), "about", "dataset.json", "JSON"),
    (gone("photos/p0v1.jpg"), "photo-missing", "photos/p0v1.jpg", ""),
    (cut("photos/p0v1.jpg"), "photo-unreadable", "photos/p0v1.jpg", "truncated"),
    (cut("photos/p0v1.jpg", 0.0), "photo-unreadable", "photos/p0v1.jpg", "no picture"),
    (photo("p0v1.jpg", made.picture(0)[:90]), "size-differs", "photos/p0v1.jpg", "120 x 90 upright.* 120 x 96"),
    (photo("p0v1.jpg", made.picture(0)[:90]), "size-differs", "masks/regions/p0v1.png", "120 x 96.* 120 x 90"),
    (photo("p0v1.jpg", made.picture(0)[:90]), "size-differs", ANNOTATIONS, "120 x 90.* 120 x 96"),
    (photo("p0v1.jpg", made.picture(0)[:90]), "size-differs", "voc/p0v1.xml", "120 x 90.* 120 x 96"),
    (photo("p0v1.jpg", 0 * made.picture(0) + 9), "photo-blank", "photos/p0v1.jpg", "same brightness"),
    (photo("new.jpg", made.picture(77)), "stranger", "photos/new.jpg", "not in manifest"),
    (photo("p1v1.jpg", made.picture(0)), "duplicate-across-patients", "photos/p1v1.jpg", "photos/p0v1.jpg"),
    (photo("p1v1.jpg", made.picture(0)[:, ::-1]), "duplicate-across-patients", "photos/p1v1.jpg", "mirrored"),
    (photo("p3v1.jpg", made.picture(0)), "duplicate-across-splits", "photos/p3v1.jpg", "in another split"),
    (photo("p0v2.jpg", made.picture(0)), "duplicate-across-visits", "photos/p0v2.jpg", "visit 1 and here 2"),
    (cut("masks/regions/p0v1.png"), "mask-unreadable", "masks/regions/p0v1.png", "cannot be decoded"),
    (mask(region_mask_path, lambda m: m + 17 * (m == 2)), "mask-codes", "masks/regions/p0v1.png", "codes 19"),
    (mask(lesion_mask_path, lambda m: m * 3), "mask-codes", "masks/lesions/p0v1.png", "codes 9"),
    (mask(region_mask_path, lambda m: m[:-1]), "size-differs", "masks/regions/p0v1.png", "120 x 95"),
    (mask(region_mask_path, lambda m: m * 0), "lesions-off-the-face", "masks/lesions/p0v1.png", "100%"),
    (mask(instances_path, lambda m: m * (m != 200)), "masks-differ", "masks/instances/p0v1.png", "6 pixels"),
    (
        mask(instances_path, lambda m: m * (m != 200)),
        "box-unlike-mask",
        f"{ANNOTATIONS} photo p0v1, box 2",
        "lesion 200",
    ),
    (mask(instances_path, lambda m: np.roll(m, 2, 1)), "box-unlike-mask", ANNOTATIONS, "is not that of lesion 1"),
    (mask(lesion_mask_path, lambda m: m * (m != 2)), "kinds-differ", "masks/lesions/p0v1.png", "does not show fre"),
    (row(0, kinds=(Lesion.FRECKLE,)), "kinds-differ", "masks/lesions/p0v1.png", "shows mel"),
    (gone("masks/regions/p0v1.png"), "mask-missing", "masks/regions", "1 of 8 .* p0v1"),
    (lambda f: (f / "voc/p0v1.xml").rename(f / "voc/x.xml"), "stranger", "voc/x.xml", "no photo"),
    (annotation(0, bbox=[23, 47, 35, 0]), "box-empty", f"{ANNOTATIONS} photo p0v1, box 1", "23, 47, 58, 47"),
    (annotation(0, bbox=[-2, 47, 60, 27]), "box-outside", ANNOTATIONS, "120 x 96"),
    (annotation(0, bbox=[100, 47, 35, 27]), "box-outside", ANNOTATIONS, "120 x 96"),
    (annotation(0, bbox=[23, 44, 35, 30]), "box-unlike-mask", ANNOTATIONS, "of its outline"),
    (annotation(0, area=650), "box-unlike-mask", ANNOTATIONS, "area is 650, and its outline has 727"),
    (annotation(0, segmentation=[[1, 1, 9, 1, 9, 9]]), "box-unlike-mask", ANNOTATIONS, "of its polygons"),
    (annotation(0, category_id=6, instance=None), "box-unlike-mask", ANNOTATIONS, "no hori in the box"),
    (annotation(0, category_id=77), "box-unreadable", f"{ANNOTATIONS} photo p0v1", "category 77"),
    (annotation(0, segmentation={"size": [96, 120], "counts": "zz"}), "box-unreadable", ANNOTATIONS, "packed mask"),
    (annotation(0, image_id=99), "box-of-nothing", ANNOTATIONS, "such as 99"),
    (no_annotation, "box-missing", f"{ANNOTATIONS} photo p0v1", "lesions 300"),
    (no_annotation, "boxes-differ", "voc/p0v1.xml", "5 boxes here and 4"),
    (text("voc/p0v1.xml", "<name>fre</name>", "<name>sl</name>"), "boxes-differ", "voc/p0v1.xml", "not the same"),
    (text("voc/p0v1.xml", "<name>fre</name>", "<name>wart</name>"), "box-unreadable", "voc/p0v1.xml", "wart"),
    (text("voc/p0v1.xml", "<xmax>58<", "<xmax>121<"), "box-outside", "voc/p0v1.xml, box 1", "23, 47, 121, 74"),
    (cut(ANNOTATIONS), "annotations-unreadable", ANNOTATIONS, "cut off"),
    (row(7, photo_id="new", file="photos/new.jpg"), "stranger", ANNOTATIONS, "1 images are not .*'photos/p3v2.jpg'"),
]


WARNINGS = {
    "about-missing", "close-up-of-nothing", "duplicate-across-visits", "lesions-off-the-face",
    "mask-missing", "photo-blank", "sex-differs", "split-missing", "stranger",
}  # fmt: skip


def test_a_sound_data_set_has_no_finding(sound: Path) -> None:
    seen: list[tuple[int, int]] = []
    assert check(sound, progress=lambda done, of: seen.append((done, of))).findings == ()
    assert seen == [(number, 8) for number in range(1, 9)]


@pytest.mark.parametrize(("fault", "code", "where", "what"), FAULTS, ids=[f"{i}-{f[1]}" for i, f in enumerate(FAULTS)])
def test_each_fault_is_found(sound: Path, tmp_path: Path, fault: Fault, code: str, where: str, what: str) -> None:
    folder = tmp_path / "set"
    shutil.copytree(sound, folder)
    fault(folder)
    checked = check(folder)
    fitting = [f for f in checked.findings if f.code == code and f.where.startswith(where)]
    assert fitting, checked.findings
    assert any(re.search(what, f.what) for f in fitting), fitting
    for finding in checked.findings:
        assert finding.advice and finding.what
        assert finding.code in {"about", "kinds-differ"} or finding.severity == (
            "warning" if finding.code in WARNINGS else "error"
        )
        assert str(tmp_path) not in f"{finding.where}{finding.what}"
    assert checked.errors + checked.warnings == len(checked.findings)


def test_patients_of_one_head_may_look_alike(sound: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    shutil.copytree(sound, folder)
    photo("p1v1.jpg", made.picture(0))(folder)
    rows = [replace(r, group="shared") if r.patient in {"p0", "p1"} else r for r in made.rows()]
    write_manifest(rows, folder / "manifest.csv")
    assert check(folder).findings == ()


def test_several_processes_find_the_same(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("melascope.data.check._AHEAD", 2)
    folder = tmp_path / "set"
    shutil.copytree(sound, folder)
    gone("photos/p0v1.jpg")(folder)
    cut("masks/regions/p2v1.png")(folder)
    assert check(folder, jobs=2) == check(folder)


def test_photos_and_a_manifest_have_only_warnings(sound: Path, tmp_path: Path) -> None:
    shutil.copytree(sound / "photos", tmp_path / "photos")
    lines = [f"{r.photo_id},{r.patient},{r.file}" for r in made.rows()]
    write_whole(tmp_path / "manifest.csv", "\n".join(["photo_id,patient,file", *lines]))
    assert {f.code for f in check(tmp_path).findings} == {"about-missing"}


def test_a_patient_level_total_is_not_held_against_regions_out_of_view(sound: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    shutil.copytree(sound, folder)
    parts = dict(made.rows()[0].parts) | {Region.LEFT_MALAR: Part()}
    row(0, parts=parts)(folder)
    assert check(folder).findings == ()


def test_the_boxes_of_a_photo_in_no_coco_file_are_those_of_voc(sound: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    shutil.copytree(sound, folder)
    gone(ANNOTATIONS)(folder)
    assert check(folder).findings == ()
    write_whole(voc_path(folder, "p0v1"), voc_path(folder, "p0v1").read_text().replace("<name>fre", "<name>caf"))
    (finding, *_) = check(folder).findings
    assert finding.code == "box-unlike-mask" and "no caf in the box" in finding.what

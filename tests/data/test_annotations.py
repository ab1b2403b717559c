"""Run-length masks, COCO JSON and Pascal VOC XML: against slow readings of the formats, there and back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from melascope.data.box import Box, boxes_of_masks
from melascope.data.coco import CocoError, CocoFile, CocoImage, CocoWriter, outline_of
from melascope.data.rle import Rle, pack, rle_of_mask, rle_of_polygons, unpack
from melascope.data.voc import VocError, read_voc, write_voc
from melascope.vocabulary import Lesion
from tests.data import made

small_masks = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def slow_runs(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """Walk down the columns and count."""
    runs, value = [0], False
    for x in range(mask.shape[1]):
        for y in range(mask.shape[0]):
            if bool(mask[y, x]) != value:
                runs.append(0)
                value = not value
            runs[-1] += 1
    return tuple(runs)


@given(small_masks)
def test_runs_follow_the_columns(mask: NDArray[np.bool_]) -> None:
    rle = rle_of_mask(mask)
    assert rle.runs == slow_runs(mask)
    assert (rle.mask() == mask).all()
    assert rle.area == mask.sum()
    ys, xs = np.nonzero(mask)
    assert rle.box == ((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if mask.any() else None)


@given(small_masks, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_a_cut_out_mask_lies_where_it_was(
    mask: NDArray[np.bool_], left: int, top: int, right: int, bottom: int
) -> None:
    whole = np.pad(mask, ((top, bottom), (left, right)))
    assert rle_of_mask(mask, at=(left, top), size=whole.shape) == rle_of_mask(whole)


def test_a_mask_beyond_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="reaches beyond a picture"):
        rle_of_mask(np.ones((2, 2), bool), at=(3, 0), size=(4, 4))


def test_packing_gives_the_text_that_cocos_own_programme_gives() -> None:
    mask = np.zeros((7, 9), bool)
    mask[2:6, 1:4] = mask[4, 5] = mask[:, 7:] = True
    assert pack(rle_of_mask(mask).runs) == "9430009MM="  # pycocotools 2.0


@given(st.lists(st.integers(0, 10**6), max_size=20))
def test_packed_runs_come_back(runs: list[int]) -> None:
    text = pack(runs)
    assert unpack(text) == tuple(runs)
    assert all(48 <= ord(sign) < 112 for sign in text)


@pytest.mark.parametrize("bad", ["5\x7f", "53T", "M", "é", "oooooooooooooooooooooo0"])
def test_damaged_packed_runs_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="packed mask"):
        unpack(bad)


def test_runs_that_do_not_fill_the_mask_are_refused() -> None:
    with pytest.raises(ValueError, match="runs of 11 pixels for a mask of 4 x 3"):
        Rle((3, 4), (5, 6))


def test_polygons_cover_what_they_surround() -> None:
    mask = rle_of_polygons([[2, 1, 8, 1, 8, 5, 2, 5]], (10, 12)).mask()
    assert mask[2:4, 3:7].all()
    assert not mask[6:].any() and not mask[:, 10:].any() and not mask[0].any()


def test_boxes_of_masks_against_each_lesion_by_itself() -> None:
    rng = np.random.default_rng(5)
    instances = (rng.integers(0, 5, (40, 50)) * (rng.random((40, 50)) < 0.2)).astype(np.uint16) * 300
    lesions = (instances // 300).astype(np.uint8)
    boxes = boxes_of_masks(instances, lesions)
    assert [box.instance for box in boxes] == sorted(set(instances[instances > 0].tolist()))
    for box in boxes:
        own = instances == box.instance
        ys, xs = np.nonzero(own)
        assert box.corners == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert box.area_px == own.sum()
        assert box.kind == tuple(Lesion)[int(box.instance or 0) // 300 - 1]
        outline = outline_of(box, (40, 50))
        assert outline is not None and (outline.mask() == own).all()
    assert boxes_of_masks(np.zeros((4, 4), np.uint16), np.zeros((4, 4), np.uint8)) == []
    with pytest.raises(ValueError, match="lesion 300 has the kind code 0"):
        boxes_of_masks(instances, np.zeros_like(lesions))


def write_coco(path: Path, photos: int = 3) -> list[list[Box]]:
    written = []
    with CocoWriter(path) as coco:
        for number in range(photos):
            _, lesions, instances = made.masks(number)
            boxes = boxes_of_masks(instances, lesions, sizes_mm={1: {"area_mm2": 20.25}})[: number * 2]
            boxes += [made.box(outline=((10.0, 20.0, 30.0, 20.0, 30.5, 50.0),), area_px=300.5)] * number
            coco.add(CocoImage(f"photos/{number}.jpg", made.WIDTH, made.HEIGHT, f"id{number}"), boxes)
            written.append(boxes)
    return written


def test_coco_comes_back(tmp_path: Path) -> None:
    written = write_coco(tmp_path / "a.json")
    with CocoFile(tmp_path / "a.json") as coco:
        for number, boxes in enumerate(written):
            image = coco.find(f"id{number}", "elsewhere")
            assert image == coco.find("?", f"photos/{number}.jpg") == number + 1
            assert list(coco.boxes(image)) == boxes
        assert coco.find("?", "?") is None
        assert not coco.unknown


@pytest.mark.parametrize("crowd", [1, True, "1"])
def test_a_crowd_is_refused(tmp_path: Path, crowd: object) -> None:
    write_coco(tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    content["annotations"][0]["iscrowd"] = crowd
    (tmp_path / "a.json").write_text(json.dumps(content))
    with CocoFile(tmp_path / "a.json") as coco:
        first, *others = coco.boxes(content["annotations"][0]["image_id"])
        assert isinstance(first, CocoError) and "id 1 has iscrowd" in str(first)
        assert not any(isinstance(box, CocoError) for box in others)


def test_coco_is_what_other_programmes_expect(tmp_path: Path) -> None:
    written = write_coco(tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    assert [c["name"] for c in content["categories"]] == ["sl", "fre", "mel", "caf", "ota", "hori"]
    assert [c["id"] for c in content["categories"]] == [1, 2, 3, 4, 5, 6]
    assert len(content["annotations"]) == sum(map(len, written))
    assert len({a["id"] for a in content["annotations"]}) == len(content["annotations"])
    x, y, width, height = content["annotations"][0]["bbox"]
    first = written[1][0]
    assert (x, y, x + width, y + height) == first.corners
    assert content["annotations"][0]["iscrowd"] == 0


@pytest.mark.parametrize("order", [("images", "categories", "annotations"), ("annotations", "categories", "images")])
@pytest.mark.parametrize("indent", [None, 2])
def test_coco_of_others_is_read(tmp_path: Path, order: tuple[str, ...], indent: int | None) -> None:
    parts = {
        "images": [{"id": 7, "file_name": "Fräulein.jpg", "width": 20, "height": 10, "license": None}],
        "categories": [{"id": 90, "name": "Mel"}, {"id": 91, "name": "wart"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "bbox": [1.5, 2, 3, 4], "segmentation": [[0] * 6] * 900},
            {
                "id": 2,
                "image_id": 7,
                "category_id": 90,
                "bbox": [1, 2, 1, 4],
                "segmentation": {"size": [10, 20], "counts": [12, 4, 184]},
            },
            {"id": 3, "image_id": 7, "category_id": 91, "bbox": [1, 2, 3, 4]},
        ],
    }
    text = json.dumps(
        {"info": {"é": [1, 2.5, -3]}, **{key: parts[key] for key in order}}, indent=indent, ensure_ascii=False
    )
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    with CocoFile(tmp_path / "a.json") as coco:
        assert coco.images[7].file == "Fräulein.jpg"
        image = coco.find("x", "photos/Fräulein.jpg")
        assert image == 7
        first, second, third = coco.boxes(image)
    assert isinstance(first, Box) and first.corners == (1.5, 2, 4.5, 6)
    assert isinstance(second, Box) and isinstance(second.outline, Rle) and second.outline.box == (1, 2, 2, 6)
    assert isinstance(third, CocoError) and "category 91 is not one of sl, fre" in str(third)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the end of the file"),
        ("[1]", "byte 0: '\\[' where '{' must be"),
        ('{"annotations": [{"image_id": 1, "bb', "may be cut off"),
        ('{"annotations": [3]}', "must hold objects"),
        ('{"annotations": [{"image_id": 1}]}', "none of its categories is known"),
        ('{"annotations": [{}]}', "KeyError"),
        ('{"images": [{"id": 1, "file_name": "a", "width": "wide", "height": 3}]}', "ValueError"),
        ('{"images": ' + "[" * 9 + "]" * 9 + "}", "must hold objects"),
        ('{"info": ' + "[" * 100_000, "RecursionError|not JSON"),
    ],
)
def test_what_is_not_coco_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(CocoError, match=sentence):
        CocoFile(tmp_path / "a.json")


def test_coco_that_fails_on_the_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_coco(path)
    old = path.read_bytes()
    wrong = made.box(outline=rle_of_mask(np.ones((3, 3), bool)))
    with pytest.raises(ValueError, match="outline of a picture of"), CocoWriter(path) as coco:
        coco.add(CocoImage("a.jpg", 9, 9), [wrong])
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_voc_comes_back_counted_from_one(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    boxes = (made.box(), made.box(kind=Lesion.FRECKLE, x0=0, y0=0, x1=1, y1=1))
    write_voc(path, "photos/a & b.jpg", (96, 120), boxes)
    voc = read_voc(path)
    assert (voc.file, voc.width, voc.height, voc.boxes) == ("a & b.jpg", 120, 96, boxes)
    text = path.read_text()
    for line in (
        "<xmin>11</xmin>",
        "<ymin>21</ymin>",
        "<xmax>30</xmax>",
        "<ymax>50</ymax>",
        "<truncated>1</truncated>",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<annotation>", "no element found"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><annotation>&b;</annotation>", "declares a document type"),
        ("<annotation><filename>a</filename></annotation>", "annotation/size/width is None"),
        (
            "<annotation><size><width>3</width><height>3</height></size><object><name>wart</name></object></annotation>",
            "named 'wart': must be one of sl",
        ),
        ("<annotation><size><width>nan</width><height>3</height></size></annotation>", "size/width is 'nan'"),
    ],
)
def test_what_is_not_voc_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(VocError, match=sentence):
        read_voc(tmp_path / "a.xml")
    (tmp_path / "a.xml").write_bytes(b"\xff\xfe\x00<")
    with pytest.raises(VocError, match="is not UTF-8"):
        read_voc(tmp_path / "a.xml")

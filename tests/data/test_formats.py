"""Four annotation formats: there and back, photos on their side, and broken files that are told with the way out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from melascope.data.annotated import Annotated, AnnotationError
from melascope.data.box import Box
from melascope.data.coco import CocoFile, CocoImage, CocoWriter
from melascope.data.export import taken_of, write_annotations, write_data_set
from melascope.data.intake import FORMATS, Taken, format_of, intake
from melascope.data.label_studio import address_of, photo_at, read_label_studio, write_label_studio
from melascope.data.manifest import ManifestError
from melascope.data.orientation import Stored, stored, upright
from melascope.data.patients import patients_of
from melascope.data.voc import read_voc, write_voc
from melascope.data.yolo import read_classes, read_yolo, write_classes, write_yolo
from melascope.vocabulary import Lesion

WIDTH, HEIGHT = 120, 80


@st.composite
def pictures(draw: st.DrawFn) -> tuple[tuple[int, int], tuple[Box, ...]]:
    """A size and boxes within it, on a grid of whole, half or hundredth pixels."""
    size = (draw(st.integers(1, 5000)), draw(st.integers(1, 5000)))
    step = draw(st.sampled_from((1, 2, 100)))
    boxes = []
    for _ in range(draw(st.integers(0, 4))):
        corners = []
        for side in size:
            low = draw(st.integers(0, side * step - 1))
            corners.append((low / step, draw(st.integers(low + 1, side * step)) / step))
        (x0, x1), (y0, y1) = corners
        boxes.append(Box(kind=draw(st.sampled_from(Lesion)), x0=x0, y0=y0, x1=x1, y1=y1))
    return size, tuple(boxes)


def bare(boxes: tuple[Box, ...]) -> list[tuple[Any, ...]]:
    return [(box.kind, *box.corners) for box in boxes]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pictures())
def test_every_format_comes_back(tmp_path: Path, picture: tuple[tuple[int, int], tuple[Box, ...]]) -> None:
    size, boxes = picture
    write_voc(tmp_path / "a.xml", "a.jpg", (size[1], size[0]), boxes)
    voc = read_voc(tmp_path / "a.xml")
    assert bare(voc.boxes) == bare(boxes) and (voc.width, voc.height) == size
    write_yolo(tmp_path / "a.txt", size, boxes)
    write_classes(tmp_path / "classes.txt")
    assert bare(read_yolo(tmp_path / "a.txt", size, read_classes(tmp_path / "classes.txt"))) == bare(boxes)
    write_label_studio(tmp_path / "a.json", [Annotated("a.jpg", size, boxes, "")])
    (one,) = read_label_studio(tmp_path / "a.json")
    assert bare(one.boxes) == bare(boxes) and one.size == size and one.photo == "a.jpg"
    with CocoWriter(tmp_path / "c.json") as coco:
        coco.add(CocoImage("a.jpg", *size), boxes)
    with CocoFile(tmp_path / "c.json") as coco_file:
        found = tuple(box for box in coco_file.boxes(1) if isinstance(box, Box))
    assert [box[0] for box in bare(found)] == [box.kind for box in boxes]
    assert np.allclose([box.corners for box in found], [box.corners for box in boxes], rtol=0, atol=1e-9)


def photo(path: Path, orientation: int = 1, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.full((size[1], size[0], 3), 90, np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(path, exif=exif)


BOXES = (
    Box(kind=Lesion.MELASMA, x0=10, y0=20, x1=30, y1=50),
    Box(kind=Lesion.FRECKLE, x0=0, y0=0, x1=2, y1=3),
)


@pytest.mark.parametrize("form", FORMATS)
def test_folders_come_back_and_photos_without_lesions_stay(tmp_path: Path, form: Any) -> None:
    photos = tmp_path / "photos"
    for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/3.png"):
        photo(photos / name)
    known = {"a/1.jpg": BOXES, "a/2.jpg": (), "b/1.jpg": BOXES[:1], "b/3.png": None}
    taken = tuple(Taken(photos / name, name, stored(photos / name), boxes) for name, boxes in known.items())
    write_annotations(taken, tmp_path / "out", form)
    source = tmp_path / "out"
    if form in {"coco", "label-studio"}:
        source = next(source.glob("*.json"))
    assert format_of(source) == form
    again = intake(source, photos)
    assert {one.photo: one.boxes if one.boxes is None else bare(one.boxes) for one in again} == {
        name: boxes if boxes is None else bare(boxes) for name, boxes in known.items()
    }


NFC, NFD = "M\u00fcller", "Mu\u0308ller"


@pytest.mark.parametrize(("disk", "table"), [(NFC, NFD), (NFD, NFC)])
@pytest.mark.parametrize("form", FORMATS)
def test_letters_that_are_typed_in_two_ways_are_the_same(tmp_path: Path, form: Any, disk: str, table: str) -> None:
    names = {way: f"{way}/{way}.jpg" for way in (disk, table)}
    there = tmp_path / "photos" / names[disk]
    photo(there)
    (tmp_path / f"photos/other/{disk}.jpg").parent.mkdir()
    (tmp_path / f"photos/other/{disk}.jpg").write_bytes(there.read_bytes())
    write_annotations([Taken(there, names[table], stored(there), BOXES)], tmp_path / "out", form)
    source = tmp_path / "out"
    if form in {"coco", "label-studio"}:
        source = next(source.glob("*.json"))
    taken = intake(source, tmp_path / "photos")
    assert {one.photo: one.boxes and bare(one.boxes) for one in taken} == {
        names[disk]: bare(BOXES),
        f"other/{disk}.jpg": None,
    }
    patients = patients_of(taken, {names[table]: f"{table} 1", f"other/{table}.jpg": f"{disk} 2"})
    assert set(patients.values()) == {f"{NFC} 1", f"{NFC} 2"}
    assert set(patients_of(taken, pattern=f"({table}).jpg").values()) == {NFC}


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_of_photos_on_their_side_are_put_upright_once(tmp_path: Path, orientation: int, ending: str) -> None:
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[20:50, 10:30] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{ending}"
    Image.fromarray(pixels).save(path, exif=exif, **({"compression": "tiff_lzw"} if ending == "tif" else {}))
    with Image.open(path) as image:
        ys, xs = np.nonzero(np.asarray(ImageOps.exif_transpose(image))[..., 0])
    expected = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    file = stored(path)
    assert file == Stored(WIDTH, HEIGHT, orientation)
    (box,) = upright(BOXES[:1], (WIDTH, HEIGHT), file, "stored")
    assert box.corners == expected
    lying = orientation >= 5
    # Told by the annotation's size where the photo lies; boxes of the upright photo are left alone.
    (box,) = upright(BOXES[:1], (WIDTH, HEIGHT), file)
    assert box.corners == (expected if lying else BOXES[0].corners)
    assert upright(BOXES, file.upright, file) == BOXES
    # The same through YOLO, which does not tell its size.
    write_yolo(tmp_path / "a.txt", (WIDTH, HEIGHT), BOXES[:1])
    write_classes(tmp_path / "classes.txt")
    (one,) = intake(tmp_path, tmp_path, drawn="stored")
    assert one.boxes is not None and one.boxes[0].corners == expected


def test_a_data_set_is_made_with_people_kept_together(tmp_path: Path) -> None:
    from melascope.data import DataSet
    from melascope.data.about import About
    from melascope.data.check import check

    taken = []
    rng = np.random.default_rng(0)
    for patient in range(12):
        for number in range(2):
            path = tmp_path / "in" / f"P{patient} {number}.jpg"
            path.parent.mkdir(exist_ok=True)
            low = rng.integers(0, 255, (8, 12, 3)).astype(np.uint8)
            Image.fromarray(low).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(path)
            taken.append(Taken(path, path.name, stored(path), (None, (), BOXES)[patient % 3]))
    patients = {one.photo: one.photo.split()[0] for one in taken}
    write_data_set(taken, tmp_path / "out", About(name="x", licence="CC0-1.0"), patients)
    data = DataSet.open(tmp_path / "out")
    assert [sample.row.kinds for sample in data][:6:2] == [None, (), (Lesion.FRECKLE, Lesion.MELASMA)]
    by_patient = {sample.row.patient: sample.row.split_631 for sample in data}
    assert all(by_patient[sample.row.patient] == sample.row.split_631 for sample in data)
    assert len(by_patient) == 12
    again = taken_of(data)
    assert [None if one.boxes is None else bare(one.boxes) for one in again] == [
        None if one.boxes is None else bare(one.boxes) for one in taken
    ]
    assert not [f for f in check(tmp_path / "out").findings if f.severity == "error"]


def test_nothing_is_written_if_a_row_breaks_its_rule(tmp_path: Path) -> None:
    from melascope.data.about import About

    photo(tmp_path / "a.jpg")
    taken = [Taken(tmp_path / "a.jpg", "a.jpg", stored(tmp_path / "a.jpg"), BOXES)]
    with pytest.raises(ManifestError, match="must be 1 to 120 signs"):
        write_data_set(taken, tmp_path / "out", About(name="x"), {"a.jpg": "x" * 130})
    assert not (tmp_path / "out").exists()


# Twenty ways in which annotations are broken: how a sound folder is spoilt, and what is said.


def voc(name: str = "mel", corners: str = "11 21 30 50", size: str = "120 80", file: str = "a.jpg") -> str:
    tags = "".join(f"<{t}>{v}</{t}>" for t, v in zip(("xmin", "ymin", "xmax", "ymax"), corners.split(), strict=True))
    width, height = size.split()
    return (
        f"<annotation><filename>{file}</filename><size><width>{width}</width><height>{height}</height></size>"
        f"<object><name>{name}</name><bndbox>{tags}</bndbox></object></annotation>"
    )


def coco(**changes: Any) -> str:
    annotation = {"id": 1, "image_id": 1, "category_id": 3, "bbox": [10, 20, 20, 30], **changes}
    images = [{"id": 1, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}]
    return json.dumps({"images": images, "annotations": [annotation], "categories": [{"id": 3, "name": "mel"}]})


def studio(value: dict[str, Any] | None = None, **changes: Any) -> str:
    whole = {"x": 10, "y": 10, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": ["mel"], **(value or {})}
    entry = {"type": "rectanglelabels", "original_width": WIDTH, "original_height": HEIGHT, "value": whole, **changes}
    return json.dumps(
        [{"id": 1, "data": {"image": "/data/upload/1/0123abcd-a.jpg"}, "annotations": [{"result": [entry]}]}]
    )


def twice(folder: Path) -> None:
    (folder / "a.xml").write_text(voc())
    (folder / "z.xml").write_text(voc())


FAULTS: tuple[tuple[str, str | bytes | Callable[[Path], None], tuple[str, ...]], ...] = (
    ("a.xml", voc(name="wart"), ("a.xml", "object 1", "'wart'", "one of sl, fre, mel", "rename it")),
    ("a.xml", voc(corners="11 21 11x 50"), ("a.xml", "object 1", "bndbox/xmax is '11x'", "write it anew")),
    ("a.xml", voc(corners="31 21 30 50"), ("a.xml", "object 1 (mel)", "is empty", "draw it anew")),
    ("a.xml", voc(corners="11 21 300 50"), ("a.xml", "object 1 (mel)", "beyond the picture of 120 x 80", "cut it")),
    ("a.xml", voc(size="240 160"), ("a.xml", "240 x 160", "the photo is 120 x 80", "annotate this photo")),
    ("a.xml", voc(size="0 80"), ("a.xml", "size is 0 x 80", "must be that of the photo")),
    ("a.xml", voc(file="c.jpg"), ("a.xml", "'c.jpg' is not in", "copy it there", "--photos")),
    ("a.xml", voc()[:-30], ("a.xml", "write it anew with labelImg")),
    ("a.xml", twice, ("z.xml", "is annotated in", "a.xml too", "keep one of the two")),
    ("a.txt", "2 0.2 0.4 0.1\n", ("a.txt line 1", "has 4 cells", "class, x, y, width, height")),
    ("a.txt", "2 0.2 0.4 0.1 0.2\n9 0.2 0.4 0.1 0.2\n", ("a.txt line 2", "class '9'", "0 to 5")),
    ("a.txt", "2 24 32 10 20\n", ("a.txt line 1", "shares", "not pixels", "divide them")),
    ("a.txt", "2 0.2 0.4 0.1 0.2 0.97\n", ("a.txt line 1", "a score", "review them")),
    ("a.txt", "2 0.2 0,4 0.1 0.2\n", ("a.txt line 1", "decimal points")),
    ("a.txt", "2 0.2 0.4 0.1 0.2\n" * 2, ("a.txt, object 2 (mel)", "the same as object 1", "remove one")),
    ("a.txt", b"\xff\xfe2\x00", ("a.txt", "not UTF-8", "save it anew")),
    ("c.json", coco(category_id=4), ("c.json image 1 (a.jpg)", "category 4 is not one of", "correct or remove")),
    ("c.json", coco(image_id=7), ("c.json", "of image 7, which is not listed", "add it, or remove")),
    ("c.json", coco(bbox=[10, 20, -5, 30]), ("c.json image 1 (a.jpg), object 1", "is empty", "draw it anew")),
    ("c.json", coco(iscrowd=1), ("c.json image 1", "id 1 has iscrowd 1", "rectangles around the lesions, or delete")),
    ("c.json", coco()[:-40], ("c.json", "is not JSON")),
    ("s.json", studio({"rotation": 12}), ("s.json task 1 (a.jpg), object 1", "turned", "draw an upright rectangle")),
    ("s.json", studio({"rectanglelabels": []}), ("task 1 (a.jpg), object 1", "has 0 labels", "must have one")),
    ("s.json", studio(type="brushlabels"), ("task 1 (a.jpg), object 1", "'brushlabels'", "draw a rectangle")),
    ("s.json", studio(original_width=None), ("task 1 (a.jpg), object 1", "None x 80", "annotate the photo anew")),
    ("s.json", studio().replace("/data/upload/1/0123abcd-a.jpg", "http://[x"), ("task 1", "'http://[x'", "no address")),
    ("s.json", studio({"x": 95}), ("task 1 (a.jpg), object 1 (mel)", "beyond the picture", "cut it")),
)


@pytest.mark.parametrize(("file", "content", "words"), FAULTS)
def test_broken_annotations_are_told_with_the_way_out(
    tmp_path: Path, file: str, content: str | bytes | Callable[[Path], None], words: tuple[str, ...]
) -> None:
    photo(tmp_path / "photos/a.jpg")
    folder = tmp_path / "annotations"
    folder.mkdir()
    write_classes(folder / "classes.txt")
    if callable(content):
        content(folder)
    else:
        (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    source = folder / file if file.endswith(".json") else folder
    with pytest.raises(AnnotationError) as caught:
        intake(source, tmp_path / "photos")
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(("form", "ending"), [("voc", "xml"), ("yolo", "txt")])
def test_one_file_alone_is_read_and_a_folder_without_any_is_refused(tmp_path: Path, form: Any, ending: str) -> None:
    names = ("p/a.jpg", "p/b.jpg", "q/a.jpg")
    for name in names:
        photo(tmp_path / "photos" / name)
    taken = [Taken(tmp_path / "photos" / name, name, stored(tmp_path / "photos" / name), BOXES) for name in names]
    write_annotations(taken, tmp_path / "out", form)
    again = intake(tmp_path / f"out/p/b.{ending}", tmp_path / "photos", form)
    assert {one.photo: one.boxes and bare(one.boxes) for one in again} == {
        "p/a.jpg": None, "p/b.jpg": bare(BOXES), "q/a.jpg": None,
    }  # fmt: skip
    with pytest.raises(AnnotationError, match=r"may be p/a\.jpg or q/a\.jpg: name it"):
        intake(tmp_path / f"out/p/a.{ending}", tmp_path / "photos", form)
    (tmp_path / "photos/data.yaml").write_text("names: [mel]\n")
    with pytest.raises(AnnotationError, match=rf"photos: holds no \.{ending}: name the folder that does"):
        intake(tmp_path / "photos", tmp_path / "photos", form)


def test_there_are_twenty_faults_or_more() -> None:
    assert len(FAULTS) >= 20
    assert {file.rpartition(".")[2] for file, _, _ in FAULTS} == {"xml", "txt", "json"}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("classes.txt", "sl\nfre\n\n"),
        ("data.yaml", "nc: 2\nnames: [sl, 'fre']\n"),
        ("data.yaml", "names:\n  - sl\n  - fre\nnc: 2\n"),
        ("data.yaml", "names:\n  0: sl\n  1: fre\n"),
        ("data.yaml", "path: x\nnames: ['sl',\n  'fre']\n"),
    ],
)
def test_lists_of_classes(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    assert read_classes(tmp_path / file) == ("sl", "fre")


@pytest.mark.parametrize("text", ["", "\n\n", "sl\n\nfre\n", "sl\nsl\n"])
def test_lists_without_classes_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(AnnotationError):
        read_classes(tmp_path / "classes.txt")


def test_label_studio_as_it_is_exported(tmp_path: Path) -> None:
    tasks = json.loads(studio())
    tasks += [
        {"id": 2, "data": {"image": "/data/local-files/?d=b%20c.jpg"}, "annotations": [{"result": []}]},
        {"id": 3, "data": {"image": "c.jpg"}, "annotations": []},
        {"id": 4, "data": {"image": "d.jpg"}, "annotations": [{"was_cancelled": True, "result": []}]},
    ]
    (tmp_path / "s.json").write_text(json.dumps(tasks))
    first, second = read_label_studio(tmp_path / "s.json")
    assert (first.photo, first.size, bare(first.boxes)) == ("a.jpg", (120, 80), [(Lesion.MELASMA, 12, 8, 36, 24)])
    assert (second.photo, second.size, second.boxes) == ("b c.jpg", None, ())
    tasks[0]["annotations"] *= 2
    (tmp_path / "s.json").write_text(json.dumps(tasks))
    with pytest.raises(AnnotationError, match="has 2 annotations: keep one"):
        read_label_studio(tmp_path / "s.json")


PLAIN = "photos/a-b_c.1.jpg"
TAKEN_FOR_ADDRESSES = ("photos/Patient #3.jpg", "a+b.jpg", "50%25.jpg", "50%.jpg", "a&d=b;c.jpg", "why?.jpg", "C:a.jpg")


@pytest.mark.parametrize("prefix", ["", "/", "/data/local-files/?d=", "https://server/", "s3://bucket/"])
@pytest.mark.parametrize("name", [PLAIN, "M\u00fcller \u5f20/1.jpg", " a .jpg", *TAKEN_FOR_ADDRESSES])
def test_photos_come_back_from_their_addresses(tmp_path: Path, prefix: str, name: str) -> None:
    write_label_studio(tmp_path / "s.json", [Annotated(name, (120, 80), BOXES, "")], prefix)
    assert [one.photo for one in read_label_studio(tmp_path / "s.json")] == [name]


@given(
    st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1), min_size=1),
    st.sampled_from(["", "/data/local-files/?d=", "https://server/"]),
)
def test_any_name_comes_back_from_its_address(parts: list[str], prefix: str) -> None:
    name = "/".join(parts)
    assert photo_at(address_of(name, prefix)) == name


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (PLAIN, PLAIN),
        ("photos/Anna Lee.jpg", "photos/Anna Lee.jpg"),
        ("a+b.jpg", "a+b.jpg"),
        ("/data/local-files/?d=photos/Anna Lee.jpg", "photos/Anna Lee.jpg"),
        ("/data/upload/7/0123abcd-Anna%20Lee.jpg", "Anna Lee.jpg"),
        ("https://server/M\u00fcller.jpg", "M\u00fcller.jpg"),
    ],
)
def test_addresses_that_others_wrote_as_they_are(address: str, name: str) -> None:
    assert photo_at(address) == name


def test_predictions_for_review_are_no_annotations(tmp_path: Path) -> None:
    write_label_studio(tmp_path / "s.json", [Annotated("a.jpg", (120, 80), BOXES, "")], model="yolov5s")
    (task,) = json.loads((tmp_path / "s.json").read_text())
    assert task["predictions"][0]["model_version"] == "yolov5s" and len(task["predictions"][0]["result"]) == 2
    assert read_label_studio(tmp_path / "s.json") == ()

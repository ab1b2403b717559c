"""A folder opened as a data set."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from melascope.data import DataSet, ManifestError, Row, write_manifest
from melascope.data.about import About, read_about, write_about
from melascope.data.layout import ANNOTATIONS, lesion_mask_path, maps_path, record_path, region_mask_path, write_whole
from melascope.data.pixels import MAP_SCALES, PixelsError, read_mask, read_photo_pixels, write_maps, write_mask
from melascope.vocabulary import Lesion
from tests.data import made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.write(tmp_path_factory.mktemp("set"))


def test_everything_that_was_written_is_read(folder: Path) -> None:
    data = DataSet.open(folder)
    assert len(data) == len(list(data)) == 8
    assert data.about is not None and data.about.generator == {"seed": 1}
    assert len(data.ratings) == 8
    for number, sample in enumerate(data):
        regions, lesions, instances = made.masks(number)
        assert np.abs(sample.pixels().astype(int) - made.picture(number)).mean() < 5
        assert (sample.regions() == regions).all()
        assert (sample.lesions() == lesions).all()
        found = sample.instances()
        assert found is not None and found.dtype == np.uint16 and (found == instances).all()
        boxes = sample.boxes()
        assert boxes is not None and len(boxes) == 5
        assert boxes[0].kind is Lesion.MELASMA and boxes[0].mm == {"width_mm": 9.5}
        assert sample.maps() is None and sample.record() is None


def test_splits_are_by_the_manifest(folder: Path) -> None:
    data = DataSet.open(folder)
    assert [sample.row.photo_id for sample in data.split("val")] == ["p2v1", "p2v2"]
    assert [sample.row.photo_id for sample in data.split("test", "82")] == ["p3v1", "p3v2"]
    assert data["p1v2"].row.visit == 2


def test_boxes_of_voc_serve_where_there_is_no_coco(folder: Path, tmp_path: Path) -> None:
    made.write(tmp_path)
    with_coco = DataSet.open(tmp_path)["p0v1"].boxes()
    (tmp_path / ANNOTATIONS).unlink()
    without = DataSet.open(tmp_path)["p0v1"].boxes()
    assert with_coco is not None and without is not None
    assert [(b.kind, *b.corners) for b in without] == [(b.kind, *b.corners) for b in with_coco]


def test_photos_and_a_manifest_are_enough(tmp_path: Path) -> None:
    write_manifest([Row(photo_id="a", patient="p", file="photos/a.jpg")], tmp_path / "manifest.csv")
    write_whole(tmp_path / "photos/a.jpg", made.jpeg(made.picture(0)))
    (sample,) = DataSet.open(tmp_path)
    assert sample.pixels().shape == (made.HEIGHT, made.WIDTH, 3)
    assert sample.regions() is sample.lesions() is sample.instances() is sample.boxes() is None
    write_whole(record_path(tmp_path, "a"), '{"seed": 7}')
    written = {
        name: np.full((2, 3), value, np.float32) for name, value in zip(MAP_SCALES, (0.5, 0.04, 7.0), strict=True)
    }
    write_maps(maps_path(tmp_path, "a"), written)
    assert sample.record() == {"seed": 7}
    maps = sample.maps()
    assert maps is not None and set(maps) == set(MAP_SCALES)
    for name in ("melanin", "blood"):
        assert maps[name].dtype == np.float32 and np.allclose(maps[name], written[name], atol=1e-5)
    assert np.allclose(maps["density"], 6.5535)  # the most that 16 bits hold


@pytest.mark.parametrize("content", [b"", b"no picture", made.jpeg(made.picture(0))])
def test_a_file_that_holds_no_maps_is_told(tmp_path: Path, content: bytes) -> None:
    write_whole(maps_path(tmp_path, "a"), content)
    write_manifest([Row(photo_id="a", patient="p", file="photos/a.jpg")], tmp_path / "manifest.csv")
    with pytest.raises(PixelsError, match="no PNG of 3 channels of 16 bits"):
        DataSet.open(tmp_path)["a"].maps()


def test_no_folder_and_a_wrong_manifest_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"name the folder of a data set, which holds manifest\.csv"):
        DataSet.open(tmp_path)
    write_whole(tmp_path / "manifest.csv", "photo_id\na\n")
    with pytest.raises(ManifestError, match="column patient: is missing"):
        DataSet.open(tmp_path)


def test_photos_are_upright(tmp_path: Path) -> None:
    pixels = made.picture(1)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(np.rot90(pixels)).save(tmp_path / "a.png", exif=exif)
    assert (read_photo_pixels(tmp_path / "a.png") == pixels).all()


@pytest.mark.parametrize(("ending", "order"), [("png", "="), ("tif", "<"), ("tif", ">")])
@pytest.mark.parametrize("orientation", [1, 6, 7])
def test_16_bit_grey_is_scaled(tmp_path: Path, ending: str, order: str, orientation: int) -> None:
    samples = np.arange(0, 65536, 13, dtype=np.uint16)[:5000].reshape(50, 100)
    expected = np.round(samples / 257).astype(np.uint8)
    turned = {1: expected, 6: np.rot90(expected, -1), 7: np.rot90(expected.T, 2)}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{ending}"
    packed = {"compression": "tiff_lzw"} if ending == "tif" and orientation > 1 else {}
    Image.fromarray(samples.astype(f"{order}u2")).save(path, exif=exif, **packed)
    with Image.open(path) as image:
        assert image.mode.startswith("I;16")
    found = read_photo_pixels(path)
    assert found.shape == (*turned.shape, 3) and (found == turned[..., None]).all()


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_pixels_of_32_bits_are_refused(tmp_path: Path, kind: type) -> None:
    Image.fromarray(np.full((8, 8), 300, kind)).save(tmp_path / "a.tif")
    with pytest.raises(PixelsError, match=r"a\.tif: has pixels of the kind '[IF]' \(32 bits\): must have 8 or 16 bits"):
        read_photo_pixels(tmp_path / "a.tif")


def test_heic_is_read_whatever_it_is_called_and_came_before(tmp_path: Path) -> None:
    import pillow_heif

    pillow_heif.from_pillow(Image.fromarray(made.picture(1))).save(tmp_path / "a.heic")
    (tmp_path / "a.heic").rename(tmp_path / "a.jpg")
    code = (
        "import sys; from pathlib import Path; from melascope.data.pixels import read_photo_pixels\n"
        "print(read_photo_pixels(Path(sys.argv[1])).shape)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.jpg")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == f"({made.HEIGHT}, {made.WIDTH}, 3)", done.stderr


def test_palette_and_one_bit_masks_are_codes(tmp_path: Path) -> None:
    codes = made.masks(0)[0]
    image = Image.fromarray(codes)
    indexed = Image.new("P", image.size)
    indexed.putdata(codes.ravel().tolist())
    indexed.putpalette([value for code in range(256) for value in (code, 255 - code, 7)])
    indexed.save(tmp_path / "p.png")
    assert (read_mask(tmp_path / "p.png") == codes).all()
    image.point(lambda v: 255 * (v > 0)).convert("1").save(tmp_path / "one.png")
    assert set(np.unique(read_mask(tmp_path / "one.png"))) == {0, 1}
    cv2.imwrite(str(tmp_path / "rgb.png"), np.dstack([codes] * 3))
    with pytest.raises(PixelsError, match="must have one channel"):
        read_mask(tmp_path / "rgb.png")
    with pytest.raises(ValueError, match="must be"):
        write_mask(tmp_path / "bad.png", np.dstack([codes] * 3))


def test_masks_are_written_as_the_layout_says(folder: Path) -> None:
    for place in (region_mask_path, lesion_mask_path):
        with Image.open(place(folder, "p0v1")) as image:
            assert image.mode == "L" and image.size == (made.WIDTH, made.HEIGHT)


def test_what_a_data_set_says_of_itself(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    about = About(name="mine", notes="two wards", ward=[1, 2])  # type: ignore[call-arg]
    write_about(about, path)
    assert read_about(path) == about
    for text, sentence in (
        ('{"name": 3}', "name: Input should be a valid string"),
        ("{", "Invalid JSON"),
        ('{"name": "a", "schema_version": "2.0"}', "schema_version '2.0': this programme reads 1.0"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=sentence):
            read_about(path)

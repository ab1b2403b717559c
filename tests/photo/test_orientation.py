"""Each of the eight EXIF orientations is applied exactly once, in every format that can hold one."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from melascope.photo import read_photo
from tests.photo import samples

SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
"""Exif 2.32, tag 0x0112: orientation → the sides of the scene where the stored row 0 and the stored column 0 lie."""


def literal_upright(stored: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Pixel by pixel, after the words of the standard."""
    rows, columns = stored.shape[:2]
    row_side, column_side = SIDES[orientation]
    height, width = (rows, columns) if row_side in ("top", "bottom") else (columns, rows)
    upright = np.zeros((height, width, 3), np.uint8)
    for row in range(rows):
        for column in range(columns):
            place = {}
            for index, side in ((row, row_side), (column, column_side)):
                place |= {
                    "top": {"y": index},
                    "bottom": {"y": height - 1 - index},
                    "left": {"x": index},
                    "right": {"x": width - 1 - index},
                }[side]
            upright[place["y"], place["x"]] = stored[row, column]
    return upright


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "TIFF LZW"])
def test_orientation_is_applied_once(form: str, orientation: int) -> None:
    stored = samples.quadrants(70, 90)
    options = {
        "JPEG": {"quality": 100, "subsampling": 0},
        "WEBP": {"lossless": True},
        "TIFF LZW": {"compression": "tiff_lzw"},
    }.get(form, {})
    data = samples.encode(stored, form.split()[0], exif=samples.exif(orientation), **options)
    photo = read_photo(data)
    expected = literal_upright(stored, orientation)
    assert photo.pixels.shape == expected.shape
    assert np.abs(photo.pixels.astype(int) - expected).max() <= (3 if form == "JPEG" else 0)
    assert photo.pixels.flags.c_contiguous


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heif_is_turned_by_its_own_boxes_and_not_again_by_exif(orientation: int) -> None:
    stored = samples.quadrants(72, 96)
    data = samples.encode(stored, "HEIF", quality=95, exif=samples.exif(orientation))
    photo = read_photo(data)
    expected = literal_upright(stored, orientation)
    assert photo.pixels.shape == expected.shape
    assert np.abs(photo.pixels.astype(int) - expected).mean() < 4


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_impossible_orientation_is_none(orientation: int) -> None:
    stored = samples.quadrants()
    photo = read_photo(samples.encode(stored, "PNG", exif=samples.exif(orientation)))
    assert np.array_equal(photo.pixels, stored)


def test_sixteen_bit_pictures_are_turned_too() -> None:
    stored = samples.quadrants(70, 90)
    data = samples.wide(stored.astype(np.uint16) * 257, ".png")
    at = data.index(b"IDAT") - 4
    data = data[:at] + samples.png_chunk(b"eXIf", samples.exif(6).removeprefix(b"Exif\0\0")) + data[at:]
    assert np.array_equal(read_photo(data).pixels, literal_upright(stored, 6))


def test_a_corrupt_exif_block_neither_warns_nor_refuses() -> None:
    data = samples.jpeg(samples.smooth(), exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\x03")
    photo = read_photo(data)
    assert photo.pixels.shape == samples.smooth().shape
    with pytest.warns(UserWarning, match="Corrupt EXIF"), Image.open(BytesIO(data)) as picture:
        picture.getexif()  # so there was something to be silent about

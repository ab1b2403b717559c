"""Photographs from arrays."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from melascope.photo import Photo, PhotoRefused, read_photo
from melascope.photo.photograph import MIN_SIDE, check_size
from tests.photo import samples


def test_an_array_is_copied_and_then_read_only() -> None:
    pixels = samples.smooth()
    photo = Photo.from_array(pixels, "mine")
    pixels[0, 0] = 0
    assert np.array_equal(photo.pixels, samples.smooth())
    assert (photo.name, photo.sha256, photo.grey, photo.notes) == ("mine", None, False, ())
    assert (photo.width, photo.height) == (samples.WIDTH, samples.HEIGHT)
    with pytest.raises(ValueError, match="read-only"):
        photo.pixels[0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        photo.name = "x"  # type: ignore[misc]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floating_point_is_rounded(kind: type[np.floating[Any]]) -> None:
    values = np.linspace(0, 1, 80 * 90, dtype=kind).reshape(80, 90)
    photo = Photo.from_array(np.stack([values] * 3, axis=-1))
    assert np.abs(photo.pixels / 255 - np.stack([values] * 3, axis=-1)).max() <= 0.5 / 255 + 1e-6


def test_two_dimensions_are_grey() -> None:
    photo = Photo.from_array(samples.smooth()[..., 0])
    assert photo.grey and photo.pixels.shape == (samples.HEIGHT, samples.WIDTH, 3)
    assert [finding.code for finding in photo.notes] == ["grey_scale"]


def test_views_are_made_contiguous() -> None:
    photo = Photo.from_array(samples.smooth()[::-1, :, ::-1])
    assert photo.pixels.flags.c_contiguous
    assert np.array_equal(photo.pixels, samples.smooth()[::-1, :, ::-1])


@pytest.mark.parametrize(
    ("array", "rule"),
    [
        (np.zeros((80, 80, 2), np.uint8), r"shape \(80, 80, 2\)"),
        (np.zeros((80, 80, 5), np.uint8), "shape"),
        (np.zeros(80, np.uint8), "shape"),
        (np.zeros((1, 80, 80, 3), np.uint8), "shape"),
        (np.zeros((80, 80, 3), np.int16), "type int16"),
        (np.zeros((80, 80, 3), np.uint16), "type uint16"),
        (np.zeros((80, 80, 3), bool), "type bool"),
        (np.full((80, 80, 3), "x"), "type <U1"),
        (np.full((80, 80, 3), 1.5), "range from 1.5 to 1.5"),
        (np.full((80, 80, 3), -0.1, np.float32), "range from -0.1"),
        (np.full((80, 80, 3), np.nan), "range from nan"),
        (np.full((80, 80, 3), 200.0), "between 0 and 1"),
    ],
)
def test_other_arrays_are_a_mistake_of_the_caller(array: NDArray[Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Photo.from_array(array)


@pytest.mark.parametrize("shape", [(0, 0, 3), (63, 500, 3), (500, 63), (64, 30001)])
def test_impossible_sizes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(PhotoRefused) as caught:
        Photo.from_array(np.zeros(shape, np.uint8))
    assert caught.value.finding.code in ("image_too_small", "image_too_large")
    assert (caught.value.height, caught.value.width) == shape[:2]


@pytest.mark.parametrize(
    ("width", "height", "code"),
    [
        (MIN_SIDE, MIN_SIDE, None),
        (MIN_SIDE - 1, 5000, "image_too_small"),
        (30000, 6666, None),
        (30000, 6667, "image_too_large"),
        (30001, 64, "image_too_large"),
        (64, 30001, "image_too_large"),
        (20000, 10000, None),
    ],
)
def test_limits(width: int, height: int, code: str | None) -> None:
    finding = check_size(width, height)
    assert (finding.code if finding else None) == code


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("/home/x/Jane.jpg", "Jane.jpg"),
        ("Jane Roe/left.jpg", "left.jpg"),
        (r"C:\Users\Jane\left.jpg", "left.jpg"),
        (r"visits/Jane\left.jpg", "left.jpg"),
        ("Jane/visit 1/", "visit 1"),
        ("left.jpg", "left.jpg"),
        ("/", "photo"),
    ],
)
def test_no_folder_stays_in_a_name(name: str, kept: str) -> None:
    pixels = samples.smooth()
    photo = Photo.from_array(pixels, name=name)
    assert photo.name == kept
    assert dataclasses.replace(Photo.from_array(pixels), name=name).name == kept
    assert read_photo(samples.seeds()["png_alpha"], name=name).name == kept
    for refuse in (lambda: Photo.from_array(pixels[:10], name=name), lambda: read_photo(b"no picture", name=name)):
        with pytest.raises(PhotoRefused) as caught:
            refuse()
        assert caught.value.name == kept
        assert str(caught.value).startswith(f"{kept}: ")
        assert pickle.loads(pickle.dumps(caught.value)).name == kept

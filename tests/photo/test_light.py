"""sRGB, linear light and CIELAB against the standards, one value at a time."""

from __future__ import annotations

import numpy as np
import pytest

from melascope.photo.light import LUMINANCE, from_lab, to_lab, to_linear, to_srgb
from tests.photo.literal import Colour, literal_code, literal_lab, literal_linear

CODES = np.arange(256, dtype=np.uint8)


def test_linear_light_is_the_standard_s() -> None:
    assert to_linear(CODES) == pytest.approx([literal_linear(int(c)) for c in CODES], abs=1e-6)
    assert to_linear(CODES).dtype == np.float32


def test_encoding_is_the_standard_s() -> None:
    light = np.random.default_rng(1).uniform(0, 1, 2000).astype(np.float32)
    gap = np.abs(to_srgb(light).astype(int) - [literal_code(float(x)) for x in light])
    assert gap.max() <= 1  # a value between two codes may fall to either in float32
    assert (gap > 0).mean() < 0.002


def test_encoding_undoes_decoding_and_clips() -> None:
    assert (to_srgb(to_linear(CODES)) == CODES).all()
    assert to_srgb(np.array([-1.0, 1.5], np.float32)).tolist() == [0, 255]


def test_arrays_keep_their_shape() -> None:
    pixels = np.zeros((2, 3, 3), np.uint8)
    assert to_linear(pixels).shape == to_srgb(to_linear(pixels)).shape == to_lab(to_linear(pixels)).shape == (2, 3, 3)


@pytest.mark.parametrize(
    "colour", [(226, 186, 160), (178, 130, 98), (82, 54, 44), (255, 255, 255), (1, 2, 3), (20, 90, 200), (0, 0, 0)]
)
def test_lab_is_the_published_formula(colour: Colour) -> None:
    assert to_lab(to_linear(np.array(colour, np.uint8))) == pytest.approx(literal_lab(colour), abs=0.05)


def test_luminance_is_the_y_of_cielab() -> None:
    assert LUMINANCE.sum() == pytest.approx(1.0, abs=1e-6)
    light = np.random.default_rng(2).uniform(0.02, 1, (50, 3))
    assert to_lab(light)[:, 0] == pytest.approx(116 * np.cbrt(light @ LUMINANCE) - 16, abs=1e-4)


def test_from_lab_undoes_to_lab() -> None:
    light = np.random.default_rng(3).uniform(0, 1, (500, 3)) ** 3
    assert from_lab(to_lab(light)) == pytest.approx(light, abs=1e-9)


@pytest.mark.parametrize("code", [0, 1, 10, 119, 255])
def test_grey_has_no_colour(code: int) -> None:
    lab = to_lab(to_linear(np.full(3, code, np.uint8)))
    assert lab[1:] == pytest.approx([0, 0], abs=1e-3)

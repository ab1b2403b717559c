"""Pictures that come twice."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.data.duplicates import Pair, difference_hash, likeness, near_duplicates, small_picture
from tests.data import made


def again(pixels: NDArray[np.uint8], quality: int = 40, ratio: float = 0.5, gain: float = 1.15) -> NDArray[np.uint8]:
    """The same picture, smaller, brighter and saved anew."""
    small = cv2.resize(pixels, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    brighter = np.clip(small * gain, 0, 255).astype(np.uint8)
    decoded = cv2.imdecode(np.frombuffer(made.jpeg(brighter, quality), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded[..., ::-1], np.uint8)


def found(pictures: list[NDArray[np.uint8]]) -> list[Pair]:
    return list(near_duplicates([small_picture(p) for p in pictures]))


def test_a_copy_saved_anew_is_found_and_nothing_else() -> None:
    pictures = [made.picture(seed) for seed in range(40)]
    (pair,) = found([*pictures, again(pictures[11])])
    assert (pair.first, pair.second, pair.mirrored) == (11, 40, False)
    assert pair.likeness > 0.95


def test_a_mirrored_copy_is_found() -> None:
    (pair,) = found([made.picture(1), made.picture(2), made.picture(1)[:, ::-1]])
    assert (pair.first, pair.second, pair.mirrored) == (0, 2, True)


def test_pictures_that_show_nothing_are_not_taken_for_copies() -> None:
    blank = np.full((80, 80, 3), 60, np.uint8)
    assert not found([blank, blank.copy(), np.zeros_like(blank)])


def test_the_hash_is_where_brightness_rises() -> None:
    ramp = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))
    assert difference_hash(ramp) == 2**64 - 1
    assert difference_hash(np.ascontiguousarray(ramp[:, ::-1])) == 0
    half = ramp.copy()
    half[:16] = 0
    assert difference_hash(half) == 2**32 - 1


def test_noise_in_an_even_background_changes_no_bit() -> None:
    rng = np.random.default_rng(1)
    flat = rng.integers(98, 101, (32, 32)).astype(np.uint8)
    assert difference_hash(flat) == 0


def test_likeness_is_a_correlation() -> None:
    one, other = (small_picture(made.picture(seed)) for seed in (3, 4))
    assert likeness(one, one) > 0.9999
    assert abs(likeness(one, other)) < 0.6
    assert likeness(one, 255 - one) < -0.9999

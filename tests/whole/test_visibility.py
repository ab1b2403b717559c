"""How far pigment stands out: known steps in known noise, and the same pigment on darker skin."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.visibility import detectability
from numpy.typing import NDArray

SKIN = np.ones((400, 400), bool)
LESION = np.zeros((400, 400), bool)
LESION[100:300, 100:300] = True


def picture(levels: tuple[float, float, float], step: tuple[float, float, float], noise: float) -> NDArray[np.uint8]:
    rng = np.random.default_rng(3)
    clean = np.array(levels) - LESION[..., None] * np.array(step)
    return np.clip(np.rint(clean + rng.normal(0, noise, (400, 400, 3))), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("noise", [2.0, 6.0])
def test_a_step_in_independent_noise_counts_in_its_standard_deviations(noise: float) -> None:
    found = detectability(picture((180, 140, 120), (6, 3, 2), noise), SKIN, LESION)
    # Each channel adds its own square; rounding comes twice: in the picture, and as the least that is assumed.
    assert found == pytest.approx(np.sqrt((36 + 9 + 4) / (noise**2 + 2 / 12)), rel=0.05)


def test_noise_that_the_channels_share_is_set_off_between_them() -> None:
    rng = np.random.default_rng(5)
    shared, own = rng.normal(0, 6.0, (400, 400, 1)), rng.normal(0, 2.0, (400, 400, 3))
    clean = np.array((180, 140, 120)) - LESION[..., None] * np.array((0, 0, 5))
    found = detectability(np.clip(np.rint(clean + shared + own), 0, 255).astype(np.uint8), SKIN, LESION)
    spread = 36 * np.ones((3, 3)) + (4 + 2 / 12) * np.eye(3)
    assert found == pytest.approx(np.sqrt(25 * np.linalg.inv(spread)[2, 2]), rel=0.05)
    assert found > 1.5 * 5 / np.sqrt(spread[2, 2])  # which the third channel alone would give


def test_light_that_fades_across_the_face_is_no_pigment() -> None:
    fading = picture((180, 140, 120), (0, 0, 0), 3.0) - np.linspace(0, 60, 400)[None, :, None]
    found = detectability(fading.astype(np.uint8), SKIN, LESION)
    assert found is not None and found < 0.2


def test_the_same_share_of_less_light_stands_out_less() -> None:
    light = detectability(picture((200, 160, 140), (10, 8, 7), 3.0), SKIN, LESION)
    dark = detectability(picture((70, 56, 49), (3.5, 2.8, 2.45), 3.0), SKIN, LESION)
    assert light is not None and dark is not None
    assert dark / light == pytest.approx(0.35, abs=0.03)


def test_too_little_to_compare_gives_none() -> None:
    pixels = picture((200, 160, 140), (10, 8, 7), 3.0)
    assert detectability(pixels, SKIN, np.zeros_like(LESION)) is None
    assert detectability(pixels, LESION, LESION) is None
    apart = np.zeros_like(LESION)
    apart[350:380, 350:380] = True
    assert detectability(pixels, LESION | apart, apart) is None

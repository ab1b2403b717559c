"""Variations of photos: drawn within the recipe, applied as a slow, literal version would."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from melascope.lab.severity.augment import UNVARIED, Variation, colour_matrix, draw, vary
from melascope.lab.severity.recipe import read_recipe

AUGMENT = read_recipe("melascope").augment


def picture(side: int = 33) -> np.ndarray:
    return np.random.default_rng(3).integers(40, 200, (side, side, 3)).astype(np.uint8)


def test_nothing_to_do_changes_nothing() -> None:
    pixels = picture()
    assert vary(pixels, UNVARIED) is pixels


def test_a_mirrored_photo_is_the_mirror_image() -> None:
    pixels = picture()
    assert np.array_equal(vary(pixels, Variation(mirrored=True)), pixels[:, ::-1])


def test_a_quarter_turn_is_a_quarter_turn() -> None:
    pixels = picture()
    assert np.array_equal(vary(pixels, Variation(turn_deg=90.0)), np.rot90(pixels, k=-1))


def test_zoom_shows_a_part_around_the_moved_centre() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[16:20, 40:44] = 255
    seen = vary(pixels, Variation(zoom=0.5, right=(41.5 - 31.5) / 64, down=(17.5 - 31.5) / 64))
    rows, columns = np.nonzero(seen[..., 0] > 128)
    assert (rows.mean(), columns.mean()) == pytest.approx((31.5, 31.5))
    assert len(rows) == pytest.approx(64, abs=20)  # 4 x 4 pixels, each twice as large


def test_outside_is_black() -> None:
    seen = vary(np.full((32, 32, 3), 200, np.uint8), Variation(zoom=2.0))
    assert seen[0, 0].sum() == 0 and seen[16, 16, 0] == 200


def test_colours_are_as_one_would_compute_them_one_after_the_other() -> None:
    v = Variation(brightness=1.1, contrast=0.8, saturation=1.3, hue_turn=0.03, temperature=0.2, tint=-0.1)
    pixels = picture(8).astype(np.float64)
    mean = pixels.reshape(-1, 3).mean(axis=0)
    grey = np.array([0.299, 0.587, 0.114])
    stops = np.array([0.1, -0.1, -0.1])
    x = pixels * 1.1 * 2 ** (stops / 2.2)
    middle = grey @ (mean * 1.1 * 2 ** (stops / 2.2))
    x = middle + 0.8 * (x - middle)
    own = (x @ grey)[..., None]
    x = own + 1.3 * (x - own)
    angle, axis = 2 * math.pi * 0.03, np.ones(3) / math.sqrt(3)
    x = (
        x * math.cos(angle)
        + np.cross(np.broadcast_to(axis, x.shape), x) * math.sin(angle)
        + axis * (x @ axis)[..., None] * (1 - math.cos(angle))
    )
    matrix = colour_matrix(v, mean)
    assert np.allclose(pixels @ matrix[:, :3].T + matrix[:, 3], x)


def test_grey_stays_grey_under_hue_and_saturation() -> None:
    grey = np.full((8, 8, 3), 120, np.uint8)
    assert np.abs(vary(grey, Variation(saturation=0.5, hue_turn=0.3)).astype(int) - 120).max() <= 1


def test_gamma_noise_and_hiding() -> None:
    pixels = np.full((40, 40, 3), 128, np.uint8)
    assert vary(pixels, Variation(gamma=2.0))[0, 0, 0] == round(255 * (128 / 255) ** 2)
    noisy = vary(pixels, Variation(noise=0.02, noise_at=(1000, 5))).astype(float)
    assert noisy.std() == pytest.approx(0.02 * 255, rel=0.15)
    assert np.array_equal(noisy, vary(pixels, Variation(noise=0.02, noise_at=(1000, 5))))
    hidden = vary(np.zeros((40, 40, 3), np.uint8), Variation(hidden=(0.25, 0.5, 0.75, 1.0)))
    assert (hidden == 128).all(axis=2).sum() == 20 * 20


def test_draws_are_repeatable_and_within_the_recipe() -> None:
    some = [draw(AUGMENT, np.random.default_rng((7, 0, i))) for i in range(200)]
    again = [draw(AUGMENT, np.random.default_rng((7, 0, i))) for i in range(200)]
    assert some == again
    assert len({v.turn_deg for v in some}) == 200
    assert max(abs(v.turn_deg) for v in some) <= AUGMENT.rotate_deg
    assert all(AUGMENT.zoom[0] <= v.zoom <= AUGMENT.zoom[1] for v in some)
    assert all(1 / (1 + AUGMENT.gamma) <= v.gamma <= 1 + AUGMENT.gamma for v in some)
    assert 60 < sum(v.mirrored for v in some) < 140
    assert all(v.hidden is None for v in some)


def test_hidden_rectangles_lie_in_the_picture() -> None:
    for i in range(100):
        hidden = draw(replace(AUGMENT, erase=1.0), np.random.default_rng(i)).hidden
        assert hidden is not None
        x0, y0, x1, y1 = hidden
        assert 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1
        assert 0.02 <= (x1 - x0) * (y1 - y0) <= 0.12


def test_the_papers_recipe_varies_only_what_the_paper_names() -> None:
    plain = draw(read_recipe("zhang2025").augment, np.random.default_rng(1))
    named = {"mirrored", "turn_deg", "brightness", "contrast", "saturation", "hue_turn", "noise_at"}
    still = [f.name for f in fields(Variation) if f.name not in named]
    assert all(getattr(plain, name) == getattr(UNVARIED, name) for name in still)

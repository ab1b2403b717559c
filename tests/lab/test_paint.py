"""Painted pigment: Beer-Lambert to the letter, within its amount, on skin only, replayable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from melascope.cohort.paint import transmission
from melascope.lab.skin.paint import MOST, NOTHING, Paint, add, density, lay, look_alikes, sample, stubble

SIDE, FACE = 160, 140.0
SKIN = np.zeros((SIDE, SIDE), bool)
SKIN[15:-15, 20:-20] = True
PATTERNS = ["patches", "reticulate", "diffuse", "spots", "field"]
PATCHES = Paint("patches", 0.15, 0.0, 0.4, 0.1, 0.05, (0.5, 0.5, 2.0), 3)


def slow_add(light: float, amount: float, epidermal: float, dermal: float, depth: float) -> float:
    """One channel of one pixel: light x 10^(-density x absorption)."""
    absorption = (1 - depth) * epidermal + depth * dermal
    return float(light * 10 ** -(amount * absorption))


@pytest.mark.parametrize("depth", [0.0, 0.4, 1.0])
def test_pigment_follows_beer_lambert(depth: float) -> None:
    rng = np.random.default_rng(1)
    light = rng.uniform(0, 1, (4, 5, 3)).astype(np.float32)
    amount = rng.uniform(-0.1, 0.4, (4, 5)).astype(np.float32)
    seen = add(light, amount, depth)
    assert seen.dtype == np.float32
    for row, column, channel in np.ndindex(light.shape):
        epidermal, dermal = (1.0, 1.55, 2.4)[channel], (1.0, 1.2, 1.45)[channel]
        expected = slow_add(light[row, column, channel], amount[row, column], epidermal, dermal, depth)
        assert seen[row, column, channel] == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_layers_of_pigment_add_up() -> None:
    light = np.full((2, 2, 3), 0.6, np.float32)
    half, whole = np.full((2, 2), 0.1, np.float32), np.full((2, 2), 0.2, np.float32)
    assert add(add(light, half), half) == pytest.approx(add(light, whole), rel=1e-5)
    assert add(light, 0 * half) == pytest.approx(light)


@pytest.mark.parametrize("ita", [-50.0, 10.0, 50.0])
@pytest.mark.parametrize("depth", [0.0, 0.5, 1.0])
def test_spectral_pigment_is_the_skins_optics(ita: float, depth: float) -> None:
    """Pixel by pixel: light x the transmission of that much pigment in skin of that tone."""
    rng = np.random.default_rng(1)
    light = rng.uniform(0, 1, (3, 4, 3)).astype(np.float32)
    amount = rng.uniform(0, MOST, (3, 4)).astype(np.float32)
    seen, reached = lay(light, amount, depth, ita + 3.0)  # the tone counts to the nearest ten degrees
    for row, column in np.ndindex(amount.shape):
        wished = amount[row : row + 1, column]
        through = transmission(wished * (1 - depth), wished * depth, ita)[0]
        assert seen[row, column] == pytest.approx(light[row, column] * through, rel=0.02)
        assert reached[row, column] == pytest.approx(-np.log10(through[0]), rel=0.02, abs=1e-3)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("seed", range(5))
def test_pigment_lies_on_skin_and_within_its_amount(pattern: str, seed: int) -> None:
    paint = replace(PATCHES, pattern=pattern, seed=seed)
    amount, cover = density(paint, SKIN, FACE)
    assert amount.shape == cover.shape == SKIN.shape
    assert (amount.dtype, cover.dtype) == (np.float32, np.float32)
    assert not amount[~SKIN].any()
    assert not cover[~SKIN].any()
    assert 0 <= cover.min() <= cover.max() <= 1
    # The texture's noise overshoots 0 to 1 by a little.
    assert 0 <= amount.min() <= amount.max() <= 1.15 * paint.amount
    assert not amount[cover == 0].any()
    assert amount.max() > 0.4 * paint.amount


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_same_paint_paints_the_same(pattern: str) -> None:
    paint = replace(PATCHES, pattern=pattern)
    for one, other in zip(density(paint, SKIN, FACE), density(paint, SKIN, FACE), strict=True):
        assert (one == other).all()
    assert (density(paint, SKIN, FACE)[0] != density(replace(paint, seed=4), SKIN, FACE)[0]).any()


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("seed", range(3))
def test_the_share_asked_for_is_the_share_covered(share: float, seed: int) -> None:
    _, cover = density(replace(PATCHES, share=share, seed=seed), SKIN, FACE)
    assert (cover[SKIN] >= 0.5).mean() == pytest.approx(share, abs=0.02)


def test_nothing_paints_nothing() -> None:
    for part in density(NOTHING, SKIN, FACE):
        assert part.shape == SKIN.shape
        assert not part.any()


def test_without_skin_nothing_is_painted() -> None:
    for part in density(PATCHES, np.zeros_like(SKIN), FACE):
        assert not part.any()


def test_some_stay_healthy_and_every_pattern_is_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = [sample(rng) for _ in range(500)]
    assert 0.12 < np.mean([paint.pattern == "none" for paint in drawn]) < 0.4
    assert {paint.pattern for paint in drawn} == {"none", *PATTERNS}
    assert all(0.02 < paint.amount < 0.35 and 0 <= paint.share <= 1 for paint in drawn)
    assert all(paint.depth == 0 for paint in drawn if paint.pattern in ("reticulate", "diffuse"))


def test_look_alikes_are_replayable_and_leave_most_views_alone_in_part() -> None:
    light = np.full((SIDE, SIDE, 3), 0.4, np.float32)
    changed = 0
    for seed in range(20):
        seen, marks = look_alikes(light, SKIN, FACE, np.random.default_rng(seed))
        assert (seen == look_alikes(light, SKIN, FACE, np.random.default_rng(seed))[0]).all()
        assert not marks[~SKIN].any()
        assert not marks[(seen == light).all(axis=2)].any()
        assert seen.dtype == np.float32
        assert np.isfinite(seen).all()
        assert seen.min() > 0
        changed += bool((seen != light).any())
    assert 5 < changed < 20


def test_a_shaved_beard_darkens_the_skin_around_chin_and_lip_on_some_faces() -> None:
    light = np.full((SIDE, SIDE, 3), 0.4, np.float32)
    beard = np.zeros_like(SKIN)
    beard[SIDE * 3 // 4 :, SIDE // 3 : 2 * SIDE // 3] = True
    beard &= SKIN
    changed = 0
    for seed in range(60):
        seen = stubble(light, beard, SKIN, FACE, np.random.default_rng(seed))
        assert (seen == stubble(light, beard, SKIN, FACE, np.random.default_rng(seed))).all()
        assert (seen <= light).all()
        assert (seen[: SIDE // 8] == light[: SIDE // 8]).all()
        changed += bool((seen[beard] < light[beard]).any())
    assert 2 <= changed <= 16
    assert stubble(light, np.zeros_like(SKIN), SKIN, FACE, np.random.default_rng(0)) is light

"""Pigment map, outlines and regional scores on drawn skin, where everything is known."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from melascope.lesions.outline import FACE_MM, outline_lesions
from melascope.lesions.pigment import map_pigment
from melascope.masi import DARKNESS, HOMOGENEITY_MM
from melascope.photo.light import to_linear, to_srgb
from melascope.scoring import Calibration, measure_region
from melascope.skin.chromophores import MELANIN
from melascope.skin.regions import RegionMap
from melascope.vocabulary import Region, View

SIDE = 480
DERMAL = (1.0, 1.2, 1.45)


def drawn(
    cover: NDArray[np.float32], density: float, absorption: tuple[float, ...] = MELANIN, slope: float = 0.0
) -> RegionMap:
    """A flat face of one colour under a light gradient, with pigment whose place the network is told to know."""
    codes = np.full((SIDE, SIDE), Region.BACKGROUND, np.uint8)
    codes[40:-40, 40:-40] = Region.FOREHEAD
    codes[200:, 40:240], codes[200:, 240:440] = Region.RIGHT_MALAR, Region.LEFT_MALAR
    codes[380:, 160:320] = Region.CHIN
    codes[-40:] = Region.BACKGROUND
    light = np.broadcast_to(to_linear(np.array([205, 160, 135], np.uint8)), (SIDE, SIDE, 3))
    ramp = 10 ** (slope * np.linspace(-0.5, 0.5, SIDE, dtype=np.float32))[None, :, None]
    light = light * ramp * np.power(10.0, -density * cover[..., None] * np.array(absorption, np.float32))
    noise = np.random.default_rng(0).normal(0, 1, (SIDE, SIDE, 3))
    pixels = np.clip(to_srgb(light.astype(np.float32)) + noise, 0, 255).astype(np.uint8)
    return RegionMap(
        codes=codes,
        pixels=pixels,
        frame=(0, 0, SIDE, SIDE),
        view=View.FACE,
        confidence={},
        visible=frozenset(),
        faces=1,
        disease=np.where(cover >= 0.5, 0.95, 0.02).astype(np.float32),
        density=np.asarray(density * cover, np.float32),
        kinds=np.full((7, SIDE // 4, SIDE // 4), 1 / 7, np.float32),
        depth=np.zeros((SIDE // 4, SIDE // 4), np.float32),
        outline=codes,
    )


def disc(x: int, y: int, radius: int, blur: float = 1.0) -> NDArray[np.float32]:
    cover = np.zeros((SIDE, SIDE), np.float32)
    cv2.circle(cover, (x, y), radius, 1.0, -1)
    return np.asarray(cv2.GaussianBlur(cover, (0, 0), blur), np.float32)


@pytest.mark.parametrize("slope", [0.0, 0.4])
@pytest.mark.parametrize("density", [0.05, 0.1, 0.2])
def test_contrast_is_the_density_that_was_painted_in_any_light(density: float, slope: float) -> None:
    regions = drawn(disc(140, 300, 40), density, slope=slope)
    assert outline_lesions(regions, map_pigment(regions))[0].contrast == pytest.approx(density, abs=0.012)


def test_darkness_is_the_density_that_the_network_reads() -> None:
    regions = drawn(disc(140, 300, 40), 0.1)
    read = replace(regions, density=2 * regions.density)
    one, two = (measure_region(map_pigment(r), r.codes, Region.RIGHT_MALAR, 1.0).excess for r in (regions, read))
    assert (one, two) == (pytest.approx(0.1, abs=0.01), pytest.approx(0.2, abs=0.02))


def test_doubtful_pixels_hardly_count_in_the_darkness() -> None:
    """A weighted median, against pixels laid out as often as their weight says."""
    rng = np.random.default_rng(4)
    cover = disc(140, 300, 40)
    regions = drawn(cover, 0.1)
    chance = np.where(cover >= 0.5, rng.choice([0.4, 0.6, 0.95], cover.shape), 0.0).astype(np.float32)
    read = (cover * (0.02 + 0.2 * chance)).astype(np.float32)
    pigment = map_pigment(replace(regions, disease=chance, density=read))
    inner = pigment.involved & pigment.core
    laid_out = np.repeat(pigment.density[inner], np.round(1000 * pigment.probability[inner] ** 4).astype(int))
    measured = measure_region(pigment, regions.codes, Region.RIGHT_MALAR, 1.0)
    assert measured.excess == pytest.approx(float(np.median(laid_out)), abs=1e-3)
    assert measured.excess > float(np.median(pigment.density[inner])) + 0.01


def test_intervals_of_darkness_and_homogeneity_follow_density_and_diameter() -> None:
    regions = drawn(disc(140, 300, 30), 0.1)
    factors = Calibration(share=(1.0, 1.0), density=(1.0, 1.5), diameter=(2.0, 2.0), total=(1.0, 1.0))
    measured = measure_region(map_pigment(regions), regions.codes, Region.RIGHT_MALAR, 1.0, factors)
    error = 0.01 + 0.2 * measured.excess
    ends = [np.interp(measured.excess + factor * error, *zip(*DARKNESS, strict=True)) for factor in (-1, 1.5)]
    assert (measured.lowest.darkness, measured.highest.darkness) == pytest.approx(tuple(ends))
    sizes = [measured.diameter_mm * math.exp(sign * 2.0 * 0.25) for sign in (-1, 1)]
    ends = [np.interp(size, *zip(*HOMOGENEITY_MM, strict=True)) for size in sizes]
    assert (measured.lowest.homogeneity, measured.highest.homogeneity) == pytest.approx(tuple(ends))
    clear = measure_region(map_pigment(regions), regions.codes, Region.FOREHEAD, 1.0, factors)
    assert clear.lowest.darkness == clear.score.darkness == 0.0


def test_share_is_counted_in_pixels_of_the_region() -> None:
    cover = disc(140, 300, 40)
    regions = drawn(cover, 0.1)
    place = regions.codes == Region.RIGHT_MALAR
    truth = float((cover[place] >= 0.5).mean())
    measured = measure_region(map_pigment(regions), regions.codes, Region.RIGHT_MALAR, 1.0)
    assert measured.share == pytest.approx(truth, abs=0.005)
    assert measured.low <= truth <= measured.high
    assert measure_region(map_pigment(regions), regions.codes, Region.FOREHEAD, 1.0).share == 0


def test_redness_is_not_melanin() -> None:
    regions = drawn(disc(140, 300, 40), 0.15, absorption=(0.12, 1.0, 0.75))
    assert outline_lesions(regions, map_pigment(regions))[0].contrast < 0.01


def test_the_interval_of_a_share_is_what_the_probabilities_leave_open() -> None:
    regions = drawn(disc(140, 300, 40), 0.1)
    place = regions.codes == Region.RIGHT_MALAR
    factors = Calibration(share=(0.5, 1.5), density=(1.0, 1.0), diameter=(1.0, 1.0), total=(1.0, 1.0))
    measured = measure_region(map_pigment(regions), regions.codes, Region.RIGHT_MALAR, 2.0, factors)
    doubt = sum(float(p) * (1 - float(p)) for p in regions.disease[place]) / place.sum()
    half = 2.0 * (doubt + 0.005)
    assert measured.doubts.share == pytest.approx((half, half), rel=1e-3)
    assert measured.low == pytest.approx(measured.share - 0.5 * half, rel=1e-3)
    assert measured.high == pytest.approx(measured.share + 1.5 * half, rel=1e-3)
    assert measured.doubts.density == pytest.approx((2.0 * (0.01 + 0.2 * measured.excess),) * 2, rel=1e-3)


@pytest.mark.parametrize(("density", "step"), DARKNESS[1:])
def test_darkness_follows_its_table(density: float, step: float) -> None:
    regions = drawn(disc(140, 300, 40), density)
    measured = measure_region(map_pigment(regions), regions.codes, Region.RIGHT_MALAR, 1.0)
    assert measured.score.darkness == pytest.approx(step, abs=0.35)


def test_homogeneity_grows_from_specks_to_patches() -> None:
    specks = np.zeros((SIDE, SIDE), np.float32)
    for x in range(60, 230, 24):
        for y in range(220, 360, 24):
            cv2.circle(specks, (x, y), 4, 1.0, -1)
    values = []
    for cover in (specks, disc(140, 300, 20), disc(140, 290, 70)):
        regions = drawn(cover, 0.1)
        values.append(measure_region(map_pigment(regions), regions.codes, Region.RIGHT_MALAR, 1.0).score.homogeneity)
    assert values == sorted(values)
    assert 0.5 < values[0] < 1.8 and values[2] > 2.7
    assert HOMOGENEITY_MM[-1][1] == 3.0


def test_a_wider_photograph_fault_gives_a_wider_interval() -> None:
    regions = drawn(disc(140, 300, 40), 0.1)
    pigment = map_pigment(regions)
    one, two = (measure_region(pigment, regions.codes, Region.RIGHT_MALAR, w) for w in (1.0, 2.0))
    assert two.high - two.low > one.high - one.low
    assert two.doubts.density > one.doubts.density
    assert (two.share, two.excess) == (one.share, one.excess)


def test_an_absent_region_is_refused() -> None:
    regions = drawn(disc(140, 300, 40), 0.1)
    with pytest.raises(ValueError, match="Nose: no pixel of it"):
        measure_region(map_pigment(regions), regions.codes, Region.NOSE, 1.0)


def test_each_patch_is_outlined_once_with_its_box_and_area() -> None:
    cover = np.maximum(disc(120, 280, 30), disc(340, 120, 15))
    regions = drawn(cover, 0.12)
    found = outline_lesions(regions, map_pigment(regions))
    assert [o.region for o in found] == [Region.RIGHT_MALAR, Region.FOREHEAD]
    assert found[0].box == pytest.approx((90, 250, 151, 311), abs=2)
    assert found[0].area == pytest.approx(math.pi * 30**2, rel=0.06)
    assert found[0].contrast == pytest.approx(0.12, abs=0.015)


def test_a_sharp_edge_is_sharper_than_a_faded_one() -> None:
    sharp, faded = (
        outline_lesions(r, map_pigment(r))[0].edge_sharpness
        for r in (drawn(disc(140, 300, 40, blur), 0.15) for blur in (0.5, 12.0))
    )
    assert sharp > faded + 0.2


def test_dermal_pigment_is_bluer_than_epidermal() -> None:
    brown, blue = (
        outline_lesions(r, map_pigment(r))[0].blueness
        for r in (drawn(disc(140, 300, 40), 0.15, absorption) for absorption in (MELANIN, DERMAL))
    )
    assert brown < -0.5
    assert blue > 0.5


def test_specks_below_a_millimetre_are_not_listed() -> None:
    regions = drawn(disc(140, 300, 1, 0.3), 0.2)
    pigment = map_pigment(regions)
    assert pigment.face_px / FACE_MM > 2  # a millimetre is more than two pixels here
    assert outline_lesions(regions, pigment) == []

"""Skin tone: formulas against literal ones, drawings of known colour, and steadiness on real close-ups."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from melascope.photo.light import to_lab
from melascope.record import SkinTone
from melascope.skin import tone as room
from melascope.skin.tone import Tone, band_of, ita_of, measure_tone
from melascope.vocabulary import MONK_TONES, Region, ToneBand
from tests.photo.literal import literal_lab, literal_linear

Image = NDArray[np.uint8]
LIGHT, TAN, DARK = (226, 186, 160), (178, 130, 98), (82, 54, 44)


def face(colour: tuple[int, int, int], size: int = 400) -> tuple[Image, Image]:
    """A flat face with fine texture: four MASI regions and a nose on a grey ground."""
    codes = np.zeros((size, size), np.uint8)

    def box(region: Region, x0: float, y0: float, x1: float, y1: float) -> None:
        codes[int(y0 * size) : int(y1 * size), int(x0 * size) : int(x1 * size)] = region

    box(Region.FOREHEAD, 0.2, 0.1, 0.8, 0.3)
    box(Region.RIGHT_MALAR, 0.2, 0.4, 0.42, 0.75)
    box(Region.LEFT_MALAR, 0.58, 0.4, 0.8, 0.75)
    box(Region.NOSE, 0.42, 0.4, 0.58, 0.65)
    box(Region.CHIN, 0.4, 0.78, 0.6, 0.9)
    pixels = np.full((size, size, 3), 128, np.uint8)
    noise = np.random.default_rng(1).normal(0, 3, (size, size, 1))
    painted = np.clip(np.round(np.array(colour) + noise), 0, 255).astype(np.uint8)
    pixels[codes > 0] = painted[codes > 0]
    return pixels, codes


def measured(pixels: Image, codes: Image, affected: NDArray[np.bool_] | None = None, penalty: float = 0.0) -> Tone:
    tone = measure_tone(pixels, codes, affected, penalty_deg=penalty)
    assert tone is not None
    return tone


def mirrored(codes: Image) -> Image:
    other = codes[:, ::-1].copy()
    right, left = other == Region.RIGHT_MALAR, other == Region.LEFT_MALAR
    other[right], other[left] = Region.LEFT_MALAR, Region.RIGHT_MALAR
    return other


@pytest.mark.parametrize(
    ("ita", "band"),
    [
        (55.1, ToneBand.VERY_LIGHT),
        (55.0, ToneBand.LIGHT),
        (41.0, ToneBand.INTERMEDIATE),
        (28.0, ToneBand.TAN),
        (10.0, ToneBand.BROWN),
        (-30.0, ToneBand.DARK),
        (-179.0, ToneBand.DARK),
        (120.0, ToneBand.VERY_LIGHT),
    ],
)
def test_a_limit_belongs_to_the_darker_band(ita: float, band: ToneBand) -> None:
    assert band_of(ita) == band


@pytest.mark.parametrize("colour", [LIGHT, TAN, DARK])
def test_flat_skin_has_its_own_colour(colour: tuple[int, int, int]) -> None:
    tone = measured(*face(colour))
    l_star, _, b_star = literal_lab(colour)
    assert tone.l_star == pytest.approx(l_star, abs=0.5)
    assert tone.b_star == pytest.approx(b_star, abs=0.5)
    assert tone.ita_deg == pytest.approx(math.degrees(math.atan2(l_star - 50, b_star)), abs=1.5)
    assert tone.ita_deg == ita_of(tone.l_star, tone.b_star)
    assert set(tone.by_region) == {"forehead", "right_malar", "left_malar", "chin"}


@pytest.mark.parametrize("number", range(1, 11))
def test_a_monk_swatch_is_its_own_tone(number: int) -> None:
    colour = tuple(bytes.fromhex(MONK_TONES[number - 1][1:]))
    pixels = np.full((120, 120, 3), colour, np.uint8)
    codes = np.full((120, 120), Region.OTHER_SKIN, np.uint8)
    tone = measured(pixels, codes)
    assert tone.monk == number
    assert tone.monk_range[0] <= number <= tone.monk_range[1]


def test_the_result_fits_the_record() -> None:
    record = SkinTone(**asdict(measured(*face(LIGHT))))
    assert record.by_region["chin"].skin_px > 0
    assert record.fitzpatrick_range[0] < record.fitzpatrick_range[1]


@pytest.mark.parametrize("colour", [LIGHT, TAN, DARK])
def test_the_interval_holds_an_error_of_a_third_of_a_stop(colour: tuple[int, int, int]) -> None:
    pixels, codes = face(colour)
    tone = measured(pixels, codes)
    for stops in (-1 / 3, 1 / 3):
        linear = np.array([literal_linear(c) for c in colour]) * 2**stops
        l_star, _, b_star = to_lab(linear)
        assert tone.ita_low < ita_of(l_star, b_star) < tone.ita_high
    order = list(ToneBand)
    assert order.index(tone.band_range[0]) <= order.index(tone.band) <= order.index(tone.band_range[1])


def test_near_the_origin_of_the_angle_the_interval_is_wide() -> None:
    near, usual = measured(*face((126, 117, 114))), measured(*face(TAN))
    assert near.ita_high - near.ita_low > 1.5 * (usual.ita_high - usual.ita_low)


def test_penalty_widens_both_sides() -> None:
    plain, wide = measured(*face(TAN)), measured(*face(TAN), penalty=7.0)
    assert wide.ita_high - plain.ita_high == pytest.approx(7.0)
    assert plain.ita_low - wide.ita_low == pytest.approx(7.0)
    assert wide.ita_deg == plain.ita_deg


@pytest.mark.parametrize("seed", range(6))
def test_the_middle_of_the_regions_is_where_the_losses_are_least(seed: int) -> None:
    """Squared near it, linear far off; searched on a grid."""
    rng = np.random.default_rng(seed)
    values, weights = rng.normal(60, 6, (5, 4)), rng.uniform(0.05, 1, (5, 4))
    grid = np.linspace(30, 90, 60_001)
    for row, weight, found in zip(values, weights, room._middle(values, weights), strict=True):
        loss = (weight[:, None] * np.sqrt(1 + ((row[:, None] - grid) / 6) ** 2)).sum(axis=0)
        assert found == pytest.approx(grid[loss.argmin()], abs=0.01)


def test_one_shaded_region_pulls_little_more_however_dark_it_is() -> None:
    weights = np.array([1.0, 1.0, 1.0, 1 / 3])
    shaded, black = (room._middle(np.array([60.0, 61.0, 62.0, dark]), weights) for dark in (40.0, 0.0))
    assert 60 < black < shaded < black + 0.1


@pytest.mark.parametrize(
    "values", [(50.0, 65.0), (45.0, 65.0), (66.0, 64.0, 54.0, 55.0), (66.0, 56.0, 55.0, 54.0)], ids=str
)
def test_a_little_more_or_less_of_a_region_moves_the_tone_little(values: tuple[float, ...]) -> None:
    """Of a side-lit face, too, whose regions are of two kinds."""
    places = np.linspace(0.6, 1.0, 81)
    weights = np.stack([np.array([weight, *([0.8] * (len(values) - 1))]) for weight in places])
    found = room._middle(np.tile(values, (81, 1)), weights)
    steps = np.abs(np.diff(found)) / np.diff(places)
    assert steps.max() < 1.5 * (max(values) - min(values))  # a mean: 0.3; a median of two: without limit


def test_affected_skin_does_not_count() -> None:
    pixels, codes = face(LIGHT)
    clean = measured(pixels, codes)
    affected = np.zeros(codes.shape, bool)
    affected[160:290, 80:150] = True  # most of the right malar region
    affected[50:105, 80:280] = True  # and of the forehead
    affected[160:290, 240:310] = True  # and of the left malar region
    pixels[affected] = (200, 155, 125)
    assert measured(pixels, codes, affected).ita_deg == pytest.approx(clean.ita_deg, abs=1.0)
    assert measured(pixels, codes).ita_deg < clean.ita_deg - 3


def test_shade_and_shine_do_not_count() -> None:
    pixels, codes = face(LIGHT)
    clean = measured(pixels, codes)
    pixels[160:300, 60:170] = pixels[160:300, 60:170] // 3  # the right cheek in cast shadow
    pixels[60:80, 140:260] = 255
    assert measured(pixels, codes).ita_deg == pytest.approx(clean.ita_deg, abs=2.0)


def test_a_close_up_is_measured_on_skin_of_unknown_place() -> None:
    pixels, codes = face(TAN)
    codes[codes > 0] = Region.OTHER_SKIN
    tone = measured(pixels, codes)
    assert set(tone.by_region) == {"other_skin"}
    assert tone.ita_deg == pytest.approx(measured(*face(TAN)).ita_deg, abs=1.0)


def test_nose_joins_only_where_masi_regions_are_few() -> None:
    pixels, codes = face(TAN)
    for region in (Region.FOREHEAD, Region.LEFT_MALAR, Region.CHIN):
        codes[codes == region] = Region.BACKGROUND
    assert set(measured(pixels, codes).by_region) == {"right_malar", "nose"}


def test_skin_pixels_are_those_of_the_photograph() -> None:
    pixels, codes = face(TAN)
    one = measured(pixels, codes).by_region["forehead"].skin_px
    half = measure_tone(pixels, codes, None, scale=0.5)
    assert half is not None
    assert half.by_region["forehead"].skin_px == pytest.approx(4 * one, rel=0.01)
    assert 0.6 * np.count_nonzero(codes == Region.FOREHEAD) < one <= np.count_nonzero(codes == Region.FOREHEAD)


def test_no_skin_or_no_colour_gives_no_tone() -> None:
    pixels, codes = face(TAN)
    assert measure_tone(pixels, np.zeros_like(codes), None) is None
    assert measure_tone(np.full_like(pixels, 150), codes, None) is None
    assert measure_tone(pixels, codes, np.ones(codes.shape, bool)) is None
    assert measure_tone(np.zeros((3, 2, 3), np.uint8), np.ones((3, 2), np.uint8), None) is None


def test_the_same_photograph_gives_the_same_tone() -> None:
    assert measured(*face(TAN)) == measured(*face(TAN))


@pytest.mark.parametrize("penalty", [-1.0, math.nan])
def test_a_wrong_penalty_is_refused(penalty: float) -> None:
    with pytest.raises(ValueError, match="penalty_deg"):
        measure_tone(*face(TAN), None, penalty_deg=penalty)


def test_arrays_of_different_frames_are_refused() -> None:
    pixels, codes = face(TAN)
    with pytest.raises(ValueError, match="one frame"):
        measure_tone(pixels, codes[:-1], None)


def jpeg(pixels: Image, codes: Image) -> tuple[Image, Image]:
    data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1].copy(), codes


def halved(pixels: Image, codes: Image) -> tuple[Image, Image]:
    size = (codes.shape[1] // 2, codes.shape[0] // 2)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), np.asarray(cv2.resize(codes, size, interpolation=cv2.INTER_NEAREST), np.uint8)


CHANGES: dict[str, Callable[[Image, Image], tuple[Image, Image]]] = {
    "jpeg": jpeg,
    "half": halved,
    "mirror": lambda pixels, codes: (pixels[:, ::-1].copy(), mirrored(codes)),
    "rotated": lambda pixels, codes: (np.rot90(pixels).copy(), np.rot90(codes).copy()),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("colour", [LIGHT, TAN, DARK])
def test_a_shaded_face_re_saved_has_the_same_tone(colour: tuple[int, int, int], change: str) -> None:
    pixels, codes = face(colour)
    shade = np.linspace(0.75, 1.1, codes.shape[1])[None, :, None]
    pixels = np.clip(pixels * shade, 0, 255).astype(np.uint8)
    assert measured(*CHANGES[change](pixels, codes)).ita_deg == pytest.approx(measured(pixels, codes).ita_deg, abs=2)


@pytest.mark.parametrize("change", CHANGES)
def test_a_real_close_up_re_saved_has_the_same_tone(change: str, shared_data: Path) -> None:
    turned = []
    for path in sorted((shared_data / "pad-ufes-20" / "images").glob("*"))[::12]:
        pixels = np.asarray(cv2.imread(str(path)), np.uint8)[..., ::-1].copy()
        codes = np.full(pixels.shape[:2], Region.OTHER_SKIN, np.uint8)
        turned.append(abs(measured(*CHANGES[change](pixels, codes)).ita_deg - measured(pixels, codes).ita_deg))
    assert turned, "no close-ups in ../shared/data/pad-ufes-20/images"
    assert max(turned) < 2

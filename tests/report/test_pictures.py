"""Overlay and maps: sizes, colours, what is drawn where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from melascope.record import Analysis
from melascope.report import palette
from melascope.report.maps import maps, relevance
from melascope.report.overlay import figure, overlay
from melascope.report.page import tone_colour
from melascope.vocabulary import MASI_REGIONS, Region
from tests.report.synthetic import CASES, arrays_of, measured

PICTURED = [name for name in CASES if name != "refused"]


def near(picture: np.ndarray, colour: tuple[int, int, int], within: int = 12) -> np.ndarray:
    return (np.abs(picture.astype(int) - colour) <= within).all(axis=-1)


@pytest.mark.parametrize("case", PICTURED)
def test_overlay_and_maps_have_bounded_size(case: str) -> None:
    for picture in (overlay(CASES[case]), maps(CASES[case])):
        assert picture.dtype == np.uint8
        assert picture.ndim == 3
        assert max(picture.shape) <= 1600


@pytest.mark.parametrize("size", [(1, 1), (17, 400), (400, 17), (64, 64), (3000, 2000), (2400, 90)])
def test_any_size_of_photograph_gives_readable_figures(size: tuple[int, int]) -> None:
    analysis = measured(width=size[0], height=size[1])
    picture = overlay(analysis)
    assert max(picture.shape) <= 1600
    assert min(picture.shape[:2]) >= 250
    assert maps(analysis).ndim == 3


def test_regions_are_outlined_in_their_colour_and_in_their_place() -> None:
    picture = figure(measured(share=0.0, lesions=0))
    columns = {region: np.nonzero(near(picture, palette.REGIONS[region]))[1] for region in MASI_REGIONS}
    assert all(len(found) > 200 for found in columns.values())
    assert np.median(columns[Region.RIGHT_MALAR]) < np.median(columns[Region.LEFT_MALAR])


def test_small_face_in_a_wide_photograph_is_shown_large_with_its_sides_right() -> None:
    face = measured(width=180, height=240, lesions=3)
    arrays = face.arrays
    place = (slice(30, 270), slice(20, 200))
    pixels = np.full((600, 900, 3), 40, np.uint8)
    codes, lesions = np.zeros((600, 900), np.uint8), np.zeros((600, 900), bool)
    pixels[place], codes[place], lesions[place] = arrays.pixels, arrays.region_codes, arrays.lesion_mask
    wide = face.with_arrays(replace(arrays, pixels=pixels, region_codes=codes, lesion_mask=lesions))
    alone, found = figure(face), figure(wide)
    for region in MASI_REGIONS:
        colour = palette.REGIONS[region]
        assert near(found, colour).sum() > 0.5 * near(alone, colour).sum()
    right, left = (np.nonzero(near(found, palette.REGIONS[r]))[1] for r in (Region.RIGHT_MALAR, Region.LEFT_MALAR))
    assert right.min() < 0.1 * found.shape[1], "the label of the right malar region stands on the left"
    assert left.max() > 0.75 * found.shape[1]


def test_region_that_is_not_there_is_not_outlined() -> None:
    there, gone = figure(measured(share=0.0)), figure(measured(share=0.0, missing=(Region.LEFT_MALAR,)))
    colour = palette.REGIONS[Region.LEFT_MALAR]
    assert near(there, colour).sum() > 200
    assert near(gone, colour).sum() == 0


@pytest.mark.parametrize("skin", [(244, 214, 196), (214, 168, 140), (92, 62, 48), (58, 40, 34)])
def test_lesion_outline_stands_out_of_light_and_dark_skin(skin: tuple[int, int, int]) -> None:
    plain, marked = measured(share=0.0, lesions=0, skin=skin), measured(lesions=0, skin=skin)
    assert near(figure(plain), palette.LESION, 40).sum() == 0
    drawn = near(figure(marked), palette.LESION, 40)
    assert drawn.sum() > 300
    light = np.array([0.2126, 0.7152, 0.0722])
    casing_and_skin = [(np.array(colour) / 255) ** 2.2 @ light + 0.05 for colour in ((255, 255, 255), skin)]
    line = (np.array(palette.LESION) / 255) ** 2.2 @ light + 0.05
    ratios = [max(line, other) / min(line, other) for other in casing_and_skin]
    assert max(ratios) >= 3.0  # contrast of graphics, WCAG 2.1, 1.4.11


def test_lesion_fill_is_seen_and_keeps_the_pigment_visible() -> None:
    marked = measured(lesions=0)
    arrays = marked.arrays
    bare = marked.with_arrays(replace(arrays, lesion_mask=np.zeros_like(arrays.lesion_mask)))
    change = np.abs(figure(marked).astype(int) - figure(bare)).max(axis=-1)
    inside = change[(change > 0) & (change < 60)]  # the fill; the outlines change more
    assert 4 <= np.median(inside) <= 30


def test_figures_do_not_change_the_arrays() -> None:
    analysis = measured()
    before = [np.array(a) for a in (analysis.arrays.pixels, analysis.arrays.region_codes, analysis.arrays.melanin)]
    overlay(analysis)
    maps(analysis)
    after = (analysis.arrays.pixels, analysis.arrays.region_codes, analysis.arrays.melanin)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_refused_photograph_has_no_picture() -> None:
    with pytest.raises(LookupError, match=r"blurred\.jpg"):
        overlay(CASES["refused"])


@pytest.mark.parametrize("name", ["melanin", "haemoglobin", "pigment", "relevance"])
def test_colour_maps_are_even_in_lightness(name: str) -> None:
    table = palette.colour_map(name).astype(float) / 255
    linear = np.where(table <= 0.04045, table / 12.92, ((table + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126729, 0.7151522, 0.0721750)
    lightness = 116 * np.cbrt(luminance) - 16
    halves = [lightness[:128][::-1], lightness[128:]] if name != "pigment" else [lightness]
    for half in halves:
        assert (np.diff(half) < 0.35).all(), "darker with distance from normal"
        assert half[0] > 93
        assert half[-1] < 55


def test_maps_show_pigment_where_it_is_and_grey_off_the_skin() -> None:
    analysis = measured(width=520, height=520)
    picture = maps(analysis)
    panel = picture[picture.shape[0] // 2 :, picture.shape[1] // 2 :]
    table = palette.colour_map("pigment").astype(int)
    dark = np.zeros(panel.shape[:2], bool)
    for colour in table[150:]:
        dark |= near(panel, tuple(colour), 2)
    share = dark.sum() / (analysis.arrays.lesion_mask.sum())
    assert 0.5 < share < 1.5


def test_relevance_is_purple_where_it_speaks_for_the_class_and_green_where_against() -> None:
    assert relevance(CASES["complete"]) is None
    picture = relevance(CASES["read"])
    assert picture is not None and max(picture.shape) <= 1600
    height, width = picture.shape[:2]
    panel = picture[60 : height - 80, width // 2 + 20 :].astype(int)
    red, green, blue = panel[..., 0], panel[..., 1], panel[..., 2]
    purple, verdant = np.argwhere(blue - green > 40), np.argwhere(green - blue > 25)
    for found, place in ((purple, (0.6, 0.3)), (verdant, (0.25, 0.5))):
        assert len(found) > 500
        assert np.abs(found.mean(axis=0) / panel.shape[:2] - place).max() < 0.12
    assert np.abs(red - green)[-10:].max() <= 2, "where the network was shown nothing the photograph is grey"


def test_relevance_of_nothing_known_is_still_a_picture() -> None:
    reading = CASES["read"]
    nowhere = replace(reading.arrays, relevance=np.full_like(reading.arrays.melanin, np.nan))
    assert relevance(reading.with_arrays(nowhere)) is not None
    plain = replace(reading.arrays, relevance=None)
    assert relevance(reading.with_arrays(plain)) is None


def test_maps_without_any_skin() -> None:
    analysis = measured()
    nothing = np.zeros_like(analysis.arrays.region_codes)
    empty = arrays_of(nothing, nothing.astype(bool))
    assert maps(analysis.with_arrays(empty)).ndim == 3
    assert tone_colour(analysis.with_arrays(empty)) is None


def test_tone_colour_leaves_the_lesions_out() -> None:
    clear: Analysis = measured(share=0.0)
    marked = measured(share=0.45)
    difference = np.abs(np.array(tone_colour(clear)) - np.array(tone_colour(marked)))
    assert difference.max() <= 4

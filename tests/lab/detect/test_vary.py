"""Training pictures: boxes go where their pixels go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from melascope.lab.detect.recipe import read_recipe
from melascope.lab.detect.vary import draw_tiles, tiled, varied, visible
from melascope.lab.severity.augment import UNVARIED, Variation

SIDE = 64


def photo(x0: int, y0: int, x1: int, y1: int, colour: tuple[int, int, int] = (255, 0, 0)) -> np.ndarray:
    pixels = np.full((SIDE, SIDE, 3), 30, np.uint8)
    pixels[y0:y1, x0:x1] = colour
    return pixels


def seen(pixels: np.ndarray, channel: int = 0) -> np.ndarray:
    """The box around what is bright in a channel."""
    y, x = np.nonzero(pixels[..., channel] > 140)
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])


@pytest.mark.parametrize(
    "look",
    [
        UNVARIED,
        Variation(mirrored=True),
        Variation(zoom=1.4),
        Variation(zoom=0.8, right=0.05, down=-0.03),
        Variation(mirrored=True, zoom=0.9, right=-0.04, turn_deg=90.0),
    ],
)
def test_a_box_goes_with_its_pixels(look: Variation) -> None:
    boxes = np.array([[20.0, 26, 40, 36]])
    picture, there, stays = varied(photo(20, 26, 40, 36), boxes, look, 0.25, 2.0)
    assert stays.all()
    np.testing.assert_allclose(there[0], seen(picture), atol=1.1)


def test_what_is_cut_away_goes() -> None:
    boxes = np.array([[-8.0, 0, 2, 10], [-2, 0, 8, 10], [0, 0, 1, 40], [70, 70, 90, 90]])
    cut, stays = visible(boxes, (0, 0, SIDE, SIDE), 0.25, 2.0)
    assert stays.tolist() == [False, True, False, False]
    assert cut[1].tolist() == [0, 0, 8, 10]


@pytest.mark.parametrize("seed", range(6))
def test_four_photos_keep_their_boxes(seed: int) -> None:
    mosaic = replace(read_recipe("melascope").mosaic, share=1.0)
    tiles = draw_tiles(mosaic, 0, 9, np.random.default_rng(seed))
    assert tiles is not None
    assert tiles == draw_tiles(mosaic, 0, 9, np.random.default_rng(seed))
    box = np.array([[24.0, 22, 44, 46]])
    for place in range(4):
        pieces = [(photo(0, 0, 0, 0), np.zeros((0, 4)))] * 4
        pieces[place] = (photo(24, 22, 44, 46), box)
        picture, found, stay = tiled(tuple(pieces), tiles, 0.3, 3.0)
        if stay[place].all():
            np.testing.assert_allclose(found[place][0], seen(picture), atol=2.0)
        else:
            assert (picture[..., 0] > 140).sum() < 0.45 * 20 * 24 * tiles.pieces[place].zoom ** 2


def test_without_a_share_there_is_no_mosaic() -> None:
    assert draw_tiles(read_recipe("ding2022").mosaic, 0, 9, np.random.default_rng(1)) is None

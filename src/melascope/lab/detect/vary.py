"""Training pictures: photos varied with their boxes, four in one at times. Drawn first, then pure functions of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.lab.detect.recipe import Mosaic
from melascope.lab.severity.augment import Variation, placed, vary
from melascope.lesions.letterbox import GREY

__all__ = ["Piece", "Tiles", "draw_tiles", "moved", "tiled", "varied", "visible"]

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float64]
_MIDDLE = (0.35, 0.65)
"""Where four photos meet, as shares of the side."""


@dataclass(frozen=True)
class Piece:
    """One of four photos."""

    photo: int
    zoom: float
    """Its side as a share of the picture's."""
    right: float
    down: float
    """Where it lies behind its window, 0 to 1."""


@dataclass(frozen=True)
class Tiles:
    """Four photos in one picture: upper left, upper right, lower left, lower right."""

    middle: tuple[float, float]
    """Where they meet: share across, share down."""
    pieces: tuple[Piece, Piece, Piece, Piece]


def draw_tiles(mosaic: Mosaic, photo: int, photos: int, rng: np.random.Generator) -> Tiles | None:
    """Draw four photos and their places, or None where this picture shows one."""
    if rng.random() >= mosaic.share:
        return None
    middle = (float(rng.uniform(*_MIDDLE)), float(rng.uniform(*_MIDDLE)))
    chosen = [photo, *(int(rng.integers(photos)) for _ in range(3))]
    one, two, three, four = (
        Piece(chosen[i], float(rng.uniform(*mosaic.zoom)), float(rng.random()), float(rng.random()))
        for i in rng.permutation(4)
    )
    return Tiles(middle, (one, two, three, four))


def moved(boxes: Boxes, matrix: NDArray[np.float64]) -> Boxes:
    """(n, 4) upright boxes around the corners of others after a (2, 3) map of pixels' middles (OpenCV's)."""
    x0, y0, x1, y1 = (boxes - 0.5).T
    corners = np.stack([np.stack([x, y], axis=-1) for x in (x0, x1) for y in (y0, y1)], axis=1)
    there = corners @ matrix[:, :2].T + matrix[:, 2] + 0.5
    return np.concatenate([there.min(axis=1), there.max(axis=1)], axis=1)


def visible(
    boxes: Boxes, window: tuple[float, float, float, float], share: float, least: float
) -> tuple[Boxes, NDArray[np.bool_]]:
    """Boxes as a window x0, y0, x1, y1 cuts them, and which of them stay.

    Args:
        boxes: (n, 4).
        window: What is seen.
        share: Of a box's area that must be seen.
        least: Pixels that each side must have left.
    """
    low, high = np.array(window[:2] * 2), np.array(window[2:] * 2)
    cut = np.clip(boxes, low, high)
    sides = cut[:, 2:] - cut[:, :2]
    whole = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    stays = (sides >= max(least, 1e-6)).all(axis=1) & (sides.prod(axis=1) >= share * whole)
    return cut, stays


def varied(
    pixels: Pixels, boxes: Boxes, variation: Variation, share: float, least: float
) -> tuple[Pixels, Boxes, NDArray[np.bool_]]:
    """One photo with its boxes, varied.

    Args:
        pixels: (S, S, 3).
        boxes: (n, 4).
        variation: What to do.
        share: See `visible`.
        least: See `visible`.

    Returns:
        Picture; boxes; which of them stay.
    """
    side = pixels.shape[0]
    there = moved(boxes, placed(side, variation)) if len(boxes) else boxes
    cut, stays = visible(there, (0, 0, side, side), share, least)
    return vary(pixels, variation), cut, stays


def tiled(
    photos: tuple[tuple[Pixels, Boxes], ...], tiles: Tiles, share: float, least: float
) -> tuple[Pixels, list[Boxes], list[NDArray[np.bool_]]]:
    """Four photos with their boxes in one picture.

    Args:
        photos: Pixels (S, S, 3) and boxes (n, 4) of each piece.
        tiles: Where they lie.
        share: See `visible`.
        least: See `visible`.

    Returns:
        Picture; boxes of each piece; which of them stay.
    """
    side = photos[0][0].shape[0]
    across, down = (round(side * share_) for share_ in tiles.middle)
    windows = (
        (0, 0, across, down), (across, 0, side, down), (0, down, across, side), (across, down, side, side),
    )  # fmt: skip
    picture = np.full((side, side, 3), GREY, np.uint8)
    found: list[Boxes] = []
    stay: list[NDArray[np.bool_]] = []
    for (pixels, boxes), piece, (x0, y0, x1, y1) in zip(photos, tiles.pieces, windows, strict=True):
        size = max(2, round(side * piece.zoom))
        left = x0 + round(piece.right * (x1 - x0 - size))
        top = y0 + round(piece.down * (y1 - y0 - size))
        how = cv2.INTER_AREA if size < side else cv2.INTER_LINEAR
        small = np.asarray(cv2.resize(pixels, (size, size), interpolation=how), np.uint8)
        a, b, c, d = max(x0, left), max(y0, top), min(x1, left + size), min(y1, top + size)
        picture[b:d, a:c] = small[b - top : d - top, a - left : c - left]
        there = boxes * (size / side) + np.array([left, top] * 2)
        cut, stays = visible(there, (a, b, c, d), share, least)
        found.append(cut)
        stay.append(stays)
    return picture, found, stay

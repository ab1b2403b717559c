"""Heat maps as pictures: red for the class, blue against it, over a pale photo; every map with its scale."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = ["Tile", "colour_bar", "heat", "jpeg", "outlined", "scale_of", "strip"]

Pixels = NDArray[np.uint8]
_FOR: Final = np.array([178, 24, 43], np.float64)
_AGAINST: Final = np.array([33, 102, 172], np.float64)
_OUTLINE: Final = (214, 0, 122)
_INK: Final = (28, 33, 38)
_SOFT: Final = (84, 93, 102)
_GAP: Final = 8
_LEAST: Final = 200
"""Pixels of a tile's side."""


@dataclass(frozen=True)
class Tile:
    """A picture with two lines below it (ASCII and Latin-1 signs)."""

    pixels: Pixels
    title: str
    note: str = ""


def scale_of(relevance: NDArray[np.floating]) -> float:
    """The 99.5th percentile of |R|: full colour. A few pixels beyond it are shown as full colour too."""
    return float(np.quantile(np.abs(relevance), 0.995))


def heat(photo: Pixels, relevance: NDArray[np.floating], scale: float) -> Pixels:
    """(S, S, 3): a pale grey photo, coloured in proportion to R / scale; zero has no colour.

    Args:
        photo: (S, S, 3) sRGB.
        relevance: (S, S).
        scale: The |R| that has full colour; above 0.
    """
    grey = cv2.cvtColor(np.ascontiguousarray(photo), cv2.COLOR_RGB2GRAY).astype(np.float64)[..., None]
    pale = 205 + 50 * grey / 255
    strength = np.clip(np.abs(relevance) / max(scale, 1e-300), 0, 1)[..., None]
    colour = np.where((relevance > 0)[..., None], _FOR, _AGAINST)
    return np.asarray(np.rint((1 - strength) * pale + strength * colour), np.uint8)


def outlined(photo: Pixels, mask: NDArray[np.floating] | None) -> Pixels:
    """The photo with the edge of a mask drawn on it."""
    drawn = np.ascontiguousarray(photo).copy()
    if mask is not None:
        edges, _ = cv2.findContours((mask >= 0.5).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, edges, -1, _OUTLINE, 1, cv2.LINE_AA)
    return drawn


def strip(tiles: Sequence[Tile]) -> Image.Image:
    """Tiles side by side with their captions; small ones are enlarged, pixel for pixel, so that the words have room."""
    times = -(-_LEAST // tiles[0].pixels.shape[0])
    side = times * tiles[0].pixels.shape[0]
    large, small = round(0.08 * side), round(0.065 * side)
    sheet = Image.new("RGB", (len(tiles) * (side + _GAP) - _GAP, side + 2 * large + small), "white")
    draw = ImageDraw.Draw(sheet)
    for number, tile in enumerate(tiles):
        left = number * (side + _GAP)
        sheet.paste(Image.fromarray(tile.pixels.repeat(times, 0).repeat(times, 1)), (left, 0))
        draw.text((left, side + 3), tile.title, _INK, ImageFont.load_default(size=large))
        draw.text((left, side + 4 + round(1.2 * large)), tile.note, _SOFT, ImageFont.load_default(size=small))
    return sheet


def colour_bar(width: int = 300, height: int = 14) -> Pixels:
    """(height, width, 3) of the scale from minus full to plus full, over white."""
    values = np.repeat(np.linspace(-1, 1, width)[None], height, axis=0)
    return heat(np.full((height, width, 3), 255, np.uint8), values, 1.0)


def jpeg(picture: Image.Image, quality: int = 86) -> bytes:
    """The picture as JPEG, for a page."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality, optimize=True)
    return stream.getvalue()

"""What a network of one fixed size is shown of a photo: the square around the facial skin, or all of it."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.networks import load
from melascope.photo.geometry import among
from melascope.skin.regions import SIDE
from melascope.vocabulary import FACIAL_SKIN, Region

__all__ = ["cut_square", "face_box", "framed_square"]

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]
_LEAST_FACE: Final = 0.02
"""Share of a photo that facial skin must fill to count as a face."""
_LANDMARKS: Final = (Region.NOSE, Region.LIPS)


def framed_square(pixels: Pixels, side: int, margin: float | None) -> Pixels:
    """What a network sees of an upright photo.

    Args:
        pixels: (H, W, 3) sRGB.
        side: S, pixels of a side.
        margin: Added to each side of the facial skin, as a share of its longer side. None, or a photo in which no face
            is found: the whole photo, squeezed to a square.

    Returns:
        (S, S, 3).
    """
    box = None if margin is None else face_box(pixels)
    if box is not None and margin is not None:
        pixels = cut_square(pixels, box, margin)
    height, width = pixels.shape[:2]
    how = cv2.INTER_AREA if height >= side and width >= side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (side, side), interpolation=how), np.uint8)


def face_box(pixels: Pixels) -> Box | None:
    """x0, y0, x1, y1 of the facial skin in one quick look of the skin network; None where it finds no face."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    small = cv2.resize(
        pixels, (max(1, round(SIDE * width / side)), max(1, round(SIDE * height / side))), interpolation=cv2.INTER_AREA
    )
    padded = np.zeros((SIDE, SIDE, 3), np.float32)
    padded[: small.shape[0], : small.shape[1]] = small
    maps = load("skin")(np.ascontiguousarray((padded / 127.5 - 1).transpose(2, 0, 1)[None]))[0, : len(Region)]
    codes = maps.argmax(axis=0).astype(np.uint8)
    skin = among(codes, FACIAL_SKIN)
    if skin.mean() < _LEAST_FACE or not all((codes == region).sum() >= 8 for region in _LANDMARKS):
        return None
    # A speck of skin elsewhere moves no border.
    columns, rows = skin.sum(axis=0), skin.sum(axis=1)
    x = np.flatnonzero(columns > 0.05 * columns.max())
    y = np.flatnonzero(rows > 0.05 * rows.max())
    scale = side / codes.shape[0]
    return scale * x[0], scale * y[0], scale * (x[-1] + 1), scale * (y[-1] + 1)


def cut_square(pixels: Pixels, box: Box, margin: float) -> Pixels:
    """The square around a box, with a margin, of a photo (H, W, 3) or of codes (H, W); 0 where it leaves them."""
    side = max(2, round((1 + 2 * margin) * max(box[2] - box[0], box[3] - box[1])))
    left, top = round((box[0] + box[2] - side) / 2), round((box[1] + box[3] - side) / 2)
    height, width = pixels.shape[:2]
    out = np.zeros((side, side, *pixels.shape[2:]), np.uint8)
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + side), min(height, top + side)
    out[y0 - top : y1 - top, x0 - left : x1 - left] = pixels[y0:y1, x0:x1]
    return out

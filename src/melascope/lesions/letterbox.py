"""A photo of any shape in a square picture, with grey beside it, and boxes there and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["GREY", "Fit", "fit", "letterbox"]

GREY: Final = 114
"""Of what lies beside the photo, 0 to 255."""


@dataclass(frozen=True)
class Fit:
    """Where a photo lies in a picture."""

    width: int
    """Of the photo, pixels."""
    height: int
    side: int
    """Of the picture."""
    scale: float
    """Pixels of the picture for one of the photo."""
    right: int
    down: int
    """Where the photo's upper left corner lies in the picture."""

    def to_picture(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n, 4) boxes of the photo as they lie in the picture."""
        shift = np.array([self.right, self.down] * 2, np.float64)
        return np.asarray(boxes, np.float64).reshape(-1, 4) * self.scale + shift

    def to_photo(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n, 4) boxes of the picture as they lie on the photo, cut at its edges."""
        shift = np.array([self.right, self.down] * 2, np.float64)
        there = (np.asarray(boxes, np.float64).reshape(-1, 4) - shift) / self.scale
        return np.clip(there, 0, np.array([self.width, self.height] * 2, np.float64))


def fit(width: int, height: int, side: int) -> Fit:
    """Where a photo lies in a square picture: as large as it can be, in the middle.

    Example:
        >>> fit(400, 200, 100)
        Fit(width=400, height=200, side=100, scale=0.25, right=0, down=25)
    """
    scale = side / max(width, height)
    across, down = _size(width, height, scale)
    return Fit(width, height, side, scale, (side - across) // 2, (side - down) // 2)


def letterbox(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(side, side, 3) picture of an upright photo (H, W, 3)."""
    height, width = pixels.shape[:2]
    place = fit(width, height, side)
    across, down = _size(width, height, place.scale)
    how = cv2.INTER_AREA if place.scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(pixels, (across, down), interpolation=how), np.uint8)
    if (across, down) == (side, side):
        return small
    picture = np.full((side, side, 3), GREY, np.uint8)
    picture[place.down : place.down + down, place.right : place.right + across] = small
    return picture


def _size(width: int, height: int, scale: float) -> tuple[int, int]:
    return max(1, round(width * scale)), max(1, round(height * scale))

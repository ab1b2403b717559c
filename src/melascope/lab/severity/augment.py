"""How a training photo is varied: drawn first, then applied by a pure function."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.lab.severity.recipe import Augment

__all__ = ["UNVARIED", "Variation", "colour_matrix", "draw", "placed", "vary"]

Pixels = NDArray[np.uint8]
_GREY: Final = np.array([0.299, 0.587, 0.114])
_ENCODED: Final = 1 / 2.2
"""A gain of the light is about this power of itself in sRGB values."""
_NOISE_SIDE: Final = 1024


@dataclass(frozen=True)
class Variation:
    """What is done to one photo."""

    mirrored: bool = False
    turn_deg: float = 0.0
    zoom: float = 1.0
    """Side of the part that is seen, as a share of the frame."""
    right: float = 0.0
    down: float = 0.0
    """Where its centre lies from the frame's, as shares of the frame."""
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue_turn: float = 0.0
    """Share of a full turn."""
    temperature: float = 0.0
    tint: float = 0.0
    gamma: float = 1.0
    blur: float = 0.0
    """Standard deviation as a share of the side."""
    noise: float = 0.0
    noise_at: tuple[int, int] = (0, 0)
    """Where in the table of noise."""
    hidden: tuple[float, float, float, float] | None = None
    """x0, y0, x1, y1 of a grey rectangle, as shares of the side."""


UNVARIED: Final = Variation()


def draw(augment: Augment, rng: np.random.Generator) -> Variation:
    """Draw a variation; the same generator state gives the same one."""

    def around(amount: float) -> float:
        return float(rng.uniform(-amount, amount))

    hidden = None
    erased, area, shape, x, y = rng.random(5)
    if erased < augment.erase:
        side = math.sqrt(0.02 + 0.10 * area)
        stretch = 2.0 ** (shape - 0.5)
        width, height = side * stretch, side / stretch
        hidden = (x * (1 - width), y * (1 - height), x * (1 - width) + width, y * (1 - height) + height)
    blurred, width = rng.random(2)
    return Variation(
        mirrored=bool(rng.random() < augment.flip),
        turn_deg=around(augment.rotate_deg),
        zoom=float(rng.uniform(*augment.zoom)),
        right=around(augment.shift),
        down=around(augment.shift),
        brightness=1 + around(augment.brightness),
        contrast=1 + around(augment.contrast),
        saturation=1 + around(augment.saturation),
        hue_turn=around(augment.hue),
        temperature=around(augment.temperature),
        tint=around(augment.tint),
        gamma=(1 + augment.gamma) ** around(1),
        blur=augment.blur * float(width) if blurred < 0.5 else 0.0,
        noise=augment.noise * float(rng.random()),
        noise_at=(int(rng.integers(_NOISE_SIDE // 2)), int(rng.integers(_NOISE_SIDE // 2))),
        hidden=hidden,
    )


def vary(pixels: Pixels, variation: Variation) -> Pixels:
    """A photo, varied.

    Args:
        pixels: (S, S, 3) sRGB, at most 512 where noise is added without a seam.
        variation: What to do. What lies outside the photo is black.

    Returns:
        (S, S, 3); the same array if nothing is to be done.
    """
    if variation == UNVARIED:
        return pixels
    side = pixels.shape[0]
    v = variation
    out = pixels
    if v.mirrored or v.turn_deg or v.zoom != 1 or v.right or v.down:
        out = np.asarray(cv2.warpAffine(out, placed(side, v), (side, side), flags=cv2.INTER_LINEAR), np.uint8)
    if v.blur * side > 0.2:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), v.blur * side), np.uint8)
    matrix = colour_matrix(v, np.array(cv2.mean(out)[:3]))
    if not np.allclose(matrix[:, :3], np.eye(3), atol=1e-6):
        out = np.asarray(cv2.transform(out, matrix), np.uint8)
    if abs(v.gamma - 1) > 1e-6:
        table = np.round(255 * (np.arange(256) / 255) ** v.gamma).astype(np.uint8)
        out = np.asarray(cv2.LUT(out, table), np.uint8)
    if v.noise > 0:
        grain = np.round(_noise(side, v.noise_at) * (255 * v.noise / 32))
        out = np.clip(out + grain, 0, 255).astype(np.uint8)
    if v.hidden is not None:
        x0, y0, x1, y1 = (round(share * side) for share in v.hidden)
        out = out.copy()
        out[y0:y1, x0:x1] = 128
    return out


def colour_matrix(v: Variation, mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Brightness, balance, contrast, saturation and hue as one (3, 4) matrix on values from 0 to 255.

    Args:
        v: The variation.
        mean: (3,) mean R, G, B of the photo: contrast leaves its grey as it is.
    """
    stops = np.array([v.temperature / 2, v.tint, -v.temperature / 2])
    gains = v.brightness * 2.0 ** (stops * _ENCODED)
    saturated = v.saturation * np.eye(3) + (1 - v.saturation) * np.tile(_GREY, (3, 1))
    matrix = _around_grey(v.hue_turn) @ saturated @ (v.contrast * np.diag(gains))
    # Saturation and hue leave grey as it is, and what contrast adds is grey.
    added = (1 - v.contrast) * float(_GREY @ (gains * mean))
    return np.column_stack([matrix, np.full(3, added)])


def _around_grey(turn: float) -> NDArray[np.float64]:
    """Rotation of colours around the axis from black to white (Rodrigues' formula)."""
    angle = 2 * math.pi * turn
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    return np.asarray(math.cos(angle) * np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) / 3)


def placed(side: int, v: Variation) -> NDArray[np.float64]:
    """(2, 3) matrix from the photo to the picture; both count from the middle of the first pixel."""
    angle = math.radians(v.turn_deg)
    cos, sin = math.cos(angle) / v.zoom, math.sin(angle) / v.zoom
    turned = np.array([[cos, -sin], [sin, cos]]) @ np.diag([-1.0 if v.mirrored else 1.0, 1.0])
    middle = np.full(2, (side - 1) / 2)
    centre = middle + side * np.array([v.right, v.down])
    return np.column_stack([turned, middle - turned @ centre])


@lru_cache(maxsize=1)
def _table() -> NDArray[np.int8]:
    """Standard normal noise times 32, mixed of grain in brightness (most) and in colour."""
    rng = np.random.default_rng(20250429)
    grey = rng.standard_normal((_NOISE_SIDE, _NOISE_SIDE, 1))
    colour = rng.standard_normal((_NOISE_SIDE, _NOISE_SIDE, 3))
    return np.clip(np.round(32 * (0.8 * grey + 0.6 * colour)), -127, 127).astype(np.int8)


def _noise(side: int, at: tuple[int, int]) -> NDArray[np.float32]:
    rows = np.arange(at[0], at[0] + side) % _NOISE_SIDE
    columns = np.arange(at[1], at[1] + side) % _NOISE_SIDE
    if rows[-1] > rows[0] and columns[-1] > columns[0]:
        return _table()[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    return _table()[np.ix_(rows, columns)].astype(np.float32)

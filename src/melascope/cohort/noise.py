"""Smooth random fields: the stuff of patches, pores and uneven tone."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["mirrored", "noise", "ridges", "rise", "scattered", "threshold", "warped"]


def noise(
    shape: tuple[int, int], cell_px: float, rng: np.random.Generator, octaves: int = 1, gain: float = 0.5
) -> NDArray[np.float32]:
    """Smooth noise, mean 0 and standard deviation 1.

    Args:
        shape: (h, w).
        cell_px: Size of its largest features in pixels.
        rng: Where the values come from; consumed in a fixed order.
        octaves: Layers, each 2.2 times finer than the one before.
        gain: Strength of a layer relative to the one before.
    """
    h, w = shape
    total = np.zeros((h, w), np.float32)
    for octave in range(octaves):
        size = max(1.0, cell_px / 2.2**octave)
        grid = (int(np.ceil(h / size)) + 4, int(np.ceil(w / size)) + 4)
        values = rng.standard_normal(grid, dtype=np.float32)
        # A random part of a cell is cut off, so that the grid never shows in the same place.
        y, x = rng.random(2) * size
        matrix = np.array([[size, 0.0, -x - size], [0.0, size, -y - size]])
        flags = cv2.INTER_CUBIC if size > 1 else cv2.INTER_NEAREST
        layer = cv2.warpAffine(values, matrix, (w, h), flags=flags, borderMode=cv2.BORDER_REFLECT)
        total += gain**octave * np.asarray(layer, np.float32)
    spread = float(total.std())
    return np.asarray((total - float(total.mean())) / (spread if spread > 0 else 1.0), np.float32)


def threshold(field: NDArray[np.float32], where: NDArray[np.bool_], share: float) -> float:
    """The value that `share` of the field exceeds `where` it counts; above all of it for share 0 or nowhere."""
    values = field[where]
    if share <= 0 or not values.size:
        return float(field.max()) + 1.0
    return float(np.quantile(values, 1.0 - min(share, 1.0)))


def ridges(shape: tuple[int, int], cell_px: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A net of bright threads around dark meshes, mean 0 and standard deviation 1.

    Args:
        shape: (h, w).
        cell_px: Size of the meshes in pixels.
        rng: Where the values come from.
    """
    net = -np.abs(noise(shape, cell_px, rng))
    spread = float(net.std())
    return np.asarray((net - float(net.mean())) / (spread if spread > 0 else 1.0), np.float32)


def mirrored(field: NDArray[np.float32], column: float) -> NDArray[np.float32]:
    """The field with right and left exchanged about a column (in pixels from the left edge, as a real number)."""
    h, w = field.shape
    # Pixel centres lie at j + 0.5: j becomes 2 * column - 1 - j.
    matrix = np.array([[-1.0, 0.0, 2.0 * column - 1.0], [0.0, 1.0, 0.0]])
    return np.asarray(
        cv2.warpAffine(field, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
    )


def warped(
    field: NDArray[np.float32], cell_px: float, reach_px: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """The field pulled about by smooth noise, so that straight and round outlines become irregular.

    Args:
        field: (h, w).
        cell_px: Size of the pulls in pixels.
        reach_px: Their standard deviation in pixels.
        rng: Where the pulls come from.
    """
    h, w = field.shape
    x = np.arange(w, dtype=np.float32)[None, :] + reach_px * noise((h, w), cell_px, rng)
    y = np.arange(h, dtype=np.float32)[:, None] + reach_px * noise((h, w), cell_px, rng)
    return np.asarray(cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def rise(field: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((field - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def scattered(rng: np.random.Generator, middle: float, spread: float, low: float, high: float) -> float:
    """A positive number of log-normal scatter about a middle, kept within limits.

    Args:
        rng: Where chance comes from.
        middle: Its median.
        spread: Standard deviation of its logarithm.
        low: Lower limit.
        high: Upper limit.
    """
    return min(max(middle * math.exp(float(rng.normal(0.0, spread))), low), high)

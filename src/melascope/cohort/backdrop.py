"""What is seen behind a head: black cloth, a wall with a fall of light, or a room out of focus."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.noise import noise
from melascope.cohort.shot import Backdrop

__all__ = ["paint_backdrop"]


def paint_backdrop(backdrop: Backdrop, size_px: int) -> NDArray[np.float32]:
    """Linear light (size, size, 3) of the background, relative to a white card at the face.

    Raises:
        ValueError: The kind is unknown.
    """
    if backdrop.kind not in ("black", "plain", "room"):
        raise ValueError(f'backdrop of kind "{backdrop.kind}": must be "black", "plain" or "room"')
    rng = np.random.default_rng(backdrop.seed)
    side = min(256, size_px)
    first, second = np.array(backdrop.rgb, np.float32), np.array(backdrop.second_rgb, np.float32)
    y, x = np.mgrid[:side, :side].astype(np.float32) / np.float32(side) - np.float32(0.5)
    angle = float(rng.uniform(0, 2 * np.pi))
    fall = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    light = np.exp(np.float32(rng.uniform(0.1, 0.9)) * fall)[..., None]
    if backdrop.kind != "room":
        uneven = noise((side, side), side / 2, rng, octaves=2)[..., None]
        picture = first * light * (1 + np.float32(0.04) * uneven)
    else:
        picture = _room(rng, side, first, second) * light
        sigma = max(0.5, backdrop.blur * side)
        # Points of light bloom in linear light, as out-of-focus lamps do.
        picture = cv2.GaussianBlur(np.ascontiguousarray(picture, np.float32), (0, 0), sigma)
    enlarged = cv2.resize(np.ascontiguousarray(picture, np.float32), (size_px, size_px), interpolation=cv2.INTER_CUBIC)
    return np.maximum(np.asarray(enlarged, np.float32), np.float32(0))


def _room(
    rng: np.random.Generator, side: int, wall: NDArray[np.float32], second: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Upright and level things before a wall: door, shelf, picture, curtain, lamp."""
    picture = np.broadcast_to(wall, (side, side, 3)).astype(np.float32).copy()
    edge = int(rng.uniform(0.55, 1.3) * side)
    picture[edge:] = second * np.float32(rng.uniform(0.4, 1.0))
    for _ in range(int(rng.integers(3, 10))):
        w, h = rng.uniform(0.05, 0.45, 2) * side
        x, y = rng.uniform(-0.2, 1.0, 2) * side
        mix = np.float32(rng.uniform(0, 1))
        colour = (wall * mix + second * (1 - mix)) * np.float32(np.exp(rng.normal(0, 0.5)))
        colour = colour * np.exp(rng.normal(0, 0.12, 3)).astype(np.float32)
        rows = slice(max(0, int(y)), max(0, int(y + h)))
        columns = slice(max(0, int(x)), max(0, int(x + w)))
        picture[rows, columns] = colour
    for _ in range(int(rng.integers(0, 4))):
        centre = (int(rng.uniform(0, side)), int(rng.uniform(0, 0.5 * side)))
        glow = [float(v) for v in np.array([1.0, 0.85, 0.65]) * rng.uniform(1, 4)]
        cv2.circle(picture, centre, int(rng.uniform(0.01, 0.03) * side) + 1, glow, -1)
    return picture

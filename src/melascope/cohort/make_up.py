"""Make-up: a film of even colour over the skin, thicker or thinner from place to place."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.chart import SIDE
from melascope.cohort.complexion import SkinParameters
from melascope.cohort.noise import noise
from melascope.cohort.places import SMALL, Places, enlarge
from melascope.vocabulary import Region

__all__ = ["wears_make_up", "worn_film"]

Field = NDArray[np.float32]

_ROUGE = (1.03, 0.60, 0.66)
"""Blush relative to the skin's own colour, linear."""


def wears_make_up(skin: SkinParameters) -> bool:
    """Whether there is any."""
    return max(skin.foundation, skin.blush, skin.lipstick, skin.eye_shadow, skin.eye_liner) > 0


def worn_film(
    skin: SkinParameters, places: Places, skin_rgb: NDArray[np.float32], net: Field
) -> tuple[Field, NDArray[np.float32]]:
    """Opacity (SIDE, SIDE), 0..1, and linear colour (SIDE, SIDE, 3) of all make-up together.

    Args:
        skin: Who wears it.
        places: The face.
        skin_rgb: (3,) the skin's usual colour, linear.
        net: The relief's fine lines, in which a film gathers.
    """
    rng = np.random.default_rng((skin.day, 6))
    soft = places.soft
    lids = np.clip(1.5 * soft[Region.PERIORBITAL], 0, 1)
    face = np.clip(sum((soft[region] for region in _POWDERED), np.zeros((SMALL, SMALL), np.float32)), 0, 1)
    face = face * (1 - 0.35 * lids) * places.inside
    spread = np.clip(1 + 0.10 * noise((SMALL, SMALL), 18.0, rng, 3), 0.5, 1.3)
    base = np.exp(skin.foundation_shade) * skin_rgb * np.array([1.0, 0.985, 0.95], np.float32)
    film = _Film()
    film.add(skin.foundation * face * spread, base)
    rouge = 0.9 * places.both("cheekbone", -2, 5, 17, 9, -24) * (1 - lids)
    film.add(skin.blush * np.clip(rouge, 0, 1) * places.inside, skin_rgb * np.array(_ROUGE, np.float32))
    above = places.both("eye", 1, -6.5, 13, 4.5, -6) * (1 - 0.9 * soft[Region.BROW])
    shade = np.minimum(np.array(skin.eye_shadow_rgb, np.float32), 0.9 * skin_rgb)
    film.add(skin.eye_shadow * np.clip(above, 0, 1), shade)
    rim = np.clip(soft[Region.EYE] * (1 - soft[Region.EYE]) * 4, 0, 1) ** 1.5
    film.add(0.8 * skin.eye_liner * rim, np.array([0.02, 0.015, 0.013], np.float32))
    opacity, colour = film.large()
    if skin.lipstick > 0:
        mouth = np.clip(1.25 * places.lips, 0, 1) * skin.lipstick * (1 + 0.05 * net)
        share = mouth / np.maximum(mouth + opacity * (1 - mouth), 1e-6)
        colour += share[..., None] * (np.array(skin.lipstick_rgb, np.float32) - colour)
        opacity = 1 - (1 - opacity) * (1 - np.clip(mouth, 0, 1))
    # A film gathers in furrows and wears off ridges.
    return np.asarray(np.clip(opacity * (1 - 0.05 * net), 0, 1), np.float32), np.asarray(colour, np.float32)


_POWDERED = (
    Region.FOREHEAD,
    Region.RIGHT_MALAR,
    Region.LEFT_MALAR,
    Region.CHIN,
    Region.NOSE,
    Region.UPPER_LIP,
    Region.TEMPLE,
    Region.PERIORBITAL,
    Region.BROW,
)


class _Film:
    """Layers of colour over one another, coarse."""

    def __init__(self) -> None:
        self.clear = np.ones((SMALL, SMALL), np.float32)
        self.sum = np.zeros((SMALL, SMALL, 3), np.float32)
        self.last = np.zeros(3, np.float32)

    def add(self, opacity: NDArray[np.floating[Any]], colour: NDArray[np.float32]) -> None:
        here = np.clip(opacity, 0, 1)
        self.sum += here[..., None] * (colour - self.sum)
        self.clear *= 1 - here
        self.last = colour if not self.last.any() else self.last

    def large(self) -> tuple[Field, NDArray[np.float32]]:
        """Opacity and colour, not premultiplied, at the chart's size."""
        opacity = np.asarray(1 - self.clear, np.float32)
        colour = np.where(opacity[..., None] > 1e-4, self.sum / np.maximum(opacity, 1e-4)[..., None], self.last)
        big = cv2.resize(np.asarray(colour, np.float32), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        return enlarge(opacity), np.asarray(big, np.float32)

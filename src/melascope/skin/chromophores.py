"""Melanin and haemoglobin per pixel, from colour.

Beer-Lambert in three channels: the optical density of skin, -log10 of linear light, is modelled as

    OD(R, G, B) = melanin * (1, 1.55, 2.4) + haemoglobin * (0.12, 1, 0.75) + shading * (1, 1, 1) + constant

and solved for its three unknowns (the family of Tsumura et al. 1999 and 2003, with fixed absorption vectors instead of
independent components, so that units are the same for every photograph). Whatever darkens the three channels alike is
shading and leaves melanin and haemoglobin as they are, however it varies over the face. Shine is not: it adds light,
and lowers both where it lies.

Units are decadic optical density: 0.1 of melanin takes 21 % of the red light, 30 % of the green and 42 % of the blue.
The constants are unknown (illuminant, exposure, camera), so that only differences within a photograph have a meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.photo.light import to_linear

__all__ = [
    "HAEMOGLOBIN",
    "MELANIN",
    "Chromophores",
    "chromophores",
    "optical_density",
]

MELANIN: Final = (1.0, 1.55, 2.4)
"""Absorption of epidermal melanin in R, G, B relative to R: wavelength^-3.33 (Jacques 1998) at 605, 545 and 465 nm."""
HAEMOGLOBIN: Final = (0.12, 1.0, 0.75)
"""Absorption of blood relative to G: oxygenated haemoglobin (Prahl 1999), averaged over the three primaries."""
_UNMIX: Final = np.linalg.inv(np.array([MELANIN, HAEMOGLOBIN, (1.0, 1.0, 1.0)]).T).astype(np.float32)
_FLOOR: Final = 1.0 / 1000.0
"""Linear light below this is noise: the density is capped at 3."""


_TO_DENSITY: Final = -np.log10(np.maximum(to_linear(np.arange(256, dtype=np.uint8)), _FLOOR)).astype(np.float32)


@dataclass(frozen=True)
class Chromophores:
    """Maps (h, w) float32, optical density units, each up to an unknown constant per photograph."""

    melanin: NDArray[np.float32]
    haemoglobin: NDArray[np.float32]
    shading: NDArray[np.float32]


def optical_density(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """-log10 of linear light: (h, w, 3) uint8 to (h, w, 3) float32, 0 (white) to 3 (capped)."""
    return _TO_DENSITY[pixels]


def chromophores(density: NDArray[np.float32]) -> Chromophores:
    """Unmixes optical density.

    Args:
        density: (h, w, 3), from `optical_density`; averaging it first lowers the noise, and is allowed because the
            unmixing is linear.

    Example:
        >>> skin = (0.2 * np.array(MELANIN) + 0.1 * np.array(HAEMOGLOBIN)).astype(np.float32)
        >>> maps = chromophores(skin.reshape(1, 1, 3))
        >>> round(float(maps.melanin[0, 0]), 3), round(float(maps.haemoglobin[0, 0]), 3)
        (0.2, 0.1)
    """
    melanin, haemoglobin, shading = cv2.split(cv2.transform(density, _UNMIX))
    return Chromophores(
        np.asarray(melanin, np.float32), np.asarray(haemoglobin, np.float32), np.asarray(shading, np.float32)
    )

"""Between sRGB codes, linear light and CIELAB: the one home of these conversions (IEC 61966-2-1, CIE 15:2004, D65)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["LUMINANCE", "from_lab", "to_lab", "to_linear", "to_srgb"]

_XYZ: Final = np.array(
    [[0.4123908, 0.3575843, 0.1804808], [0.2126390, 0.7151687, 0.0721923], [0.0193308, 0.1191948, 0.9505322]]
)
_WHITE: Final = _XYZ.sum(axis=1)
LUMINANCE: Final = _XYZ[1]
"""Share of linear red, green and blue in luminance; they add up to 1."""


def _decoding() -> NDArray[np.float32]:
    encoded = np.arange(256) / 255.0
    light = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


_TO_LINEAR: Final = _decoding()


def to_linear(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Linear light, 0 to 1, of sRGB codes, any shape.

    Example:
        >>> to_linear(np.array([0, 255], np.uint8)).tolist()
        [0.0, 1.0]
    """
    return _TO_LINEAR[pixels]


def to_srgb(light: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Rounded sRGB codes of linear light, which is clipped to 0 to 1; the inverse of `to_linear`.

    Example:
        >>> to_srgb(np.array([-0.1, 0.5, 2.0], np.float32)).tolist()
        [0, 188, 255]
    """
    light = np.clip(light, 0.0, 1.0)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, 1 / 2.4) - 0.055)
    return np.asarray(encoded * 255.0 + 0.5, np.uint8)


def to_lab(light: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """CIELAB (2 degrees) of linear light, both (..., 3).

    In float64: skin tone is a difference and a quotient of these values, and its pixels are few.

    Example:
        >>> to_lab(np.array([1.0, 1.0, 1.0])).round(3).tolist()
        [100.0, 0.0, 0.0]
    """
    xyz = light @ _XYZ.T / _WHITE
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def from_lab(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear light of CIELAB, both (..., 3), outside of 0 to 1 where sRGB lacks the colour; the inverse of `to_lab`."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * _WHITE
    return np.asarray(xyz @ np.linalg.inv(_XYZ).T)

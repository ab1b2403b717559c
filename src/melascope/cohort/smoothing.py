"""Quietening of traced light: shading follows the surface's normal, so noise is what the normal does not explain."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["follow_normals", "scatter"]

_PROFILE_MM: Final = (
    ((0.45, 0.55), (1.25, 0.30), (2.8, 0.15)),
    ((0.30, 0.75), (0.75, 0.25)),
    ((0.20, 0.80), (0.50, 0.20)),
)
"""(standard deviation, weight) of the Gaussians by which light spreads in skin: red, green, blue (after d'Eon 2007)."""


def follow_normals(
    light: NDArray[np.float32],
    weight: NDArray[np.float32],
    normals: NDArray[np.float32],
    fine_normals: NDArray[np.float32],
    half: int,
    ridge: float = 5e-4,
) -> NDArray[np.float32]:
    """Quiet light at full resolution from noisy light at a lower one.

    A guided filter (He, Sun and Tang 2013) with the normal as guide: in each window, light is fitted as
    ``a . normal + b``; for one far lamp without shadow this is exact (Lambert's law). The coefficients are averaged,
    enlarged, and applied to the fine normals.

    Args:
        light: (h, w, c) noisy light, any value where weight is 0.
        weight: (h, w) 0 to 1, share of skin.
        normals: (h, w, 3) of the skin.
        fine_normals: (H, W, 3) at the resolution wanted.
        half: Windows are boxes of side 2 half + 1, used twice, in pixels of `light`.
        ridge: How much the normal must vary in a window before light may follow it.

    Returns:
        (H, W, c), nowhere negative.
    """

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        size = (2 * half + 1, 2 * half + 1)
        once = cv2.boxFilter(values, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(cv2.boxFilter(once, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT), np.float32)

    h, w, channels = light.shape
    held = np.where(weight[..., None] > 0, light, np.float32(0))
    mass = np.maximum(mean(weight), np.float32(1e-6))
    n = normals * weight[..., None]
    n_mean = mean(n) / mass[..., None]
    light_mean = mean(held * weight[..., None]).reshape(h, w, channels) / mass[..., None]
    pairs = [(i, j) for i in range(3) for j in range(i, 3)]
    second = np.stack([n[..., i] * normals[..., j] for i, j in pairs], axis=-1)
    cross = np.stack([n[..., i] * held[..., c] for i in range(3) for c in range(channels)], axis=-1)
    second = np.concatenate([mean(second[..., :3]), mean(second[..., 3:])], axis=-1) / mass[..., None]
    cross = (
        np.stack([mean(np.ascontiguousarray(cross[..., k])) for k in range(cross.shape[-1])], axis=-1) / mass[..., None]
    )
    matrix = np.zeros((h, w, 3, 3), np.float32)
    for k, (i, j) in enumerate(pairs):
        matrix[..., i, j] = matrix[..., j, i] = second[..., k] - n_mean[..., i] * n_mean[..., j]
    matrix += np.eye(3, dtype=np.float32) * np.float32(ridge)
    covariance = cross.reshape(h, w, 3, channels) - n_mean[..., :, None] * light_mean[..., None, :]
    slope = _solve(matrix, covariance.astype(np.float32))
    level = light_mean - np.einsum("hwi,hwic->hwc", n_mean, slope)
    some = np.where(mass > 0.02 * (2 * half + 1) ** 4, mass, np.float32(0))
    spread = np.maximum(mean(some), np.float32(1e-6))[..., None]
    coefficients = np.concatenate([slope.reshape(h, w, 3 * channels), level], axis=-1) * some[..., None]
    coefficients = (
        np.stack([mean(np.ascontiguousarray(coefficients[..., k])) for k in range(4 * channels)], -1) / spread
    )
    size = (fine_normals.shape[1], fine_normals.shape[0])
    fine = np.stack(
        [
            cv2.resize(np.ascontiguousarray(coefficients[..., k]), size, interpolation=cv2.INTER_LINEAR)
            for k in range(4 * channels)
        ],
        axis=-1,
    )
    out: NDArray[np.float32] = fine[..., 3 * channels :].astype(np.float32)
    for i in range(3):
        out += np.asarray(fine[..., i * channels : (i + 1) * channels] * fine_normals[..., i : i + 1], np.float32)
    return np.maximum(out, np.float32(0))


def _solve(matrix: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Solutions of many symmetric 3 x 3 systems, by cofactors."""
    a, b, c = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 0, 2]
    d, e, f = matrix[..., 1, 1], matrix[..., 1, 2], matrix[..., 2, 2]
    inverse = np.empty_like(matrix)
    inverse[..., 0, 0] = d * f - e * e
    inverse[..., 0, 1] = inverse[..., 1, 0] = c * e - b * f
    inverse[..., 0, 2] = inverse[..., 2, 0] = b * e - c * d
    inverse[..., 1, 1] = a * f - c * c
    inverse[..., 1, 2] = inverse[..., 2, 1] = b * c - a * e
    inverse[..., 2, 2] = a * d - b * b
    determinant = a * inverse[..., 0, 0] + b * inverse[..., 0, 1] + c * inverse[..., 0, 2]
    return np.asarray(np.einsum("hwij,hwjc->hwic", inverse, right) / determinant[..., None, None], np.float32)


def scatter(light: NDArray[np.float32], share: NDArray[np.float32], mm_per_px: float) -> NDArray[np.float32]:
    """Light (H, W, 3) after it has spread in the skin: red furthest, nothing beyond the skin's edge.

    Args:
        light: Irradiance of skin.
        share: (H, W) share of skin.
        mm_per_px: Size of a pixel on the skin.
    """
    out = np.zeros_like(light)
    blurred: dict[float, NDArray[Any]] = {}
    for channel, parts in enumerate(_PROFILE_MM):
        weighted = light[..., channel] * share
        for sigma_mm, weight in parts:
            sigma = sigma_mm / mm_per_px
            if sigma < 0.3:
                out[..., channel] += np.float32(weight) * light[..., channel]
                continue
            if sigma_mm not in blurred:
                blurred[sigma_mm] = np.maximum(cv2.GaussianBlur(share, (0, 0), sigma), 1e-4)
            spread = cv2.GaussianBlur(weighted, (0, 0), sigma) / blurred[sigma_mm]
            out[..., channel] += np.float32(weight) * np.where(share > 0, spread, np.float32(0))
    return out

"""How far pigment stands out from the skin around it in a picture's own levels, whoever looks."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["detectability"]

NEAR: Final = 0.01
"""Standard deviation of the neighbourhood, as a share of the picture's longer side."""
LEAST: Final = 0.1
"""Share of both, pigment and clear skin, that a neighbourhood must hold to be compared; specks do not."""
FEWEST: Final = 200
"""Pixels of either, and of the borders between, below which nothing is said."""
ROUNDING: Final = 1 / 12
"""Variance of what rounding to whole levels takes away."""


def detectability(pixels: NDArray[np.uint8], skin: NDArray[np.bool_], lesion: NDArray[np.bool_]) -> float | None:
    """Contrast of a lesion's pixels to the clear skin nearby, in standard deviations of that skin.

    d' of the best linear observer of single pixels (Hotelling's trace; Barrett & Myers, Foundations of Image Science,
    2004, section 13.2): the root of c' S^-1 c, c the mean difference of the three channels on both sides of the
    lesions' borders, S the covariance of clear skin about its local mean: noise, compression and rounding, pores,
    vessels, moles, and what shading is left. It has no sign and counts any contrast, shading too that lesions happen to
    lie in. It says nothing of what an observer sees who adds up many pixels.

    Args:
        pixels: (H, W, 3) sRGB, 0 to 255.
        skin: (H, W) bare facial skin.
        lesion: (H, W) where lesions truly are.

    Returns:
        Standard deviations, 0 and more; None where there is too little to compare.
    """
    clear, marked = (np.asarray(some, np.float32) for some in (skin & ~lesion, skin & lesion))
    if min(clear.sum(), marked.sum()) < FEWEST:
        return None
    sigma = NEAR * max(skin.shape)

    def blurred(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)

    levels = pixels.astype(np.float32)
    of_clear, of_marked = blurred(clear), blurred(marked)
    usual = blurred(levels * clear[..., None]) / np.maximum(of_clear, 1e-6)[..., None]
    other = blurred(levels * marked[..., None]) / np.maximum(of_marked, 1e-6)[..., None]
    both = np.minimum(of_clear, of_marked)
    border = skin & (both > LEAST)
    if border.sum() < FEWEST:
        return None
    contrast = np.average((other - usual)[border], axis=0, weights=both[border])
    rest = (levels - usual)[(clear > 0) & (of_clear > LEAST)].astype(np.float64)
    spread = np.cov(rest.T) + ROUNDING * np.eye(3)
    return float(np.sqrt(contrast @ np.linalg.solve(spread, contrast)))

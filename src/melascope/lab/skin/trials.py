"""Trials of the measurement: pigment of known share and density painted on faces, and what is measured of it.

The patches are level sets of Gaussian-filtered noise, drawn independently of the training's own patterns. Regions are
those that the network finds on the unpainted face, so that the true share is known exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.lesions.pigment import map_pigment
from melascope.photo.light import to_linear, to_srgb
from melascope.scoring import measure_regions
from melascope.skin.chromophores import MELANIN
from melascope.skin.regions import RegionMap, find_regions
from melascope.vocabulary import Region, ToneBand

__all__ = ["BROAD", "DENSITIES", "PAINTED", "SHARES", "Trial", "paint", "try_face"]

PAINTED: Final = (Region.FOREHEAD, Region.RIGHT_MALAR, Region.LEFT_MALAR)
SHARES: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
BROAD: Final = (0.75, 0.9)
"""Nearly everything involved, where little normal skin is left to compare with."""
DENSITIES: Final = (0.04, 0.08, 0.12, 0.16)
"""Optical density in red, slight to marked: on skin of L* 65 about 3, 7, 10 and 13 units of L*."""


@dataclass(frozen=True)
class Trial:
    """One region of one painted face."""

    name: str
    band: ToneBand | None
    region: Region
    density: float
    true_share: float
    share: float
    low: float
    high: float
    excess: float


def paint(
    pixels: NDArray[np.uint8], regions: RegionMap, share: float, density: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Paints patches over about `share` of forehead and malar regions, in the working frame.

    Returns:
        The photograph (h, w, 3), and the mask (h, w) of what was painted: where the density is at least half of full.
    """
    height, width = regions.codes.shape
    face = regions.face_px or float(min(height, width))
    cell = face * float(np.exp(rng.uniform(np.log(0.03), np.log(0.12))))
    scale = 4.0 / cell
    grid = (max(4, round(height * scale)), max(4, round(width * scale)))
    noise = cv2.GaussianBlur(rng.standard_normal(grid, dtype=np.float32), (0, 0), 2.0)
    noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((height, width), bool)
    for region in PAINTED if share > 0 else ():
        place = regions.codes == region
        if place.any():
            mask |= place & (noise >= np.quantile(noise[place], 1 - share))
    cover = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(0.6, face * float(rng.uniform(0.003, 0.012))))
    cover *= np.isin(regions.codes, PAINTED)
    light = to_linear(pixels) * np.power(10.0, -density * cover[..., None] * np.array(MELANIN, np.float32))
    return to_srgb(light.astype(np.float32)), cover >= 0.5


def try_face(
    name: str, pixels: NDArray[np.uint8], band: ToneBand | None, seed: int, pairs: list[tuple[float, float]]
) -> Iterator[Trial]:
    """Paints a face with each pair (share, density) and measures it from the painted photograph alone."""
    clean = find_regions(pixels)
    if clean.scale < 1.0:
        raise ValueError(f"{name}: {pixels.shape} is larger than the working frame; shrink the photograph first")
    rng = np.random.default_rng(seed)
    for share, density in pairs:
        painted, mask = paint(clean.pixels, clean, share, density, rng)
        photo = pixels.copy()
        x0, y0, x1, y1 = clean.frame
        photo[y0:y1, x0:x1] = painted
        found = find_regions(photo)
        pigment = map_pigment(found)
        measures = measure_regions(found, pigment)
        for region in PAINTED:
            truth = clean.codes == region
            if region not in measures or truth.sum() < 500:
                continue
            measured = measures[region]
            yield Trial(
                name=name,
                band=band,
                region=region,
                density=density,
                true_share=float(mask[truth].mean()),
                share=measured.share,
                low=measured.low,
                high=measured.high,
                excess=measured.excess,
            )

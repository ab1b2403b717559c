"""What a second, small network is shown of a face: the maps of the pigment and of the colour, and what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.lesions.pigment import PigmentMap
from melascope.photo.geometry import among
from melascope.skin.chromophores import optical_density
from melascope.skin.regions import RegionMap
from melascope.vocabulary import EXCHANGED_WHEN_MIRRORED, FACIAL_SKIN, MASI_REGIONS, Lesion

__all__ = ["CELLS", "CHANNELS", "FIRST_REGION", "FaceMaps", "face_maps"]

CELLS: Final = 48
"""Cells of a side of the square around the facial skin: about 3 mm each."""
CHANNELS: Final = 15
FIRST_REGION: Final = 11
"""Channel of the first of the four regions."""
_MARGIN: Final = 0.05
"""Of the skin's longer side, on each side of it."""
_LEAST_SKIN: Final = 0.05
"""Share of a cell that must be facial skin for the cell to say anything."""


@dataclass(frozen=True)
class FaceMaps:
    """One face for the regional network."""

    maps: NDArray[np.float32]
    """(CHANNELS, CELLS, CELLS). Means over the facial skin of a cell: logit of the pigment's probability and its
    standard deviation within the cell, pigment density, optical density in R, G, B above the face's median, its
    standard deviation, probability of melasma and of a look-alike; then shares of the cell: facial skin, skin away
    from edges, the four regions of the MASI."""
    face: NDArray[np.float32]
    """(4,) of the face: median optical density in R, G, B; logarithm of the face's width in pixels, which the network
    leaves out, so that another size of the photograph changes nothing by itself."""

    def mirrored(self) -> FaceMaps:
        """Of the mirror image, right and left exchanged."""
        flipped = self.maps[..., ::-1].copy()
        right, left = (FIRST_REGION + MASI_REGIONS.index(region) for region in EXCHANGED_WHEN_MIRRORED)
        flipped[[right, left]] = flipped[[left, right]]
        return FaceMaps(flipped, self.face)


def face_maps(regions: RegionMap, pigment: PigmentMap) -> FaceMaps:
    """Draws the maps of a face, in the square around its facial skin.

    Args:
        regions: The photograph's regions; a whole face, of which some skin must be in view.
        pigment: Its pigment map.
    """
    every = among(regions.codes, FACIAL_SKIN)
    box = _square(every)
    seen = box.within(every)
    skin, codes = every[seen], regions.codes[seen]
    share = _cells(skin, box)
    trusted = share >= _LEAST_SKIN

    def mean(values: NDArray[Any]) -> NDArray[np.float32]:
        found = _cells(np.where(skin, values, np.float32(0)), box) / np.maximum(share, _LEAST_SKIN)
        return np.asarray(np.where(trusted, found, np.float32(0)), np.float32)

    def spread(values: NDArray[Any], middle: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(np.sqrt(np.maximum(mean(values * values) - middle * middle, 0)), np.float32)

    inside = np.clip(pigment.probability[seen], 1e-3, 1 - 1e-3)
    logit = np.log(inside / (1 - inside))
    colour = optical_density(regions.pixels[seen])
    core = skin & pigment.core[seen]
    place = core if core.any() else skin
    median = np.median(colour[place], axis=0)
    colour = colour - median
    sure, tones = mean(logit), [mean(colour[..., channel]) for channel in range(3)]
    kinds = [
        cv2.resize(regions.kinds[kind], every.shape[::-1], interpolation=cv2.INTER_LINEAR)[seen]
        for kind in (list(Lesion).index(Lesion.MELASMA), -1)
    ]
    parts: list[NDArray[np.float32]] = [
        sure / np.float32(3),
        spread(logit, sure) / np.float32(3),
        mean(np.nan_to_num(pigment.density[seen])) * 5,
        *(tone * 4 for tone in tones),
        spread(colour[..., 0], tones[0]) * 8,
        *(mean(kind) for kind in kinds),
        share,
        _cells(place, box),
        *(_cells(codes == region, box) for region in MASI_REGIONS),
    ]
    return FaceMaps(
        maps=np.stack(parts).astype(np.float32),
        face=np.array([*median, np.log(pigment.face_px / 500)], np.float32),
    )


@dataclass(frozen=True)
class _Square:
    left: int
    top: int
    side: int

    def within(self, picture: NDArray[Any]) -> tuple[slice, slice]:
        """Rows and columns of a picture that lie in the square."""
        height, width = picture.shape[:2]
        rows = slice(max(0, self.top), min(height, self.top + self.side))
        return rows, slice(max(0, self.left), min(width, self.left + self.side))


def _square(skin: NDArray[np.bool_]) -> _Square:
    """The square around a mask; a few pixels elsewhere move no border."""
    (y0, y1), (x0, x1) = (_ends(np.count_nonzero(skin, axis=axis)) for axis in (1, 0))
    side = max(CELLS, round((1 + 2 * _MARGIN) * max(x1 - x0, y1 - y0)))
    side += (x0 + x1 + 1 - side) % 2  # the square of the mirror image is the mirror image of the square
    return _Square((x0 + x1 + 1 - side) // 2, (y0 + y1 + 1 - side) // 2, side)


def _ends(counts: NDArray[np.intp]) -> tuple[int, int]:
    """First and last place of a row of counts, half a percent at each end left out."""
    few = 0.005 * counts.sum()
    first, last = (int((np.cumsum(some) > few).argmax()) for some in (counts, counts[::-1]))
    return first, len(counts) - 1 - last


def _cells(values: NDArray[Any], box: _Square) -> NDArray[np.float32]:
    """(CELLS, CELLS) means over the cells of a square, of what a picture shows in it; 0 beyond the picture."""
    out = np.zeros((box.side, box.side), np.float32)
    top, left = max(0, -box.top), max(0, -box.left)
    out[top : top + values.shape[0], left : left + values.shape[1]] = values
    return np.asarray(cv2.resize(out, (CELLS, CELLS), interpolation=cv2.INTER_AREA), np.float32)

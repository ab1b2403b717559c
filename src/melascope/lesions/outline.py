"""Lesions as objects: each connected patch of excess pigment, with its size, contrast, edge and colour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.lesions.pigment import PigmentMap
from melascope.skin.chromophores import MELANIN
from melascope.skin.regions import RegionMap
from melascope.vocabulary import MOST_LESIONS, SKIN, Region

__all__ = ["FACE_MM", "Outline", "Patch", "outline_lesions", "patches_of"]

LEAST_MM: Final = 1.0
"""Diameter of the smallest lesion that is listed; the face's width stands for 140 mm."""
FACE_MM: Final = 140.0
_DERMAL: Final = (1.0, 1.2, 1.45)
"""Absorption of the same melanin seen through the dermis, which scatters blue light back before it gets there."""


@dataclass(frozen=True)
class Outline:
    """One lesion in the working frame."""

    box: tuple[int, int, int, int]
    """x0, y0, x1, y1; x1 and y1 exclusive."""
    area: int
    """Working pixels."""
    probability: float
    """Mean over its pixels."""
    contrast: float
    """Mean melanin density above the unaffected skin around."""
    edge_sharpness: float
    """Share of the contrast that is reached within one millimetre of the edge, 0 to 1."""
    blueness: float
    """-1 brown as epidermal melanin, +1 grey-blue as dermal melanin."""
    region: Region
    """Region that holds most of it."""
    seen: tuple[float, ...]
    """(7) mean over its pixels of what the network sees: the six kinds in the order of `Lesion`, then a look-alike."""
    depth: float
    """Mean share of its pigment in the dermis, as the network sees it."""
    absorption: tuple[float, float, float]
    """Mean optical density above the unaffected skin around, in R, G, B."""
    redness: float
    """Mean haemoglobin density above that of the unaffected skin."""
    unevenness: float
    """Standard deviation of the contrast over its pixels."""


@dataclass(frozen=True)
class Patch:
    """The pixels of one connected patch."""

    box: tuple[int, int, int, int]
    """x0, y0, x1, y1 in the working frame; x1 and y1 exclusive."""
    area: int
    window: tuple[slice, slice]
    """The box with a margin."""
    inside: NDArray[np.bool_]
    """Of the window, which pixels."""


def patches_of(pigment: PigmentMap) -> Iterator[Patch]:
    """Connected patches of excess pigment, the largest first, without specks; `MOST_LESIONS` at most."""
    mask = pigment.involved.astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    least = max(4.0, np.pi / 4 * (LEAST_MM / FACE_MM * pigment.face_px) ** 2)
    order = np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:MOST_LESIONS] + 1
    millimetre = _millimetre(pigment)
    for index in order:
        x, y, w, h, area = (int(v) for v in stats[index])
        if area < least:
            break
        window = _window(x, y, w, h, 2 * millimetre, mask.shape)
        yield Patch((x, y, x + w, y + h), area, window, labels[window] == index)


def outline_lesions(regions: RegionMap, pigment: PigmentMap) -> list[Outline]:
    """Lists the lesions, the largest first."""
    return [_outline(patch, regions, pigment) for patch in patches_of(pigment)]


def _outline(patch: Patch, regions: RegionMap, pigment: PigmentMap) -> Outline:
    window, inside = patch.window, patch.inside
    excess = pigment.contrast[window]
    contrast = float(np.nanmean(excess[inside]))
    absorption = pigment.absorption[window][inside].mean(axis=0)
    red, green, blue = (float(value) for value in absorption)
    *seen, depth = _seen(regions, window, inside)
    return Outline(
        box=patch.box,
        area=patch.area,
        probability=float(pigment.probability[window][inside].mean()),
        contrast=contrast,
        edge_sharpness=_sharpness(inside, excess, contrast, _millimetre(pigment)),
        blueness=_blueness(absorption),
        region=_place(regions.codes[window][inside]),
        seen=tuple(seen),
        depth=depth,
        absorption=(red, green, blue),
        redness=float(np.nanmean(pigment.haemoglobin[window][inside])),
        unevenness=float(np.nanstd(excess[inside])),
    )


def _millimetre(pigment: PigmentMap) -> int:
    """Working pixels."""
    return max(1, round(pigment.face_px / FACE_MM))


def _window(x: int, y: int, w: int, h: int, margin: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    return (
        slice(max(0, y - margin), min(shape[0], y + h + margin)),
        slice(max(0, x - margin), min(shape[1], x + w + margin)),
    )


def _sharpness(inside: NDArray[np.bool_], excess: NDArray[np.float32], contrast: float, millimetre: int) -> float:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * millimetre + 1, 2 * millimetre + 1))
    mask = inside.astype(np.uint8)
    within = inside & ~cv2.erode(mask, kernel, borderValue=0).astype(bool) & np.isfinite(excess)
    beyond = cv2.dilate(mask, kernel).astype(bool) & ~inside & np.isfinite(excess)
    if contrast <= 1e-3 or not within.any() or not beyond.any():
        return 0.0
    return float(np.clip((excess[within].mean() - excess[beyond].mean()) / contrast, 0.0, 1.0))


def _blueness(absorption: NDArray[np.float32]) -> float:
    """Colour of the excess absorption (R, G, B) between that of epidermal (-1) and of dermal melanin (+1)."""

    def slope(r: float, g: float, b: float) -> float:
        return (b - r) / max(abs(r + g + b), 1e-3)

    brown, blue = slope(*MELANIN), slope(*_DERMAL)
    here = slope(*(float(v) for v in absorption))
    return float(np.clip(1 - 2 * (here - blue) / (brown - blue), -1.0, 1.0))


def _seen(regions: RegionMap, window: tuple[slice, slice], inside: NDArray[np.bool_]) -> list[float]:
    """Mean over the pixels of a patch of the network's seven kinds, and of the depth."""
    ys, xs = np.nonzero(inside)
    height, width = regions.codes.shape
    rows = (ys + window[0].start) * regions.kinds.shape[1] // height
    columns = (xs + window[1].start) * regions.kinds.shape[2] // width
    maps = np.concatenate([regions.kinds, regions.depth[None]])
    found: list[float] = maps[:, rows, columns].mean(axis=1).astype(float).tolist()
    return found


def _place(codes: NDArray[np.uint8]) -> Region:
    counts = np.bincount(codes, minlength=len(Region))
    return max(SKIN, key=lambda region: int(counts[region]))

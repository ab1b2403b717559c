"""What the places of a picture show, before any light: parts, place on the chart, normals, distances, colours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.buffers import Part
from melascope.cohort.matter import GREY, LIGHT
from melascope.cohort.shot import Shot
from melascope.cohort.stage import Stage, Window, trace

__all__ = ["PLACES", "SKINS", "SOLIDS", "Geometry", "look"]

PLACES: Final = 2
"""A pixel is looked at in 2 x 2 places."""
SKINS: Final = (Part.SKIN, Part.OTHER_SKIN)
SOLIDS: Final = (Part.EYE, Part.WORN, Part.GLASSES)
_CHART_SIDE_MM: Final = 256
_NEAR: Final = 4.0 / _CHART_SIDE_MM
"""Chart places of a pixel further from its foremost one are those of skin behind it."""
_TENT: Final = np.array([1, 3, 3, 1], np.float32) / np.float32(8)


class Geometry:
    """Places (2H, 2W) of a picture and their means per pixel (H, W).

    A pixel's mean takes in the places around it, with less weight: few places look like many, and the slight blur is
    that of any lens.

    Attributes:
        codes: (2H, 2W) codes of `Part`.
        colour: (2H, 2W, 3) albedo of skin (grey) and solids while their light is gathered; 0 elsewhere.
        shares: (parts, H, W) share of each part.
        skin: (H, W) share of skin.
        lit: (H, W) share of skin and solids.
        part: (H, W) what most of the pixel shows.
        chart: (H, W, 2) mm, NaN where there is none.
        depth: (H, W) distance of the skin along the camera's axis, mm; 0 where there is none.
        mm_per_px: (H, W) side of the square that a pixel covers across the line of sight at the skin's distance.
        depth_min: (H, W) distance to the foremost thing, mm; infinite where there is none.
        normal: (H, W, 3) of the skin, where there is none of solids, 0 elsewhere.
        cosine: (H, W) of the angle between skin normal and view.
    """

    def __init__(self, samples: NDArray[np.float32], codes: NDArray[np.uint8], shot: Shot) -> None:
        side = shot.size_px
        self.codes = codes
        solid, skin = _is(codes, SOLIDS), _is(codes, SKINS)
        self.colour: NDArray[np.float32] = samples[..., 8:11] * solid[..., None] + (skin * np.float32(GREY))[..., None]
        self.shares = np.stack([_tent((codes == part).astype(np.float32)) for part in Part])
        self.skin: NDArray[np.float32] = self.shares[list(SKINS)].sum(axis=0)
        self.lit: NDArray[np.float32] = self.skin + self.shares[list(SOLIDS)].sum(axis=0)
        pooled = self.shares.copy()
        pooled[Part.SKIN], pooled[Part.OTHER_SKIN] = self.skin, 0
        self.part: NDArray[np.uint8] = pooled.argmax(axis=0).astype(np.uint8)
        off = (self.part == Part.SKIN) & (self.shares[Part.OTHER_SKIN] > self.shares[Part.SKIN])
        self.part[off] = Part.OTHER_SKIN

        far = samples[..., 7]
        self.depth_min: NDArray[np.float32] = _places(np.where(codes > 0, far, np.float32(np.inf))).min(axis=0)
        counts = _places(skin.astype(np.float32)).sum(axis=0)
        far_mean = _places(far * skin).sum(axis=0) / np.maximum(counts, 1)
        normal = _places(samples[..., 2:5] * skin[..., None]).sum(axis=0)
        bare = _places(samples[..., 2:5] * solid[..., None]).sum(axis=0)
        normal = np.where(counts[..., None] > 0, normal, bare)
        self.normal: NDArray[np.float32] = _unit(_borrowed(normal, counts + _places(solid).sum(axis=0), self.lit > 0))
        across = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(side) - np.float32(0.5)
        reach = np.float32(shot.field_mm / shot.distance_mm)
        x, y = np.meshgrid(across * reach, -across * reach)
        back = np.stack([-x, -y, np.ones_like(x)], axis=-1)
        slant = np.linalg.norm(back, axis=-1)
        self.cosine: NDArray[np.float32] = np.clip((self.normal * back).sum(axis=-1) / slant, 0, 1)
        self.depth: NDArray[np.float32] = _borrowed(far_mean[..., None], counts, self.skin > 0)[..., 0] / slant
        # Pixels are squares of the image plane: off the axis one is seen at a slant, which makes its angle smaller.
        self.mm_per_px: NDArray[np.float32] = self.depth * (reach / np.float32(side)) / np.sqrt(slant)
        self.chart = self._chart(samples[..., :2], far)

    def _chart(self, place: NDArray[np.float32], far: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mean over the chart places near the foremost one."""
        on = self.codes == Part.SKIN
        places, there = _places(place), _places(on)
        first = _places(np.where(on, far, np.float32(np.inf))).argmin(axis=0)
        front = np.take_along_axis(places, first[None, ..., None], axis=0)
        near = there & (np.abs(places - front).max(axis=-1) < _NEAR)
        count = near.sum(axis=0).astype(np.float32)
        mean = (places * near[..., None]).sum(axis=0) / np.maximum(count, 1)[..., None]
        wanted = self.shares[Part.SKIN] > 0
        mean = _borrowed(mean.astype(np.float32), count, wanted)
        return np.where(wanted[..., None], (mean - np.float32(0.5)) * np.float32(_CHART_SIDE_MM), np.float32(np.nan))

    def mean(self, light: NDArray[np.float32], parts: Iterable[Part]) -> NDArray[np.float32]:
        """(H, W, c): light (2H, 2W, c) of the places that show one of the parts, times their share."""
        return _tent(light * _is(self.codes, parts)[..., None])

    def window(self) -> Window | None:
        """The smallest square of the picture that holds all skin and solids; None without any."""
        rows, columns = (np.flatnonzero((self.lit > 0).any(axis=axis)) for axis in (1, 0))
        if not rows.size:
            return None
        side = self.part.shape[0]
        width = int(max(rows[-1] - rows[0], columns[-1] - columns[0])) + 1
        return min(int(columns[0]), side - width), min(int(rows[0]), side - width), width

    def coarse(self, window: Window, side: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Share of skin and solids (side, side), their normals and their colour times their share (side, side, 3)."""
        x, y, width = window
        inside = (slice(y, y + width), slice(x, x + width))
        share = _pool(self.lit[inside], side)
        normal = _pool(self.normal[inside] * self.lit[inside][..., None], side)
        fine = (slice(PLACES * y, PLACES * (y + width)), slice(PLACES * x, PLACES * (x + width)))
        return share, _unit(normal), _pool(self.colour[fine], side)


def look(stage: Stage, shot: Shot) -> Geometry:
    """Traces the places of a picture."""
    stage.show(LIGHT)
    names = ("uv:uv", "normal:sh_normal", "what:shape_index", "piece:prim_index", "far:depth", "colour:albedo")
    samples = trace(stage, shot, {"type": "aov", "aovs": ",".join(names)}, PLACES * shot.size_px, 1)
    return Geometry(samples, stage.parts(samples[..., 5], samples[..., 6], samples[..., 7] > 0), shot)


def _is(codes: NDArray[np.uint8], parts: Iterable[Part]) -> NDArray[np.bool_]:
    return np.asarray(np.isin(np.arange(len(Part)), list(parts))[codes], np.bool_)


def _places(values: NDArray[Any]) -> NDArray[Any]:
    """(places, H, W, ...): the places of each pixel."""
    k = PLACES
    return np.stack([values[i::k, j::k] for i in range(k) for j in range(k)])


def _borrowed(
    values: NDArray[np.float32], count: NDArray[np.float32], wanted: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Values (H, W, c), where one is wanted and there is none, of a neighbour that has one."""
    out = values.copy()
    has = count > 0
    lacking = wanted & ~has
    for step in ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)):
        take = lacking & np.roll(has, step, (0, 1))
        out[take] = np.roll(values, step, (0, 1))[take]
        lacking &= ~take
    return out


def _tent(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means over 4 x 4 places around each pixel, with weights 1, 3, 3, 1."""
    wide = cv2.sepFilter2D(values, cv2.CV_32F, _TENT, _TENT, anchor=(1, 1), borderType=cv2.BORDER_REFLECT_101)
    return np.ascontiguousarray(wide[::PLACES, ::PLACES])


def _pool(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(values, (side, side), interpolation=cv2.INTER_AREA), np.float32)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(
        vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32(1e-6)), np.float32
    )

"""A face in a scene: the picture and, pixel by pixel, what is true of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.buffers import Buffers, Part
from melascope.cohort.camera import CameraParameters, develop
from melascope.cohort.chart import PX_MM, SIDE, Chart
from melascope.cohort.face import Face
from melascope.vocabulary import SKIN, Region

__all__ = ["Photograph", "photograph", "scene_light"]

_PARTS: Final = {
    Part.EYE: Region.EYE,
    Part.LASH: Region.EYE,
    Part.HAIR: Region.HAIR,
    Part.BEARD: Region.HAIR,
    Part.BROW: Region.BROW,
    Part.GLASSES: Region.COVERING,
}
"""What of the face's own parts and coverings a pixel is called; clothes and everything else are background."""
_MID_HAIR: Final = 0.2
"""Reflectance of hair in the buffers."""
_STEEPEST: Final = 0.6
"""Slope of the relief is held below this."""


@dataclass(frozen=True)
class Photograph:
    """The picture with its truth, all (H, W)."""

    pixels: NDArray[np.uint8]
    """(H, W, 3) sRGB, before compression."""
    regions: NDArray[np.uint8]
    """Codes of `Region`."""
    kinds: NDArray[np.uint8]
    """Lesion kinds on bare skin, `data.box.KIND_CODES`."""
    instances: NDArray[np.uint16]
    density: NDArray[np.float32]
    """Optical density in red that lesions add, 0 elsewhere."""
    melanin: NDArray[np.float32]
    """Melanosome volume fraction of the epidermis on bare skin, 0 elsewhere."""
    blood: NDArray[np.float32]
    reflectance: NDArray[np.float32]
    """(H, W, 3) true diffuse reflectance of the skin, linear sRGB, 0 elsewhere."""
    mm2_per_px: NDArray[np.float32]
    """Area of skin that a pixel shows, 0 off the skin."""


def photograph(
    face: Face, buffers: Buffers, chart: Chart, hair_rgb: tuple[float, float, float], camera: CameraParameters
) -> Photograph:
    """Lays the face's skin onto a scene, takes the picture, and tells what each pixel shows."""
    light, skin = scene_light(face, buffers, hair_rgb)
    sample = _Sampler(buffers)
    regions = _regions(buffers, chart, sample)
    bare = np.isin(regions, SKIN) & (buffers.on_chart > 0.5)
    kinds = np.where(bare, sample.nearest(face.kinds), np.uint8(0))
    return Photograph(
        pixels=develop(light, camera),
        regions=regions,
        kinds=np.asarray(kinds, np.uint8),
        instances=np.where(bare, sample.nearest(face.instances), np.uint16(0)).astype(np.uint16),
        density=sample.linear(face.density) * bare,
        melanin=sample.linear(face.melanin) * bare,
        blood=sample.linear(face.blood) * bare,
        reflectance=skin * np.isin(regions, SKIN)[..., None],
        mm2_per_px=_area(buffers) * np.isin(regions, SKIN),
    )


def scene_light(
    face: Face, buffers: Buffers, hair_rgb: tuple[float, float, float]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Linear light (H, W, 3) of the scene, and the skin's reflectance (H, W, 3) in it."""
    sample = _Sampler(buffers)
    base = np.array(face.base_rgb, np.float32)
    on = buffers.on_chart / np.maximum(buffers.skin_share, 1e-6)
    skin = base + np.clip(on, 0, 1)[..., None] * (sample.linear(face.reflectance) - base)
    # Relief: the chart's slope changes the light by as much as the scene says a tilt does.
    shift = np.float32(PX_MM / 2)
    rise_x = sample.linear(np.asarray(cv2.Sobel(face.height_mm, cv2.CV_32F, 1, 0, ksize=3) / 4 * shift, np.float32))
    rise_y = sample.linear(np.asarray(cv2.Sobel(face.height_mm, cv2.CV_32F, 0, 1, ksize=3) / 4 * shift, np.float32))
    rise_x, rise_y = (np.clip(rise, -_STEEPEST, _STEEPEST) for rise in (rise_x, rise_y))
    relief = np.clip(1.0 + np.nan_to_num(rise_x * buffers.tilt_x + rise_y * buffers.tilt_y), 0.4, 1.6)
    gloss = np.where(on > 0.5, sample.linear(face.gloss), np.float32(1.0))
    tint = np.array(hair_rgb, np.float32) / _MID_HAIR
    light = (
        (buffers.skin_share * relief)[..., None] * skin * buffers.irradiance
        + gloss[..., None] * buffers.specular
        + tint * buffers.hair
        + buffers.other
    )
    return np.asarray(light, np.float32), np.asarray(skin, np.float32)


class _Sampler:
    """Reads chart maps where the pixels of a scene lie."""

    def __init__(self, buffers: Buffers) -> None:
        place = (np.nan_to_num(buffers.chart, nan=-1e4) + SIDE / PX_MM / 2) * PX_MM - 0.5
        self.x = np.ascontiguousarray(place[..., 0], np.float32)
        self.y = np.ascontiguousarray(place[..., 1], np.float32)

    def linear(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        border = cv2.BORDER_REPLICATE
        return np.asarray(cv2.remap(values, self.x, self.y, cv2.INTER_LINEAR, borderMode=border), np.float32)

    def nearest(self, values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(cv2.remap(values, self.x, self.y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT))


def _regions(buffers: Buffers, chart: Chart, sample: _Sampler) -> NDArray[np.uint8]:
    codes = sample.nearest(chart.codes)
    part = buffers.part
    regions = np.zeros(part.shape, np.uint8)
    skin = part == Part.SKIN
    regions[skin] = codes[skin]
    regions[skin & (codes == Region.BACKGROUND)] = Region.OTHER_SKIN
    chin = np.nonzero(skin & (codes == Region.CHIN))[0]
    lowest = int(np.quantile(chin, 0.75)) if chin.size else part.shape[0]
    rows = np.arange(part.shape[0])[:, None]
    off = part == Part.OTHER_SKIN
    regions[off] = Region.OTHER_SKIN
    regions[off & (rows > lowest)] = Region.NECK
    for one, region in _PARTS.items():
        regions[part == one] = region
    return regions


def _area(buffers: Buffers) -> NDArray[np.float32]:
    """Area of skin per pixel: a pixel's square, seen at an angle."""
    flat = np.nan_to_num(buffers.mm_per_px) ** 2
    return np.asarray(flat / np.clip(np.nan_to_num(buffers.cosine, nan=1.0), 0.15, 1.0), np.float32)

"""A patient's skin with its lesions on the chart: what optics makes of melanin, blood and depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.chart import Chart
from melascope.cohort.growth import LesionParameters, grow
from melascope.cohort.optics import dermal_for_density, epidermal_for_density, ita_deg, skin_colour
from melascope.cohort.skin import SkinParameters, lay
from melascope.data.box import KIND_CODES
from melascope.vocabulary import MASI_REGIONS, Lesion

__all__ = ["EDGE", "Face", "make_face"]

EDGE: Final = 0.5
"""Cover from which skin counts as involved."""
_NOTHING: Final = 1e-4
"""Density that is not worth a calculation."""


@dataclass(frozen=True)
class Face:
    """Maps on the chart (SIDE, SIDE), float32 unless said."""

    reflectance: NDArray[np.float32]
    """(SIDE, SIDE, 3) diffuse reflectance, linear sRGB under D65, with lesions and make-up."""
    melanin: NDArray[np.float32]
    """Melanosome volume fraction of the epidermis, with lesions."""
    dermal: NDArray[np.float32]
    """Melanin in the dermis, as a volume fraction, with lesions."""
    blood: NDArray[np.float32]
    """Blood volume fraction of the dermis."""
    density: NDArray[np.float32]
    """Pigment of the lesions: decadic optical density in red that they add to the skin beneath."""
    kinds: NDArray[np.uint8]
    """`KIND_CODES` where a lesion covers the skin."""
    instances: NDArray[np.uint16]
    """Single lesions from 1 where a lesion covers the skin."""
    height_mm: NDArray[np.float32]
    gloss: NDArray[np.float32]
    look_alikes: tuple[tuple[str, float, float, float], ...]
    """(name, chart x, chart y, radius), mm."""
    base_rgb: tuple[float, float, float]
    """Median reflectance of the lesion-free skin of the four MASI regions, without make-up."""
    ita_deg: float
    """ITA of that skin: the truth that a photograph is measured against."""


def make_face(skin: SkinParameters, lesions: Sequence[LesionParameters], chart: Chart) -> Face:
    """Lays skin, grows lesions, and asks optics for the colour."""
    maps = lay(skin, chart)
    shape = chart.codes.shape
    shallow, deep = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    cover, kinds = np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    instances = np.zeros(shape, np.uint16)
    count = 0
    for lesion in lesions:
        grown = grow(lesion, chart)
        amount = lesion.density * grown.body
        deep += amount * grown.dermal_share
        shallow += amount * (1 - grown.dermal_share)
        here = (grown.cover >= EDGE) & (grown.cover >= cover)
        kinds[here] = KIND_CODES[Lesion(lesion.kind)]
        instances[here] = grown.instances[here] + np.uint16(count)
        count += int(grown.instances.max())
        cover = np.maximum(cover, grown.cover)
    blood, oxygen = maps.blood, maps.oxygen
    melanin, dermal = maps.melanin.copy(), maps.dermal.copy()
    where = maps.mole > _NOTHING
    melanin[where] += epidermal_for_density(
        maps.mole[where], melanin[where], blood[where], oxygen, dermal=dermal[where]
    )
    where = (shallow + deep) > _NOTHING
    bare = skin_colour(melanin[where], dermal[where], blood[where], oxygen)
    more, below = melanin[where], dermal[where]
    more = more + epidermal_for_density(shallow[where], more, blood[where], oxygen, dermal=below)
    below = below + dermal_for_density(deep[where], more, blood[where], oxygen, dermal=below)
    melanin[where], dermal[where] = more, below
    on = chart.valid
    reflectance = np.zeros((*shape, 3), np.float32)
    reflectance[on] = skin_colour(melanin[on], dermal[on], blood[on], oxygen)
    # What is reached, which for deep pigment in dark skin is less than what was wished.
    density = np.zeros(shape, np.float32)
    density[where] = np.log10(bare[:, 0] / skin_colour(more, below, blood[where], oxygen)[:, 0])
    if maps.makeup is not None:
        opacity, colour = maps.makeup
        reflectance += opacity[..., None] * (colour - reflectance)
    base = np.isin(chart.codes, MASI_REGIONS)[::4, ::4]
    plain, under, red = (values[::4, ::4][base] for values in (maps.melanin, maps.dermal, maps.blood))
    median = np.median(skin_colour(plain, under, red, oxygen), axis=0)
    # Off the chart the nearest colour goes on, so that enlarging and blurring never mix in black.
    reflectance[~on] = median
    return Face(
        reflectance=reflectance,
        melanin=melanin,
        dermal=dermal,
        blood=blood,
        density=density,
        kinds=kinds,
        instances=instances,
        height_mm=maps.height_mm,
        gloss=np.asarray(cv2.GaussianBlur(maps.gloss, (0, 0), 0.7), np.float32),
        look_alikes=tuple(maps.look_alikes),
        base_rgb=(float(median[0]), float(median[1]), float(median[2])),
        ita_deg=float(ita_deg(median)),
    )

"""What a scene leaves behind once its light is known: everything a skin is laid onto."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["Buffers", "Part"]


class Part(IntEnum):
    """What a pixel of a scene shows; SKIN lies on the face chart, OTHER_SKIN does not."""

    BACKGROUND = 0
    SKIN = 1
    OTHER_SKIN = 2
    EYE = 3
    HAIR = 4
    BROW = 5
    LASH = 6
    BEARD = 7
    WORN = 8
    GLASSES = 9


@dataclass(frozen=True)
class Buffers:
    """One scene as arrays (H, W) or (H, W, channels), float32 unless said.

    The picture in linear light is ``skin_share * albedo * irradiance * (1 + tilt_x * slope_x + tilt_y * slope_y)
    + gloss * specular + tint * hair + other``. A white card at the face that looks into the camera (for telephones: the
    mean of three cards, one straight and two turned by 45 degrees) has irradiance 1 in all three channels.

    Attributes:
        part: uint8 codes of `Part`, what most of the pixel shows.
        skin_share: 0 to 1, share of the pixel that is skin.
        on_chart: 0 to 1, share of the pixel that is skin on the face chart.
        chart: (H, W, 2) mm on the chart, of the foremost skin in the pixel; NaN where there is none.
        mm_per_px: Side of the square that a pixel covers at the skin's distance, mm, across the line of sight, which is
            smaller off the camera's axis; the skin it shows measures ``mm_per_px**2 / cosine``. NaN off the skin.
        cosine: Of the angle between skin normal and view, 0 to 1; 0 off the skin.
        irradiance: (H, W, 3), so that albedo times irradiance is radiance; 0 off the skin.
        tilt_x: Relative change of luminance irradiance by a surface slope of 1 along chart x.
        tilt_y: The same along chart y.
        specular: (H, W, 3) highlight of skin of unit gloss, times the skin's share.
        hair: (H, W, 3) radiance of all hair with reflectance 0.2, times its share.
        other: (H, W, 3) radiance of eyes, worn things and background, times their share.
    """

    part: NDArray[np.uint8]
    skin_share: NDArray[np.float32]
    on_chart: NDArray[np.float32]
    chart: NDArray[np.float32]
    mm_per_px: NDArray[np.float32]
    cosine: NDArray[np.float32]
    irradiance: NDArray[np.float32]
    tilt_x: NDArray[np.float32]
    tilt_y: NDArray[np.float32]
    specular: NDArray[np.float32]
    hair: NDArray[np.float32]
    other: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        h, w = self.part.shape
        return h, w

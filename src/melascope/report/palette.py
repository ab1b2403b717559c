"""Colours and type of the figures: one restrained palette, told apart by colour-blind readers, and four colour maps.

The categorical colours come from Okabe and Ito, "Color Universal Design" (2008). The colour maps are interpolated in
CIELAB so that lightness runs evenly with the value.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont

from melascope.photo.light import from_lab, to_srgb
from melascope.vocabulary import Region

__all__ = [
    "CASING",
    "FAINT",
    "INK",
    "LESION",
    "PAPER",
    "REGIONS",
    "RULE",
    "SOFT",
    "colour_map",
    "font",
    "to_hex",
]

Colour = tuple[int, int, int]

PAPER: Final[Colour] = (255, 255, 255)
INK: Final[Colour] = (28, 33, 38)
SOFT: Final[Colour] = (84, 93, 102)
RULE: Final[Colour] = (208, 213, 218)
FAINT: Final[Colour] = (236, 239, 241)
CASING: Final[Colour] = (32, 32, 36)
"""Dark edge under a coloured line, so that it reads on light skin as well as on dark."""

REGIONS: Final[dict[Region, Colour]] = {
    Region.FOREHEAD: (86, 180, 233),
    Region.RIGHT_MALAR: (240, 228, 66),
    Region.LEFT_MALAR: (0, 190, 140),
    Region.CHIN: (230, 159, 0),
}
LESION: Final[Colour] = (214, 0, 122)
"""No skin has this hue; with its white casing it also differs in lightness from dark skin."""

_STOPS: Final = {
    # name: (L*, a*, b*) at even distances; the middle of the first three stands for zero
    "melanin": ((46.0, -12.0, -32.0), (72.0, -7.0, -16.0), (97.0, 0.0, 2.0), (65.0, 13.0, 34.0), (30.0, 18.0, 24.0)),
    "haemoglobin": ((46.0, -26.0, -4.0), (72.0, -15.0, -2.0), (97.0, 0.0, 1.0), (68.0, 36.0, 16.0), (36.0, 54.0, 30.0)),
    "relevance": ((40.0, -34.0, 20.0), (69.0, -24.0, 12.0), (97.0, 0.0, 0.0), (68.0, 24.0, -26.0), (36.0, 40.0, -44.0)),
    "pigment": ((97.0, 0.0, 6.0), (80.0, 10.0, 36.0), (60.0, 32.0, 34.0), (40.0, 42.0, 8.0), (18.0, 26.0, -22.0)),
}


def to_hex(colour: Colour) -> str:
    """``#rrggbb`` of an (R, G, B) colour of 0 to 255."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


@lru_cache(maxsize=32)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The typeface that comes inside Pillow, at a size in pixels. It holds ASCII and Latin-1 signs only."""
    return ImageFont.load_default(size=size)


@lru_cache(maxsize=8)
def colour_map(name: str) -> NDArray[np.uint8]:
    """(256, 3) sRGB table of ``melanin``, ``haemoglobin``, ``relevance`` (all diverge from white at 0) or ``pigment``.

    Raises:
        KeyError: No map has this name.

    Example:
        >>> colour_map("pigment").shape
        (256, 3)
    """
    stops = np.asarray(_STOPS[name])
    position = np.linspace(0, len(stops) - 1, 256)
    lab = np.stack([np.interp(position, np.arange(len(stops)), channel) for channel in stops.T], axis=1)
    return to_srgb(from_lab(lab).astype(np.float32))

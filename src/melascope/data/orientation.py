"""Photos that lie on their side: the upright size of a file, and boxes that were drawn on the picture as it is stored.

EXIF's orientation (tag 0x0112) is applied once, here: everything else speaks of the upright photo.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from PIL.TiffImagePlugin import TiffImageFile

from melascope.data.box import Box
from melascope.data.pixels import open_photo

__all__ = ["Drawn", "Stored", "stored", "upright"]

Drawn = Literal["auto", "upright", "stored"]
"""What the boxes were drawn on; auto: upright, unless the annotation's size says otherwise."""
_TAG: Final = 0x0112
_WIDTH, _LENGTH = 0x0100, 0x0101
_LYING: Final = frozenset({5, 6, 7, 8})


@dataclass(frozen=True)
class Stored:
    """A photo's file."""

    width: int
    """As stored."""
    height: int
    orientation: int = 1
    """1 to 8, of EXIF; 1 is upright."""

    @property
    def upright(self) -> tuple[int, int]:
        """(W, H) of the upright photo."""
        return (self.height, self.width) if self.orientation in _LYING else (self.width, self.height)


def stored(path: Path) -> Stored:
    """Size and orientation of a photo, from its header.

    Raises:
        FileNotFoundError: There is no such file.
        PixelsError: It is no picture.
    """
    with open_photo(path) as image:
        value = image.getexif().get(_TAG, 1)
        width, height = image.size
        if isinstance(image, TiffImageFile):  # of these Pillow gives the upright size
            width, height = image.tag_v2[_WIDTH], image.tag_v2[_LENGTH]
        return Stored(width, height, value if isinstance(value, int) and 1 <= value <= 8 else 1)


def upright(
    boxes: tuple[Box, ...], size: tuple[int, int] | None, photo: Stored, drawn: Drawn = "auto"
) -> tuple[Box, ...]:
    """Boxes of the upright photo.

    Args:
        boxes: As drawn.
        size: (W, H) that the annotation gives; None where it gives none.
        photo: The file.
        drawn: What they were drawn on.

    Raises:
        ValueError: The annotation's size is not that of the photo.
    """
    lying = (photo.width, photo.height)
    if size is not None and size not in {lying, photo.upright}:
        raise ValueError(
            f"is for a picture of {size[0]} x {size[1]}, and the photo is {photo.upright[0]} x {photo.upright[1]}: "
            "annotate this photo, or use the one that was annotated"
        )
    turned = drawn == "stored" or (drawn == "auto" and size == lying != photo.upright)
    if not turned or photo.orientation == 1:
        if size is not None and size != photo.upright:
            raise ValueError(
                f"is for the picture as it is stored, {size[0]} x {size[1]}: say --drawn-on stored, or leave it out"
            )
        return boxes
    return tuple(_turned(box, photo) for box in boxes)


def _turned(box: Box, photo: Stored) -> Box:
    """A box of the stored picture on the upright one; its outline, which is not turned, is left out."""
    w, h, (x0, y0, x1, y1) = photo.width, photo.height, box.corners
    corners = {
        2: (w - x1, y0, w - x0, y1),
        3: (w - x1, h - y1, w - x0, h - y0),
        4: (x0, h - y1, x1, h - y0),
        5: (y0, x0, y1, x1),
        6: (h - y1, x0, h - y0, x1),
        7: (h - y1, w - x1, h - y0, w - x0),
        8: (y0, w - x1, y1, w - x0),
    }[photo.orientation]
    return replace(box, x0=corners[0], y0=corners[1], x1=corners[2], y1=corners[3], outline=None)

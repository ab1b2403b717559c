"""The photograph as it is measured: upright sRGB pixels and nothing of the file's metadata."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from melascope.photo.finding import Finding

__all__ = ["MAX_MEGAPIXELS", "MAX_SIDE", "MIN_SIDE", "Photo", "PhotoRefused", "check_size", "without_folder"]

MIN_SIDE: Final = 64
"""Pixels of the short side below which nothing can be measured."""
MAX_SIDE: Final = 30_000
"""Pixels of the long side above which a file is not decoded."""
MAX_MEGAPIXELS: Final = 200
"""Million pixels above which a file is not decoded."""
GREY: Final = 6
"""Codes by which the channels of a pixel without colour may differ: black ink comes a few codes off neutral out of a
press's profile, and so do scans and toned greys. In the least coloured of 350 photographs at hand, close-ups of skin
among them, a hundredth of the pixels differs by 32 or more."""
COLOURED: Final = 0.01
"""Share of coloured pixels up to which a photograph is grey: one dust speck makes no colour photograph."""


class PhotoRefused(Exception):
    """A photograph that is not measured, and why.

    Attributes:
        finding: The reason; its effect is `refused`.
        name: File name without its folder.
        sha256: SHA-256 of the file's bytes, hexadecimal; None if they could not be read.
        width: Pixels across as the file's header states them; 0 if unknown, or if it could not be decoded.
        height: Pixels down, likewise.
    """

    def __init__(self, finding: Finding, name: str, sha256: str | None = None, width: int = 0, height: int = 0) -> None:
        super().__init__(finding, name, sha256, width, height)
        self.finding = finding
        self.name = without_folder(name)
        self.sha256 = sha256
        self.width = width
        self.height = height

    def __str__(self) -> str:
        return f"{self.name}: {self.finding.advice}"


@dataclass(frozen=True, eq=False)
class Photo:
    """One upright photograph.

    Example:
        >>> photo = Photo.from_array(np.zeros((80, 100, 3), np.uint8))
        >>> photo.width, photo.height, photo.grey
        (100, 80, True)
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    """(H, W, 3) sRGB, 0 to 255, upright, read-only."""
    name: str
    """File name without its folder; `array` if there was no file."""
    sha256: str | None
    """SHA-256 of the file's bytes, hexadecimal; None if there was no file."""
    grey: bool
    """No colour in it: a grey-scale file, or red, green and blue nearly alike in nearly every pixel."""
    notes: tuple[Finding, ...] = ()
    """What intake had to do or guess; `grey_scale` alone refuses, since its pixels were read."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", without_folder(self.name))

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.pixels.shape[0])

    @classmethod
    def from_array(cls, pixels: NDArray[Any], name: str = "array") -> Photo:
        """The photograph in an array that is already upright and sRGB.

        Args:
            pixels: uint8 (0 to 255) or float32 / float64 (0 to 1) of shape (H, W, 3), (H, W) for grey, or (H, W, 4)
                with alpha, which is laid on white. It is copied.
            name: What to call it; folders in front of it are left out, for they may tell who the patient is.

        Raises:
            ValueError: Wrong type, shape or range.
            PhotoRefused: Too few or too many pixels.
        """
        array = np.asarray(pixels)
        if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
            raise ValueError(f"pixels have the shape {array.shape}: pass (H, W, 3), (H, W) or (H, W, 4)")
        height, width = array.shape[:2]
        if (finding := check_size(width, height)) is not None:
            raise PhotoRefused(finding, name, None, width, height)
        whole = _to_uint8(array)
        notes: tuple[Finding, ...] = ()
        if whole.ndim == 2:
            whole = np.repeat(whole[:, :, None], 3, axis=2)
        elif whole.shape[2] == 4:
            alpha = whole[:, :, 3]
            if alpha.min() < 255:
                notes = (alpha_composited(float(np.mean(alpha < 255))),)
                whole = _on_white(whole)
            whole = np.ascontiguousarray(whole[:, :, :3])
        grey = is_grey(whole)
        whole.flags.writeable = False
        return cls(pixels=whole, name=name, sha256=None, grey=grey, notes=(*notes, *([grey_scale()] if grey else ())))


def without_folder(name: str) -> str:
    r"""The last part of a name, whichever system wrote it; `photo` if nothing is left.

    Example:
        >>> without_folder("visits/Jane Roe/left.jpg"), without_folder(r"C:\Jane Roe\left.jpg")
        ('left.jpg', 'left.jpg')
    """
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2] or "photo"


def check_size(width: int, height: int) -> Finding | None:
    """The finding if a picture of this size is refused, else None."""
    short, long, megapixels = min(width, height), max(width, height), width * height / 1e6
    if short < MIN_SIDE:
        return Finding(
            code="image_too_small",
            value=short,
            limit=MIN_SIDE,
            advice=f"The picture is {width} × {height} pixels, its short side must have at least {MIN_SIDE}: "
            "send the photograph as the camera took it, not a thumbnail.",
            effect="refused",
        )
    if long > MAX_SIDE:
        return Finding(
            code="image_too_large",
            value=long,
            limit=MAX_SIDE,
            advice=f"The picture is {width} × {height} pixels, its long side may have at most {MAX_SIDE}: "
            "scale it down, 4000 pixels are plenty.",
            effect="refused",
        )
    if megapixels > MAX_MEGAPIXELS:
        return Finding(
            code="image_too_large",
            value=megapixels,
            limit=MAX_MEGAPIXELS,
            advice=f"The picture has {megapixels:.0f} million pixels, at most {MAX_MEGAPIXELS} million are read: "
            "scale it down, 4000 pixels on the long side are plenty.",
            effect="refused",
        )
    return None


def is_grey(pixels: NDArray[np.uint8]) -> bool:
    """True if at most `COLOURED` of (H, W, 3) differ by more than `GREY` codes, on a grid of about 1,000 a side."""
    step = max(1, max(pixels.shape[:2]) // 1000)
    red, green, blue = np.moveaxis(pixels[::step, ::step], 2, 0)
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return float(np.mean(spread > GREY)) <= COLOURED


def grey_scale() -> Finding:
    """The finding of a photograph without colour."""
    return Finding(
        code="grey_scale",
        value=None,
        limit=None,
        advice="The photograph has no colour, so that pigment cannot be told from blood or shadow: send a colour "
        "photograph.",
        effect="refused",
    )


def alpha_composited(share: float) -> Finding:
    """The finding of a photograph with transparent pixels; `share` of them, 0 to 1."""
    return Finding(
        code="alpha_composited",
        value=share,
        limit=0.0,
        advice=f"{share:.0%} of the pixels are transparent and were laid on white: "
        "send the photograph without cut-outs.",
        effect="note",
    )


def _to_uint8(array: NDArray[Any]) -> NDArray[np.uint8]:
    """A copy of an array of either accepted type as 0 to 255."""
    if array.dtype == np.uint8:
        return np.array(array, dtype=np.uint8, order="C")
    if array.dtype not in (np.float32, np.float64):
        raise ValueError(f"pixels have the type {array.dtype}: pass uint8 (0 to 255), or float32 or float64 (0 to 1)")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):
        raise ValueError(f"pixels range from {low:g} to {high:g}: floating-point pixels must lie between 0 and 1")
    whole: NDArray[np.uint8] = np.rint(array * 255).astype(np.uint8)
    return whole


def _on_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 4) laid on white, (H, W, 3)."""
    alpha = rgba[:, :, 3:].astype(np.float32) / 255
    return np.rint(rgba[:, :, :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)

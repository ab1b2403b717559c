"""Any colour mode of an image file to 8-bit sRGB: profiles, inks, Lab, palettes, alpha and 16 bits."""

from __future__ import annotations

import sys
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile

from melascope.photo.finding import Finding
from melascope.photo.photograph import alpha_composited, grey_scale, is_grey

__all__ = ["ModeUnsupported", "low_bytes", "to_srgb"]

_SPACES: Final = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}
"""Pillow's mode → the colour space that a profile for it names (ICC.1, 7.2.6)."""

_LOW_BYTE: Final = {
    "RGB;16B": "RGB;16L",
    "RGB;16L": "RGB;16B",
    "RGB;16N": "RGB;16B" if sys.byteorder == "little" else "RGB;16L",
    "RGBA;16B": "RGBA;16L",
    "RGBA;16L": "RGBA;16B",
    "RGBA;16N": "RGBA;16B" if sys.byteorder == "little" else "RGBA;16L",
}
"""Pillow's layout of 16-bit samples, of which it keeps the high byte → the layout that gives it the low byte."""


class ModeUnsupported(ValueError):
    """The pixels are of a kind that is no photograph for the eye, such as 32-bit floating point."""


def to_srgb(image: Image.Image, low: Image.Image | None = None) -> tuple[Image.Image, bool, tuple[Finding, ...]]:
    """A decoded image of any supported mode in sRGB.

    Args:
        image: The decoded image; it may be changed.
        low: Low bytes of its 16-bit samples, from `low_bytes`.

    Returns:
        The image, of mode RGB and the same size; whether it holds no colour; and what had to be done or guessed.

    Raises:
        ModeUnsupported: The mode is none of 1, L, LA, I;16, P, PA, RGB, RGBA, CMYK, YCbCr and LAB.
    """
    notes: list[Finding] = []
    profile = image.info.get("icc_profile")
    palette = image.mode in ("P", "PA")
    flat, alpha = _flatten(image if low is None else _rounded(image, low))
    if alpha is not None:
        notes.append(alpha_composited(alpha))
    single = flat.mode == "L"
    colours = flat.getcolors(256) if palette else None
    if flat.mode == "LAB":
        flat = _apply(flat, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB")
    elif profile:
        flat, readable = _from_profile(flat, profile)
        if not readable:
            notes.append(_PROFILE_UNREADABLE)
    if flat.mode == "CMYK":
        notes.append(_COLOUR_FROM_INKS)
    rgb = flat if flat.mode == "RGB" else flat.convert("RGB")
    if single or is_grey(np.asarray(rgb)):
        return rgb.convert("L").convert("RGB"), True, (*notes, grey_scale())
    if palette:
        notes.append(_few_colours(None if colours is None else len(colours)))
    return rgb, False, tuple(notes)


def low_bytes(image: ImageFile.ImageFile) -> bool:
    """Makes an opened, not yet decoded image give the low bytes of its 16-bit samples; False if it has none.

    Pillow reduces 16-bit colour to 8 bits by dropping the low byte. With the low byte at hand the value is rounded.
    """
    tiles = []
    for tile in image.tile:
        args = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if not args or args[0] not in _LOW_BYTE:
            return False
        swapped = (_LOW_BYTE[args[0]], *args[1:])
        tiles.append(tile._replace(args=swapped if isinstance(tile.args, tuple) else swapped[0]))
    image.tile = tiles
    return bool(tiles)


def _rounded(high: Image.Image, low: Image.Image) -> Image.Image:
    """8-bit image nearest to 16-bit samples given by their bytes: round(v / 257), as 65535 = 255 * 257.

    v / 257 = high + (low - high) / 257, which rounds to the high byte unless the low one is more than 128 away.
    """
    upper, lower = np.asarray(high), np.asarray(low)
    up = (lower > upper) & (lower - upper > 128)
    down = (lower < upper) & (upper - lower > 128)
    image = Image.fromarray(upper + up.astype(np.uint8) - down.astype(np.uint8))
    image.info = high.info
    return image


def _flatten(image: Image.Image) -> tuple[Image.Image, float | None]:
    """The image without palette and alpha, of mode L, RGB, CMYK or LAB; and the share of transparent pixels, if any."""
    if image.mode.startswith("I;16"):
        return Image.fromarray(_grey_16_to_8(np.asarray(image))), None
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("LA", "La", "RGBA", "RGBa"):
        base, mode = ("L", "LA") if image.mode in ("LA", "La") else ("RGB", "RGBA")
        straight = image if image.mode == mode else image.convert(mode)
        alpha = straight.getchannel("A")
        counts = alpha.histogram()
        if not any(counts[:255]):
            return straight.convert(base), None
        canvas = Image.new(base, straight.size, "white")
        canvas.paste(straight.convert(base), mask=alpha)
        return canvas, sum(counts[:255]) / sum(counts)
    if image.mode == "1":
        return image.convert("L"), None
    if image.mode in ("RGBX", "YCbCr"):
        return image.convert("RGB"), None
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image, None
    raise ModeUnsupported(image.mode)


def _grey_16_to_8(samples: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """round(v / 257) of 16-bit samples of any byte order."""
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _from_profile(image: Image.Image, profile: bytes) -> tuple[Image.Image, bool]:
    """The image in sRGB by its ICC profile, and True; or the image unchanged and False where the profile is no use."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if source.profile.xcolor_space != _SPACES[image.mode]:
            return image, False
        return _apply(image, source, image.mode), True
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image, False


def _apply(image: Image.Image, source: ImageCms.ImageCmsProfile, mode: str) -> Image.Image:
    """Relative colorimetric conversion to sRGB with black-point compensation; skipped where it changes nothing."""
    transform = ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if mode != "RGB":
        converted = ImageCms.applyTransform(image, transform)
        assert converted is not None
        return converted
    if not _is_identity(transform):
        ImageCms.applyTransform(image, transform, inPlace=True)
    return image


def _is_identity(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a transform from RGB moves no colour of a lattice by more than one step: the profile is sRGB's."""
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    moved = ImageCms.applyTransform(Image.fromarray(lattice), transform)
    return int(np.abs(np.asarray(moved).astype(np.int16) - lattice).max()) <= 1


def _few_colours(number: int | None) -> Finding:
    return Finding(
        code="few_colours",
        value=number,
        limit=256,
        advice="The file holds at most 256 different colours, which blurs fine differences of skin colour: "
        "send the photograph as the camera took it (JPEG or HEIC).",
        effect="reservation",
    )


_PROFILE_UNREADABLE: Final = Finding(
    code="colour_profile_unreadable",
    value=None,
    limit=None,
    advice="The colour profile in the file cannot be read, so its colours were taken as sRGB: "
    "export the photograph again in sRGB.",
    effect="reservation",
)
_COLOUR_FROM_INKS: Final = Finding(
    code="colour_from_inks",
    value=None,
    limit=None,
    advice="The file holds printing inks (CMYK) without a usable profile, so its colours are a guess: "
    "send the photograph as the camera took it (RGB).",
    effect="reservation",
)

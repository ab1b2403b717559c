"""Photos, masks and maps of a data set as arrays."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

__all__ = [
    "MAP_SCALES",
    "PixelsError",
    "open_photo",
    "read_maps",
    "read_mask",
    "read_photo_pixels",
    "write_maps",
    "write_mask",
]

MAP_SCALES: Final = {"melanin": 1e5, "blood": 1e5, "density": 1e4}
"""The channels of a map file, R first, and what their values are multiplied by."""

_LIMIT = 200_000_000
_DEEP = {"I;16", "I;16B", "I;16L", "I"}


class PixelsError(ValueError):
    """A picture that cannot be read; the message says why and what to do."""


def read_photo_pixels(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) sRGB, upright after EXIF. An embedded colour profile is not applied: `melascope.photo` does that.

    Raises:
        FileNotFoundError: There is no such file.
        PixelsError: It cannot be decoded, or only in part, or holds numbers that are no photo.
    """
    image = open_photo(path)
    try:
        if image.mode in {"I", "F"}:
            rule = "must have 8 or 16 bits a colour; export it as JPEG, PNG or TIFF of that kind"
            raise PixelsError(f"{path}: has pixels of the kind {image.mode!r} (32 bits): {rule}")
        turned = ImageOps.exif_transpose(image)
        if turned.mode.startswith("I;16"):
            turned = Image.fromarray(_eight_bits(np.asarray(turned)))
        return np.asarray(turned.convert("RGB"))
    except _FAILURES as error:
        raise PixelsError(f"{path}: {_reason(error)}") from None
    finally:
        image.close()


def _eight_bits(samples: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """round(v / 257), as 65535 = 255 * 257; as `melascope.photo` does."""
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def read_mask(path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """(H, W) codes of a PNG with one channel: grey, palette or one bit give uint8, 16 bits give uint16.

    Raises:
        FileNotFoundError: There is no such file.
        PixelsError: It cannot be decoded, or has several channels.
    """
    image = open_photo(path)
    try:
        if image.mode in _DEEP:
            values = np.asarray(image)
            if values.min(initial=0) < 0 or values.max(initial=0) > 65535:
                raise PixelsError(f"{path}: holds codes beyond 65535: write a 16-bit PNG")
            return values.astype(np.uint16)
        if image.mode not in {"L", "P", "1"}:
            raise PixelsError(
                f"{path}: has the mode {image.mode}: must have one channel of codes; write it as grey PNG"
            )
        return np.asarray(image).astype(np.uint8)
    except _FAILURES as error:
        raise PixelsError(f"{path}: {_reason(error)}") from None
    finally:
        image.close()


def write_mask(path: Path, codes: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Write (H, W) codes as PNG of 8 or 16 bits, whole or not at all."""
    import cv2

    from melascope.data.layout import write_whole

    done, encoded = cv2.imencode(".png", codes)
    if not done or codes.ndim != 2:
        raise ValueError(f"a mask of {codes.shape} {codes.dtype}: must be (H, W) of uint8 or uint16")
    write_whole(path, encoded.tobytes())


def read_maps(path: Path) -> dict[str, NDArray[np.float32]]:
    """Melanin and blood (volume fractions) and the lesions' density, each (H, W), by name.

    Raises:
        FileNotFoundError: There is no such file.
        PixelsError: It is no PNG of three 16-bit channels.
    """
    import cv2

    data = np.frombuffer(path.read_bytes(), np.uint8)
    stored = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if stored is None or stored.ndim != 3 or stored.shape[2] != len(MAP_SCALES) or stored.dtype != np.uint16:
        raise PixelsError(f"{path}: is no PNG of {len(MAP_SCALES)} channels of 16 bits: write it with write_maps")
    channels = np.moveaxis(stored[..., ::-1], 2, 0)
    return {
        name: np.asarray(channel / np.float32(scale), np.float32)
        for channel, (name, scale) in zip(channels, MAP_SCALES.items(), strict=True)
    }


def write_maps(path: Path, maps: Mapping[str, NDArray[np.float32]]) -> None:
    """Write the maps of `MAP_SCALES`, (H, W) each, whole or not at all; values are held between 0 and the largest."""
    import cv2

    from melascope.data.layout import write_whole

    scaled = [np.round(maps[name] * scale).clip(0, 65535).astype(np.uint16) for name, scale in MAP_SCALES.items()]
    done, encoded = cv2.imencode(".png", np.dstack(scaled[::-1]), [cv2.IMWRITE_PNG_COMPRESSION, 2])
    if not done:
        raise ValueError(f"maps of {scaled[0].shape}: must be (H, W) each")
    write_whole(path, encoded.tobytes())


# What Pillow's decoders raise on damaged files.
_FAILURES = (OSError, SyntaxError, EOFError, IndexError, OverflowError, TypeError, MemoryError, AttributeError)


def _reason(error: BaseException) -> str:
    return f"cannot be decoded ({error}): copy the file anew from its source"


@cache
def _know_heif() -> None:
    """Lets Pillow read HEIC, whatever the file is called: telephones send it as .jpg."""
    from pillow_heif import register_heif_opener

    register_heif_opener()


def open_photo(path: Path) -> Image.Image:
    """A picture whose header was read, and not its pixels; to be closed.

    Raises:
        FileNotFoundError: There is no such file.
        PixelsError: It is no picture, or too large.
    """
    _know_heif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path)
    except FileNotFoundError:
        raise
    except UnidentifiedImageError:
        raise PixelsError(f"{path}: is no picture of a known format: copy the file anew from its source") from None
    except (*_FAILURES, ValueError, Image.DecompressionBombError) as error:
        raise PixelsError(f"{path}: {_reason(error)}") from None
    if image.width * image.height > _LIMIT:
        image.close()
        raise PixelsError(
            f"{path}: has {image.width} x {image.height} pixels: must have 200 million at most; shrink it"
        )
    return image

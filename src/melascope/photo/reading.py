"""Reading a photograph from a file or from bytes: limits, decoding, orientation."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from melascope.photo.colour import ModeUnsupported, low_bytes, to_srgb
from melascope.photo.finding import Finding
from melascope.photo.formats import ACCEPTED, Format, format_named, format_of, is_camera_raw, nature, webp_size
from melascope.photo.photograph import MAX_MEGAPIXELS, Photo, PhotoRefused, check_size

__all__ = ["MAX_BYTES", "MAX_PIXELS_PER_BYTE", "read_photo"]

MAX_BYTES: Final = 500_000_000
"""Size of a file above which it is not read."""
MAX_PIXELS_PER_BYTE: Final = 2000
"""A picture with more pixels per byte of its file is damaged or a trap: even one even colour takes more in a JPEG."""
_SURELY_HARMLESS: Final = 4_000_000
"""Pixels up to which the rule above is not asked."""
_ORIENTATION: Final = 0x0112


def read_photo(source: str | Path | bytes, name: str | None = None) -> Photo:
    """The photograph in a file, upright and in sRGB, without any of its metadata.

    The format is told by the content, never by the file's name. Of a file with several pictures only one is read.

    Args:
        source: Path of the file, or the file's bytes.
        name: What to call it; the file's own name if None. Folders in front of it are left out either way.

    Raises:
        PhotoRefused: It cannot or must not be read; the finding says why and what to do.

    Example:
        >>> read_photo("no/such/photo.jpg")
        Traceback (most recent call last):
        ...
        melascope.photo.photograph.PhotoRefused: photo.jpg: There is no such file: check its name and folder.
    """
    if isinstance(source, bytes):
        called, data = name or "photo", source
    else:
        called = name or _printable(Path(source).name or "photo")
        data = _file_bytes(source, called)
    if not data:
        raise PhotoRefused(_refusal("file_empty", "The file is empty (0 bytes): copy or send it again.", 0.0), called)
    sha256 = hashlib.sha256(data).hexdigest()
    size = (0, 0)
    kind = format_of(data)
    try:
        if len(data) > MAX_BYTES:
            raise _Stop(_too_many_bytes(len(data)))
        if kind is None:
            raise _Stop(_unsupported(data))
        with _quiet():
            if kind.name == "WebP":
                size = webp_size(data)
                _check_header(size, len(data))
            image = kind.open(BytesIO(data))
            size = image.size
            _check_header(size, len(data))
            if kind.name == "TIFF" and is_camera_raw(image):
                raise _Stop(_CAMERA_RAW)
            several = bool(getattr(image, "is_animated", False))
            low = _low_bytes(kind, data)
            image.load()
            orientation = _orientation(image)
            flat, grey, found = to_srgb(image, low)
        del image, low
        pixels = _upright(np.asarray(flat), orientation)
    except Exception as error:  # noqa: BLE001 - decoders fail on damaged files in every way there is
        stated = size if isinstance(error, _Stop) else (0, 0)
        raise PhotoRefused(_reason(error, kind, size), called, sha256, *stated) from None
    pixels.flags.writeable = False
    notes = (*_name_notes(called, kind), *([_SEVERAL_PICTURES] if several else ()), *found)
    return Photo(pixels=pixels, name=called, sha256=sha256, grey=grey, notes=notes)


def _file_bytes(source: str | Path, name: str) -> bytes:
    """Content of a regular file of bearable size."""
    try:
        state = os.stat(source)
        if stat.S_ISDIR(state.st_mode):
            os.scandir(source).close()  # fails where it may not be read, which is then the reason
            raise _Stop(_refusal("file_is_folder", "This is a folder: name the photographs in it."))
        if not stat.S_ISREG(state.st_mode):
            raise _Stop(_refusal("file_is_special", "This is a device or a pipe: name a regular file."))
        if state.st_size > MAX_BYTES:
            raise _Stop(_too_many_bytes(state.st_size))
        with open(source, "rb") as file:
            return file.read()
    except _Stop as stop:
        finding = stop.finding
    except (FileNotFoundError, NotADirectoryError):
        finding = _refusal("file_missing", "There is no such file: check its name and folder.")
    except PermissionError:
        finding = _refusal("file_not_readable", "It may not be read: ask its owner for permission to read it.")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        advice = f"It cannot be opened ({reason}): check its name, or copy it to another place."
        finding = _refusal("file_not_readable", advice)
    raise PhotoRefused(finding, name)


def _printable(name: str) -> str:
    """A file name that can be written as UTF-8, whatever bytes the file system holds."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _check_header(size: tuple[int, int], length: int) -> None:
    """Stops before a picture is decoded that is too small, too large, or too large for the bytes that it came in."""
    width, height = size
    if (finding := check_size(width, height)) is not None:
        raise _Stop(finding)
    density = width * height / length
    if width * height > _SURELY_HARMLESS and density > MAX_PIXELS_PER_BYTE:
        advice = (
            f"The file claims {width} × {height} pixels in only {length} bytes ({density:.0f} pixels per byte, no "
            f"photograph has more than {MAX_PIXELS_PER_BYTE}): send the photograph as the camera took it."
        )
        raise _Stop(_refusal("pixels_implausible", advice, density, MAX_PIXELS_PER_BYTE))


def _low_bytes(kind: Format, data: bytes) -> Image.Image | None:
    """The low bytes of 16-bit colour samples, decoded; None where there are none."""
    if kind.name not in ("PNG", "TIFF"):
        return None
    again = kind.open(BytesIO(data))
    if not low_bytes(again):
        return None
    again.load()
    return again


def _orientation(image: Image.Image) -> int:
    """EXIF orientation that is still to be applied, 1 to 8; TIFF and HEIF decoders have applied theirs and say 1."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - metadata beyond reading says nothing, and the pixels are sound
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(stored: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Pixels (H, W, 3) turned upright by their EXIF orientation (Exif 2.32, tag 0x0112), contiguous."""
    if orientation >= 5:  # rows were stored as columns
        stored = stored.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        stored = stored[::-1]
    if orientation in (2, 3, 6, 7):
        stored = stored[:, ::-1]
    return np.ascontiguousarray(stored)


# ---------------------------------------------------------------- findings


class _Stop(Exception):
    """Reading ends here, with this finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.code)
        self.finding = finding


def _reason(error: Exception, kind: Format | None, size: tuple[int, int]) -> Finding:
    """What an error while reading means to the one who sent the file."""
    if isinstance(error, _Stop):
        return error.finding
    if isinstance(error, ModeUnsupported):
        advice = (
            f"The file holds pixels of the kind {str(error)!r}, which are no photograph: "
            "export it with 8 or 16 bits per colour as JPEG, PNG or TIFF."
        )
        return _refusal("depth_unsupported", advice)
    if isinstance(error, Image.DecompressionBombError):
        advice = (
            f"The picture has {size[0]} × {size[1]} pixels, more than the decoder of its format accepts: "
            "scale it down, 4000 pixels on the long side are plenty."
        )
        return _refusal("image_too_large", advice, size[0] * size[1] / 1e6, MAX_MEGAPIXELS)
    if isinstance(error, MemoryError):
        return _refusal("out_of_memory", "There is not enough memory to decode the file: scale the photograph down.")
    name = "" if kind is None else f"{kind.name} "
    advice = f"The {name}file is damaged or incomplete: copy it from the camera again, or send the original file."
    return _refusal("file_damaged", advice)


def _refusal(code: str, advice: str, value: float | None = None, limit: float | None = None) -> Finding:
    return Finding(code=code, value=value, limit=limit, advice=advice, effect="refused")


def _unsupported(data: bytes) -> Finding:
    what = nature(data)
    said = f"The file holds {what}" if what else "The content of the file is no picture of a known format"
    return _refusal("format_unsupported", f"{said}; {ACCEPTED} are read: export the photograph as one of them.")


def _too_many_bytes(length: int) -> Finding:
    advice = f"The file has {length / 1e6:.0f} MB, at most {MAX_BYTES / 1e6:.0f} MB are read: export it as JPEG."
    return _refusal("file_too_large", advice, length / 1e6, MAX_BYTES / 1e6)


def _name_notes(name: str, kind: Format | None) -> tuple[Finding, ...]:
    stated = format_named(name)
    if kind is None or stated in (None, kind):
        return ()
    advice = f"The file's name ends like {stated.name}, but it holds a {kind.name} picture and was read as that."
    return (Finding(code="extension_wrong", value=None, limit=None, advice=advice, effect="note"),)


_CAMERA_RAW: Final = _refusal(
    "format_unsupported",
    "The file holds a camera's raw data, of which only a small preview could be read: export it as JPEG or TIFF.",
)
_SEVERAL_PICTURES: Final = Finding(
    code="animation_first_frame",
    value=None,
    limit=None,
    advice="The file holds several pictures, of which only one was measured: send the others in files of their own.",
    effect="note",
)


# ---------------------------------------------------------------- silence

_lock = threading.Lock()
_readers = 0
_before: warnings.catch_warnings[None] | None = None


@contextmanager
def _quiet() -> Iterator[None]:
    """Mutes the decoders' warnings (odd metadata, many pixels): what matters of them is said in findings.

    `warnings.catch_warnings` alone mixes up the filters of threads that overlap; here the first reader in mutes, and
    the last one out restores.
    """
    global _readers, _before
    with _lock:
        _readers += 1
        if _readers == 1:
            _before = warnings.catch_warnings()
            _before.__enter__()
            warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif)(\.|$)")
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0 and _before is not None:
                _before.__exit__(None, None, None)
                _before = None

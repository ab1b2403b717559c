"""The formats that are read, told by their content, and what their headers say before anything is decoded."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Final, NamedTuple

from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile
from pillow_heif import HeifImageFile

__all__ = ["ACCEPTED", "Format", "format_named", "format_of", "is_camera_raw", "nature", "webp_size"]


class Format(NamedTuple):
    """One format: its name, Pillow's reader for it, and the endings of its files."""

    name: str
    open: Callable[[BytesIO], ImageFile]
    suffixes: tuple[str, ...]


# The plugins are called by hand: which of them may see a file is decided here, and Image.open's own limit on the
# number of pixels, which belongs to the host program, stays untouched.
_JPEG: Final = Format("JPEG", JpegImagePlugin.JpegImageFile, (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"))
_PNG: Final = Format("PNG", PngImagePlugin.PngImageFile, (".png", ".apng"))
_WEBP: Final = Format("WebP", WebPImagePlugin.WebPImageFile, (".webp",))
_TIFF: Final = Format("TIFF", TiffImagePlugin.TiffImageFile, (".tif", ".tiff"))
_BMP: Final = Format("BMP", BmpImagePlugin.BmpImageFile, (".bmp", ".dib"))
_GIF: Final = Format("GIF", GifImagePlugin.GifImageFile, (".gif",))
_HEIF: Final = Format("HEIF", HeifImageFile, (".heic", ".heif", ".hif", ".heics", ".heifs"))
_FORMATS: Final = (_JPEG, _PNG, _WEBP, _TIFF, _BMP, _GIF, _HEIF)

_STARTS: Final = (
    (b"\xff\xd8\xff", _JPEG),
    (b"\x89PNG\r\n\x1a\n", _PNG),
    (b"II*\x00", _TIFF),
    (b"MM\x00*", _TIFF),
    (b"II+\x00", _TIFF),
    (b"MM\x00+", _TIFF),
    (b"BM", _BMP),
    (b"GIF87a", _GIF),
    (b"GIF89a", _GIF),
)
_HEIF_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_AVIF_BRANDS: Final = (b"avif", b"avis")
_OTHERS: Final = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"<svg", "an SVG drawing"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"8BPS", "a Photoshop document"),
    (b"FUJIFILM", "a camera's raw data"),
)
ACCEPTED: Final = "JPEG, PNG, WebP, TIFF, BMP and HEIC"


def format_of(data: bytes) -> Format | None:
    """The format of a file's content; None if it is not read here.

    Example:
        >>> format_of(b"GIF89a...").name
        'GIF'
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _WEBP
    if data[4:8] == b"ftyp":
        brands = _brands(data)
        return None if brands.isdisjoint(_HEIF_BRANDS) or data[8:12] in _AVIF_BRANDS else _HEIF
    return next((kind for start, kind in _STARTS if data.startswith(start)), None)


def format_named(name: str) -> Format | None:
    """The format that the ending of a file's name stands for; None if for none that is read here."""
    suffix = Path(name).suffix.lower()
    return next((kind for kind in _FORMATS if suffix in kind.suffixes), None)


def nature(data: bytes) -> str | None:
    """What a file of no accepted format is, in words; None if unknown."""
    if data[4:8] == b"ftyp":
        return "a video" if _brands(data).isdisjoint(_AVIF_BRANDS) else "an AVIF picture"
    if data[128:132] == b"DICM":
        return "a DICOM file"
    return next((what for start, what in _OTHERS if data.startswith(start)), None)


def webp_size(data: bytes) -> tuple[int, int]:
    """Width and height of a WebP file, which its decoder makes room for as soon as it is opened (RFC 9649, 2.5 to 2.7).

    Raises:
        EOFError: The header ends early.
    """
    kind, head = data[12:16], data[20:30]
    if len(head) < 10:
        raise EOFError("the header of the WebP file ends early")
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(head[6:8], "little") & 0x3FFF, int.from_bytes(head[8:10], "little") & 0x3FFF


def is_camera_raw(image: ImageFile) -> bool:
    """Whether an opened TIFF is raw data of a camera, its first picture a preview (DNG 1.6; TIFF 6, NewSubfileType)."""
    tags = getattr(image, "tag_v2", {})
    subfile_type, dng_version = 254, 50706
    return dng_version in tags or bool(int(tags.get(subfile_type, 0)) & 1)


def _brands(data: bytes) -> set[bytes]:
    """Major and compatible brands of an ISO base media file (ISO 14496-12, 4.3)."""
    end = min(int.from_bytes(data[:4], "big"), 256)
    return {data[8:12], *(data[at : at + 4] for at in range(16, end, 4))}

"""Pictures and files made in memory, of every format and mode that intake meets; none is a photograph."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import cv2
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageCms

pillow_heif.register_heif_opener()

Pixels = NDArray[np.uint8]

HEIGHT, WIDTH = 72, 96


def smooth(height: int = HEIGHT, width: int = WIDTH) -> Pixels:
    """Smooth colours, different in every corner, that survive lossy compression: (height, width, 3)."""
    y, x = np.mgrid[0:height, 0:width]
    down, right = y / (height - 1), x / (width - 1)
    channels = (60 + 160 * right, 50 + 150 * down, 200 - 90 * right * down)
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def quadrants(height: int = HEIGHT, width: int = WIDTH) -> Pixels:
    """Four flat colours, so that every orientation is told from every other: (height, width, 3)."""
    pixels = np.empty((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    pixels[:top, :left], pixels[:top, left:] = (200, 60, 60), (60, 200, 60)
    pixels[top:, :left], pixels[top:, left:] = (60, 60, 200), (210, 210, 60)
    return pixels


def encode(image: Image.Image | Pixels, form: str, **options: Any) -> bytes:
    """The file that Pillow writes."""
    file = BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(file, form, **options)
    return file.getvalue()


def jpeg(pixels: Pixels, **options: Any) -> bytes:
    """JPEG of high quality without colour subsampling."""
    return encode(pixels, "JPEG", **{"quality": 95, "subsampling": 0, **options})


def exif(orientation: int) -> bytes:
    """EXIF block that holds an orientation."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG file that states a size and holds next to nothing."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")


def bmp_header(width: int, height: int) -> bytes:
    """A BMP file that states a size and holds next to nothing."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 64, 0, 0, 54) + info + bytes(64)


def webp_header(width: int, height: int) -> bytes:
    """An extended WebP file that states a size and holds no picture."""
    body = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + (width - 1).to_bytes(3, "little")
    body += (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def jpeg_claiming(width: int, height: int) -> bytes:
    """A small progressive JPEG whose header states another size."""
    data = bytearray(jpeg(smooth(), progressive=True))
    at = data.index(b"\xff\xc2")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def tiff(pixels: NDArray[Any], photometric: int, bits: int, extra: dict[int, int] | None = None) -> bytes:
    """An uncompressed little-endian TIFF, written tag by tag: (H, W) or (H, W, C) samples as they are stored."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    body = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 0, 277: channels, 278: height}
    tags |= {279: len(body), 284: 1, **(extra or {})}
    depths = struct.pack(f"<{channels}H", *[bits] * channels)
    table_end = 8 + 2 + 12 * len(tags) + 4
    out = b"II*\0" + struct.pack("<IH", 8, len(tags))
    for tag, value in sorted(tags.items()):
        count = channels if tag == 258 else 1
        held = {273: table_end + len(depths)}.get(tag, value)
        if tag == 258 and channels > 2:
            out += struct.pack("<HHII", tag, 3, count, table_end)
        elif tag == 258:
            out += struct.pack("<HHI", tag, 3, count) + depths.ljust(4, b"\0")
        else:
            out += struct.pack("<HHII", tag, 4, 1, held)
    return out + struct.pack("<I", 0) + depths + body


def wide(pixels: NDArray[np.uint16], form: str) -> bytes:
    """A 16-bit file, (H, W) or (H, W, 3) RGB or (H, W, 4) RGBA, written by OpenCV: `.png` or `.tiff`."""
    order = pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    done, data = cv2.imencode(form, np.ascontiguousarray(order))
    assert done
    return data.tobytes()


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _container(device: bytes, space: bytes, connection: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    """An ICC profile, version 2, with these tags (ICC.1:2001-04, 6.1 and 6.2)."""
    described = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(4 + 4 + 2 + 1 + 67)
    bodies, table = b"", struct.pack(">I", len(tags) + 1)
    start = 128 + 4 + 12 * (len(tags) + 1)
    for name, body in [(b"desc", described), *tags]:
        table += name + struct.pack(">II", start + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(bodies), b"\0\0\0\0", 0x02400000, device, space, connection)
    head = head.ljust(36, b"\0") + b"acsp" + bytes(28) + _xyz((0.9642, 1.0, 0.8249))[8:]
    return head.ljust(128, b"\0") + table + bodies


def icc_profile(primaries: tuple[tuple[float, float, float], ...], gamma: float = 2.2) -> bytes:
    """A matrix profile for RGB: XYZ (D50) of red, green and blue, and one gamma for all."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    tags = [(b"wtpt", _xyz((0.9642, 1.0, 0.8249)))]
    tags += [(name, _xyz(values)) for name, values in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)]
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    return _container(b"mntr", b"RGB ", b"XYZ ", tags)


SRGB_PRIMARIES = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
"""XYZ (D50) of the sRGB primaries."""
P3_PRIMARIES = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
"""XYZ (D50) of the Display P3 primaries."""


def srgb_profile() -> bytes:
    """LittleCMS's own sRGB profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def ink_profile() -> bytes:
    """A version 2 CMYK profile of odd inks: cyan prints red, all others print grey (ICC.1:2001-04, 6.5.8)."""
    steps = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0))
    lut += b"".join(struct.pack(">i", 65536 * (row == column)) for row in range(3) for column in range(3))
    lut += steps * 4
    for cyan in (0, 1):
        for others in range(8):
            lightness = 255 - 64 * others.bit_count() - 60 * cyan
            lut += bytes((max(0, lightness), 128 + 70 * cyan, 128 + 50 * cyan))
    lut += steps * 3
    return _container(b"prtr", b"CMYK", b"Lab ", [(b"wtpt", _xyz((0.9642, 1.0, 0.8249))), (b"A2B0", lut)])


def seeds() -> dict[str, bytes]:
    """One small file of every format and most modes."""
    picture, quarters = Image.fromarray(smooth()), Image.fromarray(quadrants())
    deep = (smooth().astype(np.uint16) * 257) ^ 0x55
    return {
        "jpeg": encode(picture, "JPEG", quality=85, exif=exif(6), icc_profile=srgb_profile()),
        "jpeg_progressive": encode(picture, "JPEG", quality=85, progressive=True),
        "jpeg_grey": encode(picture.convert("L"), "JPEG"),
        "jpeg_cmyk": encode(picture.convert("CMYK"), "JPEG"),
        "png": encode(picture, "PNG", icc_profile=icc_profile(P3_PRIMARIES)),
        "png_palette": encode(quarters.quantize(16), "PNG"),
        "png_alpha": encode(picture.convert("RGBA"), "PNG"),
        "png_16": wide(deep, ".png"),
        "png_animated": encode(picture, "PNG", save_all=True, append_images=[quarters]),
        "webp": encode(picture, "WEBP", quality=80, exif=exif(3)),
        "webp_lossless": encode(picture, "WEBP", lossless=True),
        "webp_animated": encode(picture, "WEBP", save_all=True, append_images=[quarters]),
        "tiff": encode(picture, "TIFF"),
        "tiff_lzw": encode(picture, "TIFF", compression="tiff_lzw"),
        "tiff_jpeg": encode(picture, "TIFF", compression="jpeg"),
        "tiff_16": wide(deep, ".tiff"),
        "tiff_pages": encode(picture, "TIFF", save_all=True, append_images=[quarters]),
        "bmp": encode(picture, "BMP"),
        "bmp_palette": encode(quarters.quantize(16), "BMP"),
        "gif": encode(quarters, "GIF", save_all=True, append_images=[picture]),
        "heic": encode(picture, "HEIF", quality=80, exif=exif(8)),
    }

"""Pictures of an analysis for the screen: the photograph, layers that lie over it, and places for alignment."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.clinic.outlines import face_width, outlines
from melascope.record import Analysis, Arrays
from melascope.report.html import jpeg
from melascope.report.maps import maps, relevance
from melascope.report.overlay import figure
from melascope.report.palette import LESION, REGIONS, colour_map
from melascope.vocabulary import MASI_REGIONS, Region, View

__all__ = ["LAYERS", "Measured", "aligned", "alignment", "draw", "similarity"]

Image8 = NDArray[np.uint8]
LAYERS: Final = ("regions", "lesions", "melanin", "haemoglobin", "relevance")
"""`relevance` only where a severity network ships and knows such photographs."""
_LONGEST: Final = 1400
_THUMB: Final = 320
_REACH: Final = 0.3
"""Optical density at the end of the colours, the same in all photographs so that visits can be compared."""
_CLEAR: Final = 0.2
"""Share of the reach from which the colour hides the photograph; what is nearer to zero shows through."""
_ANCHORS: Final = (*MASI_REGIONS, Region.NOSE, Region.UPPER_LIP, Region.LIPS)


@dataclass(frozen=True)
class Measured:
    """What a worker hands back: plain data that crosses a process's border."""

    record: str
    """`analysis.json`."""
    pictures: dict[str, bytes]
    """By name: ``display.jpg``, ``thumb.jpg``, layers, ``overlay.jpg`` and ``maps.jpg`` of the report, masks."""
    anchors: dict[str, tuple[float, float]]
    """Centres of regions in pixels of ``display.jpg``."""
    scale: float
    """Pixels of ``display.jpg`` per pixel of the upright photograph."""
    outlines: list[list[float]] = field(default_factory=list)
    """Of each lesion of the record: x, y, x, y ... in pixels of ``display.jpg``."""
    face_px: float | None = None
    """Width of the face in pixels of ``display.jpg``; None in a close-up."""


def draw(analysis: Analysis, pixels: Image8 | None) -> Measured:
    """All pictures of an analysis.

    Args:
        analysis: With arrays where the photograph was measured.
        pixels: (H, W, 3) sRGB of the upright photograph; None if it could not be decoded.
    """
    record = analysis.to_json()
    if pixels is None:
        return Measured(record, {}, {}, 1.0)
    height, width = pixels.shape[:2]
    scale = min(1.0, _LONGEST / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shown = pixels if scale == 1 else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    small = _THUMB / max(size)
    thumb = cv2.resize(shown, None, fx=small, fy=small, interpolation=cv2.INTER_AREA) if small < 1 else shown
    pictures = {"display.jpg": jpeg(shown, 88), "thumb.jpg": jpeg(np.asarray(thumb, np.uint8), 82)}
    try:
        arrays = analysis.arrays
    except LookupError:
        return Measured(record, pictures, {}, scale)
    codes = cv2.resize(arrays.region_codes, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    pictures |= {
        "regions.png": _png(_regions(codes)),
        "lesions.png": _png(_patches(arrays, size)),
        "melanin.png": _png(_map(arrays, arrays.melanin, "melanin", size, scale)),
        "haemoglobin.png": _png(_map(arrays, arrays.haemoglobin, "haemoglobin", size, scale)),
        "overlay.jpg": jpeg(figure(analysis)),
        "maps.jpg": jpeg(maps(analysis)),
        "region_mask.png": _mask(arrays.region_codes),
        "lesion_mask.png": _mask(arrays.lesion_mask.astype(np.uint8) * np.uint8(255)),
    }
    looked = relevance(analysis)
    if looked is not None and arrays.relevance is not None:
        known = np.abs(arrays.relevance[np.isfinite(arrays.relevance)])
        top = max(float(np.quantile(known, 0.995)), 1e-6) if known.size else 1.0
        pictures["relevance.png"] = _png(_map(arrays, arrays.relevance, "relevance", size, scale, top))
        pictures["relevance.jpg"] = jpeg(looked)
    return Measured(
        record=record,
        pictures=pictures,
        anchors=_anchors(codes),
        scale=scale,
        outlines=outlines(arrays.lesion_mask, [lesion.box for lesion in analysis.lesions], scale),
        face_px=round(face_width(codes), 1) if analysis.view is View.FACE else None,
    )


def _regions(codes: Image8) -> Image8:
    layer = np.zeros((*codes.shape, 4), np.uint8)
    for region in MASI_REGIONS:
        here = (codes == region).astype(np.uint8)
        _fill(layer, here, REGIONS[region], 46, 2)
    return layer


def _patches(arrays: Arrays, size: tuple[int, int]) -> Image8:
    mask = cv2.resize(arrays.lesion_mask.astype(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    layer = np.zeros((size[1], size[0], 4), np.uint8)
    _fill(layer, (mask > 127).astype(np.uint8), LESION, 40, 1)
    return layer


def _fill(layer: Image8, here: Image8, colour: tuple[int, int, int], alpha: int, width: int) -> None:
    """A tint inside and a line around."""
    layer[here > 0] = (*colour, alpha)
    outlines, _ = cv2.findContours(here, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(layer, outlines, -1, (*colour, 255), width, cv2.LINE_8)


def _map(
    arrays: Arrays,
    values: NDArray[np.float32],
    name: str,
    size: tuple[int, int],
    scale: float,
    reach: float = _REACH,
) -> Image8:
    """A map in its colours, clear where it is near zero; `reach` stands at the end of the colours."""
    x0, y0, x1, y1 = (round(value * scale) for value in arrays.frame)
    known = np.where(np.isfinite(values), values, np.float32(0))
    index = np.clip((known + reach) / (2 * reach) * 255, 0, 255).astype(np.uint8)
    strength = np.clip(np.abs(known) / (reach * _CLEAR), 0, 1) * 235
    tile = np.dstack([colour_map(name)[index], strength.astype(np.uint8)]).astype(np.uint8)
    layer = np.zeros((size[1], size[0], 4), np.uint8)
    across, down = max(1, min(x1, size[0]) - x0), max(1, min(y1, size[1]) - y0)
    layer[y0 : y0 + down, x0 : x0 + across] = cv2.resize(tile, (across, down), interpolation=cv2.INTER_NEAREST)
    return layer


def _anchors(codes: Image8) -> dict[str, tuple[float, float]]:
    places = {}
    for region in _ANCHORS:
        rows, columns = np.nonzero(codes == region)
        if len(rows) >= 50:
            places[region.key] = (round(float(np.median(columns)), 1), round(float(np.median(rows)), 1))
    return places


def _mask(values: Image8) -> bytes:
    """(H, W) codes in the size of the upright photograph, for exports."""
    done, data = cv2.imencode(".png", values, [cv2.IMWRITE_PNG_COMPRESSION, 4])
    if not done:
        raise RuntimeError(f"a mask of {values.shape} could not be encoded")
    return bytes(data)


def _png(layer: Image8) -> bytes:
    """(H, W, 4) RGBA as PNG."""
    bgra = cv2.cvtColor(layer, cv2.COLOR_RGBA2BGRA)
    done, data = cv2.imencode(".png", bgra, [cv2.IMWRITE_PNG_COMPRESSION, 4])
    if not done:
        raise RuntimeError(f"a layer of {layer.shape} could not be encoded")
    return bytes(data)


def aligned(picture: bytes, anchors: dict[str, Any], onto: bytes, target: dict[str, Any]) -> bytes | None:
    """A photograph turned, scaled and shifted so that the face lies where it lies in another one.

    The similarity that brings the common places nearest in the least-squares sense (Umeyama 1991), without mirroring.

    Returns:
        JPEG of the size of `onto`; None where fewer than three places are common.
    """
    matrix = alignment(anchors, target)
    if matrix is None:
        return None
    source = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    frame = cv2.imdecode(np.frombuffer(onto, np.uint8), cv2.IMREAD_COLOR)
    if source is None or frame is None:
        return None
    height, width = frame.shape[:2]
    moved = cv2.warpAffine(source, matrix, (width, height), flags=cv2.INTER_AREA, borderValue=(248, 247, 245))
    return jpeg(np.asarray(moved[..., ::-1], np.uint8), 88)


def alignment(anchors: dict[str, Any], target: dict[str, Any]) -> NDArray[np.float64] | None:
    """(2, 3): what brings a face to where another one lies; None where fewer than three places are common."""
    common = sorted(set(anchors) & set(target))
    if len(common) < 3:
        return None
    here = np.array([anchors[name] for name in common], float)
    return similarity(here, np.array([target[name] for name in common], float))


def similarity(here: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 3): rotation, scale and shift that bring points (n, 2) nearest to others."""
    a, b = here - here.mean(axis=0), there - there.mean(axis=0)
    turn = complex(float((a * b).sum()), float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum())) / float((a * a).sum())
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack([linear, there.mean(axis=0) - linear @ here.mean(axis=0)])


def measured_json(measured: Measured) -> dict[str, Any]:
    """What the row keeps beside the record; the files' names are added by who stores them."""
    kept = {
        "anchors": measured.anchors,
        "scale": measured.scale,
        "outlines": measured.outlines,
        "face_px": measured.face_px,
    }
    plain: dict[str, Any] = json.loads(json.dumps(kept))
    return plain

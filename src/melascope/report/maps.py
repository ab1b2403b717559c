"""The maps behind the numbers: photograph, melanin, haemoglobin and excess pigment side by side, with scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from melascope.record import Analysis
from melascope.report import palette

__all__ = ["maps", "relevance"]

Image8 = NDArray[np.uint8]

_LONGEST: Final = 520
_SHORTEST: Final = 300
_GAP: Final = 28
_HEAD: Final = 50
_BAR: Final = 62
_LIMITS: Final = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
_PANELS: Final = (
    ("melanin", "Melanin", "brown pigment; 0 = own normal skin"),
    ("haemoglobin", "Haemoglobin", "blood; 0 = own normal skin"),
    ("pigment", "Excess pigment", "melanin above normal at that place"),
)


def maps(analysis: Analysis) -> Image8:
    """Four panels: the photograph, melanin, haemoglobin and excess pigment, each with its scale in optical density.

    Off the skin the photograph is shown dimmed and grey. The scale of a panel reaches to the first round number that
    holds 99 % of the skin; what lies beyond is drawn in the end colour.

    Args:
        analysis: A record with arrays.

    Returns:
        (H, W, 3) uint8 sRGB, about 1250 pixels across at most.

    Raises:
        LookupError: The record carries no arrays.
    """
    photo = _photograph(analysis)
    size = (photo.shape[1], photo.shape[0])
    panels = [_Panel("Photograph", "the part that was measured", photo)]
    for name, title, note in _PANELS:
        values = _resized(getattr(analysis.arrays, name), size)
        limits = _limits(values, diverging=name != "pigment")
        panels.append(_Panel(title, note, _coloured(values, photo, name, limits), _Scale(name, limits, "OD")))
    return _sheet(panels)


def relevance(analysis: Analysis) -> Image8 | None:
    """Two panels: the photograph, and what speaks for (purple) and against (green) the class that the network reads.

    Args:
        analysis: A record with arrays.

    Returns:
        (H, W, 3) uint8 sRGB, about 1250 pixels across at most; None where nothing was read, or the network's reading
        has no places.

    Raises:
        LookupError: The record carries no arrays.
    """
    values, read = analysis.arrays.relevance, analysis.severity_reading
    if values is None or read is None:
        return None
    photo = _photograph(analysis)
    values = _resized(values, (photo.shape[1], photo.shape[0]))
    known = np.abs(values[np.isfinite(values)])
    top = max(float(np.quantile(known, 0.995)), 1e-6) if known.size else 1.0
    tinted = _tinted(values, photo, top)
    scale = _Scale("relevance", (-top, top), "points")
    title = f"Relevance for {read.severity.value}"
    return _sheet(
        [
            _Panel("Photograph", "the part that was measured", photo),
            _Panel(title, "purple speaks for it, green against it", tinted, scale),
        ]
    )


@dataclass(frozen=True)
class _Scale:
    """Colours of a panel: name of the map, values at its ends, their unit."""

    name: str
    limits: tuple[float, float]
    unit: str


@dataclass(frozen=True)
class _Panel:
    title: str
    note: str
    pixels: Image8
    scale: _Scale | None = None


def _photograph(analysis: Analysis) -> Image8:
    """The part that was measured, at the size of a panel."""
    arrays = analysis.arrays
    x0, y0, x1, y1 = arrays.frame
    scale = _LONGEST / max(x1 - x0, y1 - y0)
    size = (max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(arrays.pixels[y0:y1, x0:x1], size, interpolation=how), np.uint8)


def _sheet(panels: Sequence[_Panel]) -> Image8:
    """Panels of one size, two in a row, with titles and scales."""
    height, width = panels[0].pixels.shape[:2]
    wide = max(width, _SHORTEST)
    tall = _HEAD + height + _BAR
    rows = -(-len(panels) // 2)
    sheet = Image.new("RGB", (2 * wide + 3 * _GAP, rows * tall + rows * _GAP), palette.PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, panel in enumerate(panels):
        x = _GAP + (index % 2) * (wide + _GAP)
        y = _GAP // 2 + (index // 2) * (tall + _GAP // 2)
        draw.text((x, y), panel.title, palette.INK, palette.font(22))
        draw.text((x, y + 26), panel.note, palette.SOFT, palette.font(15))
        sheet.paste(Image.fromarray(panel.pixels), (x, y + _HEAD))
        if panel.scale is not None:
            _bar(sheet, draw, x, y + _HEAD + height + 10, min(wide, 340), panel.scale)
    return np.asarray(sheet, np.uint8)


def _resized(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize a map whose NaN mark what is not skin, without letting them spread."""
    skin = np.isfinite(values)
    filled = np.where(skin, values, np.float32(0))
    smaller = values.shape[1] > size[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    weight = cv2.resize(skin.astype(np.float32), size, interpolation=how)
    total = cv2.resize(filled, size, interpolation=how)
    return np.where(weight > 0.5, total / np.maximum(weight, 1e-6), np.float32(np.nan)).astype(np.float32)


def _limits(values: NDArray[np.float32], *, diverging: bool) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    reach = float(np.quantile(np.abs(known), 0.99)) if known.size else 0.0
    top = next((limit for limit in _LIMITS if limit >= reach), _LIMITS[-1])
    return (-top if diverging else 0.0), top


def _coloured(values: NDArray[np.float32], photo: Image8, name: str, limits: tuple[float, float]) -> Image8:
    low, high = limits
    skin = np.isfinite(values)
    index = np.clip((np.where(skin, values, np.float32(0)) - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    coloured = cv2.applyColorMap(index, palette.colour_map(name)[:, None])
    return np.asarray(cv2.copyTo(coloured, skin.view(np.uint8), _dimmed(photo)), np.uint8)


def _tinted(values: NDArray[np.float32], photo: Image8, top: float) -> Image8:
    """The photograph in grey, tinted by values from -top to top; dimmed where there are none."""
    known = np.isfinite(values)
    index = np.clip((np.where(known, values, np.float32(0)) + top) / (2 * top) * 255, 0, 255).astype(np.uint8)
    light = 0.55 + 0.45 * cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    tinted = cv2.applyColorMap(index, palette.colour_map("relevance")[:, None]) * light[..., None]
    return np.asarray(cv2.copyTo(tinted.astype(np.uint8), known.view(np.uint8), _dimmed(photo)), np.uint8)


def _dimmed(photo: Image8) -> Image8:
    """What is off the skin: the photograph in grey, faint."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(cv2.cvtColor((70 + 0.30 * grey).astype(np.uint8), cv2.COLOR_GRAY2RGB), np.uint8)


def _bar(sheet: Image.Image, draw: ImageDraw.ImageDraw, x: int, y: int, wide: int, scale: _Scale) -> None:
    type_ = palette.font(15)
    table = palette.colour_map(scale.name)[np.linspace(0, 255, wide).astype(np.uint8)]
    sheet.paste(Image.fromarray(np.repeat(table[None], 14, axis=0)), (x, y))
    draw.rectangle((x, y, x + wide - 1, y + 13), None, palette.SOFT)
    low, high = scale.limits
    for share, anchor in ((0.0, "la"), (0.5, "ma"), (1.0, "ra")):
        value = low + share * (high - low)
        sign = "+" if low < 0 < value else ""
        text = "0" if value == 0 else f"{sign}{value:.3g}"
        draw.text(
            (x + share * (wide - 1), y + 17),
            text + (f" {scale.unit}" if share == 1 else ""),
            palette.SOFT,
            type_,
            anchor,
        )

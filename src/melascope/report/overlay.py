"""The annotated photograph: regions outlined and named, excess pigment marked, and the result beneath.

Labels stand in the margins, tied to their region by a line, so that no skin is hidden and the type keeps its size
whatever the size of the photograph. Of a photograph that shows much beside the face, the face is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from melascope.photo.geometry import among
from melascope.record import Analysis, RegionScore
from melascope.report import palette
from melascope.report.page import LISTED_LESIONS, tone_colour
from melascope.report.words import listed, one_decimal, patch_count, percent, region_name, span
from melascope.vocabulary import FACIAL_SKIN, MASI_REGIONS, SKIN, Region, View

__all__ = ["figure", "overlay", "with_strip"]

Image8 = NDArray[np.uint8]

_LONGEST: Final = 960
_SHORTEST: Final = 260
_ROOM: Final = 0.3
"""Share of the face that is shown around it."""
_MARGIN: Final = 240
_PAD: Final = 20
_TEXT: Final = 24
_SMALL: Final = 18
_LABEL_HEIGHT: Final = 84


def overlay(analysis: Analysis) -> Image8:
    """The annotated photograph with the result, a key and the disclaimer beneath it.

    Args:
        analysis: A record with arrays.

    Returns:
        (H', W', 3) uint8 sRGB; its longest side is at most 1600 pixels.

    Raises:
        LookupError: The record carries no arrays.
    """
    return with_strip(figure(analysis), analysis)


def figure(analysis: Analysis) -> Image8:
    """The annotated photograph alone, as `overlay` without what stands beneath."""
    reduced = _reduce(analysis)
    canvas = _draw_outlines(reduced)
    return _draw_labels(canvas, reduced, analysis)


@dataclass(frozen=True)
class _Reduced:
    """Photograph and masks at the size of the figure."""

    pixels: Image8
    regions: dict[Region, Image8]
    """Soft masks (0 to 255) of the MASI regions that are there."""
    lesions: Image8
    """Soft mask, 0 to 255."""
    scale: float
    """Figure pixels per photograph pixel."""
    corner: tuple[int, int]
    """x, y of the figure's first pixel in the photograph."""


def _reduce(analysis: Analysis) -> _Reduced:
    arrays = analysis.arrays
    x0, y0, x1, y1 = _window(analysis)
    codes, lesions = arrays.region_codes[y0:y1, x0:x1], arrays.lesion_mask[y0:y1, x0:x1]
    height, width = codes.shape
    longest = max(height, width)
    scale = _LONGEST / longest
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    pixels = cv2.resize(
        arrays.pixels[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    stride = max(1, int(0.5 / scale))
    codes, lesions = codes[::stride, ::stride], lesions[::stride, ::stride]
    regions = {r: _soft(codes == r, size) for r in MASI_REGIONS if bool((codes == r).any())}
    return _Reduced(np.asarray(pixels, np.uint8), regions, _soft(lesions, size), scale, (x0, y0))


def _window(analysis: Analysis) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of the part that is shown: the face (or the skin) and all lesions, with room around them."""
    codes = analysis.arrays.region_codes
    height, width = codes.shape
    stride = max(1, max(height, width) // 512)
    thinned = codes[::stride, ::stride]
    rows, columns = np.nonzero(among(thinned, FACIAL_SKIN))
    if not len(rows):
        rows, columns = np.nonzero(among(thinned, SKIN))
    if not len(rows):
        return 0, 0, width, height
    ends = [np.quantile(line, (0.005, 0.995)) * stride for line in (columns, rows)]
    boxes = np.array([(ends[0][0], ends[1][0], ends[0][1], ends[1][1]), *(lesion.box for lesion in analysis.lesions)])
    x0, y0 = boxes[:, :2].min(axis=0).tolist()
    x1, y1 = boxes[:, 2:].max(axis=0).tolist()
    room = _ROOM * max(x1 - x0, y1 - y0) + stride
    return max(0, int(x0 - room)), max(0, int(y0 - room)), min(width, int(x1 + room)), min(height, int(y1 + room))


def _soft(mask: NDArray[np.bool_], size: tuple[int, int]) -> Image8:
    """Resize a mask so that its half-way level is a smooth line."""
    values = mask.astype(np.uint8) * np.uint8(255)
    smaller = mask.shape[1] > size[0]
    resized = cv2.resize(values, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(resized, (0, 0), max(1.2, 0.45 * size[0] / mask.shape[1])), np.uint8)


def _contours(soft: Image8, smallest: float) -> list[NDArray[np.int32]]:
    """Outlines at the half-way level, smoothed, in sixteenths of a pixel, without those below `smallest` pixels."""
    found, _ = cv2.findContours((soft > 127).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outlines = []
    for points in found:
        if cv2.contourArea(points) < smallest:
            continue
        line = points[:, 0, :].astype(np.float32)
        reach = min(5, len(line) // 6)
        if reach:
            kernel = np.ones(2 * reach + 1, np.float32) / (2 * reach + 1)
            ring = np.concatenate([line[-reach:], line, line[:reach]])
            line = np.stack([np.convolve(ring[:, k], kernel, "valid") for k in (0, 1)], axis=1)
        outlines.append(np.round(line * 16).astype(np.int32).reshape(-1, 1, 2))
    return outlines


def _line(canvas: Image8, outlines: list[NDArray[np.int32]], colour: palette.Colour, width: int) -> None:
    cv2.polylines(canvas, outlines, True, colour, width, cv2.LINE_AA, 4)


def _draw_outlines(reduced: _Reduced) -> Image8:
    canvas = reduced.pixels.copy()
    area = canvas.shape[0] * canvas.shape[1]
    inside = reduced.lesions > 127
    tint = np.array(palette.LESION, np.float32)
    table = np.round(np.arange(256)[:, None] * 0.88 + tint * 0.12).astype(np.uint8)
    cv2.copyTo(cv2.LUT(canvas, table[None]), inside.view(np.uint8), canvas)
    for region, soft in reduced.regions.items():
        outlines = _contours(soft, area * 4e-4)
        _line(canvas, outlines, palette.CASING, 4)
        _line(canvas, outlines, palette.REGIONS[region], 2)
    outlines = _contours(reduced.lesions, 12.0)
    _line(canvas, outlines, palette.PAPER, 3)
    _line(canvas, outlines, palette.LESION, 1)
    return canvas


@dataclass
class _Label:
    region: Region
    anchor: tuple[int, int]
    left: bool
    y: int = 0


def _place(reduced: _Reduced, height: int) -> list[_Label]:
    """One label a region, on the side where it lies, spread so that none covers another."""
    labels: list[_Label] = []
    middle: list[tuple[Region, Image8, int]] = []
    places = {region: np.nonzero(soft > 127) for region, soft in reduced.regions.items()}
    places = {region: place for region, place in places.items() if len(place[0])}
    first = min((int(columns.min()) for _, columns in places.values()), default=0)
    last = max((int(columns.max()) for _, columns in places.values()), default=0)
    for region, (rows, columns) in places.items():
        soft, row = reduced.regions[region], int(np.median(rows))
        off_axis = float(columns.mean()) - (first + last) / 2
        if abs(off_axis) < 0.1 * (last - first):
            middle.append((region, soft, row))
        else:
            labels.append(_Label(region, _edge(soft, row, left=off_axis < 0), off_axis < 0))
    for region, soft, row in middle:
        left = sum(label.left for label in labels) <= sum(not label.left for label in labels)
        labels.append(_Label(region, _edge(soft, row, left=left), left))
    for left in (True, False):
        column = sorted((label for label in labels if label.left is left), key=lambda label: label.anchor[1])
        floor = 0
        for label in column:
            label.y = max(floor, label.anchor[1] - 13)
            floor = label.y + _LABEL_HEIGHT
        ceiling = height
        for label in reversed(column):
            label.y = min(label.y, ceiling - _LABEL_HEIGHT)
            ceiling = label.y
    return labels


def _edge(soft: Image8, row: int, *, left: bool) -> tuple[int, int]:
    """The point of the region's edge that faces its label, in its middle row (or the nearest that holds it)."""
    rows = np.flatnonzero((soft > 127).any(axis=1))
    y = int(rows[np.abs(rows - row).argmin()])
    columns = np.flatnonzero(soft[y] > 127)
    return int(columns[0] if left else columns[-1]), y


def _draw_labels(canvas: Image8, reduced: _Reduced, analysis: Analysis) -> Image8:
    height, width = canvas.shape[:2]
    tall = max(height, _SHORTEST, _LABEL_HEIGHT * len(reduced.regions))
    labels = _place(reduced, tall)
    left = _MARGIN if any(label.left for label in labels) else _PAD
    right = _MARGIN if any(not label.left for label in labels) else _PAD
    sheet = np.full((tall + 2 * _PAD, left + width + right, 3), 255, np.uint8)
    top = _PAD + (tall - height) // 2
    sheet[top : top + height, left : left + width] = canvas
    for label in labels:
        x, y = label.anchor[0] + left, label.anchor[1] + top
        start = (left - 14 if label.left else left + width + 14, label.y + _PAD + 13)
        elbow = (left - 2 if label.left else left + width + 2, y)
        for colour, thickness in ((palette.PAPER, 3), (palette.INK, 1)):
            cv2.line(sheet, elbow, (x, y), colour, thickness, cv2.LINE_AA)
        cv2.line(sheet, start, elbow, palette.INK, 1, cv2.LINE_AA)
        cv2.circle(sheet, (x, y), 6, palette.CASING, -1, cv2.LINE_AA)
        cv2.circle(sheet, (x, y), 4, palette.REGIONS[label.region], -1, cv2.LINE_AA)
    picture = Image.fromarray(sheet)
    draw = ImageDraw.Draw(picture)
    for label in labels:
        x = _PAD if label.left else left + width + 22
        _write_label(draw, x, label.y + _PAD, label.region, analysis)
    _number_lesions(draw, analysis, reduced, left, top)
    return np.asarray(picture, np.uint8)


def _write_label(draw: ImageDraw.ImageDraw, x: int, y: int, region: Region, analysis: Analysis) -> None:
    draw.rounded_rectangle((x, y + 3, x + 7, y + _LABEL_HEIGHT - 14), 3, palette.REGIONS[region], palette.CASING)
    draw.text((x + 17, y), region.label, palette.INK, palette.font(_TEXT))
    for index, line in enumerate(_score_lines(_score(analysis, region))):
        draw.text((x + 17, y + 30 + 22 * index), line, palette.SOFT, palette.font(_SMALL))


def _score(analysis: Analysis, region: Region) -> RegionScore | None:
    return None if analysis.regions is None else getattr(analysis.regions, region.key)


def _score_lines(score: RegionScore | None) -> tuple[str, ...]:
    if score is None or score.involved_fraction is None:
        return ("not scored",)
    share = f"{percent(score.involved_fraction)} involved"
    if score.area is None or score.darkness is None or score.homogeneity is None:
        return (share,)
    return (share, f"A {score.area:.1f}   D {score.darkness:.1f}   H {score.homogeneity:.1f}")


def _number_lesions(draw: ImageDraw.ImageDraw, analysis: Analysis, reduced: _Reduced, left: int, top: int) -> None:
    taken: list[tuple[float, float, float, float]] = []
    type_ = palette.font(_SMALL)
    for number, lesion in enumerate(analysis.lesions[:LISTED_LESIONS], start=1):
        x0, y0, x1, y1 = ((value - reduced.corner[k % 2]) * reduced.scale for k, value in enumerate(lesion.box))
        wide = type_.getlength(str(number)) + 6
        places = [
            (x1, y0 - 14),
            (x0 - wide, y0 - 14),
            (x1, y1 - 4),
            (x0 - wide, y1 - 4),
            ((x0 + x1) / 2, (y0 + y1) / 2),
        ]
        x, y = next((p for p in places if not _overlaps(p, wide, taken)), places[0])
        taken.append((x, y, x + wide, y + 20))
        draw.text(
            (left + x + 3, top + y), str(number), palette.PAPER, type_, stroke_width=2, stroke_fill=palette.CASING
        )


def _overlaps(place: tuple[float, float], wide: float, taken: list[tuple[float, float, float, float]]) -> bool:
    x, y = place
    return any(x < b[2] and x + wide > b[0] and y < b[3] and y + 20 > b[1] for b in taken)


def with_strip(sheet: Image8, analysis: Analysis) -> Image8:
    """Add result, tone, key and disclaimer beneath an annotated photograph."""
    blocks = _blocks(analysis)
    width = max(sheet.shape[1], 620)
    rows: list[list[tuple[int, _Block]]] = [[]]
    x = _PAD
    for block in blocks:
        if rows[-1] and x + block.width > width - _PAD:
            rows.append([])
            x = _PAD
        rows[-1].append((x, block))
        x += block.width + 32
    row_height = 80
    height = sheet.shape[0] + row_height * len(rows) + 44
    canvas = np.full((height, width, 3), 255, np.uint8)
    offset = (width - sheet.shape[1]) // 2
    canvas[: sheet.shape[0], offset : offset + sheet.shape[1]] = sheet
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    y = sheet.shape[0]
    draw.line((_PAD, y, width - _PAD, y), palette.RULE, 1)
    for row in rows:
        for x, block in row:
            _draw_block(draw, x, y + 12, block)
        y += row_height
    draw.text((_PAD, y + 10), analysis.disclaimer, palette.SOFT, palette.font(17))
    return np.asarray(picture, np.uint8)


@dataclass(frozen=True)
class _Block:
    title: str
    lines: tuple[str, ...]
    swatch: palette.Colour | None = None
    key: bool = False

    @property
    def width(self) -> int:
        texts = [palette.font(_TEXT).getlength(self.title), *(palette.font(_SMALL).getlength(t) for t in self.lines)]
        return int(max(texts)) + (58 if self.swatch or self.key else 0) + 2


def _blocks(analysis: Analysis) -> list[_Block]:
    blocks = []
    totals = analysis.masi
    if totals is not None and totals.masi is not None and totals.mmasi is not None and totals.severity is not None:
        blocks.append(
            _Block(
                f"MASI {one_decimal(totals.masi)}, {totals.severity.value}",
                (f"{span(totals.masi_low, totals.masi_high)} (90 %), of 48",),
            )
        )
        blocks.append(
            _Block(
                f"mMASI {one_decimal(totals.mmasi)}",
                (f"{span(totals.mmasi_low, totals.mmasi_high)} (90 %), of 24",),
            )
        )
    else:
        blocks.append(_Block("No MASI", _why_none(analysis)))
    tone = analysis.skin_tone
    if tone is not None:
        blocks.append(
            _Block(
                f"Skin tone {tone.band.value}",
                (f"ITA {tone.ita_deg:.0f}° ({span(tone.ita_low, tone.ita_high, 0)}), Monk {tone.monk}",),
                swatch=tone_colour(analysis),
            )
        )
    patches = f"{patch_count(analysis)} patch{'' if len(analysis.lesions) == 1 else 'es'}"
    blocks.append(_Block("Excess pigment", (f"{patches}; the largest numbered",), key=True))
    return blocks


def _why_none(analysis: Analysis) -> tuple[str, ...]:
    if analysis.view is View.CLOSE_UP:
        return ("a close-up: the total needs all four regions",)
    missing = [] if analysis.masi is None else [region_name(key).lower() for key in analysis.masi.missing]
    return (f"not scored: {listed(missing)}",) if missing else ("not scored",)


def _draw_block(draw: ImageDraw.ImageDraw, x: int, y: int, block: _Block) -> None:
    if block.swatch is not None:
        draw.rounded_rectangle((x, y + 2, x + 46, y + 48), 6, block.swatch, palette.RULE)
    if block.key:
        mixed = tuple(round(0.85 * s + 0.15 * c) for s, c in zip((205, 165, 140), palette.LESION, strict=True))
        draw.rounded_rectangle((x, y + 2, x + 46, y + 48), 6, (205, 165, 140), palette.RULE)
        draw.ellipse((x + 8, y + 10, x + 38, y + 40), mixed, palette.LESION, 2)
    x += 58 if block.swatch is not None or block.key else 0
    draw.text((x, y), block.title, palette.INK, palette.font(_TEXT))
    for index, line in enumerate(block.lines):
        draw.text((x, y + 31 + 22 * index), line, palette.SOFT, palette.font(_SMALL))

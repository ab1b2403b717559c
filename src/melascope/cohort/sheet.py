"""Contact sheets: many photographs of a data set at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.data import DataSet, Row
from melascope.data.layout import lesion_mask_path
from melascope.data.pixels import read_mask, read_photo_pixels
from melascope.vocabulary import Lesion, Severity, ToneBand

__all__ = ["SORTS", "contact_sheet"]

SORTS: Final[dict[str, Sequence[str]]] = {
    "kind": (*Lesion, "none"),
    "tone": tuple(ToneBand),
    "severity": ("none", *Severity),
    "device": (),
    "view": (),
    "visit": (),
    "light": (),
    "patient": (),
}
"""What a sheet can be sorted by, with its order; the others are put in the order of their names."""
_CAPTION_PX: Final = 18
_INK: Final = (40, 40, 40)
_PAPER: Final = 250


def contact_sheet(
    folder: Path,
    to: Path,
    *,
    columns: int = 8,
    rows: int = 6,
    side: int = 224,
    by: tuple[str, str] | None = None,
    only: dict[str, str] | None = None,
    outlines: bool = False,
) -> None:
    """Writes a contact sheet.

    Args:
        folder: A data set.
        to: Picture to write.
        columns: Photographs a row; with `by`: columns at most.
        rows: Rows at most.
        side: Pixels of a photograph.
        by: What rows and columns stand for, of `SORTS`: one photograph for each pair, of a new patient if there is one.
        only: Photographs with these values alone, by `SORTS`.
        outlines: Whether true lesions are outlined.

    Raises:
        ValueError: No photograph to show, an unknown word, or a picture that cannot be written.
        ManifestError: The manifest cannot be read.
    """
    for word in (*(by or ()), *(only or {})):
        if word not in SORTS:
            raise ValueError(f"{word!r} is nothing to sort by: choose from {', '.join(SORTS)}")
    if to.suffix.lower() not in {".jpg", ".jpeg", ".png"}:
        raise ValueError(f"{to} could not be written: its ending must be .jpg or .png")
    photos = [
        row
        for row in DataSet.open(folder).manifest.rows
        if all(value in _values(row, w) for w, value in (only or {}).items())
    ]
    cells, left, top = _crossed(photos, by, rows, columns) if by else _in_turn(photos, rows, columns)
    if not any(any(line) for line in cells):
        raise ValueError(f"{folder} holds no such photograph: name another data set, or other values")
    height, width = side + _CAPTION_PX, side + 6
    margin = 110 if left else 0
    head = 24 if top else 6
    sheet = np.full((head + len(cells) * height, margin + max(map(len, cells)) * width, 3), _PAPER, np.uint8)
    for i, line in enumerate(cells):
        y = head + i * height
        if left:
            _write(sheet, left[i], (6, y + side // 2))
        for j, row in enumerate(line):
            x = margin + j * width
            if top and i == 0:
                _write(sheet, top[j], (x + 4, 16))
            if row is None:
                continue
            sheet[y : y + side, x : x + side] = _thumbnail(folder, row, side, outlines)
            _write(sheet, _caption(row), (x + 2, y + side + 12), 0.36)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 88] if to.suffix.lower() in {".jpg", ".jpeg"} else []
    if not cv2.imwrite(str(to), sheet[..., ::-1], quality):
        raise ValueError(f"{to} could not be written: its folder must exist")


def _in_turn(photos: list[Row], rows: int, columns: int) -> tuple[list[list[Row | None]], list[str], list[str]]:
    shown: list[Row | None] = list(photos[: rows * columns])
    return [shown[i : i + columns] for i in range(0, len(shown), columns)], [], []


def _crossed(
    photos: list[Row], by: tuple[str, str], rows: int, columns: int
) -> tuple[list[list[Row | None]], list[str], list[str]]:
    down, across = (_order(photos, word) for word in by)
    down, across = down[:rows], across[:columns]
    cells: list[list[Row | None]] = []
    used: set[str] = set()
    for one in down:
        line: list[Row | None] = []
        for other in across:
            fitting = [r for r in photos if one in _values(r, by[0]) and other in _values(r, by[1])]
            # A patient who was not shown yet, with as few other things as there are.
            fitting.sort(key=lambda r: (r.patient in used and "patient" not in by, len(r.kinds or ())))
            line.append(fitting[0] if fitting else None)
            used.update(r.patient for r in fitting[:1])
        cells.append(line)
    return cells, down, across


def _order(photos: list[Row], word: str) -> list[str]:
    present = {value for row in photos for value in _values(row, word)}
    known = [value for value in SORTS[word] if value in present]
    return known or sorted(present, key=lambda value: (len(value), value) if value.isdigit() else (0, value))


def _values(row: Row, word: str) -> tuple[str, ...]:
    match word:
        case "kind":
            return () if row.kinds is None else tuple(kind.value for kind in row.kinds) or ("none",)
        case "tone":
            return (row.tone_band.value,) if row.tone_band else ()
        case "severity":
            total = row.masi
            if total is None:
                return ()
            return ("none",) if total == 0 else (row.severity.value,) if row.severity else ()
        case "light":
            return (row.extra.get("light", ""),)
        case _:
            return (str(getattr(row, word)),)


def _thumbnail(folder: Path, row: Row, side: int, outlines: bool) -> NDArray[np.uint8]:
    pixels = read_photo_pixels(folder / row.file)
    if outlines and lesion_mask_path(folder, row.photo_id).exists():
        kinds = read_mask(lesion_mask_path(folder, row.photo_id))
        found, _ = cv2.findContours((kinds > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        pixels = pixels.copy()
        cv2.drawContours(pixels, found, -1, (0, 230, 230), max(1, pixels.shape[0] // 400), cv2.LINE_AA)
    scale = side / max(pixels.shape[:2])
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    out = np.full((side, side, 3), _PAPER, np.uint8)
    y, x = (side - size[1]) // 2, (side - size[0]) // 2
    out[y : y + size[1], x : x + size[0]] = small
    return out


def _caption(row: Row) -> str:
    parts = [row.patient if row.visit == 1 else f"{row.patient} v{row.visit}"]
    if row.ita_deg is not None:
        parts.append(f"ITA {row.ita_deg:.0f}")
    if row.kinds is not None:
        parts.append("+".join(kind.value for kind in row.kinds) or "healthy")
    if row.masi:
        parts.append(f"MASI {row.masi:.1f}")
    return "  ".join(parts)


def _write(sheet: NDArray[Any], text: str, at: tuple[int, int], size: float = 0.42) -> None:
    cv2.putText(sheet, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)

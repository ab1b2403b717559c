"""Outlines of lesions as polygons, for laying two photographs of one face over each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.photo.geometry import among
from melascope.vocabulary import FACIAL_SKIN

__all__ = ["FACE_MM", "ellipse", "face_width", "outlines"]

FACE_MM: Final = 140.0
"""What the width of a face stands for, in millimetres; see docs/measurement.md."""
_ALIKE: Final = 0.5
"""Least overlap of a patch's box with the box of the record."""
_CORNERS: Final = 24
_FINE: Final = 0.6
"""Pixels of the shown photograph by which a polygon may leave the outline."""

Box = tuple[int, int, int, int]
Polygon = NDArray[np.float64]


def outlines(mask: NDArray[np.bool_], boxes: Sequence[Box], scale: float) -> list[list[float]]:
    """The outline of each lesion in a mask of all of them; an ellipse where the mask has none for a box.

    Args:
        mask: (H, W) of the upright photograph.
        boxes: x0, y0, x1, y1 of the lesions in the same pixels.
        scale: Pixels of the result per pixel of the mask.

    Returns:
        For each box x, y, x, y ... in pixels of the shown photograph, to a tenth.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    low = stats[1:, :2].astype(np.float64)
    high = low + stats[1:, 2:4]
    found = []
    for box in boxes:
        place = _nearest(np.array(box, np.float64), low, high)
        polygon = ellipse(box) if place is None else _around(labels, stats[place + 1], place + 1, scale)
        found.append([round(float(value) * scale, 1) for value in polygon.ravel()])
    return found


def _nearest(box: Polygon, low: Polygon, high: Polygon) -> int | None:
    """The patch whose own box is most like this one."""
    if not len(low):
        return None
    inside = np.prod(np.maximum(0.0, np.minimum(high, box[2:]) - np.maximum(low, box[:2])), axis=1)
    joined = np.prod(high - low, axis=1) + np.prod(box[2:] - box[:2]) - inside
    best = int(np.argmax(inside / joined))
    return best if inside[best] >= _ALIKE * joined[best] else None


def _around(labels: NDArray[Any], stats: NDArray[Any], label: int, scale: float) -> Polygon:
    x, y, width, height = (int(value) for value in stats[:4])
    here = (labels[y : y + height, x : x + width] == label).astype(np.uint8)
    # With a margin, twice as fine: the outline runs along the pixels' edges and not through their centres.
    here = cv2.copyMakeBorder(cv2.resize(here, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST), 1, 1, 1, 1, 0)
    lines, _ = cv2.findContours(here, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    line = cv2.approxPolyDP(max(lines, key=len), 2 * _FINE / scale, closed=True)[:, 0, :].astype(np.float64)
    if len(line) < 3:
        return ellipse((x, y, x + width, y + height))
    return np.asarray((line - 0.5) / 2 + (x, y), np.float64)


def ellipse(box: Sequence[float]) -> Polygon:
    """(n, 2) corners of the ellipse that fills a box."""
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    x0, y0, x1, y1 = box
    return np.column_stack(
        [(x0 + x1) / 2 + (x1 - x0) / 2 * np.cos(angles), (y0 + y1) / 2 + (y1 - y0) / 2 * np.sin(angles)]
    )


def face_width(codes: NDArray[np.uint8]) -> float:
    """Width of a whole face in pixels of its region codes, as `melascope.skin.regions.RegionMap.face_px` has it."""
    return 1.25 * float(np.sqrt(np.count_nonzero(among(codes, FACIAL_SKIN))))

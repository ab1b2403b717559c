"""Run-length masks as COCO JSON holds them: runs of 0 and 1 in turn, down the columns, packed into text.

The text keeps each run as groups of five bits, the lowest first, with a sixth bit for "more follows" and 48 added to
make a printable sign; from the fourth run on, what is kept is the difference to the run before the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Rle", "pack", "rle_of_mask", "rle_of_polygons", "unpack"]

_LARGEST: Final = 1 << 31
_LONGEST: Final = 8
"""Signs of the longest run."""


@dataclass(frozen=True)
class Rle:
    """A mask of `size` (H, W) as runs of 0 and 1 in turn, the first of 0."""

    size: tuple[int, int]
    runs: tuple[int, ...]

    def __post_init__(self) -> None:
        height, width = self.size
        pixels = height * width
        if min(height, width) < 1 or pixels > _LARGEST or min(self.runs, default=0) < 0 or sum(self.runs) != pixels:
            raise ValueError(
                f"runs of {sum(self.runs)} pixels for a mask of {width} x {height}: must be as many as the mask has, "
                "and none negative; write the annotation anew"
            )

    @cached_property
    def area(self) -> int:
        """Pixels of the mask."""
        return sum(self.runs[1::2])

    @cached_property
    def box(self) -> tuple[int, int, int, int] | None:
        """x0, y0, x1, y1 (exclusive) of the mask, without unfolding it; None if it is empty."""
        bounds = np.cumsum(np.array(self.runs, np.int64))
        ends = bounds[1::2]
        starts = bounds[0::2][: len(ends)]
        starts, ends = starts[ends > starts], ends[ends > starts]
        if not len(starts):
            return None
        height = self.size[0]
        left, right = starts // height, (ends - 1) // height
        tops, bottoms = starts % height, (ends - 1) % height
        # A run that goes over the foot of a column fills it to there, and the next from its head.
        if (left != right).any():
            tops, bottoms = np.where(left == right, tops, 0), np.where(left == right, bottoms, height - 1)
        return int(left.min()), int(tops.min()), int(right.max()) + 1, int(bottoms.max()) + 1

    def mask(self) -> NDArray[np.bool_]:
        """(H, W)."""
        values = np.zeros(len(self.runs), bool)
        values[1::2] = True
        flat = np.repeat(values, self.runs)
        return np.ascontiguousarray(flat.reshape(self.size[::-1]).T)


def rle_of_mask(mask: NDArray[np.bool_], *, at: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None) -> Rle:
    """Runs of a mask, or of a small one that lies in a larger picture.

    Args:
        mask: (h, w).
        at: x, y of its upper left pixel in the picture.
        size: (H, W) of the picture; default: that of the mask.

    Raises:
        ValueError: The mask reaches beyond the picture.
    """
    height, width = size or (mask.shape[0], mask.shape[1])
    x, y = at
    if x < 0 or y < 0 or x + mask.shape[1] > width or y + mask.shape[0] > height:
        raise ValueError(
            f"a mask of {mask.shape} at x, y = {at} reaches beyond a picture of {(height, width)}: crop it"
        )
    columns = np.zeros((mask.shape[1], mask.shape[0] + 2), np.int8)
    columns[:, 1:-1] = mask.T
    change = np.diff(columns, axis=1)
    # np.nonzero goes column by column, so that starts and ends come in pairs.
    start_column, start_row = np.nonzero(change == 1)
    _, end_row = np.nonzero(change == -1)
    starts = (start_column + x) * height + start_row + y
    ends = (start_column + x) * height + end_row + y
    # A run that goes on from the foot of one column to the head of the next is one run.
    apart = starts[1:] != ends[:-1]
    bounds = np.empty(2 * (int(apart.sum()) + min(1, len(starts))) + 2, np.int64)
    bounds[0], bounds[-1] = 0, height * width
    if len(starts):
        bounds[1:-1:2] = starts[np.append(True, apart)]
        bounds[2:-1:2] = ends[np.append(apart, True)]
    runs = tuple(np.diff(bounds).tolist())
    return Rle((height, width), runs if runs[-1] or len(runs) == 1 else runs[:-1])


def rle_of_polygons(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> Rle:
    """Runs of polygons, each x, y, x, y ... in pixels; a pixel belongs to one if its centre does, about."""
    mask = np.zeros(size, np.uint8)
    for polygon in polygons:
        points = np.asarray(polygon, np.float64).reshape(-1, 2) - 0.5
        cv2.fillPoly(mask, [np.round(points * 256).astype(np.int32)], 1, shift=8)
    return rle_of_mask(mask > 0)


def pack(runs: Sequence[int]) -> str:
    """Runs as text.

    Example:
        >>> pack([5, 3, 100, 2, 90])
        '53T3OF'
    """
    signs = []
    for index, run in enumerate(runs):
        value = run - (runs[index - 2] if index > 2 else 0)
        while True:
            bits = value & 31
            value >>= 5
            more = value != (-1 if bits & 16 else 0)
            signs.append(chr(bits + (32 if more else 0) + 48))
            if not more:
                break
    return "".join(signs)


def unpack(text: str) -> tuple[int, ...]:
    """Runs from text.

    Raises:
        ValueError: It is not such text.
    """
    signs = np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64) - 48
    if not len(signs):
        return ()
    if signs.min() < 0 or signs.max() > 63:
        bad = next(sign for sign in text if not "0" <= sign <= "o")
        raise ValueError(f"{bad!r} in a packed mask: must be a sign from 0 to o; write the annotation anew")
    last = (signs & 32) == 0
    if not last[-1]:
        raise ValueError("a packed mask ends within a run: write the annotation anew")
    starts = np.flatnonzero(np.append(True, last[:-1]))
    lengths = np.diff(np.append(starts, len(signs)))
    if lengths.max() > _LONGEST:
        raise ValueError(f"a run of {lengths.max()} signs in a packed mask: write the annotation anew")
    shifts = 5 * (np.arange(len(signs)) - np.repeat(starts, lengths))
    values = np.add.reduceat((signs & 31) << shifts, starts)
    values -= np.where(signs[last] & 16, np.int64(1) << (5 * lengths), 0)
    for first in (1, 2):
        values[first::2] = np.cumsum(values[first::2])
    if values.min() < 0 or values.max() > _LARGEST:
        raise ValueError(
            f"a run of {values.min()} to {values.max()} pixels in a packed mask: write the annotation anew"
        )
    return tuple(values.tolist())

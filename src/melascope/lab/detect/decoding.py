"""What the raw numbers of a YOLO's map mean as boxes."""

from __future__ import annotations

from typing import Final, Literal

import torch
from torch import Tensor

from melascope.lab.detect.boxes import corners_of

__all__ = ["SPREAD", "Decoding", "at_places", "places", "spread_out", "whole_map"]

Decoding = Literal["v5", "v4"]
SPREAD: Final = {8: 1.2, 16: 1.1, 32: 1.05}
"""YOLOv4: how far centres reach beyond their cell, by stride, so that a centre on its edge is no matter of infinity."""
_MOST: Final = 10.0
"""Of YOLOv4's exponents."""


def spread_out(raw: Tensor, cells: Tensor, anchors: Tensor, stride: int, decoding: Decoding, dim: int = -1) -> Tensor:
    """(..., 4) boxes x0, y0, x1, y1 in pixels of raw (..., 4) numbers.

    v5: centre = 2σ(t) − 0.5 + cell, size = (2σ(t))² · anchor (Jocher 2020).
    v4: centre = kσ(t) − (k − 1)/2 + cell, size = eᵗ · anchor, with k of `SPREAD` (Bochkovskiy et al. 2020).

    Args:
        raw: x, y, w, h.
        cells: (..., 2) column and row.
        anchors: (..., 2) width and height in pixels.
        stride: Pixels of a cell.
        decoding: Which of the two.
        dim: The axis of the four numbers, and of the two of cells and anchors, where it is not the last one.
    """
    centre, extent = raw.split(2, dim=dim)
    centre = centre.sigmoid()
    if decoding == "v5":
        middle = (2 * centre - 0.5 + cells) * stride
        half = (2 * extent.sigmoid()).square() * (anchors / 2)
    else:
        k = SPREAD[stride]
        middle = (k * centre - (k - 1) / 2 + cells) * stride
        half = extent.clamp(max=_MOST).exp() * (anchors / 2)
    return torch.cat((middle - half, middle + half), dim=dim)


def whole_map(raw: Tensor, anchors: Tensor, stride: int, decoding: Decoding) -> Tensor:
    """(N, A, h, w, 4) boxes of a map (N, A, h, w, 5 + C).

    Args:
        raw: The map.
        anchors: (A, 2).
        stride: Pixels of a cell.
        decoding: Which.
    """
    rows, columns = raw.shape[2:4]
    return spread_out(
        raw[..., :4], places(rows, columns, raw.device), anchors.reshape(1, -1, 1, 1, 2), stride, decoding
    )


def places(rows: int, columns: int, device: torch.device) -> Tensor:
    """(rows, columns, 2) column and row of each cell."""
    row = torch.arange(rows, device=device, dtype=torch.float32).reshape(-1, 1).expand(rows, columns)
    column = torch.arange(columns, device=device, dtype=torch.float32).expand(rows, columns)
    return torch.stack((column, row), dim=2)


def at_places(rows: int, columns: int, anchors: Tensor, stride: int) -> Tensor:
    """(A · rows · columns, 4) the anchors as boxes in the middle of each cell, in the order of a map."""
    middle = ((places(rows, columns, anchors.device) + 0.5) * stride).expand(len(anchors), rows, columns, 2)
    size = anchors.reshape(-1, 1, 1, 2).expand(len(anchors), rows, columns, 2)
    return corners_of(torch.cat((middle, size), dim=3)).reshape(-1, 4)

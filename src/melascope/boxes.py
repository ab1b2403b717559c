"""Boxes as x0, y0, x1, y1: their areas, and how far they overlap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["areas", "overlap"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def areas(boxes: Floats) -> Floats:
    """(n,) square pixels of (n, 4) boxes."""
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))


def overlap(found: Floats, true: Floats, crowd: Flags | None = None) -> Floats:
    """(found, true) intersection over union; over the found box's own area where the true one is a crowd.

    Example:
        >>> overlap(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2]])).round(3).tolist()
        [[0.333]]
    """
    low = np.maximum(found[:, None, :2], true[None, :, :2])
    high = np.minimum(found[:, None, 2:], true[None, :, 2:])
    inside = np.prod(np.maximum(0.0, high - low), axis=2)
    own = areas(found)[:, None]
    joined = own + areas(true)[None, :] - inside
    if crowd is not None:
        joined = np.where(crowd[None, :], own, joined)
    return np.asarray(np.divide(inside, joined, out=np.zeros_like(inside), where=joined > 0))

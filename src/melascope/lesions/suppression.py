"""Non-maximum suppression: of found boxes of one kind that overlap much, the surest one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Detections", "suppress"]

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Detections:
    """What was found on one picture, the surest first."""

    boxes: NDArray[np.float32]
    """(K, 4) x0, y0, x1, y1 in pixels of the picture."""
    scores: NDArray[np.float32]
    """(K,) 0 to 1."""
    kinds: NDArray[np.intp]
    """(K,) 0 to C − 1, in the order of the network's classes."""

    def __len__(self) -> int:
        return len(self.scores)


def suppress(
    boxes: Floats,
    scores: Floats,
    *,
    threshold: float = 0.05,
    overlap: float = 0.45,
    limit: int = 300,
    candidates: int = 2000,
) -> Detections:
    """What remains of a detector's candidates: kind by kind, a box goes if a surer one overlaps it too much.

    Args:
        boxes: (M, 4) x0, y0, x1, y1.
        scores: (M, C) of each kind, 0 to 1.
        threshold: Lower scores are left out.
        overlap: Most intersection over union of two boxes of one kind that both stay; from 1 on all stay.
        limit: Most boxes of a picture.
        candidates: Most boxes of a kind that are looked at, the surest ones.

    Raises:
        ValueError: The arrays do not fit each other.

    Example:
        >>> found = suppress(np.array([[0, 0, 9, 9], [0, 0, 9, 8]]), np.array([[0.6], [0.9]]))
        >>> found.boxes.tolist()
        [[0.0, 0.0, 9.0, 8.0]]
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.ndim != 2 or len(scores) != len(boxes):
        raise ValueError(f"boxes of {boxes.shape} and scores of {scores.shape}: must be (M, 4) and (M, kinds)")
    rows: list[NDArray[np.intp]] = []
    kinds: list[NDArray[np.intp]] = []
    for kind in range(scores.shape[1]):
        sure = np.flatnonzero(scores[:, kind] >= threshold)
        order = sure[np.argsort(-scores[sure, kind], kind="stable")][:candidates]
        kept = order[_greedy(boxes[order].astype(np.float64), overlap, limit)]
        rows.append(kept)
        kinds.append(np.full(len(kept), kind, np.intp))
    row, kind_of = np.concatenate([*rows, np.zeros(0, np.intp)]), np.concatenate([*kinds, np.zeros(0, np.intp)])
    best = np.argsort(-scores[row, kind_of], kind="stable")[:limit]
    row, kind_of = row[best], kind_of[best]
    return Detections(boxes[row].astype(np.float32), scores[row, kind_of].astype(np.float32), kind_of)


def _greedy(boxes: NDArray[np.float64], overlap: float, limit: int) -> NDArray[np.intp]:
    """Places of the boxes that stay; they come the surest first."""
    if overlap >= 1:
        return np.arange(min(len(boxes), limit))
    x0, y0, x1, y1 = boxes.T
    areas = (x1 - x0) * (y1 - y0)
    left = np.arange(len(boxes))
    kept: list[int] = []
    while len(left) and len(kept) < limit:
        first, left = left[0], left[1:]
        kept.append(int(first))
        across = np.minimum(x1[first], x1[left]) - np.maximum(x0[first], x0[left])
        down = np.minimum(y1[first], y1[left]) - np.maximum(y0[first], y0[left])
        inside = np.maximum(across, 0) * np.maximum(down, 0)
        left = left[inside <= overlap * (areas[first] + areas[left] - inside)]
    return np.array(kept, np.intp)

"""Anchors fitted to the boxes of the training photos: k-means, then small random changes that are kept if they help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["PUBLISHED", "Anchors", "best_ratio", "fit_anchors", "fitness", "kmeans", "published", "shape_iou"]

Floats = NDArray[np.float64]
PUBLISHED: Final = ((10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326))
"""Width and height of nine boxes of COCO in a picture of 416 pixels (Redmon and Farhadi 2018), smallest first."""
_SIDE: Final = 416
_MUTATED: Final = 0.9
_STEP: Final = 0.1


@dataclass(frozen=True)
class Anchors:
    """Nine anchors and how well they cover the boxes they are for."""

    sizes: tuple[tuple[float, float], ...]
    """Width and height in pixels of the picture, smallest area first; three for each of three strides."""
    boxes: int
    """From which they were fitted."""
    recall: float
    """Best possible recall: share of the boxes of which the best anchor's sides differ by less than the factor."""
    mean_iou: float
    """Mean IoU of each box with the anchor of the most similar shape, both on one centre."""
    fitted: bool
    """False: published ones, for want of boxes."""


def shape_iou(sizes: Floats, anchors: Floats) -> Floats:
    """(n, k) IoU of boxes (n, 2) and anchors (k, 2) that lie on one centre (Redmon and Farhadi 2017)."""
    inside = np.minimum(sizes[:, None], anchors[None]).prod(axis=2)
    return np.asarray(inside / (sizes.prod(axis=1)[:, None] + anchors.prod(axis=1)[None] - inside))


def best_ratio(sizes: Floats, anchors: Floats) -> Floats:
    """(n,) of each box's best anchor: the smaller of the ratios of their widths and heights, 0 to 1."""
    ratio = sizes[:, None] / anchors[None]
    return np.asarray(np.minimum(ratio, 1 / ratio).min(axis=2).max(axis=1))


def fitness(sizes: Floats, anchors: Floats, most: float = 4.0) -> float:
    """Mean best ratio of the boxes, in which those count 0 that no anchor comes near: sides apart by `most` or more."""
    best = best_ratio(sizes, anchors)
    return float((best * (best > 1 / most)).mean())


def kmeans(sizes: Floats, count: int, rng: np.random.Generator, rounds: int = 100) -> Floats:
    """(count, 2) centres of clusters under the distance 1 − IoU; centres are medians, which large boxes move less."""
    chosen = [int(rng.integers(len(sizes)))]
    while len(chosen) < count:  # far ones first, as k-means++
        far = 1 - shape_iou(sizes, sizes[chosen]).max(axis=1)
        chosen.append(int(rng.choice(len(sizes), p=far / far.sum()) if far.sum() > 0 else rng.integers(len(sizes))))
    centres = sizes[chosen].copy()
    nearest = np.full(len(sizes), -1)
    for _ in range(rounds):
        now = shape_iou(sizes, centres).argmax(axis=1)
        if (now == nearest).all():
            break
        nearest = now
        for k in range(count):
            if (nearest == k).any():
                centres[k] = np.median(sizes[nearest == k], axis=0)
    return centres


def fit_anchors(
    sizes: Floats, side: int, *, seed: int = 7, generations: int = 1000, most: float = 4.0, least: float = 2.0
) -> Anchors:
    """Nine anchors for boxes.

    K-means under 1 − IoU, then generations of normal changes (10 % of each side) of which a better one is kept:
    "K-means clustering algorithm and genetic learning algorithm" (Ding et al. 2022).

    Args:
        sizes: (n, 2) width and height of the training boxes in pixels of the picture.
        side: Of the picture; published anchors are scaled to it.
        seed: Of both steps.
        generations: Changes that are tried.
        most: Factor by which a box's side may differ from its anchor's (see `fitness`).
        least: Smaller sides than this many pixels do not count.
    """
    sizes = np.asarray(sizes, np.float64).reshape(-1, 2)
    sizes = sizes[(sizes >= least).all(axis=1)]
    if len(np.unique(sizes.round(3), axis=0)) < len(PUBLISHED):
        return _measured(published(side), sizes, most, fitted=False)
    rng = np.random.default_rng((seed, 9))
    anchors = kmeans(sizes, len(PUBLISHED), rng)
    best = fitness(sizes, anchors, most)
    for _ in range(generations):
        change = np.where(rng.random(anchors.shape) < _MUTATED, rng.normal(1, _STEP, anchors.shape), 1.0)
        changed = np.maximum(anchors * change, least)
        score = fitness(sizes, changed, most)
        if score > best:
            anchors, best = changed, score
    return _measured(anchors, sizes, most, fitted=True)


def published(side: int) -> Floats:
    """(9, 2) the published anchors in a picture of another side."""
    return np.array(PUBLISHED, np.float64) * side / _SIDE


def _measured(anchors: Floats, sizes: Floats, most: float, *, fitted: bool) -> Anchors:
    anchors = anchors[np.argsort(anchors.prod(axis=1), kind="stable")]
    recall = float((best_ratio(sizes, anchors) > 1 / most).mean()) if len(sizes) else 0.0
    overlap = float(shape_iou(sizes, anchors).max(axis=1).mean()) if len(sizes) else 0.0
    return Anchors(
        tuple((round(float(w), 2), round(float(h), 2)) for w, h in anchors), len(sizes), recall, overlap, fitted
    )

"""Boxes counted at fixed thresholds: hits, false alarms and lesions by photo and kind, and hits by a lesion's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.boxes import areas, overlap
from melascope.detection.matching import match
from melascope.detection.photo_level import best_threshold
from melascope.detection.predictions import Photo
from melascope.detection.ranked import ranked

__all__ = ["SIZES", "BoxCounts", "box_thresholds", "counted", "measure_boxes", "size_of"]

Floats = NDArray[np.float64]
SIZES: Final = (0.0, 0.01, 0.03, 0.1, 0.3, float("inf"))
"""Bounds of the sizes: the square root of a box's area as a share of the photo's shorter side, lower bound within."""


@dataclass(frozen=True)
class BoxCounts:
    """Counts of (photos, kinds), and of (photos, sizes)."""

    hits: Floats
    alarms: Floats
    lesions: Floats
    size_hits: Floats
    size_lesions: Floats


def box_thresholds(photos: Sequence[Photo], kinds: int) -> Floats:
    """(kinds,) score of highest F1 of boxes, on validation photos."""
    levels = []
    for kind in range(kinds):
        found = ranked(photos, kind, (0.5,))
        counts = found.hit[0] | found.alarm[0]
        hits = found.hit[0][counts]
        levels.append(best_threshold(hits, found.scores[counts], int(found.truths.sum() - hits.sum())))
    return np.array(levels)


def size_of(boxes: Floats, photo: Photo) -> NDArray[np.intp]:
    """(n,) places among the ranges of `SIZES`."""
    share = np.sqrt(areas(boxes)) / min(photo.width, photo.height)
    return np.searchsorted(SIZES, share, side="right") - 1


def found_of(photo: Photo, thresholds: Floats, least: float = 0.5) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which true lesions were found, and which found boxes are false alarms (those below the threshold are neither).

    Args:
        photo: One photo.
        thresholds: (kinds,) score from which a box counts.
        least: Overlap from which a lesion is found.

    Returns:
        (true,) and (found,); crowds are never found, and what lies on them is no false alarm.
    """
    caught = np.zeros(len(photo.truth.kinds), dtype=np.bool_)
    false = np.zeros(len(photo.found.kinds), dtype=np.bool_)
    sure = photo.found.scores >= thresholds[photo.found.kinds]
    for kind in np.unique(photo.found.kinds[sure]):
        mine = np.flatnonzero(sure & (photo.found.kinds == kind))
        mine = mine[np.argsort(-photo.found.scores[mine], kind="stable")]
        true = np.flatnonzero(photo.truth.kinds == kind)
        crowd = photo.truth.crowd[true]
        made = match(overlap(photo.found.boxes[mine], photo.truth.boxes[true], crowd), least, crowd=crowd)
        caught[true[made.taken[(made.taken >= 0) & ~made.ignored]]] = True
        false[mine[made.taken < 0]] = True
    return caught, false


def counted(photos: Sequence[Photo], thresholds: Floats) -> BoxCounts:
    """Count the boxes of photos."""
    kinds, sizes = len(thresholds), len(SIZES) - 1
    tables = {name: np.zeros((len(photos), kinds)) for name in ("hits", "alarms", "lesions")}
    tables |= {name: np.zeros((len(photos), sizes)) for name in ("size_hits", "size_lesions")}
    for row, photo in enumerate(photos):
        caught, false = found_of(photo, thresholds)
        counts = ~photo.truth.crowd
        size = size_of(photo.truth.boxes, photo)
        for name, which in (("lesions", counts), ("hits", counts & caught)):
            np.add.at(tables[name][row], photo.truth.kinds[which], 1)
            np.add.at(tables[f"size_{name}"][row], size[which], 1)
        np.add.at(tables["alarms"][row], photo.found.kinds[false], 1)
    return BoxCounts(**tables)


def measure_boxes(table: BoxCounts, names: Sequence[str], weights: Floats | None = None) -> dict[str, Floats]:
    """Precision and sensitivity of boxes by kind, their means and of all together, false alarms a photo.

    Args:
        table: Counts.
        names: Of the kinds.
        weights: (..., photos) how often each photo counts; once each if not given.
    """
    counts = np.ones(len(table.hits)) if weights is None else weights
    hits, alarms, lesions = (counts @ one for one in (table.hits, table.alarms, table.lesions))
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(lesions > 0, np.where(hits + alarms > 0, hits / (hits + alarms), 0.0), np.nan)
        sensitivity = np.where(lesions > 0, hits / lesions, np.nan)
        found = {f"box_precision_{name}": precision[..., k] for k, name in enumerate(names)}
        found |= {f"box_sensitivity_{name}": sensitivity[..., k] for k, name in enumerate(names)}
        known = (lesions > 0).sum(axis=-1)
        found["box_precision_mean"] = np.where(lesions > 0, precision, 0.0).sum(axis=-1) / known
        found["box_sensitivity_mean"] = np.where(lesions > 0, sensitivity, 0.0).sum(axis=-1) / known
        found["box_sensitivity"] = hits.sum(axis=-1) / lesions.sum(axis=-1)
        every = (hits + alarms).sum(axis=-1)
        found["box_precision"] = np.where(every > 0, hits.sum(axis=-1) / every, np.nan)
        found["alarms"] = alarms.sum(axis=-1) / counts.sum(axis=-1)
        sized = (counts @ table.size_hits) / (counts @ table.size_lesions)
    return found | {f"size_{k}": sized[..., k] for k in range(len(SIZES) - 1)}

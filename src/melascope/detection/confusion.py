"""Which kind is taken for which, and for none: of boxes, and of photos with one kind.

Boxes: those of the same kind are matched first (`melascope.detection.matching`); what is left is matched whatever its
kind, and makes the cells off the diagonal. True boxes that are left are missed, found ones are false alarms.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from melascope.boxes import overlap
from melascope.detection.matching import match
from melascope.detection.predictions import Photo, Predictions

__all__ = ["boxes_confused", "photos_confused"]

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def boxes_confused(photos: Sequence[Photo], thresholds: Floats, least: float = 0.5) -> Counts:
    """True kind against found kind of boxes.

    Args:
        photos: Some.
        thresholds: (kinds,) score from which a found box counts.
        least: Overlap from which two boxes can be the same.

    Returns:
        (kinds + 1, kinds + 1): a row is a true kind, a column a found one, the last of each "none".
    """
    kinds = len(thresholds)
    matrix = np.zeros((kinds + 1, kinds + 1), dtype=np.int64)
    for photo in photos:
        _add(matrix, photo, thresholds, least)
    return matrix


def photos_confused(predictions: Predictions, thresholds: Floats) -> Counts:
    """True kind against surest kind of the photos that show one kind or none.

    The surest kind is the one whose highest score is most above its threshold; "none" if none reaches its own.

    Returns:
        (kinds + 1, kinds + 1) as of boxes.
    """
    kinds = len(thresholds)
    matrix = np.zeros((kinds + 1, kinds + 1), dtype=np.int64)
    above = predictions.surest() - thresholds[None, :]
    for shown, over in zip(predictions.shown(), above, strict=True):
        if shown.sum() <= 1:
            true = int(shown.argmax()) if shown.any() else kinds
            matrix[true, int(over.argmax()) if over.max() >= 0 else kinds] += 1
    return matrix


def _add(matrix: Counts, photo: Photo, thresholds: Floats, least: float) -> None:
    none = len(matrix) - 1
    sure = photo.found.scores >= thresholds[photo.found.kinds]
    order = np.flatnonzero(sure)
    order = order[np.argsort(-photo.found.scores[order], kind="stable")]
    found, true, crowd = photo.found.kinds[order], photo.truth.kinds, photo.truth.crowd
    over = overlap(photo.found.boxes[order], photo.truth.boxes, crowd)
    same = np.where(found[:, None] == true[None, :], over, 0.0)
    first = match(same, least, crowd=crowd)
    open_found, open_true = first.taken < 0, np.ones(len(true), dtype=np.bool_)
    open_true[first.taken[first.taken >= 0]] = False
    for row in np.flatnonzero(~open_found & ~first.ignored):
        matrix[true[first.taken[row]], found[row]] += 1
    rest = np.where(open_found[:, None] & open_true[None, :], over, 0.0)
    second = match(rest, least, crowd=crowd)
    for row in np.flatnonzero(open_found):
        if second.taken[row] < 0:
            matrix[none, found[row]] += 1
        elif not second.ignored[row]:
            matrix[true[second.taken[row]], found[row]] += 1
            open_true[second.taken[row]] = False
    for kind in true[open_true & ~crowd]:
        matrix[kind, none] += 1

"""Found boxes of one kind, all photos together, the surest first: what became of each at several overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.boxes import areas, overlap
from melascope.detection.matching import match
from melascope.detection.predictions import Photo

__all__ = ["AREAS", "MOST", "OVERLAPS", "Ranked", "joined", "ranked"]

Floats = NDArray[np.float64]
OVERLAPS: Final = tuple(float(value) for value in np.linspace(0.5, 0.95, 10))
"""Overlaps of COCO's mAP@50-95."""
AREAS: Final = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""COCO's ranges of areas in square pixels, both ends within."""
MOST: Final = 100
"""Found boxes of a photo and kind that count, the surest ones, as in COCO."""


@dataclass(frozen=True)
class Ranked:
    """Found boxes in falling order of their scores."""

    photos: NDArray[np.intp]
    """(d,) which photo each is on."""
    scores: Floats
    """(d,)"""
    hit: NDArray[np.bool_]
    """(overlaps, d) whether it is a true one that counts."""
    alarm: NDArray[np.bool_]
    """(overlaps, d) whether it is a false alarm; neither of both where it does not count."""
    truths: NDArray[np.intp]
    """(photos,) true boxes that count."""


def ranked(
    photos: Sequence[Photo],
    kind: int,
    overlaps: Sequence[float] = OVERLAPS,
    area: tuple[float, float] = AREAS["all"],
    most: int = MOST,
) -> Ranked:
    """Match all found boxes of a kind.

    Args:
        photos: In their order; COCO's is that of the images' ids.
        kind: Place in `Predictions.classes`.
        overlaps: Least intersections over union, one matching each.
        area: True boxes beyond this range do not count, nor found ones that match none within it.
        most: Found boxes of a photo that count, the surest ones.
    """
    where, scores, hits, alarms = [], [], [], []
    truths = np.zeros(len(photos), dtype=np.intp)
    for number, photo in enumerate(photos):
        mine = photo.truth.kinds == kind
        boxes, crowd = photo.truth.boxes[mine], photo.truth.crowd[mine]
        size = areas(boxes)
        ignore = crowd | (size < area[0]) | (size > area[1])
        truths[number] = int((~ignore).sum())
        own = np.flatnonzero(photo.found.kinds == kind)
        if not len(own):
            continue
        order = own[np.argsort(-photo.found.scores[own], kind="stable")][:most]
        found = photo.found.boxes[order]
        outside = (areas(found) < area[0]) | (areas(found) > area[1])
        over = overlap(found, boxes, crowd)
        made = [match(over, least, ignore, crowd) for least in overlaps]
        where.append(np.full(len(order), number))
        scores.append(photo.found.scores[order])
        hits.append(np.array([(one.taken >= 0) & ~one.ignored for one in made]))
        alarms.append(np.array([(one.taken < 0) & ~outside for one in made]))
    if not where:
        none = np.zeros((len(overlaps), 0), dtype=np.bool_)
        return Ranked(np.zeros(0, dtype=np.intp), np.zeros(0), none, none, truths)
    return _sorted(np.concatenate(where), np.concatenate(scores), np.hstack(hits), np.hstack(alarms), truths)


def joined(parts: Sequence[Ranked]) -> Ranked:
    """Several kinds as one: a box counts as a hit only where its kind is right."""
    return _sorted(
        np.concatenate([one.photos for one in parts]),
        np.concatenate([one.scores for one in parts]),
        np.hstack([one.hit for one in parts]),
        np.hstack([one.alarm for one in parts]),
        np.sum([one.truths for one in parts], axis=0),
    )


def _sorted(
    photos: NDArray[np.intp],
    scores: Floats,
    hit: NDArray[np.bool_],
    alarm: NDArray[np.bool_],
    truths: NDArray[np.intp],
) -> Ranked:
    order = np.argsort(-scores, kind="stable")
    return Ranked(photos[order], scores[order], hit[:, order], alarm[:, order], truths)

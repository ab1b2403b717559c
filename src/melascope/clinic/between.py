"""Lesions between two visits: which are new, grown, shrunk or gone, and which such changes re-photographing explains.

The faces are laid over each other as on the page of before and after, lesions are paired one to one where they overlap
or lie close together, and areas are compared in square millimetres of the face (its width stands for 140 mm). What
holds now counts: lesions that a person deleted are left out, those that a person drew are there.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.clinic.assignment import assign
from melascope.clinic.corrections import LesionReading, Reading, read
from melascope.clinic.course import Course, Point
from melascope.clinic.outlines import FACE_MM, ellipse
from melascope.clinic.pictures import alignment
from melascope.clinic.tables import MakeUp, Photo
from melascope.record import LesionRecord
from melascope.vocabulary import Lesion

__all__ = [
    "Between",
    "Face",
    "Fate",
    "Pair",
    "Spot",
    "between",
    "between_json",
    "compared",
    "face_of",
    "since",
    "steadiness",
]

Floats = NDArray[np.float64]
_GRID_MM: Final = 0.5
"""Side of a cell of the common grid."""
_MOST_CELLS: Final = 1_000_000
"""A face has a tenth of that; boxes that people drew may lie far from it, and get coarser cells."""
_REACH_MM: Final = 5.0
"""Lesions that do not overlap are one if their centres are nearer than that: two photographs never lie over each other
to the millimetre, and a freckle is no wider."""
_PART: Final = 0.5
"""Share of a lesion that lies on a lesion of the other photograph from which it is a part of that one."""


class Fate(StrEnum):
    """What became of a lesion."""

    NEW = "new"
    GROWN = "grown"
    SHRUNK = "shrunk"
    GONE = "gone"
    SAME = "same"
    """No change that re-photographing would not explain, or none that could be measured."""
    UNSURE = "unsure"
    """In one photograph only, and so small that re-photographing alone makes such come and go."""


@dataclass(frozen=True, eq=False)
class Spot:
    """One lesion of one photograph, as it holds."""

    number: int
    """As the photograph's page counts."""
    kind: Lesion | None
    region: str
    """Where most of it lies; empty where a person drew it."""
    area_mm2: float
    outline: Floats
    """(n, 2) corners in pixels of the shown photograph."""
    drawn: bool
    """A person drew its box: its area is not measured."""
    confirmed: bool
    """A person drew or named it."""
    measured: LesionRecord | None = None
    """What the networks say of it; None where a person drew or named it."""


@dataclass(frozen=True)
class Face:
    """The lesions of one photograph, and where its face lies."""

    spots: tuple[Spot, ...]
    anchors: dict[str, Any]
    face_px: float


@dataclass(frozen=True, eq=False)
class Pair:
    """A lesion before and after. It may have several parts on a side: patches run together, and fall apart."""

    fate: Fate
    before: tuple[Spot, ...]
    after: tuple[Spot, ...]
    limit: float | None
    """Factor of the area that re-photographing explains; None where areas are not compared."""

    @property
    def area_before(self) -> float | None:
        """Square millimetres; None where it was not there or was drawn by hand."""
        return _area(self.before)

    @property
    def area_after(self) -> float | None:
        """Likewise."""
        return _area(self.after)

    @property
    def size(self) -> float:
        """The larger of both areas, those of drawn boxes included, for sorting."""
        return max(sum(spot.area_mm2 for spot in side) for side in (self.before, self.after))

    @property
    def region(self) -> str:
        """Where it lies; empty if that is not known."""
        return next((spot.region for spot in (*self.before, *self.after) if spot.region), "")

    @property
    def kinds(self) -> tuple[Lesion, ...]:
        """What it is called, before and after."""
        return tuple(dict.fromkeys(spot.kind for spot in (*self.before, *self.after) if spot.kind is not None))

    @property
    def unnamed(self) -> LesionRecord | None:
        """Where it bears no name, what the networks say of its largest part, of the later ones if there are any."""
        parts = () if self.kinds else self.after or self.before
        return max(parts, key=lambda spot: spot.area_mm2).measured if parts else None


@dataclass(frozen=True)
class Between:
    """All lesions of two photographs."""

    pairs: tuple[Pair, ...]
    """Those with a change first, the largest first."""
    moved: tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...] | None
    """(2, 3) that brings the later photograph to the earlier one, in pixels as shown."""
    comparable: bool
    """Both were measured by the network whose steadiness is known."""
    made_up: bool = False
    """At one of the visits make-up was worn, as somebody noted: what it hides looks gone, and new once it is off."""

    @property
    def counts(self) -> dict[Fate, int]:
        """How many of each."""
        return {fate: sum(pair.fate is fate for pair in self.pairs) for fate in Fate}

    @property
    def changed(self) -> tuple[Pair, ...]:
        """New, grown, shrunk and gone ones."""
        return tuple(pair for pair in self.pairs if pair.fate not in (Fate.SAME, Fate.UNSURE))

    @property
    def others(self) -> tuple[Pair, ...]:
        """Those without a change that can be told."""
        return tuple(pair for pair in self.pairs if pair.fate in (Fate.SAME, Fate.UNSURE))

    def outline_after(self, spot: Spot) -> Floats:
        """The outline of a later lesion where it lies on the earlier photograph."""
        return spot.outline if self.moved is None else _moved(spot.outline, np.array(self.moved))


def between(before: Photo, after: Photo) -> Between | None:
    """The lesions of two photographs of one view; None where they cannot be laid over each other.

    That is so in close-ups, where a photograph was refused, and where an earlier version kept no outlines.
    """
    if before.view is not after.view:
        return None
    readings = read(before), read(after)
    faces = [face_of(photo, reading) for photo, reading in zip((before, after), readings, strict=True)]
    if faces[0] is None or faces[1] is None:
        return None
    if len({reading.record.versions.get("naming network") for reading in readings if reading is not None}) > 1:
        # Another network named the earlier one: its names are no change of the lesion.
        faces[0] = replace(
            faces[0], spots=tuple(s if s.confirmed else replace(s, kind=None, measured=None) for s in faces[0].spots)
        )
    networks = {reading.record.versions.get("skin network", "") for reading in readings if reading is not None}
    found = compared(faces[0], faces[1], comparable=networks == {steadiness()["network"]})
    made_up = any(photo.visit.make_up is MakeUp.WORN for photo in (before, after))
    return None if found is None else replace(found, made_up=made_up)


def since(found: Course) -> tuple[tuple[Point, Between], ...]:
    """What became of lesions up to the latest total: since the first visit, and since the one before."""
    rows = []
    for change in (found.since_first, found.since_last):
        if change is not None and change.before.photo is not None and change.after.photo is not None:
            lesions = between(change.before.photo, change.after.photo)
            rows += [(change.before, lesions)] if lesions is not None else []
    return tuple(rows)


def face_of(photo: Photo, reading: Reading | None) -> Face | None:
    """The lesions of a photograph as they hold; None where its face is not known."""
    kept = None if photo.analysed is None else photo.analysed.pictures
    if reading is None or kept is None or not kept.get("face_px"):
        return None
    scale, width, drawn = float(kept["scale"]), float(kept["face_px"]), kept.get("outlines", [])
    spots = [_spot(row, drawn, scale, width) for row in reading.lesions if not row.deleted]
    return Face(tuple(spots), kept["anchors"], width)


def _spot(row: LesionReading, outlines: Sequence[Sequence[float]], scale: float, face_px: float) -> Spot:
    mm = FACE_MM / (face_px / scale)  # a pixel of the upright photograph
    measured, confirmed = row.measured, row.correction is not None and bool(row.correction.value)
    outline, area = ellipse([side * scale for side in row.box]), 0.0
    if measured is None:
        area = math.pi / 4 * (row.box[2] - row.box[0]) * (row.box[3] - row.box[1])
    else:
        area = float(measured.area_px)
        if row.number <= len(outlines):
            outline = np.array(outlines[row.number - 1], np.float64).reshape(-1, 2)
    return Spot(
        number=row.number,
        kind=row.kind,
        region="" if measured is None else measured.region,
        area_mm2=area * mm * mm,
        outline=outline,
        drawn=measured is None,
        confirmed=confirmed,
        measured=None if confirmed else measured,
    )


# ---------------------------------------------------------------- the comparison itself


def compared(before: Face, after: Face, *, comparable: bool = True) -> Between | None:
    """The lesions of two faces; None where they cannot be laid over each other."""
    matrix = alignment(after.anchors, before.anchors)
    if matrix is None:
        return None
    first = [spot.outline * (FACE_MM / before.face_px) for spot in before.spots]
    second = [_moved(spot.outline, matrix) * (FACE_MM / before.face_px) for spot in after.spots]
    shared, sizes = _shared(first, second)
    gains = _gains(first, second, shared, sizes)
    sides = [[[i], [j]] for i, j in assign(gains)]
    taken = [{side[k][0] for side in sides} for k in (0, 1)]
    own = [np.where(size > 0, size, 1.0) for size in sizes]
    for k, share in ((0, shared / own[0][:, None]), (1, (shared / own[1]).T)):
        # What lies on a lesion of the other photograph that is paired already is a part of it, unless a person drew it.
        for place, spot in enumerate((before, after)[k].spots):
            if spot.drawn or place in taken[k] or not share.shape[1] or share[place].sum() < _PART:
                continue
            partner = int(share[place].argmax())
            next(side for side in sides if partner in side[1 - k])[k].append(place)
            taken[k].add(place)
    pairs = [_judged([before.spots[i] for i in a], [after.spots[j] for j in b]) for a, b in sides]
    pairs += [_judged([spot], []) for i, spot in enumerate(before.spots) if i not in taken[0]]
    pairs += [_judged([], [spot]) for j, spot in enumerate(after.spots) if j not in taken[1]]
    order = tuple(Fate)
    pairs.sort(key=lambda pair: (order.index(pair.fate), -pair.size))
    rows = [tuple(float(value) for value in row) for row in matrix]
    return Between(tuple(pairs), (rows[0], rows[1]), comparable)  # type: ignore[arg-type]


def _judged(before: Sequence[Spot], after: Sequence[Spot]) -> Pair:
    """What became of a lesion, by what re-photographing explains."""
    known = steadiness()
    sides = tuple(before), tuple(after)
    if not before or not after:
        [alone] = before or after
        fate = Fate.GONE if before else Fate.NEW
        if alone.area_mm2 < known["appears_mm2"] and not alone.confirmed:
            fate = Fate.UNSURE
        return Pair(fate, *sides, None)
    one, other = _area(sides[0]), _area(sides[1])
    if one is None or other is None:
        return Pair(Fate.SAME, *sides, None)
    limit = detectable_factor(math.sqrt(one * other))
    fate = Fate.GROWN if other > one * limit else Fate.SHRUNK if one > other * limit else Fate.SAME
    return Pair(fate, *sides, limit)


def _area(spots: Sequence[Spot]) -> float | None:
    if not spots or any(spot.drawn for spot in spots):
        return None
    return sum(spot.area_mm2 for spot in spots)


def _shared(first: Sequence[Floats], second: Sequence[Floats]) -> tuple[Floats, tuple[Floats, Floats]]:
    """(first, second) cells of the grid that two lesions share, and the cells of each."""
    outlines = [*first, *second]
    if not outlines:
        return np.zeros((0, 0)), (np.zeros(0), np.zeros(0))
    corners = np.concatenate(outlines)
    low = corners.min(axis=0) - 1
    sides = corners.max(axis=0) + 1 - low
    cell = max(_GRID_MM, math.sqrt(float(sides.prod()) / _MOST_CELLS))
    width, height = (int(side) for side in np.ceil(sides / cell))
    grids = []
    for lesions in (first, second):
        grid = np.zeros((height, width), np.int32)
        spans = [np.ptp(outline, axis=0).prod() for outline in lesions]
        for place in np.argsort(spans)[::-1]:  # a small one that lies on a large one stays to be seen
            corners = np.round((lesions[place] - low) / cell * 16).astype(np.int32)
            cv2.fillPoly(grid, [corners], int(place) + 1, lineType=cv2.LINE_8, shift=4)
        grids.append(grid)
    a, b = len(first) + 1, len(second) + 1
    table = np.bincount((grids[0] * b + grids[1]).ravel(), minlength=a * b).reshape(a, b).astype(np.float64)
    return table[1:, 1:], (table[1:].sum(axis=1), table[:, 1:].sum(axis=0))


def _gains(first: Sequence[Floats], second: Sequence[Floats], shared: Floats, sizes: tuple[Floats, Floats]) -> Floats:
    """How well two lesions go together: overlap over union, and half as much for centres that lie near."""
    if not first or not second:
        return np.zeros((len(first), len(second)))
    union = sizes[0][:, None] + sizes[1][None, :] - shared
    overlap = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    centres = [np.array([_centre(outline) for outline in lesions]) for lesions in (first, second)]
    away = np.linalg.norm(centres[0][:, None] - centres[1][None, :], axis=2)
    near = np.maximum(0.0, 1 - away / _REACH_MM)
    return np.asarray(overlap + 0.5 * near, np.float64)


def _centre(outline: Floats) -> Floats:
    return np.asarray((outline.min(axis=0) + outline.max(axis=0)) / 2, np.float64)


def _moved(points: Floats, matrix: Floats) -> Floats:
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float64)


def detectable_factor(area_mm2: float) -> float:
    """Factor between two areas of one lesion, of about this size, that re-photographing explains.

    Example:
        >>> detectable_factor(3.0) >= detectable_factor(3000.0) > 1
        True
    """
    return next(float(band["factor"]) for band in steadiness()["areas"] if area_mm2 >= band["from_mm2"])


@lru_cache(maxsize=1)
def steadiness() -> dict[str, Any]:
    """What re-photographing explains of lesions, with its source: `lesion_steadiness.toml`."""
    text = files("melascope.clinic").joinpath("lesion_steadiness.toml").read_text(encoding="utf-8")
    known = tomllib.loads(text)
    known["areas"].sort(key=lambda band: -band["from_mm2"])
    return known


# ---------------------------------------------------------------- as plain data


def between_json(found: Between) -> dict[str, Any]:
    """As JSON holds it."""

    def side(spots: Sequence[Spot]) -> list[dict[str, Any]]:
        return [
            {
                "number": spot.number,
                "kind": spot.kind.value if spot.kind else None,
                "area_mm2": None if spot.drawn else round(spot.area_mm2, 2),
                "drawn": spot.drawn,
            }
            for spot in spots
        ]

    def rounded(area: float | None) -> float | None:
        return None if area is None else round(area, 2)

    return {
        "counts": {fate.value: count for fate, count in found.counts.items()},
        "comparable": found.comparable,
        "made_up": found.made_up,
        "lesions": [
            {
                "state": pair.fate.value,
                "region": pair.region or None,
                "area_before_mm2": rounded(pair.area_before),
                "area_after_mm2": rounded(pair.area_after),
                "factor_explained": pair.limit,
                "before": side(pair.before),
                "after": side(pair.after),
            }
            for pair in found.pairs
        ],
    }

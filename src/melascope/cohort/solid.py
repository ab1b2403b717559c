"""Surfaces that are not skin: their record, and how meshes are made, cut and smoothed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.shell import unit

__all__ = ["Solid", "clipped", "grid_faces", "tube", "vertex_normals"]

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Solid:
    """A surface with a colour.

    Attributes:
        name: What it is.
        kind: "worn", "eye" or "teeth".
        vertices: (n, 3) float32, mm in head coordinates.
        faces: (m, 3) int32.
        normals: (n, 3) float32, or None for flat faces.
        colour: Linear RGB reflectance of all, or (n, 3) of each vertex.
        roughness: 0 mirror-like to 1 dull.
        glass: Clear: it only reflects.
    """

    name: str
    kind: str
    vertices: Float32
    faces: Int32
    normals: Float32 | None
    colour: tuple[float, float, float] | Float32
    roughness: float = 0.6
    glass: bool = False

    def __post_init__(self) -> None:
        if self.kind not in ("worn", "eye", "teeth"):
            raise ValueError(f"kind {self.kind!r} is unknown: choose worn, eye or teeth")
        if self.vertices.ndim != 2 or self.vertices.shape[1] != 3 or self.faces.ndim != 2 or self.faces.shape[1] != 3:
            raise ValueError(f"vertices {self.vertices.shape}, faces {self.faces.shape}: pass (n, 3) and (m, 3)")


def vertex_normals(vertices: Float32, faces: Int32) -> Float32:
    """(n, 3) unit normals, the mean of the faces around, weighted by their area."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    total = np.zeros(vertices.shape, np.float64)
    for i in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(faces[:, i], face[:, axis], len(vertices))
    return unit(total)


def grid_faces(rows: int, columns: int, round_columns: bool = False) -> Int32:
    """Triangles of a grid of vertices, row by row; `round_columns` joins the last column to the first.

    Counter-clockwise where columns run to the right and rows down.
    """
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    if round_columns:
        index = np.concatenate([index, index[:, :1]], axis=1)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])


def tube(path: Float32, radius_mm: Float32, sides: int = 8, closed: bool = False) -> tuple[Float32, Int32]:
    """A round tube along a path (n, 3) with radii (n,): vertices and faces; `closed` joins its ends."""
    tangent = unit(np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0) if closed else np.gradient(path, axis=0))
    helper = np.array([0.0, 0.0, 1.0]) if abs(float(tangent[:, 2].mean())) < 0.7 else np.array([0.0, 1.0, 0.0])
    one = unit(np.cross(tangent, helper))
    two = np.cross(tangent, one)
    turn = np.arange(sides) * (2 * np.pi / sides)
    ring = one[:, None] * np.cos(turn)[None, :, None] + two[:, None] * np.sin(turn)[None, :, None]
    vertices = path[:, None] + ring * radius_mm[:, None, None]
    faces = grid_faces(len(path) + closed, sides, round_columns=True) % (len(path) * sides)
    return vertices.reshape(-1, 3).astype(np.float32), faces.astype(np.int32)[:, ::-1].copy()


def clipped(vertices: Float32, faces: Int32, field: Float32) -> tuple[Float32, Int32, Float32]:
    """The part of a mesh where a field (n,) is above 0, cut exactly along its zero line.

    Returns:
        Vertices, faces, and the field at the vertices.
    """
    inside = field > 0
    count = inside[faces].sum(axis=1)
    kept = [faces[count == 3]]
    added: list[NDArray[np.float64]] = []
    values: list[NDArray[np.float64]] = []
    offset = len(vertices)

    def crossing(one: Int32, other: Int32) -> Int32:
        nonlocal offset
        low, high = np.minimum(one, other), np.maximum(one, other)
        key, back = np.unique(low.astype(np.int64) * len(vertices) + high, return_inverse=True)
        a, b = key // len(vertices), key % len(vertices)
        share = (field[a] / (field[a] - field[b]))[:, None]
        added.append(vertices[a] * (1 - share) + vertices[b] * share)
        values.append(np.zeros(len(key)))
        offset += len(key)
        return (back + offset - len(key)).astype(np.int32)

    mixed = faces[(count == 1) | (count == 2)]
    single = inside[mixed].sum(axis=1) == 1
    # Turn each face so that the vertex alone on its side comes first.
    alone = np.where(single[:, None], inside[mixed], ~inside[mixed]).argmax(axis=1)
    turned = np.stack([mixed[np.arange(len(mixed)), (alone + i) % 3] for i in range(3)], axis=1)
    if len(turned):
        cut = crossing(np.concatenate([turned[:, 0], turned[:, 0]]), np.concatenate([turned[:, 1], turned[:, 2]]))
        one, two = cut[: len(turned)], cut[len(turned) :]
        kept.append(np.stack([turned[single, 0], one[single], two[single]], axis=1))
        rest = ~single
        kept.append(np.stack([one[rest], turned[rest, 1], turned[rest, 2]], axis=1))
        kept.append(np.stack([one[rest], turned[rest, 2], two[rest]], axis=1))
    everything = np.concatenate(kept)
    points = np.concatenate([vertices, *added])
    level = np.concatenate([field, *values])
    used, back = np.unique(everything, return_inverse=True)
    return points[used].astype(np.float32), back.reshape(-1, 3).astype(np.int32), level[used].astype(np.float32)

"""Catmull-Clark subdivision (1978) as one sparse matrix, and normals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Refinement", "refine", "vertex_normals"]


@dataclass(frozen=True)
class Refinement:
    """A sparse matrix from coarse to fine vertices, stored by rows.

    Attributes:
        starts: (n,) where each row's entries begin.
        columns: (k,) coarse vertices.
        weights: (k,) float64; every row sums to 1.
        quads: (m, 4) faces of fine vertices. The first fine vertices are the coarse ones, moved to where they end up.
    """

    starts: NDArray[np.int64]
    columns: NDArray[np.int64]
    weights: NDArray[np.float64]
    quads: NDArray[np.int64]

    def apply(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Fine values (n, c) of coarse values (m, c); NaN where any of the coarse values is."""
        columns = [np.add.reduceat(self.weights * column[self.columns], self.starts) for column in values.T]
        return np.stack(columns, axis=1)


def refine(quads: NDArray[np.int64], count: int, levels: int) -> Refinement:
    """Catmull-Clark subdivision of a quadrilateral mesh, borders kept as cubic B-splines.

    Args:
        quads: (q, 4) faces.
        count: Number of vertices.
        levels: How often; each makes four faces of one.
    """
    rows = columns = np.arange(count)
    weights = np.ones(count)
    for _ in range(levels):
        step_rows, step_columns, step_weights, quads, fine = _catmull_clark(quads, count)
        rows, columns, weights = _product(step_rows, step_columns, step_weights, rows, columns, weights, count)
        count = fine
    starts = np.searchsorted(rows, np.arange(count))
    return Refinement(starts, columns, weights, quads)


def vertex_normals(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.float64]:
    """(n, 3) unit normals: those of the faces around a vertex, weighted by area."""
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    face = np.cross(b - a, c - a)
    total = np.empty((len(vertices), 3))
    for axis in range(3):
        weights = np.repeat(face[:, axis], 3)
        total[:, axis] = np.bincount(faces.ravel(), weights, len(vertices))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    unit: NDArray[np.float64] = total / np.where(length > 0, length, 1)
    return unit


_Entries = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], int]


def _catmull_clark(quads: NDArray[np.int64], count: int) -> _Entries:
    """One step: (rows, columns, weights) of its matrix, its faces, its number of vertices."""
    ends = np.stack([quads, np.roll(quads, -1, axis=1)], axis=2).reshape(-1, 2)  # edge k of a quad: corner k to k + 1
    ends = np.sort(ends, axis=1)
    key, edge_of, uses = np.unique(ends[:, 0] * count + ends[:, 1], return_inverse=True, return_counts=True)
    edges = np.stack([key // count, key % count], axis=1)
    n_edges, n_quads = len(edges), len(quads)
    edge_of = edge_of.reshape(-1, 4)
    border = uses == 1
    on_border = np.zeros(count, bool)
    on_border[edges[border].ravel()] = True
    valence = np.bincount(quads.ravel(), minlength=count)
    rows: list[NDArray[np.int64]] = []
    columns: list[NDArray[np.int64]] = []
    weights: list[NDArray[np.float64]] = []

    def put(row: NDArray[np.int64], column: NDArray[np.int64], weight: NDArray[np.float64] | float) -> None:
        rows.append(row)
        columns.append(column)
        weights.append(np.broadcast_to(np.asarray(weight, np.float64), row.shape))

    face_row = count + n_edges + np.arange(n_quads)
    for k in range(4):
        put(face_row, quads[:, k], 0.25)
    edge_row = count + np.arange(n_edges)
    for k in range(2):
        put(edge_row, edges[:, k], np.where(border, 0.5, 0.25))
    # An inner edge's point adds a quarter of each of its two face points, that is a sixteenth of each corner.
    for k in range(4):
        inner = ~border[edge_of[:, k]]
        for corner in range(4):
            put(count + edge_of[inner, k], quads[inner, corner], 1 / 16)
    # Inner vertex of valence n: (F + 2 R + (n - 3) P) / n with F the mean face point, R the mean edge midpoint.
    vertex = np.arange(count)
    inside = ~on_border & (valence > 0)
    n = np.maximum(valence, 1).astype(np.float64)
    put(vertex[inside], vertex[inside], (n[inside] - 3) / n[inside])
    for k in range(4):
        at = quads[:, k]
        chosen = inside[at]
        for corner in range(4):
            put(at[chosen], quads[chosen, corner], 0.25 / n[at[chosen]] ** 2)
    for here, there in ((0, 1), (1, 0)):
        at = edges[:, here]
        chosen = inside[at]
        share = 1 / n[at[chosen]] ** 2
        put(at[chosen], at[chosen], share)
        put(at[chosen], edges[chosen, there], share)
    # A border vertex: 3/4 of itself, 1/8 of each border neighbour (more than two neighbours: stays).
    around = np.bincount(edges[border].ravel(), minlength=count)
    simple = on_border & (around == 2)
    put(vertex[simple], vertex[simple], 0.75)
    for here, there in ((0, 1), (1, 0)):
        at = edges[border][:, here]
        chosen = simple[at]
        put(at[chosen], edges[border][chosen, there], 0.125)
    fixed = ~inside & ~simple
    put(vertex[fixed], vertex[fixed], 1.0)
    finer = np.stack(
        [np.stack([quads[:, k], count + edge_of[:, k], face_row, count + edge_of[:, k - 1]], axis=1) for k in range(4)],
        axis=1,
    ).reshape(-1, 4)
    total = count + n_edges + n_quads
    row, column, weight = _merged(np.concatenate(rows), np.concatenate(columns), np.concatenate(weights), count)
    return row, column, weight, finer, total


def _merged(
    rows: NDArray[np.int64], columns: NDArray[np.int64], weights: NDArray[np.float64], width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Entries of the same place added up, sorted by row, then column."""
    key, inverse = np.unique(rows * width + columns, return_inverse=True)
    total: NDArray[np.float64] = np.asarray(np.bincount(inverse, weights, len(key)), np.float64)
    return key // width, key % width, total


def _product(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    weights: NDArray[np.float64],
    inner_rows: NDArray[np.int64],
    inner_columns: NDArray[np.int64],
    inner_weights: NDArray[np.float64],
    width: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Entries of the product of two sparse matrices, the second one sorted by rows; columns lie below `width`."""
    first = np.searchsorted(inner_rows, columns, side="left")
    length = np.searchsorted(inner_rows, columns, side="right") - first
    outer = np.repeat(np.arange(len(rows)), length)
    offset = np.arange(len(outer)) - np.repeat(np.cumsum(length) - length, length)
    inner = first[outer] + offset
    return _merged(rows[outer], inner_columns[inner], weights[outer] * inner_weights[inner], width)

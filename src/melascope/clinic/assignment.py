"""Which of one set goes with which of another: one to one, with the largest sum of gains there is.

Shortest augmenting paths with potentials (Kuhn 1955; Edmonds & Karp 1972), for each group of things that have anything
to do with each other. SciPy's `linear_sum_assignment` finds the same, and is no part of the run time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["assign"]

Floats = NDArray[np.float64]


def assign(gains: Floats) -> list[tuple[int, int]]:
    """The pairs whose gains add up to the most; nothing is paired without a gain.

    Args:
        gains: (rows, columns), 0 or less where two cannot go together.

    Returns:
        (row, column) in order of rows.

    Example:
        >>> assign(np.array([[0.9, 0.8], [0.8, 0.0]]))
        [(0, 1), (1, 0)]
    """
    pairs: list[tuple[int, int]] = []
    for rows, columns in _groups(gains > 0):
        part = np.maximum(gains[np.ix_(rows, columns)], 0.0)
        # To stay alone costs nothing: a column of one's own for each row.
        cost = np.hstack([-part, np.zeros((len(rows), len(rows)))])
        for row, column in enumerate(_cheapest(cost)):
            if column < len(columns) and part[row, column] > 0:
                pairs.append((rows[row], columns[column]))
    return sorted(pairs)


def _groups(linked: NDArray[np.bool_]) -> list[tuple[list[int], list[int]]]:
    """Rows and columns that hang together, without those that stand alone."""
    found = []
    left = set(np.flatnonzero(linked.any(axis=1)).tolist())
    while left:
        rows, columns, look = set[int](), set[int](), {min(left)}
        while look:
            rows |= look
            fresh = set(np.flatnonzero(linked[sorted(look)].any(axis=0)).tolist()) - columns
            columns |= fresh
            look = set(np.flatnonzero(linked[:, sorted(fresh)].any(axis=1)).tolist()) - rows if fresh else set()
        left -= rows
        found.append((sorted(rows), sorted(columns)))
    return found


def _cheapest(cost: Floats) -> list[int]:
    """The column of each row of (n, m), n <= m, so that the sum of costs is least."""
    count, places = cost.shape
    row_price, column_price = np.zeros(count), np.zeros(places)
    owner, own = np.full(places, -1), np.full(count, -1)
    for start in range(count):
        distance, before = np.full(places, np.inf), np.full(places, -1)
        closed = np.zeros(places, np.bool_)
        row, reached = start, 0.0
        while True:
            through = reached + cost[row] - row_price[row] - column_price
            nearer = ~closed & (through < distance)
            distance[nearer], before[nearer] = through[nearer], row
            end = int(np.argmin(np.where(closed, np.inf, distance)))
            reached = float(distance[end])
            if owner[end] < 0:
                break
            closed[end] = True
            row = int(owner[end])
        row_price[start] += reached
        passed = np.flatnonzero(closed)
        row_price[owner[passed]] += reached - distance[passed]
        column_price[passed] -= reached - distance[passed]
        while True:  # along the path each row takes the column that the next one leaves
            row = int(before[end])
            owner[end], own[row], end = row, end, int(own[row])
            if row == start:
                break
    return [int(column) for column in own]

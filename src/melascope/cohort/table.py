"""A function of a few bounded quantities as a table: computed at few Chebyshev nodes, spread to many, read linearly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Axis", "Table", "tabulate"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_CHUNK = 32768
"""Values that are looked up at a time, so that what is in between stays in the cache."""


@dataclass(frozen=True)
class Axis:
    """One quantity: evenly spaced in log(value + soft), which is linear below `soft` and logarithmic above."""

    low: float
    high: float
    soft: float
    nodes: int
    """Places where the function is computed."""
    steps: int
    """Places in the table."""

    def place(self, value: ArrayLike) -> Any:
        """Position from 0 to 1, float32, held at the ends; shape as the value."""
        value = np.asarray(value, np.float32)
        position = np.log(np.clip(value, np.float32(self.low), np.float32(self.high)) + np.float32(self.soft))
        start, end = np.log(self.low + self.soft), np.log(self.high + self.soft)
        return np.clip((position - np.float32(start)) * np.float32(1 / (end - start)), np.float32(0), np.float32(1))

    def value(self, position: NDArray[Any]) -> Any:
        """Value at a position, of the position's type; the inverse of `place`."""
        ratio = float(np.log((self.high + self.soft) / (self.low + self.soft)))
        return np.clip((self.low + self.soft) * np.exp(ratio * position) - self.soft, self.low, self.high)


@dataclass(frozen=True)
class Table:
    """Values (channels, steps of axis 0, steps of axis 1, ...) float32 over axes."""

    axes: tuple[Axis, ...]
    values: Float32

    def places(self, *quantities: ArrayLike) -> tuple[Float32, ...]:
        """Positions of quantities on the axes."""
        return tuple(axis.place(quantity) for axis, quantity in zip(self.axes, quantities, strict=True))

    def read(self, *quantities: ArrayLike) -> Float32:
        """Interpolated values (..., channels) at quantities that broadcast, each held within its axis."""
        return self.read_at(*self.places(*quantities))

    def read_at(self, *positions: Float32) -> Float32:
        """The same for positions on the axes, 0 to 1.

        Axes with a single position are folded away first, each of which makes a lookup about twice as fast.
        """
        shape = np.broadcast_shapes(*(position.shape for position in positions))
        values, varying = _folded(self.values, positions, shape)
        out = np.empty((int(np.prod(shape)), len(values)), np.float32)
        flat = values.reshape(len(values), -1)
        for part, index, corners in _cells(values.shape[1:], varying, len(out)):
            for number, channel in enumerate(flat):
                out[part, number] = sum(weight * channel.take(index + offset) for offset, weight in corners)
        return out.reshape(*shape, len(values))

    def solve(self, number: int, goal: Float32, *positions: Float32) -> Float32:
        """Position on axis `number` at which channel 0, which must rise along it, reaches a goal; held within 0 to 1.

        Args:
            number: Of the axis that is sought.
            goal: (...) values to be reached; the shape of the result.
            positions: On the other axes, in order; they broadcast to the goal.
        """
        values, varying = _folded(np.moveaxis(self.values[0], number, 0), positions, goal.shape)
        nodes, stride = len(values), int(np.prod(values.shape[1:]))
        flat, wished = values.reshape(-1), goal.reshape(-1)
        out = np.empty(wished.shape, np.float32)
        for part, index, corners in _cells(values.shape[1:], varying, len(out)):

            def value(node: NDArray[np.intp], index: Any = index, corners: Any = corners) -> Any:
                base = index + node * stride
                return sum(weight * flat.take(base + offset) for offset, weight in corners)

            aim = wished[part]
            low, high = np.zeros(aim.shape, np.intp), np.full(aim.shape, nodes - 1)
            for _ in range((nodes - 2).bit_length()):
                middle = (low + high) // 2
                short = value(middle) < aim
                low, high = np.where(short, middle, low), np.where(short, high, middle)
            low = np.minimum(low, nodes - 2)
            first, second = value(low), value(low + 1)
            share = np.clip((aim - first) / np.maximum(second - first, np.float32(1e-9)), 0, 1)
            out[part] = (low + share) / np.float32(nodes - 1)
        return out.reshape(goal.shape)


def _folded(values: Float32, positions: Sequence[Float32], shape: tuple[int, ...]) -> tuple[Float32, list[Float32]]:
    """Values (first, ...) over the axes whose positions vary, and those positions, flat."""
    varying: list[Float32] = []
    for number in range(len(positions), 0, -1):
        position = positions[number - 1]
        if position.size != 1:
            varying.insert(0, np.broadcast_to(position, shape).reshape(-1))
            continue
        steps = values.shape[number]
        where = float(position.reshape(())) * (steps - 1)
        cell = min(max(int(where), 0), steps - 2)
        first, second = values.take(cell, number), values.take(cell + 1, number)
        values = np.asarray(first + np.float32(where - cell) * (second - first), np.float32)
    return values, varying


def _cells(steps: tuple[int, ...], positions: Sequence[Float32], count: int) -> Iterator[tuple[slice, Any, list[Any]]]:
    """For each part of flat positions: index of the cell it lies in, and (offset, weight) of the cell's corners."""
    for start in range(0, count, _CHUNK):
        part = slice(start, min(start + _CHUNK, count))
        index = np.zeros(part.stop - start, np.intp)
        corners: list[Any] = [(0, np.float32(1))]
        stride = 1
        for size, position in zip(reversed(steps), reversed(positions), strict=True):
            where = position[part] * np.float32(size - 1)
            cell = np.minimum(where.astype(np.intp), size - 2)
            share = where - cell.astype(np.float32)
            index += cell * stride
            corners = [
                (offset + step * stride, known * weight)
                for step, weight in ((0, 1 - share), (1, share))
                for offset, known in corners
            ]
            stride *= size
        yield part, index, corners


def tabulate(function: Callable[..., Float64], axes: Sequence[Axis]) -> Table:
    """Table of a smooth function.

    The function is computed on the grid of each axis' Chebyshev nodes; the polynomial through them gives the evenly
    spaced places of the table.

    Args:
        function: Takes an open grid of as many arrays as there are axes, returns (..., channels).
        axes: Of the table.

    Example:
        >>> table = tabulate(lambda x: np.stack([x, x**2], axis=-1), [Axis(1.0, 3.0, 0.5, 8, 101)])
        >>> table.read(2.0).round(3).tolist()
        [2.0, 4.0]
    """
    values = np.moveaxis(function(*np.ix_(*(axis.value(_nodes(axis.nodes)) for axis in axes))), -1, 0)
    for number, axis in enumerate(axes, start=1):
        values = np.moveaxis(np.tensordot(_spread(axis.nodes, axis.steps), values, axes=(1, number)), 0, number)
    return Table(tuple(axes), np.ascontiguousarray(values, np.float32))


def _nodes(count: int) -> Float64:
    return np.asarray((1 - np.cos((np.arange(count) + 0.5) * np.pi / count)) / 2)


def _spread(nodes: int, steps: int) -> Float64:
    """(steps, nodes): values at the nodes @ this = values at evenly spaced places, by Chebyshev polynomials."""
    basis = np.polynomial.chebyshev.chebvander(2 * _nodes(nodes) - 1, nodes - 1)
    fine = np.polynomial.chebyshev.chebvander(np.linspace(-1, 1, steps), nodes - 1)
    return np.asarray(np.linalg.solve(basis.T, fine.T).T)

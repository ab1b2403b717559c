"""Nearly isometric maps from a piece of surface to the plane, without folds.

The symmetric Dirichlet energy (Smith and Schaefer, Bijective parameterization with free boundaries, 2015) is lowered by
reweighted least squares (Rabinovich et al., Scalable locally injective mappings, 2017); the linear systems are solved
by conjugate gradients, whose sums do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["flatten", "unfold"]

_ROUNDS: Final = 60
_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


def unfold(plane: _Floats, triangles: _Ints, midline: NDArray[np.bool_]) -> None:
    """Moves the corners of the few triangles that lie on their back to the middle of their neighbours.

    Args:
        plane: (n, 2) places, changed in place.
        triangles: (t, 3); nearly all turn the same way.
        midline: (n,) vertices that stay.
    """
    ends = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    ends = np.concatenate([ends, ends[:, ::-1]])
    degree = np.bincount(ends[:, 0], minlength=len(plane))[:, None]
    for _ in range(20):
        a, b, c = (plane[triangles[:, k]] for k in range(3))
        signed = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
        signed *= np.sign(np.median(signed))
        bad = np.unique(triangles[signed <= 1e-3 * np.median(signed)])
        if not len(bad):
            break
        mean = np.stack([np.bincount(ends[:, 0], plane[ends[:, 1], k], len(plane)) for k in range(2)], axis=1) / degree
        bad = bad[~midline[bad]]
        plane[bad] = mean[bad]


def flatten(
    positions: _Floats, triangles: _Ints, start: _Floats, midline: NDArray[np.bool_], importance: _Floats
) -> _Floats:
    """Near-isometric places in the plane, without folds.

    Args:
        positions: (n, 3) in space.
        triangles: (t, 3).
        start: (n, 2) any map without folds, of any size.
        midline: (n,) vertices that stay on x = 0.
        importance: (t,) how much a triangle's distortion counts, beside its area.

    Raises:
        ValueError: The start folds over.
    """
    rest, area = _rest(positions, triangles)
    plane = start.copy()
    determinant = np.linalg.det(_jacobians(plane, triangles, rest))
    if (determinant <= 0).any():
        raise ValueError(f"the start folds over in {(determinant <= 0).sum()} triangles; it must not fold anywhere")
    plane /= np.sqrt((area * determinant).sum() / area.sum())
    scale = importance * area / area.sum()
    free = np.ones(plane.shape, bool)
    free[midline, 0] = False
    energy = _energy(_jacobians(plane, triangles, rest), scale)
    for _ in range(_ROUNDS):
        target = _step(plane, triangles, rest, scale, free)
        direction = target - plane
        length = min(1.0, 0.8 * _longest_step(plane, direction, triangles))
        gain = 0.0
        while length > 1e-6:
            tried = plane + length * direction
            jacobian = _jacobians(tried, triangles, rest)
            if (np.linalg.det(jacobian) > 0).all():
                reached = _energy(jacobian, scale)
                if reached < energy:
                    gain, energy, plane = energy - reached, reached, tried
                    break
            length /= 2
        if gain < 2e-5 * energy:
            break
    return plane


def _rest(positions: _Floats, triangles: _Ints) -> tuple[_Floats, _Floats]:
    """Per triangle: the inverse of its two edges laid flat (t, 2, 2), and its area."""
    a, b, c = (positions[triangles[:, k]] for k in range(3))
    along = b - a
    length = np.linalg.norm(along, axis=1)
    unit = along / length[:, None]
    across = ((c - a) * unit).sum(axis=1)
    height = np.linalg.norm(c - a - across[:, None] * unit, axis=1)
    edges = np.zeros((len(a), 2, 2))
    edges[:, 0, 0], edges[:, 0, 1], edges[:, 1, 1] = length, across, height
    inverse: _Floats = np.asarray(np.linalg.inv(edges), np.float64)
    area: _Floats = np.asarray(length * height / 2, np.float64)
    return inverse, area


def _jacobians(plane: _Floats, triangles: _Ints, rest: _Floats) -> _Floats:
    a, b, c = (plane[triangles[:, k]] for k in range(3))
    jacobian: _Floats = np.stack([b - a, c - a], axis=2) @ rest
    return jacobian


def _energy(jacobian: _Floats, scale: _Floats) -> float:
    squared = (jacobian**2).sum(axis=(1, 2))
    return float((scale * squared * (1 + 1 / np.linalg.det(jacobian) ** 2)).sum())


def _step(plane: _Floats, triangles: _Ints, rest: _Floats, scale: _Floats, free: NDArray[np.bool_]) -> _Floats:
    """The minimum of the reweighted least-squares energy around the nearest rotations."""
    jacobian = _jacobians(plane, triangles, rest)
    left, stretch, right = np.linalg.svd(jacobian)
    ratio = np.where(np.abs(stretch - 1) < 1e-5, 4.0, (stretch - stretch**-3) / np.where(stretch == 1, 1, stretch - 1))
    # W^2 of the paper, times area: the quadratic form is tr((J - R)^T W2 (J - R)).
    form = (left * (ratio * scale[:, None])[:, None, :]) @ np.swapaxes(left, 1, 2)
    rotation = left @ right
    # J = X D with X the two edges; gradient of J by the three corners:
    shape = np.concatenate([-rest.sum(axis=1, keepdims=True), rest], axis=1)  # (t, 3 corners, 2)
    corner = triangles.ravel()

    def forward(values: _Floats) -> _Floats:
        jac: _Floats = np.swapaxes(values[triangles], 1, 2) @ shape
        return jac

    def backward(stress: _Floats) -> _Floats:
        force = (shape @ np.swapaxes(stress, 1, 2)).reshape(-1, 2)
        gathered: list[_Floats] = [
            np.asarray(np.bincount(corner, force[:, k], len(plane)), np.float64) for k in range(2)
        ]
        return np.stack(gathered, axis=1) * free

    def apply(values: _Floats) -> _Floats:
        return backward(form @ forward(values)) + 1e-9 * values * free

    corner_form = np.einsum("tcj,tkk->tck", shape**2, form).reshape(-1, 2)
    diagonal = np.stack([np.bincount(corner, corner_form[:, k], len(plane)) for k in range(2)], axis=1)
    wanted = backward(form @ (rotation - jacobian))
    return plane + _conjugate_gradients(apply, wanted, np.where(diagonal > 0, diagonal, 1))


def _conjugate_gradients(apply: Callable[[_Floats], _Floats], wanted: _Floats, diagonal: _Floats) -> _Floats:
    solution = np.zeros_like(wanted)
    residual = wanted.copy()
    z = residual / diagonal
    direction = z
    rho = float((residual * z).sum())
    goal = rho * 1e-8
    for _ in range(250):
        if rho <= goal:
            break
        image = apply(direction)
        alpha = rho / float((direction * image).sum())
        solution = solution + alpha * direction
        residual = residual - alpha * image
        z = residual / diagonal
        rho, before = float((residual * z).sum()), rho
        direction = z + (rho / before) * direction
    return solution


def _longest_step(plane: _Floats, direction: _Floats, triangles: _Ints) -> float:
    """How far along `direction` until the first triangle loses its area: the smallest positive root of a quadratic."""
    a, b, c = (plane[triangles[:, k]] for k in range(3))
    da, db, dc = (direction[triangles[:, k]] for k in range(3))

    def cross(p: _Floats, q: _Floats) -> _Floats:
        product: _Floats = p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]
        return product

    constant = cross(b - a, c - a)
    linear = cross(db - da, c - a) + cross(b - a, dc - da)
    square = cross(db - da, dc - da)
    discriminant = linear**2 - 4 * square * constant
    root = np.sqrt(np.maximum(discriminant, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        # Numerically stable pair of roots.
        helper = -0.5 * (linear + np.where(linear >= 0, 1, -1) * root)
        roots = np.stack([helper / square, constant / helper])
    roots[:, discriminant < 0] = np.inf
    roots = np.where(np.isfinite(roots) & (roots > 0), roots, np.inf)
    return float(roots.min())

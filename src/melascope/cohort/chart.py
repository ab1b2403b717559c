"""The face chart: the flattened face in millimetres, with its regions and landmarks, the same for all patients."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.flatten import CHART_MM, chart_of_skin
from melascope.cohort.morphs import neutral_head_mm
from melascope.cohort.regions import LANDMARKS, draw_regions
from melascope.cohort.surface import head_surface

__all__ = ["PX_MM", "SIDE", "Chart", "face_chart", "mm_to_px"]

SIDE: Final = 1024
PX_MM: Final = SIDE / CHART_MM
"""Pixels per millimetre: 4."""


@dataclass(frozen=True)
class Chart:
    """The face laid flat. x runs to the patient's left, y down; the origin of the mm is the centre of the square.

    Attributes:
        codes: (SIDE, SIDE) uint8 of `melascope.vocabulary.Region`.
        valid: (SIDE, SIDE) bool, on the surface.
        position_mm: (SIDE, SIDE, 3) float32 place on the neutral adult head in head coordinates; NaN off the surface.
        landmarks: Named places, (x, y) in chart mm.
    """

    codes: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    position_mm: NDArray[np.float32]
    landmarks: dict[str, tuple[float, float]]


@cache
def face_chart() -> Chart:
    """The chart that all patients share (some seconds at the first call)."""
    surface = head_surface()
    place = chart_of_skin()
    position = surface.refinement.apply(neutral_head_mm()[surface.base])
    faces = surface.faces[~np.isnan(place[surface.faces, 0]).any(axis=1)]
    image = _interpolate(mm_to_px(place), faces, position)
    valid = ~np.isnan(image[..., 0])
    codes = draw_regions(valid)
    for array in (codes, valid, image):
        array.setflags(write=False)
    return Chart(codes, valid, image, dict(LANDMARKS))


def mm_to_px(mm: NDArray[np.floating]) -> NDArray[np.float64]:
    """Chart mm (..., 2) to pixel coordinates (column, row), whole numbers being centres of pixels."""
    return (np.asarray(mm, np.float64) + CHART_MM / 2) * PX_MM - 0.5


def _interpolate(
    corners: NDArray[np.float64], faces: NDArray[np.int32], values: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(SIDE, SIDE, c) values of vertices, spread linearly over their triangles; NaN where there is none."""
    a, b, c = (corners[faces[:, k]] for k in range(3))
    low = np.clip(np.ceil(np.minimum(np.minimum(a, b), c)), 0, SIDE - 1).astype(np.int64)
    high = np.clip(np.floor(np.maximum(np.maximum(a, b), c)), 0, SIDE - 1).astype(np.int64)
    width, height = np.maximum(high - low + 1, 0).T
    count = width * height
    triangle = np.repeat(np.arange(len(faces)), count)
    offset = np.arange(len(triangle)) - np.repeat(np.cumsum(count) - count, count)
    column = low[triangle, 0] + offset % width[triangle]
    row = low[triangle, 1] + offset // width[triangle]
    ab, ac = b - a, c - a
    double_area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    dx, dy = column - a[triangle, 0], row - a[triangle, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        second = (dx * ac[triangle, 1] - dy * ac[triangle, 0]) / double_area[triangle]
        third = (dy * ab[triangle, 0] - dx * ab[triangle, 1]) / double_area[triangle]
    inside = (second >= -1e-9) & (third >= -1e-9) & (second + third <= 1 + 1e-9)
    triangle, row, column, second, third = (x[inside] for x in (triangle, row, column, second, third))
    image = np.full((SIDE, SIDE, values.shape[1]), np.nan, np.float32)
    first = 1 - second - third
    corner = faces[triangle]
    image[row, column] = (
        first[:, None] * values[corner[:, 0]]
        + second[:, None] * values[corner[:, 1]]
        + third[:, None] * values[corner[:, 2]]
    )
    return image

"""The ground that lesions grow on: where on the chart there is open skin, and how far it is from what they spare."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.lesion import Place
from melascope.vocabulary import FACIAL_SKIN, Region

__all__ = ["OPEN", "SPAN_MM", "FaceChart", "Ground", "ground_of", "liking"]

SPAN_MM: Final = 256.0
"""Width and height of the chart."""
OPEN: Final = (*FACIAL_SKIN, Region.BROW, Region.NECK, Region.OTHER_SKIN)
"""Regions whose skin can bear a lesion."""


class FaceChart(Protocol):
    """The part of a chart that lesions know of."""

    @property
    def codes(self) -> NDArray[np.uint8]:
        """(side, side) values of Region."""

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(side, side): on the face's surface."""

    @property
    def landmarks(self) -> dict[str, tuple[float, float]]:
        """(x, y) in mm from the chart's centre."""


@dataclass(frozen=True, eq=False)
class Ground:
    """A chart at one resolution, with the distances that lesions ask for."""

    side: int
    px_mm: float
    """Pixels per mm."""
    codes: NDArray[np.uint8]
    open: NDArray[np.bool_]
    """Skin that can bear a lesion."""
    clearance_mm: NDArray[np.float32]
    """Distance from open skin to the nearest lips, eye, nostril or end of the face."""
    landmarks: Mapping[str, tuple[float, float]]
    midline_mm: float

    def axis_mm(self) -> NDArray[np.float32]:
        """Coordinate of the pixel centres along either axis."""
        return ((np.arange(self.side, dtype=np.float32) + 0.5) / self.px_mm - SPAN_MM / 2).astype(np.float32)

    def distance_mm(self, *regions: Region) -> NDArray[np.float32]:
        """Distance to the nearest pixel of the regions; far away everywhere if there is none."""
        here = np.isin(self.codes, regions)
        if not here.any():
            return np.full(self.codes.shape, SPAN_MM, np.float32)
        return np.asarray(cv2.distanceTransform((~here).astype(np.uint8), cv2.DIST_L2, 3) / self.px_mm, np.float32)


_LAID: OrderedDict[tuple[int, int], tuple[FaceChart, Ground]] = OrderedDict()


def ground_of(chart: FaceChart, side: int | None = None) -> Ground:
    """The ground of a chart, at its own or another resolution; the last few are kept.

    Raises:
        ValueError: The chart is not square, or its maps differ in shape.
    """
    height, width = chart.codes.shape
    if height != width or chart.valid.shape != chart.codes.shape:
        raise ValueError(f"codes {chart.codes.shape}, valid {chart.valid.shape}: a chart is square and its maps agree")
    wanted = side or width
    key = (id(chart), wanted)
    # The chart is kept beside its ground, so that its id cannot pass to another chart.
    if key in _LAID and _LAID[key][0] is chart:
        _LAID.move_to_end(key)
        return _LAID[key][1]
    codes = np.where(chart.valid, chart.codes, np.uint8(Region.BACKGROUND)).astype(np.uint8)
    if wanted != width:
        codes = np.asarray(cv2.resize(codes, (wanted, wanted), interpolation=cv2.INTER_NEAREST), np.uint8)
    can = np.isin(codes, OPEN)
    px_mm = wanted / SPAN_MM
    framed = np.pad(can.astype(np.uint8), 1)
    clearance = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1] / px_mm
    marks = dict(chart.landmarks)
    middle = [x for name, (x, _) in marks.items() if not name.startswith(("right_", "left_"))]
    ground = Ground(
        wanted, px_mm, codes, can, np.asarray(clearance, np.float32), marks, float(np.median(middle)) if middle else 0.0
    )
    _LAID[key] = (chart, ground)
    while len(_LAID) > 8:
        _LAID.popitem(last=False)
    return ground


def liking(ground: Ground, places: Sequence[Place], tail: bool = False) -> NDArray[np.float32]:
    """How much a lesion likes each place of the chart: the sum of its soft ellipses, about 1 at their centres.

    Args:
        ground: The chart.
        places: The ellipses.
        tail: Long tails (1 / (1 + r^2)) instead of Gaussian ones.

    Raises:
        ValueError: The chart does not have a landmark.
    """
    axis = ground.axis_mm()
    total = np.zeros((ground.side, ground.side), np.float32)
    for place in places:
        if place.landmark not in ground.landmarks:
            raise ValueError(
                f"landmark {place.landmark}: not on the chart; it has {', '.join(sorted(ground.landmarks))}"
            )
        x0, y0 = ground.landmarks[place.landmark]
        out = -1.0 if x0 < ground.midline_mm - 1.0 else 1.0
        dx = (axis - np.float32(x0 + out * place.out_mm)) * np.float32(out)
        dy = axis - np.float32(y0 + place.down_mm)
        turn = np.deg2rad(place.turn_deg)
        c, s = float(np.cos(turn)), float(np.sin(turn))
        u = (dx[None, :] * c + dy[:, None] * s) / place.along_mm
        v = (dy[:, None] * c - dx[None, :] * s) / place.across_mm
        r2 = u * u + v * v
        total += place.weight * (1.0 / (1.0 + r2) if tail else np.exp(-0.5 * r2))
    return np.asarray(total, np.float32)

"""Places on the face chart that skin and lesions are laid out by: soft regions, spots and curves between landmarks."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.chart import PX_MM, SIDE, Chart
from melascope.vocabulary import FACIAL_SKIN, MASI_REGIONS, Region

__all__ = ["SMALL", "Places", "enlarge", "places_of"]

Field = NDArray[np.float32]
Point = tuple[float, float]

SMALL = int(SIDE / PX_MM)
"""Side of the coarse grid, one pixel a millimetre, on which everything smooth is made."""


def enlarge(coarse: Field) -> Field:
    """A field of the coarse grid on the chart's own pixels."""
    return np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.float32)


@dataclass(frozen=True, eq=False)
class Places:
    """What is fixed about a chart, in the form in which skin needs it. Coarse fields are (SMALL, SMALL) float32.

    Attributes:
        chart: The chart itself.
        unit: Millimetres on the chart for a millimetre of a face whose pupils are 63 mm apart.
        x, y: Coarse chart coordinates in mm.
        soft: Membership of each region, 0..1, blurred over a few millimetres.
        lips: Membership of the lips on the chart's pixels, edge half a millimetre wide.
        inside: 1 well inside the chart, falling to 0 at its outer border, so that skin beyond it joins without a seam.
        bare: Coarse; where a spot may grow.
        cheeks: Chart pixels that the wished skin tone refers to: both malar regions near the cheekbones.
        face: The four MASI regions on every fourth chart pixel along either axis.
    """

    chart: Chart
    unit: float
    x: Field
    y: Field
    soft: dict[Region, Field]
    lips: Field
    inside: Field
    bare: NDArray[np.bool_]
    cheeks: NDArray[np.bool_]
    face: NDArray[np.bool_]
    store: dict[str, Field] = field(default_factory=dict, repr=False)

    def at(self, name: str, dx: float = 0.0, dy: float = 0.0) -> Point:
        """A landmark, moved by (dx, dy) face millimetres; for a right landmark positive dx means outward too."""
        x, y = self.chart.landmarks[name]
        outward = -1.0 if name.startswith("right") else 1.0
        return x + outward * dx * self.unit, y + dy * self.unit

    def between(self, one: str, other: str, share: float) -> Point:
        """The point a share of the way from one landmark to another."""
        (ax, ay), (bx, by) = self.chart.landmarks[one], self.chart.landmarks[other]
        return ax + share * (bx - ax), ay + share * (by - ay)

    def spot(self, centre: Point, width_mm: float, height_mm: float, angle_deg: float = 0.0) -> Field:
        """A soft ellipse: 1 at its centre, 0.6 at its half axes `width_mm` and `height_mm` (face millimetres)."""
        turn = np.deg2rad(angle_deg)
        dx, dy = self.x - centre[0], self.y - centre[1]
        along = (dx * np.cos(turn) + dy * np.sin(turn)) / (width_mm * self.unit)
        across = (dy * np.cos(turn) - dx * np.sin(turn)) / (height_mm * self.unit)
        return np.asarray(np.exp(-0.5 * (along**2 + across**2)), np.float32)

    def both(self, name: str, dx: float, dy: float, width_mm: float, height_mm: float, angle_deg: float = 0.0) -> Field:
        """The same spot on both sides of the face; `name` without its side, the angle as on the patient's left."""
        left = self.spot(self.at(f"left_{name}", dx, dy), width_mm, height_mm, angle_deg)
        return left + self.spot(self.at(f"right_{name}", dx, dy), width_mm, height_mm, -angle_deg)

    def room(self) -> Field:
        """Millimetres from each coarse place to where skin is no longer bare."""
        if "room" not in self.store:
            self.store["room"] = np.asarray(
                cv2.distanceTransform(self.bare.astype(np.uint8), cv2.DIST_L2, 3), np.float32
            )
        return self.store["room"]


_kept: list[Places] = []


def places_of(chart: Chart) -> Places:
    """The places of a chart; the last one asked for is kept."""
    if not _kept or _kept[0].chart is not chart:
        _kept[:] = [_prepare(chart)]
    return _kept[0]


def _prepare(chart: Chart) -> Places:
    axis = (np.arange(SMALL, dtype=np.float32) + 0.5) - SMALL / 2
    x, y = np.meshgrid(axis, axis)
    (rx, ry), (lx, ly) = chart.landmarks["right_eye"], chart.landmarks["left_eye"]
    unit = float(np.hypot(lx - rx, ly - ry)) / 63.0

    def blurred(mask: NDArray[np.bool_], sigma_mm: float) -> Field:
        coarse = cv2.resize(mask.astype(np.float32), (SMALL, SMALL), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(coarse, (0, 0), sigma_mm * unit), np.float32)

    soft = {region: blurred(chart.codes == region, 3.5) for region in Region}
    lips = cv2.GaussianBlur((chart.codes == Region.LIPS).astype(np.float32), (0, 0), 0.5 * PX_MM)

    # Holes inside the face (eyes, nostrils) are no border.
    outer, _ = cv2.findContours(chart.valid.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    whole = np.zeros((SIDE, SIDE), np.uint8)
    cv2.drawContours(whole, outer, -1, 1, cv2.FILLED)
    whole[0] = whole[-1] = 0
    whole[:, 0] = whole[:, -1] = 0
    depth = cv2.distanceTransform(whole, cv2.DIST_L2, 3) / PX_MM
    inside = cv2.resize(np.clip(depth / 14.0, 0, 1).astype(np.float32), (SMALL, SMALL), interpolation=cv2.INTER_AREA)
    inside = cv2.GaussianBlur(inside, (0, 0), 2.0)
    inside = inside * inside * (3 - 2 * inside)

    facial = np.isin(chart.codes, [int(region) for region in FACIAL_SKIN]) & chart.valid
    bare = np.asarray(cv2.resize(facial.astype(np.float32), (SMALL, SMALL), interpolation=cv2.INTER_AREA) > 0.99)
    malar = (chart.codes == Region.RIGHT_MALAR) | (chart.codes == Region.LEFT_MALAR)
    high = np.minimum(
        *(
            np.hypot(*(np.meshgrid(axis, axis)[k] - chart.landmarks[name][k] for k in (0, 1)))
            for name in ("right_cheekbone", "left_cheekbone")
        )
    )
    malar &= chart.valid
    malar &= cv2.resize(high.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR) < 32 * unit
    if not malar.any():
        raise ValueError("the chart has no malar region near its cheekbones: skin tone has nothing to refer to")
    return Places(
        chart=chart,
        unit=unit,
        x=np.asarray(x, np.float32),
        y=np.asarray(y, np.float32),
        soft=soft,
        lips=np.asarray(lips, np.float32),
        inside=np.asarray(inside, np.float32),
        bare=bare,
        cheeks=malar,
        face=np.isin(chart.codes, MASI_REGIONS)[::4, ::4] & chart.valid[::4, ::4],
    )

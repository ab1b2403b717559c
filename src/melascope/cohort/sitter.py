"""Who sits before the camera, and how head coordinates become studio coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.chart import PX_MM, SIDE, face_chart
from melascope.cohort.comb import Strands
from melascope.cohort.head import Head
from melascope.cohort.shot import Shot
from melascope.cohort.solid import Solid
from melascope.vocabulary import Region

__all__ = ["Sitter", "placement"]

_PIVOT_MM: Final = np.array([0.0, -15.0, -70.0])
"""What the head turns about, in head coordinates: the middle of the head, a little below the eyes."""
_FRONT_MM: Final = 70.0
"""From there to the face, to which the distance counts."""


@dataclass(frozen=True)
class Sitter:
    """Everything of a person that a scene needs, in head coordinates."""

    head: Head
    eyes: Sequence[Solid] = ()
    worn: Sequence[Solid] = ()
    hair: Strands | None = None
    brows: Strands | None = None
    lashes: Strands | None = None
    beard: Strands | None = None


def placement(head: Head, shot: Shot) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation (3, 3) and shift (3,) from head to studio coordinates: studio = rotation @ head + shift."""
    rotation = _turn(shot)
    if shot.target is None:
        aim = rotation @ _PIVOT_MM + np.array([0.0, 0.0, _FRONT_MM])
    else:
        aim = rotation @ _middle(head, Region[shot.target.upper()], shot.yaw_deg)
    return rotation, -(aim + np.array([*shot.offset_mm, 0.0]))


def _turn(shot: Shot) -> NDArray[np.float64]:
    """Yaw, then pitch, then roll."""
    yaw, pitch, roll = np.radians([shot.yaw_deg, -shot.pitch_deg, -shot.roll_deg])
    y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return np.asarray(z @ x @ y, np.float64)


def _middle(head: Head, region: Region, yaw_deg: float) -> NDArray[np.float64]:
    """Middle of a region on the head; of one that has two sides, on the side that is seen."""
    place = np.nan_to_num(head.chart, nan=-1e4)
    cell = np.floor((place + SIDE / PX_MM / 2) * PX_MM).astype(int)
    inside = ((cell >= 0) & (cell < SIDE)).all(axis=1)
    codes = face_chart().codes[cell[:, 1].clip(0, SIDE - 1), cell[:, 0].clip(0, SIDE - 1)]
    there = inside & (codes == region)
    if region in (Region.TEMPLE, Region.PERIORBITAL):
        there &= head.vertices[:, 0] * (1 if yaw_deg < 0 else -1) > 0
    if not there.any():
        raise ValueError(f"the head shows no {region.key}: choose another target")
    points = head.vertices[there].astype(np.float64)
    # The vertex nearest to the mean, which itself lies under the skin.
    return np.asarray(points[np.argmin(((points - points.mean(axis=0)) ** 2).sum(axis=1))], np.float64)

"""Where a face lies in its region codes: width, tilt and turn, and what of it is covered or cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.vocabulary import FACIAL_SKIN, MASI_REGIONS, Region

__all__ = [
    "FACE",
    "Face",
    "among",
    "covered_fractions",
    "covered_share",
    "cut_off_share",
    "eyes_covered",
    "face_geometry",
    "reduced",
    "window_of",
]

FACE: Final = (*FACIAL_SKIN, Region.EYE, Region.BROW, Region.LIPS, Region.NOSTRIL)
_OVER: Final = (Region.HAIR, Region.COVERING)
_GEOMETRY_SIDE: Final = 192
_YAW_PER_SHIFT: Final = 48.0
_YAW_PER_LOG_AREA: Final = 6.5
_FOREHEAD_HEIGHT: Final = 0.35
"""Height of the part of the forehead that is expected to be bare, in distances from brows to mouth."""

Codes = NDArray[np.uint8]
Points = NDArray[np.float64]


@dataclass(frozen=True)
class Face:
    """Where a face lies in a frame, from its region codes."""

    width: float
    """Pixels of the frame across the face."""
    roll_deg: float
    """Sideways tilt: 0 upright, positive if the patient's left eye is the lower one in the image."""
    yaw_deg: float
    """Turn to the side, roughly: 0 frontal, positive towards the patient's left (image right); +-10 degrees."""


def reduced(codes: Codes, side: int = _GEOMETRY_SIDE) -> tuple[Codes, float]:
    """Codes with a longer side of `side` pixels at most, and the factor of that."""
    ratio = min(1.0, side / max(1, *codes.shape))
    if ratio == 1.0:
        return codes, 1.0
    size = (max(1, round(codes.shape[1] * ratio)), max(1, round(codes.shape[0] * ratio)))
    return np.asarray(cv2.resize(codes, size, interpolation=cv2.INTER_NEAREST), np.uint8), ratio


def among(codes: Codes, regions: Sequence[Region]) -> NDArray[np.bool_]:
    """Where codes are among some regions."""
    table = np.zeros(256, np.uint8)
    table[list(regions)] = 1
    return cv2.LUT(np.ascontiguousarray(codes), table).view(bool) if codes.size else np.zeros(codes.shape, bool)


def window_of(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of the smallest window that holds all of a mask (h, w); nothing of an empty one."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return slice(y, y + height), slice(x, x + width)


def _points(codes: Codes, regions: Sequence[Region]) -> Points:
    ys, xs = np.nonzero(among(codes, regions))
    return np.stack([xs, ys], axis=1).astype(float)


def _unit(vector: Points) -> Points:
    return np.asarray(vector / max(1e-9, float(np.hypot(*vector))))


def _across(codes: Codes) -> Points | None:
    """Unit vector from the patient's right to left in the image, from cheeks, eyes and the line from eyes to mouth."""
    right, left = _points(codes, [Region.RIGHT_MALAR]), _points(codes, [Region.LEFT_MALAR])
    upper, lower = _points(codes, [Region.EYE, Region.BROW]), _points(codes, [Region.LIPS, Region.CHIN])
    if len(upper) < 5:
        upper = _points(codes, [Region.FOREHEAD])
    votes = []
    if min(len(right), len(left)) >= 5:
        votes.append(_unit(left.mean(axis=0) - right.mean(axis=0)))
    if min(len(upper), len(lower)) >= 5:
        down = _unit(lower.mean(axis=0) - upper.mean(axis=0))
        votes.append(np.array([down[1], -down[0]]))
    if not votes:
        return None
    across = _unit(np.sum(votes, axis=0))
    eyes = _points(codes, [Region.EYE])
    if len(eyes) >= 10:
        along = eyes @ across
        side = along > (along.min() + along.max()) / 2
        gap = along[side].min() - along[~side].max() if side.any() and not side.all() else 0.0
        if gap > 0.2 * np.ptp(along):  # two eyes, and not one
            across = _unit(across + 2 * _unit(eyes[side].mean(axis=0) - eyes[~side].mean(axis=0)))
    return np.asarray(across)


def face_geometry(codes: Codes) -> Face | None:
    """Width, tilt and turn of the face in (h, w) codes; None if no face is recognisable.

    Turn: how far the nose lies from the middle of the face and how unlike the cheeks are in size; the two factors were
    fitted to the head pose of 239 portraits (MediaPipe Face Landmarker).
    """
    small, ratio = reduced(codes)
    face, across = _points(small, FACE), _across(small)
    if across is None or len(face) < 30:
        return None
    low, high = np.percentile(face @ across, [0.5, 99.5])
    width = float(high - low) + 1
    nose = _points(small, [Region.NOSE, Region.NOSTRIL])
    shift = float((nose @ across).mean() - (low + high) / 2) / width if len(nose) >= 5 else 0.0
    right, left = (int(np.count_nonzero(small == side)) for side in (Region.RIGHT_MALAR, Region.LEFT_MALAR))
    balance = float(np.clip(np.log((right + 10) / (left + 10)), -2, 2))
    return Face(
        width=width / ratio,
        roll_deg=float(np.degrees(np.arctan2(across[1], across[0]))),
        yaw_deg=_YAW_PER_SHIFT * shift + _YAW_PER_LOG_AREA * balance,
    )


def covered_fractions(codes: Codes) -> dict[Region, float | None]:
    """Share of each MASI region's place that hair, glasses, a bar or another covering hides.

    The place is estimated: the convex hull of the region; with that of its partner, or of itself, mirrored at the
    middle of the face where the face is seen from the front; for the forehead also a band above the brows that nearly
    every hairline leaves free. It is an estimate to within about 10 % of the region.

    Args:
        codes: (h, w) region codes.

    Returns:
        0 to 1; None if codes show no face or nothing of a region and its partner.
    """
    small, _ = reduced(codes)
    face = face_geometry(small)
    return {region: None if face is None else covered_share(small, region, face) for region in MASI_REGIONS}


def covered_share(small: Codes, region: Region, face: Face) -> float | None:
    """That of one region (`covered_fractions`), of reduced codes and their geometry."""
    across = np.array([np.cos(np.radians(face.roll_deg)), np.sin(np.radians(face.roll_deg))])
    own = _points(small, [region])
    place = np.zeros(small.shape, np.uint8)
    if len(own) >= 5:
        _paint(place, own)
    partner = {Region.RIGHT_MALAR: Region.LEFT_MALAR, Region.LEFT_MALAR: Region.RIGHT_MALAR}.get(region, region)
    middle = _points(small, [Region.NOSE, Region.NOSTRIL, Region.LIPS])
    other = _points(small, [partner])
    if abs(face.yaw_deg) < 12 and len(middle) >= 5 and len(other) >= 5:
        offset = (other - middle.mean(axis=0)) @ across
        _paint(place, other - 2 * offset[:, None] * across)
    if region == Region.FOREHEAD:
        _paint_forehead(place, small, across)
    inside = small[place > 0]
    shown = int(np.count_nonzero(inside == region))
    hidden = int(np.count_nonzero(among(inside, _OVER)))
    return hidden / (shown + hidden) if shown + hidden >= 10 else None


def _paint(place: Codes, points: Points) -> None:
    hull = cv2.convexHull(np.round(points).astype(np.int32))
    cv2.fillConvexPoly(place, hull, 1)


def _paint_forehead(place: Codes, small: Codes, across: Points) -> None:
    brows, mouth = _points(small, [Region.BROW]), _points(small, [Region.LIPS])
    if len(brows) < 10 or len(mouth) < 5:
        return
    down = np.array([-across[1], across[0]])
    height = float((mouth.mean(axis=0) - brows.mean(axis=0)) @ down)
    top = float(np.percentile(brows @ down, 10))
    left, right = np.percentile(brows @ across, [10, 90])
    bare = top - _FOREHEAD_HEIGHT * height
    corners = [(left, top), (right, top), (right, bare), (left, bare)]
    _paint(place, np.array([x * across + y * down for x, y in corners]))


def eyes_covered(codes: Codes) -> float:
    """Share of the place of the eyes that a covering hides: a bar, a mosaic or glasses; 0 if codes show no face."""
    small, _ = reduced(codes)
    across = _across(small)
    cover, nose = _points(small, [Region.COVERING]), _points(small, [Region.NOSE, Region.NOSTRIL, Region.LIPS])
    cheeks = _points(small, [Region.RIGHT_MALAR, Region.LEFT_MALAR])
    if across is None or min(len(cover), len(nose), len(cheeks)) < 5:
        return 0.0
    down = np.array([-across[1], across[0]])
    left, right = np.percentile(cheeks @ across, [2, 98])
    above = (cover @ down < np.median(nose @ down)) & (cover @ across > left) & (cover @ across < right)
    eyes = len(_points(small, [Region.EYE]))
    hidden = int(np.count_nonzero(above))
    return hidden / (hidden + 4 * eyes) if hidden >= 0.01 * (right - left) ** 2 else 0.0


def cut_off_share(codes: Codes, region: Region) -> float:
    """Share of a region's outline that lies on the border of the frame; 0 if the region is not there."""
    small, _ = reduced(codes)
    where = (small == region).astype(np.uint8)
    count = int(where.sum())
    border = int(where[0].sum() + where[-1].sum() + where[:, 0].sum() + where[:, -1].sum())
    return border / (3.5 * np.sqrt(count)) if count >= 10 else 0.0

"""From the probabilities that the skin network gives to the code of each pixel, and what the codes show."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.photo.geometry import among
from melascope.vocabulary import EXCHANGED_WHEN_MIRRORED, MASI_REGIONS, SKIN, Region, View

__all__ = ["decide", "has_landmarks", "sided", "view_of", "visible_regions"]

Codes = NDArray[np.uint8]
Maps = NDArray[np.float32]

SURE: Final = 0.5
"""Probability that a place must have among the places of skin."""
SURE_SIDE: Final = 0.65
"""Mean of that probability over a cheek below which it is skin of uncertain place: the side might be the wrong one."""
LANDMARK_SHARE: Final = 0.005
"""Share of a close-up that eyes, brows, lips and nostrils must take for its skin to be placed without much doubt."""
LEAST_SHARE: Final = 0.25
"""Share of its typical area that a region must show to be scored."""
LEAST_NOSE: Final = 0.2
"""Area of the nose relative to the larger cheek from which its place tells the sides of the face."""
LEAST_PIXELS: Final = 30
"""Pixels of the working frame that a region must show to count at all; whether they suffice, quality decides."""
_LEAST_PRESENT: Final = 20
"""Pixels from which a part of a face tells what the photograph takes in."""
_ABOVE_NOSE: Final = (Region.FOREHEAD, Region.BROW, Region.EYE)
_BELOW_NOSE: Final = (Region.LIPS, Region.UPPER_LIP, Region.CHIN)
_TYPICAL: Final = {Region.FOREHEAD: 0.55, Region.RIGHT_MALAR: 1.0, Region.LEFT_MALAR: 1.0, Region.CHIN: 0.40}
"""Area of a region relative to the larger malar region on a frontal face (median of the training labels)."""
_NO_SKIN: Final = np.where(np.isin(np.arange(256), SKIN), np.uint8(Region.BACKGROUND), np.arange(256, dtype=np.uint8))
"""Codes with those of skin left out."""


def decide(probabilities: Maps, width: int, height: int) -> tuple[Codes, dict[Region, float]]:
    """What each pixel shows.

    Skin is where its places together are more probable than all else; its place, the most probable of them.

    Args:
        probabilities: (17, h', w') in the order of `Region`, which add up to 1; they are interpolated.
        width: Pixels across of the result.
        height: Pixels down.

    Returns:
        (height, width) codes, and of each place of skin that is there the mean probability among the places of skin.
    """
    shape = (height, width)
    codes, highest = np.zeros(shape, np.uint8), np.full(shape, -1, np.float32)
    places, surest = np.zeros(shape, np.uint8), np.full(shape, -1, np.float32)
    skin = np.zeros(shape, np.float32)
    # One map after the other, in place: all of them at the size of the result would be ten times the memory and time.
    for region in Region:
        seen = cv2.resize(probabilities[region], (width, height), interpolation=cv2.INTER_LINEAR)
        _give(codes, highest, seen, region)
        if region in SKIN:
            _give(places, surest, seen, region)
            skin += seen
    place = np.divide(surest, np.maximum(skin, np.float32(1e-6)), out=surest)
    places[place < SURE] = Region.OTHER_SKIN
    codes = np.where(skin > 0.5, places, cv2.LUT(codes, _NO_SKIN))
    confidence = {}
    for region in SKIN:
        where = (codes == region).view(np.uint8)
        if cv2.countNonZero(where):
            confidence[region] = float(cv2.mean(place, where)[0])
    for region in EXCHANGED_WHEN_MIRRORED:
        if confidence.get(region, 1.0) < SURE_SIDE:
            codes[codes == region] = Region.OTHER_SKIN
            del confidence[region]
    return codes, confidence


def _give(codes: Codes, highest: Maps, seen: NDArray[Any], code: int) -> None:
    """Gives a code, above all codes before it, to the pixels where it is more probable than each of these."""
    more = np.asarray(cv2.compare(seen, highest, cv2.CMP_GT), np.uint8)
    np.maximum(codes, more & np.uint8(code), out=codes)
    np.maximum(highest, seen, out=highest)


def sided(codes: Codes) -> Codes:
    """Patches of a cheek that lie on the other cheek's side of the nose get its name, if the face stands upright.

    The patient's right is the picture's left. A patch counts that lies clearly beside the nose, not above or below it.

    Args:
        codes: (h, w).
    """
    cheeks = {region: (codes == region).view(np.uint8) for region in EXCHANGED_WHEN_MIRRORED}
    ys, xs = np.nonzero(codes == Region.NOSE)
    above, below = (_middle_row(among(codes, some)) for some in (_ABOVE_NOSE, _BELOW_NOSE))
    if len(xs) < max(LEAST_PIXELS, LEAST_NOSE * max(map(cv2.countNonZero, cheeks.values()))):
        return codes
    x, y, breadth = float(xs.mean()), float(ys.mean()), float(xs.std())
    if above is None and below is None:
        return codes
    if (above is not None and above > y) or (below is not None and below < y):
        return codes
    codes = codes.copy()
    right, left = EXCHANGED_WHEN_MIRRORED
    for region, cheek in cheeks.items():
        count, labels, _, centres = cv2.connectedComponentsWithStats(cheek)
        for patch in range(1, count):
            across, down = centres[patch] - (x, y)
            side = right if across < 0 else left
            if side is not region and abs(across) > max(0.5 * abs(down), breadth):
                codes[labels == patch] = side
    return codes


def _middle_row(mask: NDArray[np.bool_]) -> float | None:
    """Mean row of a mask's pixels; None where it has none."""
    rows = np.count_nonzero(mask, axis=1)
    return float(rows @ np.arange(len(rows)) / rows.sum()) if rows.any() else None


def visible_regions(codes: Codes) -> frozenset[Region]:
    """MASI regions that show enough to be scored."""
    areas = {region: np.count_nonzero(codes == region) for region in MASI_REGIONS}
    malar = max(areas[Region.RIGHT_MALAR], areas[Region.LEFT_MALAR])
    return frozenset(
        region for region, area in areas.items() if area >= max(LEAST_PIXELS, LEAST_SHARE * _TYPICAL[region] * malar)
    )


def view_of(codes: Codes, visible: frozenset[Region]) -> View:
    """What codes take in, given the regions of them that are visible."""
    present = set(np.flatnonzero(np.bincount(codes.ravel()) >= _LEAST_PRESENT).tolist())
    whole = len(visible) >= 3 and present >= {Region.NOSE, Region.LIPS}
    upper = Region.FOREHEAD in visible or present & {Region.BROW, Region.COVERING}
    if whole and upper:
        return View.FACE
    return View.CLOSE_UP if among(codes, SKIN).mean() >= 0.10 else View.NONE


def has_landmarks(codes: Codes) -> bool:
    """Whether a close-up shows an eye, a brow, lips or a nostril, by which its skin is placed."""
    return bool(among(codes, (Region.EYE, Region.BROW, Region.LIPS, Region.NOSTRIL)).mean() > LANDMARK_SHARE)

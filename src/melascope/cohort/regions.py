"""Where the regions lie on the face chart: outlines drawn once, by anatomical landmarks, on the neutral face.

Outlines are those of the patient's left side (x > 0), in chart mm; the right side is their mirror image. They follow
the definitions of the measuring network's regions: forehead from brows to hairline; temple lateral to the orbit, above
the zygomatic arch; periorbital from the brow to the infraorbital rim; a malar region from there to the jaw and from
the nasolabial fold to the ear; chin between the labiomandibular folds.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.flatten import CHART_MM, chart_of_skin, inside_outline
from melascope.cohort.surface import head_surface, skin_mask
from melascope.vocabulary import Region

__all__ = ["LANDMARKS", "draw_regions"]

_Outline = tuple[tuple[float, float], ...]

# fmt: off
_FACE: Final[_Outline] = (
    (-20, -40), (60, -40), (92, -18), (103, -15), (110, -8), (112, 4), (110, 20), (107, 34), (101, 47), (92, 57),
    (80, 65.5), (65, 72.5), (50, 78), (35, 82), (20, 84), (-20, 84.5),
)
_FOREHEAD: Final[_Outline] = (
    (-20, -28), (7, -30), (14, -40), (36, -44), (59, -36), (66, -48), (70, -62), (71, -76), (61, -82), (45, -88),
    (25, -92), (-20, -93),
)
_TEMPLE: Final[_Outline] = (
    (56, -40), (61, -50), (66, -62), (68, -75), (79, -67), (87, -55), (92, -42), (98, -30), (101, -18), (95, -13),
    (76, -13), (62, -15), (54, -24), (53, -33),
)
_CHIN: Final[_Outline] = ((-20, 45), (26, 43), (31, 50), (34, 60), (36, 70), (37.5, 82), (38, 100), (-20, 100))
_UPPER_LIP: Final[_Outline] = (
    (-20, 17), (9, 18), (17, 18), (22, 16), (25.5, 22), (30, 31), (32.5, 39), (29, 43), (-20, 42),
)
_PERIORBITAL: Final[_Outline] = (
    (58, -39), (48, -47), (30, -48), (10, -43), (6, -34), (7, -25), (11, -16), (20, -9.5), (33, -7), (45, -9),
    (53, -14), (58, -22), (60, -32),
)
_NOSE: Final[_Outline] = (
    (-20, -31), (5, -31), (7.5, -28), (8.8, -21), (11, -13), (14.5, -6), (19.5, -1), (22.6, 6), (23, 13), (20.5, 17.5),
    (14, 18.5), (7, 18.8), (-20, 20),
)
_EYE: Final[_Outline] = (
    (19.5, -21), (23, -26), (29, -30), (36.5, -31.2), (43.5, -29.5), (50, -25), (46.5, -20.5), (38, -18.6), (28, -19),
)
_NOSTRIL: Final[_Outline] = (
    (5, 15), (7, 12.6), (10.5, 11.8), (14, 12.8), (15.8, 15), (13.5, 16.8), (10, 17), (6.8, 16.6),
)
_BROW: Final[_Outline] = (
    (10.5, -44), (12, -40.5), (22, -42.5), (36, -45), (48, -43.5), (60, -37), (59, -40), (50, -48), (40, -51.5),
    (25, -50.5), (12.5, -49),
)
# fmt: on

_LEFT: Final = {
    "eye": (35.0, -24.0),
    "nose_wing": (18.5, 11.0),
    "mouth_corner": (23.0, 42.0),
    "cheekbone": (58.0, 2.0),
    "temple": (76.0, -38.0),
    "jaw": (80.0, 50.0),
}
LANDMARKS: Final[dict[str, tuple[float, float]]] = {
    "nose_tip": (0.0, 7.0),
    "mouth": (0.0, 41.0),
    "upper_lip": (0.0, 24.0),
    "forehead": (0.0, -68.0),
    "glabella": (0.0, -43.0),
    "chin": (0.0, 72.0),
    **{f"left_{name}": place for name, place in _LEFT.items()},
    **{f"right_{name}": (-x, y) for name, (x, y) in _LEFT.items()},
}
"""Named places, (x, y) in chart mm."""


def draw_regions(valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Region codes of the chart.

    Args:
        valid: (side, side) bool, where the chart lies on the surface.

    Returns:
        (side, side) uint8 of `Region`. The openings of eyes and mouth, where there is no surface, are coded too.
    """
    side = len(valid)
    half = side // 2
    left = np.full((side, side), Region.OTHER_SKIN, np.uint8)
    for code, outline in (
        (Region.LEFT_MALAR, _FACE),
        (Region.FOREHEAD, _FOREHEAD),
        (Region.TEMPLE, _TEMPLE),
        (Region.CHIN, _CHIN),
        (Region.UPPER_LIP, _UPPER_LIP),
        (Region.PERIORBITAL, _PERIORBITAL),
        (Region.NOSE, _NOSE),
        (Region.BROW, _BROW),
        (Region.NOSTRIL, _NOSTRIL),
        (Region.EYE, _EYE),
    ):
        left[inside_outline(outline, side)] = code
    left[_below_jaw(side)] = Region.NECK
    scale = side / CHART_MM
    opening = _openings(valid)
    surface = head_surface()
    left[_drawn(surface.part == 1, side) | (opening & _box(side, 10, -40, 60, -8))] = Region.EYE
    lips = _drawn(skin_mask("lips") | (surface.part == 2), side) | (opening & _box(side, -2, 30, 32, 55))
    left[_smoothed(lips, 0.9 * scale)] = Region.LIPS
    right = left[:, ::-1].copy()
    right[right == Region.LEFT_MALAR] = Region.RIGHT_MALAR
    codes = np.concatenate([right[:, :half], left[:, half:]], axis=1)
    codes[~valid & ~np.isin(codes, (Region.EYE, Region.LIPS))] = Region.BACKGROUND
    return codes


def _box(side: int, x0: float, y0: float, x1: float, y1: float) -> NDArray[np.bool_]:
    middle = (np.arange(side) + 0.5) * (CHART_MM / side) - CHART_MM / 2
    across, down = (middle > x0) & (middle < x1), (middle > y0) & (middle < y1)
    return down[:, None] & across[None, :]


def _below_jaw(side: int) -> NDArray[np.bool_]:
    """Everything below the lower edge of the face's outline."""
    jaw = [(x, y) for x, y in _FACE if y > 40]
    return inside_outline([(140, 47), *jaw, (-20, 160), (140, 160)], side)


def _openings(valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Holes of the surface: what is off it, but not connected with the outside."""
    outside = np.pad((~valid).astype(np.uint8), 1, constant_values=1)
    cv2.floodFill(outside, None, (0, 0), 2)
    return np.asarray(outside[1:-1, 1:-1] == 1, np.bool_)


def _drawn(chosen: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """The chart's share of some coarse faces of the surface."""
    surface = head_surface()
    fine = np.repeat(chosen, len(surface.refinement.quads) // len(surface.quads))  # fine faces follow their coarse one
    quads = chart_of_skin()[surface.refinement.quads[fine]]
    quads = quads[~np.isnan(quads).any(axis=(1, 2))]
    mask = np.zeros((side, side), np.uint8)
    for quad in np.round(((quads + CHART_MM / 2) * (side / CHART_MM) - 0.5) * 16).astype(np.int32):
        cv2.fillConvexPoly(mask, quad, 1, shift=4)
    return mask.astype(bool)


def _smoothed(mask: NDArray[np.bool_], sigma_px: float) -> NDArray[np.bool_]:
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma_px) > 0.5, np.bool_)

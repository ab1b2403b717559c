"""Region labels of a whole face, from 478 facial landmarks and colour.

The landmarks (MediaPipe Face Landmarker; Kartynnik et al. 2019) give the anatomical outlines. Colour then says which
pixels inside them are hair, beard, glasses or another covering, and what lies around the face: scalp hair, neck, other
skin, background. Labels are made at training time only; the network that learns from them needs no landmarks.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.vocabulary import Region

__all__ = ["IGNORE", "SOME_SKIN", "label_face"]

IGNORE: Final = 255
"""Label of a pixel that the loss leaves out."""
SOME_SKIN: Final = 254
"""Label of a pixel that is bare skin of an unknown place."""

# Landmark indices. R is the patient's right (left half of an unmirrored image).
# fmt: off
_OVAL: Final = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150,
    136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
]
_LIPS: Final = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185]
_EYE_R: Final = [33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246]
_EYE_L: Final = [263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466]
_BROW_R: Final = [70, 63, 105, 66, 107, 55, 65, 52, 53, 46]
_BROW_L: Final = [300, 293, 334, 296, 336, 285, 295, 282, 283, 276]
_NOSE: Final = [
    168, 193, 245, 188, 174, 217, 126, 142, 203, 98, 97, 2, 326, 327, 423, 371, 355, 437, 399, 412, 465, 417,
]
_NOSTRIL_R: Final = [79, 166, 59, 75, 60, 20, 238, 239]
_NOSTRIL_L: Final = [309, 392, 289, 305, 290, 250, 458, 459]
_PERIORBITAL_R: Final = [70, 63, 105, 66, 107, 55, 193, 245, 128, 232, 231, 230, 229, 228, 31, 226, 35, 156]
_PERIORBITAL_L: Final = [300, 293, 334, 296, 336, 285, 417, 465, 357, 452, 451, 450, 449, 448, 261, 446, 265, 383]
_TEMPLE_R: Final = [103, 54, 21, 162, 127, 234, 227, 116, 35, 156, 70, 71, 68]
_TEMPLE_L: Final = [332, 284, 251, 389, 356, 454, 447, 345, 265, 383, 300, 301, 298]
_UPPER_LIP: Final = [
    2, 97, 98, 203, 206, 216, 212, 57, 61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 287, 432, 436, 426, 423, 327,
    326,
]
_CHIN: Final = [
    57, 61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 287, 422, 430, 394, 379, 378, 400, 377, 152, 148, 176, 149,
    150, 169, 210, 202,
]
_FOREHEAD_TOP: Final = [54, 103, 67, 109, 10, 338, 297, 332, 284]
_FOREHEAD_BASE: Final = [300, 293, 334, 296, 336, 285, 417, 168, 193, 55, 107, 66, 105, 63, 70]
_MIDLINE: Final = [10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 2, 0, 17, 18, 200, 199, 175, 152]
# fmt: on
_HAIRLINE: Final = 0.34
"""The landmarks stop about one third of the way from brow to topmost landmark below the hairline."""


def label_face(pixels: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Region label of every pixel.

    Args:
        pixels: (H, W, 3) uint8, sRGB, upright.
        landmarks: (478, 2) or (478, 3) pixel coordinates x, y (z is not used), MediaPipe's order.

    Returns:
        (H, W) uint8: a `Region`, or IGNORE where colour and landmarks leave the matter open.
    """
    points = landmarks[:, :2].astype(np.float32)
    oval = _polygon(points[_OVAL], pixels.shape)
    regions = _outlines(points, pixels.shape)
    skin = _skin(pixels, points, oval)
    return _merge(pixels, points, regions, skin)


def _polygon(points: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1)
    return mask.astype(bool)


def _above_forehead(points: NDArray[np.float32], lift: float) -> NDArray[np.float32]:
    """The line `lift` times the height from brow to topmost landmark above that landmark, tapering to the temples."""
    up = points[10] - points[9]
    taper = np.array([0.0, 0.35, 0.76, 0.94, 1.0, 0.94, 0.76, 0.35, 0.0], np.float32)
    return np.asarray(points[_FOREHEAD_TOP] + lift * taper[:, None] * up, np.float32)


def _outlines(points: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Labels from the landmarks alone, painted from the largest to the smallest."""
    labels = np.zeros(shape[:2], np.uint8)
    oval = _polygon(points[_OVAL], shape)
    ys, xs = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    mid_y, mid_x = points[_MIDLINE, 1], points[_MIDLINE, 0]
    # The midline as a polyline along the face's own long axis, so that tilted heads split correctly.
    axis = points[152] - points[10]
    axis = axis / np.linalg.norm(axis)
    across = np.array([-axis[1], axis[0]], np.float32)
    along_mid = mid_x * axis[0] + mid_y * axis[1]
    across_mid = mid_x * across[0] + mid_y * across[1]
    order = np.argsort(along_mid)
    along = xs * axis[0] + ys * axis[1]
    offset = xs * across[0] + ys * across[1] - np.interp(along, along_mid[order], across_mid[order])
    right_side = float(np.dot(points[33] - points[263], across)) > 0
    is_right = offset > 0 if right_side else offset < 0
    labels[oval & is_right] = Region.RIGHT_MALAR
    labels[oval & ~is_right] = Region.LEFT_MALAR
    top = _above_forehead(points, _HAIRLINE)
    labels[_polygon(np.concatenate([top, points[_FOREHEAD_BASE]]), shape)] = Region.FOREHEAD
    for code, polygons in (
        (Region.TEMPLE, (_TEMPLE_R, _TEMPLE_L)),
        (Region.CHIN, (_CHIN,)),
        (Region.UPPER_LIP, (_UPPER_LIP,)),
        (Region.PERIORBITAL, (_PERIORBITAL_R, _PERIORBITAL_L)),
        (Region.NOSE, (_NOSE,)),
        (Region.BROW, (_BROW_R, _BROW_L)),
        (Region.EYE, (_EYE_R, _EYE_L)),
        (Region.LIPS, (_LIPS,)),
        (Region.NOSTRIL, (_NOSTRIL_R, _NOSTRIL_L)),
    ):
        for polygon in polygons:
            labels[_polygon(points[polygon], shape)] = code
    return labels


def _lab(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(pixels.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB), np.float32)


def _skin(pixels: NDArray[np.uint8], points: NDArray[np.float32], oval: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bare skin anywhere in the picture: GrabCut seeded by the middle of the face."""
    height, width = oval.shape
    face = float(np.linalg.norm(points[152] - points[10]))
    blurred = np.asarray(cv2.bilateralFilter(pixels, 5, 25, 3), np.uint8)
    core = np.zeros((height, width), np.uint8)
    centre = points[_OVAL].mean(axis=0)
    inner = centre + 0.72 * (points[_OVAL] - centre)
    cv2.fillPoly(core, [np.round(inner).astype(np.int32)], 1)
    for feature in (_EYE_R, _EYE_L, _BROW_R, _BROW_L, _LIPS, _NOSTRIL_R, _NOSTRIL_L):
        hull = cv2.convexHull(np.round(points[feature]).astype(np.int32))
        cv2.fillPoly(core, [hull], 0)
    lab = _lab(blurred)
    seed = lab[core.astype(bool)]
    middle = np.median(seed, axis=0)
    spread = np.maximum(1.4826 * np.median(np.abs(seed - middle), axis=0), (4.0, 2.0, 2.5))
    distance = (np.abs(lab - middle) / spread) * (0.7, 1.0, 1.0)
    near = distance.max(axis=2)
    mask = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    dilated = cv2.dilate(oval.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=max(1, int(0.12 * face / 2)))
    mask[(dilated > 0) & (near < 4.0)] = cv2.GC_PR_FGD
    mask[oval & (near < 3.0)] = cv2.GC_PR_FGD
    mask[(core > 0) & (near < 3.5)] = cv2.GC_FGD
    mask[near > 9.0] = cv2.GC_BGD
    x0, y0 = np.maximum(points[:, :2].min(axis=0) - 0.9 * face, 0).astype(int)
    x1, y1 = np.minimum(points[:, :2].max(axis=0) + 0.9 * face, (width, height)).astype(int)
    window = (slice(y0, y1), slice(x0, x1))
    part = np.ascontiguousarray(mask[window])
    models = np.zeros((1, 65), np.float64), np.zeros((1, 65), np.float64)
    cv2.grabCut(np.ascontiguousarray(blurred[window]), part, None, *models, 3, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    skin = np.zeros((height, width), bool)
    skin[window] = (part == cv2.GC_FGD) | (part == cv2.GC_PR_FGD)
    # Highlights are skin, too.
    skin |= (core > 0) & (lab[..., 0] > middle[0]) & (near < 12)
    return skin


def _merge(
    pixels: NDArray[np.uint8],
    points: NDArray[np.float32],
    outlines: NDArray[np.uint8],
    skin: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    labels = outlines.copy()
    face = float(np.linalg.norm(points[152] - points[10]))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    size = max(1, round(face / 150))
    clean = cv2.morphologyEx(skin.astype(np.uint8), cv2.MORPH_CLOSE, kernel, iterations=2 * size).astype(bool)
    skin_codes = [Region.FOREHEAD, Region.RIGHT_MALAR, Region.LEFT_MALAR, Region.TEMPLE, Region.CHIN, Region.UPPER_LIP]
    on_face = np.isin(labels, skin_codes)
    lab = _lab(pixels)
    middle = np.median(lab[skin & on_face], axis=0) if (skin & on_face).any() else lab.reshape(-1, 3).mean(axis=0)
    dark = lab[..., 0] < middle[0] - 8
    not_skin = on_face & ~clean
    not_skin = cv2.morphologyEx(not_skin.astype(np.uint8), cv2.MORPH_OPEN, kernel, iterations=size).astype(bool)
    # Below the hairline that the landmarks guess, everything that is not skin hides skin.
    labels[not_skin & dark] = Region.HAIR
    labels[not_skin & ~dark] = IGNORE
    lens = np.isin(labels, [Region.PERIORBITAL, Region.NOSE]) & ~clean
    labels[cv2.morphologyEx(lens.astype(np.uint8), cv2.MORPH_OPEN, kernel, iterations=size).astype(bool)] = IGNORE
    _mark_beard(lab, middle, labels, face)
    # Around the face.
    outside = outlines == Region.BACKGROUND
    axis = (points[152] - points[10]) / face
    ys, xs = np.mgrid[: labels.shape[0], : labels.shape[1]].astype(np.float32)
    along = ((xs - points[10, 0]) * axis[0] + (ys - points[10, 1]) * axis[1]) / face
    across = np.abs((xs - points[1, 0]) * -axis[1] + (ys - points[1, 1]) * axis[0]) / face
    other = outside & clean
    labels[other] = Region.OTHER_SKIN
    labels[other & (along > 0.75) & (along < 1.45) & (across < 0.55)] = Region.NECK
    labels[other & (along < 0.05)] = IGNORE  # fair hair and bald scalp look alike to colour
    strip = _polygon(np.concatenate([_above_forehead(points, 0.8), points[_FOREHEAD_BASE]]), labels.shape) & outside
    beyond = _polygon(np.concatenate([_above_forehead(points, 1.0), points[_FOREHEAD_BASE]]), labels.shape) & outside
    beyond &= ~strip
    if beyond.any() and clean[beyond].mean() < 0.8:  # the hairline lies inside the strip
        labels[strip & clean] = Region.FOREHEAD
    labels[outside & (~clean | (labels == IGNORE)) & _hair(pixels, points, labels, face)] = Region.HAIR
    return labels


def _mark_beard(lab: NDArray[np.float32], skin: NDArray[np.float32], labels: NDArray[np.uint8], face: float) -> None:
    """Turns bearded skin of the lower face into HAIR, and what may be a beard into IGNORE."""
    lower = np.isin(labels, [Region.CHIN, Region.UPPER_LIP, Region.RIGHT_MALAR, Region.LEFT_MALAR, Region.NECK])
    smooth = cv2.GaussianBlur(lab, (0, 0), max(1.0, face / 60))
    chroma = np.hypot(smooth[..., 1], smooth[..., 2]) / max(1.0, float(np.hypot(skin[1], skin[2])))
    darker = skin[0] - smooth[..., 0]
    detail = cv2.GaussianBlur(np.abs(lab[..., 0] - smooth[..., 0]), (0, 0), max(1.0, face / 40))
    doubt = lower & (chroma < 0.8) & ((darker > 4) | (detail > 3))
    beard = lower & (chroma < 0.62) & ((darker > 12) | (detail > 4))
    labels[doubt] = IGNORE
    labels[beard] = Region.HAIR


def _hair(
    pixels: NDArray[np.uint8], points: NDArray[np.float32], labels: NDArray[np.uint8], face: float
) -> NDArray[np.bool_]:
    """Scalp hair: what is connected to the crown, and unlike the picture's border."""
    height, width = labels.shape
    up = (points[10] - points[9]) / max(1e-6, float(np.linalg.norm(points[10] - points[9])))
    crown = points[10] + 0.22 * face * up
    mask = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    near = np.zeros((height, width), np.uint8)
    centre = points[_OVAL].mean(axis=0)
    hull = centre + 1.45 * (points[_OVAL] - centre)
    cv2.fillPoly(near, [np.round(hull).astype(np.int32)], 1)
    mask[near > 0] = cv2.GC_PR_FGD
    border = max(3, round(0.02 * width))
    mask[:border], mask[:, :border], mask[:, -border:] = cv2.GC_BGD, cv2.GC_BGD, cv2.GC_BGD
    below = points[152] + 0.35 * (points[152] - points[10])
    mask[int(min(height - 1, max(0, below[1]))) :] = cv2.GC_BGD
    mask[labels != Region.BACKGROUND] = cv2.GC_BGD
    mask[labels == IGNORE] = cv2.GC_PR_FGD
    cv2.circle(mask, (int(crown[0]), int(crown[1])), max(2, int(0.05 * face)), int(cv2.GC_FGD), -1)
    mask[labels == Region.HAIR] = cv2.GC_FGD
    if not (mask == cv2.GC_FGD).any():
        return np.zeros((height, width), bool)
    scale = min(1.0, 256 / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    part = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
    if not (part == cv2.GC_FGD).any() or not np.isin(part, (cv2.GC_BGD, cv2.GC_PR_BGD)).any():
        return np.zeros((height, width), bool)
    models = np.zeros((1, 65), np.float64), np.zeros((1, 65), np.float64)
    cv2.grabCut(small, part, None, *models, 3, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    found = ((part == cv2.GC_FGD) | (part == cv2.GC_PR_FGD)).astype(np.uint8)
    return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_NEAREST).astype(bool))

"""The pigment map: where a patient's skin holds more pigment than its own normal skin, and how much.

One instrument says both: the skin network, trained on virtual patients and painted photographs whose pigment is known
exactly. On one photograph, pigment and the absence of shine change colour in nearly the same way (both darken and
saturate), so that no threshold on a chromophore map can tell a large patch from soft light; shape and place can. The
colour itself describes what was found: how a patch differs from the skin around, how sharp its edge is, how blue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.photo.geometry import among
from melascope.skin.chromophores import chromophores, optical_density
from melascope.skin.regions import RegionMap
from melascope.vocabulary import FACIAL_SKIN, SKIN

__all__ = ["OUTLINED", "PigmentMap", "involvement", "map_pigment"]

OUTLINED: Final = 0.45
"""Probability from which a pixel belongs to an outlined patch."""
PATCHED: Final = 0.25
"""Probability from which it belongs to a patch whose size and darkness are scored: patches that an outline parts by a
faint seam are one to a rater's eye."""
DOUBTFUL: Final = 0.05
SURE: Final = 0.9
"""Probabilities at which a pixel starts to count as involved, and from which it counts in full; in between it counts in
part, so that a share never jumps where a probability crosses a limit."""
LITTLE_NORMAL: Final = 0.02
"""Share of normal skin below which the lightest tenth of the skin stands for it."""
_CLOSE_UP_FACE: Final = 1.5
"""Width of a face relative to the shorter side of a close-up, for want of a better scale."""


@dataclass(frozen=True)
class PigmentMap:
    """Pigment in the working frame, all (h, w). Densities are decadic optical density, NaN off the skin."""

    involved: NDArray[np.bool_]
    """Skin with excess pigment, as it is outlined."""
    patches: NDArray[np.bool_]
    """The same with its faint margins, as its size and darkness are scored."""
    probability: NDArray[np.float32]
    """Probability of that."""
    density: NDArray[np.float32]
    """Optical density in red that pigment adds to the skin beneath, as the network reads it."""
    contrast: NDArray[np.float32]
    """Melanin above the unaffected skin around, as the colour says."""
    melanin: NDArray[np.float32]
    """Melanin, 0 = median of the unaffected facial skin."""
    haemoglobin: NDArray[np.float32]
    """Haemoglobin, likewise."""
    absorption: NDArray[np.float32]
    """(h, w, 3) optical density above the unaffected skin around, in R, G, B."""
    core: NDArray[np.bool_]
    """Skin away from hair, eyes and brows, whose edges bleed into what lies next to them."""
    normal_share: float
    """Share of the skin that is free of excess pigment, and so tells what is normal."""
    face_px: float
    """Width of the face in working pixels; guessed in a close-up."""


def map_pigment(regions: RegionMap) -> PigmentMap:
    """Maps the pigment of a photograph whose regions are known."""
    height, width = regions.codes.shape
    face = regions.face_px or _CLOSE_UP_FACE * min(height, width)
    # On a whole face the neck is left out, whose shade is not pigment, and skin of no certain place, such as in hair.
    places = FACIAL_SKIN if regions.face_px else SKIN
    skin = among(regions.codes, places)
    probability = np.where(skin, regions.disease, np.float32(0))
    involved = _tidy(probability >= OUTLINED, skin, face)
    density = optical_density(regions.pixels)
    density = np.asarray(cv2.GaussianBlur(density, (0, 0), max(0.5, 0.004 * face)), np.float32)
    # Edges of hair, eyes and brows bleed into the skin next to them.
    core = cv2.erode(skin.astype(np.uint8), _disc(max(1, round(0.012 * face)))).astype(bool)
    reach = cv2.dilate(involved.astype(np.uint8), _disc(max(1, round(0.01 * face)))).astype(bool)
    maps = chromophores(density)
    normal = core & ~reach & (probability < 0.3)
    normal_share = float(normal.sum()) / max(1, int(skin.sum()))
    if normal_share < LITTLE_NORMAL and core.any():  # the lightest tenth of the skin has to stand for normal
        normal = core & (maps.melanin <= np.quantile(maps.melanin[core], 0.1))
    absorption = density - _surroundings(density, normal, face)
    where = np.where(skin, np.float32(0), np.float32(np.nan))
    return PigmentMap(
        involved=involved,
        patches=_tidy(probability >= PATCHED, skin, face),
        probability=probability,
        density=np.maximum(regions.density, 0) + where,
        contrast=chromophores(absorption).melanin + where,
        melanin=maps.melanin - _middle(maps.melanin, normal) + where,
        haemoglobin=maps.haemoglobin - _middle(maps.haemoglobin, normal) + where,
        absorption=absorption,
        core=core,
        normal_share=normal_share,
        face_px=face,
    )


def involvement(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much a pixel of that probability counts, 0 to 1."""
    return np.asarray(np.clip((probability - DOUBTFUL) / (SURE - DOUBTFUL), 0, 1), np.float32)


def _tidy(mask: NDArray[np.bool_], skin: NDArray[np.bool_], face: float) -> NDArray[np.bool_]:
    """Fills pores and drops specks below half a millimetre or so."""
    kernel = _disc(max(1, round(0.002 * face)))
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    return np.asarray(cv2.morphologyEx(closed, cv2.MORPH_OPEN, kernel).astype(bool) & skin)


def _disc(radius: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def _middle(values: NDArray[np.float32], where: NDArray[np.bool_]) -> np.float32:
    return np.float32(np.median(values[where])) if where.any() else np.float32(np.median(values))


def _surroundings(density: NDArray[np.float32], normal: NDArray[np.bool_], face: float) -> NDArray[np.float32]:
    """What normal skin would show at each place: the weighted mean of the normal skin near it (h, w, 3).

    Near is 6 % of the face's width; where there is too little normal skin that near, ever wider.
    """
    scale = min(1.0, 128 / max(density.shape[:2]))
    size = (max(1, round(density.shape[1] * scale)), max(1, round(density.shape[0] * scale)))
    weight = normal.astype(np.float32)
    values = cv2.resize(density * weight[..., None], size, interpolation=cv2.INTER_AREA)
    weights = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    overall = values.sum(axis=(0, 1)) / max(float(weights.sum()), 1e-6)
    result = np.broadcast_to(overall, values.shape).astype(np.float32)
    for reach in (0.5, 0.24, 0.12, 0.06):
        sigma = max(0.5, reach * face * scale)
        mass = cv2.GaussianBlur(weights, (0, 0), sigma)
        local = cv2.GaussianBlur(values, (0, 0), sigma) / np.maximum(mass, 1e-6)[..., None]
        trust = np.clip(mass / 0.15, 0, 1)[..., None]
        result = trust * local + (1 - trust) * result
    return np.asarray(cv2.resize(result, density.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)

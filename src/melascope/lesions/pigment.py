"""The pigment map: where a patient's skin holds more pigment than its own normal skin, and how much.

Two instruments, each for what it can do. Where: the skin network, trained on pigment painted with exact truth. On one
photograph, pigment and the absence of shine change colour in nearly the same way (both darken and saturate), so that no
threshold on a chromophore map can tell a large patch from soft light; shape and place can. How much: the melanin map,
compared between a lesion and the unaffected skin around it, in physical units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.skin.chromophores import chromophores, optical_density
from melascope.skin.regions import RegionMap
from melascope.vocabulary import FACIAL_SKIN, SKIN

__all__ = ["DOUBTFUL", "SURE", "PigmentMap", "involvement", "map_pigment"]

LEAST_SHARE: Final = 0.005
"""Share of a region below which nothing is outlined in it."""
PROBABLE: Final = 0.5
"""Probability from which a pixel of a close-up counts: there the expectation (below) has not been calibrated."""
LITTLE_NORMAL: Final = 0.02
"""Share of normal skin below which the lightest tenth of the skin stands for it."""
LEAST_CONTRAST: Final = 0.01
"""Melanin density above the skin around that a patch must have."""
DARK: Final = 0.15
"""Melanin density that nobody overlooks: marked, on the scale of darkness."""
DOUBTFUL: Final = 0.05
SURE: Final = 0.8
"""Probabilities at which a pixel starts to count as involved, and from which it counts in full; in between it counts in
part. Chosen on thirteen of the training people, where they keep both the error of the share and healthy skin low."""
_CLOSE_UP_FACE: Final = 1.5
"""Width of a face relative to the shorter side of a close-up, for want of a better scale."""


@dataclass(frozen=True)
class PigmentMap:
    """Pigment in the working frame, all (h, w). Densities are decadic optical density, NaN off the skin."""

    involved: NDArray[np.bool_]
    """Skin with excess pigment."""
    probability: NDArray[np.float32]
    """Probability of that."""
    excess: NDArray[np.float32]
    """Melanin above the unaffected skin around; noise on normal skin, the lesion's density on involved skin."""
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
    skin = np.isin(regions.codes, places)
    probability = np.where(skin, regions.disease, np.float32(0))
    if regions.face_px:
        expected = _most_probable(probability, np.where(skin, regions.codes, 0).astype(np.uint8))
    else:
        expected = probability >= PROBABLE
    involved = _tidy(expected, skin, face)
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
    excess = chromophores(absorption).melanin
    involved = _agreed(involved, probability, excess, core)
    where = np.where(skin, np.float32(0), np.float32(np.nan))
    return PigmentMap(
        involved=involved,
        probability=probability,
        excess=excess + where,
        melanin=maps.melanin - _middle(maps.melanin, normal) + where,
        haemoglobin=maps.haemoglobin - _middle(maps.haemoglobin, normal) + where,
        absorption=absorption,
        core=core,
        normal_share=normal_share,
        face_px=face,
    )


def _agreed(
    involved: NDArray[np.bool_],
    probability: NDArray[np.float32],
    excess: NDArray[np.float32],
    core: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Keeps the patches on which the two instruments agree.

    A patch must be darker than the skin around. And pigment as dark as DARK is never a matter of doubt: where the
    network doubts it, it is the edge of hair or a shadow.
    """
    _, labels = cv2.connectedComponents(involved.astype(np.uint8), connectivity=8)
    inner = involved & core
    count = int(labels.max()) + 1
    pixels = np.bincount(labels[inner], minlength=count)
    contrast = np.bincount(labels[inner], excess[inner], minlength=count) / np.maximum(pixels, 1)
    sure = np.bincount(labels[inner], probability[inner], minlength=count) / np.maximum(pixels, 1)
    keep = (contrast > LEAST_CONTRAST) & (pixels > 0) & ((contrast < DARK) | (sure >= 0.6))
    keep[0] = False
    return np.asarray(keep[labels])


def involvement(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much a pixel of that probability counts, 0 to 1."""
    return np.asarray(np.clip((probability - DOUBTFUL) / (SURE - DOUBTFUL), 0, 1), np.float32)


def _most_probable(probability: NDArray[np.float32], places: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """In each place (region code; 0 is none), the most probable pixels, as many as are involved by expectation.

    A fixed threshold finds nothing of a faint lesion that is probable at 0.4 everywhere, and all of it at 0.6; the
    expected number of pixels changes smoothly.
    """
    involved = np.zeros(probability.shape, bool)
    weight = involvement(probability)
    for place in np.unique(places[places > 0]):
        here = places == place
        count = round(float(weight[here].sum()))
        if count >= LEAST_SHARE * here.sum():
            limit = np.partition(probability[here], -count)[-count]
            involved |= here & (probability >= max(limit, DOUBTFUL))
    return involved


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

"""Melasma: confluent, symmetric, reticulated patches in the centrofacial, malar or mandibular pattern.

Patterns after Sanchez et al. 1981 (J. Am. Acad. Dermatol. 4), centrofacial most often, as in Tamega et al. 2013 (J.
Eur. Acad. Dermatol. Venereol. 27); involved shares are those of the MASI's regions (Kimbrough-Green et al. 1994).
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.ground import FaceChart, Ground, ground_of, liking
from melascope.cohort.lesion import Grown, LesionParameters, Place
from melascope.cohort.noise import mirrored, noise, ridges, rise, threshold, warped
from melascope.vocabulary import Lesion, Region

__all__ = ["PATTERNS", "grow_melasma", "sample_melasma"]

_RIM_MM: Final = 1.8
"""Width of the spared rim around lips and nostrils."""
PATTERNS: Final = ("centrofacial", "malar", "mandibular")

# (share on the logit scale without and with full severity) by pattern; the two malar regions share a row.
_COURSE: Final[dict[str, dict[str, tuple[float, float]]]] = {
    "centrofacial": {
        "forehead": (-4.4, 3.2),
        "malar": (-3.6, 3.4),
        "chin": (-4.7, 3.0),
        "nose": (-3.6, 3.0),
        "upper_lip": (-3.4, 3.4),
    },
    "malar": {
        "forehead": (-6.5, -1.5),
        "malar": (-3.6, 3.9),
        "chin": (-7.0, -2.5),
        "nose": (-3.2, 1.6),
        "upper_lip": (-7.0, -1.0),
    },
    "mandibular": {
        "forehead": (-8.0, -4.0),
        "malar": (-4.0, 0.6),
        "chin": (-3.8, 2.6),
        "nose": (-8.0, -4.0),
        "upper_lip": (-7.0, -2.0),
    },
}

_SITES: Final[dict[str, tuple[Place, ...]]] = {
    "cheek": (
        Place("right_cheekbone", -10.0, 2.0, 27.0, 14.0, -14.0, 1.0),
        Place("left_cheekbone", -10.0, 2.0, 27.0, 14.0, -14.0, 1.0),
        Place("right_cheekbone", -16.0, 16.0, 15.0, 15.0, 0.0, 0.45),
        Place("left_cheekbone", -16.0, 16.0, 15.0, 15.0, 0.0, 0.45),
    ),
    "centre": (
        Place("nose_tip", 0.0, -20.0, 9.0, 17.0, 0.0, 0.75),
        Place("upper_lip", 11.0, 1.0, 12.0, 6.0, 12.0, 0.8),
        Place("upper_lip", -11.0, 1.0, 12.0, 6.0, -12.0, 0.8),
        Place("forehead", 24.0, 8.0, 24.0, 13.0, 6.0, 0.9),
        Place("forehead", -24.0, 8.0, 24.0, 13.0, -6.0, 0.9),
        Place("glabella", 0.0, -8.0, 11.0, 9.0, 0.0, 0.5),
        Place("chin", 0.0, 0.0, 17.0, 10.0, 0.0, 0.7),
    ),
    "jaw": (
        Place("right_jaw", 0.0, -4.0, 12.0, 30.0, 22.0, 1.0),
        Place("left_jaw", 0.0, -4.0, 12.0, 30.0, 22.0, 1.0),
        Place("chin", 20.0, 6.0, 20.0, 9.0, -20.0, 0.7),
        Place("chin", -20.0, 6.0, 20.0, 9.0, 20.0, 0.7),
    ),
}


def sample_melasma(rng: np.random.Generator, severity: float | None = None) -> LesionParameters:
    """Melasma of a given or evenly drawn severity."""
    s = float(rng.uniform(0.02, 1.0)) if severity is None else severity
    central = 0.55 + 0.4 * s
    jaw = 0.08 * (1.0 - s)
    pattern = PATTERNS[int(rng.choice(3, p=[central, 1.0 - central - jaw, jaw]))]
    whole, sides = float(rng.normal(0.0, 0.4)), float(rng.normal(0.0, 0.22))
    shares: list[tuple[str, float]] = []
    for name, (low, high) in _COURSE[pattern].items():
        middle = low + (high - low) * s + whole
        if name == "malar":
            shares += [("right_malar", _logistic(middle - sides)), ("left_malar", _logistic(middle + sides))]
        else:
            share = _logistic(middle + float(rng.normal(0.0, 0.45)))
            shares.append((name, share if share > 0.006 else 0.0))
    sites = list(_SITES["cheek"])
    if pattern == "centrofacial":
        sites += _SITES["centre"]
    elif pattern == "malar":
        sites += _SITES["centre"][:1]
    else:
        sites = [*(p._replace(weight=0.4 * p.weight) for p in sites), *_SITES["jaw"]]
    # The two sides are alike, never equal.
    places = []
    for place in sites:
        dx, dy = rng.normal(0.0, 2.0, 2)
        a, b, w = np.exp(rng.normal(0.0, 0.13, 3))
        places.append(
            place._replace(
                out_mm=place.out_mm + float(dx),
                down_mm=place.down_mm + float(dy),
                along_mm=place.along_mm * float(a),
                across_mm=place.across_mm * float(b),
                turn_deg=place.turn_deg + float(rng.normal(0.0, 5.0)),
                weight=place.weight * float(w),
            )
        )
    # Epidermal, mixed, dermal: Wood's lamp classes in about these frequencies.
    layer = int(rng.choice(3, p=[0.5, 0.38, 0.12]))
    depth = float((rng.uniform(0.0, 0.15), rng.uniform(0.2, 0.4), rng.uniform(0.45, 0.65))[layer])
    density = (0.05 + 0.25 * s) * math.exp(float(rng.normal(0.0, 0.2)))
    return LesionParameters(
        kind=Lesion.MELASMA,
        pattern=pattern,
        severity=s,
        density=min(max(density, 0.03), 0.35),
        depth=depth,
        size_mm=float(rng.uniform(14.0, 24.0)),
        size_spread=0.0,
        size_range_mm=(1.0, 200.0),
        count=0,
        edge_mm=float(rng.uniform(1.2, 3.4) + 1.4 * depth),
        roughness=float(rng.uniform(0.35, 1.0)),
        evenness=float(np.clip(0.15 + 0.65 * s + rng.normal(0.0, 0.12), 0.0, 0.95)),
        places=tuple(places),
        shares=tuple(shares),
        seed=int(rng.integers(2**31)),
    )


def grow_melasma(parameters: LesionParameters, chart: FaceChart) -> Grown:
    """Melasma on the chart: a field that is thresholded so that each region gets its share."""
    p = parameters
    full = chart.codes.shape[0]
    ground = ground_of(chart, max(full // 2, 64))
    rng = np.random.default_rng(p.seed)
    field = _field(p, ground, rng)
    level = field - _thresholds(field, p, ground) - np.float32(1.5 * p.shrink)
    level = np.asarray(cv2.resize(level, (full, full), interpolation=cv2.INTER_CUBIC), np.float32)

    fine = ground_of(chart, full)
    px = fine.px_mm
    # The field rises by about 0.06 a mm at an edge: this makes its width one of mm. It is here sharp and there blurred.
    sway = noise((full // 8, full // 8), 11.0 * px / 8.0, rng, octaves=2)
    width = (0.06 * p.edge_mm + 0.05) * np.exp(0.5 * np.clip(sway, -1.5, 2.0))
    edge = np.asarray(cv2.resize(width.astype(np.float32), (full, full), interpolation=cv2.INTER_LINEAR), np.float32)
    cover = np.clip(0.5 + level / (2.0 * edge), 0.0, 1.0).astype(np.float32)
    amount = rise(level / edge, -1.0, 1.3)
    # Darker in the depth of a patch than along its edge.
    hollow = 0.5 * (1.0 - p.evenness) + 0.2
    amount *= 1.0 - hollow + hollow * rise(level, 0.0, 1.4)
    amount *= _mottle(p, (full, full), px, rng)
    if p.depth > 0.0:
        # Light spreads on its way to and from the dermis, and the edge with it.
        blur = max(0.05, 0.9 * p.depth) * px
        amount = np.asarray(cv2.GaussianBlur(amount, (0, 0), blur), np.float32)
        cover = np.asarray(cv2.GaussianBlur(cover, (0, 0), blur), np.float32)
    cover[~fine.open] = 0.0
    amount[~fine.open] = 0.0
    share: float | NDArray[np.float32] = p.depth
    if 0.2 < p.depth < 0.7:
        sway = noise((full // 4, full // 4), 14.0 * px / 4.0, rng, octaves=2)
        big = cv2.resize(np.asarray(p.depth + 0.08 * sway, np.float32), (full, full), interpolation=cv2.INTER_LINEAR)
        share = np.clip(big, 0.0, 1.0).astype(np.float32)
    return Grown(cover, np.asarray(amount, np.float32), share, _patches(cover, px))


def _field(p: LesionParameters, ground: Ground, rng: np.random.Generator) -> NDArray[np.float32]:
    """Where melasma comes first (high) and last (low), irregular at every scale."""
    shape = (ground.side, ground.side)
    px = ground.px_mm
    liked = warped(liking(ground, p.places, tail=True), 22.0 * px, 3.0 * px, rng)
    liked = np.log(liked + 0.05, dtype=np.float32)
    coarse = noise(shape, p.size_mm * px, rng)
    column = (ground.midline_mm + 128.0) * px
    coarse = 0.55 * (coarse + mirrored(coarse, column)) + 0.45 * noise(shape, p.size_mm * px, rng)
    middle = warped(noise(shape, 8.0 * px, rng, octaves=2, gain=0.55), 5.0 * px, 1.3 * px, rng)
    net = warped(ridges(shape, 3.6 * px, rng), 3.0 * px, 0.6 * px, rng)
    grain = noise(shape, 1.7 * px, rng, octaves=2, gain=0.7)
    rough = 0.5 + 0.5 * p.roughness
    field = 1.15 * liked + 0.30 * coarse + rough * (0.26 * middle + 0.17 * net + 0.10 * grain)
    # What melasma spares: a rim around lips and nostrils, the lids within the orbit's rim, a rim along the hair.
    ragged = 1.0 + 0.25 * middle
    rim = ground.clearance_mm / np.maximum(1.2 * _RIM_MM * ragged, 0.8)
    field -= 6.0 * np.square(np.clip(1.0 - rim, 0.0, 1.0))
    orbit = np.isin(ground.codes, (Region.PERIORBITAL, Region.EYE)).astype(np.float32)
    orbit = np.asarray(cv2.GaussianBlur(orbit, (0, 0), 4.0 * px), np.float32) + 0.10 * middle
    # The upper lid stays free; pigment may creep some way onto the lower one.
    eyes = [ground.landmarks[name][1] for name in ("right_eye", "left_eye") if name in ground.landmarks]
    below = rise(ground.axis_mm(), min(eyes, default=0.0) - 2.0, max(eyes, default=0.0) + 8.0)[:, None]
    field -= (3.2 - 1.5 * below) * rise(np.asarray(orbit, np.float32), 0.15, 1.05)
    # Beyond the face proper, towards ears and neck, it peters out.
    beyond = np.isin(ground.codes, (Region.OTHER_SKIN, Region.NECK, Region.BACKGROUND)).astype(np.float32)
    field -= 1.5 * rise(np.asarray(cv2.GaussianBlur(beyond, (0, 0), 4.0 * px), np.float32), 0.2, 1.0)
    return np.asarray(field, np.float32)


def _thresholds(field: NDArray[np.float32], p: LesionParameters, ground: Ground) -> NDArray[np.float32]:
    """A smooth map of levels above which each region's wished share of open skin lies."""
    step = max(1, ground.side // 128)
    small = np.ascontiguousarray(field[step // 2 :: step, step // 2 :: step])
    codes = ground.codes[step // 2 :: step, step // 2 :: step]
    px = ground.px_mm / step
    regions = [(Region[key.upper()], share) for key, share in p.shares]
    # The rims are spared whatever the share: they take no part in reaching it.
    free = ground.clearance_mm[step // 2 :: step, step // 2 :: step] > _RIM_MM
    masks = [((codes == region) & free, share) for region, share in regions]
    masks = [(mask, share) for mask, share in masks if mask.any()]
    if not masks:
        return np.full_like(field, float(field.max()) + 1.0)
    weights = []
    for mask, _ in masks:
        # A region's own level rules it; where no region is near, the far tails take over.
        near = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 8.0 * px)
        far = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 22.0 * px)
        weights.append(np.asarray(near + 0.02 * far, np.float32) + np.float32(1e-9))
    total = np.sum(weights, axis=0)
    levels: NDArray[np.float32] = np.zeros_like(small)
    for _ in range(4):
        offsets = []
        for mask, share in masks:
            rest = small - levels
            offset = threshold(rest, mask, share)
            offsets.append(min(max(offset, -4.0), 4.0))
        levels = levels + np.sum([w * np.float32(o) for w, o in zip(weights, offsets, strict=True)], axis=0) / total
    big = cv2.resize(levels.astype(np.float32), (ground.side, ground.side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(big, np.float32)


def _mottle(p: LesionParameters, shape: tuple[int, int], px: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Uneven colour inside a patch, at three scales, and the lighter mouths of the follicles; at most 1."""
    half = (shape[0] // 2, shape[1] // 2)
    h = px / 2.0
    broad = noise(half, 9.0 * h, rng)
    specks = ridges(half, 2.6 * h, rng)
    fine = noise(half, 1.1 * h, rng)
    pores = rise(noise(half, 0.9 * h, rng), 1.2, 2.2)
    spread = 1.0 - 0.75 * p.evenness
    tone = 0.90 + spread * (0.10 * broad + 0.09 * specks + 0.07 * fine) - (0.10 + 0.1 * spread) * pores
    tone = np.asarray(cv2.resize(tone, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)
    return np.asarray(np.clip(tone, 0.2, 1.12), np.float32)


def _patches(cover: NDArray[np.float32], px: float) -> NDArray[np.uint16]:
    """Patches by connectivity; a gap of up to about 2 mm is a mesh of the same patch."""
    involved = cover >= 0.5
    step = max(1, cover.shape[0] // 256)
    size = cover.shape[0] // step
    near = cv2.resize(involved.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    reach = max(1, round(px / step))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    grown = cv2.dilate((near > 0).astype(np.uint8), kernel)
    _, labels = cv2.connectedComponents(grown, connectivity=8, ltype=cv2.CV_16U)
    big = cv2.resize(labels, (cover.shape[1], cover.shape[0]), interpolation=cv2.INTER_NEAREST)
    return np.asarray(np.where(involved, big, 0), np.uint16)


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))

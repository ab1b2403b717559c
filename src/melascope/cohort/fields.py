"""Naevus of Ota: one mottled dermal field on one side of the face, in the area of the first two trigeminal branches.

Types after Tanino 1939 as retold by Hidano et al. 1967 (Arch. Dermatol. 95): I slight (orbital, zygomatic, forehead or
nose wing), II moderate (lid, zygomatic, nose root), III intensive (all of it). Type IV, on both sides, is not grown.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.ground import FaceChart, ground_of, liking
from melascope.cohort.lesion import Grown, LesionParameters, Place
from melascope.cohort.noise import noise, rise, warped
from melascope.vocabulary import Lesion

__all__ = ["grow_ota", "sample_ota"]


def sample_ota(rng: np.random.Generator, severity: float | None = None) -> LesionParameters:
    """Naevus of Ota of a given or evenly drawn severity, on the right or the left."""
    s = float(rng.uniform(0.02, 1.0)) if severity is None else severity
    side = "right" if rng.random() < 0.5 else "left"
    orbital = Place(f"{side}_eye", 4.0, 9.0, 17.0, 7.0, 6.0, 1.0)
    zygomatic = Place(f"{side}_cheekbone", -4.0, 2.0, 17.0, 11.0, -12.0, 1.0)
    temporal = Place(f"{side}_temple", -6.0, 6.0, 12.0, 18.0, 0.0, 0.8)
    frontal = Place("forehead", (1.0 if side == "left" else -1.0) * 34.0, 4.0, 18.0, 17.0, 0.0, 0.85)
    lid = Place(f"{side}_eye", 4.0, -6.0, 16.0, 6.0, 0.0, 0.8)
    wing = Place(f"{side}_nose_wing", 0.0, -8.0, 6.0, 8.0, 0.0, 0.7)
    cheek = Place(f"{side}_cheekbone", -12.0, 20.0, 18.0, 14.0, 0.0, 0.75)
    if s < 0.33:
        parts = {"orbital": [orbital], "zygomatic": [zygomatic], "frontal": [frontal, lid], "alar": [wing, orbital]}
        name = str(rng.choice(list(parts), p=[0.3, 0.45, 0.15, 0.1]))
        pattern, places = f"I {name}", parts[name]
    elif s < 0.67:
        pattern, places = "II", [orbital, zygomatic, temporal, lid]
        if rng.random() < 0.4:
            places.append(wing)
    else:
        pattern, places = "III", [orbital, zygomatic, temporal, lid, frontal, cheek, wing]
    grown = 0.8 + 0.35 * s
    moved = []
    for place in places:
        dx, dy = rng.normal(0.0, 2.0, 2)
        a, b, w = np.exp(rng.normal(0.0, 0.12, 3))
        moved.append(
            place._replace(
                out_mm=place.out_mm + float(dx),
                down_mm=place.down_mm + float(dy),
                along_mm=place.along_mm * grown * float(a),
                across_mm=place.across_mm * grown * float(b),
                turn_deg=place.turn_deg + float(rng.normal(0.0, 6.0)),
                weight=place.weight * float(w),
            )
        )
    return LesionParameters(
        kind=Lesion.NEVUS_OF_OTA,
        pattern=f"{pattern} {side}",
        severity=s,
        density=float(np.clip((0.09 + 0.15 * s) * math.exp(float(rng.normal(0.0, 0.22))), 0.05, 0.32)),
        depth=float(rng.uniform(0.88, 1.0)),
        size_mm=float(rng.uniform(1.6, 2.6)),
        size_spread=0.3,
        size_range_mm=(15.0, 160.0),
        count=0,
        edge_mm=float(rng.uniform(5.0, 10.0)),
        roughness=float(rng.uniform(0.4, 0.9)),
        evenness=float(np.clip(0.2 + 0.4 * s + rng.normal(0.0, 0.1), 0.0, 0.85)),
        places=tuple(moved),
        shares=(),
        seed=int(rng.integers(2**31)),
    )


def grow_ota(parameters: LesionParameters, chart: FaceChart) -> Grown:
    """The field on the chart: specks that crowd together where it is dense and scatter along its diffuse edge."""
    p = parameters
    full = chart.codes.shape[0]
    ground = ground_of(chart, max(full // 2, 64))
    px = ground.px_mm
    shape = (ground.side, ground.side)
    rng = np.random.default_rng(p.seed)
    liked = warped(liking(ground, p.places), 18.0 * px, 3.0 * px, rng)
    # Ellipses that overlap are no darker than one.
    liked = 1.0 - np.exp(-1.4 * liked)
    outward = 1.0 if p.pattern.endswith("left") else -1.0
    past = outward * (ground.axis_mm() - np.float32(ground.midline_mm))[None, :]
    coarse = noise(shape, 15.0 * px, rng, octaves=2)
    ragged = 2.5 * noise(shape, 12.0 * px, rng)
    wavy = np.float32(0.12 + 0.12 * p.roughness) * np.sqrt(liked)
    inside = liked + wavy * coarse - 0.5 * rise(ragged - past, -3.0, 4.0)
    inside = inside - np.float32(0.5 * p.shrink)
    soft = 0.036 * p.edge_mm
    dense = rise(inside, 0.36 - soft, 0.36 + soft + 0.15)
    specks = warped(noise(shape, p.size_mm * px, rng, octaves=2, gain=0.7), 4.0 * px, 0.7 * px, rng)
    fine = noise(shape, 1.1 * px, rng)
    crowd = 1.9 - (2.3 + 1.2 * p.evenness) * dense
    speck = rise(specks + 0.35 * fine - crowd, -0.45, 0.75) * rise(dense, 0.0, 0.12)
    clouds = np.clip(1.0 + 0.16 * noise(shape, 7.0 * px, rng), 0.5, 1.15)
    haze = 0.26 + 0.24 * p.evenness
    body = (haze * dense + (1.0 - haze) * speck * (0.55 + 0.45 * dense)) * clouds
    body = np.asarray(cv2.GaussianBlur(body.astype(np.float32), (0, 0), 0.55 * px), np.float32)
    # What a reader would outline: the field with the gaps between its specks closed.
    drawn = np.asarray(cv2.GaussianBlur(body, (0, 0), 2.0 * px), np.float32)
    cover = np.clip(0.5 + (drawn - 0.17) / 0.2, 0.0, 1.0).astype(np.float32)
    body = np.asarray(cv2.resize(body, (full, full), interpolation=cv2.INTER_LINEAR), np.float32)
    cover = np.asarray(cv2.resize(cover, (full, full), interpolation=cv2.INTER_LINEAR), np.float32)
    fine_ground = ground_of(chart, full)
    body[~fine_ground.open] = 0.0
    cover[~fine_ground.open] = 0.0
    one: NDArray[np.uint16] = (cover >= 0.5).astype(np.uint16)
    return Grown(cover, body, p.depth, one)

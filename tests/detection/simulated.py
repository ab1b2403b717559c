"""Photos, truths and detectors that do not exist, for tests."""

from __future__ import annotations

import numpy as np

from melascope.detection.predictions import Found, Photo, Predictions, Truth
from melascope.vocabulary import Lesion

CLASSES = tuple(Lesion)


def predictions(
    count: int = 40, *, seed: int = 3, skill: float = 0.8, crowds: bool = False, per_patient: int = 2, size: int = 640
) -> Predictions:
    """Photos with none to six lesions of one or two kinds, found with a skill of 0 to 1; scores with many ties."""
    world, eye = np.random.default_rng(seed), np.random.default_rng(seed + 1000)
    photos = []
    for number in range(count):
        patient = number // per_patient
        part = ("train", "validation", "test", "test")[patient % 4]
        own = world.choice(len(CLASSES), size=world.integers(0, 3), replace=False)
        n = int(world.integers(1, 4)) * len(own)
        kinds = np.repeat(own, n // len(own)) if len(own) else np.zeros(0, dtype=np.intp)
        sides = np.exp(world.uniform(np.log(8), np.log(200), (len(kinds), 2)))
        corners = world.uniform(0, size - sides)
        boxes = np.hstack([corners, corners + sides])
        crowd = world.random(len(kinds)) < (0.15 if crowds else 0.0)
        seen = eye.random(len(kinds)) < skill
        moved = boxes[seen] + eye.normal(0, 0.12 * (1.2 - skill), (int(seen.sum()), 4)) * np.tile(sides[seen], 2)
        named = np.where(eye.random(int(seen.sum())) < skill, kinds[seen], eye.integers(0, 6, int(seen.sum())))
        more = int(eye.poisson(2.5 * (1 - skill) + 0.3))
        stray = eye.uniform(0, size - 60, (more, 2))
        found = np.vstack([moved, np.hstack([stray, stray + eye.uniform(10, 60, (more, 2))]), moved[:1]])
        found = np.hstack([np.minimum(found[:, :2], found[:, 2:]), np.maximum(found[:, :2], found[:, 2:])])
        scores = np.concatenate(
            [
                eye.beta(4, 2, len(moved)),
                eye.beta(2, 4, more),
                eye.beta(2, 4, len(moved[:1])),
            ]
        ).round(2)
        photos.append(
            Photo(
                photo=f"photos/{number:04d}.jpg",
                patient=f"p{patient:03d}",
                part=part,
                width=size,
                height=size,
                device=("dslr", "phone")[number % 2],
                view="frontal",
                tone_band=("light", "tan", "dark")[patient % 3],
                truth=Truth(kinds.astype(np.intp), boxes, crowd),
                found=Found(
                    np.concatenate([named, eye.integers(0, 6, more), named[:1]]).astype(np.intp), found, scores
                ),
            )
        )
    return Predictions(CLASSES, tuple(photos))

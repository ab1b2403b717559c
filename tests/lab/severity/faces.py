"""Drawn faces with ratings, small enough to train on in a test."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from melascope.lab.severity.study import Known, Study
from melascope.severity.ratings import Rating, Ratings

SIDE = 64


def drawn(masi: float, seed: int) -> np.ndarray:
    """(SIDE, SIDE, 3) skin with a brown patch that grows with the MASI."""
    rng = np.random.default_rng(seed)
    picture = np.full((SIDE, SIDE, 3), (214, 172, 148), np.float64) + rng.normal(0, 4, (SIDE, SIDE, 3))
    radius = int(4 + 24 * masi / 48)
    cv2.circle(picture, (32, 34), radius, (128, 84, 60), -1)
    return np.clip(picture, 0, 255).astype(np.uint8)


def ratings(folder: Path, count: int = 24, patient: str = "p") -> Ratings:
    """Ratings of three raters and their photos; every patient has one photo, MASI 2 to 46."""
    rows, files = [], {}
    for i in range(count):
        masi = 2 + 44 * ((7 * i) % count) / count
        path = folder / f"{patient}{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), drawn(masi, i)[..., ::-1])
        files[path.stem] = path
        for k, shift in enumerate((-1.0, 0.0, 1.0)):
            rows.append(Rating(path.stem, f"{patient}{i:02}", f"rater{k + 1}", masi + shift, None, None, 2 + len(rows)))
    return Ratings(tuple(rows), folder / "ratings.csv", folder, files)


def study(folder: Path, count: int = 24, patient: str = "p", identity: str = "") -> Study:
    """The photos in turn: six to training, three to validation, one to test, and so on."""
    found = ratings(folder, count, patient)
    parts = ["train"] * 6 + ["validation"] * 3 + ["test"]
    split = {photo: parts[(i * 3) % 10] for i, photo in enumerate(found.photos)}
    known = {photo: Known(found.mean_masi(photo), "tan", "dslr", "frontal") for photo in found.photos}
    return Study(found, split, known, "drawn faces", True, identity, f"{count} of {count} photos")

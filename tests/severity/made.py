"""Ratings made up for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from melascope.severity.ratings import Rating, Ratings


def made(scores: Sequence[Sequence[float]], patients: Sequence[str] | None = None, **more: str) -> Ratings:
    """Photos p0, p1 ... (rows) scored by raters r0, r1 ... (columns)."""
    rows = [
        Rating(f"p{i}", patients[i] if patients else f"P{i}", f"r{j}", float(score), None, None, 2 + i, **more)
        for i, row in enumerate(scores)
        for j, score in enumerate(row)
    ]
    return Ratings(tuple(rows), Path("ratings.csv"), None)


def noisy(n: int, k: int = 3, seed: int = 0) -> np.ndarray:
    """(n, k) MASI of raters with biases and scatter."""
    rng = np.random.default_rng(seed)
    true = 48 * rng.beta(1.2, 1.8, (n, 1))
    return np.clip(np.round(true + rng.normal(0, 2, k) + rng.normal(0, 3, (n, k)), 1), 0, 48)

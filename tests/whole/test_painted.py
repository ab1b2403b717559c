"""Known melanin painted on faces that the network has never seen: the measured share follows the true one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from melascope.lab.skin.trials import DENSITIES, SHARES, Trial, try_face
from melascope.skin.regions import find_regions
from melascope.skin.tone import measure_tone
from tests.whole.faces import held_out_faces

Record = Callable[[str, object], None]

pytestmark = pytest.mark.skipif(not held_out_faces(), reason="../shared/data/synthetic-faces is absent")


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    found: list[Trial] = []
    for number, path in enumerate(held_out_faces()):
        pixels = np.asarray(Image.open(path).convert("RGB"), np.uint8)
        clean = find_regions(pixels)
        tone = measure_tone(clean.pixels, clean.codes, None)
        rng = np.random.default_rng(number)
        pairs = [(share, float(rng.choice(DENSITIES))) for share in SHARES]
        found += try_face(path.stem, pixels, tone.band if tone else None, number, pairs)
    return found


def test_the_measured_share_follows_the_true_one(trials: list[Trial], record_property: Record) -> None:
    errors = [abs(t.share - t.true_share) for t in trials]
    record_property("mean absolute error", round(float(np.mean(errors)), 4))
    for band in sorted({t.band for t in trials if t.band}):
        of_band = [abs(t.share - t.true_share) for t in trials if t.band == band]
        record_property(f"mean absolute error, {band}", round(float(np.mean(of_band)), 4))
    for density in DENSITIES:
        of_density = [abs(t.share - t.true_share) for t in trials if t.density == density]
        record_property(f"mean absolute error, density {density}", round(float(np.mean(of_density)), 4))
    assert len(trials) > 300
    assert float(np.mean(errors)) <= 0.060
    visible = [abs(t.share - t.true_share) for t in trials if t.true_share == 0 or t.density >= 0.12]
    assert float(np.mean(visible)) <= 0.045


def test_healthy_faces_are_called_healthy(trials: list[Trial]) -> None:
    healthy = [t.share for t in trials if t.true_share == 0]
    assert float(np.mean(healthy)) <= 0.03


def test_intervals_hold_what_they_promise(trials: list[Trial]) -> None:
    inside = [t.low <= t.true_share <= t.high for t in trials]
    assert float(np.mean(inside)) >= 0.85


def test_darkness_follows_the_density(trials: list[Trial]) -> None:
    painted = [t for t in trials if t.true_share > 0.1 and t.share > 0.05]
    means = [np.mean([t.excess for t in painted if t.density == density]) for density in DENSITIES]
    assert all(a < b for a, b in pairwise(means))

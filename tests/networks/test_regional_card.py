"""The regional network: it fits the skin network that ships, and its card says what it is."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np

from melascope.lesions.regional import CELLS, CHANNELS
from melascope.networks import load
from melascope.scoring import MEASURED, NETWORK, UNCALIBRATED, calibration
from melascope.vocabulary import MASI_REGIONS

SHIPPED = Path(str(files("melascope.networks")))
MOST_BYTES = 8_000_000
"""Of the two networks that measure, together."""


def test_it_learnt_from_the_skin_network_that_ships() -> None:
    assert load(NETWORK).card["skin_network"] == load("skin").sha256


def test_both_are_small() -> None:
    assert sum((SHIPPED / f"{name}.onnx").stat().st_size for name in ("skin", NETWORK)) <= MOST_BYTES


def test_its_intervals_are_calibrated_on_people_it_has_not_seen() -> None:
    card = load(NETWORK).card
    assert calibration(NETWORK) != UNCALIBRATED
    assert card["calibration"]["photos"] > 300 and card["figures"]["faces"] > 300
    assert sum(card["data"].values()) > card["mean_of"][0]["faces"] + card["figures"]["faces"]
    assert "No patient with melasma was seen" in card["limits"]


def test_what_it_says_lies_within_its_ranges() -> None:
    rng = np.random.default_rng(3)
    maps = rng.normal(0, 2, (3, CHANNELS, CELLS, CELLS)).astype(np.float32)
    counted = rng.uniform(0, 1, (3, len(MASI_REGIONS), MEASURED)).astype(np.float32)
    said = load(NETWORK).run({"maps": maps, "face": maps[:, 0, 0, :4].copy(), "counted": counted})["measures"]
    assert said.shape == (3, 4, 3, 3)
    share, density, size = (said[:, :, place] for place in range(3))
    assert (said >= 0).all() and (share <= 1).all() and (density <= 0.63).all() and (size <= 6).all()
    for values in (share, density, size):
        assert (np.diff(values, axis=-1) >= 0).all()  # low end, middle, high end

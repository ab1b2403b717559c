"""Simulated raters: persons who look at a face and write MASI steps, each with a bias, a scatter and habits.

Their habits are tuned so that the MASI totals of three of them have an inter-rater ICC(2,1) of about 0.8 over the
patients with melasma of a cohort, as trained dermatologists reach (Majid et al. 2016: 0.816). Over a cohort with its
healthy patients, on whom all agree, it is higher.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from melascope.masi import RegionalScore
from melascope.vocabulary import MASI_REGIONS, Region

__all__ = ["RATERS", "Rater", "rate", "sample_raters"]

RATERS: Final = 3
_LENIENCY: Final = (-1.0, 0.0, 1.0)
"""One rater is lenient, one is strict and one lies between: a panel never has three of one kind."""
_TOPS: Final = (6, 4, 4)
_AREA_BIAS: Final = 0.51
_TONE_BIAS: Final = 0.33
_AREA_NOISE: Final = 0.99
_TONE_NOISE: Final = 0.77
_IMPRESSION_NOISE: Final = 0.49


@dataclass(frozen=True)
class Rater:
    """One simulated rater. Biases and noises are in steps of the scale that they belong to."""

    name: str
    area_bias: float
    """Added to A, more in the middle of the scale than at its ends."""
    darkness_bias: float
    """Added to D."""
    homogeneity_bias: float
    """Added to H."""
    area_noise: float
    """Standard deviation of the error of A, anew in each region."""
    darkness_noise: float
    """Standard deviation of the error of D."""
    homogeneity_noise: float
    """Standard deviation of the error of H."""
    impression_noise: float
    """Standard deviation of an error that all regions of one face share: the impression of the day."""
    anchor: float
    """0 to 1: how far the regions of one face are drawn to the impression that the whole face makes."""
    extremes: float
    """0 to 1: how often the uppermost step is avoided in favour of the one below."""
    half_steps: float
    """Where between two steps this rater begins to write the higher one, 0 to 1; 0.5 rounds as everyone should."""
    seed: int
    """Of this person: two raters with the same habits still err differently."""


def sample_raters(seed: int) -> tuple[Rater, ...]:
    """Three raters: a lenient, a middling and a strict one in some order, each with habits of their own.

    Example:
        >>> [rater.name for rater in sample_raters(7)]
        ['rater1', 'rater2', 'rater3']
    """
    rng = np.random.default_rng([seed, 0x7A7E])
    leniency = rng.permutation(_LENIENCY)
    raters = []
    for number, side in enumerate(leniency, start=1):
        jitter = rng.normal(0, 0.18, 3)
        noise = rng.uniform(0.85, 1.15, 4)
        raters.append(
            Rater(
                name=f"rater{number}",
                area_bias=float(_AREA_BIAS * (side + jitter[0])),
                darkness_bias=float(_TONE_BIAS * (side + jitter[1])),
                homogeneity_bias=float(_TONE_BIAS * (side + jitter[2])),
                area_noise=float(_AREA_NOISE * noise[0]),
                darkness_noise=float(_TONE_NOISE * noise[1]),
                homogeneity_noise=float(1.15 * _TONE_NOISE * noise[2]),
                impression_noise=float(_IMPRESSION_NOISE * noise[3]),
                anchor=float(rng.uniform(0.1, 0.35)),
                extremes=float(rng.uniform(0.2, 0.7)),
                half_steps=float(rng.uniform(0.42, 0.58)),
                seed=int(rng.integers(2**31)),
            )
        )
    return tuple(raters)


def rate(true: Mapping[Region, RegionalScore], rater: Rater, seed: int) -> dict[Region, RegionalScore]:
    """The steps that a rater writes for a face whose true continuous values are known.

    A region without pigment (true A below half a step) is seen as such. Regions that `true` does not hold are not
    rated. The same face, rater and seed give the same steps.

    Args:
        true: Continuous A, D and H of the MASI regions that can be seen.
        rater: From `sample_raters`.
        seed: Of this look at this face: the patient's and the visit's.

    Returns:
        Whole numbers, in the order of `MASI_REGIONS`.
    """
    rng = np.random.default_rng([rater.seed, seed])
    impression = rng.normal(0, rater.impression_noise, 3)
    # Drawn for all regions, so that hiding one leaves the scores of the others as they are.
    errors = rng.normal(0, (rater.area_noise, rater.darkness_noise, rater.homogeneity_noise), (len(MASI_REGIONS), 3))
    shy = rng.random((len(MASI_REGIONS), 3)) < rater.extremes
    seen = {region: true[region] for region in MASI_REGIONS if region in true}
    involved = [(s.area, s.darkness, s.homogeneity) for s in seen.values() if s.area >= 0.5]
    whole = np.mean(involved, axis=0) if involved else np.zeros(3)
    bias = np.array([rater.area_bias, rater.darkness_bias, rater.homogeneity_bias])
    written = {}
    for index, region in enumerate(MASI_REGIONS):
        if region not in seen:
            continue
        score = seen[region]
        if score.area < 0.5:
            written[region] = RegionalScore(0, 0, 0)
            continue
        value = np.array([score.area, score.darkness, score.homogeneity])
        value += rater.anchor * (whole - value) * (1.0, 0.7, 0.7)
        value += bias * (_middle(float(value[0])), 1.0, 1.0) + impression + errors[index]
        steps = [_write(float(v), top, rater, bool(s)) for v, top, s in zip(value, _TOPS, shy[index], strict=True)]
        written[region] = RegionalScore(*steps) if steps[0] else RegionalScore(0, 0, 0)
    return written


def _middle(area: float) -> float:
    """Shares near nothing and near all are easier to see than those between."""
    return 0.5 + math.sin(math.pi * min(1.0, area / 6)) * 0.7


def _write(value: float, top: int, rater: Rater, shy: bool) -> int:
    steps = min(top, max(0, math.floor(value + 1 - rater.half_steps)))
    # A full score is written only where it cannot be missed.
    return top - 1 if steps == top and shy and value < top + 0.25 else steps

"""Intervals by drawing patients anew: the bootstrap of Efron 1979 over persons, percentiles.

Photos of one patient resemble each other, so that patients are drawn, with all their photos; where patients are not
independent (virtual ones that share a head), groups of them stand wherever patients are spoken of here. A draw is a
row of weights: how often each photo counts. The same seed and patients give the same draws, which pairs two networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CONFIDENCE",
    "RESAMPLES",
    "SEED",
    "Draws",
    "Interval",
    "bootstrap",
    "drawn_by",
    "draws",
    "interval",
    "resamples",
]

Floats = NDArray[np.float64]
CONFIDENCE: Final = 0.95
RESAMPLES: Final = 2000
SEED: Final = 7
_CELLS: Final = 1_000_000
"""Weights held at a time."""
_DEFINED: Final = 0.9
"""Least share of the draws in which a figure must exist for an interval to be given."""


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % percentile interval."""

    value: float
    low: float
    high: float
    """nan where too many draws lack the figure: then no interval is given."""
    undefined: float = 0.0
    """Share of the draws in which the figure does not exist, as the recall of a class of which no patient was drawn."""


Draws = Mapping[str, Floats]
"""Figures by name, each over the draws."""
Measure = Callable[[Floats | None], Mapping[str, Floats]]
"""Figures of (..., n) weights; of the photos as they are if None."""


def resamples(patients: NDArray[np.intp], count: int = RESAMPLES, seed: int = SEED) -> Iterator[Floats]:
    """Weights of draws of patients with replacement, in chunks of (some, n); `count` rows in all.

    Args:
        patients: (n,) number of each photo's patient, 0 to people - 1.
        count: How many draws.
        seed: The same seed gives the same draws.
    """
    people = int(patients.max()) + 1
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS // max(len(patients), people))
    for start in range(0, count, step):
        times = rng.multinomial(people, np.full(people, 1 / people), size=min(step, count - start))
        yield times[:, patients].astype(np.float64)


def draws(measure: Measure, patients: NDArray[np.intp], count: int = RESAMPLES, seed: int = SEED) -> Draws:
    """Figures of every draw; NaN of all if there is one patient alone, whom every draw would repeat."""
    if int(patients.max()) == 0:
        return {name: np.full(count, np.nan) for name in measure(None)}
    chunks = [measure(weights) for weights in resamples(patients, count, seed)]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def drawn_by(clusters: int, patients: int) -> str:
    """In words, what intervals are drawn by: patients, or groups of them.

    Example:
        >>> drawn_by(40, 40)
        'patients'
    """
    if clusters == patients:
        return "patients"
    return f"the {clusters} groups of patients who are not independent (in a virtual cohort: who share a head)"


def interval(value: float, drawn: Floats, confidence: float = CONFIDENCE) -> Interval:
    """Percentile interval of a figure from its draws.

    Example:
        >>> interval(0.5, np.linspace(0, 1, 101)).high
        0.975
    """
    known = drawn[~np.isnan(drawn)]
    undefined = 1 - len(known) / len(drawn)
    if len(known) < _DEFINED * len(drawn) or np.isnan(value):
        return Interval(float(value), np.nan, np.nan, undefined)
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(value), float(low), float(high), undefined)


def bootstrap(
    measure: Measure, patients: NDArray[np.intp], count: int = RESAMPLES, seed: int = SEED
) -> dict[str, Interval]:
    """Every figure of a measure with its interval."""
    values, drawn = measure(None), draws(measure, patients, count, seed)
    return {name: interval(float(values[name]), drawn[name]) for name in values}

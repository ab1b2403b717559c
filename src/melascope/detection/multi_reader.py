"""Several readers, several cases: is the difference more than these readers and these patients by chance?

Obuchowski & Rockette 1995 with the degrees of freedom of Hillis 2007. Readers and patients are both taken as drawn from
more of their kind, so that a result holds for others too. The covariances of the readers' figures come from leaving out
one patient at a time (the jackknife), with all their photos, and so serve any figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.masi import f_above, f_quantile
from melascope.severity.intervals import Interval

__all__ = ["Against", "Treatments", "jackknife", "obuchowski_rockette", "readers_against"]

Floats = NDArray[np.float64]
_MOST: Final = 1e5
"""Degrees of freedom beyond which t is normal."""


@dataclass(frozen=True)
class Against:
    """Readers against one fixed opponent on the same cases."""

    readers: float
    """Mean figure of the readers."""
    opponent: float
    difference: Interval
    """Readers' mean minus the opponent's, with its 95 % interval."""
    freedom: float
    p: float
    """Two-sided."""
    reader_square: float
    """Mean square between readers, of their differences."""
    covariance: float
    """Mean covariance of two readers' differences (Cov2)."""


@dataclass(frozen=True)
class Treatments:
    """Several ways to read (modes), the same readers and cases in each."""

    means: tuple[Interval, ...]
    """Of each mode, over the readers."""
    differences: tuple[tuple[int, int, Interval, float], ...]
    """(mode, other mode, first minus second, p)."""
    f: float
    freedom: tuple[float, float]
    p: float
    """That all modes are alike."""
    squares: tuple[float, float]
    """Mean squares of modes, and of modes by readers."""
    covariances: tuple[float, float, float]
    """Cov1 (one reader, two modes), Cov2 (two readers, one mode), Cov3 (two readers, two modes)."""


def jackknife(measure: Callable[[Floats], Floats], patients: NDArray[np.intp]) -> Floats:
    """Covariance of several figures of the same photos, leaving out one patient at a time.

    Args:
        measure: (figures, n) of (n, photos) weights.
        patients: (photos,) number of each photo's patient, 0 to people - 1.

    Returns:
        (figures, figures); nan for a figure that some draw lacks.
    """
    people = int(patients.max()) + 1
    left = measure((patients[None, :] != np.arange(people)[:, None]).astype(np.float64))
    apart = left - left.mean(axis=1, keepdims=True)
    return np.asarray((people - 1) / people * (apart @ apart.T))


def readers_against(readers: Floats, opponent: float, covariance: Floats, confidence: float = 0.95) -> Against:
    """Compare the readers' mean with one opponent who is not drawn from among readers, such as a network.

    Args:
        readers: (r,) figure of each reader, two at least.
        opponent: Its figure.
        covariance: (r + 1, r + 1), the opponent last.
        confidence: Of the interval.

    Raises:
        ValueError: There are fewer than two readers.
    """
    r = len(readers)
    if r < 2:
        raise ValueError(f"{r} reader: a comparison that holds for other readers needs two or more")
    apart = readers - opponent
    # Covariances of the differences: those of the readers, less both with the opponent, and its variance.
    own, cross = covariance[:-1, :-1], covariance[:-1, -1]
    of_apart = own - cross[:, None] - cross[None, :] + covariance[-1, -1]
    square = float(((apart - apart.mean()) ** 2).sum() / (r - 1))
    mean_covariance = float(of_apart[~np.eye(r, dtype=bool)].mean())
    error, freedom = _error(square, mean_covariance, r, r - 1)
    difference = float(apart.mean())
    interval = _interval(difference, error, freedom, confidence)
    return Against(
        float(readers.mean()), opponent, interval, freedom, _p(difference, error, freedom), square, mean_covariance
    )


def obuchowski_rockette(figures: Floats, covariance: Floats, confidence: float = 0.95) -> Treatments:
    """Compare modes of reading, readers and cases drawn at random.

    Args:
        figures: (modes, readers), two of each at least.
        covariance: (modes * readers, modes * readers), readers of the first mode first.
        confidence: Of the intervals.

    Raises:
        ValueError: There are fewer than two modes or readers.
    """
    t, r = figures.shape
    if t < 2 or r < 2:
        raise ValueError(f"{t} modes of {r} readers: need two or more of each")
    by_mode, by_reader, grand = figures.mean(axis=1), figures.mean(axis=0), figures.mean()
    modes = r * float(((by_mode - grand) ** 2).sum()) / (t - 1)
    rest = figures - by_mode[:, None] - by_reader[None, :] + grand
    interaction = float((rest**2).sum()) / ((t - 1) * (r - 1))
    mode, reader = np.repeat(np.arange(t), r), np.tile(np.arange(r), t)
    same_mode, same_reader = mode[:, None] == mode[None, :], reader[:, None] == reader[None, :]
    cov1, cov2, cov3 = (
        float(covariance[which].mean())
        for which in (~same_mode & same_reader, same_mode & ~same_reader, ~same_mode & ~same_reader)
    )
    more = max(r * (cov2 - cov3), 0.0)
    below = interaction + more
    freedom = _freedom(interaction, more, (t - 1) * (r - 1))
    f = modes / below if below > 0 else math.nan
    error = math.sqrt(2 / r * below)
    differences = []
    for i in range(t):
        for j in range(i + 1, t):
            apart = float(by_mode[i] - by_mode[j])
            differences.append((i, j, _interval(apart, error, freedom, confidence), _p(apart, error, freedom)))
    means = []
    for i in range(t):
        own = covariance[i * r : (i + 1) * r, i * r : (i + 1) * r]
        square = float(((figures[i] - by_mode[i]) ** 2).sum()) / (r - 1)
        alone, free = _error(square, float(own[~np.eye(r, dtype=bool)].mean()), r, r - 1)
        means.append(_interval(float(by_mode[i]), alone, free, confidence))
    p = math.nan if math.isnan(f) else f_above(f, t - 1, min(freedom, _MOST))
    return Treatments(
        tuple(means), tuple(differences), f, (t - 1, freedom), p, (modes, interaction), (cov1, cov2, cov3)
    )


def _error(square: float, covariance: float, r: int, freedom: int) -> tuple[float, float]:
    """Standard error of a mean of r readers, and Hillis' degrees of freedom."""
    more = max(r * covariance, 0.0)
    return math.sqrt((square + more) / r), _freedom(square, more, freedom)


def _freedom(square: float, more: float, freedom: int) -> float:
    """Hillis 2007: (MS + c)^2 / (MS^2 / df)."""
    if math.isnan(square + more):
        return math.nan
    # Readers who are all alike say nothing of how readers differ: then patients alone vary.
    return (square + more) ** 2 / (square**2 / freedom) if square > 0 else math.inf


def _interval(value: float, error: float, freedom: float, confidence: float) -> Interval:
    if math.isnan(value + error + freedom):
        return Interval(value, math.nan, math.nan)
    half = math.sqrt(f_quantile(confidence, 1, min(freedom, _MOST))) * error
    return Interval(value, value - half, value + half)


def _p(value: float, error: float, freedom: float) -> float:
    if math.isnan(value + error + freedom):
        return math.nan
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return f_above((value / error) ** 2, 1, min(freedom, _MOST))

"""How far raters agree on the MASI: correlation, differences, bands, drift, and what should be read again.

Intraclass correlation: Shrout & Fleiss 1979. Limits of agreement: Bland & Altman 1986, their intervals 1999. Weighted
kappa: Cohen 1968. Figures without a formula of their own, and all of them where patients have several readings, have
95 % intervals by drawing patients anew (`melascope.severity.intervals`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.masi import Agreement, f_quantile, icc
from melascope.severity.intervals import RESAMPLES, SEED, Interval, bootstrap, drawn_by
from melascope.severity.ratings import Ratings
from melascope.severity.readings import Readings, readings
from melascope.vocabulary import MASI_REGIONS, Region, Severity

__all__ = [
    "REREAD_RANGE",
    "Drift",
    "Pair",
    "Part",
    "Rater",
    "Report",
    "Reread",
    "agreement",
    "drawn_figures",
    "drawn_icc",
    "drift",
    "kappa",
    "limits",
]

Floats = NDArray[np.float64]
REREAD_RANGE: Final = 8.0
"""MASI points between the highest and the lowest rater from which a photo should be read again: half a severity band.
The paper speaks of "cross-verification among raters" and gives no rule; this one is ours."""
COMPONENTS: Final = ("area", "darkness", "homogeneity", "points")
_CLASSES: Final = len(Severity)
_Z: Final = 1.959963984540054


@dataclass(frozen=True)
class Pair:
    """Two raters. Differences are first minus second, in MASI points."""

    first: str
    second: str
    bias: Interval
    deviation: float
    """Standard deviation of the differences."""
    lower: Interval
    """Lower limit of agreement: bias - 1.96 deviations."""
    upper: Interval
    kappa_linear: Interval
    kappa_quadratic: Interval
    same_band: Interval
    """Share of readings that both put in the same band."""
    table: tuple[tuple[int, ...], ...]
    """Readings by the first rater's band (row) and the second's (column)."""


@dataclass(frozen=True)
class Rater:
    """One rater beside the others."""

    name: str
    mean: float
    deviation: float
    bands: tuple[int, ...]
    """Readings by band."""
    bias: Interval
    """Mean difference from the mean of the others."""


@dataclass(frozen=True)
class Drift:
    """Whether a rater's difference from the mean of the others changes from the first reading to the last."""

    rater: str
    slope: Interval
    """MASI points per 100 readings."""
    intercept: float
    """Of the line, at place 0."""
    places: Floats
    """(n,) place of each reading, from 1."""
    differences: Floats
    """(n,) MASI points."""


@dataclass(frozen=True)
class Part:
    """Agreement on one component of one region; None where the raters' means do not vary."""

    region: Region
    component: str
    """area, darkness, homogeneity, or points: what the region adds to the MASI."""
    icc: Agreement | None
    icc_single: Interval | None = None
    """ICC(2,1) with the interval of drawn patients; None unless patients have several readings."""
    icc_mean: Interval | None = None

    @property
    def single(self) -> Interval | None:
        """ICC(2,1) with the interval that fits the readings."""
        return _fitting(self.icc_single, self.icc, "single")


@dataclass(frozen=True)
class Reread:
    """A reading on which raters are too far apart."""

    subject: str
    photos: tuple[str, ...]
    patient: str
    scores: tuple[float, ...]
    """MASI by rater."""
    apart: float
    """Highest less lowest."""
    bands: tuple[Severity, ...]
    """By rater."""
    reasons: tuple[str, ...]

    @property
    def mean(self) -> float:
        """Mean MASI."""
        return math.fsum(self.scores) / len(self.scores)


@dataclass(frozen=True)
class Report:
    """Everything that is said of the raters' agreement."""

    readings: Readings
    icc: Agreement | None
    """With the F intervals, which hold readings for independent; None if no reading differs from another."""
    icc_single: Interval | None
    """ICC(2,1) with the interval of drawn patients; None unless patients have several readings."""
    icc_mean: Interval | None
    icc_affected: Agreement | None
    """Of the readings in which a rater saw melasma; None where that is all of them. Healthy faces, on which all agree,
    raise the correlation."""
    affected_single: Interval | None
    """Its ICC(2,1) with the interval of drawn patients; None unless patients have several readings."""
    affected_mean: Interval | None
    raters: tuple[Rater, ...]
    pairs: tuple[Pair, ...]
    drifts: tuple[Drift, ...]
    """Empty for fewer than three readings."""
    parts: tuple[Part, ...]
    """Empty unless all components are given."""
    reread: tuple[Reread, ...]
    """Farthest apart first."""
    reread_range: float
    notes: tuple[str, ...]

    @property
    def single(self) -> Interval | None:
        """ICC(2,1) with the interval that fits the readings."""
        return _fitting(self.icc_single, self.icc, "single")

    @property
    def mean(self) -> Interval | None:
        """ICC(2,k), likewise."""
        return _fitting(self.icc_mean, self.icc, "mean")

    @property
    def affected(self) -> Interval | None:
        """ICC(2,1) of the readings in which a rater saw melasma, likewise."""
        return _fitting(self.affected_single, self.icc_affected, "single")


def drawn_figures(table: Readings, resamples: int = RESAMPLES, seed: int = SEED) -> dict[str, Interval]:
    """The figures of a report that come from drawing patients and follow from the MASI alone: what takes longest.

    Whoever keeps them gives them to `agreement` again.
    """
    return bootstrap(lambda weights: _figures(table, weights), table.clusters, resamples, seed)


def drawn_icc(
    tables: Mapping[str, Floats], clusters: NDArray[np.intp], resamples: int = RESAMPLES, seed: int = SEED
) -> dict[str, tuple[Interval, Interval]]:
    """ICC(2,1) and ICC(2,k) with intervals by drawing patients, of several tables of the same readings.

    Args:
        tables: (n, k) scores by name.
        clusters: (n,) number of each reading's patient, or group of patients; numbers may be left out.
        resamples: Draws.
        seed: Of the draws.
    """
    numbers = np.unique(clusters, return_inverse=True)[1]

    def measure(weights: Floats | None) -> dict[str, Floats]:
        w = np.ones(len(numbers)) if weights is None else weights
        pairs = {name: _weighted_icc(scores, w) for name, scores in tables.items()}
        return {f"{k} {name}": value for name, pair in pairs.items() for k, value in enumerate(pair)}

    found = bootstrap(measure, numbers, resamples, seed)
    return {name: (found[f"0 {name}"], found[f"1 {name}"]) for name in tables}


def agreement(
    ratings: Ratings,
    reread_range: float = REREAD_RANGE,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    draw: Callable[[Readings, int, int], Mapping[str, Interval]] = drawn_figures,
) -> Report:
    """How far the raters of a table agree.

    Args:
        ratings: Of two raters or more, complete.
        reread_range: MASI points between the highest and the lowest rater from which a photo is listed. A photo on
            whose band raters differ is always listed.
        resamples: Draws of patients.
        seed: Of the draws.
        draw: `drawn_figures`, or what has kept them.

    Raises:
        ValueError: There are fewer than two raters or readings, or the range is not positive.
    """
    if not reread_range > 0:
        raise ValueError(f"range = {reread_range:g}: must be above 0 MASI points, such as {REREAD_RANGE:g}")
    table = readings(ratings)
    several = table.several
    drawn = draw(table, resamples, seed)
    whole = _icc(table.masi)
    seen = table.masi.max(1) > 0
    affected = None if seen.all() else _icc(table.masi[seen])
    single = mean = None
    if several and affected is not None:
        single, mean = drawn_icc({"": table.masi[seen]}, table.clusters[seen], resamples, seed)[""]
    notes = list(ratings.notes)
    if several:
        words = drawn_by(int(table.clusters.max()) + 1, table.people)
        notes.append(f"{table.people} patients have {len(table.subjects)} readings: intervals draw {words}")
    return Report(
        readings=table,
        icc=whole,
        icc_single=drawn["icc_single"] if several and whole else None,
        icc_mean=drawn["icc_mean"] if several and whole else None,
        icc_affected=affected,
        affected_single=single,
        affected_mean=mean,
        raters=tuple(_rater(table, column, several, drawn) for column in range(len(table.raters))),
        pairs=tuple(_pair(table, i, j, several, drawn) for i, j in combinations(range(len(table.raters)), 2)),
        drifts=tuple(_drifts(table)) if len(table.subjects) > 2 else (),
        parts=_parts(table, resamples, seed) if table.has_parts else (),
        reread=_reread(table, reread_range),
        reread_range=reread_range,
        notes=tuple(notes),
    )


def kappa(table: Floats, quadratic: bool = False) -> Floats:
    """Cohen's weighted kappa of (..., c, c) counts; nan where both raters put all in one same class.

    Args:
        table: Counts, or weights, by the first rater's class and the second's.
        quadratic: Weigh a disagreement by the square of its classes, not by their number.

    Example:
        >>> round(float(kappa(np.array([[20.0, 5], [10, 15]]))), 3)
        0.4
    """
    classes = np.arange(table.shape[-1])
    apart = np.abs(classes[:, None] - classes[None, :]).astype(np.float64) ** (2 if quadratic else 1)
    total = table.sum((-2, -1))
    expected = table.sum(-1)[..., :, None] * table.sum(-2)[..., None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = (apart * expected).sum((-2, -1)) / total
        return np.asarray(np.where(chance > 0, 1 - (apart * table).sum((-2, -1)) / chance, np.nan))


def limits(differences: Floats, confidence: float = 0.95) -> tuple[Interval, Interval, Interval, float]:
    """Bias, lower and upper limit of agreement with their intervals, and the standard deviation.

    Bias: t interval. Limits: t times s sqrt(1/n + 1.96^2 / (2 (n - 1))) (Bland & Altman 1999). They hold the
    differences for independent and normal.

    Example:
        >>> bias, lower, upper, s = limits(np.array([1.0, 3.0, 2.0, 2.0]))
        >>> bias.value, round(lower.value, 2), round(upper.value, 2)
        (2.0, 0.4, 3.6)
    """
    n = len(differences)
    mean, s = float(differences.mean()), float(differences.std(ddof=1))
    t = _t(n - 1, confidence)
    off, wide = t * s / math.sqrt(n), t * s * math.sqrt(1 / n + _Z**2 / (2 * (n - 1)))
    ends = [mean - _Z * s, mean + _Z * s]
    return Interval(mean, mean - off, mean + off), *(Interval(end, end - wide, end + wide) for end in ends), s  # type: ignore[return-value]


def drift(places: Floats, differences: Floats, confidence: float = 0.95) -> tuple[Interval, float]:
    """Slope of a straight line by least squares with its t interval, per place, and its height at place 0.

    Args:
        places: (n,) at least three, not all equal.
        differences: (n,) MASI points.
        confidence: Of the interval.
    """
    x, y = places - places.mean(), differences - differences.mean()
    spread = float((x**2).sum())
    if len(places) < 3 or spread == 0:
        raise ValueError(f"{len(places)} readings at equal places: a drift needs three at different ones")
    slope = float((x * y).sum()) / spread
    rest = float(((y - slope * x) ** 2).sum()) / (len(places) - 2)
    half = _t(len(places) - 2, confidence) * math.sqrt(rest / spread)
    return Interval(slope, slope - half, slope + half), float(differences.mean() - slope * places.mean())


def _fitting(drawn: Interval | None, found: Agreement | None, which: str) -> Interval | None:
    if drawn is not None:
        return drawn
    if found is None:
        return None
    return Interval(*(getattr(found, which + end) for end in ("", "_low", "_high")))


def _t(freedom: float, confidence: float) -> float:
    """Quantile of |t|: the root of that of F with one degree of freedom."""
    return math.sqrt(f_quantile(confidence, 1, freedom))


def _icc(scores: Floats) -> Agreement | None:
    try:
        return icc(scores.tolist())
    except ValueError:
        return None


def _figures(table: Readings, weights: Floats | None) -> Mapping[str, Floats]:
    """Every figure of (..., n) weights, from sums over the readings: one matrix product a figure."""
    scores, bands = table.masi, table.bands
    n, k = scores.shape
    w = np.ones(n) if weights is None else weights
    figures = dict(zip(("icc_single", "icc_mean"), _weighted_icc(scores, w), strict=True))
    others = (scores.sum(1, keepdims=True) - scores) / (k - 1)
    for column in range(k):
        figures[f"bias {column}"] = w @ (scores - others)[:, column] / w.sum(-1)
    for i, j in combinations(range(k), 2):
        difference = scores[:, i] - scores[:, j]
        count = w.sum(-1)
        bias = w @ difference / count
        with np.errstate(invalid="ignore", divide="ignore"):
            s = np.sqrt(np.maximum(0, w @ difference**2 - count * bias**2) / (count - 1))
        cells = np.zeros((n, _CLASSES * _CLASSES))
        cells[np.arange(n), bands[:, i] * _CLASSES + bands[:, j]] = 1
        counts = (w @ cells).reshape(*count.shape, _CLASSES, _CLASSES)
        figures |= {
            f"bias {i} {j}": bias,
            f"lower {i} {j}": bias - _Z * s,
            f"upper {i} {j}": bias + _Z * s,
            f"linear {i} {j}": kappa(counts),
            f"quadratic {i} {j}": kappa(counts, quadratic=True),
            f"same {i} {j}": np.trace(counts, axis1=-2, axis2=-1) / count,
        }
    return figures


def _weighted_icc(scores: Floats, w: Floats) -> tuple[Floats, Floats]:
    """ICC(2,1) and ICC(2,k) of readings that count `w` times, (..., n)."""
    k = scores.shape[1]
    n = w.sum(-1)
    means = scores.mean(1)
    grand = w @ means / n
    rows = k * np.maximum(0, w @ means**2 - n * grand**2)
    columns = n * (((w @ scores) / n[..., None] - grand[..., None]) ** 2).sum(-1)
    total = w @ (scores**2).sum(1) - n * k * grand**2
    with np.errstate(invalid="ignore", divide="ignore"):
        msr, msc = rows / (n - 1), columns / (k - 1)
        mse = np.maximum(0, total - rows - columns) / ((n - 1) * (k - 1))
        single = (msr - mse) / (msr + (k - 1) * mse + k * (msc - mse) / n)
        mean = (msr - mse) / (msr + (msc - mse) / n)
    varies = rows > 1e-12 * np.maximum(1, total)
    return np.where(varies, single, np.nan), np.where(varies, mean, np.nan)


def _rater(table: Readings, column: int, several: bool, drawn: Mapping[str, Interval]) -> Rater:
    scores = table.masi
    others = (scores.sum(1) - scores[:, column]) / (scores.shape[1] - 1)
    bias = drawn[f"bias {column}"] if several else limits(scores[:, column] - others)[0]
    counts = np.bincount(table.bands[:, column], minlength=_CLASSES)
    own = scores[:, column]
    return Rater(table.raters[column], float(own.mean()), float(own.std(ddof=1)), tuple(map(int, counts)), bias)


def _pair(table: Readings, i: int, j: int, several: bool, drawn: Mapping[str, Interval]) -> Pair:
    bias, lower, upper, s = limits(table.masi[:, i] - table.masi[:, j])
    if several:
        bias, lower, upper = (drawn[f"{name} {i} {j}"] for name in ("bias", "lower", "upper"))
    counts = np.zeros((_CLASSES, _CLASSES), dtype=int)
    np.add.at(counts, (table.bands[:, i], table.bands[:, j]), 1)
    return Pair(
        table.raters[i],
        table.raters[j],
        bias,
        s,
        lower,
        upper,
        drawn[f"linear {i} {j}"],
        drawn[f"quadratic {i} {j}"],
        drawn[f"same {i} {j}"],
        tuple(tuple(int(value) for value in row) for row in counts),
    )


def _parts(table: Readings, resamples: int, seed: int) -> tuple[Part, ...]:
    """Agreement on each component of each region."""
    scores = {f"{region.key} {name}": table.part(region, name) for region in MASI_REGIONS for name in COMPONENTS}
    drawn = drawn_icc(scores, table.clusters, resamples, seed) if table.several else {}
    found = []
    for region in MASI_REGIONS:
        for name in COMPONENTS:
            key = f"{region.key} {name}"
            whole = _icc(scores[key])
            pair = (None, None) if whole is None else drawn.get(key, (None, None))
            found.append(Part(region, name, whole, *pair))
    return tuple(found)


def _drifts(table: Readings) -> list[Drift]:
    scores, order = table.masi, table.order()
    found = []
    for column, name in enumerate(table.raters):
        difference = scores[:, column] - (scores.sum(1) - scores[:, column]) / (scores.shape[1] - 1)
        if np.ptp(order[:, column]) == 0:
            continue
        slope, height = drift(order[:, column], difference)
        per_100 = Interval(100 * slope.value, 100 * slope.low, 100 * slope.high)
        found.append(Drift(name, per_100, height, order[:, column], difference))
    return found


def _reread(table: Readings, apart_limit: float) -> tuple[Reread, ...]:
    classes = tuple(Severity)
    found = []
    for index, subject in enumerate(table.subjects):
        scores = table.masi[index]
        apart = float(np.ptp(scores))
        bands = tuple(classes[band] for band in table.bands[index])
        reasons = []
        if len(set(bands)) > 1:
            reasons.append(f"bands differ ({' / '.join(band.value for band in classes if band in bands)})")
        if apart >= apart_limit - 1e-9:
            reasons.append(f"{apart:.1f} points apart")
        if reasons:
            scores_ = tuple(float(score) for score in scores)
            found.append(
                Reread(subject, table.photos[index], table.patient_names[index], scores_, apart, bands, tuple(reasons))
            )
    return tuple(sorted(found, key=lambda one: (-one.apart, one.subject)))

"""Readers and a network on the same photos: their tables, tests, and how far the readers agree."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.detection.evaluation import RESAMPLES, levels_of
from melascope.detection.multi_reader import Against, Treatments, jackknife, obuchowski_rockette, readers_against
from melascope.detection.photo_level import measure, measure_calls
from melascope.detection.predictions import Predictions
from melascope.detection.reads import Reads
from melascope.detection.results import RunResult
from melascope.severity.agreement import kappa
from melascope.severity.comparison import McNemar, holm, mcnemar
from melascope.severity.intervals import SEED, Interval, bootstrap
from melascope.severity.ranking import Roc, roc
from melascope.vocabulary import Lesion

__all__ = ["CochranQ", "Pair", "Reader", "Study", "cochran_q", "fleiss_kappa", "study"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_MEANS: Final = ("exact", "precision_mean", "sensitivity_mean", "specificity_mean")


@dataclass(frozen=True)
class CochranQ:
    """Whether several readers are right equally often on the same photos (Cochran 1950)."""

    q: float
    freedom: int
    p: float


@dataclass(frozen=True)
class Reader:
    """One reader, the readers' majority, or the network."""

    name: str
    figures: Mapping[str, Interval]
    right: Flags
    """(photos,) whether all kinds are right."""
    called: Flags
    """(photos, kinds)"""
    against: McNemar | None
    """Photos that only this reader, then only the network, has wholly right; None for the network."""
    p_adjusted: float
    """By Holm, for the number of readers; nan for the majority and the network."""


@dataclass(frozen=True)
class Pair:
    """Two readers."""

    first: str
    second: str
    same: Interval
    """Share of photos of which both name exactly the same kinds."""
    kappa: Interval
    """Cohen's, mean of the kinds on which it is defined."""


@dataclass(frozen=True)
class Study:
    """Everything that the page says."""

    run: RunResult
    classes: tuple[Lesion, ...]
    shown: Flags
    patients: int
    clusters: int
    """Groups of patients, or patients: what is drawn for intervals."""
    readers: tuple[Reader, ...]
    majority: Reader | None
    """What more than half of three readers or more call."""
    network: Reader
    together: Mapping[str, Interval]
    """Means of the readers' figures, these readers given."""
    cochran: CochranQ | None
    """Readers and network."""
    against: Mapping[str, Against]
    """By figure: readers' mean against the network, readers and patients drawn."""
    modes: Mapping[str, Treatments]
    """By figure; empty for a single mode."""
    mode_names: tuple[str, ...]
    fleiss: Mapping[str, Interval]
    """Agreement of all readers by kind, and ``mean``."""
    pairs: tuple[Pair, ...]
    curves: Mapping[Lesion, Roc]
    """Of the network."""
    levels: str
    graded: bool
    simulated: Mapping[str, str]
    resamples: int
    seed: int


def study(
    reads: Reads,
    run: RunResult,
    threshold: float | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    mode: str | None = None,
) -> Study:
    """Compare readers with a network on the photos that they read.

    Args:
        reads: What they read.
        run: With predictions of these photos, and of validation photos for its thresholds.
        threshold: One for all kinds of the network.
        resamples: Draws of patients.
        seed: Of the draws.
        mode: The mode that is set against the network; the first if not given.

    Raises:
        ValueError: A photo was not predicted, or the network learned from it.
    """
    chosen = _chosen(reads, run, threshold)
    names = [kind.value for kind in chosen.classes]
    shown, surest, drawn = chosen.shown(), chosen.surest(), chosen.clusters()
    levels = levels_of(run.predictions, threshold)
    place = 0 if mode is None else _place(reads, mode)
    calls, ratings = reads.called[place], reads.ratings[place]
    network_calls = surest >= levels.photos[None, :]
    network_right = (network_calls == shown).all(axis=1)
    readers = []
    for k, name in enumerate(reads.readers):
        readers.append(_reader(name, shown, calls[k], ratings[k], names, network_right, (drawn, resamples, seed)))
    adjusted = holm([one.against.p for one in readers if one.against is not None])
    readers = [
        Reader(one.name, one.figures, one.right, one.called, one.against, p)
        for one, p in zip(readers, adjusted, strict=True)
    ]
    votes = calls.sum(axis=0) * 2 > len(calls)
    majority = None
    if len(readers) > 2:
        share = 100.0 * calls.mean(axis=0)
        majority = _reader("majority", shown, votes, share, names, network_right, (drawn, resamples, seed))

    def of_network(weights: Floats | None) -> dict[str, Floats]:
        return measure(shown, surest, levels.photos, names, weights)

    def of_readers(weights: Floats | None) -> dict[str, Floats]:
        tables = [_figures(shown, own, rating, names, weights) for own, rating in zip(calls, ratings, strict=True)]
        return {key: np.mean([table[key] for table in tables], axis=0) for key in tables[0]}

    found = bootstrap(of_network, drawn, resamples, seed)
    network = Reader(run.name, found, network_right, network_calls, None, math.nan)
    rights = np.array([*(one.right for one in readers), network_right])
    return Study(
        run,
        chosen.classes,
        shown,
        int(chosen.patients().max()) + 1,
        int(drawn.max()) + 1,
        tuple(readers),
        majority,
        network,
        bootstrap(of_readers, drawn, resamples, seed),
        cochran_q(rights) if len(readers) > 1 else None,
        _against(shown, calls, ratings, network_calls, surest, names, drawn, reads.graded),
        _modes(shown, reads, names, drawn) if len(reads.modes) > 1 and len(readers) > 1 else {},
        reads.modes,
        bootstrap(lambda weights: _fleiss(calls, names, weights), drawn, resamples, seed) if len(calls) > 1 else {},
        tuple(_pair(readers[i], readers[j], (drawn, resamples, seed)) for i, j in combinations(range(len(calls)), 2)),
        {
            kind: roc(shown[:, k], surest[:, k])
            for k, kind in enumerate(chosen.classes)
            if 0 < shown[:, k].sum() < len(shown)
        },
        levels.where,
        reads.graded,
        reads.simulated,
        resamples,
        seed,
    )


def cochran_q(right: Flags) -> CochranQ:
    """Cochran's Q of (readers, photos); 0 where all are right on the same photos.

    Example:
        >>> round(cochran_q(np.array([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0]], dtype=bool)).q, 3)
        3.0
    """
    k = len(right)
    by_reader, by_photo = right.sum(axis=1).astype(float), right.sum(axis=0).astype(float)
    below = float((k * by_photo - by_photo**2).sum())
    if below == 0:
        return CochranQ(0.0, k - 1, 1.0)
    q = float(k * (k - 1) * ((by_reader - by_reader.mean()) ** 2).sum() / below)
    return CochranQ(q, k - 1, _chi_square_above(q, k - 1))


def fleiss_kappa(called: Flags, weights: Floats | None = None) -> Floats:
    """Fleiss' kappa of (readers, photos) yes or no; nan where all say the same of every photo."""
    r, n = called.shape
    counts = np.ones(n) if weights is None else weights
    yes = called.sum(axis=0).astype(np.float64)
    agree = (yes * (yes - 1) + (r - yes) * (r - yes - 1)) / (r * (r - 1))
    total = counts.sum(axis=-1)
    observed, share = counts @ agree / total, counts @ yes / (total * r)
    chance = share**2 + (1 - share) ** 2
    below = 1 - chance
    return np.asarray(np.divide(observed - chance, below, out=np.full_like(below, np.nan), where=below > 1e-12))


def _chosen(reads: Reads, run: RunResult, threshold: float | None) -> Predictions:
    """The predictions of the photos that were read, in the order of the reads."""
    known = {photo.photo: photo for photo in run.predictions.photos}
    lacking = [photo for photo in reads.photos if photo not in known]
    if lacking:
        raise ValueError(
            f"{len(lacking)} of {len(reads.photos)} photos that were read are not among the predictions of {run.name}, "
            f"such as {lacking[0]!r}: name photos as there (such as {next(iter(known))!r}), or predict them"
        )
    barred = {"train"} if threshold is not None else {"train", "validation"}
    seen = [photo for photo in reads.photos if known[photo].part in barred]
    if seen:
        raise ValueError(
            f"{len(seen)} of the photos that were read are of the {known[seen[0]].part} part of {run.name}, such as "
            f"{seen[0]!r}: the network, or its thresholds, come from them; read photos of the test part"
        )
    return Predictions(run.predictions.classes, tuple(known[photo] for photo in reads.photos))


def _place(reads: Reads, mode: str) -> int:
    if mode not in reads.modes:
        raise ValueError(f"mode {mode!r} is not in the table: it has {', '.join(map(repr, reads.modes))}")
    return reads.modes.index(mode)


Drawing = tuple[NDArray[np.intp], int, int]


def _reader(
    name: str, shown: Flags, called: Flags, ratings: Floats, names: Sequence[str], network: Flags, drawing: Drawing
) -> Reader:
    found = bootstrap(lambda weights: _figures(shown, called, ratings, names, weights), *drawing)
    right = (called == shown).all(axis=1)
    return Reader(name, found, right, called, mcnemar(right, network), math.nan)


def _figures(
    shown: Flags, called: Flags, ratings: Floats, names: Sequence[str], weights: Floats | None = None
) -> dict[str, Floats]:
    """Figures of calls; areas by the ratings."""
    areas = measure(shown, ratings, np.full(len(names), 50.0), names, weights)
    return measure_calls(shown, called, names, weights) | {k: v for k, v in areas.items() if k.startswith("auc")}


def _against(
    shown: Flags,
    calls: Flags,
    ratings: Floats,
    network_calls: Flags,
    surest: Floats,
    names: Sequence[str],
    drawn: NDArray[np.intp],
    graded: bool,
) -> dict[str, Against]:
    if len(calls) < 2 or int(drawn.max()) < 2:
        return {}
    keys = [*_MEANS, *(["auc_mean", *(f"auc_{name}" for name in names)] if graded else [])]
    found = {}
    for key in keys:

        def values(weights: Floats | None, key: str = key) -> Floats:
            tables = [
                _figures(shown, own, rating, names, weights)
                for own, rating in zip((*calls, network_calls), (*ratings, surest), strict=True)
            ]
            return np.stack([table[key] for table in tables])

        whole = values(None)
        if not np.isnan(whole).any():
            found[key] = readers_against(whole[:-1], float(whole[-1]), jackknife(values, drawn))
    return found


def _modes(shown: Flags, reads: Reads, names: Sequence[str], drawn: NDArray[np.intp]) -> dict[str, Treatments]:
    shape = reads.called.shape[:2]
    pairs = [(reads.called[t, r], reads.ratings[t, r]) for t in range(shape[0]) for r in range(shape[1])]
    found = {}
    for key in (*_MEANS, *(["auc_mean"] if reads.graded else [])):

        def values(weights: Floats | None, key: str = key) -> Floats:
            return np.stack([_figures(shown, own, rating, names, weights)[key] for own, rating in pairs])

        whole = values(None)
        if not np.isnan(whole).any():
            found[key] = obuchowski_rockette(whole.reshape(shape), jackknife(values, drawn))
    return found


def _fleiss(calls: Flags, names: Sequence[str], weights: Floats | None) -> dict[str, Floats]:
    by_kind = {name: fleiss_kappa(calls[:, :, k], weights) for k, name in enumerate(names)}
    return by_kind | {"mean": _known_mean(list(by_kind.values()))}


def _pair(first: Reader, second: Reader, drawing: Drawing) -> Pair:
    same = (first.called == second.called).all(axis=1).astype(np.float64)
    cells = [
        (2 * first.called[:, k].astype(int) + second.called[:, k])[:, None] == np.arange(4)
        for k in range(first.called.shape[1])
    ]

    def figures(weights: Floats | None) -> dict[str, Floats]:
        counts = np.ones(len(same)) if weights is None else weights
        kappas = []
        for table in cells:
            flat = counts @ table.astype(np.float64)
            kappas.append(kappa(flat.reshape(*flat.shape[:-1], 2, 2)))
        return {"same": np.asarray(counts @ same / counts.sum(axis=-1)), "kappa": _known_mean(kappas)}

    found = bootstrap(figures, *drawing)
    return Pair(first.name, second.name, found["same"], found["kappa"])


def _known_mean(values: Sequence[Floats]) -> Floats:
    table = np.stack(values)
    known = ~np.isnan(table)
    below = known.sum(axis=0).astype(np.float64)
    total = np.where(known, table, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, below, out=np.full(below.shape, np.nan), where=below > 0))


def _chi_square_above(value: float, freedom: int) -> float:
    """Upper tail of chi-square with whole degrees of freedom: a finite sum (Abramowitz & Stegun 26.4.4 and 26.4.5)."""
    half = value / 2
    start = 0.0 if freedom % 2 == 0 else 0.5
    tail = 0.0 if freedom % 2 == 0 else math.erfc(math.sqrt(half))
    for step in range(freedom // 2):
        power = start + step
        tail += math.exp(power * math.log(half) - half - math.lgamma(power + 1)) if half > 0 else float(power == 0)
    return min(1.0, tail)

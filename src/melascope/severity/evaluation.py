"""All figures of a benchmark, computed once from runs' predictions; page, tables and Markdown only lay them out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.severity.ceiling import Ceiling, ceiling
from melascope.severity.comparison import DeLong, McNemar, delong, holm, mcnemar
from melascope.severity.intervals import RESAMPLES, SEED, Draws, Interval, bootstrap, draws, interval
from melascope.severity.metrics import Bin, Roc, bins, confusion, measure, measure_labels, roc
from melascope.severity.prediction import CLASSES, Prediction, Scored, scored
from melascope.severity.results import RunResult
from melascope.vocabulary import ToneBand

__all__ = ["Benchmark", "Comparison", "Evaluation", "Group", "chosen", "evaluate"]

_GROUPS: Final = {"tone_band": "Skin tone", "device": "Device", "view": "View"}
_ORDER: Final = [band.value for band in ToneBand]


@dataclass(frozen=True)
class Evaluation:
    """One run's figures."""

    run: RunResult
    table: Scored
    figures: Mapping[str, Interval]
    matrix: NDArray[np.int64]
    """(3, 3) photos; a row is a true class."""
    curves: Mapping[str, Roc]
    """By class, those that have photos of both kinds."""
    bins: tuple[Bin, ...]
    drawn: Draws


@dataclass(frozen=True)
class Comparison:
    """One run against the best."""

    run: str
    mcnemar: McNemar
    p_adjusted: float
    """McNemar's p, adjusted for the number of runs (Holm)."""
    accuracy: Interval
    """Best minus this one, both on the same draws."""
    areas: Mapping[str, DeLong]
    """Best minus this one, by class."""
    areas_adjusted: Mapping[str, float]


@dataclass(frozen=True)
class Group:
    """The photos that have one value of a column."""

    column: str
    label: str
    value: str
    photos: int
    patients: int
    clusters: int
    """Groups of patients, or patients: what is drawn."""
    accuracy: Mapping[str, Interval]
    """By run."""


@dataclass(frozen=True)
class Benchmark:
    """Everything that a benchmark says."""

    evaluations: tuple[Evaluation, ...]
    best: str
    """Highest accuracy; of equal ones the highest mean area."""
    comparisons: tuple[Comparison, ...]
    """Of all but the best, in the order of the runs."""
    ceiling: Ceiling
    groups: tuple[Group, ...]
    photos: int
    patients: int
    clusters: int
    """Groups of patients, or patients: what is drawn for intervals."""
    counts: Mapping[str, int]
    """Photos by class."""
    resamples: int
    seed: int

    @property
    def several_photos(self) -> bool:
        """Whether what is drawn has more than one photo."""
        return self.photos > self.clusters


def chosen(runs: Iterable[RunResult], part: str = "test", only: Mapping[str, str] | None = None) -> list[RunResult]:
    """The same runs with the predictions of one part alone, and of photos with certain values.

    Args:
        runs: As they are.
        part: ``test``, ``validation``, ``train`` or ``all``.
        only: Values by column, such as ``{"device": "dslr"}``.

    Raises:
        ValueError: No photo is left in some run.
    """
    found = []
    for run in runs:
        rows = [
            row
            for row in run.predictions
            if part in {row.part, "all"}
            and all(getattr(row, key).casefold() == value.casefold() for key, value in (only or {}).items())
        ]
        if not rows:
            parts = ", ".join(f"{name} {count}" for name, count in Counter(r.part for r in run.predictions).items())
            asked = " and ".join([f"part {part}", *(f"{key} {value}" for key, value in (only or {}).items())])
            raise ValueError(f"{run.name}: no photo of {asked}; its parts are: {parts}. Ask for one of them")
        found.append(replace(run, predictions=tuple(rows)))
    return found


def evaluate(runs: Sequence[RunResult], resamples: int = RESAMPLES, seed: int = SEED) -> Benchmark:
    """Every figure of some runs on the same photos.

    Raises:
        ValueError: There is no run, two have one name, or they differ in photos, patients, groups or labels.
    """
    _check(runs)
    evaluations = tuple(_evaluation(run, resamples, seed) for run in runs)

    def rank(one: Evaluation) -> tuple[float, float]:
        area = one.figures["auc_macro"].value
        return one.figures["accuracy"].value, -math.inf if math.isnan(area) else area

    best = max(evaluations, key=rank)
    table = best.table
    rows = sorted(runs[0].predictions, key=lambda row: row.photo)
    return Benchmark(
        evaluations,
        best.run.name,
        _comparisons(best, [one for one in evaluations if one is not best]),
        ceiling(rows, resamples, seed),
        tuple(_groups(rows, evaluations, resamples, seed)),
        len(rows),
        int(table.patients.max()) + 1,
        int(table.clusters.max()) + 1,
        {band.value: int((table.truth == k).sum()) for k, band in enumerate(CLASSES)},
        resamples,
        seed,
    )


def _check(runs: Sequence[RunResult]) -> None:
    if not runs:
        raise ValueError("no run: there is nothing to evaluate; name at least one")
    names = Counter(run.name for run in runs)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise ValueError(f"two runs are named {twice[0]}: give each a name of its own")
    first = {row.photo: row for row in runs[0].predictions}
    for run in runs[1:]:
        here = {row.photo: row for row in run.predictions}
        both = first.keys() & here.keys()
        odd = first.keys() ^ here.keys()
        odd |= {p for p in both if (first[p].patient, first[p].truth) != (here[p].patient, here[p].truth)}
        if odd:
            raise ValueError(
                f"{runs[0].name} and {run.name} differ in {len(odd)} photos, such as {min(odd)}: only runs with the "
                "same photos, patients and labels can be compared; predict the same split, or evaluate them one by one"
            )
        odd = {p for p in both if first[p].group != here[p].group}
        if odd:
            raise ValueError(
                f"{runs[0].name} and {run.name} differ in the groups of {len(odd)} photos, such as {min(odd)}: one of "
                "them may be older than groups; name the ratings (--ratings), or copy the column group"
            )


def _evaluation(run: RunResult, resamples: int, seed: int) -> Evaluation:
    table = scored(run.predictions)

    def figures(weights: NDArray[np.float64] | None) -> dict[str, NDArray[np.float64]]:
        return measure(table, weights)

    values, drawn = figures(None), draws(figures, table.clusters, resamples, seed)
    curves = {
        band.value: roc(table.truth == k, table.probabilities[:, k])
        for k, band in enumerate(CLASSES)
        if 0 < (table.truth == k).sum() < len(table.truth)
    }
    return Evaluation(
        run,
        table,
        {name: interval(float(value), drawn[name]) for name, value in values.items()},
        confusion(table.truth, table.predicted).astype(np.int64),
        curves,
        bins(table.truth, table.probabilities),
        drawn,
    )


def _comparisons(best: Evaluation, others: Sequence[Evaluation]) -> tuple[Comparison, ...]:
    truth, clusters = best.table.truth, best.table.clusters
    right = best.table.predicted == truth
    tests = [mcnemar(right, other.table.predicted == truth) for other in others]
    areas = [
        {
            band.value: delong(truth == k, best.table.probabilities[:, k], other.table.probabilities[:, k], clusters)
            for k, band in enumerate(CLASSES)
        }
        for other in others
    ]
    adjusted = holm([test.p for test in tests])
    by_class = {band.value: holm([one[band.value].p for one in areas]) for band in CLASSES}
    return tuple(
        Comparison(
            other.run.name,
            tests[k],
            adjusted[k],
            interval(
                best.figures["accuracy"].value - other.figures["accuracy"].value,
                best.drawn["accuracy"] - other.drawn["accuracy"],
            ),
            areas[k],
            {name: values[k] for name, values in by_class.items()},
        )
        for k, other in enumerate(others)
    )


def _groups(
    rows: Sequence[Prediction], evaluations: Sequence[Evaluation], resamples: int, seed: int
) -> Iterable[Group]:
    for column, label in _GROUPS.items():
        cells = np.array([getattr(row, column) for row in rows])
        values = sorted(set(cells) - {""}, key=lambda word: (_ORDER.index(word) if word in _ORDER else -1, word))
        if len(values) < 2 and not (column == "tone_band" and values):
            continue
        for value in values:
            inside = cells == value
            table = evaluations[0].table
            clusters = np.unique(table.clusters[inside], return_inverse=True)[1]
            counts = len(set(table.patients[inside])), len(set(clusters))
            accuracies = {}
            for one in evaluations:
                truth, predicted = one.table.truth[inside], one.table.predicted[inside]
                found = bootstrap(
                    lambda weights, t=truth, p=predicted: measure_labels(confusion(t, p, weights)),  # type: ignore[misc]
                    clusters,
                    resamples,
                    seed,
                )
                accuracies[one.run.name] = found["accuracy"]
            yield Group(column, label, str(value), int(inside.sum()), *counts, accuracies)

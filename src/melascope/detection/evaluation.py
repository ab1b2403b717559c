"""All figures of detectors, computed once from their predictions; page and tables only lay them out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.detection import froc
from melascope.detection.average_precision import average_precision, precision_recall
from melascope.detection.confusion import boxes_confused, photos_confused
from melascope.detection.counts import box_thresholds, counted, measure_boxes
from melascope.detection.photo_level import DEFAULT_THRESHOLD, measure, thresholds
from melascope.detection.predictions import Photo, Predictions
from melascope.detection.ranked import AREAS, Ranked, joined, ranked
from melascope.detection.results import RunResult
from melascope.severity.comparison import McNemar, holm, mcnemar
from melascope.severity.intervals import SEED, Draws, Interval, bootstrap, draws, interval
from melascope.severity.ranking import Roc, roc
from melascope.vocabulary import Lesion, ToneBand

__all__ = ["RESAMPLES", "Benchmark", "Comparison", "Evaluation", "Group", "Levels", "evaluate", "levels_of"]

Floats = NDArray[np.float64]
Weights = Floats | None
RESAMPLES: Final = 1000
_GROUPS: Final = {"tone_band": "Skin tone", "device": "Device", "view": "View"}
_ALL: Final = 10**9
"""FROC and precision-recall curves count every box; COCO's mAP the 100 surest of a photo and kind."""
_ORDER: Final = [band.value for band in ToneBand]


@dataclass(frozen=True)
class Levels:
    """Scores from which something counts, by kind."""

    photos: Floats
    """For whether a photo shows the kind."""
    boxes: Floats
    """For boxes one by one."""
    where: str
    """How they were chosen, in words."""


@dataclass(frozen=True)
class Evaluation:
    """One run's figures on some photos."""

    run: RunResult
    photos: Predictions
    levels: Levels
    figures: Mapping[str, Interval]
    """By name: exact; precision_fre ... of photos; box_..., ap50_fre, ap_fre, ap50, ap, ap_small ..., froc_0.5 ..."""
    drawn: Draws
    right: NDArray[np.bool_]
    """(photos,) whether all kinds are right."""
    boxes_matrix: NDArray[np.int64]
    photos_matrix: NDArray[np.int64]
    roc: Mapping[Lesion, Roc]
    """Of photos, for the kinds that some show and others do not."""
    recall: Mapping[Lesion, tuple[Floats, Floats]]
    """Recall and precision of boxes at an overlap of 0.5, for the kinds that occur."""
    froc: Mapping[Lesion | None, tuple[Floats, Floats]]
    """False alarms a photo and sensitivity, by kind; None: all kinds together."""
    sizes: NDArray[np.int64]
    """Lesions by the ranges of `melascope.detection.counts.SIZES`."""


@dataclass(frozen=True)
class Comparison:
    """One run against the best, by the photos that are wholly right."""

    run: str
    mcnemar: McNemar
    p_adjusted: float
    """By Holm, for all pairs of runs: the best was found on the same photos."""
    exact: Interval
    """Best minus this one, patients drawn together."""
    ap50: Interval


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
    lesions: int
    figures: Mapping[str, Mapping[str, Interval]]
    """By run: exact, box_sensitivity, alarms, ap50."""


@dataclass(frozen=True)
class Benchmark:
    """Everything that the page says."""

    classes: tuple[Lesion, ...]
    evaluations: tuple[Evaluation, ...]
    best: str
    """Highest exact-match accuracy; of equal ones the highest mAP@50."""
    comparisons: tuple[Comparison, ...]
    groups: tuple[Group, ...]
    photos: int
    patients: int
    clusters: int
    """Groups of patients, or patients: what is drawn for intervals."""
    part: str
    shown: Mapping[Lesion, int]
    """Photos by kind."""
    lesions: Mapping[Lesion, int]
    several: int
    """Photos with more than one kind."""
    none: int
    """Photos with none."""
    resamples: int
    seed: int

    def of(self, name: str) -> Evaluation:
        """The run of that name."""
        return next(one for one in self.evaluations if one.run.name == name)


def evaluate(
    runs: Sequence[RunResult],
    part: str = "test",
    only: Mapping[str, str] | None = None,
    threshold: float | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Benchmark:
    """Every figure of some runs on the same photos.

    Args:
        runs: In the order of the tables.
        part: ``test``, ``validation``, ``train`` or ``all``.
        only: Values by column, such as ``{"device": "dslr"}``; thresholds are chosen on all validation photos.
        threshold: One for everything; chosen on the validation photos if not given.
        resamples: Draws of patients behind each interval.
        seed: Of the draws.

    Raises:
        ValueError: There is no run or photo, two runs have one name, or they differ in photos, patients or truths.
    """
    chosen = [(run, _chosen(run, part, only or {})) for run in runs]
    _check(chosen)
    evaluations = tuple(_evaluation(run, photos, threshold, resamples, seed) for run, photos in chosen)

    def rank(one: Evaluation) -> tuple[float, float]:
        return tuple(-1.0 if math.isnan(v := one.figures[key].value) else v for key in ("exact", "ap50"))  # type: ignore[return-value]

    best = max(evaluations, key=rank)
    photos = best.photos
    shown = photos.shown()
    lesions = Counter(int(kind) for one in photos.photos for kind in one.truth.kinds[~one.truth.crowd])
    return Benchmark(
        photos.classes,
        evaluations,
        best.run.name,
        _comparisons(best, [one for one in evaluations if one is not best]),
        tuple(_groups(evaluations, resamples, seed)),
        len(photos.photos),
        int(photos.patients().max()) + 1,
        int(photos.clusters().max()) + 1,
        part,
        {kind: int(shown[:, k].sum()) for k, kind in enumerate(photos.classes)},
        {kind: lesions[k] for k, kind in enumerate(photos.classes)},
        int((shown.sum(axis=1) > 1).sum()),
        int((~shown.any(axis=1)).sum()),
        resamples,
        seed,
    )


def levels_of(predictions: Predictions, threshold: float | None = None) -> Levels:
    """Thresholds of a run, from its validation photos if none is given."""
    kinds = len(predictions.classes)
    validation = predictions.part("validation")
    if threshold is not None:
        return Levels(
            np.full(kinds, threshold), np.full(kinds, threshold), f"{threshold:g} for all kinds, as was asked"
        )
    if not validation.photos:
        words = f"{DEFAULT_THRESHOLD:g} for all kinds: the predictions hold no validation photos to choose them on"
        return Levels(np.full(kinds, DEFAULT_THRESHOLD), np.full(kinds, DEFAULT_THRESHOLD), words)
    shown = validation.shown()
    lacking = [kind.value for k, kind in enumerate(predictions.classes) if not shown[:, k].any()]
    words = f"of highest F1 on {len(validation.photos)} validation photos, by kind"
    if lacking:
        words += f"; {DEFAULT_THRESHOLD:g} for {', '.join(lacking)}, which none of them shows"
    return Levels(thresholds(shown, validation.surest()), box_thresholds(validation.photos, kinds), words)


def _chosen(run: RunResult, part: str, only: Mapping[str, str]) -> Predictions:
    whole = run.predictions
    photos = [
        one
        for one in whole.part(part).photos
        if all(getattr(one, key).casefold() == value.casefold() for key, value in only.items())
    ]
    if not photos:
        parts = ", ".join(f"{name} {count}" for name, count in Counter(p.part for p in whole.photos).items())
        asked = " and ".join([f"part {part}", *(f"{key} {value}" for key, value in only.items())])
        raise ValueError(f"{run.name}: no photo of {asked}; its parts are: {parts}. Ask for one of them")
    return Predictions(whole.classes, tuple(sorted(photos, key=lambda one: one.photo)))


def _check(chosen: Sequence[tuple[RunResult, Predictions]]) -> None:
    if not chosen:
        raise ValueError("no run: there is nothing to evaluate; name at least one")
    twice = [name for name, count in Counter(run.name for run, _ in chosen).items() if count > 1]
    if twice:
        raise ValueError(f"two runs are named {twice[0]}: give each a name of its own")
    name, first = chosen[0][0].name, chosen[0][1]
    known = {one.photo: _truth(one) for one in first.photos}
    for run, other in chosen[1:]:
        if other.classes != first.classes:
            raise ValueError(f"{name} and {run.name} differ in their classes or the order of these: predict anew")
        here = {one.photo: _truth(one) for one in other.photos}
        if here != known:
            odd = sorted(photo for photo in known.keys() | here.keys() if known.get(photo) != here.get(photo))
            raise ValueError(
                f"{name} and {run.name} differ in {len(odd)} photos, such as {odd[0]}: only runs with the same "
                "photos, patients, groups and truths can be compared; predict the same split, or evaluate each alone"
            )


def _truth(one: Photo) -> tuple[object, ...]:
    truth = one.truth
    boxes = sorted(zip(truth.kinds.tolist(), truth.boxes.round(2).tolist(), truth.crowd.tolist(), strict=True))
    return one.patient, one.group, str(boxes)


def _evaluation(run: RunResult, chosen: Predictions, threshold: float | None, resamples: int, seed: int) -> Evaluation:
    photos, names = chosen.photos, [kind.value for kind in chosen.classes]
    levels = levels_of(run.predictions, threshold)
    levels = replace(levels, where=levels.where + _flattery(photos, threshold))
    shown, surest = chosen.shown(), chosen.surest()
    table = counted(photos, levels.boxes)
    by_area = {name: [ranked(photos, k, area=area) for k in range(len(names))] for name, area in AREAS.items()}
    whole = [ranked(photos, k, (0.5,), most=_ALL) for k in range(len(names))]
    every = joined(whole)

    def figures(weights: Weights) -> dict[str, Floats]:
        found = measure(shown, surest, levels.photos, names, weights) | measure_boxes(table, names, weights)
        rates = froc.sensitivities(every, weights)
        found |= {f"froc_{rate:g}": rates[..., k] for k, rate in enumerate(froc.RATES)} | {"froc": rates.mean(axis=-1)}
        return found | _precisions(by_area, names, weights)

    values, drawn = figures(None), draws(figures, chosen.clusters(), resamples, seed)
    return Evaluation(
        run,
        chosen,
        levels,
        {name: interval(float(value), drawn[name]) for name, value in values.items()},
        drawn,
        (shown == (surest >= levels.photos[None, :])).all(axis=1),
        boxes_confused(photos, levels.boxes),
        photos_confused(chosen, levels.photos),
        {
            kind: roc(shown[:, k], surest[:, k])
            for k, kind in enumerate(chosen.classes)
            if 0 < shown[:, k].sum() < len(shown)
        },
        {kind: precision_recall(whole[k])[1::-1] for k, kind in enumerate(chosen.classes) if whole[k].truths.sum()},
        {
            None: froc.curve(every)[:2],
            **{kind: froc.curve(whole[k])[:2] for k, kind in enumerate(chosen.classes) if whole[k].truths.sum()},
        },
        table.size_lesions.sum(axis=0).astype(np.int64),
    )


def _flattery(photos: Sequence[Photo], threshold: float | None) -> str:
    """Why figures of photos that are not of the test part are too good, in words."""
    said = []
    for part, used in (("train", "the network learnt from"), ("validation", "the thresholds were chosen on")):
        count = sum(one.part == part for one in photos)
        if count and (part == "train" or threshold is None):
            said.append(f"{used} {'all' if count == len(photos) else f'{count} of'} these {len(photos)} photos")
    return f"; {' and '.join(said)}, so that figures flatter" if said else ""


def _precisions(by_area: Mapping[str, Sequence[Ranked]], names: Sequence[str], weights: Weights) -> dict[str, Floats]:
    """Average precisions."""
    found: dict[str, Floats] = {}
    for area, rankings in by_area.items():
        table = np.stack([average_precision(one, weights) for one in rankings])
        if area == "all":
            for k, name in enumerate(names):
                found |= {f"ap50_{name}": table[k, ..., 0], f"ap_{name}": table[k].mean(axis=-1)}
            found |= {"ap50": _known_mean(table[..., 0]), "ap": _known_mean(table.mean(axis=-1))}
        else:
            found[f"ap_{area}"] = _known_mean(table.mean(axis=-1))
    return found


def _known_mean(values: Floats) -> Floats:
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0))


def _comparisons(best: Evaluation, others: Sequence[Evaluation]) -> tuple[Comparison, ...]:
    tests = [mcnemar(best.right, other.right) for other in others]
    further = [mcnemar(one.right, other.right).p for one, other in combinations(others, 2)]
    adjusted = holm([*(test.p for test in tests), *further])[: len(tests)]

    def apart(other: Evaluation, key: str) -> Interval:
        value = best.figures[key].value - other.figures[key].value
        return interval(value, best.drawn[key] - other.drawn[key])

    return tuple(
        Comparison(other.run.name, test, p, apart(other, "exact"), apart(other, "ap50"))
        for other, test, p in zip(others, tests, adjusted, strict=True)
    )


def _groups(evaluations: Sequence[Evaluation], resamples: int, seed: int) -> Iterator[Group]:
    first = evaluations[0].photos
    for column, label in _GROUPS.items():
        cells = np.array([getattr(one, column) for one in first.photos])
        values = sorted(set(cells.tolist()) - {""}, key=lambda w: (_ORDER.index(w) if w in _ORDER else -1, w))
        if len(values) < 2 and not (column == "tone_band" and values):
            continue
        for value in values:
            inside = np.flatnonzero(cells == value)
            patients = len(np.unique(first.patients()[inside]))
            drawn = np.unique(first.clusters()[inside], return_inverse=True)[1]
            figures = {one.run.name: _group_figures(one, inside, drawn, resamples, seed) for one in evaluations}
            lesions = sum(int((~first.photos[k].truth.crowd).sum()) for k in inside)
            yield Group(column, label, value, len(inside), patients, len(set(drawn)), lesions, figures)


def _group_figures(
    one: Evaluation, inside: NDArray[np.intp], clusters: NDArray[np.intp], resamples: int, seed: int
) -> dict[str, Interval]:
    photos = [one.photos.photos[k] for k in inside]
    names = [kind.value for kind in one.photos.classes]
    right = one.right[inside].astype(np.float64)
    table = counted(photos, one.levels.boxes)
    rankings = [ranked(photos, k, (0.5,)) for k in range(len(names))]

    def figures(weights: Weights) -> dict[str, Floats]:
        counts = np.ones(len(photos)) if weights is None else weights
        boxes = measure_boxes(table, names, weights)
        precision = np.stack([average_precision(each, weights) for each in rankings])[..., 0]
        return {
            "exact": np.asarray(counts @ right / counts.sum(axis=-1)),
            "box_sensitivity": boxes["box_sensitivity"],
            "alarms": boxes["alarms"],
            "ap50": _known_mean(precision),
        }

    return bootstrap(figures, clusters, resamples, seed)

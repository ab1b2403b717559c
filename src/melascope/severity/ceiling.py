"""How well anyone could score: a perfect reader of the truth, and one rater against the others.

The label is the band of several raters' mean, and raters err. Of virtual patients the true MASI is known: whoever read
it without error would still disagree with the label near its limits. That reader knows nothing of the raters' habits,
which a network learns from their labels; a second one knows them: its two limits on the true MASI are those that agree
with the labels best, found on one half of the patients (or groups of them) and used on the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from melascope.masi import Agreement, icc
from melascope.severity.agreement import drawn_icc
from melascope.severity.intervals import RESAMPLES, SEED, Interval, bootstrap
from melascope.severity.metrics import confusion, measure_labels, measure_ranks
from melascope.severity.prediction import Prediction, Scored, band, scored
from melascope.severity.ratings import TRUTH

if TYPE_CHECKING:
    from melascope.severity.ratings import Ratings

__all__ = ["Ceiling", "Reader", "ceiling", "masi_scores", "with_raters"]

Floats = NDArray[np.float64]
Classes = NDArray[np.intp]
_MIDDLE: Final = 24.0
"""MASI that is farthest inside the moderate band."""


@dataclass(frozen=True)
class Reader:
    """Someone who reads a MASI off each photo, held against a label."""

    name: str
    against: str
    """What the label is here."""
    figures: Mapping[str, Interval]
    """Those of `METRICS` that need no probabilities; the areas rank the photos by the MASI."""


@dataclass(frozen=True)
class Ceiling:
    """Readers beside whom the networks may be held."""

    truth: tuple[Reader, ...]
    """Readers of the truth: empty unless every photo's true MASI is known, and is not itself the label."""
    raters: tuple[Reader, ...]
    """Each rater against the mean of the others, then all together; empty unless all photos have the same raters."""
    agreement: Agreement | None
    """Intraclass correlation of the raters' MASI over the readings."""
    single: Interval | None = None
    """Its ICC(2,1) with the interval of drawn patients, as all on the page."""
    mean: Interval | None = None
    """Its ICC(2,k), likewise."""


def ceiling(rows: Sequence[Prediction], resamples: int = RESAMPLES, seed: int = SEED) -> Ceiling:
    """The readers that the rows allow; it makes no difference which network predicted."""
    rows = sorted(rows, key=lambda row: row.photo)
    table = scored(rows)
    readers: list[Reader] = []
    truths = [row.true_masi for row in rows]
    if None not in truths and not all(set(row.raters) == {TRUTH} for row in rows):
        masi = np.array(truths, dtype=np.float64)
        label = "mean of the raters"
        known = [("perfect reader of the truth", _bands(masi))]
        if table.clusters.any():  # limits are fitted on others than those they are used on
            known.append(("the same, limits fitted", _knowing(masi, table.truth, table.clusters)))
        for name, classes in known:
            figures = _figures(table.truth, classes, masi, table.clusters, resamples, seed)
            readers.append(Reader(name, label, figures))
    raters, scores = _raters(rows, table, resamples, seed)
    if scores is None:
        return Ceiling(tuple(readers), raters, None)
    chosen = _readings(rows)
    try:
        found = icc(scores[chosen])
    except ValueError:
        return Ceiling(tuple(readers), raters, None)
    drawn = drawn_icc({"": scores[chosen]}, table.clusters[chosen], resamples, seed)
    return Ceiling(tuple(readers), raters, found, *drawn[""])


def with_raters(rows: Sequence[Prediction], ratings: Ratings) -> tuple[Prediction, ...]:
    """The same rows with the single raters' MASI, what they looked at, and the groups of patients.

    Who is not rated keeps what is there.
    """
    rated = {photo: ratings.of(photo) for photo in ratings.photos}
    groups = {one.patient: one.group for some in rated.values() for one in some}
    rows = [replace(row, group=groups.get(row.patient) or row.group) for row in rows]
    return tuple(
        replace(
            row,
            raters={one.rater: one.masi for one in rated[row.photo]},
            subject=rated[row.photo][0].looked_at,
        )
        if row.photo in rated
        else row
        for row in rows
    )


def masi_scores(masi: Floats) -> Floats:
    """(n, 3) scores that rank photos by a MASI for mild, moderate and severe: low, near 24, high."""
    return np.stack([-masi, -np.abs(masi - _MIDDLE), masi], axis=1)


def _raters(
    rows: Sequence[Prediction], table: Scored, resamples: int, seed: int
) -> tuple[tuple[Reader, ...], Floats | None]:
    """Readers, and (n, k) scores of the raters; None of them unless all photos have the same raters."""
    names = tuple(rows[0].raters)
    if len(names) < 2 or any(set(row.raters) != set(names) for row in rows):
        return (), None
    scores = np.array([[row.raters[name] for name in names] for row in rows])
    found, labels, own = [], [], []
    for k, name in enumerate(names):
        others = np.delete(scores, k, axis=1).mean(axis=1)
        labels.append(_bands(others))
        own.append(scores[:, k])
        against = "mean of the others" if len(names) > 2 else "the other"
        one = _figures(labels[-1], _bands(own[-1]), own[-1], table.clusters, resamples, seed)
        found.append(Reader(name, against, one))
    figures = _figures(
        np.concatenate(labels),
        np.concatenate([_bands(one) for one in own]),
        np.concatenate(own),
        np.tile(table.clusters, len(names)),
        resamples,
        seed,
    )
    found.append(Reader("one rater", "mean of the others" if len(names) > 2 else "the other", figures))
    return tuple(found), scores


def _readings(rows: Sequence[Prediction]) -> list[int]:
    """The first photo of each reading: photos of one visit may share one, which counts once.

    Tables that do not say what was looked at, those of older versions, cannot tell a shared reading from two that are
    equal: there equal scores of a patient count once.
    """
    first: dict[tuple[object, ...], int] = {}
    for index, row in enumerate(rows):
        key = (row.subject,) if row.subject else (row.patient, *sorted(row.raters.items()))
        first.setdefault(key, index)
    return list(first.values())


def _figures(
    label: Classes, classes: Classes, masi: Floats, clusters: Classes, resamples: int, seed: int
) -> dict[str, Interval]:
    scores = masi_scores(masi)

    def measure(weights: Floats | None) -> dict[str, Floats]:
        return measure_labels(confusion(label, classes, weights)) | measure_ranks(label, scores, weights)

    return bootstrap(measure, clusters, resamples, seed)


def _bands(masi: Floats) -> Classes:
    return np.array([band(float(value)) for value in masi], dtype=np.intp)


def _knowing(masi: Floats, label: Classes, clusters: Classes) -> Classes:
    """Classes by limits that agree with the labels best, those of each half of the clusters found on the other."""
    half = clusters % 2 == 0
    classes = _bands(masi)
    for here in (half, ~half):
        if here.any() and not here.all():
            low, high = _limits(masi[~here], label[~here])
            classes[here] = (masi[here] >= low).astype(np.intp) + (masi[here] >= high)
    return classes


def _limits(masi: Floats, label: Classes) -> tuple[float, float]:
    """Two limits, the first not above the second, with which most labels are right; ties go to those nearest 16, 32."""
    cuts = np.unique(np.round(np.concatenate([masi, [16.0, 32.0]]), 1))
    below = np.array([[np.sum((label == k) & (masi < cut)) for k in range(3)] for cut in cuts])
    # right(i, j) = mild below i + moderate from i to below j + severe from j
    first = below[:, 0] - below[:, 1]
    second = below[:, 1] - below[:, 2]
    right = (first[:, None] + second[None, :]).astype(np.float64)
    right[np.tril_indices(len(cuts), -1)] = -np.inf
    distance = np.abs(cuts - 16.0)[:, None] + np.abs(cuts - 32.0)[None, :]
    right -= distance / (1 + distance.max()) / 2
    i, j = np.unravel_index(int(np.argmax(right)), right.shape)
    return float(cuts[i]), float(cuts[j])

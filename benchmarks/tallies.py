"""Sums over photographs: overlap, Dice, average precision, errors of shares, false alarms, cover of intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from benchmarks.photo_figures import Counts, PhotoFigures, Seen

from melascope.vocabulary import MASI_REGIONS

__all__ = [
    "Alarms",
    "Shares",
    "alarms",
    "average_precision",
    "best_dice",
    "by_heads",
    "cover",
    "dice",
    "dice_by_photo",
    "histogram",
    "iou",
    "mean_iou",
    "precision",
    "recall",
    "reliability",
    "shares",
    "worst_iou",
]

Photos = Sequence[PhotoFigures]
NAN = float("nan")
LEAST_REGION = 500
"""Pixels in truth or finding that a region must have to count in a single photograph's overlap."""
LEAST_PIGMENT = 30
"""True pixels of lesion that a photograph must show to have a Dice of its own."""


def seen(photos: Photos) -> list[Seen]:
    """What was measured in the photographs that were not refused."""
    return [one.seen for one in photos if one.seen]


def iou(photos: Photos) -> dict[str, float]:
    """Intersection over union by MASI region, pixels pooled; regions that nowhere occur are left out."""
    found = {}
    for region in MASI_REGIONS:
        pairs = [one.overlaps[region.key] for one in seen(photos) if region.key in one.overlaps]
        either = sum(pair[1] for pair in pairs)
        if either:
            found[region.key] = sum(pair[0] for pair in pairs) / either
    return found


def mean_iou(photos: Photos) -> float:
    """Mean over the MASI regions of the pooled overlap."""
    values = list(iou(photos).values())
    return float(np.mean(values)) if values else NAN


def worst_iou(photos: Photos) -> float:
    """Tenth percentile over photographs of a photograph's mean overlap."""
    means = []
    for one in seen(photos):
        values = [both / either for both, either in one.overlaps.values() if either >= LEAST_REGION]
        if values:
            means.append(np.mean(values))
    return float(np.quantile(means, 0.1)) if means else NAN


def dice(photos: Photos) -> float:
    """2 |A and B| / (|A| + |B|) of pixels called and pixels of lesions, pooled."""
    counts = [one.pigment for one in seen(photos)]
    total = sum(p.true + p.called for p in counts)
    return 2 * sum(p.both for p in counts) / total if total else NAN


def precision(photos: Photos) -> float:
    """Share of the pixels called that are of lesions, pooled."""
    return _pooled_share(photos, "called")


def recall(photos: Photos) -> float:
    """Share of the pixels of lesions that are called, pooled."""
    return _pooled_share(photos, "true")


def _pooled_share(photos: Photos, of: str) -> float:
    counts = [one.pigment for one in seen(photos)]
    total = sum(getattr(p, of) for p in counts)
    return sum(p.both for p in counts) / total if total else NAN


def dice_by_photo(photos: Photos) -> float:
    """Mean of the Dice of each photograph that shows a lesion."""
    counts = [one.pigment for one in seen(photos)]
    values = [2 * p.both / (p.true + p.called) for p in counts if p.true >= LEAST_PIGMENT]
    return float(np.mean(values)) if values else NAN


def histogram(photos: Photos) -> Counts:
    """(2, bins) pixels by probability, without and with lesion."""
    return np.asarray(sum((one.pigment.histogram for one in seen(photos)), np.zeros((2, 1), np.int64)))


def average_precision(counts: Counts) -> float:
    """Area under precision over recall, as a sum over the steps of probability from the highest down.

    Args:
        counts: (2, bins) pixels by probability, without and with lesion.
    """
    without, true = counts[:, ::-1].cumsum(axis=1)
    if not true[-1]:
        return NAN
    precision = true / np.maximum(true + without, 1)
    return float((np.diff(true, prepend=0) * precision).sum() / true[-1])


def best_dice(counts: Counts) -> float:
    """The best pooled Dice that one fixed threshold on the probability reaches: what the rule of calling costs."""
    without, true = counts[:, ::-1].cumsum(axis=1)
    return float((2 * true / np.maximum(true + without + true[-1], 1)).max()) if true[-1] else NAN


def reliability(counts: Counts, limits: Sequence[float]) -> list[tuple[float, float, float]]:
    """What a probability is worth: of the pixels of each band, their share of all, their mean p, how many are lesion.

    Args:
        counts: (2, bins) pixels by probability, without and with lesion.
        limits: Of the bands, from 0 to 1.
    """
    bins = counts.shape[1]
    middles = (np.arange(bins) + 0.5) / bins
    band = np.clip(np.searchsorted(np.asarray(limits)[1:], middles, side="right"), 0, len(limits) - 2)
    found = []
    for number in range(len(limits) - 1):
        inside = counts[:, band == number]
        pixels = int(inside.sum())
        mean = float((inside.sum(axis=0) * middles[band == number]).sum()) / pixels if pixels else NAN
        found.append((pixels / max(1, int(counts.sum())), mean, int(inside[1].sum()) / pixels if pixels else NAN))
    return found


@dataclass(frozen=True)
class Shares:
    """Errors of the involved share, measured minus true."""

    regions: int
    missing: int
    """Regions that the picture shows and that were not measured."""
    absolute: float
    bias: float


def shares(photos: Photos, region: str | None = None) -> Shares:
    """Errors of one MASI region's share, of all four, or (`photo_figures.IN_VIEW`) of a close-up's skin as a whole."""
    wanted = [region] if region else [one.key for one in MASI_REGIONS]
    pairs = [one.shares[key] for one in seen(photos) for key in wanted if key in one.shares]
    errors = np.array([measured - true for true, measured in pairs if measured is not None])
    missing = len(pairs) - len(errors)
    if not len(errors):
        return Shares(0, missing, NAN, NAN)
    return Shares(len(errors), missing, float(np.abs(errors).mean()), float(errors.mean()))


@dataclass(frozen=True)
class Alarms:
    """Lesion-free skin that is called disease, as a share of a photograph's skin."""

    photos: int
    mean: float
    within: float
    """Share of photographs of whose skin 5 % at most is called."""
    worst: float


def alarms(photos: Photos) -> Alarms:
    """False alarms on photographs that show no lesion; others are left out."""
    counts = [one.pigment for one in seen(photos) if not one.pigment.true and one.pigment.skin]
    called = np.array([p.called / p.skin for p in counts])
    if not len(called):
        return Alarms(0, NAN, NAN, NAN)
    return Alarms(len(called), float(called.mean()), float((called <= 0.05).mean()), float(called.max()))


def cover(photos: Photos, what: str, *, pigmented: bool | None = None) -> tuple[int, float, float]:
    """How many intervals there are, the share of them that holds the truth, and their mean width.

    Args:
        photos: Of which photographs.
        what: Of which quantity.
        pigmented: Only where there is pigment, only where there is none, or both.
    """
    some = [
        held
        for one in seen(photos)
        for held in one.held
        if held.what == what and (pigmented is None or held.pigmented == pigmented)
    ]
    if not some:
        return 0, NAN, NAN
    return len(some), float(np.mean([h.holds for h in some])), float(np.mean([h.high - h.low for h in some]))


def by_heads(
    photos: Photos, figure: Callable[[Photos], float], *, draws: int = 300, seed: int = 1
) -> tuple[float, float]:
    """95 % interval of a figure, by drawing whole heads again: photographs of one head are not independent."""
    heads: dict[str, list[PhotoFigures]] = {}
    for one in photos:
        heads.setdefault(one.head, []).append(one)
    if len(heads) < 3:
        return NAN, NAN
    groups = list(heads.values())
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        drawn: Iterable[list[PhotoFigures]] = (groups[i] for i in rng.integers(0, len(groups), len(groups)))
        values.append(figure([one for group in drawn for one in group]))
    if np.isnan(values).all():
        return NAN, NAN
    low, high = np.nanquantile(values, (0.025, 0.975))
    return float(low), float(high)

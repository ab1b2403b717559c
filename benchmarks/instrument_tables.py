"""Tables of docs/instrument.md: groups of photographs, and what was read of them against the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from benchmarks import tallies
from benchmarks.photo_figures import IN_VIEW, MISSED, NO_LESION, NO_NAME, PhotoFigures

from melascope.vocabulary import MASI_REGIONS, Lesion, ToneBand

__all__ = [
    "DENSITIES",
    "Group",
    "Photos",
    "aims",
    "alarm_rows",
    "alarm_table",
    "by_band",
    "by_lesion",
    "cover_table",
    "density_name",
    "even_table",
    "gap",
    "groups",
    "kind_table",
    "number",
    "percent",
    "pigment_row",
    "pigment_table",
    "region_table",
    "reliability_table",
    "share_table",
    "table",
]

Photos = Sequence[PhotoFigures]
Group = tuple[str, list[PhotoFigures]]

DENSITIES: Final = (
    (0.03, "barely visible, density < 0.03"),
    (0.08, "slight, 0.03 to 0.08"),
    (0.14, "mild, 0.08 to 0.14"),
    (0.22, "marked, 0.14 to 0.22"),
    (float("inf"), "maximum, from 0.22"),
)
"""(upper limit, name): the steps of darkness of `masi.DARKNESS`."""
MASIS: Final = ((2.0, "MASI < 2"), (8.0, "MASI 2 to 8"), (16.0, "MASI 8 to 16"), (49.0, "MASI from 16"))
WORTH: Final = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)
"""Limits of the bands of probability whose worth is counted."""
LEAST: Final = 5
"""Photographs that a tone band must have to count in the gap between bands."""
_SORTS: Final = tuple(kind.value for kind in Lesion)


# ---------------------------------------------------------------- groups


def density_name(density: float) -> str:
    """The bucket of a density."""
    return next(name for limit, name in DENSITIES if density < limit)


def groups(photos: Photos) -> list[Group]:
    """All; by tone band, device and view."""
    bands = [(band.value, [p for p in photos if p.band == band]) for band in ToneBand]
    devices = [(name, [p for p in photos if p.device == name]) for name in sorted({p.device for p in photos})]
    views = [(name, [p for p in photos if p.view == name]) for name in ("frontal", "right45", "left45", "close-up")]
    found = [("all", list(photos)), *bands, *(devices if len(devices) > 1 else []), *views]
    return [(name, some) for name, some in found if some and (name == "all" or len(some) < len(photos))]


def by_lesion(photos: Photos) -> list[Group]:
    """By kind, by density and by MASI of what the picture shows."""
    kinds = [(kind, [p for p in photos if p.kinds == (kind,)]) for kind in _SORTS]
    several = ("several kinds", [p for p in photos if len(p.kinds) > 1])
    dense = [
        (name, [p for p in photos if p.density is not None and density_name(p.density) == name])
        for _, name in DENSITIES
    ]
    elsewhere = ("outside of the four regions alone", [p for p in photos if p.kinds and p.density is None])
    low, by_masi = 0.0, []
    for high, name in MASIS:
        by_masi.append((name, [p for p in photos if p.kinds and p.masi is not None and low <= p.masi < high]))
        low = high
    return [(name, some) for name, some in (*kinds, several, *dense, elsewhere, *by_masi) if some]


def gap(photos: Photos, figure: Callable[[Photos], float], *, least: int = LEAST) -> float:
    """Difference between the best and the worst tone band, of those with enough photographs to tell."""
    values = by_band(photos, figure, least=least)
    return max(values) - min(values) if len(values) > 1 else tallies.NAN


def by_band(photos: Photos, figure: Callable[[Photos], float], *, least: int = LEAST) -> list[float]:
    """A figure of each tone band with enough photographs to tell."""
    some = [[p for p in photos if p.band == band] for band in ToneBand]
    return [value for one in some if len(one) >= least and not np.isnan(value := figure(one))]


# ---------------------------------------------------------------- tables


def number(value: float, digits: int = 3, *, sign: bool = False) -> str:
    """A figure, or nothing where there is none."""
    return "" if np.isnan(value) else f"{value:{'+' if sign else ''}.{digits}f}"


def percent(value: float) -> str:
    """A share as per cent."""
    return "" if np.isnan(value) else f"{100 * value:.1f} %"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def region_table(photos: Photos) -> str:
    """Overlap of the MASI regions by group."""
    head = ["", "photos", *(r.label.lower() for r in MASI_REGIONS), "mean", "worst tenth", "left/right swaps"]
    rows = []
    for name, some in groups(photos):
        values = tallies.iou(some)
        swaps = sum(one.swapped for one in tallies.seen(some))
        each = [number(values.get(r.key, tallies.NAN)) for r in MASI_REGIONS]
        last = [number(tallies.mean_iou(some)), number(tallies.worst_iou(some)), str(swaps)]
        rows.append([name, str(len(tallies.seen(some))), *each, *last])
    rows.append(["best band less worst", "", "", "", "", "", number(gap(photos, tallies.mean_iou)), "", ""])
    return table(head, rows)


def pigment_row(name: str, photos: Photos) -> list[str]:
    """Figures of the pigment on photographs with a lesion, and of the shares on all of the group."""
    lesioned = [p for p in photos if p.seen and p.seen.pigment.true]
    counts = tallies.histogram(lesioned)
    errors = tallies.shares(photos)
    return [
        name,
        str(len(lesioned)),
        number(tallies.dice(lesioned)),
        number(tallies.dice_by_photo(lesioned)),
        number(tallies.average_precision(counts)),
        number(tallies.best_dice(counts)),
        number(errors.absolute),
        number(errors.bias, sign=True),
        f"{errors.regions} ({errors.missing})",
    ]


PIGMENT_HEAD: Final = (
    "",
    "photos with a lesion",
    "Dice, pooled",
    "Dice, mean of photos",
    "average precision",
    "best Dice of one threshold",
    "share: mean absolute error",
    "share: bias",
    "regions (not measured)",
)


def pigment_table(photos: Photos) -> str:
    """Pigment by tone band, device, view, kind, density and MASI."""
    rows = [pigment_row(name, some) for name, some in (*groups(photos), *by_lesion(photos))]
    rows.append(
        [
            "best band less worst",
            "",
            number(gap(photos, lambda some: tallies.dice([p for p in some if p.kinds]))),
            number(gap(photos, tallies.dice_by_photo)),
            number(gap(photos, lambda some: tallies.average_precision(tallies.histogram(some)))),
            "",
            number(gap(photos, lambda some: tallies.shares(some).absolute)),
            "",
            "",
        ]
    )
    return table(PIGMENT_HEAD, rows)


def even_table(photos: Photos) -> str:
    """Dice by tone band and density: what is left of the bands' gap where lesions are equally dark.

    The last column is the mean over the densities that every band has, weighted by the photographs of all bands.
    """
    lesioned = [p for p in photos if p.seen and p.seen.pigment.true and p.density is not None]
    dense = [(name, [p for p in lesioned if density_name(p.density or 0.0) == name]) for _, name in DENSITIES]
    dense = [(name, some) for name, some in dense if some]
    bands = [band for band in ToneBand if any(p.band == band for p in lesioned)]
    shared = [all(any(p.band == band for p in some) for band in bands) for _, some in dense]
    if not any(shared):
        return "No density that every tone band has."
    weights = [len(some) * of_all for (_, some), of_all in zip(dense, shared, strict=True)]
    rows, evened = [], []
    for band in (None, *bands):
        each = [[p for p in some if band in (None, p.band)] for _, some in dense]
        values = [tallies.dice(one) if one else tallies.NAN for one in each]
        evened.append(float(np.average(np.nan_to_num(values), weights=weights)))
        cells = [f"{number(v, 2)} ({len(one)})" if one else "" for v, one in zip(values, each, strict=True)]
        rows.append([band.value if band else "all", *cells, number(evened[-1])])
    between = max(evened[1:]) - min(evened[1:]) if len(bands) > 1 else tallies.NAN
    rows.append(["best band less worst", *[""] * len(dense), number(between)])
    names = [f"{name}{'' if of_all else ' *'}" for (name, _), of_all in zip(dense, shared, strict=True)]
    return table(("", *names, "at equal densities"), rows)


def reliability_table(photos: Photos) -> str:
    """Probability against how often it is right: were it calibrated, the last two columns would agree."""
    rows = [
        [f"{low:g} to {high:g}", percent(share), number(mean, 2), number(true, 2)]
        for low, high, (share, mean, true) in zip(
            WORTH[:-1], WORTH[1:], tallies.reliability(tallies.histogram(photos), WORTH), strict=True
        )
    ]
    return table(("probability", "of all skin", "mean probability", "of it is lesion"), rows)


def share_table(photos: Photos) -> str:
    """Errors of the involved share by region."""
    rows = []
    for name, key in (*((r.label, r.key) for r in MASI_REGIONS), ("All skin of a close-up", IN_VIEW)):
        errors = tallies.shares(photos, key)
        last = number(errors.absolute), number(errors.bias, sign=True)
        rows.append([name, str(errors.regions), str(errors.missing), *last])
    return table(("region", "measured", "not measured", "mean absolute error", "bias"), rows)


def alarm_rows(photos: Photos) -> list[Group]:
    """Photographs without a lesion: of healthy patients by what else their skin shows, and of the others."""
    healthy = [p for p in photos if p.healthy]
    alike = sorted({name for p in healthy for name in p.look_alikes})
    found: list[Group] = [
        ("healthy patients", healthy),
        ("of these, plain skin", [p for p in healthy if not p.look_alikes]),
        ("of these, look-alikes", [p for p in healthy if p.look_alikes]),
        *((f"with {name}", [p for p in healthy if name in p.look_alikes]) for name in alike),
        ("lesions elsewhere, out of view", [p for p in photos if not p.healthy and not p.kinds]),
    ]
    by_group = [(f"healthy, {name}", [p for p in some if p.healthy]) for name, some in groups(photos)[1:]]
    return [(name, some) for name, some in (*found, *by_group) if tallies.alarms(some).photos]


def alarm_table(photos: Photos) -> str:
    """False alarms."""
    rows = []
    for name, some in alarm_rows(photos):
        one = tallies.alarms(some)
        rows.append([name, str(one.photos), percent(one.mean), percent(one.within), percent(one.worst)])
    healthy = [p for p in photos if p.healthy]
    between = gap(healthy, lambda some: tallies.alarms(some).mean)
    rows.append(["worst band less best", "", percent(between), "", ""])
    return table(("", "photos", "skin called disease, mean", "photos with 5 % at most", "worst photo"), rows)


def cover_table(photos: Photos) -> str:
    """Cover of the 90 % intervals, over all and by tone band."""
    bands = [(band.value, [p for p in photos if p.band == band]) for band in ToneBand]
    rows = []
    for what in ("involved share", "darkness", "homogeneity", "MASI"):
        for which, pigmented in (("", None), (", with pigment", True), (", without", False)):
            n, share, width = tallies.cover(photos, what, pigmented=pigmented)
            if not n:
                continue
            each = [tallies.cover(some, what, pigmented=pigmented) for _, some in bands]
            cells = [f"{number(held, 2)} ({count})" if count else "" for count, held, _ in each]
            rows.append([f"{what}{which}", str(n), number(share, 2), number(width, 2), *cells])
    text = table(("interval", "n", "holds the truth", "mean width", *(name for name, _ in bands)), rows)
    absent = [what for what in ("darkness", "homogeneity") if not tallies.cover(photos, what)[0]]
    return f"{text}\n\nThe record gives no interval of {' and '.join(absent)}." if absent else text


def kind_table(photos: Photos) -> str:
    """True kinds of single lesions against the names given."""
    pairs = [pair for one in tallies.seen(photos) for pair in one.names]
    if not pairs:
        return "No lesion."
    columns = (*_SORTS, NO_NAME, MISSED)
    rows = []
    for true in (*_SORTS, NO_LESION):
        given = [name for kind, name in pairs if kind == true]
        if given:
            rows.append([true, str(len(given)), *(str(given.count(column) or "") for column in columns)])
    named = [(true, name) for true, name in pairs if true in _SORTS and name in _SORTS]
    right = f"{np.mean([true == name for true, name in named]):.2f} of {len(named)}" if named else ""
    told = (
        f"Of the lesions that were found and named, the name is right for {right}."
        if named
        else ("This version gives no names: the table says how many were found.")
    )
    return f"{table(('true', 'n', *columns), rows)}\n\n{told}"


# ---------------------------------------------------------------- aims


def aims(photos: Photos, *, rendered: bool) -> str:
    """The figures that have an aim, with 95 % intervals over heads, and whether they reach it."""
    whole, close = [p for p in photos if not p.close], [p for p in photos if p.close]
    lesioned = [p for p in photos if p.kinds]
    alike = [p for p in photos if p.healthy and p.look_alikes]
    healthy = [p for p in photos if p.healthy]
    rows = []

    def add(
        what: str,
        aim: str,
        reached: Callable[[float], bool],
        some: Photos,
        figure: Callable[[Photos], float],
        count: int | None = None,
    ) -> None:
        value = figure(some)
        low, high = tallies.by_heads(some, figure)
        between = f"{low:.3f} to {high:.3f}" if not np.isnan(low) else ""
        met = "" if np.isnan(value) else "yes" if reached(value) else "no"
        rows.append([what, number(value), between, str(len(some) if count is None else count), aim, met])

    def above(limit: float) -> Callable[[float], bool]:
        return lambda value: value >= limit

    def below(limit: float) -> Callable[[float], bool]:
        return lambda value: value <= limit

    if rendered:
        add("regions, whole faces: mean IoU", ">= 0.85", above(0.85), whole, tallies.mean_iou)
        add("regions, close-ups: mean IoU", ">= 0.70", above(0.70), close, tallies.mean_iou)
        swaps = float(sum(one.swapped for one in tallies.seen(photos)))
        rows.append(["cheeks called the other", f"{swaps:.0f}", "", str(len(photos)), "0", "no" if swaps else "yes"])
    limit = 0.80 if rendered else 0.85
    add("pigment: Dice, pooled", f">= {limit:.2f}", above(limit), lesioned, tallies.dice)
    add(
        "pigment: best Dice of one threshold",
        "",
        above(limit),
        lesioned,
        lambda p: tallies.best_dice(tallies.histogram(p)),
    )
    rows[-1][-1] = ""
    add("share of a region: mean absolute error", "<= 0.04", below(0.04), photos, lambda p: tallies.shares(p).absolute)
    for who, free in (("healthy", healthy), ("look-alikes alone", alike)):
        add(f"{who}: share of skin called", "<= 0.01", below(0.01), free, lambda p: tallies.alarms(p).mean)
        add(f"{who}: photos with 5 % at most", ">= 0.95", above(0.95), free, lambda p: tallies.alarms(p).within)
    bands: list[tuple[str, Photos, Callable[[Photos], float]]] = [
        ("Dice", lesioned, tallies.dice),
        ("error of the share", photos, lambda p: tallies.shares(p).absolute),
        ("skin called on the healthy", healthy, lambda p: tallies.alarms(p).mean),
    ]
    if rendered:
        bands.insert(0, ("IoU, whole faces", whole, tallies.mean_iou))
    for name, some, figure in bands:
        value = gap(some, figure)
        met = "" if np.isnan(value) else "yes" if value <= 0.05 else "no"
        bands_told = f"{len(by_band(some, figure))} bands"
        rows.append([f"best less worst tone band: {name}", number(value), bands_told, str(len(some)), "<= 0.05", met])
    for what in ("involved share", "darkness", "homogeneity", "MASI"):
        add(
            f"90 % interval of {what}, where there is pigment: holds",
            "0.85 to 0.95",
            lambda value: 0.85 <= value <= 0.95,
            lesioned,
            lambda p, what=what: tallies.cover(p, what, pigmented=True)[1],  # type: ignore[misc]
            sum(tallies.cover([one], what, pigmented=True)[0] > 0 for one in lesioned),
        )
    rows = [row for row in rows if row[1]]
    return table(("figure", "value", "95 % interval", "photos", "aim", "reached"), rows)

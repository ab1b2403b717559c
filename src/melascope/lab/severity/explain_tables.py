"""The tables of an explanation: the paper's Table 2, where relevance lies, flipping, agreement, sanity, the account."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from melascope.lab.lrp import COMPOSITES
from melascope.lab.severity.explain import STAGES, MapFacts, Measured
from melascope.lab.severity.explain_flipping import Curve, area_under
from melascope.lab.severity.explain_methods import PAPER
from melascope.lab.severity.explain_photos import PLACES
from melascope.severity.intervals import Interval
from melascope.severity.prediction import CLASSES
from melascope.severity.sheets import Cell, Column, Row, Sheet

__all__ = ["EVENLY", "PRINTED", "every_sheet", "mean_interval", "methods_of", "networks_of", "of"]

PRINTED: Final = {"GoogLeNet": (0.0351, 0.0412, 0.0418)}
"""Mean "LRP" values of Zhang 2025, Table 2, as far as the text states them: mild, moderate, severe."""
EVENLY: Final = "the pixels themselves"
"""What relevance that is spread evenly over the picture would have."""
_DRAWS: Final = 1000
_THOUSAND: Final = 1e3


def networks_of(rows: Sequence[Measured]) -> tuple[str, ...]:
    """In the order in which they were explained."""
    return tuple(dict.fromkeys(row.run for row in rows))


def methods_of(rows: Sequence[Measured]) -> tuple[str, ...]:
    """In the order in which they were asked for."""
    return tuple(dict.fromkeys(method for row in rows for method in row.maps))


def of(rows: Sequence[Measured], network: str) -> list[Measured]:
    """Rows of one network."""
    return [row for row in rows if row.run == network]


def mean_interval(rows: Sequence[Measured], values: Iterable[float], draws: int = _DRAWS, seed: int = 7) -> Interval:
    """Mean over photos with its 95 % interval by drawing patients, or groups; photos whose value is NaN are not in."""
    by_unit: dict[tuple[str, str], list[float]] = {}
    for row, number in zip(rows, values, strict=True):
        if math.isfinite(number):
            by_unit.setdefault((row.group, "" if row.group else row.patient), []).append(number)
    if not by_unit:
        return Interval(math.nan, math.nan, math.nan)
    sums = np.array([math.fsum(values) for values in by_unit.values()])
    counts = np.array([len(values) for values in by_unit.values()])
    mean = float(sums.sum() / counts.sum())
    if len(sums) < 2:
        return Interval(mean, math.nan, math.nan)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(draws, len(sums)))
    low, high = np.quantile(sums[drawn].sum(1) / counts[drawn].sum(1), (0.025, 0.975))
    return Interval(mean, float(low), float(high))


def every_sheet(rows: Sequence[Measured]) -> list[Sheet]:
    """All tables; each is also a CSV file."""
    return [table_2(rows), places(rows), flipping(rows), agreement(rows), sanity(rows), account(rows), photos(rows)]


def _cells(rows: Sequence[Measured]) -> list[tuple[str, str, list[Measured]]]:
    return [
        (network, method, [row for row in of(rows, network) if method in row.maps])
        for network in networks_of(rows)
        for method in methods_of(rows)
    ]


def table_2(rows: Sequence[Measured]) -> Sheet:
    """Mean relevance by network, method and class of the raters: the paper's Table 2."""
    groups = (("absolute", "Mean |R| of a pixel × 10³"), ("signed", "Mean R of a pixel × 10³"))
    columns = [Column("network", "Network"), Column("method", "Method")]
    columns += [Column(f"{key}_{c.value}", c.value, 3, group=words) for key, words in groups for c in CLASSES]
    columns += [Column("half", "Half of it lies in, % of pixels", 1, "low")]
    columns += [
        Column(f"printed_{c.value}", c.value, 1, group="Printed in the paper × 10³", printed=True) for c in CLASSES
    ]
    body: list[Row] = []
    for network, method, some in _cells(rows):
        cells: list[Cell] = [network, method]
        for key, _ in groups:
            for k in range(len(CLASSES)):
                graded = [row for row in some if row.truth == k]
                cells.append(mean_interval(graded, [_THOUSAND * _mean(row.maps[method], key) for row in graded]))
        cells.append(mean_interval(some, [100 * row.maps[method].half for row in some]))
        printed = PRINTED.get(network) if method == PAPER else None
        body.append((*cells, *((_THOUSAND * value for value in printed) if printed else (None,) * len(CLASSES))))
    return Sheet("table2", "Mean relevance by network, method and labelled class", tuple(columns), tuple(body))


def _mean(facts: MapFacts, key: str) -> float:
    return facts.mean_absolute if key == "absolute" else facts.mean


def places(rows: Sequence[Measured]) -> Sheet:
    """Where the positive relevance lies, beside the share of the photo's pixels that lie there."""
    words = {"melasma": "true melasma", "face_elsewhere": "rest of the face", "outside": "outside the face"}
    columns = [Column("network", "Network"), Column("method", "Method")]
    columns += [Column(f"{place}_share", words.get(place, place.replace("_", " ")), 1) for place in PLACES]
    columns += [Column("melasma_times", "times its area", 2, "high", group="True melasma")]
    columns += [Column("outside_times", "times its area", 2, "low", group="Outside the face")]
    body: list[Row] = []
    for network in networks_of(rows):
        mine = [row for row in of(rows, network) if row.places]
        if not mine:
            continue
        area: list[Cell] = [
            mean_interval(_there(mine, p), [100 * row.places[p] for row in _there(mine, p)]) for p in PLACES
        ]
        body.append((network, EVENLY, *area, None, None))
        for method in methods_of(rows):
            cells: list[Cell] = [network, method]
            cells += [
                mean_interval(_there(mine, p), [100 * row.maps[method].places[p] for row in _there(mine, p)])
                for p in PLACES
            ]
            cells += [
                mean_interval(_there(mine, p), [_times(row, method, p) for row in _there(mine, p)])
                for p in ("melasma", "outside")
            ]
            body.append(tuple(cells))
    return Sheet("places", "Share of the positive relevance by place, %", tuple(columns), tuple(body))


def _there(rows: Sequence[Measured], place: str) -> list[Measured]:
    """Photos that show the place: of melasma, those that have some."""
    return [row for row in rows if row.places.get(place, 0.0) > 0]


def _times(row: Measured, method: str, place: str) -> float:
    return row.maps[method].places[place] / row.places[place]


def flipping(rows: Sequence[Measured]) -> Sheet:
    """Pixel flipping: areas under both curves, and what lies between them."""
    columns = (
        Column("network", "Network"),
        Column("method", "Method"),
        Column("most_first", "Area, most relevant first", 3, "low"),
        Column("least_first", "Area, least relevant first", 3, "high"),
        Column("fidelity", "Between them", 3, "high", signed=True),
    )
    body: list[Row] = []
    for network, method, some in _cells(rows):
        body.append(
            (
                network,
                method,
                mean_interval(some, [area_under(row.maps[method].most_first) for row in some]),
                mean_interval(some, [area_under(row.maps[method].least_first) for row in some]),
                mean_interval(some, [_curve(row, method).fidelity for row in some]),
            )
        )
    return Sheet("flipping", "Pixel flipping", columns, tuple(body))


def _curve(row: Measured, method: str) -> Curve:
    facts = row.maps[method]
    return Curve(tuple(facts.most_first), tuple(facts.least_first))


def agreement(rows: Sequence[Measured]) -> Sheet:
    """Mean rank correlation of every two methods, by network."""
    methods = methods_of(rows)
    columns = (Column("network", "Network"), Column("method", "Method"), *(Column(m, m, 2) for m in methods))
    body: list[Row] = []
    for network in networks_of(rows):
        mine = of(rows, network)
        for a in methods:
            cells: list[Cell] = [network, a]
            for b in methods:
                if a == b:
                    cells.append(None)
                    continue
                values = [row.agreement.get(f"{a}|{b}", row.agreement.get(f"{b}|{a}", math.nan)) for row in mine]
                known = [value for value in values if math.isfinite(value)]
                cells.append(float(np.mean(known)) if known else math.nan)
            body.append(tuple(cells))
    return Sheet("agreement", "Agreement between methods: rank correlation of 28 × 28 cells", columns, tuple(body))


def sanity(rows: Sequence[Measured]) -> Sheet:
    """Rank correlation with the maps of networks that have lost what they learnt."""
    columns = (
        Column("network", "Network"),
        Column("method", "Method"),
        *(Column(f"stage_{stage:g}", "last layer" if stage == 0 else f"{100 * stage:.0f} %", 2) for stage in STAGES),
    )
    body: list[Row] = []
    for network in networks_of(rows):
        for method in methods_of(rows):
            some = [row for row in of(rows, network) if method in row.sanity]
            if some:
                means = (mean_interval(some, [row.sanity[method][k] for row in some]) for k in range(len(STAGES)))
                body.append((network, method, *means))
    return Sheet(
        "sanity", "Rank correlation with the map after shuffling weights, by share of the layers", columns, tuple(body)
    )


def account(rows: Sequence[Measured]) -> Sheet:
    """Where the score went: pixels, biases, stabilisers, rounding; and how far relevance grew."""
    columns = (
        Column("network", "Network"),
        Column("method", "LRP"),
        Column("pixels", "Pixels, % of the score", 1),
        Column("bias", "Biases, %", 1),
        Column("absorbed", "Stabilisers, %", 4),
        Column("gap", "Greatest gap, %", 5),
        Column("spread", "Greatest Σ|R| / score", 2),
    )
    body: list[Row] = []
    for network, method, some in _cells(rows):
        if method not in COMPOSITES or not some:
            continue
        facts = [(row.maps[method], row.score) for row in some]
        body.append(
            (
                network,
                method,
                mean_interval(some, [100 * row.maps[method].total / row.score for row in some]),
                mean_interval(some, [100 * (row.maps[method].bias or 0) / row.score for row in some]),
                mean_interval(some, [100 * (row.maps[method].absorbed or 0) / row.score for row in some]),
                max(100 * abs(one.gap or 0.0) for one, _ in facts),
                max((2 * one.positive - one.total) / abs(score) for one, score in facts),
            )
        )
    return Sheet("account", "Where the score went", columns, tuple(body))


def photos(rows: Sequence[Measured]) -> Sheet:
    """Every photo, network and method: what the other tables are means of."""
    columns = [Column(name, name) for name in ("network", "photo", "patient", "rated", "explained")]
    columns += [Column("probability", "probability"), Column("score", "score"), Column("method", "method")]
    plain = ("total", "positive", "mean", "mean_absolute", "bias", "absorbed", "gap", "half")
    columns += [Column(name, name) for name in plain]
    columns += [Column(f"{place}_share", place) for place in PLACES]
    columns += [Column(f"{place}_area", place) for place in PLACES]
    columns += [Column("most_first", "most_first"), Column("least_first", "least_first")]
    body: list[Row] = []
    for row in rows:
        start = (row.run, row.photo, row.patient, CLASSES[row.truth].value, CLASSES[row.explained].value)
        for method, facts in row.maps.items():
            cells: list[Cell] = [*start, row.probability, row.score, method]
            cells += [getattr(facts, name) for name in plain]
            cells += [facts.places.get(place) for place in PLACES] + [row.places.get(place) for place in PLACES]
            cells += [area_under(facts.most_first), area_under(facts.least_first)]
            body.append(tuple(cells))
    return Sheet("photos", "Every photo", tuple(columns), tuple(body))

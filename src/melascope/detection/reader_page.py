"""The page of readers and a network: tables, drawings and CSV files."""

from __future__ import annotations

import math
from importlib.metadata import version
from pathlib import Path
from typing import Final

from markupsafe import Markup

from melascope.data.layout import write_whole
from melascope.detection.page import template
from melascope.detection.paper import TABLES, paper
from melascope.detection.reader_study import Reader, Study
from melascope.detection.words import KINDS, inside, span
from melascope.severity.intervals import drawn_by
from melascope.severity.sheets import Cell, Column, Row, Sheet, csv_text, laid_out
from melascope.severity.svg import ACCENT, SOFT, Panel, svg, text
from melascope.vocabulary import DISCLAIMER

__all__ = ["PAGE", "by_kind", "each", "html", "sentences", "tests", "write_page"]

PAGE: Final = "readers.html"
_LABELS: Final = {
    "exact": "Wholly right",
    "precision_mean": "Precision, mean of kinds",
    "sensitivity_mean": "Sensitivity, mean of kinds",
    "specificity_mean": "Specificity, mean of kinds",
    "auc_mean": "AUC, mean of kinds",
}
_HEADS: Final = {"precision": "Precision", "sensitivity": "Sensitivity", "specificity": "Specificity"}
_FIFTHS: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_READER: Final = "#d55e00"
_MANY: Final = 1000.0
"""Degrees of freedom from which t is as good as normal: not shown."""


def write_page(found: Study, out: Path, command: str) -> Path:
    """Write ``readers.html`` and its tables as CSV; the folder is made if it does not exist."""
    for sheet in _sheets(found):
        write_whole(out / f"{sheet.key}.csv", csv_text(sheet))
    write_whole(out / "figures" / "readers_roc.svg", points(found))
    write_whole(out / PAGE, html(found, command))
    return out / PAGE


def html(found: Study, command: str) -> str:
    """The page: no script, no request to anywhere."""
    return template("readers.html.j2").render(
        headline=_headline(found),
        data=_data(found),
        simulated=_simulated(found),
        sentences=sentences(found),
        method=_method(found),
        tables={sheet.key: laid_out(sheet) for sheet in _sheets(found)},
        network=found.run.name,
        drawing=Markup(points(found)),  # noqa: S704 - escaped by svg
        graded=found.graded,
        command=command,
        disclaimer=DISCLAIMER,
        version=version("melascope"),
    )


def sentences(found: Study) -> list[str]:
    """What stands out."""
    said = []
    exact = found.against.get("exact")
    if exact is not None:
        apart, low, high = (f"{v:+.3f}".replace("-", "−") for v in (
            exact.difference.value, exact.difference.low, exact.difference.high))  # fmt: skip
        real = "no difference that could not be chance" if exact.p >= 0.05 else "more than chance"
        said.append(
            f"Photos wholly right: readers’ mean {exact.readers:.3f}, {found.run.name} {exact.opponent:.3f}; "
            f"difference "
            f"{apart} ({low} to {high}), {_p(exact.p)}, other readers and other patients allowed for: {real}."
        )
    better = [one.name for one in found.readers if one.against and one.p_adjusted < 0.05
              and one.against.only_first > one.against.only_second]  # fmt: skip
    worse = [one.name for one in found.readers if one.against and one.p_adjusted < 0.05
             and one.against.only_first < one.against.only_second]  # fmt: skip
    if better:
        said.append(f"Right on more photos than {found.run.name} (McNemar, Holm): {', '.join(better)}.")
    if worse:
        said.append(f"Right on fewer photos than {found.run.name} (McNemar, Holm): {', '.join(worse)}.")
    if found.cochran is not None:
        q = found.cochran
        said.append(
            f"Readers and network are {'not ' if q.p < 0.05 else ''}right equally often as far as these photos tell: "
            f"Cochran’s Q {q.q:.1f} on {q.freedom} degrees of freedom, {_p(q.p)}."
        )
    if found.fleiss:
        known = {kind: found.fleiss[kind.value].value for kind in found.classes}
        known = {kind: value for kind, value in known.items() if not math.isnan(value)}
        if known:
            least = min(known, key=lambda kind: known[kind])
            said.append(
                f"The readers agree with Fleiss’ kappa {span(found.fleiss['mean'])}, mean of the kinds; least on "
                f"{inside(least)}, {span(found.fleiss[least.value])}."
            )
    return said


def by_kind(found: Study) -> Sheet:
    """The paper's Table 1 with its DOCTOR columns: readers' mean and network, kind by kind."""
    readers = "Readers, mean" if len(found.readers) > 1 else found.readers[0].name
    groups = (("readers", readers), ("network", found.run.name))
    columns = (
        Column("kind", "Kind"),
        Column("photos", "Photos", digits=0),
        *(Column(f"{key}_{name}", head, group=group) for key, group in groups for name, head in _HEADS.items()),
        *(
            Column(f"paper_{name}", f"{head[:4]}.", group="Ding 2022: dermatologists", printed=True)
            for name, head in _HEADS.items()
        ),
    )
    rows: list[Row] = []
    for kind in (*found.classes, None):
        name, label = ("mean", "Mean of the kinds") if kind is None else (kind.value, KINDS[kind])
        count = len(found.shown) if kind is None else int(found.shown[:, found.classes.index(kind)].sum())
        cells: list[Cell] = [
            table[f"{key}_{name}"] for table in (found.together, found.network.figures) for key in TABLES
        ]
        cells += [paper().readers.get(f"{key}_{name}") for key in TABLES]
        rows.append((label, count, *cells))
    return Sheet("readers_by_kind", "Readers and network, kind by kind", columns, tuple(rows))


def each(found: Study) -> Sheet:
    """One row a reader, the majority, the network."""
    keys = ("exact", "precision_mean", "sensitivity_mean", "specificity_mean", "auc_mean")
    columns = (
        Column("reader", "Reader"),
        *(
            Column(key, _LABELS[key].removesuffix(", mean of kinds"), better="high")
            for key in keys
            if _useful(found, key)
        ),
        Column("only_this", "Only this right", digits=0, group=f"Against {found.run.name}"),
        Column("only_network", "Only network right", digits=0, group=f"Against {found.run.name}"),
        Column("p", "p (Holm)", p_value=True, group=f"Against {found.run.name}"),
    )
    everyone = [*found.readers, *([found.majority] if found.majority else []), found.network]
    rows: list[Row] = [_row(found, one, [key for key in keys if _useful(found, key)]) for one in everyone]
    return Sheet("readers", "Each reader", columns, tuple(rows))


def tests(found: Study) -> Sheet:
    """Readers' mean against the network, readers and patients drawn."""
    columns = (
        Column("figure", "Figure"),
        Column("readers", "Readers, mean"),
        Column("network", found.run.name),
        Column("difference", "Difference", signed=True),
        Column("freedom", "Degrees of freedom", digits=1),
        Column("p", "p", p_value=True),
        Column("reader_square", "MS, readers", digits=6),
        Column("covariance", "Cov₂", digits=6),
    )
    rows: list[Row] = []
    for key, one in found.against.items():
        name = key.removeprefix("auc_")
        kinds = {kind.value: f"AUC, {inside(kind)}" for kind in found.classes}
        label = _LABELS.get(key) or kinds[name]
        freedom = one.freedom if one.freedom < _MANY else math.nan
        rows.append(
            (label, one.readers, one.opponent, one.difference, freedom, one.p, one.reader_square, one.covariance)
        )
    return Sheet("multi_reader", "Readers’ mean against the network", columns, tuple(rows))


def modes(found: Study) -> Sheet:
    """Modes of reading against each other."""
    columns = (
        Column("figure", "Figure"),
        Column("first", "Mode"),
        Column("second", "Against"),
        Column("first_mean", "Mean"),
        Column("second_mean", "Mean, other"),
        Column("difference", "Difference", signed=True),
        Column("p", "p", p_value=True),
        Column("freedom", "Degrees of freedom", digits=1),
        Column("p_all", "p, all modes", p_value=True),
    )
    rows: list[Row] = []
    for key, one in found.modes.items():
        for i, j, apart, p in one.differences:
            names = found.mode_names[i] or "(unnamed)", found.mode_names[j] or "(unnamed)"
            free = one.freedom[1] if one.freedom[1] < _MANY else math.nan
            rows.append((_LABELS[key], *names, one.means[i], one.means[j], apart, p, free, one.p))
    return Sheet("modes", "Modes of reading", columns, tuple(rows))


def agreement(found: Study) -> Sheet:
    """Fleiss' kappa by kind."""
    columns = (Column("kind", "Kind"), Column("kappa", "Fleiss’ kappa"))
    names = {**{kind.value: KINDS[kind] for kind in found.classes}, "mean": "Mean of the kinds"}
    rows: list[Row] = [(names[key], value) for key, value in found.fleiss.items()]
    return Sheet("agreement", "Agreement of all readers", columns, tuple(rows))


def pairs(found: Study) -> Sheet:
    """Two by two."""
    columns = (
        Column("first", "Reader"),
        Column("second", "And"),
        Column("same", "Same kinds, share of photos"),
        Column("kappa", "Cohen’s kappa, mean of kinds"),
    )
    rows: list[Row] = [(one.first, one.second, one.same, one.kappa) for one in found.pairs]
    return Sheet("pairs", "Agreement of two readers", columns, tuple(rows))


def points(found: Study) -> str:
    """The network's ROC curves with a point a reader."""
    side, parts = 262.0, []
    for k, kind in enumerate(found.classes):
        row, column = divmod(k, 3)
        panel = Panel(48 + column * (side + 62), 30 + row * (side + 72), side, side)
        count = int(found.shown[:, k].sum())
        label = "Sensitivity" if column == 0 else ""
        panel.axes(_FIFTHS, _FIFTHS, "1 − specificity", label, f"{KINDS[kind]} ({count} of {len(found.shown)} photos)")
        panel.line((0, 1), (0, 1), SOFT, width=0.8, dash="3 3")
        if kind not in found.curves:
            words = "every photo shows it" if count else "no photo shows it"
            panel.note(0.5, 0.5, words, anchor="middle", colour=SOFT)
            parts += panel.parts
            continue
        curve = found.curves[kind]
        panel.line(curve.false_positive.tolist(), curve.true_positive.tolist(), ACCENT, width=1.8)
        for one in found.readers:
            panel.dot(*_point(one, kind.value), _READER, hollow=True)
        mean = [found.together[f"{key}_{kind.value}"].value for key in ("specificity", "sensitivity")]
        panel.diamond(1 - mean[0], mean[1], _READER)
        panel.dot(*_point(found.network, kind.value), ACCENT, radius=4)
        area = found.network.figures[f"auc_{kind.value}"].value
        for line, (words, colour) in enumerate(
            ((f"{found.run.name}: area {area:.2f}", ACCENT), ("dot: at its threshold", ACCENT),
             ("circles: readers; diamond: their mean", "#a84a00"))
        ):  # fmt: skip
            panel.note(0.98, 0.0, words, anchor="end", colour=colour, shift=(0, -8.0 - 14 * (2 - line)))
        parts += panel.parts
    rows = math.ceil(len(found.classes) / 3)
    if not parts:
        parts.append(text(10, 20, "no kinds"))
    return svg(1000, 30 + rows * (side + 72), "ROC curves of the network with the readers’ points", parts)


def _point(one: Reader, kind: str) -> tuple[float, float]:
    return 1 - one.figures[f"specificity_{kind}"].value, one.figures[f"sensitivity_{kind}"].value


def _row(found: Study, one: Reader, keys: list[str]) -> Row:
    test: list[Cell] = [None, None, None]
    if one.against is not None:
        test = [one.against.only_first, one.against.only_second, one.p_adjusted]
        if one is found.majority:
            test[2] = one.against.p
    name = {found.majority and found.majority.name: "Majority of the readers"}.get(one.name, one.name)
    return (name, *(one.figures[key] for key in keys), *test)


def _useful(found: Study, key: str) -> bool:
    return found.graded or not key.startswith("auc")


def _sheets(found: Study) -> list[Sheet]:
    return [by_kind(found), each(found), tests(found), modes(found), agreement(found), pairs(found)]


def _headline(found: Study) -> str:
    count = f"{len(found.readers)} reader{'' if len(found.readers) == 1 else 's'}"
    exact = found.together["exact"].value, found.network.figures["exact"].value
    return f"{count} and {found.run.name}: {exact[0]:.3f} and {exact[1]:.3f} of photos wholly right"


def _data(found: Study) -> str:
    kinds = ", ".join(f"{inside(kind)} {int(found.shown[:, k].sum())}" for k, kind in enumerate(found.classes))
    none = int((~found.shown.any(axis=1)).sum())
    several = int((found.shown.sum(axis=1) > 1).sum())
    return (
        f"{len(found.shown)} photos of {found.patients} patients, all read by all readers; photos that show a kind: "
        f"{kinds}; {several} show several, {none} none."
    )


def _simulated(found: Study) -> str:
    if not found.simulated:
        return ""
    listed = "; ".join(f"{name} {rates.removeprefix('simulated: ')}" for name, rates in found.simulated.items())
    who = "These readers do" if len(found.simulated) == len(found.readers) else "Some of these readers do"
    return f"{who} not exist. They were simulated from the truth, to show the analysis: {listed}."


def _method(found: Study) -> list[tuple[str, str]]:
    calls = "rated 50 of 100 or more, where ratings are given without kinds" if found.graded else "named"
    return [
        (
            "A reader calls a kind",
            (
                f"when it is {calls}. The network calls it when its surest box reaches the kind’s "
                f"threshold: {found.levels}."
            ),
        ),
        ("Wholly right", "every kind that the photo shows is called, and no other (the paper’s accuracy)."),
        ("Specificity", "TN / (TN + FP). The paper’s equation 9 prints TN / (FP + FN), which is no specificity."),
        (
            "Intervals",
            (
                f"95 %: {found.resamples:,} draws of {drawn_by(found.clusters, found.patients)}, these readers given; "
                "those of Table 3 also allow for other readers."
            ),
        ),
        (
            "Readers’ mean against the network",
            (
                "Obuchowski and Rockette’s model for one group of readers and a fixed "
                "opponent: readers and patients drawn at random, t test with the degrees of freedom of Hillis. "
                "Covariances by "
                "leaving out one patient at a time. MS: mean square between readers of their differences from the "
                "network; Cov₂: "
                "mean covariance of two readers’ differences. Blank degrees of freedom: 1000 or more; the readers "
                "hardly differ."
            ),
        ),
        ("Modes", "Obuchowski and Rockette’s F test of readers by modes, the same degrees of freedom."),
        (
            "McNemar",
            (
                "each reader against the network, photos that only one of the two has wholly right; exact, two-sided, "
                "p adjusted by Holm (the majority’s is not). It takes photos as independent."
            ),
        ),
        ("Cochran’s Q", "whether all readers and the network are wholly right equally often."),
        (
            "Agreement",
            (
                "Fleiss’ kappa of all readers, Cohen’s of two: 1 is perfect, 0 is chance; undefined where nobody ever "
                "calls a kind."
            ),
        ),
        (
            "AUC",
            "by the readers’ ratings and the network’s scores."
            if found.graded
            else "of the network alone: the readers only said yes or no, which makes a point, not a curve.",
        ),
        ("The paper", f"{paper().source}, {paper().where}. No comparison: other people, other photos, other readers."),
    ]


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"

"""The page's drawings: overview, ROC, precision-recall and FROC curves, confusion matrices, sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.detection.evaluation import Benchmark
from melascope.detection.froc import RATES
from melascope.detection.tables import printed
from melascope.detection.words import KINDS
from melascope.severity.svg import ACCENT, INK, SOFT, Panel, Style, style, svg, text
from melascope.vocabulary import Lesion

__all__ = ["KIND_COLOURS", "confusions", "draw", "froc", "precision_recall", "roc", "summary"]

_WIDTH: Final = 1000.0
_FIFTHS: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_PAPER: Final = "#8a5300"
KIND_COLOURS: Final[Mapping[Lesion, str]] = {
    Lesion.SOLAR_LENTIGO: "#0072b2",
    Lesion.FRECKLE: "#b8860b",
    Lesion.MELASMA: "#9b1c4a",
    Lesion.CAFE_AU_LAIT: "#009e73",
    Lesion.NEVUS_OF_OTA: "#56a0d3",
    Lesion.HORI_NEVUS: "#7a3fa0",
}
_DASHES: Final = ("", "7 3", "2 2.5", "9 3 2 3", "5 2", "1.5 3")
_POINTS: Final = 400
"""Of one curve, at most."""


def draw(benchmark: Benchmark) -> dict[str, str]:
    """Every drawing by name, as SVG."""
    return {
        "summary": summary(benchmark),
        "roc": roc(benchmark),
        "precision_recall": precision_recall(benchmark),
        "froc": froc(benchmark),
        "confusion_boxes": confusions(benchmark, "boxes"),
        "confusion_photos": confusions(benchmark, "photos"),
    }


def summary(benchmark: Benchmark) -> str:
    """Photos wholly right and mAP@50 of every network with intervals, and what the paper printed."""
    looks, rows = _styles(benchmark), len(benchmark.evaluations)
    longest = max(len(one.run.name) for one in benchmark.evaluations)
    left, height, top = max(190.0, 8.2 * longest), 30.0 * rows, 34.0
    width = (_WIDTH - left - 60) / 2
    parts: list[str] = []
    for k, (key, label) in enumerate((("exact", "Photos wholly right, share"), ("ap50", "mAP@50"))):
        values = [one.figures[key] for one in benchmark.evaluations]
        marks = [printed(one).get("exact") if key == "exact" else None for one in benchmark.evaluations]
        known = [v for one in values for v in (one.value, one.low) if not math.isnan(v)]
        known += [v for v in marks if v is not None]
        low = max(0.0, math.floor(min(known, default=0.0) * 10 - 0.3) / 10)
        panel = Panel(left + k * (width + 40), top, width, height, (low, 1.0), (rows - 0.5, -0.5))
        panel.axes([low + 0.1 * step for step in range(round((1 - low) * 10) + 1)], (), label)
        for row, (one, value) in enumerate(zip(benchmark.evaluations, values, strict=True)):
            look = looks[one.run.name]
            if not math.isnan(value.low):
                panel.line((value.low, value.high), (row, row), look.colour, width=2)
            if not math.isnan(value.value):
                panel.dot(value.value, row, look.colour, radius=4)
            mark = marks[row]
            if mark is not None:
                panel.diamond(mark, row + 0.3, _PAPER)
            if k == 0:
                place = panel.at(low, row)[1] + 4
                parts.append(text(left - 10, place, one.run.name, size=12, anchor="end", bold=one.run.ours))
        parts += panel.parts
    return svg(_WIDTH, top + height + 42, "Photos wholly right and mAP@50 of every network", parts)


def roc(benchmark: Benchmark) -> str:
    """One panel a kind, one curve a network."""
    areas = {
        kind: {one.run.name: one.figures[f"auc_{kind.value}"].value for one in benchmark.evaluations}
        for kind in benchmark.classes
    }
    curves = {
        kind: {
            one.run.name: (one.roc[kind].false_positive, one.roc[kind].true_positive)
            for one in benchmark.evaluations
            if kind in one.roc
        }
        for kind in benchmark.classes
    }
    return _by_kind(benchmark, curves, areas, ("1 − specificity", "Sensitivity"), "ROC curves of photos by kind", True)


def precision_recall(benchmark: Benchmark) -> str:
    """One panel a kind, one curve a network."""
    areas = {
        kind: {one.run.name: one.figures[f"ap50_{kind.value}"].value for one in benchmark.evaluations}
        for kind in benchmark.classes
    }
    curves = {
        kind: {one.run.name: one.recall[kind] for one in benchmark.evaluations if kind in one.recall}
        for kind in benchmark.classes
    }
    words = ("Recall of rectangles", "Precision")
    return _by_kind(benchmark, curves, areas, words, "Precision and recall of boxes by kind", False)


def froc(benchmark: Benchmark) -> str:
    """All kinds together by network; and each kind of the best network."""
    looks, side, gap = _styles(benchmark), 330.0, 100.0
    parts: list[str] = []
    for k, title in enumerate(("All kinds together", f"{benchmark.best}, by kind")):
        panel = Panel(60 + k * (side + gap + 60), 30, side + 40, side, (math.log2(1 / 16), math.log2(16)))
        panel.axes((), _FIFTHS, "False alarms a photo", "Sensitivity for lesions", title)
        for rate in (1 / 16, *RATES, 16):
            x = math.log2(rate)
            if 1 / 16 < rate < 16:
                panel.line((x, x), (0, 1), "#eceff1", width=0.8)
            words = f"1/{round(1 / rate)}" if rate < 1 else f"{rate:g}"
            panel.note(x, 0, words, anchor="middle", colour=SOFT, shift=(0, 15))
        lines: list[tuple[str, Style, tuple[NDArray[np.float64], NDArray[np.float64]]]] = []
        if k == 0:
            lines = [(one.run.name, looks[one.run.name], one.froc[None]) for one in benchmark.evaluations]
        else:
            best = benchmark.of(benchmark.best)
            lines = [
                (KINDS[kind], Style(KIND_COLOURS[kind], _DASHES[row], 1.8), best.froc[kind])
                for row, kind in enumerate(benchmark.classes)
                if kind in best.froc
            ]
        for row, (name, look, (rates, shares)) in enumerate(lines):
            xs, ys = _stairs(rates, shares)
            panel.line(xs, ys, look.colour, width=look.width, dash=look.dash)
            _key(panel, look, name, panel.y + panel.height - 14 * (len(lines) - row), 168)
        parts += panel.parts
    return svg(_WIDTH, side + 74, "Sensitivity for lesions against false alarms a photo", parts)


def confusions(benchmark: Benchmark, what: str) -> str:
    """Confusion matrices of boxes or photos; rows are true kinds."""
    names = [*(kind.value for kind in benchmark.classes), "none"]
    columns = min(3, max(2, len(benchmark.evaluations)))
    side = min(270.0, (_WIDTH - 60 - columns * 46) / columns)
    count = len(names)
    parts: list[str] = []
    for k, one in enumerate(benchmark.evaluations):
        row, column = divmod(k, columns)
        matrix = one.boxes_matrix if what == "boxes" else one.photos_matrix
        panel = Panel(62 + column * (side + 52), 30 + row * (side + 66), side, side, (0, count), (count, 0))
        for i in range(count):
            total = int(matrix[i].sum())
            for j in range(count):
                cell = int(matrix[i, j])
                share = cell / total if total else 0.0
                if what == "boxes" and i == j == count - 1:
                    continue
                panel.box(j, i, j + 1, i + 1, ACCENT, opacity=0.03 + 0.87 * share)
                if cell:
                    colour = "#fff" if share > 0.62 else INK
                    panel.note(j + 0.5, i + 0.5, str(cell), size=11, anchor="middle", colour=colour, shift=(0, 4))
        panel.axes((), (), "Found", "", one.run.name)
        for place, name in enumerate(names):
            panel.note(place + 0.5, count, name, anchor="middle", colour=SOFT, shift=(0, 14))
            panel.note(0, place + 0.5, name, anchor="end", colour=SOFT, shift=(-5, 4))
        middle = panel.y + side / 2
        panel.parts.append(text(panel.x - 42, middle, "True", anchor="middle", colour=SOFT, turned=True))
        parts += panel.parts
    rows = math.ceil(len(benchmark.evaluations) / columns)
    return svg(_WIDTH, 30 + rows * (side + 66), f"Confusion matrices of {what}; rows are true kinds", parts)


def _by_kind(
    benchmark: Benchmark,
    curves: Mapping[Lesion, Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]],
    areas: Mapping[Lesion, Mapping[str, float]],
    words: tuple[str, str],
    title: str,
    diagonal: bool,
) -> str:
    looks, side = _styles(benchmark), 262.0
    parts: list[str] = []
    for k, kind in enumerate(benchmark.classes):
        row, column = divmod(k, 3)
        panel = Panel(48 + column * (side + 62), 30 + row * (side + 72), side, side)
        number = f"{benchmark.shown[kind]} photos" if diagonal else f"{benchmark.lesions[kind]} rectangles"
        panel.axes(_FIFTHS, _FIFTHS, words[0], words[1] if column == 0 else "", f"{KINDS[kind]} ({number})")
        if diagonal:
            panel.line((0, 1), (0, 1), SOFT, width=0.8, dash="3 3")
        drawn = curves[kind]
        for place, (name, (xs, ys)) in enumerate(drawn.items()):
            thin = _thinned(len(xs))
            look = looks[name]
            panel.line(xs[thin].tolist(), ys[thin].tolist(), look.colour, width=look.width, dash=look.dash)
            words_ = f"{areas[kind][name]:.2f}  {name}"
            _key(panel, look, words_, panel.y + side - 14 * (len(drawn) - place), 178)
        if not drawn:
            panel.note(0.5, 0.5, _why_empty(benchmark, kind), anchor="middle", colour=SOFT)
        parts += panel.parts
    rows = math.ceil(len(benchmark.classes) / 3)
    return svg(_WIDTH, 30 + rows * (side + 72), title, parts)


def _why_empty(benchmark: Benchmark, kind: Lesion) -> str:
    """Why a kind has no curve."""
    if not benchmark.shown[kind]:
        return "no photo shows it"
    return "every photo shows it" if benchmark.lesions[kind] else "crowds alone show it"


def _stairs(rates: NDArray[np.float64], shares: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """A curve from 1/16 to 16 false alarms a photo, level where it has no point; the last sensitivity goes on."""
    inside = (rates >= 1 / 16) & (rates <= 16)
    before = shares[rates < 1 / 16].max(initial=0.0)
    xs = [math.log2(1 / 16), *np.log2(rates[inside]).tolist()]
    ys = [float(before), *shares[inside].tolist()]
    thin = _thinned(len(xs))
    xs, ys = np.array(xs)[thin].tolist(), np.array(ys)[thin].tolist()
    steps_x, steps_y = [xs[0]], [ys[0]]
    for x, y in zip(xs[1:], ys[1:], strict=True):
        steps_x += [x, x]
        steps_y += [steps_y[-1], y]
    if not (rates > 16).any():
        steps_x.append(math.log2(16))
        steps_y.append(steps_y[-1])
    return steps_x, steps_y


def _thinned(count: int) -> NDArray[np.intp]:
    return np.unique(np.linspace(0, count - 1, min(count, _POINTS)).round().astype(np.intp))


def _key(panel: Panel, look: Style, words: str, y: float, width: float) -> None:
    """One line of a legend, at the lower right."""
    x = panel.x + panel.width - width
    dash = f' stroke-dasharray="{look.dash}"' if look.dash else ""
    panel.parts.append(
        f'<line x1="{x:.1f}" x2="{x + 22:.1f}" y1="{y - 3.5:.1f}" y2="{y - 3.5:.1f}" stroke="{look.colour}" '
        f'stroke-width="{look.width}"{dash}/>'
    )
    panel.parts.append(text(x + 28, y, words, size=10))


def _styles(benchmark: Benchmark) -> dict[str, Style]:
    found, ours, others = {}, 0, 0
    for one in benchmark.evaluations:
        found[one.run.name] = style(ours if one.run.ours else others, one.run.ours)
        ours, others = ours + one.run.ours, others + (not one.run.ours)
    return found

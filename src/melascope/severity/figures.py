"""The drawings of a benchmark: summary, ROC curves, learning curves, confusion matrices, reliability."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from melascope.severity.evaluation import Benchmark, Evaluation
from melascope.severity.intervals import Interval
from melascope.severity.paper import paper
from melascope.severity.prediction import CLASSES
from melascope.severity.svg import ACCENT, CLASS_COLOURS, INK, SOFT, Panel, Style, style, svg, text

__all__ = ["confusions", "learning", "reliability", "roc_by_class", "roc_by_run", "styles", "summary"]

_WIDTH: Final = 1000.0
_TENTHS: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_FIFTHS: Final = (0.0, 0.5, 1.0)
_DASH_OF_CLASS: Final = ("", "6 3", "2 2.5")
_PAPER: Final = "#8a5300"
_HIGHEST_LOSS: Final = 2.5
"""A loss above it is drawn as this one."""
_FEW: Final = 10
"""Photos of a bin below which its mark is hollow."""


def styles(benchmark: Benchmark) -> dict[str, Style]:
    """Look of every run: the same in all drawings."""
    found, ours, others = {}, 0, 0
    for one in benchmark.evaluations:
        found[one.run.name] = style(ours if one.run.ours else others, one.run.ours)
        ours, others = ours + one.run.ours, others + (not one.run.ours)
    return found


def summary(benchmark: Benchmark) -> str:
    """Accuracy and mean area of every run with its interval, the ceiling, and what the paper printed."""
    looks, rows = styles(benchmark), len(benchmark.evaluations)
    name_width, height = 190.0, 26.0 * rows
    width = (_WIDTH - name_width - 60) / 2
    marks = _ceiling_marks(benchmark)
    top = 46.0 + 13 * max(0, len(marks) - 1)
    parts: list[str] = []
    for k, (key, label) in enumerate((("accuracy", "Accuracy"), ("auc_macro", "AUC, mean of the three classes"))):
        values = [one.figures[key] for one in benchmark.evaluations]
        found = {name: reader.get(key) for name, reader in marks.items()}
        printed = [_printed(one.run.architecture, key) for one in benchmark.evaluations]
        known = [v for one in values for v in (one.value, one.low)] + [v for v in printed if v is not None]
        known += [v.value for v in found.values() if v is not None]
        lowest = min((v for v in known if not math.isnan(v)), default=0.0)
        low = max(0.0, math.floor(lowest * 10 - 0.3) / 10)
        panel = Panel(name_width + k * (width + 40), top, width, height, (low, 1.0), (rows - 0.5, -0.5))
        ticks = [low + step * 0.1 for step in range(round((1 - low) * 10) + 1)]
        panel.axes(ticks, (), label)
        for step, (name, reader) in enumerate(found.items()):
            if reader is not None and not math.isnan(reader.value):
                panel.line(
                    (reader.value,) * 2, (rows - 0.5, -0.5), ACCENT, width=1.2, dash=("4 3", "1.5 2.5")[step % 2]
                )
                shift = -7.0 - 13 * (len(found) - 1 - step)
                end = "end" if reader.value > (low + 1) / 2 else "start"
                panel.note(
                    reader.value, -0.5, f"{name} {reader.value:.2f}", anchor=end, colour=ACCENT, shift=(0, shift)
                )
        for row, (one, value) in enumerate(zip(benchmark.evaluations, values, strict=True)):
            look = looks[one.run.name]
            if not math.isnan(value.low):
                panel.line((value.low, value.high), (row, row), look.colour, width=2)
            if not math.isnan(value.value):
                panel.dot(value.value, row, look.colour, radius=4)
            mark = printed[row]
            if mark is not None:
                panel.diamond(mark, row, _PAPER)
            if k == 0:
                place = panel.at(low, row)[1] + 4
                parts.append(text(name_width - 10, place, one.run.name, size=12, anchor="end", bold=one.run.ours))
        parts += panel.parts
    return svg(_WIDTH, top + height + 40, "Accuracy and mean area of every network", parts)


def roc_by_class(benchmark: Benchmark) -> str:
    """One panel a class, one curve a run."""
    looks, side = styles(benchmark), 268.0
    parts: list[str] = []
    for k, band in enumerate(CLASSES):
        panel = Panel(44 + k * (side + 60), 30, side, side)
        panel.axes(_TENTHS, _TENTHS, "1 − specificity", "Sensitivity" if k == 0 else "", band.value.capitalize())
        panel.line((0, 1), (0, 1), SOFT, width=0.8, dash="3 3")
        for one in benchmark.evaluations:
            curve = one.curves.get(band.value)
            if curve is not None:
                look = looks[one.run.name]
                xs, ys = curve.false_positive.tolist(), curve.true_positive.tolist()
                panel.line(xs, ys, look.colour, width=look.width, dash=look.dash)
        ranked = sorted(benchmark.evaluations, key=lambda one: -_or_zero(one.figures[f"auc_{band.value}"]))
        step = min(14.0, (side - 40) / max(1, len(ranked)))
        for row, one in enumerate(ranked):
            y = panel.y + side - 12 - step * (len(ranked) - 1 - row)
            look = looks[one.run.name]
            dash = f' stroke-dasharray="{look.dash}"' if look.dash else ""
            parts_y = f"{y - 3.5:.1f}"
            key = f'<line x1="{panel.x + side - 200:.1f}" x2="{panel.x + side - 178:.1f}" y1="{parts_y}" y2="{parts_y}"'
            panel.parts.append(f'{key} stroke="{look.colour}" stroke-width="{look.width}"{dash}/>')
            value = _two(one.figures[f"auc_{band.value}"].value)
            panel.parts.append(text(panel.x + side - 172, y, value, size=10, bold=one.run.ours))
            panel.parts.append(text(panel.x + side - 146, y, one.run.name, size=10, bold=one.run.ours))
        parts += panel.parts
    return svg(_WIDTH, side + 72, "ROC curves of each class, all networks", parts)


def roc_by_run(benchmark: Benchmark) -> str:
    """One panel a run, one curve a class: the layout of the paper's Figure 3."""

    def draw(panel: Panel, one: Evaluation, first: bool, bottom: bool) -> None:
        label, side = ("Sensitivity" if first else ""), ("1 − specificity" if bottom else "")
        panel.axes(_FIFTHS, _FIFTHS, side, label, one.run.name)
        panel.line((0, 1), (0, 1), SOFT, width=0.8, dash="3 3")
        for k, band in enumerate(CLASSES):
            curve = one.curves.get(band.value)
            if curve is not None:
                xs, ys = curve.false_positive.tolist(), curve.true_positive.tolist()
                panel.line(xs, ys, CLASS_COLOURS[k], width=1.8, dash=_DASH_OF_CLASS[k])
            words = f"{band.value} {_two(one.figures[f'auc_{band.value}'].value)}"
            shift = (0.0, -10.0 - 14 * (2 - k))
            panel.note(0.98, 0.0, words, anchor="end", colour=_darker(k), shift=shift, bold=True)

    return _multiples(benchmark.evaluations, draw, "ROC curves of each network by class, with their areas")


def learning(benchmark: Benchmark) -> str:
    """Loss and accuracy over the epochs of every run that has a history: the paper's Figure 2; empty if none has."""
    known = [one for one in benchmark.evaluations if len(one.run.history) > 1]
    if not known:
        return ""
    losses = [
        v for one in known for e in one.run.history for v in (e.train_loss, e.validation_loss) if not math.isnan(v)
    ]
    top = max(1.0, math.ceil(min(_HIGHEST_LOSS, max(losses, default=1.0)) * 2) / 2)
    epochs = max(epoch.epoch for one in known for epoch in one.run.history)
    # Every so many epochs a tick, seven at most.
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 1000) if epochs / step <= 7)

    def draw(panel: Panel, one: Evaluation, first: bool, bottom: bool) -> None:
        panel.x_range, panel.y_range = (0.5, epochs + 0.5), (0.0, top)
        ticks = range(step, epochs + 1, step)
        y_ticks = [0.2 * k for k in range(6)] if top == 1 else [0.5 * k for k in range(round(2 * top) + 1)]
        panel.axes(ticks, y_ticks, "Epoch" if bottom else "", "Loss; accuracy" if first else "", one.run.name,
                   digits=0, y_digits=1)  # fmt: skip
        for name, colour, dash, width in (
            ("train_loss", "#d55e00", "5 3", 1.3),
            ("validation_loss", "#d55e00", "", 1.8),
            ("train_accuracy", "#0072b2", "5 3", 1.3),
            ("validation_accuracy", "#0072b2", "", 1.8),
        ):
            points = [
                (e.epoch, min(top, getattr(e, name))) for e in one.run.history if not math.isnan(getattr(e, name))
            ]
            if points:
                panel.line([x for x, _ in points], [y for _, y in points], colour, width=width, dash=dash)

    return _multiples(known, draw, "Learning curves of every network")


def confusions(benchmark: Benchmark) -> str:
    """Confusion matrices: photos, and their share of the true class, by which the cell is shaded."""

    def draw(panel: Panel, one: Evaluation, first: bool, bottom: bool) -> None:
        panel.x_range, panel.y_range = (0.0, 3.0), (3.0, 0.0)
        for row in range(3):
            total = int(one.matrix[row].sum())
            for column in range(3):
                count = int(one.matrix[row, column])
                share = count / total if total else 0.0
                panel.box(column, row, column + 1, row + 1, ACCENT, opacity=0.04 + 0.86 * share)
                colour = "#fff" if share > 0.62 else INK
                middle = (column + 0.5, row + 0.5)
                panel.note(*middle, str(count), size=14, anchor="middle", colour=colour, shift=(0, 0), bold=True)
                words = f"{share * 100:.0f} %" if total else "none"
                panel.note(*middle, words, size=9.5, anchor="middle", colour=colour, shift=(0, 14))
        panel.axes((), (), "", "", one.run.name)
        for k, band in enumerate(CLASSES):
            panel.note(k + 0.5, 3.0, band.value, anchor="middle", colour=SOFT, shift=(0, 14))
            if first:
                panel.note(0.0, k + 0.5, band.value, anchor="end", colour=SOFT, shift=(-6, 4))
        if first:
            middle_y = panel.y + panel.height / 2
            panel.parts.append(text(panel.x - 62, middle_y, "True class", anchor="middle", colour=SOFT, turned=True))
        if bottom:
            panel.note(1.5, 3.0, "Predicted", size=11, anchor="middle", colour=SOFT, shift=(0, 30))

    return _multiples(
        benchmark.evaluations, draw, "Confusion matrices of every network; rows are true classes", left=76
    )


def reliability(benchmark: Benchmark) -> str:
    """Share right against probability in ten bins, with intervals; the bars below count the photos."""

    def draw(panel: Panel, one: Evaluation, first: bool, bottom: bool) -> None:
        label, side = ("Share right" if first else ""), ("Probability" if bottom else "")
        panel.axes(_FIFTHS, _FIFTHS, side, label, one.run.name)
        panel.line((0, 1), (0, 1), SOFT, width=0.8, dash="3 3")
        most = max(bin_.count for bin_ in one.bins)
        known = [bin_ for bin_ in one.bins if bin_.count]
        for bin_ in known:
            panel.box(bin_.low + 0.008, 0, bin_.high - 0.008, 0.22 * bin_.count / most, "#c3d4de")
        for bin_ in known:
            panel.line((bin_.confidence,) * 2, (bin_.right_low, bin_.right_high), ACCENT, width=1.2)
        panel.line([b.confidence for b in known], [b.right for b in known], ACCENT, width=1.4)
        for bin_ in known:
            panel.dot(bin_.confidence, bin_.right, ACCENT, hollow=bin_.count < _FEW)
        words = f"error {one.figures['calibration_error'].value:.3f}"
        panel.note(0.03, 1.0, words, shift=(0, 14), bold=True)

    return _multiples(benchmark.evaluations, draw, "Reliability of every network's probabilities")


def _multiples(
    evaluations: Sequence[Evaluation],
    draw: Callable[[Panel, Evaluation, bool, bool], None],
    title: str,
    left: float = 44.0,
) -> str:
    """Panels of equal size, four a row."""
    columns = 4
    side = (_WIDTH - left - 8 - (columns - 1) * 38) / columns
    rows = math.ceil(len(evaluations) / columns)
    parts: list[str] = []
    for k, one in enumerate(evaluations):
        row, column = divmod(k, columns)
        panel = Panel(left + column * (side + 38), 28 + row * (side + 58), side, side)
        bottom = k + columns >= len(evaluations)
        draw(panel, one, column == 0, bottom)
        parts += panel.parts
    return svg(_WIDTH, 28 + rows * (side + 58), title, parts)


def _ceiling_marks(benchmark: Benchmark) -> dict[str, dict[str, Interval]]:
    marks = {}
    if benchmark.ceiling.truth:
        marks["perfect reader"] = dict(benchmark.ceiling.truth[0].figures)
    if benchmark.ceiling.raters:
        marks["one rater"] = dict(benchmark.ceiling.raters[-1].figures)
    return marks


def _printed(architecture: str, key: str) -> float | None:
    found = paper().of(architecture)
    if key == "auc_macro":
        areas = [found[f"auc_{band.value}"] for band in CLASSES if f"auc_{band.value}" in found]
        return sum(areas) / 3 if len(areas) == len(CLASSES) else None
    return found.get(key)


def _two(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def _or_zero(figure: Interval) -> float:
    return 0.0 if math.isnan(figure.value) else figure.value


def _darker(k: int) -> str:
    """The class's colour as type: dark enough to read."""
    return ("#2b6f9e", "#a86500", "#9b1c4a")[k]

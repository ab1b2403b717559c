"""Figures of the page on raters' agreement, as inline SVG."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.severity.agreement import Drift, Pair, Report, drift
from melascope.severity.svg import ACCENT, INK, SOFT, Panel, style, svg, text

__all__ = ["MINUS", "bands_figure", "bland_altman", "cumulative", "drift_figure", "signed", "spread"]

Floats = NDArray[np.float64]
_LIMITS: Final = (16.0, 32.0)
_BANDS: Final = ("mild", "moderate", "severe")
_BAND_FILL: Final = ("#dfe9ee", "#a9c5d3", "#5f8ea5")
_SHORT: Final = 22
MINUS: Final = "\u2212"


def bland_altman(report: Report, pair: Pair, width: float = 420, height: float = 300) -> str:
    """Difference of two raters over their mean, with bias, limits of agreement and their intervals."""
    raters = report.readings.raters
    scores = report.readings.masi
    one, two = scores[:, raters.index(pair.first)], scores[:, raters.index(pair.second)]
    top = _span(report)
    panel = Panel(46, 26, width - 46 - 78, height - 26 - 42, (0, _highest(report)), (-top, top))
    _axes(panel, "Mean of the two, MASI", f"{_short(pair.first)} {MINUS} {_short(pair.second)}")
    for edge, dash in ((pair.lower, "6 3"), (pair.upper, "6 3"), (pair.bias, "")):
        low, high = max(-top, edge.low), min(top, edge.high)
        if low < high:
            panel.box(panel.x_range[0], low, panel.x_range[1], high, ACCENT, opacity=0.10)
        panel.line(panel.x_range, (edge.value, edge.value), ACCENT, width=1.3, dash=dash)
    _points(panel, (one + two) / 2, one - two, INK)
    for edge, name, off in ((pair.upper, "+1.96 SD", -4), (pair.bias, "bias", 0), (pair.lower, f"{MINUS}1.96 SD", 4)):
        place = (panel.x_range[1], edge.value)
        panel.note(*place, f"{name}", shift=(6, off - 2), colour=SOFT)
        panel.note(*place, signed(edge.value), shift=(6, off + 10), bold=True)
    title = f"{_short(pair.first)} and {_short(pair.second)}"
    return svg(
        width,
        height,
        f"Bland-Altman plot of {pair.first} and {pair.second}",
        [text(46, 14, title, size=12, bold=True), *panel.parts],
    )


def cumulative(report: Report, width: float = 420, height: float = 300) -> str:
    """Share of each rater's readings with at most a MASI."""
    panel = Panel(46, 26, width - 46 - 14, height - 26 - 42, (0, 48), (0, 100))
    panel.axes(range(0, 49, 8), range(0, 101, 20), "MASI, at most", "Readings, %", digits=0)
    for limit in _LIMITS:
        panel.line((limit, limit), (0, 100), SOFT, width=1, dash="2 3")
    for name, x in zip(_BANDS, (8, 24, 40), strict=True):
        panel.note(x, 0, name, shift=(0, -6), anchor="middle", colour=SOFT)
    for number, column in enumerate(report.readings.masi.T):
        values = np.sort(column)
        xs, ys = [0.0], [0.0]
        for value in np.unique(values):
            share = 100 * float(np.searchsorted(values, value, side="right")) / len(values)
            xs += [float(value), float(value)]
            ys += [ys[-1], share]
        look = style(number)
        panel.line([*xs, 48], [*ys, 100], look.colour, width=1.6, dash=look.dash)
    legend = _legend(report.readings.raters, 46, 14, width - 60)
    return svg(width, height, "Cumulative share of readings by MASI, one line a rater", [*panel.parts, *legend])


def bands_figure(report: Report, width: float = 420) -> str:
    """Share of each rater's readings that fall in each band."""
    row, left = 34.0, 110.0
    height = 40 + row * len(report.raters) + 34
    panel = Panel(left, 30, width - left - 14, row * len(report.raters), (0, 100), (0, len(report.raters)))
    panel.axes(range(0, 101, 20), (), "Readings, %", digits=0)
    parts = []
    for number, rater in enumerate(report.raters):
        whole, start = sum(rater.bands), 0.0
        y = len(report.raters) - number
        parts.append(text(left - 8, 30 + row * (number + 0.5) + 4, _short(rater.name, 15), anchor="end"))
        for count, fill in zip(rater.bands, _BAND_FILL, strict=True):
            share = 100 * count / whole
            panel.box(start, y - 0.8, start + share, y - 0.2, fill)
            if share >= 9:
                panel.note(start + share / 2, y - 0.5, str(count), anchor="middle", shift=(0, 3.5))
            start += share
    for number, (name, fill) in enumerate(zip(_BANDS, _BAND_FILL, strict=True)):
        x = left + number * 86
        parts.append(f'<rect x="{x}" y="5" width="12" height="12" fill="{fill}" stroke="{SOFT}" stroke-width="0.5"/>')
        parts.append(text(x + 17, 15, name))
    return svg(width, height, "Readings in each severity band, one bar a rater", [*panel.parts, *parts])


def drift_figure(report: Report, one: Drift, width: float = 420, height: float = 250) -> str:
    """A rater's difference from the mean of the others over the order of reading, with a straight line."""
    top = _span(report)
    last = float(one.places.max())
    panel = Panel(46, 26, width - 46 - 16, height - 26 - 42, (0, last), (-top, top))
    _axes(panel, "Place among the rater's readings", "Rater \u2212 others, MASI", x_ticks=_ticks(last))
    _points(panel, one.places, one.differences, INK)
    xs = np.linspace(one.places.min(), last, 25)
    line = one.intercept + one.slope.value / 100 * xs
    half = _line_half(one, xs)
    clipped = [np.clip(values, -top, top) for values in (line - half, line + half)]
    outline = [
        panel.at(float(x), float(y))
        for x, y in (*zip(xs, clipped[0], strict=True), *zip(xs[::-1], clipped[1][::-1], strict=True))
    ]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in outline)
    panel.parts.append(f'<polygon points="{points}" fill="{ACCENT}" opacity="0.18"/>')
    panel.line(xs.tolist(), np.clip(line, -top, top).tolist(), ACCENT, width=1.8)
    words = f"{signed(one.slope.value)} per 100 readings ({signed(one.slope.low)} to {signed(one.slope.high)})"
    heading = [
        text(46, 14, _short(one.rater), size=12, bold=True),
        text(width - 16, 14, words, size=10, anchor="end", colour=SOFT),
    ]
    return svg(width, height, f"Drift of {one.rater}", [*heading, *panel.parts])


def spread(report: Report, width: float = 860, height: float = 270) -> str:
    """Distance between the highest and the lowest rater over the mean; those to read again are dark."""
    scores = report.readings.masi
    mean, apart = scores.mean(1), np.ptp(scores, axis=1)
    listed = {one.subject for one in report.reread}
    chosen = np.array([subject in listed for subject in report.readings.subjects])
    top = max(4.0, 4 * math.ceil(max(float(apart.max()), report.reread_range) / 4 + 0.05))
    panel = Panel(46, 26, width - 46 - 16, height - 26 - 42, (0, _highest(report)), (0, top))
    panel.axes(
        range(0, int(panel.x_range[1]) + 1, 4),
        np.arange(0, top + 1, 4).tolist(),
        "Mean MASI of the raters",
        "Highest \u2212 lowest, MASI",
        digits=0,
    )
    for limit in _LIMITS:
        if limit < panel.x_range[1]:
            panel.line((limit, limit), (0, top), SOFT, width=1, dash="2 3")
    panel.line(panel.x_range, (report.reread_range, report.reread_range), ACCENT, width=1.2, dash="6 3")
    _points(panel, mean[~chosen], apart[~chosen], SOFT)
    _points(panel, mean[chosen], apart[chosen], "#b23a00", 0.75)
    legend = [
        '<circle cx="52" cy="10" r="4" fill="#b23a00"/>', text(61, 14, "to read again"),
        f'<circle cx="152" cy="10" r="4" fill="{SOFT}" opacity="0.5"/>', text(161, 14, "not listed"),
    ]  # fmt: skip
    return svg(width, height, "Distance between raters over their mean", [*legend, *panel.parts])


def _axes(panel: Panel, x_label: str, y_label: str, x_ticks: Sequence[float] | None = None) -> None:
    """Axes with a horizontal line at 0 and a true minus."""
    top = panel.y_range[1]
    step = 4 if top <= 12 else 8 if top <= 32 else 16
    y_ticks = [tick for tick in range(-48, 49, step) if -top <= tick <= top]
    xs = range(0, int(panel.x_range[1]) + 1, 8) if x_ticks is None else x_ticks
    panel.axes(list(xs), y_ticks, x_label, y_label, digits=0, y_words=False)
    for tick in y_ticks:
        panel.note(panel.x_range[0], tick, signed(tick, 0, plus=False), shift=(-7, 3.5), anchor="end", colour=SOFT)
    panel.line(panel.x_range, (0, 0), SOFT, width=0.9)


def _points(panel: Panel, xs: Floats, ys: Floats, colour: str, opacity: float = 0.38) -> None:
    """Marks, one for all readings at the same place, the larger the more there are."""
    places = Counter((round(float(x), 3), round(float(y), 3)) for x, y in zip(xs, ys, strict=True))
    base = 2.6 if len(places) < 300 else 2.0
    for (x, y), count in sorted(places.items()):
        px, py = panel.at(x, y)
        radius = min(base * count**0.35, 9)
        panel.parts.append(
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="{radius:.1f}" fill="{colour}" opacity="{opacity}"/>'
        )


def _line_half(one: Drift, xs: Floats) -> Floats:
    """Half the 95 % interval of the line's height."""
    n = len(one.places)
    x0 = one.places.mean()
    square = float(((one.places - x0) ** 2).sum())
    slope, height = drift(one.places, one.differences)
    rest = one.differences - height - slope.value * one.places
    error = math.sqrt(float((rest**2).sum()) / (n - 2))
    # The slope's half interval is t * error / sqrt(square): t comes out of it.
    t = (slope.high - slope.value) * math.sqrt(square) / error if error > 0 else 0.0
    return np.asarray(t * error * np.sqrt(1 / n + (xs - x0) ** 2 / square))


def _span(report: Report) -> float:
    """Half the height of the plots of differences: one for all, so that they can be compared."""
    scores = report.readings.masi
    widest = max(
        float(np.ptp(scores, axis=1).max()), *(abs(edge) for p in report.pairs for edge in (p.lower.low, p.upper.high))
    )
    return max(4.0, 4.0 * math.ceil(widest / 4 + 0.05))


def _highest(report: Report) -> float:
    return min(48.0, max(16.0, 8.0 * math.ceil(float(report.readings.masi.max()) / 8)))


def _ticks(last: float) -> list[float]:
    step = next(s * 10**p for p in range(7) for s in (1, 2, 5) if last / (s * 10**p) <= 7)
    return [float(tick) for tick in range(0, int(last) + 1, step)]


def _legend(names: Sequence[str], x: float, y: float, room: float) -> list[str]:
    parts = []
    each = room / max(1, len(names))
    for number, name in enumerate(names):
        look, left = style(number), x + number * min(each, 120)
        ends = f'x1="{left:.1f}" y1="{y - 4}" x2="{left + 26:.1f}" y2="{y - 4}"'
        parts.append(f'<line {ends} stroke="{look.colour}" stroke-width="1.8" stroke-dasharray="{look.dash}"/>')
        parts.append(text(left + 31, y, _short(name, 14)))
    return parts


def _short(name: str, longest: int = _SHORT) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}\u2026"


def signed(value: float, digits: int = 1, *, plus: bool = True) -> str:
    """A number with its sign, a true minus.

    Example:
        >>> signed(0.04), signed(1.26), signed(2.0, plus=False)
        ('0.0', '+1.3', '2.0')
    """
    rounded = round(value, digits)
    sign = "" if rounded == 0 or (rounded > 0 and not plus) else "+" if rounded > 0 else MINUS
    return f"{sign}{abs(rounded):.{digits}f}"

"""The drawings of an explanation, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from melascope.lab.severity.explain import STAGES, Measured
from melascope.lab.severity.explain_flipping import FRACTIONS
from melascope.lab.severity.explain_tables import mean_interval, methods_of, networks_of, of
from melascope.severity.prediction import CLASSES
from melascope.severity.svg import CLASS_COLOURS, INK, SOFT, Panel, style, svg, text

__all__ = ["bars", "curves", "places", "sanity"]

_WIDTH: Final = 1000.0
_RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def bars(rows: Sequence[Measured], method: str) -> str:
    """Mean |R| of a pixel by network and class of the raters, for one method: the paper's Figure 4."""
    networks = networks_of(rows)
    values = {}
    for network in networks:
        for k in range(len(CLASSES)):
            graded = [row for row in of(rows, network) if row.truth == k]
            values[network, k] = mean_interval(graded, [row.maps[method].mean_absolute for row in graded])
    top = max((v for one in values.values() for v in (one.value, one.high) if math.isfinite(v)), default=1.0)
    power = math.floor(math.log10(top)) if top > 0 else 0
    unit = 10.0**power
    step, ticks = _ticks(top / unit)
    panel = Panel(60, 40, _WIDTH - 80, 220, (-0.5, len(networks) - 0.5), (0, ticks[-1]))
    title = f"{method}: mean |R| of a pixel, 10{str(power).translate(_RAISED)} of a class score"
    panel.axes((), ticks, "", "", title, y_digits=0 if step >= 1 else 1)
    wide = min(0.24, 0.06 * len(networks) + 0.06)
    for n, network in enumerate(networks):
        for k in range(len(CLASSES)):
            one = values[network, k]
            if not math.isfinite(one.value):
                continue
            x = n + (k - 1) * wide
            panel.box(x - 0.42 * wide, 0, x + 0.42 * wide, one.value / unit, CLASS_COLOURS[k])
            if math.isfinite(one.low):
                panel.line((x, x), (one.low / unit, one.high / unit), INK, width=1.1)
        panel.note(n, 0, network, size=12, anchor="middle", shift=(0, 18))
    key = [
        f'<rect x="{_WIDTH - 290 + 95 * k}" y="20" width="11" height="11" fill="{CLASS_COLOURS[k]}"/>'
        + text(_WIDTH - 274 + 95 * k, 30, c.value)
        for k, c in enumerate(CLASSES)
    ]
    return svg(_WIDTH, 290, f"Mean relevance by network and class, {method}", [*panel.parts, *key])


def places(rows: Sequence[Measured]) -> str:
    """Share of positive relevance in the true melasma and outside the face, against their area."""
    networks, methods = networks_of(rows), methods_of(rows)
    known = [row for row in rows if row.places]
    lines = [(network, method) for network in networks for method in methods]
    height = 19.0 * len(lines) + 14 * len(networks)
    parts: list[str] = []
    for k, (place, title) in enumerate((("melasma", "in the true melasma"), ("outside", "outside the face"))):
        panel = Panel(250 + k * 385, 40, 345, height, (0, 100), (len(lines) + 0.74 * len(networks) - 0.5, -0.5))
        panel.axes((0, 25, 50, 75, 100), (), "% of the positive relevance", "", title, digits=0)
        y = 0.0
        for network in networks:
            mine = [row for row in of(known, network) if row.places.get(place, 0) > 0]
            area = mean_interval(mine, [100 * row.places[place] for row in mine]).value
            if math.isfinite(area):
                panel.line((area, area), (y - 0.5, y + len(methods) - 0.5), INK, width=1.4, dash="4 3")
            for m, method in enumerate(methods):
                one = mean_interval(mine, [100 * row.maps[method].places[place] for row in mine])
                if math.isfinite(one.value):
                    panel.box(0, y - 0.32, one.value, y + 0.32, style(m).colour, opacity=0.85)
                    if math.isfinite(one.low):
                        panel.line((one.low, one.high), (y, y), INK, width=1.1)
                if k == 0:
                    place_y = panel.at(0, y)[1] + 4
                    parts.append(text(240, place_y, method, size=11, anchor="end", colour=SOFT))
                    if m == 0:
                        parts.append(text(10, place_y, network, size=12, bold=True))
                y += 1
            y += 0.74
        parts += panel.parts
    return svg(_WIDTH, height + 84, "Where the positive relevance lies", parts)


def curves(rows: Sequence[Measured]) -> str:
    """Pixel flipping: mean probability of the explained class against the covered share, one panel a network."""
    networks, methods = networks_of(rows), methods_of(rows)
    across = min(3, len(networks))
    side = 255.0
    parts: list[str] = []
    for n, network in enumerate(networks):
        mine = of(rows, network)
        panel = Panel(52 + (n % across) * (side + 65), 34 + (n // across) * (side + 72), side, side)
        panel.axes((0, 0.5, 1), (0, 0.5, 1), "covered share", "probability" if n % across == 0 else "", network)
        for m, method in enumerate(methods):
            for key, dash in (("most_first", ""), ("least_first", "4 3")):
                mean = np.mean([getattr(row.maps[method], key) for row in mine], axis=0)
                panel.line(FRACTIONS, mean.tolist(), style(m).colour, dash=dash, width=1.7)
        parts += panel.parts
    down = -(-len(networks) // across)
    at_x = 52 + across * (side + 65) if across < 3 else 52.0
    at_y = 44.0 if across < 3 else 40 + down * (side + 72)
    return svg(
        _WIDTH,
        down * (side + 72) + (20 if across < 3 else 40),
        "Pixel flipping",
        [*parts, *_key(methods, at_x, at_y, across < 3)],
    )


def sanity(rows: Sequence[Measured]) -> str:
    """Rank correlation with the map after shuffling more and more layers, one panel a network."""
    networks = [network for network in networks_of(rows) if any(row.sanity for row in of(rows, network))]
    methods = [method for method in methods_of(rows) if any(method in row.sanity for row in rows)]
    if not networks:
        return ""
    across, side = min(3, len(networks)), 255.0
    parts: list[str] = []
    for n, network in enumerate(networks):
        mine = of(rows, network)
        panel = Panel(52 + (n % across) * (side + 65), 34 + (n // across) * (side + 72), side, side, (0, 1), (-0.5, 1))
        label = "rank correlation" if n % across == 0 else ""
        panel.axes(
            (0, 0.25, 0.5, 0.75, 1), (-0.5, 0, 0.5, 1), "share of layers shuffled", label, network, digits=2, y_digits=1
        )
        for method in methods:
            some = [row.sanity[method] for row in mine if method in row.sanity]
            if some:
                look = style(methods_of(rows).index(method))
                panel.line(STAGES, np.mean(some, axis=0).tolist(), look.colour, width=1.7)
                for stage, value in zip(STAGES, np.mean(some, axis=0).tolist(), strict=True):
                    panel.dot(stage, value, look.colour, radius=3)
        parts += panel.parts
    down = -(-len(networks) // across)
    at_x = 52 + across * (side + 65) if across < 3 else 52.0
    at_y = 44.0 if across < 3 else 40 + down * (side + 72)
    numbers = [methods_of(rows).index(method) for method in methods]
    key = _key(methods, at_x, at_y, across < 3, numbers)
    return svg(_WIDTH, down * (side + 72) + (20 if across < 3 else 40), "Weight randomisation", [*parts, *key])


def _key(methods: Sequence[str], x: float, y: float, down: bool, numbers: Sequence[int] | None = None) -> list[str]:
    parts = []
    for k, method in enumerate(methods):
        colour = style(numbers[k] if numbers else k).colour
        px, py = (x, y + 18 * k) if down else (x + 185 * k, y)
        parts.append(
            f'<line x1="{px}" x2="{px + 22}" y1="{py - 4}" y2="{py - 4}" stroke="{colour}" stroke-width="2.4"/>'
        )
        parts.append(text(px + 28, py, method))
    return parts


def _ticks(top: float) -> tuple[float, list[float]]:
    """Four to eight round numbers from 0 to beyond the top."""
    top = top if top > 0 else 1.0
    step = 10.0 ** math.floor(math.log10(top))
    for part in (1.0, 0.5, 0.2, 0.1):
        if top / (step * part) >= 3:
            step *= part
            break
    return step, [step * k for k in range(math.ceil(top / step - 1e-9) + 1)]

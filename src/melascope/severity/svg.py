"""Plots as inline SVG: axes with ticks and labels, lines, marks and bars, drawn by a few plain functions.

Colours are those of Okabe and Ito, told apart by colour-blind readers; lines differ in their dashes as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

__all__ = ["ACCENT", "CLASS_COLOURS", "INK", "RULE", "SOFT", "Panel", "Style", "style", "svg", "text"]

INK: Final = "#1c2126"
SOFT: Final = "#545d66"
RULE: Final = "#d0d5da"
ACCENT: Final = "#1f5673"
CLASS_COLOURS: Final = ("#56a0d3", "#e08a00", "#9b1c4a")
"""Mild, moderate, severe."""
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', Arial, sans-serif"
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#4d4d4d", "#7a3fa0")
_DASHES: Final = ("", "7 3", "2 2.5", "9 3 2 3", "5 2", "1.5 3", "12 4", "4 4")


@dataclass(frozen=True)
class Style:
    """How one network is drawn, everywhere alike."""

    colour: str
    dash: str
    width: float


def style(number: int, ours: bool = False) -> Style:
    """Look of the network with this number; a network of ours is drawn heavier, in the house's ink."""
    if ours:
        return Style(INK, _DASHES[number % len(_DASHES)], 2.4)
    return Style(_COLOURS[number % len(_COLOURS)], _DASHES[(number + number // len(_COLOURS)) % len(_DASHES)], 1.5)


def svg(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """A whole drawing with a title for those who do not see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" '
        f'height="{_n(height)}" role="img" font-family="{escape(_FONT)}" font-size="11" fill="{INK}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def text(
    x: float, y: float, words: str, *, size: float = 11, anchor: str = "start", colour: str = INK, bold: bool = False,
    turned: bool = False,
) -> str:  # fmt: skip
    """Words at a point; `turned` reads from bottom to top."""
    turn = f' transform="rotate(-90 {_n(x)} {_n(y)})"' if turned else ""
    weight = ' font-weight="600"' if bold else ""
    place = f'x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" text-anchor="{anchor}" fill="{colour}"'
    return f"<text {place}{weight}{turn}>{escape(words)}</text>"


@dataclass
class Panel:
    """One pair of axes; what is drawn is gathered in `parts`."""

    x: float
    y: float
    width: float
    height: float
    """Of the plotting field, in pixels of the drawing; (x, y) is its upper left corner."""
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)
    parts: list[str] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Place of a value in the drawing."""
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        return self.x + (x - x0) / (x1 - x0) * self.width, self.y + self.height - (y - y0) / (y1 - y0) * self.height

    def axes(
        self,
        x_ticks: Sequence[float],
        y_ticks: Sequence[float],
        x_label: str = "",
        y_label: str = "",
        title: str = "",
        *,
        digits: int = 1,
        y_digits: int | None = None,
        y_words: bool = True,
    ) -> None:
        """Frame, ticks with their values, labels and a title above; the grid is faint."""
        low, right = self.y + self.height, self.x + self.width
        for tick in x_ticks:
            px, _ = self.at(tick, self.y_range[0])
            self.parts.append(_line(px, self.y, px, low, "#eceff1"))
            self.parts.append(_line(px, low, px, low + 4, SOFT))
            self.parts.append(text(px, low + 15, f"{tick:.{digits}f}", size=10, anchor="middle", colour=SOFT))
        for tick in y_ticks:
            _, py = self.at(self.x_range[0], tick)
            self.parts.append(_line(self.x, py, right, py, "#eceff1"))
            self.parts.append(_line(self.x - 4, py, self.x, py, SOFT))
            if y_words:
                words = f"{tick:.{digits if y_digits is None else y_digits}f}"
                self.parts.append(text(self.x - 7, py + 3.5, words, size=10, anchor="end", colour=SOFT))
        self.parts.append(
            f'<rect x="{_n(self.x)}" y="{_n(self.y)}" width="{_n(self.width)}" height="{_n(self.height)}" '
            f'fill="none" stroke="{SOFT}" stroke-width="0.8"/>'
        )
        if x_label:
            self.parts.append(text(self.x + self.width / 2, low + 31, x_label, anchor="middle", colour=SOFT))
        if y_label:
            middle = self.y + self.height / 2
            self.parts.append(text(self.x - 33, middle, y_label, anchor="middle", colour=SOFT, turned=True))
        if title:
            self.parts.append(text(self.x, self.y - 8, title, size=12, bold=True))

    def line(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        colour: str,
        *,
        width: float = 1.5,
        dash: str = "",
        opacity: float = 1.0,
    ) -> None:
        """A line through points."""
        points = " ".join(f"{_n(px)},{_n(py)}" for px, py in (self.at(x, y) for x, y in zip(xs, ys, strict=True)))
        more = (f' stroke-dasharray="{dash}"' if dash else "") + (f' opacity="{opacity}"' if opacity < 1 else "")
        self.parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{_n(width)}" '
            f'stroke-linejoin="round"{more}/>'
        )

    def dot(self, x: float, y: float, colour: str, *, radius: float = 3.2, hollow: bool = False) -> None:
        """A round mark."""
        px, py = self.at(x, y)
        fill, edge = ("#fff", colour) if hollow else (colour, "#fff")
        self.parts.append(
            f'<circle cx="{_n(px)}" cy="{_n(py)}" r="{_n(radius)}" fill="{fill}" stroke="{edge}" stroke-width="1.2"/>'
        )

    def diamond(self, x: float, y: float, colour: str, radius: float = 4.6) -> None:
        """A hollow diamond."""
        px, py = self.at(x, y)
        points = f"{_n(px)},{_n(py - radius)} {_n(px + radius)},{_n(py)} {_n(px)},{_n(py + radius)} "
        points += f"{_n(px - radius)},{_n(py)}"
        self.parts.append(f'<polygon points="{points}" fill="#fff" stroke="{colour}" stroke-width="1.3"/>')

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: str, *, opacity: float = 1.0) -> None:
        """A filled rectangle between two corners."""
        (left, low), (right, top) = self.at(x0, y0), self.at(x1, y1)
        self.parts.append(
            f'<rect x="{_n(min(left, right))}" y="{_n(min(low, top))}" width="{_n(abs(right - left))}" '
            f'height="{_n(abs(low - top))}" fill="{colour}" opacity="{_n(opacity)}"/>'
        )

    def note(self, x: float, y: float, words: str, *, size: float = 10, anchor: str = "start", colour: str = INK,
             shift: tuple[float, float] = (0.0, 0.0), bold: bool = False) -> None:  # fmt: skip
        """Words at a value, shifted by pixels."""
        px, py = self.at(x, y)
        self.parts.append(text(px + shift[0], py + shift[1], words, size=size, anchor=anchor, colour=colour, bold=bold))


def _line(x0: float, y0: float, x1: float, y1: float, colour: str) -> str:
    ends = f'x1="{_n(x0)}" y1="{_n(y0)}" x2="{_n(x1)}" y2="{_n(y1)}"'
    return f'<line {ends} stroke="{colour}" stroke-width="0.8"/>'


def _n(value: float) -> str:
    """A number in as few signs as a drawing needs."""
    return f"{value:.2f}".rstrip("0").rstrip(".")

"""The course as a drawing: MASI over time with its intervals, what each region adds, and the treatments below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape
from itertools import pairwise
from typing import Final

from melascope.clinic.course import Course, Point
from melascope.clinic.tables import Treatment
from melascope.vocabulary import MASI_REGIONS, Region

__all__ = ["READ_COLOUR", "REGION_COLOURS", "chart"]

_INK: Final = "#1c2126"
_SOFT: Final = "#545d66"
_RULE: Final = "#e3e7ea"
_ACCENT: Final = "#1f5673"
REGION_COLOURS: Final[dict[Region, str]] = {
    Region.FOREHEAD: "#2b83ba",
    Region.RIGHT_MALAR: "#b8860b",
    Region.LEFT_MALAR: "#00795c",
    Region.CHIN: "#c2410c",
}
READ_COLOUR: Final = "#6b3fa0"
"""Of what the severity network reads."""
_DASHES: Final = {Region.FOREHEAD: "", Region.RIGHT_MALAR: "6 3", Region.LEFT_MALAR: "2 3", Region.CHIN: "8 3 2 3"}
_BANDS: Final = ((0, 16, "#f2f6f8"), (16, 32, "#e5edf1"), (32, 48, "#d6e2e8"))
Say = Callable[..., str]


@dataclass(frozen=True)
class _Frame:
    """Where days and scores lie."""

    left: float
    right: float
    top: float
    bottom: float
    first: date
    days: int
    most: float

    def x(self, day: date) -> float:
        return self.left + (self.right - self.left) * ((day - self.first).days / self.days)

    def y(self, score: float) -> float:
        return self.bottom - (self.bottom - self.top) * score / self.most


def chart(course: Course, say: Say, width: int = 760) -> str:
    """Inline SVG without styles of its own (a strict policy of content forbids them); empty without a total.

    Args:
        course: With at least one visit that has a total.
        say: Gives a sentence of the catalogue.
        width: Of the drawing; 340 suits a telephone.
    """
    totals = [point for point in course.points if point.masi is not None]
    if not totals:
        return ""
    first, last = min(p.visit.day for p in totals), max(p.visit.day for p in totals)
    room = max(4, (last - first).days // 18)
    first, last = first - timedelta(days=room), last + timedelta(days=room)
    shown = [t for t in course.treatments if t.started <= last and (t.ended is None or t.ended >= first)]
    highest = max(max(p.high or p.masi or 0.0, p.read.masi if p.read else 0.0) for p in totals)
    most = next(top for top in (8, 16, 24, 32, 48) if top >= min(48.0, highest * 1.08))
    frame = _Frame(44, width - 64, 20, 250, first, max(1, (last - first).days), most)
    height = 292 + 24 * len(shown)
    parts = [*_grid(frame, say), *_months(frame, width), *_regions(frame, totals), *_read(frame, totals)]
    parts += _total(frame, totals, width)
    parts += _treatments(frame, shown, 298, last)
    read = any(point.read for point in totals)
    title = say("course.chart_title_read" if read else "course.chart_title", count=len(totals))
    return (
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _grid(frame: _Frame, say: Say) -> list[str]:
    parts = []
    for low, high, colour in _BANDS:
        if low < frame.most:
            top = min(high, frame.most)
            parts.append(
                f'<rect x="{frame.left}" y="{frame.y(top):.1f}" width="{frame.right - frame.left}" '
                f'height="{frame.y(low) - frame.y(top):.1f}" fill="{colour}"/>'
            )
            name = say(f"severity.{('mild', 'moderate', 'severe')[low // 16]}")
            parts.append(_text(frame.right + 6, frame.y(top) + 14, name, colour=_SOFT))
    step = 2 if frame.most == 8 else 4 if frame.most <= 24 else 8
    for tick in range(0, int(frame.most) + 1, step):
        y = frame.y(tick)
        parts.append(_line(frame.left, y, frame.right, y, _RULE))
        parts.append(_text(frame.left - 7, y + 4, str(tick), anchor="end", colour=_SOFT))
    parts.append(_line(frame.left, frame.bottom, frame.right, frame.bottom, _SOFT))
    parts.append(_text(4, 12, "MASI", colour=_SOFT, bold=True))
    return parts


def _months(frame: _Frame, width: int) -> list[str]:
    """First days of months under the axis, as many as have room."""
    starts = []
    year, month = frame.first.year, frame.first.month
    while (day := date(year, month, 1)) <= frame.first + timedelta(days=frame.days):
        if day >= frame.first:
            starts.append(day)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    every = max(1, -(-len(starts) // max(2, width // 90)))
    parts = []
    for day in starts[::every]:
        x = frame.x(day)
        parts.append(_line(x, frame.bottom, x, frame.bottom + 5, _SOFT))
        anchor = "end" if x > frame.right - 24 else "start" if x < frame.left + 20 else "middle"
        parts.append(_text(x, frame.bottom + 19, f"{day.year}-{day.month:02d}", anchor=anchor, colour=_SOFT))
    return parts


def _regions(frame: _Frame, totals: Sequence[Point]) -> list[str]:
    parts = []
    for region in MASI_REGIONS:
        places = [(frame.x(p.visit.day), frame.y(p.by_region[region])) for p in totals if region in p.by_region]
        colour, dash = REGION_COLOURS[region], _DASHES[region]
        if len(places) > 1:
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(
                f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6" '
                f'stroke-dasharray="{dash or "none"}"/>'
            )
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>' for x, y in places]
    return parts


def _read(frame: _Frame, totals: Sequence[Point]) -> list[str]:
    """What the severity network reads, beside the total; a line joins visits that one network read."""
    parts = []
    read = [(frame.x(p.visit.day), frame.y(p.read.masi), p.reader) for p in totals if p.read is not None]
    for (x0, y0, one), (x1, y1, other) in pairwise(read):
        if one == other:
            parts.append(_line(x0, y0, x1, y1, READ_COLOUR, 1.8, "1.5 3.5"))
    for x, y, _ in read:
        corners = f"{x:.1f},{y - 5:.1f} {x + 5:.1f},{y:.1f} {x:.1f},{y + 5:.1f} {x - 5:.1f},{y:.1f}"
        parts.append(
            f'<polygon class="read" points="{corners}" fill="#fff" stroke="{READ_COLOUR}" stroke-width="1.8"/>'
        )
    return parts


def _total(frame: _Frame, totals: Sequence[Point], width: int) -> list[str]:
    parts = []
    places = [(frame.x(p.visit.day), frame.y(p.masi or 0.0), p) for p in totals]
    for x, _, point in places:
        if point.low is not None and point.high is not None:
            low, high = frame.y(point.low), frame.y(point.high)
            parts.append(_line(x, low, x, high, _ACCENT, 2))
            parts += [_line(x - 5, y, x + 5, y, _ACCENT, 2) for y in (low, high)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{_INK}" stroke-width="2.4"/>')
    for x, y, point in places:
        fill = "#fff" if point.rescored else _INK
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{fill}" stroke="{_INK}" stroke-width="2"/>')
    dense = len(places) * 44 > width
    for x, y, point in places if not dense else [places[0], places[-1]]:
        top = min(y - 5, frame.y(point.high) if point.high is not None else y)
        parts.append(
            f'<text x="{min(max(x, frame.left + 16), frame.right - 16):.1f}" y="{max(top - 7, 14):.1f}" font-size="13" '
            f'font-weight="650" text-anchor="middle" fill="{_INK}" stroke="#fff" stroke-width="3" '
            f'paint-order="stroke">{point.masi:.1f}</text>'
        )
    return parts


def _treatments(frame: _Frame, shown: Sequence[Treatment], top: float, last: date) -> list[str]:

    parts = []
    for index, treatment in enumerate(shown):
        y = top + 24 * index
        start = max(treatment.started, frame.first)
        left, right = frame.x(start), frame.x(min(treatment.ended or last, last))
        parts.append(
            f'<rect x="{left:.1f}" y="{y - 12:.1f}" width="{max(4.0, right - left):.1f}" height="17" rx="3" '
            f'fill="#f3e3c4" stroke="#a16207" stroke-width="1"/>'
        )
        if treatment.started >= frame.first:
            parts.append(_line(left, frame.top, left, y - 12, "#a16207", 1, "3 4"))
        inside = left < frame.left + 0.62 * (frame.right - frame.left)
        parts.append(
            _text(left + 6 if inside else right - 6, y + 1, treatment.name, anchor="start" if inside else "end")
        )
    return parts


def _line(x0: float, y0: float, x1: float, y1: float, colour: str, width: float = 1, dash: str = "") -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{colour}" '
        f'stroke-width="{width}"{dashes}/>'
    )


def _text(x: float, y: float, words: str, *, anchor: str = "start", colour: str = _INK, bold: bool = False) -> str:
    weight = ' font-weight="650"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="12" text-anchor="{anchor}" fill="{colour}"{weight}>'
        f"{escape(words)}</text>"
    )

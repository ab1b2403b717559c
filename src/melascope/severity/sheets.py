"""Tables that are laid out once and written three ways: HTML, Markdown, CSV."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from melascope.data.cells import cell as csv_cell
from melascope.severity.intervals import Interval

__all__ = ["Cell", "Column", "Row", "Sheet", "Shown", "csv_text", "laid_out", "markdown", "shown"]

Cell = str | int | float | Interval | None
Row = tuple[Cell, ...]
_MINUS: Final = "−"


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    key: str
    """Name in the CSV file."""
    label: str
    digits: int = 3
    better: Literal["", "high", "low"] = ""
    """Which value of the column is set in bold."""
    group: str = ""
    """Words above this column and its neighbours of the same group."""
    p_value: bool = False
    """Small values are written as ``< 0.001``."""
    signed: bool = False
    """Differences: with their sign."""
    printed: bool = False
    """Figures of a paper, on other data: set apart."""


@dataclass(frozen=True)
class Sheet:
    """A table: its columns, rows, and what a reader must know."""

    key: str
    """Name of its CSV file."""
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.key}: a row has {len(row)} cells for {len(self.columns)} columns: {row}")


@dataclass(frozen=True)
class Shown:
    """A cell as people read it."""

    text: str
    small: str
    """The interval."""
    number: bool
    best: bool


def shown(sheet: Sheet) -> list[list[Shown]]:
    """Cells as text, the best of each column marked."""
    best = []
    for k, column in enumerate(sheet.columns):
        values = [_value(row[k]) for row in sheet.rows]
        known = [value for value in values if not math.isnan(value)]
        pick = {"high": max, "low": min}.get(column.better)
        best.append(round(pick(known), column.digits) if pick is not None and len(known) > 1 else math.nan)
    return [
        [
            _shown(value, column, round(_value(value), column.digits) == top)
            for value, column, top in zip(row, sheet.columns, best, strict=True)
        ]
        for row in sheet.rows
    ]


def markdown(sheet: Sheet) -> str:
    """The table as Markdown, intervals in brackets."""
    heads = [f"{column.group}: {column.label}" if column.group else column.label for column in sheet.columns]
    cells = shown(sheet)
    numbers = [any(row[k].number for row in cells) for k in range(len(heads))]
    lines = ["| " + " | ".join(_harmless(head) for head in heads) + " |"]
    lines.append("|" + "|".join("--:" if number else "---" for number in numbers) + "|")
    for row in cells:
        words = []
        for one in row:
            strong = f"**{one.text}**" if one.best else _harmless(one.text)
            words.append(f"{strong} ({one.small})" if one.small else strong)
        lines.append("| " + " | ".join(words) + " |")
    return "\n".join(lines)


def laid_out(sheet: Sheet) -> dict[str, Any]:
    """A table for ``sheet.html.j2``: spans of the groups of columns, heads, cells."""
    spans: list[list[Any]] = []
    for column in sheet.columns:
        if spans and spans[-1][0] == column.group:
            spans[-1][1] += 1
        else:
            spans.append([column.group, 1, column.printed])
    cells = shown(sheet)
    numbers = [any(row[k].number for row in cells) or bool(c.group) for k, c in enumerate(sheet.columns)]
    starts = [k > 0 and c.group != sheet.columns[k - 1].group for k, c in enumerate(sheet.columns)]
    return {
        "key": sheet.key,
        "title": sheet.title,
        "spans": spans if any(span[0] for span in spans) else [],
        "heads": list(zip((column.label for column in sheet.columns), numbers, starts, strict=True)),
        "rows": [list(zip(row, numbers, starts, strict=True)) for row in cells],
        "printed": {k for k, column in enumerate(sheet.columns) if column.printed},
    }


def csv_text(sheet: Sheet) -> str:
    """The table as CSV: numbers to their last digit, an interval in three columns (value, low, high)."""
    wide = [any(isinstance(row[k], Interval) for row in sheet.rows) for k in range(len(sheet.columns))]
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    header: list[str] = []
    for column, three in zip(sheet.columns, wide, strict=True):
        header += [column.key, f"{column.key}_low", f"{column.key}_high"] if three else [column.key]
    writer.writerow(header)
    for row in sheet.rows:
        cells: list[str] = []
        for value, three in zip(row, wide, strict=True):
            if isinstance(value, Interval):
                cells += [_csv(value.value), _csv(value.low), _csv(value.high)]
            else:
                cells += [_csv(value), *(["", ""] if three else [])]
        writer.writerow(cells)
    return stream.getvalue()


def _shown(value: Cell, column: Column, best: bool) -> Shown:
    if value is None or isinstance(value, str):
        return Shown(value or "", "", False, False)
    if isinstance(value, int):
        return Shown(f"{value:,}".replace(",", "\u202f"), "", True, best)
    if isinstance(value, Interval):
        joint = " to " if column.signed or value.low < 0 else "–"
        plain = replace(column, signed=False)
        ends = "" if math.isnan(value.low) else f"{_number(value.low, plain)}{joint}{_number(value.high, plain)}"
        return Shown(_number(value.value, column), ends, True, best)
    return Shown(_number(value, column), "", True, best)


def _number(value: float, column: Column) -> str:
    if math.isnan(value):
        return "–"
    if column.p_value and value < 0.001:
        return "< 0.001"
    return f"{value:{'+' if column.signed else ''}z.{column.digits}f}".replace("-", _MINUS)


def _value(cell: Cell) -> float:
    if isinstance(cell, Interval):
        return cell.value
    return float(cell) if isinstance(cell, int | float) else math.nan


def _csv(value: str | float | None) -> str:
    return "" if isinstance(value, float) and math.isnan(value) else csv_cell(value)


def _harmless(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")

"""The manifest of a data set: one CSV row a photo."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from melascope.data.cells import Problem
from melascope.data.layout import write_whole
from melascope.data.row import COLUMNS, Row, Split, read_row

__all__ = [
    "Manifest",
    "ManifestError",
    "Scheme",
    "manifest_text",
    "read_manifest",
    "read_table",
    "scan_manifest",
    "write_manifest",
]

Scheme = Literal["631", "82"]
_SHOWN: Final = 5


class ManifestError(ValueError):
    """A manifest, or another table, that cannot be read; the message names file, line, column, value and rule."""

    def __init__(self, file: Path | str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        shown = "; ".join(str(problem) for problem in self.problems[:_SHOWN])
        more = len(self.problems) - _SHOWN
        super().__init__(f"{file}: {shown}{f'; and {more} more' if more > 0 else ''}")


@dataclass(frozen=True)
class Manifest:
    """The photos of a data set."""

    rows: tuple[Row, ...]

    @cached_property
    def by_id(self) -> dict[str, Row]:
        """Rows by photo."""
        return {row.photo_id: row for row in self.rows}

    def split(self, name: Split, scheme: Scheme = "631") -> Manifest:
        """The photos of one split."""
        return Manifest(tuple(row for row in self.rows if split_of(row, scheme) == name))


def split_of(row: Row, scheme: Scheme) -> Split | None:
    """The split of a photo in one of the two schemes."""
    return row.split_631 if scheme == "631" else row.split_82


def read_manifest(path: Path) -> Manifest:
    """Read ``manifest.csv``: UTF-8, commas, a header line.

    Needed are the columns photo_id, patient and file. Columns that are not known are kept as `Row.extra`.

    Raises:
        FileNotFoundError: There is no such file.
        ManifestError: Line, column, value and rule of what is wrong.
    """
    rows, problems = scan_manifest(path)
    if problems:
        raise ManifestError(path, problems)
    return Manifest(tuple(row for _, row in rows))


def scan_manifest(path: Path) -> tuple[list[tuple[int, Row]], list[Problem]]:
    """All rows that can be read, with their lines, and everything that is wrong in the others.

    Raises:
        FileNotFoundError: There is no such file.
    """
    table, problems = read_table(path, tuple(c.name for c in COLUMNS.values() if c.required))
    rows: list[tuple[int, Row]] = []
    first: dict[str, tuple[int, str]] = {}
    for line, cells in table:
        row, wrong = read_row(cells, line)
        problems += wrong
        if row is None:
            continue
        key = row.photo_id.casefold()
        if key in first:
            where, other = first[key]
            alike = "" if other == row.photo_id else " (file systems that ignore case take them for one)"
            rule = f"is also the id in line {where}{alike}: give every photo an id of its own"
            problems.append(Problem(line, "photo_id", row.photo_id, rule))
            continue
        first[key] = (line, row.photo_id)
        rows.append((line, row))
    return rows, problems


def write_manifest(rows: Iterable[Row], path: Path) -> None:
    """Write ``manifest.csv``, whole or not at all: the known columns, further raters, then extra columns by name.

    Raises:
        ManifestError: A value breaks the rule of its column, or two photos have one id; nothing is written.
    """
    write_whole(path, manifest_text(rows, path))


def manifest_text(rows: Iterable[Row], path: Path) -> str:
    """What `write_manifest` writes.

    Raises:
        ManifestError: A value breaks the rule of its column, or two photos have one id.
    """
    rows = list(rows)
    problems = []
    seen: set[str] = set()
    table = []
    for line, row in enumerate(rows, start=2):
        cells = row.cells()
        problems += read_row(cells, line)[1]
        if row.photo_id.casefold() in seen:
            problems.append(Problem(line, "photo_id", row.photo_id, "comes twice: give every photo an id of its own"))
        seen.add(row.photo_id.casefold())
        table.append(cells)
    if problems:
        raise ManifestError(path, problems)
    raters = max((len(row.rater_masi) for row in rows), default=0)
    further = [f"rater{number}_masi" for number in range(4, raters + 1)]
    extra = sorted({key for row in rows for key in row.extra})
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, [*COLUMNS, *further, *extra], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return stream.getvalue()


def read_table(path: Path, required: tuple[str, ...]) -> tuple[list[tuple[int, dict[str, str]]], list[Problem]]:
    """Lines of a CSV file as cells by column, and what is wrong with the file's form."""
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        return [], [Problem(line, None, None, "is not UTF-8: save the table as 'CSV UTF-8'")]
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        problems = _header_problems(header, required)
        if problems:
            return [], problems
        table = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                rule = (
                    f"has {len(cells)} cells, and the header has {len(header)}: put text that holds a comma in quotes"
                )
                problems.append(Problem(reader.line_num, None, None, rule))
                continue
            table.append((reader.line_num, {key: cell for key, cell in zip(header, cells, strict=True) if key}))
    except csv.Error as error:
        return [], [Problem(reader.line_num, None, None, f"is not CSV ({error}): save the table anew")]
    return table, problems


def _header_problems(header: list[str], required: tuple[str, ...]) -> list[Problem]:
    if not header:
        return [Problem(1, None, None, "is empty: the first line must name the columns")]
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        return [Problem(1, None, header[0], "has no comma: save the table with commas between the cells")]
    double = sorted({key for key in header if key and header.count(key) > 1})
    return [
        *(Problem(1, key, None, "is there twice: rename one of the two") for key in double),
        *(Problem(1, key, None, "is missing: this column is needed") for key in required if key not in header),
    ]

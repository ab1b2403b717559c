"""From a table's cells to ratings: each row by itself, with everything that is wrong in it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from melascope.data.cells import plain
from melascope.masi import RegionalScore, masi, mmasi
from melascope.severity.columns import COMPONENTS, TOPS, Columns, Field, understood
from melascope.severity.photo_files import ENDINGS, PhotoFiles
from melascope.severity.ratings import ONLY_RATER, Rating, RatingsError
from melascope.severity.tables import TableError, read_table
from melascope.vocabulary import MASI_REGIONS, Region

__all__ = ["TOLERANCE", "Found", "Totals", "read_file", "totals"]

Totals = tuple[float, float | None, Mapping[Region, RegionalScore] | None]
"""MASI (nan where something is wrong), mMASI, parts."""

TOLERANCE: Final = 0.051
"""Points by which a total that is given may differ from its parts: it may be written with one decimal."""
_NUMBER: Final = re.compile(r"[+-]?\d+(?:[.,]\d+)?|[+-]?[.,]\d+")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d.*|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{1,2}[. -][A-Za-z]{3,}.*")
_LONGEST: Final = 255


@dataclass
class Found:
    """Ratings as they were read, before they are held against each other.

    A rating whose score is wrong has the MASI nan: it was written, so that it is not missing.
    """

    source: Path
    photos_folder: Path | None = None
    rows: list[Rating] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    """(row, or 0 for the table as a whole; what is wrong)"""
    files: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    odd: dict[int, str] = field(default_factory=dict)
    """Rows with a darkness or homogeneity where the area is 0: a slip, perhaps; it counts as nothing."""

    def wrong(self, row: int, sentence: str) -> None:
        """Note a problem."""
        self.problems.append((row, sentence))


def read_file(path: Path, photos: Path | None) -> Found:
    """Read a table of ratings.

    Raises:
        RatingsError: It is no table, or its columns do not tell what is needed.
    """
    try:
        table = read_table(path)
    except TableError as error:
        raise RatingsError(path, error.problems) from None
    columns = understood(table.header)
    if columns.problems:
        raise RatingsError(path, columns.problems)
    found = Found(path, photos)
    found.problems += table.problems
    if not table.rows and not table.problems:
        found.wrong(0, "the table has a header and no rows; add the ratings, one row a photo and rater")
    found.notes += _notes(columns)
    named: dict[str, str] = {}
    file_field = columns.one("file")
    for number, cells in table.rows:
        before = len(found.rows)
        _row(found, columns, number, [plain(cell) for cell in cells])
        if file_field is not None and len(found.rows) > before and cells[file_field.index]:
            named.setdefault(found.rows[-1].photo, plain(cells[file_field.index]))
    if photos is not None:
        _find_photos(found, PhotoFiles(photos), named)
    return found


def _row(found: Found, columns: Columns, number: int, cells: Sequence[str]) -> None:
    wide = columns.wide
    photo, patient = (_name(found, columns, number, cells, kind) for kind in ("photo", "patient"))
    long = "" if wide else _rater(found, columns, number, cells)
    group_field = columns.one("group")
    order = _order(found, columns.one("order"), number, cells)
    for rater in wide or (long,):
        fields = columns.scores(rater if wide else "")
        if wide and not any(cells[f.index] for f in fields):
            continue  # told as a missing rating
        values: dict[tuple[str, Region | None], float | None] = {}
        for f in fields:
            values[f.kind, f.region] = _score(found, f, number, cells[f.index])
        total, second, parts = totals(found, number, rater if wide else "", values)
        if photo and patient and rater:
            group = cells[group_field.index] if group_field else ""
            found.rows.append(Rating(photo, patient, rater, total, second, parts, number, group=group, order=order))


def totals(
    found: Found, number: int, rater: str, values: Mapping[tuple[str, Region | None], float | None]
) -> tuple[float, float | None, Mapping[Region, RegionalScore] | None]:
    """MASI, mMASI and parts of one row's scores; the MASI is nan where something is wrong with them.

    Args:
        found: Takes the problems.
        number: Of the row.
        rater: Of the wide form, for the messages.
        values: By (component, region) or (``masi`` | ``mmasi``, None); None for an empty cell, nan for a wrong one.
    """
    whose = f" of {rater}" if rater else ""
    given, given_second = values.get(("masi", None)), values.get(("mmasi", None))
    wrong = any(value is not None and math.isnan(value) for value in values.values())
    components = {key: values.get(key) for key in ((c, r) for r in MASI_REGIONS for c in COMPONENTS)}
    filled = [key for key, value in components.items() if value is not None]
    if not filled:
        if given is None:
            found.wrong(number, f"has no score{whose}; write the MASI or its twelve components, or delete the row")
            return math.nan, None, None
        if given_second is not None and given_second > given + TOLERANCE:
            found.wrong(
                number,
                f"mMASI {given_second:g}{whose} is above the MASI {given:g}, of which it is a part; "
                "see whether the two are exchanged",
            )
        return (math.nan if wrong else given), given_second, None
    empty = [f"{r.key}_{c}" for (c, r), value in components.items() if value is None]
    if empty:
        shown = ", ".join(empty[:4]) + (" ..." if len(empty) > 4 else "")
        found.wrong(
            number,
            f"{shown}{whose} {'is' if len(empty) == 1 else 'are'} empty, and an incomplete face has no total; "
            "fill in all twelve components (0 for none), or leave the photo out",
        )
        return math.nan, None, None
    if wrong:
        return math.nan, None, None
    parts = {region: RegionalScore(*(float(components[c, region] or 0) for c in COMPONENTS)) for region in MASI_REGIONS}
    empty_region = next((r for r, s in parts.items() if not s.area and (s.darkness or s.homogeneity)), None)
    if empty_region is not None:
        found.odd.setdefault(number, f"row {number} ({empty_region.label.lower()}{whose})")
    total, second = masi(parts) or 0.0, mmasi(parts) or 0.0
    for name, written, true in (("MASI", given, total), ("mMASI", given_second, second)):
        if written is not None and abs(written - true) > TOLERANCE:
            found.wrong(
                number,
                f"{name} {written:g}{whose} does not follow from its components, which give {true:.1f}; correct one of "
                f"them, or empty the total (it may differ by {TOLERANCE:.2f} at most)",
            )
    return total, second, parts


def _score(found: Found, f: Field, number: int, cell: str) -> float | None:
    """The number in a cell, None if it is empty, nan if it is wrong."""
    if not cell:
        return None
    top = TOPS[f.kind]
    where = f"column {f.name}: {cell[:60]!r}"
    if not _NUMBER.fullmatch(cell):
        if _DATE.fullmatch(cell):
            why = (
                "is a date, perhaps made of a number by the spreadsheet; format the column as numbers and type it again"
            )
        elif cell.endswith("%"):
            why = f"is a share; write the step of the scale, 0 to {top:g}"
        else:
            why = f"is no number; write one from 0 to {top:g}, or leave the cell empty if it is not known"
        found.wrong(number, f"{where} {why}")
        return math.nan
    value = float(cell.replace(",", "."))
    if not 0 <= value <= top:
        said = {"masi": "a MASI", "mmasi": "an mMASI"}.get(f.kind, f"the {f.kind}")
        found.wrong(number, f"{where} is out of range: {said} lies between 0 and {top:g}; correct the score")
        return math.nan
    return value


def _name(found: Found, columns: Columns, number: int, cells: Sequence[str], kind: str) -> str:
    f = columns.one(kind)
    value = cells[f.index] if f else ""
    name = f.name if f else kind
    if not value:
        found.wrong(number, f"column {name}: is empty; name the {kind}, or delete the row")
    elif not value.isprintable() or len(value) > _LONGEST:
        what = f"is longer than {_LONGEST} signs" if value.isprintable() else "holds signs that cannot be printed"
        found.wrong(number, f"column {name}: {value[:60]!r} {what}; write a shorter, plain name")
        return ""
    return value


def _rater(found: Found, columns: Columns, number: int, cells: Sequence[str]) -> str:
    return _name(found, columns, number, cells, "rater") if columns.one("rater") else ONLY_RATER


def _order(found: Found, f: Field | None, number: int, cells: Sequence[str]) -> float | None:
    if f is None:
        return None
    cell = cells[f.index]
    if _NUMBER.fullmatch(cell):
        return float(cell.replace(",", "."))
    try:
        when = datetime.fromisoformat(cell)
    except ValueError:
        found.wrong(
            number,
            f"column {f.name}: {cell[:60]!r} does not say when the photo was read; write a running number or a time, "
            "as 2024-05-31 14:30, in every row, or rename the column if it means something else",
        )
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _notes(columns: Columns) -> list[str]:
    notes = []
    if columns.ignored:
        shown = ", ".join(columns.ignored[:12]) + (" ..." if len(columns.ignored) > 12 else "")
        notes.append(f"columns that are not used: {shown}")
    if columns.wide:
        beside = [f.name for f in columns.scores()]
        if beside:
            notes.append(f"scores without a rater are not used beside those of {', '.join(columns.wide)}: {beside[0]}")
    elif columns.one("rater") is None:
        notes.append("the table names no rater: its scores count as those of one")
    return notes


def _find_photos(found: Found, files: PhotoFiles, named: Mapping[str, str]) -> None:
    """The file of each photo: by the column of files where there is one beside the ids, else by the photo's name."""
    if not files.names:
        kinds = ", ".join(sorted(ending.lstrip(".") for ending in ENDINGS))
        found.wrong(0, f"the folder {files.folder} holds no photo ({kinds}); name another folder")
        return
    taken: dict[Path, tuple[str, int]] = {}
    seen: set[str] = set()
    for rating in found.rows:
        if rating.photo in seen:
            continue
        seen.add(rating.photo)
        name = named.get(rating.photo, rating.photo)
        try:
            path = files.find(name)
        except LookupError as error:
            found.wrong(rating.row, f"photo {name!r} {error.args[0]}")
            continue
        other, row = taken.setdefault(path, (rating.photo, rating.row))
        if other != rating.photo:
            found.wrong(
                rating.row,
                f"photo {rating.photo!r} is the file {path.name}, which is {other!r} in row {row}; give it one name",
            )
            continue
        found.files[rating.photo] = path
    beside = len(files.names) - len(taken)
    if beside > 0 and taken:
        found.notes.append(
            f"{beside} photo{'' if beside == 1 else 's'} in {files.folder} {'has' if beside == 1 else 'have'} no rating"
        )

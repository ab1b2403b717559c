"""Tables of what people read: one row a reader and photo, the kinds that they saw, and perhaps how sure they were."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.data.cells import plain
from melascope.severity.predictions import PredictionsError
from melascope.severity.tables import TableError, read_table
from melascope.vocabulary import Lesion

__all__ = ["CALLED_FROM", "Reads", "ReadsError", "read_reads"]

CALLED_FROM: Final = 50.0
"""Of 100: a kind counts as seen from this on, where a table gives ratings and no kinds."""
_NONE: Final = frozenset({"none", "0", "-", "healthy"})


class ReadsError(PredictionsError):
    """A table of reads that cannot be used, with every row that is wrong."""


@dataclass(frozen=True)
class Reads:
    """What readers said of the same photos, in one mode or several."""

    modes: tuple[str, ...]
    """Such as unaided and aided; ("",) if the table does not tell."""
    readers: tuple[str, ...]
    photos: tuple[str, ...]
    called: NDArray[np.bool_]
    """(modes, readers, photos, kinds)"""
    ratings: NDArray[np.float64]
    """The same, 0 to 100; 0 or 100 where readers only said yes or no."""
    graded: bool
    """Whether the ratings are more than yes and no."""
    simulated: Mapping[str, str]
    """Readers who do not exist, with their stated error rates."""


def read_reads(path: Path, classes: Sequence[Lesion]) -> Reads:
    """Read a table: ``reader``, ``photo``, ``kinds`` (as ``fre;mel`` or ``none``), or a column of each kind, or both.

    A kind's column holds 0 or 1, or a rating from 0 to 100 of how sure the reader is that the photo shows it;
    probabilities from 0 to 1 are refused. A column ``mode`` tells several readings of one photo by one reader apart.

    Raises:
        ReadsError: Everything that is wrong, by row.
    """
    path = Path(path)
    try:
        table = read_table(path)
    except TableError as error:
        raise ReadsError(path, error.problems) from None
    names = [re.sub(r"[^a-z]", "", word.casefold()) for word in table.header]
    columns = {name: place for place, name in enumerate(names)}
    problems = [f"the column {name!r} is missing: it is needed" for name in ("reader", "photo") if name not in columns]
    rated = [kind.value for kind in classes if kind.value in columns]
    if "kinds" not in columns and len(rated) < len(classes):
        lacking = ", ".join(kind.value for kind in classes if kind.value not in columns)
        problems.append(f"tells no kinds: add a column 'kinds' (as fre;mel, or none), or one for each of {lacking}")
    if rated and len(rated) < len(classes):
        problems.append(f"has columns of {', '.join(rated)} and not of the other kinds: add them, or leave all out")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    problems += [f"the column {name!r} is there twice: rename one of the two" for name in twice]
    if problems:
        raise ReadsError(path, problems)
    if not table.rows:
        raise ReadsError(path, ["holds no row below its header: add one a reader and photo"])
    rows: list[_Read] = []
    problems = [f"row {number}: {words}" for number, words in table.problems]
    for number, cells in table.rows:
        cell = {name: plain(cells[place]) for name, place in columns.items()}
        read, wrong = _row(number, cell, classes, bool(rated))
        problems += [f"row {number}: {words}" for words in wrong]
        if read is not None:
            rows.append(read)
    problems += _between(rows)
    problems += _of_one(rows, classes)
    if problems:
        raise ReadsError(path, problems)
    return _gathered(rows, classes, path)


@dataclass(frozen=True)
class _Read:
    row: int
    mode: str
    reader: str
    photo: str
    called: tuple[bool, ...]
    ratings: tuple[float, ...]
    simulated: str


def _row(
    number: int, cell: Mapping[str, str], classes: Sequence[Lesion], rated: bool
) -> tuple[_Read | None, list[str]]:
    wrong = [f"{name} is empty: name it, or delete the row" for name in ("reader", "photo") if not cell[name]]
    ratings: list[float] = []
    if rated:
        for kind in classes:
            try:
                value = float(cell[kind.value])
            except ValueError:
                value = math.nan
            if not 0 <= value <= 100:
                wrong.append(f"{kind.value} is {cell[kind.value]!r}: must be 0 or 1, or a rating from 0 to 100")
            ratings.append(value)
    called: tuple[bool, ...] | None = None
    if "kinds" in cell:
        words = {word for word in re.split(r"[;,+\s]+", cell["kinds"].casefold()) if word}
        known = {kind.value for kind in classes}
        if not words:
            wrong.append("kinds is empty: name what was seen, as fre;mel, or none")
        elif words - known - _NONE or (words & known and words & _NONE):
            wrong.append(f"kinds is {cell['kinds']!r}: must be kinds of {', '.join(known)} parted by ;, or none")
        called = tuple(kind.value in words for kind in classes)
    if wrong:
        return None, wrong
    return _Read(
        number,
        cell.get("mode", ""),
        cell["reader"],
        cell["photo"],
        called or (),
        tuple(ratings),
        cell.get("simulated", ""),
    ), []


def _between(rows: Sequence[_Read]) -> list[str]:
    problems = []
    first: dict[tuple[str, str, str], int] = {}
    spelt: dict[str, tuple[str, int]] = {}
    for one in rows:
        key = (one.mode, one.reader, one.photo)
        where = first.setdefault(key, one.row)
        if where != one.row:
            problems.append(
                f"row {one.row}: {one.reader!r} read {one.photo!r} in row {where} already: keep one of them"
            )
        name, row = spelt.setdefault(one.reader.casefold(), (one.reader, one.row))
        if name != one.reader:
            problems.append(f"row {one.row}: reader {one.reader!r} is {name!r} in row {row}: spell it one way")
    photos = list(dict.fromkeys(one.photo for one in rows))
    readers = list(dict.fromkeys(one.reader for one in rows))
    modes = list(dict.fromkeys(one.mode for one in rows))
    for mode in modes:
        for reader in readers:
            lacking = [photo for photo in photos if (mode, reader, photo) not in first]
            if lacking:
                named = f"{reader!r}{f' in mode {mode!r}' if mode else ''}"
                problems.append(
                    f"{named} has not read {len(lacking)} of {len(photos)} photos, such as {lacking[0]!r}: every "
                    f"reader "
                    "must read all; add the rows, or leave these photos out for everyone"
                )
    return problems


def _of_one(rows: Sequence[_Read], classes: Sequence[Lesion]) -> list[str]:
    """What is wrong where ratings go from 0 to 1 and not from 0 to 100."""
    highest = max((value for one in rows for value in one.ratings), default=0.0)
    for one in rows:
        for kind, value in zip(classes, one.ratings, strict=False):
            if 0 < value < 1 and highest <= 1:
                what = f"row {one.row}: {kind.value} is {value:g}, and no rating is above {highest:g}"
                return [f"{what}: ratings are from 0 to 100 (or all are 0 and 1); multiply them by 100"]
    return []


def _gathered(rows: Sequence[_Read], classes: Sequence[Lesion], path: Path) -> Reads:
    modes, readers, photos = (
        tuple(dict.fromkeys(key(one) for one in rows)) for key in (_of("mode"), _of("reader"), _of("photo"))
    )
    shape = (len(modes), len(readers), len(photos), len(classes))
    called, ratings = np.zeros(shape, dtype=np.bool_), np.zeros(shape)
    places = [{name: k for k, name in enumerate(names)} for names in (modes, readers, photos)]
    scale = 100.0 if all(value in (0.0, 1.0) for one in rows for value in one.ratings) else 1.0
    for one in rows:
        at = (places[0][one.mode], places[1][one.reader], places[2][one.photo])
        if one.ratings:
            ratings[at] = np.array(one.ratings) * scale
        called[at] = one.called or ratings[at] >= CALLED_FROM
        if not one.ratings:
            ratings[at] = np.where(called[at], 100.0, 0.0)
    graded = bool(np.isin(ratings, (0.0, 100.0), invert=True).any())
    simulated: dict[str, str] = defaultdict(str)
    for one in rows:
        if one.simulated:
            simulated[one.reader] = one.simulated
    if len(readers) < 1 or not len(photos):
        raise ReadsError(path, ["holds no reading"])
    return Reads(modes, readers, photos, called, ratings, graded, dict(simulated))


def _of(name: str) -> Callable[[_Read], str]:
    return lambda one: str(getattr(one, name))

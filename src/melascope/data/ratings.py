"""``ratings.csv``: what each rater wrote, one row a rater and photo, or a rater and visit."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from melascope.data.cells import Column, Problem, cell, name, number, plain, whole
from melascope.data.layout import write_whole
from melascope.data.manifest import ManifestError, read_table
from melascope.masi import RegionalScore
from melascope.vocabulary import MASI_REGIONS, Region

__all__ = ["Rating", "read_ratings", "scan_ratings", "write_ratings"]

_PARTS: Final = ("area", "darkness", "homogeneity")
_KNOWN: Final = (
    name("photo_id"),
    name("patient"),
    whole("visit", 1, 9999),
    name("rater"),
    *(
        number(f"{region.key}_{part}", 0, top)
        for region in MASI_REGIONS
        for part, top in zip(_PARTS, (6, 4, 4), strict=True)
    ),
    number("masi", 0, 48),
)
_COLUMNS: Final[Mapping[str, Column]] = {column.name: column for column in _KNOWN}


@dataclass(frozen=True, kw_only=True)
class Rating:
    """One rater's scores of one photo (`photo_id`), or of all photos of one visit (`patient` and `visit`)."""

    rater: str
    photo_id: str | None = None
    patient: str | None = None
    visit: int | None = None
    scores: Mapping[Region, RegionalScore] = field(default_factory=dict)
    """Steps, by region that was rated in full."""
    masi: float | None = None


def read_ratings(path: Path) -> tuple[Rating, ...]:
    """Read ``ratings.csv``.

    Raises:
        FileNotFoundError: There is no such file.
        ManifestError: Line, column, value and rule of what is wrong.
    """
    rows, problems = scan_ratings(path)
    if problems:
        raise ManifestError(path, problems)
    return tuple(rating for _, rating in rows)


def scan_ratings(path: Path) -> tuple[list[tuple[int, Rating]], list[Problem]]:
    """All ratings that can be read, with their lines, and everything that is wrong in the others."""
    table, problems = read_table(path, ("rater",))
    ratings = []
    for line, cells in table:
        values = {}
        for key, column in _COLUMNS.items():
            value = plain(cells.get(key, "").strip())
            if not value:
                continue
            try:
                values[key] = column.read(value)
            except (ValueError, OverflowError):
                problems.append(Problem(line, key, value, column.rule))
        if "rater" not in values or not ("photo_id" in values or "patient" in values):
            problems.append(Problem(line, None, None, "needs a rater, and a photo_id or a patient"))
            continue
        scores = {}
        for region in MASI_REGIONS:
            steps = [values.get(f"{region.key}_{part}") for part in _PARTS]
            if None not in steps:
                scores[region] = RegionalScore(*(float(step) for step in steps if step is not None))
        known = {key: values.get(key) for key in ("photo_id", "patient", "visit", "rater", "masi")}
        ratings.append((line, Rating(**known, scores=scores)))  # type: ignore[arg-type]
    return ratings, problems


def write_ratings(ratings: Iterable[Rating], path: Path) -> None:
    """Write ``ratings.csv``, whole or not at all."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(_COLUMNS), restval="", lineterminator="\n")
    writer.writeheader()
    for rating in ratings:
        row = {key: cell(getattr(rating, key)) for key in ("photo_id", "patient", "visit", "rater", "masi")}
        for region, score in rating.scores.items():
            row |= {f"{region.key}_{part}": cell(getattr(score, part)) for part in _PARTS}
        writer.writerow(row)
    write_whole(path, stream.getvalue())

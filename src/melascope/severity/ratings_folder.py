"""Ratings from a folder: a data set as `melascope cohort render` writes it, or photos with one table beside them."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from typing import Final

from melascope.data.layout import MANIFEST, RATINGS
from melascope.data.manifest import scan_manifest
from melascope.data.ratings import Rating as Written
from melascope.data.ratings import scan_ratings
from melascope.data.row import Row
from melascope.severity.ratings import Rating, RatingsError
from melascope.severity.ratings_table import Found, Totals, read_file, totals
from melascope.vocabulary import Region

__all__ = ["read_folder"]

_TABLES: Final = ("csv", "tsv", "xlsx", "parquet")


def read_folder(folder: Path, photos: Path | None) -> Found:
    """Read the ratings of a folder.

    A line of ratings.csv that names a photo rates that photo. One that names a patient and a visit rates every photo
    of the visit that has no line of its own, and one that names a patient alone every other photo of the patient.
    Without ratings.csv the manifest's columns rater1_masi, rater2_masi ... are taken.

    Raises:
        RatingsError: The folder holds no ratings, or its manifest cannot be read.
    """
    if not (folder / MANIFEST).is_file():
        tables = [path for ending in _TABLES for path in (folder / f"ratings.{ending}",) if path.is_file()]
        if len(tables) == 1:
            return read_file(tables[0], photos or folder)
        if len(tables) > 1:
            raise RatingsError(folder, [f"holds {tables[0].name} and {tables[1].name}; name the one that counts"])
        raise RatingsError(
            folder, [f"holds neither {MANIFEST} nor a table ratings.csv; name the table itself, or a data set's folder"]
        )
    if photos is not None and photos.resolve() not in {folder.resolve(), (folder / "photos").resolve()}:
        raise RatingsError(folder, [f"is a data set, which names its own photos; leave the folder {photos} out"])
    lines, problems = scan_manifest(folder / MANIFEST)
    if problems:
        raise RatingsError(folder / MANIFEST, [str(problem).replace("line ", "row ", 1) for problem in problems])
    if not lines:
        raise RatingsError(folder / MANIFEST, ["has a header and no rows; add the photos"])
    has_ratings = (folder / RATINGS).is_file()
    found = Found(folder / (RATINGS if has_ratings else MANIFEST), folder)
    if has_ratings:
        _from_ratings(found, [row for _, row in lines])
    else:
        _from_manifest(found, lines)
    rated = {rating.photo for rating in found.rows}
    for line, row in lines:
        if row.photo_id not in rated:
            continue
        path = folder / row.file
        if path.is_file():
            found.files[row.photo_id] = path
        else:
            found.wrong(0, f"{MANIFEST} row {line}: photo {row.file!r} is not there; add it, or delete the row")
    without = len(lines) - len(rated)
    if without:
        found.notes.append(f"{without} of {len(lines)} photos of the manifest have no rating and are left out")
    return found


def _from_ratings(found: Found, rows: list[Row]) -> None:
    written, problems = scan_ratings(found.source)
    for problem in problems:
        where = f"column {problem.column}: " if problem.column else ""
        value = "" if problem.value is None else f"{problem.value[:60]!r} "
        found.wrong(problem.line or 0, f"{where}{value}{problem.rule}")
    if not written and not problems:
        found.wrong(0, "the table has a header and no rows; add the ratings")
    by_photo: dict[str, list[tuple[int, Written]]] = defaultdict(list)
    by_visit: dict[tuple[str, int | None], list[tuple[int, Written]]] = defaultdict(list)
    photos = {row.photo_id for row in rows}
    visits = {(row.patient, row.visit) for row in rows} | {(row.patient, None) for row in rows}
    for line, rating in written:
        if rating.photo_id is not None:
            by_photo[rating.photo_id].append((line, rating))
            if rating.photo_id not in photos:
                found.wrong(line, f"photo {rating.photo_id!r} is not in {MANIFEST}; correct photo_id, or add the photo")
        elif rating.patient is not None:
            by_visit[rating.patient, rating.visit].append((line, rating))
            if (rating.patient, rating.visit) not in visits:
                visit = "" if rating.visit is None else f", visit {rating.visit},"
                found.wrong(line, f"patient {rating.patient!r}{visit} is not in {MANIFEST}; correct it, or add a photo")
    told: dict[int, Totals] = {}
    for row in rows:
        own = by_photo.get(row.photo_id)
        of_visit = by_visit.get((row.patient, row.visit))
        lines = own or of_visit or by_visit.get((row.patient, None)) or []
        subject = "" if own else f"{row.patient} visit {row.visit}" if of_visit else row.patient
        for line, rating in lines:
            if rating.patient is not None and rating.patient != row.patient:
                found.wrong(
                    line,
                    f"photo {row.photo_id!r} shows {row.patient!r} in {MANIFEST}, not {rating.patient!r}; "
                    "correct one of the two",
                )
            if line not in told:
                told[line] = _scores(found, line, rating)
            total, second, parts = told[line]
            found.rows.append(
                Rating(row.photo_id, row.patient, rating.rater, total, second, parts, line, row.group, subject=subject)
            )


def _scores(found: Found, line: int, rating: Written) -> Totals:
    values: dict[tuple[str, Region | None], float | None] = {("masi", None): rating.masi}
    for region, score in rating.scores.items():
        values |= {(name, region): getattr(score, name) for name in ("area", "darkness", "homogeneity")}
    return totals(found, line, "", values)


def _from_manifest(found: Found, lines: list[tuple[int, Row]]) -> None:
    for line, row in lines:
        for number, total in enumerate(row.rater_masi, start=1):
            if total is not None and math.isfinite(total):
                found.rows.append(
                    Rating(row.photo_id, row.patient, f"rater{number}", total, None, None, line, row.group)
                )
    if not found.rows:
        found.wrong(
            0, f"there is no {RATINGS} beside it, and no column rater1_masi, rater2_masi ... in it; add one of the two"
        )

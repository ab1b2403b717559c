"""What a closed reading study says: agreement of its raters, how each repeats, and the measurement beside them.

All statistics are those of `melascope.severity.agreement`; here they are given their ratings.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from melascope.clinic.corrections import read
from melascope.clinic.kept_figures import Kept
from melascope.clinic.readings import Progress, photographs, progress
from melascope.clinic.showings import LIMITS, Entry, entry, held
from melascope.clinic.tables import Photo, Rater, ReadingStudy, Showing
from melascope.data.cells import harmless
from melascope.severity.agreement import Pair, Report, agreement
from melascope.severity.ratings import Rating, Ratings
from melascope.vocabulary import MASI_REGIONS

__all__ = ["MEASURED", "Outcome", "Repeat", "of_photo", "outcome", "ratings_csv", "readings_csv", "to_read_again"]

MEASURED: Final = "Melascope"
_MEAN: Final = "Mean of raters"
_FIRST, _SECOND = "First", "Second"
_FEW: Final = 100
_PARTS: Final = tuple(f"{region.key}_{part}" for region in MASI_REGIONS for part in LIMITS)


@dataclass(frozen=True)
class Repeat:
    """How well a rater repeats: photographs that were shown twice."""

    rater: str
    pairs: int
    """Photographs with a total both times."""
    report: Report | None
    """None for fewer than two pairs."""

    @property
    def pair(self) -> Pair | None:
        """First reading less the second."""
        return self.report.pairs[0] if self.report else None

    @property
    def error(self) -> float | None:
        """Standard error of measurement: the deviation of the differences by the root of two."""
        return self.pair.deviation / math.sqrt(2) if self.pair else None

    @property
    def detectable(self) -> float | None:
        """Smallest detectable change: 1.96 deviations of the differences."""
        return 1.96 * self.pair.deviation if self.pair else None


@dataclass(frozen=True)
class Outcome:
    """Everything that the page of a closed reading study says."""

    report: Report | None
    """None for fewer than two raters, or two photographs of which all of them gave a total."""
    counted: tuple[Progress, ...]
    left_out: tuple[Progress, ...]
    """Raters who did not finish, where two or more did."""
    dropped: tuple[str, ...]
    """Photographs of which not every counted rater gave a total."""
    repeats: tuple[Repeat, ...]
    measured: Report | None
    """The measurement beside the mean of the raters."""
    photos: dict[str, Photo]


def outcome(db: Session, reading: ReadingStudy, kept: Kept) -> Outcome:
    """The statistics of a closed reading study.

    Args:
        db: A transaction that reads.
        reading: The reading study.
        kept: Its drawn figures; `Kept.keep` keeps those that are drawn here for the first time.
    """
    known = {photo.id: photo for photo in _photos(db, reading)}
    counted, left_out = _counted(db, reading)
    rows = _rows(db, [each.rater for each in counted], known)
    complete = _complete(rows, len(counted))
    return Outcome(
        report=_report(complete, kept),
        counted=counted,
        left_out=left_out,
        dropped=tuple(sorted(set(known) - {row.photo for row in complete}, key=lambda it: _called(known[it]))),
        repeats=tuple(_repeat(db, each.rater, known, kept) for each in (*counted, *left_out)) if reading.twice else (),
        measured=_beside(complete, known, kept),
        photos=known,
    )


def _photos(db: Session, reading: ReadingStudy) -> Sequence[Photo]:
    wanted = select(Photo).where(Photo.id.in_(photographs(db, reading)))
    return db.scalars(wanted.options(selectinload(Photo.analysed), selectinload(Photo.visit))).all()


def _called(photo: Photo) -> tuple[str, str, str]:
    return photo.visit.patient.code, photo.visit.day.isoformat(), photo.id


def _counted(db: Session, reading: ReadingStudy) -> tuple[tuple[Progress, ...], tuple[Progress, ...]]:
    """Who finished, if two or more did; else everybody who saved anything."""
    found = progress(db, reading)
    finished = [each for each in found if each.total and not each.left]
    if len(finished) < 2:
        finished = [each for each in found if each.done]
    return tuple(finished), tuple(each for each in found if each not in finished)


def _showings(db: Session, rater: Rater) -> Sequence[Showing]:
    wanted = select(Showing).where(Showing.rater_id == rater.id).order_by(Showing.place)
    return db.scalars(wanted.options(selectinload(Showing.scores))).all()


def _rows(db: Session, raters: Iterable[Rater], known: dict[str, Photo]) -> list[Rating]:
    """Ratings of the first showings that have a total, in the order of reading."""
    rows: list[Rating] = []
    for rater in raters:
        for showing in _showings(db, rater):
            said = held(showing)
            if said is not None and not showing.again:
                rating = _rating(said, showing, known[showing.photo_id], rater.user.name, len(rows) + 2)
                rows += [rating] if rating else []
    return rows


def _rating(said: Entry, showing: Showing, photo: Photo, rater: str, row: int) -> Rating | None:
    total = said.masi
    if total is None:
        return None
    patient = photo.visit.patient.code
    return Rating(photo.id, patient, rater, total, said.mmasi, said.scores, row, order=float(showing.place))


def _complete(rows: Sequence[Rating], raters: int) -> list[Rating]:
    """Those of photographs of which every rater gave a total."""
    count: dict[str, int] = {}
    for row in rows:
        count[row.photo] = count.get(row.photo, 0) + 1
    return [row for row in rows if count[row.photo] == raters]


def _report(rows: Sequence[Rating], kept: Kept | None = None) -> Report | None:
    """Without a place to keep them, the intervals are rough."""
    ratings = Ratings(tuple(rows), Path("ratings.csv"), None)
    try:
        return agreement(ratings, resamples=_FEW) if kept is None else agreement(ratings, draw=kept.draw)
    except ValueError:
        return None


def _repeat(db: Session, rater: Rater, known: dict[str, Photo], kept: Kept) -> Repeat:
    by_photo: dict[str, dict[bool, Rating]] = {}
    for showing in _showings(db, rater):
        said = held(showing)
        name = _SECOND if showing.again else _FIRST
        rating = None if said is None else _rating(said, showing, known[showing.photo_id], name, showing.place)
        if rating is not None:
            by_photo.setdefault(showing.photo_id, {})[showing.again] = rating
    pairs = [each for each in by_photo.values() if len(each) == 2]
    return Repeat(
        rater.user.name, len(pairs), _report([pair[again] for pair in pairs for again in (False, True)], kept)
    )


def _beside(rows: Sequence[Rating], known: dict[str, Photo], kept: Kept) -> Report | None:
    """The measurement as it was made, without corrections, beside the mean of the raters."""
    by_photo: dict[str, list[float]] = {}
    for row in rows:
        by_photo.setdefault(row.photo, []).append(row.masi)
    pairs: list[Rating] = []
    for photo_id, totals in by_photo.items():
        measured = _measured(known[photo_id])
        if measured is not None:
            patient, mean = known[photo_id].visit.patient.code, min(48.0, math.fsum(totals) / len(totals))
            pairs += [
                Rating(photo_id, patient, name, value, None, None, len(pairs) + place)
                for place, (name, value) in enumerate(((MEASURED, measured), (_MEAN, mean)), 2)
            ]
    return _report(pairs, kept)


def _measured(photo: Photo) -> float | None:
    found = read(photo)
    return None if found is None or found.record.masi is None else found.record.masi.masi


def to_read_again(db: Session, reading: ReadingStudy) -> list[str]:
    """Photographs on whose band the raters differ, or whose scores lie too far apart."""
    known = {photo.id: photo for photo in _photos(db, reading)}
    counted, _ = _counted(db, reading)
    rows = _complete(_rows(db, [each.rater for each in counted], known), len(counted))
    report = _report(rows)  # no interval of it is used
    return [] if report is None else [photo for one in report.reread for photo in one.photos]


# ---------------------------------------------------------------- tables


def ratings_csv(db: Session, reading: ReadingStudy) -> str:
    """The ratings in the layout of docs/ratings.md, which `melascope severity agreement` reads as they are.

    It holds what the agreement rests on: first showings of which every counted rater gave a total. `readings_csv` holds
    everything.
    """
    known = {photo.id: photo for photo in _photos(db, reading)}
    counted, _ = _counted(db, reading)
    rows = _complete(_rows(db, [each.rater for each in counted], known), len(counted))
    header = ("photo", "patient", "rater", "order", *_PARTS, "masi", "mmasi")
    return _csv(
        header,
        (
            (row.photo, row.patient, row.rater, row.order, *_steps(row.parts), row.masi, row.mmasi)
            for row in sorted(rows, key=lambda it: (it.rater, it.order or 0))
        ),
    )


def _steps(parts: Any) -> list[object]:
    return [
        "" if parts is None or region not in parts else int(getattr(parts[region], part))
        for region in MASI_REGIONS
        for part in LIMITS
    ]


def readings_csv(db: Session, reading: ReadingStudy) -> str:
    """Every showing of every rater, read or not, with its last score and how often it was revised."""
    about = ("reading", "rater", "place", "shown", "photo", "patient", "day", "view", "saved", "revisions")
    header = (*about, *_PARTS, "masi", "mmasi", "severity", "unreadable", "comment", "measured_masi")
    lines = []
    for rater in reading.raters:
        for place, showing in enumerate(_showings(db, rater), 1):
            said, photo = held(showing), showing.photo
            total = None if said is None else said.severity
            lines.append(
                (
                    reading.name,
                    rater.user.name,
                    place,
                    "second" if showing.again else "first",
                    photo.id,
                    photo.visit.patient.code,
                    photo.visit.day.isoformat(),
                    photo.view.value,
                    showing.saved.isoformat() if showing.saved else "",
                    max(0, len(showing.scores) - 1),
                    *_steps(said.scores if said else None),
                    said.masi if said else None,
                    said.mmasi if said else None,
                    total.value if total else "",
                    said.unreadable if said else "",
                    said.comment if said else "",
                    _measured(photo),
                )
            )
    return _csv(header, lines)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([["" if cell is None else harmless(str(cell)) for cell in row] for row in rows])
    return stream.getvalue()


def of_photo(db: Session, photo_id: str) -> list[dict[str, Any]]:
    """What closed reading studies say of a photograph, revisions too, as plain data for the export of its patient.

    Scores of an open one are nobody's yet.
    """
    wanted = (
        select(Showing)
        .join(Rater)
        .join(ReadingStudy)
        .where(Showing.photo_id == photo_id, ReadingStudy.closed.is_not(None))
        .order_by(ReadingStudy.created, Rater.number, Showing.place)
    )
    return [
        {
            "reading": showing.rater.reading.name,
            "rater": showing.rater.user.name,
            "shown": "second" if showing.again else "first",
            "scores": [
                {
                    "at": row.at.isoformat(),
                    "regions": row.regions,
                    "masi": entry(row).masi,
                    "mmasi": entry(row).mmasi,
                    "unreadable": row.unreadable,
                    "comment": row.comment,
                }
                for row in showing.scores
            ],
        }
        for showing in db.scalars(wanted)
    ]

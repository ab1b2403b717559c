"""The course of a patient: MASI over visits, and whether a change is more than re-photographing would explain."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from melascope.clinic.corrections import Reading, read
from melascope.clinic.tables import MakeUp, Patient, Photo, PhotoView, Treatment, Visit
from melascope.record import SeverityRecord
from melascope.vocabulary import Region

__all__ = ["Change", "Course", "Point", "course", "detectable_change", "main_photo", "repeatability"]


@dataclass(frozen=True)
class Point:
    """One visit in the course."""

    visit: Visit
    photo: Photo | None
    """The frontal photograph that counts; None if none gave a total."""
    masi: float | None
    low: float | None
    high: float | None
    by_region: dict[Region, float]
    """What each region adds to the MASI; empty without a total."""
    rescored: bool
    network: str
    """First signs of the skin network and of the regional network that measured it."""
    read: SeverityRecord | None
    """What the severity network, the second instrument, reads off the whole face; None where it read nothing."""
    reader: str
    """First signs of that network."""


@dataclass(frozen=True)
class Change:
    """The MASI of a visit beside that of an earlier one."""

    before: Point
    after: Point
    difference: float
    """After minus before."""
    detectable: float
    """Smallest difference that re-photographing the same skin would hardly give."""

    @property
    def real(self) -> bool:
        """Larger than what re-photographing would explain; never told where make-up hides pigment."""
        return abs(self.difference) > self.detectable and not self.made_up

    @property
    def made_up(self) -> tuple[Point, ...]:
        """The visits of the two at which make-up was worn, as somebody noted."""
        return tuple(point for point in (self.before, self.after) if point.visit.make_up is MakeUp.WORN)

    @property
    def read(self) -> float | None:
        """The difference as one severity network reads it; None unless it read both."""
        if self.before.read is None or self.after.read is None or self.before.reader != self.after.reader:
            return None
        return self.after.read.masi - self.before.read.masi

    @property
    def apart(self) -> bool:
        """The two instruments tell changes that differ by more than the limit of the measured one."""
        known = self.comparable and not self.made_up
        return known and self.read is not None and abs(self.difference - self.read) > self.detectable

    @property
    def known_reading(self) -> bool:
        """Both instruments are those whose changes docs/courses.md sets beside each other."""
        return self.comparable and self.read is not None and self.after.reader == repeatability()["reading"]["network"]

    @property
    def comparable(self) -> bool:
        """Both were measured by the networks whose repeatability is known; a person's score has none."""
        known = repeatability()["network"]
        return not (self.before.rescored or self.after.rescored) and {self.before.network, self.after.network} == {
            known
        }


@dataclass(frozen=True)
class Course:
    """All visits in order of their days."""

    points: tuple[Point, ...]
    treatments: tuple[Treatment, ...]
    since_first: Change | None
    since_last: Change | None
    """None unless there are three visits with a total; with two it would say the same."""

    @property
    def span(self) -> tuple[date, date] | None:
        """First and last day that are to be drawn."""
        days = [point.visit.day for point in self.points]
        return (min(days), max(days)) if days else None


def course(patient: Patient) -> Course:
    """The course of a patient."""
    points = tuple(_point(visit) for visit in patient.visits)
    totals = [point for point in points if point.masi is not None]
    return Course(
        points=points,
        treatments=tuple(patient.treatments),
        since_first=change(totals[0], totals[-1]) if len(totals) > 1 else None,
        since_last=change(totals[-2], totals[-1]) if len(totals) > 2 else None,
    )


def main_photo(visit: Visit) -> tuple[Photo, Reading] | None:
    """The frontal photograph of a visit that counts: the latest one with a total."""
    for photo in reversed(visit.photos):
        if photo.view is PhotoView.FRONTAL:
            reading = read(photo)
            if reading is not None and reading.masi is not None:
                return photo, reading
    return None


def _point(visit: Visit) -> Point:
    found = main_photo(visit)
    if found is None:
        return Point(visit, None, None, None, None, {}, False, "", None, "")
    photo, reading = found
    low, high = reading.interval or (None, None)
    return Point(
        visit=visit,
        photo=photo,
        masi=reading.masi,
        low=low,
        high=high,
        by_region={row.region: row.points for row in reading.regions if row.points is not None},
        rescored=reading.rescored,
        network=" ".join(filter(None, map(reading.record.versions.get, ("skin network", "regional network")))),
        read=reading.record.severity_reading,
        reader=reading.record.versions.get("severity network", ""),
    )


def change(before: Point, after: Point) -> Change:
    """The difference of two visits with a total."""
    assert before.masi is not None
    assert after.masi is not None
    return Change(before, after, after.masi - before.masi, detectable_change((before.masi + after.masi) / 2))


def detectable_change(level: float) -> float:
    """Smallest detectable change between two MASI whose mean is `level`.

    It rises by less than 2 from one point of the MASI to the next, so that of two changes in one direction from one
    visit the larger is never explained by re-photographing where the smaller is not.

    Example:
        >>> detectable_change(10.0) > detectable_change(1.0) > 0
        True
    """
    levels = repeatability()["levels"]
    return float(np.interp(level, [band["from_masi"] for band in levels], [band["masi"] for band in levels]))


@lru_cache(maxsize=1)
def repeatability() -> dict[str, Any]:
    """The data behind `detectable_change`, with its source: `repeatability.toml`."""
    text = files("melascope.clinic").joinpath("repeatability.toml").read_text(encoding="utf-8")
    known = tomllib.loads(text)
    known["levels"].sort(key=lambda band: band["from_masi"])
    return known

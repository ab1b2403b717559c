"""Which photographs of a study a reading study takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from melascope.clinic.access import Invalid
from melascope.clinic.patients import day_of
from melascope.clinic.tables import Analysed, Patient, Photo, PhotoView, Visit

__all__ = ["MOST_PHOTOS", "Choice", "choice_of", "eligible", "whole"]

MOST_PHOTOS: Final = 1000


@dataclass(frozen=True)
class Choice:
    """Which photographs of a study are read."""

    views: tuple[PhotoView, ...] = (PhotoView.FRONTAL,)
    since: date | None = None
    until: date | None = None
    """Days of visits, both included."""
    most: int | None = None
    """So many at most, drawn by the seed."""

    def plain(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "views": [view.value for view in self.views],
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
            "most": self.most,
        }


def choice_of(form: Mapping[str, str]) -> Choice:
    """The choice of a form: ``view.frontal`` and so on, ``since``, ``until``, ``most``.

    Raises:
        Invalid: No view is chosen, a day is none, or the number is out of its range.
    """
    views = tuple(view for view in PhotoView if form.get(f"view.{view.value}"))
    if not views:
        raise Invalid("readings.wrong_view", "views")
    since, until = (day_of(form[name], name) if form.get(name) else None for name in ("since", "until"))
    if since and until and until < since:
        raise Invalid("readings.wrong_days", "until")
    raw = form.get("most", "").strip()
    return Choice(views, since, until, whole(raw, "most", 2, MOST_PHOTOS) if raw else None)


def whole(raw: str, field: str, low: int, high: int) -> int:
    """A whole number of a form.

    Raises:
        Invalid: It is none, or out of its range.
    """
    if not (raw.isdecimal() and raw.isascii() and len(raw) < 11 and low <= int(raw) <= high):
        raise Invalid("readings.wrong_whole", field, value=raw[:20], low=low, high=high)
    return int(raw)


def eligible(db: Session, study_id: str, choice: Choice) -> list[str]:
    """Photographs of a study that fit a choice and can be shown."""
    wanted = (
        select(Photo.id, Analysed.pictures)
        .join(Visit, Visit.id == Photo.visit_id)
        .join(Patient, Patient.id == Visit.patient_id)
        .join(Analysed, Analysed.photo_id == Photo.id)
        .where(Patient.study_id == study_id, Photo.view.in_(choice.views))
    )
    if choice.since:
        wanted = wanted.where(Visit.day >= choice.since)
    if choice.until:
        wanted = wanted.where(Visit.day <= choice.until)
    return sorted(photo for photo, pictures in db.execute(wanted) if "display.jpg" in pictures["files"])

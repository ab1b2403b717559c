"""The audit log: one row for each look at a patient and for each change. It can only be added to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from melascope.clinic.access import Actor, Right
from melascope.clinic.tables import (
    Audit,
    Patient,
    Photo,
    ReadingStudy,
    ReviewBatch,
    ReviewPhoto,
    Study,
    User,
    Visit,
)

__all__ = ["Entry", "log", "page", "seen"]


def log(db: Session, user_id: str | None, action: str, about: object = None, /, **detail: Any) -> None:
    """Add a row.

    Args:
        db: A writing transaction; the row is kept if the deed is.
        user_id: Who; None for who has not signed in.
        action: A word such as ``patient.view``.
        about: The row that it concerns.
        detail: Further identifiers and names of fields, never their content.
    """
    study, subject, subject_id = _place(about)
    db.add(Audit(user_id=user_id, action=action, study_id=study, subject=subject, subject_id=subject_id, detail=detail))


@dataclass(frozen=True)
class Entry:
    """A look, to be written when the reading is done."""

    user_id: str
    action: str
    study_id: str | None
    subject: str
    subject_id: str | None


def seen(actor: Actor, action: str, about: object) -> Entry:
    """A look at a row, to be added by `Audit(**vars(entry))` in a writing transaction."""
    return Entry(actor.id, action, *_place(about))


def _place(about: object) -> tuple[str | None, str, str | None]:
    """Study, kind and identifier of a row."""
    match about:
        case Patient():
            return about.study_id, "patient", about.id
        case Visit():
            return about.patient.study_id, "visit", about.id
        case Photo():
            return about.visit.patient.study_id, "photo", about.id
        case ReadingStudy():
            return about.study_id, "reading", about.id
        case ReviewBatch():
            return about.study_id, "review batch", about.id
        case ReviewPhoto():
            return about.batch.study_id, "review photo", about.id
        case Study():
            return about.id, "study", about.id
        case User():
            return None, "user", about.id
        case _:
            return None, "", None


@dataclass(frozen=True)
class Line:
    """One row of the log, for reading."""

    at: datetime
    user: str
    action: str
    study: str
    subject: str
    subject_id: str
    detail: str


def page(db: Session, actor: Actor, before: int | None = None, count: int = 100) -> tuple[Sequence[Line], int | None]:
    """The latest rows that the caller may read, and the number to continue before.

    Administrators of the clinic read all; a study's administrators read what concerns their studies. Who rates an open
    reading study is not told which photographs raters saw.
    """
    wanted = select(Audit, User.name, Study.name).outerjoin(User, User.id == Audit.user_id)
    wanted = wanted.outerjoin(Study, Study.id == Audit.study_id).order_by(Audit.id.desc()).limit(count + 1)
    if not actor.administrator:
        wanted = wanted.where(Audit.study_id.in_([s for s in actor.roles if actor.may(Right.MANAGE, s)]))
    if actor.blinded:  # which photograph was shown twice would stand there
        wanted = wanted.where(Audit.action != "reading.photo")
    if before is not None:
        wanted = wanted.where(Audit.id < before)
    rows = db.execute(wanted).all()
    lines = [
        Line(
            row.at,
            user or "",
            row.action,
            study or "",
            row.subject,
            (row.subject_id or "")[:8],
            ", ".join(f"{key}: {value}" for key, value in row.detail.items()),
        )
        for row, user, study in rows[:count]
    ]
    return lines, rows[count - 1][0].id if len(rows) > count else None

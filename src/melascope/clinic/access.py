"""Who may do what: roles in a study, and the one way from an identifier to a row.

A service never looks a row up by itself: it asks here, and gets it only if the caller is a member of its study with the
right that the deed needs. To who is no member, a patient of another study does not exist. Who rates a reading study
reaches its patients by that alone until it is closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from melascope.clinic.tables import (
    Member,
    Patient,
    Photo,
    Rater,
    ReadingStudy,
    ReviewBatch,
    ReviewPhoto,
    Role,
    Showing,
    Study,
    User,
    Visit,
)

__all__ = [
    "GRANTS",
    "Actor",
    "Blinded",
    "Conflict",
    "Forbidden",
    "Invalid",
    "NotFound",
    "OutOfTurn",
    "Refused",
    "Right",
    "actor_of",
    "batch_of",
    "need_turn",
    "patient_of",
    "photo_of",
    "reading_of",
    "review_photo_of",
    "showing_of",
    "still_reads",
    "study_of",
    "turns",
    "visit_of",
]


class Right(Enum):
    """What can be done in a study."""

    VIEW = "view"
    CORRECT = "correct"
    WRITE = "write"
    SIGN = "sign"
    EXPORT = "export"
    DELETE = "delete"
    MANAGE = "manage"


_VIEW: Final = frozenset({Right.VIEW})
_CORRECT: Final = _VIEW | {Right.CORRECT}
_CLINICIAN: Final = _CORRECT | {Right.WRITE, Right.SIGN, Right.EXPORT}
GRANTS: Final[Mapping[Role, frozenset[Right]]] = {
    Role.READ_ONLY: _VIEW,
    Role.ANNOTATOR: _CORRECT,
    Role.CLINICIAN: _CLINICIAN,
    Role.ADMINISTRATOR: _CLINICIAN | {Right.DELETE, Right.MANAGE},
}


class Refused(Exception):
    """A request that is not carried out; the subclasses say why."""


class NotFound(Refused):
    """There is no such thing, or the caller may not know of it."""


class Forbidden(Refused):
    """The caller sees the thing, and may not do this to it."""


class Blinded(Forbidden):
    """The caller rates an open reading study that has photographs of the patient: nothing else of them is shown."""


class OutOfTurn(Forbidden):
    """A rater reads in the order of the queue, and sees again only the photograph that was saved last."""


class Invalid(Refused):
    """Something was entered that cannot be taken.

    Attributes:
        field: The form's field.
        text: Name of the sentence in the catalogue.
        values: What the sentence names.
    """

    def __init__(self, text: str, field: str = "", **values: object) -> None:
        super().__init__(text, field, values)
        self.text, self.field, self.values = text, field, values


class Conflict(Refused):
    """Somebody else changed it since the caller looked."""


@dataclass(frozen=True)
class Actor:
    """A signed-in user, with the roles in studies."""

    id: str
    name: str
    administrator: bool = False
    """May manage accounts and studies."""
    roles: Mapping[str, Role] = field(default_factory=dict)
    """By study."""
    blinded: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By study: patients of reading studies that are open and of which this user is a rater."""

    def may(self, right: Right, study_id: str) -> bool:
        """True if the role in this study grants the right.

        Example:
            >>> Actor("u", "Ann", roles={"s": Role.READ_ONLY}).may(Right.WRITE, "s")
            False
        """
        role = self.roles.get(study_id)
        return role is not None and right in GRANTS[role]

    def need(self, right: Right, study_id: str) -> None:
        """Stop unless the role grants the right.

        Raises:
            NotFound: Not a member.
            Forbidden: A member without this right.
        """
        if study_id not in self.roles:
            raise NotFound
        if not self.may(right, study_id):
            raise Forbidden(right.value)

    def need_sight(self, study_id: str, patient_id: str | None = None) -> None:
        """Stop who is blinded for a patient; without one, who is blinded for any of the study.

        Raises:
            Blinded: An open reading study of this rater holds photographs of the patient.
        """
        hidden = self.blinded.get(study_id, frozenset())
        if patient_id in hidden or (patient_id is None and hidden):
            raise Blinded

    def need_administrator(self) -> None:
        """Stop unless accounts and studies may be managed.

        Raises:
            Forbidden: They may not.
        """
        if not self.administrator:
            raise Forbidden("administrator")


def actor_of(db: Session, user: User) -> Actor:
    """The user with the roles that hold now."""
    rows = db.execute(select(Member.study_id, Member.role).where(Member.user_id == user.id))
    roles = {row.study_id: row.role for row in rows}
    return Actor(user.id, user.name, user.administrator, roles, _blinded(db, user.id))


def _blinded(db: Session, user_id: str) -> dict[str, frozenset[str]]:
    wanted = (
        select(ReadingStudy.study_id, Visit.patient_id)
        .join(Rater, Rater.reading_id == ReadingStudy.id)
        .join(Showing, Showing.rater_id == Rater.id)
        .join(Photo, Photo.id == Showing.photo_id)
        .join(Visit, Visit.id == Photo.visit_id)
        .where(Rater.user_id == user_id, ReadingStudy.closed.is_(None))
        .distinct()
    )
    found: dict[str, set[str]] = {}
    for study_id, patient_id in db.execute(wanted):
        found.setdefault(study_id, set()).add(patient_id)
    return {study_id: frozenset(patients) for study_id, patients in found.items()}


def study_of(db: Session, actor: Actor, study_id: str, right: Right) -> Study:
    """A study.

    Raises:
        NotFound: None, or the caller is no member.
        Forbidden: The role does not grant the right.
        Blinded: It is the right to export, and the caller rates photographs of the study.
    """
    study = db.get(Study, study_id)
    if study is None:
        raise NotFound
    actor.need(right, study.id)
    if right is Right.EXPORT:
        actor.need_sight(study.id)
    return study


def patient_of(db: Session, actor: Actor, patient_id: str, right: Right) -> Patient:
    """A patient; raises as `study_of`, and `Blinded` if the caller rates photographs of this one."""
    patient = db.get(Patient, patient_id)
    if patient is None:
        raise NotFound
    actor.need(right, patient.study_id)
    actor.need_sight(patient.study_id, patient.id)
    return patient


def visit_of(db: Session, actor: Actor, visit_id: str, right: Right) -> Visit:
    """A visit; raises as `patient_of`."""
    visit = db.get(Visit, visit_id)
    if visit is None:
        raise NotFound
    actor.need(right, visit.patient.study_id)
    actor.need_sight(visit.patient.study_id, visit.patient_id)
    return visit


def photo_of(db: Session, actor: Actor, photo_id: str, right: Right) -> Photo:
    """A photograph; raises as `patient_of`."""
    photo = db.get(Photo, photo_id)
    if photo is None:
        raise NotFound
    actor.need(right, photo.visit.patient.study_id)
    actor.need_sight(photo.visit.patient.study_id, photo.visit.patient_id)
    return photo


def reading_of(db: Session, actor: Actor, reading_id: str, right: Right) -> ReadingStudy:
    """A reading study; raises as `study_of`, but `Blinded` never: what it shows to whom is up to its services."""
    reading = db.get(ReadingStudy, reading_id)
    if reading is None:
        raise NotFound
    actor.need(right, reading.study_id)
    return reading


def showing_of(db: Session, actor: Actor, reading_id: str, showing_id: str) -> Showing:
    """A photograph that is shown to the caller: to everybody else it does not exist, whatever the role.

    Raises:
        NotFound: None, another rater's, or the caller is no longer a member of the study.
        Blinded: It was read before, and the caller reads the patient anew.
        OutOfTurn: The caller still reads, and it is neither the next one nor the one saved last.
    """
    showing = db.get(Showing, showing_id)
    if showing is None or showing.rater.reading_id != reading_id or showing.rater.user_id != actor.id:
        raise NotFound
    reading = showing.rater.reading
    actor.need(Right.VIEW, reading.study_id)
    if reading.closed is not None:
        actor.need_sight(reading.study_id, showing.photo.visit.patient_id)
    need_turn(db, showing)
    return showing


def need_turn(db: Session, showing: Showing) -> None:
    """Stop a rater who goes back or ahead: the two showings of one photograph could be set against each other.

    Raises:
        OutOfTurn: It is neither the next one nor the one that was saved last, and the rater still reads.
    """
    if not still_reads(showing.rater):
        return
    wanted = select(Showing.id, Showing.saved).where(Showing.rater_id == showing.rater_id).order_by(Showing.place)
    rows = db.execute(wanted).all()
    if showing.id not in turns([(row.id, row.saved) for row in rows]):
        raise OutOfTurn


def still_reads(rater: Rater) -> bool:
    """True until the rater has signed off or the reading study is closed."""
    return rater.signed is None and rater.reading.closed is None


def turns(line: Sequence[tuple[str, datetime | None]]) -> tuple[str | None, str | None]:
    """Of showings in their order: the one that was saved last, and the next to be read.

    Example:
        >>> turns([("a", datetime(2026, 1, 1)), ("b", datetime(2026, 1, 2)), ("c", None), ("d", None)])
        ('b', 'c')
    """
    saved = [(at, place, key) for place, (key, at) in enumerate(line) if at is not None]
    return max(saved)[2] if saved else None, next((key for key, at in line if at is None), None)


def batch_of(db: Session, actor: Actor, batch_id: str, right: Right) -> ReviewBatch:
    """A queue of boxes to review; raises as `study_of`."""
    batch = db.get(ReviewBatch, batch_id)
    if batch is None:
        raise NotFound
    actor.need(right, batch.study_id)
    return batch


def review_photo_of(db: Session, actor: Actor, photo_id: str, right: Right) -> ReviewPhoto:
    """A photograph of such a queue; raises as `study_of`."""
    photo = db.get(ReviewPhoto, photo_id)
    if photo is None:
        raise NotFound
    actor.need(right, photo.batch.study_id)
    return photo

"""Who may do what: roles in a study, and the one way from an identifier to a row.

A service never looks a row up by itself: it asks here, and gets it only if the caller is a member of its study with the
right that the deed needs. To who is no member, a patient of another study does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from melascope.clinic.tables import Member, Patient, Photo, Role, Study, User, Visit

__all__ = [
    "GRANTS",
    "Actor",
    "Conflict",
    "Forbidden",
    "Invalid",
    "NotFound",
    "Refused",
    "Right",
    "actor_of",
    "patient_of",
    "photo_of",
    "study_of",
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
    return Actor(user.id, user.name, user.administrator, {row.study_id: row.role for row in rows})


def study_of(db: Session, actor: Actor, study_id: str, right: Right) -> Study:
    """A study.

    Raises:
        NotFound: None, or the caller is no member.
        Forbidden: The role does not grant the right.
    """
    study = db.get(Study, study_id)
    if study is None:
        raise NotFound
    actor.need(right, study.id)
    return study


def patient_of(db: Session, actor: Actor, patient_id: str, right: Right) -> Patient:
    """A patient; raises as `study_of`."""
    patient = db.get(Patient, patient_id)
    if patient is None:
        raise NotFound
    actor.need(right, patient.study_id)
    return patient


def visit_of(db: Session, actor: Actor, visit_id: str, right: Right) -> Visit:
    """A visit; raises as `study_of`."""
    visit = db.get(Visit, visit_id)
    if visit is None:
        raise NotFound
    actor.need(right, visit.patient.study_id)
    return visit


def photo_of(db: Session, actor: Actor, photo_id: str, right: Right) -> Photo:
    """A photograph; raises as `study_of`."""
    photo = db.get(Photo, photo_id)
    if photo is None:
        raise NotFound
    actor.need(right, photo.visit.patient.study_id)
    return photo

"""Visits: opening one, changing its day, note and make-up, signing it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from sqlalchemy.orm import Session

from melascope.clinic.access import Actor, Conflict, Invalid, Right, patient_of, visit_of
from melascope.clinic.audit import log
from melascope.clinic.patients import day_of
from melascope.clinic.tables import MakeUp, Signature, Visit, now

__all__ = ["add_visit", "change_visit", "content_digest", "sign_visit", "valid_signatures"]

_LONGEST_NOTE = 4000


def add_visit(db: Session, actor: Actor, patient_id: str, form: Mapping[str, str]) -> Visit:
    """A new visit of a patient: ``day``, ``note`` and ``make_up``."""
    patient = patient_of(db, actor, patient_id, Right.WRITE)
    visit = Visit(
        patient_id=patient.id,
        day=day_of(form.get("day", ""), "day"),
        note=_note(form),
        make_up=_make_up(form.get("make_up", "")),
        created_by=actor.id,
        changed_by=actor.id,
    )
    db.add(visit)
    db.flush()
    log(db, actor.id, "visit.add", visit)
    return visit


def change_visit(db: Session, actor: Actor, visit_id: str, version: int, form: Mapping[str, str]) -> Visit:
    """Change day, note and make-up, which stays as it is where the form has none.

    Raises:
        Conflict: Somebody changed the visit since `version`.
    """
    visit = visit_of(db, actor, visit_id, Right.WRITE)
    if visit.version != version:
        raise Conflict
    visit.day, visit.note = day_of(form.get("day", ""), "day"), _note(form)
    if "make_up" in form:
        visit.make_up = _make_up(form["make_up"])
    visit.changed, visit.changed_by = now(), actor.id
    log(db, actor.id, "visit.change", visit)
    db.flush()
    return visit


def _note(form: Mapping[str, str]) -> str:
    note = form.get("note", "").replace("\r\n", "\n").strip()
    if len(note) > _LONGEST_NOTE:
        raise Invalid("error.note_length", "note", longest=_LONGEST_NOTE)
    return note


def _make_up(word: str) -> MakeUp | None:
    try:
        return MakeUp(word) if word else None
    except ValueError:
        raise Invalid("error.make_up", "make_up") from None


def content_digest(visit: Visit) -> str:
    """SHA-256 over everything that a visit says: day, note, make-up if noted, photographs, records, corrections."""
    content = [
        visit.day.isoformat(),
        visit.note,
        [
            [
                photo.sha256,
                photo.view.value,
                "" if photo.analysed is None else hashlib.sha256(photo.analysed.record.encode()).hexdigest(),
                [[row.target, row.value] for row in photo.corrections],
            ]
            for photo in visit.photos
        ],
        *([visit.make_up.value] if visit.make_up else []),  # signatures from before it could be noted still hold
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def sign_visit(db: Session, actor: Actor, visit_id: str, seen: str) -> Signature:
    """Sign what a visit says.

    Args:
        db: A writing transaction.
        actor: Needs the right to sign.
        visit_id: The visit.
        seen: `content_digest` of what the caller saw.

    Raises:
        Conflict: It says something else by now.
    """
    visit = visit_of(db, actor, visit_id, Right.SIGN)
    digest = content_digest(visit)
    if digest != seen:
        raise Conflict
    signature = Signature(visit_id=visit.id, by=actor.id, digest=digest)
    db.add(signature)
    log(db, actor.id, "visit.sign", visit)
    db.flush()
    return signature


def valid_signatures(visit: Visit) -> tuple[list[Signature], list[Signature]]:
    """Signatures of what the visit says now, and those of what it said before."""
    digest = content_digest(visit)
    holds = [row for row in visit.signatures if row.digest == digest]
    return holds, [row for row in visit.signatures if row.digest != digest]

"""Patients and their treatments: making, finding, changing, deleting."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from melascope.clinic.access import Actor, Conflict, Invalid, NotFound, Right, patient_of, study_of
from melascope.clinic.audit import log
from melascope.clinic.tables import Age, Patient, Removal, Sex, Treatment, Visit, now

__all__ = [
    "Found",
    "add_patient",
    "add_treatment",
    "change_patient",
    "day_of",
    "delete_patient",
    "find_patients",
    "remove_treatment",
    "version_of",
]

_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/-]{0,39}")
_EARLIEST: Final = date(1900, 1, 1)
Word = TypeVar("Word", bound=StrEnum)


def add_patient(db: Session, actor: Actor, study_id: str, form: Mapping[str, str]) -> Patient:
    """A new patient of a study; without a code the next free P-0001 is given.

    Args:
        db: A writing transaction.
        actor: Needs the right to write.
        study_id: Where the patient belongs.
        form: ``code``, ``age``, ``sex``, ``fitzpatrick``; all may be empty.

    Raises:
        Invalid: The code is taken or holds signs that a code may not have.
    """
    study = study_of(db, actor, study_id, Right.WRITE)
    code = _code(form.get("code", "")) or _next_code(db, study_id)
    _check_free(db, study_id, code, None)
    patient = Patient(study_id=study.id, code=code, created_by=actor.id, **_told(form))
    db.add(patient)
    db.flush()
    log(db, actor.id, "patient.add", patient)
    return patient


def change_patient(db: Session, actor: Actor, patient_id: str, version: int, form: Mapping[str, str]) -> Patient:
    """Change code and what the patient told.

    Raises:
        Conflict: Somebody changed it since `version`.
        Invalid: As in `add_patient`.
    """
    patient = patient_of(db, actor, patient_id, Right.WRITE)
    if patient.version != version:
        raise Conflict
    code = _code(form.get("code", "")) or patient.code
    _check_free(db, patient.study_id, code, patient.id)
    patient.code = code
    for name, value in _told(form).items():
        setattr(patient, name, value)
    log(db, actor.id, "patient.change", patient)
    db.flush()
    return patient


def delete_patient(db: Session, actor: Actor, patient_id: str, code: str) -> None:
    """Delete a patient with visits, photographs, analyses, corrections and signatures; the log keeps the identifier.

    The files go when the transaction is kept: the caller then calls `removals.carry_out`.

    Raises:
        Invalid: `code` is not the patient's: it has to be written out so that nobody deletes by mistake.
    """
    patient = patient_of(db, actor, patient_id, Right.DELETE)
    if code.strip() != patient.code:
        raise Invalid("error.code_differs", "code", code=patient.code)
    log(db, actor.id, "patient.delete", patient)
    db.flush()
    db.delete(patient)
    db.add(Removal(patient=patient_id))


def _told(form: Mapping[str, str]) -> dict[str, object]:
    raw = form.get("fitzpatrick", "").strip()
    if raw and raw not in tuple("123456"):
        raise Invalid("error.choice", "fitzpatrick", value=raw)
    return {
        "age": _word(Age, form.get("age", ""), "age"),
        "sex": _word(Sex, form.get("sex", ""), "sex"),
        "fitzpatrick": int(raw) if raw else None,
    }


def _word(kind: type[Word], raw: str, field: str) -> Word | None:
    if not raw:
        return None
    try:
        return kind(raw)
    except ValueError:
        raise Invalid("error.choice", field, value=raw[:40]) from None


def _code(raw: str) -> str:
    code = " ".join(raw.split())
    if code and not _CODE.fullmatch(code):
        raise Invalid("error.code", "code")
    return code


def _check_free(db: Session, study_id: str, code: str, own: str | None) -> None:
    taken = db.scalar(select(Patient.id).where(Patient.study_id == study_id, Patient.code == code))
    if taken not in (None, own):
        raise Invalid("error.code_taken", "code", code=code)


def _next_code(db: Session, study_id: str) -> str:
    codes = db.scalars(select(Patient.code).where(Patient.study_id == study_id, Patient.code.like("P-%")))
    numbers = [int(code[2:]) for code in codes if code[2:].isdecimal()]
    return f"P-{max(numbers, default=0) + 1:04d}"


# ---------------------------------------------------------------- finding


@dataclass(frozen=True)
class Found:
    """One line of the list of patients."""

    patient: Patient
    visits: int
    latest: date | None


def find_patients(
    db: Session, actor: Actor, *, study_id: str | None = None, words: str = "", offset: int = 0, count: int = 25
) -> tuple[Sequence[Found], int]:
    """Patients of the caller's studies whose code holds `words`, the latest visit first, and how many there are.

    Raises:
        NotFound: The caller is no member of `study_id`.
    """
    if study_id is not None and study_id not in actor.roles:
        raise NotFound
    studies = [study_id] if study_id else list(actor.roles)
    wanted = select(Patient).where(Patient.study_id.in_(studies))
    if words.strip():
        wanted = wanted.where(Patient.code.icontains(words.strip()[:40], autoescape=True))
    total = db.scalar(select(func.count()).select_from(wanted.subquery())) or 0
    visits = (
        select(Visit.patient_id, func.count().label("visits"), func.max(Visit.day).label("latest"))
        .group_by(Visit.patient_id)
        .subquery()
    )
    rows = db.execute(
        wanted.add_columns(visits.c.visits, visits.c.latest)
        .outerjoin(visits, visits.c.patient_id == Patient.id)
        .order_by(visits.c.latest.desc().nulls_last(), Patient.code.desc())
        .offset(offset)
        .limit(count)
    )
    return [Found(patient, number or 0, latest) for patient, number, latest in rows], total


# ---------------------------------------------------------------- treatments


def add_treatment(db: Session, actor: Actor, patient_id: str, form: Mapping[str, str]) -> Treatment:
    """A treatment with the day on which it began, and that on which it ended, if it did."""
    patient = patient_of(db, actor, patient_id, Right.WRITE)
    name = " ".join(form.get("name", "").split())
    if not 1 <= len(name) <= 120:
        raise Invalid("error.name_length", "name", longest=120)
    started = day_of(form.get("started", ""), "started")
    ended = day_of(form["ended"], "ended") if form.get("ended") else None
    if ended is not None and ended < started:
        raise Invalid("error.ended_before", "ended")
    treatment = Treatment(patient_id=patient.id, name=name, started=started, ended=ended)
    db.add(treatment)
    db.flush()
    log(db, actor.id, "treatment.add", patient, treatment=treatment.id)
    return treatment


def remove_treatment(db: Session, actor: Actor, patient_id: str, treatment_id: str) -> None:
    """Take a treatment off the list."""
    patient = patient_of(db, actor, patient_id, Right.WRITE)
    treatment = db.get(Treatment, treatment_id)
    if treatment is None or treatment.patient_id != patient.id:
        raise NotFound
    db.delete(treatment)
    log(db, actor.id, "treatment.remove", patient, treatment=treatment_id)


def day_of(raw: str, field: str) -> date:
    """A day written as 2026-03-31, not before 1900 and not in the future."""
    try:
        day = date.fromisoformat(raw.strip())
    except ValueError:
        raise Invalid("error.date", field, value=raw[:20]) from None
    latest = now().date() + timedelta(days=370 if field == "ended" else 1)  # tomorrow is today somewhere
    if not _EARLIEST <= day <= latest:
        raise Invalid("error.date_range", field, value=raw[:20])
    return day


def version_of(raw: str) -> int:
    """The version that a form was made from."""
    if not raw.isdecimal() or len(raw) > 9:
        raise Invalid("error.version")
    return int(raw)

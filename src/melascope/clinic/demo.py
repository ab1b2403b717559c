"""A clinic to look around in: one account and the package's virtual patients."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from sqlalchemy import select

from melascope.clinic import accounts, patients, photos, visits
from melascope.clinic.access import actor_of
from melascope.clinic.desk import Clinic
from melascope.clinic.tables import PhotoView, Study, Treatment, User, Visit

__all__ = ["NAME", "fill", "fill_course"]

NAME: Final = "demo"
_STUDY: Final = "Demonstration"
_TOLD: Final = (
    {"age": "40-49", "sex": "female", "fitzpatrick": "4"},
    {"age": "30-39", "sex": "female", "fitzpatrick": "3"},
    {"age": "50-59", "sex": "male", "fitzpatrick": ""},
)
_TREATMENTS: Final = (
    {"name": "Sunscreen SPF 50+, tinted", "started": "2025-07-15", "ended": ""},
    {"name": "Triple combination cream", "started": "2025-07-15", "ended": "2026-01-15"},
)


def fill(clinic: Clinic, samples: Sequence[tuple[PhotoView, bytes]]) -> str:
    """Make the account and a patient for each photograph, unless that was done before.

    Args:
        clinic: An empty one, or one that was filled before.
        samples: Photographs of virtual patients.

    Returns:
        A new password of the account `demo`.
    """
    password = "-".join(secrets.token_hex(2) for _ in range(4))
    with clinic.database.writing() as db:
        user = db.scalar(select(User).where(User.folded == NAME))
        if user is not None:
            user.password = clinic.keeper.hash(password)
            return password
        user = accounts.add_user(db, None, NAME, administrator=True)
        user.password = clinic.keeper.hash(password)
        db.flush()
        study: Study = accounts.add_study(db, actor_of(db, user), _STUDY)
        db.flush()
        actor, study_id = actor_of(db, user), study.id
    for index, (view, data) in enumerate(samples):
        told: Mapping[str, str] = _TOLD[index % len(_TOLD)]
        with clinic.database.writing() as db:
            patient = patients.add_patient(db, actor, study_id, told)
            visit = visits.add_visit(db, actor, patient.id, {"day": f"2026-0{index % 9 + 1}-15"}).id
        photos.add_photo(clinic.database, actor, clinic.store, visit, view, data)
    return password


def fill_course(clinic: Clinic, samples: Sequence[tuple[date, bytes]]) -> None:
    """Add one patient who was photographed on several days, with treatments; what is there already stays.

    Args:
        clinic: One that `fill` has filled.
        samples: Days, and frontal photographs of one virtual patient.
    """
    with clinic.database.writing() as db:
        actor = actor_of(db, db.scalars(select(User).where(User.folded == NAME)).one())
        cream = _TREATMENTS[-1]
        ours = (Treatment.name == cream["name"], Treatment.started == date.fromisoformat(cream["started"]))
        patient_id = db.scalar(select(Treatment.patient_id).where(*ours).limit(1))
        if patient_id is None:
            study_id = db.scalars(select(Study.id).where(Study.name == _STUDY).order_by(Study.created).limit(1)).one()
            told = {"age": "40-49", "sex": "male", "fitzpatrick": "3"}
            patient_id = patients.add_patient(db, actor, study_id, told).id
            for treatment in _TREATMENTS:
                patients.add_treatment(db, actor, patient_id, treatment)
        seen = {visit.day: visit for visit in db.scalars(select(Visit).where(Visit.patient_id == patient_id))}
        for day, _ in samples:
            if day not in seen:
                seen[day] = visits.add_visit(db, actor, patient_id, {"day": day.isoformat()})
        empty = [(seen[day].id, data) for day, data in samples if not seen[day].photos]
    for visit, data in empty:
        photos.add_photo(clinic.database, actor, clinic.store, visit, PhotoView.FRONTAL, data)

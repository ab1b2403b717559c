"""A clinic to look around in: one account and the package's virtual patients."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import select

from melascope.clinic import accounts, patients, photos, visits
from melascope.clinic.access import actor_of
from melascope.clinic.desk import Clinic
from melascope.clinic.tables import PhotoView, Study, User

__all__ = ["NAME", "fill"]

NAME: Final = "demo"
_STUDY: Final = "Demonstration"
_TOLD: Final = (
    {"age": "40-49", "sex": "female", "fitzpatrick": "4"},
    {"age": "30-39", "sex": "female", "fitzpatrick": "3"},
    {"age": "50-59", "sex": "male", "fitzpatrick": ""},
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

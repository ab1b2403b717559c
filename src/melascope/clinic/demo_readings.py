"""A finished reading study for the demonstration: virtual patients, read by raters who are simulated and say so."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from melascope.clinic import accounts, patients, photos, readings, showings, visits
from melascope.clinic.access import Actor, actor_of
from melascope.clinic.demo import NAME
from melascope.clinic.desk import Clinic
from melascope.clinic.reading_choice import Choice
from melascope.clinic.tables import Member, PhotoView, ReadingStudy, Role, Study, User
from melascope.vocabulary import MASI_REGIONS

__all__ = ["READING", "fill_readings"]

READING: Final = "Three simulated raters"
_RATERS: Final = (("A", 0.25, 0.30), ("B", 0.0, 0.30), ("C", -0.30, 0.42))
"""Letter in the name, bias and deviation in steps: A is strict, C is mild and less sure."""
_SEED: Final = 2026
_TWICE: Final = 25
_FIRST_DAY: Final = date(2026, 5, 4)
Truth = Mapping[str, Sequence[float]]
"""By region's key: area, darkness and homogeneity that are true of a photograph, continuous."""


def fill_readings(clinic: Clinic, samples: Sequence[tuple[bytes, Truth]]) -> None:
    """Add a patient for each photograph, and a closed reading study of them, unless that was done before.

    Args:
        clinic: One that `melascope.clinic.demo.fill` has filled.
        samples: Photographs of virtual patients with what is true of them.
    """
    with clinic.database.reading() as db:
        user = db.scalars(select(User).where(User.folded == NAME)).one()
        actor = actor_of(db, user)
        oldest = select(Study.id).where(Study.id.in_(list(actor.roles))).order_by(Study.created).limit(1)
        study_id = db.scalars(oldest).one()
        if db.scalar(select(ReadingStudy.id).where(ReadingStudy.name == READING).limit(1)):
            return
    truths: dict[str, tuple[int, Truth]] = {}
    for number, (data, truth) in enumerate(samples):
        with clinic.database.writing() as db:
            patient = patients.add_patient(db, actor, study_id, {})
            day = _FIRST_DAY + timedelta(days=number)
            visit = visits.add_visit(db, actor, patient.id, {"day": day.isoformat()}).id
        photo, _ = photos.add_photo(clinic.database, actor, clinic.store, visit, PhotoView.FRONTAL, data)
        truths[photo] = number, truth
    with clinic.database.writing() as db:
        _read(db, actor, study_id, truths)


def _read(db: Session, actor: Actor, study_id: str, truths: Mapping[str, tuple[int, Truth]]) -> None:
    raters = []
    for letter, _, _ in _RATERS:
        user = accounts.add_user(db, actor.id, f"Simulated {letter}")
        user.disabled = True
        db.add(Member(user_id=user.id, study_id=study_id, role=Role.READ_ONLY))
        raters.append(user)
    db.flush()
    chosen = Choice().plain()
    made = readings.keep_reading(
        db,
        actor,
        study_id,
        READING,
        list(truths),
        [each.id for each in raters],
        twice=_TWICE,
        seed=_SEED,
        chosen=chosen,
    )
    for user, (letter, bias, deviation) in zip(raters, _RATERS, strict=True):
        rater = actor_of(db, user)
        for showing in showings.queue(db, rater, made.id)[2]:
            number, truth = truths[showing.photo_id]
            draw = random.Random(f"{_SEED}/{letter}/{number}/{showing.again}")  # noqa: S311 (simulated, no secret)
            said = _scores(truth, bias, deviation, draw)
            showings.save(db, rater, made.id, showing.id, showing.version, said)
        readings.sign_off(db, rater, made.id)
    readings.close_reading(db, actor, made.id)


def _scores(truth: Truth, bias: float, deviation: float, draw: random.Random) -> showings.Entry:
    """Steps near the true values: each with the rater's bias, and an error of its own."""
    regions: dict[str, dict[str, int] | None] = {}
    for region in MASI_REGIONS:
        steps = {
            name: min(top, max(0, round(value + bias + draw.gauss(0, deviation))))
            for (name, top), value in zip(showings.LIMITS.items(), truth[region.key], strict=True)
        }
        if not steps["area"]:
            steps = dict.fromkeys(steps, 0)
        elif not steps["darkness"] and not steps["homogeneity"]:
            steps["darkness"] = 1
        regions[region.key] = steps
    return showings.checked(showings.Entry(regions))

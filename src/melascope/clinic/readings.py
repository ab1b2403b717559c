"""Blinded reading studies: making one, signing off, closing, reading again.

Nobody gets a score, his own excepted, before the reading study is closed, and a rater does not reach the patients in it
by any other way (`melascope.clinic.access`). Which photographs are read is the matter of
`melascope.clinic.reading_choice`, their order that of `reading_order`, what raters save that of `showings`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from melascope.clinic.access import Actor, Blinded, Invalid, NotFound, Right, reading_of, study_of
from melascope.clinic.audit import log
from melascope.clinic.reading_choice import MOST_PHOTOS, choice_of, eligible, whole
from melascope.clinic.reading_order import drawn, order
from melascope.clinic.tables import (
    Member,
    Photo,
    Rater,
    ReadingStudy,
    Score,
    Showing,
    User,
    Visit,
    now,
)

__all__ = [
    "Line",
    "Progress",
    "close_reading",
    "delete_reading",
    "keep_reading",
    "list_readings",
    "make_reading",
    "need_open_eyes",
    "progress",
    "rater_of",
    "read_again",
    "shows_seed",
    "sign_off",
]

_MOST_TWICE: Final = 50
"""Percent; from there on two showings of one photograph could lie next to each other."""
_MOST_RATERS: Final = 12
"""A reading study at both limits takes some ten seconds to compare."""
_LARGEST_SEED: Final = 2**31 - 1


# ---------------------------------------------------------------- making


def make_reading(db: Session, actor: Actor, study_id: str, form: Mapping[str, str]) -> ReadingStudy:
    """A new reading study; from now on its raters are blinded.

    Args:
        db: A writing transaction.
        actor: Needs the right to manage.
        study_id: Where it belongs.
        form: ``name``, what `choice_of` reads, ``rater.<user>`` for each rater, ``twice`` in percent, and ``seed``;
            an empty one is drawn. Who rates cannot name one: the order would be known beforehand.

    Raises:
        Invalid: Something in the form is wrong, or no photograph fits.
    """
    study = study_of(db, actor, study_id, Right.MANAGE)
    name = " ".join(form.get("name", "").split())
    if not 1 <= len(name) <= 120:
        raise Invalid("error.name_length", "name", longest=120)
    choice = choice_of(form)
    raters = _members(db, study.id, [key.removeprefix("rater.") for key in form if key.startswith("rater.")])
    twice = whole(form.get("twice", "").strip() or "0", "twice", 0, _MOST_TWICE)
    raw = form.get("seed", "").strip()
    if raw and actor.id in raters:
        raise Invalid("readings.wrong_seed", "seed")
    seed = whole(raw, "seed", 0, _LARGEST_SEED) if raw else secrets.randbelow(_LARGEST_SEED)
    photos = eligible(db, study.id, choice)
    if choice.most is not None:
        photos = sorted(drawn(photos, choice.most, f"{seed}/photographs"))
    if not photos:
        raise Invalid("readings.wrong_none", "views")
    if len(photos) > MOST_PHOTOS:
        raise Invalid("readings.wrong_many", "most", count=len(photos), most=MOST_PHOTOS)
    return keep_reading(db, actor, study.id, name, photos, raters, twice=twice, seed=seed, chosen=choice.plain())


def _members(db: Session, study_id: str, wanted: Sequence[str]) -> list[str]:
    """Those users who are members, by name."""
    rows = db.execute(
        select(User.id).join(Member, Member.user_id == User.id).where(Member.study_id == study_id).order_by(User.folded)
    )
    found = [user for (user,) in rows if user in set(wanted)]
    if not found or len(found) > _MOST_RATERS or len(found) < len(set(wanted)):
        raise Invalid("readings.wrong_raters", "raters", most=_MOST_RATERS)
    return found


def keep_reading(
    db: Session,
    actor: Actor,
    study_id: str,
    name: str,
    photos: Sequence[str],
    raters: Sequence[str],
    *,
    twice: int,
    seed: int,
    chosen: dict[str, Any],
    first: ReadingStudy | None = None,
) -> ReadingStudy:
    """Write a reading study with the order of every rater.

    Args:
        db: A writing transaction.
        actor: Needs the right to manage.
        study_id: Where it belongs.
        name: Shown to the raters.
        photos: Identifiers.
        raters: Users, in the order of their numbers.
        twice: Percent of the photographs that are shown twice.
        seed: Of all draws.
        chosen: By what the photographs were chosen.
        first: Of a second reading, the one on which the raters differed.
    """
    actor.need(Right.MANAGE, study_id)
    reading = ReadingStudy(
        study_id=study_id,
        first_id=first.id if first else None,
        name=name,
        seed=seed,
        twice=twice,
        chosen=chosen,
        created_by=actor.id,
    )
    db.add(reading)
    db.flush()
    for number, user_id in enumerate(raters, 1):
        rater = Rater(reading_id=reading.id, user_id=user_id, number=number)
        db.add(rater)
        db.flush()
        line = enumerate(order(photos, twice, seed, number), 1)
        db.add_all(
            Showing(rater_id=rater.id, photo_id=photo, place=place, again=again) for place, (photo, again) in line
        )
    db.flush()
    log(db, actor.id, "reading.make", reading, photographs=len(photos), raters=" ".join(raters))
    return reading


# ---------------------------------------------------------------- looking


@dataclass(frozen=True)
class Progress:
    """How far one rater is."""

    rater: Rater
    done: int
    total: int

    @property
    def left(self) -> int:
        """Showings without a score."""
        return self.total - self.done


@dataclass(frozen=True)
class Line:
    """One reading study in the list."""

    reading: ReadingStudy
    photos: int
    progress: tuple[Progress, ...]
    mine: Progress | None


def progress(db: Session, reading: ReadingStudy) -> tuple[Progress, ...]:
    """Every rater's progress, by their numbers."""
    rows = db.execute(
        select(Showing.rater_id, func.count(), func.count(Showing.saved))
        .where(Showing.rater_id.in_([rater.id for rater in reading.raters]))
        .group_by(Showing.rater_id)
    )
    counts = {rater: (total, done) for rater, total, done in rows}
    return tuple(
        Progress(rater, done, total) for rater in reading.raters for total, done in (counts.get(rater.id, (0, 0)),)
    )


def list_readings(db: Session, actor: Actor) -> list[Line]:
    """Reading studies of the caller's studies: open ones first, the latest first."""
    wanted = (
        select(ReadingStudy)
        .where(ReadingStudy.study_id.in_(list(actor.roles)))
        .order_by(ReadingStudy.closed.is_not(None), ReadingStudy.created.desc(), ReadingStudy.id)
    )
    return [line_of(db, actor, reading) for reading in db.scalars(wanted)]


def line_of(db: Session, actor: Actor, reading: ReadingStudy) -> Line:
    """One reading study with its progress."""
    found = progress(db, reading)
    mine = next((each for each in found if each.rater.user_id == actor.id), None)
    return Line(reading, len(photographs(db, reading)), found, mine)


def photographs(db: Session, reading: ReadingStudy) -> list[str]:
    """Identifiers of the photographs of a reading study."""
    wanted = (
        select(Showing.photo_id)
        .where(Showing.rater_id.in_([rater.id for rater in reading.raters]))
        .distinct()
        .order_by(Showing.photo_id)
    )
    return list(db.scalars(wanted))


def rater_of(actor: Actor, reading: ReadingStudy) -> Rater:
    """The caller as a rater.

    Raises:
        NotFound: The caller is none.
    """
    found = next((rater for rater in reading.raters if rater.user_id == actor.id), None)
    if found is None:
        raise NotFound
    return found


def shows_seed(actor: Actor, reading: ReadingStudy) -> bool:
    """True if the seed may be shown to the caller: while it is open, the order of a rater follows from it.

    Before closing it is shown to nobody who rates, and to nobody at all if who made the reading study rates as well.
    """
    raters = {rater.user_id for rater in reading.raters}
    return reading.closed is not None or not raters & {actor.id, reading.created_by}


def need_open_eyes(db: Session, actor: Actor, reading: ReadingStudy) -> None:
    """Stop who may not see the scores of a reading study.

    Raises:
        NotFound: It is not closed: nobody sees them.
        Blinded: The caller rates an open reading study that has patients in common with it.
    """
    if reading.closed is None:
        raise NotFound
    hidden = actor.blinded.get(reading.study_id, frozenset())
    if not hidden:
        return
    wanted = select(Visit.patient_id).join(Photo).where(Photo.id.in_(photographs(db, reading)))
    if hidden & set(db.scalars(wanted)):
        raise Blinded


# ---------------------------------------------------------------- ending


def sign_off(db: Session, actor: Actor, reading_id: str) -> Rater:
    """Sign one's own reading off: nothing of it can be revised afterwards.

    Raises:
        NotFound: The caller is no rater of it.
        Invalid: It is closed, or photographs are left.
    """
    reading = reading_of(db, actor, reading_id, Right.VIEW)
    rater = db.get_one(Rater, rater_of(actor, reading).id, with_for_update=True, populate_existing=True)
    if reading.closed is not None:
        raise Invalid("readings.wrong_closed")
    left = next(each for each in progress(db, reading) if each.rater.id == rater.id).left
    if left:
        raise Invalid("readings.wrong_left", count=left)
    if rater.signed is None:
        rater.signed = now()
        log(db, actor.id, "reading.sign", reading)
        db.flush()
    return rater


def _locked(db: Session, actor: Actor, reading_id: str) -> ReadingStudy:
    """A reading study that nobody else closes, deletes or saves into meanwhile."""
    reading_of(db, actor, reading_id, Right.MANAGE)
    return db.get_one(ReadingStudy, reading_id, with_for_update=True, populate_existing=True)


def close_reading(db: Session, actor: Actor, reading_id: str, *, again: bool = False) -> ReadingStudy:
    """Close a reading study: scores can no longer be saved, and are shown.

    Args:
        db: A writing transaction.
        actor: Needs the right to manage.
        reading_id: The reading study.
        again: Begin the second reading at once, before a rater has seen the scores of the others.

    Returns:
        The second reading if there is one, or else the closed reading study.
    """
    reading = _locked(db, actor, reading_id)
    if reading.closed is None:
        reading.closed, reading.closed_by = now(), actor.id
        log(db, actor.id, "reading.close", reading)
        db.flush()
    return (read_again(db, actor, reading_id) if again else None) or reading


def read_again(db: Session, actor: Actor, reading_id: str) -> ReadingStudy | None:
    """A second reading of the photographs on which the raters lie too far apart, by the same raters.

    Returns:
        The one that was begun before, if there is one; None if there is nothing to read again.
    """
    from melascope.clinic.agreements import to_read_again

    reading = _locked(db, actor, reading_id)
    if reading.closed is None:
        raise Invalid("readings.wrong_not_closed")
    known = db.scalar(select(ReadingStudy).where(ReadingStudy.first_id == reading.id).limit(1))
    photos = [] if known else to_read_again(db, reading)
    if not photos:
        return known
    members = set(db.scalars(select(Member.user_id).where(Member.study_id == reading.study_id)))
    raters = [rater.user_id for rater in reading.raters if rater.user_id in members]
    name = f"{reading.name[:114]} – 2" if reading.first_id is None else reading.name
    seed = secrets.randbelow(_LARGEST_SEED)
    chosen = {"again": len(photos)}
    return keep_reading(
        db, actor, reading.study_id, name, photos, raters, twice=0, seed=seed, chosen=chosen, first=reading
    )


def delete_reading(db: Session, actor: Actor, reading_id: str) -> None:
    """Delete a reading study in which nothing was scored yet.

    Raises:
        Invalid: There are scores: they are kept.
    """
    reading = _locked(db, actor, reading_id)  # a score that is being saved is waited for
    raters = [rater.id for rater in reading.raters]
    scored = select(Score.id).join(Showing).where(Showing.rater_id.in_(raters)).limit(1)
    if db.scalar(scored) is not None:
        raise Invalid("readings.wrong_scored")
    log(db, actor.id, "reading.delete", reading)
    db.flush()
    db.delete(reading)

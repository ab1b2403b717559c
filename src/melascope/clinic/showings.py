"""One photograph before one rater: what can be entered, what it adds up to, saving it and revising it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from melascope.clinic.access import (
    Actor,
    Conflict,
    Invalid,
    Right,
    need_turn,
    reading_of,
    showing_of,
    still_reads,
    turns,
)
from melascope.clinic.audit import log
from melascope.clinic.readings import need_open_eyes, rater_of
from melascope.clinic.tables import Rater, ReadingStudy, Score, Showing, now
from melascope.masi import RegionalScore, masi, mmasi, severity
from melascope.vocabulary import MASI_REGIONS, Region, Severity

__all__ = ["LIMITS", "REASONS", "Entry", "Place", "checked", "entry_of", "held", "place_of", "queue", "save"]

LIMITS: Final = {"area": 6, "darkness": 4, "homogeneity": 4}
REASONS: Final = ("blurred", "light", "cropped", "covered", "other")
"""Why a photograph cannot be read."""
_LONGEST: Final = 2000
Steps = dict[str, int]


@dataclass(frozen=True)
class Entry:
    """What a rater says of one photograph."""

    regions: Mapping[str, Steps | None] = field(default_factory=dict)
    """By region's key; None: not assessable. Empty if the photograph cannot be read."""
    unreadable: str = ""
    """One of `REASONS`, or empty."""
    comment: str = ""

    @property
    def scores(self) -> dict[Region, RegionalScore]:
        """Of the regions that could be assessed."""
        return {
            region: RegionalScore(**steps)
            for region in MASI_REGIONS
            for steps in (self.regions.get(region.key),)
            if steps is not None
        }

    @property
    def masi(self) -> float | None:
        """0 to 48; None if a region is missing."""
        return masi(self.scores)

    @property
    def mmasi(self) -> float | None:
        """0 to 24; None if a region is missing."""
        return mmasi(self.scores)

    @property
    def severity(self) -> Severity | None:
        """Band of the MASI."""
        total = self.masi
        return None if total is None else severity(total)


def entry_of(form: Mapping[str, str]) -> Entry:
    """What a form says: ``forehead.area`` and so on, ``forehead.unseen``, ``unreadable``, ``comment``.

    Raises:
        Invalid: A field is empty or out of its range, or two things exclude each other.
    """
    reason = form.get("unreadable", "")
    regions: dict[str, Steps | None] = {}
    for region in MASI_REGIONS:
        raw = {name: form.get(f"{region.key}.{name}", "").strip() for name in LIMITS}
        if form.get(f"{region.key}.unseen"):
            if any(raw.values()):
                raise Invalid("readings.wrong_both", f"{region.key}.area", region=region.key)
            regions[region.key] = None
        elif any(raw.values()) or not reason:
            regions[region.key] = {name: _step(region, name, text) for name, text in raw.items()}
    return checked(Entry(regions, reason, form.get("comment", "")))


def _step(region: Region, name: str, text: str) -> int:
    if not (len(text) == 1 and text.isascii() and text.isdecimal() and int(text) <= LIMITS[name]):
        raise Invalid("readings.wrong_step", f"{region.key}.{name}", top=LIMITS[name])
    return int(text)


def checked(entry: Entry) -> Entry:
    """The entry as it is kept.

    Raises:
        Invalid: A region is missing or impossible, the reason is none of `REASONS`, or the comment is too long.
    """
    comment = entry.comment.replace("\r\n", "\n").replace("\x00", "").strip()
    if len(comment) > _LONGEST:
        raise Invalid("error.note_length", "comment", longest=_LONGEST)
    if entry.unreadable:
        if entry.unreadable not in REASONS:
            raise Invalid("error.choice", "unreadable", value=entry.unreadable[:20])
        if any(entry.regions.values()):
            raise Invalid("readings.wrong_unreadable", "unreadable")
        return Entry({}, entry.unreadable, comment)
    for region in MASI_REGIONS:
        if region.key not in entry.regions:
            raise Invalid("readings.wrong_step", f"{region.key}.area", top=LIMITS["area"])
        steps = entry.regions[region.key]
        if steps and (steps["area"] == 0) != (steps["darkness"] == 0 and steps["homogeneity"] == 0):
            raise Invalid("error.score_zero", f"{region.key}.area")
    if all(entry.regions[region.key] is None for region in MASI_REGIONS):
        raise Invalid("readings.wrong_nothing", "unreadable")
    return Entry({region.key: entry.regions[region.key] for region in MASI_REGIONS}, "", comment)


def held(showing: Showing) -> Entry | None:
    """What holds of a showing: the last that was saved; None before the first."""
    return entry(showing.scores[-1]) if showing.scores else None


def entry(score: Score) -> Entry:
    """A row as an entry."""
    return Entry(score.regions, score.unreadable, score.comment)


def queue(db: Session, actor: Actor, reading_id: str) -> tuple[ReadingStudy, Rater, list[Showing]]:
    """The caller's own showings in their order.

    Raises:
        NotFound: The caller is no rater of it.
        Blinded: It was read before, and the caller reads some of its patients anew.
    """
    reading = reading_of(db, actor, reading_id, Right.VIEW)
    rater = rater_of(actor, reading)
    if reading.closed is not None:
        need_open_eyes(db, actor, reading)
    wanted = select(Showing).where(Showing.rater_id == rater.id).order_by(Showing.place)
    return reading, rater, list(db.scalars(wanted.options(selectinload(Showing.scores))))


@dataclass(frozen=True)
class Place:
    """Where a showing stands in its rater's queue. Places are counted: a patient who was deleted leaves no gap."""

    number: int
    """From 1."""
    total: int
    done: int
    before: str | None
    after: str | None
    """The showings beside it to which the rater may go now."""
    due: str | None
    """The next one without a score."""


def place_of(db: Session, showing: Showing) -> Place:
    """The place of a showing."""
    wanted = select(Showing.id, Showing.saved).where(Showing.rater_id == showing.rater_id).order_by(Showing.place)
    line = db.execute(wanted).all()
    at = next(index for index, row in enumerate(line) if row.id == showing.id)
    before, after = (line[near].id if 0 <= near < len(line) else None for near in (at - 1, at + 1))
    last, due = turns([(row.id, row.saved) for row in line])
    if still_reads(showing.rater):
        before, after = (last, None) if showing.id == due else (None, due)
    return Place(
        number=at + 1,
        total=len(line),
        done=sum(row.saved is not None for row in line),
        before=before,
        after=after,
        due=due,
    )


def save(db: Session, actor: Actor, reading_id: str, showing_id: str, version: int, said: Entry) -> Showing:
    """Add what a rater says; the same again is not added twice.

    Args:
        db: A writing transaction.
        actor: The rater whose showing it is.
        reading_id: The reading study.
        showing_id: The showing.
        version: Of the showing as the rater saw it.
        said: What was entered, `checked`.

    Raises:
        NotFound: It is not shown to the caller.
        Invalid: The reading study is closed, or signed off by the rater.
        OutOfTurn: It is neither the next one nor the one that was saved last.
        Conflict: The rater saved something else since, in another window.
    """
    showing = showing_of(db, actor, reading_id, showing_id)
    # Whoever closes or signs waits until this is kept, or this waits and finds it closed.
    options: dict[str, Any] = {"populate_existing": True}
    reading = db.get_one(ReadingStudy, reading_id, with_for_update={"read": True}, **options)
    rater = db.get_one(Rater, showing.rater_id, with_for_update=True, **options)
    if reading.closed is not None:
        raise Invalid("readings.wrong_closed")
    if rater.signed is not None:
        raise Invalid("readings.wrong_signed")
    db.refresh(showing)
    need_turn(db, showing)  # another window may have gone on since
    if held(showing) == said:
        return showing
    if showing.version != version:
        raise Conflict
    db.add(Score(showing_id=showing.id, regions=dict(said.regions), unreadable=said.unreadable, comment=said.comment))
    showing.saved = now()
    log(db, actor.id, "reading.score", reading, showing=showing.id)
    db.flush()
    db.refresh(showing)
    return showing

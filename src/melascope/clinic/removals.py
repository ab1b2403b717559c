"""Files that nothing needs any more: rows of a table name them until they are surely gone.

Who deletes a patient, a photograph or a queue adds rows in the same transaction, so that the deed holds whatever
becomes of the store. The files go after it, and once more an hour later: an analysis that was under way may have
written some meanwhile. What the store does not let go waits for the next occasion. Only what a row names is ever
removed: another clinic may keep its files in the same store.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from melascope.clinic import logs
from melascope.clinic.database import Database
from melascope.clinic.store import FRESH_S, Store, StoreError
from melascope.clinic.tables import Patient, Photo, Removal, Visit, now

__all__ = ["carry_out", "named", "pending"]

_FAILURES: Final = (StoreError, OSError, SQLAlchemyError)


def carry_out(database: Database, store: Store, stopped: Callable[[], bool] = lambda: False) -> None:
    """Remove all files that are due. Failures are logged and never raised: the rows stay for the next occasion.

    Args:
        database: Of the clinic.
        store: Its photographs.
        stopped: True once the rest may wait for the next occasion.
    """
    try:
        with database.reading() as db:
            due = list(db.scalars(select(Removal.id).where(Removal.due <= now()).order_by(Removal.id)))
        asked = False
        for number in due:
            if stopped():
                return
            if not asked:  # one that does not answer is waited for once, and not in a transaction
                store.check()
                asked = True
            try:
                _carry_out(database, store, number)
            except _FAILURES:
                logs.failure("removal")
                asked = False
    except _FAILURES:
        logs.failure("removal")


def named(db: Session, patient: str, name: str) -> bool:
    """True if a photograph's bytes are to be removed, or were within the last hour."""
    wanted = select(Removal.id).where(Removal.patient == patient, Removal.prefix == name)
    return db.scalar(wanted.limit(1)) is not None


def pending(db: Session) -> int:
    """How many rows there are."""
    return db.scalar(select(func.count()).select_from(Removal)) or 0


def _carry_out(database: Database, store: Store, number: int) -> None:
    """Remove what one row names; only a photograph's bytes are removed in a transaction, since they may be needed."""
    with database.writing() as db:
        row = _due(db, number)
        if row is None:
            return
        begun, patient, prefix = now(), row.patient, row.prefix
        sha256, _, rest = prefix.partition(".")
        if rest == "original":
            if not _needed(db, patient, sha256):
                store.remove(patient, prefix)
            _done(db, row, begun)
            return
    _remove(store, patient, prefix)
    with database.writing() as db:
        row = _due(db, number)
        if row is not None:
            _done(db, row, begun)


def _due(db: Session, number: int) -> Removal | None:
    """The row, if its time has come and no other process is at it."""
    row = db.get(Removal, number, with_for_update={"skip_locked": True})
    return None if row is None or row.due > now() else row


def _done(db: Session, row: Removal, begun: datetime) -> None:
    """Its files are gone: for good, if nobody can have been writing any more when their removal began."""
    last = row.since + timedelta(seconds=FRESH_S)
    if begun >= last:
        db.delete(row)
    else:
        row.due = last


def _remove(store: Store, patient: str, prefix: str) -> None:
    if not prefix:
        store.forget(patient)
        return
    for name in store.files(patient):
        if name.startswith(prefix):
            store.remove(patient, name)


def _needed(db: Session, patient: str, sha256: str) -> bool:
    """True if the patient has a photograph of these bytes; until the transaction ends nobody adds one."""
    db.get(Patient, patient, with_for_update=True)
    wanted = select(Photo.id).join(Visit).where(Visit.patient_id == patient, Photo.sha256 == sha256)
    return db.scalar(wanted.limit(1)) is not None

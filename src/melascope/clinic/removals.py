"""Files that nothing needs any more: rows of a table name them until they are surely gone.

Who deletes a patient, a photograph or a queue adds rows in the same transaction, so that the deed holds whatever
becomes of the store. The files go after it, and once more at each later occasion until an hour has passed: an analysis
that was under way may have written some meanwhile. What the store does not let go waits for the next occasion. Only
what a row names is ever removed: another clinic may keep its files in the same store.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from melascope.clinic import logs
from melascope.clinic.database import Database
from melascope.clinic.store import FRESH_S, Store, StoreError
from melascope.clinic.tables import Patient, Photo, Removal, Visit, now

__all__ = ["carry_out", "named"]

_FAILURES: Final = (StoreError, OSError, SQLAlchemyError)


def carry_out(database: Database, store: Store) -> None:
    """Remove all files that rows name. Failures are logged and never raised: the rows stay for the next occasion."""
    try:
        with database.reading() as db:
            due = list(db.scalars(select(Removal.id).where(Removal.since <= now()).order_by(Removal.id)))
        if due:
            store.check()  # one that does not answer is waited for once, and not in a transaction
    except _FAILURES:
        logs.failure("removal")
        return
    for number in due:
        try:
            _carry_out(database, store, number)
        except _FAILURES:
            logs.failure("removal")


def named(db: Session, patient: str, name: str) -> bool:
    """True if a photograph's bytes are to be removed, or were within the last hour."""
    wanted = select(Removal.id).where(Removal.patient == patient, Removal.prefix == name)
    return db.scalar(wanted.limit(1)) is not None


def _carry_out(database: Database, store: Store, number: int) -> None:
    with database.writing() as db:
        row = db.get(Removal, number, with_for_update=True)
        if row is None or row.since > now():  # another process did it, and the number is another row's by now
            return
        _remove(db, store, row)
        if row.since < now() - timedelta(seconds=FRESH_S):
            db.delete(row)


def _remove(db: Session, store: Store, row: Removal) -> None:
    sha256, _, rest = row.prefix.partition(".")
    if not row.prefix:
        store.forget(row.patient)
    elif rest == "original":
        if not _needed(db, row.patient, sha256):
            store.remove(row.patient, row.prefix)
    else:
        for name in store.files(row.patient):
            if name.startswith(row.prefix):
                store.remove(row.patient, name)


def _needed(db: Session, patient: str, sha256: str) -> bool:
    """True if the patient has a photograph of these bytes; until the transaction ends nobody adds one."""
    db.get(Patient, patient, with_for_update=True)
    wanted = select(Photo.id).join(Visit).where(Visit.patient_id == patient, Photo.sha256 == sha256)
    return db.scalar(wanted.limit(1)) is not None

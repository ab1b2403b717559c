"""Figures of a closed reading study that were drawn once, and are kept: drawing takes seconds, and anybody may look.

They are kept under a SHA-256 of all that they follow from. Whatever changes it, a patient who was deleted for instance,
leads to another name, and to drawing anew.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

import melascope
from melascope.clinic.database import Database
from melascope.clinic.tables import Figures
from melascope.severity.agreement import drawn_figures
from melascope.severity.intervals import Interval
from melascope.severity.readings import Readings

__all__ = ["Kept"]

_DRAWING: Final = threading.Lock()
"""A process draws for one request at a time; those that wait take what it drew."""
_JUST_DRAWN: Final[dict[str, str]] = {}
_MOST_JUST: Final = 64


class Kept:
    """The drawn figures of one reading study.

    Args:
        db: A transaction that reads.
        reading_id: The reading study.
    """

    def __init__(self, db: Session, reading_id: str) -> None:
        rows = db.execute(select(Figures.name, Figures.drawn).where(Figures.reading_id == reading_id))
        self._reading = reading_id
        self._there = {row.name: row.drawn for row in rows}
        self._used: dict[str, str] = {}
        self._fresh = False

    def draw(self, table: Readings, resamples: int, seed: int) -> Mapping[str, Interval]:
        """As `drawn_figures`, from what is kept if it is there."""
        said = [melascope.__version__, table.masi.tolist(), table.clusters.tolist(), resamples, seed]
        name = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        if name not in self._there:
            with _DRAWING:
                if name not in _JUST_DRAWN:
                    found = drawn_figures(table, resamples, seed)
                    _JUST_DRAWN[name] = json.dumps({figure: astuple(one) for figure, one in found.items()})
                self._there[name] = _JUST_DRAWN[name]
                while len(_JUST_DRAWN) > _MOST_JUST:
                    del _JUST_DRAWN[next(iter(_JUST_DRAWN))]
            self._fresh = True
        self._used[name] = self._there[name]
        return {figure: Interval(*one) for figure, one in json.loads(self._used[name]).items()}

    def keep(self, database: Database) -> None:
        """Write what was drawn, in a transaction of its own; what nothing asks for any more goes.

        If that fails the figures are drawn once more the next time.
        """
        if not self._fresh:
            return
        with suppress(IntegrityError, OperationalError), database.writing() as db:
            db.execute(delete(Figures).where(Figures.reading_id == self._reading))
            db.add_all(Figures(reading_id=self._reading, name=name, drawn=drawn) for name, drawn in self._used.items())

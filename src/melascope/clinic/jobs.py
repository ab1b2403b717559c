"""Analyses as work to do: rows of a table that are claimed, done and ticked off, also after a crash.

A claim holds for a while (a lease). Whoever dies with a claim loses it: by the lease, or at once if the process that
claimed it ran on this machine and is no more. Several servers may share one table.

A store that does not answer is nobody's failure: the analysis waits for it, however long that takes.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from melascope.clinic import logs, removals
from melascope.clinic.database import Database
from melascope.clinic.photos import ORIGINAL
from melascope.clinic.pictures import Measured, measured_json
from melascope.clinic.store import Away, Store, StoreError, Unreadable
from melascope.clinic.tables import Analysed, Job, JobState, Photo, now
from melascope.clinic.worker import Measure, Worker, WorkerFailed, measure

__all__ = ["MOST_ATTEMPTS", "MOST_FAILURES", "Runner", "counts", "waiting"]

MOST_FAILURES: Final = 3
MOST_ATTEMPTS: Final = 12
"""An analysis that takes its whole server down each time comes to an end."""
_LOOK_S: Final = 0.5
"""What other processes queued is looked for so often."""
_REST_S: Final = 120.0
"""A process that had nothing to do for so long gives its memory back."""
_MARGIN_S: Final = 30.0
_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
"""A store that is away is asked again after a pause; each is twice as long as the one before, up to the longest."""
_REMOVE_S: Final = 300.0
"""Files of what was deleted are removed so often when their time has come."""
_WAITS: Final = "waits for the store: "
"""How the note of an analysis begins that waits."""


class _Outage:
    """A store that is away, as all threads of one runner know it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: float | None = None
        self._until = self._pause = 0.0

    @property
    def left_s(self) -> float:
        """Seconds until the store is asked again; 0 while it answers."""
        with self._lock:
            return 0.0 if self._since is None else max(0.0, self._until - time.monotonic())

    def failed(self, reason: str) -> None:
        """It did not answer."""
        with self._lock:
            moment = time.monotonic()
            if self._since is None:
                self._since, self._pause = moment, _PAUSE_S
            elif moment < self._until:
                return  # another thread asked at the same time
            else:
                self._pause = min(2 * self._pause, _LONGEST_PAUSE_S)
            self._until = moment + self._pause
            logs.event("store_away", reason=reason, pause_s=self._pause)

    def answered(self) -> None:
        """It did."""
        with self._lock:
            if self._since is not None:
                logs.event("store_back", after_s=round(time.monotonic() - self._since, 1))
                self._since = None


class Runner:
    """Claims queued analyses and does them in processes of its own; beside them it removes what was deleted.

    Args:
        database: Where the jobs are.
        store: Where photographs and pictures are.
        processes: How many at a time.
        limit_s: Seconds after which one is given up.
        work: Stands in for the analysis in tests.
    """

    def __init__(
        self, database: Database, store: Store, *, processes: int = 1, limit_s: float = 120.0, work: Measure = measure
    ) -> None:
        self._database, self._store, self._work = database, store, work
        self._processes, self._limit_s = processes, limit_s
        self._wake, self._stop = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []
        self._outage = _Outage()
        self._name = f"{socket.gethostname()[:80]}:{os.getpid()}"

    def start(self) -> None:
        """Take back what a dead process left, and begin."""
        self.take_back()
        self._threads = [
            threading.Thread(target=self._run, name=f"analyses-{number}", daemon=True)
            for number in range(self._processes)
        ]
        self._threads.append(threading.Thread(target=self._remove, name="removals", daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish or give up what is under way; it stays queued."""
        self._stop.set()
        self._wake.set()
        for thread in self._threads:
            thread.join()
        self.take_back(mine=True)

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def drain(self) -> int:
        """Do what is queued, here and now, in this process, until the store is away; returns how many."""
        count = 0
        while self._one(self._work):
            count += 1
        return count

    def _run(self) -> None:
        worker, latest = Worker(self._work, self._limit_s), time.monotonic()
        try:
            while not self._stop.is_set():
                if self._stop.wait(self._outage.left_s):
                    break
                try:
                    busy = self._one(worker)
                except Exception:  # noqa: BLE001 (a database that is away for a while comes back)
                    logs.failure("analysis")
                    busy = False
                if busy:
                    latest = time.monotonic()
                else:
                    if time.monotonic() - latest > _REST_S:
                        worker.stop()
                    self._wake.wait(_LOOK_S)
                    self._wake.clear()
        finally:
            worker.stop()

    def _remove(self) -> None:
        """A thread of its own: the others may be busy for hours."""
        while not self._stop.wait(_REMOVE_S):
            removals.carry_out(self._database, self._store, self._stop.is_set)

    def take_back(self, *, mine: bool = False) -> int:
        """Queue again what was claimed by processes of this machine that are no more; or, with `mine`, by this one."""
        host, count = socket.gethostname()[:80], 0
        with self._database.writing() as db:
            for job in db.scalars(select(Job).where(Job.state == JobState.RUNNING)):
                who, _, pid = (job.claimed_by or "").rpartition(":")
                dead = not mine and who == host and not _alive(int(pid))
                if dead or job.claimed_by == self._name:  # one's own number may be a dead process's, in a container
                    job.state, job.claimed_by, job.lease = JobState.QUEUED, None, None
                    count += 1
        return count

    def _claim(self) -> tuple[str, str, str, str] | None:
        """Photo, patient, SHA-256 and what to call it, of the oldest job that nobody does."""
        due = or_(Job.state == JobState.QUEUED, and_(Job.state == JobState.RUNNING, Job.lease < now()))
        with self._database.reading() as db:  # a look does not keep writers waiting
            if db.scalar(select(Job.photo_id).where(due).limit(1)) is None:
                return None
        with self._database.writing() as db:
            wanted = select(Job).where(due).order_by(Job.queued).limit(1).with_for_update(skip_locked=True)
            job = db.scalar(wanted)
            if job is None:
                return None
            if job.attempts >= MOST_ATTEMPTS:
                job.state, job.finished = JobState.FAILED, now()
                job.error = job.error or "the analysis was begun several times and never came to an end"
                return "", "", "", ""
            job.state, job.attempts, job.claimed_by = JobState.RUNNING, job.attempts + 1, self._name
            job.lease = now() + timedelta(seconds=self._limit_s + _MARGIN_S)
            photo = db.get_one(Photo, job.photo_id)
            return photo.id, photo.visit.patient_id, photo.sha256, photo.view.value

    def _one(self, work: Callable[[bytes, str], Measured]) -> bool:
        claimed = self._claim()
        if claimed is None:
            return False
        photo_id, patient, sha256, called = claimed
        if not photo_id:
            return True
        files: dict[str, str] = {}
        away = False
        try:
            measured = work(self._store.get(patient, ORIGINAL.format(sha256=sha256)), called)
            for name, data in measured.pictures.items():
                files[name] = f"{photo_id}.{name}"
                self._store.put(patient, files[name], data)
            self._outage.answered()
            kept = self._finish(photo_id, measured, files)
        except WorkerFailed as error:
            kept = self._fail(photo_id, str(error))
        except StoreError as error:
            away = isinstance(error, Away) or not isinstance(error, Unreadable)
            if away:
                self._outage.failed(str(error))
            kept = self._put_back(photo_id, str(error)) if away else self._fail(photo_id, str(error))
        if not kept:  # deleted meanwhile: nothing of it may stay
            removals.carry_out(self._database, self._store)
        return not away

    def _finish(self, photo_id: str, measured: Measured, files: dict[str, str]) -> bool:
        with self._database.writing() as db:
            job = db.get(Job, photo_id)
            if job is None:
                return False
            pictures = measured_json(measured) | {"files": files}
            db.merge(Analysed(photo_id=photo_id, record=measured.record, pictures=pictures, made=now()))
            job.state, job.finished, job.lease, job.error = JobState.DONE, now(), None, ""
            return True

    def _put_back(self, photo_id: str, reason: str) -> bool:
        """As if it had not been begun, behind the others: it may be this one's file alone that cannot be reached."""
        with self._database.writing() as db:
            job = db.get(Job, photo_id)
            if job is None:
                return False
            job.state, job.attempts, job.queued = JobState.QUEUED, job.attempts - 1, now()
            job.claimed_by, job.lease, job.error = None, None, f"{_WAITS}{reason}"
            return True

    def _fail(self, photo_id: str, reason: str) -> bool:
        with self._database.writing() as db:
            job = db.get(Job, photo_id)
            if job is None:
                return False
            job.failures += 1
            again = job.failures < MOST_FAILURES
            job.state = JobState.QUEUED if again else JobState.FAILED
            job.finished, job.lease, job.error = None if again else now(), None, reason
            return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def counts(db: Session) -> dict[str, int]:
    """How many analyses are in each state."""
    rows = db.execute(select(Job.state, func.count()).group_by(Job.state))
    found = {state.value: number for state, number in rows}
    return {state.value: found.get(state.value, 0) for state in JobState}


def waiting(db: Session) -> int:
    """How many analyses found the store away and wait for it."""
    wanted = select(func.count()).where(Job.state == JobState.QUEUED, Job.error.startswith(_WAITS))
    return db.scalar(wanted) or 0

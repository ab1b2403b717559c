"""Analyses as jobs: after crashes, failures, deletions, and with two servers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from melascope.clinic import patients, photos
from melascope.clinic.access import Right, photo_of
from melascope.clinic.jobs import MOST_ATTEMPTS, MOST_FAILURES, Runner, _Outage, counts, waiting
from melascope.clinic.pictures import Measured
from melascope.clinic.store import Away, FileStore, StoreError
from melascope.clinic.tables import Analysed, Job, JobState, Photo, PhotoView, now
from melascope.clinic.worker import Worker, WorkerFailed
from tests.clinic.made import House, drawn, jpeg
from tests.clinic.mortal import die


def added(house: House, number: int = 9) -> str:
    actor = house.actor("clinician of practice")
    return photos.add_photo(
        house.clinic.database, actor, house.clinic.store, house.visit, PhotoView.LEFT, jpeg(number)
    )[0]


def job(house: House, photo: str) -> tuple[JobState, int, str]:
    with house.clinic.database.reading() as db:
        row = db.get_one(Job, photo)
        return row.state, row.attempts, row.error


def test_the_same_bytes_in_a_visit_are_one_photograph_and_one_job(house: House) -> None:
    assert added(house) == added(house) != added(house, 17)
    assert house.clinic.runner.drain() == 2


def test_what_a_killed_server_left_is_done_again(house: House) -> None:
    photo = added(house)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with house.clinic.database.writing() as db:
        row = db.get_one(Job, photo)
        row.state, row.attempts, row.lease = JobState.RUNNING, 1, now() + timedelta(hours=1)
        row.claimed_by = f"{socket.gethostname()[:80]}:{ended.pid}"
    assert house.clinic.runner.drain() == 0  # the claim still holds
    assert house.clinic.runner.take_back() == 1
    assert house.clinic.runner.drain() == 1
    assert job(house, photo)[:2] == (JobState.DONE, 2)


def test_a_claim_of_a_living_process_or_another_machine_is_left_until_its_lease_ends(house: House) -> None:
    photo = added(house)
    for who in (f"{socket.gethostname()[:80]}:{os.getppid()}", "another-machine:1"):
        with house.clinic.database.writing() as db:
            row = db.get_one(Job, photo)
            row.state, row.claimed_by, row.lease = JobState.RUNNING, who, now() + timedelta(hours=1)
        assert house.clinic.runner.take_back() == 0
    with house.clinic.database.writing() as db:
        db.get_one(Job, photo).lease = now() - timedelta(seconds=1)
    assert house.clinic.runner.drain() == 1


def test_an_analysis_that_always_fails_is_given_up_and_can_be_asked_for_again(house: House) -> None:
    def failing(data: bytes, name: str) -> Measured:
        raise WorkerFailed("the process ended with code -9; it may have run out of memory")

    photo = added(house)
    runner = Runner(house.clinic.database, house.clinic.store, work=failing)
    assert runner.drain() == MOST_FAILURES == 3
    assert job(house, photo) == (JobState.FAILED, 3, "the process ended with code -9; it may have run out of memory")
    person = house.member()
    assert "came to no result" in person.get(f"/photos/{photo}").text
    assert person.get(f"/photos/{photo}/state").json() == {"state": "failed"}
    assert person.post(f"/photos/{photo}/again").status_code == 303
    assert house.clinic.runner.drain() == 1
    assert job(house, photo)[0] is JobState.DONE


def test_a_job_that_kills_its_server_each_time_comes_to_an_end(house: House) -> None:
    photo = added(house)
    with house.clinic.database.writing() as db:
        row = db.get_one(Job, photo)
        row.state, row.attempts, row.lease = JobState.RUNNING, MOST_ATTEMPTS, now() - timedelta(seconds=1)
    house.clinic.runner.drain()
    assert job(house, photo)[0] is JobState.FAILED


class Flaky(FileStore):
    """A store that is away while `away` is set, for reading or for writing."""

    away = ""
    asked = 0

    def get(self, patient: str, name: str) -> bytes:
        self.asked += 1
        if self.away == "reading":
            raise Away("a file of the store cannot be read (ConnectTimeout)")
        return super().get(patient, name)

    def put(self, patient: str, name: str, data: bytes) -> None:
        if self.away == "writing":
            raise StoreError("the file could not be kept (ConnectTimeout); look after the store")
        super().put(patient, name, data)


def flaky(house: House) -> Flaky:
    inner = house.clinic.store.inner
    assert isinstance(inner, FileStore)
    return Flaky(inner.root)


@pytest.mark.parametrize("away", ["reading", "writing"])
def test_a_store_that_is_away_is_no_attempt_and_is_waited_for(
    house: House, away: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = [added(house, number) for number in (5, 9)]
    store = flaky(house)
    runner = Runner(house.clinic.database, store, work=drawn)
    store.away = away
    with caplog.at_level("INFO", "melascope.clinic"):
        for _ in range(2 * MOST_FAILURES * len(made)):
            assert runner.drain() == 0
        for photo in made:
            state, attempts, error = job(house, photo)
            assert (state, attempts) == (JobState.QUEUED, 0)
            assert error.startswith("waits for the store: ") and "ConnectTimeout" in error
        said = house.browser().get("/healthz").json()
        assert said["analyses"] == "waiting for the store" and said["database"] == "ok"
        with house.clinic.database.reading() as db:
            assert waiting(db) == 2
        store.away = ""
        assert runner.drain() == 2
    assert [job(house, photo) for photo in made] == [(JobState.DONE, 1, "")] * 2
    assert house.browser().get("/healthz").json()["analyses"] == "ok"
    told = [record.message for record in caplog.records]
    assert "store_away" in told and told.count("store_back") == 1


def test_the_pause_before_a_store_is_asked_again_grows_up_to_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 100.0
    monkeypatch.setattr("melascope.clinic.jobs.time.monotonic", lambda: moment)
    outage, pauses = _Outage(), []
    assert outage.left_s == 0
    for _ in range(9):
        outage.failed("away")
        outage.failed("away, says another thread")  # of the same moment: the pause stays
        pauses.append(outage.left_s)
        moment += outage.left_s
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    outage.answered()
    assert outage.left_s == 0
    outage.failed("away again")
    assert outage.left_s == 1


def test_a_running_server_waits_for_its_store_and_stops_at_once(house: House) -> None:
    photo = added(house)
    store = flaky(house)
    store.away = "reading"
    runner = Runner(house.clinic.database, store, work=drawn)
    runner._outage._pause = 0.0
    runner.start()
    end = time.monotonic() + 30
    while not store.asked and time.monotonic() < end:
        threading.Event().wait(0.01)
    asked = store.asked
    for _ in range(5):
        runner.wake()  # an upload does not make it ask before its time
    begun = time.monotonic()
    runner.stop()
    assert time.monotonic() - begun < 20 and 1 <= asked <= store.asked <= 2
    assert job(house, photo)[:2] == (JobState.QUEUED, 0)


def test_a_photograph_that_is_gone_is_a_failure_and_keeps_nobody_waiting(house: House) -> None:
    lost, other = added(house, 5), added(house, 9)
    with house.clinic.database.reading() as db:
        row = db.get_one(Photo, lost)
        patient, name = row.visit.patient_id, f"{row.sha256}.original"
    house.clinic.store.remove(patient, name)
    house.clinic.runner.drain()
    assert [job(house, photo)[0] for photo in (lost, other)] == [JobState.FAILED, JobState.DONE]


def test_two_servers_never_do_the_same_job(house: House) -> None:
    made = [added(house, number) for number in (5, 9, 13)]
    done: list[bytes] = []

    def noted(data: bytes, name: str) -> Measured:
        done.append(data)
        assert other._claim() is None or len(done) < 3  # the other one finds only what is left
        return drawn(data, name)

    other = Runner(house.clinic.database, house.clinic.store, work=drawn)
    Runner(house.clinic.database, house.clinic.store, work=noted).drain()
    assert len(done) == len(set(done)) <= len(made)


def test_two_runners_at_once_do_each_job_once(house: House) -> None:
    wanted = {added(house, number) for number in range(4, 52, 4)}
    done: list[bytes] = []
    meeting = threading.Barrier(2, timeout=60)

    def noted(data: bytes, name: str) -> Measured:
        done.append(data)
        if len(done) <= 2:
            meeting.wait()  # both are at work
        return drawn(data, name)

    runners = [Runner(house.clinic.database, house.clinic.store, work=noted) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        counted = list(pool.map(Runner.drain, runners))
    assert sum(counted) == len(done) == len(set(done)) == len(wanted) and min(counted) >= 1
    assert {job(house, photo)[:2] for photo in wanted} == {(JobState.DONE, 1)}


def test_a_patient_deleted_during_the_analysis_leaves_no_file_and_no_row(house: House) -> None:
    photo = added(house)

    def deleting(data: bytes, name: str) -> Measured:
        with house.clinic.database.writing() as db:
            actor = house.actor("administrator of practice")
            code = photo_of(db, actor, photo, Right.DELETE).visit.patient.code
            patients.delete_patient(db, actor, house.patient, code)
        return drawn(data, name)

    Runner(house.clinic.database, house.clinic.store, work=deleting).drain()
    with house.clinic.database.reading() as db:
        assert db.get(Analysed, photo) is None
        assert counts(db)["done"] == 1  # the other study's
    assert not [path for path in house.clinic.settings.data.rglob(f"{house.patient}/*") if path.is_file()]


def test_a_process_that_dies_raises_or_hangs_is_replaced() -> None:
    worker = Worker(die, limit_s=60.0)
    try:
        with pytest.raises(WorkerFailed, match="code 9"):
            worker(b"die", "a")
        assert worker(b"fine", "b") == {"called": "b"}
        with pytest.raises(WorkerFailed, match=r"^RuntimeError$"):
            worker(b"raise", "c")
        worker._limit_s = 0.2
        with pytest.raises(WorkerFailed, match="took more than"):
            worker(b"sleep", "d")
    finally:
        worker.stop()

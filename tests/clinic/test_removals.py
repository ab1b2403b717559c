"""Files of what was deleted: gone in the end, whatever the store does, and never anybody else's."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.event import listen

from melascope.clinic import jobs, photos, removals, review, visits
from melascope.clinic.app import begin, open_clinic
from melascope.clinic.audit import log
from melascope.clinic.jobs import Runner
from melascope.clinic.review_queue import Queued
from melascope.clinic.settings import Settings
from melascope.clinic.store import FileStore, StoreError, digest_of
from melascope.clinic.tables import Job, JobState, Photo, PhotoView, Removal, ReviewBatch, now
from tests.clinic.made import House, drawn, jpeg
from tests.clinic.test_api import key

CHIEF = "administrator of practice"


def pending(house: House) -> list[str]:
    """Prefixes of the files that are to go."""
    with house.clinic.database.reading() as db:
        return list(db.scalars(select(Removal.prefix).order_by(Removal.id)))


def later(house: House, hours: float) -> None:
    """Let time pass for what is to be removed."""
    with house.clinic.database.writing() as db:
        for row in db.scalars(select(Removal)):
            row.since -= timedelta(hours=hours)
            row.due -= timedelta(hours=hours)


def occasion(house: House) -> None:
    removals.carry_out(house.clinic.database, house.clinic.store)


def added(house: House, data: bytes, visit: str = "") -> str:
    actor, clinic = house.actor(CHIEF), house.clinic
    return photos.add_photo(clinic.database, actor, clinic.store, visit or house.visit, PhotoView.LEFT, data)[0]


def deleted(house: House, photo: str) -> None:
    with house.clinic.database.writing() as db:
        photos.delete_photo(db, house.actor(CHIEF), photo)


def original(house: House) -> str:
    with house.clinic.database.reading() as db:
        return f"{db.get_one(Photo, house.photo).sha256}.original"


class Stuck(FileStore):
    """Keeps everything, and lets nothing go."""

    def remove(self, *_: str) -> None:
        raise StoreError("a file could not be deleted (Read-only file system)")

    def forget(self, *_: str) -> None:
        raise StoreError("files of the patient could not be deleted")


class Between(FileStore):
    """Something happens when the first file has been kept."""

    def __init__(self, root: Path, deed: Callable[[], None]) -> None:
        super().__init__(root)
        self._deeds = [deed]

    def put(self, patient: str, name: str, data: bytes) -> None:
        super().put(patient, name, data)
        if self._deeds:
            self._deeds.pop()()


def root(house: House) -> Path:
    inner = house.clinic.store.inner
    assert isinstance(inner, FileStore)
    return inner.root


def test_another_clinic_on_the_same_store_touches_nothing(house: House, tmp_path: Path) -> None:
    store = house.clinic.store
    before = {patient: store.files(patient) for patient in store.patients()}
    for folder in root(house).glob("??/*"):
        os.utime(folder, (0, 0))
    settings = Settings.of(tmp_path / "second", store_url=str(root(house)), environ={})
    second = open_clinic(replace(settings, processes=0), work=drawn)
    begin(second)
    second.runner.stop()
    with closing(second.database):
        assert {patient: store.files(patient) for patient in store.patients()} == before != {}


def test_a_store_that_lets_nothing_go_does_not_undo_a_deletion(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    chief, api, store = house.person(CHIEF), key(house, "second of elsewhere"), house.clinic.store
    with monkeypatch.context() as patch:
        patch.setattr(store, "inner", Stuck(root(house)))
        assert chief.post(f"/photos/{house.photo}/delete").status_code == 303
        assert chief.post(f"/patients/{house.patient}/delete", {"code": "P-0001"}).status_code == 303
        assert api.delete(f"/api/v1/patients/{house.other_patient}?code=P-0001").status_code == 204
        assert chief.get(f"/patients/{house.patient}").status_code == 404
        assert sorted(store.patients()) == sorted([house.patient, house.other_patient])
        later(house, 2)
        occasion(house)
        assert len(pending(house)) == 4  # until they are gone, however long that takes
    with TestClient(house.app):
        assert list(store.patients()) == []
    assert pending(house) == []


def test_what_was_written_after_a_deletion_goes_as_well(house: House) -> None:
    chief, store = house.person(CHIEF), house.clinic.store
    assert chief.post(f"/patients/{house.patient}/delete", {"code": "P-0001"}).status_code == 303
    assert pending(house) == [""]
    store.put(house.patient, f"{house.photo}.thumb.jpg", b"of an analysis that was under way")
    later(house, 1.01)
    occasion(house)
    assert store.files(house.patient) == [] and pending(house) == []


def test_a_removal_is_carried_out_twice_and_no_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion does not do all the others of its hour again."""
    forgotten, forget = list[str](), FileStore.forget

    def noted(store: FileStore, patient: str) -> None:
        forgotten.append(patient)
        forget(store, patient)

    monkeypatch.setattr(FileStore, "forget", noted)
    assert house.person(CHIEF).post(f"/patients/{house.patient}/delete", {"code": "P-0001"}).status_code == 303
    assert key(house, "second of elsewhere").delete(f"/api/v1/patients/{house.other_patient}?code=P-0001").is_success
    occasion(house)
    assert forgotten == [house.patient, house.other_patient]
    later(house, 0.9)
    occasion(house)
    assert len(forgotten) == len(pending(house)) == 2
    later(house, 0.11)
    for _ in range(2):
        occasion(house)
        assert sorted(forgotten) == sorted(2 * [house.patient, house.other_patient]) and pending(house) == []


def test_nobody_waits_while_files_are_removed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    database, done = house.clinic.database, list[str]()

    def writing(_store: FileStore, *about: str) -> None:
        with database.writing() as db:
            log(db, None, "sign-in.failed")
        done.append(about[-1])

    if database.sqlite:
        listen(database.engine, "connect", lambda it, _: it.execute("PRAGMA busy_timeout = 100"))
        database.close()
    photo = added(house, jpeg(9))
    house.clinic.store.put(house.patient, f"{photo}.thumb.jpg", b"x")
    with database.writing() as db:
        db.add_all([Removal(patient=house.patient, prefix=f"{photo}."), Removal(patient="ab" * 16)])
    for name in ("remove", "forget"):
        monkeypatch.setattr(FileStore, name, writing)
    occasion(house)
    assert done == [f"{photo}.thumb.jpg", "ab" * 16]


def test_two_servers_do_not_wait_for_each_other(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    database, failed = house.clinic.database, list[str]()
    if database.sqlite:
        pytest.skip("SQLite lets one writer in at a time")

    def impatient(connection: Any, _: object) -> None:
        connection.execute("SET lock_timeout = '200ms'")
        connection.commit()

    monkeypatch.setattr("melascope.clinic.logs.failure", failed.append)
    with database.writing() as db:
        db.add(Removal(patient="ab" * 16))
    listen(database.engine, "connect", impatient)
    database.close()
    with database.writing() as other:
        assert other.scalars(select(Removal).with_for_update()).one()
        occasion(house)
    assert failed == [] and pending(house) == [""]


def test_files_go_by_time_and_are_counted(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_REMOVE_S", 0.01)
    deleted(house, house.photo)
    later(house, 2)
    assert "\nmelascope_removals_pending 2\n" in house.browser().get("/metrics").text
    runner = Runner(house.clinic.database, house.clinic.store, work=drawn)
    runner.start()
    end = time.monotonic() + 60
    while pending(house) and time.monotonic() < end:
        time.sleep(0.02)
    runner.stop()
    assert house.clinic.store.files(house.patient) == []
    assert "\nmelascope_removals_pending 0\n" in house.browser().get("/metrics").text


def test_pictures_of_an_analysis_that_never_ended_go_with_their_photograph(house: House) -> None:
    photo, store = added(house, jpeg(9)), house.clinic.store
    store.put(house.patient, f"{photo}.thumb.jpg", b"of an analysis that was put back")
    with house.clinic.database.reading() as db:
        assert db.get_one(Job, photo).state is JobState.QUEUED
    before = len(store.files(house.patient))
    assert house.person(CHIEF).post(f"/photos/{photo}/delete").status_code == 303
    assert len(store.files(house.patient)) == before - 2
    assert not [name for name in store.files(house.patient) if name.startswith(photo)]


def test_the_original_stays_while_the_patient_has_another_photograph_of_it(house: House) -> None:
    store, name = house.clinic.store, original(house)
    with house.clinic.database.writing() as db:
        db.add(Removal(patient=house.patient, prefix=name))
    occasion(house)
    assert store.get(house.patient, name)


def twice(house: House, number: int) -> tuple[str, str, str]:
    """Two photographs of the same bytes, in two visits of a patient, and the name of their bytes."""
    with house.clinic.database.writing() as db:
        visit = visits.add_visit(db, house.actor(CHIEF), house.patient, {"day": "2026-03-05"}).id
    one, two = added(house, jpeg(number)), added(house, jpeg(number), visit)
    return one, two, f"{digest_of(jpeg(number))}.original"


def test_bytes_of_two_photographs_go_with_the_second_one(house: House) -> None:
    one, two, name = twice(house, 9)
    deleted(house, one)
    assert pending(house).count(name) == 1
    occasion(house)
    assert house.clinic.store.get(house.patient, name)
    deleted(house, two)
    occasion(house)
    assert name not in house.clinic.store.files(house.patient)


def test_bytes_of_two_photographs_that_are_deleted_at_once_go(house: House) -> None:
    if house.clinic.database.sqlite:
        pytest.skip("SQLite lets one writer in at a time")
    one, two, name = twice(house, 9)
    with house.clinic.database.writing() as db, house.clinic.database.writing() as other:
        photos.delete_photo(db, house.actor(CHIEF), one)
        photos.delete_photo(other, house.actor(CHIEF), two)
    occasion(house)
    assert name not in house.clinic.store.files(house.patient)


def test_the_same_bytes_that_cannot_be_kept_again_leave_no_row(house: House) -> None:
    def cut(*_: object) -> None:
        raise StoreError("the file could not be kept")

    class Once(Between):
        """Keeps the first file, and no other."""

        def put(self, patient: str, name: str, data: bytes) -> None:
            super().put(patient, name, data)
            self.put = cut  # type: ignore[method-assign]

    deleted(house, house.photo)
    clinic, store = house.clinic, Once(root(house), lambda: occasion(house))
    with pytest.raises(StoreError):
        photos.add_photo(clinic.database, house.actor(CHIEF), store, house.visit, PhotoView.FRONTAL, jpeg(60))
    with clinic.database.reading() as db:
        assert db.scalars(select(Photo).where(Photo.visit_id == house.visit)).all() == []


@pytest.mark.parametrize("hours", [0.0, 2.0])
def test_the_same_bytes_sent_again_while_they_are_deleted_are_kept(house: House, hours: float) -> None:
    """Another process deletes between the bytes and their row; of an old deletion not even its row is left then."""
    name = original(house)
    deleted(house, house.photo)
    later(house, hours)
    clinic, store = house.clinic, Between(root(house), lambda: occasion(house))
    photo, new = photos.add_photo(clinic.database, house.actor(CHIEF), store, house.visit, PhotoView.FRONTAL, jpeg(60))
    assert new and photo != house.photo and (name in pending(house)) == (hours == 0)
    assert clinic.store.get(house.patient, name) == jpeg(60)


def test_a_queue_that_is_being_taken_in_is_spared_and_one_that_never_was_goes(house: House) -> None:
    clinic, actor = house.clinic, house.actor(CHIEF)
    one = (Queued("a.jpg", 80, 96, "net", {}, ()), jpeg(1))
    kept = review.add_batch(
        clinic.database, Between(root(house), lambda: occasion(house)), actor, house.study, "Round 1", [one]
    )
    assert pending(house) == [] and len(clinic.store.files(kept)) == 1

    def cut() -> None:
        raise StoreError("the file could not be kept")

    with pytest.raises(StoreError):
        review.add_batch(clinic.database, Between(root(house), cut), actor, house.study, "Round 2", [one])
    with clinic.database.reading() as db:
        row = db.scalars(select(Removal)).one()
        left, number = row.patient, row.id
        assert row.since > now() + timedelta(minutes=50)
    occasion(house)
    removals._carry_out(clinic.database, clinic.store, number)  # not due, whoever asks
    assert len(clinic.store.files(left)) == 1
    later(house, 1.01)
    occasion(house)
    assert clinic.store.files(left) == [] and len(clinic.store.files(kept)) == 1


def test_a_queue_that_took_longer_than_an_hour_is_refused(house: House) -> None:
    one = (Queued("a.jpg", 80, 96, "net", {}, ()), jpeg(1))
    store = Between(root(house), lambda: later(house, 1.01))
    with pytest.raises(StoreError, match="too long"):
        review.add_batch(house.clinic.database, store, house.actor(CHIEF), house.study, "Round 1", [one])
    with house.clinic.database.reading() as db:
        assert db.scalars(select(ReviewBatch)).all() == []


def test_a_store_that_fails_is_asked_before_it_is_worked_with_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each original that such a store does not let go would hold the database's writer as long as the store takes."""
    calls = list[str]()

    def failing(_store: FileStore, patient: str) -> None:
        calls.append("forget")
        raise StoreError("files of the patient could not be deleted")

    def check(_store: FileStore) -> None:
        calls.append("check")
        if len(calls) > 1:
            raise StoreError("the store does not answer")

    with house.clinic.database.writing() as db:
        db.add_all(Removal(patient=f"{number:032x}") for number in range(5))
    with monkeypatch.context() as away:
        away.setattr(FileStore, "forget", failing)
        away.setattr(FileStore, "check", check)
        occasion(house)
    assert calls == ["check", "forget", "check"] and len(pending(house)) == 5
    removals.carry_out(house.clinic.database, house.clinic.store, lambda: True)
    assert len(pending(house)) == 5

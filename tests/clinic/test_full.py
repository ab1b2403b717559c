"""A full disk: an error that says so, and nothing half-written; with room again everything goes on."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest
from sqlalchemy import event, func, select
from starlette.datastructures import UploadFile

from melascope.clinic import accounts
from melascope.clinic.store import FileStore, StoreError
from melascope.clinic.tables import Audit, Job, Photo, User
from tests.clinic.made import House, Person, jpeg


def counted(house: House) -> tuple[int, ...]:
    with house.clinic.database.reading() as db:
        return tuple(db.scalar(select(func.count()).select_from(table)) or 0 for table in (Photo, Job))


def through_the_api(house: House, number: int) -> Any:
    with house.clinic.database.writing() as db:
        user = db.get_one(User, house.actor("clinician of practice").id)
        key = accounts.new_token(db, user, f"tests {number}")

    def send() -> Any:
        return house.browser().post(
            f"/api/v1/visits/{house.visit}/photos",
            data={"view": "left"},
            files={"file": ("x.jpg", jpeg(number))},
            headers={"authorization": f"Bearer {key}"},
        )

    return send


def no_room(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_no_room_for_a_photograph(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    person, send, before = house.member(), through_the_api(house, 30), counted(house)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_room)
        page, answer = person.upload(house.visit, jpeg(20)), send()
    assert page.status_code == 507 and "Nothing was saved" in page.text
    assert answer.status_code == 507 and "free the disk" in answer.json()["detail"]
    assert counted(house) == before
    files = [path.name for path in house.clinic.settings.data.rglob("*.part")]
    store = house.clinic.store.inner
    assert isinstance(store, FileStore) and not files
    assert [name for name in store.files(house.patient) if name.endswith(".original")] == [
        f"{photo}.original" for photo in _digests(house)
    ]
    assert person.upload(house.visit, jpeg(20)).status_code == 303 and send().status_code == 201
    assert counted(house) == tuple(number + 2 for number in before)


def test_no_room_for_the_second_of_three_photographs(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    person, before = house.member(), counted(house)
    put, kept = FileStore.put, list[str]()

    def narrow(store: FileStore, patient: str, name: str, data: bytes) -> None:
        if kept:
            raise StoreError("the file could not be kept (No space left on device)")
        put(store, patient, name, data)
        kept.append(name)

    with monkeypatch.context() as patch:
        patch.setattr(FileStore, "put", narrow)
        page = person.upload(house.visit, jpeg(20), jpeg(24), jpeg(28))
    assert page.status_code == 507 and "1 of 3 photographs were kept" in page.text
    assert "Nothing was saved" not in page.text
    assert counted(house) == tuple(number + 1 for number in before)
    assert person.upload(house.visit, jpeg(20), jpeg(24), jpeg(28)).status_code == 303
    assert counted(house) == tuple(number + 3 for number in before)


def _digests(house: House) -> list[str]:
    with house.clinic.database.reading() as db:
        return sorted(db.scalars(select(Photo.sha256).where(Photo.visit_id == house.visit)))


def test_no_room_for_what_is_being_sent(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    person, send, before = house.member(), through_the_api(house, 31), counted(house)
    with monkeypatch.context() as patch:
        patch.setattr(UploadFile, "write", no_room)
        page, answer = person.upload(house.visit, jpeg(21)), send()
    assert page.status_code == 507 and "Nothing was saved" in page.text
    assert answer.status_code == 507 and "disk is full" in answer.json()["detail"]
    assert counted(house) == before


def test_no_room_in_the_database(house: House) -> None:
    database = house.clinic.database
    if not database.sqlite:
        pytest.skip("the room of a PostgreSQL is not ours to take")
    person, send, before = house.member(), through_the_api(house, 32), counted(house)

    def narrow(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # no more than there are

    database.close()
    event.listen(database.engine, "connect", narrow)
    answers = _until_refused(person, house)
    sent = send()
    event.remove(database.engine, "connect", narrow)
    database.close()
    assert answers.status_code == 507 and "Nothing was saved" in answers.text
    assert sent.status_code in (201, 507)
    with database.reading() as db:
        assert db.connection().exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        notes = db.scalar(select(func.count()).select_from(Audit).where(Audit.action == "visit.add"))
    assert counted(house) >= before and notes
    assert person.upload(house.visit, jpeg(22)).status_code == 303


def _until_refused(person: Person, house: House) -> Any:
    """Visits with long notes, until there is no room for another one."""
    for day in range(1, 29):
        form = {"day": f"2026-02-{day:02}", "note": "x" * 3900}
        answer = person.post(f"/patients/{house.patient}/visits", form)
        if answer.status_code != 303:
            return answer
    raise AssertionError("there was room for everything")

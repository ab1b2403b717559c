"""kill -9 at any moment: the database opens, no row is without its file, nothing that was acknowledged is missing.

`MELASCOPE_TEST_KILLS=200 pytest tests/clinic/test_killed.py` kills more often than the 5 times of every run.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field
from random import Random
from threading import Condition, Thread
from typing import Any

import httpx2
from sqlalchemy import select, text

from melascope.clinic import accounts, photos
from melascope.clinic.jobs import MOST_ATTEMPTS
from melascope.clinic.tables import Analysed, Correction, Job, JobState, Photo, PhotoView, User
from tests.clinic.made import House, jpeg
from tests.clinic.phoenix import Phoenix, phoenix

KILLS = int(os.environ.get("MELASCOPE_TEST_KILLS", "5"))
DEEDS = 4
"""Uploads and corrections between two kills."""
PEOPLE = 4
REGIONS = ("forehead", "right_malar", "left_malar", "chin")


@dataclass
class Told:
    """What the server acknowledged, to all people together."""

    uploads: dict[str, str] = field(default_factory=dict)
    """SHA-256 by photograph."""
    corrections: list[tuple[str, str, dict[str, int]]] = field(default_factory=list)
    broken: int = 0
    """Requests that were cut short."""
    wrong: list[str] = field(default_factory=list)
    over: bool = False
    more: Condition = field(default_factory=Condition)

    @property
    def number(self) -> int:
        return len(self.uploads) + len(self.corrections)


@dataclass
class Person:
    """Uploads and corrects until it is over; what was cut short is sent again, or not."""

    server: Phoenix
    key: str
    visit: str
    photo: str
    number: int
    told: Told

    def work(self) -> None:
        random, count = Random(self.number), 0
        with httpx2.Client(
            base_url=f"http://127.0.0.1:{self.server.port}/api/v1",
            headers={"authorization": f"Bearer {self.key}"},
            timeout=60.0,
            trust_env=False,
        ) as client:
            while not self.told.over:
                count += 1
                if random.random() < 0.6:
                    self._upload(client, random, 300 + count * PEOPLE + self.number)
                else:
                    self._correct(client, random)

    def _send(self, client: httpx2.Client, random: Random, *words: str, **more: Any) -> httpx2.Response | None:
        """The answer, or None if it never came."""
        while not self.told.over:
            try:
                answer = client.request(*words, **more)
            except httpx2.TransportError:
                with self.told.more:
                    self.told.broken += 1
                if random.random() < 0.5:
                    return None
            else:
                if answer.status_code >= 500:
                    self.told.wrong.append(f"{words}: {answer.status_code} {answer.text[:200]}")
                return answer
        return None

    def _upload(self, client: httpx2.Client, random: Random, number: int) -> None:
        data = jpeg(number)
        answer = self._send(
            client, random, "POST", f"/visits/{self.visit}/photos", data={"view": "left"}, files={"file": ("x", data)},
            headers={"idempotency-key": f"k{number}"},
        )  # fmt: skip
        if answer is not None and answer.status_code == 201:
            with self.told.more:
                self.told.uploads[answer.json()["id"]] = hashlib.sha256(data).hexdigest()
                self.told.more.notify_all()

    def _correct(self, client: httpx2.Client, random: Random) -> None:
        seen = self._send(client, random, "GET", f"/photos/{self.photo}")
        if seen is None or seen.status_code != 200:
            return
        region = random.choice(REGIONS)
        score = {"area": random.randint(1, 6), "darkness": random.randint(1, 4), "homogeneity": random.randint(1, 4)}
        sent = {"version": seen.json()["version"], "scores": {region: score}}
        answer = self._send(client, random, "PUT", f"/photos/{self.photo}/scores", json=sent)
        if answer is None or answer.status_code != 200:  # 409: the one that was cut short had been kept
            return
        if answer.json()["version"] > sent["version"]:  # else it was measured so, and nothing had to be written
            with self.told.more:
                self.told.corrections.append((self.photo, f"score/{region}", score))
                self.told.more.notify_all()


def test_nothing_that_was_acknowledged_is_lost(house: House) -> None:
    clinic, random, told = house.clinic, Random(20260105), Told()
    kills = KILLS if clinic.database.sqlite else max(1, KILLS // 5)  # a PostgreSQL itself goes on
    actor = house.actor("clinician of practice")
    with clinic.database.writing() as db:
        key = accounts.new_token(db, db.get_one(User, actor.id), "tests")
    mine = [
        photos.add_photo(clinic.database, actor, clinic.store, house.visit, PhotoView.LEFT, jpeg(100 + number))[0]
        for number in range(PEOPLE)
    ]
    clinic.runner.drain()
    with phoenix(clinic.settings.data, clinic.settings.database_url) as server:
        server.begin()
        threads = [
            Thread(target=Person(server, key, house.visit, photo, number, told).work)
            for number, photo in enumerate(mine)
        ]
        for thread in threads:
            thread.start()
        try:
            for kill in range(1, kills + 1):
                with told.more:
                    assert told.more.wait_for(lambda enough=kill * DEEDS: told.number >= enough, timeout=120)
                time.sleep(random.uniform(0, 0.05))  # anywhere in what is under way
                server.end()
                server.begin()
        finally:
            told.over = True
            server.end()
            for thread in threads:
                thread.join()
    assert told.wrong == []
    assert told.number >= kills * DEEDS and told.broken >= kills / 4
    _check(house, told)


def _check(house: House, told: Told) -> None:
    clinic = house.clinic
    clinic.database.close()
    if clinic.database.sqlite:
        with clinic.database.engine.connect() as connection:
            assert connection.execute(text("PRAGMA integrity_check")).scalars().all() == ["ok"]
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
    with clinic.database.reading() as db:
        rows = {photo.id: photo for photo in db.scalars(select(Photo))}
        for photo in rows.values():
            kept = clinic.store.get(photo.visit.patient_id, photos.ORIGINAL.format(sha256=photo.sha256))
            assert hashlib.sha256(kept).hexdigest() == photo.sha256
        for analysed in db.scalars(select(Analysed)):
            for name in analysed.pictures["files"].values():
                assert clinic.store.get(rows[analysed.photo_id].visit.patient_id, name)
        assert {photo: rows[photo].sha256 for photo in told.uploads} == told.uploads
        kept_rows = [(row.photo_id, row.target, row.value) for row in db.scalars(select(Correction))]
        for correction in told.corrections:
            assert correction in kept_rows
    clinic.runner.take_back()
    clinic.runner.drain()
    with clinic.database.reading() as db:
        jobs = db.scalars(select(Job)).all()
        # One that was begun twelve times and killed each time is given up, and can be asked for again.
        assert all(job.state is JobState.DONE or job.attempts >= MOST_ATTEMPTS for job in jobs) and len(jobs) == len(
            rows
        )

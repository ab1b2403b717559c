"""A clinic with people in it, for tests. Nobody is real and nothing is measured."""

from __future__ import annotations

import hashlib
import io
import re
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from argon2.exceptions import VerifyMismatchError
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

from melascope.clinic import accounts, patients, photos, visits
from melascope.clinic.access import Actor, actor_of
from melascope.clinic.app import application
from melascope.clinic.desk import Clinic
from melascope.clinic.pictures import Measured, draw
from melascope.clinic.tables import Member, PhotoView, Role, Study, User
from melascope.record import Analysis
from tests.report.synthetic import measured, refused

PASSWORD = "a calm long phrase"
TOKEN = re.compile(r'name="csrf" value="([^"]+)"')
VERSION = re.compile(r'name="version" value="(\d+)"')


class QuickHasher:
    """Argon2's manner without its cost."""

    def hash(self, password: str) -> str:
        return "quick:" + hashlib.sha256(password.encode()).hexdigest()

    def verify(self, hash: str, password: str) -> bool:  # noqa: A002 (argon2's name)
        if hash != self.hash(password):
            raise VerifyMismatchError
        return True


def jpeg(number: int = 0) -> bytes:
    """A small JPEG; another number is another file. The first pixels tell `drawn` what to do."""
    pixels = np.full((96, 80, 3), 120, np.uint8)
    pixels[:8, :8] = number % 251
    pixels[8:16, :8] = number // 251
    return bytes(cv2.imencode(".jpg", pixels)[1])


REFUSED = 250
"""`jpeg(REFUSED)` is refused."""


def drawn(data: bytes, name: str) -> Measured:
    """Stands in for the analysis: a drawn face whose share of pigment follows from the file."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    number = int(pixels[:8, :8].mean())
    return _drawn(-1 if abs(number - REFUSED) < 2 else number // 4 * 4, name)


@lru_cache(maxsize=64)
def _drawn(number: int, name: str) -> Measured:
    if number < 0:
        return draw(refused(name), None)
    record: Analysis = measured(name, width=90, height=120, share=0.1 + number / 500, lesions=3)
    return draw(record, record.arrays.pixels)


@dataclass
class Person:
    """Somebody at a browser."""

    client: TestClient
    csrf: str = ""

    def sign_in(self, name: str, password: str = PASSWORD) -> Response:
        page = self.client.get("/sign-in")
        token = TOKEN.search(page.text)
        assert token
        answer = self.client.post("/sign-in", data={"csrf": token[1], "name": name, "password": password})
        if answer.status_code == 303:
            found = TOKEN.search(self.client.get("/account").text)
            assert found
            self.csrf = found[1]
        return answer

    def get(self, address: str) -> Response:
        return self.client.get(address)

    def post(self, address: str, data: dict[str, str] | None = None, **more: object) -> Response:
        return self.client.post(address, data={"csrf": self.csrf, **(data or {})}, **more)  # type: ignore[arg-type]

    def send(self, address: str, body: bytes, **headers: str) -> Response:
        """Bytes by themselves, as the camera's page sends frames."""
        return self.client.post(address, content=body, headers={"x-csrf": self.csrf, **headers})

    def upload(self, visit: str, *files: bytes, view: str = "frontal") -> Response:
        parts = [(view, (f"{n}.jpg", io.BytesIO(data), "image/jpeg")) for n, data in enumerate(files)]
        return self.post(f"/visits/{visit}/photos", files=parts)


@dataclass
class House:
    """A clinic with two studies."""

    clinic: Clinic
    app: FastAPI
    root: Actor
    study: str
    other_study: str
    patient: str
    visit: str
    photo: str
    other_patient: str
    other_visit: str
    other_photo: str
    _stack: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def furnished(cls, clinic: Clinic) -> House:
        with clinic.database.writing() as db:
            secret = accounts.first_link(db)
            assert secret
            user = accounts.redeem(db, clinic.keeper, secret, "Root", PASSWORD)
            db.flush()
            root = actor_of(db, user)
            mine, other = (accounts.add_study(db, root, name).id for name in ("Practice", "Elsewhere"))
            for role in Role:
                _account(db, clinic, f"{role.value} of practice", mine, role)
            _account(db, clinic, "clinician of elsewhere", other, Role.CLINICIAN)
            _account(db, clinic, "nobody", None, None)
            db.flush()
            root = actor_of(db, db.get_one(User, root.id))
        made = [cls._patient(clinic, root, study, number) for number, study in enumerate((mine, other))]
        clinic.runner.drain()
        # In life root would leave the studies: who manages accounts needs no patients.
        with clinic.database.writing() as db:
            _account(db, clinic, "second of practice", mine, Role.ADMINISTRATOR)
            _account(db, clinic, "second of elsewhere", other, Role.ADMINISTRATOR)
            db.flush()
            for study in (mine, other):
                accounts.set_role(db, root, study, root.id, None)
        return cls(clinic, application(clinic), root, mine, other, *made[0], *made[1])

    @staticmethod
    def _patient(clinic: Clinic, root: Actor, study: str, number: int) -> tuple[str, str, str]:
        with clinic.database.writing() as db:
            patient = patients.add_patient(db, root, study, {})
            visit = visits.add_visit(db, root, patient.id, {"day": "2026-01-05"})
            ids = patient.id, visit.id
        photo, _ = photos.add_photo(clinic.database, root, clinic.store, ids[1], PhotoView.FRONTAL, jpeg(60 + number))
        return *ids, photo

    def browser(self) -> TestClient:
        client = TestClient(self.app, base_url=self.clinic.settings.public_url, follow_redirects=False)
        self._stack.callback(client.close)
        return client

    def person(self, name: str) -> Person:
        person = Person(self.browser())
        assert person.sign_in(name).status_code == 303
        return person

    def member(self, role: Role = Role.CLINICIAN) -> Person:
        return self.person(f"{role.value} of practice")

    def actor(self, name: str) -> Actor:
        from sqlalchemy import select

        with self.clinic.database.reading() as db:
            user = db.scalar(select(User).where(User.name == name))
            assert user is not None
            return actor_of(db, user)

    def close(self) -> None:
        self._stack.close()


def _account(db, clinic: Clinic, name: str, study: str | None, role: Role | None) -> None:  # type: ignore[no-untyped-def]
    user = accounts.add_user(db, None, name)
    user.password = clinic.keeper.hash(PASSWORD)
    db.flush()
    if study is not None and role is not None:
        db.add(Member(user_id=user.id, study_id=study, role=role))


__all__ = ["PASSWORD", "REFUSED", "House", "Person", "QuickHasher", "Study", "drawn", "jpeg"]

"""Each role at each address: what is answered stands in one table, and no address is missing from it."""

from __future__ import annotations

from typing import Final

import pytest
from httpx2 import Response
from sqlalchemy import func, select

from melascope.clinic.app import PAGES
from melascope.clinic.tables import Audit, Rater, ReadingStudy, Role, Showing
from tests.clinic.made import House, Person
from tests.clinic.reading import Reading

WHO: Final = ("read-only", "annotator", "clinician", "administrator", "outsider", "nobody", "root", "signed out")
"""The first four are members of the study; root manages accounts and studies and belongs to none."""
# What GET answers (200) or what a form answers that would be taken (303, 422 where the table sends nothing useful).
VIEW, CORRECT, WRITE, DELETE, SELF, ROOT, MANAGE = "view", "correct", "write", "delete", "self", "root", "manage"
RATE: Final = "rate"
"""The annotator is the rater of the reading study in question; nobody else reaches a rater's photographs."""
MAY: Final = {
    VIEW: {"read-only", "annotator", "clinician", "administrator"},
    CORRECT: {"annotator", "clinician", "administrator"},
    WRITE: {"clinician", "administrator"},
    DELETE: {"administrator"},
    SELF: {*WHO} - {"signed out"},
    ROOT: {"root"},
    MANAGE: {"administrator", "root"},
    RATE: {"annotator"},
}
OPEN: Final = {"GET /sign-in", "POST /sign-in", "GET /start/{secret}", "POST /start/{secret}", "POST /language"}
TABLE: Final = {
    "GET /": SELF,
    "POST /sign-out": SELF,
    "GET /account": SELF,
    "POST /account/password": SELF,
    "POST /account/tokens": SELF,
    "POST /account/tokens/{token}/revoke": SELF,
    "GET /patients": SELF,
    "GET /patients/new": SELF,
    "POST /patients": WRITE,
    "GET /patients/{patient}": VIEW,
    "GET /patients/{patient}/edit": WRITE,
    "POST /patients/{patient}/edit": WRITE,
    "POST /patients/{patient}/treatments": WRITE,
    "POST /patients/{patient}/treatments/{treatment}/remove": WRITE,
    "POST /patients/{patient}/visits": WRITE,
    "GET /patients/{patient}/export.zip": WRITE,
    "GET /patients/{patient}/delete": DELETE,
    "POST /patients/{patient}/delete": DELETE,
    "GET /patients/{patient}/compare": VIEW,
    "GET /patients/{patient}/aligned/{before}/{after}": VIEW,
    "GET /visits/{visit}": VIEW,
    "GET /visits/{visit}/fhir.json": WRITE,
    "GET /visits/{visit}/dicom.zip": WRITE,
    "GET /photos/{photo}/export/fhir.json": WRITE,
    "GET /studies/{study}/{table}.csv": WRITE,
    "POST /visits/{visit}/edit": WRITE,
    "POST /visits/{visit}/photos": WRITE,
    "POST /visits/{visit}/sign": WRITE,
    "GET /visits/{visit}/live": WRITE,
    "POST /visits/{visit}/live/frame": WRITE,
    "GET /photos/{photo}": VIEW,
    "GET /photos/{photo}/state": VIEW,
    "GET /photos/{photo}/{picture}": VIEW,
    "POST /photos/{photo}/scores": CORRECT,
    "POST /photos/{photo}/lesions": CORRECT,
    "POST /photos/{photo}/again": WRITE,
    "POST /photos/{photo}/delete": DELETE,
    "GET /readings": SELF,
    "GET /readings/new": DELETE,
    "POST /readings": DELETE,
    "GET /readings/{reading}": VIEW,
    "POST /readings/{reading}/sign": RATE,
    "POST /readings/{reading}/close": DELETE,
    "POST /readings/{reading}/again": DELETE,
    "POST /readings/{reading}/delete": DELETE,
    "GET /readings/{reading}/photos/{showing}": RATE,
    "GET /readings/{reading}/photos/{showing}/picture.jpg": RATE,
    "POST /readings/{reading}/photos/{showing}": RATE,
    "GET /readings/{closed}/agreement": VIEW,
    "GET /readings/{closed}/{file}": WRITE,
    "GET /reviews": SELF,
    "POST /reviews": WRITE,
    "GET /reviews/{batch}": VIEW,
    "GET /reviews/{batch}/export.json": WRITE,
    "POST /reviews/{batch}/delete": DELETE,
    "GET /review-photos/{item}": VIEW,
    "GET /review-photos/{item}/display.jpg": VIEW,
    "POST /review-photos/{item}": CORRECT,
    "GET /review-photos/{item}/conflict": VIEW,
    "POST /review-photos/{item}/conflict": CORRECT,
    "GET /administration": MANAGE,
    "POST /administration/users": ROOT,
    "POST /administration/users/{user}/invite": ROOT,
    "POST /administration/users/{user}/disable": ROOT,
    "POST /administration/studies": ROOT,
    "POST /administration/studies/{study}/members": MANAGE,
    "GET /audit": MANAGE,
}
ROUTES: Final = [route for module in PAGES for route in module.pages.routes]


def people(house: House) -> dict[str, Person]:
    names = {
        **{role.value: f"{role.value} of practice" for role in Role},
        "outsider": "clinician of elsewhere",
        "nobody": "nobody",
        "root": "Root",
    }
    return {who: house.person(name) for who, name in names.items()} | {"signed out": Person(house.browser())}


def ask(person: Person, name: str, target: str, data: dict[str, str]) -> Response:
    if name.endswith("/frame"):
        return person.send(target, b"")
    return person.get(target) if name.startswith("GET") else person.post(target, data)


def address(house: House, path: str) -> str:
    opened, closed, showing = _readings(house) if "readings" in path else ("", "", "")
    with house.clinic.database.reading() as db:
        from melascope.clinic.tables import User

        user = db.scalar(select(User.id).where(User.name == "second of elsewhere"))
    batch, item = queued(house) if "{batch}" in path or "{item}" in path else ("", "")
    filled = {
        "batch": batch,
        "item": item,
        "patient": house.patient,
        "visit": house.visit,
        "photo": house.photo,
        "picture": "display.jpg",
        "study": house.study,
        "table": "photos",
        "user": str(user),
        "token": "0" * 32,
        "treatment": "0" * 32,
        "before": house.photo,
        "after": house.photo,
        "secret": "nothing",
        "reading": opened,
        "closed": closed,
        "showing": showing,
        "file": "ratings.csv",
    }
    return path.format(**filled)


def _readings(house: House) -> tuple[str, str, str]:
    """An open reading study, a closed one, and a photograph in the annotator's queue of the open one."""
    with house.clinic.database.reading() as db:
        ids = list(db.scalars(select(ReadingStudy.id).order_by(ReadingStudy.name)))
    if not ids:
        rater = ("annotator of practice",)
        closed = Reading.made(house, 1, rater, name="B")
        closed.close()
        ids = [Reading.made(house, 1, rater, "S", name="A", since="2026-04-04", until="2026-04-04").id, closed.id]
    with house.clinic.database.reading() as db:
        showing = db.scalars(select(Showing.id).join(Rater).where(Rater.reading_id == ids[0])).first()
    return ids[0], ids[1], str(showing)


def queued(house: House) -> tuple[str, str]:
    """A queue of boxes to review in the practice's study, and its first photograph."""
    from sqlalchemy import select

    from melascope.clinic import review
    from melascope.clinic.review_queue import Queued
    from melascope.clinic.tables import ReviewPhoto
    from tests.clinic.made import jpeg

    clinic = house.clinic
    with clinic.database.reading() as db:
        there = db.scalar(select(ReviewPhoto.id)) is not None
    if not there:
        one = (Queued("a.jpg", 80, 96, "net", {}, ()), jpeg(1))
        actor = house.actor("clinician of practice")
        review.add_batch(clinic.database, clinic.store, actor, house.study, "Round 1", [one])
    with clinic.database.reading() as db:
        known = db.scalars(select(ReviewPhoto)).one()
        return known.batch_id, known.id


def test_no_address_is_missing_from_the_table() -> None:
    named = {name.replace("{closed}", "{reading}") for name in TABLE}
    assert sorted({str(route.name) for route in ROUTES}) == sorted({*named, *OPEN})


def test_each_role_at_each_address(house: House) -> None:
    found = people(house)
    wrong, user = [], address(house, "{user}")
    order = sorted(TABLE, key=lambda name: name == "POST /sign-out")
    for name in order:
        method, _, path = name.partition(" ")
        target = address(house, path)
        for who, person in found.items():
            if name.endswith("/delete") and name.startswith("POST") and who in MAY[DELETE]:
                continue  # it would be gone for those after; its own test deletes
            data = {"study": house.study, "user": user}
            answer = ask(person, name, target, data)
            if who == "signed out":
                fine = (
                    answer.status_code == 401
                    if method == "POST"
                    else answer.headers.get("location", "").startswith("/sign-in")
                )
            elif who in MAY[TABLE[name]]:
                fine = (
                    answer.status_code not in (401, 403)
                    and not (answer.status_code == 404 and not path.endswith(("/revoke", "/remove")))
                    and answer.status_code < 500
                )
            else:
                fine = answer.status_code in (403, 404)
            if not fine:
                wrong.append(f"{name} as {who}: {answer.status_code}")
            if name == "POST /sign-out" and who != "signed out":
                assert person.get("/patients").status_code == 303
    assert not wrong


UNLOGGED: Final = {
    "GET /photos/{photo}/state": "a word about the analysis, asked for by a page that is logged",
    "GET /readings/{reading}": "no patient is on it",
    "GET /readings/{reading}/photos/{showing}": "its picture is logged",
}
"""Pages without a row of their own, and why."""


def test_each_look_at_a_patient_is_in_the_audit_log(house: House) -> None:
    found = {**people(house), "rater": house.person("annotator of practice")}
    silent = []
    for name, kind in TABLE.items():
        method, _, path = name.partition(" ")
        if method != "GET" or "{" not in path:
            continue
        target, before = address(house, path), rows(house)
        answer = found["annotator" if kind == RATE else "administrator"].get(target)
        assert answer.status_code in (200, 303), name
        if answer.status_code == 200 and rows(house) == before:
            silent.append(name)
    assert silent == list(UNLOGGED)


def rows(house: House) -> int:
    with house.clinic.database.reading() as db:
        return db.scalar(select(func.count()).select_from(Audit)) or 0


@pytest.mark.parametrize("who", ["clinician of elsewhere", "nobody", "Root"])
def test_a_patient_of_another_study_does_not_exist(house: House, who: str) -> None:
    person = house.person(who)
    for name, kind in TABLE.items():
        _, _, path = name.partition(" ")
        if kind in (VIEW, CORRECT, WRITE, DELETE) and "{" in path:
            answer = ask(person, name, address(house, path), {})
            assert answer.status_code == 404, name
    assert house.patient not in person.get("/patients").text


def test_a_form_cannot_put_a_patient_into_another_study(house: House) -> None:
    assert house.member().post("/patients", {"study": house.other_study}).status_code == 404


def test_a_treatment_or_picture_of_another_patient_is_not_reached_through_ones_own(house: House) -> None:
    person = house.person("clinician of elsewhere")
    pair = f"/patients/{house.other_patient}/aligned/{house.other_photo}/{house.photo}"
    assert person.get(pair).status_code == 404


def test_who_is_closed_out_is_out_at_once(house: House) -> None:
    from melascope.clinic.tables import User

    person, root = house.member(), house.person("Root")
    assert person.get(f"/patients/{house.patient}").status_code == 200
    with house.clinic.database.reading() as db:
        user = db.scalar(select(User.id).where(User.name == "clinician of practice"))
    assert root.post(f"/administration/users/{user}/disable", {"disabled": "yes"}).status_code == 303
    assert person.get(f"/patients/{house.patient}").status_code == 303
    assert Person(house.browser()).sign_in("clinician of practice").status_code == 422


def test_a_role_that_is_taken_away_no_longer_holds(house: House) -> None:
    from melascope.clinic.tables import User

    person, root = house.member(), house.person("Root")
    with house.clinic.database.reading() as db:
        user = str(db.scalar(select(User.id).where(User.name == "clinician of practice")))
    root.post(f"/administration/studies/{house.study}/members", {"user": user, "role": "read-only"})
    assert person.post(f"/patients/{house.patient}/visits", {"day": "2026-02-02"}).status_code == 403
    root.post(f"/administration/studies/{house.study}/members", {"user": user, "role": ""})
    assert person.get(f"/patients/{house.patient}").status_code == 404


def test_a_study_keeps_an_administrator(house: House) -> None:
    from melascope.clinic.tables import Member

    root = house.person("Root")
    with house.clinic.database.reading() as db:
        wanted = select(Member.user_id).where(Member.study_id == house.study, Member.role == Role.ADMINISTRATOR)
        members = [str(user) for user in db.scalars(wanted)]
    answers = [
        root.post(f"/administration/studies/{house.study}/members", {"user": user, "role": "clinician"}).status_code
        for user in members
    ]
    assert answers == [303] * (len(members) - 1) + [422]

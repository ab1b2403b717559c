"""Make-up at a visit: noted by a person, kept, signed, exported; where it is worn no change is told."""

from __future__ import annotations

import csv
import hashlib
import html
import io
import json
import zipfile

import pytest
from sqlalchemy import select

from melascope.clinic import photos, visits
from melascope.clinic.access import Right, patient_of, visit_of
from melascope.clinic.between import between, since
from melascope.clinic.course import course
from melascope.clinic.study_table import photos_csv
from melascope.clinic.tables import MakeUp, PhotoView, Visit
from melascope.clinic.texts import texts
from tests.clinic.made import VERSION, House, jpeg
from tests.clinic.test_api import key

CLINICIAN = "clinician of practice"


def visited(house: House, day: str, number: int, make_up: str) -> str:
    """A further visit with its photograph."""
    actor = house.actor(CLINICIAN)
    with house.clinic.database.writing() as db:
        visit = visits.add_visit(db, actor, house.patient, {"day": day, "make_up": make_up}).id
    photos.add_photo(house.clinic.database, actor, house.clinic.store, visit, PhotoView.FRONTAL, jpeg(number))
    house.clinic.runner.drain()
    return visit


def noted(house: House, visit: str) -> MakeUp | None:
    with house.clinic.database.reading() as db:
        return visit_of(db, house.actor(CLINICIAN), visit, Right.VIEW).make_up


def test_it_is_noted_when_a_visit_is_opened_and_changed_with_its_note(house: House) -> None:
    person = house.person(CLINICIAN)
    opened = person.post(f"/patients/{house.patient}/visits", {"day": "2026-05-05", "make_up": "worn"})
    visit = opened.headers["location"].rsplit("/", 1)[1].partition("#")[0]
    assert noted(house, visit) is MakeUp.WORN
    page = person.get(f"/visits/{visit}").text
    assert '<option value="worn" selected>' in page and texts("en")("make_up.hides") in page
    told = {"day": "2026-05-05", "note": "", "version": VERSION.findall(page)[0]}
    assert person.post(f"/visits/{visit}/edit", {**told, "make_up": "off"}).status_code == 303
    assert noted(house, visit) is MakeUp.OFF
    page = person.get(f"/visits/{visit}").text
    assert texts("en")("make_up.hides") not in page
    version = VERSION.findall(page)[0]
    assert person.post(f"/visits/{visit}/edit", {**told, "version": version}).status_code == 303
    assert noted(house, visit) is MakeUp.OFF, "a form without the field leaves it"
    late = person.post(f"/visits/{visit}/edit", {**told, "make_up": "worn"})  # of an older version
    assert late.status_code == 409 and '<option value="worn" selected>' in late.text
    assert texts("en")("make_up.off") in late.text and noted(house, visit) is MakeUp.OFF


def test_another_word_is_refused_and_nothing_is_kept(house: House) -> None:
    person = house.person(CLINICIAN)
    answer = person.post(f"/patients/{house.patient}/visits", {"day": "2026-05-05", "make_up": "a little"})
    assert answer.status_code == 422 and texts("en")("error.make_up") in html.unescape(answer.text)
    with house.clinic.database.reading() as db:
        assert "2026-05-05" not in [visit.day.isoformat() for visit in db.scalars(select(Visit))]


def test_signatures_hold_until_make_up_is_noted_otherwise(house: House) -> None:
    visit, actor = visited(house, "2026-05-05", 64, ""), house.actor(CLINICIAN)
    with house.clinic.database.writing() as db:
        row = visit_of(db, actor, visit, Right.VIEW)
        [photo] = row.photos
        assert photo.analysed
        record = hashlib.sha256(photo.analysed.record.encode()).hexdigest()
        before_it_could_be_noted = ["2026-05-05", "", [[photo.sha256, "frontal", record, []]]]
        digest = hashlib.sha256(json.dumps(before_it_could_be_noted).encode()).hexdigest()
        visits.sign_visit(db, actor, visit, digest)
    for make_up, holds in (("", True), ("worn", False), ("off", False), ("", True)):
        with house.clinic.database.writing() as db:
            form = {"day": "2026-05-05", "note": "", "make_up": make_up}
            row = visits.change_visit(db, actor, visit, visit_of(db, actor, visit, Right.VIEW).version, form)
            assert bool(visits.valid_signatures(row)[0]) is holds, make_up


@pytest.mark.parametrize(
    ("first", "second", "days"),
    [
        ("off", "", ""),
        ("worn", "off", "2026-05-05"),
        ("", "worn", "2026-07-05"),
        ("worn", "worn", "2026-05-05, 2026-07-05"),
    ],
)
def test_no_change_is_told_where_make_up_was_worn(house: House, first: str, second: str, days: str) -> None:
    told = not days
    before = visited(house, "2026-05-05", 4, first)
    after = visited(house, "2026-07-05", 240, second)
    with house.clinic.database.reading() as db:
        patient = patient_of(db, house.actor(CLINICIAN), house.patient, Right.VIEW)
        found = course(patient)
        change = found.since_last
        assert change is not None and abs(change.difference) > change.detectable, "or the test would show nothing"
        assert change.real is told
        assert ", ".join(point.visit.day.isoformat() for point in change.made_up) == days
        rows = [visit.photos[0] for visit in patient.visits if visit.id in (before, after)]
        lesions = between(rows[0], rows[1])
        assert lesions is not None and lesions.made_up is not told
        assert [one.made_up for _, one in since(found)][-1] is not told
    person, sentence = house.person(CLINICIAN), texts("en")
    for address in (f"/patients/{house.patient}", f"/patients/{house.patient}/compare?before={before}&after={after}"):
        page = html.unescape(person.get(address).text)
        assert ("Make-up was worn (" in page) is not told
        assert told or sentence("course.made_up", days=days) in page
        assert (f"{change.difference:+.1f}</strong>" in page) is told
        assert (sentence("between.made_up") in page) is not told


def test_the_api_takes_and_gives_it(house: House) -> None:
    api = key(house, CLINICIAN)
    address = f"/api/v1/patients/{house.patient}/visits"
    made = api.post(address, json={"day": "2026-05-05", "make_up": "worn"})
    assert made.status_code == 201 and made.json()["make_up"] == "worn"
    assert api.get(f"/api/v1/visits/{made.json()['id']}").json()["make_up"] == "worn"
    assert api.post(address, json={"day": "2026-05-06"}).json()["make_up"] is None
    assert api.post(address, json={"day": "2026-05-06", "make_up": "some"}).status_code == 422


def test_it_is_exported(house: House) -> None:
    visit = visited(house, "2026-05-05", 64, "worn")
    with house.clinic.database.reading() as db:
        study = visit_of(db, house.actor(CLINICIAN), visit, Right.VIEW).patient.study_id
    rows = csv.DictReader(io.StringIO("".join(photos_csv(house.clinic.database, study))))
    assert {row["visit"]: row["make_up"] for row in rows}[visit] == "worn"
    files = zipfile.ZipFile(io.BytesIO(house.person(CLINICIAN).get(f"/patients/{house.patient}/export.zip").content))
    [name] = [name for name in files.namelist() if name.endswith("patient.json")]
    told = {row["visit"]: row["make_up"] for row in json.loads(files.read(name))["visits"]}
    assert told[visit] == "worn" and None in told.values()

"""Blinded reading studies: nobody sees another's score, or the measurement, before closing."""

from __future__ import annotations

import re
from collections import defaultdict

from melascope.clinic import readings, showings
from melascope.clinic.corrections import read
from melascope.clinic.tables import Photo, ReadingStudy
from tests.clinic.made import House
from tests.clinic.reading import CHIEF, RATERS, Reading, scored
from tests.clinic.test_access import ROUTES
from tests.clinic.test_api import key

ANN, BOB = RATERS


def _addresses(reading: Reading) -> list[str]:
    """Every address of the pages and of the API, for a patient in the reading study: whatever a rater might try."""
    house = reading.house
    with house.clinic.database.reading() as db:
        visit = db.get_one(Photo, reading.photos[0]).visit_id
    photo = reading.photos[0]
    known = {"patient": reading.patients[0], "visit": visit, "photo": photo, "before": photo, "after": photo}
    known |= {"study": house.study, "reading": reading.id}
    filled = defaultdict(lambda: "x", known)
    paths = {str(route.path) for route in ROUTES if "GET" in (route.methods or ())}
    paths |= {path for path, ways in house.app.openapi()["paths"].items() if "get" in ways}
    files = ("display.jpg", "thumb.jpg", "lesions.png", "report.html", "report.pdf")
    paths |= {f"/photos/{{photo}}/{file}" for file in files}
    paths |= {f"/readings/{{reading}}/{file}" for file in ("ratings.csv", "readings.csv", "agreement.html")}
    return sorted(path.format_map(filled) for path in paths)


def test_no_answer_holds_anothers_score_or_the_measurement_before_closing(house: House) -> None:
    reading = Reading.made(house, 3, raters=(*RATERS, CHIEF), twice="34")
    # Bob's scores are told from everything else by his comment and by a total that nobody else has.
    for showing in reading.queue(BOB):
        said = showings.Entry(scored(5, 3, 4).regions, comment="Bob's own words")
        reading.save(BOB, showing.id, said)
    theirs = [showing.id for showing in reading.queue(BOB)]
    with house.clinic.database.reading() as db:
        found = [read(db.get_one(Photo, photo)) for photo in reading.photos]
        measured = {f"{each.masi:.1f}" for each in found if each is not None and each.masi is not None}
        measured |= {repr(each.masi) for each in found if each is not None}
    assert len(measured) > 3
    for who in (ANN, CHIEF):
        person, api = house.person(who), key(house, who)
        mine = [showing.id for showing in reading.queue(who)]
        addresses = [*_addresses(reading), *(f"/readings/{reading.id}/photos/{each}" for each in (*mine, *theirs))]
        addresses += [f"/readings/{reading.id}/photos/{theirs[0]}/picture.jpg"]
        addresses += [f"/api/v1/readings/{reading.id}/photos/{each}" for each in (*mine, *theirs)]
        addresses += [f"/api/v1/readings/{reading.id}/photos/{theirs[0]}/picture"]
        for address in addresses:
            answer = (api if address.startswith("/api") else person).get(address)
            words = answer.text
            assert answer.status_code in (200, 303, 403, 404, 422), address
            assert "own words" not in words, address
            assert "35.0" not in words, address  # Bob's MASI, 5 · (3 + 4)
            if not address.endswith("/patients"):  # its code is on the list of patients, which shows nothing else
                assert "R-0" not in words and "2026-03-03" not in words.replace("Visits", ""), address
            assert not [value for value in measured if re.search(rf"(?<![\d.]){re.escape(value)}(?!\d)", words)], (
                address
            )
            for photo in reading.photos:
                assert photo in address or photo not in words, address
            if any(each in address for each in theirs):
                assert answer.status_code == 404, address
        blocked = [
            a for a in addresses if re.search(r"/(patients|visits|photos)/[0-9a-f]{32}", a) and "readings" not in a
        ]
        assert len(blocked) > 12
        for address in blocked:
            answer = (api if address.startswith("/api") else person).get(address)
            assert answer.status_code in (403, 404), address
    outsider = house.person("read-only of practice")  # who rates nothing works on
    assert outsider.get(f"/photos/{reading.photos[0]}").status_code == 200
    assert outsider.get(f"/readings/{reading.id}/photos/{theirs[0]}").status_code == 404
    assert "own words" not in outsider.get(f"/readings/{reading.id}").text
    assert outsider.get(f"/readings/{reading.id}/agreement").status_code == 404


def test_a_rater_changes_nothing_of_the_patients_either(house: House) -> None:
    reading = Reading.made(house, 1)
    person, api = house.person(BOB), key(house, BOB)
    version = {"version": "1", "forehead.area": "1", "forehead.darkness": "1", "forehead.homogeneity": "1"}
    assert person.post(f"/photos/{reading.photos[0]}/scores", version).status_code == 403
    assert person.post(f"/patients/{reading.patients[0]}/visits", {"day": "2026-03-04"}).status_code == 403
    body = {"version": 1, "scores": {"chin": None}}
    answer = api.put(f"/api/v1/photos/{reading.photos[0]}/scores", json=body)
    assert answer.status_code == 403 and "Until it is closed" in answer.json()["detail"]
    assert person.get(f"/patients/{house.patient}").status_code == 200  # one that is not in it
    reading.close()
    assert person.get(f"/photos/{reading.photos[0]}").status_code == 200


def test_a_second_reading_that_begins_when_closing_keeps_the_first_one_hidden(house: House) -> None:
    reading = Reading.made(house, 3)
    for showing in reading.queue(ANN):
        reading.save(ANN, showing.id, scored(3))
    for showing in reading.queue(BOB):
        far = showing.photo_id == reading.photos[1]
        reading.save(BOB, showing.id, scored(6, 4, 4) if far else scored(3))
    firsts = [showing.id for showing in reading.queue(BOB) if showing.photo_id == reading.photos[1]]
    second = reading.close(again=True)
    with house.clinic.database.reading() as db:
        assert db.get_one(ReadingStudy, second).first_id == reading.id
    again = Reading(house, second, reading.photos, reading.patients)
    assert [showing.photo_id for showing in again.queue(ANN)] == [reading.photos[1]]
    person = house.person(ANN)
    for address in ("agreement", "ratings.csv"):
        assert person.get(f"/readings/{reading.id}/{address}").status_code == 403
    assert house.person("read-only of practice").get(f"/readings/{reading.id}/agreement").status_code == 200
    bob, api = house.person(BOB), key(house, BOB)  # who reads again does not see what was said before
    page = bob.get(f"/readings/{reading.id}")
    assert page.status_code == 200 and "MASI 48.0" not in page.text and firsts[0] not in page.text
    assert bob.get(f"/readings/{reading.id}/photos/{firsts[0]}").status_code == 403
    for address in ("queue", f"photos/{firsts[0]}", f"photos/{firsts[0]}/picture"):
        assert api.get(f"/api/v1/readings/{reading.id}/{address}").status_code == 403
    for rater in RATERS:
        again.save(rater, again.queue(rater)[0].id, scored(4))
    again.close()
    assert person.get(f"/readings/{reading.id}/agreement").status_code == 200
    assert "MASI 48.0" in bob.get(f"/readings/{reading.id}").text
    with house.clinic.database.writing() as db:
        assert readings.read_again(db, house.actor(CHIEF), reading.id).id == second  # type: ignore[union-attr]
        assert readings.read_again(db, house.actor(CHIEF), second) is None  # they agree now
    page = house.person(CHIEF).get(f"/readings/{second}/agreement").text
    assert "There is no agreement to tell" in page  # one photograph

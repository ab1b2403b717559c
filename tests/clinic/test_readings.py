"""Blinded reading studies: order, saving and revising, blinding, what comes of them."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import threading
import zipfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import StaleDataError
from typer.testing import CliRunner

from melascope.clinic import kept_figures, readings, showings
from melascope.clinic.access import Conflict, Forbidden, Invalid, NotFound, OutOfTurn
from melascope.clinic.agreements import outcome, ratings_csv
from melascope.clinic.corrections import read
from melascope.clinic.kept_figures import Kept
from melascope.clinic.reading_order import order
from melascope.clinic.tables import Audit, Figures, Photo, Rater, ReadingStudy, Role, Score, Showing
from melascope.masi import icc
from melascope.severity import intervals
from melascope.severity.agreement import agreement, limits
from melascope.severity.ratings import Ratings, read_ratings
from melascope.vocabulary import MASI_REGIONS
from tests.clinic.made import VERSION, House
from tests.clinic.reading import CHIEF, RATERS, Reading, fields, scored
from tests.clinic.test_access import ROUTES
from tests.clinic.test_api import key

ANN, BOB = RATERS


# ---------------------------------------------------------------- order


@given(st.integers(1, 60), st.integers(0, 50), st.integers(0, 10**6), st.integers(1, 5))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_everything_is_shown_once_and_some_of_it_twice_far_apart(n: int, twice: int, seed: int, number: int) -> None:
    photos = [f"p{k:02d}" for k in range(n)]
    line = order(photos, twice, seed, number)
    assert sorted(photo for photo, again in line if not again) == photos
    doubled = [photo for photo, again in line if again]
    assert len(doubled) == len(set(doubled)) == math.ceil(n * twice / 100)
    for photo in doubled:
        between = line.index((photo, True)) - line.index((photo, False)) - 1
        assert between >= (min(10, n // 2) if n > 1 else 0)
    assert line == order(photos[::-1], twice, seed, number)  # nothing but what is kept decides
    other = order(photos, twice, seed, number + 1)
    assert {photo for photo, again in other if again} == set(doubled)
    assert n < 12 or other != line


# ---------------------------------------------------------------- making


def test_a_reading_study_takes_the_views_and_days_that_were_chosen(house: House) -> None:
    reading = Reading.made(house, 3, twice="34")
    with house.clinic.database.reading() as db:
        row = db.get_one(ReadingStudy, reading.id)
        assert (row.seed, row.twice, row.chosen["views"], len(row.raters)) == (7, 34, ["frontal"], 2)
        assert readings.photographs(db, row) == sorted(reading.photos)  # not the one of January
    lines = [reading.queue(rater) for rater in RATERS]
    assert [len(line) for line in lines] == [5, 5]
    for number, line in enumerate(lines, 1):
        assert [(s.photo_id, s.again) for s in line] == order(reading.photos, 34, 7, number)


WRONG_FORMS = (
    ({"name": " "}, "name"),
    ({"view.frontal": ""}, "views"),
    ({"since": "2026-03-04", "until": "2026-03-03"}, "until"),
    ({"since": "yesterday"}, "since"),
    ({"most": "1"}, "most"),
    ({"twice": "51"}, "twice"),
    ({"twice": "²"}, "twice"),
    ({"seed": "-1"}, "seed"),
    ({"view.frontal": "", "view.left": "yes"}, "views"),
    ({"rater.nobody": "yes"}, "raters"),
    ({"rater.": "none"}, "raters"),
)


def test_what_cannot_be_made_is_said(house: House) -> None:
    chief, ann = house.actor(CHIEF), house.actor(ANN)
    for changed, field in WRONG_FORMS:
        form = {"name": "x", "view.frontal": "yes", f"rater.{ann.id}": "yes", **changed}
        if changed == {"rater.": "none"}:
            form = {"name": "x", "view.frontal": "yes"}
        with pytest.raises(Invalid) as found, house.clinic.database.writing() as db:
            readings.make_reading(db, chief, house.study, form)
        assert found.value.field == field, changed


def test_at_most_so_many_photographs_are_drawn(house: House) -> None:
    reading = Reading.made(house, 4, most="2")
    assert len(reading.queue(ANN)) == 2
    assert {s.photo_id for s in reading.queue(ANN)} == {s.photo_id for s in reading.queue(BOB)}


def test_only_who_manages_makes_closes_and_deletes(house: House) -> None:
    reading = Reading.made(house, 1)
    for name in (ANN, BOB, "read-only of practice"):
        actor = house.actor(name)
        for deed in (readings.close_reading, readings.delete_reading, readings.read_again):
            with pytest.raises(Forbidden), house.clinic.database.writing() as db:
                deed(db, actor, reading.id)
    with pytest.raises(NotFound), house.clinic.database.writing() as db:
        readings.close_reading(db, house.actor("clinician of elsewhere"), reading.id)


# ---------------------------------------------------------------- saving


def test_the_server_adds_up_and_keeps_every_version(house: House) -> None:
    reading = Reading.made(house, 1)
    [showing] = reading.queue(ANN)
    said = showings.Entry(
        {
            "forehead": {"area": 2, "darkness": 3, "homogeneity": 1},
            "right_malar": {"area": 6, "darkness": 4, "homogeneity": 4},
            "left_malar": {"area": 0, "darkness": 0, "homogeneity": 0},
            "chin": {"area": 1, "darkness": 1, "homogeneity": 2},
        },
        comment="=cmd|x",
    )
    person = house.person(ANN)
    address = f"/readings/{reading.id}/photos/{showing.id}"
    sent = person.post(address, {**fields(said), "version": "1"})
    assert sent.status_code == 303 and sent.headers["location"] == f"/readings/{reading.id}"  # nothing is left
    literal = 0.3 * 2 * (3 + 1) + 0.3 * 6 * 8 + 0 + 0.1 * 1 * 3
    page = person.get(address).text
    assert f"data-masi>{literal:.1f}<" in page and f"data-mmasi>{0.3 * 6 + 0.3 * 24 + 0.1:.1f}<" in page
    assert 'data-severity data-mild="mild" data-moderate="moderate" data-severe="severe">moderate<' in page
    reading.save(ANN, showing.id, said)  # the same once more is no new version
    reading.save(ANN, showing.id, scored(5))
    with house.clinic.database.reading() as db:
        rows = db.scalars(select(Score).where(Score.showing_id == showing.id).order_by(Score.id)).all()
        assert [row.regions["forehead"]["area"] for row in rows] == [2, 5]
        assert db.get_one(Showing, showing.id).version == 3
    with pytest.raises(DBAPIError, match="only be added"), house.clinic.database.writing() as db:
        db.execute(text("UPDATE scores SET comment = 'another'"))


def test_a_region_that_is_not_assessable_gives_no_total_and_no_zero() -> None:
    said = showings.checked(showings.Entry({**scored(4).regions, "chin": None}))
    assert (said.masi, said.mmasi, said.severity) == (None, None, None)
    assert len(said.scores) == 3
    assert showings.entry_of({**fields(said), "unreadable": ""}) == said


GOOD = fields(scored(3))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"forehead.area": ""}, "forehead.area"),
        ({"forehead.area": "7"}, "forehead.area"),
        ({"chin.darkness": "5"}, "chin.darkness"),
        ({"chin.darkness": "²"}, "chin.darkness"),
        ({"chin.homogeneity": "10"}, "chin.homogeneity"),
        ({"chin.area": "0"}, "chin.area"),
        ({"chin.unseen": "yes"}, "chin.area"),
        ({"unreadable": "boring"}, "unreadable"),
        ({"unreadable": "blurred"}, "unreadable"),
        ({"comment": "x" * 2001}, "comment"),
    ],
)
def test_what_cannot_be_a_score_is_refused(changed: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as found:
        showings.entry_of({**GOOD, **changed})
    assert found.value.field == field


def test_a_refused_form_is_shown_again_as_it_was_entered(house: House) -> None:
    reading = Reading.made(house, 1)
    [showing] = reading.queue(ANN)
    sent = {**GOOD, "forehead.area": "9", "comment": "kept <b>", "version": "1"}
    answer = house.person(ANN).post(f"/readings/{reading.id}/photos/{showing.id}", sent)
    assert answer.status_code == 422
    assert 'value="9"' in answer.text and "kept &lt;b&gt;" in answer.text and "the highest is 6" in answer.text
    assert reading.queue(ANN)[0].scores == []


def test_a_photograph_that_cannot_be_read_has_a_reason_and_no_scores(house: House) -> None:
    reading = Reading.made(house, 2)
    first, second = reading.queue(ANN)
    empty = dict.fromkeys(GOOD, "")
    address = f"/readings/{reading.id}/photos/"
    person = house.person(ANN)
    sent = person.post(address + first.id, {**empty, "unreadable": "covered", "version": "1"})
    assert sent.headers["location"] == address + second.id  # on to the next one
    said = showings.held(reading.queue(ANN)[0])
    assert said == showings.Entry({}, "covered", "")
    nothing = {f"{region.key}.unseen": "yes" for region in MASI_REGIONS}
    assert person.post(address + second.id, {**nothing, "version": "1"}).status_code == 422


def test_two_windows_of_one_rater_lose_nothing(house: House) -> None:
    reading = Reading.made(house, 1)
    [showing] = reading.queue(ANN)
    one, two = house.person(ANN), house.person(ANN)
    address = f"/readings/{reading.id}/photos/{showing.id}"
    version = VERSION.search(one.get(address).text)
    assert version
    assert one.post(address, {**fields(scored(2)), "version": version[1]}).status_code == 303
    late = two.post(address, {**fields(scored(5)), "comment": "second window", "version": version[1]})
    assert late.status_code == 409
    assert "A 2 · D 2 · H 2" in late.text and "A 5 · D 2 · H 2" in late.text and "second window" in late.text
    same = two.post(address, {**fields(scored(2)), "version": version[1]})
    assert same.status_code == 303  # what is stored already is no conflict
    hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', late.text))
    assert two.post(address, hidden).status_code == 303
    saved = [score.regions["chin"]["area"] for score in reading.queue(ANN)[0].scores]
    assert saved == [2, 5]


def test_of_two_windows_at_the_same_moment_one_is_refused(house: House) -> None:
    reading = Reading.made(house, 1)
    [showing] = reading.queue(ANN)
    start, seen = threading.Barrier(2), []

    def press(area: int) -> None:
        start.wait()
        try:
            reading.save(ANN, showing.id, scored(area), version=1)
            seen.append("kept")
        except (Conflict, StaleDataError):
            seen.append("conflict")

    threads = [threading.Thread(target=press, args=(area,)) for area in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == ["conflict", "kept"]


# ---------------------------------------------------------------- turns


def test_while_reading_nobody_goes_back_to_copy_a_score(house: House) -> None:
    reading = Reading.made(house, 4, twice="25")
    line = reading.queue(ANN)
    person, api = house.person(ANN), key(house, ANN)
    for showing in line[:2]:
        reading.save(ANN, showing.id, scored(6, 4, 4))
    pages = [f"/readings/{reading.id}/photos/{showing.id}" for showing in line]
    overview = person.get(f"/readings/{reading.id}").text
    assert "48.0" not in overview and [address in overview for address in pages] == [False, True, True, False, False]
    codes = [200 if place in (1, 2) else 403 for place in range(5)]
    assert [person.get(address).status_code for address in pages] == codes
    assert [person.get(f"{address}/picture.jpg").status_code for address in pages] == codes
    assert [api.get(f"/api/v1{address}").status_code for address in pages] == codes
    assert "Not its turn" in person.get(pages[0]).text
    assert pages[0] not in person.get(pages[2]).text  # the way back leads to the last one only
    queue = api.get(f"/api/v1/readings/{reading.id}/queue")
    assert "48.0" not in queue.text and [row["scores"] for row in queue.json()["items"]] == [{}] * 5
    for place in (0, 3):
        assert person.post(pages[place], {**GOOD, "version": "2"}).status_code == 403
        body = {"version": 2, "scores": scored(1).regions}
        assert api.put(f"/api/v1{pages[place]}", json=body).status_code == 403
        with pytest.raises(OutOfTurn):
            reading.save(ANN, line[place].id, scored(1))
    reading.save(ANN, line[1].id, scored(5))  # the last one may be revised
    for showing in line[2:]:
        reading.save(ANN, showing.id, scored(3))
    assert person.get(pages[0]).status_code == 403  # not even when everything is read
    assert person.post(f"/readings/{reading.id}/sign").status_code == 303
    assert person.get(pages[0]).status_code == 200 and "48.0" in person.get(f"/readings/{reading.id}").text
    assert api.get(f"/api/v1/readings/{reading.id}/queue").json()["items"][0]["masi"] == 48.0


def test_a_window_that_was_left_open_cannot_revise_what_lies_behind(house: House) -> None:
    reading = Reading.made(house, 3)
    first, second, _ = reading.queue(ANN)
    actor = house.actor(ANN)
    reading.save(ANN, first.id, scored(2))
    with house.clinic.database.reading() as db:
        assert showings.place_of(db, db.get_one(Showing, first.id)).after == second.id
    reading.save(ANN, second.id, scored(3))
    with pytest.raises(OutOfTurn), house.clinic.database.writing() as db:
        showings.save(db, actor, reading.id, first.id, 2, scored(3))
    assert len(reading.queue(ANN)[0].scores) == 1


def test_who_rates_names_no_seed_and_sees_none_before_closing(house: House) -> None:
    chief = house.actor(CHIEF)
    reading = Reading.made(house, 2, raters=(ANN, CHIEF), seed="")
    with house.clinic.database.reading() as db:
        seed = db.get_one(ReadingStudy, reading.id).seed
        actor = replace(house.actor("read-only of practice"), roles={house.study: Role.ADMINISTRATOR})
        assert not readings.shows_seed(actor, db.get_one(ReadingStudy, reading.id))
    form = {"name": "x", "view.frontal": "yes", f"rater.{chief.id}": "yes", "seed": "7"}
    with pytest.raises(Invalid, match="wrong_seed"), house.clinic.database.writing() as db:
        readings.make_reading(db, chief, house.study, form)
    person = house.person(CHIEF)
    assert "Seed of the order" not in person.get(f"/readings/{reading.id}").text
    reading.close()
    assert f"<dd>{seed}</dd>" in person.get(f"/readings/{reading.id}").text


def test_the_page_of_the_blinded_fits_an_export_of_the_study_too(house: House) -> None:
    Reading.made(house, 1)
    answer = house.person(BOB).get(f"/studies/{house.study}/photos.csv")
    assert answer.status_code == 403 and "export of the whole study" in answer.text


# ---------------------------------------------------------------- ending


def test_signing_and_closing_end_the_revising(house: House) -> None:
    reading = Reading.made(house, 2)
    first, second = reading.queue(ANN)
    ann = house.actor(ANN)
    reading.save(ANN, first.id, scored(2))
    with pytest.raises(Invalid, match="wrong_left"), house.clinic.database.writing() as db:
        readings.sign_off(db, ann, reading.id)
    reading.save(ANN, second.id, scored(3))
    assert house.person(ANN).post(f"/readings/{reading.id}/sign").status_code == 303
    with pytest.raises(Invalid, match="wrong_signed"):
        reading.save(ANN, first.id, scored(4))
    with pytest.raises(Invalid, match="wrong_scored"), house.clinic.database.writing() as db:
        readings.delete_reading(db, house.actor(CHIEF), reading.id)
    reading.close()
    with pytest.raises(Invalid, match="wrong_closed"):
        reading.save(BOB, reading.queue(BOB)[0].id, scored(4))
    late = house.person(BOB).post(
        f"/readings/{reading.id}/photos/{reading.queue(BOB)[0].id}", {**fields(scored(6)), "version": "1"}
    )
    assert late.status_code == 422 and "can no longer be saved" in late.text and 'value="6"' in late.text


def test_one_without_scores_can_be_deleted(house: House) -> None:
    reading = Reading.made(house, 1)
    assert house.person(CHIEF).post(f"/readings/{reading.id}/delete").status_code == 303
    with house.clinic.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Showing)) == 0
    assert house.person(ANN).get(f"/patients/{reading.patients[0]}").status_code == 200  # sees again


def test_a_score_that_is_being_saved_keeps_its_reading_study(house: House) -> None:
    """On PostgreSQL, where both go on at once; SQLite lets one after the other in."""
    if house.clinic.database.sqlite:
        pytest.skip("SQLite has one writer")
    reading = Reading.made(house, 1)
    [showing] = reading.queue(ANN)
    ended: list[str] = []

    def delete() -> None:
        try:
            with house.clinic.database.writing() as db:
                readings.delete_reading(db, house.actor(CHIEF), reading.id)
            ended.append("deleted")
        except Invalid as error:
            ended.append(error.text)

    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    thread = threading.Thread(target=delete)
    with house.clinic.database.writing() as db:
        showings.save(db, house.actor(ANN), reading.id, showing.id, 1, scored(3))
        thread.start()
        with house.clinic.database.engine.connect() as other:
            other = other.execution_options(isolation_level="AUTOCOMMIT")
            while thread.is_alive() and not other.scalar(waiting):
                thread.join(0.02)
    thread.join()
    assert ended == ["readings.wrong_scored"]
    assert len(reading.queue(ANN)[0].scores) == 1


# ---------------------------------------------------------------- blinding


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


# ---------------------------------------------------------------- what comes of it


def test_the_figures_are_those_of_the_house(house: House, tmp_path: Path) -> None:
    reading = Reading.made(house, 4, twice="50")
    reading.read(ANN)
    reading.read(BOB, 4)
    reading.close()
    with house.clinic.database.reading() as db:
        row = db.get_one(ReadingStudy, reading.id)
        found = outcome(db, row, Kept(db, reading.id))
        (tmp_path / "ratings.csv").write_text(ratings_csv(db, row), encoding="utf-8")
        photos = {photo.id: photo for photo in db.scalars(select(Photo))}
        measured = {photo: read(photos[photo]).record.masi.masi for photo in reading.photos}  # type: ignore[union-attr]
    table = {photo: [] for photo in reading.photos}
    pairs: dict[str, list[list[float]]] = {}
    for rater in RATERS:
        twice: dict[str, list[float]] = {}
        for showing in reading.queue(rater):
            said = showings.held(showing)
            assert said is not None and said.masi is not None
            twice.setdefault(showing.photo_id, []).append(said.masi)
            if not showing.again:
                table[showing.photo_id].append(said.masi)
        pairs[rater] = [each for each in twice.values() if len(each) == 2]
    literal = icc(table.values())
    assert found.report is not None and found.report.icc is not None
    assert found.report.icc.single == pytest.approx(literal.single)
    assert found.report.icc.mean_low == pytest.approx(literal.mean_low)
    report = agreement(read_ratings(tmp_path / "ratings.csv"))
    assert found.report.pairs == report.pairs
    assert found.report.icc == report.icc
    assert [one.photos for one in found.report.reread] == [one.photos for one in report.reread]
    assert found.report.drifts[0].slope == report.drifts[0].slope
    import numpy as np

    for repeat in found.repeats:
        both = np.array(pairs[repeat.rater])
        bias, _, _, deviation = limits(both[:, 0] - both[:, 1])
        assert repeat.pairs == 2 and repeat.pair is not None
        assert repeat.pair.bias == bias
        assert repeat.error == pytest.approx(deviation / math.sqrt(2))
        assert repeat.detectable == pytest.approx(1.96 * math.sqrt(2) * repeat.error)
    assert found.measured is not None
    differences = [measured[photo] - sum(values) / 2 for photo, values in table.items()]
    assert found.measured.pairs[0].bias.value == pytest.approx(sum(differences) / 4)
    page = house.person("read-only of practice").get(f"/readings/{reading.id}/agreement").text
    assert f">{literal.single:.2f}<" in page and "Bland-Altman plot of" in page and "R-0" in page


def test_the_figures_are_drawn_once_and_stay_the_same(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading.made(house, 4, twice="50")
    reading.read(ANN)
    reading.read(BOB, 4)
    reading.close()
    person, times = house.person("read-only of practice"), []
    monkeypatch.setattr(kept_figures, "_JUST_DRAWN", {})
    inner = intervals.draws

    def counted(*given: Any) -> Any:
        times.append(given)
        return inner(*given)

    monkeypatch.setattr(intervals, "draws", counted)
    first = person.get(f"/readings/{reading.id}/agreement").text
    assert len(times) == 4  # raters, two repeats, the measurement
    with house.clinic.database.reading() as db:
        row = db.get_one(ReadingStudy, reading.id)
        found = outcome(db, row, Kept(db, reading.id))
        assert len(times) == 4
        ratings = tuple(cell for line in found.report.readings.cells for cell in line)  # type: ignore[union-attr]
        report = agreement(Ratings(ratings, Path("ratings.csv"), None))
        assert found.report.pairs == report.pairs and found.report.raters == report.raters  # type: ignore[union-attr]
    times.clear()
    kept_figures._JUST_DRAWN.clear()
    assert person.get(f"/readings/{reading.id}/agreement").text == first
    assert house.person(CHIEF).get(f"/readings/{reading.id}/agreement.html").status_code == 200
    assert times == []
    single = next(photo for photo in reading.photos if photo not in {s.photo_id for s in reading.queue(ANN) if s.again})
    at = reading.photos.index(single)
    house.person(CHIEF).post(f"/patients/{reading.patients[at]}/delete", {"code": f"R-{at}"})
    assert person.get(f"/readings/{reading.id}/agreement").status_code == 200
    assert len(times) == 2  # the raters and the measurement; the repeats rest on other photographs
    with house.clinic.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Figures)) == 4  # the two former ones went


def test_the_ratings_are_read_by_the_command_whatever_a_rater_is_called(house: House, tmp_path: Path) -> None:
    from melascope.cli.app import app
    from melascope.clinic.tables import User

    with house.clinic.database.writing() as db:
        db.scalars(select(User).where(User.name == BOB)).one().name = '=Bob, "the" 2nd'
    reading = Reading.made(house, 3, raters=(ANN, '=Bob, "the" 2nd'))
    reading.read(ANN)
    reading.read('=Bob, "the" 2nd', 4)
    line = reading.queue(ANN)
    reading.save(ANN, line[-1].id, showings.Entry({}, "blurred", "nothing to see"))
    reading.close()
    api = key(house, CHIEF)
    answer = api.get(f"/api/v1/readings/{reading.id}/ratings.csv")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/csv")
    (tmp_path / "ratings.csv").write_text(answer.text, encoding="utf-8")
    read_back = read_ratings(tmp_path / "ratings.csv")
    assert read_back.raters == ('=Bob, "the" 2nd', ANN)
    assert set(read_back.photos) == set(reading.photos) - {line[-1].photo_id}
    done = CliRunner().invoke(app, ["severity", "agreement", str(tmp_path / "ratings.csv")])
    assert done.exit_code == 0, done.output
    assert "2 readings of 2 patients by 2 raters" in done.output
    everything = list(csv.DictReader(io.StringIO(house.person(CHIEF).get(f"/readings/{reading.id}/readings.csv").text)))
    assert len(everything) == 6
    assert {(row["unreadable"], row["revisions"]) for row in everything} == {("", "0"), ("blurred", "1")}
    printed = house.person(CHIEF).get(f"/readings/{reading.id}/agreement.html")
    assert printed.status_code == 200 and "sandbox" in printed.headers["content-security-policy"]


def test_who_did_not_finish_is_named_and_not_counted(house: House) -> None:
    reading = Reading.made(house, 3, raters=(*RATERS, "read-only of practice"))
    reading.read(ANN)
    reading.read(BOB, 4)
    third = reading.queue("read-only of practice")[0]
    reading.save("read-only of practice", third.id, scored(1))
    reading.close()
    with house.clinic.database.reading() as db:
        found = outcome(db, db.get_one(ReadingStudy, reading.id), Kept(db, reading.id))
        assert [each.rater.user.name for each in found.left_out] == ["read-only of practice"]
        assert found.report is not None and set(found.report.readings.raters) == set(RATERS)
    page = house.person(CHIEF).get(f"/readings/{reading.id}/agreement").text
    assert "read-only of practice (1 of 3 read)" in page


# ---------------------------------------------------------------- patients


def test_readings_go_with_their_patient_and_are_in_its_export(house: House) -> None:
    reading = Reading.made(house, 3)
    reading.read(ANN)
    reading.save(ANN, reading.queue(ANN)[-1].id, scored(6))
    chief = house.person(CHIEF)

    def exported() -> dict[str, Any]:
        archive = zipfile.ZipFile(io.BytesIO(chief.get(f"/patients/{reading.patients[0]}/export.zip").content))
        [photo] = json.loads(archive.read("patient.json"))["visits"][0]["photos"]
        return dict(photo)

    assert exported()["readings"] == []  # nobody gets a score before it is closed
    reading.close()
    photo = exported()
    assert {(row["reading"], row["rater"], len(row["scores"]) > 0) for row in photo["readings"]} == {
        ("March", ANN, True),
        ("March", BOB, False),
    }
    assert photo["readings"][0]["scores"][-1]["masi"] > 0
    assert chief.post(f"/patients/{reading.patients[0]}/delete", {"code": "R-0"}).status_code == 303
    with house.clinic.database.reading() as db:
        left = select(func.count()).select_from(Showing).where(Showing.photo_id == reading.photos[0])
        assert db.scalar(left) == 0
        orphans = select(func.count()).select_from(Score).where(~Score.showing_id.in_(select(Showing.id)))
        assert db.scalar(orphans) == 0 and db.scalar(select(func.count()).select_from(Score)) in (2, 3)
        assert db.scalar(select(func.count()).select_from(Rater)) == 2
    page = house.person(ANN).get(f"/readings/{reading.id}/photos/{reading.queue(ANN)[-1].id}").text
    assert "<h1>2 of 2</h1>" in page  # places are counted anew


def test_everything_is_in_the_audit_log(house: House) -> None:
    reading = Reading.made(house, 2)
    person = house.person(ANN)
    showing = reading.queue(ANN)[0]
    assert person.get(f"/readings/{reading.id}/photos/{showing.id}/picture.jpg").headers["content-type"] == "image/jpeg"
    person.post(f"/readings/{reading.id}/photos/{showing.id}", {**GOOD, "comment": "in confidence", "version": "1"})
    reading.save(ANN, reading.queue(ANN)[1].id, scored(1))
    person.post(f"/readings/{reading.id}/sign")
    reading.close()
    house.person(CHIEF).get(f"/readings/{reading.id}/agreement")
    house.person(CHIEF).get(f"/readings/{reading.id}/ratings.csv")
    with house.clinic.database.reading() as db:
        rows = db.scalars(select(Audit).where(Audit.action.startswith("reading."))).all()
        assert {row.action.removeprefix("reading.") for row in rows} == {
            *("make", "photo", "score", "sign", "close", "agreement", "export"),
        }
        assert {row.study_id for row in rows} == {house.study}
        assert [row.subject_id for row in rows if row.action == "reading.photo"] == [showing.photo_id]
        assert "confidence" not in "".join(str(vars(row)) for row in rows)


# ---------------------------------------------------------------- REST API


def test_a_reading_by_the_api(house: House) -> None:
    reading = Reading.made(house, 2)
    api = key(house, ANN)
    [listed] = api.get("/api/v1/readings").json()["items"]
    assert (listed["id"], listed["photos"], listed["raters"], listed["closed"]) == (reading.id, 2, 2, None)
    assert listed["mine"] == {"done": 0, "total": 2, "signed": None}
    address = f"/api/v1/readings/{reading.id}"
    queue = api.get(f"{address}/queue").json()
    first, second = queue["items"]
    assert set(first) == {
        *("id", "place", "saved", "scores", "unreadable", "comment", "masi", "mmasi", "severity", "version"),
    }
    picture = api.get(f"{address}/photos/{first['id']}/picture")
    assert picture.headers["content-type"] == "image/jpeg"
    body = {"version": first["version"], "scores": scored(6, 4, 4).regions}
    saved = api.put(f"{address}/photos/{first['id']}", json=body)
    assert saved.status_code == 200 and (saved.json()["masi"], saved.json()["severity"]) == (48.0, "severe")
    late = api.put(f"{address}/photos/{first['id']}", json={**body, "scores": scored(1).regions})
    assert late.status_code == 409
    for wrong in ({"scores": {"chin": None}}, {"scores": {**scored(1).regions, "chin": {"area": 0}}}, {"scores": {}}):
        assert api.put(f"{address}/photos/{second['id']}", json={"version": 1, **wrong}).status_code == 422
    assert api.post(f"{address}/signature").status_code == 422
    blind = api.put(f"{address}/photos/{second['id']}", json={"version": 1, "unreadable": "light"})
    assert blind.status_code == 200 and blind.json()["masi"] is None
    assert [row["place"] for row in api.get(f"{address}/queue", params={"due": "true"}).json()["items"]] == []
    assert api.post(f"{address}/signature").json()["done"] == 2
    assert api.get(f"{address}/ratings.csv").status_code == 403  # may not export
    assert key(house, CHIEF).get(f"{address}/ratings.csv").status_code == 404  # not closed
    for other in ("clinician of elsewhere", "nobody"):
        assert key(house, other).get(address).status_code == 404
        assert key(house, other).get("/api/v1/readings").json()["total"] == 0

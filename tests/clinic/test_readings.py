"""Blinded reading studies: order, making, saving and revising, ending."""

from __future__ import annotations

import math
import re
import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import StaleDataError

from melascope.clinic import readings, showings
from melascope.clinic.access import Conflict, Forbidden, Invalid, NotFound, OutOfTurn
from melascope.clinic.reading_order import order
from melascope.clinic.tables import ReadingStudy, Role, Score, Showing
from melascope.vocabulary import MASI_REGIONS
from tests.clinic.made import VERSION, House
from tests.clinic.reading import CHIEF, RATERS, Reading, fields, scored
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

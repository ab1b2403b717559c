"""Blinded reading studies: what comes of them, in figures, exports, audit log and API."""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from melascope.clinic import kept_figures, showings
from melascope.clinic.agreements import outcome, ratings_csv
from melascope.clinic.corrections import read
from melascope.clinic.kept_figures import Kept
from melascope.clinic.tables import Audit, Figures, Photo, Rater, ReadingStudy, Score, Showing
from melascope.masi import icc
from melascope.severity import intervals
from melascope.severity.agreement import agreement, limits
from melascope.severity.ratings import Ratings, read_ratings
from tests.clinic.made import House
from tests.clinic.reading import CHIEF, RATERS, Reading, fields, scored
from tests.clinic.test_api import key

ANN, BOB = RATERS


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
    person.post(
        f"/readings/{reading.id}/photos/{showing.id}", {**fields(scored(3)), "comment": "in confidence", "version": "1"}
    )
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

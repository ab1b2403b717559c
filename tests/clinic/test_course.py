"""The course: which photograph counts, which change is real, what the drawing shows."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from xml.etree import ElementTree as ET

import pytest

from melascope.clinic import course as course_room
from melascope.clinic import patients, photos, visits
from melascope.clinic.access import Right, patient_of
from melascope.clinic.chart import READ_COLOUR, chart
from melascope.clinic.corrections import Reading, correct
from melascope.clinic.course import Course, course, detectable_change, repeatability
from melascope.clinic.pictures import aligned, similarity
from melascope.clinic.tables import Photo, PhotoView
from melascope.clinic.texts import texts
from tests.clinic.made import REFUSED, House, jpeg
from tests.conftest import ROOT
from tests.report.synthetic import read_as

SVG = "{http://www.w3.org/2000/svg}"


def visited(house: House, *days_and_files: tuple[str, int]) -> None:
    actor = house.actor("clinician of practice")
    for day, number in days_and_files:
        with house.clinic.database.writing() as db:
            visit = visits.add_visit(db, actor, house.patient, {"day": day}).id
        photos.add_photo(house.clinic.database, actor, house.clinic.store, visit, PhotoView.FRONTAL, jpeg(number))
    house.clinic.runner.drain()


def test_the_limits_are_those_of_the_agreement_page() -> None:
    page = (ROOT / "docs" / "agreement.md").read_text(encoding="utf-8")
    table = page.partition("| mean of the two | pairs |")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "| MASI " in line]
    told = {float(name.split()[1]): (int(pairs), float(limit)) for name, pairs, _, limit, _ in rows}
    known = repeatability()
    assert {band["from_masi"]: (band["pairs"], band["masi"]) for band in known["levels"]} == told
    assert known["pairs"] == sum(pairs for pairs, _ in told.values())
    assert str(known["pairs"]) in known["what"]
    assert all(network in page for network in known["network"].split())


def test_the_limit_is_that_of_the_level_and_never_less_than_that_of_its_band() -> None:
    bands = repeatability()["levels"]
    assert bands[0]["from_masi"] == 0
    for band in bands:
        assert detectable_change(band["from_masi"]) == band["masi"] > 0
    for level in range(49):
        assert detectable_change(level) >= max(band["masi"] for band in bands if band["from_masi"] <= level)


@pytest.mark.parametrize("before", [0.0, 1.0, 4.0, 9.0, 20.0, 48.0])
def test_of_two_changes_one_way_from_one_visit_the_larger_is_real_where_the_smaller_is(before: float) -> None:
    for sign in (-1, 1):
        real = [
            size / 10 > detectable_change(before + sign * size / 20)
            for size in range(481)
            if 0 <= before + sign * size / 10 <= 48
        ]
        assert real == sorted(real)


@pytest.fixture
def third(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of a third of the level: the drawn faces differ too little for that of virtual patients."""
    monkeypatch.setattr("melascope.clinic.course.detectable_change", lambda level: level / 3)


@pytest.mark.usefixtures("third")
def test_changes_are_held_against_the_limit(house: House) -> None:
    visited(house, ("2026-03-01", 64), ("2026-06-01", 200), ("2026-09-01", REFUSED))
    with house.clinic.database.reading() as db:
        found = course(patient_of(db, house.actor("clinician of practice"), house.patient, Right.VIEW))
    first, second, third, refused = found.points
    assert refused.masi is None and refused.photo is None
    assert first.masi is not None and second.masi is not None and third.masi is not None
    assert found.since_first is not None and found.since_first.real
    assert found.since_first.detectable == pytest.approx((third.masi + first.masi) / 6)
    assert found.since_last is not None and found.since_last.difference == pytest.approx(third.masi - second.masi)
    assert found.since_first.difference == pytest.approx(third.masi - first.masi)
    assert not found.since_first.comparable  # the drawn records name another network
    assert sum(first.by_region.values()) == pytest.approx(first.masi)


def test_less_than_the_limit_is_no_change_and_the_course_says_what_it_may_miss(house: House) -> None:
    visited(house, ("2026-03-01", 64))
    with house.clinic.database.reading() as db:
        found = course(patient_of(db, house.actor("clinician of practice"), house.patient, Right.VIEW))
    change = found.since_first
    assert change is not None and change.before.masi is not None and change.after.masi is not None
    assert change.detectable == detectable_change((change.before.masi + change.after.masi) / 2)
    assert 0 < abs(change.difference) < change.detectable and not change.real
    page = html.unescape(house.person("clinician of practice").get(f"/patients/{house.patient}").text)
    assert texts("en")("course.not_real") in page and texts("en")("course.seen") in page


def test_the_drawing_shows_each_visit_at_its_place(house: House) -> None:
    visited(house, ("2026-03-01", 64), ("2026-06-01", 200))
    actor = house.actor("clinician of practice")
    with house.clinic.database.writing() as db:
        patients.add_treatment(db, actor, house.patient, {"name": "Cream <b>", "started": "2026-02-01"})
    with house.clinic.database.reading() as db:
        found = course(patient_of(db, actor, house.patient, Right.VIEW))
        svg = chart(found, texts("en"))
    tree = ET.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    dots = [dot for dot in tree.iter(f"{SVG}circle") if dot.get("r") == "5"]
    assert len(dots) == 3
    xs, ys = ([float(dot.get(axis, "")) for dot in dots] for axis in ("cx", "cy"))
    days = [date(2026, 1, 5), date(2026, 3, 1), date(2026, 6, 1)]
    assert (xs[1] - xs[0]) / (xs[2] - xs[0]) == pytest.approx((days[1] - days[0]) / (days[2] - days[0]), abs=0.01)
    scores = [point.masi or 0 for point in found.points]
    assert (ys[0] - ys[2]) / (scores[2] - scores[0]) == pytest.approx(
        (ys[0] - ys[1]) / (scores[1] - scores[0]), rel=0.2
    )
    assert "Cream &lt;b&gt;" in svg and "style=" not in svg


Reads = Callable[[dict[str, tuple[float, str]]], None]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Has a severity network, by name, read a MASI at the visits of some days, as the known networks measured it."""
    plain = course_room.read

    def give(told: dict[str, tuple[float, str]]) -> None:
        def read(photo: Photo) -> Reading | None:
            found = plain(photo)
            day = photo.visit.day.isoformat()
            if found is None or day not in told:
                return found
            masi, network = told[day]
            skin, regional = repeatability()["network"].split()
            versions = {"skin network": skin, "regional network": regional, "severity network": network}
            second = {"severity_reading": read_as(masi, disagrees=None), "versions": versions}
            return replace(found, record=found.record.model_copy(update=second))

        monkeypatch.setattr(course_room, "read", read)

    return give


def shown(house: House) -> Course:
    with house.clinic.database.reading() as db:
        return course(patient_of(db, house.actor("clinician of practice"), house.patient, Right.VIEW))


def test_the_reading_off_the_whole_face_stands_beside_the_measured_change(house: House, reads: Reads) -> None:
    visited(house, ("2026-03-01", 64), ("2026-06-01", 200))
    reads({"2026-03-01": (20.0, "a"), "2026-06-01": (18.5, "a")})
    found = shown(house)
    assert found.since_first is not None and found.since_first.read is None  # nothing was read at the first visit
    assert found.since_last is not None and found.since_last.read == pytest.approx(-1.5)
    page = html.unescape(house.person("clinician of practice").get(f"/patients/{house.patient}").text)
    said = texts("en")("course.read", before="20.0 (16.0–25.0)", after="18.5 (14.5–23.5)", difference="-1.5")
    assert page.count(said) == 1 and page.count(f"</svg>{texts('en')('course.read_title')}</li>") == 1
    assert texts("en")("course.read_hint") in page and texts("en")("course.read_virtual") in page
    compared = house.member().get(f"/patients/{house.patient}/compare?before={found.points[1].visit.id}").text
    assert html.unescape(compared).count(said) == 1 and texts("en")("course.read_hint") in html.unescape(compared)
    other = house.member().get(f"/patients/{house.patient}/compare").text  # from the first visit, which was not read
    assert texts("en")("course.read_title") not in other and texts("en")("course.read_hint") not in html.unescape(other)


KNOWN = "about half as much as those measured"


def test_what_is_known_of_the_reading_is_said_of_the_known_instruments_alone(house: House, reads: Reads) -> None:
    visited(house, ("2026-03-01", 64))
    person = house.person("clinician of practice")
    own = repeatability()["reading"]["network"]

    def says() -> list[bool]:
        addresses = f"/patients/{house.patient}", f"/patients/{house.patient}/compare"
        return [KNOWN in html.unescape(person.get(address).text) for address in addresses]

    reads({"2026-01-05": (20.0, own), "2026-03-01": (18.5, own)})
    assert says() == [True, True]
    with house.clinic.database.writing() as db:  # a person's score is not what was measured
        correct(
            db,
            house.actor("annotator of practice"),
            house.photo,
            1,
            [("score/chin", {"area": 1, "darkness": 1, "homogeneity": 1})],
        )
    assert says() == [False, False]
    reads({"2026-01-05": (20.0, "another"), "2026-03-01": (18.5, "another")})
    assert says() == [False, False]


def rows_of(page: str, start: str) -> list[list[str]]:
    lines = (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith(start)]


def test_what_is_known_of_the_reading_is_what_the_pages_say() -> None:
    known = repeatability()["reading"]
    for page in ("courses.md", "agreement.md"):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8").lower()
        assert f"severity network {known['network']}" in text
    [retest] = rows_of("agreement.md", f"| all | {known['pairs']} |")
    limits = [max(abs(float(end)) for end in retest[column].split(" to ")) for column in (6, 9)]
    assert limits == [known["measured_masi"], known["masi"]]
    measured, read = (float(row[6]) for row in rows_of("courses.md", "| all | 48 |"))
    assert 0.4 * measured <= read <= 0.6 * measured  # about half as much
    assert float(rows_of("courses.md", "| better:")[1][7].split()[0]) < 0.8  # less of a fall than there was
    text = " ".join((ROOT / "docs" / "clinic.md").read_text(encoding="utf-8").split())
    agree, apart = rows_of("courses.md", "| agree |")[0], rows_of("courses.md", "| differ by more than the limit |")[0]
    assert f"the two differed so in {apart[1]}, where the measurement was off by {apart[2]} points in the mean" in text
    assert f"the reading by {apart[3]} (nearer in nine of the ten)" in text and (apart[1], apart[6]) == ("10", "9")
    assert f"in the other {agree[1]} by {agree[2]} and {agree[3]}" in text


def test_without_a_reading_nothing_is_said_of_one(house: House) -> None:
    visited(house, ("2026-03-01", 64))
    page = html.unescape(house.person("clinician of practice").get(f"/patients/{house.patient}").text)
    assert texts("en")("course.chart_title", count=2) in page
    assert texts("en")("course.read_title") not in page and texts("en")("course.read_hint") not in page


def test_readings_of_two_networks_are_not_compared_nor_joined(house: House, reads: Reads) -> None:
    visited(house, ("2026-03-01", 64), ("2026-06-01", 64))
    reads({"2026-01-05": (20.0, "a"), "2026-03-01": (19.0, "a"), "2026-06-01": (5.0, "b")})
    found = shown(house)
    assert found.since_first is not None and found.since_first.read is None
    assert found.since_last is not None and found.since_last.read is None
    svg = chart(found, texts("en"))
    assert svg.count('class="read"') == 3 and svg.count(f'stroke="{READ_COLOUR}" stroke-width="1.8" stroke-dash') == 1


def test_the_drawing_has_room_for_what_is_read(house: House, reads: Reads) -> None:
    visited(house, ("2026-03-01", 64))
    reads({"2026-01-05": (47.0, "a"), "2026-03-01": (0.0, "a")})
    svg = chart(shown(house), texts("en"))
    heights = [
        float(y) for line in re.findall(r'class="read" points="([^"]+)"', svg) for y in re.findall(r",([\d.]+)", line)
    ]
    assert len(heights) == 8 and min(heights) >= 15 and max(heights) <= 255  # of 20 to 250, and half a mark


@pytest.mark.parametrize(("change", "apart"), [(2.4, False), (2.6, True), (-2.4, False), (-2.6, True)])
def test_changes_that_differ_by_more_than_the_limit_are_apart(
    house: House, reads: Reads, monkeypatch: pytest.MonkeyPatch, change: float, apart: bool
) -> None:
    monkeypatch.setattr(course_room, "detectable_change", lambda _level: 2.5)
    visited(house, ("2026-03-01", 64))
    measured = shown(house).since_first
    assert measured is not None
    reads({"2026-01-05": (20.0, "a"), "2026-03-01": (20.0 + measured.difference + change, "a")})
    found = shown(house).since_first
    assert found is not None and found.apart is apart
    page = html.unescape(house.person("clinician of practice").get(f"/patients/{house.patient}").text)
    assert (texts("en")("course.apart") in page) is apart and "Read off the whole face: " in page
    assert texts("en")("course.chart_title_read", count=2) in page
    for other in (replace(found.after, rescored=True), replace(found.after, network="another")):
        assert not replace(found, after=other).apart  # the limit is of what the known networks measure
    actor = house.actor("clinician of practice")
    with house.clinic.database.writing() as db:
        late = patient_of(db, actor, house.patient, Right.VIEW).visits[-1]
        form = {"day": late.day.isoformat(), "note": late.note, "make_up": "worn"}
        visits.change_visit(db, actor, late.id, late.version, form)
    hidden = shown(house).since_first
    assert hidden is not None and hidden.read is not None and not hidden.apart
    page = html.unescape(house.person("clinician of practice").get(f"/patients/{house.patient}").text)
    assert texts("en")("course.apart") not in page and "Read off the whole face: " not in page


def test_a_patient_without_a_total_has_no_drawing(house: House) -> None:
    actor = house.actor("clinician of practice")
    with house.clinic.database.writing() as db:
        patient = patients.add_patient(db, actor, house.study, {})
        assert chart(course(patient), texts("en")) == ""


def test_alignment_finds_the_turn_that_was_made() -> None:
    import numpy as np

    here = np.array([[10.0, 20], [200, 30], [100, 150], [90, 220]])
    angle, scale = math.radians(7), 1.13
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    there = here @ turn.T + (12, -5)
    found = similarity(here, there)
    assert found[:, :2] == pytest.approx(turn)
    assert found[:, 2] == pytest.approx(np.array([12, -5]))
    mirrored = similarity(here, here * (-1, 1))
    assert np.linalg.det(mirrored[:, :2]) >= 0  # a face is never mirrored
    assert aligned(b"", {"nose": [1, 1]}, b"", {"nose": [1, 1]}) is None


@pytest.mark.usefixtures("third")
def test_before_and_after_are_compared_on_one_page(house: House) -> None:
    visited(house, ("2026-06-01", 200))
    person = house.member()
    page = person.get(f"/patients/{house.patient}/compare")
    assert page.status_code == 200
    assert "Larger than what re-photographing would explain" in page.text
    assert texts("en")("course.seen") in page.text
    address = re.search(r'src="(/patients/[^"]+/aligned/[^"]+)"', page.text)
    assert address
    picture = person.get(address[1])
    assert picture.headers["content-type"] == "image/jpeg" and picture.content[:2] == b"\xff\xd8"

"""The course: which photograph counts, which change is real, what the drawing shows."""

from __future__ import annotations

import math
import re
from datetime import date
from xml.etree import ElementTree as ET

import pytest

from melascope.clinic import patients, photos, visits
from melascope.clinic.access import Right, patient_of
from melascope.clinic.chart import chart
from melascope.clinic.course import course, detectable_change, repeatability
from melascope.clinic.pictures import aligned, similarity
from melascope.clinic.tables import PhotoView
from melascope.clinic.texts import texts
from melascope.vocabulary import ToneBand
from tests.clinic.made import REFUSED, House, jpeg
from tests.conftest import ROOT

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
    table = page.partition("## MASI, test and retest")[2].partition("## Involved share")[0]
    heads, _, *lines = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")
    )
    rows = {}
    for cells in lines:
        low, high = map(float, cells[heads.index("measured: limits of agreement")].split(" to "))
        rows[cells[0]] = (int(cells[heads.index("pairs")]), max(-low, high))
    known = repeatability()
    assert known["pairs"] == rows["all"][0]
    assert known["masi"] == rows["all"][1]
    for band in ToneBand:
        assert known["masi_by_tone"][band.value] == rows[band.value][1]
    assert all(network in page for network in known["network"].split())


def test_the_widest_limit_of_agreement_is_the_smallest_detectable_change() -> None:
    limit = repeatability()["masi"]
    assert detectable_change() == limit
    assert detectable_change([ToneBand.LIGHT, ToneBand.BROWN]) == repeatability()["masi_by_tone"]["brown"] > limit
    assert detectable_change([ToneBand.LIGHT]) == limit  # never below that of all


def test_changes_are_held_against_the_limit(house: House) -> None:
    visited(house, ("2026-03-01", 64), ("2026-06-01", 200), ("2026-09-01", REFUSED))
    with house.clinic.database.reading() as db:
        found = course(patient_of(db, house.actor("clinician of practice"), house.patient, Right.VIEW))
    first, second, third, refused = found.points
    assert refused.masi is None and refused.photo is None
    assert first.masi is not None and second.masi is not None and third.masi is not None
    assert abs(second.masi - first.masi) < detectable_change() < third.masi - first.masi
    assert found.since_first is not None and found.since_first.real
    assert found.since_first.difference == pytest.approx(third.masi - first.masi)
    assert not found.since_first.comparable  # the drawn records name another network
    assert sum(first.by_region.values()) == pytest.approx(first.masi)


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


def test_before_and_after_are_compared_on_one_page(house: House) -> None:
    visited(house, ("2026-06-01", 200))
    person = house.member()
    page = person.get(f"/patients/{house.patient}/compare")
    assert page.status_code == 200
    assert "Larger than what re-photographing would explain" in page.text
    address = re.search(r'src="(/patients/[^"]+/aligned/[^"]+)"', page.text)
    assert address
    picture = person.get(address[1])
    assert picture.headers["content-type"] == "image/jpeg" and picture.content[:2] == b"\xff\xd8"

"""Lesions between two visits: pairing, what counts as a change, corrections, and where it is shown."""

from __future__ import annotations

import html
import itertools
import json
import math
import re
import tracemalloc
import zipfile
from io import BytesIO

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from melascope.clinic import photos, visits
from melascope.clinic.access import Right, patient_of, photo_of
from melascope.clinic.assignment import assign
from melascope.clinic.between import Between, Face, Fate, Pair, Spot, between, compared, detectable_factor, steadiness
from melascope.clinic.corrections import correct
from melascope.clinic.outlines import ellipse, face_width, outlines
from melascope.clinic.pictures import draw
from melascope.clinic.tables import PhotoView
from melascope.vocabulary import Lesion
from tests.clinic.made import House, jpeg
from tests.report.synthetic import drawn_codes, measured

ANCHORS = {"nose": [500.0, 500.0], "forehead": [500.0, 200.0], "chin": [500.0, 900.0], "left_malar": [700.0, 550.0]}
FACE_PX = 700.0
"""Of the made faces: 5 pixels stand for a millimetre."""


def spot(number: int, x: float, y: float, width: float, height: float | None = None, **more: object) -> Spot:
    """A lesion of so many millimetres around a place in millimetres."""
    high = width if height is None else height
    box = [5 * side for side in (x - width / 2, y - high / 2, x + width / 2, y + high / 2)]
    values = {"kind": None, "region": "forehead", "drawn": False, "confirmed": False} | more
    return Spot(number=number, area_mm2=math.pi / 4 * width * high, outline=ellipse(box), **values)  # type: ignore[arg-type]


def told(before: list[Spot], after: list[Spot]) -> Between:
    found = compared(Face(tuple(before), ANCHORS, FACE_PX), Face(tuple(after), ANCHORS, FACE_PX))
    assert found is not None
    return found


def numbers(pairs: tuple[Pair, ...]) -> set[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    return {(p.fate.value, tuple(s.number for s in p.before), tuple(s.number for s in p.after)) for p in pairs}


# ---------------------------------------------------------------- pairing


def best_sum(gains: NDArray[np.float64]) -> float:
    """The largest sum of a one-to-one pairing, by trying all."""
    table = gains if gains.shape[0] <= gains.shape[1] else gains.T
    rows, columns = table.shape
    tried = itertools.permutations(range(columns), rows)
    return max(sum(max(0.0, table[i, j]) for i, j in enumerate(one)) for one in tried)


def test_the_assignment_is_the_best_there_is() -> None:
    rng = np.random.default_rng(4)
    for _ in range(150):
        gains = rng.random(rng.integers(0, 6, 2)).round(1)
        gains[rng.random(gains.shape) < 0.4] = 0
        pairs = assign(gains)
        assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
        assert all(gains[i, j] > 0 for i, j in pairs)
        assert sum(gains[i, j] for i, j in pairs) == pytest.approx(best_sum(gains))


def test_lesions_find_each_other_although_the_later_face_is_turned_and_nearer() -> None:
    spots = [spot(n, 40 + 17 * n, 60 + 9 * (n % 3), 8 + n) for n in range(1, 5)]
    turn, shift = 1.2 * np.array([[math.cos(0.1), -math.sin(0.1)], [math.sin(0.1), math.cos(0.1)]]), (30, -12)
    anchors = {name: list(turn @ place + shift) for name, place in ANCHORS.items()}
    moved = [
        Spot(9 - s.number, None, "", s.area_mm2, s.outline @ turn.T + shift, drawn=False, confirmed=False)
        for s in spots
    ]
    found = compared(Face(tuple(spots), ANCHORS, FACE_PX), Face(tuple(moved), anchors, 1.2 * FACE_PX))
    assert found is not None
    assert numbers(found.pairs) == {("same", (n,), (9 - n,)) for n in range(1, 5)}
    for pair in found.pairs:
        assert found.outline_after(pair.after[0]) == pytest.approx(pair.before[0].outline, abs=1e-6)
    nowhere = Face(tuple(moved), {"nose": [1.0, 2.0]}, FACE_PX)
    assert compared(Face(tuple(spots), ANCHORS, FACE_PX), nowhere) is None


def test_new_grown_shrunk_and_gone_are_told_apart() -> None:
    large = math.sqrt(steadiness()["appears_mm2"] * 4 / math.pi) + 1
    before = [spot(1, 30, 40, 20), spot(2, 70, 40, 20), spot(3, 110, 40, 20), spot(4, 40, 90, large), spot(5, 5, 5, 1)]
    after = [spot(1, 31, 40, 20.5), spot(2, 70, 41, 60), spot(3, 110, 40, 6), spot(6, 90, 120, large)]
    found = told(before, after)
    assert numbers(found.pairs) == {
        ("same", (1,), (1,)),
        ("grown", (2,), (2,)),
        ("shrunk", (3,), (3,)),
        ("gone", (4,), ()),
        ("new", (), (6,)),
        ("unsure", (5,), ()),
    }
    assert [pair.fate.value for pair in found.pairs] == ["new", "grown", "shrunk", "gone", "same", "unsure"]
    assert found.counts[Fate.SAME] == 1 and len(found.changed) == 4 and len(found.others) == 2


def test_a_change_counts_from_the_limit_for_its_size() -> None:
    for width in (4.0, 12.0, 40.0):
        area = math.pi / 4 * width**2
        factor = detectable_factor(area)
        for share, fate in ((0.97, Fate.SAME), (1.03, Fate.GROWN)):
            # Around a mean size the limit holds in both directions.
            low, high = (width * (factor * share) ** (sign / 4) for sign in (-1, 1))
            assert told([spot(1, 60, 60, low)], [spot(1, 60, 60, high)]).pairs[0].fate is fate
            back = told([spot(1, 60, 60, high)], [spot(1, 60, 60, low)]).pairs[0].fate
            assert back is (Fate.SHRUNK if fate is Fate.GROWN else fate)


def test_patches_that_run_together_or_fall_apart_are_neither_gone_nor_new() -> None:
    whole, parts = [spot(1, 60, 60, 40, 20)], [spot(1, 50, 60, 19, 20), spot(2, 71, 60, 16, 18)]
    assert numbers(told(parts, whole).pairs) == {("same", (1, 2), (1,))}
    assert numbers(told(whole, parts).pairs) == {("same", (1,), (1, 2))}
    [pair] = told(whole, parts).pairs
    assert pair.area_after == pytest.approx(sum(part.area_mm2 for part in parts))


def test_a_drawn_box_is_there_and_its_area_is_not_compared() -> None:
    drawn = spot(2, 60, 60, 3, drawn=True, confirmed=True)
    [pair] = told([spot(1, 60, 60, 20)], [drawn]).pairs
    assert (pair.fate, pair.area_after, pair.limit) == (Fate.SAME, None, None)
    both = told([spot(1, 60, 60, 40)], [spot(1, 60, 60, 40), drawn])
    assert numbers(both.pairs) == {("same", (1,), (1,)), ("new", (), (2,))}  # on a patch, and no part of it
    [pair] = told([], [drawn]).pairs
    assert pair.fate is Fate.NEW  # small, and a person says so
    assert told([], []).pairs == ()


# ---------------------------------------------------------------- outlines


def test_boxes_far_from_the_face_take_no_more_memory_than_a_face() -> None:
    far = [spot(1, 100, 100, 8), spot(2, 40_000, 30_000, 30, drawn=True)]
    tracemalloc.start()
    try:
        found = told(far, far)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 100e6
    assert numbers(found.pairs) == {("same", (1,), (1,)), ("same", (2,), (2,))}


def test_outlines_follow_the_mask_and_have_its_area() -> None:
    mask = np.zeros((300, 400), np.uint8)
    cv2.ellipse(mask, (120, 100), (60, 30), 20, 0, 360, 1, -1)
    cv2.circle(mask, (300, 200), 9, 1, -1)
    rows, columns = np.nonzero(mask[:170, :200])
    boxes = [
        (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1),
        (291, 191, 310, 210),
        (5, 5, 15, 25),  # the mask holds nothing there: an ellipse
    ]
    found = [np.array(one, np.float32).reshape(-1, 2) for one in outlines(mask.astype(bool), boxes, 0.5)]
    areas = [float(cv2.contourArea(one)) * 4 for one in found]
    truth = [int(mask[:170, :200].sum()), int(mask[150:].sum()), math.pi / 4 * 10 * 20]
    assert areas == pytest.approx(truth, rel=0.06)
    assert found[0].mean(axis=0) == pytest.approx([60, 50], abs=4)


def test_the_width_of_the_face_is_that_of_the_measurement() -> None:
    from melascope.skin.regions import RegionMap
    from melascope.vocabulary import View

    codes = drawn_codes(200, 260)
    empty = np.zeros((1, 1), np.float32)
    known = RegionMap(codes, np.zeros((260, 200, 3), np.uint8), (0, 0, 200, 260), View.FACE, {}, frozenset(), 1, empty,
                      empty, np.zeros((7, 1, 1), np.float32), empty, codes)  # fmt: skip
    assert face_width(codes) == known.face_px
    made = draw(measured(width=200, height=260), np.zeros((260, 200, 3), np.uint8))
    assert made.face_px == pytest.approx(face_width(codes), abs=0.1)
    assert len(made.outlines) == 15


# ---------------------------------------------------------------- in the clinic


def second_visit(house: House, number: int) -> tuple[str, str]:
    actor = house.actor("clinician of practice")
    with house.clinic.database.writing() as db:
        visit = visits.add_visit(db, actor, house.patient, {"day": "2026-06-01"}).id
    photo, _ = photos.add_photo(
        house.clinic.database, actor, house.clinic.store, visit, PhotoView.FRONTAL, jpeg(number)
    )
    house.clinic.runner.drain()
    return visit, photo


def test_what_a_person_says_of_lesions_counts(house: House) -> None:
    _, later = second_visit(house, 60)  # the same drawn face: nothing changes by itself
    actor = house.actor("annotator of practice")

    def found() -> Between:
        with house.clinic.database.reading() as db:
            pair = [photo_of(db, actor, one, Right.VIEW) for one in (house.photo, later)]
            result = between(*pair)
        assert result is not None
        return result

    assert not found().changed and not found().comparable
    assert len(found().pairs) == 3
    changes = [
        ("lesion/0", {"deleted": True}),
        ("lesion/1", {"kind": "hori"}),
        ("box/new", {"kind": "mel", "box": [2, 2, 12, 12]}),
    ]
    with house.clinic.database.writing() as db:
        correct(db, actor, later, 1, changes)
    result = found()
    assert {(p.fate.value, len(p.before), len(p.after)) for p in result.changed} >= {("new", 0, 1)}
    assert 1 not in {s.number for p in result.pairs for s in p.after}
    assert Lesion.HORI_NEVUS in {kind for p in result.pairs for kind in p.kinds}
    drawn = next(s for p in result.pairs for s in p.after if s.drawn)
    assert drawn.kind is Lesion.MELASMA


def test_a_name_by_another_network_is_no_change_of_the_lesion(house: House) -> None:
    _, later = second_visit(house, 60)
    actor = house.actor("annotator of practice")
    for photo, network, kind in ((house.photo, "a", "mel"), (later, "b", "caf")):
        with house.clinic.database.writing() as db:
            analysed = photo_of(db, actor, photo, Right.VIEW).analysed
            assert analysed is not None
            record = json.loads(analysed.record)
            record["versions"]["naming network"] = network
            for lesion in record["lesions"]:
                lesion["kind"] = kind
            analysed.record = json.dumps(record)

    def kinds() -> set[tuple[Lesion, ...]]:
        with house.clinic.database.reading() as db:
            found = between(*(photo_of(db, actor, one, Right.VIEW) for one in (house.photo, later)))
        assert found is not None
        return {pair.kinds for pair in found.pairs}

    assert kinds() == {(Lesion.CAFE_AU_LAIT,)}
    with house.clinic.database.writing() as db:
        correct(db, actor, house.photo, 1, [("lesion/0", {"kind": "ota"})])  # a person's name stays
    assert (Lesion.NEVUS_OF_OTA, Lesion.CAFE_AU_LAIT) in kinds()


def test_what_a_lesion_without_a_name_may_be_stands_on_the_page(house: House) -> None:
    _, later = second_visit(house, 60)  # the same drawn face
    actor = house.actor("annotator of practice")
    person = house.member()

    def says(photo: str, network: str, *told: dict[str, object]) -> None:
        with house.clinic.database.writing() as db:
            analysed = photo_of(db, actor, photo, Right.VIEW).analysed
            assert analysed is not None
            record = json.loads(analysed.record)
            record["versions"]["naming network"] = network
            for lesion, more in zip(record["lesions"], told, strict=True):
                lesion |= {"kind": None, "kinds": [], "other_probability": 0.0} | more
            analysed.record = json.dumps(record)

    def kinds() -> list[str]:
        page = person.get(f"/patients/{house.patient}/compare").text
        cells = re.findall(r'<td data-label="Kind">(.*?)</td>', page)
        return sorted(html.unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in cells)

    either: dict[str, object] = {"kinds": [{"kind": "mel", "probability": 0.5}, {"kind": "hori", "probability": 0.45}]}
    other: dict[str, object] = {"other_probability": 0.9}
    says(house.photo, "a", other, either, {})
    says(later, "a", either, other, {})
    assert kinds() == ["like none of the six", "melasma or Hori's nevus", "not named"]  # what is said last
    says(house.photo, "a", {"kind": "mel"}, either, {})
    assert kinds() == ["like none of the six", "melasma", "not named"]  # a name goes first
    with house.clinic.database.writing() as db:
        correct(db, actor, later, 1, [("lesion/1", {"kind": ""})])
    assert kinds() == ["melasma", "not named", "not named"]  # a person has looked, and named nothing


def test_the_change_stands_on_the_pages_in_the_api_and_in_the_export(house: House) -> None:
    visit, _ = second_visit(house, 200)
    person = house.member()
    page = person.get(f"/patients/{house.patient}/compare").text
    assert "Lesions between the visits" in page and 'class="outline before' in page and " style=" not in page
    course = person.get(f"/patients/{house.patient}").text
    assert "Lesions since 2026-01-05" in course
    key = re.search(r'class="secret">([^<]+)<', person.post("/account/tokens", {"name": "test"}).text)
    assert key
    headers = {"authorization": f"Bearer {key[1]}"}
    address = f"/api/v1/patients/{house.patient}/lesions"
    answer = person.client.get(address, headers=headers).json()
    assert (answer["before"], answer["after"]) == (house.visit, visit)
    assert sum(answer["change"]["counts"].values()) == len(answer["change"]["lesions"]) > 0
    for wrong in (house.other_visit, "0" * 32):
        assert person.client.get(f"{address}?before={wrong}", headers=headers).status_code == 404
    same = person.client.get(f"{address}?before={visit}&after={visit}", headers=headers).json()
    assert same["change"] is None
    archive = zipfile.ZipFile(BytesIO(person.get(f"/patients/{house.patient}/export.zip").content))
    [kept] = json.loads(archive.read("patient.json"))["lesions_between_visits"]
    assert kept.pop("before") == house.visit and kept.pop("after") == visit
    assert kept == answer["change"]


def test_photographs_without_outlines_are_not_compared(house: House) -> None:
    second_visit(house, 200)
    with house.clinic.database.writing() as db:
        patient = patient_of(db, house.actor("clinician of practice"), house.patient, Right.VIEW)
        row = patient.visits[0].photos[0].analysed
        assert row is not None
        row.pictures = {key: value for key, value in row.pictures.items() if key not in ("outlines", "face_px")}
    page = house.member().get(f"/patients/{house.patient}/compare")
    assert page.status_code == 200 and "cannot be compared" in page.text

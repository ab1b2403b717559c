"""Corrections: what is kept, what holds, and what happens when two correct at once."""

from __future__ import annotations

import html
import json
import re
import threading

import pytest
from sqlalchemy.orm.exc import StaleDataError

from melascope.clinic import visits
from melascope.clinic.access import Conflict, Invalid, Right, photo_of, visit_of
from melascope.clinic.corrections import correct, read
from melascope.record import Analysis
from melascope.vocabulary import Lesion, Region
from tests.clinic.made import VERSION, House

CLINICIAN = "clinician of practice"


def given(house: House, *changes: tuple[str, dict[str, object]], version: int | None = None) -> int:
    """Correct the photograph; returns its version afterwards."""
    actor = house.actor(CLINICIAN)
    with house.clinic.database.writing() as db:
        now = photo_of(db, actor, house.photo, Right.VIEW).version
        return correct(db, actor, house.photo, version or now, list(changes)).version


def test_the_total_is_that_of_the_steps_given_and_of_the_values_measured(house: House) -> None:
    given(house, ("score/forehead", {"area": 4, "darkness": 3, "homogeneity": 2}))
    with house.clinic.database.reading() as db:
        photo = photo_of(db, house.actor(CLINICIAN), house.photo, Right.VIEW)
        reading = read(photo)
        assert reading is not None and photo.analysed is not None
        measured = Analysis.model_validate_json(photo.analysed.record)
        assert measured == reading.record  # the measurement stays as it was
        assert measured.regions is not None and measured.masi is not None
        r = measured.regions
        literal = 0.3 * 4 * (3 + 2)
        for weight, region in ((0.3, r.right_malar), (0.3, r.left_malar), (0.1, r.chin)):
            assert region.area is not None and region.darkness is not None and region.homogeneity is not None
            literal += weight * region.area * (region.darkness + region.homogeneity)
        assert reading.masi == pytest.approx(literal)
        assert reading.masi != pytest.approx(measured.masi.masi)
        assert reading.interval is None  # a person's score has none
        [row] = photo.corrections
        assert row.original == {
            "area": r.forehead.area_step,
            "darkness": r.forehead.darkness_step,
            "homogeneity": r.forehead.homogeneity_step,
        }
        assert row.user.name == CLINICIAN


def test_an_empty_correction_gives_the_measurement_back_and_keeps_the_history(house: House) -> None:
    given(house, ("score/chin", {"area": 1, "darkness": 1, "homogeneity": 1}))
    given(house, ("score/chin", {}))
    with house.clinic.database.reading() as db:
        photo = photo_of(db, house.actor(CLINICIAN), house.photo, Right.VIEW)
        reading = read(photo)
        assert reading is not None and reading.record.masi is not None
        assert reading.masi == reading.record.masi.masi
        assert not reading.rescored
        assert [row.value for row in photo.corrections] == [{"area": 1, "darkness": 1, "homogeneity": 1}, {}]


def test_lesions_are_renamed_deleted_restored_and_drawn(house: House) -> None:
    given(
        house,
        ("lesion/0", {"kind": "ota"}),
        ("lesion/1", {"deleted": True}),
        ("box/new", {"kind": "fre", "box": [80, 110, 5, 400]}),
    )
    with house.clinic.database.reading() as db:
        reading = read(photo_of(db, house.actor(CLINICIAN), house.photo, Right.VIEW))
        assert reading is not None
        first, second, third, drawn = reading.lesions
        assert first.kind is Lesion.NEVUS_OF_OTA and first.measured is not None and first.measured.kind is None
        assert second.deleted and not third.deleted
        assert drawn.box == (5, 110, 80, 120)  # corners in order, within the 90 × 120 photograph
        assert drawn.kind is Lesion.FRECKLE and drawn.measured is None
        target = drawn.target
    given(house, ("lesion/1", {}), (target, {}))
    with house.clinic.database.reading() as db:
        reading = read(photo_of(db, house.actor(CLINICIAN), house.photo, Right.VIEW))
        assert reading is not None
        assert [row.deleted for row in reading.lesions] == [False] * 3


def kinds_shown(house: House) -> list[str]:
    page = house.person(CLINICIAN).get(f"/photos/{house.photo}").text
    return [
        html.unescape(re.sub(r"<[^>]+>", "", cell)).strip()
        for cell in re.findall(r'<td data-label="Kind">(.*?)</td>', page)
    ]


def test_what_a_patch_may_be_is_shown_until_a_person_names_it_and_again_when_that_is_taken_back(house: House) -> None:
    two = [{"kind": "mel", "probability": 0.5}, {"kind": "hori", "probability": 0.45}]
    three = [*two[:1], {"kind": "ota", "probability": 0.2}, {"kind": "hori", "probability": 0.15}]
    unsure = {"kinds": three, "other_probability": 0.14}
    told: list[dict[str, object]] = [{"other_probability": 0.9}, {"kinds": two}, unsure]
    with house.clinic.database.writing() as db:
        photo = photo_of(db, house.actor(CLINICIAN), house.photo, Right.VIEW)
        assert photo.analysed is not None
        record = json.loads(photo.analysed.record)
        for lesion, more in zip(record["lesions"], told, strict=True):
            lesion |= more
        photo.analysed.record = json.dumps(record)
    doubt = "unsure: melasma / nevus of Ota / Hori's nevus / none of the six"
    measured = ["like none of the six", "melasma or Hori's nevus", doubt]
    assert kinds_shown(house)[:3] == measured
    given(house, ("lesion/0", {"kind": "ota"}), ("lesion/1", {"kind": ""}), ("lesion/2", {"deleted": True}))
    named = kinds_shown(house)
    assert named[0].startswith("nevus of Ota") and named[1].startswith("not named")
    given(house, ("lesion/0", {}), ("lesion/1", {"deleted": True}), ("lesion/2", {}))
    again = kinds_shown(house)
    assert [cell.removesuffix(f" {CLINICIAN}") for cell in again[:3]] == measured


IMPOSSIBLE = (
    ("score/forehead", {"area": 7, "darkness": 1, "homogeneity": 1}),
    ("score/forehead", {"area": 1, "darkness": 5, "homogeneity": 1}),
    ("score/forehead", {"area": 0, "darkness": 1, "homogeneity": 1}),
    ("score/forehead", {"area": 1, "darkness": 1}),
    ("score/nose", {"area": 1, "darkness": 1, "homogeneity": 1}),
    ("lesion/99", {"kind": "ota"}),
    ("lesion/0", {"kind": "wart"}),
    ("lesion/0", {"kind": "ota", "by": "somebody else"}),
    ("box/new", {"kind": "fre", "box": [1, 1, 2, 2]}),
    ("box/new", {"kind": "fre", "box": [1, 1, 2]}),
    ("box/unknown", {"kind": "fre", "box": [1, 1, 20, 20]}),
    ("photo/1", {}),
)


def test_what_cannot_be_is_refused(house: House) -> None:
    for target, value in IMPOSSIBLE:
        with pytest.raises(Invalid):
            given(house, (target, value))


def test_the_second_of_two_gets_a_conflict_page_with_everything_that_was_entered(house: House) -> None:
    ann, bob = house.person(CLINICIAN), house.person("annotator of practice")
    address = f"/photos/{house.photo}"
    version = VERSION.search(ann.get(address).text)
    assert version
    scores = {
        f"{region}.{part}": "1" for region in ("forehead", "chin") for part in ("area", "darkness", "homogeneity")
    }
    assert bob.post(f"{address}/scores", {"version": version[1], **scores}).status_code == 303
    late = ann.post(f"{address}/scores", {"version": version[1], **scores, "chin.area": "5"})
    assert late.status_code == 409
    assert "annotator of practice" in late.text
    assert "A 5 · D 1 · H 1" in late.text and "A 1 · D 1 · H 1" in late.text
    anew = VERSION.search(late.text)
    assert anew and anew[1] != version[1]
    fields = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', late.text))
    assert ann.post(f"{address}/scores", fields).status_code == 303
    with house.clinic.database.reading() as db:
        reading = read(photo_of(db, house.actor(CLINICIAN), house.photo, Right.VIEW))
        assert reading is not None
        chin = next(row for row in reading.regions if row.region is Region.CHIN)
        assert chin.score is not None and chin.score.area == 5


def test_two_browsers_editing_one_visit_lose_nothing(house: House) -> None:
    ann, bob = house.person(CLINICIAN), house.person("administrator of practice")
    address = f"/visits/{house.visit}"
    data = {"day": "2026-01-05", "version": "1"}
    assert ann.post(f"{address}/edit", {**data, "note": "Ann's words"}).status_code == 303
    late = bob.post(f"{address}/edit", {**data, "note": "Bob's words"})
    assert late.status_code == 409
    assert "Ann&#39;s words" in late.text and "Bob&#39;s words" in late.text
    anew = VERSION.search(late.text)
    assert anew
    assert bob.post(f"{address}/edit", {**data, "note": "both words", "version": anew[1]}).status_code == 303


def test_of_two_at_the_same_moment_one_is_refused(house: House) -> None:
    actor, start, seen = house.actor(CLINICIAN), threading.Barrier(2), []

    def save(area: int) -> None:
        start.wait()
        try:
            with house.clinic.database.writing() as db:
                correct(db, actor, house.photo, 1, [("score/chin", {"area": area, "darkness": 1, "homogeneity": 1})])
            seen.append("kept")
        except (Conflict, StaleDataError) as error:
            seen.append(type(error).__name__)

    threads = [threading.Thread(target=save, args=(area,)) for area in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen.count("kept") == 1
    assert set(seen) - {"kept"} <= {"Conflict", "StaleDataError"}


def test_a_signature_holds_until_something_changes(house: House) -> None:
    actor = house.actor(CLINICIAN)
    with house.clinic.database.writing() as db:
        visit = visit_of(db, actor, house.visit, Right.VIEW)
        seen = visits.content_digest(visit)
        visits.sign_visit(db, actor, house.visit, seen)
    with house.clinic.database.reading() as db:
        holds, former = visits.valid_signatures(visit_of(db, actor, house.visit, Right.VIEW))
        assert (len(holds), len(former)) == (1, 0)
    given(house, ("lesion/0", {"kind": "mel"}))
    with house.clinic.database.writing() as db:
        holds, former = visits.valid_signatures(visit_of(db, actor, house.visit, Right.VIEW))
        assert (len(holds), len(former)) == (0, 1)
        with pytest.raises(Conflict):
            visits.sign_visit(db, actor, house.visit, seen)  # what was seen is no longer what there is

"""What the benchmark of tones counts: sets of six photographs of a person, by tone, one figure a tone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchmarks import tallies
from benchmarks.photo_figures import Held, PhotoFigures
from benchmarks.tones import (
    BANDS,
    _reached,
    band_of,
    figures,
    gap,
    made_up_face,
    make_up_table,
    page,
    twins,
    visibility_table,
)

from melascope.cohort.patient import Cohort, photo_plans, sample_patient
from melascope.vocabulary import ToneBand
from tests.whole.test_tallies import with_called


def test_names_of_photographs_tell_the_tone() -> None:
    cohort = Cohort(24, 3, each_tone=True)
    for number in range(24):
        patient = sample_patient(cohort, number)
        for plan in photo_plans(cohort, patient, 1):
            assert band_of(plan.name) == patient.band
    assert tuple(ToneBand) == BANDS


def test_a_set_of_which_one_was_refused_is_left_out_whole() -> None:
    photos = [with_called(f"p{number:05d}-v1-1-dslr-frontal", 10, true=20, both=5) for number in range(12)]
    photos += [with_called(f"p{number:05d}-v1-2-phone-left45", 10, true=20, both=5) for number in range(6)]
    photos[7] = replace(photos[7], seen=None)
    assert [one.photo for one in twins(photos)] == [one.photo for one in (*photos[:6], *photos[12:])]


def test_what_one_of_six_lacks_is_left_out_of_all() -> None:
    photos = []
    for number in range(12):
        one = with_called(f"p{number:05d}-v1-1-dslr-frontal", 10, true=20, both=5, density=0.1 - 0.01 * (number % 6))
        assert one.seen
        shares = {"chin": (0.5, None if number == 3 else 0.4), "forehead": (0.1, 0.2)}
        held = (Held("MASI", "", 1, 2, 1.5, True), Held("darkness", "chin", 1, 2, 1.5, True))
        seen = replace(one.seen, masi=None if number == 3 else 9.0, shares=shares, held=held)
        photos.append(replace(one, seen=seen))
    found = twins(photos)
    assert [one.seen and one.seen.masi for one in found] == [None] * 6 + [9.0] * 6
    assert [sorted(one.seen.shares) for one in found if one.seen] == [["forehead"]] * 6 + [["chin", "forehead"]] * 6
    assert [[held.what for held in one.seen.held] for one in found if one.seen] == (
        [["darkness"]] * 6 + [["MASI", "darkness"]] * 6
    )
    assert {one.density for one in found} == {0.1}


def test_figures_are_those_of_each_tone() -> None:
    photos = []
    for person in range(2):
        for tone, both in enumerate((50, 50, 40, 40, 30, 10)):
            found = with_called(f"p{6 * person + tone:05d}-v1-1-dslr-frontal", 60, true=100, both=both, masi=8.0)
            assert found.seen
            photos.append(replace(found, seen=replace(found.seen, masi=8.0 - tone)))
    assert gap(photos, tallies.dice) == pytest.approx(2 * (50 - 10) / 160)
    named = {name: figure for name, figure, _, _ in figures()}
    assert named["MASI: bias"](photos) == pytest.approx(-2.5)
    assert named["MASI: mean absolute error"]([one for one in photos if band_of(one.photo) == "dark"]) == 5.0
    text = page(photos, "a command")
    assert "| pigment: share of it that is called | 0.500 | 0.500 | 0.400 | 0.400 | 0.300 | 0.100 | 0.400 |" in text
    assert "| pigment: share of what is called that is pigment | 0.833 | 0.833 | 0.667 | 0.667 | 0.500 |" in text
    assert "| pigment: Dice, pooled | 0.625 | 0.625 | 0.500 | 0.500 | 0.375 | 0.125 | 0.500 |" in text
    assert "2 virtual people on 12 heads" in text
    assert "lacking: 12 photographs are in the figures, 2 sets give totals" in text
    assert "0.05 or less for the Dice: not reached" in text


def test_bare_faces_are_told_apart_from_those_with_make_up() -> None:
    photos = []
    for person, worn in enumerate(((), ("moles", "make-up"))):
        for tone, both in enumerate((50, 50, 40, 40, 30, 10) if worn else (50, 50, 50, 50, 48, 47)):
            found = with_called(f"p{6 * person + tone:05d}-v1-1-dslr-frontal", 60, true=100, both=both)
            photos.append(replace(found, look_alikes=worn))
    assert [made_up_face(one) for one in photos] == [False] * 6 + [True] * 6
    rows = make_up_table(photos).splitlines()
    assert any(row.startswith("| bare | Dice, pooled | 1 | 0.625 | 0.625 |") for row in rows)
    assert any(row.startswith("| make-up | Dice, pooled | 1 | 0.625 | 0.625 | 0.500 |") for row in rows)
    text = page(photos, "a command")
    assert "0.05 or less for the Dice: not reached; of bare faces alone: reached." in text
    assert "make-up |" not in make_up_table(photos[:6])


def test_how_far_the_same_lesions_stand_out_is_told_in_each_tone() -> None:
    photos = []
    for tone, (stands, both) in enumerate(((4.0, 80), (3.5, 70), (2.5, 60), (2.0, 50), (1.0, 40), (0.5, 20))):
        found = with_called(f"p{tone:05d}-v1-1-dslr-frontal", 100, true=100, both=both, density=0.05)
        assert found.seen
        photos.append(replace(found, seen=replace(found.seen, detectability=stands)))
    assert "| slight, 0.03 to 0.08 | 1 | 4.0 | 3.5 | 2.5 | 2.0 | 1.0 | 0.5 | 0.12 |" in visibility_table(photos)
    unseen = [replace(one, seen=replace(one.seen, detectability=None)) for one in photos if one.seen]
    assert "slight" not in visibility_table(unseen)


def test_whether_the_aim_is_reached_is_told_with_its_doubt() -> None:
    def photos(each: tuple[int, ...]) -> list[PhotoFigures]:
        """Six photographs a head; `each` pixels found in dark skin, head by head, and 50 in every other tone."""
        found = []
        for head, both in enumerate(each):
            for tone in range(6):
                name = f"p{6 * head + tone:05d}-v1-1-dslr-frontal"
                found.append(replace(with_called(name, 50, true=50, both=both if tone == 5 else 50), head=str(head)))
        return found

    assert _reached(photos((50, 49, 49, 50))) == "reached"
    assert _reached(photos((50, 50, 50, 42))) == "reached, not surely"
    assert _reached(photos((45, 45, 45, 45))) == "not reached"

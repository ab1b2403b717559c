"""Who is drawn: tone bands evenly, heads shared within a cast, visits that run their course."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest
from pydantic import TypeAdapter

from melascope.cohort.complexion import in_tone
from melascope.cohort.growth import DENSITIES
from melascope.cohort.patient import (
    Cast,
    Cohort,
    Patient,
    PhotoPlan,
    ancestry_group,
    photo_plans,
    sample_cast,
    sample_patient,
    visits_of,
)
from melascope.cohort.tables import _seed
from melascope.vocabulary import ITA_BANDS, Lesion, ToneBand

GOES_WITH_TONE = (
    "forehead_tone",
    "temple_tone",
    "nose_tone",
    "perioral_tone",
    "periorbital_tone",
    "neck_tone",
    "crease_tone",
    "lip_tone",
    "unevenness",
    "mottling",
)
"""What of a person's skin is another in another tone."""
COHORT = Cohort(patients=180, seed=3, visits=4, per_head=10)


@pytest.fixture(scope="module")
def patients() -> list[Patient]:
    return [sample_patient(COHORT, number) for number in range(COHORT.patients)]


def test_tone_bands_occur_alike(patients: list[Patient]) -> None:
    counts = Counter(patient.band for patient in patients)
    assert set(counts) == set(ToneBand)
    assert max(counts.values()) - min(counts.values()) <= 2


def test_the_angle_lies_in_its_band(patients: list[Patient]) -> None:
    for patient in patients:
        assert next(band for limit, band in ITA_BANDS if patient.ita_deg > limit) == patient.band


def test_a_patient_depends_on_what_is_asked_for_seed_and_number() -> None:
    one = sample_patient(COHORT, 77)
    assert one == sample_patient(COHORT, 77)
    assert one == sample_patient(replace(COHORT, patients=90, visits=1, photos=5, size_px=192), 77)
    for other in (replace(COHORT, seed=4), replace(COHORT, per_head=5), replace(COHORT, kinds=("mel",))):
        assert one != sample_patient(other, 77)


def test_two_cohorts_of_one_seed_share_heads_by_number_whoever_has_them() -> None:
    other = replace(COHORT, per_head=5, kinds=("mel",))
    assert sample_cast(COHORT, 7) == sample_cast(other, 7)
    assert (sample_patient(COHORT, 77).cast, sample_patient(other, 77).cast) == (7, 15)


@pytest.mark.parametrize("tones", [("brown",), ("dark", "brown"), ("very light",), ("tan", "intermediate")])
def test_with_other_tones_heads_are_shared_by_number_and_ancestry(tones: tuple[str, ...]) -> None:
    other = replace(COHORT, tones=tones)
    for number in range(12):
        alike = ancestry_group(COHORT.tones, number) == ancestry_group(tones, number)
        assert (sample_cast(COHORT, number) == sample_cast(other, number)) == alike


@pytest.mark.parametrize(
    ("patients", "per_head", "size", "casts"), [(1, 0, 1, 1), (24, 0, 2, 12), (500, 0, 10, 50), (7, 3, 3, 3)]
)
def test_casts_share_heads(patients: int, per_head: int, size: int, casts: int) -> None:
    cohort = Cohort(patients, per_head=per_head)
    assert (cohort.cast_size, cohort.casts) == (size, casts)
    members = [number for cast in range(cohort.casts) for number in cohort.members(cast)]
    assert members == list(range(patients))


def test_members_of_a_cast_share_shots_and_nothing_of_the_skin(patients: list[Patient]) -> None:
    one, other = patients[10], patients[11]
    assert one.cast == other.cast == 1
    assert one.skin != other.skin
    for a, b in zip(photo_plans(COHORT, one, 2), photo_plans(COHORT, other, 2), strict=True):
        assert a.shot == b.shot
        assert a.camera != b.camera
        assert a.name != b.name


def test_every_visit_has_new_light_and_pose(patients: list[Patient]) -> None:
    shots = [next(photo_plans(COHORT, patients[0], visit)).shot for visit in (1, 2, 3)]
    assert len({shot.yaw_deg for shot in shots}) == 3


def test_treatment_lightens_and_relapse_comes_back() -> None:
    with_melasma = [
        (patient, list(visits_of(COHORT, patient)))
        for patient in (sample_patient(Cohort(120, 3, visits=4, kinds=("mel",)), n) for n in range(120))
    ]
    courses = {patient.course for patient, _ in with_melasma}
    assert courses == {"improving", "stable", "relapsing", "worsening"}
    for patient, visits in with_melasma:
        densities = [visit.lesions[0].density for visit in visits]
        assert densities[0] == patient.lesions[0].density
        if patient.course == "improving":
            assert densities == sorted(densities, reverse=True)
            assert densities[-1] < densities[0]
        if patient.course == "worsening":
            assert densities[-1] > densities[0] or densities[0] >= 0.4
        if patient.course == "relapsing":
            assert min(densities) < densities[-1]


def test_tones_that_are_asked_for_occur_alone_and_with_fitting_ancestry() -> None:
    cohort = Cohort(240, 5, per_head=4, tones=("brown", "dark"))
    patients = [sample_patient(cohort, number) for number in range(240)]
    assert {patient.band for patient in patients} == {ToneBand.BROWN, ToneBand.DARK}
    counts = Counter(patient.band for patient in patients)
    assert abs(counts[ToneBand.BROWN] - counts[ToneBand.DARK]) <= 12
    shares = np.array([sample_cast(cohort, number).ancestry for number in range(cohort.casts)])
    assert shares[:, 2].mean() < 0.15


def test_views_that_are_asked_for_occur_alone_and_alike() -> None:
    cohort = Cohort(120, 5, photos=2, per_head=1, views=("close-up", "left45"))
    shots = [plan.shot for number in range(120) for plan in photo_plans(cohort, sample_patient(cohort, number), 1)]
    counts = Counter(shot.view for shot in shots)
    assert set(counts) == {"close-up", "left45"}
    assert abs(counts["close-up"] - 120) <= 30
    assert {shot.device for shot in shots} == {"dslr", "phone"}


@pytest.mark.parametrize("tones", [(), ("dark", "light", "brown")])
def test_with_each_tone_a_person_differs_in_the_skin_s_tone_alone(tones: tuple[str, ...]) -> None:
    bands = [band for band in ToneBand if not tones or band in tones]
    many = len(bands)
    cohort = Cohort(20 * many, 9, visits=2, tones=tones, per_head=2 * many, each_tone=True)
    assert cohort.casts == 10
    for person in range(20):
        twins = [sample_patient(cohort, many * person + twin) for twin in range(many)]
        assert [one.band for one in twins] == bands
        assert all(low > high for low, high in pairwise(one.ita_deg for one in twins))
        assert [next(b for limit, b in ITA_BANDS if one.ita_deg > limit) for one in twins] == bands
        untold = dict.fromkeys((*GOES_WITH_TONE, "ita_deg"), 0.0)
        first = replace(twins[0], name="", number=0, band=ToneBand.DARK, ita_deg=0.0)
        first = replace(first, skin=replace(first.skin, **untold))
        for one in twins:
            alike = replace(one, name="", number=0, band=ToneBand.DARK, ita_deg=0.0)
            assert replace(alike, skin=replace(one.skin, **untold)) == first
            days = [replace(visit.skin, **untold) for visit in visits_of(cohort, one)]
            assert days == [replace(visit.skin, **untold) for visit in visits_of(cohort, twins[0])]
            plans = [(p.slot, p.shot, p.camera) for p in photo_plans(cohort, one, 2)]
            assert plans == [(p.slot, p.shot, p.camera) for p in photo_plans(cohort, twins[0], 2)]
    persons = [sample_patient(cohort, many * person) for person in range(20)]
    assert len({one.skin.seed for one in persons}) == 20


def test_raters_err_alike_on_a_person_in_each_tone() -> None:
    seeds = [_seed(Cohort(24, 3, each_tone=True), number, 1) for number in range(24)]
    assert [seed == seeds[number - number % 6] for number, seed in enumerate(seeds)] == [True] * 24
    assert len(set(seeds)) == 4
    assert len({_seed(Cohort(24, 3), number, 1) for number in range(24)}) == 24


def test_with_each_tone_the_people_are_those_of_a_cohort_without_it() -> None:
    once, six = Cohort(30, 9, visits=2, per_head=3), Cohort(180, 9, visits=2, per_head=18, each_tone=True)
    for person in range(30):
        one = sample_patient(once, person)
        twins = [sample_patient(six, 6 * person + twin) for twin in range(6)]
        same = next(twin for twin in twins if twin.band == one.band)
        assert replace(same, name=one.name, number=one.number) == one
        for twin in twins:
            assert twin.skin == in_tone(one.skin, twin.ita_deg)
            days = [in_tone(visit.skin, twin.ita_deg) for visit in visits_of(once, one)]
            assert [visit.skin for visit in visits_of(six, twin)] == days
        uneven = [twin.skin.mottling for twin in twins]
        assert sorted(uneven, reverse=True) == uneven
        assert uneven[-1] < 0.55 * uneven[0]  # a share of more melanin, which shows far more
    assert (Cohort(720, each_tone=True).cast_size, Cohort(12, each_tone=True).cast_size) == (60, 6)


@pytest.mark.parametrize("kinds", [(), ("mel",)])
@pytest.mark.parametrize("each_tone", [False, True])
def test_with_any_density_nothing_but_the_density_is_another(kinds: tuple[str, ...], each_tone: bool) -> None:
    usual = Cohort(180, 9, visits=2, kinds=kinds, per_head=18, each_tone=each_tone)
    cohort = replace(usual, any_density=True)
    before, drawn = [], []
    for number in range(0, 180, 5):
        one, other = sample_patient(usual, number), sample_patient(cohort, number)
        before += [(lesion.severity, lesion.density) for lesion in one.lesions if lesion.kind == Lesion.MELASMA]
        drawn += [(lesion.severity, lesion.density) for lesion in other.lesions if lesion.kind == Lesion.MELASMA]
        densities = [lesion.density for lesion in one.lesions]
        same = [replace(lesion, density=p) for lesion, p in zip(other.lesions, densities, strict=True)]
        assert replace(other, lesions=tuple(same)) == one
        if each_tone:  # of one person in each tone
            twin = sample_patient(cohort, number - number % 6)
            assert [lesion.density for lesion in twin.lesions] == [lesion.density for lesion in other.lesions]
        days = [visit.skin for visit in visits_of(cohort, other)]
        assert days == [visit.skin for visit in visits_of(usual, one)]
        assert list(photo_plans(cohort, other, 1)) == list(photo_plans(usual, one, 1))
    assert np.corrcoef(np.log(before).T)[0, 1] > 0.7
    assert abs(np.corrcoef(np.log(drawn).T)[0, 1]) < 0.45
    assert all(DENSITIES[0] <= density <= DENSITIES[1] for _, density in drawn)


def test_kinds_come_in_turn() -> None:
    cohort = Cohort(12, kinds=("ota", "fre"))
    kinds = [sample_patient(cohort, number).lesions[0].kind for number in range(12)]
    assert Counter(kinds) == {Lesion.NEVUS_OF_OTA: 6, Lesion.FRECKLE: 6}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"patients": 0}, "patients = 0"),
        ({"patients": 5, "seed": -1}, "seed = -1"),
        ({"patients": 5, "size_px": 10}, "size_px = 10"),
        ({"patients": 5, "size_px": 193}, "size_px = 193: must be even"),
        ({"patients": 5, "visits": 0}, "visits = 0"),
        ({"patients": 5, "kinds": ("wart",)}, "'wart' is unknown"),
        ({"patients": 5, "tones": ("green",)}, "'green' is unknown"),
        ({"patients": 5, "views": ("closeup",)}, "'closeup' is unknown: choose from frontal"),
        ({"patients": 20, "each_tone": True}, "patients = 20: each person is 6 patients.*a multiple of 6"),
        ({"patients": 4, "per_head": 3, "tones": ("tan", "dark"), "each_tone": True}, "per_head = 3: .* multiple of 2"),
    ],
)
def test_nonsense_is_refused(values: dict[str, int], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Cohort(**values)
    with pytest.raises(ValueError, match="patient 180"):
        sample_patient(COHORT, 180)


def test_everything_survives_json(patients: list[Patient]) -> None:
    patient = patients[5]
    for kind, value in (
        (Patient, patient),
        (Cast, sample_cast(COHORT, patient.cast)),
        (PhotoPlan, list(photo_plans(COHORT, patient, 1))[1]),
    ):
        written = json.loads(json.dumps(asdict(value)))
        assert TypeAdapter(kind).validate_python(written) == value

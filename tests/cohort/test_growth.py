"""Lesions on a chart of ellipses: where they grow, how large, how alike on both sides, and how they change."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter

from melascope.cohort.ground import OPEN, ground_of
from melascope.cohort.growth import Grown, LesionParameters, Place, grow, progress, sample_lesion, sample_lesions
from melascope.cohort.melasma import PATTERNS
from melascope.vocabulary import MASI_REGIONS, Lesion, Region, ToneBand
from tests.cohort.oval import oval_chart

KINDS = list(Lesion)
SPOTS = (Lesion.FRECKLE, Lesion.SOLAR_LENTIGO, Lesion.CAFE_AU_LAIT, Lesion.HORI_NEVUS)
SIZES_MM = {
    Lesion.FRECKLE: (1, 5),
    Lesion.SOLAR_LENTIGO: (3, 20),
    Lesion.CAFE_AU_LAIT: (5, 200),
    Lesion.HORI_NEVUS: (1, 5),
}


@dataclass(frozen=True, eq=False)
class Coarse:
    """The chart of ellipses at half its resolution: lesions grow on charts of any, and faster."""

    codes: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    landmarks: dict[str, tuple[float, float]]


@cache
def face() -> Coarse:
    chart = oval_chart()
    return Coarse(
        np.ascontiguousarray(chart.codes[::2, ::2]), np.ascontiguousarray(chart.valid[::2, ::2]), chart.landmarks
    )


@cache
def lesion(kind: Lesion, severity: float, seed: int = 1) -> tuple[LesionParameters, Grown]:
    parameters = sample_lesion(np.random.default_rng(seed), kind, severity=severity)
    return parameters, grow(parameters, face())


def melasma(pattern: str, severity: float) -> tuple[LesionParameters, Grown]:
    seed = next(
        seed
        for seed in range(400)
        if sample_lesion(np.random.default_rng(seed), Lesion.MELASMA, severity=severity).pattern == pattern
    )
    return lesion(Lesion.MELASMA, severity, seed)


def share(grown: Grown, *regions: Region) -> float:
    return float((grown.cover >= 0.5)[np.isin(face().codes, regions)].mean())


def diameters_mm(grown: Grown) -> NDArray[np.float64]:
    areas = np.bincount(grown.instances.ravel())[1:]
    return np.asarray(2 * np.sqrt(areas[areas > 0] / np.pi) / 2.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("severity", [0.15, 0.9])
def test_maps_keep_their_contract(kind: Lesion, severity: float) -> None:
    chart = face()
    _, grown = lesion(kind, severity)
    involved = grown.cover >= 0.5

    assert grown.cover.dtype == grown.body.dtype == np.float32 and grown.instances.dtype == np.uint16
    assert grown.cover.shape == grown.body.shape == grown.instances.shape == chart.codes.shape
    assert grown.cover.min() >= 0 and grown.cover.max() <= 1
    assert grown.body.min() >= 0 and grown.body.max() < 1.25
    assert involved.any() and np.array_equal(grown.instances > 0, involved)
    assert 0.25 < float(np.median(grown.body[involved])) <= 1.1
    assert float(grown.body[grown.cover == 0].max()) < 0.25
    depth = np.asarray(grown.dermal_share)
    assert (depth >= 0).all() and (depth <= 1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_grows_off_the_skin(kind: Lesion) -> None:
    chart = face()
    closed = ~chart.valid | ~np.isin(chart.codes, OPEN)
    for severity in (0.15, 0.9):
        _, grown = lesion(kind, severity)
        for field in (grown.cover, grown.body, grown.instances):
            assert not field[closed].any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_parameters_give_the_same_bits_and_another_seed_another_lesion(kind: Lesion) -> None:
    parameters, grown = lesion(kind, 0.9)
    again = grow(TypeAdapter(LesionParameters).validate_json(json.dumps(parameters.record())), face())
    other = grow(replace(parameters, seed=parameters.seed + 1), face())

    for name in ("cover", "body", "instances"):
        assert np.array_equal(getattr(grown, name), getattr(again, name))
    assert np.array_equal(np.asarray(grown.dermal_share), np.asarray(again.dermal_share))
    assert not np.array_equal(grown.cover, other.cover)


@pytest.mark.parametrize("kind", SPOTS)
def test_spots_have_the_sizes_and_the_number_asked_for(kind: Lesion) -> None:
    low, high = SIZES_MM[kind]
    for severity in (0.15, 0.9):
        parameters, grown = lesion(kind, severity)
        found = diameters_mm(grown)

        assert 0.9 * parameters.count <= len(found) <= parameters.count
        assert np.mean((found > 0.88 * low) & (found < 1.05 * high)) >= 0.97
        if kind is not Lesion.CAFE_AU_LAIT:
            assert float(np.median(found)) == pytest.approx(parameters.size_mm, rel=0.3)


def test_numbers_rise_with_severity_within_the_table() -> None:
    rng = np.random.default_rng(2)
    for kind, low, high in ((Lesion.FRECKLE, 10, 500), (Lesion.SOLAR_LENTIGO, 1, 50), (Lesion.HORI_NEVUS, 10, 200)):
        few = [sample_lesion(rng, kind, severity=0.1).count for _ in range(40)]
        many = [sample_lesion(rng, kind, severity=0.9).count for _ in range(40)]

        assert low <= min(few) and max(many) <= high
        assert np.median(many) > 4 * np.median(few)
    assert max(sample_lesion(rng, Lesion.CAFE_AU_LAIT).count for _ in range(60)) <= 3


def _sides(body: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pigment on the patient's right and, mirrored, left, blurred to the size of a patch."""
    soft = cv2.GaussianBlur(body, (0, 0), 12.0)[::4]
    return soft[:, :256:4], soft[:, :255:-4]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_melasma_is_symmetric_but_not_mirrored(pattern: str) -> None:
    _, grown = melasma(pattern, 0.4)
    right, left = _sides(grown.body)
    fine = np.corrcoef(grown.body[:, :256].ravel(), grown.body[:, :255:-1].ravel())[0, 1]

    assert float(np.corrcoef(right.ravel(), left.ravel())[0, 1]) > 0.6
    assert float(fine) < 0.95


@pytest.mark.parametrize("severity", [0.2, 0.5, 0.9])
def test_ota_keeps_to_one_side(severity: float) -> None:
    for seed in (1, 4):
        parameters, grown = lesion(Lesion.NEVUS_OF_OTA, severity, seed)
        right, left = _sides(grown.body)
        mine, other = (left, right) if parameters.pattern.endswith("left") else (right, left)

        assert float(mine.sum()) > 20 * float(other.sum())
        assert grown.instances.max() == 1
        assert share(grown, Region.CHIN) < 0.02


def test_hori_grows_on_both_sides_and_freckles_on_nose_and_cheeks() -> None:
    _, hori = lesion(Lesion.HORI_NEVUS, 0.6)
    right, left = _sides(hori.body)
    assert 0.4 < float(right.sum()) / float(left.sum()) < 2.5
    assert share(hori, Region.CHIN) == 0

    _, freckles = lesion(Lesion.FRECKLE, 0.6)
    middle = share(freckles, Region.NOSE, Region.RIGHT_MALAR, Region.LEFT_MALAR)
    assert middle > 4 * share(freckles, Region.FOREHEAD, Region.CHIN)


@pytest.mark.parametrize("severity", [0.1, 0.5, 0.95])
def test_melasma_takes_the_shares_it_was_given(severity: float) -> None:
    parameters, grown = lesion(Lesion.MELASMA, severity, 3)

    for key, wished in parameters.shares:
        if Region[key.upper()] in MASI_REGIONS:
            assert share(grown, Region[key.upper()]) == pytest.approx(wished, abs=0.06), key


def test_shares_and_darkness_rise_with_severity_up_to_a_whole_region() -> None:
    cheeks, density = [], []
    for severity in (0.1, 0.4, 0.7, 1.0):
        parameters, grown = melasma("centrofacial", severity)
        cheeks.append(share(grown, Region.RIGHT_MALAR, Region.LEFT_MALAR))
        density.append(parameters.density * float(np.median(grown.body[grown.cover >= 0.5])))

    assert cheeks == sorted(cheeks) and density == sorted(density)
    assert cheeks[0] < 0.12 and cheeks[-1] > 0.9
    assert density[0] < 0.08 and density[-1] > 0.18


def test_patterns_go_where_they_are_named_after() -> None:
    _, central = melasma("centrofacial", 0.5)
    _, malar = melasma("malar", 0.5)
    _, mandibular = melasma("mandibular", 0.5)

    assert share(central, Region.FOREHEAD) > 0.08 and share(central, Region.UPPER_LIP) > 0.08
    assert share(malar, Region.FOREHEAD) < 0.05 and share(malar, Region.RIGHT_MALAR, Region.LEFT_MALAR) > 0.2
    assert share(mandibular, Region.CHIN) > 0.15 and share(mandibular, Region.FOREHEAD) == 0
    for grown in (central, malar, mandibular):
        assert share(grown, Region.PERIORBITAL) < 0.1


def test_melasma_spares_a_rim_around_the_lips() -> None:
    parameters, _ = melasma("centrofacial", 0.9)
    grown = grow(parameters, oval_chart())
    around = ground_of(oval_chart()).distance_mm(Region.LIPS)
    involved = grown.cover >= 0.5

    assert float(involved[(around > 0) & (around < 0.5)].mean()) < 0.1
    assert float(involved[(around > 5) & (around < 12)].mean()) > 0.5


def test_edges_are_soft_by_depth() -> None:
    """Dermal melasma is blurred: less of its pigment is gained within a millimetre."""
    shallow, _ = melasma("centrofacial", 0.5)
    steep = []
    for depth, edge in ((0.0, 1.0), (0.95, 2.6)):
        grown = grow(replace(shallow, depth=depth, edge_mm=edge), face())
        gradient = np.hypot(*np.gradient(grown.body))
        steep.append(float(np.quantile(gradient[(grown.cover > 0.2) & (grown.cover < 0.8)], 0.8)))

    assert steep[1] < 0.5 * steep[0]


def test_mixed_melasma_has_a_map_of_depth() -> None:
    parameters, _ = melasma("malar", 0.3)
    depth = np.asarray(grow(replace(parameters, depth=0.45), face()).dermal_share)

    assert depth.shape == (512, 512)
    assert float(depth.mean()) == pytest.approx(0.45, abs=0.03) and float(depth.std()) > 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_treatment_only_takes_away_and_relapse_only_adds(kind: Lesion) -> None:
    parameters, before = lesion(kind, 0.9)
    better = progress(parameters, 4.0, 0.8)
    after = grow(better, face())
    worse = grow(progress(parameters, 3.0, -0.7), face())

    assert better.density < parameters.density and better.months == 4.0
    assert (after.body <= before.body + 1e-5).all() and (after.cover <= before.cover + 1e-5).all()
    assert (worse.body >= before.body - 1e-5).all() and (worse.cover >= before.cover - 1e-5).all()
    assert after.body.sum() < before.body.sum() < worse.body.sum()
    # What is left has kept its shape.
    assert (after.cover >= 0.5).any()
    assert float(np.corrcoef(after.body.ravel(), before.body.ravel())[0, 1]) > 0.9


def test_two_steps_are_one_and_no_response_is_none() -> None:
    parameters, _ = lesion(Lesion.MELASMA, 0.9)
    steps, whole = progress(progress(parameters, 2.0, 0.6), 3.0, 0.6), progress(parameters, 5.0, 0.6)

    assert steps.density == pytest.approx(whole.density) and steps.shrink == pytest.approx(whole.shrink)
    assert progress(parameters, 6.0, 0.0) == replace(parameters, months=6.0)
    dermal = replace(parameters, depth=1.0)
    assert progress(dermal, 5.0, 0.6).density > whole.density


def test_a_cohort_has_healthy_faces_all_kinds_and_combinations_that_fit_the_person() -> None:
    rng = np.random.default_rng(11)

    def kinds(age: float, sex: float, band: ToneBand) -> list[set[Lesion]]:
        return [{one.kind for one in sample_lesions(rng, age_years=age, sex=sex, tone_band=band)} for _ in range(250)]

    women, old, dark = (
        kinds(38, 0, ToneBand.INTERMEDIATE),
        kinds(72, 1, ToneBand.VERY_LIGHT),
        kinds(30, 0, ToneBand.DARK),
    )

    def rate(people: list[set[Lesion]], kind: Lesion) -> float:
        return sum(kind in one for one in people) / len(people)

    assert {kind for one in women for kind in one} == set(Lesion)
    assert 0.03 < sum(not one for one in women) / 250 < 0.3
    assert sum(len(one) > 1 for one in women) > 10
    assert rate(women, Lesion.MELASMA) > 2 * rate(old, Lesion.MELASMA)
    assert rate(old, Lesion.SOLAR_LENTIGO) > 2 * rate(women, Lesion.SOLAR_LENTIGO)
    assert rate(dark, Lesion.FRECKLE) < 0.05


def test_melasma_scatters_over_all_severities() -> None:
    rng = np.random.default_rng(3)
    drawn = [sample_lesion(rng, Lesion.MELASMA) for _ in range(200)]

    assert {one.pattern for one in drawn} == set(PATTERNS)
    assert 0.25 < np.mean([one.severity < 1 / 3 for one in drawn]) < 0.45
    malar = [dict(one.shares)["right_malar"] for one in drawn]
    assert min(malar) < 0.06 and max(malar) > 0.93


@pytest.mark.parametrize(
    ("change", "word"),
    [({"severity": 1.2}, "severity = 1.2"), ({"density": -0.1}, "density = -0.1"), ({"edge_mm": 0.0}, "positive")],
)
def test_parameters_out_of_range_are_refused(change: dict[str, float], word: str) -> None:
    parameters, _ = lesion(Lesion.FRECKLE, 0.15)
    with pytest.raises(ValueError, match=word):
        replace(parameters, **change)  # type: ignore[arg-type]


def test_bad_requests_are_refused() -> None:
    parameters, _ = lesion(Lesion.FRECKLE, 0.15)
    with pytest.raises(ValueError, match="between 0 and 1"):
        sample_lesion(np.random.default_rng(0), Lesion.FRECKLE, severity=2.0)
    with pytest.raises(ValueError, match="months = -1"):
        progress(parameters, -1.0, 0.5)
    with pytest.raises(ValueError, match="response = 3"):
        progress(parameters, 1.0, 3.0)
    with pytest.raises(ValueError, match="landmark tail"):
        grow(replace(parameters, places=(Place("tail", 0, 0, 5, 5, 0, 1),)), face())

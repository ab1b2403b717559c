"""Simulated raters: whole steps, the same every time, and an agreement like that of trained people."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from melascope.cohort.raters import Rater, rate, sample_raters
from melascope.masi import Agreement, RegionalScore, icc, masi
from melascope.vocabulary import MASI_REGIONS, Region

Face = dict[Region, RegionalScore]


def faces() -> list[Face]:
    """Continuous A, D, H of the 43 patients with melasma of `melascope cohort render --patients 143 --seed 2026`."""
    stored = json.loads((Path(__file__).parent / "surface_scores.json").read_text(encoding="utf-8"))
    return [
        {region: RegionalScore(*score) for region, score in zip(MASI_REGIONS, face, strict=True)} for face in stored
    ]


def totals(made: list[Face], raters: tuple[Rater, ...]) -> np.ndarray:
    return np.array([[masi(rate(face, rater, number)) for rater in raters] for number, face in enumerate(made)], float)


def test_three_raters_agree_as_trained_people_do() -> None:
    made = faces()
    true = np.array([masi(face) for face in made], float)
    found = []
    for seed in range(12):
        scored = totals(made, sample_raters(seed))
        agreement: Agreement = icc(scored)
        assert agreement.single_low < agreement.single < agreement.single_high
        assert np.corrcoef(scored.mean(axis=1), true)[0, 1] > 0.9
        found.append(agreement.single)
    assert 0.76 < np.mean(found) < 0.86  # Majid et al. 2016: 0.816
    assert min(found) > 0.65 and max(found) < 0.93


def test_one_is_lenient_and_one_is_strict() -> None:
    for seed in range(20):
        biases = sorted(rater.area_bias for rater in sample_raters(seed))
        assert biases[0] < -0.1 < 0.1 < biases[2]
    assert len({tuple(np.argsort([r.area_bias for r in sample_raters(seed)])) for seed in range(40)}) == 6


def test_steps_are_whole_and_in_range() -> None:
    for face in faces():
        for rater in sample_raters(3):
            for score in rate(face, rater, 5).values():
                assert score.area == int(score.area) and score.darkness == int(score.darkness)
                assert score.homogeneity == int(score.homogeneity)
                assert score.area or (score.darkness, score.homogeneity) == (0, 0)


def test_the_same_look_gives_the_same_score_and_another_one_may_not() -> None:
    face = faces()[8]
    rater = sample_raters(7)[0]
    assert sample_raters(7) == sample_raters(7) != sample_raters(8)
    assert rate(face, rater, 1) == rate(face, rater, 1)
    assert len({str(rate(face, rater, look)) for look in range(20)}) > 3
    assert Rater(**json.loads(json.dumps(asdict(rater)))) == rater


def test_healthy_skin_is_seen_as_such_and_hidden_skin_is_not_scored() -> None:
    face = faces()[8]
    rater = sample_raters(7)[1]
    healthy = face | {Region.CHIN: RegionalScore(0.2, 3, 3)}
    assert rate(healthy, rater, 1)[Region.CHIN] == RegionalScore(0, 0, 0)
    three = {region: face[region] for region in MASI_REGIONS[1:]}
    assert Region.FOREHEAD not in rate(three, rater, 1)
    unanchored = replace(rater, anchor=0.0)
    whole = rate(face, unanchored, 1)
    assert rate(three, unanchored, 1) == {region: whole[region] for region in three}
    assert rate({}, rater, 1) == {}


def test_habits_show() -> None:
    rater = replace(
        sample_raters(7)[0],
        area_bias=0.0, darkness_bias=0.0, homogeneity_bias=0.0,
        area_noise=0.0, darkness_noise=0.0, homogeneity_noise=0.0, impression_noise=0.0,
        anchor=0.0, extremes=0.0, half_steps=0.5,
    )  # fmt: skip
    face = {region: RegionalScore(3.4, 1.6, 4.0) for region in MASI_REGIONS}
    plain = rate(face, rater, 1)[Region.FOREHEAD]
    assert plain == RegionalScore(3, 2, 4)
    assert rate(face, replace(rater, half_steps=0.3), 1)[Region.FOREHEAD] == RegionalScore(4, 2, 4)
    assert rate(face, replace(rater, extremes=1.0), 1)[Region.FOREHEAD] == RegionalScore(3, 2, 3)
    assert rate(face, replace(rater, darkness_bias=1.0), 1)[Region.FOREHEAD].darkness == 3
    uneven = face | {Region.CHIN: RegionalScore(6, 1.6, 4.0)}
    assert rate(uneven, replace(rater, anchor=0.5), 1)[Region.CHIN].area < 6

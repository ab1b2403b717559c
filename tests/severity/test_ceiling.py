"""Readers beside whom networks are held: recomputed by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from melascope.masi import icc, severity
from melascope.severity.ceiling import ceiling, masi_scores, with_raters
from melascope.severity.prediction import CLASSES
from melascope.severity.ratings import Rating, Ratings
from tests.severity.simulated import rows


def test_a_perfect_reader_scores_the_share_of_labels_in_the_true_band() -> None:
    given = rows(200)
    found = ceiling(given, resamples=100).truth[0]
    right = sum(severity(row.true_masi or 0) is CLASSES[row.truth] for row in given) / 200
    assert found.figures["accuracy"].value == pytest.approx(right)
    assert 0.6 < right < 1
    assert found.figures["accuracy"].low < right < found.figures["accuracy"].high


def test_a_reader_who_knows_lenient_raters_beats_one_who_does_not() -> None:
    given = []
    for row in rows(300):
        lenient = max(0.0, (row.true_masi or 0) - 6)
        given.append(replace(row, rated_masi=lenient, truth=CLASSES.index(severity(lenient))))
    perfect, knowing = ceiling(given, resamples=100).truth
    assert knowing.figures["accuracy"].value > 0.97 > 0.85 > perfect.figures["accuracy"].value


def test_one_rater_is_held_against_the_mean_of_the_others() -> None:
    given = rows(150)
    found = ceiling(given, resamples=100).raters
    assert [reader.name for reader in found] == ["rater1", "rater2", "rater3", "one rater"]
    shares = []
    for k in range(3):
        right = 0
        for row in given:
            scores = list(row.raters.values())
            others = (sum(scores) - scores[k]) / 2
            right += severity(round(others, 9)) is severity(scores[k])
        shares.append(right / 150)
    assert [reader.figures["accuracy"].value for reader in found[:3]] == pytest.approx(shares)
    assert found[3].figures["accuracy"].value == pytest.approx(sum(shares) / 3)


def test_the_raters_agreement_counts_a_shared_reading_once() -> None:
    given = rows(60)
    twice = [*given, *(replace(row, photo=f"{row.photo}-phone") for row in given)]
    expected = icc([list(row.raters.values()) for row in given])
    found = ceiling(twice, resamples=100).agreement
    assert found is not None
    assert found.subjects == 60
    assert found.single == pytest.approx(expected.single)


def test_two_visits_of_equal_scores_are_two_readings() -> None:
    """What was looked at decides, where it is known: a shared reading counts once, equal ones count both."""
    given = [replace(row, subject=f"{row.patient} visit 1") for row in rows(40)]
    shared = [replace(row, photo=f"{row.photo}-phone") for row in given]
    later = [replace(row, photo=f"{row.photo}-later", subject=f"{row.patient} visit 2") for row in given]
    found = ceiling([*given, *shared, *later], resamples=100).agreement
    assert found is not None and found.subjects == 80
    assert found == icc([list(row.raters.values()) for row in (*given, *given)])


def test_the_raters_agreement_draws_patients() -> None:
    given = [replace(row, subject=row.photo) for row in rows(120, per_patient=6)]
    alone = ceiling([replace(row, patient=row.photo) for row in given], resamples=400)
    found = ceiling(given, resamples=400)
    assert found.single is not None and found.mean is not None and alone.single is not None
    assert found.agreement == alone.agreement and found.single.value == pytest.approx(alone.single.value)
    assert found.single.high - found.single.low > 1.5 * (alone.single.high - alone.single.low)
    heads = ceiling([replace(row, patient=row.photo, group=row.patient) for row in given], resamples=400)
    assert heads.single == found.single
    one = ceiling([replace(row, group="head") for row in given], resamples=100).single
    assert one is not None and np.isnan(one.low)


def test_without_truths_or_raters_there_is_no_ceiling() -> None:
    given = [replace(row, true_masi=None, raters={}) for row in rows(30)]
    found = ceiling(given, resamples=100)
    assert (found.truth, found.raters, found.agreement) == ((), (), None)


def test_a_photo_that_one_rater_did_not_see_takes_away_the_raters() -> None:
    given = list(rows(30))
    given[3] = replace(given[3], raters={"rater1": 3.0, "rater2": 4.0})
    assert ceiling(given, resamples=100).raters == ()


def test_raters_come_from_a_table_of_ratings() -> None:
    given = [replace(row, raters={}) for row in rows(3)]
    photo = given[0].photo
    table = [Rating(photo, "patient0000", n, masi, None, None, 2, "head") for n, masi in (("a", 3.0), ("b", 5.0))]
    found = with_raters(given, Ratings(tuple(table), Path("ratings.csv"), None))
    assert found[0].raters == {"a": 3.0, "b": 5.0} and found[0].subject == photo
    assert found[1].raters == {}
    assert [row.group for row in found] == ["head", "", ""]
    same = with_raters(
        [replace(row, patient="patient0000") for row in given], Ratings(tuple(table), Path("r.csv"), None)
    )
    assert [row.group for row in same] == ["head"] * 3  # nobody is in two groups, rated or not


def test_the_moderate_rank_is_highest_in_the_middle_of_the_scale() -> None:
    assert np.argmax(masi_scores(np.array([0.0, 24.0, 48.0])), axis=0).tolist() == [0, 1, 2]

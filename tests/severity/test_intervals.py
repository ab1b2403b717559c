"""The bootstrap draws patients, with all their photos, and pairs what is drawn with one seed."""

from __future__ import annotations

import numpy as np
import pytest

from melascope.severity.intervals import bootstrap, draws, interval, resamples
from melascope.severity.metrics import accuracy, confusion, measure, recalls
from melascope.severity.prediction import scored
from tests.severity.simulated import rows


def test_photos_of_a_patient_are_drawn_together() -> None:
    patients = np.array([0, 0, 1, 2, 2, 2])
    drawn = np.concatenate(list(resamples(patients, 50, seed=1)))
    assert drawn.shape == (50, 6)
    assert (drawn[:, 0] == drawn[:, 1]).all() and (drawn[:, 3] == drawn[:, 5]).all()
    assert (drawn[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_draws_do_not_depend_on_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    patients = np.arange(7)
    whole = np.concatenate(list(resamples(patients, 30, seed=4)))
    monkeypatch.setattr("melascope.severity.intervals._CELLS", 70)
    chunks = list(resamples(patients, 30, seed=4))
    assert len(chunks) == 3
    assert (np.concatenate(chunks) == whole).all()


def test_figures_are_those_of_a_slow_bootstrap() -> None:
    table = scored(rows(40, per_patient=2))
    found = draws(lambda weights: measure(table, weights), table.patients, 20, seed=3)
    rng = np.random.default_rng(3)
    times = rng.multinomial(20, np.full(20, 1 / 20), size=20)
    for k in range(20):
        photos = [photo for photo in range(40) for _ in range(times[k][table.patients[photo]])]
        right = sum(int(table.predicted[photo] == table.truth[photo]) for photo in photos)
        assert found["accuracy"][k] == pytest.approx(right / len(photos))


def test_the_interval_is_that_of_the_binomial_where_each_patient_has_one_photo() -> None:
    truth, predicted = np.zeros(400, dtype=np.intp), np.array([0] * 300 + [1] * 100)
    found = bootstrap(lambda w: {"accuracy": accuracy(confusion(truth, predicted, w))}, np.arange(400), 4000, 1)
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert found["accuracy"].value == 0.75
    assert found["accuracy"].low == pytest.approx(0.75 - half, abs=0.005)
    assert found["accuracy"].high == pytest.approx(0.75 + half, abs=0.005)


def test_photos_that_come_in_fours_widen_the_interval_twofold() -> None:
    truth, predicted = np.zeros(400, dtype=np.intp), np.array([0] * 300 + [1] * 100)

    def width(patients: np.ndarray) -> float:
        found = bootstrap(lambda w: {"a": accuracy(confusion(truth, predicted, w))}, patients, 3000, 1)["a"]
        return found.high - found.low

    assert width(np.arange(400) // 4) / width(np.arange(400)) == pytest.approx(2, rel=0.1)


def test_a_class_that_vanishes_from_draws_is_left_out_and_told() -> None:
    truth = np.array([0] * 30 + [2])

    def measured(weights: np.ndarray | None) -> dict[str, np.ndarray]:
        found = recalls(confusion(truth, truth, weights))
        return {"mild": found[..., 0], "severe": found[..., 2]}

    found = bootstrap(measured, np.arange(31), 2000, 5)
    assert found["mild"].undefined == 0 and found["mild"].low == 1
    # The one severe patient is absent from (1 - 1/31)^31 of the draws.
    assert found["severe"].undefined == pytest.approx((1 - 1 / 31) ** 31, abs=0.04)
    assert found["severe"].value == 1 and np.isnan(found["severe"].low)


def test_few_undefined_draws_do_not_spoil_the_interval() -> None:
    drawn = np.concatenate([np.linspace(0, 1, 95), np.full(5, np.nan)])
    found = interval(0.5, drawn)
    assert found.undefined == pytest.approx(0.05)
    assert (found.low, found.high) == pytest.approx((0.025, 0.975))


def test_the_same_seed_gives_the_same_interval_and_another_another() -> None:
    table = scored(rows(60))
    one, same, other = (bootstrap(lambda w: measure(table, w), table.patients, 200, seed) for seed in (1, 1, 2))
    assert one["kappa"] == same["kappa"]
    assert one["kappa"] != other["kappa"]

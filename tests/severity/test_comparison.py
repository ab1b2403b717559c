"""McNemar and DeLong against slow, literal formulas."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from melascope.severity.comparison import delong, holm, mcnemar
from melascope.severity.ranking import auc


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (6, 0), (3, 3), (9, 2), (2, 9)])
def test_mcnemar_is_the_count_of_coin_throws(only_first: int, only_second: int) -> None:
    first = np.array([True] * only_first + [False] * only_second + [True, False])
    second = np.array([False] * only_first + [True] * only_second + [True, False])
    found = mcnemar(first, second)
    n, more = only_first + only_second, max(only_first, only_second)
    extreme = sum(max(sum(throws), n - sum(throws)) >= more for throws in product((0, 1), repeat=n))
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert found.p == pytest.approx(float(min(Fraction(1), Fraction(extreme, 2**n))))


def test_mcnemar_of_thousands_does_not_overflow() -> None:
    first = np.array([True] * 2600 + [False] * 2400)
    found = mcnemar(first, ~first)
    z = (200 - 1) / math.sqrt(5000)
    assert found.p == pytest.approx(math.erfc(z / math.sqrt(2)), rel=0.02)


def psi(x: float, y: float) -> float:
    return 1.0 if x > y else 0.5 if x == y else 0.0


def slow_delong(positive: np.ndarray, scores: list[np.ndarray]) -> tuple[list[float], float]:
    """DeLong 1988, eqs. for theta, V10, V01, S10, S01; variance of the difference."""
    xs = [score[positive].tolist() for score in scores]
    ys = [score[~positive].tolist() for score in scores]
    m, n = len(xs[0]), len(ys[0])
    theta = [sum(psi(x, y) for x in xs[r] for y in ys[r]) / (m * n) for r in range(2)]
    v10 = [[sum(psi(x, y) for y in ys[r]) / n for x in xs[r]] for r in range(2)]
    v01 = [[sum(psi(x, y) for x in xs[r]) / m for y in ys[r]] for r in range(2)]
    s = np.zeros((2, 2))
    for r in range(2):
        for t in range(2):
            s10 = sum((v10[r][i] - theta[r]) * (v10[t][i] - theta[t]) for i in range(m)) / (m - 1)
            s01 = sum((v01[r][j] - theta[r]) * (v01[t][j] - theta[t]) for j in range(n)) / (n - 1)
            s[r, t] = s10 / m + s01 / n
    return theta, float(s[0, 0] + s[1, 1] - 2 * s[0, 1])


def scores(seed: int, n: int = 40) -> tuple[np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.4
    base = positive + rng.normal(0, 1, n)
    return positive, [np.round(base + rng.normal(0, 0.5, n), 1), np.round(base + rng.normal(0, 1.2, n), 1)]


@pytest.mark.parametrize("seed", range(4))
def test_delong_is_the_paper_s_formula(seed: int) -> None:
    positive, pair = scores(seed)
    theta, variance = slow_delong(positive, pair)
    found = delong(positive, *pair)
    assert (found.first, found.second) == pytest.approx(tuple(theta), abs=1e-12)
    assert found.first == pytest.approx(float(auc(positive, pair[0])))
    z = (theta[0] - theta[1]) / math.sqrt(variance)
    assert found.p == pytest.approx(math.erfc(abs(z) / math.sqrt(2)), abs=1e-10)
    assert found.high - found.low == pytest.approx(2 * 1.959964 * math.sqrt(variance), rel=1e-6)
    alone = delong(positive, *pair, np.arange(len(positive)))
    assert alone.p == pytest.approx(found.p, abs=1e-12)


def slow_obuchowski(positive: np.ndarray, pair: list[np.ndarray], patients: np.ndarray) -> float:
    """Obuchowski 1997: variance of the difference with sums by patient."""
    people = sorted(set(patients.tolist()))
    m, n = int(positive.sum()), int((~positive).sum())
    with_positive = len(set(patients[positive].tolist()))
    with_negative = len(set(patients[~positive].tolist()))
    theta, x, y, m_of, n_of = [], [], [], [], []
    for r in range(2):
        s = pair[r]
        here = [(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if positive[i] and not positive[j]]
        theta.append(sum(psi(a, b) for a, b in here) / (m * n))
        x.append([0.0] * len(people))
        y.append([0.0] * len(people))
        for i in range(len(s)):
            k = people.index(patients[i])
            if positive[i]:
                x[r][k] += sum(psi(s[i], s[j]) for j in range(len(s)) if not positive[j]) / n
            else:
                y[r][k] += sum(psi(s[j], s[i]) for j in range(len(s)) if positive[j]) / m
    for person in people:
        m_of.append(int((positive & (patients == person)).sum()))
        n_of.append(int((~positive & (patients == person)).sum()))

    def covariance(r: int, t: int) -> float:
        s10 = s01 = s11 = 0.0
        for k in range(len(people)):
            a, b = x[r][k] - m_of[k] * theta[r], x[t][k] - m_of[k] * theta[t]
            c, d = y[r][k] - n_of[k] * theta[r], y[t][k] - n_of[k] * theta[t]
            s10, s01, s11 = s10 + a * b, s01 + c * d, s11 + (a * d + b * c)
        s10 *= with_positive / ((with_positive - 1) * m)
        s01 *= with_negative / ((with_negative - 1) * n)
        s11 *= len(people) / (len(people) - 1)
        return s10 / m + s01 / n + s11 / (m * n)

    return covariance(0, 0) + covariance(1, 1) - 2 * covariance(0, 1)


@pytest.mark.parametrize("seed", range(3))
def test_several_photos_of_a_patient_are_summed_as_obuchowski_does(seed: int) -> None:
    positive, pair = scores(seed)
    patients = np.random.default_rng(seed).integers(0, 15, len(positive))
    found = delong(positive, *pair, patients)
    variance = slow_obuchowski(positive, pair, patients)
    assert found.high - found.low == pytest.approx(2 * 1.959964 * math.sqrt(variance), rel=1e-6)


def test_every_photo_twice_leaves_the_p_value_where_patients_are_known() -> None:
    positive, pair = scores(1)
    alone = delong(positive, *pair, np.arange(40))
    twice = delong(np.tile(positive, 2), np.tile(pair[0], 2), np.tile(pair[1], 2), np.tile(np.arange(40), 2))
    blind = delong(np.tile(positive, 2), np.tile(pair[0], 2), np.tile(pair[1], 2))
    assert twice.p == pytest.approx(alone.p, abs=0.01)
    assert blind.p < alone.p


def test_a_network_does_not_differ_from_itself() -> None:
    positive, pair = scores(2)
    found = delong(positive, pair[0], pair[0])
    assert (found.difference, found.p) == (0, 1)


def test_a_class_without_photos_has_no_areas() -> None:
    found = delong(np.zeros(3, dtype=bool), np.arange(3.0), np.arange(3.0))
    assert math.isnan(found.first) and math.isnan(found.p)


def test_holm_is_the_step_down_rule() -> None:
    """Smallest times k, next times k - 1, and so on, never falling, never above 1; nan takes no part."""
    assert holm([0.01, math.nan, 0.04, 0.03])[0::2] == pytest.approx((0.03, 0.06))
    assert math.isnan(holm([0.01, math.nan])[1])
    assert holm([0.9, 0.8]) == (1.0, 1.0)

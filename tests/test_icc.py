"""Intraclass correlation and the F quantile: against published examples, tables, and a literal reading."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melascope.masi import f_quantile, icc

SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
"""Table 2 of Shrout & Fleiss 1979: six subjects, four judges."""


def slow_single(table: np.ndarray) -> float:
    """ICC(2,1) from variance components: subjects / (subjects + raters + error)."""
    n, k = table.shape
    grand = table.mean()
    between_subjects = sum(k * (table[i].mean() - grand) ** 2 for i in range(n)) / (n - 1)
    between_raters = sum(n * (table[:, j].mean() - grand) ** 2 for j in range(k)) / (k - 1)
    rest = sum(
        (table[i, j] - table[i].mean() - table[:, j].mean() + grand) ** 2 for i in range(n) for j in range(k)
    ) / ((n - 1) * (k - 1))
    subjects, raters = (between_subjects - rest) / k, (between_raters - rest) / n
    return float(subjects / (subjects + raters + rest))


def test_the_worked_example_of_shrout_and_fleiss() -> None:
    found = icc(SHROUT_FLEISS)
    assert (round(found.single, 2), round(found.mean, 2)) == (0.29, 0.62)
    assert (found.single_low, found.single_high) == pytest.approx((0.019, 0.761), abs=5e-4)
    assert (found.mean_low, found.mean_high) == pytest.approx((0.071, 0.927), abs=5e-4)
    assert (found.subjects, found.raters, found.confidence) == (6, 4, 0.95)


@given(st.integers(3, 12), st.integers(2, 5), st.integers(0, 99))
def test_it_is_the_share_of_the_subjects_in_the_variance(n: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.normal(0, 2, (n, 1)) + rng.normal(0, 1, (1, k)) + rng.normal(0, 1, (n, k))
    found = icc(table)
    assert found.single == pytest.approx(slow_single(table), abs=1e-9)
    assert found.single_low <= found.single <= found.single_high <= 1
    shifted = icc(table * 3 - 7)
    assert shifted.single == pytest.approx(found.single) and shifted.mean_low == pytest.approx(found.mean_low)


def test_the_mean_of_k_raters_by_spearman_and_brown() -> None:
    found = icc(SHROUT_FLEISS)
    assert found.mean == pytest.approx(4 * found.single / (1 + 3 * found.single))


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(200):
        table = rng.normal(0, 2, (15, 1)) + rng.normal(0, 0.5, (1, 3)) + rng.normal(0, 1, (15, 3))
        found = icc(table, 0.9)
        inside += found.single_low <= 4 / (4 + 0.25 + 1) <= found.single_high
    assert 0.84 < inside / 200 < 0.96


def test_perfect_agreement_and_a_steady_difference() -> None:
    same = icc([[1, 1, 1], [5, 5, 5], [9, 9, 9]])
    assert (same.single, same.single_low, same.single_high, same.mean) == (1, 1, 1, 1)
    shifted = icc([[1, 2], [5, 6], [9, 10]])
    assert 0.9 < shifted.single < 1
    assert shifted.single_low < shifted.single <= shifted.single_high <= 1


def test_agreement_below_chance_is_below_zero() -> None:
    found = icc([[1, 3], [3, 1.5], [2, 2], [1, 2.5]])
    assert (found.single < 0 and found.mean == -math.inf) or found.mean < found.single
    assert math.isfinite(found.single_low) and math.isfinite(found.single_high)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ([], "need 2 subjects or more"),
        ([[1, 2]], "need 2 subjects or more"),
        ([[1], [2]], "the same 2 or more"),
        ([[1, 2], [3]], "all with the same"),
        ([[1, 2], [3, math.nan]], "not finite"),
        ([[2, 2], [2, 2]], "do not differ"),
        ([[1, 2], [2, 1]], "do not differ"),
    ],
)
def test_what_has_no_correlation_is_refused(table: list[list[float]], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        icc(table)
    with pytest.raises(ValueError, match="confidence = 1"):
        icc(SHROUT_FLEISS, 1)


@pytest.mark.parametrize(
    ("probability", "freedom_1", "freedom_2", "value"),
    [  # printed tables of the F distribution
        (0.95, 1, 1, 161.4476),
        (0.95, 2, 5, 5.7861),
        (0.95, 5, 2, 19.2964),
        (0.95, 3, 10, 3.7083),
        (0.95, 10, 30, 2.1646),
        (0.95, 120, 120, 1.3519),
        (0.975, 5, 15, 3.5764),
        (0.975, 1, 1, 647.7890),
        (0.99, 4, 8, 7.0061),
        (0.99, 30, 60, 2.0285),
    ],
)
def test_f_quantiles_of_the_tables(probability: float, freedom_1: float, freedom_2: float, value: float) -> None:
    assert f_quantile(probability, freedom_1, freedom_2) == pytest.approx(value, abs=6e-5)


@pytest.mark.parametrize("probability", [0.025, 0.3, 0.5, 0.9, 0.999])
def test_f_quantiles_where_there_is_a_formula(probability: float) -> None:
    tail = 1 - probability
    for freedom in (0.5, 1, 3.7, 80):
        closed = freedom / 2 * (tail ** (-2 / freedom) - 1)
        assert f_quantile(probability, 2, freedom) == pytest.approx(closed, rel=1e-9)
        assert f_quantile(tail, freedom, 2) == pytest.approx(1 / closed, rel=1e-9)


def test_f_quantiles_outside_their_range_are_refused() -> None:
    for arguments in ((0, 1, 1), (1, 1, 1), (0.5, 0, 1), (0.5, 1, math.inf)):
        with pytest.raises(ValueError, match="degrees of freedom"):
            f_quantile(*arguments)

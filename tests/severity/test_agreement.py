"""Agreement, held to slow and literal implementations of the published formulae."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melascope.masi import RegionalScore, icc, masi, severity
from melascope.severity.agreement import REREAD_RANGE, agreement, drift, kappa, limits
from melascope.severity.agreement_page import between, figures, html, number
from melascope.severity.ratings import Rating, Ratings
from melascope.severity.readings import readings
from melascope.vocabulary import MASI_REGIONS, Region, Severity
from tests.severity.made import made, noisy

DRAWS = 200


def slow_kappa(first: list[int], second: list[int], classes: int, power: int) -> float:
    """Cohen 1968: 1 - sum of weighted observed disagreement / that expected of independent raters."""
    n = len(first)
    observed = sum(abs(a - b) ** power for a, b in zip(first, second, strict=True)) / n
    expected = sum(
        (first.count(i) / n) * (second.count(j) / n) * abs(i - j) ** power
        for i in range(classes)
        for j in range(classes)
    )
    return 1 - observed / expected


T = {36: 2.028094, 58: 2.001717}
"""97.5 % quantiles of Student's t by degrees of freedom, from a printed table."""


@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=30))
@pytest.mark.parametrize("power", [1, 2])
def test_kappa_is_cohen_s(power: int, pairs: list[tuple[int, int]]) -> None:
    table = np.zeros((3, 3))
    for a, b in pairs:
        table[a, b] += 1
    found = float(kappa(table, quadratic=power == 2))
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    if len(set(first) | set(second)) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(slow_kappa(first, second, 3, power), abs=1e-12)


def test_kappa_of_two_classes_has_one_kind() -> None:
    """All weights are the same there, so that both are the plain kappa of Cohen 1960."""
    two = np.array([[20.0, 5], [10, 15]])
    assert float(kappa(two)) == float(kappa(two, quadratic=True)) == pytest.approx((0.7 - 0.5) / 0.5)


def test_limits_are_bland_and_altman_s() -> None:
    rng = np.random.default_rng(3)
    d = rng.normal(1.5, 4, 37)
    bias, lower, upper, s = limits(d)
    n = len(d)
    mean = sum(d) / n
    deviation = math.sqrt(sum((value - mean) ** 2 for value in d) / (n - 1))
    assert (bias.value, s) == (pytest.approx(mean), pytest.approx(deviation))
    assert lower.value == pytest.approx(mean - 1.96 * deviation, abs=1e-3)
    assert upper.value == pytest.approx(mean + 1.96 * deviation, abs=1e-3)
    t = T[n - 1]
    assert bias.high - bias.value == pytest.approx(t * deviation / math.sqrt(n), rel=1e-6)
    assert bias.value - bias.low == pytest.approx(t * deviation / math.sqrt(n), rel=1e-6)
    error = deviation * math.sqrt(1 / n + 1.96**2 / (2 * (n - 1)))
    for limit in (lower, upper):
        assert (limit.high - limit.value, limit.value - limit.low) == (pytest.approx(t * error, rel=1e-4),) * 2


def test_the_intervals_of_limits_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(250):
        found = limits(rng.normal(2, 5, 40))[2]
        held += found.low <= 2 + 1.96 * 5 <= found.high
    assert 0.91 <= held / 250 <= 0.985


def test_drift_is_least_squares() -> None:
    rng = np.random.default_rng(5)
    x = np.arange(1.0, 61)
    y = 0.03 * x - 1 + rng.normal(0, 2, 60)
    slope, height = drift(x, y)
    # The normal equations, and the standard error of the slope by its definition.
    a, b = np.linalg.solve([[60, x.sum()], [x.sum(), (x**2).sum()]], [y.sum(), (x * y).sum()])
    assert (height, slope.value) == (pytest.approx(a), pytest.approx(b))
    rest = sum((yi - a - b * xi) ** 2 for xi, yi in zip(x, y, strict=True)) / 58
    error = math.sqrt(rest / sum((xi - x.mean()) ** 2 for xi in x))
    assert slope.high - slope.value == pytest.approx(T[58] * error, rel=1e-6)
    assert slope.value - slope.low == pytest.approx(T[58] * error, rel=1e-6)
    with pytest.raises(ValueError, match="a drift needs three"):
        drift(np.array([1.0, 1, 1]), np.array([1.0, 2, 3]))


def test_the_report_of_a_table() -> None:
    scores = noisy(60)
    report = agreement(made(scores), resamples=DRAWS)
    wanted = icc(scores.tolist())
    assert report.icc == wanted and report.icc_single is None
    assert report.single is not None and (report.single.value, report.single.low) == (wanted.single, wanted.single_low)
    assert [(pair.first, pair.second) for pair in report.pairs] == [("r0", "r1"), ("r0", "r2"), ("r1", "r2")]
    classes = list(Severity)
    for pair, (i, j) in zip(report.pairs, combinations(range(3), 2), strict=True):
        first, second = ([classes.index(severity(v)) for v in scores[:, c]] for c in (i, j))
        assert pair.kappa_linear.value == pytest.approx(slow_kappa(first, second, 3, 1))
        assert pair.kappa_quadratic.value == pytest.approx(slow_kappa(first, second, 3, 2))
        assert pair.kappa_linear.low < pair.kappa_linear.value < pair.kappa_linear.high
        assert pair.same_band.value == pytest.approx(np.mean(np.equal(first, second)))
        assert pair.bias.value == pytest.approx((scores[:, i] - scores[:, j]).mean())
        assert [list(row) for row in pair.table] == [
            [sum(a == x and b == y for a, b in zip(first, second, strict=True)) for y in range(3)] for x in range(3)
        ]
    for column, rater in enumerate(report.raters):
        others = np.delete(scores, column, axis=1).mean(1)
        assert rater.bias.value == pytest.approx((scores[:, column] - others).mean())
        assert sum(rater.bands) == 60 and rater.mean == pytest.approx(scores[:, column].mean())
    assert report.parts == ()


def test_several_photos_of_a_patient_widen_the_intervals() -> None:
    scores = np.repeat(noisy(20, seed=2), 6, axis=0) + np.random.default_rng(0).normal(0, 0.1, (120, 3))
    scores = np.clip(scores, 0, 48)
    alone = agreement(made(scores), resamples=DRAWS)
    clustered = agreement(made(scores, [f"P{i // 6}" for i in range(120)]), resamples=DRAWS)
    assert alone.icc is not None and clustered.single is not None
    assert clustered.icc == alone.icc and clustered.single.value == pytest.approx(alone.icc.single)
    assert clustered.icc_mean is not None and clustered.icc_mean.value == pytest.approx(alone.icc.mean)
    for one, many in zip(alone.pairs, clustered.pairs, strict=True):
        assert many.bias.value == pytest.approx(one.bias.value) and many.lower.value == pytest.approx(one.lower.value)
        assert many.bias.high - many.bias.low > 1.3 * (one.bias.high - one.bias.low)
    assert any("20 patients have 120 readings" in note for note in clustered.notes)


def test_photos_that_share_a_reading_count_once() -> None:
    scores = noisy(30)
    single = made(scores)
    double = [replace(row, photo=row.photo + suffix, subject=row.photo) for row in single.rows for suffix in ("x", "y")]
    report = agreement(replace(single, rows=tuple(double)), resamples=DRAWS)
    wanted = agreement(single, resamples=DRAWS)
    assert report.icc == wanted.icc and report.pairs == wanted.pairs
    assert report.readings.photos[0] == ("p0x", "p0y")
    assert report.reread[0].photos[0].endswith("x")


def test_drift_follows_the_time_of_reading_or_else_the_rows() -> None:
    rng = np.random.default_rng(4)
    scores = np.clip(20 + rng.normal(0, 3, (100, 3)), 0, 48)
    order = rng.permutation(100)
    scores[:, 0] += 0.04 * order  # 4 points per 100 readings
    ratings = made(np.clip(scores, 0, 48))
    by_row = agreement(ratings, resamples=DRAWS)
    assert by_row.drifts[0].slope.low < 0 < by_row.drifts[0].slope.high
    timed = tuple(replace(row, order=1e9 + 60.0 * order[row.row - 2]) for row in ratings.rows)
    by_time = agreement(replace(ratings, rows=timed), resamples=DRAWS)
    first, second = by_time.drifts[0].slope, by_time.drifts[1].slope
    assert first.low < 4 < first.high and first.low > 0
    assert second.value == pytest.approx(-first.value / 2, abs=1.5)
    assert by_time.readings.ordered and not by_row.readings.ordered
    assert by_time.drifts[0].places[0] == order[0] + 1
    line = by_time.drifts[0]
    residual = line.differences - line.intercept - line.slope.value / 100 * line.places
    assert abs(residual.mean()) < 1e-9 and abs(np.corrcoef(residual, line.places)[0, 1]) < 1e-9


def test_readings_at_one_time_share_their_place() -> None:
    ratings = made([[1, 2], [3, 4], [5, 6], [7, 8]])
    timed = tuple(replace(row, order=float(min(row.row, 4))) for row in ratings.rows)
    assert readings(replace(ratings, rows=timed)).order()[:, 0].tolist() == [1, 2, 3.5, 3.5]


def test_what_is_to_be_read_again() -> None:
    scores = [[10, 12], [15, 17], [20, 28], [20, 27.9], [5, 30], [40, 41]]
    report = agreement(made(scores), resamples=DRAWS)
    assert [(one.subject, one.apart) for one in report.reread] == [("p4", 25), ("p2", 8), ("p1", 2)]
    assert report.reread[0].reasons == ("bands differ (mild / moderate)", "25.0 points apart")
    assert report.reread[1].reasons == ("8.0 points apart",) and report.reread_range == REREAD_RANGE
    assert report.reread[2].reasons == ("bands differ (mild / moderate)",) and report.reread[2].mean == 16
    assert len(agreement(made(scores), 1.0, resamples=DRAWS).reread) == 6
    with pytest.raises(ValueError, match="range = 0"):
        agreement(made(scores), 0)


def test_regions_have_correlations_of_their_own() -> None:
    rng = np.random.default_rng(8)
    rows = []
    for i in range(40):
        true = rng.integers(0, 5, (4, 3))
        for rater in ("x", "y"):
            steps = np.clip(true + rng.integers(-1, 2, (4, 3)), 0, (6, 4, 4))
            parts = {region: RegionalScore(*map(float, step)) for region, step in zip(MASI_REGIONS, steps, strict=True)}
            rows.append(Rating(f"p{i}", f"P{i}", rater, float(i % 40), None, parts, 2))
    ratings = Ratings(tuple(rows), made([[1, 2]]).source, None)
    report = agreement(ratings, resamples=DRAWS)
    assert len(report.parts) == 16
    by_name = {(part.region, part.component): part.icc for part in report.parts}
    for region in MASI_REGIONS:
        table = [[row.parts[region] for row in ratings.of(photo) if row.parts] for photo in ratings.photos]
        assert by_name[region, "darkness"] == icc([[s.darkness for s in line] for line in table])
        weight = 0.1 if region is Region.CHIN else 0.3
        points = [[weight * s.area * (s.darkness + s.homogeneity) for s in line] for line in table]
        assert by_name[region, "points"] == icc(points)


def test_regions_and_affected_readings_draw_patients_too() -> None:
    """Six readings of a patient are hardly more than one: no interval may take them for independent."""
    rng = np.random.default_rng(8)
    rows = []
    for i in range(120):
        if i % 6 == 0:
            true, sick = rng.integers(0, 4, (4, 3)).astype(float), i % 30 > 0
        for rater in ("x", "y"):
            steps = np.clip(true + rng.integers(0, 2, (4, 3)), 0, (6, 4, 4)) * sick
            parts = {region: RegionalScore(*map(float, step)) for region, step in zip(MASI_REGIONS, steps, strict=True)}
            rows.append(Rating(f"p{i}", f"P{i // 6}", rater, masi(parts) or 0.0, None, parts, 2 + i))
    clustered = Ratings(tuple(rows), Path("ratings.csv"), None)
    alone = replace(clustered, rows=tuple(replace(row, patient=row.photo) for row in rows))
    first, second = (agreement(one, resamples=400) for one in (alone, clustered))
    assert first.affected_single is None and all(part.icc_single is None for part in first.parts)
    pairs = [(first.affected, second.affected)]
    pairs += [(one.single, many.single) for one, many in zip(first.parts, second.parts, strict=True)]
    assert len(pairs) == 17
    wider = []
    for one, many in pairs:
        assert one is not None and many is not None and many.value == pytest.approx(one.value)
        wider.append((many.high - many.low) / (one.high - one.low))
    assert min(wider) > 1.05 and np.median(wider) > 1.5
    names = [(row[0], row[1], row[3]) for row in figures(second)]
    assert ("ICC(2,1), patients drawn", "MASI of readings with melasma", "") in names
    assert sum(name.startswith("ICC(2,1), patients drawn") for name, _, _ in names) == 18
    page = html(second, "x")
    part = second.parts[0].single
    assert part is not None and f"{number(part.value)}<small>{between(part.low, part.high)}</small>" in page
    assert "those of single regions too" in page and "McGraw" not in page


def test_readings_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one rater \(r0\)"):
        agreement(made([[1], [2]]))
    with pytest.raises(ValueError, match=r"one reading \(p0\)"):
        agreement(made([[1, 2]]))


def test_readings_without_variation_have_no_correlation_but_limits() -> None:
    report = agreement(made([[4, 6], [4, 6], [4, 6]]), resamples=DRAWS)
    assert report.icc is None and report.single is None
    assert report.pairs[0].bias.value == -2 and math.isnan(report.pairs[0].kappa_linear.value)
    assert report.pairs[0].same_band.value == 1


def test_healthy_faces_are_told_apart() -> None:
    scores = np.vstack([noisy(30) + 0.1, np.zeros((50, 3))])
    report = agreement(made(scores), resamples=DRAWS)
    assert report.icc is not None and report.icc_affected == icc(scores[:30].tolist())
    assert report.icc.single > report.icc_affected.single
    assert agreement(made(scores[:30]), resamples=DRAWS).icc_affected is None


def test_readings_of_patients_who_share_a_head_are_drawn_by_head() -> None:
    """Four patients a head, one reading each: a reading is not independent of the next, and the report says so."""
    scores = noisy(40)
    apart = made(scores)
    heads = Ratings(
        tuple(replace(row, group=f"head{int(row.patient[1:]) // 4}") for row in apart.rows), Path("ratings.csv"), None
    )
    first, second = agreement(apart, resamples=300), agreement(heads, resamples=300)
    assert first.icc_single is None and second.icc_single is not None
    assert second.readings.people == 40 and second.readings.clusters.max() == 9
    assert any("intervals draw the 10 groups of patients" in note for note in second.notes)
    alone = Ratings(tuple(replace(row, group="head") for row in apart.rows), Path("ratings.csv"), None)
    single = agreement(alone, resamples=100).single
    assert single is not None and math.isnan(single.low)  # not the F interval, which holds readings for independent

"""The agreement benchmark: pairing of test and retest, and the classical version that it compares with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.agreement import (
    agreement,
    aims,
    cover_table,
    level_table,
    retest_table,
    retests,
    second_reading,
    table,
)
from benchmarks.classical import background, otsu
from benchmarks.pairs import Pair

from melascope.masi import icc


def pair(
    visit: int, device: str, true: float | None, measured: float | None, band: str = "tan", head: str = "head"
) -> Pair:
    return Pair(
        photo=f"{visit}{device}",
        visit=("p", visit),
        scene=(head, device),
        band=band,
        device=device,
        kinds=("mel",),
        ita=(0.0, None),
        masi=(true, measured),
        counted=measured,
        classical=measured,
        inside=None,
        read=(true, None if measured is None else measured + 1.0),
        read_inside=None if measured is None else True,
        disagrees=None if measured is None else measured > true + 5,
        shares=(),
        darknesses=(),
        verdict="usable",
    )


def test_a_retest_is_the_telephone_picture_of_the_same_visit() -> None:
    pairs = [pair(1, "dslr", 5.0, 6.0), pair(2, "dslr", 1.0, 1.0), pair(1, "phone", 5.5, 4.0)]
    pairs += [pair(3, "dslr", 1.0, None), pair(3, "phone", 1.0, 2.0)]
    assert [(one.photo, other.photo) for one, other in retests(pairs)] == [("1dslr", "1phone")]


def test_the_table_of_retests_shows_difference_and_correlation() -> None:
    dslr, phone = (0.0, 4.0, 9.0, 20.0), (1.0, 6.0, 9.0, 22.0)
    pairs = [
        pair(visit, device, 10.0 + visit, value)
        for device, values in (("dslr", dslr), ("phone", phone))
        for visit, value in enumerate(values)
    ]
    row = next(line for line in retest_table(pairs).splitlines() if line.startswith("| all |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == "4"
    assert cells[2] == "+0.00" and cells[4] == "1.00"  # the truth is the same in both
    difference = np.subtract(phone, dslr)
    assert cells[5] == f"{difference.mean():+.2f}"
    assert cells[6].endswith(f"to {difference.mean() + 1.96 * difference.std(ddof=1):+.2f}")
    assert cells[7] == f"{icc(list(zip(dslr, phone, strict=True))).single:.2f}"


def test_both_versions_stand_in_one_row() -> None:
    pairs = [pair(visit, "dslr", float(visit), visit + 1.0) for visit in range(4)]
    text = table(pairs, {"one": lambda p: [p.masi], "other": lambda p: [(p.masi[0], p.classical)]}, 2)
    head, _, row, *_ = text.splitlines()
    assert head.count("ICC(2,1)") == 2 and head.count("|") == row.count("|")
    assert row.count("+1.00 to +1.00") == 2


def test_the_second_reading_is_counted_against_its_own_truth() -> None:
    pairs = [pair(visit, "dslr", float(visit), visit + 1.0) for visit in range(4)] + [pair(5, "dslr", 5.0, 20.0)]
    text = second_reading(pairs)
    told = " ".join(text.split())
    assert "held that truth in 1.00" in told and "in common in 1 photographs; in 0 of these" in told
    row = next(line for line in text.splitlines() if line.startswith("| all |"))
    errors = np.array([1.0, 1.0, 1.0, 1.0, 15.0])
    assert f"{errors.mean():+.2f}" in row and f"{errors.mean() + 1:+.2f}" in row
    assert second_reading([pair(1, "dslr", 1.0, None)]) == "No severity network ships."


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_aims_are_told_with_intervals_that_draw_heads() -> None:
    """Every head has an error of its own, so that the interval is that of eight numbers, not of sixteen."""
    rng = np.random.default_rng(4)
    errors = rng.normal(0.4, 1.0, 8)
    trues = np.linspace(0, 40, 8)
    pairs = [
        pair(visit, device, float(true), float(true + error), head=f"h{visit}")
        for visit, (true, error) in enumerate(zip(trues, errors, strict=True))
        for device in ("dslr", "phone")
    ]
    bias, single, retest = (_cells(line) for line in aims(pairs).splitlines()[2:])
    assert bias[1] == f"{errors.mean():+.2f}" and bias[3] == "16 photographs"
    assert bias[-1].startswith("yes" if abs(errors.mean()) < 0.5 else "no")
    low, high = (float(end) for end in bias[2].split(" to "))
    drawn = rng.choice(errors, (4000, 8)).mean(axis=1)
    assert [low, high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]).tolist(), abs=0.06)
    assert single[1] == f"{icc([p.masi for p in pairs]).single:.2f}"  # type: ignore[misc]
    assert retest[1] == "1.00" and retest[3] == "8 pairs"


def test_limits_by_level_are_of_pigmented_faces_and_lie_farther_from_0() -> None:
    dslr, phone = (0.5, 1.0, 1.5, 30.0, 20.0, 40.0), (0.1, 0.4, 1.6, 22.0, 21.0, 35.0)
    pairs = [pair(n, "dslr", 5.0, value, head=f"h{n}") for n, value in enumerate(dslr)]
    pairs += [pair(n, "phone", 5.0, value, head=f"h{n}") for n, value in enumerate(phone)]
    pairs += [pair(9, "dslr", 0.0, 0.0), pair(9, "phone", 0.0, 1.9)]  # without pigment
    low, middle, high = (_cells(row) for row in level_table(pairs).splitlines()[2:])
    for row, some in ((low, slice(3)), (high, slice(3, 6))):
        differences = np.subtract(phone, dslr)[some]
        assert row[1:3] == ["3", f"{differences.mean():+.2f}"]
        assert row[3] == f"{abs(differences.mean()) + 1.96 * differences.std(ddof=1):.2f}"
    assert middle[1:] == ["0", "", "", ""]


def test_an_aim_is_not_surely_reached_where_its_interval_crosses_it() -> None:
    errors = (-1.5, -0.6, 0.0, 0.3, -0.2, -0.4)
    pairs = [pair(n, "dslr", 5.0 * n, 5.0 * n + error, head=f"h{n}") for n, error in enumerate(errors)]
    assert _cells(aims(pairs).splitlines()[2])[-1] == "yes, but not surely"


@pytest.mark.parametrize(("error", "reached"), [(-0.6, "no"), (-0.45, "yes"), (0.45, "yes"), (0.6, "no")])
def test_a_total_that_is_off_either_way_misses_the_aim(error: float, reached: str) -> None:
    pairs = [pair(visit, "dslr", 3.0 * visit, 3.0 * visit + error, head=f"h{visit}") for visit in range(5)]
    assert _cells(aims(pairs).splitlines()[2])[-1] == reached


def test_of_no_total_no_aim_is_told() -> None:
    assert len(aims([pair(1, "dslr", 1.0, None)]).splitlines()) == 2


def test_intervals_are_counted_with_and_without_pigment() -> None:
    told = [(0.0, 0.0, True), (5.0, 6.0, True), (5.0, 2.0, False), (9.0, 3.0, False), (1.0, 4.0, False)]
    pairs = [replace(pair(n, "dslr", true, read), inside=held) for n, (true, read, held) in enumerate(told)]
    pairs.append(pair(9, "dslr", 1.0, None))
    assert _cells(cover_table(pairs).splitlines()[2]) == ["all", "5", "0.40", "4", "0.25", "1", "2"]


def test_agreement_of_a_measurement_that_never_differs_is_told_without_correlation() -> None:
    n, mean, low, high, absolute, single = agreement([(0.0, 1.0), (0.0, 2.0), (0.0, 3.0), (None, 1.0)])
    assert (n, mean, absolute) == (3, 2.0, 2.0)
    assert low == pytest.approx(2 - 1.96) and high == pytest.approx(2 + 1.96)
    assert np.isnan(single)


def test_the_background_is_the_weighted_mean_of_the_skin_near() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((40, 40)).astype(np.float32)
    where = rng.random((40, 40)) < 0.7
    found = background(values, where, 4.0)
    ys, xs = np.mgrid[:40, :40]
    for y, x in ((20, 20), (12, 25)):
        weight = np.exp(-((ys - y) ** 2 + (xs - x) ** 2) / (2 * 16.0)) * where
        literal = (weight * values).sum() / weight.sum()
        assert found[y, x] == pytest.approx(literal, abs=0.02)
    assert background(values + 1, where, 4.0) == pytest.approx(found + 1, abs=1e-4)
    assert np.ptp(background(values, np.zeros_like(where), 4.0)) == 0


def test_otsu_takes_the_cut_with_the_least_variance_within() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0, 1, 600), rng.normal(6, 1, 200)]).astype(np.float32)
    cuts = np.linspace(values.min(), values.max(), 129)[1:-1]

    def within(cut: float) -> float:
        low, high = values[values < cut], values[values >= cut]
        return sum(part.size * float(part.var()) for part in (low, high) if part.size)

    assert within(otsu(values)) <= 1.01 * min(within(float(cut)) for cut in cuts)
    assert otsu(np.zeros(5, np.float32)) == float("inf")

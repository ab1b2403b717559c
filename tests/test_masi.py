"""MASI and mMASI against a literal reading of the published formulas."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melascope.masi import (
    DARKNESS,
    DETECTION_FLOOR,
    RegionalScore,
    area_step,
    area_value,
    masi,
    mmasi,
    severity,
    step,
)
from melascope.photo.light import from_lab, to_lab
from melascope.skin.chromophores import MELANIN
from melascope.vocabulary import MASI_REGIONS, Region, Severity
from tests.conftest import ROOT

scores = st.builds(RegionalScore, st.floats(0, 6), st.floats(0, 4), st.floats(0, 4))


def slow_masi(f: RegionalScore, rm: RegionalScore, lm: RegionalScore, c: RegionalScore) -> float:
    """0.3 A(D+H) + 0.3 A(D+H) + 0.3 A(D+H) + 0.1 A(D+H), as in Kimbrough-Green et al. 1994."""
    return (
        0.3 * f.area * (f.darkness + f.homogeneity)
        + 0.3 * rm.area * (rm.darkness + rm.homogeneity)
        + 0.3 * lm.area * (lm.darkness + lm.homogeneity)
        + 0.1 * c.area * (c.darkness + c.homogeneity)
    )


@given(st.tuples(scores, scores, scores, scores))
def test_totals_follow_the_published_sums(four: tuple[RegionalScore, ...]) -> None:
    by_region = dict(zip(MASI_REGIONS, four, strict=True))
    assert masi(by_region) == pytest.approx(slow_masi(*four), abs=1e-9)
    without = [RegionalScore(s.area, s.darkness, 0.0) for s in four]
    assert mmasi(by_region) == pytest.approx(slow_masi(*without), abs=1e-9)


def test_the_page_says_how_far_the_densities_of_the_steps_darken_skin() -> None:
    light = from_lab(np.array([65.0, 12.0, 18.0]))
    darker = light * 10.0 ** (-np.array([[density] for density, _ in DARKNESS[1:]]) * MELANIN)
    units = (65 - to_lab(darker)[:, 0]).round().astype(int).tolist()
    page = (ROOT / "docs" / "measurement.md").read_text(encoding="utf-8")
    assert f"| darkening of skin of L* 65 | {' | '.join(map(str, units))} |" in page
    assert units == [3, 7, 11, 17]


def test_the_ends_of_the_scales() -> None:
    assert masi({region: RegionalScore(6, 4, 4) for region in MASI_REGIONS}) == 48
    assert mmasi({region: RegionalScore(6, 4, 4) for region in MASI_REGIONS}) == 24
    assert masi({region: RegionalScore(0, 0, 0) for region in MASI_REGIONS}) == 0


def test_steps_that_make_a_limit_of_the_bands_fall_on_its_upper_side() -> None:
    parts = [RegionalScore(0, 0, 0), RegionalScore(5, 2, 1), RegionalScore(6, 3, 3), RegionalScore(1, 4, 3)]
    total = masi(dict(zip(MASI_REGIONS, parts, strict=True)))
    assert total == 16.0  # as floating-point tenths: 15.999999999999998
    assert total is not None and severity(total) is Severity.MODERATE


@pytest.mark.parametrize("missing", MASI_REGIONS)
def test_a_missing_region_gives_no_total(missing: Region) -> None:
    three = {region: RegionalScore(1, 1, 1) for region in MASI_REGIONS if region is not missing}
    assert masi(three) is None
    assert mmasi(three) is None


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0, 0),
        (0.02, 1),
        (0.0999, 1),
        (0.10, 2),
        (0.2999, 2),
        (0.30, 3),
        (0.50, 4),
        (0.6999, 4),
        (0.70, 5),
        (0.90, 6),
        (1, 6),
    ],
)
def test_area_steps(share: float, expected: int) -> None:
    assert area_step(share) == expected


@given(st.floats(0, 1))
def test_the_area_value_rounds_to_the_step(share: float) -> None:
    value = area_value(share)
    assert 0 <= value <= 6
    assert math.floor(value + 0.5) == area_step(share) or math.isclose(value % 1, 0.5, abs_tol=1e-9)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_area_value_never_falls_and_never_jumps(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert area_value(low) <= area_value(high) + 1e-12
    assert area_value(high) - area_value(low) <= 50 * (high - low) + 1e-12  # steepest below the detection floor


def test_below_the_detection_floor_nothing_is_involved() -> None:
    assert area_step(np.nextafter(DETECTION_FLOOR, 0)) == 0
    assert area_step(DETECTION_FLOOR) == 1


@pytest.mark.parametrize(
    ("total", "band"),
    [
        (0, Severity.MILD),
        (15.99, Severity.MILD),
        (16, Severity.MODERATE),
        (31.99, Severity.MODERATE),
        (32, Severity.SEVERE),
        (48, Severity.SEVERE),
    ],
)
def test_severity_is_half_open(total: float, band: Severity) -> None:
    assert severity(total) is band


@pytest.mark.parametrize(("value", "whole"), [(0.0, 0), (0.49, 0), (0.5, 1), (1.5, 2), (3.51, 4)])
def test_steps_round_halves_upward(value: float, whole: int) -> None:
    assert step(value) == whole


@pytest.mark.parametrize(
    ("area", "darkness", "homogeneity", "name"),
    [
        (7, 1, 1, "area"),
        (1, 4.1, 1, "darkness"),
        (1, 1, -1, "homogeneity"),
        (math.nan, 1, 1, "area"),
        (1, math.inf, 1, "darkness"),
    ],
)
def test_impossible_scores_are_refused_by_name(area: float, darkness: float, homogeneity: float, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} = .*must lie between 0 and"):
        RegionalScore(area, darkness, homogeneity)


@pytest.mark.parametrize("bad", [-0.01, 1.01, math.nan])
def test_impossible_shares_and_totals_are_refused(bad: float) -> None:
    for function in (area_step, area_value):
        with pytest.raises(ValueError, match="must lie between 0 and 1"):
            function(bad)
    with pytest.raises(ValueError, match="must lie between 0 and 48"):
        severity(bad * 100)


def test_each_region_counts_with_its_weight() -> None:
    base = {region: RegionalScore(0, 0, 0) for region in MASI_REGIONS}
    gains = {}
    for region, (a, d) in itertools.product(MASI_REGIONS, [(2, 3)]):
        gains[region] = masi(base | {region: RegionalScore(a, d, 0)})
    assert gains == pytest.approx(
        {Region.FOREHEAD: 1.8, Region.RIGHT_MALAR: 1.8, Region.LEFT_MALAR: 1.8, Region.CHIN: 0.6}
    )

"""The factors of the intervals: a quantile in which every tone band counts alike."""

from __future__ import annotations

import numpy as np
import pytest

from melascope.lab.skin.calibrate import LEVEL, Ratios, add, calibrate, factors
from melascope.masi import regional_score
from melascope.scoring import Doubts, RegionMeasure
from melascope.vocabulary import Region


def slow_quantile(part: list[tuple[str, float]]) -> float:
    """Smallest value that holds 95 % of the weight, the weight of one more photograph counted above all of them."""
    weight = {group: 1.0 / sum(other == group for other, _ in part) for group, _ in part}
    total = sum(weight[group] for group, _ in part)
    for value in sorted(max(0.0, value) for _, value in part):
        below = sum(weight[group] for group, other in part if max(0.0, other) <= value)
        if below >= (1 - (1 - LEVEL) / 2) * (total + total / len(part)):
            return value
    return max(value for _, value in part)


@pytest.mark.parametrize("seed", range(4))
def test_factors_are_the_quantiles_of_either_side(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [[(str(rng.choice(["light", "tan", "dark"])), float(rng.normal(0.4))) for _ in range(90)] for _ in range(4)]
    found = factors(Ratios(*parts))
    for pair, part in zip((found.share, found.density, found.diameter, found.total), parts, strict=True):
        turned = [(group, -value) for group, value in part]
        assert pair == pytest.approx((slow_quantile(turned), slow_quantile(part)), abs=1e-3)
        assert 0 <= pair[0] < pair[1]


def test_many_easy_photographs_of_one_group_do_not_hide_a_hard_one() -> None:
    part = [("light, with pigment", 0.1)] * 1000 + [("dark, with pigment", float(n)) for n in range(10)]
    assert factors(Ratios(part, part, part, part)).share[1] >= 8.0


@pytest.mark.parametrize(("share", "told"), [(0.006, False), (0.03, True)])
def test_how_large_a_patch_is_counts_only_where_pigment_counts(share: float, told: bool) -> None:
    ends = [regional_score(share, 0.1, diameter) for diameter in (4.0, 6.0, 9.0)]
    measured = RegionMeasure(
        900, share, 0.0, 0.1, 0.1, 6.0, Doubts((0.02, 0.02), (0.02, 0.02), (0.4, 0.4)), ends[1], *ends[::2], *ends[::2]
    )
    true = {"chin": {"share": share, "density": 0.1, "diameter_mm": 9.0}}
    ratios = Ratios()
    add(ratios, {Region.CHIN: measured}, true, band="tan", kinds=["mel"], total=None)
    group = "tan, melasma" if told else "tan, without pigment"
    assert ratios.share == [(group, 0.0)]
    assert ratios.diameter == ([(group, pytest.approx(np.log(9 / 6) / 0.4))] if told else [])


def test_a_folder_without_patients_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(FileNotFoundError, match="holds no virtual patients"):
        calibrate([tmp_path])

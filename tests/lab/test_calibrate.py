"""The factors of the intervals: a quantile in which every tone band counts alike."""

from __future__ import annotations

import numpy as np
import pytest

from melascope.lab.skin.calibrate import LEVEL, Ratios, calibrate, factors


def slow_quantile(part: list[tuple[str, float]]) -> float:
    """Smallest value that holds 90 % of the weight, the weight of one more photograph counted above all of them."""
    weight = {band: 1.0 / sum(other == band for other, _ in part) for band, _ in part}
    total = sum(weight[band] for band, _ in part)
    for value in sorted(value for _, value in part):
        below = sum(weight[band] for band, other in part if other <= value)
        if below >= LEVEL * (total + total / len(part)):
            return value
    return max(value for _, value in part)


@pytest.mark.parametrize("seed", range(4))
def test_factors_are_the_quantiles(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [
        [(str(rng.choice(["light", "tan", "dark"])), float(rng.exponential())) for _ in range(60)] for _ in range(4)
    ]
    found = factors(Ratios(*parts))
    expected = [slow_quantile(part) for part in parts]
    assert [found.share, found.density, found.diameter, found.total] == pytest.approx(expected, abs=1e-3)


def test_many_easy_photographs_of_one_band_do_not_hide_a_hard_band() -> None:
    part = [("light", 0.1)] * 1000 + [("dark", float(n)) for n in range(10)]
    assert factors(Ratios(part, part, part, part)).share >= 7.0


def test_a_folder_without_patients_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(FileNotFoundError, match="holds no virtual patients"):
        calibrate([tmp_path])

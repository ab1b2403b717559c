"""Chromophore maps: exactly what Beer-Lambert says on made colours."""

from __future__ import annotations

import math

import numpy as np
import pytest

from melascope.skin.chromophores import HAEMOGLOBIN, MELANIN, chromophores, optical_density
from tests.photo.literal import literal_linear


def test_optical_density_is_minus_log10_and_capped() -> None:
    pixels = np.array([[[255, 128, 0]]], np.uint8)
    assert optical_density(pixels)[0, 0] == pytest.approx([0.0, -math.log10(literal_linear(128)), 3.0], abs=1e-5)


@pytest.mark.parametrize(
    ("melanin", "blood", "shade"), [(0.2, 0.0, 0.0), (0.0, 0.15, 0.0), (0.0, 0.0, 0.3), (0.1, 0.05, 0.2)]
)
def test_unmixing_undoes_mixing(melanin: float, blood: float, shade: float) -> None:
    density = [melanin * m + blood * h + shade for m, h in zip(MELANIN, HAEMOGLOBIN, strict=True)]
    maps = chromophores(np.array(density, np.float32).reshape(1, 1, 3))
    assert float(maps.melanin[0, 0]) == pytest.approx(melanin, abs=1e-5)
    assert float(maps.haemoglobin[0, 0]) == pytest.approx(blood, abs=1e-5)
    assert float(maps.shading[0, 0]) == pytest.approx(shade, abs=1e-5)


def test_shading_and_white_balance_leave_melanin_differences_alone() -> None:
    rng = np.random.default_rng(3)
    density = rng.uniform(0.2, 1.2, (8, 8, 3)).astype(np.float32)
    shaded = density + rng.uniform(0, 0.5, (8, 8, 1)).astype(np.float32) + np.array([0.1, 0.0, -0.05], np.float32)
    before, after = chromophores(density).melanin, chromophores(shaded).melanin
    change = after - before
    assert float(np.ptp(change)) < 1e-5  # one constant for the whole photograph

"""The truth of maps, counted again pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from melascope.cohort.truth import as_json, score, true_regions
from melascope.masi import RegionalScore, area_value, masi
from melascope.vocabulary import MASI_REGIONS, Region

SIDE = 120


def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Four quarters, one a region, with discs of pigment; a pixel is 0.5 mm wide, on the right 1 mm."""
    codes = np.zeros((SIDE, SIDE), np.uint8)
    half = SIDE // 2
    quarters = (codes[:half, :half], codes[:half, half:], codes[half:, :half], codes[half:, half:])
    for quarter, region in zip(quarters, MASI_REGIONS, strict=True):
        quarter[...] = region
    ys, xs = np.mgrid[:SIDE, :SIDE]
    density = np.zeros((SIDE, SIDE), np.float32)
    for x, y, radius, amount in ((20, 20, 9, 0.1), (40, 45, 5, 0.2), (85, 30, 14, 0.15)):
        density[np.hypot(xs - x, ys - y) <= radius] = amount
    mm2 = np.where(xs < half, np.float32(0.25), np.float32(1.0))
    return codes, density > 0.05, density, mm2


def test_shares_densities_and_diameters_are_those_of_the_maps() -> None:
    codes, involved, density, mm2 = drawn()
    truth = true_regions(codes, involved, density, mm2)
    for region in MASI_REGIONS:
        inside = [(y, x) for y in range(SIDE) for x in range(SIDE) if codes[y, x] == region]
        sick = [place for place in inside if involved[place]]
        assert truth[region].share == pytest.approx(len(sick) / len(inside))
        assert truth[region].area_mm2 == pytest.approx(sum(float(mm2[place]) for place in inside), rel=1e-5)
        assert truth[region].density == pytest.approx(np.median([density[p] for p in sick]) if sick else 0.0)
    # One disc of 14 px at 1 mm; two discs of 9 and 5 px at 0.5 mm, weighted by their areas.
    assert truth[Region.RIGHT_MALAR].diameter_mm == pytest.approx(28, rel=0.03)
    areas = np.pi * np.array([4.5, 2.5]) ** 2
    assert truth[Region.FOREHEAD].diameter_mm == pytest.approx(
        2 * np.sqrt((areas**2).sum() / areas.sum() / np.pi), rel=0.05
    )


def test_the_total_follows_from_the_record() -> None:
    truth = true_regions(*drawn())
    written = as_json(truth)
    scores = {
        region: RegionalScore(area_value(one["share"]), one["darkness"], one["homogeneity"])
        for region in MASI_REGIONS
        for one in [written[region.key]]
    }
    assert score(truth).masi == pytest.approx(masi(scores), abs=1e-9)
    by_hand = sum(
        weight * scores[region].area * (scores[region].darkness + scores[region].homogeneity)
        for region, weight in zip(MASI_REGIONS, (0.3, 0.3, 0.3, 0.1), strict=True)
    )
    assert score(truth).masi == pytest.approx(by_hand, abs=1e-9)


def test_a_region_that_is_hardly_seen_gives_no_total() -> None:
    codes, involved, density, mm2 = drawn()
    whole = {region: one.area_mm2 for region, one in true_regions(codes, involved, density, mm2).items()}
    codes[:50, :60] = Region.HAIR
    truth = true_regions(codes, involved, density, mm2, whole)
    assert Region.FOREHEAD not in truth
    assert score(truth).masi is None
    assert score(truth).severity is None

"""Hair: strands from parameters, on the head and off the face."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest

from melascope.cohort.comb import clumped, joined, nearest_of, tapered
from melascope.cohort.fringe import beard_density, face_roots
from melascope.cohort.head import Head, build_head, neutral_parameters
from melascope.cohort.shell import YOKE_MM, head_shell, rest_mm, scalp_roots, spherical_deg
from melascope.cohort.strands import (
    BEARDS,
    STYLES,
    HairParameters,
    Strands,
    brow_colour,
    grow_beard,
    grow_brows,
    grow_hair,
    grow_lashes,
    hair_colour,
    sample_hair,
)
from melascope.cohort.styles import hairline_deg, scalp_density

LENGTHS = {"short": 40.0, "coily": 20.0, "shaved": 3.0}


@cache
def head() -> Head:
    return build_head(replace(neutral_parameters(), sex=0.2, age_years=45.0, weight=0.7))


@cache
def grown(style: str) -> Strands:
    return grow_hair(head(), HairParameters(style, LENGTHS.get(style, 300.0), seed=3))


def chart_of(points: np.ndarray) -> np.ndarray:
    """Chart place of the skin vertex nearest to each point."""
    on = np.flatnonzero(np.isfinite(head().chart[:, 0]))
    return head().chart[on][nearest_of(points.astype(np.float32), head().vertices[on])]


@pytest.mark.parametrize("style", STYLES)
def test_every_style_grows_finite_strands_on_the_scalp(style):
    strands = grown(style)
    assert strands.points.dtype == strands.radius.dtype == np.float32
    assert 6000 < len(strands) < 60000 and 4 <= strands.points.shape[1] <= 20
    assert np.isfinite(strands.points).all() and strands.radius.min() > 0.005 and strands.radius.max() < 0.25
    assert strands.shade is not None and strands.shade.mean() == pytest.approx(1, abs=1e-4)
    shell = head_shell(head())
    count = {"bun": 20000, "tied": 20000, "covered": 6000}.get(style, len(strands))
    root_height = shell.height_mm(strands.points[:count, 0], ears=False)
    assert np.quantile(np.abs(root_height), 0.98) < 5.0


@pytest.mark.parametrize("style", STYLES)
def test_hair_stays_outside_the_head_and_off_the_face(style):
    points = grown(style).points[:, 2:].reshape(-1, 3)
    shell = head_shell(head())
    high = points[points[:, 1] > YOKE_MM]
    assert (shell.height_mm(high, ears=False) < -2.5).mean() < 0.01
    face = (np.abs(points[:, 0]) < 50) & (points[:, 2] > 0) & (points[:, 1] < 45)
    assert not face.any()


def test_long_hair_lies_before_or_behind_the_shoulders():
    free = HairParameters("loose", 400, tucked=(False, False), volume_mm=10, seed=4)
    behind, ahead = (grow_hair(head(), replace(free, ahead=where)).points for where in (False, True))
    shell = head_shell(head())
    for points, least in ((behind, 0.0), (ahead, 0.1)):
        low = points[points[..., 1] < -150]
        back, front = shell.yoke_mm(low)
        inside = (low[:, 2] > back + 4) & (low[:, 2] < front - 4)
        assert inside.mean() < 0.06
        assert (low[:, 2] > (back + front) / 2).mean() >= least
    assert behind[..., 1].min() < -180


def test_the_same_parameters_give_the_same_bits():
    for style in ("short", "tied"):
        again = grow_hair(head(), HairParameters(style, LENGTHS.get(style, 300.0), seed=3))
        assert np.array_equal(grown(style).points, again.points) and np.array_equal(grown(style).shade, again.shade)
    assert not np.array_equal(
        grow_brows(head(), HairParameters("tied", seed=1)).points[:99],
        grow_brows(head(), HairParameters("tied", seed=2)).points[:99],
    )


def test_recession_bares_temples_first_and_the_top_last():
    rest = scalp_roots().rest
    azimuth, elevation = spherical_deg(rest)
    temple = (np.abs(np.abs(azimuth) - 36) < 8) & (np.abs(elevation - 36) < 5)
    top = (np.abs(azimuth) < 60) & (elevation > 55)
    fringe = (np.abs(azimuth) > 120) & (np.abs(elevation) < 15)
    found = {}
    for loss in (0.0, 0.5, 1.0):
        density, _ = scalp_density(rest, HairParameters("short", 30, recession=loss))
        found[loss] = [density[part].mean() for part in (temple, top, fringe)]
    assert min(found[0.0]) > 0.9
    assert found[0.5][0] < 0.3 and found[0.5][1] > 0.6
    assert found[1.0][1] < 0.1 and found[1.0][2] > 0.9
    line = hairline_deg(np.linspace(-180, 180, 99, dtype=np.float32), HairParameters("tied"))
    assert np.allclose(line, line[::-1], atol=1e-4)


def test_shell_knows_heights_and_places():
    shell = head_shell(head())
    rng = np.random.default_rng(0)
    ways = rng.normal(size=(400, 3)).astype(np.float32)
    ways[:, 1] = np.abs(ways[:, 1])
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    points = shell.along(ways, 7.0)
    assert np.allclose(shell.height_mm(points, ears=False), 7.0, atol=0.3)
    assert np.allclose(shell.lifted(points, 9.0, ears=False), points + 2.0 * ways, atol=0.4)
    # The unmorphed skull is carried onto this one.
    skull = rest_mm()[:13380]
    skull = np.flatnonzero(spherical_deg(skull)[1] > 45)
    moved = shell.from_rest(rest_mm()[skull])
    assert np.linalg.norm(moved - head().base_mm[skull], axis=1).mean() < 8.0


def test_brows_lie_on_the_brow():
    strands = grow_brows(head(), HairParameters("tied", seed=5))
    place = chart_of(strands.points[:, 0])
    assert 400 < len(strands) < 1400
    assert (np.abs(place[:, 0]) > 7).all() and (np.abs(place[:, 0]) < 61).all()
    assert place[:, 1].max() < -36 and place[:, 1].min() > -57
    left = (place[:, 0] > 0).mean()
    assert 0.42 < left < 0.58
    # They point outward, but for the innermost, which rise.
    run = strands.points[:, -1] - strands.points[:, 0]
    outer = np.abs(place[:, 0]) > 28
    assert (run[outer, 0] * np.sign(place[outer, 0]) > 0).mean() > 0.97
    assert (run[np.abs(place[:, 0]) < 13, 1] > 0).mean() > 0.9
    thin = grow_brows(head(), HairParameters("tied", brow_density=0.45, seed=5))
    assert len(thin) < 0.65 * len(strands)


def test_lashes_start_at_the_lids_and_curve_away():
    strands = grow_lashes(head(), HairParameters("tied", seed=6))
    assert len(strands) == 2 * (110 + 66)
    for eye, sign in zip(head().eyes, (-1, 1), strict=True):
        mine = strands.points[strands.points[:, 0, 0] * sign > 0]
        distance = np.linalg.norm(mine - eye.centre_mm, axis=2) - eye.radius_mm
        assert np.abs(distance[:, 0]).max() < 3.0
        assert (distance[:, -1] > distance[:, 0] + 1.5).all()


def test_beards_spare_lips_and_cheeks():
    assert grow_beard(head(), HairParameters("short")) is None
    counts = {}
    for kind in BEARDS[1:]:
        strands = grow_beard(head(), HairParameters("short", beard=kind, seed=7))
        assert strands is not None
        counts[kind] = len(strands)
        place = chart_of(strands.points[::7, 0])
        assert (((place[:, 0] / 24) ** 2 + ((place[:, 1] - 41) / 7) ** 2) < 1).mean() < 0.01
        assert ((np.abs(place[:, 0]) < 60) & (place[:, 1] < 12)).mean() == 0
    assert counts["short"] > counts["stubble"] > 500
    assert float(beard_density(np.array([[0.0, 75.0]], np.float32))[0]) > 0.8


def test_face_roots_follow_the_density():
    rng = np.random.default_rng(8)
    roots = face_roots(
        head(), lambda chart: np.where(chart[:, 0] > 0, 1.0, 0.25).astype(np.float32), (-30, -80, 30, -55), rng
    )
    right, left = (roots.chart[:, 0] < 0).sum(), (roots.chart[:, 0] > 0).sum()
    assert left == pytest.approx(30 * 25, rel=0.12) and right == pytest.approx(30 * 25 / 4, rel=0.25)
    assert np.allclose(np.linalg.norm(roots.along_x, axis=1), 1, atol=1e-4)
    assert (roots.along_x[:, 0] > 0.8).all() and (roots.along_y[:, 1] < -0.4).all()


def test_clumps_are_drawn_to_their_nearest_leader():
    rng = np.random.default_rng(9)
    points = rng.normal(0, 10, (60, 5, 3)).astype(np.float32)
    leaders = rng.normal(0, 10, (7, 3)).astype(np.float32)
    slow = [min(range(7), key=lambda j: float(((p - leaders[j]) ** 2).sum())) for p in points[:, 0]]
    assert nearest_of(points[:, 0], leaders).tolist() == slow
    pulled = clumped(points, 5, 0.8, np.random.default_rng(1))
    assert np.array_equal(pulled[:, 0], points[:, 0])
    assert np.ptp(pulled[:, -1], axis=0).sum() <= np.ptp(points[:, -1], axis=0).sum()
    assert len(np.unique((pulled[:, -1] == points[:, -1]).all(axis=1))) == 2
    assert clumped(points, 5, 0.0, np.random.default_rng(1)) is points


def test_joining_keeps_ends_and_bundles_keep_strands():
    rng = np.random.default_rng(10)
    one = Strands(rng.random((4, 3, 3), np.float32), tapered(4, 3, 0.1), np.array([0.5, 1, 1.5, 3], np.float32))
    other = Strands(rng.random((2, 6, 3), np.float32), tapered(2, 6, 0.2))
    both = joined([one, other])
    assert both.points.shape == (6, 6, 3)
    assert np.allclose(both.points[:4, [0, -1]], one.points[:, [0, -1]], atol=1e-6)
    assert np.array_equal(both.points[4:], other.points)
    bundles = both.bundles(3)
    assert sum(len(strands) for _, strands in bundles) == 6
    assert [shade for shade, _ in bundles] == sorted(shade for shade, _ in bundles)
    assert other.bundles() == [(1.0, other)]
    with pytest.raises(ValueError, match="pass"):
        Strands(np.zeros((3, 4, 3), np.float32), np.zeros((3, 5), np.float32))


def test_samples_are_plain_and_repeatable():
    seen = set()
    for seed in range(60):
        sex, age = ("female", "male")[seed % 2], 20.0 + seed
        ancestry = np.roll((0.9, 0.05, 0.05), seed % 3)
        drawn = [
            sample_hair(np.random.default_rng(seed), sex=s, age_years=age, ancestry=tuple(ancestry))
            for s in (sex, seed % 2)
        ]
        assert drawn[0] == drawn[1]
        assert json.loads(json.dumps(asdict(drawn[0])))["style"] == drawn[0].style
        assert sex == "male" or (drawn[0].beard == "none" and drawn[0].recession == 0)
        seen.add(drawn[0].style)
    assert seen >= set(STYLES) - {"covered"}


def test_hair_greys_with_age():
    def mean(age: float) -> float:
        rng = np.random.default_rng(11)
        return float(np.mean([hair_colour(rng, age_years=age, ancestry=(1, 1, 1)) for _ in range(80)]))

    assert mean(25) < 0.1 and mean(80) > mean(55) > mean(25)
    assert brow_colour((0.5, 0.4, 0.3)) < (0.2, 0.2, 0.2) and brow_colour((0.01, 0.01, 0.01)) > (0.009, 0.009, 0.009)


def test_bad_values_are_refused():
    for wrong in ({"style": "mohawk"}, {"style": "tied", "curl": 2.0}, {"style": "tied", "beard": "long"}):
        with pytest.raises(ValueError):
            HairParameters(**wrong)
    with pytest.raises(ValueError, match="male"):
        sample_hair(np.random.default_rng(0), sex="other", age_years=30, ancestry=(1, 0, 0))

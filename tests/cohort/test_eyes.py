"""Eyes sit in their lids."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest

from melascope.cohort.eyes import IRISES, EyeParameters, build_eyes, sample_eyes
from melascope.cohort.head import Head, build_head, neutral_parameters, sample_head
from melascope.cohort.lids import lid_line, lid_rims, seated
from melascope.cohort.solid import Solid


@cache
def heads() -> tuple[Head, ...]:
    rng = np.random.default_rng(2)
    sampled = [
        build_head(sample_head(rng, sex=i % 2, age_years=25 + 20 * i, ancestry=tuple(np.roll((0.9, 0.05, 0.05), i))))
        for i in range(3)
    ]
    return (build_head(replace(neutral_parameters(), sex=0.0)), *sampled)


@cache
def eyes(number: int) -> tuple[Solid, ...]:
    return tuple(build_eyes(heads()[number], EyeParameters(seed=4)))


def ball(number: int, side: str) -> Solid:
    return next(solid for solid in eyes(number) if solid.name == f"{side} eye")


@pytest.mark.parametrize("number", range(4))
def test_eyeball_neither_leaves_a_gap_nor_comes_through_the_lids(number):
    head = heads()[number]
    for side, eye, given in zip(("right", "left"), seated(head), head.eyes, strict=True):
        assert np.linalg.norm(eye.centre_mm - given.centre_mm) < 3.5 and abs(eye.radius_mm - given.radius_mm) < 2.5
        inner, outer = (rim - eye.centre_mm for rim in lid_rims(head, side))
        middle = np.abs(outer[:, 0] - np.median(outer[:, 0])) < 9
        assert middle.sum() > 9 and (np.linalg.norm(inner[middle], axis=1) < eye.radius_mm).all()
        surface = ball(number, side).vertices - eye.centre_mm
        way = surface / np.linalg.norm(surface, axis=1, keepdims=True)
        lid = np.linalg.norm(outer, axis=1)
        nearest = np.argmax(way @ (outer / lid[:, None]).T, axis=0)
        assert (np.linalg.norm(surface[nearest], axis=1) < lid + 0.45).all()


@pytest.mark.parametrize("number", range(4))
def test_lid_line_runs_on_the_eyeball_from_corner_to_corner(number):
    head = heads()[number]
    for side, eye, sign in zip(("right", "left"), seated(head), (-1, 1), strict=True):
        upper, lower = lid_line(head, side, eye)
        assert np.array_equal(upper[[0, -1]], lower[[0, -1]])
        for line in (upper, lower):
            assert np.allclose(np.linalg.norm(line - eye.centre_mm, axis=1), eye.radius_mm, atol=0.7)
            assert (np.diff(line[:, 0] * sign) >= 0).all()
        x = np.linspace(0.2, 0.8, 7) * (upper[-1, 0] - upper[0, 0]) + upper[0, 0]
        height = np.interp(x * sign, upper[:, 0] * sign, upper[:, 1]) - np.interp(
            x * sign, lower[:, 0] * sign, lower[:, 1]
        )
        assert (height > 0).all() and height.max() < 16


def test_ball_has_a_cornea_an_iris_of_human_size_and_a_dark_pupil():
    head = heads()[0]
    for side, eye in zip(("right", "left"), seated(head), strict=True):
        solid = ball(0, side)
        colour = np.asarray(solid.colour)
        off = np.linalg.norm(solid.vertices - eye.centre_mm, axis=1) - eye.radius_mm
        assert off.min() > -0.02 and 0.3 < off.max() < 1.1
        apex = solid.vertices[np.argmax(off)]
        assert apex[2] > eye.centre_mm[2] + eye.radius_mm * 0.98
        away = np.linalg.norm(solid.vertices - apex, axis=1)
        front = solid.vertices[:, 2] > eye.centre_mm[2]
        assert colour[away < 1.2].max() < 0.03
        white = colour[(away > 7.5) & (away < 9) & front]
        iris = colour[(away > 2.6) & (away < 5.2)]
        assert white.mean() > 4 * iris.mean() and 0.25 < white.mean() < 0.6
        assert solid.normals is not None
        assert ((solid.vertices - eye.centre_mm) * solid.normals).sum(axis=1).min() > 0


def test_every_part_is_a_sound_surface():
    names = [solid.name for solid in eyes(0)]
    assert len(names) == 6 and len(set(names)) == 6
    for solid in eyes(0):
        assert solid.kind == "eye" and solid.vertices.dtype == np.float32 and solid.faces.dtype == np.int32
        assert np.isfinite(solid.vertices).all() and solid.faces.max() < len(solid.vertices) and solid.faces.min() == 0
        assert np.min(solid.colour) > 0 and np.max(solid.colour) < 0.8


def test_gaze_and_colour_follow_the_parameters():
    head = heads()[0]
    straight, aside = (build_eyes(head, EyeParameters(gaze_deg=(x, 0.0)))[0] for x in (0.0, 12.0))
    centre = seated(head)[0].centre_mm
    apex = [s.vertices[np.argmax(np.linalg.norm(s.vertices - centre, axis=1))] for s in (straight, aside)]
    turned = np.rad2deg(np.arctan2(apex[1][0] - centre[0], apex[1][2] - centre[2]))
    turned -= np.rad2deg(np.arctan2(apex[0][0] - centre[0], apex[0][2] - centre[2]))
    assert turned == pytest.approx(12, abs=0.5)
    blue, brown = (np.asarray(build_eyes(head, EyeParameters(iris=name))[0].colour) for name in ("blue", "brown"))
    row = slice(25 * 144, 26 * 144)
    assert blue[row, 2].mean() > blue[row, 0].mean() and brown[row, 0].mean() > brown[row, 2].mean()
    again = build_eyes(head, EyeParameters(iris="blue"))[0]
    assert np.array_equal(np.asarray(again.colour), blue)


def test_samples_are_plain_and_iris_colours_follow_ancestry():
    rng = np.random.default_rng(3)
    african = [sample_eyes(rng, age_years=40, ancestry=(1, 0, 0)) for _ in range(60)]
    european = [sample_eyes(rng, age_years=40, ancestry=(0, 0, 1)) for _ in range(60)]
    assert json.loads(json.dumps(asdict(african[0])))["iris"] in IRISES
    light = {"blue", "green", "grey"}
    assert sum(e.iris in light for e in african) == 0 < 12 < sum(e.iris in light for e in european)


def test_bad_values_are_refused():
    for wrong in ({"iris": "violet"}, {"pupil_mm": 5.0}, {"gaze_deg": (40.0, 0.0)}):
        with pytest.raises(ValueError):
            EyeParameters(**wrong)

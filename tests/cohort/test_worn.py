"""Worn things lie outside the skin and leave the face free."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest

from melascope.cohort.clothes import NECKLINES, garment
from melascope.cohort.glasses import FRAMES
from melascope.cohort.hair import HairParameters
from melascope.cohort.head import Head, build_head, neutral_parameters
from melascope.cohort.headwear import BAND_MM, band_angle
from melascope.cohort.shell import YOKE_MM, head_shell
from melascope.cohort.solid import Solid, clipped, grid_faces, tube, vertex_normals
from melascope.cohort.worn import COVERS, WornParameters, build_worn, grow_hair_under, sample_worn


@cache
def head() -> Head:
    return build_head(replace(neutral_parameters(), sex=0.1, weight=0.6))


@cache
def worn(cover: str) -> Solid:
    (solid,) = build_worn(head(), WornParameters("none", cover=cover, seed=2))
    return solid


def sound(solid: Solid) -> None:
    assert solid.kind == "worn" and solid.vertices.dtype == np.float32 and solid.faces.dtype == np.int32
    assert np.isfinite(solid.vertices).all() and solid.faces.min() == 0 and solid.faces.max() == len(solid.vertices) - 1
    assert solid.normals is not None and solid.normals.shape == solid.vertices.shape
    assert np.min(solid.colour) > 0 and np.max(solid.colour) <= 0.95


def area(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, i]].astype(np.float64) for i in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


@pytest.mark.parametrize("cover", COVERS[1:])
def test_covers_lie_outside_the_skin_and_face_outward(cover):
    solid = worn(cover)
    sound(solid)
    shell = head_shell(head())
    high = solid.vertices[:, 1] > YOKE_MM
    height = shell.height_mm(solid.vertices[high], ears=False)
    assert height.min() > 0.3 and np.quantile(height, 0.5) < 40
    outward = (shell.outward(solid.vertices) * solid.normals).sum(axis=1)
    assert (outward > 0).mean() > 0.9


@pytest.mark.parametrize("cover", COVERS[1:])
def test_covers_leave_the_face_free(cover):
    points = worn(cover).vertices
    for x, y in ((-31, 0), (31, 0), (0, -20), (0, -70), (40, -45), (-40, -45), (0, 30)):
        near = (np.hypot(points[:, 0] - x, points[:, 1] - y) < 9) & (points[:, 2] > -60)
        assert not near.any(), (x, y)


def test_hair_is_pressed_under_the_band_and_hidden_by_a_scarf():
    shell = head_shell(head())
    loose = HairParameters("loose", 300, volume_mm=14, seed=5)
    pressed = grow_hair_under(head(), loose, WornParameters(cover="band"))
    flat = pressed.points[:, :12].reshape(-1, 3)
    flat = flat[np.linalg.norm(flat - shell.centre, axis=1) < 140]
    under = flat[band_angle(shell, flat) > 1.5]
    assert len(under) > 5000
    assert (shell.height_mm(under, ears=False) < BAND_MM).mean() > 0.995
    hidden = grow_hair_under(head(), loose, WornParameters(cover="scarf"))
    assert (shell.height_mm(hidden.points.reshape(-1, 3), ears=False) < 6.5).mean() > 0.995
    free = grow_hair_under(head(), loose, WornParameters())
    assert (shell.height_mm(free.points[:, :12].reshape(-1, 3), ears=False) > BAND_MM).mean() > 0.2


@pytest.mark.parametrize("kind", NECKLINES)
def test_clothes_cover_shoulders_but_neither_head_nor_throat(kind):
    solid = garment(head(), kind, (0.3, 0.4, 0.5), 3)
    sound(solid)
    x, y, z = solid.vertices.T
    assert (y < -60).all() and np.abs(x).max() > 140
    assert not ((np.hypot(x, z + 90) < 40) & (y > -130)).any()
    assert not ((z > -30) & (y > -115)).any()
    # It lies on the skin beneath, which is about as large.
    gap = [np.linalg.norm(head().vertices - point, axis=1).min() for point in solid.vertices[:: len(x) // 60]]
    assert min(gap) > 1.0 and max(gap) < 12


@pytest.mark.parametrize("frame", FRAMES)
def test_glasses_stand_before_the_eyes_and_reach_the_ears(frame):
    solids = {s.name: s for s in build_worn(head(), WornParameters("none", frame=frame))}
    assert len(solids) == 7 and all(name.startswith("glasses") for name in solids)
    for side, eye in zip(("right", "left"), head().eyes, strict=True):
        for part in ("rim", "lens", "temple"):
            sound(solids[f"glasses {side} {part}"])
        lens = solids[f"glasses {side} lens"]
        assert lens.glass and not solids[f"glasses {side} rim"].glass
        gap = lens.vertices[:, 2].max() - (eye.centre_mm[2] + eye.radius_mm)
        assert 6 < gap < 24
        assert abs(lens.vertices[:, 0].mean() - eye.centre_mm[0]) < 4
        assert solids[f"glasses {side} temple"].vertices[:, 2].min() < -80


def test_clipping_cuts_exactly_along_the_line():
    rng = np.random.default_rng(6)
    u, v = np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 1, 7))
    vertices = np.stack([u.ravel(), v.ravel(), 0 * u.ravel()], axis=1).astype(np.float32)
    faces = grid_faces(7, 9)
    for _ in range(5):
        a, b = rng.normal(size=2)
        c = -(a + b) / 2
        field = (a * vertices[:, 0] + b * vertices[:, 1] + c).astype(np.float32)
        part, corners, level = clipped(vertices, faces, field)
        other, rest, _ = clipped(vertices, faces, -field)
        # A line through the middle halves the square; the two parts are the whole.
        assert area(part, corners) == pytest.approx(0.5, abs=1e-5) == area(other, rest)
        assert np.allclose(part[:, 0] * a + part[:, 1] * b + c, level, atol=1e-5) and level.min() > -1e-6
        side = np.cross(part[corners[:, 1]] - part[corners[:, 0]], part[corners[:, 2]] - part[corners[:, 0]])[:, 2]
        assert (side * np.sign(_turn(vertices, faces)) > -1e-7).all()
    same, kept, _ = clipped(vertices, faces, np.ones(len(vertices), np.float32))
    assert len(same) == len(vertices) and len(kept) == len(faces)


def _turn(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = vertices[faces[0]]
    return float(np.cross(b - a, c - a)[2])


def test_normals_and_tubes():
    turn = np.arange(40) * (2 * np.pi / 40)
    path = np.stack([10 * np.cos(turn), 10 * np.sin(turn), 0 * turn], axis=1).astype(np.float32)
    vertices, faces = tube(path, np.full(40, 1.5, np.float32), 8, closed=True)
    away = np.hypot(np.hypot(vertices[:, 0], vertices[:, 1]) - 10, vertices[:, 2])
    assert np.allclose(away, 1.5, atol=0.05)
    normals = vertex_normals(vertices, faces)
    slow = np.zeros_like(normals, dtype=np.float64)
    for face in faces:
        a, b, c = vertices[face].astype(np.float64)
        slow[face] += np.cross(b - a, c - a)
    assert np.allclose(normals, slow / np.linalg.norm(slow, axis=1, keepdims=True), atol=1e-5)
    middle = np.repeat(path, 8, axis=0)
    assert ((vertices - middle) * normals).sum(axis=1).min() > 1.0


def test_same_parameters_same_bits_and_samples_are_plain():
    chosen = WornParameters("gown", cover="cap", seed=9)
    for one, other in zip(build_worn(head(), chosen), build_worn(head(), chosen), strict=True):
        assert np.array_equal(one.vertices, other.vertices) and np.array_equal(one.colour, other.colour)
    covers = set()
    for seed in range(80):
        drawn = sample_worn(np.random.default_rng(seed), ("female", "male")[seed % 2], 20.0 + seed % 60)
        assert drawn == sample_worn(np.random.default_rng(seed), seed % 2, 20.0 + seed % 60)
        assert json.loads(json.dumps(asdict(drawn)))["seed"] == drawn.seed
        covers.add(drawn.cover)
    assert covers == set(COVERS)


def test_unknown_words_are_refused():
    for wrong in ({"garment": "toga"}, {"cover": "crown"}, {"frame": "heart"}):
        with pytest.raises(ValueError, match="choose from"):
            WornParameters(**wrong)
    with pytest.raises(ValueError, match="kind"):
        Solid("x", "hat", np.zeros((3, 3), np.float32), np.zeros((1, 3), np.int32), None, (0.5, 0.5, 0.5))

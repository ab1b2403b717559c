import dataclasses
import json
import math

import numpy as np
import pytest

from melascope.cohort.backdrop import paint_backdrop
from melascope.cohort.light import Lamp, Room, card_light, lamp_mesh, lamp_radiance, room_map, temperature_rgb
from melascope.cohort.shot import DEVICES, VIEWS, Backdrop, Shot, sample_shot
from melascope.vocabulary import Region

ROOM = Room(0.3, 6504.0)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("view", VIEWS)
def test_a_drawn_shot_is_plain_numbers_and_drawn_again_alike(device, view):
    one, again = (sample_shot(np.random.default_rng(5), device=device, view=view) for _ in range(2))
    assert one == again
    assert json.loads(json.dumps(dataclasses.asdict(one)))["seed"] == one.seed
    assert (one.target is None) == (view != "close-up")


def test_views_turn_the_head_to_the_side_that_they_show():
    rng = np.random.default_rng(0)
    for view, low, high in (("frontal", -15, 15), ("right45", 30, 60), ("left45", -60, -30)):
        assert all(low < sample_shot(rng, device="phone", view=view).yaw_deg < high for _ in range(20))
    right = sample_shot(rng, device="dslr", view="close-up", target=Region.RIGHT_MALAR)
    assert right.target == "right_malar" and right.yaw_deg > 10 and 150 <= right.distance_mm <= 250


def test_the_clinic_photographs_at_50_cm_before_black_cloth():
    shots = [sample_shot(np.random.default_rng(seed), device="dslr", view="frontal") for seed in range(20)]
    assert all(abs(shot.distance_mm - 500) < 50 and shot.backdrop.kind == "black" for shot in shots)
    assert {shot.light for shot in shots} == {"ring", "twin"}


def test_telephones_meet_every_light():
    rng = np.random.default_rng(1)
    shots = [sample_shot(rng, device="phone", view="frontal") for _ in range(80)]
    assert {shot.light for shot in shots} == {"window", "overcast", "ceiling", "flash", "shade", "mixed"}
    assert all(250 <= shot.distance_mm <= 600 for shot in shots)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"device": "film"}, "film"),
        ({"view": "profile"}, "profile"),
        ({"target": "chin"}, "chin"),
        ({"size_px": 101}, "101"),
        ({"field_mm": 9000.0}, "9000"),
    ],
)
def test_a_shot_that_cannot_be_is_refused(change, says):
    shot = sample_shot(np.random.default_rng(0), device="dslr", view="frontal")
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(shot, **change)


def test_the_field_is_seen_at_the_distance():
    shot = sample_shot(np.random.default_rng(0), device="dslr", view="frontal")
    assert isinstance(shot, Shot)
    assert 2 * shot.distance_mm * math.tan(math.radians(shot.fov_deg) / 2) == pytest.approx(shot.field_mm)


def test_temperatures_run_from_red_to_blue():
    ratios = [rgb[0] / rgb[2] for rgb in map(temperature_rgb, (2000, 3000, 4500, 6504, 9000))]
    assert ratios == sorted(ratios, reverse=True)
    assert temperature_rgb(6504) == pytest.approx([1, 1, 1], abs=0.07)
    with pytest.raises(ValueError, match="900 K"):
        temperature_rgb(900)


@pytest.mark.parametrize("shape", ["ring", "disc", "panel"])
def test_a_lamp_lights_a_card_as_an_integral_over_its_surface_says(shape):
    lamp = Lamp(shape, (80.0, -40.0, 400.0), (0.0, 0.0, 0.0), (90.0, 60.0), 0.7, 6504.0)
    vertices, faces = lamp_mesh(lamp)
    rng = np.random.default_rng(0)
    normal = np.array([0.0, 0.0, 1.0])
    total, radiance = 0.0, float(lamp_radiance(lamp)[1])
    for a, b, c in vertices[faces].astype(float):
        across = np.cross(b - a, c - a)
        area = np.linalg.norm(across) / 2
        share = rng.dirichlet((1, 1, 1), 40)
        points = share @ np.stack([a, b, c])
        far = np.linalg.norm(points, axis=1)
        leaves = np.maximum(-(points @ across) / np.linalg.norm(across), 0) / far
        arrives = np.maximum(points @ normal, 0) / far
        total += area * np.mean(leaves * arrives / far**2)
    assert total > 0
    assert card_light((lamp,), Room(0.0001, 6504.0))[1] - 0.0001 == pytest.approx(
        total / np.pi * radiance, rel=0.01, abs=1e-4
    )


def test_halves_of_a_lamp_are_the_lamp():
    lamp = Lamp("ring", (0.0, 0.0, 400.0), (0.0, 0.0, 0.0), (90.0, 60.0), 1.0, 5000.0)

    def area(part):
        vertices, faces = lamp_mesh(lamp, part)
        a, b, c = np.moveaxis(vertices[faces].astype(float), 1, 0)
        return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2

    assert area((0.0, 0.5)) + area((0.5, 1.0)) == pytest.approx(np.pi * (90**2 - 60**2), rel=0.01)


def test_an_even_room_lights_a_card_with_its_strength():
    even = Room(0.4, 6504.0, ceiling=1.0, floor=1.0)
    map_ = room_map(even)
    assert map_.shape == (32, 64, 3)
    assert card_light((), even, (-45.0, 0.0, 45.0))[1] == pytest.approx(float(map_[16, 0, 1]), rel=0.02)


def test_a_room_is_brightest_at_its_bright_side_and_above():
    map_ = room_map(Room(0.4, 6504.0, ceiling=2.0, floor=0.2, side_deg=90.0, side=2.0))[..., 1]
    assert map_[2].mean() > map_[-3].mean()
    # Column 0 looks away from the camera, a quarter further is the picture's right.
    assert int(map_[15].argmax()) in (15, 16)


def test_a_lamp_that_does_not_light_the_face_is_refused():
    away = Lamp("disc", (0.0, 0.0, 400.0), (0.0, 0.0, 900.0), (30.0, 0.0), 1.0, 5000.0)
    with pytest.raises(ValueError, match="aim"):
        lamp_radiance(away)
    with pytest.raises(ValueError, match="globe"):
        Lamp("globe", (0.0, 0.0, 400.0), (0.0, 0.0, 0.0), (30.0, 0.0), 1.0, 5000.0)


@pytest.mark.parametrize("kind", ["black", "plain", "room"])
def test_backdrops_are_light_and_repeat(kind):
    drop = Backdrop(kind, (0.3, 0.2, 0.1), (0.1, 0.1, 0.2), 0.03, 4)
    picture = paint_backdrop(drop, 96)
    assert picture.shape == (96, 96, 3) and picture.dtype == np.float32 and picture.min() >= 0
    assert np.array_equal(picture, paint_backdrop(drop, 96))
    with pytest.raises(ValueError, match="beach"):
        paint_backdrop(dataclasses.replace(drop, kind="beach"), 96)

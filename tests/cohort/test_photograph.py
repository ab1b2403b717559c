"""A face laid onto a scene that is made up: the light of each pixel, and what it is called."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from melascope.cohort.buffers import Buffers, Part
from melascope.cohort.camera import sample_camera
from melascope.cohort.chart import PX_MM, SIDE, Chart
from melascope.cohort.face import Face
from melascope.cohort.photograph import photograph, scene_light
from melascope.cohort.shot import sample_shot
from melascope.cohort.view import Geometry
from melascope.vocabulary import Region

H = W = 48


def chart() -> Chart:
    codes = np.full((SIDE, SIDE), Region.FOREHEAD, np.uint8)
    codes[:, SIDE // 2 :] = Region.LEFT_MALAR
    return Chart(codes=codes, valid=codes > 0, position_mm=np.zeros((SIDE, SIDE, 3), np.float32), landmarks={})


def face() -> Face:
    shape = (SIDE, SIDE)
    ys, xs = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    reflectance = np.dstack([0.3 + xs / SIDE * 0.2, 0.2 + ys / SIDE * 0.2, np.full(shape, 0.15)]).astype(np.float32)
    kinds = np.zeros(shape, np.uint8)
    kinds[400:600, 300:480] = 3
    return Face(
        reflectance=reflectance,
        melanin=np.full(shape, 0.02, np.float32),
        dermal=np.zeros(shape, np.float32),
        blood=np.full(shape, 0.03, np.float32),
        density=(kinds > 0).astype(np.float32) * np.float32(0.12),
        kinds=kinds,
        instances=(kinds > 0).astype(np.uint16),
        height_mm=(0.05 * xs / PX_MM).astype(np.float32),  # a slope of 0.05 along x
        gloss=np.full(shape, 1.5, np.float32),
        look_alikes=(),
        base_rgb=(0.4, 0.3, 0.2),
        ita_deg=30.0,
    )


def buffers() -> Buffers:
    """The chart's middle seen straight, 1 mm a pixel; row 0 is background, column 0 is neck, a corner is hair."""
    part = np.full((H, W), Part.SKIN, np.uint8)
    part[0], part[1:, 0], part[1:6, 40:] = Part.BACKGROUND, Part.OTHER_SKIN, Part.HAIR
    skin = np.isin(part, (Part.SKIN, Part.OTHER_SKIN)).astype(np.float32)
    mm = np.arange(W, dtype=np.float32) - W / 2
    place = np.dstack(np.meshgrid(mm, mm)).astype(np.float32)
    place[part != Part.SKIN] = np.nan
    colour = np.ones((H, W, 3), np.float32)
    return Buffers(
        part=part,
        skin_share=skin,
        on_chart=(part == Part.SKIN).astype(np.float32),
        chart=place,
        mm_per_px=np.where(skin > 0, np.float32(1.0), np.float32(np.nan)),
        cosine=skin,
        irradiance=0.8 * colour * skin[..., None],
        tilt_x=np.full((H, W), 0.5, np.float32),
        tilt_y=np.zeros((H, W), np.float32),
        specular=0.01 * colour * skin[..., None],
        hair=0.05 * colour * (part == Part.HAIR)[..., None],
        other=0.02 * colour * (part == Part.BACKGROUND)[..., None],
    )


def test_light_is_reflectance_times_irradiance_and_highlights() -> None:
    light, skin = scene_light(face(), buffers(), (0.04, 0.03, 0.02))
    y, x = 30, 12
    column, row = (x - W / 2 + SIDE / PX_MM / 2) * PX_MM - 0.5, (y - H / 2 + SIDE / PX_MM / 2) * PX_MM - 0.5
    expected = np.array([0.3 + column / SIDE * 0.2, 0.2 + row / SIDE * 0.2, 0.15])
    assert skin[y, x] == pytest.approx(expected, abs=1e-4)
    relief = 1 + 0.05 * 0.5
    assert light[y, x] == pytest.approx(expected * 0.8 * relief + 1.5 * 0.01, abs=2e-4)
    assert light[0, 5] == pytest.approx([0.02] * 3)
    assert light[3, 44] == pytest.approx(0.05 * np.array([0.04, 0.03, 0.02]) / 0.2)
    # Skin off the chart has the colour of the face's own.
    assert light[20, 0] == pytest.approx(np.array([0.4, 0.3, 0.2]) * 0.8 + 0.01, rel=0.03)


def test_what_a_pixel_is_called_and_carries() -> None:
    camera = sample_camera(np.random.default_rng(0), "dslr")
    photo = photograph(face(), buffers(), chart(), (0.04, 0.03, 0.02), camera)
    assert photo.pixels.shape == (H, W, 3)
    assert (photo.regions[0] == Region.BACKGROUND).all()
    assert photo.regions[30, 10] == Region.FOREHEAD and photo.regions[30, 40] == Region.LEFT_MALAR
    assert photo.regions[3, 44] == Region.HAIR
    assert photo.regions[20, 0] in (Region.NECK, Region.OTHER_SKIN)
    lesion = photo.kinds > 0
    assert lesion.any() and set(np.unique(photo.kinds)) == {0, 3}
    assert (photo.instances > 0)[lesion].all() and not photo.instances[~lesion].any()
    assert photo.density[lesion].max() == pytest.approx(0.12)
    assert photo.mm2_per_px[30, 10] == pytest.approx(1.0) and photo.mm2_per_px[0, 5] == 0


def test_every_pixel_of_a_wall_that_faces_the_camera_shows_as_much_of_it() -> None:
    """However far off the axis: what a slanting ray loses by its angle it gains by the wall's."""
    shot = sample_shot(np.random.default_rng(1), device="phone", view="frontal", size_px=H)
    shot = replace(shot, distance_mm=250.0, field_mm=330.0)
    across = ((np.arange(2 * H) + 0.5) / (2 * H) - 0.5) * shot.field_mm
    x, y = np.meshgrid(across, -across)
    samples = np.zeros((2 * H, 2 * W, 11), np.float32)
    samples[..., 4] = 1.0  # normals towards the camera
    samples[..., 7] = np.sqrt(x**2 + y**2 + shot.distance_mm**2)  # along the ray
    wall = Geometry(samples, np.full((2 * H, 2 * W), Part.SKIN, np.uint8), shot)
    seen = replace(
        buffers(), part=wall.part, skin_share=wall.skin, mm_per_px=wall.mm_per_px, cosine=wall.cosine
    )  # fmt: skip
    photo = photograph(face(), seen, chart(), (0.04, 0.03, 0.02), sample_camera(np.random.default_rng(0), "phone"))
    assert wall.cosine.min() < 0.75
    assert photo.mm2_per_px / (shot.field_mm / H) ** 2 == pytest.approx(1.0, abs=0.01)


def test_hair_hides_lesions() -> None:
    scene = buffers()
    part = scene.part.copy()
    part[10:40, 10:40] = Part.HAIR
    hidden = replace(scene, part=part, on_chart=(part == Part.SKIN).astype(np.float32))
    camera = sample_camera(np.random.default_rng(0), "dslr")
    photo = photograph(face(), hidden, chart(), (0.04, 0.03, 0.02), camera)
    assert not photo.kinds[10:40, 10:40].any()
    assert not photo.density[10:40, 10:40].any()

import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image

from melascope.cohort.camera import CameraParameters, develop, encode_jpeg, sample_camera
from melascope.photo.light import to_linear, to_srgb

PLAIN = CameraParameters("dslr")


def patches():
    light = np.zeros((96, 96, 3), np.float32)
    for k, albedo in enumerate([(0.6, 0.45, 0.35), (0.3, 0.18, 0.12), (0.08, 0.05, 0.04)]):
        light[:, 32 * k : 32 * k + 32] = albedo
    return light


def middles(pixels):
    return np.stack([pixels[40:56, 32 * k + 10 : 32 * k + 22].reshape(-1, 3).mean(0) for k in range(3)])


def test_a_camera_without_errors_gives_srgb_of_the_light():
    light = np.random.default_rng(0).uniform(0, 1, (40, 50, 3)).astype(np.float32)
    assert np.abs(develop(light, PLAIN).astype(int) - to_srgb(light).astype(int)).max() <= 1


@pytest.mark.parametrize("seed", range(6))
def test_a_clinic_camera_is_balanced_to_the_grey_card(seed):
    camera = sample_camera(np.random.default_rng(seed), "dslr")
    true, seen = middles(to_srgb(patches())), middles(develop(patches(), camera))
    assert np.abs(seen - true).max() < 10
    # Hue: with the error of exposure taken out, what remains is the balance's.
    gains = to_linear(np.rint(seen).astype(np.uint8)) / to_linear(np.rint(true).astype(np.uint8))
    assert np.abs(gains[0] / gains[0, 1] - 1).max() < 0.05


def test_a_telephone_errs_more_than_a_clinic_camera():
    def spread(device):
        shown = [middles(develop(patches(), sample_camera(np.random.default_rng(s), device)))[0] for s in range(12)]
        return np.std(shown, axis=0).mean()

    assert spread("phone") > 2 * spread("dslr")


@pytest.mark.parametrize("device", ["dslr", "phone"])
def test_pictures_repeat_and_parameters_are_plain(device):
    camera = sample_camera(np.random.default_rng(3), device)
    assert CameraParameters(**json.loads(json.dumps(dataclasses.asdict(camera)))) == camera
    light = patches()
    one, again = develop(light, camera), develop(light, camera)
    assert one.dtype == np.uint8 and np.array_equal(one, again)
    assert not np.array_equal(one, develop(light, dataclasses.replace(camera, seed=camera.seed + 1)))


def test_noise_is_shot_and_read_noise_before_the_curve():
    camera = dataclasses.replace(PLAIN, full_well=400.0, read_noise=0.02, seed=1)
    for level in (0.1, 0.4):
        seen = to_linear(develop(np.full((200, 200, 3), level, np.float32), camera))
        assert seen.std() == pytest.approx(np.sqrt(level / 400 + 0.02**2), rel=0.06)


def test_the_meter_brings_the_middle_towards_grey():
    for level in (0.05, 0.6):
        light = np.full((64, 64, 3), level, np.float32)
        seen = [
            float(to_linear(develop(light, dataclasses.replace(PLAIN, metering=m))).mean()) for m in (0.0, 0.5, 1.0)
        ]
        assert seen[0] == pytest.approx(level, rel=0.02)
        assert abs(seen[1] - 0.2) < abs(seen[0] - 0.2) and seen[2] == pytest.approx(0.2, abs=0.02)


def test_shake_blurs_along_its_direction():
    light = np.zeros((769, 769, 3), np.float32)
    light[384, 384] = 1.0
    seen = to_linear(develop(light, dataclasses.replace(PLAIN, shake_px=9.0, shake_deg=0.0)))[..., 1].astype(float)
    y, x = np.mgrid[:769, :769] - 384
    assert (seen * x**2).sum() > 3 * (seen * y**2).sum() > 0


def test_vignetting_darkens_corners_only():
    seen = to_linear(develop(np.full((101, 101, 3), 0.5, np.float32), dataclasses.replace(PLAIN, vignette=0.4)))
    assert seen[50, 50, 1] == pytest.approx(0.5, abs=0.005) and seen[0, 0, 1] == pytest.approx(0.3, abs=0.01)


def test_smoothing_takes_noise_and_leaves_edges():
    light = np.full((128, 128, 3), 0.1, np.float32)
    light[:, 64:] = 0.5
    noisy = dataclasses.replace(PLAIN, full_well=300.0, seed=2)
    rough, smooth = (
        develop(light, c) @ [0.21, 0.72, 0.07] for c in (noisy, dataclasses.replace(noisy, luma_smoothing_px=9.0))
    )
    assert smooth[:, 90:120].std() < 0.7 * rough[:, 90:120].std()
    assert smooth[:, 68:72].mean() - smooth[:, 56:60].mean() > 0.9 * (rough[:, 68:72].mean() - rough[:, 56:60].mean())


def test_jpeg_keeps_the_picture_and_holds_colour_at_half_resolution():
    pixels = develop(patches(), PLAIN)
    file = encode_jpeg(pixels, 92)
    with Image.open(io.BytesIO(file)) as image:
        assert image.format == "JPEG" and image.size == (96, 96)
        assert [part[1:3] for part in image.layer] == [(2, 2), (1, 1), (1, 1)]
        assert np.abs(middles(np.asarray(image)) - middles(pixels)).max() < 3
    assert len(encode_jpeg(pixels, 40)) < len(file)


def test_what_cannot_be_developed_is_refused():
    with pytest.raises(ValueError, match="shape"):
        develop(np.zeros((4, 4), np.float32), PLAIN)
    with pytest.raises(ValueError, match="NaN"):
        develop(np.full((4, 4, 3), np.nan, np.float32), PLAIN)
    with pytest.raises(ValueError, match="quality 0"):
        encode_jpeg(np.zeros((4, 4, 3), np.uint8), 0)
    with pytest.raises(ValueError, match="metering"):
        dataclasses.replace(PLAIN, metering=2.0)
    with pytest.raises(ValueError, match="polaroid"):
        sample_camera(np.random.default_rng(0), "polaroid")

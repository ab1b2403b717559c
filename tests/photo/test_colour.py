"""Colour modes and profiles against literal references."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from melascope.photo import Photo, PhotoRefused, read_photo
from melascope.photo.photograph import GREY
from tests.photo import samples

D50_TO_SRGB = np.array(
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
)
"""XYZ (D50) to linear sRGB, Bradford-adapted (Lindbloom)."""


def codes(photo: Photo) -> list[str]:
    return [finding.code for finding in photo.notes]


def srgb_encoded(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """IEC 61966-2-1, 0 to 255."""
    inside = np.clip(linear, 0, 1)
    return 255 * np.where(inside <= 0.0031308, 12.92 * inside, 1.055 * inside ** (1 / 2.4) - 0.055)


def literal_from_profile(pixels: NDArray[np.uint8], primaries: object, gamma: float) -> NDArray[np.float64]:
    linear = (pixels / 255.0) ** gamma
    return srgb_encoded(linear @ np.array(primaries) @ D50_TO_SRGB.T)


def test_display_p3_is_converted() -> None:
    pixels = samples.smooth()
    data = samples.encode(pixels, "PNG", icc_profile=samples.icc_profile(samples.P3_PRIMARIES, 2.2))
    photo = read_photo(data)
    expected = literal_from_profile(pixels, samples.P3_PRIMARIES, 563 / 256)
    assert np.abs(photo.pixels - expected).max() < 2.5
    assert np.abs(photo.pixels.astype(int) - pixels).mean() > 3  # so the profile does matter here
    assert photo.notes == ()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF"])
def test_swapped_primaries_swap_the_channels(form: str) -> None:
    red, green, blue = samples.SRGB_PRIMARIES
    profile = samples.icc_profile((green, red, blue))
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 98}, "HEIF": {"quality": 95}}.get(form, {})
    photo = read_photo(samples.encode(samples.smooth(), form, icc_profile=profile, **options))
    expected = literal_from_profile(samples.smooth(), (green, red, blue), 563 / 256)
    assert np.abs(photo.pixels - expected).mean() < 3


def test_a_profile_that_is_srgb_leaves_every_pixel_alone() -> None:
    pixels = samples.smooth()
    photo = read_photo(samples.encode(pixels, "PNG", icc_profile=samples.srgb_profile()))
    assert np.array_equal(photo.pixels, pixels)


def test_where_the_profile_is_srgb_no_time_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    apply = ImageCms.applyTransform

    def spy(image: Image.Image, *args: object, **options: object) -> object:
        sizes.append(image.size)
        return apply(image, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(ImageCms, "applyTransform", spy)
    read_photo(samples.encode(samples.smooth(), "PNG", icc_profile=samples.srgb_profile()))
    assert (samples.WIDTH, samples.HEIGHT) not in sizes
    read_photo(samples.encode(samples.smooth(), "PNG", icc_profile=samples.icc_profile(samples.P3_PRIMARIES)))
    assert (samples.WIDTH, samples.HEIGHT) in sizes


def test_a_profile_applies_to_sixteen_bits_and_to_palettes() -> None:
    red, green, blue = samples.SRGB_PRIMARIES
    profile = samples.icc_profile((green, red, blue))
    quarters = samples.quadrants()
    expected = literal_from_profile(quarters, (green, red, blue), 563 / 256)
    paletted = samples.encode(Image.fromarray(quarters).quantize(4), "PNG", icc_profile=profile)
    assert np.abs(read_photo(paletted).pixels - expected).max() < 4
    deep = samples.wide(quarters.astype(np.uint16) * 257, ".png")
    at = deep.index(b"IDAT") - 4
    body = b"x\0\0" + zlib.compress(profile)
    deep = deep[:at] + samples.png_chunk(b"iCCP", body) + deep[at:]
    assert np.abs(read_photo(deep).pixels - expected).max() < 4


@pytest.mark.parametrize(
    "profile",
    [b"no profile at all", samples.srgb_profile()[:200], samples.ink_profile(), b"\0" * 500],
    ids=["text", "truncated", "for inks", "zeros"],
)
def test_a_useless_profile_is_said_and_the_picture_taken_as_srgb(profile: bytes) -> None:
    photo = read_photo(samples.encode(samples.smooth(), "PNG", icc_profile=profile))
    assert codes(photo) == ["colour_profile_unreadable"]
    assert photo.notes[0].effect == "reservation"
    assert np.array_equal(photo.pixels, samples.smooth())


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_inks_without_a_profile_are_a_guess(form: str) -> None:
    options = {"quality": 98} if form == "JPEG" else {}
    photo = read_photo(samples.encode(Image.fromarray(samples.smooth()).convert("CMYK"), form, **options))
    assert codes(photo) == ["colour_from_inks"]
    assert np.abs(photo.pixels.astype(int) - samples.smooth()).mean() < 3


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_inks_follow_their_profile(form: str) -> None:
    cyan = Image.new("CMYK", (80, 80), (255, 0, 0, 0))
    plain = read_photo(samples.encode(cyan, form)).pixels[40, 40].astype(int)
    assert plain[0] < 30 and plain[2] > 220  # by arithmetic, cyan
    photo = read_photo(samples.encode(cyan, form, icc_profile=samples.ink_profile()))
    red, green, blue = photo.pixels[40, 40].astype(int)
    assert red > green + 60 and red > blue + 60  # by the profile, red
    assert photo.notes == ()
    white = Image.new("CMYK", (80, 80), (0, 0, 0, 0))
    assert read_photo(samples.encode(white, form, icc_profile=samples.ink_profile())).pixels.min() > 245


def test_inks_stored_inverted_are_put_right() -> None:
    """Adobe's JPEGs hold 255 minus the ink; the APP14 marker tells."""
    data = samples.encode(Image.new("CMYK", (80, 80), (0, 0, 0, 40)), "JPEG", quality=95)
    assert b"Adobe" in data
    assert abs(int(read_photo(data).pixels.mean()) - 215) < 4


def literal_lab_to_srgb(lab: tuple[float, float, float]) -> NDArray[np.float64]:
    """CIE 15, D50 white."""
    fy = (lab[0] + 16) / 116
    f = np.array([fy + lab[1] / 500, fy, fy - lab[2] / 200])
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * np.array([0.9642, 1.0, 0.8249])
    return srgb_encoded(D50_TO_SRGB @ xyz)


@pytest.mark.parametrize("lab", [(50, 0, 0), (70, 20, 25), (30, 10, -20), (85, -10, 15)])
def test_lab_tiff(lab: tuple[int, int, int]) -> None:
    stored = np.zeros((70, 80, 3), np.uint8)
    stored[:] = round(lab[0] * 255 / 100), lab[1] % 256, lab[2] % 256
    photo = read_photo(samples.tiff(stored, photometric=8, bits=8))
    assert np.abs(photo.pixels[35, 40] - literal_lab_to_srgb(lab)).max() < 2.5


def test_ycbcr_tiff() -> None:
    data = samples.encode(Image.fromarray(samples.smooth()).convert("YCbCr"), "TIFF", compression="jpeg", quality=95)
    assert np.abs(read_photo(data).pixels.astype(int) - samples.smooth()).mean() < 2


# ---------------------------------------------------------------- sixteen bits


@pytest.mark.parametrize("form", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_rounded(form: str, channels: int) -> None:
    ramp = np.linspace(0, 65535, 80 * 4096).round().astype(np.uint16).reshape(80, 4096)
    deep = ramp if channels == 1 else np.stack([ramp, ramp[:, ::-1], ramp[::-1]], axis=-1)
    photo = read_photo(samples.wide(deep, form))
    expected = np.array([round(value / 257) for value in range(65536)])[deep]  # no value lies half-way: 257 is odd
    assert np.array_equal(photo.pixels, expected if channels == 3 else np.repeat(expected[..., None], 3, 2))
    assert photo.grey is (channels == 1)


def test_big_endian_uncompressed_sixteen_bits() -> None:
    deep = (samples.smooth().astype(np.uint16) * 257) ^ 0x80
    little = samples.tiff(deep, photometric=2, bits=16)
    assert np.array_equal(read_photo(little).pixels, np.rint(deep / 257))


def test_sixteen_bits_with_alpha() -> None:
    deep = np.dstack(
        [samples.smooth().astype(np.uint16) * 257, np.full((samples.HEIGHT, samples.WIDTH), 65535, np.uint16)]
    )
    photo = read_photo(samples.wide(deep, ".png"))
    assert np.array_equal(photo.pixels, samples.smooth())
    assert photo.notes == ()


@pytest.mark.parametrize("mode", ["F", "I"])
def test_other_depths_are_refused_with_a_sentence(mode: str) -> None:
    with pytest.raises(PhotoRefused) as caught:
        read_photo(samples.encode(Image.new(mode, (80, 80), 7), "TIFF"))
    assert caught.value.finding.code == "depth_unsupported"
    assert "8 or 16 bits" in caught.value.finding.advice


# ---------------------------------------------------------------- grey, palette, alpha


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "P", "RGB", "RGBA"])
def test_grey_in_every_mode(mode: str) -> None:
    ramp = Image.fromarray(np.tile(np.arange(0, 240, 3, dtype=np.uint8), (70, 1)))
    picture = Image.fromarray(np.asarray(ramp).astype(np.uint16) * 257) if mode == "I;16" else ramp.convert(mode)
    photo = read_photo(samples.encode(picture, "PNG"))
    assert photo.grey
    assert codes(photo) == ["grey_scale"]
    assert (photo.pixels.max(axis=2) == photo.pixels.min(axis=2)).all()
    if mode != "1":
        assert np.array_equal(photo.pixels[..., 0], np.asarray(ramp))


def test_a_photograph_is_grey_if_nearly_every_pixel_nearly_is() -> None:
    pixels = np.tile(np.arange(30, 230, dtype=np.uint8)[:, None, None], (1, 300, 3))
    pixels[..., 0] += GREY  # a toned print
    pixels[:2, :, 2] += 20  # dust
    assert Photo.from_array(pixels).grey
    photo = read_photo(samples.encode(pixels, "PNG"))
    assert photo.grey and (photo.pixels.max(axis=2) == photo.pixels.min(axis=2)).all()
    pixels[2, :, 2] += 20  # more than a hundredth
    assert not Photo.from_array(pixels).grey
    assert not read_photo(samples.encode(pixels, "PNG")).grey
    assert not Photo.from_array(np.full((80, 80, 3), (120 + GREY + 1, 120, 120), np.uint8)).grey


@pytest.mark.parametrize("profile", [None, samples.ink_profile()], ids=["no profile", "profile"])
def test_black_ink_alone_is_grey(profile: bytes | None) -> None:
    black = np.zeros((80, 90, 4), np.uint8)
    black[..., 3] = np.arange(90) * 2
    options = {} if profile is None else {"icc_profile": profile}
    photo = read_photo(samples.encode(Image.fromarray(black, "CMYK"), "TIFF", **options))
    assert photo.grey
    assert codes(photo)[-1] == "grey_scale"


def test_lab_without_colour_is_grey() -> None:
    stored = np.zeros((70, 80, 3), np.uint8)
    stored[..., 0] = np.arange(80) * 3
    assert read_photo(samples.tiff(stored, photometric=8, bits=8)).grey


def test_a_grey_profile_keeps_grey_grey() -> None:
    ramp = np.tile(np.arange(0, 240, 3, dtype=np.uint8), (70, 1))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    photo = read_photo(samples.encode(ramp, "PNG", icc_profile=lab))
    assert photo.grey
    assert codes(photo) == ["colour_profile_unreadable", "grey_scale"]


def test_transparency_is_laid_on_white() -> None:
    pixels = np.dstack([samples.smooth(), np.full((samples.HEIGHT, samples.WIDTH), 255, np.uint8)])
    pixels[:36, :, 3] = 0
    pixels[36:40, :, 3] = 128
    photo = read_photo(samples.encode(pixels, "PNG"))
    assert codes(photo) == ["alpha_composited"]
    assert photo.notes[0].value == pytest.approx(40 / 72)
    assert (photo.pixels[:36] == 255).all()
    half = samples.smooth()[36:40] * (128 / 255) + 255 * (127 / 255)
    assert np.abs(photo.pixels[36:40] - half).max() <= 1
    assert np.array_equal(photo.pixels[40:], samples.smooth()[40:])
    assert np.abs(photo.pixels.astype(int) - Photo.from_array(pixels).pixels).max() <= 1


def test_a_transparent_palette_entry_and_a_transparent_colour() -> None:
    quarters = samples.quadrants()
    paletted = Image.fromarray(quarters).quantize(4)
    entry = int(np.asarray(paletted)[0, 0])
    photo = read_photo(samples.encode(paletted, "PNG", transparency=entry))
    assert sorted(codes(photo)) == ["alpha_composited", "few_colours"]
    assert (photo.pixels[0, 0] == 255).all()
    photo = read_photo(samples.encode(quarters, "PNG", transparency=tuple(int(v) for v in quarters[0, 0])))
    assert codes(photo) == ["alpha_composited"]
    assert (photo.pixels[0, 0] == 255).all() and np.array_equal(photo.pixels[-1], quarters[-1])


def test_an_opaque_alpha_channel_is_not_worth_a_word() -> None:
    photo = read_photo(samples.encode(Image.fromarray(samples.smooth()).convert("RGBA"), "PNG"))
    assert photo.notes == ()
    assert np.array_equal(photo.pixels, samples.smooth())


def test_few_colours_are_counted() -> None:
    photo = read_photo(samples.encode(Image.fromarray(samples.quadrants()).quantize(200), "BMP"))
    assert [(finding.code, finding.value) for finding in photo.notes] == [("few_colours", 4)]

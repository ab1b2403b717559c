"""Formats, limits, hostile files, silence, memory."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from melascope.photo import Photo, PhotoRefused, read_photo, reading
from melascope.photo.formats import webp_size
from tests.photo import samples

SEEDS = samples.seeds()
STILL = sorted(name for name in SEEDS if not name.endswith(("animated", "pages")) and name != "gif")


def refusal(source: str | Path | bytes, name: str | None = None) -> PhotoRefused:
    with pytest.raises(PhotoRefused) as caught:
        read_photo(source, name)
    finding = caught.value.finding
    assert finding.effect == "refused"
    assert finding.advice.endswith(".") and len(finding.advice) > 20
    assert "/" not in caught.value.name
    return caught.value


# ---------------------------------------------------------------- what is read


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_every_format_is_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.bin"
    path.write_bytes(SEEDS[name])
    photo = read_photo(path)
    assert photo.pixels.dtype == np.uint8
    assert sorted(photo.pixels.shape) == [3, samples.HEIGHT, samples.WIDTH]
    assert photo.pixels.flags.c_contiguous and not photo.pixels.flags.writeable
    assert photo.name == f"{name}.bin"
    assert photo.sha256 == hashlib.sha256(SEEDS[name]).hexdigest()
    refusals = {finding.code for finding in photo.notes if finding.effect == "refused"}
    assert refusals == ({"grey_scale"} if photo.grey else set())
    assert np.array_equal(read_photo(str(path)).pixels, read_photo(SEEDS[name]).pixels)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("png_alpha", 0),
        ("webp_lossless", 0),
        ("tiff", 0),
        ("tiff_lzw", 0),
        ("bmp", 0),
        ("png_16", 0),
        ("jpeg_progressive", 2),
    ],
)
def test_pixels_are_those_that_were_saved(name: str, tolerance: float) -> None:
    assert np.abs(read_photo(SEEDS[name]).pixels.astype(int) - samples.smooth()).mean() <= tolerance


def test_heic_pixels_are_close_to_those_that_were_saved() -> None:
    photo = read_photo(samples.encode(samples.smooth(), "HEIF", quality=90))
    assert np.abs(photo.pixels.astype(int) - samples.smooth()).mean() < 3


@pytest.mark.parametrize(
    ("form", "first_is"), [("png", "smooth"), ("webp", "smooth"), ("gif", "quadrants"), ("tiff", "smooth")]
)
def test_of_several_pictures_the_first_is_read(form: str, first_is: str) -> None:
    data = SEEDS[{"tiff": "tiff_pages", "gif": "gif"}.get(form, f"{form}_animated")]
    photo = read_photo(data)
    expected = samples.smooth() if first_is == "smooth" else samples.quadrants()
    assert np.abs(photo.pixels.astype(int) - expected).mean() < 3
    assert "animation_first_frame" in [finding.code for finding in photo.notes]


def test_a_wrong_ending_is_only_a_note() -> None:
    photo = read_photo(SEEDS["bmp"], "face.JPG")
    assert [(finding.code, finding.effect) for finding in photo.notes] == [("extension_wrong", "note")]
    assert "JPEG" in photo.notes[0].advice and "BMP" in photo.notes[0].advice
    assert read_photo(SEEDS["bmp"], "face.bmp").notes == ()
    assert read_photo(SEEDS["bmp"], "face").notes == ()


def test_nothing_but_pixels_name_and_hash_is_kept() -> None:
    block = Image.Exif()
    block[0x010F], block[0x9003] = "SecretCamera", "2024:01:01 10:00:00"
    block.get_ifd(0x8825)[2] = (1.0, 2.0, 3.0)
    photo = read_photo(samples.jpeg(samples.smooth(), exif=block.tobytes(), comment=b"SecretComment"))
    assert "Secret" not in repr(photo) and "Secret" not in repr(vars(photo))
    assert set(vars(photo)) == {"pixels", "name", "sha256", "grey", "notes"}


def test_a_name_that_is_no_utf_8_can_be_written(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/b\xffd.png"
    try:
        Path(os.fsdecode(path)).write_bytes(SEEDS["png_alpha"])
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    photo = read_photo(os.fsdecode(path))
    assert photo.name.encode("utf-8").startswith(b"b")


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("length", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("name", STILL)
def test_truncated(name: str, length: float) -> None:
    data = SEEDS[name]
    error = refusal(data[: int(len(data) * length)])
    assert (error.finding.code, error.width, error.height) == ("file_damaged", 0, 0)


def test_a_jpeg_without_its_last_tenth_is_refused() -> None:
    data = samples.jpeg(np.random.default_rng(1).integers(0, 256, (200, 300, 3), dtype=np.uint8))
    assert refusal(data[: len(data) * 9 // 10]).finding.code == "file_damaged"


@pytest.mark.parametrize(
    ("data", "code", "word"),
    [
        (b"", "file_empty", "0 bytes"),
        (b"\0", "format_unsupported", "no picture"),
        (b"hello, this is a letter", "format_unsupported", "no picture"),
        (b"%PDF-1.7\n" + b"x" * 100, "format_unsupported", "PDF"),
        (b"PK\x03\x04" + b"\0" * 100, "format_unsupported", "ZIP"),
        (b"\0" * 128 + b"DICM" + b"\0" * 100, "format_unsupported", "DICOM"),
        (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1" + b"\0" * 100, "format_unsupported", "AVIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + b"\0" * 100, "format_unsupported", "video"),
        (b"\xff\xd8\xff", "file_damaged", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "file_damaged", "PNG"),
        (b"RIFF\0\0\0\0WEBP", "file_damaged", "WebP"),
        (b"RIFF\0\0\0\0WEBPVP8X" + b"\0" * 8, "file_damaged", "WebP"),
        (b"II*\0\x08\0\0\0\0\0", "file_damaged", "TIFF"),
        (b"II*\0\xff\xff\xff\xff", "file_damaged", "TIFF"),
        (b"BM", "file_damaged", "BMP"),
        (b"GIF89a", "file_damaged", "GIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "file_damaged", "HEIF"),
        (samples.encode(np.zeros((1, 1, 3), np.uint8), "PNG"), "image_too_small", "1 × 1"),
        (samples.encode(np.zeros((63, 500, 3), np.uint8), "PNG"), "image_too_small", "500 × 63"),
        (samples.png_header(30000, 30000), "image_too_large", "900 million"),
        (samples.png_header(30001, 100), "image_too_large", "30001"),
        (samples.png_header(2**31 - 1, 2**31 - 1), "image_too_large", "2147483647"),
        (samples.png_header(0, 0), "file_damaged", "PNG"),
        (samples.png_header(14000, 14000), "pixels_implausible", "14000 × 14000"),
        (samples.bmp_header(30000, 30000), "image_too_large", "900 million"),
        (samples.bmp_header(5000, 5000), "pixels_implausible", "5000 × 5000"),
        (samples.webp_header(16384, 16384), "image_too_large", "268 million"),
        (samples.webp_header(14000, 14000), "pixels_implausible", "14000 × 14000"),
        (samples.webp_header(100, 2**24), "image_too_large", str(2**24)),
        (samples.jpeg_claiming(65000, 65000), "image_too_large", "65000"),
        (samples.jpeg_claiming(14000, 14000), "pixels_implausible", "14000 × 14000"),
        (samples.tiff(np.zeros((80, 80, 3), np.uint8), 2, 8, {254: 1}), "format_unsupported", "raw data"),
        (samples.tiff(np.zeros((80, 80, 3), np.uint8), 2, 8, {50706: 1}), "format_unsupported", "raw data"),
    ],
)
def test_hostile_content(data: bytes, code: str, word: str) -> None:
    error = refusal(data)
    assert error.finding.code == code
    assert word in error.finding.advice
    assert (error.sha256 is None) == (data == b"")


def test_a_refusal_states_the_size_in_the_header() -> None:
    error = refusal(samples.png_header(30000, 20000), "big.png")
    assert (error.width, error.height, error.name) == (30000, 20000, "big.png")
    assert (error.finding.value, error.finding.limit) == (600, 200)
    assert str(error).startswith("big.png: The picture has 600 million pixels")


def test_smallest_and_largest_that_pass_the_header() -> None:
    assert read_photo(samples.encode(np.zeros((64, 64, 3), np.uint8), "PNG")).width == 64
    slim = np.zeros((64, 30000, 3), np.uint8)
    assert read_photo(samples.encode(slim, "PNG")).width == 30000


@pytest.mark.parametrize("quality", [50, 95])
def test_a_photograph_of_one_even_colour_is_not_implausible(quality: int) -> None:
    """The limit on pixels per byte lies far beyond what JPEG can reach."""
    even = Image.new("RGB", (3000, 2000), (90, 90, 90))
    assert read_photo(samples.encode(even, "JPEG", quality=quality, optimize=True)).width == 3000


@pytest.mark.parametrize(
    ("lossy", "size"), [(True, (100, 70)), (False, (100, 70)), (True, (333, 65)), (False, (65, 333))]
)
def test_the_webp_header_is_read_as_the_decoder_reads_it(lossy: bool, size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, (200, 100, 50))
    assert webp_size(samples.encode(picture, "WEBP", lossless=not lossy)) == size
    assert webp_size(samples.encode(picture, "WEBP", lossless=not lossy, exif=samples.exif(1))) == size


def test_missing_folder_pipe_and_device(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.jpg").finding.code == "file_missing"
    assert refusal(tmp_path / "none.jpg").name == "none.jpg"
    assert refusal(tmp_path).finding.code == "file_is_folder"
    assert refusal(str(tmp_path) + "/").finding.code == "file_is_folder"
    (tmp_path / "plain.jpg").write_bytes(SEEDS["jpeg"])
    assert refusal(tmp_path / "plain.jpg" / "inside.jpg").finding.code == "file_missing"
    os.mkfifo(tmp_path / "pipe.jpg")
    assert refusal(tmp_path / "pipe.jpg").finding.code == "file_is_special"
    assert refusal("/dev/zero").finding.code == "file_is_special"


@pytest.mark.parametrize("path", ["", "nul\0byte.jpg", "x" * 5000 + ".jpg"])
def test_impossible_paths(path: str) -> None:
    assert refusal(path).finding.code in ("file_missing", "file_not_readable")


def test_a_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    assert refusal(tmp_path / "loop.jpg").finding.code == "file_not_readable"


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locked.png"
    path.write_bytes(SEEDS["png_alpha"])
    path.chmod(0)
    if os.access(path, os.R_OK):  # root reads everything

        def closed(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("builtins.open", closed)
    assert refusal(path).finding.code == "file_not_readable"


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(500_000_001)  # sparse: takes no room
    error = refusal(path)
    assert error.finding.code == "file_too_large"
    assert error.finding.limit == 500
    assert error.sha256 is None


def test_bytes_beyond_the_limit_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 1000)
    error = refusal(SEEDS["bmp"], "face.bmp")
    assert error.finding.code == "file_too_large"
    assert error.finding.value == len(SEEDS["bmp"]) / 1e6


def test_a_limit_that_the_host_set_for_pillow_refuses_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    error = refusal(SEEDS["tiff"])
    assert error.finding.code == "image_too_large"
    assert f"{samples.WIDTH} × {samples.HEIGHT}" in error.finding.advice


def test_a_lack_of_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(reading, "to_srgb", full)
    assert refusal(SEEDS["tiff"]).finding.code == "out_of_memory"


# ---------------------------------------------------------------- silence, threads, memory


def test_more_pixels_than_pillow_likes_make_no_noise() -> None:
    """Pillow warns from 89 million pixels on, and refuses from 179 million on; here the limit is 200 million."""
    tall = np.zeros((9000, 10100), np.uint8)
    assert read_photo(samples.encode(tall, "PNG", compress_level=1)).width == 10100


def test_filters_of_the_host_are_left_as_they_were() -> None:
    before = list(warnings.filters)
    read_photo(SEEDS["jpeg"])
    refusal(SEEDS["jpeg"][:100])
    assert list(warnings.filters) == before


def test_the_first_reader_mutes_and_the_last_one_out_restores() -> None:
    before = list(warnings.filters)
    with reading._quiet():
        muted = list(warnings.filters)
        with reading._quiet():
            assert list(warnings.filters) == muted
        assert list(warnings.filters) == muted
    assert list(warnings.filters) == before
    assert len(muted) == len(before) + 1


def test_threads_do_not_disturb_each_other() -> None:
    alone = {name: read_photo(data).pixels for name, data in SEEDS.items()}
    before = list(warnings.filters)
    jobs = sorted(SEEDS) * 8

    def job(name: str) -> tuple[str, Photo]:
        return name, read_photo(SEEDS[name])

    with ThreadPoolExecutor(8) as pool:
        for name, photo in pool.map(job, jobs):
            assert np.array_equal(photo.pixels, alone[name])
    assert list(warnings.filters) == before


def test_a_refusal_travels_between_processes() -> None:
    error = refusal(samples.png_header(30000, 20000), "big.png")
    again = pickle.loads(pickle.dumps(error))
    assert (again.finding, again.name, again.sha256, again.width) == (error.finding, "big.png", error.sha256, 30000)


MEMORY = """
import json, sys
from melascope.photo import read_photo
def peak():
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) / 1000
before = peak()
photo = read_photo(sys.argv[1])
print(json.dumps({"shape": photo.pixels.shape, "mb": peak() - before}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
@pytest.mark.parametrize(
    "options",
    [{}, {"exif": samples.exif(6), "icc_profile": samples.icc_profile(samples.P3_PRIMARIES)}],
    ids=["plain", "all"],
)
def test_24_megapixels_take_less_than_400_mb(options: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    path.write_bytes(samples.jpeg(np.tile(samples.smooth(500, 600), (8, 10, 1)), **options))
    done = subprocess.run([sys.executable, "-c", MEMORY, path], capture_output=True, text=True, check=True, timeout=60)
    result = json.loads(done.stdout)
    assert sorted(result["shape"]) == [3, 4000, 6000]
    assert 72 < result["mb"] < 400

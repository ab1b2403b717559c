"""How cameras render skin: what is done to a photograph, and what the tables say of it."""

from __future__ import annotations

from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from benchmarks.photo_figures import measure
from benchmarks.styles import STYLES, FaceLook, look_at, looks_table, shading, styled
from numpy.typing import NDArray

from melascope.cohort.patient import Cohort
from melascope.cohort.render import render_cohort
from melascope.photo import read_photo
from melascope.photo.light import to_linear, to_srgb

DSLR = Path(str(files("melascope.cli"))) / "samples" / "dslr.jpg"
STRONGER = [name for name, style in STYLES.items() if style is not None]


def face(cheeks: tuple[float, float, float]) -> FaceLook:
    spread = {"cheeks, fine": np.array([0.01, 0.02, 0.03])}
    return FaceLook(40.0, np.array([180.0, 140.0, 120.0]), np.array(cheeks), spread)


def light_apart(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Optical density between a half and the whole of the light, per channel, at the colour of light skin."""
    density = -np.log10(to_linear(pixels).astype(np.float64))
    return np.asarray(density[0] - density[1])


@pytest.mark.parametrize("name", STRONGER)
def test_a_style_bends_the_colour_of_shade(name: str) -> None:
    shade = to_linear(np.array([[139, 104, 86]], np.uint8))
    codes = to_srgb(np.stack([shade, 2 * shade]))
    patches = np.repeat(np.repeat(codes, 64, axis=0), 64, axis=1)
    apart = light_apart(codes[:, 0])
    assert apart / apart[0] == pytest.approx(1.0, abs=0.03)
    seen = styled(patches, STYLES[name])
    assert seen.shape == patches.shape
    bent = light_apart(np.array([np.median(half, axis=(0, 1)) for half in np.split(seen, 2)]).astype(np.uint8))
    assert bent[2] > bent[1] > 1.1 * bent[0] > 0


def test_no_style_is_the_photograph_itself() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert styled(pixels, None) is pixels


def test_shading_is_the_main_axis_of_what_cheeks_differ_by() -> None:
    looks = [face((amount, 1.2 * amount, 1.5 * amount)) for amount in (-0.3, 0.1, 0.4)]
    assert shading(looks) == pytest.approx([1.2, 1.5])
    assert shading([*looks, face((0.001, -0.001, 0.0))]) == pytest.approx([1.2, 1.5], abs=0.001)


def test_the_table_tells_medians_and_leaves_out_groups_without_a_face() -> None:
    rows = looks_table([("some", [face((0.1, 0.1, 0.1))] * 3), ("none", [])]).splitlines()
    assert rows[0] == "| faces | number | cheeks R/G/B | shading R : G : B | cheeks, fine |"
    assert rows[2:] == ["| some | 3 | 180/140/120 | 1 : 1.00 : 1.00 | 0.010 / 0.020 / 0.030 |"]


def test_a_face_is_brought_to_one_size_and_skin_looks_less_even_in_a_stronger_style() -> None:
    pixels = read_photo(DSLR).pixels
    looks = {name: look_at(styled(pixels, style)) for name, style in STYLES.items()}
    assert look_at(np.full((300, 300, 3), 90, np.uint8)) is None, "no face"
    assert look_at(pixels[::6, ::6]) is None, "too small a face"
    plain, strong = looks["as photographed"], looks["strong"]
    assert plain is not None and strong is not None
    assert set(plain.uneven) == {"cheeks, fine", "cheeks, broad", "forehead, fine", "forehead, broad"}
    for place, spread in plain.uneven.items():
        assert strong.uneven[place][0] > spread[0] > 0, place  # melanin, as the picture tells it


def test_a_photograph_is_measured_in_another_style_against_the_same_truth(tmp_path: Path) -> None:
    render_cohort(Cohort(1, 5, size_px=256, kinds=("mel",), views=("frontal",)), tmp_path, jobs=1, maps=False)
    photo = min(path.stem for path in (tmp_path / "photos").iterdir())
    task = (str(tmp_path), photo)
    plain, same, other = (
        measure(task, change) for change in (None, lambda pixels: pixels, partial(styled, style=STYLES["strong"]))
    )
    assert plain.seen and other.seen and same.seen
    assert plain.seen.pigment.true == other.seen.pigment.true
    assert same.seen.masi == plain.seen.masi
    assert not np.array_equal(other.seen.pigment.histogram, plain.seen.pigment.histogram)

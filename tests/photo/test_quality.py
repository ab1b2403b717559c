"""Quality findings on drawn faces that are spoilt by known amounts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from melascope.photo import quality
from melascope.photo.advice import ADVICE, TONE_DEGREES, WIDENS
from melascope.photo.finding import Finding
from melascope.photo.geometry import covered_fractions
from melascope.photo.quality import assess, blur_width, face_geometry, tone_penalty, verdict, widening
from melascope.vocabulary import FACIAL_SKIN, MASI_REGIONS, Region, Verdict, View

Image = NDArray[np.uint8]
SIZE = 480
WIDTH = 260
LIGHT, DARK = (214, 165, 138), (92, 60, 46)
ALL = frozenset(MASI_REGIONS)


def face(skin: tuple[int, int, int] = LIGHT, turn: float = 0.0) -> tuple[Image, Image]:
    """A drawn face 260 px wide in the middle of a 480 px frame; `turn` shifts the features sideways, in face widths."""
    codes = np.zeros((SIZE, SIZE), np.uint8)
    centre, shift = SIZE // 2, round(turn * WIDTH)

    def ellipse(region: Region, x: float, y: float, w: float, h: float) -> None:
        cv2.ellipse(codes, (round(x), round(y)), (round(w), round(h)), 0, 0, 360, int(region), -1)

    ellipse(Region.HAIR, centre, 215, 150, 190)
    ellipse(Region.OTHER_SKIN, centre, 235, 130, 175)
    oval = codes == Region.OTHER_SKIN
    ys, xs = np.mgrid[:SIZE, :SIZE]
    codes[oval & (ys < 170)] = Region.FOREHEAD
    codes[oval & (ys >= 170) & (xs < centre + shift)] = Region.RIGHT_MALAR
    codes[oval & (ys >= 170) & (xs >= centre + shift)] = Region.LEFT_MALAR
    codes[oval & (ys > 340)] = Region.CHIN
    ellipse(Region.NOSE, centre + shift, 250, 24, 50)
    for side in (-1, 1):
        ellipse(Region.BROW, centre + shift + side * 58, 172, 34, 7)
        ellipse(Region.EYE, centre + shift + side * 58, 200, 22, 10)
    ellipse(Region.LIPS, centre + shift, 335, 42, 14)
    colours = np.full((256, 3), 140, np.uint8)
    colours[list(FACIAL_SKIN)] = skin
    colours[Region.HAIR] = colours[Region.BROW] = (50, 38, 30)
    colours[Region.LIPS] = (165, 90, 85)
    colours[Region.EYE] = (235, 232, 228)
    pixels = colours[codes]
    for side in (-1, 1):
        cv2.circle(pixels, (centre + shift + side * 58, 200), 9, (40, 30, 25), -1)
    noise = np.random.default_rng(2).normal(0, 1.5, pixels.shape)
    return np.clip(np.round(pixels + noise), 0, 255).astype(np.uint8), codes


def found(pixels: Image, codes: Image, view: View = View.FACE, **changes: object) -> dict[str, Finding]:
    arguments = {"view": view, "visible": ALL, "faces": 1, "grey": False, "scale": 1.0} | changes
    return {f.code: f for f in assess(pixels, codes, **arguments)}  # type: ignore[arg-type]


def lit(pixels: Image, gain: object) -> Image:
    code = np.arange(256) / 255
    linear = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)[pixels] * np.asarray(gain)
    linear = np.clip(linear, 0, 1)
    return np.round(255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)).astype(
        np.uint8
    )


@pytest.mark.parametrize("skin", [LIGHT, DARK, (240, 205, 185), (60, 40, 32)])
def test_a_good_photograph_has_no_finding(skin: tuple[int, int, int]) -> None:
    assert found(*face(skin)) == {}


def blurred(share: float) -> Callable[[Image], Image]:
    return lambda pixels: np.asarray(cv2.GaussianBlur(pixels, (0, 0), share / 100 * WIDTH), np.uint8)


SPOILT: list[tuple[str, str, Callable[[Image], Image]]] = [
    ("blurred", "reservation", blurred(1.5)),
    ("over_exposed", "refused", lambda p: lit(p, 4.0)),
    ("under_exposed", "reservation", lambda p: lit(p, 1 / 8)),
    ("under_exposed", "refused", lambda p: lit(p, 1 / 64)),
    ("colour_cast", "reservation", lambda p: lit(p, (0.55, 0.9, 1.2))),
    ("colour_cast", "reservation", lambda p: lit(p, (0.75, 1.0, 0.75))),
    ("strong_shading", "reservation", lambda p: lit(p, np.exp2(np.linspace(1, -8, SIZE))[None, :, None])),
]


@pytest.mark.parametrize(("code", "effect", "spoil"), SPOILT)
def test_what_spoils_a_photograph_is_found(code: str, effect: str, spoil: Callable[[Image], Image]) -> None:
    pixels, codes = face()
    finding = found(spoil(pixels), codes)[code]
    assert finding.effect == effect
    assert finding.value is not None
    assert finding.limit is not None
    assert (finding.value < finding.limit) == (code == "under_exposed" and finding.limit == quality.WHITE)


@pytest.mark.parametrize("share", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("factor", [0.5, 1.0, 1.7])
def test_blur_is_measured_in_widths_of_the_face(share: float, factor: float) -> None:
    pixels, codes = face()
    pixels = blurred(share)(pixels)
    size = (round(SIZE * factor), round(SIZE * factor))
    pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    codes = np.asarray(cv2.resize(codes, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    width = blur_width(pixels, codes, WIDTH * factor)
    assert width == pytest.approx(share, rel=0.3)


def test_smooth_skin_is_not_blurred() -> None:
    pixels, codes = face()
    skin = np.isin(codes, FACIAL_SKIN)
    pixels[skin] = LIGHT
    assert "blurred" not in found(pixels, codes)


@pytest.mark.parametrize(("width", "effect"), [(140, None), (100, "reservation"), (40, "refused")])
def test_size_counts_in_pixels_of_the_photograph(width: int, effect: str | None) -> None:
    pixels, codes = face()
    finding = found(pixels, codes, scale=WIDTH / width).get("too_small_face")
    assert (finding.effect if finding else None) == effect
    if finding:
        assert finding.value == pytest.approx(width, rel=0.05)


@pytest.mark.parametrize("angle", [-60, -20, 0, 20, 60, 120])
def test_tilt_is_the_angle_of_rotation(angle: int) -> None:
    pixels, codes = face()
    matrix = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), -angle, 1)  # OpenCV turns anti-clockwise
    turned = np.asarray(cv2.warpAffine(codes, matrix, (SIZE, SIZE), flags=cv2.INTER_NEAREST), np.uint8)
    geometry = face_geometry(turned)
    assert geometry is not None
    assert geometry.roll_deg == pytest.approx(angle, abs=4)
    assert geometry.width == pytest.approx(WIDTH, rel=0.06)
    assert ("head_tilted" in found(pixels, turned)) == (abs(angle) > quality.ROLL)


@pytest.mark.parametrize("turn", [-0.4, 0.0, 0.4])
def test_turn_follows_nose_and_cheeks(turn: float) -> None:
    pixels, codes = face(turn=turn)
    geometry = face_geometry(codes)
    assert geometry is not None
    assert np.sign(np.round(geometry.yaw_deg, -1)) == np.sign(turn)
    assert ("face_turned" in found(pixels, codes)) == (turn != 0)


def test_mirroring_exchanges_the_sides() -> None:
    _, codes = face(turn=0.1)
    codes[230:300, 110:170] = Region.HAIR
    other = codes[:, ::-1].copy()
    right, left = other == Region.RIGHT_MALAR, other == Region.LEFT_MALAR
    other[right], other[left] = Region.LEFT_MALAR, Region.RIGHT_MALAR
    one, two = face_geometry(codes), face_geometry(other)
    assert one is not None
    assert two is not None
    assert one.yaw_deg == pytest.approx(-two.yaw_deg, abs=2)
    assert covered_fractions(codes)[Region.RIGHT_MALAR] == pytest.approx(
        covered_fractions(other)[Region.LEFT_MALAR], abs=0.03
    )


@pytest.mark.parametrize("code", [Region.HAIR, Region.COVERING])
@pytest.mark.parametrize("region", MASI_REGIONS)
def test_the_covered_share_is_that_which_was_painted(region: Region, code: Region) -> None:
    _, codes = face()
    before = np.count_nonzero(codes == region)
    ys, xs = np.nonzero(codes == region)
    strip = (xs > np.percentile(xs, 40)) & (xs < np.percentile(xs, 75))
    codes[ys[strip], xs[strip]] = code
    painted = 1 - np.count_nonzero(codes == region) / before
    clean = covered_fractions(face()[1])[region]
    assert clean == pytest.approx(0, abs=0.08)
    assert covered_fractions(codes)[region] == pytest.approx(painted, abs=0.12)


def test_hair_over_the_outer_half_of_a_cheek_is_seen_by_the_other_cheek() -> None:
    pixels, codes = face()
    cheek = (codes == Region.RIGHT_MALAR) & (np.arange(SIZE)[None, :] < 165)
    codes[cheek] = Region.HAIR
    share = covered_fractions(codes)[Region.RIGHT_MALAR]
    assert share is not None
    assert share > 0.3
    assert found(pixels, codes)["covered"].region == "right_malar"


def test_without_a_face_the_covered_share_is_unknown() -> None:
    assert covered_fractions(np.full((50, 60), Region.OTHER_SKIN, np.uint8))[Region.CHIN] is None
    assert covered_fractions(np.zeros((0, 0), np.uint8))[Region.CHIN] is None


def test_a_bar_over_the_eyes_is_a_note() -> None:
    pixels, codes = face()
    assert "eyes_covered" not in found(pixels, codes)
    codes[185:215, 150:330] = Region.COVERING
    finding = found(pixels, codes)["eyes_covered"]
    assert finding.effect == "note"
    assert verdict([finding]) == Verdict.USABLE


def test_a_region_at_the_border_is_cut_off() -> None:
    pixels, codes = face()
    assert found(pixels[130:], codes[130:])["region_cut_off"].region == "forehead"


def test_a_missing_region_and_a_second_face() -> None:
    findings = found(*face(), visible=ALL - {Region.CHIN}, faces=2)
    assert findings["region_missing"].region == "chin"
    assert findings["several_faces"].value == 2
    assert "totals cannot be given" in findings["region_missing"].advice


def test_a_small_region_of_a_large_enough_face() -> None:
    pixels, codes = face()
    chin = codes == Region.CHIN
    chin[:, 230:250] = False
    codes[chin] = Region.HAIR
    assert found(pixels, codes, scale=2.0)["too_small_region"].region == "chin"


def test_a_close_up_is_a_note() -> None:
    pixels = np.clip(np.random.default_rng(3).normal(LIGHT, 6, (300, 300, 3)), 0, 255).astype(np.uint8)
    codes = np.full((300, 300), Region.OTHER_SKIN, np.uint8)
    findings = found(pixels, codes, View.CLOSE_UP, visible=frozenset())
    assert set(findings) == {"close_up"}
    assert findings["close_up"].effect == "note"
    assert "too_small_region" in found(pixels, codes, View.CLOSE_UP, visible=frozenset(), scale=4.0)


def test_no_skin_is_refused() -> None:
    pixels, codes = face()
    findings = found(pixels, np.zeros_like(codes), View.NONE, visible=frozenset(), faces=0)
    assert {code: f.effect for code, f in findings.items()} == {"no_skin": "refused"}


def test_a_grey_photograph_has_no_cast() -> None:
    pixels, codes = face()
    grey = np.repeat(pixels[..., 1:2], 3, axis=2)
    findings = found(grey, codes, grey=True)
    assert "colour_cast" not in findings


def test_the_gravest_comes_first() -> None:
    pixels, codes = face()
    codes[185:215, 150:330] = Region.COVERING
    effects = [
        f.effect for f in assess(lit(pixels, 4.0), codes, view=View.FACE, visible=ALL, faces=2, grey=False, scale=1)
    ]
    assert effects == sorted(effects, key=("refused", "reservation", "note").index)
    assert {"refused", "reservation", "note"} <= set(effects)


def a_finding(code: str, effect: str = "reservation") -> Finding:
    return Finding(code=code, value=1.0, limit=0.5, advice="Go closer.", effect=effect)  # type: ignore[arg-type]


def test_the_verdict_is_that_of_the_gravest_finding() -> None:
    note, reservation, refused = (a_finding("x", effect) for effect in ("note", "reservation", "refused"))
    assert verdict([]) == verdict([note]) == Verdict.USABLE
    assert verdict([note, reservation]) == Verdict.RESERVATIONS
    assert verdict([reservation, refused, note]) == Verdict.REFUSED


def test_intervals_widen_with_every_reservation_once() -> None:
    one, both = [a_finding("blurred")], [a_finding("blurred"), a_finding("covered")]
    assert 1.0 == widening([]) == widening([a_finding("blurred", "note")]) == widening([a_finding("unknown")])
    assert widening(one) == pytest.approx(WIDENS["blurred"])
    assert widening(both) == widening([*both, *both]) > widening(one)
    assert tone_penalty([]) == tone_penalty(one) == 0
    assert tone_penalty([a_finding("colour_cast"), a_finding("colour_cast")]) == TONE_DEGREES["colour_cast"]


def test_every_factor_belongs_to_a_finding() -> None:
    of_the_file = {"colour_from_inks", "colour_profile_unreadable", "few_colours"}
    codes = {code for code, _ in ADVICE.values()} | of_the_file | {"little_normal_skin"}
    never_reservations = {"no_skin", "close_up", "eyes_covered"}
    assert set(WIDENS) == codes - never_reservations - {"several_faces", "region_missing"}
    assert of_the_file <= set(TONE_DEGREES) <= set(WIDENS)
    assert all(factor >= 1 for factor in WIDENS.values())


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (64, 64)])
@pytest.mark.parametrize("view", list(View))
def test_odd_codes_never_crash(shape: tuple[int, int], view: View) -> None:
    generator = np.random.default_rng(4)
    pixels = generator.integers(0, 256, (*shape, 3)).astype(np.uint8)
    for codes in (
        generator.integers(0, 17, shape).astype(np.uint8),
        np.full(shape, 9, np.uint8),
        np.zeros(shape, np.uint8),
    ):
        for finding in assess(pixels, codes, view=view, visible=frozenset(), faces=0, grey=False, scale=0.3):
            assert finding.value is None or np.isfinite(finding.value)
            assert "{" not in finding.advice


def test_wrong_arguments_are_refused() -> None:
    pixels, codes = face()
    with pytest.raises(ValueError, match="one frame"):
        found(pixels[1:], codes)
    with pytest.raises(ValueError, match="scale"):
        found(pixels, codes, scale=0.0)


def test_real_close_ups_are_not_refused(shared_data: Path) -> None:
    verdicts = []
    for path in sorted((shared_data / "pad-ufes-20" / "images").glob("*"))[::5]:
        pixels = np.asarray(cv2.imread(str(path)), np.uint8)[..., ::-1].copy()
        codes = np.full(pixels.shape[:2], Region.OTHER_SKIN, np.uint8)
        findings = assess(pixels, codes, view=View.CLOSE_UP, visible=frozenset(), faces=0, grey=False, scale=1.0)
        verdicts.append(verdict(findings))
    assert verdicts, "no close-ups in ../shared/data/pad-ufes-20/images"
    assert Verdict.REFUSED not in verdicts
    assert np.mean([v == Verdict.USABLE for v in verdicts]) > 0.6


def test_real_portraits_are_measurable(shared_data: Path) -> None:
    from melascope.skin.regions import find_regions

    verdicts = []
    for path in sorted((shared_data / "portraits").glob("*.jpg"))[::12]:
        regions = find_regions(np.asarray(cv2.imread(str(path)), np.uint8)[..., ::-1].copy())
        findings = assess(
            regions.pixels,
            regions.codes,
            view=regions.view,
            visible=regions.visible,
            faces=regions.faces,
            grey=False,
            scale=regions.scale,
        )
        verdicts.append(verdict(findings))
    assert np.mean([v != Verdict.REFUSED for v in verdicts]) >= 0.9


def test_factors_are_those_that_their_text_explains() -> None:
    assert set(WIDENS.values()) <= {1.2, 1.3, 1.5, 2.0}

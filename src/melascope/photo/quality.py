"""Quality of a photograph for measuring pigment: findings, a verdict, and how far they widen the intervals.

Every measurement is a small pure function of pixels and region codes and is named after its finding; `assess` holds it
against the limits of the table below. Lengths are relative to the face, so that the findings do not depend on the
number of pixels, except where that number is the question.

Make-up is not among the findings: foundation evens colour out just as healthy skin does, and nothing in a single
photograph tells the two apart. A cast that moves skin to the colour of other skin is not found either: no neutral
object is known to be in the photograph.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.photo.advice import TONE_DEGREES, WIDENS, finding, graded
from melascope.photo.finding import Finding
from melascope.photo.geometry import (
    FACE,
    Face,
    among,
    covered_share,
    cut_off_share,
    eyes_covered,
    face_geometry,
    reduced,
)
from melascope.photo.light import LUMINANCE, to_linear
from melascope.vocabulary import FACIAL_SKIN, MASI_REGIONS, SKIN, Region, Verdict, View

__all__ = [
    "Face",
    "assess",
    "blur_width",
    "cast_stops",
    "clipped_share",
    "cut_off_share",
    "dark_share",
    "eyes_covered",
    "face_geometry",
    "shading_stops",
    "tone_penalty",
    "verdict",
    "white_level",
    "widening",
]

# The table of limits. "Looked at" means: the photographs next to the limit were viewed, on 141 official portraits,
# 98 generated portraits and 109 close-ups, and on versions of them spoilt by known amounts.
FACE_WIDTH: Final = 120.0
"""Pixels across the face below which there are reservations: at 140 mm a pixel is 1.2 mm, so that a freckle of 2 mm
is two pixels and, with JPEG's halved colour, one. Patches of melasma are centimetres and can still be measured."""
FACE_WIDTH_REFUSED: Final = 48.0
"""Pixels across the face below which it is refused: a pixel is 3 mm, a whole chin has fewer than 300."""
REGION_PIXELS: Final = 500.0
"""Skin pixels of a visible region below which it has a reservation: its border then is a fifth of it."""
CLOSE_UP_SIDE: Final = 100.0
"""Side in pixels of a square that holds the close-up's skin below which there are reservations."""
BLUR: Final = 0.9
"""Width (standard deviation) of the sharpest edges in % of the face's width: 1.3 mm, which smears a freckle."""
BLUR_REFUSED: Final = 2.5
"""The same at which it is refused: 3.5 mm (strong blur is somewhat underestimated); patches
run into each other and into brows and hair."""
CLOSE_UP_BLUR: Final = 1.2
"""The same for a close-up, in % of the photograph's longer side, whose scale is unknown."""
CLIPPED_CODE: Final = 252
"""Code of a channel from which it counts as clipped: JPEG scatters clipped areas by a few codes."""
CLIPPED: Final = 0.10
"""Share of clipped skin above which there are reservations; a shiny forehead and nose make up to about 8 %."""
CLIPPED_REFUSED: Final = 0.50
"""Share of clipped skin above which it is refused: the typical skin pixel holds no colour."""
DARK_CODE: Final = 40
"""Code of the brightest channel below which a step of 8 bits is over 4 % of the light: noise exceeds slight pigment."""
DARK: Final = 0.15
"""Share of such skin above which there are reservations."""
DARK_REFUSED: Final = 0.60
"""Share of such skin above which it is refused."""
WHITE: Final = 120.0
"""Code that 2 % of the frame must reach: teeth, eye whites, shine and clothes pass it in any well exposed photograph of
skin of any tone, and a close-up of the darkest skin is exposed to about mid-grey by the camera."""
CAST: Final = 0.15
"""Stops by which red : green or blue : green of the skin lies outside of what skin shows in neutral light."""
CAST_REFUSED: Final = 1.2
"""Stops from which the light is so coloured that a channel carries little of it."""
SHADING: Final = 2.75
"""Stops between the dark and the lit part of the skin, after smoothing over an eighth of the face. Portraits in studio
light reach 2 to 2.5, since cheeks turn away from the lamp; beyond, a side of the face is plainly dark."""
YAW: Final = 25.0
"""Degrees by which the face may be turned; beyond, the far cheek is foreshortened to less than half."""
ROLL_REFUSED: Final = 60.0
"""Degrees from which the photograph lies on its side rather than the head."""
ROLL: Final = 30.0
"""Degrees by which the head may be tilted sideways: the region network was trained up to about this."""
COVERED: Final = 0.20
"""Share of a region's place that may be covered: a step of A is 20 % wide, and the estimate is no better
than 10 %."""
CUT_OFF: Final = 0.12
"""Share of a region's outline that may lie on the photograph's border."""

_RED_GREEN: Final = (0.30, 1.50)
"""Range of log2(red / green), linear light, of skin of all tones in near-neutral light: 3rd to 98th percentile of 348
photographs, rounded; from the lightest to the darkest band its median runs from 0.8 to 1.35."""
_BLUE_GREEN: Final = (-1.25, -0.02)
"""Range of log2(blue / green), likewise; its median runs from -0.25 to -0.95."""
_SUM: Final = (-0.10, 1.00)
"""Range of the sum of both, which hardly depends on skin tone (medians 0.3 to 0.6): it tells green from magenta."""

Codes = NDArray[np.uint8]
Pixels = NDArray[np.uint8]


def blur_width(pixels: Pixels, codes: Codes, unit: float) -> float | None:
    """Width of the sharpest edges, in % of `unit` pixels; None if there are no edges to judge by.

    The gradient of an edge of width s falls by sqrt(1 + (r / s)^2) when it is blurred again by r, whatever its contrast
    (Zhuo and Sim, Pattern Recognition 2011). Judged by the strongest edges in and around eyes, brows, lips and skin,
    so that smooth skin is not called blurred; the sharpest quarter counts, since hair edges may be soft anyhow.

    Args:
        pixels: (h, w, 3) uint8.
        codes: (h, w) region codes.
        unit: Width of the face, or longer side of a close-up, in pixels of the frame.
    """
    ratio = min(1.0, 300.0 / max(unit, 1.0))
    places = among(codes, FACE if among(codes, (Region.EYE, Region.BROW, Region.LIPS)).any() else SKIN)
    rows, columns = np.flatnonzero(places.any(axis=1)), np.flatnonzero(places.any(axis=0))
    if len(rows) == 0:
        return None
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    size = (max(8, round(len(places[window][0]) * ratio)), max(8, round(len(places[window]) * ratio)))
    grey = cv2.resize(np.ascontiguousarray(pixels[..., 1][window]), size, interpolation=cv2.INTER_AREA)
    inner = cv2.resize(places[window].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    where = cv2.erode(inner, np.ones((5, 5), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    image = _smooth(grey.astype(np.float32), 0.5)
    strength = _gradient(image)
    if np.count_nonzero(where) < 100:
        return None
    floor = max(1.0, float(np.percentile(strength[where], 97)))
    edges = where & (strength >= floor)
    if np.count_nonzero(edges) < 20:
        return None
    again = max(1.0, 0.01 * unit * ratio)
    quotient = strength[edges] / np.maximum(_gradient(_smooth(image, again)), 1e-3)[edges]
    steep = float(np.percentile(quotient, 75))
    return 100.0 * again / float(np.sqrt(max(steep**2 - 1.0, 1e-4))) / (unit * ratio)


def _smooth(image: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), width), np.float32)


def _gradient(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(
        cv2.magnitude(cv2.Sobel(image, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(image, cv2.CV_32F, 0, 1, scale=0.125))
    )


def clipped_share(skin: Pixels) -> float:
    """Share of (n, 3) skin pixels of which a channel is clipped."""
    return float(np.mean(skin.max(axis=1) >= CLIPPED_CODE)) if len(skin) else 0.0


def dark_share(skin: Pixels) -> float:
    """Share of (n, 3) skin pixels whose brightest channel is too dark to measure."""
    return float(np.mean(skin.max(axis=1) < DARK_CODE)) if len(skin) else 0.0


def white_level(pixels: Pixels) -> float:
    """Code 0 to 255 that the brightest channel of 2 % of (h, w, 3) pixels reaches."""
    step = max(1, max(pixels.shape[:2]) // 200)
    return float(np.percentile(pixels[::step, ::step].max(axis=2), 98))


def cast_stops(skin: Pixels) -> float:
    """Stops by which the middle of (n, 3) skin pixels lies outside of the colours of skin in neutral light.

    A coloured light shifts log2(red / green) and log2(blue / green) of linear light alike for every skin, and skin of
    all tones lies in a small range of both and in a smaller one of their sum, since lightness is not part of them.
    """
    if len(skin) == 0:
        return 0.0
    colour = np.log2(np.maximum(to_linear(skin), 1e-4))
    red, blue = np.median(colour[:, 0] - colour[:, 1]), np.median(colour[:, 2] - colour[:, 1])
    ranges = (red, _RED_GREEN), (blue, _BLUE_GREEN), (red + blue, _SUM)
    return max(0.0, *(float(max(low - x, x - high)) for x, (low, high) in ranges))


def shading_stops(pixels: Pixels, codes: Codes) -> float:
    """Stops between the 5th and 95th percentile of the luminance of the MASI regions, or of a close-up's skin.

    The logarithm is smoothed over about an eighth of the skin's extent; shine is cut at four times the median first.
    """
    small, ratio = reduced(codes, 128)
    skin = among(small, MASI_REGIONS)
    if np.count_nonzero(skin) < 50:
        skin = among(small, SKIN)
    if np.count_nonzero(skin) < 50:
        return 0.0
    image = pixels if ratio == 1 else cv2.resize(pixels, small.shape[::-1], interpolation=cv2.INTER_AREA)
    light = to_linear(np.asarray(image, np.uint8)) @ LUMINANCE
    light = np.log2(np.clip(light, 1e-3, 4 * np.median(light[skin])))
    spread = max(1.0, float(np.sqrt(np.count_nonzero(skin))) / 16)
    weight = cv2.GaussianBlur(skin.astype(np.float32), (0, 0), spread)
    smooth = cv2.GaussianBlur((light * skin).astype(np.float32), (0, 0), spread) / np.maximum(weight, 1e-6)
    low, high = np.percentile(smooth[skin], [5, 95])
    return float(high - low)


def assess(
    pixels: Pixels,
    codes: Codes,
    *,
    view: View,
    visible: frozenset[Region],
    faces: int,
    grey: bool,
    scale: float,
) -> tuple[Finding, ...]:
    """What stands against measuring a photograph, the gravest first.

    Args:
        pixels: (h, w, 3) uint8 sRGB, the working frame.
        codes: (h, w) values of `Region`.
        view: What the photograph takes in.
        visible: MASI regions that show enough to be scored.
        faces: Number of faces found.
        grey: The photograph has no colour (which reading it has found already): it has no cast either.
        scale: Working pixels per pixel of the upright photograph.

    Raises:
        ValueError: Shapes differ, or the scale is not positive.
    """
    if pixels.shape != (*codes.shape, 3):
        raise ValueError(f"pixels {pixels.shape} and codes {codes.shape} differ: pass arrays of one frame")
    if not scale > 0:
        raise ValueError(f"scale = {scale}: must be above 0; pass working pixels per pixel of the photograph")
    found: list[Finding | None] = []
    if view == View.NONE:
        found.append(finding("no_skin", "refused"))
        return tuple(f for f in found if f is not None)
    face = face_geometry(codes) if view == View.FACE else None
    step = max(1, max(codes.shape) // 256)
    sampled = codes[::step, ::step]
    skin = pixels[::step, ::step][among(sampled, FACIAL_SKIN if view == View.FACE else SKIN)]
    found += [
        graded("over_exposed", clipped_share(skin), CLIPPED, CLIPPED_REFUSED),
        _under_exposed(pixels, skin),
        None if grey else graded("colour_cast", cast_stops(skin), CAST, CAST_REFUSED),
        graded("strong_shading", shading_stops(pixels, codes), SHADING),
    ]
    if face is None:
        found += _close_up(pixels, codes, scale)
    else:
        found += _of_face(pixels, codes, face, visible, scale)
    if faces > 1:
        found.append(finding("several_faces", "reservation", float(faces), 1.0))
    order = ("refused", "reservation", "note")
    return tuple(sorted((f for f in found if f is not None), key=lambda f: order.index(f.effect)))


def _under_exposed(pixels: Pixels, skin: Pixels) -> Finding | None:
    found = graded("under_exposed", dark_share(skin), DARK, DARK_REFUSED)
    if found is None and (level := white_level(pixels)) < WHITE:
        return finding("dim", "reservation", level, WHITE)
    return found


def _close_up(pixels: Pixels, codes: Codes, scale: float) -> list[Finding | None]:
    side = float(np.sqrt(np.count_nonzero(among(codes, SKIN)))) / scale
    small = finding("too_small_skin", "reservation", side, CLOSE_UP_SIDE) if side < CLOSE_UP_SIDE else None
    blur = blur_width(pixels, codes, float(max(codes.shape)))
    return [
        finding("close_up", "note"),
        small,
        None if blur is None else graded("blurred_close_up", blur, CLOSE_UP_BLUR),
    ]


def _of_face(
    pixels: Pixels, codes: Codes, face: Face, visible: frozenset[Region], scale: float
) -> list[Finding | None]:
    width = face.width / scale
    found: list[Finding | None] = []
    if width < FACE_WIDTH:
        refused = width < FACE_WIDTH_REFUSED
        limit = FACE_WIDTH_REFUSED if refused else FACE_WIDTH
        found.append(finding("too_small_face", "refused" if refused else "reservation", width, limit))
    blur = blur_width(pixels, codes, face.width)
    found += [
        None if blur is None else graded("blurred", blur, BLUR, BLUR_REFUSED),
        graded("face_turned", abs(face.yaw_deg), YAW),
        graded("head_tilted", abs(face.roll_deg), ROLL, ROLL_REFUSED),
        graded("eyes_covered", eyes_covered(codes), 0.3, effect="note"),
    ]
    small, ratio = reduced(codes)
    geometry = Face(face.width * ratio, face.roll_deg, face.yaw_deg)
    for region in MASI_REGIONS:
        covered = covered_share(small, region, geometry)
        cut = cut_off_share(small, region)
        area = float(np.count_nonzero(codes == region)) / scale**2
        if region not in visible:
            found.append(finding("region_missing", "reservation", area, None, region))
        elif width >= FACE_WIDTH and area < REGION_PIXELS:
            found.append(finding("too_small_region", "reservation", area, REGION_PIXELS, region))
        if cut > CUT_OFF:
            found.append(finding("region_cut_off", "reservation", cut, CUT_OFF, region))
        if covered is not None and covered > COVERED:
            found.append(finding("covered", "reservation", covered, COVERED, region))
    return found


def verdict(findings: Iterable[Finding]) -> Verdict:
    """Refused if any finding says so, with reservations if any has one, else usable.

    Example:
        >>> verdict([]).value
        'usable'
    """
    effects = {f.effect for f in findings}
    if "refused" in effects:
        return Verdict.REFUSED
    return Verdict.RESERVATIONS if "reservation" in effects else Verdict.USABLE


def widening(findings: Iterable[Finding]) -> float:
    """Factor from 1 by which the intervals of the measurements widen.

    Each finding with a reservation stands for an independent error; the factors of `WIDENS` therefore add as squares.
    A code counts once, however many regions it names; one that is not in the table does not widen.

    Example:
        >>> widening([])
        1.0
    """
    codes = {f.code for f in findings if f.effect == "reservation"}
    return float(np.sqrt(1.0 + sum(WIDENS.get(code, 1.0) ** 2 - 1.0 for code in codes)))


def tone_penalty(findings: Iterable[Finding]) -> float:
    """Degrees of ITA by which each side of the tone's interval grows for the findings, added as squares."""
    codes = {f.code for f in findings if f.effect == "reservation"}
    return float(np.sqrt(sum(TONE_DEGREES.get(code, 0.0) ** 2 for code in codes)))

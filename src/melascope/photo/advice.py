"""What each quality finding says to a photographer, and how far it widens what is measured."""

from __future__ import annotations

from typing import Final

from melascope.photo.finding import Effect, Finding
from melascope.vocabulary import Region

__all__ = ["ADVICE", "TONE_DEGREES", "WIDENS", "finding", "graded"]

ADVICE: Final = {
    "no_skin": ("no_skin", "No skin was found in the photograph: let face or lesion fill most of the frame."),
    "close_up": (
        "close_up",
        (
            "The photograph does not show a whole face, so that totals cannot be given: for a MASI, photograph "
            "forehead, both cheeks and chin from the front in one frame."
        ),
    ),
    "several_faces": (
        "several_faces",
        "{value:.0f} faces are in the photograph and the largest was measured: photograph one person alone.",
    ),
    "too_small_face": (
        "too_small_face",
        (
            "The face is {value:.0f} pixels wide and should have at least {limit:.0f}: go closer, zoom in or send the"
            " photograph at its full size."
        ),
    ),
    "too_small_region": (
        "too_small_region",
        (
            "The {region} shows only {value:.0f} pixels of skin and should have at least {limit:.0f}: go closer and "
            "let it face the camera."
        ),
    ),
    "too_small_skin": (
        "too_small_region",
        (
            "The skin fills an area of {value:.0f} by {value:.0f} pixels and should fill at least {limit:.0f} by "
            "{limit:.0f}: go closer or send the photograph at its full size."
        ),
    ),
    "blurred": (
        "blurred",
        (
            "The sharpest edges are {value:.1f} % of the face's width wide and may be {limit:.1f} %: focus on the "
            "skin, hold the camera still and clean the lens."
        ),
    ),
    "blurred_close_up": (
        "blurred",
        (
            "The sharpest edges are {value:.1f} % of the photograph's longer side wide and may be {limit:.1f} %: keep"
            " the camera's least focusing distance, focus on the skin and hold the camera still."
        ),
    ),
    "over_exposed": (
        "over_exposed",
        (
            "A share of {value:.2f} of the skin is burnt out and at most {limit:.2f} may be: switch the flash off, "
            "soften the light or lower the exposure."
        ),
    ),
    "under_exposed": (
        "under_exposed",
        (
            "A share of {value:.2f} of the skin is too dark to measure and at most {limit:.2f} may be: add light from"
            " the front or raise the exposure."
        ),
    ),
    "dim": (
        "under_exposed",
        (
            "The brightest parts of the photograph reach only level {value:.0f} of 255 and should reach {limit:.0f}: "
            "add light from the front or raise the exposure."
        ),
    ),
    "colour_cast": (
        "colour_cast",
        (
            "The skin's colour lies {value:.2f} stops outside of what skin shows in white light and may lie "
            "{limit:.2f}: use daylight or one kind of white lamp, set the white balance, and use no filter."
        ),
    ),
    "strong_shading": (
        "strong_shading",
        (
            "Lit and shaded skin differ by {value:.1f} stops and may differ by {limit:.1f}: light the face evenly "
            "from the front or from both sides."
        ),
    ),
    "face_turned": (
        "face_turned",
        (
            "The face is turned to the side by about {value:.0f} degrees and may be turned by {limit:.0f}: let the "
            "patient look straight into the camera."
        ),
    ),
    "head_tilted": (
        "head_tilted",
        "The head is tilted by {value:.0f} degrees and may be tilted by {limit:.0f}: hold head and camera upright.",
    ),
    "eyes_covered": (
        "eyes_covered",
        (
            "A share of {value:.2f} of the place of the eyes is hidden (noted above {limit:.2f}): take glasses off; a"
            " bar over the eyes may stay where it leaves the cheeks and the forehead free."
        ),
    ),
    "region_missing": (
        "region_missing",
        (
            "The {region} shows too little skin to be scored ({value:.0f} pixels), so that totals cannot be given: "
            "photograph the whole face from the front with the hair held back."
        ),
    ),
    "region_cut_off": (
        "region_cut_off",
        (
            "A share of {value:.2f} of the outline of the {region} lies on the photograph's border and at most "
            "{limit:.2f} may: leave room around the face."
        ),
    ),
    "covered": (
        "covered",
        (
            "A share of about {value:.2f} of the {region} is hidden and at most {limit:.2f} may be: hold the hair "
            "back and take off glasses, hat or mask."
        ),
    ),
}
"""Key -> code and advice. Each advice names the unit of value and limit, and what to do."""

WIDENS: Final = {
    "too_small_face": 1.5,
    "too_small_region": 1.3,
    "blurred": 1.5,
    "over_exposed": 1.5,
    "under_exposed": 1.5,
    "colour_cast": 1.5,
    "strong_shading": 1.5,
    "face_turned": 1.3,
    "head_tilted": 1.2,
    "region_cut_off": 1.2,
    "covered": 1.3,
    "colour_from_inks": 1.5,
    "colour_profile_unreadable": 1.5,
    "few_colours": 1.5,
    "little_normal_skin": 2.0,
}
"""Code -> factor of the intervals. Judged, not fitted, until rated photographs are there to fit them to: 2 where hardly
any skin is left to compare with, 1.5 where the colour or contrast of pigment itself is falsified (light, blur, pixels,
inks, profile, palette), 1.2 to 1.3 where only a part of the skin is missing or foreshortened. A missing region or a
second face does not change what was measured in the rest: no factor."""
TONE_DEGREES: Final = {
    "over_exposed": 8.0,
    "under_exposed": 12.0,
    "colour_cast": 10.0,
    "strong_shading": 6.0,
    "colour_from_inks": 12.0,
    "colour_profile_unreadable": 6.0,
    "few_colours": 6.0,
}
"""Code -> degrees of ITA. On skin of L* 65 and b* 18, a third of a stop of exposure moves ITA by about 10 degrees, and
0.2 stops between blue and red by about 8: an exposure that is known to be off is granted a third of a stop more, a cast
the limit at which it is found, shading half a stop on half of the skin. Inks without a profile leave lightness and hue
open at once: as much as the worst of these. Adobe RGB or Display P3 taken for sRGB moves ITA by up to 5 degrees on skin
of L* 50 to 75; a palette of its own moved that of five portraits by up to 3.4, and one that is not will do more."""


def finding(
    key: str, effect: Effect, value: float | None = None, limit: float | None = None, region: Region | None = None
) -> Finding:
    """The finding of a key of `ADVICE`."""
    code, advice = ADVICE[key]
    name = None if region is None else region.label.lower()
    if name is not None and name.endswith("malar"):
        name += " region"
    return Finding(
        code=code,
        value=value,
        limit=limit,
        advice=advice.format(value=value, limit=limit, region=name),
        effect=effect,
        region=None if region is None else region.key,
    )


def graded(
    key: str, value: float, limit: float, refused: float = float("inf"), effect: Effect = "reservation"
) -> Finding | None:
    """The finding if the value is above the limit, refused if above the second one."""
    if value > refused:
        return finding(key, "refused", value, refused)
    return finding(key, effect, value, limit) if value > limit else None

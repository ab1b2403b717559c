"""Slow differences of colour over a face: melanin and blood by region, in patches and in mottles."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.complexion import SkinParameters
from melascope.cohort.noise import noise
from melascope.cohort.places import SMALL, Places
from melascope.vocabulary import Region

__all__ = ["beard_zone", "blood_field", "lower_lids", "melanin_field", "speckle"]

Field = NDArray[np.float32]
_Values = NDArray[np.floating[Any]]

_COARSE = (SMALL, SMALL)


def melanin_field(skin: SkinParameters, places: Places) -> Field:
    """Natural logarithm of melanin relative to the cheeks, coarse (SMALL, SMALL), lips left out."""
    rng = np.random.default_rng((skin.seed, 1))
    soft = places.soft
    field = skin.forehead_tone * soft[Region.FOREHEAD]
    field += skin.temple_tone * soft[Region.TEMPLE]
    field += skin.nose_tone * soft[Region.NOSE]
    field += skin.neck_tone * (soft[Region.NECK] + 0.5 * soft[Region.OTHER_SKIN])
    field += skin.perioral_tone * _kept(places, "perioral")
    field += skin.periorbital_tone * _kept(places, "orbits")
    field += skin.crease_tone * _kept(places, "creases")
    # Wide differences are much the same on both sides of a face.
    field += skin.unevenness * _symmetric(noise(_COARSE, 38.0, rng, 2), 0.6)
    field += skin.mottling * noise(_COARSE, 9.0, rng, 3, 0.75)
    return np.asarray(field * places.inside, np.float32)


def blood_field(skin: SkinParameters, places: Places) -> Field:
    """Natural logarithm of blood relative to skin neither red nor pale, coarse (SMALL, SMALL), lips left out.

    The finest mottles, about a millimetre, are `speckle`.
    """
    rng = np.random.default_rng((skin.seed, 2))
    field = skin.ruddiness * _kept(places, "ruddy")
    patches = noise(_COARSE, 16.0, rng, 3, 0.6)
    if skin.redness > 0:
        strength = np.clip(_kept(places, "butterfly") * (1 + 0.35 * patches), 0, 1.3)
        field += 1.15 * skin.redness * strength
    field += skin.eye_shadows * 0.35 * _kept(places, "lower_lids")
    field += skin.flush * (0.45 * patches + 0.6 * noise(_COARSE, 5.0, rng, 2, 0.8))
    return np.asarray(field * places.inside, np.float32)


def speckle(skin: SkinParameters) -> Field:
    """The finest mottles of the blood, one to two millimetres: mean 0, standard deviation 1, half the chart's size."""
    rng = np.random.default_rng((skin.seed, 7))
    return noise((2 * SMALL, 2 * SMALL), 4.5, rng, 2, 0.8)


def beard_zone(places: Places) -> Field:
    """Where a beard grows, 0..1, coarse: moustache, chin, jaw, lower cheeks up to the sideburns, upper neck."""
    return _kept(places, "beard")


def lower_lids(places: Places) -> Field:
    """The hollows under the eyes, 0..1, coarse."""
    return _kept(places, "lower_lids")


def _symmetric(field: Field, share: float) -> Field:
    mirrored = field + field[:, ::-1]
    return np.asarray(share * mirrored / np.sqrt(2) + np.sqrt(1 - share**2) * field, np.float32)


def _kept(places: Places, name: str) -> Field:
    """A field that only the chart decides, made once."""
    if name not in places.store:
        places.store[name] = np.asarray(_FIELDS[name](places), np.float32)
    return places.store[name]


def _perioral(places: Places) -> _Values:
    mouth = places.chart.landmarks["mouth"]
    around = places.spot(mouth, 24, 15) + 0.35 * places.spot(places.chart.landmarks["chin"], 16, 10)
    return np.asarray(np.clip(1.15 * around, 0, 1) * (1 - places.soft[Region.NOSE]))


def _orbits(places: Places) -> _Values:
    lids = np.clip(1.4 * places.soft[Region.PERIORBITAL], 0, 1)
    below, above = places.both("eye", 1, 11, 13, 5, -8), places.both("eye", 2, -8, 14, 5)
    return np.asarray(np.clip(0.55 * lids + 0.6 * below + 0.3 * above, 0, 1))


def _lower_lids(places: Places) -> _Values:
    return np.asarray(np.clip(places.both("eye", -3, 11, 11, 4.5, -14), 0, 1))


def _creases(places: Places) -> _Values:
    wings = places.both("nose_wing", 2.5, 2, 2.5, 4.5)
    corners = places.both("mouth_corner", 1.5, 1.5, 3.5, 3)
    fold = places.spot(places.between("mouth", "chin", 0.5), 14, 2.5)
    return np.asarray(np.clip(wings + 0.8 * corners + 0.5 * fold, 0, 1))


def _ruddy(places: Places) -> _Values:
    """Log blood of an ordinary face: red nose, apples of the cheeks, chin and ears; paler around the mouth."""
    tip = places.chart.landmarks["nose_tip"]
    field = 0.30 * np.clip(1.3 * places.soft[Region.NOSE], 0, 1)
    field += 0.25 * places.spot(tip, 9, 8) + 0.40 * places.both("nose_wing", 1, 1, 5, 6)
    field += 0.42 * places.both("cheekbone", -9, 10, 17, 13, -20)
    field += 0.20 * places.spot(places.chart.landmarks["chin"], 14, 10)
    field += 0.15 * np.clip(1.3 * places.soft[Region.PERIORBITAL], 0, 1) + 0.10 * places.both("eye", 0, -9, 13, 4)
    field += (
        0.45
        * (places.spot(_beside(places, "left"), 13, 24) + places.spot(_beside(places, "right"), 13, 24))
        * np.clip(places.soft[Region.OTHER_SKIN], 0, 1)
    )
    field -= 0.10 * places.spot(places.chart.landmarks["mouth"], 22, 14)
    return np.asarray(field - 0.06 * places.soft[Region.FOREHEAD] - 0.08 * places.soft[Region.TEMPLE])


def _beside(places: Places, side: str) -> tuple[float, float]:
    """About where the ear is: outward of the line from temple to jaw."""
    x, y = places.between(f"{side}_temple", f"{side}_jaw", 0.45)
    return x + (30 if side == "left" else -30) * places.unit, y


def _butterfly(places: Places) -> _Values:
    cheeks = places.both("cheekbone", -8, 10, 19, 13, -25)
    nose = np.clip(1.2 * places.soft[Region.NOSE], 0, 1)
    brow, chin = places.chart.landmarks["glabella"], places.chart.landmarks["chin"]
    field = cheeks + 0.85 * nose + 0.35 * places.spot(brow, 18, 12) + 0.45 * places.spot(chin, 12, 9)
    return np.asarray(np.clip(field, 0, 1.1) * (1 - np.clip(1.5 * places.soft[Region.PERIORBITAL], 0, 1)))


def _beard(places: Places) -> _Values:
    points: list[tuple[float, float]] = []
    for side in ("right", "left"):
        half = [
            places.at(f"{side}_nose_wing", -8, 6),
            places.at(f"{side}_nose_wing", 4, 10),
            places.at(f"{side}_mouth_corner", 10, -1),
            places.at(f"{side}_mouth_corner", 22, -2),
            places.between(f"{side}_jaw", f"{side}_mouth_corner", 0.30),
            places.between(f"{side}_jaw", f"{side}_temple", 0.42),
            places.between(f"{side}_jaw", f"{side}_temple", 0.75),
        ]
        outer = _beside(places, side)
        x, y = places.at(f"{side}_jaw", 25, 40)
        half += [(outer[0], half[-1][1]), (x, y)]
        points = half[::-1] if side == "right" else points + half
    polygon = np.round((np.array(points) + SMALL / 2) * 16).astype(np.int32)
    mask = np.zeros(_COARSE, np.uint8)
    cv2.fillPoly(mask, [polygon], 255, cv2.LINE_AA, 4)
    field = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 5.0 * places.unit)
    # Thinner towards the sideburns than at chin and moustache.
    low = places.between("left_jaw", "left_mouth_corner", 0.3)[1]
    aside = np.clip(np.abs(places.x) / (30 * places.unit) - 0.7, 0, 1)
    field = field * (1 - 0.5 * np.clip((low - places.y) / 35, 0, 1) * aside)
    corner = 0.75 * places.both("mouth_corner", 4, 7, 4, 6) + 0.6 * places.spot(
        places.between("mouth", "chin", 0.42), 6, 4
    )
    keep = np.clip(1 - corner, 0.15, 1) * (1 - np.clip(1.2 * places.soft[Region.NOSE], 0, 1))
    return np.asarray(field * keep, np.float32)


_FIELDS = {
    "perioral": _perioral,
    "orbits": _orbits,
    "lower_lids": _lower_lids,
    "creases": _creases,
    "ruddy": _ruddy,
    "butterfly": _butterfly,
    "beard": _beard,
}

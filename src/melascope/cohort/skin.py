"""A person's skin on the face chart: melanin, blood, relief and gloss, lesions left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.chart import Chart
from melascope.cohort.complexion import SkinParameters, sample_day, sample_skin
from melascope.cohort.look_alikes import Canvas, LookAlike, add_beard, add_look_alikes
from melascope.cohort.make_up import wears_make_up, worn_film
from melascope.cohort.optics import melanin_for_ita, skin_colour
from melascope.cohort.places import Places, enlarge, places_of
from melascope.cohort.relief import Relief, relief
from melascope.cohort.tone import blood_field, lower_lids, melanin_field, speckle
from melascope.vocabulary import Region

__all__ = ["LookAlike", "SkinMaps", "SkinParameters", "lay", "sample_day", "sample_skin"]

Field = NDArray[np.float32]

_MELANIN = (0.003, 0.45)
_BLOOD = (0.002, 0.12)


@dataclass(frozen=True)
class SkinMaps:
    """Skin on the chart, float32 (SIDE, SIDE) unless said."""

    melanin: Field
    """Melanosome volume fraction of the epidermis, without lesions and without `mole`."""
    blood: Field
    """Blood volume fraction of the dermis."""
    oxygen: float
    """Oxygenated share of the blood, everywhere."""
    dermal: Field
    """Melanin volume fraction of the dermis: the hair of a shaved beard, dark lower lids."""
    mole: Field
    """Optical density in red that moles, papulosa, brown marks and stubble add in the epidermis."""
    height_mm: Field
    """Micro-relief, outward."""
    gloss: Field
    """Highlight relative to ordinary skin."""
    makeup: tuple[Field, NDArray[np.float32]] | None
    """Opacity 0..1 and linear colour (SIDE, SIDE, 3) of a film over the skin."""
    look_alikes: tuple[LookAlike, ...]
    """(name, chart x mm, chart y mm, radius mm): mole, papulosa, scar, mark, papule, vessel."""
    base: tuple[float, float]
    """Melanin and blood of skin beyond the chart, to which the maps fade at its border."""


def lay(skin: SkinParameters, chart: Chart) -> SkinMaps:
    """Lays a person's skin onto the chart. The same parameters give the same bits.

    Args:
        skin: Whose skin.
        chart: The face chart.
    """
    places = places_of(chart)
    rough = relief(skin, places)
    tone = enlarge(melanin_field(skin, places))
    tone += (0.03 + 0.5 * skin.crease_tone) * rough.crease - 0.012 * rough.net + 0.14 * rough.pore
    flush = enlarge(blood_field(skin, places))
    flush += enlarge(np.asarray(0.7 * skin.flush * speckle(skin), np.float32))
    flush += -0.03 * rough.net + 0.08 * rough.pore + 0.38 * rough.crease
    # Towards the border the face's usual colour, which skin beyond it has.
    beyond, cheeks = enlarge(1 - places.inside), places.cheeks
    usual_tone, usual_flush = (float(np.median(field[::4, ::4][places.face])) for field in (tone, flush))
    tone += usual_tone * beyond
    flush += usual_flush * beyond
    blood = np.exp(flush) * np.float32(skin.blood)
    usual = float(np.median(blood[cheeks][::3]))
    level = melanin_for_ita(skin.ita_deg, usual, skin.oxygen)
    shift = float(np.median(tone[cheeks][::3]))
    tone -= np.float32(shift)
    melanin = np.exp(tone) * np.float32(level)
    _redden_lips(skin, places, melanin, blood)
    canvas = Canvas(
        melanin=np.asarray(melanin, np.float32),
        blood=np.asarray(blood, np.float32),
        dermal=enlarge(np.asarray(0.003 * skin.eye_shadows * lower_lids(places) * places.inside, np.float32)),
        mole=np.zeros_like(melanin),
        height_mm=rough.height_mm,
        gloss=_gloss(skin, places, rough),
    )
    add_beard(skin, places, canvas)
    found = add_look_alikes(skin, places, canvas)
    film = None
    if wears_make_up(skin):
        colour = np.asarray(skin_colour(np.array([level]), np.zeros(1), np.array([usual]), skin.oxygen)[0], np.float32)
        film = worn_film(skin, places, colour, rough.net)
        canvas.height_mm[:] *= 1 - 0.25 * film[0]
    return SkinMaps(
        melanin=np.clip(canvas.melanin, *_MELANIN),
        blood=np.clip(canvas.blood, *_BLOOD),
        oxygen=skin.oxygen,
        dermal=canvas.dermal,
        mole=np.maximum(canvas.mole, 0),
        height_mm=canvas.height_mm,
        gloss=np.clip(canvas.gloss, 0.05, 3.0),
        makeup=film,
        look_alikes=tuple(found),
        base=(float(level * np.exp(usual_tone - shift)), float(skin.blood * np.exp(usual_flush))),
    )


def _redden_lips(skin: SkinParameters, places: Places, melanin: Field, blood: Field) -> None:
    """Lips: much blood under a thin cover; the lower one with less melanin; in place."""
    rows = np.flatnonzero((places.lips > 0.01).any(1))
    if not rows.size:
        return
    band = slice(int(rows[0]), int(rows[-1]) + 1)
    lips = places.lips[band]
    y = (np.arange(band.start, band.stop, dtype=np.float32) + 0.5) / 4 - 128 - places.chart.landmarks["mouth"][1]
    lower = (1 / (1 + np.exp(-y / 1.2)))[:, None]
    melanin[band] *= 1 + lips * (skin.lip_tone * (1.12 - 0.24 * lower) - 1)
    wet = skin.lip_blood * (0.92 + 0.12 * lower) * (blood[band] / skin.blood) ** 0.35
    blood[band] += lips * (wet - blood[band])


def _gloss(skin: SkinParameters, places: Places, rough: Relief) -> Field:
    """Oil on brow, nose and chin; dry cheeks; lips; furrows and pores that break the highlight."""
    if "oil" not in places.store:
        mark = places.chart.landmarks
        oil = 0.8 * places.spot(mark["forehead"], 26, 16) + 0.5 * places.spot(mark["glabella"], 14, 12)
        oil += 0.9 * places.soft[Region.NOSE] + 0.45 * places.spot(mark["chin"], 12, 10)
        oil += 0.5 * places.both("cheekbone", -8, 2, 13, 8, -20)
        places.store["oil"] = np.asarray(np.clip(oil, 0, 1.2), np.float32)
    coarse = (0.62 + 0.25 * skin.oiliness) + (0.25 + 0.85 * skin.oiliness) * places.store["oil"]
    coarse *= 1 - 0.35 * skin.foundation
    coarse += (0.35 + 0.5 * skin.lipstick) * places.soft[Region.LIPS]
    coarse = np.asarray(1 + places.inside * (coarse - 1), np.float32)
    fine = 1 + 0.17 * rough.net - 0.45 * rough.pore
    return np.asarray(enlarge(coarse) * np.clip(fine, 0.2, 1.8), np.float32)

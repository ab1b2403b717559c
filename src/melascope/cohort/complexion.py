"""What is particular about a person's skin, lesions aside: numbers drawn once, from which `skin.lay` makes the maps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

__all__ = ["SkinParameters", "in_tone", "sample_day", "sample_skin"]


@dataclass(frozen=True)
class SkinParameters:
    """A person's skin without lesions. Plain numbers and tuples: JSON and back loses nothing but tuples for lists.

    Amounts without a unit run from 0 (absent) to 1 (as strong as is common), unless said.
    """

    seed: int
    age_years: float
    sex: str
    """`female` or `male`."""
    ita_deg: float
    """Individual typology angle of the bare cheeks, in the median."""
    blood: float
    """Blood volume fraction of the dermis where it is neither red nor pale."""
    oxygen: float
    """Oxygenated share of the blood."""
    forehead_tone: float
    """Regional tones are natural logarithms of the melanin there relative to the cheeks."""
    temple_tone: float
    nose_tone: float
    perioral_tone: float
    periorbital_tone: float
    neck_tone: float
    crease_tone: float
    """In folds and beside the nose wings."""
    unevenness: float
    """Standard deviation of log melanin over centimetres."""
    mottling: float
    """Standard deviation of log melanin over millimetres."""
    flush: float
    """Standard deviation of log blood over millimetres."""
    ruddiness: float
    """Redder nose, cheeks, chin and ears, as in anybody; 1 is common."""
    redness: float
    """Butterfly erythema, as in rosacea."""
    eye_shadows: float
    """Bluish lower lids."""
    lip_blood: float
    """Blood volume fraction of the lips."""
    lip_tone: float
    """Melanin of the lips relative to the skin."""
    pores: float
    oiliness: float
    """0 dry to 1 oily."""
    texture: float
    """Depth of the net of fine lines; 1 is common."""
    forehead_lines: float
    """Wrinkles: depth relative to deep ones of old age, all 0 to about 1.2."""
    frown_lines: float
    crows_feet: float
    under_eye_lines: float
    nasolabial_folds: float
    mouth_folds: float
    lip_lines: float
    cheek_lines: float
    mole_diameters_mm: tuple[float, ...]
    papulosa_diameters_mm: tuple[float, ...]
    """Dermatosis papulosa nigra: small dark papules of dark skin."""
    papules: int
    """Acne papules now."""
    marks: int
    """Red or brown flat remains of acne."""
    scars: int
    vessels: int
    """Telangiectases."""
    day: int
    """Seed of what changes from day to day: papules and make-up."""
    beard_shadow: float
    """Hair below the surface of a shaved beard; 0 for women."""
    stubble: float
    """Hair ends at the surface."""
    foundation: float = 0.0
    """Largest opacity of make-up on the skin."""
    foundation_shade: float = 0.0
    """Natural logarithm of its colour relative to the skin's."""
    blush: float = 0.0
    """Opacity."""
    lipstick: float = 0.0
    """Opacity."""
    lipstick_rgb: tuple[float, float, float] = (0.3, 0.03, 0.05)
    """Linear."""
    eye_shadow: float = 0.0
    """Opacity."""
    eye_shadow_rgb: tuple[float, float, float] = (0.1, 0.05, 0.03)
    eye_liner: float = 0.0
    """Opacity."""


_LIPSTICKS = (
    (0.42, 0.12, 0.10),
    (0.36, 0.07, 0.09),
    (0.30, 0.03, 0.05),
    (0.45, 0.17, 0.15),
    (0.24, 0.04, 0.08),
    (0.35, 0.12, 0.08),
    (0.16, 0.03, 0.03),
)
_EYE_SHADOWS = ((0.16, 0.08, 0.05), (0.07, 0.045, 0.04), (0.25, 0.16, 0.12), (0.12, 0.06, 0.08), (0.09, 0.09, 0.11))


@dataclass(frozen=True)
class _Normal:
    """A normal distribution, cut off, whose mean goes with the tone of the skin."""

    mean: float
    """On light skin."""
    dark: float
    """What the darkest skin has more of it."""
    spread: float
    low: float
    high: float

    def draw(self, rng: np.random.Generator, dark: float) -> float:
        return float(np.clip(rng.normal(self.mean + self.dark * dark, self.spread), self.low, self.high))

    def moved(self, value: float, more: float) -> float:
        """The value that stands where this one does, on skin that is darker by so much."""
        return float(np.clip(value + self.dark * more, self.low, self.high))


_REGIONAL: Final = {
    "forehead_tone": _Normal(0.05, 0.07, 0.05, -0.08, 0.28),
    "temple_tone": _Normal(0.07, 0.05, 0.05, -0.06, 0.28),
    "nose_tone": _Normal(0.03, 0.02, 0.05, -0.10, 0.18),
    "perioral_tone": _Normal(0.02, 0.11, 0.06, -0.06, 0.32),
    "periorbital_tone": _Normal(0.04, 0.12, 0.10, -0.20, 0.42),
    "neck_tone": _Normal(0.00, 0.06, 0.08, -0.15, 0.25),
    "crease_tone": _Normal(0.06, 0.12, 0.05, 0.0, 0.35),
}
_LIPS: Final = _Normal(1.12, -0.25, 0.13, 0.65, 1.45)
_EVENER: Final = {"unevenness": 0.50, "mottling": 0.55}
"""What the darkest skin has less of, as shares. The same share of more melanin is a larger difference of colour: by
these one standard deviation of the usual mottling is a CIELAB difference of 0.4 to 0.5 from light to dark skin (at the
age of 44), on very light skin of 0.25."""


def _darkness(ita_deg: float) -> float:
    """0 on light skin to 1 on the darkest."""
    return float(np.clip((45 - ita_deg) / 85, 0, 1))


def _regional_tones(rng: np.random.Generator, dark: float) -> dict[str, Any]:
    """Fields of the parameters, drawn in the order of the table."""
    return {name: law.draw(rng, dark) for name, law in _REGIONAL.items()}


def in_tone(skin: SkinParameters, ita_deg: float) -> SkinParameters:
    """The same person's skin in another tone, with what goes with it.

    Dark skin is darker around eyes and mouth, on the forehead, at temples and in folds, and melanin differs by a
    smaller share of itself from place to place. A person stands among those of the new tone where they stood among
    their own, but for values at the ends of what occurs. All else stays, also what is more frequent in some tones:
    blood, redness, vessels, relief and wrinkles, moles, papulosa, acne, make-up.

    Args:
        skin: In its own tone.
        ita_deg: -60 to 65.
    """
    old, new = _darkness(skin.ita_deg), _darkness(ita_deg)
    laws = {**_REGIONAL, "lip_tone": _LIPS}
    changed: dict[str, Any] = {name: law.moved(getattr(skin, name), new - old) for name, law in laws.items()}
    for name, share in _EVENER.items():
        changed[name] = getattr(skin, name) * ((1 - share * new) / (1 - share * old))
    return replace(skin, ita_deg=float(ita_deg), **changed)


def sample_skin(rng: np.random.Generator, *, age_years: float, sex: str, ita_deg: float) -> SkinParameters:
    """Draws the skin of a person of that age, sex and tone.

    Frequencies follow what is usual in clinics: erythema and telangiectases mostly in light skin, perioral and
    periorbital darkening and dermatosis papulosa nigra in dark skin, acne in the young, most moles at middle age.

    Args:
        rng: Where the numbers come from.
        age_years: 18 to 90.
        sex: `female` or `male`.
        ita_deg: -60 to 65.

    Raises:
        ValueError: A value is out of its range.
    """
    if sex not in ("female", "male"):
        raise ValueError(f"sex {sex!r}: must be 'female' or 'male'")
    if not 18 <= age_years <= 90:
        raise ValueError(f"age_years = {age_years}: must lie between 18 and 90")
    if not -60 <= ita_deg <= 65:
        raise ValueError(f"ita_deg = {ita_deg}: must lie between -60 and 65, the range of human skin")
    man = sex == "male"
    dark = _darkness(ita_deg)
    light = float(np.clip((ita_deg - 5) / 40, 0, 1))

    def normal(mean: float, spread: float, low: float, high: float) -> float:
        return float(np.clip(rng.normal(mean, spread), low, high))

    def chance(probability: float) -> bool:
        return bool(rng.random() < probability)

    # Skin of dark tone wrinkles about eight years later; sun, smoking and luck make the rest.
    ageing = normal((age_years - 8 * dark - 22) / 48, 0.10, 0.0, 1.25)

    def wrinkles(power: float, scale: float = 1.0) -> float:
        return float(np.clip(scale * ageing**power * rng.lognormal(0, 0.25), 0, 1.25))

    moles = rng.poisson(rng.gamma(1.5, (1.2 + 2.4 * np.exp(-(((age_years - 38) / 22) ** 2))) * (1.25 - 0.8 * dark)))
    papulosa = rng.poisson(rng.gamma(0.9, 14.0)) if chance(np.clip(1.4 * dark - 0.45, 0, 0.6) * ageing**0.5) else 0
    acne = chance(0.55 * np.exp(-max(0.0, age_years - 20) / 11) + 0.06)
    rosacea = chance((0.03 + 0.16 * ageing) * light)
    redness = float(rng.uniform(0.35, 1.0)) if rosacea else float(rng.beta(1.2, 8)) * (0.4 + 0.6 * light)
    shadow = float(rng.beta(2.2, 1.6)) if man and not chance(0.08) else 0.0
    skin = SkinParameters(
        seed=int(rng.integers(2**31)),
        age_years=float(age_years),
        sex=sex,
        ita_deg=float(ita_deg),
        blood=normal(0.0085, 0.0018, 0.0045, 0.014),
        oxygen=normal(0.75, 0.035, 0.65, 0.84),
        **_regional_tones(rng, dark),
        unevenness=float(rng.gamma(9, 0.055 / 9)) * (0.7 + 0.4 * ageing) * (1 - _EVENER["unevenness"] * dark),
        mottling=float(rng.gamma(9, 0.055 / 9)) * (0.7 + 0.3 * ageing) * (1 - _EVENER["mottling"] * dark),
        flush=float(rng.gamma(9, 0.13 / 9)),
        ruddiness=normal(1.0, 0.3, 0.3, 1.9),
        redness=redness,
        eye_shadows=float(rng.beta(1.6, 2.6)),
        lip_blood=normal(0.056, 0.010, 0.034, 0.085),
        lip_tone=_LIPS.draw(rng, dark),
        pores=normal(0.50 + 0.12 * man, 0.18, 0.1, 1.0),
        oiliness=normal(0.55 - 0.25 * ageing, 0.2, 0.0, 1.0),
        texture=normal(0.85 + 0.35 * ageing, 0.15, 0.5, 1.5),
        forehead_lines=wrinkles(1.1, 0.9 + 0.15 * man),
        frown_lines=wrinkles(1.3, 0.8),
        crows_feet=wrinkles(1.2),
        under_eye_lines=wrinkles(0.9),
        nasolabial_folds=float(np.clip(0.12 + wrinkles(0.9, 0.9), 0, 1.25)),
        mouth_folds=wrinkles(1.6),
        lip_lines=wrinkles(1.8, 0.75 if man else 1.0),
        cheek_lines=wrinkles(1.9),
        mole_diameters_mm=tuple(
            float(d) for d in np.clip(rng.lognormal(np.log(1.5), 0.5, min(int(moles), 25)), 0.5, 6)
        ),
        papulosa_diameters_mm=tuple(
            float(d) for d in np.clip(rng.lognormal(np.log(1.3), 0.35, min(int(papulosa), 60)), 0.6, 3.5)
        ),
        papules=int(min(rng.poisson(rng.gamma(1.2, 5.0)), 30)) if acne else int(rng.poisson(0.35)),
        marks=int(min(rng.poisson(rng.gamma(1.2, 7.0)), 40)) if acne else int(rng.poisson(0.6)),
        scars=int(min(rng.poisson(rng.gamma(0.8, 12.0)), 50)) if chance(0.12) else int(rng.poisson(0.5)),
        vessels=int(rng.poisson(light * (1.0 + 8 * redness + 7 * ageing**2))),
        day=int(rng.integers(2**31)),
        beard_shadow=shadow,
        stubble=float(np.clip(shadow * rng.uniform(0.1, 1.0), 0, 1)),
    )
    return skin if man or not chance(0.32) else _made_up(skin, rng)


def sample_day(rng: np.random.Generator, skin: SkinParameters) -> SkinParameters:
    """The same person on another day: other papules, other make-up, a little more or less flushed."""
    bare = replace(
        skin,
        day=int(rng.integers(2**31)),
        papules=int(rng.poisson(skin.papules)) if skin.papules else int(rng.poisson(0.35)),
        ruddiness=float(np.clip(skin.ruddiness + rng.normal(0, 0.12), 0.3, 1.9)),
        redness=float(np.clip(skin.redness * rng.lognormal(0, 0.15), 0, 1)),
        stubble=float(np.clip(skin.beard_shadow * rng.uniform(0.1, 1.0), 0, 1)),
        foundation=0.0,
        blush=0.0,
        lipstick=0.0,
        eye_shadow=0.0,
        eye_liner=0.0,
    )
    return bare if skin.sex == "male" or rng.random() >= 0.32 else _made_up(bare, rng)


def _made_up(skin: SkinParameters, rng: np.random.Generator) -> SkinParameters:
    """Make-up of an ordinary day; foundation on two of three who wear any."""
    red, green, blue = _LIPSTICKS[int(rng.integers(len(_LIPSTICKS)))]
    depth = 1 - 0.6 * float(np.clip((25 - skin.ita_deg) / 70, 0, 1))
    base, cheeks, lips, lids, line = rng.random(5) < (0.65, 0.5, 0.65, 0.3, 0.3)
    return replace(
        skin,
        foundation=float(rng.uniform(0.15, 0.65)) if base or not (cheeks or lips or lids or line) else 0.0,
        foundation_shade=float(np.clip(rng.normal(0.03, 0.06), -0.12, 0.18)),
        blush=float(rng.uniform(0.08, 0.30)) if cheeks else 0.0,
        lipstick=float(rng.uniform(0.30, 0.85)) if lips else 0.0,
        lipstick_rgb=(red * depth, green * depth, blue * depth),
        eye_shadow=float(rng.uniform(0.10, 0.45)) if lids else 0.0,
        eye_shadow_rgb=_EYE_SHADOWS[int(rng.integers(len(_EYE_SHADOWS)))],
        eye_liner=float(rng.uniform(0.3, 0.8)) if line else 0.0,
    )

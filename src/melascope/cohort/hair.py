"""What hair a person has: style, curl, length, colour, brows and beard, drawn by sex, age and ancestry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

__all__ = ["BEARDS", "STYLES", "HairParameters", "brow_colour", "hair_colour", "is_male", "sample_hair"]

STYLES: Final = ("tied", "bun", "short", "loose", "coily", "shaved", "covered")
BEARDS: Final = ("none", "stubble", "short")

_COLOURS: Final = {
    "black": (0.016, 0.013, 0.012),
    "dark brown": (0.040, 0.024, 0.016),
    "brown": (0.085, 0.048, 0.028),
    "light brown": (0.16, 0.096, 0.055),
    "blond": (0.34, 0.235, 0.13),
    "red": (0.17, 0.062, 0.024),
}
"""Linear reflectance, of our own choosing by eye."""
_WHITE: Final = (0.50, 0.48, 0.45)


@dataclass(frozen=True)
class HairParameters:
    """All that scalp hair, brows, lashes and beard follow from.

    Attributes:
        style: One of `STYLES`.
        length_mm: Of the longest strands; 2 to 500.
        curl: 0 straight, 0.4 wavy, 1 tightly coiled.
        density: 0.3 thin to 1 full.
        volume_mm: Height of the outermost hair over the skin, for tied and loose hair.
        tie_deg: Height at which tied hair or a bun sits, seen from the skull's centre; -20 nape to 65 crown.
        parting_mm: Where loose hair parts, from the middle to the patient's left.
        tucked: Loose hair lies behind the (right, left) ear.
        ahead: Loose hair falls before the shoulders.
        hairline_deg: Higher (positive) or lower forehead hairline.
        recession: 0 none, 0.5 deep temples, 1 a fringe at sides and back only.
        flyaway: Share of strands that stand off.
        colour: Mean linear RGB reflectance.
        grey: Share of white strands.
        brow_density: 0.4 sparse to 1.2 dense.
        lash_mm: Length of the upper lashes.
        beard: One of `BEARDS`.
        beard_density: 0.2 to 1.
        seed: Of everything random in it.

    Raises:
        ValueError: A value out of its range.
    """

    style: str
    length_mm: float = 250.0
    curl: float = 0.1
    density: float = 0.9
    volume_mm: float = 6.0
    tie_deg: float = 0.0
    parting_mm: float = 0.0
    tucked: tuple[bool, bool] = (True, True)
    ahead: bool = False
    hairline_deg: float = 0.0
    recession: float = 0.0
    flyaway: float = 0.02
    colour: tuple[float, float, float] = _COLOURS["dark brown"]
    grey: float = 0.0
    brow_density: float = 0.9
    lash_mm: float = 8.0
    beard: str = "none"
    beard_density: float = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise ValueError(f"style {self.style!r} is unknown: choose from {', '.join(STYLES)}")
        if self.beard not in BEARDS:
            raise ValueError(f"beard {self.beard!r} is unknown: choose from {', '.join(BEARDS)}")
        for name, low, high in (
            ("length_mm", 2, 500),
            ("curl", 0, 1),
            ("density", 0.1, 1),
            ("volume_mm", 0, 40),
            ("tie_deg", -30, 75),
            ("parting_mm", -50, 50),
            ("hairline_deg", -10, 12),
            ("recession", 0, 1),
            ("flyaway", 0, 0.3),
            ("grey", 0, 1),
            ("brow_density", 0.1, 1.5),
            ("lash_mm", 2, 13),
            ("beard_density", 0, 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} = {value}: must lie between {low} and {high}")


def is_male(sex: float | str) -> bool:
    """Whether a sex, "female" to "male" or 0 to 1, counts as male here.

    Raises:
        ValueError: Another word.
    """
    if isinstance(sex, str):
        if sex not in ("female", "male"):
            raise ValueError(f'sex = {sex!r}: pass "female", "male" or a number from 0 to 1')
        return sex == "male"
    return sex >= 0.5


def _pigment(rng: np.random.Generator, ancestry: tuple[float, float, float]) -> tuple[float, float, float]:
    """Colour without white strands."""
    african, asian, european = np.asarray(ancestry) / sum(ancestry)
    dark = np.array([0.80, 0.18, 0.02, 0.0, 0.0, 0.0]) * (african + asian)
    light = np.array([0.10, 0.32, 0.29, 0.16, 0.10, 0.03]) * european
    name = rng.choice(list(_COLOURS), p=(dark + light) / (dark + light).sum())
    value = np.array(_COLOURS[str(name)]) * np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.03, 3))
    red, green, blue = (round(float(x), 4) for x in value)
    return red, green, blue


def _grey(rng: np.random.Generator, age_years: float) -> float:
    """Share of white strands: half of the people have half of it at about 55 (rises from 35); many dye."""
    share = float(np.clip((age_years - 35 + rng.normal(0, 8)) / 40, 0, 1)) ** 1.3
    return float(round(share * (0.25 if rng.random() < 0.35 else 1.0), 3))


def hair_colour(
    rng: np.random.Generator, *, age_years: float, ancestry: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Mean linear reflectance of a person's hair, white strands included."""
    return _mixed(_pigment(rng, ancestry), _grey(rng, age_years))


def _mixed(pigment: tuple[float, float, float], grey: float) -> tuple[float, float, float]:
    red, green, blue = (round(p * (1 - grey) + w * grey, 4) for p, w in zip(pigment, _WHITE, strict=True))
    return red, green, blue


def brow_colour(hair_rgb: tuple[float, float, float]) -> tuple[float, float, float]:
    """Colour of the brows and the beard that go with scalp hair: darker than fair hair, and later to turn white.

    Example:
        >>> brow_colour((0.02, 0.02, 0.02))
        (0.0182, 0.0182, 0.0182)
    """
    red, green, blue = (round(x / (1 + x / 0.2), 4) for x in hair_rgb)
    return red, green, blue


def sample_hair(
    rng: np.random.Generator, *, sex: float | str, age_years: float, ancestry: tuple[float, float, float]
) -> HairParameters:
    """Random hair, as people wear it in a skin clinic: mostly out of the face.

    Args:
        rng: Where the values come from.
        sex: "female", "male" or 0 to 1.
        age_years: 18 to 85.
        ancestry: Relative shares of African, Asian, European.
    """
    african, asian, _ = (np.asarray(ancestry) / sum(ancestry)).tolist()
    male = is_male(sex)
    coily = rng.random() < 1.15 * african
    grey = _grey(rng, age_years)
    if coily:
        curl = float(rng.uniform(0.75, 1.0))
    elif asian > 0.5:
        curl = float(rng.uniform(0.0, 0.15))
    else:
        curl = float(np.clip(rng.gamma(2.0, 0.12), 0, 0.6))
    if male:
        weights = {"coily": 0.7, "shaved": 0.3} if coily else {"short": 0.9, "shaved": 0.1}
    elif coily:
        weights = {"coily": 0.4, "bun": 0.28, "tied": 0.2, "shaved": 0.04, "loose": 0.08}
    else:
        old = float(np.clip((age_years - 45) / 30, 0, 1))
        weights = {"tied": 0.40 - 0.15 * old, "bun": 0.17, "loose": 0.33 - 0.1 * old, "short": 0.10 + 0.25 * old}
    names = list(weights)
    chance = np.array([weights[name] for name in names])
    style = str(rng.choice(names, p=chance / chance.sum()))
    lengths = {"short": (22, 60) if male else (60, 110), "coily": (9, 22) if male else (18, 75), "shaved": (2, 5)}
    low, high = lengths.get(style, (180, 430))
    length = float(rng.uniform(low, high))
    recession = float(np.clip(rng.normal((age_years - 30) / 60, 0.28), 0, 1)) if male else 0.0
    density = float(np.clip(rng.normal(0.92, 0.06), 0.55, 1.0))
    if not male:
        density = float(np.clip(density - 0.25 * max(0.0, (age_years - 55) / 30) * rng.random(), 0.45, 1.0))
    tie = float(rng.choice([rng.uniform(-18, 10), rng.uniform(30, 65)], p=[0.7, 0.3]))
    bearded = male and rng.random() < 0.45
    beard = str(rng.choice(["stubble", "short"], p=[0.6, 0.4])) if bearded else "none"
    brow = rng.normal(1.05 if male else 0.85, 0.13) - 0.2 * max(0.0, (age_years - 55) / 30) * (not male)
    return HairParameters(
        style=style,
        length_mm=round(length, 1),
        curl=round(curl, 3),
        density=round(density, 3),
        volume_mm=round(float(rng.uniform(3.5, 8) if style in ("tied", "bun") else rng.uniform(6, 15)), 2),
        tie_deg=round(tie, 1),
        parting_mm=round(float(rng.choice([0.0, rng.uniform(12, 32), -rng.uniform(12, 32)], p=[0.45, 0.3, 0.25])), 1),
        tucked=(bool(rng.random() < 0.6), bool(rng.random() < 0.6)),
        ahead=bool(rng.random() < 0.35),
        hairline_deg=round(float(rng.normal(0, 2.0)), 2),
        recession=round(recession, 3),
        flyaway=round(float(rng.uniform(0.005, 0.04)), 4),
        colour=_mixed(_pigment(rng, ancestry), grey),
        grey=grey,
        brow_density=round(float(np.clip(brow, 0.4, 1.3)), 3),
        lash_mm=round(float(np.clip(rng.normal(7.0 if male else 8.0, 1.0), 5, 11)), 2),
        beard=beard,
        beard_density=round(float(rng.uniform(0.35, 1.0)), 3),
        seed=int(rng.integers(2**31)),
    )

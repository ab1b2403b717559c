"""What a person wears for the photograph: clothes, something over the hair, spectacles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.clothes import NECKLINES, Skin, garment
from melascope.cohort.comb import Strands
from melascope.cohort.glasses import FRAMES, glasses
from melascope.cohort.hair import HairParameters, is_male
from melascope.cohort.headwear import BAND_MM, band_angle, cap, hair_band, scarf
from melascope.cohort.lids import EyedHead
from melascope.cohort.shell import Bust, head_shell
from melascope.cohort.solid import Solid
from melascope.cohort.strands import grow_hair

__all__ = ["COVERS", "Solid", "WearingHead", "WornParameters", "build_worn", "grow_hair_under", "sample_worn"]

COVERS: Final = ("none", "band", "cap", "scarf")
_CLOTH: Final = (
    *(
        (0.75, 0.75, 0.74),
        (0.75, 0.75, 0.74),
        (0.02, 0.02, 0.022),
        (0.02, 0.022, 0.03),
        (0.10, 0.11, 0.12),
        (0.30, 0.30, 0.30),
    ),
    *(
        (0.03, 0.05, 0.12),
        (0.10, 0.18, 0.30),
        (0.30, 0.10, 0.09),
        (0.16, 0.20, 0.12),
        (0.45, 0.36, 0.27),
        (0.42, 0.27, 0.28),
    ),
)
_GOWN: Final = ((0.35, 0.52, 0.62), (0.30, 0.52, 0.45), (0.62, 0.68, 0.72), (0.20, 0.38, 0.55))
_BAND: Final = ((0.72, 0.72, 0.72), (0.02, 0.02, 0.022), (0.50, 0.28, 0.32), (0.30, 0.42, 0.55), (0.42, 0.38, 0.34))
_FRAME: Final = (
    (0.012, 0.012, 0.013),
    (0.05, 0.025, 0.012),
    (0.25, 0.25, 0.26),
    (0.35, 0.22, 0.10),
    (0.02, 0.03, 0.07),
)

Rgb = tuple[float, float, float]


class WearingHead(Bust, EyedHead, Skin, Protocol):
    """The part of a head that worn things know of."""


@dataclass(frozen=True)
class WornParameters:
    """All that worn things follow from.

    Attributes:
        garment: "none" or one of `clothes.NECKLINES`.
        garment_rgb: Linear reflectance.
        cover: One of `COVERS`: over the hair.
        cover_rgb: Linear reflectance.
        frame: "none" or one of `glasses.FRAMES`.
        frame_rgb: Linear reflectance.
        frame_mm: Radius of the rims.
        seed: Of creases and folds.

    Raises:
        ValueError: An unknown word.
    """

    garment: str = "t-shirt"
    garment_rgb: Rgb = (0.75, 0.75, 0.74)
    cover: str = "none"
    cover_rgb: Rgb = (0.72, 0.72, 0.72)
    frame: str = "none"
    frame_rgb: Rgb = (0.012, 0.012, 0.013)
    frame_mm: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (
            ("garment", ("none", *NECKLINES)),
            ("cover", COVERS),
            ("frame", ("none", *FRAMES)),
        ):
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"{name} {value!r} is unknown: choose from {', '.join(known)}")


def sample_worn(rng: np.random.Generator, sex: float | str, age_years: float) -> WornParameters:
    """Random clothes; bands keep hair off the face in a clinic, spectacles are mostly taken off.

    Args:
        rng: Where the values come from.
        sex: "female", "male" or 0 to 1.
        age_years: 18 to 85.
    """

    def colour(choices: tuple[Rgb, ...]) -> Rgb:
        mean = np.array(choices[int(rng.integers(len(choices)))])
        red, green, blue = (round(float(x), 4) for x in np.clip(mean * np.exp(rng.normal(0, 0.15, 3)), 0.008, 0.82))
        return red, green, blue

    male = is_male(sex)
    kind = str(
        rng.choice(["t-shirt", "blouse", "gown", "high"], p=[0.62, 0.0, 0.23, 0.15] if male else [0.4, 0.25, 0.2, 0.15])
    )
    cover = str(rng.choice(COVERS, p=[0.97, 0.0, 0.03, 0.0] if male else [0.66, 0.20, 0.05, 0.09]))
    wears = rng.random() < 0.05 + 0.10 * max(0.0, (age_years - 35) / 50)
    return WornParameters(
        garment=kind,
        garment_rgb=colour(_GOWN if kind == "gown" else _CLOTH),
        cover=cover,
        cover_rgb=colour({"band": _BAND, "cap": _GOWN}.get(cover, _CLOTH)),
        frame=str(rng.choice(list(FRAMES))) if wears else "none",
        frame_rgb=colour(_FRAME),
        frame_mm=round(float(rng.uniform(0.6, 1.5)), 2),
        seed=int(rng.integers(2**31)),
    )


def build_worn(head: WearingHead, parameters: WornParameters) -> list[Solid]:
    """What is worn, as surfaces; 0.1 to 0.3 s."""
    solids = []
    if parameters.garment != "none":
        solids.append(garment(head, parameters.garment, parameters.garment_rgb, parameters.seed))
    shell = head_shell(head)
    match parameters.cover:
        case "band":
            solids.append(hair_band(shell, parameters.cover_rgb, parameters.seed))
        case "cap":
            solids.append(cap(shell, parameters.cover_rgb, parameters.seed))
        case "scarf":
            solids.append(scarf(shell, parameters.cover_rgb, parameters.seed))
    if parameters.frame != "none":
        solids += glasses(head, shell, parameters.frame, parameters.frame_rgb, parameters.frame_mm)
    return solids


def grow_hair_under(head: Bust, hair: HairParameters, worn: WornParameters) -> Strands:
    """Scalp hair as it lies under what is worn: hidden by cap and scarf, pressed down by a band.

    Args:
        head: The head.
        hair: How it would be worn otherwise.
        worn: What may cover it.
    """
    if worn.cover in ("cap", "scarf"):
        return grow_hair(
            head, replace(hair, style="covered", recession=0.0, tie_deg=20.0, flyaway=0.0, curl=min(hair.curl, 0.3))
        )
    strands = grow_hair(head, hair)
    if worn.cover != "band":
        return strands
    shell = head_shell(head)
    flat = strands.points.reshape(-1, 3)
    inside = band_angle(shell, flat)
    # Nothing stands higher than the band's underside beneath it, and little more close by.
    limit = BAND_MM - 2.2 + np.clip(-inside, 0, 90) ** 1.5 * 0.45
    near = (inside > -16) & (np.linalg.norm(flat - shell.centre, axis=1) < 150)
    excess = np.where(near, np.maximum(shell.height_mm(flat, False) - limit, 0), 0)
    pressed: NDArray[np.float32] = (flat - excess[:, None] * shell.outward(flat)).astype(np.float32)
    return Strands(pressed.reshape(strands.points.shape), strands.radius, strands.shade)

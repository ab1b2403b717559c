"""Single photons in layered skin: the literal, slow counterpart of melascope.cohort.layers.

Photons walk as in Wang, Jacques and Zheng (1995): free paths from the scattering coefficient, absorption along the
path, turns to all sides or by the phase function of Henyey and Greenstein, Fresnel at the surface. Nothing is shared
with the fast code but the coefficients.

    PYTHONPATH=src:. python -m tests.cohort.photons      # the table of docs/skin-optics.md, a few minutes
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from melascope.cohort import optics, spectra
from melascope.cohort.layers import FORWARD, REFRACTIVE_INDEX

Float64 = NDArray[np.float64]

STATES = {
    "light": (0.03, 0.0, 0.007, 0.7),
    "light, dermal melanin": (0.03, 0.02, 0.007, 0.7),
    "light, red": (0.015, 0.0, 0.06, 0.5),
    "brown": (0.15, 0.0, 0.012, 0.7),
    "brown, dermal melanin": (0.15, 0.05, 0.012, 0.7),
    "dark": (0.35, 0.0, 0.008, 0.65),
}


def coefficients(state: tuple[float, ...], nm: float) -> tuple[Float64, Float64, Float64, Float64]:
    """Per mm of the five layers: absorption, scattering to all sides and forward; and where each begins and ends."""
    melanin, dermal, blood, oxygen = state
    base, pigment = float(spectra.baseline_per_mm(nm)), float(spectra.melanin_per_mm(nm))
    dermis = (1 - blood) * base + blood * float(spectra.blood_per_mm(oxygen, nm))
    absorption = [base, (1 - melanin) * base + melanin * pigment, dermis, dermis + dermal * pigment, dermis]
    even, forward = np.array([spectra.reduced_scattering_per_mm(nm, dermis=part) for part in (False, True)]).T
    edges = np.concatenate([[0.0], np.cumsum([optics.LAYERS_MM[name] for name in optics.LAYERS_MM])])
    part = [0, 0, 1, 1, 1]
    return np.array(absorption), even[part], forward[part] / (1 - FORWARD), edges


def mirrored(cosine: Float64, inside: float, outside: float) -> Float64:
    """Fresnel for unpolarised light, by angles and not by cosines."""
    first = np.arccos(np.clip(cosine, 0, 1))
    sine = inside / outside * np.sin(first)
    second = np.arcsin(np.clip(sine, 0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        slant = (
            (np.sin(first - second) / np.sin(first + second)) ** 2
            + (np.tan(first - second) / np.tan(first + second)) ** 2
        ) / 2
    straight = ((inside - outside) / (inside + outside)) ** 2
    return np.where(sine >= 1, 1.0, np.where(first < 1e-3, straight, slant))


def walk(cases: list[tuple[tuple[float, ...], float]], photons: int, seed: int) -> tuple[Float64, Float64]:
    """Diffuse reflectance of (state, wavelength) cases under perpendicular light, and its standard error."""
    rng = np.random.default_rng(seed)
    parts = [coefficients(*case) for case in cases]
    absorption = np.stack([part[0] for part in parts])
    scattering = np.stack([part[1] + part[2] for part in parts])
    even = np.stack([part[1] for part in parts]) / scattering
    edges = parts[0][3]
    index = REFRACTIVE_INDEX
    case = np.repeat(np.arange(len(cases)), photons)
    owner = np.arange(case.size)
    gained = np.zeros(case.size)
    entering = 1 - float(mirrored(np.array([1.0]), 1.0, index)[0])
    weight = np.full(case.size, entering)
    depth, cosine = np.zeros(case.size), np.ones(case.size)
    place = np.zeros(case.size, int)
    free = rng.exponential(size=case.size)
    while case.size:
        a, s = absorption[case, place], scattering[case, place]
        edge = np.where(cosine > 0, edges[place + 1], edges[place])
        with np.errstate(divide="ignore"):
            to_edge = np.where(cosine == 0, np.inf, (edge - depth) / cosine)
        step = np.minimum(free / s, to_edge)
        turns = free / s <= to_edge
        weight *= np.exp(-a * step)
        depth = np.where(turns, depth + step * cosine, edge)
        free = np.where(turns, rng.exponential(size=case.size), free - step * s)
        # Crossing: into the next layer, or back from the surface with what is mirrored there.
        place = np.where(turns, place, place + np.where(cosine > 0, 1, -1))
        out = place < 0
        back = mirrored(-cosine[out], index, 1.0)
        gained[owner[out]] += weight[out] * (1 - back)
        weight[out] *= back
        cosine[out] *= -1
        place[out] = 0
        evenly = rng.random(case.size) < even[case, place.clip(max=len(edges) - 2)]
        new = np.where(evenly, 2 * rng.random(case.size) - 1, turned(cosine, FORWARD, rng))
        cosine = np.where(turns, new, cosine)
        # Roulette.
        weak = weight < 1e-3
        lucky = rng.random(case.size) < 0.1
        weight = np.where(weak, np.where(lucky, weight * 10, 0.0), weight)
        alive = (weight > 0) & (place < len(edges) - 1)
        case, owner, weight = case[alive], owner[alive], weight[alive]
        depth, cosine, place, free = depth[alive], cosine[alive], place[alive], free[alive]
    gained = gained.reshape(len(cases), photons)
    return gained.mean(axis=1), gained.std(axis=1) / np.sqrt(photons)


def turned(cosine: Float64, anisotropy: float, rng: np.random.Generator) -> Float64:
    """Cosine to the depth's axis after a turn; only this component of the direction matters in flat layers."""
    draw = rng.random(cosine.size)
    part = (1 - anisotropy**2) / (1 - anisotropy + 2 * anisotropy * draw)
    turn = (1 + anisotropy**2 - part**2) / (2 * anisotropy)
    around = np.cos(2 * np.pi * rng.random(cosine.size))
    new = cosine * turn + np.sqrt((1 - cosine**2) * np.clip(1 - turn**2, 0, None)) * around
    return np.clip(new, -1, 1)


if __name__ == "__main__":
    wavelengths = (450.0, 550.0, 650.0)
    cases = [(state, nm) for state in STATES.values() for nm in wavelengths]
    exact = np.array([float(optics.reflectance(*state, nm)) for state, nm in cases])
    found, error = walk(cases, 40_000, 1)
    for i, (state, nm) in enumerate(cases):
        name = next(key for key, value in STATES.items() if value == state)
        print(f"| {name} | {nm:.0f} | {exact[i]:.4f} | {found[i]:.4f} ± {error[i]:.4f} |")
    print("largest difference:", abs(exact - found).max().round(4))
    print("mean difference:", (exact - found).mean().round(4))

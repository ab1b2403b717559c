"""How scalp hair lies: where it grows, and the paths of its strands in each style."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.comb import Strands, clumped, coiled, fallen, nearest_of, swept, tapered, waved
from melascope.cohort.hair import HairParameters
from melascope.cohort.shell import Bust, Roots, Shell, head_shell, scalp_roots, spherical_deg, unit

__all__ = ["Scalp", "hairline_deg", "scalp_density", "styled"]

Float32 = NDArray[np.float32]

# Azimuth and least elevation of scalp hair on the unmorphed head.
# fmt: off
_LINE: Final = np.array([
    (0, 25.5), (14, 26), (26, 27.5), (34, 28.5), (40, 27),  # forehead
    (44, 23.5), (47, 18.5), (50, 12.5), (53, 6.5), (56, 1), (59.5, -5), (63.5, -13), (68, -24), (72, -24),  # temple
    (76, -11), (80, -4), (95, -2), (104, -8), (110, -21), (116, -36), (124, -46),  # around the ear
    (140, -53), (160, -56), (180, -58),  # nape
])
# fmt: on
_MOST: Final = {
    "tied": 23000,
    "bun": 23000,
    "short": 34000,
    "loose": 21000,
    "coily": 34000,
    "shaved": 46000,
    "covered": 9000,
}
"""Strands of full density."""


class Scalp(NamedTuple):
    """The roots that a style starts from."""

    shell: Shell
    roots: Float32
    """(k, 3) a little below the skin."""
    normals: Float32
    rest: Float32
    """(k, 3) on the unmorphed head."""
    azimuth: Float32
    elevation: Float32
    edge: Float32
    """(k,) degrees from the hairline, inward."""


def hairline_deg(azimuth: Float32, parameters: HairParameters) -> Float32:
    """Least elevation of hair at an azimuth, for a hairline and its recession."""
    side = np.abs(azimuth)
    line = np.interp(side, *_LINE.T)
    front = np.interp(side, [0, 40, 52, 60], [1, 1, 0.4, 0])
    temple = np.exp(-(((side - 36) / 15) ** 2))
    loss = parameters.recession
    line = line + front * parameters.hairline_deg + temple * (26 * min(loss, 0.6)) + front * 14 * max(0.0, loss - 0.25)
    return np.asarray(line, np.float32)


def _ripple(rest: Float32, size_mm: float, rng: np.random.Generator) -> Float32:
    """Smooth noise in space of standard deviation about 1, from a few waves."""
    ways = rng.normal(0, 1 / size_mm, (10, 3)).astype(np.float32)
    phase = rng.uniform(0, 2 * np.pi, 10).astype(np.float32)
    return np.asarray(np.sin(rest @ ways.T + phase).sum(axis=1) / np.sqrt(5.0), np.float32)


def scalp_density(rest: Float32, parameters: HairParameters) -> tuple[Float32, Float32]:
    """Share of full density at places on the unmorphed head, and degrees inside the hairline."""
    rng = np.random.default_rng((parameters.seed, 1))
    azimuth, elevation = spherical_deg(rest)
    ragged = 0.7 * _ripple(rest, 8.0, rng) + 0.5 * _ripple(rest, 2.5, rng)
    edge = elevation - hairline_deg(azimuth, parameters)
    # Along the steep parts of the line, degrees of azimuth count as well.
    slope = np.gradient(np.interp(np.arange(181), *_LINE.T))
    edge = edge / np.sqrt(1 + np.interp(np.abs(azimuth), np.arange(181), slope) ** 2) + ragged
    density = np.clip((edge + 1.5) / 4.2, 0, 1) ** 1.4
    loss = parameters.recession
    if loss > 0.3:
        crown = np.exp(
            -((np.abs(np.abs(azimuth) - 180) * np.cos(np.deg2rad(elevation)) / 45) ** 2) - ((elevation - 62) / 24) ** 2
        )
        top = np.clip((elevation - 27) / 14, 0, 1)
        bare = np.clip((loss - 0.3) / 0.4, 0, 1)
        density = density * (1 - bare * np.maximum(0.85 * crown, np.clip((loss - 0.55) / 0.35, 0, 1) * 0.985 * top))
    return np.asarray(density, np.float32), np.asarray(edge, np.float32)


def _scalp(head: Bust, parameters: HairParameters, rng: np.random.Generator, count: int) -> Scalp:
    """About `count` roots at full density, evenly over the scalp."""
    shell = head_shell(head)
    pool = scalp_roots()
    density, edge = scalp_density(pool.rest, parameters)
    full = scalp_density(pool.rest, HairParameters("shaved", 3, seed=parameters.seed))[0].sum()
    chance = density * np.float32(min(1.0, count * parameters.density / float(full)))
    # A fringe of roots must cover what elsewhere many layers do.
    chance = chance * (1 + 0.9 * np.clip(1 - edge / 12, 0, 1))
    kept = rng.random(len(chance), dtype=np.float32) < chance
    roots: Roots = pool.chosen(kept)
    base = np.asarray(head.base_mm, np.float32)
    azimuth, elevation = spherical_deg(roots.rest)
    normals = unit(roots.normals(base) + shell.outward(roots.on(base)))
    return Scalp(shell, roots.on(base) - 1.0 * normals, normals, roots.rest, azimuth, elevation, edge[kept])


def styled(head: Bust, parameters: HairParameters) -> list[Strands]:
    """The strands of the parameters' style, in a few parts; their shades are all alike."""
    rng = np.random.default_rng((parameters.seed, 2))
    scalp = _scalp(head, parameters, rng, _MOST[parameters.style])
    match parameters.style:
        case "tied" | "bun" | "covered":
            return _drawn(scalp, parameters, rng)
        case "loose":
            return [_loose(scalp, parameters, rng)]
        case "short":
            return [_short(scalp, parameters, rng)]
        case "coily":
            return [_coily(scalp, parameters, rng)]
        case _:
            return [_shaved(scalp, parameters, rng)]


def _drawn(scalp: Scalp, parameters: HairParameters, rng: np.random.Generator) -> list[Strands]:
    """Hair drawn back to a tie, and what hangs from it."""
    count, points = len(scalp.roots), 14
    elevation = np.deg2rad(parameters.tie_deg)
    tie = np.array([0, np.sin(elevation), -np.cos(elevation)], np.float32)
    t = np.linspace(0, 1, points, dtype=np.float32)[None]
    layer = rng.random((count, 1), dtype=np.float32)
    volume = 0.8 if parameters.style == "covered" else parameters.volume_mm
    rough = 1.0 + 2.2 * parameters.curl
    rise = np.clip(t * 5, 0, 1) ** 0.8
    crown = np.clip((scalp.elevation[:, None] - 20) / 30, 0, 1) * np.sin(np.pi * np.clip(t * 1.15, 0, 1))
    height = (
        -1.0
        + rise * (2.2 + 0.55 * volume * crown + layer * volume * (0.45 + 0.55 * np.sin(np.pi * np.clip(t, 0, 1))))
        + 3.0 * t**3
    )
    height = height + rise * 0.45 * rough * rng.normal(size=(count, 1)).astype(np.float32)
    off = rng.random(count) < parameters.flyaway
    height[off] += (rng.gamma(1.5, 1.7, off.sum())[:, None] * np.sin(np.pi * np.clip(t * 1.2, 0, 1))).astype(np.float32)
    gather = unit(tie + rng.normal(0, 0.05, (count, 3)))
    path = swept(scalp.shell, scalp.roots, gather, height.astype(np.float32), points)
    sway = _ripple(scalp.rest, 14.0, rng) * np.pi
    path = waved(path, 0.25 + 1.2 * parameters.curl, 26.0 + 20 * (1 - parameters.curl), sway.astype(np.float32), 30.0)
    path = clumped(path, 1600, 0.28, rng)
    # Fine short hair along the forehead's line is not caught by the tie.
    baby = (scalp.edge < 2.2) & (rng.random(count) < 0.5)
    thin = np.where(off, 0.055, np.where(scalp.edge < 3, 0.08, 0.135)).astype(np.float32)
    parts = [Strands(path[~baby], tapered(int((~baby).sum()), points, thin[~baby]))]
    if baby.any():
        short = path[baby][:, :5]
        lift = scalp.normals[baby][:, None] * (np.linspace(0, 1, 5) ** 1.5 * 1.0)[None, :, None]
        loose = rng.normal(0, 1.0, (int(baby.sum()), 1, 3)) * np.linspace(0, 1, 5)[None, :, None] ** 1.5
        start = short[:, :1] + (short - short[:, :1]) * rng.uniform(0.25, 0.8, (int(baby.sum()), 1, 1))
        parts.append(Strands((start + lift + loose).astype(np.float32), tapered(int(baby.sum()), 5, 0.06, 0.2)))
    if parameters.style == "bun":
        parts.append(_bun(scalp.shell, tie, parameters, rng))
    elif parameters.style == "tied":
        parts.append(_tail(scalp.shell, tie, parameters, rng))
    return parts


def _bun(shell: Shell, tie: Float32, parameters: HairParameters, rng: np.random.Generator) -> Strands:
    """A knot of wound hair, or a puff of coils."""
    size = float(np.clip(20 + parameters.length_mm * 0.045, 24, 40))
    if parameters.curl > 0.7:
        count, size = 6000, size * 1.55
        centre = shell.along(tie[None], np.full(1, size * 0.55, np.float32))[0]
        ways = unit(rng.normal(size=(count, 3)) + tie * 0.6)
        base = centre + ways * (size * rng.uniform(0.2, 0.75, (count, 1)))
        length = (size * rng.uniform(0.2, 0.5, count)).astype(np.float32)
        path = coiled(
            base.astype(np.float32), unit(ways + rng.normal(0, 0.5, ways.shape)), length,
            rng.uniform(1.2, 2.6, count).astype(np.float32), rng.uniform(1.5, 3.0, count).astype(np.float32),
            rng.uniform(0, 6.3, count).astype(np.float32), 16,
        )  # fmt: skip
        return Strands(path, tapered(count, 16, 0.12))
    count, points = 4500, 18
    centre = shell.along(tie[None], np.full(1, size * 0.5, np.float32))[0]
    axis = unit(tie + rng.normal(0, 0.22, (count, 3)))
    helper = unit(np.cross(axis, np.array([1.0, 0, 0]) + 0 * axis))
    other = np.cross(axis, helper)
    t = np.linspace(0, 1, points)[None]
    turn = rng.uniform(0, 2 * np.pi, (count, 1)) + t * rng.uniform(2.5, 4.2, (count, 1))
    latitude = np.deg2rad(rng.normal(8, 24, (count, 1)) + rng.normal(0, 12, (count, 1)) * (t - 0.5))
    radius = size * np.clip(0.82 + 0.2 * rng.random((count, 1)) ** 0.5 + 0.03 * rng.normal(size=(count, 1)), 0.6, 1.1)
    ring = helper[:, None] * np.cos(turn)[..., None] + other[:, None] * np.sin(turn)[..., None]
    path = centre + radius[..., None] * (
        ring * np.cos(latitude)[..., None] + axis[:, None] * 0.72 * np.sin(latitude)[..., None]
    )
    return Strands(clumped(path.astype(np.float32), 160, 0.35, rng), tapered(count, points, 0.14))


def _tail(shell: Shell, tie: Float32, parameters: HairParameters, rng: np.random.Generator) -> Strands:
    """A pony tail."""
    count, points = 3200, 18
    start = shell.along(np.repeat(tie[None], count, axis=0), np.full(count, 4.0, np.float32))
    start = start + rng.normal(0, 4.0, (count, 3)).astype(np.float32)
    length = np.float32(parameters.length_mm) * rng.uniform(0.6, 1.0, count).astype(np.float32)
    way = unit(tie + np.array([0, 0.35, 0]) + rng.normal(0, 0.22, (count, 3)))
    none = np.zeros(count, np.bool_)
    path = fallen(
        shell, start, way, length, rng.uniform(2, 16, count).astype(np.float32), points, np.zeros(count, np.float32),
        tuck=~none, ahead=none, stiff=0.62,
    )  # fmt: skip
    spread = rng.normal(0, 7, (count, 1, 3)) * np.clip(np.linspace(0, 1.6, points), 0, 1)[None, :, None]
    path = path + (spread * np.array([1, 0.3, 0.5])).astype(np.float32)
    phase = rng.normal(0, 0.9, count).astype(np.float32)
    path = waved(path, 1.0 + 9 * parameters.curl, 75.0 - 45 * parameters.curl, phase)
    return Strands(clumped(path, 120, 0.5, rng), tapered(count, points, 0.16))


def _loose(scalp: Scalp, parameters: HairParameters, rng: np.random.Generator) -> Strands:
    """Hair that parts and falls."""
    count, points = len(scalp.roots), 20
    x = scalp.rest[:, 0] - parameters.parting_mm * np.clip((scalp.rest[:, 2] + 150) / 60, 0, 1)
    x = x + 0.8 * _ripple(scalp.rest, 12.0, rng)
    behind = np.clip((-scalp.rest[:, 2] - 110) / 40, 0, 1)
    side = np.where(behind > 0, np.clip(x / (1 + 45 * behind), -1, 1), np.sign(x)).astype(np.float32)
    left = x > 0
    tucked = np.where(left, parameters.tucked[1], parameters.tucked[0]) & (np.abs(scalp.azimuth) < 105)
    ahead = parameters.ahead & ~tucked & (np.abs(scalp.azimuth) < rng.uniform(80, 115, count))
    start = unit(scalp.normals * 0.42 + np.stack([side * 0.8, 0 * side, -0.3 + 0 * side], axis=1))
    length = np.float32(parameters.length_mm) * (1 - 0.22 * rng.random(count, dtype=np.float32) ** 2)
    length = np.where((np.abs(scalp.azimuth) < 79) & (scalp.elevation < 3), 0.16 * length, length).astype(np.float32)
    layer = rng.random(count, dtype=np.float32)
    height = 1.2 + layer * parameters.volume_mm + rng.gamma(1.5, 3.0, count) * (rng.random(count) < parameters.flyaway)
    path = fallen(
        scalp.shell, scalp.roots, start, length, height.astype(np.float32), points, side, tuck=tucked, ahead=ahead
    )
    phase = (_ripple(scalp.rest, 10.0, rng) * 1.6 + rng.normal(0, 0.35, count)).astype(np.float32)
    amount = (0.5 + 17 * parameters.curl) * rng.uniform(0.7, 1.3, count)
    path = waved(path, amount.astype(np.float32), 95.0 - 62 * parameters.curl, phase, 90.0)
    path = clumped(path, 420, 0.62, rng, split=np.sign(side).astype(np.float32))
    stray = rng.normal(0, 1.0, (count, 1, 3)) * np.linspace(0, 1, points)[None, :, None] * (1.0 + 3 * parameters.curl)
    thin = np.where(scalp.edge < 3, 0.085, 0.16).astype(np.float32)
    return Strands((path + stray).astype(np.float32), tapered(count, points, thin))


def _short(scalp: Scalp, parameters: HairParameters, rng: np.random.Generator) -> Strands:
    """Short hair: combed to one side above, lying close and shorter below."""
    count, points = len(scalp.roots), 9
    shell = scalp.shell
    rear = np.clip((np.abs(scalp.azimuth) - 80) / 60, 0, 1) * np.clip((88 - scalp.elevation) / 20, 0, 1)
    top = np.clip((scalp.elevation - 12) / 30, 0, 1) * (1 - 0.75 * rear)
    side = 1.0 if parameters.parting_mm >= 0 else -1.0
    low = 0.34 if parameters.length_mm < 60 else 0.6
    length = parameters.length_mm * (low + (1 - low) * top) * rng.uniform(0.65, 1.1, count)
    length = length * np.clip(0.35 + scalp.edge / 9, 0.35, 1)
    swirl = 0.5 * _ripple(scalp.rest, 26.0, rng)
    comb = np.stack(
        [-side * (0.9 + swirl) * top, -0.35 - 0.8 * (1 - top), (0.25 + swirl) * top - 0.55 * (1 - top)], axis=1
    )
    fringe = np.clip(1 - np.abs(scalp.azimuth) / 50, 0, 1) * np.clip(1 - scalp.edge / 14, 0, 1)
    comb = comb + (fringe * np.array([[-0.3 * side], [0.9], [-0.9]])).T
    heavy = float(np.clip(45 / parameters.length_mm, 0.35, 1))
    crown = 1 - 0.55 * np.clip((scalp.elevation - 55) / 20, 0, 1)
    lift = ((0.25 + 0.75 * top * (0.5 + parameters.volume_mm / 12)) * heavy * crown).astype(np.float32)[:, None]
    way = unit(scalp.normals * lift * 1.5 + comb * 0.6 + rng.normal(0, 0.16 + 0.3 * parameters.curl, (count, 3)))
    here, step = scalp.roots, (length / (points - 1)).astype(np.float32)[:, None]
    height = (0.3 + rng.random(count) * (1.0 + parameters.volume_mm * 0.6 * top)).astype(np.float32)
    chain = [here]
    for index in range(1, points):
        normal = shell.outward(here)
        flat = comb - normal * (comb * normal).sum(axis=1, keepdims=True)
        way = unit(
            way * 0.72
            + unit(flat) * 0.30
            - normal * 0.06 * index / points
            + np.array([0, -0.02 - 0.10 * (1 - heavy), 0])
        )
        there = shell.lifted(here + way * step, np.minimum(height, index * 0.8), False)
        here = (here + unit(there - here) * step).astype(np.float32)
        chain.append(here)
    path = np.stack(chain, axis=1)
    phase = (_ripple(scalp.rest, 6.0, rng) * 2).astype(np.float32)
    path = waved(path, 0.2 + 4.5 * parameters.curl, 34.0 - 16 * parameters.curl, phase, 14.0)
    path = clumped(path, 2200, 0.32, rng)
    thin = np.where(scalp.edge < 2.5, 0.08, 0.145).astype(np.float32)
    return Strands(path, tapered(count, points, thin, 0.3))


def _coily(scalp: Scalp, parameters: HairParameters, rng: np.random.Generator) -> Strands:
    """Tightly coiled hair that stands out from the head."""
    count = len(scalp.roots)
    long = parameters.length_mm
    points = 14 if long < 25 else 20
    shape = np.clip(0.45 + scalp.edge / 22, 0.35, 1) * np.clip(0.75 + 0.25 * (scalp.elevation + 20) / 60, 0.6, 1)
    length = long * shape * (1 - 0.4 * rng.random(count) ** 2.5)
    tuft = rng.choice(count, min(count, 2600 if long < 25 else 1500), replace=False)
    nearest = nearest_of(scalp.roots, scalp.roots[tuft])
    lean = rng.normal(0, 0.26, (len(tuft), 3))[nearest] + rng.normal(0, 0.22, (count, 3))
    droop = np.array([0, -0.0035, 0]) * long
    axis = unit(scalp.normals + lean + droop)
    phase = rng.uniform(0, 2 * np.pi, len(tuft))[nearest] + rng.normal(0, 0.5, count)
    size = (1.0 + long * 0.022) * rng.uniform(0.75, 1.25, len(tuft))[nearest]
    turns = np.clip(length / (3.2 * size), 0.8, (points - 1) / 4.2)
    path = coiled(
        scalp.roots, axis, length.astype(np.float32), size.astype(np.float32), turns.astype(np.float32),
        phase.astype(np.float32), points,
    )  # fmt: skip
    fuzz = rng.normal(0, 0.25 + 0.012 * long, (count, 1, 3)) * np.linspace(0, 1, points)[None, :, None]
    path = scalp.shell.lifted((path + fuzz).astype(np.float32), -1.2, False)
    return Strands(path, tapered(count, points, 0.15, 0.6))


def _shaved(scalp: Scalp, parameters: HairParameters, rng: np.random.Generator) -> Strands:
    """Hair of a few mm."""
    count, points = len(scalp.roots), 4
    comb = np.stack([np.zeros(count), np.full(count, -0.5), np.full(count, 0.25)], axis=1)
    way = unit(scalp.normals + 0.5 * comb + rng.normal(0, 0.35, (count, 3)))
    length = 1.0 + parameters.length_mm * rng.uniform(0.7, 1.1, count) * np.clip(0.4 + scalp.edge / 8, 0.4, 1)
    t = np.linspace(0, 1, points)[None, :, None]
    bend = rng.normal(0, 0.5, (count, 1, 3)) * t**2 * (0.3 + parameters.curl)
    path = scalp.roots[:, None] + way[:, None] * (length[:, None, None] * t) + bend
    return Strands(path.astype(np.float32), tapered(count, points, 0.095, 0.7))

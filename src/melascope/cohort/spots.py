"""Lesions that are single spots: freckles, solar lentigines, cafe-au-lait macules, Hori's naevus.

Sizes, numbers and places after the clinical descriptions: freckles 1-5 mm on nose and cheeks; solar lentigines 3-20 mm
on temples, cheeks and forehead, more with age; cafe-au-lait macules from 5 mm, smooth or jagged ("coast of California",
"coast of Maine"); Hori's naevus 1-5 mm dots in clusters on both cheekbones (Hori et al. 1984, J. Am. Acad. Dermatol.
10).
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.ground import FaceChart, Ground, ground_of, liking
from melascope.cohort.lesion import Grown, LesionParameters, Place
from melascope.cohort.noise import noise, rise, scattered
from melascope.vocabulary import Lesion

__all__ = ["grow_spots", "sample_cafe_au_lait", "sample_freckles", "sample_hori", "sample_lentigines"]


def _both(landmark: str, out: float, down: float, along: float, across: float, turn: float, w: float) -> list[Place]:
    return [Place(f"{side}_{landmark}", out, down, along, across, turn, w) for side in ("right", "left")]


_NOSE: Final = [Place("nose_tip", 0.0, -16.0, 10.0, 17.0, 0.0, 1.0), Place("nose_tip", 0.0, -2.0, 13.0, 7.0, 0.0, 0.5)]


def sample_freckles(rng: np.random.Generator, severity: float | None = None) -> LesionParameters:
    """Freckles: tens to hundreds of small irregular spots on nose and cheeks, on the forehead where there are many."""
    s = float(rng.uniform(0.02, 1.0)) if severity is None else severity
    places = [
        *_NOSE,
        *_both("cheekbone", -20.0, 3.0, 17.0, 12.0, -8.0, 1.1),
        *_both("cheekbone", -4.0, 4.0, 20.0, 18.0, 0.0, 0.5),
    ]
    places.append(Place("forehead", 0.0, 0.0, 40.0, 20.0, 0.0, 0.03 + 0.25 * s * s * float(rng.random())))
    places.append(Place("chin", 0.0, 0.0, 30.0, 14.0, 0.0, 0.02 + 0.12 * s * s * float(rng.random())))
    if s > 0.5:
        places.append(Place("upper_lip", 0.0, 0.0, 20.0, 8.0, 0.0, 0.3))
    pattern = "sparse" if s < 0.35 else "dense" if s > 0.7 else "moderate"
    return LesionParameters(
        kind=Lesion.FRECKLE,
        pattern=pattern,
        severity=s,
        density=scattered(rng, 0.05 + 0.10 * s, 0.2, 0.03, 0.22),
        depth=0.0,
        size_mm=float(rng.uniform(1.5, 2.1) + 0.3 * s),
        size_spread=float(rng.uniform(0.28, 0.4)),
        size_range_mm=(1.1, 4.7),
        count=round(scattered(rng, 24.0 * math.exp(2.75 * s), 0.25, 12.0, 450.0)),
        edge_mm=float(rng.uniform(0.5, 0.9)),
        roughness=float(rng.uniform(0.3, 0.7)),
        evenness=float(rng.uniform(0.1, 0.4)),
        places=tuple(places),
        shares=(),
        seed=int(rng.integers(2**31)),
    )


def sample_lentigines(rng: np.random.Generator, severity: float | None = None) -> LesionParameters:
    """Solar lentigines: a few to dozens of sharp spots with scalloped edges on temples, cheeks and forehead."""
    s = float(rng.uniform(0.02, 1.0)) if severity is None else severity
    places = [
        *_both("temple", -4.0, 4.0, 16.0, 24.0, 0.0, 1.0),
        *_both("cheekbone", 2.0, 8.0, 22.0, 20.0, 0.0, 0.9),
        *_both("jaw", 0.0, -20.0, 22.0, 20.0, 0.0, 0.25),
        Place("forehead", 0.0, -2.0, 45.0, 18.0, 0.0, 0.45),
        Place("nose_tip", 0.0, -14.0, 10.0, 14.0, 0.0, 0.15),
    ]
    # Sun from the side window: one side often bears more.
    lean = float(rng.normal(0.0, 0.25))
    places = [p._replace(weight=p.weight * math.exp(lean if p.landmark.startswith("left") else -lean)) for p in places]
    return LesionParameters(
        kind=Lesion.SOLAR_LENTIGO,
        pattern="single" if s < 0.2 else "scattered",
        severity=s,
        density=scattered(rng, 0.09 + 0.14 * s, 0.25, 0.04, 0.34),
        depth=0.0,
        size_mm=float(rng.uniform(4.5, 7.0) + 2.0 * s),
        size_spread=float(rng.uniform(0.35, 0.5)),
        size_range_mm=(3.2, 18.0),
        count=round(scattered(rng, 2.2 * math.exp(2.6 * s), 0.3, 1.0, 45.0)),
        edge_mm=float(rng.uniform(0.35, 0.7)),
        roughness=float(rng.uniform(0.25, 0.8)),
        evenness=float(rng.uniform(0.3, 0.8)),
        places=tuple(places),
        shares=(),
        seed=int(rng.integers(2**31)),
    )


def sample_cafe_au_lait(rng: np.random.Generator, severity: float | None = None) -> LesionParameters:
    """Cafe-au-lait: one, seldom a few even light brown macules anywhere, 5 mm to more than 60 mm."""
    s = float(rng.uniform(0.02, 1.0)) if severity is None else severity
    side = "right" if rng.random() < 0.5 else "left"
    spots = [f"{side}_cheekbone", f"{side}_jaw", f"{side}_temple", "forehead", "chin", f"{side}_nose_wing"]
    first = spots[int(rng.choice(6, p=[0.36, 0.2, 0.2, 0.12, 0.06, 0.06]))]
    dx, dy = rng.normal(0.0, 7.0, 2)
    if first in ("forehead", "chin"):
        dx += 14.0 * (1.0 if side == "left" else -1.0)
    size = scattered(rng, 7.5 * math.exp(2.0 * s), 0.25, 6.0, 65.0)
    count = int(1 + (rng.random() < 0.15) + (rng.random() < 0.05)) if size < 30.0 else 1
    places = [Place(first, float(dx), float(dy), 3.0, 3.0, 0.0, 1.0)]
    if count > 1:
        places.append(Place("nose_tip", 0.0, 0.0, 60.0, 60.0, 0.0, 0.002))
    smooth = bool(rng.random() < 0.6)
    return LesionParameters(
        kind=Lesion.CAFE_AU_LAIT,
        pattern="smooth" if smooth else "jagged",
        severity=s,
        density=scattered(rng, 0.11, 0.3, 0.05, 0.2),
        depth=0.0,
        size_mm=size,
        size_spread=0.3,
        size_range_mm=(6.0, 75.0),
        count=count,
        edge_mm=float(rng.uniform(0.5, 0.9)),
        roughness=float(rng.uniform(0.15, 0.4) if smooth else rng.uniform(0.6, 1.0)),
        evenness=float(rng.uniform(0.85, 0.98)),
        places=tuple(places),
        shares=(),
        seed=int(rng.integers(2**31)),
    )


def sample_hori(rng: np.random.Generator, severity: float | None = None) -> LesionParameters:
    """Hori's naevus: clustered dermal dots on both cheekbones, later on temples, nose wings, forehead."""
    s = float(rng.uniform(0.02, 1.0)) if severity is None else severity
    places = _both("cheekbone", -6.0, -1.0, 12.0, 7.0, -12.0, 1.0)
    names = ["zygomatic"]
    if rng.random() < 0.25 + 0.5 * s:
        places += _both("nose_wing", 1.0, -5.0, 4.5, 4.5, 0.0, 1.1)
        names.append("nose")
    if rng.random() < 0.15 + 0.5 * s:
        places += _both("temple", -6.0, 6.0, 8.0, 11.0, 0.0, 0.5)
        names.append("temple")
    if rng.random() < 0.25 * s:
        places += [Place("forehead", side * 38.0, 4.0, 10.0, 7.0, 0.0, 0.6) for side in (1.0, -1.0)]
        names.append("forehead")
    places = [
        p._replace(
            out_mm=p.out_mm + float(rng.normal(0.0, 1.2)),
            down_mm=p.down_mm + float(rng.normal(0.0, 1.2)),
            weight=p.weight * math.exp(float(rng.normal(0.0, 0.15))),
        )
        for p in places
    ]
    return LesionParameters(
        kind=Lesion.HORI_NEVUS,
        pattern="+".join(names),
        severity=s,
        density=scattered(rng, 0.07 + 0.12 * s, 0.2, 0.04, 0.25),
        depth=float(rng.uniform(0.85, 1.0)),
        size_mm=float(rng.uniform(2.0, 2.7) + 0.5 * s),
        size_spread=float(rng.uniform(0.22, 0.32)),
        size_range_mm=(1.2, 4.8),
        count=round(scattered(rng, 20.0 * math.exp(2.1 * s), 0.25, 10.0, 180.0)),
        edge_mm=float(rng.uniform(0.8, 1.3)),
        roughness=float(rng.uniform(0.15, 0.4)),
        evenness=float(rng.uniform(0.4, 0.8)),
        places=tuple(places),
        shares=(),
        seed=int(rng.integers(2**31)),
    )


def grow_spots(parameters: LesionParameters, chart: FaceChart) -> Grown:
    """Spots on the chart, each drawn in its own window."""
    p = parameters
    ground = ground_of(chart)
    side, px = ground.side, ground.px_mm
    rng = np.random.default_rng(p.seed)
    x, y, radius = _seats(p, ground, rng)
    n = len(x)
    shade = np.clip(1.0 - (1.0 - p.evenness) * np.abs(rng.normal(0.0, 0.55, n)), 0.25, 1.0)
    if p.kind is Lesion.FRECKLE:  # the small ones are the fainter ones
        shade *= np.clip(0.55 + 0.45 * radius / (0.5 * p.size_mm), 0.5, 1.0)
    stretch = np.exp(rng.normal(0.0, _STRETCH[p.kind], n))
    turn = rng.uniform(0.0, np.pi, n)
    outlines = _outlines(p, n, rng)
    grain = _grain(p, ground, rng)
    tone = _tone(p, ground, rng)

    level = np.full((side, side), -1.0, np.float32)
    body = np.zeros((side, side), np.float32)
    labels = np.zeros((side, side), np.uint16)
    edge = max(p.edge_mm, 0.8 / px)
    scallop = 0.15 * p.roughness if p.kind is Lesion.SOLAR_LENTIGO else 0.0
    for i in range(n):
        r = float(radius[i])
        reach = r * (1.9 if p.kind is Lesion.CAFE_AU_LAIT else 1.75) + edge
        col, row = (x[i] + 128.0) * px - 0.5, (y[i] + 128.0) * px - 0.5
        c0, c1 = max(0, int(col - reach * px)), min(side, int(col + reach * px) + 2)
        r0, r1 = max(0, int(row - reach * px)), min(side, int(row + reach * px) + 2)
        if c0 >= c1 or r0 >= r1:
            continue
        dx = ((np.arange(c0, c1) - col) / px).astype(np.float32)[None, :]
        dy = ((np.arange(r0, r1) - row) / px).astype(np.float32)[:, None]
        c, s = math.cos(turn[i]), math.sin(turn[i])
        root = math.sqrt(stretch[i])
        u, v = (dx * c + dy * s) / root, (dy * c - dx * s) * root
        rho = np.sqrt(u * u + v * v)
        angle = np.arctan2(v, u)
        here = (slice(r0, r1), slice(c0, c1))
        roughly = p.roughness * min(1.0, r / 1.0) * _RAGGED[p.kind] * r ** _RAGGED_POWER[p.kind]
        mine = r * _outline(outlines, i, angle, scallop) - rho + np.float32(roughly) * grain[here]
        if p.kind is Lesion.CAFE_AU_LAIT:
            mine = _in_one_piece(mine, 0.5 * edge)
        mine = np.asarray(mine - np.float32(p.shrink * r), np.float32)
        wins = (mine > level[here]) & (mine >= 0.0)
        labels[here][wins] = i + 1
        np.maximum(level[here], mine, out=level[here])
        dome = _DOME[p.kind]
        ink = rise(mine, -0.5 * edge, 0.5 * edge) * (1.0 - dome + dome * rise(mine, 0.0, 0.8 * r))
        np.maximum(body[here], np.float32(shade[i]) * ink, out=body[here])
    cover = np.clip(0.5 + level / edge, 0.0, 1.0).astype(np.float32)
    body *= tone
    if p.depth > 0.5:
        body = np.asarray(cv2.GaussianBlur(body, (0, 0), 0.35 * p.depth * px), np.float32)
    for map_ in (cover, body, labels):
        map_[~ground.open] = 0
    return Grown(cover, body, p.depth, labels)


def _in_one_piece(level: NDArray[np.float32], skirt: float) -> NDArray[np.float32]:
    """The level without the islands that lie off its coast."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats((level > -skirt).astype(np.uint8), connectivity=4)
    if len(stats) < 3:
        return level
    main = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return np.where((parts == main) | (parts == 0), level, np.float32(-skirt))


_STRETCH: Final = {Lesion.FRECKLE: 0.28, Lesion.SOLAR_LENTIGO: 0.28, Lesion.CAFE_AU_LAIT: 0.35, Lesion.HORI_NEVUS: 0.22}
_RAGGED: Final = {Lesion.FRECKLE: 0.26, Lesion.SOLAR_LENTIGO: 0.17, Lesion.CAFE_AU_LAIT: 0.13, Lesion.HORI_NEVUS: 0.2}
_RAGGED_POWER: Final = {
    Lesion.FRECKLE: 0.8,
    Lesion.SOLAR_LENTIGO: 0.7,
    Lesion.CAFE_AU_LAIT: 0.95,
    Lesion.HORI_NEVUS: 0.8,
}
_DOME: Final = {Lesion.FRECKLE: 0.3, Lesion.SOLAR_LENTIGO: 0.08, Lesion.CAFE_AU_LAIT: 0.0, Lesion.HORI_NEVUS: 0.15}


def _seats(
    p: LesionParameters, ground: Ground, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Places (mm) and radii (mm) of the spots, drawn without much overlap, the largest first."""
    coarse = ground
    step = max(1, ground.side // 256)
    wish = liking(coarse, p.places)[step // 2 :: step, step // 2 :: step]
    where = ground.open[step // 2 :: step, step // 2 :: step]
    px = ground.px_mm / step
    if p.kind in (Lesion.FRECKLE, Lesion.HORI_NEVUS):
        wish = wish * np.exp(0.8 * noise(wish.shape, (9.0 if p.kind is Lesion.FRECKLE else 6.0) * px, rng))
    reach = ground.clearance_mm[step // 2 :: step, step // 2 :: step]
    wish = np.where(where & (reach > 0.5), wish, 0.0).astype(np.float64)
    total = wish.sum()
    size = np.exp(rng.normal(math.log(p.size_mm), p.size_spread, p.count))
    if p.kind is Lesion.CAFE_AU_LAIT:
        size[1:] *= 0.4
        size[0] = p.size_mm
    radius = np.sort(0.5 * np.clip(size, *p.size_range_mm))[::-1]
    if not total > 0:
        empty = np.zeros(0)
        return empty, empty, empty
    tries = 12
    cells = rng.choice(wish.size, size=(p.count, tries), p=(wish / total).ravel())
    jitter = rng.random((2, p.count, tries))
    xs = (cells % wish.shape[1] + jitter[0]) / px - 128.0
    ys = (cells // wish.shape[1] + jitter[1]) / px - 128.0
    apart = 0.95 if p.kind is not Lesion.HORI_NEVUS else 0.9
    kept = np.zeros((p.count, 3))
    n = 0
    for i in range(p.count):
        room = np.hypot(xs[i][:, None] - kept[:n, 0], ys[i][:, None] - kept[:n, 1]) - apart * (radius[i] + kept[:n, 2])
        free = room.min(axis=1) if n else np.ones(tries)
        good = np.flatnonzero(free > 0)
        if not good.size:
            continue
        best = int(good[0])
        kept[n] = xs[i, best], ys[i, best], radius[i]
        n += 1
    return kept[:n, 0], kept[:n, 1], kept[:n, 2]


def _outlines(p: LesionParameters, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(n, 2, k) amplitudes and phases of the outline's waves around a spot; wave 0 is its scallops."""
    waves = 7
    k = np.arange(2, waves + 1)
    scale = {Lesion.FRECKLE: 0.12, Lesion.SOLAR_LENTIGO: 0.11, Lesion.HORI_NEVUS: 0.12}.get(p.kind, 0.16)
    amplitude = np.zeros((n, waves))
    amplitude[:, 1:] = (
        rng.normal(0.0, 1.0, (n, waves - 1))
        * scale
        / (k - 1) ** (1.3 if p.kind in (Lesion.FRECKLE, Lesion.HORI_NEVUS) else 1.0)
    )
    phase = rng.uniform(0.0, 2 * np.pi, (n, waves))
    amplitude[:, 0] = rng.integers(4, 10, n)  # number of scallops
    return np.stack([amplitude, phase], axis=1).astype(np.float32)


def _outline(outlines: NDArray[np.float32], i: int, angle: NDArray[np.float32], scallop: float) -> NDArray[np.float32]:
    """Radius of the outline relative to the spot's, by angle."""
    table = np.linspace(-np.pi, np.pi, 361, dtype=np.float32)
    amplitude, phase = outlines[i]
    ring = np.ones_like(table)
    for k in range(1, len(amplitude)):
        ring += amplitude[k] * np.cos((k + 1) * table + phase[k])
    if scallop > 0.0:
        ring += np.float32(scallop) * (np.abs(np.cos(0.5 * amplitude[0] * table + phase[0])) - np.float32(2 / np.pi))
    ring = np.clip(ring, 0.55, 1.6)
    ring /= np.sqrt(np.mean(np.square(ring)))
    return np.interp(angle, table, ring).astype(np.float32)


def _grain(p: LesionParameters, ground: Ground, rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise that makes outlines ragged, at a scale that suits the spots."""
    cells = {Lesion.FRECKLE: 1.3, Lesion.SOLAR_LENTIGO: 2.6, Lesion.HORI_NEVUS: 1.6}
    cell = cells.get(p.kind, min(max(0.16 * p.size_mm, 2.0), 9.0))
    octaves, gain = (4, 0.55) if p.kind is Lesion.CAFE_AU_LAIT and p.roughness > 0.5 else (2, 0.5)
    half = ground.side // 2
    field = noise((half, half), cell * ground.px_mm / 2.0, rng, octaves=octaves, gain=gain)
    return np.asarray(cv2.resize(field, (ground.side, ground.side), interpolation=cv2.INTER_CUBIC), np.float32)


def _tone(p: LesionParameters, ground: Ground, rng: np.random.Generator) -> NDArray[np.float32]:
    """Uneven colour inside the spots, at most slightly above 1."""
    half = ground.side // 2
    px = ground.px_mm / 2.0
    spread = (1.0 - p.evenness) * (0.22 if p.kind is Lesion.SOLAR_LENTIGO else 0.14)
    field = 1.0 - spread + np.float32(0.8 * spread) * noise((half, half), 1.8 * px, rng, octaves=2, gain=0.7)
    field = np.clip(field, 0.3, 1.1)
    return np.asarray(cv2.resize(field, (ground.side, ground.side), interpolation=cv2.INTER_LINEAR), np.float32)

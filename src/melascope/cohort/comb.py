"""Strands of hair, and what a comb does with them: laying along the head, falling, waving, clumping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.shell import YOKE_MM, Shell, unit

__all__ = ["Strands", "clumped", "coiled", "fallen", "joined", "nearest_of", "swept", "tapered", "waved"]

Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Strands:
    """Hairs as chains of points, from root to tip.

    Attributes:
        points: (k, p, 3) float32, mm in head coordinates.
        radius: (k, p) float32, mm.
        shade: (k,) float32, reflectance of each strand relative to the mean of all; None: all alike.
    """

    points: Float32
    radius: Float32
    shade: Float32 | None = None

    def __post_init__(self) -> None:
        if self.points.ndim != 3 or self.points.shape[2] != 3 or self.radius.shape != self.points.shape[:2]:
            raise ValueError(f"points {self.points.shape}, radius {self.radius.shape}: pass (k, p, 3) and (k, p)")
        if self.shade is not None and self.shade.shape != self.points.shape[:1]:
            raise ValueError(f"shade {self.shade.shape} of {len(self.points)} strands: pass one number each")

    def __len__(self) -> int:
        return len(self.points)

    def bundles(self, count: int = 3) -> list[tuple[float, Strands]]:
        """The strands in at most `count` bundles of like shade, each with its mean shade, for a material each."""
        if self.shade is None or not len(self) or count < 2 or float(np.ptp(self.shade)) < 1e-3:
            return [(1.0 if self.shade is None or not len(self) else float(self.shade.mean()), self)]
        edges = np.quantile(self.shade, np.linspace(0, 1, count + 1)[1:-1])
        index = np.searchsorted(edges, self.shade)
        found = []
        for number in range(count):
            chosen = index == number
            if chosen.any():
                shade = self.shade[chosen]
                found.append((float(shade.mean()), Strands(self.points[chosen], self.radius[chosen], shade)))
        return found


def joined(parts: list[Strands]) -> Strands:
    """All strands in one; shorter chains are drawn out to the longest one's number of points."""
    most = max(part.points.shape[1] for part in parts)
    points, radius, shade = [], [], []
    for part in parts:
        points.append(_resampled(part.points, most))
        radius.append(_resampled(part.radius[..., None], most)[..., 0])
        shade.append(np.ones(len(part), np.float32) if part.shade is None else part.shade)
    return Strands(np.concatenate(points), np.concatenate(radius), np.concatenate(shade))


def _resampled(chains: Float32, count: int) -> Float32:
    """Chains (k, p, c) with another number of points, evenly by their number."""
    old = chains.shape[1]
    if old == count:
        return chains
    place = np.linspace(0, old - 1, count)
    low = np.minimum(place.astype(np.int64), old - 2)
    share = (place - low).astype(np.float32)[None, :, None]
    return np.asarray(chains[:, low] * (1 - share) + chains[:, low + 1] * share, np.float32)


def tapered(count: int, points: int, radius_mm: Float32 | float, tip: float = 0.35) -> Float32:
    """(count, points) radii that shrink to a share `tip` over the last third."""
    t = np.linspace(0, 1, points, dtype=np.float32)
    shape = 1 - (1 - tip) * np.clip((t - 0.66) / 0.34, 0, 1) ** 2
    return np.asarray(np.broadcast_to(np.asarray(radius_mm, np.float32).reshape(-1, 1), (count, 1)) * shape, np.float32)


def swept(
    shell: Shell, roots: Float32, target: Float32, height_mm: Float32, points: int, floor: bool = True
) -> Float32:
    """Hair drawn tight along the head from its roots to a direction, the shortest way, above the ears.

    Args:
        shell: The head.
        roots: (k, 3).
        target: (k, 3) or (3,) unit direction from the shell's centre.
        height_mm: (k, points) above the skin.
        points: Of each strand.
        floor: Keep it above the ears.
    """
    start = unit(roots - shell.centre)
    end = np.broadcast_to(target, start.shape)
    cosine = np.clip((start * end).sum(axis=1), -0.995, 0.9999)
    angle = np.arccos(cosine)[:, None, None]
    t = np.linspace(0, 1, points, dtype=np.float32)[None, :, None]
    way = (np.sin((1 - t) * angle) * start[:, None] + np.sin(t * angle) * end[:, None]) / np.sin(angle)
    way = unit(way).astype(np.float64)
    if floor:
        azimuth = np.rad2deg(np.arctan2(np.abs(way[..., 0]), way[..., 2]))
        elevation = np.rad2deg(np.arcsin(np.clip(way[..., 1], -1, 1)))
        least = np.interp(azimuth, [52, 66, 74, 82, 104, 114, 122], [-90, -34, -9, 1, -1, -22, -90])
        # Roots below that way rise to it within their first third.
        rise = np.clip(t[..., 0] * 3, 0, 1)
        low = elevation < least
        elevation = np.where(low, elevation + (least - elevation) * rise, elevation)
        level = np.hypot(way[..., 0], way[..., 2]) + 1e-9
        c, s = np.cos(np.deg2rad(elevation)), np.sin(np.deg2rad(elevation))
        way = np.stack([way[..., 0] / level * c, s, way[..., 2] / level * c], axis=-1)
    return shell.along(way.astype(np.float32), height_mm)


def fallen(
    shell: Shell,
    roots: Float32,
    start: Float32,
    length_mm: Float32,
    height_mm: Float32,
    points: int,
    side: Float32,
    *,
    tuck: NDArray[np.bool_],
    ahead: NDArray[np.bool_],
    stiff: float = 0.55,
) -> Float32:
    """Loose hair that leaves the parting to its side, follows the head and falls.

    Args:
        shell: The head.
        roots: (k, 3).
        start: (k, 3) unit directions at the roots.
        length_mm: (k,).
        height_mm: (k,) that each strand keeps from the skin.
        points: Of each strand.
        side: (k,) -1 to 1: which way it leaves the parting.
        tuck: (k,) laid behind the ear.
        ahead: (k,) falls before the shoulder, not behind it.
        stiff: How much of its direction a strand keeps from point to point.
    """
    step = (length_mm / (points - 1)).astype(np.float32)[:, None]
    here, way = roots, start
    chain = [roots]
    ear = shell.from_rest(np.array([[78.0, 10.0, -118.0]], np.float32))[0] - shell.centre
    for index in range(1, points):
        q = here - shell.centre
        normal = shell.outward(here)
        across = np.abs(q[:, 0]) / 72.0
        # Outward over the crown, back inward below the widest place.
        away = np.where(across < 1, side * (1.15 - across), np.sign(q[:, 0]) * (0.25 - 1.2 * (across - 0.9)))
        low = np.clip((shell.centre[1] - here[:, 1]) / 50.0, 0, 1)
        away = away * (1 - low) - low * np.clip(q[:, 0] / 72.0 * 0.25, -0.5, 0.5)
        drop = np.clip((shell.centre[1] + 70.0 - here[:, 1]) / 60.0, 0.25, 1.6)
        flow = np.stack([away, -drop, -0.18 - 0.25 * (1 - np.minimum(across, 1))], axis=1).astype(np.float32)
        # Behind the ear: aim there until it is reached.
        short_of = tuck & (q[:, 2] > ear[2] + 12.0) & (q[:, 1] > ear[1] - 45.0)
        aim = np.stack([side * ear[0] - q[:, 0], np.full(len(q), ear[1]) - q[:, 1], ear[2] - q[:, 2]], axis=1)
        pull = (np.clip((shell.centre[1] + 62.0 - here[:, 1]) / 45.0, 0, 1) * short_of)[:, None]
        flow = unit(flow) * (1 - 0.85 * pull) + unit(aim) * 0.85 * pull
        above = shell.height_mm(here) - height_mm
        inward = np.minimum((flow * normal).sum(axis=1, keepdims=True), 0)
        flow = flow - normal * inward * (above < 4.0)[:, None]
        # Its own weight and its neighbours' hold it to the head.
        on_head = np.clip((here[:, 1] - YOKE_MM) / 40.0, 0.15, 1)
        flow = flow - normal * (np.clip((above - 1.0) / 14.0, 0, 0.7) * on_head)[:, None]
        keep = stiff if index > 1 else 0.7
        way = unit(way * keep + unit(flow) * (1 - keep))
        there = here + way * step
        there = _outside(shell, there, np.minimum(height_mm, np.float32(0.6 + 1.7 * index)), tuck, ahead)
        way = unit(there - here)
        here = (here + way * step).astype(np.float32)
        chain.append(here)
    return np.stack(chain, axis=1)


def _outside(
    shell: Shell, points: Float32, least_mm: Float32, tuck: NDArray[np.bool_], ahead: NDArray[np.bool_]
) -> Float32:
    """Points moved out of the head, and before or behind neck and shoulders."""
    height = np.where(tuck, shell.height_mm(points, False), shell.height_mm(points, True))
    on_head = points[:, 1] > YOKE_MM
    lack = np.where(on_head, np.clip(least_mm - height, 0, 14.0), 0)
    points = np.asarray(points + lack[:, None] * shell.outward(points), np.float32)
    back, front = shell.yoke_mm(points)
    behind = np.minimum(points[:, 2], back - least_mm)
    before = np.maximum(points[:, 2], front + least_mm)
    depth = np.where(on_head, points[:, 2], np.where(ahead, before, behind))
    moved = np.clip(depth - points[:, 2], -16.0, 16.0)
    return np.asarray(points + np.stack([moved * 0, moved * 0, moved], axis=1), np.float32)


def _frames(points: Float32) -> tuple[Float32, Float32, Float32]:
    """Arc length (k, p) in mm and two unit vectors (k, p, 3) across the strands."""
    tangent = unit(np.gradient(points, axis=1))
    length = np.linalg.norm(np.diff(points, axis=1), axis=2)
    arc = np.concatenate([np.zeros((len(points), 1), np.float32), np.cumsum(length, axis=1)], axis=1)
    outward = points - points.mean(axis=(0, 1), keepdims=True)
    one = unit(np.cross(tangent, outward))
    return arc.astype(np.float32), one, np.asarray(np.cross(one, tangent), np.float32)


def waved(
    points: Float32, amount_mm: Float32 | float, wave_mm: Float32 | float, phase: Float32, ease_mm: float = 40.0
) -> Float32:
    """Strands with flat waves, growing over the first `ease_mm`.

    Args:
        points: (k, p, 3).
        amount_mm: Amplitude, a number or (k,).
        wave_mm: Wavelength, a number or (k,).
        phase: (k,) radians.
        ease_mm: Where the waves reach their size.
    """
    arc, one, two = _frames(points)
    size = np.broadcast_to(np.asarray(amount_mm, np.float32), (len(points),))[:, None] * np.clip(arc / ease_mm, 0, 1)
    turn = 2 * np.pi * arc / np.broadcast_to(np.asarray(wave_mm, np.float32), (len(points),))[:, None] + phase[:, None]
    sway = size * np.sin(turn)
    lift = size * 0.7 * np.cos(turn)
    return np.asarray(points + sway[..., None] * one + lift[..., None] * two, np.float32)


def coiled(
    roots: Float32, axis: Float32, length_mm: Float32, coil_mm: Float32, turns: Float32, phase: Float32, points: int
) -> Float32:
    """Tight coils: helices (k, points, 3) about straight axes."""
    t = np.linspace(0, 1, points, dtype=np.float32)[None]
    helper = np.where(
        np.abs(axis[:, :1]) > 0.8, np.array([[0.0, 0, 1]], np.float32), np.array([[1.0, 0, 0]], np.float32)
    )
    one = unit(np.cross(axis, helper))
    two = np.cross(axis, one)
    turn = 2 * np.pi * turns[:, None] * t + phase[:, None]
    size = coil_mm[:, None] * np.clip(t * 4, 0, 1)
    centre = roots[:, None] + axis[:, None] * (length_mm[:, None] * t)[..., None]
    around = one[:, None] * (size * np.cos(turn))[..., None] + two[:, None] * (size * np.sin(turn))[..., None]
    return np.asarray(centre + around, np.float32)


def nearest_of(points: Float32, leaders: Float32) -> NDArray[np.intp]:
    """(k,) number of the leader (n, d) nearest to each point (k, d)."""
    half = (leaders**2).sum(axis=1)[None] / 2
    # In parts that stay in the processor's cache.
    parts = [np.argmax(points[begin : begin + 512] @ leaders.T - half, axis=1) for begin in range(0, len(points), 512)]
    return np.concatenate(parts)


def clumped(
    points: Float32, clumps: int, strength: float, rng: np.random.Generator, split: Float32 | None = None
) -> Float32:
    """Strands drawn towards a few of them, more so at the tips; each to the one whose root is nearest.

    Args:
        points: (k, p, 3).
        clumps: How many of the strands lead.
        strength: 0 to 1, at the tip.
        rng: Where the leaders come from.
        split: (k,) sides that do not mix, as the two of a parting.
    """
    count = len(points)
    if count < 2 or clumps < 1 or strength <= 0:
        return points
    leaders = rng.choice(count, min(clumps, count), replace=False)
    feature = points[:, 0]
    if split is not None:
        feature = np.concatenate([feature, split[:, None] * 25.0], axis=1)
    nearest = leaders[nearest_of(feature, feature[leaders])]
    t = np.linspace(0, 1, points.shape[1], dtype=np.float32)
    pull = strength * np.clip(t * 1.6, 0, 1) ** 1.3 * rng.uniform(0.55, 1.0, (count, 1)).astype(np.float32)
    return np.asarray(points + (points[nearest] - points) * pull[..., None], np.float32)

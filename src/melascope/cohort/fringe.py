"""Hair of the face: brows, lashes and beard, rooted in the skin by their place on the face chart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.comb import Strands, clumped, joined, tapered
from melascope.cohort.hair import HairParameters
from melascope.cohort.lids import EyedHead, lid_line, seated, smooth_line
from melascope.cohort.shell import unit

__all__ = ["Face", "FaceRoots", "beard_density", "bearded", "browed", "face_roots", "lashed"]

Float32 = NDArray[np.float32]

# Patient's left brow on the chart, from nose to temple: middle line and half its width in mm, relative density.
_BROW_X: Final = (10.5, 16.0, 24.0, 34.0, 43.0, 50.0, 56.5)
_BROW_Y: Final = (-44.8, -45.8, -47.0, -48.3, -48.2, -46.3, -42.8)
_BROW_HALF: Final = (3.2, 4.1, 4.4, 4.0, 3.3, 2.4, 1.0)
_BROW_THICK: Final = (0.45, 0.85, 1.05, 1.15, 1.15, 1.0, 0.6)


class Face(EyedHead, Protocol):
    """The part of a head that facial hair knows of."""

    @property
    def faces(self) -> NDArray[np.int32]:
        """(m, 3) triangles."""

    @property
    def normals(self) -> NDArray[np.float32]:
        """(n, 3) unit normals."""

    @property
    def chart(self) -> NDArray[np.float32]:
        """(n, 2) place on the face chart in mm, NaN off it."""


class FaceRoots(NamedTuple):
    """Places on the skin."""

    points: Float32
    """(k, 3)."""
    normals: Float32
    chart: Float32
    """(k, 2) mm."""
    along_x: Float32
    """(k, 3) unit direction of chart x on the skin."""
    along_y: Float32


def face_roots(
    head: Face, per_mm2: Callable[[Float32], Float32], box: tuple[float, float, float, float], rng: np.random.Generator
) -> FaceRoots:
    """Points strewn on the skin with a density over the chart.

    Args:
        head: The head.
        per_mm2: Expected points per square millimetre of the chart at places (n, 2).
        box: x0, y0, x1, y1 of the chart outside of which there are none.
        rng: Where the points come from.
    """
    chart = head.chart[head.faces]
    middle = chart.mean(axis=1)
    x0, y0, x1, y1 = box
    with np.errstate(invalid="ignore"):
        inside = (middle[:, 0] > x0) & (middle[:, 0] < x1) & (middle[:, 1] > y0) & (middle[:, 1] < y1)
    corners, chart = head.faces[inside], chart[inside]
    one, two = chart[:, 1] - chart[:, 0], chart[:, 2] - chart[:, 0]
    area = np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]) / 2
    ceiling = per_mm2(chart.reshape(-1, 2)).reshape(-1, 3).max(axis=1) + np.float32(1e-6)
    count = np.floor(area * ceiling + rng.random(len(area))).astype(np.int64)
    which = np.repeat(np.arange(len(area)), count)
    u, v = rng.random((2, len(which)), dtype=np.float32)
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    shares = np.stack([1 - u - v, u, v], axis=1)[..., None]
    place = (chart[which] * shares).sum(axis=1)
    kept = rng.random(len(which)) * ceiling[which] < per_mm2(place.astype(np.float32))
    which, shares, place = which[kept], shares[kept], place[kept]
    solid = head.vertices[corners]
    edges = np.stack([solid[:, 1] - solid[:, 0], solid[:, 2] - solid[:, 0]], axis=2)
    flat = np.stack([one, two], axis=2)
    good = np.abs(np.linalg.det(flat)) > 1e-6
    flat = np.where(good[:, None, None], flat, np.eye(2))
    frame = edges @ np.linalg.inv(flat)
    return FaceRoots(
        (solid[which] * shares).sum(axis=1).astype(np.float32),
        unit((head.normals[corners[which]] * shares).sum(axis=1)),
        place.astype(np.float32),
        unit(frame[which, :, 0]),
        unit(frame[which, :, 1]),
    )


def _lying(
    roots: FaceRoots, angle_deg: Float32, length_mm: Float32, lift: Float32, points: int, bend_mm: float, turn: Float32
) -> Float32:
    """Short hairs that lie on the skin.

    Args:
        roots: Where they grow.
        angle_deg: Direction on the chart, 0 to the patient's left, 90 up.
        length_mm: (k,).
        lift: (k,) how far the tip stands off, as a share of the length.
        points: Of each strand.
        bend_mm: Radius of the skin's curvature that they follow.
        turn: (k,) degrees by which they curve over their length.
    """
    t = np.linspace(0, 1, points, dtype=np.float32)[None]
    angle = np.deg2rad(angle_deg[:, None] + turn[:, None] * t)
    step = length_mm[:, None] / (points - 1)
    x = np.concatenate([np.zeros((len(angle), 1)), np.cumsum(np.cos(angle)[:, 1:] * step, axis=1)], axis=1)
    y = np.concatenate([np.zeros((len(angle), 1)), np.cumsum(-np.sin(angle)[:, 1:] * step, axis=1)], axis=1)
    reach = length_mm[:, None] * t
    rise = -0.35 + lift[:, None] * reach * (1.6 - 0.9 * t) - reach**2 / (2 * bend_mm) + 0.35 * np.clip(t * 3, 0, 1)
    path = roots.points[:, None] + x[..., None] * roots.along_x[:, None] + y[..., None] * roots.along_y[:, None]
    return np.asarray(path + rise[..., None] * roots.normals[:, None], np.float32)


def browed(head: Face, parameters: HairParameters) -> Strands:
    """Brows: each of 250 to 600 hairs that rise by the nose and turn outward along the arch."""
    rng = np.random.default_rng((parameters.seed, 4))
    lift, width = rng.normal(0, 0.6), np.clip(0.75 + 0.3 * parameters.brow_density + rng.normal(0, 0.06), 0.7, 1.25)

    def across(chart: Float32) -> tuple[Float32, Float32]:
        side = np.abs(chart[:, 0])
        middle = np.interp(side, _BROW_X, _BROW_Y) - lift
        half = np.interp(side, _BROW_X, _BROW_HALF) * width
        return side.astype(np.float32), ((chart[:, 1] - middle) / half).astype(np.float32)

    def density(chart: Float32) -> Float32:
        side, off = across(chart)
        ends = np.clip((side - 9.0) / 4.0, 0, 1) * np.clip((58.0 - side) / 5.0, 0, 1)
        thick = np.interp(side, _BROW_X, _BROW_THICK) * np.clip(1.45 - 1.15 * np.abs(off), 0, 1)
        return np.asarray(2.3 * parameters.brow_density * thick * ends, np.float32)

    roots = face_roots(head, density, (-62.0, -58.0, 62.0, -34.0), rng)
    side, off = across(roots.chart)
    count = len(side)
    # Upright by the nose, then along the arch; hairs of the upper edge turn down to meet those of the lower one.
    along = np.interp(side, [9, 13, 19, 28, 40, 50, 60], [82, 64, 42, 24, 7, -16, -30])
    angle = along + np.clip(off, -1, 1) * np.interp(side, [10, 18, 26, 60], [2, 12, 26, 20]) + rng.normal(0, 8, count)
    angle = np.where(roots.chart[:, 0] < 0, 180 - angle, angle)
    length = np.interp(side, [9, 16, 30, 48, 60], [4.5, 6.8, 7.6, 6.8, 4.0]) * rng.uniform(0.5, 1.1, count)
    raised = rng.uniform(0.03, 0.16, count).astype(np.float32)
    turn = rng.normal(0, 7, count) - np.sign(roots.chart[:, 0]) * 9
    path = clumped(
        _lying(roots, angle.astype(np.float32), length.astype(np.float32), raised, 5, 40.0, turn.astype(np.float32)),
        count // 5,
        0.3,
        rng,
    )
    shade = np.exp(rng.normal(0, 0.2, count)).astype(np.float32)
    return Strands(path, tapered(count, 5, rng.uniform(0.04, 0.068, count).astype(np.float32), 0.25), shade)


def lashed(head: Face, parameters: HairParameters) -> Strands:
    """Lashes: about 110 on each upper lid and 66 on each lower one, curving away from the eye."""
    rng = np.random.default_rng((parameters.seed, 5))
    parts = []
    for side, outward, ball in zip(("right", "left"), (-1.0, 1.0), seated(head), strict=True):
        upper, lower = lid_line(head, side, ball, outward=0.75)
        for rim, number, longest, up in (
            (upper, 110, parameters.lash_mm, 1.0),
            (lower, 66, parameters.lash_mm * 0.5, -1.0),
        ):
            line = smooth_line(rim, 64)
            # None grow by the inner corner.
            s = np.sort(rng.uniform(0, 1, number))
            place = (0.15 + 0.83 * s) * 63
            low = place.astype(np.int64)
            share = (place - low)[:, None].astype(np.float32)
            start = line[low] * (1 - share) + line[low + 1] * share + rng.normal(0, 0.1, (number, 3))
            fan = (s - 0.42) * 62 + rng.normal(0, 7, number)
            length = (
                longest
                * (0.55 + 0.45 * np.sin(np.pi * np.clip(0.12 + 0.8 * s, 0, 1)))
                * rng.uniform(0.72, 1.08, number)
            )
            points = 6
            t = np.linspace(0, 1, points)[None]
            # Forward and slightly down first, then up: the curl of an upper lash; a lower one goes the other way.
            rise = np.deg2rad((-12 + 78 * t) if up > 0 else (-(5 + 45 * t))) + rng.normal(0, 0.08, (number, 1))
            sideways = np.sin(np.deg2rad(fan))[:, None] * outward
            ahead = np.cos(np.deg2rad(fan))[:, None]
            step = length[:, None] / (points - 1)
            way = np.stack([sideways * np.cos(rise), np.sin(rise) + 0 * sideways, ahead * np.cos(rise)], axis=-1)
            way = way * step[..., None]
            path = start[:, None] + np.cumsum(np.concatenate([way[:, :1] * 0, way[:, 1:]], axis=1), axis=1)
            path = clumped(path.astype(np.float32), number // 3, 0.3, rng)
            thick = 0.055 if up > 0 else 0.032
            parts.append(Strands(path, tapered(number, points, thick, 0.12)))
    return joined(parts)


def beard_density(chart: Float32) -> Float32:
    """Relative density of a beard at places (n, 2) of the chart: moustache, chin, jaw, thinner on cheeks and neck."""
    side, down = np.abs(chart[:, 0]), chart[:, 1]
    line = np.interp(side, [0, 22, 32, 45, 62, 80, 92, 99, 104, 110], [34, 36, 36, 40, 41, 28, 4, -24, -30, -30])
    cheek = np.clip((down - line + 3.0) / 11.0, 0, 1) ** 1.3
    neck = np.clip((np.interp(side, [0, 60, 100], [110, 104, 84]) - down) / 14.0, 0, 1)
    ear = np.clip((108.0 - side) / 5.0, 0, 1)
    mouth = ((side / 28.0) ** 2 + ((down - 41.0) / 10.5) ** 2) < 1
    below = np.exp(-(((side - 11) / 6) ** 2) - ((down - 57) / 5) ** 2) * 0.75
    jaw = cheek * neck * ear * (1 - below) * np.interp(side, [0, 40, 70, 95], [1, 0.9, 0.8, 0.75])
    top = np.interp(side, [0, 6, 18, 30], [22, 20.5, 23, 32])
    moustache = np.clip((down - top) / 4.0, 0, 1) * np.clip((40 - down) / 3, 0, 1) * np.clip((31 - side) / 5, 0, 1)
    moustache *= 1 - 0.5 * np.exp(-((side / 3.0) ** 2))
    return np.asarray(np.where(mouth, 0, np.maximum(jaw, 0.95 * moustache)), np.float32)


def bearded(head: Face, parameters: HairParameters) -> Strands | None:
    """Stubble of 1 to 2 mm, or a short beard; None for those without."""
    if parameters.beard == "none" or parameters.beard_density <= 0:
        return None
    rng = np.random.default_rng((parameters.seed, 6))
    stubble = parameters.beard == "stubble"
    most = (0.34 if stubble else 0.62) * parameters.beard_density

    roots = face_roots(head, lambda chart: most * beard_density(chart), (-112.0, -26.0, 112.0, 112.0), rng)
    side, down = np.abs(roots.chart[:, 0]), roots.chart[:, 1]
    count = len(side)
    on_lip = down < 40
    angle = np.where(on_lip & (side < 32), -62.0, -88.0 + np.clip((side - 20) / 80, 0, 1) * 30)
    angle = np.where(roots.chart[:, 0] < 0, 180 - angle, angle) + rng.normal(0, 16, count)
    length = rng.uniform(0.6, 1.0, count) * (
        1.7 if stubble else np.where(on_lip, 6.5, np.interp(side, [0, 40, 95], [10, 8, 5]))
    )
    lift = rng.uniform(0.25, 0.7, count) if stubble else rng.uniform(0.15, 0.5, count)
    points = 3 if stubble else 6
    turn = rng.normal(0, 10 if stubble else 22 + 40 * parameters.curl, count)
    path = _lying(
        roots,
        angle.astype(np.float32),
        length.astype(np.float32),
        lift.astype(np.float32),
        points,
        60.0,
        turn.astype(np.float32),
    )
    if not stubble:
        path = clumped(path, max(1, count // 6), 0.35, rng)
    shade = np.exp(rng.normal(0, 0.25, count)).astype(np.float32)
    return Strands(path, tapered(count, points, 0.055 if stubble else 0.085, 0.6), shade)

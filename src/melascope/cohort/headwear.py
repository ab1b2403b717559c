"""Hair band, surgical cap and head scarf, laid on the shell of a head."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.noise import noise
from melascope.cohort.shell import YOKE_MM, Shell, unit
from melascope.cohort.solid import Solid, clipped, grid_faces, vertex_normals

__all__ = ["BAND_MM", "band_angle", "cap", "hair_band", "scarf"]

Float32 = NDArray[np.float32]

BAND_MM = 5.5
"""Height of a hair band's middle over the skin."""
_BAND_TILT_DEG = 38.0
_BAND_SHIFT_DEG = 3.5


def _band_frame() -> Float32:
    """(3, 3) rows: the patient's left, the forehead where the band crosses it, and across the band, crown-wards."""
    tilt = np.deg2rad(_BAND_TILT_DEG)
    return np.array([[1, 0, 0], [0, np.sin(tilt), np.cos(tilt)], [0, np.cos(tilt), -np.sin(tilt)]], np.float32)


def _band_half(ahead: Float32) -> Float32:
    """Half width of the band in degrees; `ahead` 1 at the forehead, 0 over the ears, -1 at the nape."""
    return np.asarray(np.interp(ahead, [-1, -0.35, 0.05, 0.5, 1], [11, 7, 6.5, 13, 16]), np.float32)


def band_angle(shell: Shell, points: Float32) -> Float32:
    """Degrees by which points lie inside the band's edges, below 0 outside."""
    way = unit(points - shell.centre) @ _band_frame().T
    across = np.rad2deg(np.arcsin(np.clip(way[..., 2], -1, 1))) - _BAND_SHIFT_DEG
    ahead = way[..., 1] / np.maximum(np.hypot(way[..., 0], way[..., 1]), 1e-6)
    return np.asarray(_band_half(ahead) - np.abs(across), np.float32)


def hair_band(shell: Shell, colour: tuple[float, float, float], seed: int) -> Solid:
    """A wide cloth band from the forehead's hairline over the ears to the nape."""
    columns, rows = 200, 17
    turn = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    t = np.linspace(-1, 1, rows)[:, None]
    rng = np.random.default_rng((seed, 7))
    half = _band_half(np.cos(turn).astype(np.float32))[None]
    wobble = 0.5 * np.sin(3 * turn + rng.uniform(0, 6))[None]
    across = np.deg2rad(t * half + _BAND_SHIFT_DEG + wobble)
    ring = np.stack([np.sin(turn), np.cos(turn), 0 * turn], axis=-1)
    way = ring[None] * np.cos(across)[..., None] + np.array([0, 0, 1.0]) * np.sin(across)[..., None]
    creases = cv2.GaussianBlur(noise((rows, columns), 22.0, rng, octaves=2), (0, 0), sigmaX=3.0, sigmaY=0.8)
    # The hems turn in towards the hair.
    height = BAND_MM - 3.4 * np.abs(t) ** 6 + 0.45 * creases + 0.35 * np.sin(t * 9 + 2 * creases)
    vertices = shell.along(
        (way @ _band_frame()).reshape(-1, 3).astype(np.float32), height.reshape(-1).astype(np.float32)
    )
    faces = grid_faces(rows, columns, round_columns=True)[:, ::-1].copy()
    return Solid("hair band", "worn", vertices, faces, vertex_normals(vertices, faces), colour, 0.85)


def cap(shell: Shell, colour: tuple[float, float, float], seed: int) -> Solid:
    """A surgical cap: gathered by an elastic along the hairline, above the ears and at the nape, puffed above."""
    columns, rows = 240, 40
    azimuth = np.linspace(-180, 180, columns, endpoint=False)
    rng = np.random.default_rng((seed, 8))
    edge = np.interp(
        np.abs(azimuth), [0, 25, 42, 55, 68, 82, 100, 114, 135, 180], [22, 22, 18, 10, 6, 4.5, 3, -14, -34, -42]
    )
    t = np.linspace(0, 1, rows)[:, None] ** 1.5
    elevation = np.deg2rad(edge + (89.5 - edge) * t)
    a = np.deg2rad(azimuth)
    way = np.stack([np.sin(a) * np.cos(elevation), np.sin(elevation), np.cos(a) * np.cos(elevation)], axis=-1)
    pleats = np.sin(a * 38 + 2.5 * np.sin(5 * a + rng.uniform(0, 6)) + rng.uniform(0, 6))
    wide = np.concatenate([noise((rows, columns), 30.0, rng, octaves=2)] * 2, axis=1)
    rumple = cv2.GaussianBlur(wide, (0, 0), 2.0)[:, columns // 2 : columns // 2 + columns]
    # Blended where the noise would not meet itself.
    blend = np.clip(np.abs(azimuth) / 180, 0, 1)[None] ** 6
    rumple = rumple * (1 - blend)
    puff = np.clip(t * 5, 0, 1) ** 0.7
    height = (
        3.0
        + puff * (9.0 + 3.0 * rumple)
        + pleats * 1.1 * np.exp(-(((t - 0.06) / 0.12) ** 2)) * np.clip(t * 60, 0.25, 1)
    )
    height = height - 1.6 * (t < 1e-6)
    vertices = shell.along(way.reshape(-1, 3).astype(np.float32), height.reshape(-1).astype(np.float32))
    faces = grid_faces(rows, columns, round_columns=True)[:, ::-1].copy()
    return Solid("surgical cap", "worn", vertices, faces, vertex_normals(vertices, faces), colour, 0.8)


def scarf(shell: Shell, colour: tuple[float, float, float], seed: int) -> Solid:
    """A head scarf that leaves the face free and falls over neck and shoulders."""
    rng = np.random.default_rng((seed, 9))
    columns, step = 300, 3.0
    azimuth = np.linspace(-180, 180, columns, endpoint=False).astype(np.float32)
    sky = 30
    rows_above = np.linspace(0.15, 36, sky, endpoint=False)
    low = 36 + np.arange(0, 255, step) / 4.0
    row = np.concatenate([rows_above, low]).astype(np.float32)
    radius = shell.skin_mm(azimuth[None], row[:, None])
    # Cloth spans hollows: along each height, and from the jaw down to chest and shoulders.
    wide = np.concatenate([radius[:, -40:], radius, radius[:, :40]], axis=1)
    reach = cv2.GaussianBlur(cv2.dilate(wide, np.ones((1, 13), np.uint8)), (0, 0), sigmaX=5.0, sigmaY=0.6)
    radius = np.maximum(radius, reach[:, 40:-40])
    for index in range(sky + 1, len(row)):
        radius[index] = np.maximum(radius[index], radius[index - 1] - 0.62 * step)
    wide = np.concatenate([radius[:, -40:], radius, radius[:, :40]], axis=1)
    radius = np.asarray(cv2.GaussianBlur(wide, (0, 0), sigmaX=3.0, sigmaY=2.5)[:, 40:-40], np.float32)
    fall = np.clip((row - 36) / 45, 0, 1)[:, None]
    a = np.deg2rad(azimuth)[None]
    phase = rng.uniform(0, 6.3, 6)
    sway = 1.2 * np.sin(2 * a + phase[0]) + fall * 2.0 * np.sin(3 * a + phase[1])
    folds = (
        np.sin(9 * a + sway + phase[2]) + 0.6 * np.sin(17 * a + 1.6 * sway + phase[3]) + 0.4 * np.sin(29 * a + phase[4])
    )
    drape = np.cos(0.30 * row[:, None] + 2.2 * np.cos(a + phase[5]))
    height = 6.0 + folds * (0.5 + 2.4 * fall) + drape * (0.5 + 1.6 * fall) * np.clip((row[:, None] - 22) / 20, 0, 1)
    skin = shell.skin_mm(azimuth[None], row[:, None])
    radius = radius + height
    # Around the face the cloth lies close.
    outer = _about(shell, azimuth, row, radius)
    near = np.clip(1 - _opening(shell, outer) / 0.34, 0, 1)
    near = cv2.GaussianBlur((near * near * (3 - 2 * near)).astype(np.float32), (0, 0), 1.0)
    radius = radius * (1 - near) + np.minimum(radius, skin + 2.2) * near
    points = _about(shell, azimuth, row, radius)
    vertices = points.reshape(-1, 3)
    faces = grid_faces(len(row), columns, round_columns=True)
    vertices, faces, _ = clipped(vertices, faces, _opening(shell, vertices))
    q = vertices - shell.centre
    hem = 172.0 + 10 * np.sin(3 * np.arctan2(q[:, 0], q[:, 2]) + phase[0]) - np.hypot(q[:, 0] * 0.95, q[:, 2])
    vertices, faces, _ = clipped(vertices, faces, np.where(vertices[:, 1] < YOKE_MM, hem, 1.0).astype(np.float32))
    return Solid("head scarf", "worn", vertices, faces, vertex_normals(vertices, faces), colour, 0.85)


def _about(shell: Shell, azimuth: Float32, row: Float32, radius: Float32) -> Float32:
    """(rows, columns, 3) points at radii (rows, columns)."""
    a = np.deg2rad(azimuth)[None]
    elevation = np.deg2rad(np.clip((36 - row) * 2.5, 0, 90))[:, None]
    level = np.where(row[:, None] < 36, radius * np.cos(elevation), radius)
    y = np.where(row[:, None] < 36, radius * np.sin(elevation), -(row[:, None] - 36) * 4.0)
    points = np.stack([level * np.sin(a), np.broadcast_to(y, level.shape), level * np.cos(a)], axis=-1) + shell.centre
    return np.asarray(points, np.float32)


def _opening(shell: Shell, points: Float32) -> Float32:
    """0 on the oval around the face that a scarf leaves free, below 0 inside it."""
    rest = points / shell.face_scale
    up = np.where(rest[..., 1] > -18, 82.0, 98.0)
    oval = (np.abs(rest[..., 0]) / 61.0) ** 2.3 + (np.abs(rest[..., 1] + 18.0) / up) ** 2.3 - 1.0
    return np.asarray(np.where(rest[..., 2] > -75, oval, 4.0), np.float32)

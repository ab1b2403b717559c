"""Light of a shot: lamps around the camera or in a room, what a room throws back, and their colours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.photo.light import LUMINANCE

__all__ = ["Lamp", "Room", "card_light", "lamp_mesh", "lamp_radiance", "room_map", "temperature_rgb"]

_XYZ_TO_RGB: Final = np.array(
    [[3.2409699, -1.5373832, -0.4986108], [-0.9692436, 1.8759675, 0.0415551], [0.0556301, -0.2039770, 1.0569715]]
)
_ROWS, _COLUMNS = 32, 64


@dataclass(frozen=True)
class Lamp:
    """One light source, in studio coordinates: mm, origin where the camera aims, y up, z towards the camera.

    Attributes:
        shape: "ring" (annulus), "disc" or "panel" (rectangle).
        position_mm: Its centre.
        aim_mm: Where it looks.
        size_mm: Ring: outer and inner radius; disc: radius and 0; panel: width and height.
        strength: Luminance irradiance / pi that it gives to a card at the origin that looks at it.
        temperature_k: Correlated colour temperature, 1700 to 25000.
        green: Share of green added to its colour, -0.2 to 0.2.
    """

    shape: str
    position_mm: tuple[float, float, float]
    aim_mm: tuple[float, float, float]
    size_mm: tuple[float, float]
    strength: float
    temperature_k: float
    green: float = 0.0

    def __post_init__(self) -> None:
        if self.shape not in ("ring", "disc", "panel"):
            raise ValueError(f'lamp of shape "{self.shape}": must be "ring", "disc" or "panel"')
        if self.strength < 0:
            raise ValueError(f"lamp of strength {self.strength}: must not be negative")


@dataclass(frozen=True)
class Room:
    """Light from all around: ceiling or sky, walls or horizon, floor, and one brighter side.

    Attributes:
        strength: Mean luminance of all directions, in the units of `Lamp.strength`.
        temperature_k: Colour temperature of the light.
        ceiling: Brightness relative to the walls.
        floor: Brightness relative to the walls.
        side_deg: Where the brighter side lies, 0 behind the camera, 90 at the picture's right.
        side: How much brighter than the walls; 0 none.
        floor_rgb: Colour of the floor, ground or clothes that throw light upwards.
        green: Share of green added.
    """

    strength: float
    temperature_k: float
    ceiling: float = 1.0
    floor: float = 0.5
    side_deg: float = 0.0
    side: float = 0.0
    floor_rgb: tuple[float, float, float] = (1.0, 1.0, 1.0)
    green: float = 0.0


def temperature_rgb(temperature_k: float, green: float = 0.0) -> NDArray[np.float64]:
    """Linear sRGB, luminance 1, of a black body's colour (Kim et al. 2002, cubic fit of the Planckian locus).

    Example:
        >>> temperature_rgb(6504).round(1).tolist()
        [1.0, 1.0, 1.0]
    """
    if not 1667 <= temperature_k <= 25000:
        raise ValueError(f"colour temperature {temperature_k} K: must be 1667 to 25000")
    t = 1e3 / temperature_k
    if temperature_k <= 4000:
        x = -0.2661239 * t**3 - 0.2343589 * t**2 + 0.8776956 * t + 0.179910
    else:
        x = -3.0258469 * t**3 + 2.1070379 * t**2 + 0.2226347 * t + 0.240390
    if temperature_k <= 2222:
        y = -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
    elif temperature_k <= 4000:
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    rgb = np.maximum(_XYZ_TO_RGB @ np.array([x / y, 1.0, (1 - x - y) / y]), 0.01)
    rgb *= np.array([1.0, 1.0 + green, 1.0])
    return np.asarray(rgb / (rgb @ LUMINANCE), np.float64)


def lamp_mesh(lamp: Lamp, part: tuple[float, float] = (0.0, 1.0)) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Vertices (51, 3) mm in studio coordinates and faces (64, 3) of a lamp; the faces look at its aim.

    Args:
        lamp: The lamp.
        part: From where to where along its width, or round it, as shares of the whole.
    """
    along, across = np.meshgrid(np.linspace(*part, 17), np.linspace(0, 1, 3), indexing="ij")
    first, second = lamp.size_mm
    if lamp.shape == "panel":
        flat = np.stack([(along - 0.5) * first, (across - 0.5) * second], axis=-1)
    else:
        inner = second if lamp.shape == "ring" else first * 1e-3
        radius = (inner + across * (first - inner))[..., None]
        flat = radius * np.stack([np.cos(along * 2 * np.pi), np.sin(along * 2 * np.pi)], axis=-1)
    flat = flat.reshape(-1, 2)
    corner = (np.arange(16)[:, None] * 3 + np.arange(2)).ravel()
    cell = np.stack([corner, corner + 3, corner + 4, corner + 1], axis=1)
    faces = np.concatenate([cell[:, [0, 1, 2]], cell[:, [0, 2, 3]]])
    x, y, z = _frame(lamp)
    vertices = np.asarray(lamp.position_mm) + flat[:, :1] * x + flat[:, 1:] * y
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    if float(normal.sum(axis=0) @ z) < 0:
        faces = faces[:, ::-1]
    return vertices.astype(np.float32), np.ascontiguousarray(faces, np.int32)


def _frame(lamp: Lamp) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    z = np.asarray(lamp.aim_mm, np.float64) - np.asarray(lamp.position_mm)
    z /= np.linalg.norm(z)
    x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.95 else [0.0, 0.0, 1.0], z)
    x /= np.linalg.norm(x)
    return x, np.cross(z, x), z


def _form_factor(lamp: Lamp, normal: NDArray[np.float64]) -> float:
    """Irradiance / pi of a card at the origin from the lamp with radiance 1, nothing in between."""
    vertices, faces = lamp_mesh(lamp)
    corners = vertices[faces].astype(np.float64)
    centre = corners.mean(axis=1)
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
    square = (centre**2).sum(axis=1)
    there = -(area * centre).sum(axis=1) / np.sqrt(square)
    here = np.maximum(centre @ normal / np.sqrt(square), 0.0)
    return float((np.maximum(there, 0.0) * here / square).sum() / np.pi)


def lamp_radiance(lamp: Lamp) -> NDArray[np.float64]:
    """Linear RGB radiance of the lamp's surface that gives its strength at the origin."""
    towards = np.asarray(lamp.position_mm, np.float64)
    factor = _form_factor(lamp, towards / np.linalg.norm(towards))
    if factor <= 0:
        raise ValueError(f"lamp at {lamp.position_mm} does not light the face: let it aim at the origin")
    return lamp.strength / factor * temperature_rgb(lamp.temperature_k, lamp.green)


@cache
def _directions() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors (rows, columns, 3) of the map's pixels, and their solid angles; column 0 looks to -z."""
    polar = (np.arange(_ROWS) + 0.5) / _ROWS * np.pi
    turn = ((np.arange(_COLUMNS) + 0.5) / _COLUMNS) * 2 * np.pi
    direction = np.stack(
        [
            np.sin(polar)[:, None] * np.sin(turn),
            np.repeat(np.cos(polar)[:, None], _COLUMNS, 1),
            -np.sin(polar)[:, None] * np.cos(turn),
        ],
        axis=-1,
    )
    solid = np.repeat(np.sin(polar)[:, None], _COLUMNS, 1)
    return direction, solid * 4 * np.pi / solid.sum()


def room_map(room: Room) -> NDArray[np.float32]:
    """Radiance (32, 64, 3) from all directions, latitude by longitude."""
    direction, solid = _directions()
    height = direction[..., 1]
    ramp = np.clip(height / 0.9, -1, 1)
    level = 1 + np.maximum(ramp, 0) * (room.ceiling - 1)
    below = np.clip(-ramp * 1.5, 0, 1)
    towards = np.radians(room.side_deg)
    aligned = direction[..., 0] * np.sin(towards) + direction[..., 2] * np.cos(towards)
    level = level + room.side * np.maximum(aligned, 0.0) ** 3
    rgb = (level * (1 - below))[..., None] + (below * room.floor)[..., None] * np.asarray(room.floor_rgb)
    mean = float(((rgb @ LUMINANCE) * solid).sum() / (4 * np.pi))
    return np.asarray(rgb / mean * room.strength * temperature_rgb(room.temperature_k, room.green), np.float32)


def card_light(lamps: tuple[Lamp, ...], room: Room, turns_deg: tuple[float, ...] = (0.0,)) -> NDArray[np.float64]:
    """Irradiance / pi (RGB) of a white card at the origin, mean over cards turned sideways by these angles."""
    radiance = room_map(room).astype(np.float64)
    direction, solid = _directions()
    total = np.zeros(3)
    for turn in np.radians(turns_deg):
        normal = np.array([np.sin(turn), 0.0, np.cos(turn)])
        weight = np.maximum(direction @ normal, 0.0) * solid / np.pi
        total += np.einsum("ij,ijc->c", weight, radiance)
        for lamp in lamps:
            total += _form_factor(lamp, normal) * lamp_radiance(lamp)
    return np.asarray(total / len(turns_deg), np.float64)

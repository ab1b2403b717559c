"""How a photograph is set up: where the camera stands, how the head is turned, what lights it, what is behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from melascope.cohort.light import Lamp, Room
from melascope.vocabulary import MASI_REGIONS, Region

__all__ = ["DEVICES", "VIEWS", "Backdrop", "Device", "Shot", "View", "sample_shot"]

Device = Literal["dslr", "phone"]
View = Literal["frontal", "right45", "left45", "close-up"]
DEVICES: Final[tuple[Device, ...]] = ("dslr", "phone")
VIEWS: Final[tuple[View, ...]] = ("frontal", "right45", "left45", "close-up")

_TURN_DEG: Final = {"frontal": 0.0, "right45": 45.0, "left45": -45.0}
_TOWARDS: Final[dict[str, tuple[float, float]]] = {
    "forehead": (0.0, -8.0),
    "right_malar": (38.0, 0.0),
    "left_malar": (-38.0, 0.0),
    "chin": (0.0, 12.0),
    "nose": (12.0, 0.0),
    "upper_lip": (0.0, 5.0),
    "temple": (62.0, 0.0),
    "periorbital": (25.0, 0.0),
}
"""Yaw and pitch that turn a region towards the camera; those of both sides are turned to the right or to the left."""
_OUTDOORS: Final = ("overcast", "shade")


@dataclass(frozen=True)
class Backdrop:
    """What is seen behind the head.

    Attributes:
        kind: "black", "plain" (one colour with a fall of light) or "room" (blurred shapes).
        rgb: Its linear colour, relative to a white card at the face.
        second_rgb: The colour it runs to.
        blur: Of the room's shapes, as a share of the picture's side.
        seed: Where the shapes lie.
    """

    kind: str
    rgb: tuple[float, float, float]
    second_rgb: tuple[float, float, float] = (0.0, 0.0, 0.0)
    blur: float = 0.05
    seed: int = 0


@dataclass(frozen=True)
class Shot:
    """A set-up, complete: with the same sitter it gives the same scene, bit by bit.

    The head is turned by yaw (positive: to the patient's left, which shows the right cheek), then pitch (positive: chin
    up), then roll (positive: crown towards the picture's right).

    Attributes:
        device: "dslr" or "phone".
        view: "frontal", "right45" (shows the right cheek), "left45" or "close-up".
        target: Region key at which a close-up aims, else None.
        distance_mm: From the lens to what it aims at.
        field_mm: Width of the field of view at that distance.
        offset_mm: How far the aim lies right of and above the middle of the face (or of the target).
        light: Name of the lighting, for tables.
        lamps: The lamps.
        room: Light from all around.
        backdrop: What is behind.
        size_px: Width and height of the picture.
        seed: Of the light's samples.
    """

    device: Device
    view: View
    target: str | None
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    distance_mm: float
    field_mm: float
    offset_mm: tuple[float, float]
    light: str
    lamps: tuple[Lamp, ...]
    room: Room
    backdrop: Backdrop
    size_px: int = 768
    seed: int = 0

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise ValueError(f"device {self.device!r}: must be one of {', '.join(DEVICES)}")
        if self.view not in VIEWS:
            raise ValueError(f"view {self.view!r}: must be one of {', '.join(VIEWS)}")
        if (self.view == "close-up") != (self.target is not None):
            raise ValueError(
                f"view {self.view!r} with target {self.target!r}: close-ups have a target, others have none"
            )
        if self.target is not None and self.target not in _TOWARDS:
            raise ValueError(f"target {self.target!r}: must be one of {', '.join(_TOWARDS)}")
        if not 32 <= self.size_px <= 4096 or self.size_px % 2:
            raise ValueError(f"size_px = {self.size_px}: must be even, 32 to 4096")
        if self.distance_mm < 60 or not 10 <= self.field_mm <= 4 * self.distance_mm:
            raise ValueError(f"field of {self.field_mm} mm at {self.distance_mm} mm: no lens does that")

    @property
    def fov_deg(self) -> float:
        """Angle of view across the picture."""
        return float(np.degrees(2 * np.arctan(self.field_mm / 2 / self.distance_mm)))


def sample_shot(
    rng: np.random.Generator, *, device: Device, view: View, target: str | Region | None = None, size_px: int = 768
) -> Shot:
    """Draws a set-up.

    DSLR: LED ring or twin light around the lens, 50 cm, black background (Zhang et al. 2025; their 100 mm lens takes in
    9 cm at that distance, so the field of view is that of a shorter lens). Phone: 250 to 600 mm, any light.

    Args:
        rng: Where the numbers come from.
        device: "dslr" or "phone".
        view: "frontal", "right45", "left45" or "close-up".
        target: Region of a close-up, by key; drawn from the MASI regions if it is not said.
        size_px: Side of the square picture.
    """
    seed = int(rng.integers(2**31 - 1))
    loose = 1.0 if device == "dslr" else 2.5
    key: str | None = None
    if view == "close-up":
        chosen = MASI_REGIONS[int(rng.integers(4))] if target is None else target
        key = chosen.key if isinstance(chosen, Region) else str(chosen)
        if key not in _TOWARDS:
            raise ValueError(f"target {key!r}: must be one of {', '.join(_TOWARDS)}")
        yaw, pitch = _TOWARDS[key]
        if key in ("nose", "temple", "periorbital") and rng.random() < 0.5:
            yaw = -yaw
        yaw, pitch, roll = yaw + rng.normal(0, 6), pitch + rng.normal(0, 5), rng.normal(0, 3 * loose)
        distance = float(rng.uniform(150, 250))
        field = float(rng.uniform(65, 130) * (0.75 if key in ("chin", "nose", "upper_lip", "temple") else 1.0))
        offset = (float(rng.normal(0, 4)), float(rng.normal(0, 4)))
    else:
        yaw = _TURN_DEG[view] + rng.normal(0, 1.5 * loose)
        pitch, roll = rng.normal(0, 1.5 * loose), rng.normal(0, 0.8 * loose)
        if device == "dslr":
            distance, field = float(rng.normal(500, 8)), float(rng.uniform(235, 285))
        else:
            distance = float(rng.uniform(250, 600))
            field = float(rng.uniform(215, 330))
        offset = (float(rng.normal(0, 3 * loose)), float(rng.normal(0, 4 * loose)))
    turn = {
        "yaw_deg": float(yaw),
        "pitch_deg": float(np.clip(pitch, -25, 25)),
        "roll_deg": float(np.clip(roll, -15, 15)),
    }
    light, lamps, room = _clinic(rng, distance) if device == "dslr" else _anywhere(rng, distance)
    return Shot(
        device=device,
        view=view,
        target=key,
        **turn,
        distance_mm=distance,
        field_mm=field,
        offset_mm=offset,
        light=light,
        lamps=lamps,
        room=room,
        backdrop=_backdrop(rng, device, light),
        size_px=size_px,
        seed=seed,
    )


def _clinic(rng: np.random.Generator, distance_mm: float) -> tuple[str, tuple[Lamp, ...], Room]:
    kelvin = float(rng.uniform(5200, 6000))
    dim = Room(strength=float(rng.uniform(0.01, 0.04)), temperature_k=4500.0, ceiling=1.5, floor=0.4)
    origin = (0.0, 0.0, 0.0)
    if rng.random() < 0.75:
        outer = float(rng.uniform(75, 230))
        ring = Lamp("ring", (0.0, 0.0, distance_mm), origin, (outer, outer * float(rng.uniform(0.6, 0.8))), 1.0, kelvin)
        return "ring", (ring,), dim
    apart, high = float(rng.uniform(140, 420)), float(rng.uniform(-20, 120))
    size = (float(rng.uniform(60, 260)), float(rng.uniform(60, 260)))
    uneven = float(rng.uniform(0.42, 0.58))
    pair = tuple(
        Lamp("panel", (side * apart, high, distance_mm), origin, size, share, kelvin)
        for side, share in ((-1.0, uneven), (1.0, 1 - uneven))
    )
    return "twin", pair, dim


def _anywhere(rng: np.random.Generator, distance_mm: float) -> tuple[str, tuple[Lamp, ...], Room]:
    kind = str(
        rng.choice(["window", "overcast", "ceiling", "flash", "shade", "mixed"], p=[0.3, 0.15, 0.2, 0.1, 0.1, 0.15])
    )
    origin = (0.0, 0.0, 0.0)
    side = float(rng.choice([-1.0, 1.0]))
    day = float(rng.uniform(5000, 7800))
    warm = float(rng.uniform(2700, 3600))
    green = float(np.clip(rng.normal(0, 0.03), -0.06, 0.08))
    clothes = tuple(float(x) for x in rng.uniform(0.6, 1.0, 3))
    floor_rgb = (clothes[0], clothes[1], clothes[2])

    def at(azimuth_deg: float, height_deg: float, far_mm: float) -> tuple[float, float, float]:
        a, h = np.radians(azimuth_deg), np.radians(height_deg)
        place = far_mm * np.array([np.cos(h) * np.sin(a), np.sin(h), np.cos(h) * np.cos(a)])
        return float(place[0]), float(place[1]), float(place[2])

    def window(azimuth_deg: float, strength: float) -> Lamp:
        far = float(rng.uniform(900, 2600))
        size = (float(rng.uniform(700, 1600)), float(rng.uniform(900, 1700)))
        return Lamp("panel", at(azimuth_deg, float(rng.uniform(0, 25)), far), origin, size, strength, day)

    def bulb(strength: float) -> Lamp:
        place = at(float(rng.uniform(-100, 100)), float(rng.uniform(35, 75)), float(rng.uniform(1000, 2200)))
        return Lamp("disc", place, origin, (float(rng.uniform(60, 220)), 0.0), strength, warm, green)

    if kind in ("window", "mixed"):
        azimuth = side * float(rng.uniform(15, 75))
        room = Room(
            float(rng.uniform(0.18, 0.5)), day * 0.85, float(rng.uniform(0.9, 1.6)), 0.5, azimuth, 1.0, floor_rgb
        )
        lamps = (window(azimuth, 1.0),)
        return kind, (*lamps, bulb(float(rng.uniform(0.15, 0.6)))) if kind == "mixed" else lamps, room
    if kind in _OUTDOORS:
        # An overcast sky is about three times brighter overhead than at the horizon (CIE overcast sky).
        kelvin = day + (300 if kind == "overcast" else 2200)
        where = side * float(rng.uniform(0, 80))
        bright = float(rng.uniform(0.2, 1.5))
        room = Room(1.0, kelvin, float(rng.uniform(1.6, 2.8)), float(rng.uniform(0.25, 0.6)), where, bright, floor_rgb)
        return kind, (), room
    if kind == "ceiling":
        room = Room(float(rng.uniform(0.3, 0.6)), warm + 600, 1.4, 0.5, side * 60.0, 0.4, floor_rgb, green)
        count = int(rng.integers(1, 4))
        kelvin = float(rng.choice([3000.0, 4000.0, 5000.0]))
        panels = tuple(
            Lamp(
                "panel",
                at(float(rng.uniform(-75, 75)), float(rng.uniform(40, 70)), float(rng.uniform(1200, 2200))),
                origin,
                (float(rng.uniform(250, 600)), float(rng.uniform(250, 1200))),
                1.0 / count,
                kelvin,
                green,
            )
            for _ in range(count)
        )
        return kind, panels, room
    flash = Lamp(
        "disc",
        (float(rng.uniform(6, 16)) * side, float(rng.uniform(-8, 8)), distance_mm),
        origin,
        (3.0, 0.0),
        1.0,
        5800.0,
    )
    return kind, (flash,), Room(float(rng.uniform(0.04, 0.25)), warm + 400, 1.4, 0.5, 0.0, 0.0, floor_rgb, green)


def _backdrop(rng: np.random.Generator, device: Device, light: str) -> Backdrop:
    seed = int(rng.integers(2**31 - 1))
    if device == "dslr":
        level = float(rng.uniform(0.001, 0.006))
        return Backdrop("black", (level, level, level), seed=seed)
    dim = 0.12 if light == "flash" else 1.0

    def colour() -> tuple[float, float, float]:
        level, hue = np.exp(rng.uniform(np.log(0.08), np.log(0.75))) * dim, rng.normal(0, 0.10, 2)
        rgb = level * np.array([1 + hue[0], 1.0, 1 - hue[0] + hue[1]])
        return float(rgb[0]), float(rgb[1]), float(rgb[2])

    kind = "plain" if rng.random() < 0.45 else "room"
    return Backdrop(kind, colour(), colour(), float(rng.uniform(0.01, 0.07)), seed)

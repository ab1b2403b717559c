"""Eyes: white, iris and pupil on a ball with its cornea, tears along the lower lid, the flesh of the inner corner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.lids import Eyeball, EyedHead, lid_line, lid_rims, seated, smooth_line
from melascope.cohort.shell import unit
from melascope.cohort.solid import Solid, grid_faces, tube, vertex_normals

__all__ = ["IRISES", "EyeParameters", "build_eyes", "sample_eyes"]

Float32 = NDArray[np.float32]

IRISES: Final = {
    "dark brown": ((0.022, 0.011, 0.007), (0.036, 0.016, 0.009)),
    "brown": ((0.048, 0.023, 0.011), (0.078, 0.036, 0.016)),
    "hazel": ((0.062, 0.046, 0.021), (0.10, 0.054, 0.021)),
    "green": ((0.068, 0.078, 0.045), (0.10, 0.075, 0.033)),
    "blue": ((0.074, 0.100, 0.128), (0.115, 0.130, 0.135)),
    "grey": ((0.095, 0.115, 0.125), (0.13, 0.135, 0.13)),
}
"""Linear reflectance of the outer and the inner part of an iris, of our own choosing by eye."""

_IRIS_MM: Final = 5.9
"""Radius of a human iris, about the same in all adults."""
_COLUMNS: Final = 144


@dataclass(frozen=True)
class EyeParameters:
    """How a pair of eyes looks.

    Attributes:
        iris: One of `IRISES`.
        pupil_mm: Radius, 1 to 3.5.
        ring: Darkness of the ring around the iris, 0 to 1.
        redness: Vessels and redness of the white, 0 to 1.
        yellowness: Of the white, by age, 0 to 1.
        gaze_deg: To the patient's left, and upward.
        seed: Of fibres and vessels.

    Raises:
        ValueError: A value out of its range.
    """

    iris: str = "brown"
    pupil_mm: float = 1.8
    ring: float = 0.5
    redness: float = 0.2
    yellowness: float = 0.2
    gaze_deg: tuple[float, float] = (0.0, 0.0)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.iris not in IRISES:
            raise ValueError(f"iris {self.iris!r} is unknown: choose from {', '.join(IRISES)}")
        for name, low, high in (("pupil_mm", 1, 3.5), ("ring", 0, 1), ("redness", 0, 1), ("yellowness", 0, 1)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} = {value}: must lie between {low} and {high}")
        if max(map(abs, self.gaze_deg)) > 30:
            raise ValueError(f"gaze_deg = {self.gaze_deg}: eyes turn by up to 30 degrees here")


def sample_eyes(rng: np.random.Generator, *, age_years: float, ancestry: tuple[float, float, float]) -> EyeParameters:
    """Random eyes.

    Args:
        rng: Where the values come from.
        age_years: 18 to 85.
        ancestry: Relative shares of African, Asian, European.
    """
    african, asian, european = np.asarray(ancestry) / sum(ancestry)
    dark = np.array([0.72, 0.26, 0.02, 0, 0, 0]) * (african + asian)
    light = np.array([0.10, 0.24, 0.18, 0.14, 0.25, 0.09]) * european
    iris = str(rng.choice(list(IRISES), p=(dark + light) / (dark + light).sum()))
    return EyeParameters(
        iris=iris,
        pupil_mm=round(float(np.clip(rng.normal(2.3 - 0.012 * age_years, 0.3), 1.1, 3.0)), 3),
        ring=round(float(np.clip(rng.normal(0.65 - 0.006 * age_years, 0.2), 0, 1)), 3),
        redness=round(float(np.clip(rng.gamma(2.0, 0.12), 0, 1)), 3),
        yellowness=round(float(np.clip(rng.normal(age_years / 160 + 0.15 * african, 0.12), 0, 1)), 3),
        gaze_deg=(round(float(rng.normal(0, 1.5)), 2), round(float(rng.normal(0, 1.2)), 2)),
        seed=int(rng.integers(2**31)),
    )


def build_eyes(head: EyedHead, parameters: EyeParameters | None = None) -> list[Solid]:
    """Both eyeballs, their tear lines and inner corners, right eye first; 60 ms."""
    chosen = parameters or EyeParameters()
    solids = []
    for name, eye in zip(("right", "left"), seated(head), strict=True):
        solids.append(_ball(name, eye, lid_rims(head, name)[1], chosen))
        upper, lower = lid_line(head, name, eye)
        solids.append(_tears(name, eye, lower))
        solids.append(_corner(name, eye, upper, lower))
    return solids


def _bulge(off: NDArray[np.floating]) -> NDArray[np.float64]:
    """Height of the cornea over the ball at distances from the axis, relative to its apex."""
    return np.asarray(np.clip(1 - (off / (_IRIS_MM + 0.5)) ** 2, 0, 1) ** 1.6, np.float64)


def _cornea_mm(rim: NDArray[np.float64], eye: Eyeball, forward: NDArray[np.float64]) -> float:
    """Height of the cornea's apex, so that it does not come through the outer edge of the lids' rims (n, 3)."""
    away = rim - eye.centre_mm
    room = np.linalg.norm(away, axis=1) - eye.radius_mm + 0.25
    off = np.linalg.norm(away - (away @ forward)[:, None] * forward, axis=1)
    return float(np.clip((room / np.maximum(_bulge(off), 1e-3)).min(), 0.3, 0.95))


def _profile(
    radius_mm: float, cornea_mm: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Rings from the pupil's middle to the ball's back: distance from the axis, height on it, iris radius share."""
    limbus = float(np.arcsin(_IRIS_MM / radius_mm))
    angle = np.concatenate([np.linspace(0, limbus, 40), limbus + (2.0 - limbus) * np.linspace(0, 1, 44)[1:] ** 1.25])
    off, height = radius_mm * np.sin(angle), radius_mm * np.cos(angle)
    ahead = angle < np.pi / 2
    return off, height + cornea_mm * _bulge(off) * ahead, np.where(ahead, off / _IRIS_MM, 9.0)


def _ball(name: str, eye: Eyeball, rim: NDArray[np.float64], parameters: EyeParameters) -> Solid:
    outward = 1.0 if name == "left" else -1.0
    # The lines of sight meet at the camera, half a metre to a metre away.
    yaw, pitch = np.deg2rad(parameters.gaze_deg[0] - outward * 2.2), np.deg2rad(parameters.gaze_deg[1])
    forward = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    off, height, share = _profile(eye.radius_mm, _cornea_mm(rim, eye, forward))
    turn = np.arange(_COLUMNS) * (2 * np.pi / _COLUMNS)
    local = np.stack(
        [
            off[:, None] * np.cos(turn),
            off[:, None] * np.sin(turn),
            np.broadcast_to(height[:, None], (len(off), _COLUMNS)),
        ],
        axis=-1,
    ).reshape(-1, 3)
    faces = grid_faces(len(off), _COLUMNS, round_columns=True)
    colours = _colours(share, turn, outward, parameters)
    side = unit(np.cross([0.0, 1.0, 0.0], forward)).astype(np.float64)
    frame = np.stack([side, np.cross(forward, side), forward])
    vertices = (local @ frame + eye.centre_mm).astype(np.float32)
    return Solid(f"{name} eye", "eye", vertices, faces, vertex_normals(vertices, faces), colours, roughness=0.08)


def _ring_noise(rng: np.random.Generator, rows: int, columns: int, waves: tuple[int, int], drift: float) -> Float32:
    """Noise (rows, columns), round in the columns, with features of about columns / waves, drawn out along the rows."""
    t = np.arange(columns) * (2 * np.pi / columns)
    depth = np.linspace(0, 1, rows)[:, None]
    field = np.zeros((rows, columns))
    for number in rng.integers(waves[0], waves[1], 26):
        field += np.sin(number * t + rng.uniform(0, 6.3) + rng.normal(0, drift) * depth * number**0.5)
    return np.asarray(field / 3.6, np.float32)


def _colours(
    share: NDArray[np.float64], turn: NDArray[np.floating], outward: float, parameters: EyeParameters
) -> Float32:
    """(n, 3) linear reflectance of the ball's vertices, rings first."""
    rng = np.random.default_rng((parameters.seed, 1 if outward > 0 else 2))
    rows = len(share)
    s = share[:, None]
    outer, inner = (np.array(colour) for colour in IRISES[parameters.iris])
    fibres = _ring_noise(rng, rows, _COLUMNS, (14, 60), 1.2)
    coarse = _ring_noise(rng, rows, _COLUMNS, (2, 7), 2.0)
    pupil = parameters.pupil_mm / _IRIS_MM
    # The collarette divides the inner from the outer part of the iris.
    zone = np.clip((s + 0.03 * coarse - (pupil + 0.22)) / 0.16, 0, 1)
    iris = inner * (1 - zone[..., None]) + outer * zone[..., None]
    iris = iris * np.exp(0.30 * fibres + 0.12 * coarse)[..., None]
    iris = iris * (1 - 0.6 * np.exp(-(((s - pupil) / 0.05) ** 2)))[..., None]
    rim = np.clip((s - 0.80) / 0.15, 0, 1) ** 1.5
    iris = iris * (1 - (0.35 + 0.55 * parameters.ring) * rim)[..., None]
    hole = np.clip((pupil + 0.015 * coarse - s) / 0.05 + 0.5, 0, 1)[..., None]
    iris = iris * (1 - hole) + 0.0035 * hole
    white = np.array([0.47, 0.435, 0.405]) * (1 - parameters.yellowness * np.array([0.10, 0.16, 0.36]))
    # Redder and darker towards the corners, where vessels run in from.
    corner = np.abs(np.cos(turn))[None] * np.clip((s - 1.1) / 1.2, 0, 1)
    vessel = np.clip(1.1 - np.abs(_ring_noise(rng, rows, _COLUMNS, (9, 40), 5.0)) * 7, 0, 1)
    red = parameters.redness * (0.20 * corner + 0.75 * vessel * corner) + 0.16 * corner**2 + 0.05
    ball = white * (1 - red[..., None] * np.array([0.14, 0.62, 0.66]))
    ball = ball * (1 - 0.10 * np.clip(s - 1.0, 0, 1))[..., None]
    edge = np.clip((s - 0.94) / 0.12, 0, 1)
    edge = (edge * edge * (3 - 2 * edge))[..., None]
    colours = iris * (1 - edge) + ball * edge
    return np.asarray(colours.reshape(-1, 3), np.float32)


def _tears(name: str, eye: Eyeball, lower: Float32) -> Solid:
    """The rim of tears between eyeball and lower lid."""
    line = smooth_line(lower, 48)
    radial = unit(line - eye.centre_mm)
    path = eye.centre_mm + radial * (eye.radius_mm + 0.05) + np.array([0, 0.12, 0])
    vertices, faces = tube(path.astype(np.float32), np.full(48, 0.26, np.float32), 8)
    return Solid(f"{name} tear line", "eye", vertices, faces, vertex_normals(vertices, faces), (0.36, 0.22, 0.19), 0.05)


def _corner(name: str, eye: Eyeball, upper: Float32, lower: Float32) -> Solid:
    """The flesh in the inner corner."""
    inmost = upper[0]
    inward = unit((upper[2] + lower[2]) / 2 - inmost)
    centre = inmost + inward * 1.1
    centre = eye.centre_mm + unit(centre - eye.centre_mm) * (eye.radius_mm - 0.35)
    t, u = np.meshgrid(np.linspace(0, np.pi, 12), np.arange(16) * (2 * np.pi / 16), indexing="ij")
    ball = np.stack([np.cos(t), np.sin(t) * np.cos(u), np.sin(t) * np.sin(u)], axis=-1).reshape(-1, 3)
    out = unit(centre - eye.centre_mm)
    frame = np.stack([inward, np.cross(out, inward), out])
    vertices = ((ball * np.array([1.8, 1.2, 0.8])) @ frame + centre).astype(np.float32)
    faces = grid_faces(12, 16, round_columns=True)
    return Solid(
        f"{name} inner corner", "eye", vertices, faces, vertex_normals(vertices, faces), (0.30, 0.14, 0.12), 0.2
    )

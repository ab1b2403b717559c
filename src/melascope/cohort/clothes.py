"""Clothes over the shoulders: the skin's own surface, lifted, creased and cut along a neckline."""

from __future__ import annotations

from functools import cache
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.shell import rest_mm
from melascope.cohort.solid import Solid, clipped, vertex_normals
from melascope.cohort.surface import head_surface

__all__ = ["NECKLINES", "Skin", "garment"]

Float32 = NDArray[np.float32]

NECKLINES: Final = {
    "t-shirt": (72.0, 62.0, 0.0),
    "blouse": (76.0, 74.0, 0.75),
    "gown": (84.0, 72.0, 0.35),
    "high": (64.0, 52.0, 0.0),
}
"""Half width and half depth of the opening on the unmorphed body in mm, and how far it is drawn to a V in front."""


class Skin(Protocol):
    """The part of a head that clothes know of."""

    @property
    def vertices(self) -> NDArray[np.float32]:
        """(n, 3) mm."""

    @property
    def faces(self) -> NDArray[np.int32]:
        """(m, 3) triangles."""

    @property
    def normals(self) -> NDArray[np.float32]:
        """(n, 3) unit normals."""


@cache
def _rest_skin() -> Float32:
    """(n, 3) vertices of the subdivided skin on the unmorphed body."""
    surface = head_surface()
    return np.asarray(surface.refinement.apply(rest_mm()[surface.base].astype(np.float64)), np.float32)


def _opening(rest: Float32, kind: str) -> Float32:
    """About mm from the neckline, outward."""
    wide, deep, pointed = NECKLINES[kind]
    x, y, z = rest.T
    ahead = np.clip((z + 85) / 40, 0, 1)
    # Seen from above: an ellipse about the neck.
    field = (np.hypot(x / wide, (z + 92 - 10 * ahead) / deep) - 1.0) * wide
    # Seen from the front: a V that ends on the chest.
    side = (np.abs(x) - np.maximum(0.42 * (y + 130 + 95 * pointed), -60)) * 0.9
    field = np.where((z > -70) & (pointed > 0), np.minimum(field, side), field)
    # Chin and head are no place for it.
    top = np.interp(z, [-130, -75, -40], [-84, -108, -134])
    return np.asarray(np.minimum(field, (top - y) * 0.9), np.float32)


def garment(skin: Skin, kind: str, colour: tuple[float, float, float], seed: int) -> Solid:
    """A T-shirt, blouse, clinic gown or high collar.

    Args:
        skin: Head, neck and shoulders, as built by `head.build_head`.
        kind: One of `NECKLINES`.
        colour: Linear RGB.
        seed: Of the creases.

    Raises:
        ValueError: An unknown kind.
    """
    if kind not in NECKLINES:
        raise ValueError(f"garment {kind!r} is unknown: choose from {', '.join(NECKLINES)}")
    rest = _rest_skin()
    field = _opening(rest, kind)
    rng = np.random.default_rng((seed, 10))
    ways = rng.normal(0, 1, (9, 3)) / rng.uniform(14, 60, (9, 1))
    creases = np.sin(rest @ ways.T + rng.uniform(0, 6.3, 9)).sum(axis=1) / 3.0
    fine = np.sin(rest @ (ways * 3.1).T + rng.uniform(0, 6.3, 9)).sum(axis=1) / 3.0
    inner = np.clip(field / 40.0, 0, 1)
    seam = 1.3 * np.clip(1 - np.abs(field - 7.0) / 7.5, 0, 1) ** 0.5
    lift = 2.2 + seam + inner * (2.5 + 1.3 * creases + 0.5 * fine)
    lifted = skin.vertices + skin.normals * lift[:, None]
    vertices, faces, level = clipped(lifted.astype(np.float32), skin.faces, field)
    # The rib of the collar is a little darker, its lower edge a seam.
    shade = 1.0 - 0.10 * np.exp(-(((level - 15.0) / 1.6) ** 2)) - 0.05 * (level < 14)
    colours = (np.asarray(colour, np.float32)[None] * shade[:, None]).astype(np.float32)
    return Solid(f"{kind}", "worn", vertices, faces, vertex_normals(vertices, faces), colours, 0.9)

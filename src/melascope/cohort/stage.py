"""What stands before the camera, handed to Mitsuba: skin, hair, eyes, worn things and lamps, in studio coordinates.

All materials have two faces, chosen by one number, so that the scene is built once and one compiled kernel serves
several passes: at `LIGHT` skin is grey, solids have their colour, all dull, and hair is black; at `GLOSS` skin and
solids show their highlights only and hair looks as it does. Compiling takes as long as tracing, and kernels are
reused only between scenes of the same make; so all solids are one mesh, all hairs one shape, a lone lamp is cut in
two, and the numbers of faces and hairs are rounded up by repeating some. Mitsuba is imported where it is used: the
package can be imported without it.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.buffers import Part
from melascope.cohort.light import Lamp, Room, lamp_mesh, lamp_radiance, room_map
from melascope.cohort.matter import coloured, comb, curves, fur, merge, mesh, mitsuba, skin, variant
from melascope.cohort.shot import Shot
from melascope.cohort.sitter import Sitter, placement

__all__ = ["Stage", "Window", "build_stage", "mirror", "trace"]

_COATING: Final = 0.3
"""Spectacles are coated: they mirror less than bare glass."""
Pane = tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32] | None]
"""Vertices, faces and normals of a glass in studio coordinates."""

Window = tuple[int, int, int]
"""x, y and side of a square part of the picture, pixels."""


@dataclass(frozen=True)
class Stage:
    """A scene in Mitsuba's memory.

    Attributes:
        scene: The Mitsuba scene.
        codes: Codes of `Part` by Mitsuba's shape index, one for each triangle or piece of hair; lamps are left out.
        materials: Mitsuba parameters of the materials, to choose a face of.
        panes: Glass, drawn apart.
    """

    scene: Any
    codes: dict[int, NDArray[np.uint8]]
    materials: Any
    panes: tuple[Pane, ...]

    def show(self, face: float, slope: tuple[float, float] = (0.0, 0.0)) -> None:
        """Chooses a face of the materials, and tilts the skin's shading by slopes along chart x and y."""
        mi = mitsuba()

        # Mitsuba's second axis is normal x first: chart y runs the other way, as it does in a picture.
        normal = np.array([-slope[0], slope[1], 1.0])
        code = normal / np.linalg.norm(normal) * 0.5 + 0.5
        for key in self.materials.keys():  # noqa: SIM118 - Mitsuba's parameters are no dictionary
            if key.endswith("weight.value"):
                self.materials[key] = face
            elif key.endswith("normalmap.value"):
                self.materials[key] = mi.Color3f(float(code[0]), float(code[1]), float(code[2]))
        self.materials.update()

    def parts(
        self, shape: NDArray[np.float32], piece: NDArray[np.float32], hit: NDArray[np.bool_]
    ) -> NDArray[np.uint8]:
        """Codes of `Part` at traced places, by shape index and number of the triangle or piece of hair."""
        out = np.zeros(shape.shape, np.uint8)
        index, number = np.rint(shape).astype(np.int32), np.rint(piece).astype(np.int32)
        for one, codes in self.codes.items():
            here = hit & (index == one)
            out[here] = codes[number[here]]
        return out


@contextmanager
def build_stage(sitter: Sitter, shot: Shot) -> Iterator[Stage]:
    """Puts sitter and lamps into a Mitsuba scene, which is gone after the with block."""
    variant()
    mi = mitsuba()

    gc.collect()
    rotation, shift = placement(sitter.head, shot)

    def move(points: NDArray[Any]) -> NDArray[np.float32]:
        return (points.astype(np.float64) @ rotation.T + shift).astype(np.float32)

    def spin(normals: NDArray[Any]) -> NDArray[np.float32]:
        return (normals.astype(np.float64) @ rotation.T).astype(np.float32)

    head = sitter.head
    on = np.isfinite(head.chart[head.faces]).all(axis=(1, 2))
    uv = np.where(np.isfinite(head.chart), head.uv, np.float32(-1))
    hide = mi.load_dict(skin())
    world: dict[str, Any] = {
        "type": "scene",
        "skin": mesh(move(head.vertices), head.faces, hide, spin(head.normals), uv=uv),
    }
    named = {"skin": np.where(on, Part.SKIN, Part.OTHER_SKIN).astype(np.uint8)}
    solids = [solid for solid in (*sitter.eyes, *sitter.worn) if not solid.glass and len(solid.faces)]
    panes = tuple(
        (
            move(solid.vertices),
            np.asarray(solid.faces, np.int32),
            None if solid.normals is None else spin(solid.normals),
        )
        for solid in (*sitter.eyes, *sitter.worn)
        if solid.glass
    )
    if solids:
        merged = merge(solids)
        material = mi.load_dict(coloured())
        named["solids"] = merged.codes
        world["solids"] = mesh(
            move(merged.vertices),
            merged.faces,
            material,
            spin(merged.normals),
            colour=merged.colour,
            rough=merged.rough,
        )
    hairs = [
        (part, strands)
        for part, strands in (
            (Part.HAIR, sitter.hair),
            (Part.BROW, sitter.brows),
            (Part.LASH, sitter.lashes),
            (Part.BEARD, sitter.beard),
        )
        if strands is not None and len(strands.points)
    ]
    if hairs:
        points, starts, named["hairs"] = comb(hairs)
        points[:, :3] = move(points[:, :3])
        world["hairs"] = curves(points, starts, mi.load_dict(fur()))
    world |= _lights(shot.lamps, shot.room)
    world["camera"] = _camera(shot, shot.size_px, (0, 0, shot.size_px))
    scene = mi.load_dict(world)
    codes = {
        _index(shape, place): named[shape.id()] for place, shape in enumerate(scene.shapes()) if shape.id() in named
    }
    materials = mi.traverse(scene)
    materials.keep([key for key in materials.keys() if key.endswith(("weight.value", "normalmap.value"))])  # noqa: SIM118
    stage = Stage(scene, codes, materials, panes)
    try:
        yield stage
    finally:
        # A kernel holds the numbers of the objects it was compiled for: freed objects free their numbers for the next.
        world.clear()
        object.__setattr__(stage, "scene", None)
        object.__setattr__(stage, "materials", None)
        del scene, materials, hide
        gc.collect()


def mirror(panes: tuple[Pane, ...], shot: Shot, side: int) -> NDArray[np.float32]:
    """What glass mirrors of lamps and room, RGB, and how far away it is, mm: (side, side, 4); 0 where there is none."""
    variant()
    mi = mitsuba()

    clear = mi.load_dict(
        {
            "type": "twosided",
            "bsdf": {
                "type": "roughplastic",
                "alpha": 0.02,
                "diffuse_reflectance": 0.0,
                "specular_reflectance": _COATING,
            },
        }
    )
    world: dict[str, Any] = {"type": "scene"}
    for number, (vertices, faces, normals) in enumerate(panes):
        world[f"pane{number}"] = mesh(vertices, faces, clear, normals)
    scene = mi.load_dict(world | _lights(shot.lamps, shot.room))
    lens = _camera(shot, side, (0, 0, shot.size_px)) | {"sampler": {"type": "multijitter", "sample_count": 4}}
    path = {"type": "path", "hide_emitters": True, "max_depth": 2}
    seen = {"type": "aov", "aovs": "far:depth", "path": path}
    picture = mi.render(scene, sensor=mi.load_dict(lens), integrator=mi.load_dict(seen), spp=4, seed=shot.seed % 2**31)
    return np.asarray(np.array(picture), np.float32)[..., [0, 1, 2, -1]]


def trace(
    stage: Stage, shot: Shot, integrator: dict[str, Any], side: int, spp: int, window: Window | None = None
) -> NDArray[np.float32]:
    """Traces a part of the picture into (side, side, channels); single samples fall on the same places each time."""
    mi = mitsuba()

    lens = _camera(shot, side, window or (0, 0, shot.size_px))
    lens["sampler"] = {"type": "independent" if spp == 1 else "multijitter", "sample_count": spp}
    picture = mi.render(
        stage.scene, sensor=mi.load_dict(lens), integrator=mi.load_dict(integrator), spp=spp, seed=shot.seed % 2**31
    )
    return np.asarray(np.array(picture), np.float32)


def _index(shape: Any, place: int) -> int:
    """What the `shape_index` of Mitsuba's aov integrator says for a shape."""
    if not variant().startswith("llvm"):
        return place + 1
    dr = mitsuba("drjit")
    mi = mitsuba()

    return int(dr.reinterpret_array(mi.UInt32, mi.ShapePtr(shape))[0])


def _camera(shot: Shot, side: int, window: Window) -> dict[str, Any]:
    mi = mitsuba()

    x, y, width = window
    share = width / shot.size_px
    middle = (x + width / 2) / shot.size_px - 0.5, (y + width / 2) / shot.size_px - 0.5
    return {
        "type": "perspective",
        "fov": float(np.degrees(2 * np.arctan(np.tan(np.radians(shot.fov_deg) / 2) * share))),
        "principal_point_offset_x": middle[0] / share,
        "principal_point_offset_y": middle[1] / share,
        "near_clip": 0.1,
        "far_clip": 1e4,
        "to_world": mi.ScalarTransform4f().look_at(origin=[0, 0, shot.distance_mm], target=[0, 0, 0], up=[0, 1, 0]),
        "film": {
            "type": "hdrfilm",
            "width": side,
            "height": side,
            "rfilter": {"type": "box"},
            "pixel_format": "rgb",
            "component_format": "float32",
        },
    }


def _lights(lamps: tuple[Lamp, ...], room: Room) -> dict[str, Any]:
    """Room and lamps; samples are dealt out by how much light each gives."""
    mi = mitsuba()

    total = room.strength + sum(lamp.strength for lamp in lamps)
    world: dict[str, Any] = {
        "room": {
            "type": "envmap",
            "bitmap": mi.Bitmap(room_map(room)),
            "scale": 1.0,
            "sampling_weight": max(0.05, room.strength / total),
        }
    }
    parts = ((0.0, 0.5), (0.5, 1.0)) if len(lamps) == 1 else ((0.0, 1.0),)
    for number, (lamp, part) in enumerate((lamp, part) for lamp in lamps for part in parts):
        vertices, faces = lamp_mesh(lamp, part)
        radiance = [float(x) for x in lamp_radiance(lamp)]
        weight = max(0.05, lamp.strength / total / len(parts))
        shine = {"type": "area", "radiance": {"type": "rgb", "value": radiance}, "sampling_weight": weight}
        world[f"lamp{number}"] = mesh(vertices, faces, None, emitter=mi.load_dict(shine))
    return world

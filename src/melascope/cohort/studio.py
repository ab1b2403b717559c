"""A scene's light, traced once: everything that depends on head, pose and lamps, ready for many skins.

Four passes over one Mitsuba scene, each with its own fixed samples:

1. what each of 2 x 2 places in a pixel shows, and how it lies (`view`);
2. light on grey skin and dull solids, two bounces, coarser, quietened by the normals, spread in skin (`smoothing`);
3. direct light, coarser still, with the skin's shading straight and tilted along the chart's x and y;
4. highlights of skin and solids, and hair, at the places of pass 1.
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.backdrop import paint_backdrop
from melascope.cohort.buffers import Buffers, Part
from melascope.cohort.light import card_light
from melascope.cohort.matter import GLOSS, GREY, LIGHT, variant
from melascope.cohort.shot import Shot
from melascope.cohort.sitter import Sitter
from melascope.cohort.smoothing import follow_normals, scatter
from melascope.cohort.stage import Stage, Window, build_stage, mirror, trace
from melascope.cohort.view import PLACES, SKINS, SOLIDS, Geometry, look
from melascope.photo.light import LUMINANCE

__all__ = ["Sitter", "render", "variant"]

_LIGHT_SHARE: Final = 0.6
_TILT_SHARE: Final = 0.2
"""Resolution of passes 2 and 3, as a share of the picture's side, for the window that holds the skin."""
_LIGHT_SPP: Final = 16
_TILT_SPP: Final = 16
_SLOPE: Final = 0.25
"""Tilt with which the light's change is measured."""
_LUMINANCE: Final = LUMINANCE.astype(np.float32)
_TURNS_DEG: Final = {"dslr": (0.0,), "phone": (-45.0, 0.0, 45.0)}
_GLARE: Final = np.float32(12.0)
"""Single samples brighter than this, in white cards, are cut: they would stand out as specks."""


def render(sitter: Sitter, shot: Shot) -> Buffers:
    """Traces the scene of a shot.

    With Mitsuba's llvm_ad_rgb or scalar_rgb, in one thread; the same sitter and shot give the same bits on the same
    variant, and the same picture within noise on the other.

    Raises:
        ModuleNotFoundError: Mitsuba is not installed: ``pip install "melascope[cohort]"``.
        ValueError: The head has no such region as the shot aims at.
    """
    white = card_light(shot.lamps, shot.room, _TURNS_DEG[shot.device]).astype(np.float32)
    with build_stage(sitter, shot) as stage:
        view = look(stage, shot)
        window = view.window()
        light = np.zeros((shot.size_px, shot.size_px, 3), np.float32)
        tilt = np.zeros((2, shot.size_px, shot.size_px), np.float32)
        if window is not None:
            x, y, width = window
            inside = (slice(y, y + width), slice(x, x + width))
            light[inside] = _light(stage, shot, view, window) / white
            tilt[(slice(None), *inside)] = _tilts(stage, shot, view, window)
        specular, hair, other = _sights(stage, shot, view, white)
    other += view.mean(view.colour, SOLIDS) * light
    if stage.panes:
        glass = mirror(stage.panes, shot, shot.size_px)
        other += glass[..., :3] / white * ((glass[..., 3] > 0) & (glass[..., 3] < view.depth_min))[..., None]
    other += view.shares[Part.BACKGROUND][..., None] * paint_backdrop(shot.backdrop, shot.size_px)
    skin = view.skin > 0
    return Buffers(
        part=view.part,
        skin_share=view.skin,
        on_chart=view.shares[Part.SKIN],
        chart=view.chart,
        mm_per_px=np.where(skin, view.mm_per_px, np.float32(np.nan)),
        cosine=np.where(skin, view.cosine, np.float32(0)),
        irradiance=np.where(skin[..., None], light, np.float32(0)),
        tilt_x=np.where(view.shares[Part.SKIN] > 0, tilt[0], np.float32(0)),
        tilt_y=np.where(view.shares[Part.SKIN] > 0, tilt[1], np.float32(0)),
        specular=specular,
        hair=hair,
        other=other,
    )


def _path(bounces: int) -> dict[str, Any]:
    return {"type": "path", "hide_emitters": True, "max_depth": bounces + 1, "rr_depth": 50}


def _gather(
    stage: Stage, shot: Shot, window: Window, colour: NDArray[np.float32], bounces: int, spp: int
) -> NDArray[np.float32]:
    """Radiance of white surfaces in a window, at the resolution of `colour`."""
    traced = trace(stage, shot, _path(bounces), colour.shape[0], spp, window)[..., :3]
    return np.asarray(traced / np.maximum(colour, np.float32(0.01)), np.float32)


def _weight(share: NDArray[np.float32], colour: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far light is to be trusted: less at edges, where shares are uncertain, and on dark things by bright ones."""
    return np.asarray(share**2 * np.clip((colour @ _LUMINANCE) / np.float32(GREY), 0.1, 1), np.float32)


def _even(share: float, shot: Shot) -> int:
    return max(16, 2 * round(shot.size_px * share / 2))


def _light(stage: Stage, shot: Shot, view: Geometry, window: Window) -> NDArray[np.float32]:
    x, y, width = window
    share, normal, colour = view.coarse(window, _even(_LIGHT_SHARE, shot))
    stage.show(LIGHT)
    noisy = _gather(stage, shot, window, colour, 2, _LIGHT_SPP)
    fine = view.normal[y : y + width, x : x + width]
    quiet = follow_normals(noisy, _weight(share, colour), normal, fine, half=2)
    skin = view.skin[y : y + width, x : x + width]
    if not skin.any():
        return quiet
    far = float(np.median(view.depth[view.skin > 0]))
    spread = scatter(quiet, skin, far * shot.field_mm / shot.distance_mm / shot.size_px)
    return np.where(skin[..., None] > 0, spread, quiet)


def _tilts(stage: Stage, shot: Shot, view: Geometry, window: Window) -> NDArray[np.float32]:
    x, y, width = window
    share, normal, colour = view.coarse(window, _even(_TILT_SHARE, shot))
    lights = []
    for slope in ((0.0, 0.0), (_SLOPE, 0.0), (0.0, _SLOPE)):
        stage.show(LIGHT, slope)
        lights.append(_gather(stage, shot, window, colour, 1, _TILT_SPP) @ _LUMINANCE)
    stage.show(LIGHT)
    fine = view.normal[y : y + width, x : x + width]
    quiet = follow_normals(np.stack(lights, axis=-1), _weight(share, colour), normal, fine, half=2)
    floor = np.float32(0.03 * float(np.quantile(quiet[..., 0], 0.99)) + 1e-6)
    # A tilted normal is shortened to length 1: undone, so that the change is the first order's.
    tilted = quiet[..., 1:] * np.float32(np.hypot(1, _SLOPE))
    change = (tilted - quiet[..., :1]) / np.maximum(quiet[..., :1], floor) / np.float32(_SLOPE)
    return np.asarray(np.clip(np.moveaxis(change, -1, 0), -3, 3), np.float32)


def _sights(
    stage: Stage, shot: Shot, view: Geometry, white: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Highlights of the skin, radiance of hair, and highlights of solids, each times its share."""
    stage.show(GLOSS)
    seen = np.minimum(trace(stage, shot, _path(1), PLACES * shot.size_px, 1)[..., :3] / white, _GLARE)
    stage.show(LIGHT)
    highlight = view.mean(seen, SKINS)
    around = np.maximum(cv2.GaussianBlur(view.skin, (0, 0), 1.0), np.float32(1e-4))
    even = cv2.GaussianBlur(highlight, (0, 0), 1.0) / around[..., None] * view.skin[..., None]
    hair = view.mean(seen, (Part.HAIR, Part.BROW, Part.LASH, Part.BEARD))
    return np.asarray(even, np.float32), hair, view.mean(seen, SOLIDS)

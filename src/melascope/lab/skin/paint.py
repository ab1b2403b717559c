"""Pigment painted on healthy skin as optical density, with exact truth; and look-alikes, which carry no label.

Linear light is multiplied by what pigment of that density and depth lets through in skin of that tone, by the cohort's
spectral optics, so that pores, hair, light and noise of the photograph stay as they are. `sample` draws the parameters,
`density` is a pure function of them. `add` is the same with fixed ratios of the three channels, for a change of tone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.paint import transmission

__all__ = [
    "DERMAL",
    "EPIDERMAL",
    "NOTHING",
    "Paint",
    "add",
    "cast_shadow",
    "density",
    "lay",
    "look_alikes",
    "sample",
    "stubble",
]

EPIDERMAL: Final = np.array([1.0, 1.55, 2.4], np.float32)
"""Absorption of epidermal melanin in R, G, B relative to R: about wavelength to the power -3.3 (Jacques 1998)."""
DERMAL: Final = np.array([1.0, 1.2, 1.45], np.float32)
"""The same seen through the scattering dermis: flatter, hence greyer."""
MOST: Final = 0.6
"""Density in red beyond which no more pigment is laid."""
_LN10: Final = np.float32(np.log(10.0))


@dataclass(frozen=True)
class Paint:
    """One draw of `sample`."""

    pattern: str
    """`none`, `patches`, `reticulate`, `diffuse`, `spots` or `field`."""
    amount: float
    """Optical density in red at the darkest: 0.035 slight to 0.3 very dark."""
    depth: float
    """0 epidermal to 1 dermal."""
    share: float
    """Share of the skin in reach that is covered."""
    cell: float
    """Size of a patch, as a share of the face's width."""
    softness: float
    """Width of the edge in units of the noise field."""
    reach: tuple[float, float, float]
    """x, y (shares of the view) and radius (shares of the face's width) of where it grows."""
    seed: int


NOTHING: Final = Paint("none", 0.0, 0.0, 0.0, 0.1, 0.1, (0.5, 0.5, 1.0), 0)
"""Healthy skin."""


def sample(rng: np.random.Generator) -> Paint:
    """Draws what is painted; about one view in five stays healthy."""
    pattern = str(
        rng.choice(["none", "patches", "reticulate", "diffuse", "spots", "field"], p=[0.22, 0.4, 0.16, 0.06, 0.1, 0.06])
    )
    deep = pattern in ("patches", "field", "spots") and rng.random() < 0.25
    return Paint(
        pattern=pattern,
        amount=float(np.exp(rng.uniform(np.log(0.035), np.log(0.30)))),
        depth=float(rng.uniform(0.3, 1.0)) if deep else 0.0,
        share=float(rng.beta(1.0, 1.0)),
        cell=float(np.exp(rng.uniform(np.log(0.05), np.log(0.5)))),
        softness=float(np.exp(rng.uniform(np.log(0.015), np.log(0.25)))),
        reach=(
            float(rng.uniform(0, 1)),
            float(rng.uniform(0, 1)),
            float(np.exp(rng.uniform(np.log(0.15), np.log(2.0)))),
        ),
        seed=int(rng.integers(2**31)),
    )


def density(paint: Paint, skin: NDArray[np.bool_], face_px: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The pigment on a view.

    Args:
        paint: What to paint.
        skin: (h, w) where it may grow.
        face_px: Width of the face in pixels of the view (it may be larger than the view).

    Returns:
        Density in red (h, w), and cover (h, w) between 0 and 1: 0.5 is the edge of a lesion.
    """
    h, w = skin.shape
    rng = np.random.default_rng(paint.seed)
    if paint.pattern == "none" or not skin.any():
        return np.zeros((h, w), np.float32), np.zeros((h, w), np.float32)
    ys, xs = np.mgrid[:h, :w].astype(np.float32)
    radius = max(8.0, paint.reach[2] * face_px)
    distance = np.hypot(xs - paint.reach[0] * w, ys - paint.reach[1] * h) / radius
    if paint.pattern == "spots":
        cover = _spots(h, w, face_px, rng)
        cover *= (distance < 1.5).astype(np.float32)
    else:
        noise = _noise(h, w, paint.cell * face_px, rng, octaves=1 if paint.pattern == "field" else 3)
        near = skin & (distance < 1.0)
        limit = float(np.quantile(noise[near], 1 - paint.share)) if near.sum() > 20 else 1.0
        # Away from the centre of its reach the lesion thins out.
        level = noise - limit - 0.6 * np.clip(distance - 0.8, 0, None)
        cover = np.clip(level / paint.softness + 0.5, 0, 1).astype(np.float32)
    body = cover.copy()
    if paint.pattern == "reticulate":
        net = _noise(h, w, max(3.0, 0.02 * face_px), rng, octaves=2)
        body *= 0.55 + 0.9 * np.clip(net - 0.25, 0, 0.5)
    elif paint.pattern == "diffuse":
        body = np.asarray(cv2.GaussianBlur(body, (0, 0), max(0.5, 0.02 * face_px)), np.float32)
        cover = body
    elif paint.pattern == "field":
        body *= 0.5 + 0.5 * _noise(h, w, 0.04 * face_px, rng, octaves=2)
    else:
        body *= 0.75 + 0.25 * _noise(h, w, 0.08 * face_px, rng, octaves=2)
    inside = cv2.GaussianBlur(skin.astype(np.float32), (0, 0), 0.8) * skin
    return np.asarray(paint.amount * body * inside, np.float32), np.asarray(cover * skin, np.float32)


def add(light: NDArray[np.float32], amount: NDArray[np.float32], depth: float = 0.0) -> NDArray[np.float32]:
    """Linear light (h, w, 3) seen through pigment of the given density in red (h, w)."""
    absorption = (1 - depth) * EPIDERMAL + depth * DERMAL
    return np.asarray(light * np.exp(amount[..., None] * (-_LN10 * absorption)), np.float32)


def lay(
    light: NDArray[np.float32], amount: NDArray[np.float32], depth: float, ita_deg: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Linear light (h, w, 3) seen through spectral pigment, and the density in red (h, w) that is reached.

    Args:
        light: What is there.
        amount: (h, w) wished density in red, 0 to MOST.
        depth: Share of the pigment that lies in the dermis.
        ita_deg: Tone of the skin beneath, to the nearest 10 degrees.
    """
    curves = _curves(round(float(np.clip(ita_deg, -60, 60)) / 10) * 10, round(4 * depth) / 4)
    steps = np.clip(amount * ((len(curves) - 1) / MOST), 0, len(curves) - 1)
    low = np.minimum(steps.astype(np.int32), len(curves) - 2)
    part = (steps - low)[..., None]
    reached = curves[low] * (1 - part) + curves[low + 1] * part
    return np.asarray(light * np.exp(-_LN10 * reached), np.float32), np.asarray(reached[..., 0], np.float32)


@cache
def _curves(ita_deg: int, depth: float) -> NDArray[np.float32]:
    """Optical density (49, 3) in R, G, B of wished densities in red from 0 to MOST."""
    wished = np.linspace(0, MOST, 49, dtype=np.float32)
    through = transmission(wished * np.float32(1 - depth), wished * np.float32(depth), ita_deg)
    return np.asarray(-np.log10(through), np.float32)


def look_alikes(
    light: NDArray[np.float32], skin: NDArray[np.bool_], face_px: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Moles, redness, shadows with and without an edge, and shine: each darkens or colours, none is pigment disease.

    Returns:
        The light, and where (h, w) a mole or clear redness lies.
    """
    h, w = skin.shape
    marks = np.zeros((h, w), bool)
    near = cv2.GaussianBlur(skin.astype(np.float32), (0, 0), 1.0)
    if rng.random() < 0.25 and skin.any():
        ys, xs = np.nonzero(skin)
        moles = np.zeros((h, w), np.float32)
        for pick in rng.integers(0, len(xs), int(rng.integers(1, 6))):
            size = max(1, round(face_px * float(rng.uniform(0.004, 0.014))))
            cv2.circle(moles, (int(xs[pick]), int(ys[pick])), size, float(rng.uniform(0.3, 1.0)), -1, cv2.LINE_AA)
        light = add(light, 0.4 * cv2.GaussianBlur(moles, (0, 0), 0.7) * near)
        marks |= (moles > 0.25) & skin
    if rng.random() < 0.2:
        red = float(rng.uniform(0.02, 0.12)) * np.clip(_noise(h, w, 0.3 * face_px, rng, 2) * 2 - 0.8, 0, 1) * near
        light = light * np.exp(red[..., None] * np.array([-0.12, -1.0, -0.75], np.float32) * _LN10)
        marks |= red > 0.03
    if rng.random() < 0.2:
        light = cast_shadow(light, face_px, rng)
    if rng.random() < 0.2:
        level = _noise(h, w, face_px * float(rng.uniform(0.1, 0.5)), rng, 2) - float(rng.uniform(0.55, 0.8))
        shine = float(rng.uniform(0.02, 0.25)) * np.clip(level / 0.2, 0, 1) * near
        light = light + shine[..., None]
    return np.asarray(light, np.float32), marks


def cast_shadow(light: NDArray[np.float32], face_px: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Shadows with a hard or a soft edge, such as that of a hat: 0.05 to 0.35 of optical density, grey or warm.

    Args:
        light: (h, w, 3) linear light.
        face_px: Width of the face in pixels.
        rng: Source of chance.
    """
    h, w = light.shape[:2]
    level = _noise(h, w, face_px * float(rng.uniform(0.3, 1.0)), rng, 1) - float(rng.uniform(0.3, 0.7))
    edge = float(np.exp(rng.uniform(np.log(0.05), np.log(0.5))))
    shadow = float(rng.uniform(0.05, 0.35)) * np.clip(level / edge + 0.5, 0, 1)
    warm = np.array([1.0, float(rng.uniform(1.0, 1.12)), float(rng.uniform(1.0, 1.3))], np.float32)
    return np.asarray(light * np.exp(shadow[..., None] * (-_LN10 * warm)), np.float32)


def stubble(
    light: NDArray[np.float32],
    beard: NDArray[np.bool_],
    skin: NDArray[np.bool_],
    face_px: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """A shaved beard on one face in eight: the grey-blue, speckled shade of hair cut at the skin.

    Args:
        light: (h, w, 3) linear light.
        beard: (h, w) chin and upper lip; the shade runs out over what lies next to them.
        skin: (h, w) bare skin.
        face_px: Width of the face in pixels.
        rng: Source of chance.
    """
    if rng.random() > 0.125 or not beard.any():
        return light
    h, w = beard.shape
    reach = max(1.0, face_px * float(rng.uniform(0.03, 0.12)))
    shade = np.clip(cv2.GaussianBlur(beard.astype(np.float32), (0, 0), reach) * 2.2, 0, 1)
    near = cv2.GaussianBlur(skin.astype(np.float32), (0, 0), 1.0)
    patchy = 0.4 + 0.9 * _noise(h, w, 0.15 * face_px, rng, 2)
    speckled = 1.0 + float(rng.uniform(0.1, 0.7)) * (2 * _noise(h, w, 2.0, rng, 1) - 1)
    amount = float(rng.uniform(0.02, 0.15)) * shade * near * patchy * speckled
    colour = np.array([1.0, float(rng.uniform(0.95, 1.15)), float(rng.uniform(0.9, 1.35))], np.float32)
    return np.asarray(light * np.exp(amount[..., None] * (-_LN10 * colour)), np.float32)


def _noise(h: int, w: int, cell: float, rng: np.random.Generator, octaves: int) -> NDArray[np.float32]:
    """Smooth noise between about 0 and 1, whose largest features are `cell` pixels wide."""
    total = np.zeros((h, w), np.float32)
    weight = 0.0
    for octave in range(octaves):
        size = max(2.0, cell / 2.2**octave)
        grid = (int(np.clip(np.ceil(h / size), 1, h)) + 2, int(np.clip(np.ceil(w / size), 1, w)) + 2)
        values = cv2.resize(rng.random(grid, dtype=np.float32), None, fx=size, fy=size, interpolation=cv2.INTER_CUBIC)
        y, x = int(rng.integers(0, max(1, values.shape[0] - h))), int(rng.integers(0, max(1, values.shape[1] - w)))
        gain = 0.5**octave
        total += gain * values[y : y + h, x : x + w]
        weight += gain
    return total / weight


def _spots(h: int, w: int, face_px: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Freckles to lentigines: 1 to 15 mm on a face 140 mm wide."""
    cover = np.zeros((h, w), np.float32)
    small = rng.random() < 0.6
    count = int(rng.integers(20, 150)) if small else int(rng.integers(1, 8))
    for _ in range(count):
        size = face_px * float(rng.uniform(0.003, 0.012) if small else rng.uniform(0.012, 0.06))
        axes = (max(1, round(size)), max(1, round(size * float(rng.uniform(0.6, 1.0)))))
        centre = (int(rng.integers(0, w)), int(rng.integers(0, h)))
        cv2.ellipse(
            cover, centre, axes, float(rng.uniform(0, 180)), 0, 360, float(rng.uniform(0.7, 1.0)), -1, cv2.LINE_AA
        )
    return np.asarray(cv2.GaussianBlur(cover, (0, 0), max(0.6, 0.002 * face_px)), np.float32)

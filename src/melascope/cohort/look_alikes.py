"""What must not be taken for a pigmented lesion: moles, papules, marks, scars, vessels, shaved beards."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.chart import PX_MM, SIDE
from melascope.cohort.complexion import SkinParameters
from melascope.cohort.noise import noise
from melascope.cohort.places import SMALL, Places, enlarge
from melascope.cohort.relief import follicles
from melascope.cohort.tone import beard_zone
from melascope.vocabulary import Region

__all__ = ["Canvas", "LookAlike", "add_beard", "add_look_alikes"]

Field = NDArray[np.float32]
LookAlike = tuple[str, float, float, float]
"""(name, chart x in mm, chart y in mm, radius in mm)."""


class Canvas(NamedTuple):
    """Maps (SIDE, SIDE) float32 that spots are painted into, in place."""

    melanin: Field
    blood: Field
    dermal: Field
    mole: Field
    height_mm: Field
    gloss: Field


def add_look_alikes(skin: SkinParameters, places: Places, canvas: Canvas) -> list[LookAlike]:
    """Paints every spot of a person's skin, and says where each lies."""
    taken: list[tuple[float, float, float]] = []
    found: list[LookAlike] = []

    def grow(name: str, stream: int, radii: list[float], liking: Field, seed: int) -> None:
        for index, radius in enumerate(radii):
            rng = np.random.default_rng((seed, stream, index))
            place = _free_place(places, liking, radius, taken, rng)
            if place is not None:
                _PAINTERS[name](canvas, _Patch(place, radius, rng), rng, skin)
                taken.append((*place, radius))
                found.append((name, place[0], place[1], radius))

    draw = np.random.default_rng((skin.seed, 4))
    ones = np.ones((SMALL, SMALL), np.float32)
    grow("mole", 40, [d / 2 for d in skin.mole_diameters_mm], ones, skin.seed)
    grow("papulosa", 41, [d / 2 for d in skin.papulosa_diameters_mm], _high_cheeks(places), skin.seed)
    grow("scar", 42, [float(r) for r in draw.uniform(0.4, 1.3, skin.scars)], _cheeks(places), skin.seed)
    grow("mark", 43, [float(r) for r in draw.uniform(0.8, 2.4, skin.marks)], _acne_zone(places), skin.seed)
    today = np.random.default_rng((skin.day, 4)).uniform(0.8, 2.2, skin.papules)
    grow("papule", 44, [float(r) for r in today], _acne_zone(places), skin.day)
    found += _vessels(skin, places, canvas)
    return found


def add_beard(skin: SkinParameters, places: Places, canvas: Canvas) -> None:
    """A shaved beard: hair in the dermis shows blue-grey through the skin, its ends as dots."""
    if skin.beard_shadow <= 0:
        return
    rng = np.random.default_rng((skin.seed, 5))
    uneven = np.clip(beard_zone(places) + 0.13 * noise((SMALL, SMALL), 16.0, rng, 2) * beard_zone(places), 0, 1)
    zone = enlarge(np.asarray(uneven * places.inside, np.float32)) * (1 - np.clip(1.1 * places.lips, 0, 1))
    dots = np.roll(follicles(), tuple(int(v) for v in rng.integers(0, SIDE, 2)), (0, 1))
    canvas.dermal[:] += skin.beard_shadow * zone * (_BEARD_DERMAL * (0.85 + 0.35 * dots))
    ends = skin.stubble * zone * dots
    canvas.mole[:] += 0.10 * ends
    canvas.height_mm[:] += 0.03 * ends


_BEARD_DERMAL = 0.0052
"""Melanin volume fraction of the dermis under a dense shaved beard, in the mean."""


class _Patch:
    """A window of the chart around a spot, with the distance from its middle in radii of its crooked outline."""

    def __init__(self, place: tuple[float, float], radius_mm: float, rng: np.random.Generator) -> None:
        reach = 2.2 * radius_mm + 1.0
        low = [max(0, int((v - reach + SMALL / 2) * PX_MM)) for v in place]
        high = [min(SIDE, int((v + reach + SMALL / 2) * PX_MM) + 1) for v in place]
        self.window = (slice(low[1], high[1]), slice(low[0], high[0]))
        x = (np.arange(low[0], high[0]) + 0.5) / PX_MM - SMALL / 2 - place[0]
        y = (np.arange(low[1], high[1]) + 0.5) / PX_MM - SMALL / 2 - place[1]
        dx, dy = np.meshgrid(x, y)
        angle = np.arctan2(dy, dx)
        turn, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 1.3)
        outline = np.sqrt(np.cos(angle - turn) ** 2 * stretch + np.sin(angle - turn) ** 2 / stretch)
        for order in (2, 3, 5):
            outline = outline + rng.normal(0, 0.08 / order**0.5) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
        self.radius_mm = radius_mm
        self.far = np.asarray(np.hypot(dx, dy) * outline / radius_mm, np.float32)

    def cover(self, edge_mm: float) -> Field:
        """1 inside, 0 outside, 0.5 at the outline."""
        half = max(edge_mm, 0.25) / self.radius_mm
        t = np.clip((1 + half / 2 - self.far) / half, 0, 1)
        return np.asarray(t * t * (3 - 2 * t), np.float32)

    def dome(self) -> Field:
        """1 in the middle, falling smoothly to 0 a little beyond the outline."""
        return np.asarray(np.clip(1 - (self.far / 1.25) ** 2, 0, 1) ** 1.5, np.float32)


def _free_place(
    places: Places, liking: Field, radius: float, taken: list[tuple[float, float, float]], rng: np.random.Generator
) -> tuple[float, float] | None:
    """A place on bare skin that keeps clear of lips, eyes, brows and other spots; None if eight tries find none."""
    where = np.flatnonzero(places.bare)
    if not where.size:
        return None
    total = np.cumsum(liking.ravel()[where], dtype=np.float64)
    tries = where[np.minimum(np.searchsorted(total, rng.random(8) * total[-1]), where.size - 1)]
    shifts = rng.uniform(-0.5, 0.5, (8, 2))
    room = places.room()
    for index, (dx, dy) in zip(tries, shifts, strict=True):
        row, column = divmod(int(index), SMALL)
        x, y = float(places.x[row, column]) + float(dx), float(places.y[row, column]) + float(dy)
        if room[row, column] < radius + 1.5:
            continue
        if all(np.hypot(x - a, y - b) > radius + r + 1.0 for a, b, r in taken):
            return x, y
    return None


def _high_cheeks(places: Places) -> Field:
    return np.asarray(
        0.03 + places.both("cheekbone", 3, 2, 16, 12) + 0.6 * places.both("temple", 0, 4, 12, 12), np.float32
    )


def _cheeks(places: Places) -> Field:
    return np.asarray(
        0.02 + places.both("cheekbone", -4, 18, 15, 16) + 0.4 * places.both("temple", 0, 6, 10, 10), np.float32
    )


def _acne_zone(places: Places) -> Field:
    soft = places.soft
    zone = 0.10 + 0.8 * soft[Region.CHIN] + 0.5 * soft[Region.FOREHEAD] + 0.2 * soft[Region.NOSE]
    return np.asarray(zone + 0.8 * places.both("cheekbone", -4, 20, 16, 17), np.float32)


def _mole(canvas: Canvas, patch: _Patch, rng: np.random.Generator, skin: SkinParameters) -> None:
    raised = rng.random() < 0.35
    pale = raised and rng.random() < 0.4
    density = rng.uniform(0.04, 0.12) if pale else rng.uniform(0.12, 0.42)
    shade = 0.75 + 0.35 * patch.dome() + 0.08 * rng.standard_normal(patch.far.shape).astype(np.float32)
    cover = patch.cover(0.35 + 0.25 * patch.radius_mm)
    canvas.mole[patch.window] += density * cover * cv2.GaussianBlur(shade, (0, 0), 0.8)
    bump = (0.18 if raised else 0.03) * min(patch.radius_mm, 2.0)
    canvas.height_mm[patch.window] += bump * patch.dome()
    del skin


def _papulosa(canvas: Canvas, patch: _Patch, rng: np.random.Generator, skin: SkinParameters) -> None:
    canvas.mole[patch.window] += rng.uniform(0.14, 0.30) * patch.cover(0.35)
    canvas.height_mm[patch.window] += rng.uniform(0.10, 0.25) * min(patch.radius_mm, 1.2) * patch.dome()
    del skin


def _scar(canvas: Canvas, patch: _Patch, rng: np.random.Generator, skin: SkinParameters) -> None:
    canvas.height_mm[patch.window] -= rng.uniform(0.08, 0.22) * patch.cover(0.5 * patch.radius_mm + 0.3)
    canvas.melanin[patch.window] *= 1 - rng.uniform(0.0, 0.25) * patch.dome()
    canvas.blood[patch.window] *= 1 + rng.uniform(-0.2, 0.4) * patch.dome()
    del skin


def _mark(canvas: Canvas, patch: _Patch, rng: np.random.Generator, skin: SkinParameters) -> None:
    """Red in light skin, brown in dark skin: what is left of a papule."""
    dark = float(np.clip((45 - skin.ita_deg) / 50, 0.1, 1))
    soft = patch.cover(0.9 * patch.radius_mm)
    canvas.blood[patch.window] *= 1 + rng.uniform(0.2, 0.8) * (1.2 - dark) * soft
    canvas.mole[patch.window] += rng.uniform(0.015, 0.075) * dark * soft


def _papule(canvas: Canvas, patch: _Patch, rng: np.random.Generator, skin: SkinParameters) -> None:
    dome = patch.dome()
    halo = np.exp(-0.5 * (patch.far / 1.1) ** 2) * np.clip(2.0 - patch.far, 0, 1)
    canvas.blood[patch.window] *= 1 + rng.uniform(0.6, 1.8) * halo
    canvas.height_mm[patch.window] += rng.uniform(0.12, 0.26) * min(patch.radius_mm, 1.8) * dome
    canvas.gloss[patch.window] *= 1 + 0.3 * dome
    if rng.random() < 0.25:
        head = np.clip(1.3 - 3.2 * patch.far, 0, 1)
        canvas.blood[patch.window] *= 1 - 0.75 * head
        canvas.melanin[patch.window] *= 1 - 0.35 * head
    del skin


_PAINTERS = {"mole": _mole, "papulosa": _papulosa, "scar": _scar, "mark": _mark, "papule": _papule}


def _vessels(skin: SkinParameters, places: Places, canvas: Canvas) -> list[LookAlike]:
    """Telangiectases: thin red lines that branch, beside the nose and on the cheeks."""
    found: list[LookAlike] = []
    if not skin.vessels:
        return found
    lines = np.zeros((SIDE, SIDE), np.uint8)
    where = np.flatnonzero(places.bare)
    liking = 0.9 * places.both("nose_wing", 0, -2, 5, 7) + 0.5 * places.both("cheekbone", -8, 11, 14, 11)
    total = np.cumsum(liking.ravel()[where], dtype=np.float64)
    for index in range(skin.vessels if where.size else 0):
        rng = np.random.default_rng((skin.seed, 45, index))
        row, column = divmod(
            int(where[min(int(np.searchsorted(total, rng.random() * total[-1])), where.size - 1)]), SMALL
        )
        start = np.array([places.x[row, column], places.y[row, column]], float)
        reach = float(rng.uniform(1.5, 6.0))
        way, level = rng.uniform(0, 2 * np.pi), int(rng.uniform(70, 190))
        ends = [start]
        ends += [
            _thread(lines, start, way + rng.normal(0, 0.7), reach * rng.uniform(0.5, 1), level, rng)
            for _ in range(int(rng.integers(1, 4)))
        ]
        middle = np.mean(ends, axis=0)
        found.append(
            ("vessel", float(middle[0]), float(middle[1]), float(np.ptp(np.array(ends), axis=0).max() / 2 + 0.5))
        )
    red = cv2.GaussianBlur(lines, (0, 0), 0.55).astype(np.float32) / 255
    canvas.blood[:] += (0.035 * enlarge(places.inside)) * red
    return found


def _thread(
    lines: NDArray[np.uint8],
    start: NDArray[np.float64],
    way: float,
    reach_mm: float,
    level: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draws one winding vessel; its far end."""
    steps = max(3, int(reach_mm / 0.5))
    angles = way + np.cumsum(rng.normal(0, 0.30, steps))
    path = start + np.cumsum(np.stack([np.cos(angles), np.sin(angles)], 1) * reach_mm / steps, 0)
    points = np.round(((np.vstack([start, path]) + SMALL / 2) * PX_MM - 0.5) * 16).astype(np.int32)
    cv2.polylines(lines, [points.reshape(-1, 1, 2)], False, level, 1, cv2.LINE_AA, 4)
    return np.asarray(path[-1], np.float64)

"""The skin's relief: the net of fine lines, pores, wrinkles along the face's own lines, furrows of the lips.

Heights are millimetres, positive outward. Slopes of the finest detail are about half of a replica's, because light that
travels below the surface fills in what is narrower than a millimetre.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cohort.chart import PX_MM, SIDE
from melascope.cohort.complexion import SkinParameters
from melascope.cohort.noise import noise
from melascope.cohort.places import SMALL, Places, enlarge
from melascope.cohort.wrinkles import wrinkle_lines
from melascope.vocabulary import Region

__all__ = ["Relief", "follicles", "lines_net", "pits", "relief"]

Field = NDArray[np.float32]


class Relief(NamedTuple):
    """Maps (SIDE, SIDE) float32."""

    height_mm: Field
    pore: Field
    """How much of a pore a pixel is, 0 to about 1."""
    crease: Field
    """How much of a wrinkle a pixel is, 0 to about 1."""
    net: Field
    """The fine lines: mean 0, standard deviation 1, furrows negative."""


def relief(skin: SkinParameters, places: Places) -> Relief:
    """The relief of a person's skin, spots left out."""
    rng = np.random.default_rng((skin.seed, 3))
    net = _turned(lines_net(), rng)
    pore = _turned(pits(), rng) * enlarge(np.asarray(skin.pores * _pore_zone(places), np.float32))
    height, crease = _wrinkled(skin, places)
    rough = skin.texture * (1 + 0.35 * noise((SMALL, SMALL), 14.0, rng))
    rough *= 1 - 0.35 * np.clip(1.3 * places.soft[Region.PERIORBITAL], 0, 1)
    rough = np.clip(0.0105 * rough, 0.002, 0.03) * (1 - 0.85 * np.clip(places.soft[Region.LIPS] * 1.4, 0, 1))
    height += enlarge(np.asarray(rough, np.float32)) * net
    height -= 0.085 * pore
    bumps = noise((SIDE // 2, SIDE // 2), 3.2, rng, 2, 0.6)
    height += cv2.resize(bumps, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR) * np.float32(0.007 + 0.006 * skin.pores)
    height += _lips(skin, places, rng)
    return Relief(np.asarray(height, np.float32), pore, crease, net)


@cache
def lines_net() -> Field:
    """The net of furrows that divides skin into cells of about a millimetre; the same for everybody."""
    rng = np.random.default_rng(20250101)
    total = np.zeros((SIDE, SIDE), np.float32)
    for cell, weight in ((5.0, 1.0), (3.4, 0.7), (9.0, 0.45)):
        one, other = noise((SIDE, SIDE), cell, rng), noise((SIDE, SIDE), cell, rng)
        total += weight * np.minimum(np.minimum(np.abs(one), np.abs(other)), 0.8)
    total += 0.06 * rng.standard_normal((SIDE, SIDE), dtype=np.float32)
    total -= cv2.GaussianBlur(total, (0, 0), 12)
    return np.asarray(total / total.std(), np.float32)


@cache
def pits() -> Field:
    """Pores everywhere, as dense as on a nose: pits of 0.1 to 0.5 mm, about one a square millimetre."""
    rng = np.random.default_rng(20250102)
    return _sprinkled(rng, spacing_px=4.3, sigma_px=(0.55, 1.1), spread=0.55)


@cache
def follicles() -> Field:
    """Hair follicles of a beard everywhere: about 0.4 a square millimetre."""
    rng = np.random.default_rng(20250103)
    return _sprinkled(rng, spacing_px=5.6, sigma_px=(0.5, 0.7), spread=0.3)


def _sprinkled(rng: np.random.Generator, spacing_px: float, sigma_px: tuple[float, float], spread: float) -> Field:
    """Small soft dots on a jittered grid, in two sizes, the larger twice as rare; a common dot is about 1 high."""
    total = np.zeros((SIDE, SIDE), np.float32)
    for share, sigma in ((0.67, sigma_px[0]), (0.33, sigma_px[1])):
        steps = int(SIDE / spacing_px)
        grid = np.stack(np.meshgrid(np.arange(steps), np.arange(steps)), -1).reshape(-1, 2)
        grid = grid[rng.random(len(grid)) < share]
        place = (grid + 0.5 + rng.uniform(-0.48, 0.48, grid.shape)) * (SIDE / steps)
        amount = rng.lognormal(0, spread, len(grid)) * 2 * np.pi * (sigma**2 + 1 / 6) * 0.8
        low = np.floor(place - 0.5).astype(int)
        rest = place - 0.5 - low
        canvas = np.zeros((SIDE, SIDE), np.float32)
        for dx in (0, 1):
            for dy in (0, 1):
                weight = np.abs(1 - dx - rest[:, 0]) * np.abs(1 - dy - rest[:, 1]) * amount
                np.add.at(canvas, ((low[:, 1] + dy) % SIDE, (low[:, 0] + dx) % SIDE), weight.astype(np.float32))
        total += cv2.GaussianBlur(canvas, (0, 0), sigma)
    return np.minimum(total, 1.6)


def _turned(tile: Field, rng: np.random.Generator) -> Field:
    """A fixed field moved, so that two people do not share their pores."""
    y, x = (int(v) for v in rng.integers(0, SIDE, 2))
    flipped = tile[:, ::-1] if rng.random() < 0.5 else tile
    return np.roll(flipped, (y, x), (0, 1))


def _pore_zone(places: Places) -> Field:
    """How large pores are: largest on the nose and beside it, small at the temples, none on lids and lips."""
    if "pores" not in places.store:
        soft = places.soft
        zone = 0.22 + 0.75 * np.clip(1.25 * soft[Region.NOSE], 0, 1)
        zone += 0.75 * places.both("nose_wing", 9, -4, 10, 12, 20) + 0.25 * places.both("cheekbone", -12, 10, 14, 14)
        zone += 0.25 * places.spot(places.chart.landmarks["glabella"], 18, 12)
        zone += 0.25 * places.spot(places.chart.landmarks["chin"], 14, 11)
        zone *= 1 - np.clip(1.4 * soft[Region.PERIORBITAL], 0, 0.9)
        zone *= 1 - np.clip(2 * soft[Region.LIPS], 0, 1)
        places.store["pores"] = np.asarray(np.clip(zone, 0, 1.15), np.float32)
    return places.store["pores"]


def _wrinkled(skin: SkinParameters, places: Places) -> tuple[Field, Field]:
    """Height of wrinkles, with the small swellings beside them, and their mask."""
    canvases = {width: np.zeros((side, side), np.uint8) for width, side in (("fine", SIDE), ("deep", SIDE // 2))}
    folds = np.zeros((SIDE // 2, SIDE // 2), np.uint8)
    for line in wrinkle_lines(skin, places):
        canvas = folds if line.width == "fold" else canvases[line.width]
        side = canvas.shape[0]
        points = (np.asarray(line.points, np.float64) + SMALL / 2) * (side / SMALL) - 0.5
        ends = np.round(points * 16).astype(np.int32)
        for k, value in enumerate(line.depth):
            level = int(np.clip(value * 160, 0, 255))
            if level > 3:
                cv2.line(canvas, tuple(map(int, ends[k])), tuple(map(int, ends[k + 1])), level, line.px, cv2.LINE_AA, 4)
    # Depth in mm at 160 on the canvas: set by the blur's loss for a line one pixel wide.
    fine = canvases["fine"].astype(np.float32) / 160
    deep = canvases["deep"].astype(np.float32) / 160
    fold = folds.astype(np.float32) / 160
    thin = cv2.GaussianBlur(fine, (0, 0), 0.9) * 2.0
    height = -0.085 * thin
    broad = cv2.GaussianBlur(deep, (0, 0), 1.25) * 3.0
    soft = cv2.GaussianBlur(fold, (0, 0), 2.8) * 3.5
    half = -0.52 * broad + 0.24 * cv2.GaussianBlur(deep, (0, 0), 3.6) * 9.0
    half += -0.42 * soft + 0.34 * cv2.GaussianBlur(fold, (0, 0), 9.0) * 11.2
    height += cv2.resize(half, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    crease = 0.45 * thin + cv2.resize(broad + 0.35 * soft, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(height, np.float32), np.asarray(np.minimum(crease, 1.2), np.float32)


def _lips(skin: SkinParameters, places: Places, rng: np.random.Generator) -> Field:
    """Furrows across the red of the lips, and their border, a fifth of a millimetre proud."""
    height = np.zeros((SIDE, SIDE), np.float32)
    rows, columns = np.nonzero(places.lips[::4, ::4] > 0.02)
    if not rows.size:
        return height
    y0, y1 = max(0, 4 * int(rows.min()) - 8), min(SIDE, 4 * int(rows.max()) + 12)
    x0, x1 = max(0, 4 * int(columns.min()) - 8), min(SIDE, 4 * int(columns.max()) + 12)
    box = places.lips[y0:y1, x0:x1]
    h, w = y1 - y0, x1 - x0
    # Stretched noise, fanned out a little from the middle of the mouth.
    tall = noise((max(8, h // 5), w), 4.0, rng, 2, 0.7)
    tall = np.asarray(cv2.resize(tall, (w, h), interpolation=cv2.INTER_CUBIC), np.float32)
    middle = (places.chart.landmarks["mouth"][0] + SMALL / 2) * PX_MM - x0
    level = (places.chart.landmarks["mouth"][1] + SMALL / 2) * PX_MM - y0
    px, py = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
    fan = (px - np.float32(middle)) * (1 - 0.010 * np.abs(py - np.float32(level))) + np.float32(middle)
    furrows = cv2.remap(np.ascontiguousarray(tall), fan, py, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    furrows = np.minimum(furrows, 0.4 * furrows)
    height[y0:y1, x0:x1] = np.asarray((0.028 + 0.012 * skin.lip_lines) * furrows * box, np.float32)
    rim = box * (1 - box) * 4
    height[y0:y1, x0:x1] += 0.12 * cv2.GaussianBlur(rim, (0, 0), 2.0)
    return height

"""Where wrinkles run: lines on the chart, placed by landmarks, as deep as a person's skin says."""

from __future__ import annotations

from collections.abc import Iterator
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melascope.cohort.complexion import SkinParameters
from melascope.cohort.places import Places

__all__ = ["Line", "wrinkle_lines"]

Points = NDArray[np.float64]


class Line(NamedTuple):
    """A wrinkle."""

    points: Points
    """(n, 2) chart mm."""
    depth: NDArray[np.float64]
    """(n - 1,) of each stretch, 1 for the deepest of old age; tapered and broken as real ones are."""
    width: str
    """`fine`, `deep` or `fold`: which of three breadths, 0.3, 0.7 or 3 mm."""
    px: int
    """Width on the canvas of its breadth."""


def wrinkle_lines(skin: SkinParameters, places: Places) -> Iterator[Line]:
    """All wrinkles of a face. Every number is drawn whether it is used or not, so that a wrinkle keeps its place."""
    for index, maker in enumerate((_forehead, _frown, _crows_feet, _under_eyes, _mouth_folds, _lip_lines, _cheeks)):
        yield from maker(skin, places, np.random.default_rng((skin.seed, 30, index)))


def _line(
    points: Points, depth: float, width: str, rng: np.random.Generator, wobble_mm: float = 0.5, px: int = 1
) -> Line:
    """A line through points, made smooth, slightly crooked, thin at its ends and here and there."""
    count = max(8, int(np.hypot(*np.diff(points, axis=0).T).sum() / 1.2))
    t = np.linspace(0, 1, count + 1)
    n = len(points) - 1
    basis = np.stack([comb(n, k) * t**k * (1 - t) ** (n - k) for k in range(n + 1)], 1)
    curve = basis @ points
    steps = np.cumsum(rng.standard_normal((count + 1, 2)), 0)
    steps -= np.linspace(0, 1, count + 1)[:, None] * steps[-1]
    curve = curve + wobble_mm * steps / np.sqrt(count + 1)
    middle = (t[1:] + t[:-1]) / 2
    ripple = np.interp(middle, np.linspace(0, 1, 7), rng.uniform(0.35, 1.15, 7))
    return Line(
        curve, depth * ripple * np.clip((9.0 if width == "fold" else 4.5) * middle * (1 - middle), 0, 1), width, px
    )


def _forehead(skin: SkinParameters, places: Places, rng: np.random.Generator) -> Iterator[Line]:
    glabella, forehead = (np.array(places.chart.landmarks[name]) for name in ("glabella", "forehead"))
    up = forehead - glabella
    side = np.array([-up[1], up[0]]) / np.hypot(*up)
    lines = int(rng.integers(4, 7))
    for k in range(lines):
        height = 0.38 + 1.05 * (k + rng.uniform(-0.2, 0.2)) / lines
        half = rng.uniform(24, 40, 2) * places.unit
        lift = up * rng.uniform(0.08, 0.25)
        dip = up * rng.uniform(-0.16, 0.03)
        middle = glabella + up * height
        points = np.stack(
            [
                middle - side * half[0] + dip,
                middle - side * half[0] * 0.5 + lift,
                middle + dip,
                middle + side * half[1] * 0.5 + lift,
                middle + side * half[1] + dip,
            ]
        )
        depth = skin.forehead_lines * rng.uniform(0.5, 1.0)
        yield _line(points, 1.15 * depth, "deep", rng, 2.2)
        for _ in range(3):
            shift = up * rng.normal(0, 0.07) + side * rng.normal(0, 12) * places.unit
            part = points[1:4] + shift
            yield _line(part, 0.9 * depth, "fine", rng, 2.0)


def _frown(skin: SkinParameters, places: Places, rng: np.random.Generator) -> Iterator[Line]:
    x, y = places.chart.landmarks["glabella"]
    for side in (-1, 1):
        lean, high = rng.uniform(-1.5, 1.5), rng.uniform(9, 15)
        base = x + side * rng.uniform(4.5, 7.5) * places.unit
        points = np.array(
            [(base + side * 1.0, y + 5), (base + lean, y - high * 0.4), (base + side * lean, y - high)], float
        )
        yield _line(points, 1.0 * skin.frown_lines * rng.uniform(0.5, 1.0), "deep", rng, 1.0)


def _crows_feet(skin: SkinParameters, places: Places, rng: np.random.Generator) -> Iterator[Line]:
    for side in ("right", "left"):
        outward = -1.0 if side == "right" else 1.0
        start = np.array(places.at(f"{side}_eye", 18, 2))
        rays = int(rng.integers(5, 8))
        for k in range(rays):
            angle = np.deg2rad(-38 + 78 * (k + rng.uniform(-0.25, 0.25)) / (rays - 1))
            near, far = rng.uniform(1, 5), rng.uniform(12, 27) * (0.75 + 0.35 * skin.crows_feet)
            way = np.array([outward * np.cos(angle), np.sin(angle)]) * places.unit
            bend = np.array([0.0, rng.uniform(0.5, 3.0) * np.sign(angle)]) * places.unit
            points = np.stack([start + way * near, start + way * (near + far) / 2, start + way * far + bend])
            depth = skin.crows_feet * rng.uniform(0.45, 1.0)
            yield _line(points, 0.95 * depth, "deep", rng, 1.2)
            yield _line(points + rng.normal(0, 1.4, 2), 1.1 * depth, "fine", rng, 1.5)


def _under_eyes(skin: SkinParameters, places: Places, rng: np.random.Generator) -> Iterator[Line]:
    for side in ("right", "left"):
        outward = -1.0 if side == "right" else 1.0
        centre = np.array(places.at(f"{side}_eye", 0, -2))
        for k in range(7):
            wide, low = 15.0 + 0.7 * k, 9.0 + 1.7 * k + rng.uniform(-0.5, 0.5)
            start, stop = np.deg2rad(rng.uniform(15, 60)), np.deg2rad(rng.uniform(95, 150))
            angles = np.linspace(start, stop, 4)
            points = centre + places.unit * np.stack([outward * wide * np.cos(angles), low * np.sin(angles)], 1)
            deep = k in (2, 4)
            depth = (0.22 + 0.78 * skin.under_eye_lines) * rng.uniform(0.4, 1.0)
            yield _line(points, 0.9 * depth, "fine", rng, 0.9)
            yield _line(points, 0.8 * skin.under_eye_lines if deep else 0.0, "deep", rng, 0.9)


def _mouth_folds(skin: SkinParameters, places: Places, rng: np.random.Generator) -> Iterator[Line]:
    for side in ("right", "left"):
        points = np.array(
            [
                places.at(f"{side}_nose_wing", 3, -4),
                places.at(f"{side}_nose_wing", 10, 3),
                places.at(f"{side}_mouth_corner", 13, -10),
                places.at(f"{side}_mouth_corner", 10, 9),
            ]
        )
        depth = skin.nasolabial_folds * rng.uniform(0.85, 1.1)
        yield _line(points, 0.9 * depth, "fold", rng, 0.8, 2)
        yield _line(points, 0.55 * max(0.0, depth - 0.25), "deep", rng, 0.8)
        points = np.array(
            [
                places.at(f"{side}_mouth_corner", 2, 1),
                places.at(f"{side}_mouth_corner", 5, 8),
                places.at(f"{side}_mouth_corner", 3, 20),
            ]
        )
        yield _line(points, 0.75 * skin.mouth_folds, "fold", rng, 0.8, 2)
        yield _line(points, 0.6 * skin.mouth_folds, "deep", rng, 0.8)


def _lip_lines(skin: SkinParameters, places: Places, rng: np.random.Generator) -> Iterator[Line]:
    (rx, ry), (lx, ly) = places.chart.landmarks["right_mouth_corner"], places.chart.landmarks["left_mouth_corner"]
    upper = places.chart.landmarks["upper_lip"]
    for t in np.linspace(0.12, 0.88, 15):
        bow = 4 * t * (1 - t)
        x = rx + t * (lx - rx) + rng.normal(0, 0.7)
        y = ry + t * (ly - ry)
        top = y + bow * 0.8 * (upper[1] - y)
        high = rng.uniform(4, 10) * places.unit
        lean = (t - 0.5) * rng.uniform(2, 8)
        points = np.array([(x, top + 1.5), (x + lean * 0.4, top - high / 2), (x + lean, top - high)])
        depth = skin.lip_lines * rng.uniform(0.2, 1.0)
        yield _line(points, 0.8 * depth, "fine", rng, 0.7)
        yield _line(points, 0.55 * depth**1.5, "deep", rng, 0.7)


def _cheeks(skin: SkinParameters, places: Places, rng: np.random.Generator) -> Iterator[Line]:
    for side in ("right", "left"):
        outward = -1.0 if side == "right" else 1.0
        for _ in range(70):
            start = np.array(places.at(f"{side}_cheekbone", rng.normal(-3, 13), 14 + rng.normal(0, 17)))
            angle = np.deg2rad(rng.normal(62, 22) if rng.random() < 0.7 else rng.normal(-30, 18))
            way = rng.uniform(3, 10) * places.unit * np.array([-outward * np.cos(angle), np.sin(angle)])
            points = np.stack([start, start + way + rng.normal(0, 0.8, 2), start + 2 * way])
            yield _line(points, 0.75 * skin.cheek_lines**1.2 * rng.uniform(0.2, 1.0), "fine", rng, 1.5)

"""Frames of a camera, made from the built-in virtual patients: good ones, and ones with something wrong."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.cli.demo import samples

SIDE = 384
Pixels = NDArray[np.uint8]


@lru_cache(maxsize=4)
def sample(name: str, side: int = SIDE) -> Pixels:
    """A sample (side, side, 3)."""
    data = np.frombuffer(samples().joinpath(f"{name}.jpg").read_bytes(), np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
    return np.ascontiguousarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA))


def jpeg(pixels: Pixels) -> bytes:
    return bytes(cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1])


def placed(pixels: Pixels, scale: float = 1.0, turn_deg: float = 0.0, right: float = 0.0) -> Pixels:
    """Scaled, turned and shifted (as a share of the side) about the middle."""
    matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), turn_deg, scale)
    matrix[0, 2] += right * SIDE
    return np.asarray(cv2.warpAffine(pixels, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def lit(pixels: Pixels, light: float | Pixels | NDArray[np.float64]) -> Pixels:
    """Under another light: a factor of the linear light, for all, for each channel or for each place."""
    linear = (pixels / 255.0) ** 2.2 * light
    return np.asarray(np.clip(linear, 0, 1) ** (1 / 2.2) * 255, np.uint8)


def turned(pixels: Pixels) -> Pixels:
    """As if the face were turned: one half narrow, the other wide."""
    middle, narrow = SIDE // 2, round(0.4 * SIDE / 2)
    halves = cv2.resize(pixels[:, :middle], (narrow, SIDE)), cv2.resize(pixels[:, middle:], (SIDE - narrow, SIDE))
    return np.ascontiguousarray(np.hstack(halves), np.uint8)


def spoilt(what: str) -> Pixels:
    """A frame with one thing wrong."""
    good = sample("telephone")
    shade = np.geomspace(1.0, 0.01, SIDE)[None, :, None]
    match what:
        case "far":
            return placed(good, 0.5)
        case "near":
            return placed(sample("dslr"), 1.5)
        case "off_centre":
            return placed(good, right=0.2)
        case "face_turned":
            return turned(good)
        case "head_tilted":
            return placed(good, turn_deg=25.0)
        case "under_exposed":
            return lit(good, 0.08)
        case "over_exposed":
            return lit(good, 4.0)
        case "strong_shading":
            return lit(good, 2.0 * shade)
        case "colour_cast":
            return lit(good, np.array([1.0, 0.7, 0.3]))
        case "blurred":
            return np.asarray(cv2.GaussianBlur(good, (0, 0), 4.0), np.uint8)
        case "region_missing":
            covered = sample("dslr").copy()
            covered[:200] = 90
            return covered
        case "dark":
            return np.full_like(good, 3)
        case "no_skin":
            return np.full_like(good, (90, 120, 150))
        case _:
            raise ValueError(what)

"""Photos that show the same picture: by a hash of 64 bits first, then by their small pictures.

The hash tells for each of 8 x 8 places whether the next one to the right is brighter (a difference hash). Photos whose
hashes differ in few bits are then held against each other by the fine structure of their small grey pictures, which
tells apart two faces in the same studio. A mirrored copy is found too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["BITS", "LIKENESS", "SIDE", "Pair", "difference_hash", "likeness", "near_duplicates", "small_picture"]

SIDE: Final = 32
"""Pixels of the side of a small picture."""
BITS: Final = 10
"""Hashes of one picture, saved twice, differ in at most so many of 64 bits."""
LIKENESS: Final = 0.93
"""Correlation of the fine structure from which on two pictures are the same."""
_STEP: Final = 2.0
"""Grey levels that count as brighter: more than noise and compression make in an even background."""
_STRUCTURE: Final = 1.0


@dataclass(frozen=True)
class Pair:
    """Two photos of one picture, by their places in the list."""

    first: int
    second: int
    bits: int
    """In which their hashes differ."""
    likeness: float
    """Correlation of their fine structure."""
    mirrored: bool


def small_picture(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(SIDE, SIDE) grey picture of a photo (H, W) or (H, W, 3)."""
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    while min(grey.shape) >= 16 * SIDE:
        grey = cv2.resize(grey, (grey.shape[1] // 2, grey.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def difference_hash(small: NDArray[np.uint8]) -> int:
    """64 bits of a small picture: where its brightness rises to the right."""
    places = cv2.resize(small.astype(np.float32), (9, 8), interpolation=cv2.INTER_AREA)
    bits = np.packbits((np.diff(places, axis=1) > _STEP).ravel())
    return int.from_bytes(bits.tobytes(), "big")


def likeness(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Correlation, -1 to 1, of the fine structure of two small pictures; 0 where one of them has none."""
    return float(_structure(first) @ _structure(second))


def near_duplicates(pictures: list[NDArray[np.uint8]], bits: int = BITS, least: float = LIKENESS) -> Iterator[Pair]:
    """Pairs of small pictures that show the same, each pair once.

    All pairs of hashes are compared, a row at a time: 10 000 photos take about a second and a few megabytes.
    """
    hashes = np.array([difference_hash(p) for p in pictures], np.uint64)
    mirrored = np.array([difference_hash(np.ascontiguousarray(p[:, ::-1])) for p in pictures], np.uint64)
    structures = np.array([_structure(p) for p in pictures], np.float16).reshape(-1, SIDE, SIDE)
    for i in range(len(pictures) - 1):
        for table, turned in ((hashes, False), (mirrored, True)):
            apart = np.bitwise_count(table[i + 1 :] ^ hashes[i])
            near = np.flatnonzero(apart <= bits)
            own = structures[i, :, ::-1] if turned else structures[i]
            alike = np.einsum("nij,ij->n", structures[near + i + 1], own, dtype=np.float32)
            for k in np.flatnonzero(alike >= least):
                yield Pair(i, int(near[k]) + i + 1, int(apart[near[k]]), float(alike[k]), turned)


def _structure(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What a small picture shows beside its broad light and dark, of length 1; zeros if that is nothing."""
    values = small.astype(np.float32)
    fine = values - cv2.GaussianBlur(values, (0, 0), 3.0)
    fine -= fine.mean()
    length = float(np.linalg.norm(fine))
    if length < _STRUCTURE * SIDE:
        return np.zeros(SIDE * SIDE, np.float32)
    return np.asarray((fine / length).ravel(), np.float32)

"""Photos as a network sees them, read once and kept: to decode them in every epoch would take longer than training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from melascope.data.layout import write_whole
from melascope.lab.severity.recipe import Picture
from melascope.photo import PhotoRefused, read_photo
from melascope.vocabulary import FACIAL_SKIN, Region

__all__ = ["Photos", "PhotosError", "framed", "keep", "read_framed"]

Pixels = NDArray[np.uint8]
_AT_ONCE: Final = 64
"""Photos after which what is done is written down."""
_FORM: Final = 1
"""Of the kept files; another number reads everything anew."""
_LEAST_FACE: Final = 0.02
"""Share of a photo that facial skin must fill to count as a face."""
_LANDMARKS: Final = (Region.NOSE, Region.LIPS)


class PhotosError(ValueError):
    """Photos that cannot be read; names them, with what to do."""


@dataclass(frozen=True)
class Photos:
    """Photos in one frame and size."""

    names: tuple[str, ...]
    pixels: Pixels
    """(n, S, S, 3) sRGB, mapped from a file."""
    digests: Mapping[str, str]
    """SHA-256 of each photo's file."""

    def rows(self, names: Iterable[str]) -> NDArray[np.intp]:
        """Where photos lie in `pixels`."""
        at = {name: row for row, name in enumerate(self.names)}
        return np.array([at[name] for name in names], np.intp)


def framed(pixels: Pixels, picture: Picture) -> Pixels:
    """What a network sees of an upright photo.

    Args:
        pixels: (H, W, 3) sRGB.
        picture: Frame and size.

    Returns:
        (S, S, 3).
    """
    if picture.frame == "face":
        box = _face(pixels)
        if box is not None:
            pixels = _square(pixels, box, picture.margin)
    height, width = pixels.shape[:2]
    shrinks = height >= picture.side and width >= picture.side
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (picture.side, picture.side), interpolation=how), np.uint8)


def read_framed(path: Path, picture: Picture) -> tuple[Pixels, str]:
    """A photo's file in its frame, and the file's SHA-256.

    Raises:
        PhotoRefused: It cannot be read.
    """
    photo = read_photo(path)
    return framed(photo.pixels, picture), photo.sha256 or ""


def keep(
    files: Mapping[str, Path],
    picture: Picture,
    folder: Path,
    *,
    threads: int = 2,
    advance: Callable[[int, int], None] | None = None,
) -> Photos:
    """Read photos, or find them read already in `folder`.

    Several recipes may share a folder: each frame and size has its own files. What was stopped goes on.

    Args:
        files: Path of each photo.
        picture: Frame and size.
        folder: Where the read photos are kept.
        threads: Photos decoded at a time.
        advance: Called with (done, all).

    Raises:
        PhotosError: Some cannot be read; names them all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = _key(files, picture)
    stem = f"{picture.frame}-{picture.side}-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:10]}"
    listed, kept = folder / f"{stem}.json", folder / f"{stem}.npy"
    names = tuple(sorted(files))
    shape = (len(names), picture.side, picture.side, 3)
    with FileLock(folder / f".{stem}.lock"):  # of several processes one reads, the others find it done
        digests = _written(listed, kept, key, shape)
        if len(digests) < len(names):
            _fill(files, names, picture, (listed, kept), key, digests, threads, advance)
    return Photos(names, np.load(kept, mmap_mode="r"), digests)


def _written(listed: Path, kept: Path, key: Any, shape: tuple[int, ...]) -> dict[str, str]:
    """SHA-256 of the photos that are kept already."""
    digests: dict[str, str] = {}
    if listed.is_file() and kept.is_file():
        try:
            written = json.loads(listed.read_text(encoding="utf-8"))
            digests = dict(written["sha256"]) if written["key"] == key else {}
            if np.load(kept, mmap_mode="r").shape != shape:
                digests = {}
        except (OSError, ValueError, KeyError, TypeError):
            digests = {}
    return digests


def _fill(
    files: Mapping[str, Path],
    names: Sequence[str],
    picture: Picture,
    to: tuple[Path, Path],
    key: Any,
    digests: dict[str, str],
    threads: int,
    advance: Callable[[int, int], None] | None,
) -> None:
    listed, kept = to
    shape = (len(names), picture.side, picture.side, 3)
    table = np.lib.format.open_memmap(kept, mode="r+" if digests else "w+", dtype=np.uint8, shape=shape)
    refused: list[str] = []
    at = {name: row for row, name in enumerate(names)}

    def read(name: str) -> tuple[str, Pixels | None, str]:
        try:
            return (name, *read_framed(files[name], picture))
        except PhotoRefused as error:
            return name, None, str(error)

    left = iter([name for name in names if name not in digests])
    with ThreadPoolExecutor(threads) as pool:
        while batch := list(islice(left, _AT_ONCE)):
            for name, pixels, word in pool.map(read, batch):
                if pixels is None:
                    refused.append(word)
                else:
                    table[at[name]] = pixels
                    digests[name] = word
            table.flush()
            write_whole(listed, json.dumps({"key": key, "sha256": digests}))
            if advance is not None:
                advance(len(digests) + len(refused), len(names))
    if refused:
        more = f" ... and {len(refused) - 10} more" if len(refused) > 10 else ""
        raise PhotosError(f"{len(refused)} of {len(names)} photos cannot be read: {' '.join(refused[:10])}{more}")


def _key(files: Mapping[str, Path], picture: Picture) -> Any:
    """What the kept photos depend on: as JSON, so that it can be compared with what was written."""
    states = []
    for name in sorted(files):
        try:
            state = files[name].stat()
        except OSError as error:
            raise PhotosError(
                f"{name}: {files[name].name} cannot be read ({error.strerror}); see where it lies"
            ) from None
        states.append([name, state.st_size, state.st_mtime_ns])
    network = ""
    if picture.frame == "face":
        from melascope.networks import load

        network = load("skin").sha256
    margin = picture.margin if picture.frame == "face" else 0.0
    return [_FORM, picture.frame, picture.side, margin, network, states]


def _face(pixels: Pixels) -> tuple[float, float, float, float] | None:
    """x0, y0, x1, y1 of the facial skin in one quick look of the skin network; None where it finds no face."""
    from melascope.networks import load
    from melascope.skin.regions import SIDE

    height, width = pixels.shape[:2]
    side = max(height, width)
    small = cv2.resize(
        pixels, (max(1, round(SIDE * width / side)), max(1, round(SIDE * height / side))), interpolation=cv2.INTER_AREA
    )
    padded = np.zeros((SIDE, SIDE, 3), np.float32)
    padded[: small.shape[0], : small.shape[1]] = small
    maps = load("skin")(np.ascontiguousarray((padded / 127.5 - 1).transpose(2, 0, 1)[None]))[0, : len(Region)]
    codes = maps.argmax(axis=0)
    skin = np.isin(codes, FACIAL_SKIN)
    if skin.mean() < _LEAST_FACE or not all((codes == region).sum() >= 8 for region in _LANDMARKS):
        return None
    # A speck of skin elsewhere moves no border.
    columns, rows = skin.sum(axis=0), skin.sum(axis=1)
    x = np.flatnonzero(columns > 0.05 * columns.max())
    y = np.flatnonzero(rows > 0.05 * rows.max())
    scale = side / codes.shape[0]
    return scale * x[0], scale * y[0], scale * (x[-1] + 1), scale * (y[-1] + 1)


def _square(pixels: Pixels, box: tuple[float, float, float, float], margin: float) -> Pixels:
    """The square around a box, with a margin; black where it leaves the photo."""
    side = max(2, round((1 + 2 * margin) * max(box[2] - box[0], box[3] - box[1])))
    left, top = round((box[0] + box[2] - side) / 2), round((box[1] + box[3] - side) / 2)
    height, width = pixels.shape[:2]
    out = np.zeros((side, side, 3), np.uint8)
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + side), min(height, top + side)
    out[y0 - top : y1 - top, x0 - left : x1 - left] = pixels[y0:y1, x0:x1]
    return out

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

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from melascope.data.layout import write_whole
from melascope.lab.severity.recipe import Picture
from melascope.photo import PhotoRefused, read_photo
from melascope.skin.framing import framed_square

__all__ = ["Photos", "PhotosError", "framed", "keep", "read_framed"]

Pixels = NDArray[np.uint8]
_AT_ONCE: Final = 64
"""Photos after which what is done is written down."""
_FORM: Final = 1
"""Of the kept files; another number reads everything anew."""


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
    return framed_square(pixels, picture.side, picture.margin if picture.frame == "face" else None)


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

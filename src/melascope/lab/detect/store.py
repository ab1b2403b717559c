"""Photos as squares, read once and kept: to decode them in every epoch would take longer than training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from melascope.data.layout import write_whole
from melascope.lab.detect.study import Photo, Study
from melascope.lesions.letterbox import Fit, fit, letterbox
from melascope.photo import PhotoRefused, read_photo

__all__ = ["Kept", "StoreError", "keep"]

_AT_ONCE: Final = 64
"""Photos after which what is done is written down."""
_FORM: Final = 1
"""Of the kept files; another number reads everything anew."""


class StoreError(ValueError):
    """Photos that cannot be read; names them, with what to do."""


@dataclass(frozen=True)
class Kept:
    """The photos of a study in one size."""

    pixels: NDArray[np.uint8]
    """(n, S, S, 3) sRGB in the study's order, mapped from a file."""
    fits: tuple[Fit, ...]
    """Where each photo lies in its picture."""


def keep(
    study: Study, side: int, folder: Path, *, threads: int = 2, advance: Callable[[int, int], None] | None = None
) -> Kept:
    """Read photos, or find them read already in `folder`; what was stopped goes on.

    Args:
        study: Which.
        side: S, pixels of a side.
        folder: Where the read photos are kept; studies and sides share it.
        threads: Photos decoded at a time.
        advance: Called with (done, all).

    Raises:
        StoreError: Some cannot be read, or are of another size than the manifest says; names them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = [_FORM, side, [_state(photo) for photo in study.photos]]
    stem = f"square-{side}-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12]}"
    listed, kept = folder / f"{stem}.json", folder / f"{stem}.npy"
    shape = (len(study.photos), side, side, 3)
    with FileLock(folder / f".{stem}.lock"):  # of several processes one reads, the others find it done
        done = _done(listed, kept, shape)
        if done < len(study.photos):
            _fill(study, side, (listed, kept), done, threads, advance)
    return Kept(np.load(kept, mmap_mode="r"), tuple(fit(photo.width, photo.height, side) for photo in study.photos))


def _state(photo: Photo) -> list[str | int]:
    try:
        state = photo.file.stat()
    except OSError as error:
        raise StoreError(f"{photo.name}: cannot be read ({error.strerror}); see where it lies") from None
    return [photo.name, state.st_size, state.st_mtime_ns]


def _done(listed: Path, kept: Path, shape: tuple[int, ...]) -> int:
    try:
        done = int(json.loads(listed.read_text(encoding="utf-8"))["done"])
        return done if np.load(kept, mmap_mode="r").shape == shape else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _fill(
    study: Study,
    side: int,
    to: tuple[Path, Path],
    done: int,
    threads: int,
    advance: Callable[[int, int], None] | None,
) -> None:
    listed, kept = to
    count = len(study.photos)
    table = np.lib.format.open_memmap(kept, mode="r+" if done else "w+", dtype=np.uint8, shape=(count, side, side, 3))

    def read(photo: Photo) -> NDArray[np.uint8] | str:
        try:
            pixels = read_photo(photo.file).pixels
        except PhotoRefused as error:
            return str(error)
        height, width = pixels.shape[:2]
        if (width, height) != (photo.width, photo.height):
            there = f"{photo.width} x {photo.height}"
            return (
                f"{photo.name}: is of {width} x {height}, and the manifest says {there}: run `melascope dataset check`"
            )
        return letterbox(pixels, side)

    with ThreadPoolExecutor(threads) as pool:
        while done < count:
            batch = study.photos[done : done + _AT_ONCE]
            made = list(pool.map(read, batch))
            refused = [each for each in made if isinstance(each, str)]
            if refused:
                more = f" ... and {len(refused) - 5} more" if len(refused) > 5 else ""
                raise StoreError(f"{len(refused)} photos cannot be used: {' '.join(refused[:5])}{more}")
            table[done : done + len(batch)] = made
            table.flush()
            done += len(batch)
            write_whole(listed, json.dumps({"done": done}))
            if advance is not None:
                advance(done, count)

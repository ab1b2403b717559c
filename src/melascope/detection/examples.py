"""Example photos with hits and misses drawn in, small enough to lie inside a page: of virtual patients alone."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from melascope.data.about import read_about
from melascope.data.layout import ABOUT
from melascope.data.pixels import PixelsError, read_photo_pixels
from melascope.detection.counts import found_of
from melascope.detection.evaluation import Evaluation
from melascope.detection.predictions import Photo
from melascope.detection.words import inside
from melascope.vocabulary import Lesion

__all__ = ["HIT", "MISS", "WRONG", "Example", "examples", "made_of_virtual_patients"]

HIT: Final = "#2fbf71"
MISS: Final = "#ffb000"
WRONG: Final = "#ff3b5c"
_SIDE: Final = 330
_QUALITY: Final = 78


@dataclass(frozen=True)
class Example:
    """One photo with its boxes, as a picture of a page."""

    title: str
    words: str
    source: str
    """``data:image/jpeg;base64,...``"""


def made_of_virtual_patients(folder: Path) -> bool:
    """Whether a data set says of itself that its people do not exist: no face of a person comes onto a page."""
    path = folder / ABOUT
    if not path.is_file():
        return False
    try:
        about = read_about(path)
    except ValueError:
        return False
    return about.made_by.startswith("melascope") and "patients" in about.generator


def examples(one: Evaluation, folder: Path, each: int = 4) -> tuple[Example, ...]:
    """Photos that are wholly right and those that are most wrong, of many kinds and people.

    Args:
        one: A run's figures.
        folder: The data set's folder, below which the photos lie.
        each: Right ones and wrong ones.

    Raises:
        ValueError: The folder is not one of virtual patients.
    """
    if not made_of_virtual_patients(folder):
        raise ValueError(
            f"{folder}: is no data set of virtual patients ({ABOUT} would say so): examples are not shown of people"
        )
    photos, classes = one.photos.photos, one.photos.classes
    blame = np.array([_faults(photo, one) for photo in photos])
    right = [int(k) for k in np.flatnonzero(one.right) if len(photos[k].truth.kinds)]
    right.sort(key=lambda k: (blame[k], len(photos[k].truth.kinds) > 30, photos[k].photo))
    wrong = sorted(np.flatnonzero(blame > 0).tolist(), key=lambda k: (one.right[k], -blame[k], photos[k].photo))
    found = []
    for word, places in (("Right", _varied(right, photos, each)), ("Wrong", _varied(wrong, photos, each))):
        for place in places:
            try:
                found.append(_example(word, photos[place], one, folder, classes))
            except (OSError, PixelsError):
                continue
    return tuple(found)


def _faults(photo: Photo, one: Evaluation) -> float:
    """Share of the boxes, true and found, that are missed or false; a little more for many."""
    caught, false = found_of(photo, one.levels.boxes)
    missed = int((~caught & ~photo.truth.crowd).sum()) + int(false.sum())
    every = len(photo.truth.kinds) + int(false.sum())
    return missed / every + 0.001 * missed if every else 0.0


def _varied(places: Sequence[int], photos: Sequence[Photo], count: int) -> list[int]:
    """The first ones, each of another kind and patient as far as that goes."""
    chosen: list[int] = []
    kinds: set[int] = set()
    people: set[str] = set()
    for strict in (True, False):
        for place in places:
            photo = photos[place]
            own = set(photo.truth.kinds.tolist())
            if len(chosen) == count or place in chosen or photo.patient in people or (strict and own & kinds):
                continue
            chosen.append(int(place))
            kinds |= own
            people.add(photo.patient)
    return chosen


def _example(word: str, photo: Photo, one: Evaluation, folder: Path, classes: Sequence[Lesion]) -> Example:
    pixels = read_photo_pixels(folder / photo.photo)
    caught, false = found_of(photo, one.levels.boxes)
    scale = _SIDE / max(pixels.shape[:2])
    # Drawn twice as large as shown, so that lines stay fine on sharp screens.
    size = (round(pixels.shape[1] * scale * 2), round(pixels.shape[0] * scale * 2))
    picture = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
    brush = ImageDraw.Draw(picture)
    fx, fy = size[0] / photo.width, size[1] / photo.height
    layers = (
        (photo.truth.boxes[caught], HIT),
        (photo.found.boxes[false], WRONG),
        (photo.truth.boxes[~caught & ~photo.truth.crowd], MISS),
    )
    for boxes, colour in layers:
        for x0, y0, x1, y1 in boxes.tolist():
            corners = (x0 * fx - 2, y0 * fy - 2, max(x1 * fx + 2, x0 * fx), max(y1 * fy + 2, y0 * fy))
            brush.rectangle(corners, outline=colour, width=3)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=_QUALITY, optimize=True)
    shown = sorted(set(photo.truth.kinds.tolist()))
    calls = [k for k, level in enumerate(one.levels.photos) if _highest(photo, k) >= level]
    words = f"Shows {_named(shown, classes)}; called: {_named(calls, classes)}"
    counts = f"{int(caught.sum())} found, {int((~caught & ~photo.truth.crowd).sum())} missed, {int(false.sum())} false"
    coded = base64.b64encode(stream.getvalue()).decode("ascii")
    return Example(word, f"{words}. {counts}.", f"data:image/jpeg;base64,{coded}")


def _highest(photo: Photo, kind: int) -> float:
    return float(photo.found.scores[photo.found.kinds == kind].max(initial=0.0))


def _named(kinds: Sequence[int], classes: Sequence[Lesion]) -> str:
    return ", ".join(inside(classes[k]) for k in kinds) or "none"

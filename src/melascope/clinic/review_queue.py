"""The queue of the human in the loop as it comes: a ZIP with `review.json` and the photographs that it names."""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from melascope.boxes import overlap
from melascope.clinic.access import Invalid
from melascope.clinic.photos import check_file
from melascope.clinic.settings import Settings
from melascope.data.label_studio import photo_at
from melascope.vocabulary import Lesion

__all__ = ["Origin", "Queued", "as_boxes", "origin_of", "read_queue"]

LIST: Final = "review.json"
_MOST_PHOTOS: Final = 1000
_LONGEST_LIST: Final = 20_000_000
_DAMAGED: Final = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError)
"""How a ZIP that is damaged, or packed in a way of its own, is refused when it is read."""
_LEFT: Final = 0.98
"""Overlap from which a reviewed box is the network's own; as `melascope.detection.loop` has it."""
_MOVED: Final = 0.5
"""Overlap from which it is the network's box, corrected."""


class Origin(StrEnum):
    """Who made a box."""

    MODEL = "model"
    LEFT = "model, left by person"
    CORRECTED = "model, corrected by person"
    PERSON = "person"


@dataclass(frozen=True)
class Queued:
    """One photograph that waits for a review."""

    name: str
    width: int
    height: int
    model: str
    notes: Mapping[str, float]
    boxes: tuple[dict[str, Any], ...]
    """`kind`, `box` and `chance`; the least certain first."""


def as_boxes(rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """(n, 4) corners of the boxes of a review."""
    return np.array([row["box"] for row in rows], np.float64).reshape(-1, 4)


def origin_of(box: Mapping[str, Any], proposed: Sequence[Mapping[str, Any]]) -> Origin:
    """Who made a box of a review: a person, or the network, and then whether a person changed it."""
    if box["source"] is None:
        return Origin.PERSON
    was = proposed[box["source"]]
    shared = float(overlap(as_boxes([box]), as_boxes([was]))[0, 0])
    if shared >= _LEFT and box["kind"] == was["kind"]:
        return Origin.LEFT
    return Origin.CORRECTED if shared >= _MOVED else Origin.PERSON


def read_queue(data: bytes, settings: Settings) -> Iterator[tuple[Queued, bytes]]:
    """The photographs of a queue, in its order.

    Raises:
        Invalid: It is no such ZIP, a task is damaged, or a photograph is missing or cannot be taken.
    """
    try:
        archive = zipfile.ZipFile(BytesIO(data))
        listed = archive.getinfo(LIST)
        if listed.file_size > _LONGEST_LIST:
            raise Invalid("error.review_zip", "file")
        tasks = json.loads(archive.read(listed))
    except (*_DAMAGED, KeyError, ValueError, RecursionError):
        raise Invalid("error.review_zip", "file") from None
    if not isinstance(tasks, list) or not 1 <= len(tasks) <= _MOST_PHOTOS:
        raise Invalid("error.review_count", "file", most=_MOST_PHOTOS)
    names = set(archive.namelist())
    queue = [_task(task, number, names) for number, task in enumerate(tasks, start=1)]
    missing = [one.name for one in queue if one.name not in names]
    if missing:
        raise Invalid("error.review_missing", "file", count=len(missing), name=missing[0][:80])
    if len({one.name for one in queue}) < len(queue):
        raise Invalid("error.review_zip", "file")
    whole, most = sum(archive.getinfo(one.name).file_size for one in queue), 4 * settings.upload_mb
    if whole > most * 1_000_000:  # unpacked no more than a request may hold: a small ZIP could fill the memory
        raise Invalid("error.file_large", "file", size=round(whole / 1e6), most=most)
    for one in queue:
        info = archive.getinfo(one.name)
        if info.file_size > settings.upload_mb * 1_000_000:
            raise Invalid("error.file_large", "file", size=round(info.file_size / 1e6), most=settings.upload_mb)
        try:
            content = archive.read(info)
        except _DAMAGED:
            raise Invalid("error.review_zip", "file") from None
        check_file(content, settings)
        yield one, content


def _task(task: Any, number: int, names: Container[str]) -> Queued:
    """One task, its photograph by its name in the archive or by its address; what does not fit is refused."""
    try:
        data = task["data"]
        image, width, height = data["image"], data["width"], data["height"]
        if not isinstance(image, str):
            raise ValueError("image")
        name = image if image in names else photo_at(image)
        if not 1 <= len(name) <= 500 or not name.isprintable():
            raise ValueError("image")
        if not all(isinstance(side, int) and 1 <= side <= 100_000 for side in (width, height)):
            raise ValueError("width, height")
        proposals = task.get("predictions") or [{"model_version": "", "result": []}]
        first = proposals[0]
        boxes = [_box(entry, width, height) for entry in first["result"]]
        notes = {key: float(data[key]) for key in ("gain", "uncertainty_bits") if key in data}
        if not all(map(math.isfinite, notes.values())) or len(boxes) > 300:
            raise ValueError("result")
        model = str(first.get("model_version") or "")[:200]
    except (KeyError, TypeError, ValueError, OverflowError, IndexError, AttributeError) as error:
        raise Invalid("error.review_task", "file", number=number, what=str(error)[:60]) from None
    boxes.sort(key=lambda box: abs((box["chance"] if box["chance"] is not None else 0.5) - 0.5))
    return Queued(name, width, height, model, notes, tuple(boxes))


def _box(entry: Mapping[str, Any], width: int, height: int) -> dict[str, Any]:
    value = entry["value"]
    [label] = value["rectanglelabels"]
    x, y, w, h = (float(value[key]) / 100 for key in ("x", "y", "width", "height"))
    corners = [round(side, 6) + 0.0 for side in (x * width, y * height, (x + w) * width, (y + h) * height)]
    x0, y0, x1, y1 = corners
    if not all(map(math.isfinite, corners)) or not (0 <= x0 < x1 <= width + 1e-3 and 0 <= y0 < y1 <= height + 1e-3):
        raise ValueError("value")
    chance = None if entry.get("score") is None else float(entry["score"])
    if chance is not None and not 0 <= chance <= 1:
        raise ValueError("score")
    kind = Lesion(cast("str", label)).value
    return {"kind": kind, "box": [x0, y0, min(x1, width), min(y1, height)], "chance": chance}

"""What can be wrong with one photo, its masks and its boxes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.data.box import KIND_CODES, Box
from melascope.data.duplicates import small_picture
from melascope.data.finding import Finding
from melascope.data.layout import ANNOTATIONS, MANIFEST, instances_path, lesion_mask_path, region_mask_path, voc_path
from melascope.data.pixels import PixelsError, read_mask, read_photo_pixels
from melascope.data.rle import Rle
from melascope.data.row import Row
from melascope.data.voc import VocError, read_voc
from melascope.vocabulary import Lesion, Region

__all__ = ["Inspected", "Task", "inspect"]

Mask = NDArray[np.uint8] | NDArray[np.uint16]
Rectangles = dict[int, tuple[int, int, int, int]]
"""x0, y0, x1, y1 of each lesion by number."""
_REGIONS: Final = frozenset(int(region) for region in Region)
_KINDS: Final = frozenset(KIND_CODES.values()) | {0}
_NEAR: Final = 1.0
"""Pixels by which a box may miss the outline that it belongs to."""
_PLAIN: Final = 3
"""Grey levels between the darkest and the brightest pixel of a picture that shows nothing."""
_ANEW: Final = "write it anew from its source"


@dataclass(frozen=True)
class Task:
    """One photo to be looked at, with the annotations that a COCO file holds of it."""

    folder: Path
    line: int
    row: Row
    boxes: tuple[Box | str, ...] | None = None
    """None: no COCO file knows the photo; a text: why one of them cannot be read."""
    coco_size: tuple[int, int] | None = None
    """(H, W) that the COCO file gives."""


@dataclass(frozen=True)
class Inspected:
    """What was found."""

    photo_id: str
    findings: tuple[Finding, ...]
    small: NDArray[np.uint8] | None
    """Small picture, to find near-duplicates; None if the photo cannot be read or shows nothing."""


def inspect(task: Task) -> Inspected:
    """Read one photo and all that belongs to it, and say what is wrong."""
    row, where = task.row, f"{task.row.file} ({MANIFEST} line {task.line})"
    findings = []
    small = None
    size = None if row.width is None or row.height is None else (row.height, row.width)
    try:
        pixels = read_photo_pixels(task.folder / row.file)
    except FileNotFoundError:
        advice = "put the photo there, or take the row out"
        findings.append(Finding("photo-missing", "error", where, "the photo is not there", advice))
    except PixelsError as error:
        findings.append(Finding("photo-unreadable", "error", where, _without(error, task.folder), "copy it anew"))
    else:
        found = (pixels.shape[0], pixels.shape[1])
        if size is not None and found != size:
            what = f"is {_size(found)} upright, and the manifest says {_size(size)}"
            findings.append(Finding("size-differs", "error", where, what, "correct width and height"))
        size = found
        small = small_picture(pixels)
        if int(small.max()) - int(small.min()) < _PLAIN:
            small = None
            what = "every part of the picture has the same brightness"
            findings.append(Finding("photo-blank", "warning", where, what, "see whether it is a photo"))
    findings += _masks(task, size)
    return Inspected(row.photo_id, tuple(findings), small)


def _masks(task: Task, size: tuple[int, int] | None) -> Iterator[Finding]:
    folder, name, row = task.folder, task.row.photo_id, task.row
    regions, wrong = _mask(folder, region_mask_path(folder, name), size, _REGIONS)
    yield from wrong
    lesions, wrong = _mask(folder, lesion_mask_path(folder, name), size, _KINDS)
    yield from wrong
    instances, wrong = _mask(folder, instances_path(folder, name), size, None)
    yield from wrong
    if lesions is not None:
        where = _below(folder, lesion_mask_path(folder, name))
        yield from _kinds(row, lesions, where)
        if regions is not None and (count := np.count_nonzero(lesions)):
            off = np.count_nonzero((lesions > 0) & (regions == Region.BACKGROUND)) / count
            if off > 0.05:
                what = f"{off:.0%} of the lesions lie on the background of the region mask"
                advice = "see whether one of the two masks is shifted or mirrored"
                yield Finding("lesions-off-the-face", "warning", where, what, advice)
        if instances is not None:
            apart = int(np.count_nonzero((lesions > 0) != (instances > 0)))
            if apart:
                what = f"{apart} pixels are a lesion in one of masks/lesions and masks/instances only"
                where = _below(folder, instances_path(folder, name))
                yield Finding("masks-differ", "error", where, what, "write both masks from the same lesions")
    if task.boxes is not None:
        where = f"{ANNOTATIONS} photo {name}"
        if size is not None and task.coco_size is not None and task.coco_size != size:
            what = f"the photo is {_size(size)}, and the file says {_size(task.coco_size)}"
            yield Finding("size-differs", "error", where, what, "correct width and height of the image")
        read = [box for box in task.boxes if isinstance(box, Box)]
        for box in task.boxes:
            if isinstance(box, str):
                yield Finding("box-unreadable", "error", where, box, _ANEW)
        rectangles = None if instances is None else _rectangles(instances)
        yield from _boxes(read, where, size, lesions, rectangles)
        if rectangles is not None:
            yield from _complete(read, where, rectangles)
    path = voc_path(folder, name)
    if path.is_file():
        yield from _voc(task, path, size, lesions)


def _voc(task: Task, path: Path, size: tuple[int, int] | None, lesions: Mask | None) -> Iterator[Finding]:
    where = _below(task.folder, path)
    try:
        voc = read_voc(path)
    except VocError as error:
        yield Finding("box-unreadable", "error", where, _without(error, task.folder), _ANEW)
        return
    if size is not None and (voc.height, voc.width) not in {size, (0, 0)}:
        what = f"the photo is {_size(size)}, and the file says {_size((voc.height, voc.width))}"
        yield Finding("size-differs", "error", where, what, "draw the boxes on the photo as it is now")
    yield from _boxes(voc.boxes, where, size, lesions, None)
    if task.boxes is not None and not any(isinstance(box, str) for box in task.boxes):
        coco = _sorted(box for box in task.boxes if isinstance(box, Box))
        drawn = _sorted(voc.boxes)
        if len(coco) != len(drawn) or any(
            a.kind != b.kind or _apart(a, b.corners) > _NEAR for a, b in zip(coco, drawn, strict=True)
        ):
            what = f"{len(drawn)} boxes here and {len(coco)} in {ANNOTATIONS} are not the same"
            yield Finding(
                "boxes-differ", "error", where, what, "keep the file that is right, and write the other from it"
            )


def _mask(
    folder: Path, path: Path, size: tuple[int, int] | None, codes: frozenset[int] | None
) -> tuple[Mask | None, list[Finding]]:
    """A mask of the photo's size with known codes, or what is wrong with it."""
    if not path.is_file():
        return None, []
    where = _below(folder, path)
    try:
        mask = read_mask(path)
    except PixelsError as error:
        return None, [Finding("mask-unreadable", "error", where, _without(error, folder), _ANEW)]
    if size is not None and mask.shape != size:
        what = f"is {_size((mask.shape[0], mask.shape[1]))}, and the photo is {_size(size)}"
        return None, [Finding("size-differs", "error", where, what, "make the mask from the photo in its present size")]
    if codes is not None:
        unknown = [code for code in _codes(mask) if code not in codes]
        if unknown:
            what = f"holds the codes {', '.join(map(str, unknown[:5]))}{' ...' if len(unknown) > 5 else ''}"
            advice = f"only {min(codes)} to {max(codes)} are known (docs/dataset.md)"
            return None, [Finding("mask-codes", "error", where, what, advice)]
    return mask, []


def _kinds(row: Row, lesions: Mask, where: str) -> Iterator[Finding]:
    if row.kinds is None:
        return
    present = set(_codes(lesions))
    shown = {kind for kind, code in KIND_CODES.items() if code in present}
    if beyond := shown - set(row.kinds):
        what = f"shows {_words(beyond)}, which the manifest's kinds do not name"
        yield Finding("kinds-differ", "error", where, what, "correct kinds, or the mask")
    if absent := set(row.kinds) - shown:
        what = f"does not show {_words(absent)}, which the manifest's kinds name"
        yield Finding("kinds-differ", "warning", where, what, "correct kinds, or the mask")


def _boxes(
    boxes: Sequence[Box],
    where: str,
    size: tuple[int, int] | None,
    lesions: Mask | None,
    rectangles: Rectangles | None,
) -> Iterator[Finding]:
    for number, box in enumerate(boxes, start=1):
        place = f"{where}, box {number}"
        drawn = ", ".join(f"{value:g}" for value in box.corners)
        if not all(map(math.isfinite, box.corners)) or box.x1 <= box.x0 or box.y1 <= box.y0:
            yield Finding("box-empty", "error", place, f"the box {drawn} (x0, y0, x1, y1) is empty", "draw it anew")
            continue
        if box.x0 < 0 or box.y0 < 0 or (size is not None and (box.x1 > size[1] or box.y1 > size[0])):
            limit = "" if size is None else f" of {_size(size)}"
            what = f"the box {drawn} (x0, y0, x1, y1) reaches beyond the picture{limit}"
            yield Finding("box-outside", "error", place, what, "cut it at the picture's border")
            continue
        what = _unlike(box, drawn, size, lesions, rectangles)
        if what:
            yield Finding("box-unlike-mask", "error", place, what, "write boxes, outlines and masks from one source")


def _unlike(
    box: Box,
    drawn: str,
    size: tuple[int, int] | None,
    lesions: Mask | None,
    rectangles: Rectangles | None,
) -> str:
    """How a box contradicts its outline or a mask; empty if it does not."""
    if isinstance(box.outline, Rle):
        if size is not None and box.outline.size != size:
            return f"its outline is for a picture of {_size(box.outline.size)}, and the photo is {_size(size)}"
        if box.outline.box is None or _apart(box, box.outline.box) > _NEAR:
            return f"the box {drawn} is not that of its outline, {box.outline.box}"
        if box.area_px is not None and abs(box.outline.area - box.area_px) > max(1.0, 0.01 * box.outline.area):
            return f"its area is {box.area_px:g}, and its outline has {box.outline.area} pixels"
    elif box.outline is not None:
        xs, ys = [x for p in box.outline for x in p[::2]], [y for p in box.outline for y in p[1::2]]
        around = (min(xs), min(ys), max(xs), max(ys))
        # Some tools draw polygons through pixel centres, some along their edges.
        if _apart(box, around) > 2 * _NEAR:
            return f"the box {drawn} is not that of its polygons, {around}"
    if rectangles is not None and box.instance is not None:
        around_instance = rectangles.get(box.instance)
        if around_instance is None or _apart(box, around_instance) > _NEAR:
            return f"the box {drawn} is not that of lesion {box.instance} in masks/instances, {around_instance}"
    if lesions is not None:
        x0, y0 = math.floor(box.x0), math.floor(box.y0)
        inside = lesions[y0 : math.ceil(box.y1), x0 : math.ceil(box.x1)]
        if not (inside == KIND_CODES[box.kind]).any():
            return f"masks/lesions shows no {box.kind.value} in the box {drawn}"
    return ""


def _complete(boxes: Sequence[Box], where: str, rectangles: Rectangles) -> Iterator[Finding]:
    numbers = {box.instance for box in boxes if box.instance is not None}
    if len(numbers) < len(boxes):
        return
    absent = sorted(set(rectangles) - numbers)
    if absent:
        what = (
            f"lesions {', '.join(map(str, absent[:5]))}{' ...' if len(absent) > 5 else ''} of masks/instances: no box"
        )
        yield Finding("box-missing", "error", where, what, "write boxes, outlines and masks from one source")


def _rectangles(instances: Mask) -> Rectangles:
    """x0, y0, x1, y1 of each lesion by number."""
    ys, xs = np.nonzero(instances)
    numbers = instances[ys, xs].astype(np.int64)
    if not len(numbers):
        return {}
    top = int(numbers.max()) + 1
    height, width = instances.shape
    low = np.full((2, top), max(height, width), np.int64)
    high = np.full((2, top), -1, np.int64)
    for axis, places in enumerate((xs, ys)):
        np.minimum.at(low[axis], numbers, places)
        np.maximum.at(high[axis], numbers, places)
    return {
        int(n): (int(low[0, n]), int(low[1, n]), int(high[0, n]) + 1, int(high[1, n]) + 1)
        for n in np.flatnonzero(high[0] >= 0)
    }


def _sorted(boxes: Iterable[Box]) -> list[Box]:
    return sorted(boxes, key=lambda box: (box.kind.value, *map(round, box.corners)))


def _apart(box: Box, other: tuple[float, float, float, float]) -> float:
    return max(abs(a - b) for a, b in zip(box.corners, other, strict=True))


def _codes(mask: Mask) -> list[int]:
    """Codes that a mask holds, in order."""
    if mask.dtype == np.uint8:
        counts = cv2.calcHist([mask], [0], None, [256], [0, 256]).ravel()
    else:
        counts = np.bincount(mask.ravel()).astype(np.float32)
    return [int(code) for code in np.flatnonzero(counts)]


def _words(kinds: set[Lesion]) -> str:
    return ", ".join(kind.value for kind in Lesion if kind in kinds)


def _size(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]}"


def _below(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _without(error: Exception, folder: Path) -> str:
    """The message without the folder, which the caller knows."""
    text = str(error)
    start, _, rest = text.partition(": ")
    return rest if start.startswith(str(folder)) else text

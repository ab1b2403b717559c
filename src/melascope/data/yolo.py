"""Boxes as YOLO text: one file a photo, one line a box, all in shares of the photo's sides.

A line is ``class x y width height``: number of the class in a list of names (``classes.txt`` of labelImg, ``names`` of
a ``data.yaml``), centre and sides from 0 to 1. An empty file is a photo without lesions. The format does not say how
large the photo is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from melascope.data.annotated import AnnotationError, kind_named, snapped
from melascope.data.box import Box
from melascope.data.layout import write_whole
from melascope.vocabulary import Lesion

__all__ = ["CLASSES_FILE", "read_classes", "read_yolo", "write_classes", "write_yolo"]

CLASSES_FILE: Final = "classes.txt"
_SLACK: Final = 1e-6


def write_classes(path: Path) -> None:
    """Write the six kinds, in the order of the vocabulary, as labelImg's list."""
    write_whole(path, "".join(f"{kind.value}\n" for kind in Lesion))


def read_classes(path: Path) -> tuple[str, ...]:
    """Names of the classes from ``classes.txt`` or ``data.yaml``.

    Raises:
        AnnotationError: There are none, or one comes twice.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise AnnotationError([f"{path}: is not UTF-8: save it anew"]) from None
    names = _yaml_names(text) if path.suffix in {".yaml", ".yml"} else [line.strip() for line in text.splitlines()]
    while names and not names[-1]:
        names.pop()
    if not names or not all(names):
        raise AnnotationError(
            [f"{path}: names no classes, or leaves a line empty: write one name a line, from class 0"]
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise AnnotationError([f"{path}: the class {twice[0]!r} is there twice: rename one of the two"])
    return tuple(names)


def write_yolo(path: Path, size: tuple[int, int], boxes: Iterable[Box]) -> None:
    """Write the boxes of a photo, whole or not at all; the classes are numbered as by `write_classes`.

    Args:
        path: The text file.
        size: (W, H) of the upright photo.
        boxes: Outlines and sizes in mm have no place in this format.
    """
    kinds = list(Lesion)
    lines = []
    for box in boxes:
        middle = ((box.x0 + box.x1) / 2 / size[0], (box.y0 + box.y1) / 2 / size[1])
        sides = ((box.x1 - box.x0) / size[0], (box.y1 - box.y0) / size[1])
        shares = " ".join(repr(float(value)) for value in (*middle, *sides))
        lines.append(f"{kinds.index(box.kind)} {shares}\n")
    write_whole(path, "".join(lines))


def read_yolo(path: Path, size: tuple[int, int], classes: Sequence[str]) -> tuple[Box, ...]:
    """Read the boxes of a photo, to a millionth of a pixel.

    Args:
        path: The text file.
        size: (W, H) of the photo that the boxes were drawn on.
        classes: Names by number.

    Raises:
        FileNotFoundError: There is no such file.
        AnnotationError: Every line that is wrong.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise AnnotationError([f"{path}: is not UTF-8: save it anew"]) from None
    boxes, problems = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            boxes.append(_box(line.split(), size, classes))
        except ValueError as error:
            problems.append(f"{path} line {number}: {error}")
    if problems:
        raise AnnotationError(problems)
    return tuple(boxes)


def _box(words: Sequence[str], size: tuple[int, int], classes: Sequence[str]) -> Box:
    if len(words) == 6:
        raise ValueError(
            "has 6 numbers, the last perhaps a score: these are predictions; review them, and write 5 a line"
        )
    if len(words) != 5:
        more = "; a polygon must be written as its box" if len(words) > 6 and len(words) % 2 else ""
        raise ValueError(f"has {len(words)} cells: must be class, x, y, width, height, parted by blanks{more}")
    if not re.fullmatch(r"\d+", words[0]) or int(words[0]) >= len(classes):
        raise ValueError(
            f"class {words[0]!r} must be a whole number from 0 to {len(classes) - 1}, of {', '.join(classes)}"
        )
    try:
        kind = kind_named(classes[int(words[0])])
    except ValueError as error:
        raise ValueError(f"class {words[0]} {error} in the list of classes") from None
    try:
        x, y, width, height = (float(word) for word in words[1:])
    except ValueError:
        raise ValueError(f"{' '.join(words[1:])!r} must be four numbers with decimal points") from None
    if not all(math.isfinite(v) and -_SLACK <= v <= 1 + _SLACK for v in (x, y, width, height)):
        raise ValueError(
            f"{' '.join(words[1:])!r} must be shares of the photo's sides from 0 to 1, not pixels: divide them"
        )
    left, top = (x - width / 2) * size[0], (y - height / 2) * size[1]
    right, bottom = (x + width / 2) * size[0], (y + height / 2) * size[1]
    return Box(kind=kind, x0=snapped(left), y0=snapped(top), x1=snapped(right), y1=snapped(bottom))


def _yaml_names(text: str) -> list[str]:
    """Names of a data.yaml: ``names: [a, b]``, a list of dashes, or numbers with names; no more YAML than that."""
    listed = re.search(r"^names:\s*\[([^\]]*)\]", text, re.MULTILINE)
    if listed:
        words = listed[1].split(",")
    else:
        block = re.search(r"^names:[ \t]*\n((?:[ \t]*(?:-|\d+[ \t]*:).*\n?)*)", text, re.MULTILINE)
        words = [re.sub(r"^\s*(-|\d+\s*:)\s*", "", line) for line in block[1].splitlines()] if block else []
    return [word.strip().strip("'\"") for word in words]

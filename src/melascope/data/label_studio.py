"""Boxes as Label Studio JSON: tasks with rectangles in percent of the photo's sides.

A task without a finished annotation is a photo that nobody has looked at; one whose annotation is empty shows none.
Written files can be imported: as annotations, or as predictions for a person to correct.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from melascope.data.annotated import Annotated, AnnotationError, kind_named, snapped
from melascope.data.box import Box
from melascope.data.layout import write_whole
from melascope.vocabulary import Lesion

__all__ = ["CONFIG", "address_of", "photo_at", "read_label_studio", "write_label_studio"]

CONFIG: Final = "\n".join(
    ['<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">']
    + [f'  <Label value="{kind.value}"/>' for kind in Lesion]
    + ["</RectangleLabels></View>\n"]
)
"""The project's labelling interface, to be pasted into Label Studio."""
_UPLOADED: Final = re.compile(r"[0-9a-f]{8}-(.+)")


def write_label_studio(
    path: Path,
    photos: Iterable[Annotated],
    prefix: str = "",
    model: str = "",
    chances: Sequence[Sequence[float | None]] = (),
    notes: Sequence[Mapping[str, float]] = (),
) -> None:
    """Write tasks, whole or not at all.

    Args:
        path: The JSON file.
        photos: With their sizes.
        prefix: Before each photo's address, such as ``/data/local-files/?d=``.
        model: If given, the boxes are written as this model's predictions, for people to review.
        chances: Of each photo's boxes: the share of such boxes that is right, written as their score.
        notes: Of each photo: further numbers for whoever reviews it.

    Raises:
        ValueError: A photo's size is not known.
    """
    tasks = []
    for number, one in enumerate(photos, start=1):
        if one.size is None:
            raise ValueError(f"{one.where}: {one.photo}: its size is not known; Label Studio's percent need it")
        width, height = one.size
        entries = [_entry(place, box, width, height) for place, box in enumerate(one.boxes, start=1)]
        for entry, chance in zip(entries, chances[number - 1] if chances else (), strict=bool(chances)):
            if chance is not None:
                entry["score"] = chance
        filled: dict[str, Any] = {"result": entries}
        key = "annotations"
        if model:
            key, filled = "predictions", {"model_version": model, **filled}
        data = {"image": address_of(one.photo, prefix), "width": width, "height": height}
        data |= notes[number - 1] if notes else {}
        tasks.append({"id": number, "data": data, key: [filled]})
    write_whole(path, json.dumps(tasks, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def address_of(photo: str, prefix: str = "") -> str:
    """Where Label Studio finds a photo: signs that mean something in an address are written as % and their code.

    Example:
        >>> address_of("photos/Patient #3.jpg", "/data/local-files/?d=")
        '/data/local-files/?d=photos/Patient%20%233.jpg'
    """
    return prefix + quote(photo, safe="/")


def photo_at(address: str) -> str:
    """The photo behind an address: without the server's folders and the sign that an upload puts before it.

    Raises:
        ValueError: It is no address, such as ``http://[x``.
    """
    parts = urlsplit(address)
    path = parse_qs(parts.query).get("d", [unquote(parts.path)])[0]
    if path.startswith("/data/upload/"):
        name = path.rpartition("/")[2]
        uploaded = _UPLOADED.fullmatch(name)
        return uploaded[1] if uploaded else name
    return path.removeprefix("/")


def read_label_studio(path: Path) -> tuple[Annotated, ...]:
    """Read finished annotations; tasks that have none are left out.

    Raises:
        FileNotFoundError: There is no such file.
        AnnotationError: Everything that is wrong, by task and object.
    """
    try:
        tasks = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise AnnotationError([f"{path}: is not JSON in UTF-8 ({error}): export it anew"]) from None
    if not isinstance(tasks, list):
        raise AnnotationError([f"{path}: must be a list of tasks: export as JSON, not as another format"])
    found: list[Annotated] = []
    problems: list[str] = []
    for number, task in enumerate(tasks, start=1):
        where = f"{path} task {number}"
        try:
            one = _task(task, where)
        except AnnotationError as error:
            problems += error.problems
            continue
        if one is not None:
            found.append(one)
    if problems:
        raise AnnotationError(problems)
    return tuple(found)


def _entry(number: int, box: Box, width: int, height: int) -> dict[str, Any]:
    value = {
        "x": 100 * box.x0 / width,
        "y": 100 * box.y0 / height,
        "width": 100 * (box.x1 - box.x0) / width,
        "height": 100 * (box.y1 - box.y0) / height,
        "rotation": 0,
        "rectanglelabels": [box.kind.value],
    }
    return {
        "id": f"box{number}",
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": value,
    }


def _task(task: object, where: str) -> Annotated | None:
    if not isinstance(task, Mapping) or not isinstance(task.get("data"), Mapping):
        raise AnnotationError([f"{where}: has no data: export the project as JSON (not JSON-MIN)"])
    image = task["data"].get("image")
    if not isinstance(image, str) or not image:
        raise AnnotationError([f"{where}: data.image is {image!r}: must name the photo"])
    try:
        photo = photo_at(image)
    except ValueError as error:  # such as http://[x
        reason = f"is no address ({error}): must name the photo"
        raise AnnotationError([f"{where}: data.image is {image!r}: {reason}"]) from None
    where = f"{where} ({photo})"
    listed = task.get("annotations")
    finished = [a for a in listed if isinstance(a, Mapping) and not a.get("was_cancelled")] if listed else []
    if not finished:
        return None
    if len(finished) > 1:
        rule = "keep one of them (a reading by several people belongs in `melascope lesions readers`)"
        raise AnnotationError([f"{where}: has {len(finished)} annotations: {rule}"])
    results = finished[0].get("result")
    if not isinstance(results, list):
        raise AnnotationError([f"{where}: its annotation has no result: export the project anew"])
    boxes: list[Box] = []
    problems: list[str] = []
    sizes = {(task["data"].get("width"), task["data"].get("height"))} - {(None, None)}
    for number, entry in enumerate(results, start=1):
        if isinstance(entry, Mapping) and entry.get("type") in {"choices", "textarea", "relation", "rating"}:
            continue
        try:
            size = _size(entry)
            sizes.add(size)
            boxes.append(_box(entry, size))
        except (KeyError, TypeError, ValueError) as error:
            reason = f"lacks {error}: export it anew" if isinstance(error, KeyError) else str(error)
            problems.append(f"{where}, object {number}: {reason}")
    if len(sizes) > 1:
        problems.append(f"{where}: its objects were drawn on pictures of several sizes: annotate the photo anew")
    if problems:
        raise AnnotationError(problems)
    return Annotated(photo, next(iter(sizes), None), tuple(boxes), where)


def _size(entry: Mapping[str, Any]) -> tuple[int, int]:
    width, height = entry["original_width"], entry["original_height"]
    if not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in (width, height)):
        raise ValueError(f"was drawn on a picture of {width!r} x {height!r}: must be pixels; annotate the photo anew")
    return width, height


def _box(entry: Mapping[str, Any], size: tuple[int, int]) -> Box:
    if entry.get("type") != "rectanglelabels":
        raise ValueError(f"is of the type {entry.get('type')!r}: must be rectanglelabels; draw a rectangle")
    value = entry["value"]
    if entry.get("image_rotation") or value.get("rotation"):
        raise ValueError("is turned, or drawn on a turned photo: draw an upright rectangle on the upright photo")
    labels: Sequence[str] = value.get("rectanglelabels", [])
    if len(labels) != 1:
        raise ValueError(f"has {len(labels)} labels: must have one; draw a rectangle for each kind")
    kind = kind_named(str(labels[0]))
    x, y, width, height = (float(value[key]) for key in ("x", "y", "width", "height"))
    if not all(map(math.isfinite, (x, y, width, height))):
        raise ValueError("has a side that is no finite number: draw it anew")
    left, top = x / 100 * size[0], y / 100 * size[1]
    right, bottom = (x + width) / 100 * size[0], (y + height) / 100 * size[1]
    return Box(kind=kind, x0=snapped(left), y0=snapped(top), x1=snapped(right), y1=snapped(bottom))

"""Annotations as COCO JSON (instances): written as they come, read one photo at a time.

The file of a large data set does not fit in memory: the writer streams it, and the reader keeps only where in the file
each annotation lies.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from melascope.data.box import KIND_CODES, Box
from melascope.data.rle import Rle, pack, rle_of_polygons, unpack
from melascope.vocabulary import Lesion

__all__ = ["CocoError", "CocoFile", "CocoImage", "CocoWriter"]

_CATEGORIES: Final = [{"id": code, "name": kind.value, "supercategory": "lesion"} for kind, code in KIND_CODES.items()]
_CHUNK: Final = 1 << 22


class CocoError(ValueError):
    """A COCO file, or an annotation in it, that cannot be read."""


@dataclass(frozen=True)
class CocoImage:
    """One photo of a COCO file."""

    file: str
    """COCO's file_name: the photo, below the data set's folder."""
    width: int
    height: int
    photo_id: str | None = None


class CocoWriter:
    """Writes a COCO file photo by photo, whole or not at all. To be used in a `with`.

    Example:
        >>> with CocoWriter(Path("annotations.coco.json")) as coco:  # doctest: +SKIP
        ...     coco.add(CocoImage("photos/a.jpg", 640, 480, "a"), boxes)
    """

    def __init__(self, path: Path, info: Mapping[str, Any] | None = None) -> None:
        """Make `path` once the `with` ends without an error."""
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        self._info = dict(info or {})
        self._images: list[CocoImage] = []
        self._count = 0
        self._stream: IO[str] | None = None

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self._part.open("w", encoding="ascii", newline="\n")
        self._stream.write('{\n"annotations": [')
        return self

    def add(self, image: CocoImage, boxes: Iterable[Box]) -> None:
        """Add a photo and its lesions (none: it is known to show none)."""
        if self._stream is None:
            raise RuntimeError("a CocoWriter writes only within its `with`")
        self._images.append(image)
        for box in boxes:
            self._stream.write("," if self._count else "")
            self._count += 1
            annotation = _annotation(box, self._count, len(self._images), image)
            self._stream.write("\n" + json.dumps(annotation, separators=(",", ":"), allow_nan=False))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is None:
            return
        try:
            if kind is None:
                self._finish(self._stream)
            self._stream.close()
            if kind is None:
                os.replace(self._part, self._path)
        finally:
            self._stream.close()
            self._stream = None
            self._part.unlink(missing_ok=True)

    def _finish(self, stream: IO[str]) -> None:
        stream.write('\n],\n"images": [')
        for number, image in enumerate(self._images, start=1):
            entry = {"id": number, "file_name": image.file, "width": image.width, "height": image.height}
            entry |= {} if image.photo_id is None else {"photo_id": image.photo_id}
            stream.write(("," if number > 1 else "") + "\n" + json.dumps(entry))
        stream.write(f'\n],\n"categories": {json.dumps(_CATEGORIES)},\n"info": {json.dumps(self._info)}\n}}\n')


class CocoFile:
    """A COCO file of which single photos are read. To be used in a `with`, or closed.

    Photos are told by `photo_id` where the file has that, by file name else.
    """

    def __init__(self, path: Path) -> None:
        """Look through the file once.

        Raises:
            CocoError: It is not JSON, or not COCO; the message says where.
        """
        self._path = path
        self._map = _Mapped(path)
        self.images: dict[int, CocoImage] = {}
        self._kinds: dict[int, Lesion] = {}
        self._places: dict[int, array[int]] = {}
        try:
            for key, start, value in self._map.entries():
                self._take(key, start, value)
            if self._places and not self._kinds:
                raise CocoError(f"{path}: has annotations and none of its categories is known: name them {_names()}")
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            self.close()
            if isinstance(error, CocoError):
                raise
            raise CocoError(f"{path}: is not COCO JSON ({type(error).__name__}: {error}); write it anew") from None

    @property
    def unknown(self) -> set[int]:
        """Image ids that annotations name and the file does not hold."""
        return set(self._places) - set(self.images)

    def find(self, photo_id: str, file: str) -> int | None:
        """Id of a photo in this file; None if it is not there."""
        return self._by_id.get(photo_id, self._by_file.get(file, self._by_file.get(file.rpartition("/")[2])))

    def boxes(self, image: int) -> Iterator[Box | CocoError]:
        """Lesions of a photo, in the order of the file; in place of one that cannot be read, why."""
        for start in self._places.get(image, ()):
            try:
                yield self._box(self._map.object_at(start))
            except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
                reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
                yield CocoError(f"an annotation (byte {start}): {reason}")

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, key: str, start: int, value: dict[str, Any]) -> None:
        if key == "annotations":
            self._places.setdefault(int(value["image_id"]), array("q")).append(start)
        elif key == "images":
            number, file = int(value["id"]), str(value["file_name"])
            if number in self.images:
                raise CocoError(f"{self._path}: two images have the id {number}; give every one its own")
            photo_id = value.get("photo_id")
            known = None if photo_id is None else str(photo_id)
            self.images[number] = CocoImage(file, int(value["width"]), int(value["height"]), known)
        elif str(value["name"]).casefold() in tuple(Lesion):
            self._kinds[int(value["id"])] = Lesion(str(value["name"]).casefold())

    @cached_property
    def _by_id(self) -> dict[str, int]:
        return {image.photo_id: number for number, image in self.images.items() if image.photo_id is not None}

    @cached_property
    def _by_file(self) -> dict[str, int]:
        return {image.file: number for number, image in self.images.items()}

    def _box(self, value: dict[str, Any]) -> Box:
        if int(value.get("iscrowd") or 0):
            raise ValueError(
                f"id {value.get('id')} has iscrowd {value['iscrowd']}, and crowds count in predictions.json alone: "
                "draw rectangles around the lesions, or delete the entry"
            )
        kind = self._kinds.get(int(value["category_id"]))
        if kind is None:
            raise ValueError(f"category {value['category_id']} is not one of {_names()}")
        x, y, width, height = (float(number) for number in value["bbox"])
        found = value.get("segmentation")
        mm = value.get("mm")
        area, instance = value.get("area"), value.get("instance")
        return Box(
            kind=kind,
            x0=x,
            y0=y,
            x1=x + width,
            y1=y + height,
            area_px=None if area is None else float(area),
            outline=_outline(found) if found else None,
            instance=None if instance is None else int(instance),
            mm=None if mm is None else {str(k): float(v) for k, v in mm.items()},
        )


class _Mapped:
    """A JSON object on disk whose arrays are gone through without holding them.

    The bytes are taken for Latin-1, in which every byte is one sign: JSON's own signs are ASCII, so that its structure
    and all places stay right; texts are decoded from their bytes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size
        with path.open("rb") as stream:
            self._bytes = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if self._size else b""
        self._decoder = json.JSONDecoder()

    def close(self) -> None:
        if isinstance(self._bytes, mmap.mmap):
            self._bytes.close()

    def entries(self) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """(key, place, object) of the objects in the arrays annotations, images and categories."""
        place = self._expect(3 if self._bytes[:3] == b"\xef\xbb\xbf" else 0, b"{")
        while self._sign(place) != b"}":
            key, place = self._value(place)
            place = self._expect(place, b":")
            if key in {"annotations", "images", "categories"}:
                place = self._expect(place, b"[")
                while self._sign(place) != b"]":
                    start = self._skip(place)
                    value, place = self._value(start)
                    if not isinstance(value, dict):
                        raise CocoError(f"{self._path}: byte {start}: {key} must hold objects; write the file anew")
                    yield key, start, value
                    place = self._comma(place, b"]")
                place = self._expect(place, b"]")
            else:
                _, place = self._value(place)
            place = self._comma(place, b"}")

    def object_at(self, start: int) -> dict[str, Any]:
        value: dict[str, Any] = self._value(start)[0]
        return value

    def _value(self, place: int) -> tuple[Any, int]:
        """The value that begins at a place, and the place after it."""
        place = self._skip(place)
        length = 4096
        while True:
            text = self._bytes[place : place + length].decode("latin-1")
            try:
                _, end = self._decoder.raw_decode(text)
            except json.JSONDecodeError:
                end = -1
            # A number at the end of what was read may go on after it.
            if 0 <= end < len(text) or (end == len(text) and place + length >= self._size):
                return json.loads(self._bytes[place : place + end]), place + end
            if place + length >= self._size:
                raise CocoError(f"{self._path}: byte {place}: is not JSON; the file may be cut off: write it anew")
            length *= 8

    def _skip(self, place: int) -> int:
        while self._bytes[place : place + 1] in {b" ", b"\n", b"\r", b"\t"}:
            place += 1
        return place

    def _sign(self, place: int) -> bytes:
        place = self._skip(place)
        return self._bytes[place : place + 1]

    def _expect(self, place: int, sign: bytes) -> int:
        place = self._skip(place)
        if self._bytes[place : place + 1] != sign:
            found = self._bytes[place : place + 1].decode("latin-1") or "the end of the file"
            raise CocoError(
                f"{self._path}: byte {place}: {found!r} where {sign.decode()!r} must be; write the file anew"
            )
        return place + 1

    def _comma(self, place: int, end: bytes) -> int:
        return place if self._sign(place) == end else self._expect(place, b",")


def _annotation(box: Box, number: int, image_number: int, image: CocoImage) -> dict[str, Any]:
    x0, y0, x1, y1 = (_short(value) for value in box.corners)
    area = (x1 - x0) * (y1 - y0) if box.area_px is None else _short(box.area_px)
    entry: dict[str, Any] = {
        "id": number,
        "image_id": image_number,
        "category_id": KIND_CODES[box.kind],
        "bbox": [x0, y0, _short(x1 - x0), _short(y1 - y0)],
        "area": area,
        "iscrowd": 0,
        "segmentation": [],
    }
    if isinstance(box.outline, Rle):
        if box.outline.size != (image.height, image.width):
            raise ValueError(
                f"{image.file}: outline of a picture of {box.outline.size[::-1]} on one of {image.width} x "
                f"{image.height}: make it from masks of the photo's size"
            )
        entry["segmentation"] = {"size": list(box.outline.size), "counts": pack(box.outline.runs)}
    elif box.outline is not None:
        entry["segmentation"] = [list(polygon) for polygon in box.outline]
    entry |= {} if box.instance is None else {"instance": box.instance}
    return entry | ({} if box.mm is None else {"mm": dict(box.mm)})


def _outline(value: Any) -> Rle | tuple[tuple[float, ...], ...]:
    if isinstance(value, dict):
        height, width = value["size"]
        counts = value["counts"]
        runs = unpack(counts) if isinstance(counts, str) else tuple(int(run) for run in counts)
        return Rle((int(height), int(width)), runs)
    polygons = tuple(tuple(float(number) for number in polygon) for polygon in value)
    if any(len(p) < 6 or len(p) % 2 or not all(map(math.isfinite, p)) for p in polygons):
        raise ValueError("a polygon must be x, y, x, y, x, y ... of three points or more")
    return polygons


def outline_of(box: Box, size: tuple[int, int]) -> Rle | None:
    """The outline of a box as runs, on a picture of (H, W); None if it has none."""
    if box.outline is None or isinstance(box.outline, Rle):
        return box.outline
    return rle_of_polygons(box.outline, size)


def _short(value: float) -> float:
    """Whole numbers without a point."""
    return int(value) if float(value).is_integer() else float(value)


def _names() -> str:
    return ", ".join(Lesion)

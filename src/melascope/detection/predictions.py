"""``predictions.json``: what is true of each photo and what a detector found on it. Every figure follows from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from melascope.data.layout import write_whole
from melascope.severity.predictions import PredictionsError
from melascope.vocabulary import Lesion

__all__ = ["PARTS", "PREDICTIONS", "Found", "Photo", "Predictions", "PredictionsError", "Truth", "read", "write"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
PREDICTIONS: Final = "predictions.json"
PARTS: Final = ("train", "validation", "test")
_WORDS: Final = ("group", "device", "view", "tone_band")
_BEYOND: Final = 1.0
"""Pixels by which a true box may reach beyond the picture: rounding, no more."""


@dataclass(frozen=True)
class Truth:
    """The true lesions of a photo."""

    kinds: Indices
    """(n,) places in `Predictions.classes`."""
    boxes: Floats
    """(n, 4) x0, y0, x1, y1 in pixels of the upright photo."""
    crowd: NDArray[np.bool_]
    """(n,) whether the box holds many that are not told apart (COCO's iscrowd): it neither counts nor blames."""


@dataclass(frozen=True)
class Found:
    """What a detector found on a photo."""

    kinds: Indices
    boxes: Floats
    scores: Floats
    """(n,) 0 to 1, higher for what is surer."""


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One photo with its truth and what was found."""

    photo: str
    """Relative path."""
    patient: str
    part: str
    """train, validation or test."""
    width: int
    height: int
    group: str = ""
    """Of patients who are not independent, such as virtual ones that share a head; empty: each stands alone."""
    device: str = ""
    view: str = ""
    tone_band: str = ""
    truth: Truth
    found: Found


@dataclass(frozen=True)
class Predictions:
    """All photos of a run."""

    classes: tuple[Lesion, ...]
    photos: tuple[Photo, ...]

    def part(self, name: str) -> Predictions:
        """The photos of one part (or of ``all``)."""
        return Predictions(self.classes, tuple(p for p in self.photos if name in {p.part, "all"}))

    def patients(self) -> Indices:
        """(photos,) number of each photo's patient."""
        return np.unique([photo.patient for photo in self.photos], return_inverse=True)[1]

    def clusters(self) -> Indices:
        """(photos,) number of what is drawn for intervals: each photo's group, or else its patient."""
        return np.unique([photo.group or photo.patient for photo in self.photos], return_inverse=True)[1]

    def shown(self) -> NDArray[np.bool_]:
        """(photos, classes) which kinds each photo truly shows."""
        table = np.zeros((len(self.photos), len(self.classes)), dtype=np.bool_)
        for row, photo in enumerate(self.photos):
            table[row, photo.truth.kinds] = True
        return table

    def surest(self) -> Floats:
        """(photos, classes) highest score of each kind on each photo; 0 where none was found."""
        table = np.zeros((len(self.photos), len(self.classes)))
        for row, photo in enumerate(self.photos):
            np.maximum.at(table[row], photo.found.kinds, photo.found.scores)
        return table


def read(path: Path) -> Predictions:
    """Read ``predictions.json``.

    Raises:
        PredictionsError: Everything that is wrong, by photo and object.
    """
    path = Path(path)
    if not path.is_file():
        raise PredictionsError(path, [f"is no file; name a {PREDICTIONS}, or the folder of a run that holds one"])
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise PredictionsError(path, [f"is not JSON in UTF-8 ({error}); predict the photos of the run again"]) from None
    reader = _Reader()
    found = reader.file(content)
    if reader.problems:
        raise PredictionsError(path, reader.problems)
    return found


def write(predictions: Predictions, path: Path) -> None:
    """Write ``predictions.json``, whole or not at all, numbers to their last digit."""
    lines = ",\n".join(json.dumps(_plain(predictions.classes, one), allow_nan=False) for one in predictions.photos)
    classes = json.dumps([kind.value for kind in predictions.classes])
    write_whole(Path(path), f'{{"classes": {classes}, "photos": [\n{lines}\n]}}\n')


def _plain(classes: Sequence[Lesion], one: Photo) -> dict[str, Any]:
    words = {name: getattr(one, name) for name in ("photo", "patient", "part", "width", "height", *_WORDS)}
    truth = [
        {"kind": classes[kind].value, "box": box, **({"crowd": True} if crowd else {})}
        for kind, box, crowd in zip(one.truth.kinds, one.truth.boxes.tolist(), one.truth.crowd, strict=True)
    ]
    found = [
        {"kind": classes[kind].value, "box": box, "score": score}
        for kind, box, score in zip(one.found.kinds, one.found.boxes.tolist(), one.found.scores.tolist(), strict=True)
    ]
    return {**words, "truth": truth, "found": found}


@dataclass
class _Reader:
    """Reads what `json` gives, and gathers what is wrong."""

    problems: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    """Class names to their places."""

    def file(self, content: object) -> Predictions:
        if not isinstance(content, Mapping) or not {"classes", "photos"} <= set(content):
            self.problems.append('must be an object with "classes" and "photos"; predict the photos again')
            return Predictions((), ())
        classes = self._classes(content["classes"])
        photos: list[Photo] = []
        entries = content["photos"]
        if not isinstance(entries, list) or not entries:
            self.problems.append('"photos" must be a list of at least one photo; predict the photos again')
            entries = []
        if not self.problems:
            for number, entry in enumerate(entries, start=1):
                photo = self._photo(number, entry)
                if photo is not None:
                    photos.append(photo)
            self._between(photos)
        return Predictions(classes, tuple(photos))

    def _classes(self, names: object) -> tuple[Lesion, ...]:
        known = [kind.value for kind in Lesion]
        if not isinstance(names, list) or not names or any(name not in known for name in names):
            self.problems.append(f'"classes" is {names!r}: must list kinds of {", ".join(known)}; correct them')
            return ()
        if len(set(names)) < len(names):
            self.problems.append(f'"classes" names a kind twice: {", ".join(names)}; name each once')
        self.numbers = {name: place for place, name in enumerate(names)}
        return tuple(Lesion(name) for name in names)

    def _photo(self, number: int, entry: object) -> Photo | None:
        before = len(self.problems)
        where = f"photo {number}"
        if not isinstance(entry, Mapping):
            self.problems.append(f"{where}: must be an object, is {type(entry).__name__}; predict the photos again")
            return None
        if isinstance(entry.get("photo"), str) and entry["photo"]:
            where = f"photo {number} ({entry['photo']})"
        for name in ("photo", "patient"):
            if not isinstance(entry.get(name), str) or not entry[name]:
                self.problems.append(f'{where}: "{name}" is {entry.get(name)!r}: must be a name; every photo needs one')
        if entry.get("part") not in PARTS:
            self.problems.append(f'{where}: "part" is {entry.get("part")!r}: must be one of {", ".join(PARTS)}')
        size = [entry.get(name) for name in ("width", "height")]
        if not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in size):
            self.problems.append(f"{where}: is {size[0]!r} x {size[1]!r}: must have a width and height in whole pixels")
            size = [0, 0]
        words = {name: entry.get(name) or "" for name in _WORDS}
        for name, word in words.items():
            if not isinstance(word, str):
                self.problems.append(f'{where}: "{name}" is {word!r}: must be text, empty where it is not known')
        truth_kinds, truth_boxes, crowd = self._objects(where, entry, "truth", size)
        kinds, boxes, scores = self._objects(where, entry, "found", size)
        if len(self.problems) > before:
            return None
        return Photo(
            photo=entry["photo"],
            patient=entry["patient"],
            part=entry["part"],
            width=size[0] or 0,
            height=size[1] or 0,
            **words,
            truth=Truth(truth_kinds, truth_boxes, crowd > 0),
            found=Found(kinds, boxes, scores),
        )

    def _objects(
        self, where: str, entry: Mapping[str, Any], key: str, size: Sequence[Any]
    ) -> tuple[Indices, Floats, Floats]:
        """Kinds, boxes, and the scores (or whether they are crowds)."""
        listed = entry.get(key)
        kinds, boxes, last = [], [], []
        if not isinstance(listed, list):
            self.problems.append(f'{where}: "{key}" is {_short(listed)}: must be a list, [] where there is nothing')
            listed = []
        for number, one in enumerate(listed, start=1):
            fault = self._fault(one, key, size)
            if fault:
                self.problems.append(f"{where}, {key} {number}: {fault}")
                continue
            kinds.append(self.numbers[one["kind"]])
            boxes.append([float(value) for value in one["box"]])
            last.append(float(one.get("crowd", False)) if key == "truth" else float(one["score"]))
        return np.array(kinds, dtype=np.intp), np.array(boxes, dtype=np.float64).reshape(-1, 4), np.array(last, float)

    def _fault(self, one: object, key: str, size: Sequence[Any]) -> str:
        """What is wrong with one object; empty if nothing is."""
        if not isinstance(one, Mapping):
            return f"is {_short(one)}: must be an object with kind and box"
        if not isinstance(one.get("kind"), str) or one["kind"] not in self.numbers:
            return f"kind {_short(one.get('kind'))} must be one of the classes {', '.join(self.numbers)}"
        box = one.get("box")
        if not isinstance(box, list) or len(box) != 4 or not all(map(_finite, box)):
            return f"box {_short(box)} must be four numbers x0, y0, x1, y1 in pixels"
        x0, y0, x1, y1 = box
        if key == "found":
            if x1 < x0 or y1 < y0:
                return (
                    f"box {box} is turned round: x0 <= x1 and y0 <= y1 must hold; write corners, not width and height"
                )
            score = one.get("score")
            if not _finite(score) or not 0 <= score <= 1:  # type: ignore[operator]
                return f"score {_short(score)} must be a number from 0 to 1; write probabilities, not logits"
            return ""
        if x1 <= x0 or y1 <= y0:
            return f"box {box} is empty: x0 < x1 and y0 < y1 must hold; write corners, not width and height"
        if size[0] and (min(x0, y0) < -_BEYOND or x1 > size[0] + _BEYOND or y1 > size[1] + _BEYOND):
            return f"box {box} reaches beyond the picture of {size[0]} x {size[1]}: write pixels of the upright photo"
        if not isinstance(one.get("crowd", False), bool):
            return f"crowd {_short(one.get('crowd'))} must be true or false"
        return ""

    def _between(self, photos: Iterable[Photo]) -> None:
        """What is wrong between photos: one twice, a patient or a group in two parts."""
        seen: set[str] = set()
        parts: dict[tuple[str, str], tuple[str, str]] = {}
        for one in photos:
            if one.photo in seen:
                self.problems.append(f"photo {one.photo}: comes twice: keep one of the two")
            seen.add(one.photo)
            for what, name in (("patient", one.patient), ("group", one.group)):
                part, other = parts.setdefault((what, name), (one.part, one.photo))
                if name and part != one.part:
                    self.problems.append(
                        f"photo {one.photo}: its {what} {name!r} is in {one.part} here and in {part} with {other}: "
                        f"a {what} belongs to one part; split anew"
                    )


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _short(value: object) -> str:
    return repr(value)[:60]

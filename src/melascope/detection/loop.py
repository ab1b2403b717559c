"""The human in the loop: who made each box, which photos to review next, and what that saved.

Ding et al. 2022 labelled 4,868 photos by hand, had a network label 7,968, and verified these. Here every box keeps
whether a person drew it, a network made it, or a network made it and a person left or corrected it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from melascope.boxes import overlap
from melascope.data.annotated import Annotated
from melascope.data.box import Box
from melascope.data.layout import write_whole
from melascope.detection.isotonic import Isotonic, isotonic
from melascope.detection.matching import match
from melascope.detection.predictions import Photo, Predictions
from melascope.detection.ranked import ranked
from melascope.vocabulary import Lesion

__all__ = [
    "Entry",
    "Loop",
    "LoopError",
    "Made",
    "Queued",
    "Status",
    "finished",
    "merged",
    "plain_boxes",
    "plain_chances",
    "proposed",
    "queue",
    "read_loop",
    "started",
    "status",
    "write_loop",
]

Floats = NDArray[np.float64]
State = Literal["open", "by hand", "reviewed"]
_STATES: Final = ("open", "by hand", "reviewed")
_SAME: Final = 0.98
"""Overlap from which a reviewed box is the machine's own: a person left it as it was."""
_MOVED: Final = 0.5
"""Overlap from which it is the machine's box, corrected."""
PROPOSED: Final = 0.5
"""Chance of being right from which a network's box is proposed."""
_VERSION: Final = "1.0"


class LoopError(ValueError):
    """The loop's file is damaged, or a review does not fit it; the message says where and what to do."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """One box and who made it."""

    kind: Lesion
    box: tuple[float, float, float, float]
    person: str = ""
    """Who drew, left or corrected it; empty: nobody has looked."""
    model: str = ""
    """Which network proposed it; empty: a person drew it."""
    corrected: bool = False
    """Whether the person moved the network's box or changed its kind."""
    chance: float | None = None
    """Calibrated share of such boxes that are right; of a network's box."""

    @property
    def origin(self) -> str:
        """In words: person; model; model, left by person; model, corrected by person."""
        if not self.model:
            return "person"
        if not self.person:
            return "model"
        return "model, corrected by person" if self.corrected else "model, left by person"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One photo of the loop."""

    photo: str
    patient: str
    width: int
    height: int
    state: State = "open"
    boxes: tuple[Made, ...] = ()
    deleted: int = 0
    """The network's boxes that the person removed."""
    model: str = ""
    """The network that looked at the photo last, even if it found nothing; empty: none has."""


@dataclass(frozen=True)
class Loop:
    """All photos."""

    photos: tuple[Entry, ...]
    rounds: tuple[str, ...] = ()
    """Networks that have proposed boxes, in order."""


@dataclass(frozen=True)
class Queued:
    """One photo that waits for a review."""

    entry: Entry
    uncertainty: float
    """Bits: entropy of the network's boxes, those not proposed included."""
    gain: float
    """Boxes that a review is expected to put right, those of rarer kinds counted more."""


@dataclass(frozen=True)
class Status:
    """Where the loop stands."""

    states: Mapping[str, int]
    """Photos."""
    origins: Mapping[str, int]
    """Boxes of finished photos."""
    deleted: int
    kinds: Mapping[Lesion, int]
    """Boxes of finished photos."""
    actions: int
    """In the reviews: boxes drawn, corrected and deleted."""
    by_hand: int
    """Boxes that would have been drawn had the reviewed photos been labelled by hand."""

    @property
    def saved(self) -> float:
        """Share of the actions that the network saved on the reviewed photos; nan without any."""
        return 1 - self.actions / self.by_hand if self.by_hand else float("nan")


def started(photos: Iterable[tuple[str, str, tuple[int, int], Sequence[Box] | None]], person: str) -> Loop:
    """A loop of photos: those with boxes, or known to show none, are finished by hand; the others are open.

    Args:
        photos: (photo, patient, (W, H), boxes; None where nobody has looked).
        person: Who annotated.
    """
    entries = []
    for photo, patient, (width, height), known in photos:
        boxes = tuple(Made(kind=box.kind, box=box.corners, person=person) for box in known or ())
        state: State = "open" if known is None else "by hand"
        entries.append(Entry(photo=photo, patient=patient, width=width, height=height, state=state, boxes=boxes))
    return Loop(tuple(entries))


def finished(loop: Loop) -> tuple[Annotated, ...]:
    """What people have made or reviewed, for a writer of annotations."""
    return tuple(
        Annotated(entry.photo, (entry.width, entry.height), plain_boxes(entry), entry.photo)
        for entry in loop.photos
        if entry.state != "open"
    )


def plain_boxes(entry: Entry) -> tuple[Box, ...]:
    """A photo's boxes without who made them, within the photo."""
    return tuple(
        Box(kind=one.kind, x0=one.box[0], y0=one.box[1], x1=one.box[2], y1=one.box[3]) for one in _within(entry)
    )


def plain_chances(entry: Entry) -> tuple[float | None, ...]:
    """The chances of `plain_boxes`, one by one."""
    return tuple(one.chance for one in _within(entry))


def _within(entry: Entry) -> list[Made]:
    """A photo's boxes cut at its edges, as they are queued; those beyond it are left out."""
    boxes = []
    for one in entry.boxes:
        x0, y0, x1, y1 = one.box
        x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, entry.width), min(y1, entry.height)
        if x1 > x0 and y1 > y0:
            boxes.append(replace(one, box=(x0, y0, x1, y1)))
    return boxes


def proposed(loop: Loop, predictions: Predictions, model: str) -> Loop:
    """The loop with a network's boxes on the photos that nobody has looked at.

    Boxes are proposed that are more probably right than not, with the share of such boxes that was right on the
    network's validation photos: to delete a box is as much work as to draw one.
    """
    fits = _calibration(predictions)
    known = {photo.photo: photo for photo in predictions.photos}
    entries = []
    for entry in loop.photos:
        photo = known.get(entry.photo)
        if entry.state != "open" or photo is None:
            entries.append(entry)
            continue
        chances = _chances(photo, fits)
        sure = chances >= PROPOSED
        boxes = tuple(
            Made(
                kind=predictions.classes[photo.found.kinds[k]],
                box=tuple(photo.found.boxes[k].tolist()),
                model=model,
                chance=round(float(chances[k]), 4),
            )
            for k in np.flatnonzero(sure)
        )
        entries.append(replace(entry, boxes=boxes, model=model))
    return Loop(tuple(entries), (*loop.rounds, model))


def queue(loop: Loop, predictions: Predictions) -> list[Queued]:
    """The photos that nobody has looked at, those first from whose review most is expected; patients take turns.

    The expected gain of a photo is the number of its boxes that are expected to be wrong: of those proposed, the chance
    that each is false, and of the others the chance that each is a lesion; each weighed by how rare its kind is so far.
    """
    fits = _calibration(predictions)
    known = {photo.photo: photo for photo in predictions.photos}
    rarity = _rarity(loop, predictions.classes)
    found = []
    for entry in loop.photos:
        photo = known.get(entry.photo)
        if entry.state != "open" or photo is None:
            continue
        chances = _chances(photo, fits)
        sure = chances >= PROPOSED
        wrong = np.where(sure, 1 - chances, chances) * rarity[photo.found.kinds]
        found.append(Queued(entry, float(_entropy(chances).sum()), float(wrong.sum())))
    found.sort(key=lambda one: (-one.gain, -one.uncertainty, one.entry.photo))
    turns: Counter[str] = Counter()
    order = []
    for one in found:
        order.append(turns[one.entry.patient])
        turns[one.entry.patient] += 1
    return [found[k] for k in sorted(range(len(found)), key=lambda k: (order[k], k))]


def merged(loop: Loop, reviews: Iterable[Annotated], person: str) -> Loop:
    """The loop with photos that a person has reviewed, each box with who made it.

    Raises:
        LoopError: A photo is not in the loop, is finished already, or was reviewed at another size.
    """
    by_photo = {entry.photo: place for place, entry in enumerate(loop.photos)}
    by_name: dict[str, list[int]] = {}
    for entry in loop.photos:
        by_name.setdefault(entry.photo.rpartition("/")[2], []).append(by_photo[entry.photo])
    entries = list(loop.photos)
    for review in reviews:
        place = by_photo.get(review.photo)
        alike = by_name.get(review.photo.rpartition("/")[2], [])
        if place is None and len(alike) == 1:
            place = alike[0]
        if place is None:
            raise LoopError(f"{review.where}: {review.photo!r} is not in the loop: review photos that it queued")
        entry = entries[place]
        if entry.state != "open":
            raise LoopError(f"{review.where}: {entry.photo} is finished already ({entry.state}): leave it out")
        if review.size is not None and review.size != (entry.width, entry.height):
            raise LoopError(
                f"{review.where}: was reviewed at {review.size[0]} x {review.size[1]}, and the photo is "
                f"{entry.width} x {entry.height}: review the photo itself"
            )
        entries[place] = _reviewed(entry, review.boxes, person)
    return Loop(tuple(entries), loop.rounds)


def status(loop: Loop) -> Status:
    """Count photos, boxes and actions."""
    finished = [entry for entry in loop.photos if entry.state != "open"]
    reviewed = [entry for entry in finished if entry.state == "reviewed"]
    origins = Counter(box.origin for entry in finished for box in entry.boxes)
    in_reviews = [box for entry in reviewed for box in entry.boxes]
    deleted = sum(entry.deleted for entry in reviewed)
    return Status(
        {state: sum(entry.state == state for entry in loop.photos) for state in _STATES},
        dict(origins),
        deleted,
        dict(Counter(box.kind for entry in finished for box in entry.boxes)),
        deleted + sum(not box.model or box.corrected for box in in_reviews),
        len(in_reviews),
    )


def read_loop(path: Path) -> Loop:
    """Read the loop's file.

    Raises:
        LoopError: It is damaged.
    """
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
        if whole["schema_version"].partition(".")[0] != _VERSION.partition(".")[0]:
            raise LoopError(
                f"{path}: schema_version {whole['schema_version']}: this programme reads {_VERSION}; update it"
            )
        return Loop(tuple(map(_entry, whole["photos"])), tuple(map(str, whole["rounds"])))
    except LoopError:
        raise
    except OSError as error:
        raise LoopError(
            f"{path}: cannot be read ({error.strerror}); begin with `melascope lesions annotate queue`"
        ) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LoopError(f"{path}: is damaged ({type(error).__name__}: {error}); restore it from a copy") from None


def write_loop(loop: Loop, path: Path) -> None:
    """Write the loop's file, whole or not at all."""
    photos = ",\n".join(json.dumps(asdict(entry), ensure_ascii=False, allow_nan=False) for entry in loop.photos)
    head = json.dumps({"schema_version": _VERSION, "rounds": list(loop.rounds)})[:-1]
    write_whole(path, f'{head}, "photos": [\n{photos}\n]}}\n')


def _entry(value: Mapping[str, Any]) -> Entry:
    boxes = []
    for one in value["boxes"]:
        x0, y0, x1, y1 = (float(side) for side in one["box"])
        boxes.append(
            Made(
                kind=Lesion(one["kind"]),
                box=(x0, y0, x1, y1),
                person=str(one["person"]),
                model=str(one["model"]),
                corrected=bool(one["corrected"]),
                chance=None if one["chance"] is None else float(one["chance"]),
            )
        )
    if value["state"] not in _STATES:
        raise ValueError(f"state {value['state']!r}")
    names = {name: str(value[name]) for name in ("photo", "patient", "model")}
    sizes = {name: int(value[name]) for name in ("width", "height", "deleted")}
    return Entry(**names, **sizes, state=value["state"], boxes=tuple(boxes))  # type: ignore[arg-type]


def _reviewed(entry: Entry, boxes: Sequence[Box], person: str) -> Entry:
    """A photo after its review: which of the network's boxes were left, corrected, deleted, and which are new."""
    old = _within(entry)
    before = np.array([one.box for one in old], dtype=np.float64).reshape(-1, 4)
    after = np.array([box.corners for box in boxes], dtype=np.float64).reshape(-1, 4)
    after = np.clip(after, 0, [entry.width, entry.height] * 2)
    over = overlap(after, before)
    same_kind = np.array([[box.kind == one.kind for one in old] for box in boxes], dtype=bool).reshape(over.shape)
    # The same kind first; then boxes whose kind was changed.
    taken = match(np.where(same_kind, over, 0.0), _MOVED).taken
    free = np.ones(len(old), dtype=bool)
    free[taken[taken >= 0]] = False
    rest = match(np.where((taken < 0)[:, None] & free[None, :], over, 0.0), _MOVED).taken
    made = []
    for row, box in enumerate(boxes):
        place = int(taken[row] if taken[row] >= 0 else rest[row])
        if place < 0:
            made.append(Made(kind=box.kind, box=box.corners, person=person))
            continue
        left = taken[row] >= 0 and over[row, place] >= _SAME
        made.append(
            Made(
                kind=box.kind,
                box=box.corners,
                person=person,
                model=old[place].model,
                corrected=not left,
                chance=old[place].chance,
            )
        )
    used = int((taken >= 0).sum() + (rest >= 0).sum())
    state: State = "reviewed" if entry.model else "by hand"
    return replace(entry, state=state, boxes=tuple(made), deleted=len(old) - used)


def _calibration(predictions: Predictions) -> list[Isotonic]:
    """Of each kind: the share of boxes that is right, by score, on the validation photos."""
    photos = predictions.part("validation").photos
    fits = []
    for kind in range(len(predictions.classes)):
        found = ranked(photos, kind, (0.5,), most=10**9)
        counts = found.hit[0] | found.alarm[0]
        fits.append(isotonic(found.scores[counts], found.hit[0][counts]))
    return fits


def _chances(photo: Photo, fits: Sequence[Isotonic]) -> Floats:
    chances = np.zeros(len(photo.found.kinds))
    for kind, fit in enumerate(fits):
        own = photo.found.kinds == kind
        chances[own] = fit(photo.found.scores[own])
    return chances


def _rarity(loop: Loop, classes: Sequence[Lesion]) -> Floats:
    """Weight of each kind: 1 on average, more for kinds of which finished photos hold fewer."""
    counts = status(loop).kinds
    shares = np.array([1.0 / np.sqrt(1.0 + counts.get(kind, 0)) for kind in classes])
    return np.asarray(shares / shares.mean())


def _entropy(chances: Floats) -> Floats:
    inside = np.clip(chances, 1e-12, 1 - 1e-12)
    return np.asarray(-(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside)))

"""Reviewing what a network proposed: boxes of a queue, what people make of them, conflicts, and the way back.

A queue comes as the ZIP of `melascope lesions annotate queue --with-photos`, and goes back as the JSON that `melascope
lesions annotate merge` reads: tasks with rectangles in percent, as docs/lesions.md describes them. Reviews are added,
never changed; each names those that it replaces. What nothing replaces holds, and two such that differ are a conflict.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

import cv2
import numpy as np
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from melascope.boxes import overlap
from melascope.clinic.access import Actor, Conflict, Invalid, Right, batch_of, review_photo_of, study_of
from melascope.clinic.assignment import assign
from melascope.clinic.audit import log
from melascope.clinic.database import Database
from melascope.clinic.review_queue import Queued, as_boxes, origin_of
from melascope.clinic.store import FRESH_S, Store, StoreError, Unreadable, digest_of
from melascope.clinic.tables import Removal, Review, ReviewBatch, ReviewPhoto, new_id, now
from melascope.data.label_studio import address_of
from melascope.vocabulary import Lesion

__all__ = [
    "Difference",
    "State",
    "add_batch",
    "batches",
    "delete_batch",
    "differences",
    "draft_of",
    "entered",
    "exported",
    "heads",
    "save",
    "settle",
    "shown",
    "start_of",
    "state_of",
    "version_of_draft",
]

ORIGINAL: Final = "{sha256}.original"
_DISPLAY: Final = "{sha256}.display.jpg"
_LONGEST: Final = 1600
_MOST_BOXES: Final = 300
_LEAST_PX: Final = 2.0
_FAR: Final = 1e9
_SAME_BOX: Final = 0.5
"""Overlap from which two reviewers mean the same lesion."""
Box = dict[str, Any]
"""`kind`, `box` (four numbers) and `source` (number of the proposed box, or None)."""


class State(StrEnum):
    """Where a photograph of a queue stands."""

    OPEN = "open"
    DONE = "done"
    CONFLICT = "conflict"


# ---------------------------------------------------------------- queues


def add_batch(
    database: Database, store: Store, actor: Actor, study_id: str, name: str, queue: Sequence[tuple[Queued, bytes]]
) -> str:
    """Keep a queue with its photographs; returns its identifier.

    The bytes are on the disk before the rows are written, and no transaction waits for the disk. A row that is written
    first has them removed in an hour; it goes when the queue is there.

    Raises:
        Invalid: The name is empty or too long.
        StoreError: A file could not be kept, or all of them took an hour.
    """
    called = " ".join(name.split())
    if not 1 <= len(called) <= 120:
        raise Invalid("error.name_length", "name", longest=120)
    batch_id, digests = new_id(), [digest_of(data) for _, data in queue]
    with database.writing() as db:
        study_of(db, actor, study_id, Right.WRITE)
        ahead = now() + timedelta(seconds=FRESH_S)
        db.add(Removal(patient=batch_id, since=ahead, due=ahead))
    for sha256, (_, data) in zip(digests, queue, strict=True):
        store.put(batch_id, ORIGINAL.format(sha256=sha256), data)
    with database.writing() as db:
        study = study_of(db, actor, study_id, Right.WRITE)
        removal = db.scalar(select(Removal).where(Removal.patient == batch_id).with_for_update())
        if removal is None or removal.since <= now():  # the files may be gone
            raise StoreError("the store took too long for this queue; take in a smaller one")
        db.delete(removal)
        batch = ReviewBatch(id=batch_id, study_id=study.id, name=called, created_by=actor.id)
        db.add(batch)
        db.flush()
        db.add_all(
            ReviewPhoto(
                batch_id=batch.id,
                place=place,
                name=one.name,
                width=one.width,
                height=one.height,
                sha256=sha256,
                model=one.model,
                notes=dict(one.notes),
                proposed={"boxes": list(one.boxes)},
            )
            for place, (sha256, (one, _)) in enumerate(zip(digests, queue, strict=True), start=1)
        )
        log(db, actor.id, "review.import", batch, photos=len(queue))
    return batch_id


def batches(db: Session, actor: Actor) -> list[ReviewBatch]:
    """All queues that the caller may see, the latest first."""
    wanted = select(ReviewBatch).where(ReviewBatch.study_id.in_(list(actor.roles)))
    return list(db.scalars(wanted.order_by(ReviewBatch.created.desc(), ReviewBatch.id)))


def delete_batch(db: Session, actor: Actor, batch_id: str) -> None:
    """Delete a queue with its reviews; the caller calls `removals.carry_out` when the transaction is kept."""
    batch = batch_of(db, actor, batch_id, Right.DELETE)
    log(db, actor.id, "review.delete", batch)
    db.flush()
    db.delete(batch)
    db.add(Removal(patient=batch_id))


def shown(store: Store, photo: ReviewPhoto) -> bytes:
    """The photograph upright and small enough for a screen, as JPEG without any metadata; made when first asked for.

    Raises:
        Invalid: It cannot be decoded, or has another size than the queue says.
    """
    name = _DISPLAY.format(sha256=photo.sha256)
    try:
        return store.get(photo.batch_id, name)
    except Unreadable:
        from melascope.photo import PhotoRefused, read_photo
        from melascope.report.html import jpeg

        try:
            pixels = read_photo(store.get(photo.batch_id, ORIGINAL.format(sha256=photo.sha256)), "photo").pixels
        except PhotoRefused:
            raise Invalid("error.file_damaged") from None
        height, width = pixels.shape[:2]
        if (width, height) != (photo.width, photo.height):
            raise Invalid("error.review_size", place=photo.place) from None
        scale = min(1.0, _LONGEST / max(height, width))
        if scale < 1:
            small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            pixels = np.asarray(small, np.uint8)
        data = jpeg(pixels, 88)
        store.put(photo.batch_id, name, data)
        return data


# ---------------------------------------------------------------- what holds


def heads(photo: ReviewPhoto) -> list[Review]:
    """Finished reviews that no later one replaces, one of those that agree."""
    done = [row for row in photo.reviews if row.done]
    replaced = {number for row in done for number in row.based["reviews"]}
    left: list[Review] = []
    for row in done:
        if row.id not in replaced and not any(_agree(row.made["boxes"], other.made["boxes"]) for other in left):
            left.append(row)
    return left


def state_of(photo: ReviewPhoto) -> State:
    """Open, done, or reviewed in two ways."""
    return (State.OPEN, State.DONE, State.CONFLICT)[min(2, len(heads(photo)))]


def draft_of(photo: ReviewPhoto, actor: Actor) -> Review | None:
    """What the caller put aside, unless a finished review of theirs came later."""
    own = [row for row in photo.reviews if row.by == actor.id]
    return own[-1] if own and not own[-1].done else None


def version_of_draft(photo: ReviewPhoto, actor: Actor) -> str:
    """What tells the caller's draft from another one: a digest of what it says; empty if there is none."""
    draft = draft_of(photo, actor)
    if draft is None:
        return ""
    return hashlib.sha256(json.dumps([draft.made, draft.based], sort_keys=True).encode()).hexdigest()[:32]


def start_of(photo: ReviewPhoto, actor: Actor) -> tuple[list[Box], list[int]]:
    """The boxes that the caller begins with, and the reviews that these are based on."""
    draft = draft_of(photo, actor)
    if draft is not None:
        return draft.made["boxes"], draft.based["reviews"]
    for row in reversed(heads(photo)):
        return row.made["boxes"], [row.id]
    return [{"kind": b["kind"], "box": b["box"], "source": n} for n, b in enumerate(photo.proposed["boxes"])], []


def save(
    db: Session, actor: Actor, photo_id: str, raw: str, based: Sequence[int], *, done: bool, draft: str | None = None
) -> tuple[ReviewPhoto, State]:
    """Keep what the caller made of a photograph.

    Args:
        db: A writing transaction.
        actor: Needs the right to correct.
        photo_id: The photograph of a queue.
        raw: JSON list of boxes.
        based: Reviews that the caller saw and replaces. Others that were finished meanwhile stay beside this one.
        done: False puts it aside.
        draft: `version_of_draft` as the caller saw it; None replaces whatever draft of the caller's there is.

    Raises:
        Conflict: The caller put something else aside since, in another window.
        Invalid: A box is outside of the photograph, too small, there twice, or of no known kind.
    """
    photo = review_photo_of(db, actor, photo_id, Right.CORRECT)
    boxes = entered(photo, raw)
    db.get_one(ReviewPhoto, photo.id, with_for_update=True)  # of two windows one waits for the other
    db.expire(photo, ["reviews"])
    aside = draft_of(photo, actor)
    known_draft = aside is None or draft is None or draft == version_of_draft(photo, actor)
    if aside is not None and not known_draft and not _agree(aside.made["boxes"], boxes):
        raise Conflict
    known = {row.id: row.made["boxes"] for row in photo.reviews if row.done}
    if not set(based) <= set(known):
        raise Invalid("error.version")
    # Who changes what one person said changes what others said who said the same.
    based = sorted(number for number, said in known.items() if any(_agree(said, known[one]) for one in set(based)))
    db.execute(delete(Review).where(Review.photo_id == photo.id, Review.by == actor.id, Review.done.is_(False)))
    db.expire(photo, ["reviews"])
    now_held = heads(photo)
    if done and len(now_held) == 1 and now_held[0].id in based and _agree(now_held[0].made["boxes"], boxes):
        return photo, State.DONE  # looked at once more, and left as it was
    made, seen = {"boxes": boxes}, {"reviews": list(based)}
    db.add(Review(photo_id=photo.id, by=actor.id, done=done, based=seen, made=made, at=now()))
    log(db, actor.id, "review.done" if done else "review.draft", photo)
    db.flush()
    db.expire(photo, ["reviews"])
    return photo, state_of(photo)


def _agree(one: Sequence[Box], other: Sequence[Box]) -> bool:
    def plain(boxes: Sequence[Box]) -> list[tuple[Any, ...]]:
        return sorted((box["kind"], *(round(side, 2) for side in box["box"])) for box in boxes)

    return plain(one) == plain(other)


def entered(photo: ReviewPhoto, raw: str) -> list[Box]:
    """The boxes of a form, within the photograph.

    Raises:
        Invalid: One of them cannot be taken.
    """
    try:
        listed = json.loads(raw)
    except (ValueError, RecursionError):
        raise Invalid("error.version") from None
    if not isinstance(listed, list):
        raise Invalid("error.version")
    if len(listed) > _MOST_BOXES:
        raise Invalid("error.boxes_many", most=_MOST_BOXES)
    boxes, sources, places = [], set[int](), set[tuple[Any, ...]]()
    for one in listed:
        if not isinstance(one, dict) or one.get("kind") not in [kind.value for kind in Lesion]:
            raise Invalid("error.review_kind")
        corners = _corners(one.get("box"), photo)
        source = one.get("source")
        number = isinstance(source, int) and not isinstance(source, bool)
        if source is not None and not (number and 0 <= source < len(photo.proposed["boxes"]) and source not in sources):
            raise Invalid("error.version")
        if source is not None:
            sources.add(source)
        if (one["kind"], *corners) in places:
            raise Invalid("error.review_twice")
        places.add((one["kind"], *corners))
        boxes.append({"kind": one["kind"], "box": corners, "source": source})
    return boxes


def _corners(raw: Any, photo: ReviewPhoto) -> list[float]:
    fine = isinstance(raw, list) and len(raw) == 4
    if not fine or not all(isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) < _FAR for v in raw):
        raise Invalid("error.review_box", least=int(_LEAST_PX))
    x0, x1 = (min(max(float(value), 0.0), float(photo.width)) for value in (raw[0], raw[2]))
    y0, y1 = (min(max(float(value), 0.0), float(photo.height)) for value in (raw[1], raw[3]))
    if x1 - x0 < _LEAST_PX or y1 - y0 < _LEAST_PX:
        raise Invalid("error.review_box", least=int(_LEAST_PX))
    return [x0, y0, x1, y1]


# ---------------------------------------------------------------- conflicts


@dataclass(frozen=True)
class Difference:
    """One lesion of which two reviews say different things."""

    first: Box | None
    """None: the first review has none there."""
    second: Box | None


def differences(one: Sequence[Box], other: Sequence[Box]) -> tuple[list[Box], list[Difference]]:
    """The boxes on which two reviews agree, and those on which they do not."""
    shared = overlap(as_boxes(one), as_boxes(other))
    same = np.array([[first["kind"] == second["kind"] for second in other] for first in one], np.bool_).reshape(
        shared.shape
    )
    gains = np.where(shared >= _SAME_BOX, shared + same, 0.0)
    alike: list[Box] = []
    apart: list[Difference] = []
    pairs = dict(assign(gains))
    for i, first in enumerate(one):
        partner = other[pairs[i]] if i in pairs else None
        if partner is not None and _agree([first], [partner]):
            alike.append(first)
        else:
            apart.append(Difference(first, partner))
    apart += [Difference(None, second) for j, second in enumerate(other) if j not in pairs.values()]
    return alike, apart


def settle(db: Session, actor: Actor, photo_id: str, based: Sequence[int], form: Mapping[str, str]) -> State:
    """End a conflict: of each difference ``d0``, ``d1`` ... the ``first`` or the ``second`` review holds.

    Raises:
        Invalid: A difference was left open, or the two reviews are not those that conflict now.
    """
    photo = review_photo_of(db, actor, photo_id, Right.CORRECT)
    held = heads(photo)[:2]
    if len(held) < 2 or [row.id for row in held] != list(based):
        raise Invalid("error.review_settled")
    boxes, apart = differences(held[0].made["boxes"], held[1].made["boxes"])
    chosen = list(boxes)
    for number, one in enumerate(apart):
        match form.get(f"d{number}"):
            case "first":
                box = one.first
            case "second":
                box = one.second
            case _:
                raise Invalid("error.review_open", f"d{number}")
        if box is not None:
            chosen.append(box)
    used = set[int]()
    for place, box in enumerate(chosen):  # of two boxes from one proposal the first keeps it
        if box["source"] in used:
            chosen[place] = {**box, "source": None}
        elif box["source"] is not None:
            used.add(box["source"])
    return save(db, actor, photo_id, json.dumps(chosen), list(based), done=True)[1]


# ---------------------------------------------------------------- the way back


def exported(batch: ReviewBatch, user_id: str) -> list[dict[str, Any]]:
    """What one person reviewed, as tasks that `melascope lesions annotate merge` reads; conflicts are left out."""
    tasks = []
    for photo in batch.photos:
        held = heads(photo)
        if len(held) != 1 or held[0].by != user_id:
            continue
        size = photo.width, photo.height
        result = [
            {
                "id": f"box{number}",
                "type": "rectanglelabels",
                "from_name": "label",
                "to_name": "image",
                "original_width": photo.width,
                "original_height": photo.height,
                "image_rotation": 0,
                "value": _percent(box, *size),
                "meta": {"made_by": origin_of(box, photo.proposed["boxes"]).value},
            }
            for number, box in enumerate(held[0].made["boxes"], start=1)
        ]
        annotation = {"completed_by": {"username": held[0].user.name}, "result": result}
        data = {"image": address_of(photo.name), "width": photo.width, "height": photo.height}
        tasks.append({"id": photo.place, "data": data, "annotations": [annotation]})
    return tasks


def _percent(box: Box, width: int, height: int) -> dict[str, Any]:
    x0, y0, x1, y1 = box["box"]
    sides = {"x": x0 / width, "y": y0 / height, "width": (x1 - x0) / width, "height": (y1 - y0) / height}
    return {**{name: 100 * side for name, side in sides.items()}, "rotation": 0, "rectanglelabels": [box["kind"]]}

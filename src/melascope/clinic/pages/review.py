"""Reviewing what a network proposed: queues, one photograph after the other, conflicts, the way back."""

from __future__ import annotations

import json

from starlette.responses import JSONResponse, Response

from melascope.clinic import removals, review
from melascope.clinic.access import Invalid, Right, batch_of, review_photo_of, study_of
from melascope.clinic.desk import Desk, Pages
from melascope.clinic.review import State
from melascope.clinic.review_queue import read_queue
from melascope.clinic.tables import ReviewPhoto, Study
from melascope.vocabulary import Lesion

__all__ = ["pages"]

pages = Pages()
_WORDS = ("by_model", "by_left", "by_corrected", "by_person")
"""Who made a box."""


@pages.get("/reviews")
def listing(desk: Desk) -> Response:
    """All queues, and the form that takes one in."""
    found = review.batches(desk.db, desk.actor)
    studies = [desk.db.get_one(Study, key) for key in desk.actor.roles if desk.actor.may(Right.WRITE, key)]
    return desk.page(
        "reviews.html",
        batches=[(batch, _counts(batch.photos)) for batch in found],
        studies=sorted(studies, key=lambda study: study.name.casefold()),
    )


def _counts(photos: list[ReviewPhoto]) -> dict[str, int]:
    states = [review.state_of(photo) for photo in photos]
    return {state.value: states.count(state) for state in State}


@pages.post("/reviews", again=listing, own=True)
def add(desk: Desk) -> Response:
    """Take a queue in."""
    study = desk.form.get("study", "")
    with desk.clinic.database.reading() as db:
        study_of(db, desk.actor, study, Right.WRITE)
    uploads = desk.files.get("file", [])
    if not uploads or not uploads[0].filename:
        raise Invalid("error.review_file", "file")
    queue = list(read_queue(uploads[0].file.read(), desk.clinic.settings))
    clinic = desk.clinic
    batch = review.add_batch(clinic.database, clinic.store, desk.actor, study, desk.form.get("name", ""), queue)
    return desk.go(f"/reviews/{batch}")


@pages.get("/reviews/{batch}")
def show(desk: Desk) -> Response:
    """One queue: where its photographs stand, and who reviewed them."""
    batch = batch_of(desk.db, desk.actor, desk.path("batch"), Right.VIEW)
    desk.see("review.view", batch)
    rows = [(photo, review.state_of(photo), review.heads(photo)) for photo in batch.photos]
    made = [held[0] for _, state, held in rows if state is State.DONE]
    names = {row.by: row.user.name for row in made}
    people = {user: (name, sum(row.by == user for row in made)) for user, name in names.items()}
    return desk.page(
        "review_batch.html",
        batch=batch,
        rows=rows,
        counts=_counts(batch.photos),
        people=people,
        first=next((photo for photo, state, _ in rows if state is not State.DONE), None),
    )


@pages.get("/reviews/{batch}/export.json")
def export(desk: Desk) -> Response:
    """What one person reviewed, for `melascope lesions annotate merge`."""
    batch = batch_of(desk.db, desk.actor, desk.path("batch"), Right.EXPORT)
    desk.see("review.export", batch)
    headers = {"content-disposition": f'attachment; filename="reviewed-{batch.id[:8]}.json"'}
    return JSONResponse(review.exported(batch, desk.query("by")), headers=headers)


@pages.post("/reviews/{batch}/delete", own=True)
def delete(desk: Desk) -> Response:
    """Delete rows, then files."""
    with desk.clinic.database.writing() as db:
        review.delete_batch(db, desk.actor, desk.path("batch"))
    removals.carry_out(desk.clinic.database, desk.clinic.store)
    return desk.go("/reviews")


# ---------------------------------------------------------------- one photograph


@pages.get("/review-photos/{item}")
def photograph(desk: Desk) -> Response:
    """One photograph with its boxes, to be accepted, moved, renamed, deleted, drawn."""
    photo = review_photo_of(desk.db, desk.actor, desk.path("item"), Right.VIEW)
    desk.see("review.photo", photo)
    before, after = _neighbours(photo)
    boxes, based = review.start_of(photo, desk.actor)
    entered = desk.form.get("boxes", "") if desk.error is not None else ""
    proposed = photo.proposed["boxes"]
    return desk.page(
        "review_photo.html",
        photo=photo,
        batch=photo.batch,
        before=before,
        after=after,
        state=review.state_of(photo),
        draft=review.draft_of(photo, desk.actor),
        boxes=entered or json.dumps(boxes),
        version_of_draft=desk.form.get("draft", "") if entered else review.version_of_draft(photo, desk.actor),
        based=desk.form.get("based", "") if entered else ",".join(map(str, based)),
        proposed=json.dumps(proposed),
        kinds=list(Lesion),
        names=json.dumps({kind.value: desk.language(f"lesion.{kind.value}") for kind in Lesion}),
        words=json.dumps({name: desk.language(f"review.{name}") for name in _WORDS}),
        may_review=desk.actor.may(Right.CORRECT, photo.batch.study_id),
        total=len(photo.batch.photos),
        finished=_counts(photo.batch.photos)[State.DONE.value],
    )


def _neighbours(photo: ReviewPhoto) -> tuple[ReviewPhoto | None, ReviewPhoto | None]:
    around = photo.batch.photos
    at = next(place for place, other in enumerate(around) if other.id == photo.id)
    return around[at - 1] if at else None, around[at + 1] if at + 1 < len(around) else None


@pages.get("/review-photos/{item}/display.jpg")
def picture(desk: Desk) -> Response:
    """The photograph for the screen, without any of the file's metadata."""
    photo = review_photo_of(desk.db, desk.actor, desk.path("item"), Right.VIEW)
    desk.see("review.picture", photo)
    return Response(review.shown(desk.clinic.store, photo), media_type="image/jpeg")


def two_windows(desk: Desk) -> Response:
    """What was sent beside what the caller put aside in another window."""
    photo = review_photo_of(desk.db, desk.actor, desk.path("item"), Right.CORRECT)
    desk.see("review.photo", photo)
    draft = review.draft_of(photo, desk.actor)
    alike, apart = review.differences(
        review.entered(photo, desk.form.get("boxes", "")), draft.made["boxes"] if draft is not None else []
    )
    return desk.page(
        "review_windows.html",
        409,
        photo=photo,
        batch=photo.batch,
        alike=alike,
        apart=apart,
        version_of_draft=review.version_of_draft(photo, desk.actor),
        sent={name: desk.form.get(name, "") for name in ("boxes", "based", "deed", "to")},
    )


@pages.post("/review-photos/{item}", again=photograph, conflict=two_windows)
def save(desk: Desk) -> Response:
    """Keep a review, or put it aside, and go on."""
    review_photo_of(desk.db, desk.actor, desk.path("item"), Right.CORRECT)
    done = desk.form.get("deed") != "aside"
    boxes, draft = desk.form.get("boxes", ""), desk.form.get("draft", "")
    photo, state = review.save(desk.db, desk.actor, desk.path("item"), boxes, _numbers(desk), done=done, draft=draft)
    if done and state is State.CONFLICT:
        return desk.go(f"/review-photos/{photo.id}/conflict")
    before, after = _neighbours(photo)
    to = before if desk.form.get("to") == "previous" else after
    return desk.go(f"/reviews/{photo.batch_id}" if to is None else f"/review-photos/{to.id}")


def _numbers(desk: Desk) -> list[int]:
    """Identifiers of the reviews that a form was made from."""
    parts = [part for part in desk.form.get("based", "").split(",") if part]
    if not all(part.isdecimal() and len(part) < 16 for part in parts) or len(parts) > 50:
        raise Invalid("error.version")
    return [int(part) for part in parts]


@pages.get("/review-photos/{item}/conflict")
def conflict(desk: Desk) -> Response:
    """Two reviews of one photograph beside each other; of each difference one of them is chosen."""
    photo = review_photo_of(desk.db, desk.actor, desk.path("item"), Right.VIEW)
    held = review.heads(photo)
    if len(held) < 2:
        return desk.go(f"/review-photos/{photo.id}")
    desk.see("review.photo", photo)
    alike, apart = review.differences(held[0].made["boxes"], held[1].made["boxes"])
    return desk.page(
        "review_conflict.html",
        photo=photo,
        batch=photo.batch,
        one=held[0],
        other=held[1],
        more=len(held) - 2,
        alike=alike,
        apart=apart,
        may_review=desk.actor.may(Right.CORRECT, photo.batch.study_id),
    )


@pages.post("/review-photos/{item}/conflict", again=conflict)
def settle(desk: Desk) -> Response:
    """End a conflict."""
    photo = review_photo_of(desk.db, desk.actor, desk.path("item"), Right.CORRECT)
    if review.settle(desk.db, desk.actor, photo.id, _numbers(desk), desk.form) is State.CONFLICT:
        return desk.go(f"/review-photos/{photo.id}/conflict")
    return desk.go(f"/reviews/{photo.batch_id}")

"""Photographs: taking one in, and what can be said of a file before it is measured."""

from __future__ import annotations

from io import BytesIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from melascope.clinic import removals
from melascope.clinic.access import Actor, Invalid, Right, photo_of, visit_of
from melascope.clinic.audit import log
from melascope.clinic.database import Database
from melascope.clinic.settings import Settings
from melascope.clinic.store import Store, digest_of
from melascope.clinic.tables import Job, JobState, Patient, Photo, PhotoView, Removal, now

__all__ = ["ORIGINAL", "add_photo", "check_file", "delete_photo", "queue_again", "view_of"]

ORIGINAL = "{sha256}.original"
"""Name of a photograph's bytes in the store."""


def check_file(data: bytes, settings: Settings) -> None:
    """Refuse what cannot be a photograph, from its header alone: nothing is decoded here.

    Raises:
        Invalid: Too large, no picture of a known format, or too many pixels to decode.
    """
    from melascope.photo.formats import ACCEPTED, format_of, webp_size

    if not data:
        raise Invalid("error.file_empty", "photos")
    if len(data) > settings.upload_mb * 1_000_000:
        raise Invalid("error.file_large", "photos", size=round(len(data) / 1e6), most=settings.upload_mb)
    kind = format_of(data)
    if kind is None:
        raise Invalid("error.file_format", "photos", accepted=ACCEPTED)
    try:
        width, height = webp_size(data) if kind.name == "WebP" else kind.open(BytesIO(data)).size
    except Exception:  # noqa: BLE001 - decoders fail on damaged files in every way there is
        raise Invalid("error.file_damaged", "photos") from None
    if width * height > settings.megapixels * 1e6:
        raise Invalid("error.file_pixels", "photos", size=round(width * height / 1e6), most=settings.megapixels)


def add_photo(
    database: Database, actor: Actor, store: Store, visit_id: str, view: PhotoView, data: bytes
) -> tuple[str, bool]:
    """Keep a photograph and queue its analysis; the same bytes twice in a visit are one photograph.

    The bytes are on the disk before the row is written, and no transaction waits for the disk, but one: where the same
    bytes are just being deleted they are written once more while their removal waits for the patient's row. What a file
    is called is not kept: names of files name people.

    Returns:
        The photograph's identifier, and whether it is new.
    """
    sha256 = digest_of(data)
    name = ORIGINAL.format(sha256=sha256)
    with database.reading() as db:
        patient_id = visit_of(db, actor, visit_id, Right.WRITE).patient_id
        removed = removals.named(db, patient_id, name)
    store.put(patient_id, name, data)
    with database.writing() as db:
        db.get(Patient, patient_id, with_for_update=True)  # a removal that is under way comes to its end
        visit = visit_of(db, actor, visit_id, Right.WRITE)
        known = db.scalar(select(Photo).where(Photo.visit_id == visit.id, Photo.sha256 == sha256))
        if known is not None:
            return known.id, False
        if removed or removals.named(db, patient_id, name):
            store.put(patient_id, name, data)
        photo = Photo(visit_id=visit.id, view=view, sha256=sha256, size=len(data), added_by=actor.id)
        db.add(photo)
        db.flush()
        db.add(Job(photo_id=photo.id))
        log(db, actor.id, "photo.add", photo)
        return photo.id, True


def delete_photo(db: Session, actor: Actor, photo_id: str) -> None:
    """Delete a photograph with its analysis and corrections.

    The files go when the transaction is kept: the caller then calls `removals.carry_out`.
    """
    photo = photo_of(db, actor, photo_id, Right.DELETE)
    patient = photo.visit.patient_id
    db.add(Removal(patient=patient, prefix=f"{photo.id}."))  # its pictures, whatever there is
    db.add(Removal(patient=patient, prefix=ORIGINAL.format(sha256=photo.sha256)))  # if no other one needs it then
    photo.visit.changed, photo.visit.changed_by = now(), actor.id  # it says less than before
    log(db, actor.id, "photo.delete", photo)
    db.flush()
    db.delete(photo)


def queue_again(db: Session, actor: Actor, photo_id: str) -> Photo:
    """Analyse a photograph once more whose analysis failed."""
    photo = photo_of(db, actor, photo_id, Right.WRITE)
    job = photo.job
    if job is not None and job.state is JobState.FAILED:
        job.state, job.attempts, job.failures, job.queued, job.error = JobState.QUEUED, 0, 0, now(), ""
        log(db, actor.id, "photo.again", photo)
    return photo


def view_of(raw: str) -> PhotoView:
    """The view that a form names."""
    try:
        return PhotoView(raw)
    except ValueError:
        raise Invalid("error.choice", "view", value=raw[:40]) from None

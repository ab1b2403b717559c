"""A visit: its photographs, day, note and make-up, signature."""

from __future__ import annotations

from sqlalchemy.exc import OperationalError
from starlette.datastructures import UploadFile
from starlette.responses import Response

from melascope.clinic import logs, photos, visits
from melascope.clinic.access import Invalid, Right, visit_of
from melascope.clinic.corrections import read
from melascope.clinic.desk import Desk, Pages
from melascope.clinic.patients import version_of
from melascope.clinic.store import StoreError
from melascope.clinic.tables import JobState, PhotoView, User

__all__ = ["pages"]

pages = Pages()


@pages.get("/visits/{visit}")
def show(desk: Desk) -> Response:
    """One visit."""
    return _page(desk, None)


def conflict(desk: Desk) -> Response:
    """What was entered beside what is stored by now."""
    response = _page(desk, "conflict")
    response.status_code = 409
    return response


def _page(desk: Desk, state: str | None) -> Response:
    visit = visit_of(desk.db, desk.actor, desk.path("visit"), Right.VIEW)
    desk.see("visit.view", visit)
    holds, former = visits.valid_signatures(visit)
    stored = {"day": visit.day.isoformat(), "note": visit.note, "make_up": visit.make_up or ""}
    waiting = [p for p in visit.photos if p.job is not None and p.job.state in (JobState.QUEUED, JobState.RUNNING)]
    return desk.page(
        "visit.html",
        visit=visit,
        patient=visit.patient,
        readings={photo.id: read(photo) for photo in visit.photos},
        views=list(PhotoView),
        holds=holds,
        former=former,
        content=visits.content_digest(visit),
        values=desk.form if "note" in desk.form else stored,
        conflict=stored if state else None,
        changed_by=desk.db.get_one(User, visit.changed_by).name,
        version=visit.version if state or "note" not in desk.form else desk.form.get("version", ""),
        waiting=bool(waiting),
        limit_mb=desk.clinic.settings.upload_mb,
    )


@pages.post("/visits/{visit}/edit", again=show, conflict=conflict)
def change(desk: Desk) -> Response:
    """Keep day, note and make-up."""
    visit_of(desk.db, desk.actor, desk.path("visit"), Right.WRITE)
    version = version_of(desk.form.get("version", ""))
    visit = visits.change_visit(desk.db, desk.actor, desk.path("visit"), version, desk.form)
    return desk.go(f"/visits/{visit.id}")


@pages.post("/visits/{visit}/photos", again=show, own=True)
def upload(desk: Desk) -> Response:
    """Keep photographs: one field a view, each may hold several files. All are looked at before the first is kept."""
    clinic, visit = desk.clinic, desk.path("visit")
    with clinic.database.reading() as db:
        visit_of(db, desk.actor, visit, Right.WRITE)
    sent = _sent(desk)
    for kept, (view, file) in enumerate(sent):
        try:
            photos.add_photo(clinic.database, desk.actor, clinic.store, visit, view, file.file.read())
        except (StoreError, OperationalError):
            if not kept:
                raise
            logs.failure("upload")
            text = desk.language("error.store_some", kept=kept, count=len(sent))
            return desk.page("message.html", 507, title="error.store_some_title", text=text)
        clinic.runner.wake()
    return desk.go(f"/visits/{visit}#photos")


def _sent(desk: Desk) -> list[tuple[PhotoView, UploadFile]]:
    """The files of the form, each with its view.

    Raises:
        Invalid: There is none, or one of them cannot be taken.
    """
    sent = []
    for name, files in desk.files.items():
        view = photos.view_of(desk.form.get("view", "") if name == "photos" else name)
        sent += [(view, file) for file in files if file.filename or file.size]  # others are fields left empty
    if not sent:
        raise Invalid("error.no_file", "photos")
    for _, file in sent:
        photos.check_file(file.file.read(), desk.clinic.settings)
        file.file.seek(0)
    return sent


@pages.post("/visits/{visit}/sign")
def sign(desk: Desk) -> Response:
    """Sign what was seen."""
    visits.sign_visit(desk.db, desk.actor, desk.path("visit"), desk.form.get("content", ""))
    return desk.go(f"/visits/{desk.path('visit')}#signature")

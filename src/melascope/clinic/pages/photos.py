"""A photograph: its result, its pictures, corrections, reports."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from melascope.clinic import photos, removals
from melascope.clinic.access import Invalid, NotFound, Right, photo_of
from melascope.clinic.corrections import Change, Reading, correct, read, scores_of
from melascope.clinic.desk import Desk, Pages
from melascope.clinic.handover import statement_of
from melascope.clinic.patients import version_of
from melascope.clinic.pictures import LAYERS
from melascope.clinic.tables import JobState, Photo, User
from melascope.report.html import render
from melascope.report.palette import REGIONS, to_hex
from melascope.report.words import title
from melascope.vocabulary import MASI_REGIONS, MONK_TONES, MOST_LESIONS, Lesion

__all__ = ["pages"]

pages = Pages()
_PICTURES = {"display.jpg", "thumb.jpg", *(f"{layer}.png" for layer in LAYERS)}
_REPORT = ("overlay.jpg", "maps.jpg", "relevance.jpg")
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""The report is one file with its styles inside; it holds no script and asks for nothing."""


@pages.get("/photos/{photo}")
def show(desk: Desk) -> Response:
    """The result of one photograph, and the forms to correct it."""
    return _page(desk, None)


def conflict(desk: Desk) -> Response:
    """What was entered beside what is stored by now."""
    photo = photo_of(desk.db, desk.actor, desk.path("photo"), Right.VIEW)
    reading = read(photo)
    assert reading is not None
    desk.see("photo.view", photo)
    who = desk.db.get(User, photo.corrected_by) if photo.corrected_by else None
    entered = {key: value for key, value in desk.form.items() if key not in ("csrf", "version")}
    return desk.page(
        "photo_conflict.html",
        409,
        photo=photo,
        visit=photo.visit,
        reading=reading,
        patient=photo.visit.patient,
        who=who.name if who else "",
        entered_fields=entered,
        scores="forehead.area" in entered,
        regions=MASI_REGIONS,
        kinds=list(Lesion),
    )


def _page(desk: Desk, problem: str | None) -> Response:
    photo = photo_of(desk.db, desk.actor, desk.path("photo"), Right.VIEW)
    desk.see("photo.view", photo)
    reading = read(photo)
    siblings = photo.visit.photos
    at = next(index for index, other in enumerate(siblings) if other.id == photo.id)
    files = {} if photo.analysed is None else photo.analysed.pictures["files"]
    return desk.page(
        "photo.html",
        photo=photo,
        visit=photo.visit,
        patient=photo.visit.patient,
        reading=reading,
        job=photo.job,
        waiting=photo.job is not None and photo.job.state in (JobState.QUEUED, JobState.RUNNING),
        layers=[layer for layer in LAYERS if f"{layer}.png" in files],
        shown="display.jpg" in files,
        before=siblings[at - 1] if at else None,
        after=siblings[at + 1] if at + 1 < len(siblings) else None,
        history=[_line(desk, row) for row in reversed(photo.corrections)],
        colours={region: to_hex(REGIONS[region]) for region in MASI_REGIONS},
        kinds=list(Lesion),
        most=MOST_LESIONS,
        monk=MONK_TONES,
        titles={} if reading is None else {f.code: title(f.code) for f in reading.record.quality.findings},
        problem=problem,
    )


def _line(desk: Desk, row: Any) -> dict[str, Any]:
    """One correction in words."""
    say = desk.language
    sort, _, rest = row.target.partition("/")
    what = {
        "score": lambda: say(f"region.{rest}"),
        "lesion": lambda: say("lesions.number", number=int(rest) + 1),
        "box": lambda: say("lesions.drawn"),
    }[sort]()

    def words(value: dict[str, Any]) -> str:
        if not value:
            return say("corrections.as_measured")
        if sort == "score":
            return f"A {value['area']}, D {value['darkness']}, H {value['homogeneity']}"
        if value.get("deleted"):
            return say("corrections.deleted")
        return say(f"lesion.{value['kind']}") if value.get("kind") else say("lesion.none")

    original = "–" if sort == "box" or not row.original else words(row.original)
    changed = say("corrections.deleted") if sort == "box" and not row.value else words(row.value)
    return {"what": what, "original": original, "value": changed, "who": row.user.name, "at": row.at}


@pages.get("/photos/{photo}/state", unattended=True)
def state(desk: Desk) -> Response:
    """Where the analysis stands, for the page that waits."""
    photo = photo_of(desk.db, desk.actor, desk.path("photo"), Right.VIEW)
    return JSONResponse({"state": photo.job.state.value if photo.job else "done"})


@pages.get("/photos/{photo}/{picture}")
def picture(desk: Desk) -> Response:
    """One picture of the result, without any of the file's metadata."""
    photo = photo_of(desk.db, desk.actor, desk.path("photo"), Right.VIEW)
    name = desk.path("picture")
    files: dict[str, str] = {} if photo.analysed is None else photo.analysed.pictures["files"]
    if name in ("report.html", "report.pdf"):
        return _report(desk, photo, name)
    if name not in _PICTURES or name not in files:
        raise NotFound
    if name == "display.jpg":
        desk.see("photo.picture", photo)
    data = desk.clinic.store.get(photo.visit.patient_id, files[name])
    return Response(data, media_type="image/png" if name.endswith("png") else "image/jpeg")


def _report(desk: Desk, photo: Photo, name: str) -> Response:
    reading = read(photo)
    if reading is None or photo.analysed is None:
        raise NotFound
    desk.see("photo.report", photo)
    files = photo.analysed.pictures["files"]
    store, patient = desk.clinic.store, photo.visit.patient_id
    overlay, maps, relevance = (store.get(patient, files[each]) if each in files else None for each in _REPORT)
    called = f"{photo.visit.patient.code}, {photo.visit.day.isoformat()}, {photo.view.value}"
    record = reading.record
    record = record.model_copy(update={"photo": record.photo.model_copy(update={"file": called})})
    said = statement_of(photo.visit, [photo])
    headers = {"content-security-policy": _REPORT_POLICY}
    if name == "report.html":
        return Response(
            render(record, overlay, maps, relevance, said), media_type="text/html; charset=utf-8", headers=headers
        )
    from melascope.report.pdf import typeset

    headers["content-disposition"] = f'inline; filename="report-{photo.id[:8]}.pdf"'
    return Response(typeset(record, overlay, maps, relevance, said), media_type="application/pdf", headers=headers)


# ---------------------------------------------------------------- corrections


@pages.post("/photos/{photo}/scores", again=show, conflict=conflict)
def scores(desk: Desk) -> Response:
    """Keep region scores that a person gave."""
    photo_of(desk.db, desk.actor, desk.path("photo"), Right.CORRECT)
    return _correct(desk, scores_of(desk.form), "regions")


@pages.post("/photos/{photo}/lesions", again=show, conflict=conflict)
def lesions(desk: Desk) -> Response:
    """Keep what a person says of lesions: one that is named (`target`, `deed`, `kind`), or a box that was drawn."""
    photo_of(desk.db, desk.actor, desk.path("photo"), Right.CORRECT)
    return _correct(desk, [_lesion_change(desk, desk.form.get("target", ""))], "lesions")


def _lesion_change(desk: Desk, target: str) -> Change:
    kind = desk.form.get("kind", "")
    if target == "box/new":
        return target, {"kind": kind, "box": _box(desk.form.get("box", ""))}
    drawn = target.startswith("box/")
    match desk.form.get("deed", "kind"):
        case "delete":
            return target, {} if drawn else {"deleted": True}
        case "restore":
            return target, {}
        case _ if drawn:
            reading = _reading(desk)
            box = next((row.box for row in reading.lesions if row.target == target), None)
            return target, {"kind": kind, "box": list(box or ())}
        case _:
            return target, {"kind": kind}


def _reading(desk: Desk) -> Reading:
    reading = read(photo_of(desk.db, desk.actor, desk.path("photo"), Right.VIEW))
    if reading is None:
        raise Invalid("error.not_analysed")
    return reading


def _box(raw: str) -> list[int]:
    """``x0, y0, x1, y1`` in whole pixels of the upright photograph."""
    parts = raw.replace(",", " ").split()
    if len(parts) != 4 or not all(part.isdecimal() and len(part) < 6 for part in parts):
        raise Invalid("error.box", "box")
    return [int(part) for part in parts]


def _correct(desk: Desk, changes: list[Change], anchor: str) -> Response:
    version = version_of(desk.form.get("version", ""))
    correct(desk.db, desk.actor, desk.path("photo"), version, changes)
    return desk.go(f"/photos/{desk.path('photo')}#{anchor}")


@pages.post("/photos/{photo}/again")
def again(desk: Desk) -> Response:
    """Analyse once more what failed."""
    photo = photos.queue_again(desk.db, desk.actor, desk.path("photo"))
    desk.clinic.runner.wake()
    return desk.go(f"/photos/{photo.id}")


@pages.post("/photos/{photo}/delete", own=True)
def delete(desk: Desk) -> Response:
    """Delete a photograph and its files."""
    with desk.clinic.database.writing() as db:
        visit = photo_of(db, desk.actor, desk.path("photo"), Right.DELETE).visit_id
        photos.delete_photo(db, desk.actor, desk.path("photo"))
    removals.carry_out(desk.clinic.database, desk.clinic.store)
    return desk.go(f"/visits/{visit}#photos")

"""The REST API, /api/v1: the same services as the pages, by key instead of cookie."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, File, Form, Header, HTTPException, Query, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete
from starlette.responses import JSONResponse, Response

from melascope.clinic import patients, photos, removals, visits
from melascope.clinic.access import (
    NotFound,
    Right,
    patient_of,
    photo_of,
    visit_of,
)
from melascope.clinic.api_caller import PROBLEMS, Identifier, Keyed, Limit, Offset, Who, answers
from melascope.clinic.audit import log
from melascope.clinic.between import between, between_json
from melascope.clinic.corrections import correct, read
from melascope.clinic.course import main_photo
from melascope.clinic.tables import Age, Idempotent, MakeUp, Patient, Photo, PhotoView, Sex, Visit, now

__all__ = ["ScoreIn", "router"]
_KEEP: Final = timedelta(days=7)

router = APIRouter(prefix="/api/v1", responses=PROBLEMS, route_class=Keyed)


# ---------------------------------------------------------------- what is said


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StudyOut(BaseModel):
    """A study of which the key's user is a member."""

    id: str
    name: str
    role: str


class PatientIn(_Body):
    """A new patient."""

    study: str = Field(pattern="^[0-9a-f]{32}$")
    code: str = Field("", max_length=40, description="The next free one if empty.")
    age: Age | None = None
    sex: Sex | None = None
    fitzpatrick: int | None = Field(None, ge=1, le=6)


class PatientOut(BaseModel):
    """A patient."""

    id: str
    study: str
    code: str
    age: Age | None
    sex: Sex | None
    fitzpatrick: int | None
    visits: int
    version: int


class VisitIn(_Body):
    """A new visit."""

    day: date
    note: str = Field("", max_length=4000)
    make_up: MakeUp | None = Field(None, description="Whether make-up is worn; null if nobody noted it.")


class PhotoOut(BaseModel):
    """A photograph and where its analysis stands."""

    id: str
    visit: str
    view: PhotoView
    sha256: str
    state: Literal["queued", "running", "done", "failed"]
    masi: float | None
    severity: str | None
    version: int


class VisitOut(BaseModel):
    """A visit."""

    id: str
    patient: str
    day: date
    note: str
    make_up: MakeUp | None
    photos: list[PhotoOut]
    version: int


class Patients(BaseModel):
    """One page of patients."""

    items: list[PatientOut]
    total: int
    offset: int


class ScoreIn(_Body):
    """Steps of one region as a rater writes them."""

    area: int = Field(ge=0, le=6)
    darkness: int = Field(ge=0, le=4)
    homogeneity: int = Field(ge=0, le=4)


class ScoresIn(_Body):
    """Scores that a person gives; null gives the measurement back."""

    version: int = Field(ge=1, le=10**9, description="Of the photograph, as it was read.")
    scores: dict[Literal["forehead", "right_malar", "left_malar", "chin"], ScoreIn | None]


class BetweenOut(BaseModel):
    """What became of the lesions between two visits."""

    before: str | None = Field(description="The earlier visit.")
    after: str | None = Field(description="The later visit.")
    change: dict[str, Any] | None = Field(
        description="`counts` by state (new, grown, shrunk, gone, same, unsure), and `lesions` with their state, areas "
        "in square millimetres and the factor between areas that re-photographing explains; `comparable`: the limits "
        "are those of the networks that measured; `made_up`: make-up was worn at one of the visits, as noted."
    )


def _patient(row: Patient) -> PatientOut:
    return PatientOut(
        id=row.id,
        study=row.study_id,
        code=row.code,
        age=row.age,
        sex=row.sex,
        fitzpatrick=row.fitzpatrick,
        visits=len(row.visits),
        version=row.version,
    )


def _photo(row: Photo) -> PhotoOut:
    reading = read(row)
    return PhotoOut(
        id=row.id,
        visit=row.visit_id,
        view=row.view,
        sha256=row.sha256,
        state=row.job.state.value if row.job else "done",
        masi=None if reading is None else reading.masi,
        severity=None if reading is None or reading.severity is None else reading.severity.value,
        version=row.version,
    )


def _visit(row: Visit) -> VisitOut:
    return VisitOut(
        id=row.id,
        patient=row.patient_id,
        day=row.day,
        note=row.note,
        make_up=row.make_up,
        photos=[_photo(photo) for photo in row.photos],
        version=row.version,
    )


# ---------------------------------------------------------------- routes


@router.get("/studies")
def studies(who: Who) -> list[StudyOut]:
    """Studies of the key's user."""
    from melascope.clinic.tables import Study

    with who.reading() as (db, _):
        rows = [(db.get_one(Study, key), role) for key, role in who.actor.roles.items()]
        return [StudyOut(id=study.id, name=study.name, role=role.value) for study, role in rows]


@router.get("/patients")
def list_patients(
    who: Who,
    study: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")] = None,
    code: Annotated[str, Query(max_length=40, description="Part of the code.")] = "",
    offset: Offset = 0,
    limit: Limit = 25,
) -> Patients:
    """Patients, the latest visit first."""
    with who.reading() as (db, _):
        found, total = patients.find_patients(
            db, who.actor, study_id=study, words=code.replace("\x00", ""), offset=offset, count=limit
        )
        return Patients(items=[_patient(row.patient) for row in found], total=total, offset=offset)


@router.post("/patients", status_code=201)
def add_patient(who: Who, body: PatientIn) -> PatientOut:
    """A new patient."""
    form = {
        "code": body.code,
        "age": body.age or "",
        "sex": body.sex or "",
        "fitzpatrick": str(body.fitzpatrick or ""),
    }
    with who.writing() as db:
        return _patient(patients.add_patient(db, who.actor, body.study, form))


@router.get("/patients/{patient}")
def get_patient(who: Who, patient: Identifier) -> PatientOut:
    """One patient."""
    with who.reading("patient.view") as (db, see):
        row = patient_of(db, who.actor, patient, Right.VIEW)
        see(row)
        return _patient(row)


@router.delete("/patients/{patient}", status_code=204)
def delete_patient(who: Who, patient: Identifier, code: Annotated[str, Query(max_length=40)]) -> None:
    """Delete a patient for good; the code has to be named so that nobody deletes by mistake."""
    with who.writing() as db:
        patients.delete_patient(db, who.actor, patient, code)
    removals.carry_out(who.clinic.database, who.clinic.store)


@router.get("/patients/{patient}/export", response_class=Response)
def export(who: Who, patient: Identifier) -> Response:
    """Everything of one patient, as a ZIP."""
    from melascope.clinic.export import export_patient

    with who.reading("patient.export") as (db, see):
        row = patient_of(db, who.actor, patient, Right.EXPORT)
        see(row)
        return Response(export_patient(db, who.clinic.store, row), media_type="application/zip")


@router.get("/patients/{patient}/visits")
def list_visits(who: Who, patient: Identifier, offset: Offset = 0, limit: Limit = 25) -> list[VisitOut]:
    """Visits of a patient in order of their days."""
    with who.reading("patient.view") as (db, see):
        row = patient_of(db, who.actor, patient, Right.VIEW)
        see(row)
        return [_visit(visit) for visit in row.visits[offset : offset + limit]]


@router.post("/patients/{patient}/visits", status_code=201)
def add_visit(who: Who, patient: Identifier, body: VisitIn) -> VisitOut:
    """A new visit."""
    with who.writing() as db:
        form = {"day": body.day.isoformat(), "note": body.note.replace("\x00", ""), "make_up": body.make_up or ""}
        return _visit(visits.add_visit(db, who.actor, patient, form))


@router.get("/patients/{patient}/lesions")
def get_lesions(
    who: Who,
    patient: Identifier,
    before: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$", description="A visit; else the first.")] = None,
    after: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$", description="A visit; else the latest.")] = None,
) -> BetweenOut:
    """What became of the lesions between two visits, by their frontal photographs; null where there is nothing to
    compare.
    """
    with who.reading("photo.view") as (db, see):
        row = patient_of(db, who.actor, patient, Right.VIEW)
        seen = [visit for visit in row.visits if main_photo(visit) is not None]
        chosen = [
            next((visit for visit in row.visits if visit.id == wish), None) if wish else default
            for wish, default in ((before, seen[0] if seen else None), (after, seen[-1] if seen else None))
        ]
        if any(wish and visit is None for wish, visit in zip((before, after), chosen, strict=True)):
            raise NotFound
        pair = [None if visit is None else main_photo(visit) for visit in chosen]
        ids = [None if visit is None else visit.id for visit in chosen]
        if pair[0] is None or pair[1] is None or ids[0] == ids[1]:
            return BetweenOut(before=ids[0], after=ids[1], change=None)
        for photo, _ in (pair[0], pair[1]):
            see(photo)
        found = between(pair[0][0], pair[1][0])
        return BetweenOut(before=ids[0], after=ids[1], change=None if found is None else between_json(found))


@router.get("/visits/{visit}")
def get_visit(who: Who, visit: Identifier) -> VisitOut:
    """One visit with its photographs."""
    with who.reading("visit.view") as (db, see):
        row = visit_of(db, who.actor, visit, Right.VIEW)
        see(row)
        return _visit(row)


@router.post("/visits/{visit}/photos", status_code=201)
def add_photo(
    who: Who,
    visit: Identifier,
    view: Annotated[PhotoView, Form()],
    file: Annotated[UploadFile, File()],
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200, pattern="^[!-~]+$")] = None,
) -> PhotoOut:
    """Keep a photograph and queue its analysis.

    With an Idempotency-Key the same request may be sent again, and gets the same answer; the same key with another
    content is refused. Without one the same bytes in the same visit are one photograph as well.
    """
    clinic = who.clinic
    data = file.file.read()
    digest = hashlib.sha256(f"{visit} {view.value} ".encode() + data).hexdigest()
    with who.reading() as (db, _):
        known = db.get(Idempotent, (who.actor.id, idempotency_key)) if idempotency_key else None
        if known is not None:
            if known.request != digest:
                raise HTTPException(409, "This Idempotency-Key was used for another request.")
            return _photo(photo_of(db, who.actor, str(known.answer["photo"]), Right.WRITE))
    with answers():
        photos.check_file(data, clinic.settings)
        photo_id, _ = photos.add_photo(clinic.database, who.actor, clinic.store, visit, view, data)
    with who.writing() as db:
        if idempotency_key:
            db.execute(delete(Idempotent).where(Idempotent.created < now() - _KEEP))
            db.merge(
                Idempotent(
                    user_id=who.actor.id,
                    key=idempotency_key,
                    request=digest,
                    answer={"photo": photo_id},
                    created=now(),
                )
            )
        answer = _photo(photo_of(db, who.actor, photo_id, Right.VIEW))
    clinic.runner.wake()
    return answer


@router.get("/photos/{photo}")
def get_photo(who: Who, photo: Identifier) -> PhotoOut:
    """A photograph, and where its analysis stands."""
    with who.reading("photo.view") as (db, see):
        row = photo_of(db, who.actor, photo, Right.VIEW)
        see(row)
        return _photo(row)


@router.get("/photos/{photo}/analysis", response_class=JSONResponse)
def get_analysis(who: Who, photo: Identifier) -> Response:
    """The record as it was measured; its JSON Schema comes with the package (`melascope schema`)."""
    with who.reading("photo.view") as (db, see):
        row = photo_of(db, who.actor, photo, Right.VIEW)
        see(row)
        if row.analysed is None:
            raise HTTPException(404, "There is no analysis yet.")
        return Response(row.analysed.record, media_type="application/json")


@router.get("/photos/{photo}/original", response_class=Response)
def get_original(who: Who, photo: Identifier) -> Response:
    """The bytes as they came, with the file's metadata."""
    with who.reading("photo.original") as (db, see):
        row = photo_of(db, who.actor, photo, Right.EXPORT)
        see(row)
        data = who.clinic.store.get(row.visit.patient_id, photos.ORIGINAL.format(sha256=row.sha256))
        return Response(data, media_type="application/octet-stream")


@router.put("/photos/{photo}/scores")
def put_scores(who: Who, photo: Identifier, body: ScoresIn) -> PhotoOut:
    """Override region scores; measurement and correction are both kept."""
    changes = [(f"score/{k}", {} if v is None else v.model_dump()) for k, v in sorted(body.scores.items())]
    with who.writing() as db:
        return _photo(correct(db, who.actor, photo, body.version, changes))


@router.post("/visits/{visit}/signature", status_code=201)
def sign(who: Who, visit: Identifier) -> dict[str, str]:
    """Sign what the visit says now."""
    with who.writing() as db:
        row = visit_of(db, who.actor, visit, Right.SIGN)
        signature = visits.sign_visit(db, who.actor, visit, visits.content_digest(row))
        log(db, who.actor.id, "visit.sign.api", row)
        return {"signature": signature.id, "digest": signature.digest}

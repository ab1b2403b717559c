"""The REST API of blinded reading studies: the same services and the same blinding as the pages."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from melascope.clinic import readings, showings
from melascope.clinic.access import NotFound, Right, reading_of, showing_of, still_reads
from melascope.clinic.api import ScoreIn
from melascope.clinic.api_caller import PROBLEMS, Identifier, Keyed, Limit, Offset, Who
from melascope.clinic.tables import Rater, Showing

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", responses=PROBLEMS, route_class=Keyed)
Regions = dict[Literal["forehead", "right_malar", "left_malar", "chin"], ScoreIn | None]


class MineOut(BaseModel):
    """How far the key's user is as a rater."""

    done: int
    total: int
    signed: datetime | None


class ReadingOut(BaseModel):
    """A reading study. Scores are not in it."""

    id: str
    study: str
    name: str
    photos: int
    raters: int
    created: datetime
    closed: datetime | None
    mine: MineOut | None = Field(description="Null for who is no rater of it.")


class ReadingsOut(BaseModel):
    """One page of reading studies."""

    items: list[ReadingOut]
    total: int
    offset: int


class ShowingOut(BaseModel):
    """One photograph before the key's user, with what that user saved of it.

    In the queue the scores are left out until the reading is signed off or closed.
    """

    id: str
    place: int
    saved: datetime | None
    scores: Regions = Field(description="Null: the region was not assessable.")
    unreadable: str
    comment: str
    masi: float | None
    mmasi: float | None
    severity: str | None
    version: int


class QueueOut(BaseModel):
    """One page of the key's user's own queue."""

    items: list[ShowingOut]
    done: int
    total: int
    offset: int


class EntryIn(BaseModel):
    """Scores of one photograph: all four regions, or the reason why it cannot be read."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=10**9, description="Of the showing, as it was read.")
    scores: Regions = Field(default_factory=dict, description="Null: the region is not assessable.")
    unreadable: Literal["", "blurred", "light", "cropped", "covered", "other"] = ""
    comment: str = Field("", max_length=2000)


def _reading(line: readings.Line) -> ReadingOut:
    row, mine = line.reading, line.mine
    return ReadingOut(
        id=row.id,
        study=row.study_id,
        name=row.name,
        photos=line.photos,
        raters=len(row.raters),
        created=row.created,
        closed=row.closed,
        mine=None if mine is None else MineOut(done=mine.done, total=mine.total, signed=mine.rater.signed),
    )


def _showing(row: Showing, place: int, *, scores: bool = True) -> ShowingOut:
    said = (showings.held(row) if scores else None) or showings.Entry()
    band = said.severity
    return ShowingOut(
        id=row.id,
        place=place,
        saved=row.saved,
        scores=said.regions,  # type: ignore[arg-type]
        unreadable=said.unreadable,
        comment=said.comment,
        masi=said.masi,
        mmasi=said.mmasi,
        severity=band.value if band else None,
        version=row.version,
    )


def _rater(rater: Rater) -> MineOut:
    done = sum(showing.saved is not None for showing in rater.showings)
    return MineOut(done=done, total=len(rater.showings), signed=rater.signed)


@router.get("/readings")
def list_readings(who: Who, offset: Offset = 0, limit: Limit = 25) -> ReadingsOut:
    """Reading studies of the key's studies, open ones first."""
    with who.reading() as (db, _):
        lines = readings.list_readings(db, who.actor)
        items = [_reading(line) for line in lines[offset : offset + limit]]
        return ReadingsOut(items=items, total=len(lines), offset=offset)


@router.get("/readings/{reading}")
def get_reading(who: Who, reading: Identifier) -> ReadingOut:
    """One reading study."""
    with who.reading() as (db, _):
        return _reading(readings.line_of(db, who.actor, reading_of(db, who.actor, reading, Right.VIEW)))


@router.get("/readings/{reading}/queue")
def get_queue(
    who: Who,
    reading: Identifier,
    offset: Offset = 0,
    limit: Limit = 25,
    due: Annotated[bool, Query(description="Only photographs without a score.")] = False,
) -> QueueOut:
    """The key's user's own photographs in their order, and no other rater's; scores once signed off or closed."""
    with who.reading() as (db, _):
        _, rater, line = showings.queue(db, who.actor, reading)
        scores = not still_reads(rater)
        shown = [(place, row) for place, row in enumerate(line, 1) if not (due and row.saved)]
        items = [_showing(row, place, scores=scores) for place, row in shown[offset : offset + limit]]
        return QueueOut(items=items, done=sum(row.saved is not None for row in line), total=len(line), offset=offset)


@router.get("/readings/{reading}/photos/{showing}")
def get_showing(who: Who, reading: Identifier, showing: Identifier) -> ShowingOut:
    """One photograph of the own queue: while reading, the next one or the one saved last; 403 for others."""
    with who.reading() as (db, _):
        row = showing_of(db, who.actor, reading, showing)
        return _showing(row, showings.place_of(db, row).number)


@router.get("/readings/{reading}/photos/{showing}/picture", response_class=Response)
def get_picture(who: Who, reading: Identifier, showing: Identifier) -> Response:
    """The photograph as JPEG, without the file's metadata."""
    with who.reading("reading.photo") as (db, see):
        photo = showing_of(db, who.actor, reading, showing).photo
        see(photo)
        files: dict[str, str] = {} if photo.analysed is None else photo.analysed.pictures["files"]
        if "display.jpg" not in files:
            raise NotFound
        data = who.clinic.store.get(photo.visit.patient_id, files["display.jpg"])
        return Response(data, media_type="image/jpeg")


@router.put("/readings/{reading}/photos/{showing}")
def put_showing(who: Who, reading: Identifier, showing: Identifier, body: EntryIn) -> ShowingOut:
    """Save scores of the next photograph, or revise those saved last; 403 for others. Every revision is kept."""
    regions: dict[str, dict[str, int] | None] = {
        key: None if steps is None else steps.model_dump() for key, steps in body.scores.items()
    }
    with who.writing() as db:
        showing_of(db, who.actor, reading, showing)
        said = showings.checked(showings.Entry(regions, body.unreadable, body.comment))
        row = showings.save(db, who.actor, reading, showing, body.version, said)
        return _showing(row, showings.place_of(db, row).number)


@router.post("/readings/{reading}/signature", status_code=201)
def sign_reading(who: Who, reading: Identifier) -> MineOut:
    """Sign the own reading off."""
    with who.writing() as db:
        return _rater(readings.sign_off(db, who.actor, reading))


@router.get("/readings/{reading}/ratings.csv", response_class=Response)
def get_ratings(who: Who, reading: Identifier) -> Response:
    """Ratings of a closed reading study as `melascope severity agreement` reads them; 404 before it is closed."""
    from melascope.clinic.agreements import ratings_csv

    with who.reading("reading.export") as (db, see):
        row = reading_of(db, who.actor, reading, Right.EXPORT)
        readings.need_open_eyes(db, who.actor, row)
        see(row)
        return Response(ratings_csv(db, row), media_type="text/csv; charset=utf-8")

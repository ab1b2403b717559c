"""Exports by the REST API: the same as on the pages."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response, StreamingResponse

from melascope.clinic.access import Right, photo_of, study_of, visit_of
from melascope.clinic.api_caller import PROBLEMS, Identifier, Keyed, Who
from melascope.clinic.handover import dicom_zip, fhir_bundle
from melascope.clinic.study_table import columns_csv, photos_csv, regions_csv
from melascope.report.fhir import Release

__all__ = ["exports"]

exports = APIRouter(prefix="/api/v1", responses=PROBLEMS, route_class=Keyed)
_FHIR = "application/fhir+json"
_CSV = "text/csv; charset=utf-8"
Photographs = Annotated[bool, Query(description="Put the photographs in.")]
Kind = Annotated[
    Literal["collection", "transaction"],
    Query(description="`transaction` can be posted to a FHIR server."),
]


@exports.get("/visits/{visit}/fhir", response_class=JSONResponse)
def visit_fhir(
    who: Who,
    visit: Identifier,
    release: Release = "r4",
    photographs: Photographs = False,
    kind: Kind = "collection",
) -> Response:
    """What a visit says, as a FHIR Bundle."""
    with who.reading("visit.fhir") as (db, see):
        row = visit_of(db, who.actor, visit, Right.EXPORT)
        see(row)
        made = fhir_bundle(row, None, who.clinic.store, release, photographs=photographs, kind=kind)
        return JSONResponse(made, media_type=_FHIR)


@exports.get("/photos/{photo}/fhir", response_class=JSONResponse)
def photo_fhir(
    who: Who,
    photo: Identifier,
    release: Release = "r4",
    photographs: Photographs = False,
    kind: Kind = "collection",
) -> Response:
    """What one photograph says, as a FHIR Bundle."""
    with who.reading("photo.fhir") as (db, see):
        row = photo_of(db, who.actor, photo, Right.EXPORT)
        see(row)
        made = fhir_bundle(row.visit, [row], who.clinic.store, release, photographs=photographs, kind=kind)
        return JSONResponse(made, media_type=_FHIR)


@exports.get("/visits/{visit}/dicom", response_class=Response)
def visit_dicom(who: Who, visit: Identifier) -> Response:
    """Photographs, outlines and measurements of a visit, as DICOM files in a ZIP."""
    with who.reading("visit.dicom") as (db, see):
        row = visit_of(db, who.actor, visit, Right.EXPORT)
        see(row)
        return Response(dicom_zip(row, who.clinic.store), media_type="application/zip")


@exports.get("/studies/{study}/{table}.csv", response_class=Response)
def table(who: Who, study: Identifier, table: Literal["photos", "regions", "columns"]) -> Response:
    """A table of a study: a row a photograph, a row a region, or what the columns mean."""
    with who.reading(f"study.{table}") as (db, see):
        row = study_of(db, who.actor, study, Right.EXPORT)
        if table == "columns":
            return Response(columns_csv(), media_type=_CSV)
        see(row)
        rows = (photos_csv if table == "photos" else regions_csv)(who.clinic.database, row.id)
        return StreamingResponse(rows, media_type=_CSV)

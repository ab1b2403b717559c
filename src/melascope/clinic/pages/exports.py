"""Exports: FHIR and DICOM of a visit, FHIR of a photograph, tables of a study."""

from __future__ import annotations

import json
from collections.abc import Sequence

from starlette.responses import Response, StreamingResponse

from melascope.clinic.access import NotFound, Right, photo_of, study_of, visit_of
from melascope.clinic.desk import Desk, Pages
from melascope.clinic.handover import dicom_zip, fhir_bundle
from melascope.clinic.study_table import columns_csv, photos_csv, regions_csv
from melascope.clinic.tables import Photo, Visit
from melascope.report.fhir import RELEASES

__all__ = ["FHIR_TYPE", "pages"]

pages = Pages()
FHIR_TYPE = "application/fhir+json; charset=utf-8"


def _saved(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


def _fhir(desk: Desk, visit: Visit, photos: Sequence[Photo] | None, name: str) -> Response:
    """A Bundle as the query asks for it: `release`, `photographs`, `kind`."""
    release = next((each for each in RELEASES if each == (desk.query("release") or "r4")), None)
    if release is None:
        raise NotFound
    made = fhir_bundle(
        visit,
        photos,
        desk.clinic.store,
        release,
        photographs=desk.query("photographs") == "yes",
        kind="transaction" if desk.query("kind") == "transaction" else "collection",
    )
    headers = _saved(f"{name}-{release}.fhir.json")
    return Response(json.dumps(made, ensure_ascii=False, indent=1), media_type=FHIR_TYPE, headers=headers)


@pages.get("/visits/{visit}/fhir.json")
def visit_fhir(desk: Desk) -> Response:
    """What a visit says, as a FHIR Bundle."""
    visit = visit_of(desk.db, desk.actor, desk.path("visit"), Right.EXPORT)
    desk.see("visit.fhir", visit)
    return _fhir(desk, visit, None, f"visit-{visit.id[:8]}")


@pages.get("/photos/{photo}/export/fhir.json")
def photo_fhir(desk: Desk) -> Response:
    """What one photograph says, as a FHIR Bundle."""
    photo = photo_of(desk.db, desk.actor, desk.path("photo"), Right.EXPORT)
    desk.see("photo.fhir", photo)
    return _fhir(desk, photo.visit, [photo], f"photograph-{photo.id[:8]}")


@pages.get("/visits/{visit}/dicom.zip")
def visit_dicom(desk: Desk) -> Response:
    """Photographs, outlines and measurements of a visit, as DICOM files in a ZIP."""
    visit = visit_of(desk.db, desk.actor, desk.path("visit"), Right.EXPORT)
    desk.see("visit.dicom", visit)
    data = dicom_zip(visit, desk.clinic.store)
    return Response(data, media_type="application/zip", headers=_saved(f"visit-{visit.id[:8]}-dicom.zip"))


@pages.get("/studies/{study}/{table}.csv")
def table(desk: Desk) -> Response:
    """A table of a study, or what its columns mean."""
    study = study_of(desk.db, desk.actor, desk.path("study"), Right.EXPORT)
    name, database = desk.path("table"), desk.clinic.database
    headers, kind = _saved(f"study-{study.id[:8]}-{name}.csv"), "text/csv; charset=utf-8"
    match name:
        case "columns":
            return Response(columns_csv(), media_type=kind, headers=headers)
        case "photos":
            rows = photos_csv(database, study.id)
        case "regions":
            rows = regions_csv(database, study.id)
        case _:
            raise NotFound
    desk.see(f"study.{name}", study)
    return StreamingResponse(rows, media_type=kind, headers=headers)

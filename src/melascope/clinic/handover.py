"""A visit or a photograph for other systems: what is stated of it, as FHIR or as DICOM."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.clinic.corrections import LesionReading, read
from melascope.clinic.photos import ORIGINAL
from melascope.clinic.store import Store
from melascope.clinic.tables import Photo, User, Visit
from melascope.clinic.visits import valid_signatures
from melascope.photo import PhotoRefused, read_photo
from melascope.photo.formats import format_of
from melascope.report.dicom import Pixels, write_dicom
from melascope.report.fhir import Release, bundle
from melascope.report.statement import Image, Named, Person, PhotoStatement, Rated, Statement, Subject

__all__ = ["dicom_zip", "fhir_bundle", "statement_of"]

_STUDY: Final = "https://melascope.org/fhir/sid/study/{study}"


def statement_of(visit: Visit, photos: Sequence[Photo] | None = None, store: Store | None = None) -> Statement:
    """What a visit states now: measurements, corrections, signatures.

    Args:
        visit: The visit.
        photos: Those of its photographs that are meant; all of them if None. What is not analysed is left out.
        store: Where the pictures lie; without it, none are in the statement.
    """
    patient = visit.patient
    holds, former = valid_signatures(visit)
    said = [_photo(photo, store) for photo in (visit.photos if photos is None else photos)]
    return Statement(
        key=visit.id if photos is None else "-".join(photo.id for photo in photos),
        made=_latest(visit),
        photos=tuple(one for one in said if one is not None),
        subject=Subject(patient.id, patient.code, _STUDY.format(study=patient.study_id)),
        practice=patient.study.name,
        day=visit.day,
        signed=tuple((_person(row.user), row.at) for row in holds),
        signed_before=bool(former),
    )


def fhir_bundle(
    visit: Visit,
    photos: Sequence[Photo] | None,
    store: Store,
    release: Release,
    *,
    photographs: bool,
    kind: Literal["collection", "transaction"],
) -> dict[str, Any]:
    """The Bundle of a visit, or of some of its photographs; see `melascope.report.fhir.bundle`."""
    statement = statement_of(visit, photos, store if photographs else None)
    return bundle(statement, release, photographs=photographs, kind=kind)


def dicom_zip(visit: Visit, store: Store) -> bytes:
    """A ZIP with the DICOM files of a visit."""
    by_id = {photo.id: photo for photo in visit.photos}
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_STORED) as archive:
        for name, data in write_dicom(statement_of(visit), lambda photo: _pixels(by_id[photo.key], store)):
            archive.writestr(f"dicom/{name}", data)
    return memory.getvalue()


def _latest(visit: Visit) -> datetime:
    """When the last thing was said of the visit: the same state is the same export."""
    moments = [visit.created, visit.changed, *(row.at for row in visit.signatures)]
    for photo in visit.photos:
        moments += [photo.added] if photo.corrected is None else [photo.added, photo.corrected]
        moments += [row.at for row in photo.corrections]
        moments += [photo.analysed.made] if photo.analysed is not None else []
    return max(moments)


def _person(user: User) -> Person:
    return Person(user.id, user.name)


def _photo(photo: Photo, store: Store | None) -> PhotoStatement | None:
    reading = read(photo)
    if reading is None or photo.analysed is None:
        return None
    rated = {}
    for row in reading.regions:
        if row.correction is not None and row.correction.value and row.score is not None:
            score, by = row.score, _person(row.correction.user)
            rated[row.region] = Rated(score.area, score.darkness, score.homogeneity, by, row.correction.at)
    files = photo.analysed.pictures["files"]
    image = None
    if store is not None and "display.jpg" in files:
        scale = float(photo.analysed.pictures.get("scale", 1.0))
        size = [max(1, round(side * scale)) for side in (reading.record.photo.width, reading.record.photo.height)]
        image = Image(store.get(photo.visit.patient_id, files["display.jpg"]), *size)
    return PhotoStatement(
        key=photo.id,
        view=photo.view.value,
        record=reading.record,
        masi=reading.masi,
        mmasi=reading.mmasi,
        severity=reading.severity,
        lesions=tuple(_named(row) for row in reading.lesions if not row.deleted),
        removed=tuple(_named(row) for row in reading.lesions if row.deleted),
        rated=rated,
        image=image,
        analysed=photo.analysed.made,
    )


def _named(row: LesionReading) -> Named:
    said = row.correction if row.correction is not None and row.correction.value else None
    by = None if said is None else _person(said.user)
    key = row.target.replace("/", "-")
    return Named(key, row.box, row.kind, row.measured, by, None if said is None else said.at)


def _pixels(photo: Photo, store: Store) -> Pixels | None:
    """The photograph as it was measured; masks only of analyses that kept them."""
    patient = photo.visit.patient_id
    data = store.get(patient, ORIGINAL.format(sha256=photo.sha256))
    try:
        shown = read_photo(data, photo.view.value).pixels
    except PhotoRefused:
        return None
    kind = format_of(data)
    files: dict[str, str] = {} if photo.analysed is None else photo.analysed.pictures["files"]
    masks = [
        _mask(store.get(patient, files[name]), shown.shape[:2]) if name in files else None
        for name in ("region_mask.png", "lesion_mask.png")
    ]
    regions, lesions = masks
    return Pixels(
        np.asarray(shown, np.uint8),
        regions,
        None if lesions is None else lesions > 0,
        "" if kind is None else kind.name,
        len(data),
    )


def _mask(data: bytes, size: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """A stored mask; None if it does not fit the photograph."""
    mask = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    return np.asarray(mask, np.uint8) if mask is not None and mask.shape == size else None

"""Everything of one patient in a ZIP: plain JSON, the photographs as they came, records and pictures."""

from __future__ import annotations

import io
import json
import zipfile
from itertools import pairwise
from typing import Any

from sqlalchemy.orm import Session, object_session

from melascope.clinic.between import between, between_json
from melascope.clinic.course import main_photo
from melascope.clinic.photos import ORIGINAL
from melascope.clinic.store import Away, Store, Unreadable
from melascope.clinic.tables import Patient, Photo, User
from melascope.vocabulary import DISCLAIMER

__all__ = ["export_patient", "patient_json"]


def export_patient(db: Session, store: Store, patient: Patient) -> bytes:
    """A ZIP with `patient.json` and the files that it names.

    Raises:
        Unreadable: The store does not answer, or an original is missing. A picture that is missing can be drawn anew:
            a text in its place says so.
    """
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_STORED) as archive:
        content = patient_json(db, patient)
        archive.writestr("patient.json", json.dumps(content, indent=1, ensure_ascii=False))
        for visit in patient.visits:
            for photo in visit.photos:
                folder = f"{visit.day.isoformat()}-{visit.id[:8]}/{photo.view.value}-{photo.id[:8]}"
                original = store.get(patient.id, ORIGINAL.format(sha256=photo.sha256))
                archive.writestr(f"{folder}/original", original)
                if photo.analysed is not None:
                    archive.writestr(f"{folder}/analysis.json", photo.analysed.record)
                    for name, kept in photo.analysed.pictures["files"].items():
                        _put_picture(archive, store, patient.id, kept, f"{folder}/{name}")
    return memory.getvalue()


def _put_picture(archive: zipfile.ZipFile, store: Store, patient: str, name: str, to: str) -> None:
    try:
        archive.writestr(to, store.get(patient, name))
    except Away:
        raise
    except Unreadable as error:
        archive.writestr(f"{to}.missing.txt", str(error))


def patient_json(db: Session, patient: Patient) -> dict[str, Any]:
    """All that the tables hold of a patient, as plain data."""

    def who(user_id: str) -> str:
        return db.get_one(User, user_id).name

    return {
        "patient": patient.id,
        "study": patient.study.name,
        "code": patient.code,
        "age": patient.age,
        "sex": patient.sex,
        "fitzpatrick": patient.fitzpatrick,
        "created": patient.created.isoformat(),
        "treatments": [
            {
                "name": row.name,
                "started": row.started.isoformat(),
                "ended": row.ended.isoformat() if row.ended else None,
            }
            for row in patient.treatments
        ],
        "visits": [
            {
                "visit": visit.id,
                "day": visit.day.isoformat(),
                "note": visit.note,
                "make_up": visit.make_up,
                "photos": [_photo(photo, who) for photo in visit.photos],
                "signatures": [
                    {"by": row.user.name, "at": row.at.isoformat(), "digest": row.digest} for row in visit.signatures
                ],
            }
            for visit in patient.visits
        ],
        "lesions_between_visits": _between(patient),
        "disclaimer": DISCLAIMER,
    }


def _between(patient: Patient) -> list[dict[str, Any]]:
    """What became of the lesions from each visit with a total to the next one."""
    photos = [main[0] for visit in patient.visits if (main := main_photo(visit)) is not None]
    rows = []
    for before, after in pairwise(photos):
        found = between(before, after)
        if found is not None:
            rows.append({"before": before.visit_id, "after": after.visit_id, **between_json(found)})
    return rows


def _photo(photo: Photo, who: Any) -> dict[str, Any]:
    return {
        "photo": photo.id,
        "view": photo.view.value,
        "sha256": photo.sha256,
        "added": photo.added.isoformat(),
        "added_by": who(photo.added_by),
        "corrections": [
            {
                "target": row.target,
                "original": row.original,
                "value": row.value,
                "by": row.user.name,
                "at": row.at.isoformat(),
            }
            for row in photo.corrections
        ],
        "readings": _readings(photo),
    }


def _readings(photo: Photo) -> list[dict[str, Any]]:
    from melascope.clinic.agreements import of_photo

    db = object_session(photo)
    return [] if db is None else of_photo(db, photo.id)

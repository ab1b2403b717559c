"""Everything of a study as tables: a row a photograph, a row a region, and what each column means.

Rows are made one patient at a time, each in a transaction of its own, so that a large study neither fills the memory
nor holds up who writes meanwhile.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import select

from melascope.clinic.corrections import Reading, RegionReading, read
from melascope.clinic.database import Database
from melascope.clinic.tables import Patient, Photo, Visit
from melascope.clinic.visits import valid_signatures
from melascope.data.cells import harmless
from melascope.vocabulary import MASI_REGIONS, MOST_LESIONS, Lesion

__all__ = ["PHOTOS", "REGIONS", "TABLES", "columns_csv", "photos_csv", "regions_csv"]

Cells = dict[str, object]
_WHO: Final = {
    "patient": "Code of the patient.",
    "visit_day": "Day of the visit (YYYY-MM-DD).",
    "photo": "Identifier of the photograph; joins the tables.",
    "view": "From where it was taken, as the photographer says: frontal, left, right or close-up.",
}
_TOTALS: Final = {
    "masi_measured": "MASI as measured, 0 to 48.",
    "masi_low": "Lower end of its 90 % interval.",
    "masi_high": "Upper end of its 90 % interval.",
    "mmasi_measured": "mMASI as measured, 0 to 24.",
    "mmasi_low": "Lower end of its 90 % interval.",
    "mmasi_high": "Upper end of its 90 % interval.",
    "severity_measured": "Band of the measured MASI: mild, moderate or severe.",
    "masi": "MASI that holds: as measured, or with the scores of a person in it.",
    "mmasi": "mMASI that holds.",
    "severity": "Band of the MASI that holds.",
    "rescored": "yes if the score of a region is a person's.",
    "missing": "Regions that were not scored, so that there is no measured total.",
}
_SIGNED: Final = {
    "corrected_at": "When the photograph was last corrected (UTC); empty if never.",
    "signed": "yes: what the visit says now is signed; before: it was signed and changed since; no: never signed.",
    "signed_by": "Who signed what it says now.",
    "signed_at": "When (UTC).",
}
_TONE: Final = {
    "ita_deg": "Individual typology angle of unaffected skin, degrees.",
    "ita_low": "Lower end of its 90 % interval.",
    "ita_high": "Upper end of its 90 % interval.",
    "tone_band": "Band of the angle, from very light to dark.",
    "monk": "Nearest tone of the Monk scale, 1 to 10.",
}
_SCORES: Final = {
    "area": "Area (A, 0 to 6)",
    "darkness": "Darkness (D, 0 to 4)",
    "homogeneity": "Homogeneity (H, 0 to 4)",
}
PHOTOS: Final[Mapping[str, str]] = {
    **_WHO,
    "age": "Age band of the patient, as told.",
    "sex": "As told.",
    "fitzpatrick": "Fitzpatrick type as told, 1 to 6.",
    "visit": "Identifier of the visit.",
    "make_up": "Make-up at the visit, as noted: off (washed off) or worn; empty if nobody noted it.",
    "treatments": "Treatments on the day of the visit, divided by semicolons.",
    "state": "Where the analysis stands: done, queued, running or failed.",
    "verdict": "Whether the photograph can be measured: usable, usable with reservations or refused.",
    "findings": "Codes of what was found about its quality.",
    **_TOTALS,
    **_SIGNED,
    **{
        f"{region.key}_{name}_measured": f"{words} of the region {region.label.lower()}, as measured (continuous)."
        for region in MASI_REGIONS
        for name, words in _SCORES.items()
    },
    **{
        f"{region.key}_{name}": f"{words} of the region {region.label.lower()} that holds."
        for region in MASI_REGIONS
        for name, words in _SCORES.items()
    },
    **{
        f"{region.key}_involved": f"Involved share of the region {region.label.lower()}, 0 to 1."
        for region in MASI_REGIONS
    },
    **_TONE,
    "lesions_measured": f"Patches that the analysis outlined; {MOST_LESIONS} mean that many or more.",
    "lesions": "Patches that hold: without those deleted, with those drawn by a person.",
    **{f"lesions_{kind.value}": f"Those that hold and are called {kind.value}." for kind in Lesion},
    "sha256": "SHA-256 of the photograph's file.",
    "melascope": "Version of Melascope that measured it.",
    "skin_network": "Version of the network that found regions and pigment.",
    "regional_network": "Version of the network that corrected what was measured region by region.",
    "naming_network": "Version of the network that named the kinds of patches.",
    "severity_network": "Version of the severity network, where one ships.",
}
"""Columns of ``photos.csv`` and what they mean."""
REGIONS: Final[Mapping[str, str]] = {
    **_WHO,
    "region": "forehead, right_malar, left_malar or chin; right and left are the patient's.",
    "visible": "yes if enough of it is visible to be measured.",
    "involved": "Share of the region's visible skin that carries excess pigment, 0 to 1.",
    "involved_low": "Lower end of its 90 % interval.",
    "involved_high": "Upper end of its 90 % interval.",
    **{f"{name}_measured": f"{words}, as measured (continuous)." for name, words in _SCORES.items()},
    "darkness_low": "Lower end of the 90 % interval of the measured darkness.",
    "darkness_high": "Upper end of it.",
    "homogeneity_low": "Lower end of the 90 % interval of the measured homogeneity.",
    "homogeneity_high": "Upper end of it.",
    **{f"{name}_step": f"{words}, measured, as a rater writes it." for name, words in _SCORES.items()},
    **{name: f"{words} that holds: as measured, or a person's step." for name, words in _SCORES.items()},
    "points": "What the region adds to the MASI that holds.",
    "scored_by": "Who scored the region; empty if it is as measured.",
    "scored_at": "When (UTC).",
}
"""Columns of ``regions.csv`` and what they mean."""
TABLES: Final = {"photos.csv": PHOTOS, "regions.csv": REGIONS}


def photos_csv(database: Database, study_id: str) -> Iterator[str]:
    """``photos.csv`` in pieces: a row a photograph. Who asks was checked before."""
    return _csv(database, study_id, PHOTOS, lambda photo, reading: [_photo(photo, reading)])


def regions_csv(database: Database, study_id: str) -> Iterator[str]:
    """``regions.csv`` in pieces: a row a region of a photograph that was measured."""

    def rows(photo: Photo, reading: Reading | None) -> list[Cells]:
        if reading is None or reading.record.regions is None:
            return []
        return [{**_who(photo), **_region(row)} for row in reading.regions]

    return _csv(database, study_id, REGIONS, rows)


def columns_csv() -> str:
    """``columns.csv``: what each column of the other tables means."""
    rows = [[table, column, words] for table, columns in TABLES.items() for column, words in columns.items()]
    return _line(["table", "column", "description"]) + "".join(_line(row) for row in rows)


def _csv(
    database: Database,
    study_id: str,
    columns: Mapping[str, str],
    rows: Callable[[Photo, Reading | None], list[Cells]],
) -> Iterator[str]:
    yield _line(list(columns))
    with database.reading() as db:
        patients = list(db.scalars(select(Patient.id).where(Patient.study_id == study_id).order_by(Patient.code)))
    for patient_id in patients:
        with database.reading() as db:
            patient = db.get(Patient, patient_id)  # it may have been deleted meanwhile
            found = [photo for visit in patient.visits for photo in visit.photos] if patient is not None else []
            text = "".join(
                _line([_cell(cells.get(name)) for name in columns])
                for photo in found
                for cells in rows(photo, read(photo))
            )
        if text:
            yield text


def _line(cells: list[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4f}"
        case datetime():
            return value.strftime("%Y-%m-%dT%H:%M:%SZ")
        case str():
            return harmless(value)
        case _:
            return str(value)


def _who(photo: Photo) -> Cells:
    visit = photo.visit
    return {
        "patient": visit.patient.code,
        "visit_day": visit.day.isoformat(),
        "photo": photo.id,
        "view": photo.view.value,
    }


def _photo(photo: Photo, reading: Reading | None) -> Cells:
    visit, patient = photo.visit, photo.visit.patient
    treatments = [
        row.name for row in patient.treatments if row.started <= visit.day and (row.ended or visit.day) >= visit.day
    ]
    cells = _who(photo) | {
        "age": patient.age.value if patient.age else None,
        "sex": patient.sex.value if patient.sex else None,
        "fitzpatrick": patient.fitzpatrick,
        "visit": visit.id,
        "make_up": visit.make_up.value if visit.make_up else None,
        "treatments": "; ".join(treatments),
        "state": photo.job.state.value if photo.job else "done",
        "corrected_at": photo.corrected,
        "sha256": photo.sha256,
        **_signed(visit),
    }
    return cells if reading is None else cells | _reading(reading)


def _signed(visit: Visit) -> Cells:
    holds, former = valid_signatures(visit)
    if not holds:
        return {"signed": "before" if former else "no"}
    return {"signed": "yes", "signed_by": holds[-1].user.name, "signed_at": holds[-1].at}


def _reading(reading: Reading) -> Cells:
    record = reading.record
    cells: Cells = {
        "verdict": record.quality.verdict.value,
        "findings": " ".join(finding.code for finding in record.quality.findings),
        "masi": reading.masi,
        "mmasi": reading.mmasi,
        "severity": reading.severity.value if reading.severity else None,
        "rescored": reading.rescored,
        "melascope": record.versions.get("melascope"),
        "skin_network": record.versions.get("skin network"),
        "regional_network": record.versions.get("regional network"),
        "naming_network": record.versions.get("naming network"),
        "severity_network": record.versions.get("severity network"),
    }
    if record.masi is not None:
        totals = record.masi
        cells |= {"masi_measured": totals.masi, "mmasi_measured": totals.mmasi, "missing": " ".join(totals.missing)}
        cells |= {name: getattr(totals, name) for name in ("masi_low", "masi_high", "mmasi_low", "mmasi_high")}
        cells["severity_measured"] = totals.severity.value if totals.severity else None
    if record.skin_tone is not None:
        tone = record.skin_tone
        cells |= {name: getattr(tone, name) for name in ("ita_deg", "ita_low", "ita_high", "monk")}
        cells["tone_band"] = tone.band.value
    if record.regions is not None:
        kept = [row for row in reading.lesions if not row.deleted]
        cells |= {"lesions_measured": len(record.lesions), "lesions": len(kept)}
        cells |= {f"lesions_{kind.value}": sum(row.kind is kind for row in kept) for kind in Lesion}
        for row in reading.regions:
            found, key = _region(row), row.region.key
            cells |= {f"{key}_{name}_measured": found[f"{name}_measured"] for name in _SCORES}
            cells |= {f"{key}_{name}": found.get(name) for name in _SCORES}
            cells[f"{key}_involved"] = found["involved"]
    return cells


def _region(row: RegionReading) -> Cells:
    measured, score = row.measured, row.score
    cells: Cells = {
        "region": row.region.key,
        "visible": measured.visible,
        "involved": measured.involved_fraction,
        "involved_low": measured.involved_low,
        "involved_high": measured.involved_high,
        **{f"{name}_measured": getattr(measured, name) for name in _SCORES},
        **{f"{name}_step": getattr(measured, f"{name}_step") for name in _SCORES},
        **{
            f"{name}_{end}": getattr(measured, f"{name}_{end}")
            for name in ("darkness", "homogeneity")
            for end in ("low", "high")
        },
        "points": row.points,
    }
    if score is not None:
        cells |= {name: getattr(score, name) for name in _SCORES}
    if row.correction is not None and row.correction.value:
        cells |= {"scored_by": row.correction.user.name, "scored_at": row.correction.at}
    return cells

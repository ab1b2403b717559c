"""Exports of the clinic: FHIR and DICOM of a visit, tables of a study."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import datetime
from typing import Any

import cv2
import numpy as np
import pytest
from sqlalchemy import select

from melascope.clinic import patients, photos, visits
from melascope.clinic.corrections import correct, read
from melascope.clinic.handover import statement_of
from melascope.clinic.store import Away
from melascope.clinic.study_table import PHOTOS, REGIONS, TABLES, photos_csv, regions_csv
from melascope.clinic.tables import Audit, Patient, Photo, PhotoView, Visit
from tests.clinic.made import House, jpeg
from tests.clinic.test_api import key
from tests.report.test_fhir import checked, observed, of_type, parts

SCORE = {"area": 6, "darkness": 4, "homogeneity": 4}


def test_a_patient_is_exported_with_all_originals_or_not_at_all(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    person, store = house.member(), house.clinic.store
    address = f"/patients/{house.patient}/export.zip"
    with house.clinic.database.reading() as db:
        photo = db.get_one(Photo, house.photo)
        original = f"{photo.sha256}.original"
        assert photo.analysed is not None
        picture = photo.analysed.pictures["files"]["thumb.jpg"]
    store.remove(house.patient, picture)
    names = zipfile.ZipFile(io.BytesIO(person.get(address).content)).namelist()
    assert [name.rpartition("/")[2] for name in names if "missing" in name] == ["thumb.jpg.missing.txt"]
    get = store.inner.get

    def away(patient: str, name: str) -> bytes:
        if name.endswith(".png"):
            raise Away("a file of the store cannot be read (ConnectTimeout)")
        return get(patient, name)

    with monkeypatch.context() as patch:
        patch.setattr(store.inner, "get", away)
        assert person.get(address).status_code == 503
    store.remove(house.patient, original)
    assert person.get(address).status_code == 503
    assert key(house, "clinician of practice").get(f"/api/v1/patients/{house.patient}/export").status_code == 503


def rescore(house: House) -> None:
    """A clinician scores the chin, deletes the first patch, and names the second."""
    actor = house.actor("clinician of practice")
    with house.clinic.database.writing() as db:
        version = db.get_one(Photo, house.photo).version
        changes = [("score/chin", SCORE), ("lesion/0", {"deleted": True}), ("lesion/1", {"kind": "mel"})]
        correct(db, actor, house.photo, version, changes)  # type: ignore[arg-type]


def sign(house: House) -> None:
    actor = house.actor("clinician of practice")
    with house.clinic.database.writing() as db:
        visit = db.get_one(Visit, house.visit)
        visits.sign_visit(db, actor, house.visit, visits.content_digest(visit))


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.filterwarnings("default")  # what the checking package itself warns of
def test_a_visit_as_fhir(house: House) -> None:
    person = house.member()
    address = f"/visits/{house.visit}/fhir.json"
    made = person.get(address).json()
    checked(made, "r4")
    assert of_type(made, "DiagnosticReport")[0]["status"] == "preliminary"
    [patient] = of_type(made, "Patient")
    assert patient["identifier"][0]["value"] == "P-0001" and set(patient) == {"resourceType", "identifier"}
    rescore(house)
    sign(house)
    answer = person.get(f"{address}?release=r5&photographs=yes&kind=transaction")
    assert answer.headers["content-type"].startswith("application/fhir+json")
    made = answer.json()
    checked(made, "r5")
    assert made["type"] == "transaction"
    [report] = of_type(made, "DiagnosticReport")
    assert report["status"] == "final" and len(report["media"]) == 1 and report["effectiveDateTime"] == "2026-01-05"
    assert {row["name"][0]["text"] for row in of_type(made, "Practitioner")} == {"clinician of practice"}
    [chin] = [row for row in observed(made, "region") if "performer" in row]
    assert parts(chin) == SCORE
    with house.clinic.database.reading() as db:
        reading = read(db.get_one(Photo, house.photo))
    assert reading is not None and reading.masi is not None
    assert observed(made, "masi")[0]["valueQuantity"]["value"] == pytest.approx(reading.masi, abs=1e-4)
    lesions = observed(made, "lesion")
    assert len(lesions) == len(reading.record.lesions) - 1
    assert [row["valueCodeableConcept"]["coding"][0]["code"] for row in lesions if "performer" in row] == ["mel"]
    assert person.get(f"{address}?release=dstu2").status_code == 404
    single = person.get(f"/photos/{house.photo}/export/fhir.json").json()
    assert len(observed(single, "masi")) == 1


def test_what_was_signed_and_changed_is_not_final(house: House) -> None:
    def status() -> str:
        with house.clinic.database.reading() as db:
            return statement_of(db.get_one(Visit, house.visit)).status

    sign(house)
    assert status() == "final"
    rescore(house)
    assert status() == "preliminary"
    sign(house)
    assert status() == "amended"


def test_a_statement_is_never_older_than_what_it_says(house: House) -> None:
    actor = house.actor("administrator of practice")
    other = photos.add_photo(house.clinic.database, actor, house.clinic.store, house.visit, PhotoView.LEFT, jpeg(9))
    house.clinic.runner.drain()

    def made() -> datetime:
        with house.clinic.database.reading() as db:
            return statement_of(db.get_one(Visit, house.visit)).made

    moments = [made()]
    with house.clinic.database.writing() as db:
        version = db.get_one(Visit, house.visit).version
        visits.change_visit(db, actor, house.visit, version, {"day": "2026-01-07"})
    moments.append(made())
    with house.clinic.database.writing() as db:
        photos.delete_photo(db, actor, other[0])
    moments.append(made())
    rescore(house)
    moments.append(made())
    assert moments == sorted(set(moments))
    bundle = house.member().get(f"/visits/{house.visit}/fhir.json").json()
    times = [entry["resource"]["issued"] for entry in bundle["entry"] if "issued" in entry["resource"]]
    assert datetime.fromisoformat(max(times)) <= datetime.fromisoformat(bundle["timestamp"])
    [total] = observed(bundle, "masi")
    assert total["issued"] == bundle["timestamp"]


def test_a_visit_as_dicom(house: House) -> None:
    pydicom = pytest.importorskip("pydicom")
    rescore(house)
    person = house.member()
    side = cv2.imencode(".png", np.full((120, 90, 3), 40, np.uint8))[1].tobytes()  # as large as what `drawn` measures
    person.upload(house.visit, side, view="right")
    house.clinic.runner.drain()
    answer = person.get(f"/visits/{house.visit}/dicom.zip")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    files = {name: pydicom.dcmread(io.BytesIO(archive.read(name))) for name in archive.namelist()}
    assert {name: data.Modality for name, data in files.items()} == {
        "dicom/01-frontal.dcm": "XC",
        "dicom/02-right.dcm": "XC",
        "dicom/02-right-segmentation.dcm": "SEG",
        "dicom/measurements.dcm": "SR",
    }
    picture = files["dicom/01-frontal.dcm"]
    from melascope.photo import read_photo

    assert np.array_equal(picture.pixel_array, read_photo(jpeg(60), "x").pixels)
    assert picture.PatientID == "P-0001" and picture.StudyDate == "20260105"
    assert files["dicom/measurements.dcm"].PreliminaryFlag == "PRELIMINARY"
    assert files["dicom/02-right.dcm"].LossyImageCompression == "00"
    assert (files["dicom/02-right-segmentation.dcm"].Rows, picture.Rows) == (120, 96)
    assert b"clinician of practice" not in archive.read("dicom/01-frontal.dcm")


def test_a_study_as_a_table(house: House) -> None:
    actor = house.actor("clinician of practice")
    with house.clinic.database.writing() as db:
        for name, started, ended in (
            ("=HYPERLINK(1)", "2026-01-01", ""),
            ("Azelaic acid", "2025-10-01", "2026-01-04"),
            ("Sunscreen", "2025-10-01", "2026-01-05"),
        ):
            form = {"name": name, "started": started, "ended": ended}
            patients.add_treatment(db, actor, house.patient, form)
    rescore(house)
    sign(house)
    person = house.member()
    answer = person.get(f"/studies/{house.study}/photos.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    [row] = rows(answer.text)
    with house.clinic.database.reading() as db:
        reading = read(db.get_one(Photo, house.photo))
    assert reading is not None and reading.record.masi is not None and reading.masi is not None
    assert row["patient"] == "P-0001" and row["visit_day"] == "2026-01-05"
    assert set(row["treatments"].split("; ")) == {"Sunscreen", "=HYPERLINK(1)"} - {""}
    assert float(row["masi_measured"]) == pytest.approx(reading.record.masi.masi, abs=1e-3)
    assert float(row["masi"]) == pytest.approx(reading.masi, abs=1e-3) != float(row["masi_measured"])
    assert (row["rescored"], row["signed"], row["signed_by"]) == ("yes", "yes", "clinician of practice")
    assert (float(row["chin_area"]), row["lesions_mel"]) == (6, "1")
    assert int(row["lesions"]) == int(row["lesions_measured"]) - 1
    assert float(row["forehead_area"]) == float(row["forehead_area_measured"])
    long = rows(person.get(f"/studies/{house.study}/regions.csv").text)
    assert [cells["region"] for cells in long] == ["forehead", "right_malar", "left_malar", "chin"]
    assert [cells["scored_by"] for cells in long] == ["", "", "", "clinician of practice"]
    assert sum(float(cells["points"]) for cells in long) == pytest.approx(reading.masi, abs=1e-3)
    with house.clinic.database.reading() as db:
        seen = {row.action for row in db.scalars(select(Audit).where(Audit.study_id == house.study))}
    assert {"study.photos", "study.regions"} <= seen


def test_no_cell_is_a_formula(house: House) -> None:
    actor = house.actor("clinician of practice")
    with house.clinic.database.writing() as db:
        form = {"name": "=cmd|' /C calc'!A0", "started": "2026-01-01"}
        patients.add_treatment(db, actor, house.patient, form)
    for make in (photos_csv, regions_csv):
        text = "".join(make(house.clinic.database, house.study))
        assert len(rows(text)) > 0
        for cells in csv.reader(io.StringIO(text)):
            numbers = [cell for cell in cells if cell.startswith(("=", "+", "@", "-"))]
            assert all(cell.lstrip("-").replace(".", "").isdigit() for cell in numbers)


def test_every_column_is_described_and_every_description_is_a_column(house: House) -> None:
    person = house.member()
    described = rows(person.get(f"/studies/{house.study}/columns.csv").text)
    for table, columns in TABLES.items():
        header = person.get(f"/studies/{house.study}/{table}").text.splitlines()[0].split(",")
        assert header == [row["column"] for row in described if row["table"] == table] == list(columns)
    assert all(row["description"].endswith(".") for row in described)
    assert len(PHOTOS) > 60 and len(REGIONS) > 20
    assert person.get(f"/studies/{house.study}/users.csv").status_code == 404


def test_a_table_is_made_patient_by_patient(house: House) -> None:
    """What a patient's deletion in the middle takes away is missing, and the rest comes."""
    actor = house.actor("clinician of practice")
    with house.clinic.database.writing() as db:
        other = patients.add_patient(db, actor, house.study, {})
        visits.add_visit(db, actor, other.id, {"day": "2026-01-06"})
    pieces = photos_csv(house.clinic.database, house.study)
    assert next(pieces).startswith("patient,")
    with house.clinic.database.writing() as db:
        db.delete(db.get_one(Patient, house.patient))
    assert list(pieces) == []


def test_the_api_gives_the_same(house: House) -> None:
    api, person = key(house, "clinician of practice"), house.member()
    for ours, page in (
        (f"visits/{house.visit}/fhir", f"/visits/{house.visit}/fhir.json"),
        (f"photos/{house.photo}/fhir?release=r5", f"/photos/{house.photo}/export/fhir.json?release=r5"),
    ):
        assert api.get(f"/api/v1/{ours}").json() == person.get(page).json()
    for table in ("photos", "regions", "columns"):
        address = f"studies/{house.study}/{table}.csv"
        assert api.get(f"/api/v1/{address}").text == person.get(f"/{address}").text
    assert zipfile.ZipFile(io.BytesIO(api.get(f"/api/v1/visits/{house.visit}/dicom").content)).testzip() is None


@pytest.mark.parametrize("who", ["read-only of practice", "annotator of practice", "clinician of elsewhere", "Root"])
def test_who_may_not_export_gets_nothing_by_the_api(house: House, who: str) -> None:
    api: Any = key(house, who)
    for address in (
        f"visits/{house.visit}/fhir",
        f"visits/{house.visit}/dicom",
        f"photos/{house.photo}/fhir",
        f"studies/{house.study}/photos.csv",
        f"studies/{house.study}/columns.csv",
    ):
        answer = api.get(f"/api/v1/{address}")
        assert answer.status_code == (403 if who.endswith("practice") else 404), address
        assert set(json.loads(answer.text)) == {"detail"}

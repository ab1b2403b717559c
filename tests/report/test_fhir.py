"""FHIR bundles: read by another's models, complete, and the same each time."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from melascope.record import Analysis
from melascope.report import codes
from melascope.report.fhir import RELEASES, Release, bundle, conclusion
from melascope.report.html import jpeg
from melascope.report.statement import Image, Named, Person, PhotoStatement, Rated, Statement, Subject
from melascope.report.write import Exports, write
from melascope.vocabulary import DISCLAIMER, MASI_REGIONS, Lesion, Region
from tests.report.synthetic import CASES

MADE = datetime(2026, 2, 3, 9, 30, tzinfo=UTC)
ANN, BO, CY = (Person(name[0].lower() * 32, name) for name in ("Ann", "Bo", "Cy"))
SUBJECT = Subject("p" * 32, "P-0007", "https://melascope.org/fhir/sid/study/0123")


def picture(record: Analysis) -> Image | None:
    try:
        pixels = record.arrays.pixels
    except LookupError:
        return None
    return Image(jpeg(pixels), pixels.shape[1], pixels.shape[0])


def alone(case: str) -> Statement:
    return Statement.of(CASES[case], MADE, picture(CASES[case]))


def visit(*, signed: bool = True, before: bool = False) -> Statement:
    """Two photographs; a person scored the chin, named one patch otherwise, deleted one and drew one."""
    face = PhotoStatement.of(CASES["named"], picture(CASES["named"]))
    first, second, *_ = face.lesions
    lesions = (
        replace(first, kind=Lesion.FRECKLE, by=ANN, at=MADE),
        second,
        Named("drawn-1", (3, 4, 30, 40), None, None, ANN, MADE),
    )
    face = replace(
        face, key="f" * 32, view="frontal", lesions=lesions, rated={Region.CHIN: Rated(2, 3, 1, ANN, MADE)}, masi=21.5
    )
    close = replace(PhotoStatement.of(CASES["close_up"]), key="c" * 32, view="close-up")
    return Statement(
        "v" * 32,
        MADE,
        (face, close),
        SUBJECT,
        "Practice",
        date(2026, 2, 2),
        ((ANN, MADE),) if signed else (),
        before,
    )


STATEMENTS = {name: alone(name) for name in CASES} | {"visit": visit(), "unsigned": visit(signed=False)}


def checked(made: dict[str, Any], release: Release) -> Any:
    """Read by the models of another project; what they do not know, they refuse."""
    if release == "r4":
        from fhir.resources.R4B.bundle import Bundle
    else:
        from fhir.resources.bundle import Bundle  # type: ignore[assignment]
    return Bundle.model_validate_json(json.dumps(made))


def of_type(made: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in made["entry"] if entry["resource"]["resourceType"] == kind]


def observed(made: dict[str, Any], code: str) -> list[dict[str, Any]]:
    return [row for row in of_type(made, "Observation") if row["code"]["coding"][0]["code"] == code]


def parts(row: dict[str, Any]) -> dict[str, float]:
    return {
        part["code"]["coding"][0]["code"]: part["valueQuantity"]["value"]
        for part in row["component"]
        if "valueQuantity" in part
    }


@pytest.mark.filterwarnings("default")  # what the checking package itself warns of
@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "collection") for name in ("apart", "incomplete", "close_up", "refused", "grey", "unsigned")),
        ("visit", "transaction"),
    ],
)
def test_another_projects_models_take_every_bundle(name: str, kind: Any, release: Release) -> None:
    made = bundle(STATEMENTS[name], release, photographs=True, kind=kind)
    read = checked(made, release)
    assert len(read.entry) == len(made["entry"]) > 2
    again = json.loads(read.model_dump_json())
    assert len(json.dumps(again)) > 0.9 * len(json.dumps(made))


@pytest.mark.filterwarnings("default")
def test_the_models_do_refuse() -> None:
    made = bundle(STATEMENTS["complete"])
    made["entry"][0]["resource"]["colour"] = "brown"
    with pytest.raises(ValueError, match="colour"):
        checked(made, "r4")


@pytest.mark.parametrize("release", RELEASES)
def test_every_reference_leads_to_an_entry_and_nothing_is_left_over(release: Release) -> None:
    made = bundle(STATEMENTS["visit"], release, photographs=True)
    urls = [entry["fullUrl"] for entry in made["entry"]]
    assert len(urls) == len(set(urls))
    named: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            named.update([value["reference"]] if "reference" in value else [])
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(made)
    assert named == set(urls[1:])  # all but the report, which comes first
    assert made["entry"][0]["resource"]["resourceType"] == "DiagnosticReport"


def test_values_are_those_of_the_record() -> None:
    made, record = bundle(STATEMENTS["complete"]), CASES["complete"]
    assert record.masi is not None and record.regions is not None and record.skin_tone is not None
    [masi] = observed(made, "masi")
    assert masi["valueQuantity"]["value"] == pytest.approx(record.masi.masi, abs=1e-4)
    assert parts(masi)["masi-low"] == pytest.approx(record.masi.masi_low, abs=1e-4)
    assert parts(masi)["masi-high"] == pytest.approx(record.masi.masi_high, abs=1e-4)
    assert len(masi["derivedFrom"]) == 4
    [severity] = observed(made, "severity")
    assert [row["system"] for row in severity["valueCodeableConcept"]["coding"]] == [codes.OURS, codes.SNOMED]
    by_place = {row["bodySite"]["coding"][1]["code"]: row for row in observed(made, "region")}
    for region in MASI_REGIONS:
        score = getattr(record.regions, region.key)
        values = parts(by_place[region.key.replace("_", "-")])
        assert values["area"] == pytest.approx(score.area, abs=1e-4)
        assert values["involved"] == pytest.approx(score.involved_fraction * 100, abs=1e-2)
    [tone] = observed(made, "skin-tone")
    assert tone["valueQuantity"]["code"] == "deg"
    assert parts(tone)["ita-high"] == record.skin_tone.ita_high
    assert len(observed(made, "lesion")) == len(record.lesions)
    [device] = of_type(made, "Device")
    assert device["version"][0]["value"] == record.versions["melascope"]


def test_a_person_stands_beside_what_was_measured() -> None:
    made = bundle(STATEMENTS["visit"])
    [measured] = observed(made, "region-measured")
    [chin] = [row for row in observed(made, "region") if "performer" in row]
    assert chin["method"]["coding"][0]["code"] == "rated" and "device" not in chin
    assert parts(chin) == {"area": 2, "darkness": 3, "homogeneity": 1}
    assert measured["bodySite"] == chin["bodySite"] and "area" in parts(measured)
    totals = CASES["named"].masi
    assert totals is not None
    masi = next(row for row in observed(made, "masi") if "valueQuantity" in row)
    assert masi["valueQuantity"]["value"] == 21.5 and "performer" in masi
    assert set(parts(masi)) == {"masi-measured"}
    named = [row for row in observed(made, "lesion") if "performer" in row]
    assert len(named) == 2
    kind = named[0]["component"][0]["valueCodeableConcept"]["coding"]
    assert kind[0]["code"] == "mel" and kind[1]["code"] == "36209000"
    [person] = of_type(made, "Practitioner")
    assert person["name"][0]["text"] == "Ann"
    [patient] = of_type(made, "Patient")
    assert set(patient) == {"resourceType", "identifier"}  # a code, and nothing else
    assert patient["identifier"][0]["value"] == "P-0007"


def two_raters() -> Statement:
    """Ann scored the chin, Bo the forehead later, and Cy signs."""
    statement = visit()
    face = statement.photos[0]
    rated = {**face.rated, Region.FOREHEAD: Rated(1, 1, 1, BO, MADE + timedelta(minutes=5))}
    made = MADE + timedelta(hours=1)
    return replace(
        statement, made=made, photos=(replace(face, rated=rated), *statement.photos[1:]), signed=((CY, made),)
    )


def test_all_who_scored_stand_behind_a_total() -> None:
    statement = two_raters()
    made = bundle(statement)
    names = {entry["fullUrl"]: entry["resource"]["name"][0]["text"] for entry in made["entry"] if named_person(entry)}
    for code in ("masi", "mmasi", "severity"):
        row = next(row for row in observed(made, code) if "dataAbsentReason" not in row)
        assert [names[each["reference"]] for each in row["performer"]] == ["Ann", "Bo"], code
        assert row["issued"] == statement.made.isoformat(timespec="seconds")  # a total is as new as the statement


def named_person(entry: dict[str, Any]) -> bool:
    return bool(entry["resource"]["resourceType"] == "Practitioner")


@pytest.mark.parametrize(
    ("signed", "before", "status"),
    [(True, False, "final"), (True, True, "amended"), (False, False, "preliminary"), (False, True, "preliminary")],
)
def test_only_what_is_signed_is_final(signed: bool, before: bool, status: str) -> None:
    made = bundle(visit(signed=signed, before=before))
    assert {row["status"] for row in of_type(made, "Observation") + of_type(made, "DiagnosticReport")} == {status}
    assert ("resultsInterpreter" in of_type(made, "DiagnosticReport")[0]) == signed


def test_what_a_patch_may_be_is_told_and_is_no_diagnosis() -> None:
    for name, text in (
        ("unsure", "unsure: melasma, none of the six, nevus of Ota or Hori's nevus. Not a diagnosis."),
        ("complete", None),
    ):
        absent = {found["dataAbsentReason"]["text"] for found in observed(bundle(STATEMENTS[name]), "lesion")}
        assert absent == {f"No kind was named; {text}" if text else "No kind was named."}


def test_what_was_not_scored_says_so() -> None:
    [masi] = observed(bundle(STATEMENTS["incomplete"]), "masi")
    assert masi["dataAbsentReason"]["text"] == "Not scored: left malar." and "valueQuantity" not in masi
    [masi] = observed(bundle(STATEMENTS["close_up"]), "masi")
    assert masi["dataAbsentReason"]["coding"][0]["code"] == "not-applicable"
    made = bundle(STATEMENTS["refused"])
    assert of_type(made, "DiagnosticReport")[0]["status"] == "cancelled"
    assert observed(made, "masi") == []
    assert "Hold the camera still" in of_type(made, "DiagnosticReport")[0]["conclusion"]


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_conclusion_is_plain_and_ends_with_what_it_is_not_for(name: str) -> None:
    text = conclusion(STATEMENTS[name])
    assert text.endswith(DISCLAIMER)
    assert "None" not in text and "_" not in text


@pytest.mark.parametrize("release", RELEASES)
def test_the_photograph_comes_only_if_asked_for(release: Release) -> None:
    kind = {"r4": "Media", "r5": "DocumentReference"}[release]
    assert of_type(bundle(STATEMENTS["visit"], release), kind) == []
    [media] = of_type(bundle(STATEMENTS["visit"], release, photographs=True), kind)
    attachment = media["content"] if release == "r4" else media["content"][0]["attachment"]
    shown = STATEMENTS["visit"].photos[0].image
    assert shown is not None and base64.b64decode(attachment["data"]) == shown.data
    size = len(shown.data)
    assert attachment["size"] == {"r4": size, "r5": str(size)}[release]  # R5: integer64, in JSON a text


def test_the_same_results_make_the_same_bundle_and_a_server_finds_what_it_has() -> None:
    first, second = (bundle(visit(), kind="transaction") for _ in range(2))
    assert first == second
    requests = {entry["resource"]["resourceType"]: entry["request"] for entry in first["entry"]}
    assert requests["Patient"]["ifNoneExist"] == f"identifier={SUBJECT.system}|P-0007"
    assert requests["Observation"]["method"] == requests["DiagnosticReport"]["method"] == "PUT"
    spaced = bundle(replace(visit(), subject=replace(SUBJECT, code="P 7/b")), kind="transaction")
    addresses = [entry["request"].get("ifNoneExist", entry["request"]["url"]) for entry in spaced["entry"]]
    assert any(address.endswith("|P%207/b") for address in addresses)
    assert not [address for address in addresses if re.search(r"\s", address)]


def test_no_code_of_ours_is_unknown_or_too_long_for_dicom() -> None:
    known = {
        code.code
        for table in (codes.CONCEPTS, codes.SEVERITIES, codes.VERDICTS, codes.KINDS, codes.PLACES)
        for code in table.values()
    }
    assert all(len(code) <= 16 for code in known)
    used: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("system") == codes.OURS:
                used.add(value["code"])
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    for statement in STATEMENTS.values():
        walk(bundle(statement))
    assert used <= known
    assert {"network-masi", "kind-measured", "region-measured", "usable"} <= used


def test_the_docs_list_every_code_of_ours() -> None:
    text = (Path(__file__).parents[2] / "docs" / "exports.md").read_text(encoding="utf-8")
    for code in codes.CONCEPTS.values():
        unit = f"`{code.unit}`" if code.unit else ""
        assert f"| `{code.code}` | {code.display} | {unit} | {code.definition} |" in text
    for table in (codes.SEVERITIES, codes.VERDICTS, codes.KINDS, codes.PLACES):
        assert [code.code for code in table.values() if f"`{code.code}`" not in text] == []
    assert codes.OURS in text and codes.DESIGNATOR in text
    listed = re.findall(r"^\| `([a-z0-9-]+)` \|", text, re.MULTILINE)
    assert listed == list(codes.CONCEPTS)  # and none that there is not


def of_an_array(record: Analysis, pixels: NDArray[np.uint8]) -> Analysis:
    photo = record.photo.model_copy(update={"file": "array", "sha256": None})
    return record.model_copy(update={"photo": photo}).with_arrays(replace(record.arrays, pixels=pixels))


def test_photographs_without_a_file_are_told_apart_by_their_pixels() -> None:
    record = CASES["complete"]
    pixels = record.arrays.pixels
    brighter, wider = pixels | np.uint8(1), pixels.reshape(pixels.shape[0] // 2, -1, 3)
    assert (brighter != pixels).any()
    made = [bundle(Statement.of(of_an_array(record, each), MADE)) for each in (pixels, brighter, wider)]
    reports = {entry["resource"]["identifier"][0]["value"] for each in made for entry in each["entry"][:1]}
    assert len(reports) == 3 and all(re.fullmatch("[0-9a-f]{64}", key) for key in reports)
    assert bundle(Statement.of(of_an_array(record, pixels.copy()), MADE)) == made[0]


def test_what_has_no_identity_is_not_exported(tmp_path: Path) -> None:
    unread = CASES["refused"].model_copy(update={"photo": CASES["refused"].photo.model_copy(update={"sha256": None})})
    with pytest.raises(ValueError, match="nothing tells it from others"):
        Statement.of(unread, MADE)
    assert write(CASES["refused"], tmp_path, exports=Exports("r4")).files.fhir == "fhir.json"
    written = write(unread, tmp_path, exports=Exports("r4", dicom=True))
    assert written.files.fhir is None and written.files.dicom is None
    assert {path.name for path in tmp_path.iterdir()} == {"analysis.json", "report.html"}

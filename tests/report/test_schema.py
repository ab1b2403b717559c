"""The shipped JSON Schema is that of the record, and records keep to it."""

from __future__ import annotations

import json

import jsonschema
import pytest

from melascope.record import Analysis
from melascope.report import schema_text
from tests.report.synthetic import CASES


def test_shipped_schema_is_that_of_the_record() -> None:
    message = "regenerate: melascope schema > src/melascope/report/analysis.schema.json"
    assert json.loads(schema_text()) == Analysis.schema(), message


def test_schema_is_itself_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


@pytest.mark.parametrize("case", CASES)
def test_records_validate_and_come_back(case: str) -> None:
    text = CASES[case].to_json()
    jsonschema.validate(json.loads(text), json.loads(schema_text()))
    assert Analysis.model_validate_json(text).to_json() == text


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("masi", "masi"), 48.1),
        (("regions", "chin", "involved_fraction"), 1.2),
        (("view",), "portrait"),
        (("regions", "chin", "darkness"), "dark"),
    ],
)
def test_schema_refuses_what_cannot_be(path: tuple[str, ...], value: object) -> None:
    record = json.loads(CASES["complete"].to_json())
    place = record
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(record, json.loads(schema_text()))


def test_a_record_of_the_first_layout_is_still_read() -> None:
    record = json.loads(CASES["complete"].to_json())
    assert record["schema_version"] == "1.4"
    record["schema_version"] = "1.0"
    del record["severity_reading"], record["files"]["relevance"]
    for lesion in record["lesions"]:
        del lesion["kinds"], lesion["other_probability"]
    found = Analysis.model_validate_json(json.dumps(record))
    assert all(lesion.kinds == () and lesion.other_probability is None for lesion in found.lesions)
    assert found.severity_reading is None and found.masi == CASES["complete"].masi

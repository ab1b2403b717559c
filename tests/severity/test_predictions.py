"""The predictions table: what is written is read back, and what is wrong is told with its line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from melascope.severity.predictions import (
    COLUMNS,
    PredictionsError,
    band,
    read_predictions,
    scored,
    write_predictions,
)
from tests.severity.simulated import rows

HEADER = ",".join(COLUMNS)
IN_A = "a,p1,test,0,10.0,0.7,0.2,0.1,,,,,,A,,"
GOOD = "a,p1,test,0,10.0,0.7,0.2,0.1,,,,,,,,"


def problems(tmp_path: Path, text: str | bytes) -> tuple[str, ...]:
    path = tmp_path / "predictions.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(PredictionsError) as caught:
        read_predictions(path)
    return caught.value.problems


def test_what_is_written_is_read_to_the_last_digit(tmp_path: Path) -> None:
    given = [*rows(20), replace(rows(1)[0], photo="x", predicted_masi=None, true_masi=None, raters={}, device="")]
    given = [replace(row, group=f"head{int(row.patient[-4:]) // 3}", subject=f"{row.patient} visit 1") for row in given]
    write_predictions(given, tmp_path / "predictions.csv")
    assert read_predictions(tmp_path / "predictions.csv") == tuple(given)


def test_a_name_that_looks_like_a_formula_is_harmless_and_comes_back(tmp_path: Path) -> None:
    given = (replace(rows(1)[0], photo="=1+1", patient="@me"),)
    write_predictions(given, tmp_path / "predictions.csv")
    assert "'=1+1,'@me" in (tmp_path / "predictions.csv").read_text()
    assert read_predictions(tmp_path / "predictions.csv") == given


def test_a_table_of_an_older_version_does_not_say_what_was_looked_at(tmp_path: Path) -> None:
    write_predictions(rows(2), tmp_path / "predictions.csv")
    text = (tmp_path / "predictions.csv").read_text()
    old = text.replace(",group,subject,raters", ",group,raters").replace(",frontal,,,", ",frontal,,")
    (tmp_path / "predictions.csv").write_text(old)
    assert read_predictions(tmp_path / "predictions.csv") == rows(2)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            "a,p1,test,3,40.0,0.7,0.2,0.1,,,,,,,,",
            ("line 2, column truth", "'3'", "0 (mild), 1 (moderate) or 2 (severe)"),
        ),
        ("a,p1,test,1,10.0,0.7,0.2,0.1,,,,,,,,", ("column truth", "band of rated_masi 10", "which is 0")),
        ("a,p1,test,0,49.0,0.7,0.2,0.1,,,,,,,,", ("column rated_masi", "'49.0'", "0 to 48")),
        ("a,p1,test,0,10.0,2.7,0.2,0.1,,,,,,,,", ("column p_mild", "'2.7'", "from 0 to 1")),
        ("a,p1,test,0,10.0,0.7,0.2,0.3,,,,,,,,", ("add up to 1.2", "logits")),
        ("a,p1,test,0,10.0,nan,0.2,0.3,,,,,,,,", ("column p_mild", "'nan'")),
        ("a,,test,0,10.0,0.7,0.2,0.1,,,,,,,,", ("column patient", "is empty")),
        ("a,p1,test,0,ten,0.7,0.2,0.1,,,,,,,,", ("column rated_masi", "'ten'")),
        ("a,p1,test,0,10.0,0.7,0.2,0.1,,,,,,,,r1=x", ("column raters", "NAME=MASI")),
        (f"{GOOD}\n{GOOD}", ("line 3, column photo", "is in line 2 already")),
        (f"{GOOD}\nb,p1,train,0,10.0,0.7,0.2,0.1,,,,,,,,", ("column patient", "train here and in test in line 2")),
        (f"{IN_A}\nb,p1,test,0,10.0,0.7,0.2,0.1,,,,,,B,,", ("column group", "'B'", "is not that of line 2 (A)")),
        (
            f"{IN_A}\nb,p2,train,0,10.0,0.7,0.2,0.1,,,,,,A,,",
            ("column group", "'A'", "train here and in test in line 2"),
        ),
        ("a,p1,test", ("line 2", "has 3 cells")),
        ("", ("no row below its header",)),
    ],
)
def test_a_fault_names_line_value_rule_and_way_out(tmp_path: Path, row: str, words: tuple[str, ...]) -> None:
    found = problems(tmp_path, f"{HEADER}\n{row}\n")
    assert len(found) == 1
    for word in words:
        assert word in found[0]


def test_every_fault_is_told_not_the_first_alone(tmp_path: Path) -> None:
    bad = "\n".join(f"a{k},p{k},test,0,99,0.7,0.2,0.1,,,,,,,," for k in range(30))
    found = problems(tmp_path, f"{HEADER}\n{bad}\n")
    assert len(found) == 30
    path = tmp_path / "predictions.csv"
    with pytest.raises(PredictionsError, match=r"30 problems(?s:.*)line 21(?s:.*)and 10 more"):
        read_predictions(path)


def test_files_that_are_no_table(tmp_path: Path) -> None:
    assert "UTF-8" in problems(tmp_path, b"\xff\xfe\x00")[0]
    assert "column p_mild is missing" in problems(tmp_path, "photo,patient\n")[3].replace(":", "")
    with pytest.raises(PredictionsError, match="is no file"):
        read_predictions(tmp_path / "nothing.csv")


def test_a_mean_that_floats_bring_just_below_16_is_moderate(tmp_path: Path) -> None:
    mean = (15.9 + 16.0 + 16.1) / 3 - 1e-12
    assert band(mean) == 1
    path = tmp_path / "predictions.csv"
    path.write_text(f"{HEADER}\na,p1,test,1,{mean!r},0.1,0.8,0.1,,,,,,,,\n")
    assert read_predictions(path)[0].truth == 1


def test_arrays_are_sorted_by_photo_and_number_the_patients() -> None:
    given = rows(6, per_patient=2)
    table = scored(reversed(given))
    assert table.photos == tuple(row.photo for row in given)
    assert table.patients.tolist() == [0, 0, 1, 1, 2, 2]
    assert np.allclose(table.probabilities.sum(axis=1), 1)
    assert table.predicted.tolist() == [max(range(3), key=lambda k: (row.probabilities[k], -k)) for row in given]


def test_no_predictions_are_refused() -> None:
    with pytest.raises(ValueError, match="choose a part that has photos"):
        scored([])


def test_a_patient_with_the_name_of_a_group_is_not_in_it() -> None:
    given = rows(4)
    table = scored(
        [replace(given[0], patient="A"), *(replace(row, patient=f"p{k}", group="A") for k, row in enumerate(given[1:]))]
    )
    assert len(set(table.patients.tolist())) == 4
    first, *others = table.clusters.tolist()
    assert len(set(others)) == 1 and first not in others and {first, *others} == {0, 1}

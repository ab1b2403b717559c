"""Whom photos show: by a table, by a pattern; what leaves doubt names nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from melascope.data.annotated import AnnotationError
from melascope.data.intake import Taken
from melascope.data.manifest import ManifestError, read_manifest, write_manifest
from melascope.data.orientation import Stored
from melascope.data.patients import patients_of, read_patients
from melascope.data.row import Row

NFC, NFD = "M\u00fcller", "Mu\u0308ller"


def taken_at(*names: str) -> list[Taken]:
    return [Taken(Path(name), name, Stored(120, 80, 1), ()) for name in names]


@pytest.mark.parametrize(
    ("names", "pattern", "patients"),
    [
        (("张三_1.jpg", "张三_2.jpg", "李四_1.jpg"), r"(.*)_\d", ["张三", "张三", "李四"]),
        (("Müller_1.jpg", "Möller_1.jpg"), r"(.*)_\d", ["Müller", "Möller"]),
        (("Mu\u0308ller_1.jpg", "Müller_2.jpg"), r"(.*)_\d", ["Müller", "Müller"]),  # typed in two ways
        (("张三_1.jpg", "李四_1.jpg", "Anna Lee.jpg"), None, ["张三_1", "李四_1", "Anna Lee"]),
        (("b/1.jpg", "b-1.jpg", "b:1.jpg"), None, ["b-1-2", "b-1", "b-1-3"]),
        (("-.jpg", "=.jpg"), None, ["unnamed", "unnamed-2"]),
        (("=1 +1. .jpg",), None, ["1 +1"]),
        ((f"{'x' * 130}1.jpg", f"{'x' * 130}2.jpg"), None, ["x" * 120, f"{'x' * 100}-2"]),
    ],
)
def test_no_two_people_become_one(
    tmp_path: Path, names: tuple[str, ...], pattern: str | None, patients: list[str]
) -> None:
    found = patients_of(taken_at(*names), pattern=pattern)
    assert [found[name] for name in names] == patients
    rows = [Row(photo_id=f"a{k}", patient=name, file="a.jpg") for k, name in enumerate(patients)]
    write_manifest(rows, tmp_path / "manifest.csv")  # as the manifest's own rule has them
    assert [row.patient for row in read_manifest(tmp_path / "manifest.csv").rows] == patients


@pytest.mark.parametrize(
    ("photos", "table", "patients"),
    [
        (("p1/a.jpg", "p2/b.jpg"), {"p1/a.jpg": "X", "b": "Y", "elsewhere.jpg": "Z"}, ["X", "Y"]),
        (("a.jpg", "p2/a.jpg"), {"a.jpg": "X", "p2/a.jpg": "Y"}, ["X", "Y"]),
        (("p1/a.jpg", "p1/a.png"), {"a.jpg": "X", "a.png": "Y"}, ["X", "Y"]),
        (("p1/a.jpg",), {"p1/a.jpg": "X", "a": "X"}, ["X"]),
    ],
)
def test_a_table_names_patients(photos: tuple[str, ...], table: dict[str, str], patients: list[str]) -> None:
    found = patients_of(taken_at(*photos), table)
    assert [found[photo] for photo in photos] == patients


@pytest.mark.parametrize(
    ("photos", "table", "words"),
    [
        (("p1/a.jpg", "p2/a.jpg"), {"a.jpg": "X"}, "'a.jpg' may be p1/a.jpg or p2/a.jpg: write"),
        (("a.jpg", "a.png"), {"a": "X"}, "'a' may be a.jpg or a.png: write the photo's name with folder and ending"),
        (("a.jpg", "p2/a.jpg"), {"a.jpg": "X"}, "p2/a.jpg: is not in the table of patients: add a row"),
        (("p1/a.jpg",), {"p1/a.jpg": "X", "a": "Y"}, "p1/a.jpg: is of patient 'X' by the row 'p1/a.jpg', and of 'Y'"),
        (("a.jpg", "b.jpg"), {"a.jpg": "X", "b.jpg": " "}, "b.jpg: is not in the table of patients: add a row"),
    ],
)
def test_a_table_that_leaves_doubt_merges_nobody(photos: tuple[str, ...], table: dict[str, str], words: str) -> None:
    with pytest.raises(AnnotationError) as caught:
        patients_of(taken_at(*photos), table)
    assert words in str(caught.value)
    assert len(caught.value.problems) == 1


def test_a_photo_has_one_patient_in_a_table(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    path.write_text("photo,patient\na.jpg,X\na.jpg, X\nb.jpg,\n,Z\n")
    assert read_patients(path) == {"a.jpg": "X"}
    path.write_text(f"photo,patient\n{NFC}.jpg,{NFD}\n{NFD}.jpg,{NFC}\n", encoding="utf-8")
    assert read_patients(path) == {f"{NFC}.jpg": NFC}
    path.write_text("photo,patient\na.jpg,X\nb.jpg,Z\na.jpg ,Y\n")
    with pytest.raises(ManifestError) as caught:
        read_patients(path)
    assert "line 4, column photo: 'a.jpg' is of patient 'Y', and of 'X' in line 2: keep" in str(caught.value)

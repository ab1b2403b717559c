"""Every fault of a table gives an error that names the row, the value, the rule and the way out; all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from melascope.severity.ratings import RatingsError, read_ratings
from tests.severity.faults import FAULTS, GOOD, HEADER, Fault


def written(fault: Fault, folder: Path) -> tuple[Path, Path | None]:
    table = folder / fault.file
    table.write_bytes(fault.content)
    if fault.photos is None:
        return table, None
    photos = folder / "photos"
    photos.mkdir()
    for name in fault.photos:
        path = photos / name.partition(":")[0]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"" if name.endswith(":empty") else b"\xff\xd8")
    return table, photos


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_names_row_value_rule_and_way_out(fault: Fault, tmp_path: Path) -> None:
    if fault.file.endswith("xlsx"):
        pytest.importorskip("openpyxl")
    if fault.file.endswith("parquet"):
        pytest.importorskip("pyarrow")
    table, photos = written(fault, tmp_path)
    with pytest.raises(RatingsError) as caught:
        read_ratings(table, photos)
    fitting = [problem for problem in caught.value.problems if all(words in problem for words in fault.says)]
    assert fitting, f"none of {caught.value.problems} says {fault.says}"
    assert str(table.parent) in str(caught.value)


def test_the_faults_are_many() -> None:
    assert len(FAULTS) >= 40 and len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_twenty_faults_in_one_table_are_told_at_once(tmp_path: Path) -> None:
    wrong = [
        f"c{i}.jpg,Q{i},anna,{value}" for i, value in enumerate(["49", "-1", "x", "nan", "", "1e2", "48.1", "12%"])
    ]
    wrong += ["a.jpg,P9,carl,3", "a.jpg,P1,anna,3", ",P3,anna,3", "d.jpg,,anna,3", "e.jpg,P4,,3", "f.jpg,P5,ANNA,3"]
    wrong += ["g.jpg,p1,anna,3,4", "h.jpg,p2,ben,3", "B.jpg,P2,carl,3", "i.jpg,P6,anna,60", "j.jpg,P7,anna,2024-01-01"]
    table = tmp_path / "ratings.csv"
    table.write_text("\n".join([HEADER, *GOOD, *wrong]) + "\n", encoding="utf-8")
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(RatingsError) as caught:
        read_ratings(table, photos)
    problems = caught.value.problems
    faulty = {int(problem.split()[1].rstrip(":")) for problem in problems if problem.startswith("row ")}
    assert faulty >= set(range(6, 6 + len(wrong)))
    rows = [int(problem.split()[1].rstrip(":")) for problem in problems]
    assert rows == sorted(rows)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith(f"{len(problems)} problems") and len(lines) == 22
    assert lines[-1].strip() == f"... and {len(problems) - 20} more"


def test_rows_are_counted_as_a_spreadsheet_counts_them(tmp_path: Path) -> None:
    table = tmp_path / "ratings.csv"
    table.write_text('photo,patient,masi\n"a\n",P1,3\n\n,,\nb,P2,50\n', encoding="utf-8")
    with pytest.raises(RatingsError) as caught:  # the cell of row 2 takes two lines, rows 3 and 4 are empty
        read_ratings(table)
    assert caught.value.problems == (
        "row 5: column masi: '50' is out of range: a MASI lies between 0 and 48; correct the score",
    )


def test_a_rating_that_is_wrong_is_not_missing_as_well(tmp_path: Path) -> None:
    table = tmp_path / "ratings.csv"
    table.write_text("\n".join([HEADER, *GOOD[:3], "b.jpg,P2,ben,333"]), encoding="utf-8")
    with pytest.raises(RatingsError) as caught:
        read_ratings(table)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("place", ["nowhere.csv", "nowhere"])
def test_what_is_not_there_is_named(place: str, tmp_path: Path) -> None:
    with pytest.raises(RatingsError, match="is not there"):
        read_ratings(tmp_path / place)


def test_a_folder_of_photos_that_is_not_there(tmp_path: Path) -> None:
    table = tmp_path / "ratings.csv"
    table.write_text("\n".join([HEADER, *GOOD]), encoding="utf-8")
    with pytest.raises(RatingsError, match="is no folder"):
        read_ratings(table, tmp_path / "photos")
    with pytest.raises(RatingsError, match="is a file"):
        read_ratings(table, table)


def test_a_folder_without_ratings(tmp_path: Path) -> None:
    with pytest.raises(RatingsError, match=r"holds neither manifest\.csv nor"):
        read_ratings(tmp_path)


def test_faults_of_a_workbook_have_the_same_rows(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    from datetime import date

    book = openpyxl.Workbook()
    for row in (("Photo", "Patient ID", "MASI"), ("a", 12, 3.5), (None, None, None), ("b", 13, date(2024, 5, 12))):
        book.active.append(row)
    book.save(tmp_path / "r.xlsx")
    with pytest.raises(RatingsError, match=r"row 4: column MASI: '2024-05-12T00:00:00' is a date"):
        read_ratings(tmp_path / "r.xlsx")
    book.create_sheet("more").append(("photo",))
    book.save(tmp_path / "r.xlsx")
    with pytest.raises(RatingsError, match=r"'Sheet', 'more'; name the one with the ratings 'ratings'"):
        read_ratings(tmp_path / "r.xlsx")

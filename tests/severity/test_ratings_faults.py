"""Every fault of a table gives an error that names the row, the value, the rule and the way out; all at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from melascope.cli.app import app
from melascope.severity.ratings import RatingsError, read_ratings
from tests.severity.faults import FAULTS, GOOD, HEADER, PARTS, TWELVE, Fault


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


TWENTY: tuple[tuple[dict[str, str], tuple[str, ...]], ...] = (
    ({"photo": "c.jpg", "masi": "49"}, ("'49'", "between 0 and 48", "correct the score")),
    ({"photo": "d.jpg", "masi": "mild"}, ("'mild'", "is no number", "leave the cell empty")),
    ({"photo": "e.jpg", "masi": "2024-05-12"}, ("is a date", "type it again")),
    ({"photo": "f.jpg", "masi": ""}, ("has no score", "write the MASI", "delete the row")),
    ({"photo": "g.jpg", "parts": TWELVE.replace("2", "7", 1)}, ("forehead_area", "'7'", "between 0 and 6")),
    ({"photo": "h.jpg", "parts": "2,2,2,3,2,2,3,2,1,1,5,1"}, ("chin_darkness", "'5'", "between 0 and 4")),
    ({"photo": "i.jpg", "parts": TWELVE.replace("2", "35%", 1)}, ("'35%'", "is a share", "0 to 6")),
    ({"photo": "j.jpg", "parts": TWELVE.replace("2,2,2", "2,2,", 1)}, ("forehead_homogeneity is empty", "leave the")),
    ({"photo": "k.jpg", "parts": TWELVE, "masi": "9.9"}, ("MASI 9.9", "components", "8.9", "correct one of them")),
    ({"photo": "l.jpg", "masi": "4", "mmasi": "8"}, ("mMASI 8", "above the MASI 4", "exchanged")),
    ({"photo": "b.jpg", "patient": "Pb"}, ("'b.jpg'", "by 'anna' in row 4", "keep one of the rows")),
    ({"photo": "", "patient": "Pc"}, ("column photo", "is empty", "name the photo")),
    ({"photo": "m.jpg", "patient": ""}, ("column patient", "is empty", "name the patient")),
    ({"photo": "m.jpg", "rater": ""}, ("column rater", "is empty", "name the rater")),
    ({"photo": "n.jpg", "read_at": "soon"}, ("'soon'", "2024-05-31 14:30")),
    ({"photo": "o.jpg"}, ("'o.jpg' is not in", "correct the name, add the photo, or delete the row")),
    ({"photo": "p.jpg"}, ("'p.jpg' is an empty file", "copy the photo again")),
    ({"photo": "q.jpg"}, ("'q.jpg' could be x/q.jpg or y/q.jpg", "with its folder")),
    ({"photo": "../r.jpg"}, ("'../r.jpg'", "out of the folder", "below that folder")),
    ({"photo": "s\x07.jpg"}, ("cannot be printed", "plain name")),
    ({"photo": "t.jpg", "rater": "Ben"}, ("'Ben' differs from 'ben' of row 3", "spell one name one way")),
    ({"photo": "u.jpg", "patient": "Pv"}, ("'Pv'", "'Pu' in row", "correct the patient")),
    ({"photo": "w.jpg", "patient": "Px", "group": "g9"}, ("'Px'", "'g9'", "give all rows of a patient one group")),
    ({"photo": "y.jpg"}, ("'y.jpg' has no rating of ben", "--incomplete drop")),
)
"""(cells of a row, what must be said of it): more than twenty ways in which one table is wrong."""


def twenty_faults(folder: Path) -> tuple[Path, Path, list[int]]:
    """One table with them all, its folder of photos, and the row of each fault."""
    columns = f"photo,patient,group,rater,read_at,masi,mmasi,{PARTS}"
    lines, places = [columns], []

    def add(photo: str, **cells: str) -> None:
        plain = {"patient": f"P{photo[:1]}", "group": "", "rater": "anna", "read_at": "3", "masi": "8.9", "mmasi": ""}
        row = plain | {"parts": ",".join([""] * 12)} | cells
        lines.append(",".join([photo, *(row[name] for name in (*plain, "parts"))]))

    for photo in ("a.jpg", "b.jpg"):
        add(photo)
        add(photo, rater="ben")
    for cells, _ in TWENTY:
        places.append(len(lines) + 1)
        add(**cells)
        alone = "rater" in cells or not cells["photo"] or not cells.get("patient", "P") or cells["photo"] == "y.jpg"
        if cells["photo"] == "u.jpg":  # another patient's in the row before
            lines.insert(-1, lines[-1].replace("Pv,,anna", "Pu,,ben"))
            places[-1] += 1
        elif cells["photo"] == "w.jpg":  # another group in the row before
            lines.insert(-1, lines[-1].replace("g9,anna", "g1,ben"))
            places[-1] += 1
        elif cells["photo"] == "t.jpg":
            add("t.jpg")
        elif not alone and cells["photo"] != "b.jpg" and "\x07" not in cells["photo"]:
            add(cells["photo"], rater="ben", **({"patient": cells["patient"]} if "patient" in cells else {}))
    table, photos = folder / "ratings.csv", folder / "photos"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name in [f"{letter}.jpg" for letter in "abcdefghijklmnstuwy"] + ["x/q.jpg", "y/q.jpg"]:
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(b"\xff\xd8")
    (photos / "p.jpg").write_bytes(b"")
    return table, photos, places


def test_each_of_twenty_different_faults_in_one_table_gives_its_own_error(tmp_path: Path) -> None:
    table, photos, places = twenty_faults(tmp_path)
    with pytest.raises(RatingsError) as caught:
        read_ratings(table, photos)
    problems = caught.value.problems
    assert len(TWENTY) >= 20
    for row, (_, words) in zip(places, TWENTY, strict=True):
        said = [problem for problem in problems if problem.startswith(f"row {row}: ")]
        assert any(all(word in problem for word in words) for problem in said), (row, words, said)
    assert len(problems) == len(TWENTY), "no fault is told twice, and no row is blamed for another's"


def test_the_command_tells_twenty_of_them_by_their_rows(tmp_path: Path) -> None:
    table, photos, places = twenty_faults(tmp_path)
    result = CliRunner().invoke(app, ["severity", "agreement", str(table), "--photos", str(photos)])
    lines = result.stderr.splitlines()
    assert result.exit_code == 1 and result.stdout == ""
    assert lines[0] == f"Error: {table}: {len(TWENTY)} problems"
    assert [int(line.split()[1].rstrip(":")) for line in lines[1:21]] == places[:20]
    assert lines[21].strip() == f"... and {len(TWENTY) - 20} more"


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

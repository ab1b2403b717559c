"""Tables in every form that is taken, and what is made of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from melascope.data import Row, write_manifest
from melascope.data.ratings import Rating as Written
from melascope.data.ratings import write_ratings
from melascope.masi import RegionalScore, masi, mmasi
from melascope.severity.ratings import ONLY_RATER, Ratings, RatingsError, read_ratings
from melascope.vocabulary import MASI_REGIONS, Severity
from tests.severity.faults import PARTS, TWELVE

LONG = "photo,patient,rater,masi\na,P1,anna,12.5\na,P1,ben,14\nb,P2,anna,30\nb,P2,ben,33.2\n"


def read(tmp_path: Path, content: str | bytes, name: str = "r.csv", **how: object) -> Ratings:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_ratings(path, **how)  # type: ignore[arg-type]


def scores(ratings: Ratings) -> dict[tuple[str, str], float]:
    return {(row.photo, row.rater): row.masi for row in ratings.rows}


WANTED = {("a", "anna"): 12.5, ("a", "ben"): 14.0, ("b", "anna"): 30.0, ("b", "ben"): 33.2}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("r.csv", LONG.encode()),
        ("r.csv", LONG.encode("utf-8-sig")),
        ("r.csv", LONG.replace("\n", "\r\n").encode()),
        ("r.csv", LONG.replace(",", ";").encode()),
        ("r.csv", LONG.replace(",", ";").replace(".", ",").encode()),
        ("r.csv", ("sep=;\n" + LONG.replace(",", ";")).encode()),
        ("r.tsv", LONG.replace(",", "\t").encode()),
        ("r.txt", LONG.replace(",", "\t").encode("utf-16")),
        ("r.csv", LONG.replace("12.5", '"12,5"').encode()),
        ("r.csv", LONG.replace("a,P1", " a ,P1\u00a0").encode()),
        ("r.csv", LONG.replace("photo,patient,rater,masi", "Image ID,Patient-ID,Reader,MASI score").encode()),
    ],
    ids=["comma", "mark", "CRLF", "semicolon", "decimal comma", "sep=", "tab", "UTF-16", "quoted", "blanks", "names"],
)  # fmt: skip
def test_csv_of_every_kind(name: str, content: bytes, tmp_path: Path) -> None:
    ratings = read(tmp_path, content, name)
    assert scores(ratings) == WANTED
    assert ratings.raters == ("anna", "ben") and ratings.photos == ("a", "b")
    assert ratings.patient("b") == "P2" and ratings.mean_masi("a") == 13.25
    assert ratings.severity("a") is Severity.MILD and ratings.severity("b") is Severity.MODERATE


def test_excel_and_parquet_say_the_same(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [line.split(",") for line in LONG.split()]
    book = openpyxl.Workbook()
    book.active.title = "Ratings "
    for row in rows:
        book.active.append([float(cell) if cell[0].isdigit() else cell for cell in row])
    book.create_sheet("notes").append(["by hand"])
    book.save(tmp_path / "r.xlsx")
    columns = {name: [row[i] for row in rows[1:]] for i, name in enumerate(rows[0])}
    columns["masi"] = [float(value) for value in columns["masi"]]
    parquet.write_table(pyarrow.table(columns), tmp_path / "r.parquet")
    assert scores(read_ratings(tmp_path / "r.xlsx")) == scores(read_ratings(tmp_path / "r.parquet")) == WANTED


def test_numbers_as_names_in_a_workbook_have_no_decimals(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (("photo", "patient", "masi"), (17.0, 3, 4)):
        book.active.append(row)
    book.save(tmp_path / "r.xlsx")
    ratings = read_ratings(tmp_path / "r.xlsx")
    assert ratings.photos == ("17",) and ratings.patient("17") == "3" and ratings.raters == (ONLY_RATER,)


@pytest.mark.parametrize(
    "header", ["rater1_masi,rater2_masi", "masi_rater1,masi_rater2", "MASI (Rater 1),Rater 2: MASI"]
)
def test_the_wide_form(header: str, tmp_path: Path) -> None:
    ratings = read(tmp_path, f"photo,patient,{header},rater_mean_masi\na,P1,3,5,4\nb,P2,7,9,8\n")
    assert scores(ratings) == {("a", "rater1"): 3, ("a", "rater2"): 5, ("b", "rater1"): 7, ("b", "rater2"): 9}
    assert any("rater_mean_masi" in note for note in ratings.notes)


def test_components_give_the_totals(tmp_path: Path) -> None:
    ratings = read(tmp_path, f"photo,patient,{PARTS},masi\na,P1,{TWELVE},8.9\nb,P2,{TWELVE},\n")
    a, b = ratings.rows
    numbers = [float(cell) for cell in TWELVE.split(",")]
    regions = zip((0.3, 0.3, 0.3, 0.1), numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    by_hand = sum(weight * area * (darkness + homogeneity) for weight, area, darkness, homogeneity in regions)
    assert a.masi == b.masi == pytest.approx(by_hand)
    assert a.parts is not None and masi(a.parts) == a.masi and mmasi(a.parts) == a.mmasi == b.mmasi


def test_components_of_several_raters_in_the_wide_form_and_in_short_names(tmp_path: Path) -> None:
    short = [f"{region}_{part}" for region in ("f", "rm", "lm", "c") for part in "adh"]
    header = ",".join(f"dr_{who}_{name}" for who in ("lee", "kim") for name in short)
    ratings = read(tmp_path, f"file,patient,{header}\na.jpg,P1,{TWELVE},{TWELVE.replace('3', '4')}\n")
    assert ratings.raters == ("dr_lee", "dr_kim")
    lee, kim = ratings.rows
    assert lee.masi == pytest.approx(8.9) and kim.masi == pytest.approx(2.4 + 4.8 + 3.6 + 0.2)


def test_a_darkness_without_an_area_is_noted(tmp_path: Path) -> None:
    ratings = read(tmp_path, f"photo,patient,{PARTS}\na,P1,{TWELVE}\nb,P2,0{TWELVE[1:]}\n")
    assert any("row 3 (forehead)" in note for note in ratings.notes) and not any(
        "row 2" in note for note in ratings.notes
    )


def test_a_mixed_table_may_give_totals_for_some_and_components_for_others(tmp_path: Path) -> None:
    ratings = read(tmp_path, f"photo,patient,masi,{PARTS}\na,P1,,{TWELVE}\nb,P2,20,{',' * 11}\n")
    assert [row.masi for row in ratings.rows] == [pytest.approx(8.9), 20]
    assert ratings.rows[1].parts is None and ratings.rows[1].mmasi is None


def test_incomplete_photos_are_dropped_when_asked(tmp_path: Path) -> None:
    table = LONG + "c,P3,anna,3\n"
    with pytest.raises(RatingsError, match="'c' has no rating of ben"):
        read(tmp_path, table)
    ratings = read(tmp_path, table, incomplete="drop")
    assert ratings.photos == ("a", "b") and any("1 of 3 photos were left out" in note for note in ratings.notes)
    with pytest.raises(RatingsError, match="no photo has a rating of every rater"):
        read(tmp_path, "photo,patient,rater,masi\na,P1,x,3\nb,P2,y,3\n", incomplete="drop")


def test_photos_are_found_by_path_name_or_stem_in_any_case(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    (photos / "sub").mkdir(parents=True)
    for name in ("IMG1.JPG", "sub/IMG2.png", "c.tif", "x.jpg", ".hidden.jpg", "readme.txt"):
        (photos / name).write_bytes(b"1")
    table = "photo,patient,masi\nimg1.jpg,P1,1\nsub\\IMG2.png,P2,2\nc,P3,3\n"
    ratings = read(tmp_path, table, photos=photos)
    found = [ratings.path(photo).relative_to(photos).as_posix() for photo in ratings.photos]
    assert found == ["IMG1.JPG", "sub/IMG2.png", "c.tif"]
    assert any("1 photo in" in note for note in ratings.notes)
    with pytest.raises(KeyError, match="no file is known"):
        read(tmp_path, table).path("c")


def test_a_column_of_files_beside_the_ids(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"1")
    ratings = read(tmp_path, "photo_id,file,patient,masi\nA1,photos/a.jpg,P1,1\n", photos=tmp_path / "photos")
    assert ratings.path("A1").name == "a.jpg"


def test_the_order_of_reading_is_a_number_or_a_time(tmp_path: Path) -> None:
    ratings = read(tmp_path, "photo,patient,read_at,masi\na,P1,2024-05-31 14:30,1\nb,P2,2024-05-31T14:29,2\n")
    first, second = (row.order for row in ratings.rows)
    assert first is not None and second is not None and first - second == 60
    assert read(tmp_path, "photo,patient,order,masi\na,P1,7,1\n").rows[0].order == 7


def test_only_keeps_photos_and_refuses_others(tmp_path: Path) -> None:
    ratings = read(tmp_path, LONG)
    assert ratings.only(["b"]).photos == ("b",) and len(ratings.only(["b"]).rows) == 2
    with pytest.raises(KeyError):
        ratings.only(["z"])


def test_a_mean_that_reaches_a_limit_in_thirds_belongs_to_the_upper_band(tmp_path: Path) -> None:
    ratings = read(tmp_path, "photo,patient,rater1_masi,rater2_masi,rater3_masi\na,P1,15.9,15.9,16.2\nb,P2,48,48,48\n")
    assert ratings.mean_masi("a") == pytest.approx(16) and ratings.severity("a") is Severity.MODERATE
    assert ratings.severity("b") is Severity.SEVERE


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    folder = tmp_path / "cohort"
    names = [(f"p{p}", v, f"p{p}-v{v}-{i}", f"g{p // 2}") for p in range(3) for v in (1, 2) for i in (1, 2)]
    rows = [
        Row(photo_id=name, patient=patient, visit=visit, group=group, file=f"photos/{name}.jpg", rater_masi=(3.0, 4.0))
        for patient, visit, name, group in names
    ]
    write_manifest(rows, folder / "manifest.csv")
    (folder / "photos").mkdir()
    for row in rows:
        (folder / row.file).write_bytes(b"1")
    parts = {region: RegionalScore(1, 2, 1) for region in MASI_REGIONS}
    visits = [(f"p{p}", v, rater) for p in range(3) for v in (1, 2) for rater in ("x", "y")]
    ratings = [Written(rater=rater, patient=p, visit=v, scores=parts, masi=3.0) for p, v, rater in visits]
    ratings = [one for one in ratings if (one.patient, one.visit) != ("p2", 2)]  # p2 is rated once for all visits ...
    ratings += [Written(rater=r, patient="p2", masi=20.0) for r in ("x", "y")]
    ratings += [Written(rater=r, photo_id="p0-v1-2", masi=40.0) for r in ("x", "y")]  # ... and one photo by itself
    write_ratings(ratings, folder / "ratings.csv")
    return folder


def test_a_cohort_is_read_as_it_is(cohort: Path) -> None:
    ratings = read_ratings(cohort)
    assert len(ratings.photos) == 12 and ratings.raters == ("x", "y")
    by_photo = {photo: (ratings.mean_masi(photo), ratings.of(photo)[0].looked_at) for photo in ratings.photos}
    assert by_photo["p0-v1-1"] == (pytest.approx(3.0), "p0 visit 1")
    assert by_photo["p0-v1-2"] == (40.0, "p0-v1-2")
    assert by_photo["p2-v1-1"] == (pytest.approx(3.0), "p2 visit 1")
    assert by_photo["p2-v2-1"] == by_photo["p2-v2-2"] == (20.0, "p2")
    assert ratings.group("p1-v1-1") == "g0" and ratings.path("p1-v1-1").is_file()
    for table in ("manifest.csv", "ratings.csv"):  # they stand for their folder
        assert scores(read_ratings(cohort / table)) == scores(ratings)


def test_a_cohort_without_ratings_has_those_of_the_manifest(cohort: Path) -> None:
    (cohort / "ratings.csv").unlink()
    ratings = read_ratings(cohort)
    assert ratings.raters == ("rater1", "rater2") and len(ratings.rows) == 24


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (",p0,1,x,,,,,,,,,,,,,49", ("row 16", "masi", "'49'", "from 0 to 48")),
        (",p9,1,x,,,,,,,,,,,,,4", ("row 16", "'p9'", "not in manifest.csv")),
        ("nobody,,,x,,,,,,,,,,,,,4", ("row 16", "'nobody'", "not in manifest.csv")),
        (",p0,1,x,,,,,,,,,,,,,4", ("row 16", "'x' in row 2 already", "keep one")),
        (",p0,1,x,1,2,1,1,2,1,1,2,1,1,2,1,9", ("row 16", "MASI 9", "which give 3.0")),
        (",p0,1,z,,,,,,,,,,,,,4", ("no rating of z", "--incomplete drop")),
    ],
)
def test_faults_of_a_cohort(line: str, says: tuple[str, ...], cohort: Path) -> None:
    with (cohort / "ratings.csv").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RatingsError) as caught:
        read_ratings(cohort)
    assert any(all(words in problem for words in says) for problem in caught.value.problems), caught.value.problems


def test_a_photo_of_the_manifest_that_is_not_there(cohort: Path) -> None:
    (cohort / "photos" / "p1-v2-1.jpg").unlink()
    with pytest.raises(RatingsError, match=r"manifest.csv row 8: photo 'photos/p1-v2-1.jpg' is not there"):
        read_ratings(cohort)
    (cohort / "manifest.csv").write_text("photo_id,patient,file\n,P1,a.jpg\n")
    with pytest.raises(RatingsError, match="row 2, column photo_id"):
        read_ratings(cohort)


def test_photos_with_a_table_beside_them(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"1")
    (tmp_path / "ratings.csv").write_text(LONG)
    ratings = read_ratings(tmp_path)
    assert ratings.path("a") == tmp_path / "a.jpg"
    shutil.copy(tmp_path / "ratings.csv", tmp_path / "ratings.tsv")
    with pytest.raises(RatingsError, match=r"ratings.csv and ratings.tsv"):
        read_ratings(tmp_path)

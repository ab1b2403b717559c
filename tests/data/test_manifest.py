"""The manifest: what is written is read again, and what is wrong is named by file, line, column, value and rule."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melascope.data import Manifest, ManifestError, Part, Row, read_manifest, write_manifest
from melascope.data.cells import harmless, plain
from melascope.data.ratings import Rating, read_ratings, write_ratings
from melascope.data.row import COLUMNS, read_row
from melascope.data.summary import counts
from melascope.masi import RegionalScore, area_value
from melascope.vocabulary import MASI_REGIONS, Lesion, Region, Severity, ToneBand
from tests.data import made

OWN = Row(photo_id="a", patient="p", file="photos/a.jpg")


def put(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_every_value_comes_back(tmp_path: Path) -> None:
    rows = made.rows()
    rows[0] = replace(rows[0], view="close-up", region=Region.LEFT_MALAR, kinds=(), rater_masi=(1.0, None, 3.0, 4.0))
    write_manifest(rows, tmp_path / "manifest.csv")
    assert read_manifest(tmp_path / "manifest.csv").rows == tuple(rows)
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.csv"]


def test_a_user_needs_three_columns(tmp_path: Path) -> None:
    path = put(tmp_path / "m.csv", "\ufeffpatient , photo_id,file,ward\r\np,a,photos/a.jpg,7\r\n\r\n")
    assert read_manifest(path).rows == (replace(OWN, extra={"ward": "7"}),)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1: is empty"),
        ("photo_id;patient;file\na;p;f\n", "has no comma"),
        ("photo_id,patient\na,p\n", "line 1, column file: is missing"),
        ("photo_id,patient,file,masi,masi\n", "column masi: is there twice"),
        ("photo_id,patient,file\na,p\n", "line 2: has 2 cells, and the header has 3"),
        ("photo_id,patient,file\n,p,f.jpg\n", "line 2, column photo_id: '' is empty"),
        ("photo_id,patient,file\na,p,../f.jpg\n", r"line 2, column file: '../f.jpg' must name a file below"),
        ("photo_id,patient,file\na,p,/etc/f.jpg\n", "must name a file below"),
        ("photo_id,patient,file\na,p,photos\\a.jpg\n", "must name a file below"),
        ("photo_id,patient,file\n../a,p,f.jpg\n", "column photo_id: '../a' must be 1 to 120 signs"),
        ("photo_id,patient,file\na,p,f\nb,p,g\nA,p,h\n", "line 4, column photo_id: 'A' is also the id in line 2"),
        ("photo_id,patient,file,masi\na,p,f,49\n", "line 2, column masi: '49' must be a number from 0 to 48"),
        ('photo_id,patient,file,masi\na,p,f,"3,5"\n', "'3,5' must be a number from 0 to 48, with a decimal point"),
        ("photo_id,patient,file,masi\na,p,f,nan\n", "'nan' must be a number"),
        ("photo_id,patient,file,visit\na,p,f,1.5\n", "'1.5' must be a whole number from 1"),
        ("photo_id,patient,file,visit\na,p,f,inf\n", "'inf' must be a whole number from 1"),
        ("photo_id,patient,file,kinds\na,p,f,mel;acne\n", "'mel;acne' must be abbreviations of sl, fre, mel"),
        ("photo_id,patient,file,view\na,p,f,profile\n", "'profile' must be one of frontal, right45"),
        ("photo_id,patient,file,split_82\na,p,f,val\n", "'val' must be one of train, test"),
        ("photo_id,patient,file,region\na,p,f,cheek\n", "'cheek' must be one of background, forehead"),
        ('photo_id,patient,file\n"a,p,f\n', "is not CSV"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    path = put(tmp_path / "m.csv", text)
    with pytest.raises(ManifestError, match=sentence) as error:
        read_manifest(path)
    assert str(error.value).startswith(f"{path}: ")


def test_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"photo_id,patient,file\na,M\xfcller,f\n")
    with pytest.raises(ManifestError, match="line 2: is not UTF-8"):
        read_manifest(tmp_path / "m.csv")


def test_many_problems_are_counted(tmp_path: Path) -> None:
    text = "photo_id,patient,file,masi\n" + "".join(f"a{i},p,f{i},x\n" for i in range(9))
    with pytest.raises(ManifestError, match=r"; and 4 more$") as error:
        read_manifest(put(tmp_path / "m.csv", text))
    assert len(error.value.problems) == 9


def test_words_may_be_written_as_people_write_them(tmp_path: Path) -> None:
    text = (
        "photo_id,patient,file,severity,kinds,region,tone_band,visit\na,p,f,Mild, MEL ;fre,Left malar,Very Light,2.0\n"
    )
    (row,) = read_manifest(put(tmp_path / "m.csv", text)).rows
    assert (row.severity, row.kinds) == (Severity.MILD, (Lesion.FRECKLE, Lesion.MELASMA))
    assert (row.region, row.tone_band, row.visit) == (Region.LEFT_MALAR, ToneBand.VERY_LIGHT, 2)


@pytest.mark.parametrize(("cell", "kinds"), [("", None), ("none", ()), ("mel", (Lesion.MELASMA,))])
def test_no_lesion_is_not_the_same_as_not_known(cell: str, kinds: tuple[Lesion, ...] | None) -> None:
    row, problems = read_row({"photo_id": "a", "patient": "p", "file": "f", "kinds": cell})
    assert not problems and row is not None and row.kinds == kinds
    assert row.cells().get("kinds", "") == cell


@pytest.mark.parametrize(
    "bad",
    [{"masi": 48.01}, {"photo_id": "a/b"}, {"age": -1.0}, {"width": 0}, {"rater_masi": (50.0,)}, {"view": "side"}],
)
def test_nothing_is_written_that_could_not_be_read(tmp_path: Path, bad: dict[str, object]) -> None:
    with pytest.raises(ManifestError, match="line 2, column"):
        write_manifest([replace(OWN, **bad)], tmp_path / "m.csv")  # type: ignore[arg-type]
    with pytest.raises(ManifestError, match="comes twice"):
        write_manifest([OWN, replace(OWN, photo_id="A")], tmp_path / "m.csv")
    assert not list(tmp_path.iterdir())


def test_a_failed_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.csv"
    write_manifest([OWN], path)
    old = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        write_manifest([OWN, replace(OWN, photo_id="b", file="g")], path)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["m.csv"]


@given(st.text(max_size=12))
def test_text_runs_in_no_spreadsheet_and_comes_back(text: str) -> None:
    written = harmless(text)
    assert plain(written) == text or text.startswith("'")
    try:
        float(written)
    except ValueError:
        assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.lists(st.tuples(*[st.floats(0, 1), st.floats(0, 4), st.floats(0, 4)]), min_size=4, max_size=4))
def test_parts_keep_their_last_digit(values: list[tuple[float, float, float]]) -> None:
    parts = {region: Part(*map(float, value)) for region, value in zip(MASI_REGIONS, values, strict=True)}
    row, problems = read_row(replace(OWN, parts=parts).cells())
    assert not problems and row is not None
    assert row.parts == parts
    assert row.scores == {r: RegionalScore(area_value(v[0]), *v[1:]) for r, v in zip(MASI_REGIONS, values, strict=True)}


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    write_manifest(
        [replace(OWN, masi=np.float64(7.25), ita_deg=np.float32(-3.5), width=np.int64(5))], tmp_path / "m.csv"
    )  # type: ignore[arg-type]
    (row,) = read_manifest(tmp_path / "m.csv").rows
    assert (row.masi, row.ita_deg, row.width) == (7.25, -3.5, 5)


def test_a_region_of_which_a_part_is_not_known_has_no_score() -> None:
    parts = {Region.CHIN: Part(0.5, 1.0, None), Region.FOREHEAD: Part(1.0, 2.0, 3.0)}
    assert replace(OWN, parts=parts).scores == {Region.FOREHEAD: RegionalScore(6, 2, 3)}


def test_the_columns_are_those_of_the_layout(tmp_path: Path) -> None:
    write_manifest([OWN], tmp_path / "m.csv")
    with (tmp_path / "m.csv").open(encoding="utf-8") as stream:
        header = next(csv.reader(stream))
    assert header == list(COLUMNS)
    assert {"split_631", "split_82", "right_malar_homogeneity", "mmasi", "rater3_masi", "rater_severity"} <= set(header)


def test_a_split_holds_its_own_photos() -> None:
    manifest = Manifest(tuple(made.rows()))
    assert {row.patient for row in manifest.split("train").rows} == {"p0", "p1"}
    assert {row.patient for row in manifest.split("test", "82").rows} == {"p3"}
    assert manifest.by_id["p3v2"].visit == 2


def test_ratings_come_back_and_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    scores = {region: RegionalScore(3, 2, 1) for region in MASI_REGIONS}
    ratings = (
        Rating(photo_id="a", rater="r1", scores=scores, masi=9.0),
        Rating(patient="p", visit=2, rater="r 2", scores={Region.CHIN: RegionalScore(0, 0, 0)}),
    )
    write_ratings(ratings, path)
    assert read_ratings(path) == ratings
    with pytest.raises(ManifestError, match=r"line 2, column chin_area: '7' .* line 3: needs a rater"):
        read_ratings(put(path, "photo_id,rater,chin_area\na,r1,7\n,r2,\n"))


def test_counts_add_up() -> None:
    found = {(c.what, c.value): (c.photos, c.patients) for c in counts(made.rows())}
    assert found["split 6:3:1", "train"] == (4, 2)
    assert found["kind", "mel"] == found["kind", "fre"] == (8, 4)
    assert found["device", "dslr"] == (4, 2)
    assert not [c for c in counts([OWN]) if c.what != "view" and c.value == "not known"]

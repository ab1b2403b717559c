"""Finding photographs, giving folders, and outliving what goes wrong."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from melascope import archive
from melascope.archive import EXTENSIONS, find_photos, give_folders
from melascope.batch import Result, analyze_all, analyze_one, give_up
from melascope.photo.formats import format_named
from melascope.record import Analysis, Files
from tests.report.synthetic import analyse_drawn


def put(path: Path, text: str = "ok") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def run(photos: list[Path], out: Path, **options: object) -> dict[str, Result]:
    folders = give_folders(photos, out)
    results = list(analyze_all(photos, folders, analyse=analyse_drawn, **options))  # type: ignore[arg-type]
    assert sorted(result.photo for result in results) == sorted(photos)
    return {result.photo.name: result for result in results}


def codes(analysis: Analysis) -> list[str]:
    return [finding.code for finding in analysis.quality.findings]


def test_every_ending_is_one_of_a_format_that_is_read() -> None:
    assert all(format_named(f"photo{ending}") for ending in EXTENSIONS)


def test_folders_are_searched_to_the_bottom_by_ending(tmp_path: Path) -> None:
    wanted = [put(tmp_path / name) for name in ("a.JPG", "b.heic", "deep/er/c.tiff", "deep/d.webp")]
    for name in ("note.txt", ".hidden.jpg", ".cache/e.jpg", "out/x/overlay.png", "old/analysis.json", "old/maps.png"):
        put(tmp_path / name)
    assert set(find_photos([tmp_path], out=tmp_path / "out")) == set(wanted)


def test_patterns_are_expanded_and_nothing_comes_twice(tmp_path: Path) -> None:
    first, second = put(tmp_path / "v1" / "a.jpg"), put(tmp_path / "v2" / "a.jpg")
    put(tmp_path / "v1" / "note.txt")
    assert find_photos([str(tmp_path / "v?" / "*"), first, tmp_path / "v2"]) == [first, second]
    assert find_photos([str(tmp_path / "**" / "*.jpg")]) == [first, second]


def test_patterns_leave_results_out(tmp_path: Path) -> None:
    wanted = [put(tmp_path / "out" / "visit" / "b.png"), put(tmp_path / "visit" / "a.png")]
    for folder in (tmp_path / "out" / "a", tmp_path / "old" / "a"):
        put(folder / "analysis.json")
        put(folder / "overlay.png")
    put(tmp_path / "out" / "c" / "maps.png")  # of a result that is being written
    for pattern in ("**/*.png", "**", "*", "*/*.png"):
        found = find_photos([str(tmp_path / "visit"), str(tmp_path / pattern)], out=tmp_path / "out")
        assert found == wanted[1:], pattern
    assert find_photos([str(tmp_path / "out" / "v*" / "*.png")], out=tmp_path / "out") == wanted[:1]
    assert wanted[1] in find_photos([str(tmp_path / "**" / "*.png")], out=tmp_path)
    with pytest.raises(LookupError, match="holds no photograph"):
        find_photos([str(tmp_path / "old" / "*" / "*.png")])


def test_pictures_of_a_result_that_was_not_finished_are_no_photographs(tmp_path: Path) -> None:
    photo, own = put(tmp_path / "b.jpg"), put(tmp_path / "mine" / "overlay.png")
    put(own.parent / "note.txt", "mine")
    for name in ("overlay.png", "maps.png", ".region_mask.png.part", "dicom/01-photograph.dcm"):
        put(tmp_path / "P" / "a" / name)
    assert find_photos([tmp_path]) == [photo, own]
    for pattern in ("**/*.png", "P/*", "P/a/*"):
        try:
            found = find_photos([str(tmp_path / pattern)])
        except LookupError:
            found = []
        assert found == ([own] if pattern == "**/*.png" else []), pattern
    put(tmp_path / "P" / "a" / "dicom" / "c.jpg")
    assert set(find_photos([tmp_path / "P"])) == {
        tmp_path / "P" / "a" / name for name in ("overlay.png", "maps.png", "dicom/c.jpg")
    }


def test_a_folder_that_may_not_be_read_is_refused_and_the_others_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, locked = put(tmp_path / "in" / "a.jpg"), put(tmp_path / "in" / "locked" / "b.jpg").parent
    scandir = os.scandir

    def guarded(path: str | Path) -> object:
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert find_photos([tmp_path / "in"]) == [photo, locked]
    assert find_photos([locked]) == [locked]
    (result,) = analyze_all([locked], [tmp_path / "out"])
    assert codes(result.analysis) == ["file_not_readable"]
    monkeypatch.undo()
    (result,) = analyze_all([locked], [tmp_path / "out"])
    assert codes(result.analysis) == ["file_is_folder"]


def test_linked_folders_are_not_followed(tmp_path: Path) -> None:
    photo = put(tmp_path / "in" / "a.jpg")
    try:
        (tmp_path / "in" / "again").symlink_to(tmp_path / "in")
    except OSError:
        pytest.skip("links are not allowed here")
    assert find_photos([tmp_path / "in"]) == [photo]


def test_a_name_too_long_is_tried_like_any_other() -> None:
    assert find_photos(["x" * 300 + ".jpg"]) == [Path("x" * 300 + ".jpg")]


def test_named_file_is_always_tried(tmp_path: Path) -> None:
    odd, bracket = put(tmp_path / "photo.dat"), put(tmp_path / "a[1].jpg")
    missing = tmp_path / "missing.jpg"
    assert find_photos([odd, bracket, missing]) == [odd, bracket, missing]


@pytest.mark.parametrize("argument", ["", "*.jpg"])
def test_empty_folder_and_empty_pattern_are_wrong_usage(tmp_path: Path, argument: str) -> None:
    with pytest.raises(LookupError, match="holds no photograph"):
        find_photos([str(tmp_path / argument)])


@pytest.mark.parametrize("argument", ["", "  "])
def test_empty_name_is_wrong_usage(argument: str) -> None:
    with pytest.raises(LookupError, match="an empty name was given"):
        find_photos([argument])


def test_same_stem_gets_a_number_whatever_letter_case(tmp_path: Path) -> None:
    photos = [tmp_path / name for name in ("x/a.jpg", "y/a.jpg", "y/A.png", "a-2.jpg", "summary.csv.jpg")]
    folders = [folder.name for folder in give_folders(photos, tmp_path / "out")]
    assert folders == ["a", "a-2", "A-3", "a-2-2", "summary.csv-2"]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("é ü.jpg", "é ü"),
        ("写真.jpg", "写真"),
        ("a:b?.jpg", "a_b_"),
        ("con.jpg", "photo_con"),
        ("..jpg", "photo"),
        ("dots...jpg", "dots"),
        ("tab\there.jpg", "tab_here"),
        ("x" * 250 + ".jpg", "x" * 120),
    ],
)
def test_folder_name_is_one_that_every_system_takes(tmp_path: Path, name: str, folder: str) -> None:
    assert give_folders([Path(name)], tmp_path)[0] == tmp_path / folder


def test_name_that_is_not_unicode(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("names are Unicode on this system")
    photo = put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.jpg")))
    (result,) = run([photo], tmp_path / "out").values()
    assert result.analysis.photo.file == "\ufffd\ufffd.jpg"
    assert (result.folder / "analysis.json").is_file()


def test_second_run_replaces_its_own_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, second = put(tmp_path / "a.jpg", "ok 1"), put(tmp_path / "b" / "a.jpg", "ok 2")
    run([first], out)
    assert give_folders([first], out) == [out / "a"]
    assert give_folders([second], out) == [out / "a-2"]
    put(out / "c" / "diary.txt", "mine")
    assert give_folders([put(tmp_path / "c.jpg")], out) == [out / "c-2"]
    put(first, "ok 3")
    assert give_folders([first], out) == [out / "a-2"]


def test_photographs_of_one_stem_find_their_own_folders_in_any_order(tmp_path: Path) -> None:
    out = tmp_path / "out"
    photos = [put(tmp_path / str(index) / "a.jpg", f"ok {index}") for index in range(5)]
    folders = give_folders(photos, out)
    assert [folder.name for folder in folders] == ["a", "a-2", "a-3", "a-4", "a-5"]
    for photo, folder in zip(photos, folders, strict=True):
        give_up(photo, folder, "a reason")
    put(out / "a-6" / "diary.txt", "mine")
    fresh, gone = put(tmp_path / "new" / "a.jpg", "new"), tmp_path / "gone" / "a.jpg"
    order = [4, 2, 0]
    given = give_folders([*(photos[index] for index in order), fresh, gone, photos[3]], out)
    assert given == [folders[4], folders[2], folders[0], out / "a-7", out / "a-8", folders[3]]


def test_many_photographs_of_one_stem_are_each_read_once_and_each_folder_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, number = tmp_path / "out", 60
    photos = [put(tmp_path / f"{index:02d}" / "a.jpg", f"ok {index}") for index in range(number)]
    for photo, folder in zip(photos, give_folders(photos, out), strict=True):
        record = {"photo": {"file": "a.jpg", "sha256": archive.sha256_of(photo)}}
        put(folder / "analysis.json", json.dumps(record))
    read: Counter[str] = Counter()

    def counted(name: str) -> None:
        plain = getattr(archive, name)

        def counting(path: Path) -> object:
            read[f"{name} {path}"] += 1
            return plain(path)

        monkeypatch.setattr(archive, name, counting)

    for name in ("sha256_of", "_owner", "_empty"):
        counted(name)
    again = give_folders(photos[::-1], out)
    assert len(set(again)) == number and all((folder / "analysis.json").exists() for folder in again)
    assert set(read.values()) == {1} and len(read) <= 3 * number


def test_a_photograph_that_is_not_there_replaces_no_result_of_another(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run([put(tmp_path / "a.jpg")], out)
    mistyped = tmp_path / "typo" / "a.jpg"
    assert give_folders([mistyped], out) == [out / "a-2"]
    list(analyze_all([mistyped], [out / "a-2"]))
    assert give_folders([mistyped], out) == [out / "a-2"]  # its own refusal is replaced
    endless = Path("x" * 300 + ".jpg")
    list(analyze_all([endless], give_folders([endless], out)))
    assert give_folders([endless], out) == [out / ("x" * 120)]
    put(mistyped, "ok, it is there now")
    assert give_folders([mistyped], out) == [out / "a-2"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_one_bad_file_does_not_stop_the_rest(tmp_path: Path, jobs: int) -> None:
    words = {"a": "ok", "b": "raise", "c": "die", "d": "refuse", "e": "ok"}
    photos = [put(tmp_path / f"{name}.jpg", f"{word} {name}") for name, word in words.items()]
    results = run(photos, tmp_path / "out", jobs=jobs)
    assert [results[f"{name}.jpg"].analysis.quality.usable for name in "abcde"] == [True, False, False, False, True]
    assert codes(results["b.jpg"].analysis) == ["failed"]
    assert "drawn failure" in results["b.jpg"].analysis.quality.findings[0].advice
    assert "ended with code 9" in results["c.jpg"].analysis.quality.findings[0].advice
    assert codes(results["d.jpg"].analysis) == ["blurred"]
    for result in results.values():
        stored = Analysis.model_validate_json((result.folder / "analysis.json").read_text(encoding="utf-8"))
        assert stored == result.analysis
        assert (result.folder / "report.html").is_file()


def test_file_that_is_not_there_is_refused_by_the_reading(tmp_path: Path) -> None:
    ((result),) = analyze_all([tmp_path / "gone.jpg"], [tmp_path / "out"])
    assert codes(result.analysis) == ["file_missing"]
    assert result.analysis.photo.file == "gone.jpg"
    assert (tmp_path / "out" / "report.html").is_file()


def test_photograph_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    photos = [put(tmp_path / "slow.jpg", "slow"), put(tmp_path / "ok.jpg")]
    results = run(photos, tmp_path / "out", jobs=2, limit_s=12.0)  # the start of a process counts, too
    assert "more than 12 s" in results["slow.jpg"].analysis.quality.findings[0].advice
    assert results["ok.jpg"].analysis.quality.usable


def test_single_photograph_that_fails_is_refused(tmp_path: Path) -> None:
    (result,) = run([put(tmp_path / "b.jpg", "raise")], tmp_path / "out").values()
    assert codes(result.analysis) == ["failed"]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def failing(photo: Path, *, name: str) -> Analysis:
    raise RuntimeError(f"{photo.absolute()} is odd")


@pytest.mark.parametrize("end", ["failure", "disk", "process", "time"])
def test_a_result_that_cannot_be_renewed_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    photo, out = put(tmp_path / "Jane Roe" / "a.jpg"), tmp_path / "out"
    run([photo], out)
    (out / "a" / ".maps.png.part").write_text("of a killed process")
    before = content(out / "a")
    del before[".maps.png.part"]
    if end == "disk":
        monkeypatch.setattr(Path, "write_bytes", full_disk)
    reasons = {"process": "the process ended with code 9", "time": "the analysis took more than 300 s"}
    if end in reasons:
        analysis = give_up(photo, out / "a", reasons[end])
    else:
        analysis = analyze_one(photo, out / "a", analyse=failing if end == "failure" else analyse_drawn)
    assert codes(analysis) == ["failed"] and analysis.files == Files()
    advice = analysis.quality.findings[0].advice
    assert advice.endswith("What an earlier run made of it stays in its folder.")
    assert "Jane" not in advice and str(tmp_path) not in advice
    assert content(out / "a") == before


def full_disk(_path: Path, _data: bytes) -> int:
    raise OSError(28, "No space left on device", "/somewhere/Jane Roe")


def test_a_result_of_other_bytes_or_of_a_failure_does_not_stay(tmp_path: Path) -> None:
    photo, out = put(tmp_path / "a.jpg"), tmp_path / "out"
    run([photo], out)
    put(photo, "other bytes")
    for reason in ("one", "two"):
        analysis = give_up(photo, out / "a", reason)
        assert Analysis.model_validate_json((out / "a" / "analysis.json").read_text(encoding="utf-8")) == analysis
        assert {path.name for path in (out / "a").iterdir()} == {"analysis.json", "report.html"}
        assert reason.capitalize() in analysis.quality.findings[0].advice


def test_a_disk_that_is_full_blames_no_photograph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "write_bytes", full_disk)
    (result,) = run([put(tmp_path / "a.jpg")], tmp_path / "out").values()
    assert result.analysis.quality.findings[0].advice == (
        "The result could not be written (No space left on device). Free the disk or name another --out."
    )
    assert not list((tmp_path / "out" / "a").iterdir())

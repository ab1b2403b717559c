"""Photos are found by the names that a table gives them, in whatever way their letters were typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from melascope.severity.photo_files import PhotoFiles

NFC, NFD = "M\u00fcller", "Mu\u0308ller"


def folder(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(name.encode())
    return path


@pytest.mark.parametrize(("disk", "table"), [(NFC, NFD), (NFD, NFC)])
@pytest.mark.parametrize("form", ["{0}/{0}.jpg", "{0}.jpg", "{0}", "{0}.JPG", "set {0}/{0}/{0}.jpg"])
def test_letters_that_are_typed_in_two_ways_are_the_same(tmp_path: Path, disk: str, table: str, form: str) -> None:
    photos = folder(tmp_path / f"set {disk}", f"{disk}/{disk}.jpg", "Moller.jpg")
    assert PhotoFiles(photos).find(form.format(table)) == photos / disk / f"{disk}.jpg"


def test_a_name_that_only_differs_so_is_not_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match=rf"the nearest name there is {NFC}1\.jpg"):
        PhotoFiles(folder(tmp_path, f"{NFD}1.jpg")).find(f"{NFC}2.jpg")


def test_the_exact_name_goes_before(tmp_path: Path) -> None:
    photos = folder(tmp_path, f"{NFC}.jpg", f"{NFD}.jpg", "x/a.jpg", "y/a.jpg")
    if len(set(tmp_path.iterdir())) < 4:
        pytest.skip("this file system takes the two for one")
    files = PhotoFiles(photos)
    assert [files.find(f"{name}.jpg").name for name in (NFC, NFD)] == [f"{NFC}.jpg", f"{NFD}.jpg"]
    with pytest.raises(LookupError, match="could be"):
        files.find(f"{NFC}.JPG")
    with pytest.raises(LookupError, match=r"could be x/a\.jpg or y/a\.jpg"):
        files.find("a.jpg")

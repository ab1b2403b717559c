"""The store: nothing half written, nothing outside its folder."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from melascope.clinic.store import Away, FileStore, StoreError

PATIENT = "ab" + "0" * 30


def test_a_file_is_forced_to_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, seen = FileStore(tmp_path), []
    forced, moved = os.fsync, os.replace

    def fsync(handle: int) -> None:
        seen.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        forced(handle)

    def replace(source: str, target: str) -> None:
        seen.append("move")
        moved(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    store.put(PATIENT, "a.original", b"bytes")
    assert seen[:2] == ["file", "move"] and "folder" in seen[2:]
    assert store.get(PATIENT, "a.original") == b"bytes"


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(tmp_path)
    store.put(PATIENT, "thumb.jpg", b"old")

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="free the disk"):
            store.put(PATIENT, "thumb.jpg", b"new!")
    assert store.get(PATIENT, "thumb.jpg") == b"old"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["thumb.jpg"]


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a..b", "A", "x" * 101, "nul\x00"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    store = FileStore(tmp_path / "inside")
    for patient, file in ((PATIENT, name), (name, "file")):
        with pytest.raises(StoreError):
            store.put(patient, file, b"x")
        with pytest.raises(StoreError):
            store.get(patient, file)
    assert not list(tmp_path.rglob("*.part"))


def test_forgetting_a_patient_leaves_nothing(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.put(PATIENT, "one", b"1")
    store.put("cd" + "0" * 30, "two", b"2")
    store.forget(PATIENT)
    store.forget(PATIENT)
    assert list(store.patients()) == ["cd" + "0" * 30]
    with pytest.raises(StoreError):
        store.get(PATIENT, "one")


def test_a_file_that_cannot_be_deleted_is_said(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.put(PATIENT, "one", b"1")
    store.remove(PATIENT, "never-there")
    (tmp_path / PATIENT[:2] / PATIENT / "folder").mkdir()
    with pytest.raises(StoreError, match="could not be deleted"):
        store.remove(PATIENT, "folder")


def test_an_empty_folder_is_a_disk_that_is_not_mounted_and_nothing_counts_as_deleted(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    for deed in (lambda: store.remove(PATIENT, "one"), lambda: store.forget(PATIENT), lambda: store.files(PATIENT)):
        with pytest.raises(Away, match="mounted"):
            deed()


def test_a_sweep_takes_what_is_half_written_and_spares_what_is_fresh_or_whole(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    folders = [tmp_path / name / (name * 16) for name in ("aa", "bb")]
    for folder in folders:
        store.put(folder.name, "photo", b"x")
        (folder / "photo.1-2.part").write_bytes(b"half")
    old = time.time() - 7200
    for path in (*folders, folders[0] / "photo", folders[0] / "photo.1-2.part"):
        os.utime(path, (old, old))
    assert store.sweep() == 1
    assert [sorted(path.name for path in folder.iterdir()) for folder in folders] == [
        ["photo"],
        ["photo", "photo.1-2.part"],
    ]


def test_a_folder_that_may_not_be_read_is_not_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, look = FileStore(tmp_path), os.scandir
    store.put(PATIENT, "photo.thumb.jpg", b"1")
    (tmp_path / "logs" / "AWSLogs").mkdir(parents=True)
    assert (list(store.patients()), store.files("cd" + "0" * 30)) == ([PATIENT], [])

    def scandir(path: Path) -> object:
        if Path(path).name in ("ab", PATIENT):
            raise PermissionError(errno.EACCES, "Permission denied")
        return look(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(Away, match="check its rights"):
        store.files(PATIENT)
    with pytest.raises(Away, match="check its rights"):
        list(store.patients())
    assert store.ends() == []

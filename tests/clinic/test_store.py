"""The store: nothing half written, nothing outside its folder."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from melascope.clinic.store import FileStore, StoreError

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


def test_a_sweep_takes_what_a_crash_left_and_spares_what_is_fresh(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    for name in ("aa", "bb", "cc"):
        store.put(name * 16, "photo", b"x")
    old = time.time() - 7200
    half = tmp_path / "aa" / ("aa" * 16) / "photo.1-2.part"
    half.write_bytes(b"half")
    for path in (half, tmp_path / "bb" / ("bb" * 16)):
        os.utime(path, (old, old))
    assert store.sweep({"aa" * 16}) == 2
    assert sorted(store.patients()) == ["aa" * 16, "cc" * 16]  # cc has no row yet, but is fresh
    assert not half.exists()

"""Stores that fsspec reaches: the same rules as in a folder."""

from __future__ import annotations

import errno
import os
import time
from functools import partial
from pathlib import Path

import pytest

from melascope.clinic.bucket import Bucket, place_of
from melascope.clinic.seal import Sealed
from melascope.clinic.settings import Settings, SettingsError
from melascope.clinic.store import Away, FileStore, StoreError, Unreadable

PATIENT, OTHER = "ab" + "0" * 30, "cd" + "0" * 30


@pytest.fixture(params=["memory", "file"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    return Bucket(f"memory://{tmp_path.name}" if request.param == "memory" else f"file://{tmp_path}/bucket")


def test_what_is_put_is_there_until_it_is_forgotten(bucket: Bucket) -> None:
    assert list(bucket.patients()) == []
    bucket.put(PATIENT, "one", b"1")
    bucket.put(PATIENT, "two", b"22")
    bucket.put(PATIENT, "two", b"2")
    bucket.put(OTHER, "three", b"3")
    assert bucket.get(PATIENT, "two") == b"2"
    assert bucket.files(PATIENT) == ["one", "two"] and list(bucket.patients()) == [PATIENT, OTHER]
    bucket.remove(PATIENT, "one")
    bucket.remove(PATIENT, "one")
    with pytest.raises(Unreadable):
        bucket.get(PATIENT, "one")
    bucket.forget(PATIENT)
    bucket.forget(PATIENT)
    assert list(bucket.patients()) == [OTHER] and bucket.files(PATIENT) == []
    bucket.check()


@pytest.mark.parametrize("name", ["../x", "a/b", "", "a..b", "nul\x00"])
def test_no_name_leads_out(bucket: Bucket, name: str) -> None:
    for patient, file in ((PATIENT, name), (name, "file")):
        for deed in (lambda p, f: bucket.put(p, f, b"x"), bucket.get, bucket.remove):
            with pytest.raises(StoreError):
                deed(patient, file)


def test_a_full_or_absent_place_is_said_and_leaves_nothing_half(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put(PATIENT, "one", b"old")

    def full(path: str, data: bytes, **_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "s3://name:secret@place")

    with monkeypatch.context() as patch:
        patch.setattr(bucket._fs, "pipe_file", full)
        with pytest.raises(StoreError, match="No space left") as refused:
            bucket.put(PATIENT, "one", b"new")
        assert "secret" not in str(refused.value)
    assert bucket.get(PATIENT, "one") == b"old" and bucket.files(PATIENT) == ["one"]


def test_a_file_that_is_gone_is_told_from_a_store_that_is_away(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = FileStore(tmp_path / "not-mounted")
    for store in (bucket, folder):
        with pytest.raises(Away):  # nothing at all: a disk that is not mounted, a bucket that is not there
            store.get(PATIENT, "one")
    for store in (bucket, folder):
        store.put(PATIENT, "one", b"x")
        with pytest.raises(Unreadable) as gone:
            store.get(PATIENT, "two")
        assert not isinstance(gone.value, Away)

    def cut(*_: object, **__: object) -> bytes:
        raise TimeoutError("https://name:secret@place timed out")

    monkeypatch.setattr(bucket._fs, "cat_file", cut)
    with pytest.raises(Away, match="TimeoutError") as away:
        bucket.get(PATIENT, "one")
    assert "secret" not in str(away.value)


def test_nothing_counts_as_deleted_while_the_store_is_away(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec import AbstractFileSystem

    def cut(*_: object, **__: object) -> None:
        raise ConnectionResetError("https://name:secret@place")

    bucket.put(PATIENT, "one", b"1")
    for name in ("exists", "find", "walk"):  # as drivers have them that bring none of their own
        monkeypatch.setattr(bucket._fs, name, partial(getattr(AbstractFileSystem, name), bucket._fs))
    deeds = (
        lambda: bucket.remove(PATIENT, "one"),
        lambda: bucket.forget(PATIENT),
        lambda: bucket.files(PATIENT),
        lambda: list(bucket.patients()),
        bucket.check,
    )
    for broken in (("ls",), ("info", "ls", "find")):
        with monkeypatch.context() as patch:
            for name in broken:
                patch.setattr(bucket._fs, name, cut)
            for deed in deeds[0 if "info" in broken else 1 :]:
                with pytest.raises(Away, match="ConnectionResetError"):
                    deed()
    assert bucket.get(PATIENT, "one") == b"1"


def test_a_store_that_holds_nothing_may_be_another_one(bucket: Bucket) -> None:
    for deed in (lambda: bucket.remove(PATIENT, "one"), lambda: bucket.forget(PATIENT), lambda: bucket.files(PATIENT)):
        with pytest.raises(Away, match="holds nothing"):
            deed()
    bucket.check()  # a new one is well
    bucket.put(OTHER, "three", b"3")
    bucket.remove(PATIENT, "one")
    bucket.forget(PATIENT)
    assert bucket.files(PATIENT) == []


def test_a_look_at_both_ends_lists_no_more_than_a_few_folders(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = FileStore(tmp_path / "folder")
    for store in (bucket, folder):
        assert store.ends() == []
        for number in range(40):
            for name in ("a", "b"):
                store.put(f"{number:02d}" + "ab" * 15, name, b"x")
        assert store.ends() == [("00" + "ab" * 15, "a"), ("39" + "ab" * 15, "b")]
    looks: list[str] = []
    ls = bucket._fs.ls
    monkeypatch.setattr(bucket._fs, "ls", lambda path, **more: (looks.append(path), ls(path, **more))[1])
    monkeypatch.setattr(bucket._fs, "find", None)
    Sealed(bucket).verify()
    assert len(looks) == 6


def test_a_sweep_takes_what_is_old_and_half_written_alone(tmp_path: Path) -> None:
    bucket = Bucket(f"file://{tmp_path}")
    for name in ("aa", "bb", "cc"):
        bucket.put(name * 16, "photo", b"x")
    half = tmp_path / "aa" / ("aa" * 16) / "photo.12.part"
    half.write_bytes(b"half")
    old = time.time() - 7200
    for path in (half, tmp_path / "bb" / ("bb" * 16) / "photo", tmp_path / "aa" / ("aa" * 16) / "photo"):
        os.utime(path, (old, old))
    assert bucket.files("aa" * 16) == ["photo"]
    assert bucket.sweep() == 1 and not half.exists()
    assert list(bucket.patients()) == ["aa" * 16, "bb" * 16, "cc" * 16]


def test_a_url_names_a_folder_or_what_fsspec_reaches(tmp_path: Path) -> None:
    def place(url: str) -> object:
        return place_of(Settings(data=tmp_path / "data", database_url="sqlite://", store_url=url))

    for url, folder in (("", "data/photographs"), (f"file://{tmp_path}/a", "a"), (str(tmp_path / "b"), "b")):
        store = place(url)
        assert isinstance(store, FileStore) and store.root == tmp_path / folder and store.root.is_dir()
    assert isinstance(place("memory://x"), Bucket)
    with pytest.raises(SettingsError, match="Protocol not known"):
        place("nonsense://x")


def test_a_store_that_does_not_let_us_in_is_said_without_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    def refused(*_: object, **__: object) -> None:
        raise RuntimeError("authentication of me:secret failed")

    monkeypatch.setattr(fsspec.core, "url_to_fs", refused)
    with pytest.raises(SettingsError, match="sftp:// cannot be reached") as said:
        Bucket("sftp://me:secret@example.org/photographs")
    assert "secret" not in str(said.value)


def test_what_is_no_patient_s_is_left_alone() -> None:
    """Logs in the same bucket, and the marks that some drivers list as files of a folder."""
    bucket = Bucket("memory://clinic-foreign")
    bucket.put(PATIENT, "one", b"1")
    bucket._fs.pipe_file(f"{bucket._root}/logs/AWSLogs/123/x", b"x")
    assert list(bucket.patients()) == [PATIENT]
    listed = bucket._fs.ls
    mark = f"{bucket._root}/{PATIENT[:2]}/{PATIENT}/"

    def with_mark(path: str, detail: bool = True, **more: object) -> list[object]:
        found = listed(path, detail=detail, **more)
        return [*found, {"name": mark, "type": "file", "size": 0}] if path.endswith(PATIENT) else found

    bucket._fs.ls = with_mark
    try:
        assert bucket.files(PATIENT) == ["one"]
    finally:
        del bucket._fs.ls


@pytest.mark.parametrize(("url", "told"), [("sftp://host/folder", {}), ("memory://x", {"use_listings_cache": False})])
def test_drivers_are_told_what_they_take(url: str, told: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    asked: list[dict[str, object]] = []
    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda _url, **more: asked.append(more) or (None, "/folder"))
    Bucket(url)
    assert asked == [told]

"""Encryption at rest: what is kept, what is refused, and another key."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from melascope.clinic.bucket import Bucket
from melascope.clinic.seal import Key, Sealed, rekey
from melascope.clinic.settings import SettingsError
from melascope.clinic.store import FileStore, Store, StoreError, Unreadable

PATIENT, OTHER = "ab" + "0" * 30, "cd" + "0" * 30
WORDS = b"a face, and who it is"


def key(number: int = 1) -> Key:
    return Key.read(base64.b64encode(bytes([number]) * 32).decode(), "tests")


@pytest.fixture(params=["folder", "memory"])
def inner(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return FileStore(tmp_path) if request.param == "folder" else Bucket(f"memory://{tmp_path.name}")


def test_nothing_of_a_file_can_be_read_without_the_key(inner: Store) -> None:
    store = Sealed(inner, key())
    store.put(PATIENT, "one", WORDS)
    store.put(PATIENT, "two", WORDS)
    kept = [inner.get(PATIENT, name) for name in ("one", "two")]
    assert kept[0] != kept[1] and not any(WORDS[:6] in each for each in kept)
    assert store.get(PATIENT, "one") == WORDS
    store.put(PATIENT, "one", WORDS)
    assert inner.get(PATIENT, "one") == kept[0]  # once more the same bytes change nothing
    store.put(PATIENT, "one", b"another")
    assert store.get(PATIENT, "one") == b"another"


def test_what_was_changed_moved_or_cut_is_not_opened(inner: Store) -> None:
    store = Sealed(inner, key())
    store.put(PATIENT, "one", WORDS)
    kept = inner.get(PATIENT, "one")
    for patient, name, data in (
        (OTHER, "one", kept),
        (PATIENT, "two", kept),
        (PATIENT, "flipped", kept[:-1] + bytes([kept[-1] ^ 1])),
        (PATIENT, "cut", kept[:-3]),
        (PATIENT, "short", kept[:30]),
    ):
        inner.put(patient, name, data)
        with pytest.raises(Unreadable):
            store.get(patient, name)


def test_a_wrong_key_and_a_missing_one_are_refused_at_the_start(inner: Store) -> None:
    Sealed(inner, key(1)).verify()
    Sealed(inner, key(1)).put(PATIENT, "one", WORDS)
    Sealed(inner, key(1)).verify()
    with pytest.raises(StoreError, match=key(1).name.hex()):
        Sealed(inner).verify()
    with pytest.raises(StoreError, match=f"{key(1).name.hex()}, and the one named is {key(2).name.hex()}"):
        Sealed(inner, key(2)).verify()
    inner.put(OTHER, "plain", WORDS)
    with pytest.raises(StoreError, match="not encrypted"):
        Sealed(inner, key(1)).verify()
    with pytest.raises(Unreadable):
        Sealed(inner).get(PATIENT, "one")


def test_another_key_a_first_one_and_none(inner: Store) -> None:
    for patient in (PATIENT, OTHER):
        for name in ("one", "two"):
            inner.put(patient, name, WORDS + name.encode())
    assert rekey(inner, None, key(1)) == (4, 0)
    assert rekey(inner, key(1), key(1)) == (0, 4)
    inner.put(PATIENT, "two", WORDS + b"two")  # as after a first encryption that was cut short
    assert rekey(inner, None, key(1)) == (1, 3)
    with pytest.raises(StoreError, match="name that one as the old key"):
        rekey(inner, None, key(2))
    assert rekey(inner, key(1), key(2)) == (4, 0)
    store = Sealed(inner, key(2))
    store.verify()
    assert store.get(OTHER, "two") == WORDS + b"two"
    assert rekey(inner, key(2), None) == (4, 0)
    assert inner.get(OTHER, "one") == WORDS + b"one"


def test_a_key_change_that_is_cut_short_goes_on(inner: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        Sealed(inner, key(1)).put(f"{number}{'a' * 31}", "one", WORDS)
    put, count = inner.put, 0

    def dying(patient: str, name: str, data: bytes) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise StoreError("the file could not be kept")
        put(patient, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(inner, "put", dying)
        with pytest.raises(StoreError):
            rekey(inner, key(1), key(2))
    for half in (key(1), key(2)):
        with pytest.raises(StoreError):
            Sealed(inner, half).verify()
    assert rekey(inner, key(1), key(2)) == (2, 2)
    assert {Sealed(inner, key(2)).get(patient, "one") for patient in inner.patients()} == {WORDS}


@pytest.mark.parametrize("text", ["", "secret", "00" * 31, base64.b64encode(b"x" * 31).decode(), "é" * 64, "zz" * 32])
def test_what_is_no_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(SettingsError, match="32 bytes") as refused:
        Key.read(text, "MELASCOPE_STORE_KEY")
    assert not text or text not in str(refused.value)


def test_a_key_may_be_written_in_either_way() -> None:
    text = Key.new()
    assert Key.read(text, "x").name == Key.read(base64.b64decode(text).hex() + "\n", "x").name

"""Photographs encrypted at rest: AES-256-GCM around any store, with one key that the clinic is told and does not keep.

A sealed file is a mark, the name of its key (from which nothing of the key follows), a nonce of its own, the encrypted
bytes and their tag. Its place in the store belongs to what the tag covers: a file that was changed, or moved to another
patient, is not opened. Without a key files are kept as they are; a file that is sealed is then not given out.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from typing import Final

from melascope.clinic.settings import KEY_VARIABLE, SettingsError
from melascope.clinic.store import Away, Store, StoreError, Unreadable, place

__all__ = ["Key", "Sealed", "key_of", "rekey"]

_MARK: Final = b"melascope sealed 1\n"
_NAME, _NONCE, _BYTES = 8, 12, 32
_HEAD: Final = len(_MARK) + _NAME + _NONCE


class Key:
    """A key of 256 bits.

    Example:
        >>> key = Key.read(Key.new(), "an example")
        >>> key.opened("ab12", "x", key.sealed("ab12", "x", b"seen"))
        b'seen'
    """

    def __init__(self, secret: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(secret)
        self.name: Final = hashlib.sha256(b"melascope store key\n" + secret).digest()[:_NAME]

    @staticmethod
    def new() -> str:
        """A key that nobody has, in base64."""
        return base64.b64encode(secrets.token_bytes(_BYTES)).decode()

    @classmethod
    def read(cls, text: str, origin: str) -> Key:
        """A key as it is written down: 32 bytes in base64, or in hexadecimal.

        Raises:
            SettingsError: It is something else; the sentence names where it came from, never the key.
        """
        written = text.strip()
        with contextlib.suppress(binascii.Error, ValueError):
            secret = bytes.fromhex(written) if len(written) == 2 * _BYTES else base64.b64decode(written, validate=True)
            if len(secret) == _BYTES:
                return cls(secret)
        raise SettingsError(f"{origin}: must be 32 bytes in base64 or hexadecimal; `melascope clinic key` makes one")

    def sealed(self, patient: str, name: str, data: bytes) -> bytes:
        """The bytes as they are kept."""
        nonce = secrets.token_bytes(_NONCE)
        return _MARK + self.name + nonce + self._cipher.encrypt(nonce, data, self._about(patient, name))

    def opened(self, patient: str, name: str, kept: bytes) -> bytes:
        """What was sealed.

        Raises:
            Unreadable: It was changed, or lies in another's place.
        """
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(kept[_HEAD - _NONCE : _HEAD], kept[_HEAD:], self._about(patient, name))
        except (InvalidTag, ValueError):
            raise Unreadable("a file of the store was changed or moved since it was encrypted; use a backup") from None

    def _about(self, patient: str, name: str) -> bytes:
        return _MARK + self.name + place(patient, name).encode()


def key_of(kept: bytes) -> bytes | None:
    """Name of the key that a file is sealed with; None if it is not."""
    return kept[len(_MARK) : _HEAD - _NONCE] if kept.startswith(_MARK) else None


class Sealed:
    """A store whose files are sealed if there is a key.

    Args:
        inner: Where the bytes lie.
        key: None: files are kept as they come.
    """

    def __init__(self, inner: Store, key: Key | None = None) -> None:
        self.inner, self._key = inner, key

    def verify(self) -> None:
        """Refuse a key that is not that of the files: tried on the first and on the last one.

        Raises:
            StoreError: Another key, no key, or files that are not encrypted yet; the sentence says what to do.
        """
        for patient, name in self.inner.ends():
            try:
                kept = self.inner.get(patient, name)
            except Away:
                raise
            except Unreadable:  # deleted meanwhile
                continue
            self._match(key_of(kept), StoreError)

    def put(self, patient: str, name: str, data: bytes) -> None:
        """Seal and keep; what is there already is left alone."""
        if self._key is None:
            self.inner.put(patient, name, data)
            return
        with contextlib.suppress(Unreadable):
            if self.get(patient, name) == data:
                return
        self.inner.put(patient, name, self._key.sealed(patient, name, data))

    def get(self, patient: str, name: str) -> bytes:
        """Read and open."""
        kept = self.inner.get(patient, name)
        self._match(key_of(kept), Unreadable)
        return kept if self._key is None else self._key.opened(patient, name, kept)

    def _match(self, found: bytes | None, kind: type[StoreError]) -> None:
        """Stop unless a file is as this store's key would have it."""
        own = None if self._key is None else self._key.name
        if found == own:
            return
        if found is None:
            raise kind("there are files that are not encrypted: stop the clinic, and `melascope clinic rekey` does it")
        if own is None:
            raise kind(
                f"the photographs are encrypted with the key {found.hex()}: name it in {KEY_VARIABLE}, or its file in "
                f"{KEY_VARIABLE}_FILE"
            )
        raise kind(
            f"the photographs are encrypted with the key {found.hex()}, and the one named is {own.hex()}: name "
            "the other one, or bring `melascope clinic rekey` to its end"
        )

    def remove(self, patient: str, name: str) -> None:
        """Delete one file."""
        self.inner.remove(patient, name)

    def forget(self, patient: str) -> None:
        """Delete all files of a patient."""
        self.inner.forget(patient)

    def patients(self) -> Iterator[str]:
        """As the store inside says."""
        return self.inner.patients()

    def files(self, patient: str) -> list[str]:
        """As the store inside says."""
        return self.inner.files(patient)

    def ends(self) -> list[tuple[str, str]]:
        """As the store inside says."""
        return self.inner.ends()

    def sweep(self) -> int:
        """As the store inside does."""
        return self.inner.sweep()

    def check(self) -> None:
        """As the store inside does."""
        self.inner.check()


def rekey(store: Store, old: Key | None, new: Key | None) -> tuple[int, int]:
    """Seal every file with the new key, or open it for good if there is none.

    Files are replaced one by one, each as a whole. If it is cut short, some have the old key and some the new one: the
    same call again brings it to its end. The clinic must not run meanwhile.

    Args:
        store: The store inside.
        old: Key of the files that have one.
        new: Key that they get.

    Returns:
        How many were changed, and how many needed no change.

    Raises:
        StoreError: A file has neither key, or was changed.
    """
    keys = {key.name: key for key in (old, new) if key is not None}
    wanted = None if new is None else new.name
    changed = same = 0
    for patient in list(store.patients()):
        for name in store.files(patient):
            kept = store.get(patient, name)
            found = key_of(kept)
            if found == wanted:
                same += 1
                continue
            if found is not None and found not in keys:
                raise StoreError(f"a file is encrypted with the key {found.hex()}: name that one as the old key")
            plain = kept if found is None else keys[found].opened(patient, name, kept)
            store.put(patient, name, plain if new is None else new.sealed(patient, name, plain))
            changed += 1
    return changed, same

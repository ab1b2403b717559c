"""Where photographs and pictures lie: files under their patient, photographs by their SHA-256.

A file is written beside its place, forced to the disk and moved there, before the row that names it is committed. The
folder of a patient is all that there is of the patient outside the database: deleting it deletes everything.
`melascope.clinic.bucket` keeps the same files elsewhere, `melascope.clinic.seal` keeps them encrypted.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

__all__ = [
    "FRESH_S",
    "Away",
    "FileStore",
    "Store",
    "StoreError",
    "Unreadable",
    "digest_of",
    "ends",
    "is_patient",
    "place",
]

_SAFE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
FRESH_S: Final = 3600.0
"""For so long somebody may still be writing: an upload, or an analysis of what is deleted meanwhile."""
_MOST_LOOKS: Final = 12
"""Folders that `ends` looks into, from each side, until it finds a file."""


class StoreError(Exception):
    """A file cannot be written or is not there; the sentence says what to do."""


class Unreadable(StoreError):
    """A file is not there, or cannot be read."""


class Away(Unreadable):
    """A file cannot be read now, and may be there: the store does not answer, or holds nothing at all."""


class Store(Protocol):
    """What keeps bytes under a patient and a name."""

    def put(self, patient: str, name: str, data: bytes) -> None:
        """Keep bytes for good, or raise `StoreError`."""
        ...

    def get(self, patient: str, name: str) -> bytes:
        """The bytes; or `Unreadable`, or `Away` if asking again later may help."""
        ...

    def remove(self, patient: str, name: str) -> None:
        """Forget one file, or raise `StoreError`; nothing if there is none."""
        ...

    def forget(self, patient: str) -> None:
        """Forget everything of a patient, or raise `StoreError`."""
        ...

    def patients(self) -> Iterator[str]:
        """All patients of whom there is a file, in order."""
        ...

    def files(self, patient: str) -> list[str]:
        """Names of a patient's files, in order; half-written ones are none."""
        ...

    def ends(self) -> list[tuple[str, str]]:
        """Patient and name of the first and of the last file, found without listing everything."""
        ...

    def sweep(self) -> int:
        """Delete half-written files that a crash left; returns how many."""
        ...

    def check(self) -> None:
        """Raise `StoreError` if nothing could be written now."""
        ...


class FileStore:
    """Files in a folder.

    Example:
        >>> import tempfile
        >>> store = FileStore(Path(tempfile.mkdtemp()))
        >>> store.put("ab12", "note.txt", b"seen")
        >>> store.get("ab12", "note.txt")
        b'seen'
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, patient: str, name: str) -> Path:
        return self.root / place(patient, name)

    def put(self, patient: str, name: str, data: bytes) -> None:
        """Write beside, force to the disk, move into place; an equal file that is there already is left alone."""
        path = self._path(patient, name)
        part = path.with_name(f"{path.name}.{os.getpid()}-{time.monotonic_ns()}.part")
        try:
            if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
                return
            made = [folder for folder in (path.parent, path.parent.parent) if not folder.is_dir()]
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
            for folder in {path.parent, *(each.parent for each in made)}:
                _sync(folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink()
            raise StoreError(f"the file could not be kept ({error.strerror}); free the disk and try again") from None

    def get(self, patient: str, name: str) -> bytes:
        """Read the whole file."""
        try:
            return self._path(patient, name).read_bytes()
        except OSError as error:
            gone = isinstance(error, FileNotFoundError) and self._holds_something()
            kind = Unreadable if gone else Away
            raise kind(f"a file of the store cannot be read ({error.strerror})") from None

    def _holds_something(self) -> bool:
        """False for a folder that is not there or empty: a disk that is not mounted looks like that."""
        with contextlib.suppress(OSError), os.scandir(self.root) as found:
            return next(found, None) is not None
        return False

    def _need_something(self) -> None:
        """Stop where there is nothing at all: what seems to be deleted would come back with its disk."""
        if not self._holds_something():
            raise Away("the folder of photographs holds nothing; see whether its disk is mounted")

    def remove(self, patient: str, name: str) -> None:
        """Delete one file."""
        try:
            self._path(patient, name).unlink()
        except FileNotFoundError:
            self._need_something()
        except OSError as error:
            raise StoreError(
                f"a file could not be deleted ({error.strerror}); check the rights of its folder"
            ) from None

    def forget(self, patient: str) -> None:
        """Delete the patient's folder."""
        folder = self._path(patient, "x").parent
        self._need_something()
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            raise StoreError("files of the patient could not be deleted; check the rights of the data folder")

    def patients(self) -> Iterator[str]:
        """Names of all patients' folders."""
        for top in sorted(self._names("", True)):
            yield from sorted(name for name in self._names(top, True) if is_patient(top, name))

    def files(self, patient: str) -> list[str]:
        """What lies in the patient's folder."""
        folder = place(patient, "x").rpartition("/")[0]
        self._need_something()
        return sorted(name for name in self._names(folder, False) if not name.endswith(".part"))

    def _names(self, path: str, folders: bool) -> list[str]:
        """Names of the folders, or of the files, in a folder below the root; none if there is no such folder.

        Raises:
            Away: It may not be read.
        """
        try:
            with os.scandir(self.root / path) as found:
                return [each.name for each in found if each.is_dir() == folders]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise Away(f"a folder of photographs cannot be read ({error.strerror}); check its rights") from None

    def ends(self) -> list[tuple[str, str]]:
        """Patient and name of the first and of the last file."""

        def names(path: str, folders: bool) -> list[str]:
            with contextlib.suppress(Away):
                return self._names(path, folders)
            return []

        return ends(names)

    def check(self) -> None:
        """The folder can be written."""
        if not os.access(self.root, os.W_OK):
            raise StoreError("the folder of photographs cannot be written; check its rights")

    def sweep(self) -> int:
        """Delete half-written files that are older than an hour.

        Returns:
            How many were deleted.
        """
        end, count = time.time() - FRESH_S, 0
        for part in list(self.root.glob("??/*/*.part")):
            with contextlib.suppress(OSError):
                if part.stat().st_mtime < end:
                    part.unlink()
                    count += 1
        return count


def place(patient: str, name: str) -> str:
    """Where a file lies below the root of every store.

    Raises:
        StoreError: The names would lead elsewhere.

    Example:
        >>> place("ab12", "note.txt")
        'ab/ab12/note.txt'
    """
    for part in (patient, name):
        if not _SAFE.fullmatch(part) or ".." in part:
            raise StoreError(f"{part!r} is no name of this store")
    return f"{patient[:2]}/{patient}/{name}"


def is_patient(top: str, name: str) -> bool:
    """Whether a folder in a folder of a store's root is a patient's, and not something foreign.

    Example:
        >>> is_patient("ab", "ab12"), is_patient("logs", "AWSLogs"), is_patient("ab", "cd34")
        (True, False, False)
    """
    return name[:2] == top and _SAFE.fullmatch(name) is not None


def ends(names: Callable[[str, bool], list[str]]) -> list[tuple[str, str]]:
    """Patient and name of the first and of the last file of a store, by a few looks into single folders.

    Args:
        names: The names in a folder below the root: of folders, or of files.

    Example:
        >>> tree = {"": ["ab", "cd"], "ab": ["ab12"], "cd": ["cd34"], "ab/ab12": ["a", "b"], "cd/cd34": ["c"]}
        >>> ends(lambda path, folders: tree.get(path, []))
        [('ab12', 'a'), ('cd34', 'c')]
    """
    found = []
    for last in (False, True):
        looks, waiting = 0, [""]
        while waiting and looks < _MOST_LOOKS:
            path, looks = waiting.pop(), looks + 1
            depth = path.count("/") + bool(path)
            inside = sorted(names(path, depth < 2), reverse=not last)  # the last one is taken first
            if depth < 2:
                waiting += [f"{path}/{name}".removeprefix("/") for name in inside]
            elif kept := [name for name in inside if not name.endswith(".part")]:
                found.append((path.rpartition("/")[2], kept[-1]))
                break
    return found


def digest_of(data: bytes) -> str:
    """SHA-256 of bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _sync(folder: Path) -> None:
    """Force a folder's list of names to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

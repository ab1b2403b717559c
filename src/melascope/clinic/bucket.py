"""Photographs elsewhere than in a folder: what fsspec reaches by a URL (s3://, gs://, abfs://, sftp://, memory:// …).

The files have the names that they would have in a folder. An object store takes a file as a whole or not at all; on
anything else it is written beside its place and moved. That what was taken is kept is the other side's promise.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from melascope.clinic.settings import Settings, SettingsError
from melascope.clinic.store import FRESH_S, Away, FileStore, Store, StoreError, Unreadable, ends, is_patient, place

__all__ = ["Bucket", "place_of"]

_WHOLE: Final = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "memory"})
"""File systems that take a file as a whole."""
_UNCACHED: Final = frozenset({"sftp", "ssh"})
"""File systems that keep no listings, and hand on what they do not know to drivers that refuse it."""
_TIMES: Final = ("LastModified", "last_modified", "updated", "mtime", "created")


def place_of(settings: Settings) -> Store:
    """The store of a clinic as it lies there: a folder, or what the URL names.

    Raises:
        SettingsError: The URL names nothing that this installation reaches.
        OSError: The folder cannot be made.
    """
    url = settings.store_url
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):  # a folder is forced to the disk, which fsspec does not do
        folder = Path(unquote(parts.path)) if url else settings.data / "photographs"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileStore(folder.absolute())
    return Bucket(url)


class Bucket:
    """Files below a URL of fsspec.

    Args:
        url: For example ``s3://clinic/photographs``; secrets come from the environment, as the driver expects them.

    Raises:
        SettingsError: There is no such file system, or its driver is not installed.

    Example:
        >>> store = Bucket("memory://clinic-example")
        >>> store.put("ab12", "note.txt", b"seen")
        >>> store.get("ab12", "note.txt"), list(store.patients())
        (b'seen', ['ab12'])
    """

    def __init__(self, url: str) -> None:
        scheme = urlsplit(url).scheme
        try:
            import fsspec

            options = {} if scheme in _UNCACHED else {"use_listings_cache": False}
            self._fs, root = fsspec.core.url_to_fs(url, **options)
        except ImportError as error:
            raise SettingsError(f"a store at {scheme}:// needs another package ({error})") from None
        except ValueError as error:
            raise SettingsError(f"a store at {scheme}:// cannot be used ({error}); name a folder or a URL") from None
        except Exception as error:  # noqa: BLE001 (drivers that connect at once fail in ways of their own)
            raise SettingsError(f"a store at {scheme}:// cannot be reached ({_said(error)}); look after it") from None
        self._root = str(root).rstrip("/")
        self._whole = scheme in _WHOLE

    def _path(self, patient: str, name: str) -> str:
        return f"{self._root}/{place(patient, name)}"

    def put(self, patient: str, name: str, data: bytes) -> None:
        """Write as a whole, or beside and move; what arrived must have the right length."""
        path = self._path(patient, name)
        part = path if self._whole else f"{path}.{secrets.token_hex(6)}.part"
        try:
            if not self._whole:
                self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(part, data)
            if self._fs.size(part) != len(data):
                raise OSError("it arrived incomplete")
            if part != path:
                self._fs.mv(part, path)
        except Exception as error:  # noqa: BLE001 (drivers fail in ways of their own)
            if part != path:
                with contextlib.suppress(Exception):
                    self._fs.rm_file(part)
            raise StoreError(f"the file could not be kept ({_said(error)}); look after the store") from None

    def get(self, patient: str, name: str) -> bytes:
        """Read the whole file."""
        path = self._path(patient, name)
        try:
            return bytes(self._fs.cat_file(path))
        except Exception as error:  # noqa: BLE001
            kind = Unreadable if isinstance(error, FileNotFoundError) and self._holds_something() else Away
            raise kind(f"a file of the store cannot be read ({_said(error)})") from None

    def _listed(self, path: str = "") -> list[dict[str, Any]]:
        """What is in a folder below the root; nothing if there is none.

        Only a listing tells that from a store that is away: `exists()` says no to any error, and `find()` leaves out
        what it could not list.

        Raises:
            Away: It cannot be listed.
        """
        try:
            return [dict(each) for each in self._fs.ls(f"{self._root}/{path}".rstrip("/"), detail=True)]
        except FileNotFoundError:
            return []
        except Exception as error:  # noqa: BLE001
            raise Away(f"the store cannot be listed ({_said(error)})") from None

    def _names(self, path: str, folders: bool) -> list[str]:
        """Names of the folders, or of the files, in a folder below the root; marks of folders are no files."""
        found = [(str(each["name"]), each["type"] == "directory") for each in self._listed(path)]
        names = [name for name, folder in found if folder == folders and (folders or not name.endswith("/"))]
        return [name.rstrip("/").rpartition("/")[2] for name in names]

    def _holds_something(self) -> bool:
        """False for a store that is away, and for one without any file: a bucket that is not there has none either."""
        with contextlib.suppress(Away):
            return bool(self._listed())
        return False

    def _need_something(self) -> None:
        """Stop where there is nothing at all: what seems to be deleted may lie elsewhere."""
        if not self._holds_something():
            raise Away("the store does not answer, or holds nothing; look after it, and see whether its URL is right")

    def remove(self, patient: str, name: str) -> None:
        """Delete one file."""
        path = self._path(patient, name)
        try:
            self._fs.info(path)  # some drivers delete what is not there without a word
            self._fs.rm_file(path)
        except FileNotFoundError:
            self._need_something()
        except Exception as error:  # noqa: BLE001
            raise Away(f"a file could not be deleted ({_said(error)}); look after the store") from None

    def forget(self, patient: str) -> None:
        """Delete everything below the patient's name."""
        folder = _folder(patient)
        if not self._listed(folder):
            self._need_something()
            return
        try:
            self._fs.rm(f"{self._root}/{folder}", recursive=True)
        except Exception as error:  # noqa: BLE001
            raise Away(f"files of the patient could not be deleted ({_said(error)})") from None
        if self._listed(folder):
            raise StoreError("files of the patient could not be deleted; look after the store")

    def patients(self) -> Iterator[str]:
        """Names of all patients' folders."""
        for top in sorted(self._names("", True)):
            yield from sorted(name for name in self._names(top, True) if is_patient(top, name))

    def files(self, patient: str) -> list[str]:
        """Names of the files below the patient's."""
        found = self._names(_folder(patient), False)
        if not found:
            self._need_something()
        return sorted(name for name in found if not name.endswith(".part"))

    def ends(self) -> list[tuple[str, str]]:
        """Patient and name of the first and of the last file, by listing single folders."""
        return ends(self._names)

    def check(self) -> None:
        """The other side answers."""
        self._listed()

    def sweep(self) -> int:
        """Delete half-written files that are known to be older than an hour; where files come whole there are none."""
        end, count = datetime.now(UTC).timestamp() - FRESH_S, 0
        for patient in [] if self._whole else list(self.patients()):
            for about in self._listed(_folder(patient)):
                age = _time(about)
                if str(about["name"]).endswith(".part") and age is not None and age < end:
                    with contextlib.suppress(Exception):
                        self._fs.rm_file(about["name"])
                        count += 1
        return count


def _folder(patient: str) -> str:
    """Where a patient's files lie below the root."""
    return place(patient, "x").rpartition("/")[0]


def _time(about: dict[str, Any]) -> float | None:
    """When a file was written, if its file system says so."""
    for name in _TIMES:
        match about.get(name):
            case datetime() as moment:
                return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
            case int() | float() as seconds:
                return float(seconds)
    return None


def _said(error: Exception) -> str:
    """What happened, without addresses or secrets that a driver may have put into its text."""
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__

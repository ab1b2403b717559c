"""Backups: one ZIP with the database, the photographs and their SHA-256; and a data folder made from it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import melascope
from melascope.clinic.database import Database
from melascope.clinic.photos import ORIGINAL
from melascope.clinic.seal import key_of
from melascope.clinic.store import Away, FileStore, Store, StoreError, Unreadable, place

__all__ = ["BackupError", "Written", "restore_backup", "write_backup"]

_DATABASE: Final = "clinic.sqlite"
_PHOTOGRAPHS: Final = "photographs"
_LIST: Final = "backup.json"
_GONE: Final = """
    SELECT patient, prefix FROM removals WHERE NOT EXISTS (
        SELECT 1 FROM photos JOIN visits ON visits.id = photos.visit_id
        WHERE visits.patient_id = removals.patient AND photos.sha256 || '.original' = removals.prefix)"""
"""What is to be removed; not bytes that the patient has another photograph of."""


_NAMED: Final = {
    "photos": "SELECT visits.patient_id, photos.sha256 FROM photos JOIN visits ON visits.id = photos.visit_id",
    "review_photos": "SELECT batch_id, sha256 FROM review_photos",
}


class BackupError(Exception):
    """A backup cannot be made or read; the sentence says what to do."""


@dataclass(frozen=True)
class Written:
    """What a backup holds."""

    files: int
    keys: tuple[str, ...]
    """Names of the keys with which photographs in it are encrypted: a clinic that is restored needs them."""
    missing: int
    """Photographs that the database names and the store does not hold."""


def write_backup(database: Database, store: Store, to: Path) -> Written:
    """Write everything into a ZIP, whole or not at all, while the clinic runs.

    The database is copied first: a photograph is on the disk before the row that names it, so that every row of the
    copy finds its file, unless a patient was deleted in between. What is still to be removed is neither copied nor
    noted in the copy: a restored clinic that is pointed at the store of the first one removes nothing there.

    Args:
        database: SQLite.
        store: The photographs as they lie there: encrypted ones stay encrypted, and no key is needed.
        to: The ZIP.

    Raises:
        BackupError: The database is not SQLite, there is a file of that name, or the store holds none of the
            photographs that the database names.
        StoreError: The store cannot be listed or read.
    """
    if not database.sqlite:
        raise BackupError(
            "the database is PostgreSQL: back it up with pg_dump (docs/clinic.md), and copy the photographs"
        )
    if to.exists():
        raise BackupError(f"{to} is there already; name another file")
    part = to.with_name(f".{to.name}.part")
    digests: dict[str, str] = {}
    keys: set[str] = set()
    try:
        part.unlink(missing_ok=True)  # of one that was cut short
        part.touch(mode=0o600, exist_ok=False)  # it holds everything
        with tempfile.TemporaryDirectory(dir=to.absolute().parent) as folder:
            copy = Path(folder, _DATABASE)
            _copy_database(database, copy)
            gone = _taken_out(copy)
            with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                for name, data in _files(copy, store, gone):
                    digests[name] = hashlib.sha256(data).hexdigest()
                    keys |= {found.hex() for found in [key_of(data)] if found is not None}
                    archive.writestr(name, data)
                named = _originals(copy)
                missing = len(named - digests.keys())
                if missing and missing == len(named):
                    raise BackupError(
                        f"the store holds none of the {missing} photographs that the database names; see whether its "
                        "disk is mounted, and name it with --store or MELASCOPE_STORE_URL"
                    )
                about: dict[str, object] = {
                    "melascope": melascope.__version__,
                    "revision": database.revision(),
                    "keys": sorted(keys),
                    "sha256": digests,
                }
                archive.writestr(_LIST, json.dumps(about, indent=1))
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, to)
    finally:
        part.unlink(missing_ok=True)
    return Written(len(digests), tuple(sorted(keys)), missing)


def _originals(copy: Path) -> set[str]:
    """Names in a backup of the photographs that a database names."""
    with contextlib.closing(sqlite3.connect(copy)) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        rows = [row for table, query in _NAMED.items() if table in tables for row in db.execute(query)]
    return {f"{_PHOTOGRAPHS}/{place(patient, ORIGINAL.format(sha256=sha256))}" for patient, sha256 in rows}


def _copy_database(database: Database, to: Path) -> None:
    with database.engine.connect() as connection, contextlib.closing(sqlite3.connect(to)) as copy:
        source = connection.connection.driver_connection
        assert isinstance(source, sqlite3.Connection)
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")


def _taken_out(copy: Path) -> list[tuple[str, str]]:
    """Take out of the copy what files are to be removed: patients, and what the names of their files begin with."""
    with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as db:
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'removals'").fetchone() is None:
            return []  # of an earlier version
        gone = db.execute(_GONE).fetchall()
        db.execute("DELETE FROM removals")
        return gone


def _files(copy: Path, store: Store, gone: list[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
    yield _DATABASE, copy.read_bytes()
    for patient in list(store.patients()):
        prefixes = tuple(prefix for whose, prefix in gone if whose == patient)
        for name in store.files(patient):
            if name.startswith(prefixes):
                continue
            try:
                data = store.get(patient, name)
            except Away:  # half a backup would be worse than none
                raise
            except Unreadable:  # deleted meanwhile
                continue
            yield f"{_PHOTOGRAPHS}/{place(patient, name)}", data


def restore_backup(source: Path, data: Path, store: Store | None = None) -> int:
    """Make a data folder from a backup; every file is held against its SHA-256.

    Args:
        source: The ZIP.
        data: Folder of the database.
        store: Where the photographs go, as they are in the backup; a folder beside the database if it is not given.

    Raises:
        BackupError: It is no backup, it is damaged, or folder or store hold something.
        StoreError: The store cannot be written.
    """
    if store is not None and store.ends():
        raise BackupError("the store of photographs holds something already; name an empty one")
    if data.exists() and any(data.iterdir()):
        raise BackupError(f"{data} holds something already; name an empty folder")
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = store or FileStore(data / _PHOTOGRAPHS)
    try:
        with zipfile.ZipFile(source) as archive:
            digests: dict[str, str] = json.loads(archive.read(_LIST))["sha256"]
            for name, digest in sorted(digests.items(), key=lambda item: item[0] == _DATABASE):
                parts = PurePosixPath(name).parts
                if name != _DATABASE and not _belongs(parts):
                    raise BackupError(f"{source}: {name!r} does not belong into a backup")
                content = archive.read(name)
                if hashlib.sha256(content).hexdigest() != digest:
                    raise BackupError(f"{source}: {name} is damaged; use another backup")
                if name == _DATABASE:
                    (data / _DATABASE).write_bytes(content)
                else:
                    store.put(parts[2], parts[3], content)
    except FileNotFoundError:
        raise BackupError(f"there is no {source}; name a ZIP of `melascope clinic backup`") from None
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError):
        raise BackupError(f"{source} is no backup of a clinic, or it is damaged") from None
    return len(digests)


def _belongs(parts: tuple[str, ...]) -> bool:
    """True for the place of a photograph."""
    with contextlib.suppress(StoreError):
        return len(parts) == 4 and "/".join(parts) == f"{_PHOTOGRAPHS}/{place(parts[2], parts[3])}"
    return False

"""Backups: one ZIP with the database, the photographs and their SHA-256; and a data folder made from it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Final

import melascope
from melascope.clinic.database import Database
from melascope.clinic.store import FileStore

__all__ = ["BackupError", "restore_backup", "write_backup"]

_DATABASE: Final = "clinic.sqlite"
_PHOTOGRAPHS: Final = "photographs"
_LIST: Final = "backup.json"


class BackupError(Exception):
    """A backup cannot be made or read; the sentence says what to do."""


def write_backup(database: Database, store: FileStore, to: Path) -> int:
    """Write everything into a ZIP, whole or not at all, while the clinic runs.

    The database is copied first: a photograph is on the disk before the row that names it, so that every row of the
    copy finds its file, unless a patient was deleted in between.

    Returns:
        How many files it holds.

    Raises:
        BackupError: The database is not SQLite, or there is a file of that name.
    """
    if not database.sqlite:
        raise BackupError("the database is PostgreSQL: back it up with pg_dump, and copy the folder of photographs")
    if to.exists():
        raise BackupError(f"{to} is there already; name another file")
    part = to.with_name(f".{to.name}.part")
    digests: dict[str, str] = {}
    try:
        with tempfile.TemporaryDirectory(dir=to.absolute().parent) as folder:
            copy = Path(folder, _DATABASE)
            _copy_database(database, copy)
            with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                for path, name in [(copy, _DATABASE), *_files(store)]:
                    with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                        data = path.read_bytes()
                        digests[name] = hashlib.sha256(data).hexdigest()
                        archive.writestr(name, data)
                about = {"melascope": melascope.__version__, "revision": database.revision(), "sha256": digests}
                archive.writestr(_LIST, json.dumps(about, indent=1))
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, to)
    finally:
        part.unlink(missing_ok=True)
    return len(digests)


def _copy_database(database: Database, to: Path) -> None:
    with database.engine.connect() as connection, contextlib.closing(sqlite3.connect(to)) as copy:
        source = connection.connection.driver_connection
        assert isinstance(source, sqlite3.Connection)
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")


def _files(store: FileStore) -> list[tuple[Path, str]]:
    found = sorted(path for path in store.root.glob("??/*/*") if path.is_file() and path.suffix != ".part")
    return [(path, f"{_PHOTOGRAPHS}/{path.relative_to(store.root).as_posix()}") for path in found]


def restore_backup(source: Path, data: Path) -> int:
    """Make a data folder from a backup; every file is held against its SHA-256.

    Raises:
        BackupError: It is no backup, it is damaged, or the folder holds something.
    """
    if data.exists() and any(data.iterdir()):
        raise BackupError(f"{data} holds something already; name an empty folder")
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with zipfile.ZipFile(source) as archive:
            digests: dict[str, str] = json.loads(archive.read(_LIST))["sha256"]
            for name, digest in sorted(digests.items(), key=lambda item: item[0] == _DATABASE):
                parts = PurePosixPath(name).parts
                if name != _DATABASE and (len(parts) != 4 or parts[0] != _PHOTOGRAPHS or ".." in parts):
                    raise BackupError(f"{source}: {name!r} does not belong into a backup")
                content = archive.read(name)
                if hashlib.sha256(content).hexdigest() != digest:
                    raise BackupError(f"{source}: {name} is damaged; use another backup")
                path = data.joinpath(*parts)
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                path.write_bytes(content)
    except FileNotFoundError:
        raise BackupError(f"there is no {source}; name a ZIP of `melascope clinic backup`") from None
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError):
        raise BackupError(f"{source} is no backup of a clinic, or it is damaged") from None
    return len(digests)

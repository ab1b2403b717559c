"""A PostgreSQL for tests: a throw-away server made from the programs on this machine, or one that is named.

The server keeps nothing and is not asked to: no fsync, a socket in a temporary folder, no port. Each test gets a
database of its own, copied from one that was migrated once.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from typing import Final
from urllib.parse import urlsplit

VARIABLE: Final = "MELASCOPE_TEST_POSTGRES"
"""URL of a server whose role may make databases: postgresql://role@host/postgres"""
_PLACES: Final = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
)
_WAIT_S: Final = 120.0
_MEMORY: Final = 2_000_000_000
_CARELESS: Final = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "listen_addresses=",
    "max_connections=100",
)
# The shell ends the server when its standard input closes, so that tests that were killed leave none behind.
_KEEPER: Final = '"$@" & read -r _; kill -INT $!; wait'


class Absent(Exception):
    """There is no PostgreSQL here."""


def programs() -> Path:
    """Folder of `initdb` and `postgres`: that on the PATH, or the newest in the usual places."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    for place in _PLACES:
        folders += sorted(Path("/").glob(place.removeprefix("/")), reverse=True)
    for folder in folders:
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    raise Absent(f"no PostgreSQL: install its server programs (initdb, postgres), or name a server in {VARIABLE}")


class Server:
    """Makes and drops databases.

    Args:
        url: SQLAlchemy URL of a database that is only used to speak to the server.
    """

    def __init__(self, url: str) -> None:
        from sqlalchemy import create_engine

        self._url = url
        self._engine = create_engine(url, isolation_level="AUTOCOMMIT")
        self._mark = f"melascope_{token_hex(4)}"
        self._count = 0
        self._template = ""

    def fresh(self) -> str:
        """URL of a new database with all tables and nothing in them."""
        if not self._template:
            from melascope.clinic.database import Database

            self._template = self._named("template")
            self._say(f"CREATE DATABASE {self._template}")
            database = Database(self._to(self._template))
            database.migrate()
            database.close()
        self._count += 1
        name = self._named(str(self._count))
        self._say(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return self._to(name)

    def empty(self) -> str:
        """URL of a new database without tables."""
        self._count += 1
        name = self._named(str(self._count))
        self._say(f"CREATE DATABASE {name}")
        return self._to(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever still speaks to it."""
        self._say(f"DROP DATABASE IF EXISTS {urlsplit(url).path.removeprefix('/')} WITH (FORCE)")

    def close(self) -> None:
        """Remove what is left."""
        if self._template:
            self.drop(self._to(self._template))
        self._engine.dispose()

    def _named(self, what: str) -> str:
        return f"{self._mark}_{what}"

    def _to(self, name: str) -> str:
        return urlsplit(self._url)._replace(path=f"/{name}").geturl()

    def _say(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.exec_driver_sql(statement)


@contextmanager
def server() -> Iterator[Server]:
    """The server that is named in the environment, or one of our own.

    Raises:
        Absent: Neither is there.
    """
    if find_spec("psycopg") is None:
        raise Absent("no PostgreSQL: its driver is missing (pip install 'psycopg[binary]')")
    named = os.environ.get(VARIABLE, "")
    with _url_of(named) if named else _started() as url:
        made = Server(url)
        try:
            yield made
        finally:
            made.close()


@contextmanager
def _url_of(named: str) -> Iterator[str]:
    yield named.replace("postgresql://", "postgresql+psycopg://")


@contextmanager
def _started() -> Iterator[str]:
    where = programs()
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=_room()))
    other = _other_user()
    who = {} if other is None else {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}
    if other is not None:
        os.chown(folder, other.pw_uid, other.pw_gid)
    data = folder / "data"
    try:
        made = _ended(
            [where / "initdb", "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-N"],
            folder,
            who,
        )
        assert made.returncode == 0, made.stderr
        options = [word for setting in _CARELESS for word in ("-c", setting)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                ["sh", "-c", _KEEPER, "sh", where / "postgres", "-D", data, "-k", folder, *options],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=folder,
                start_new_session=True,  # Ctrl-C is for the tests
                **who,  # type: ignore[call-overload]
            )
        try:
            _wait(process, folder)
            yield f"postgresql+psycopg://tests@/postgres?host={folder}"
        finally:
            process.communicate(timeout=_WAIT_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _room() -> str:
    """Memory if there is plenty, else the disk; a short name in any case, since a socket's may have 107 signs."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _MEMORY:
        return str(memory)
    return tempfile.gettempdir() if len(tempfile.gettempdir()) < 60 else "/tmp"


def _ended(words: Sequence[object], folder: Path, who: dict[str, object]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=folder, **who)  # type: ignore[call-overload,no-any-return]


def _other_user() -> pwd.struct_passwd | None:
    """Who runs the server: it refuses to be run by root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise Absent("no PostgreSQL: its server refuses to run as root, and there is no user postgres or nobody")


def _wait(process: subprocess.Popen[bytes], folder: Path) -> None:
    import psycopg

    end = time.monotonic() + _WAIT_S
    while True:
        try:
            psycopg.connect(host=str(folder), user="tests", dbname="postgres").close()
        except psycopg.OperationalError:
            log = (folder / "log").read_text(errors="replace")
            assert process.poll() is None and time.monotonic() < end, log
            time.sleep(0.02)
        else:
            return

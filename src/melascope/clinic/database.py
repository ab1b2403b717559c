"""The database: SQLite by default, PostgreSQL by URL; transactions that read and transactions that write.

SQLite lets one writer in at a time. A transaction that begins by reading and then writes can be refused at once, so a
writing one says so at its beginning (BEGIN IMMEDIATE) and waits for its turn.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, NoSuchModuleError
from sqlalchemy.orm import Session

__all__ = ["HEAD", "Database", "DatabaseError", "is_full"]

HEAD: Final = "0006"
"""The latest migration: a database that has it is opened without Alembic, which takes a moment to load."""
_WAIT_S: Final = 20
_POOL: Final[dict[str, Any]] = {"pool_size": 20, "max_overflow": 30, "pool_use_lifo": True}
"""The connection that was given back last is used next: those of a busy hour rest instead of filling their caches."""
_WRITING: Final = "melascope_writing"
_MIGRATIONS: Final = Path(__file__).with_name("migrations")


class DatabaseError(Exception):
    """The database cannot be opened or brought up to date; the sentence says what to do."""


class Database:
    """One database, with its transactions.

    Args:
        url: SQLAlchemy URL.

    Raises:
        DatabaseError: The URL names no database that this installation can open.
    """

    def __init__(self, url: str) -> None:
        try:
            if url.startswith("sqlite"):
                self.engine = create_engine(url, connect_args={"timeout": _WAIT_S}, **_POOL)
                event.listen(self.engine, "connect", _prepare_sqlite)
                event.listen(self.engine, "begin", _begin_sqlite)
            else:
                self.engine = create_engine(url, **_POOL, pool_pre_ping=True)
        except ModuleNotFoundError as error:
            raise DatabaseError(f"the database needs {error.name}: pip install 'psycopg[binary]'") from None
        except (NoSuchModuleError, ValueError, DBAPIError) as error:
            raise DatabaseError(
                f"the database URL cannot be used ({error}); name sqlite:/// or postgresql://"
            ) from None
        self._writer: Engine = self.engine.execution_options(**{_WRITING: True})

    @property
    def sqlite(self) -> bool:
        """True if it is a file of SQLite."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Generator[Session]:
        """A transaction that only reads; whatever it would have changed is dropped."""
        with Session(self.engine, autoflush=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Generator[Session]:
        """A transaction that writes: kept when the block ends well, dropped when it raises."""
        with Session(self._writer) as session, session.begin():
            yield session

    def migrate(self) -> None:
        """Bring the tables up to date; a new database gets all of them. Safe if several processes start at once.

        Raises:
            DatabaseError: It cannot be reached, or is newer than this version.
        """
        with suppress(DBAPIError), self.engine.connect() as connection:
            if connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD:
                return
        from alembic import command
        from alembic.util import CommandError

        try:
            with self._writer.begin() as connection:
                if not self.sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(7352610)"))
                command.upgrade(alembic_config(connection), "head")
        except CommandError as error:
            raise DatabaseError(f"{error}: the database was made by a newer version; install that one") from None
        except DBAPIError as error:
            raise DatabaseError(f"the database cannot be opened ({error.orig}); check its place and rights") from None

    def need(self) -> None:
        """Stop where there is no clinic yet, and make none; an earlier version's is left as it is.

        Raises:
            DatabaseError: There is none, or it cannot be opened.
        """
        place = self.engine.url.database or ""
        if self.sqlite and not Path(place).is_file():
            raise DatabaseError(
                f"there is no clinic at {place}: name its folder with --data, or make one with `melascope clinic init`"
            )
        try:
            found = self.revision()
        except DBAPIError as error:
            raise DatabaseError(f"the database cannot be opened ({error.orig}); check its place and rights") from None
        if found is None:
            raise DatabaseError("there is no clinic in this database: make one with `melascope clinic init`")

    def revision(self) -> str | None:
        """Name of the latest migration that was applied; None for an empty database."""
        from alembic.migration import MigrationContext

        with self.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def is_full(error: DBAPIError) -> bool:
    """True if the database had no room left for what was to be written."""
    return "disk is full" in str(error.orig) or getattr(error.orig, "sqlstate", "") == "53100"


def alembic_config(connection: Connection) -> Any:
    """Alembic's configuration for the migrations inside the package, on an open connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver would begin by itself, and too late
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "foreign_keys = ON",
        "synchronous = FULL",
        f"busy_timeout = {_WAIT_S * 1000}",
        "cache_size = -512",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get(_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

"""The clinic's tests: a small clinic in a temporary folder, on SQLite or, where one is named, on PostgreSQL."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from melascope.clinic.desk import Clinic
    from tests.clinic.cluster import Server
    from tests.clinic.made import House

NEEDED: Final = ("fastapi", "sqlalchemy", "alembic", "argon2", "python_multipart", "uvicorn", "httpx2")
MISSING: Final = [package for package in NEEDED if find_spec(package) is None]
collect_ignore_glob = ["test_[!i]*.py"] if MISSING else []
"""`test_installed.py` stays, and says what is missing."""


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL; tests that need one skip where there is none."""
    from tests.clinic import cluster

    with ExitStack() as stack:
        try:
            running = stack.enter_context(cluster.server())
        except cluster.Absent as reason:
            pytest.skip(str(reason))
        yield running


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all tables and nothing in them, made once."""
    from melascope.clinic.database import Database

    path = tmp_path_factory.mktemp("database") / "clinic.sqlite"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def clinic(
    request: pytest.FixtureRequest, tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Clinic]:
    """A clinic without anybody in it; analyses are drawn, passwords are hashed quickly."""
    from sqlalchemy import event

    from melascope.clinic.app import open_clinic
    from melascope.clinic.settings import Settings
    from tests.clinic.made import QuickHasher, drawn

    data = tmp_path / "data"
    data.mkdir()
    url = f"sqlite:///{data / 'clinic.sqlite'}"
    if request.param == "sqlite":
        shutil.copy(migrated, data / "clinic.sqlite")
    else:
        url = request.getfixturevalue("server").fresh()
    monkeypatch.setattr(os, "fsync", lambda _: None)  # what a power cut would do is not tested here
    settings = Settings(data=data, database_url=url, public_url="http://localhost")
    opened = open_clinic(settings, work=drawn, keeper=QuickHasher())
    if opened.database.sqlite:
        event.listen(opened.database.engine, "connect", lambda it, _: it.execute("PRAGMA synchronous = OFF"))
        opened.database.close()
    yield opened
    opened.database.close()
    if request.param == "postgresql":
        request.getfixturevalue("server").drop(url)


@pytest.fixture
def house(clinic: Clinic) -> Iterator[House]:
    """A clinic with two studies, a member of each role, and a patient with a photograph in each."""
    from tests.clinic.made import House

    house = House.furnished(clinic)
    yield house
    house.close()

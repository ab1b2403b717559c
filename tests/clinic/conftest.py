"""The clinic's tests: a small clinic in a temporary folder, on SQLite or, where one is named, on PostgreSQL."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from melascope.clinic.desk import Clinic
    from tests.clinic.made import House

NEEDED: Final = ("fastapi", "sqlalchemy", "alembic", "argon2", "python_multipart", "uvicorn", "httpx2")
MISSING: Final = [package for package in NEEDED if find_spec(package) is None]
collect_ignore_glob = ["test_[!i]*.py"] if MISSING else []
"""`test_installed.py` stays, and says what is missing."""
POSTGRES = os.environ.get("MELASCOPE_TEST_POSTGRES", "")
"""URL of an empty database that the tests may fill and empty: postgresql://…/melascope_test"""


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
    elif POSTGRES:
        url = _emptied(POSTGRES)
    else:
        pytest.skip("no PostgreSQL: name one in MELASCOPE_TEST_POSTGRES")
    monkeypatch.setattr(os, "fsync", lambda _: None)  # what a power cut would do is not tested here
    settings = Settings(data=data, database_url=url, public_url="http://localhost")
    opened = open_clinic(settings, work=drawn, keeper=QuickHasher())
    if opened.database.sqlite:
        event.listen(opened.database.engine, "connect", lambda it, _: it.execute("PRAGMA synchronous = OFF"))
        opened.database.close()
    yield opened
    opened.database.close()


def _emptied(url: str) -> str:
    """The database of tests with nothing in it."""
    from sqlalchemy import text

    from melascope.clinic.database import Database

    driver = url.replace("postgresql://", "postgresql+psycopg://")
    database = Database(driver)
    with database.engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    database.close()
    return driver


@pytest.fixture
def house(clinic: Clinic) -> Iterator[House]:
    """A clinic with two studies, a member of each role, and a patient with a photograph in each."""
    from tests.clinic.made import House

    house = House.furnished(clinic)
    yield house
    house.close()

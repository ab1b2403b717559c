"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Two test processes on two cores: a pool of threads in each only makes them wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first: as the last ones they would keep one process while the other has nothing left."""
    items.sort(key=lambda item: "whole" not in item.path.parts)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the photographs that are not part of the repository; tests that need it skip where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("../shared/data is absent: this test needs photographs that are not part of the repository")
    return folder

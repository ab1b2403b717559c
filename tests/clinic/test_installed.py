"""Says what the clinic's tests need where it is not installed."""

from __future__ import annotations

import pytest

from tests.clinic.conftest import MISSING


def test_what_the_clinic_needs_is_installed() -> None:
    if MISSING:
        pytest.skip(f"{', '.join(MISSING)}: not installed; pip install 'melascope[clinic]' httpx2")

"""Who is learnt from and who is kept for factors and figures, for the regional network and that which names patches."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from melascope.data.row import Row

__all__ = ["FACTORS", "FIGURES", "PARTS", "group_of", "part_of", "photographed"]

PARTS: Final = 20
"""People are dealt to so many parts by the hash of their head's name: of the first three the figures are made, of the
next three the intervals' factors; the others are learnt from."""
FIGURES, FACTORS = range(3), range(3, 6)


def group_of(folder: Path, row: Row, told: Mapping[str, Any]) -> str:
    """Whose photograph it is: a virtual head of its folder, the SHA-256 of a canvas, or the row's group or patient.

    Args:
        folder: The data set's.
        row: Of its manifest.
        told: The photograph's record; empty if it has none.
    """
    own = row.group or row.patient
    return f"{folder.name}, {own}" if told and "canvas" not in told else str(told.get("canvas", own))


def part_of(group: str) -> int:
    """The part of a group, 0 to `PARTS` - 1."""
    return zlib.crc32(group.encode()) % PARTS


def photographed(group: str) -> bool:
    """Whether the faces of a group are photographs: heads of virtual patients are named after their cohort."""
    return ", " not in group

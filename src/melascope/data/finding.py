"""One thing that is wrong with a data set, where it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Gravity"]

Gravity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One finding of `melascope dataset check`."""

    code: str
    """Stable name, such as `patient-in-two-splits`."""
    severity: Gravity
    """An error makes results wrong or readers fail; a warning should be looked at."""
    where: str
    """File in the data set, with line and column or photo."""
    what: str
    """What was found, with its value."""
    advice: str
    """What to do."""

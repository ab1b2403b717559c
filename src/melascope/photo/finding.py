"""One finding about a photograph: what was measured, the limit it was held against, and what to do about it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Effect", "Finding"]

Effect = Literal["refused", "reservation", "note"]


class Finding(BaseModel):
    """One thing about the photograph that limits what may be measured on it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, ser_json_inf_nan="null")

    code: str
    """Stable name, such as `blurred`."""
    value: float | None
    """What was measured, in the unit that the advice names."""
    limit: float | None
    """The limit that the value was held against."""
    advice: str
    """What a photographer can do about it."""
    effect: Effect
    """`refused`: no result is given; `reservation`: intervals widen, except for several faces and a missing region;
    `note`: for information."""
    region: str | None = None
    """The region it concerns, or null for the whole photograph."""

"""``dataset.json``: what a data set is, who made it, and what may be done with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melascope.data.layout import write_whole

__all__ = ["SCHEMA_VERSION", "About", "read_about", "write_about"]

SCHEMA_VERSION: Final = "1.0"


class About(BaseModel):
    """What a data set says of itself; further keys are kept."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    schema_version: str = SCHEMA_VERSION
    """Version of the layout."""
    name: str = Field(min_length=1)
    version: str = ""
    """Of the data."""
    made_by: str = ""
    """Programme and version, or people."""
    licence: str = ""
    notes: str = ""
    generator: dict[str, Any] = Field(default_factory=dict)
    """What the data can be made from again: seed, counts, versions."""


def read_about(path: Path) -> About:
    """Read ``dataset.json``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not JSON, or a value has the wrong type; the message names it.
    """
    try:
        about = About.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ValueError(f"{path}: {where}: {first['msg']}; correct it") from None
    if about.schema_version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        raise ValueError(
            f"{path}: schema_version {about.schema_version!r}: this programme reads {SCHEMA_VERSION}; update it"
        )
    return about


def write_about(about: About, path: Path) -> None:
    """Write ``dataset.json``, whole or not at all."""
    write_whole(path, about.model_dump_json(indent=2) + "\n")

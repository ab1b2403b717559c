"""What Ding et al. 2022 printed of its networks and dermatologists, to stand beside figures of other data."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Final

__all__ = ["TABLES", "Paper", "paper"]

TABLES: Final = ("precision", "sensitivity", "specificity")
Printed = Mapping[str, float]
"""``exact`` (the paper's accuracy) and ``precision_fre`` ... ``specificity_mean``: names as of our own figures."""


@dataclass(frozen=True)
class Paper:
    """Printed figures."""

    source: str
    where: str
    """The data that they were measured on: not those of this page."""
    phones: str
    """The same of the smartphone photos."""
    architectures: Mapping[str, Printed]
    readers: Printed
    smartphones: Mapping[str, Printed]

    def of(self, architecture: str, phones: bool = False) -> Printed:
        """What is printed of a family of networks; empty if nothing is, as of heads on our own skin network.

        Example:
            >>> paper().of("yolov5s")["exact"], paper().of("fasterrcnn_mobilenet")["exact"], paper().of("ssd_skin")
            (0.929, 0.874, {})
        """
        wanted = _letters(architecture)
        if wanted.endswith("skin"):
            return {}
        table = self.smartphones if phones else self.architectures
        return next((found for name, found in table.items() if wanted.startswith(_letters(name))), {})


@lru_cache(maxsize=1)
def paper() -> Paper:
    """The printed figures."""
    found = tomllib.loads(resources.files("melascope.detection").joinpath("paper.toml").read_text(encoding="utf-8"))
    kinds = found["kinds"]
    return Paper(
        found["source"],
        found["where"],
        found["phones"],
        {name: _flat(table, kinds) for name, table in found["architectures"].items()},
        _flat(found["readers"]["dermatologists"], kinds),
        {name: _flat(table, kinds) for name, table in found["smartphones"].items()},
    )


def _flat(table: Mapping[str, Any], kinds: list[str]) -> dict[str, float]:
    rows = {f"{key}_{kind}": value for key in TABLES for kind, value in zip(kinds, table[key], strict=True)}
    return {"exact": table["accuracy"], **rows}


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())

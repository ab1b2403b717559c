"""What Zhang et al. 2025 printed of its six networks, to stand beside figures of other data (``paper.toml``)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

__all__ = ["Paper", "paper"]


@dataclass(frozen=True)
class Paper:
    """Printed figures, by architecture and by the keys of `METRICS`."""

    source: str
    photos: int
    where: str
    """The data that they were measured on: not those of this page."""
    architectures: Mapping[str, Mapping[str, float]]

    def of(self, architecture: str) -> Mapping[str, float]:
        """What is printed of an architecture, however it is spelt; empty if nothing is.

        Example:
            >>> paper().of("googlenet")["accuracy"], paper().of("resnet50")
            (0.755, {})
        """
        wanted = _letters(architecture)
        return next((found for name, found in self.architectures.items() if _letters(name) == wanted), {})


@lru_cache(maxsize=1)
def paper() -> Paper:
    """The printed figures."""
    text = resources.files("melascope.severity").joinpath("paper.toml").read_text(encoding="utf-8")
    found = tomllib.loads(text)
    return Paper(found["source"], found["photos"], found["where"], found["architectures"])


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())

"""The words of the pages: one catalogue a language, in `texts/`."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

__all__ = ["LANGUAGES", "Texts", "choose", "texts"]

LANGUAGES: Final = {"en": "English", "zh": "中文"}
"""Code and own name."""


class Texts:
    """Sentences of one language by their names.

    Example:
        >>> texts("en")("error.name_length", longest=80)
        'Enter a name of 1 to 80 characters.'
    """

    def __init__(self, language: str, sentences: dict[str, str]) -> None:
        self.language, self.sentences = language, sentences

    def __call__(self, name: str, /, **values: Any) -> str:
        """The sentence with its values.

        Raises:
            KeyError: The catalogue has none of this name.
        """
        sentence = self.sentences[name]
        return sentence.format(**values) if values else sentence


@lru_cache(maxsize=8)
def texts(language: str) -> Texts:
    """The catalogue of a language; English for one that there is not."""
    code = language if language in LANGUAGES else "en"
    raw = files("melascope.clinic").joinpath("texts", f"{code}.toml").read_text(encoding="utf-8")
    return Texts(code, dict(_flat(tomllib.loads(raw), "")))


def _flat(table: dict[str, Any], before: str) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in table.items():
        name = f"{before}{key}"
        rows += _flat(value, f"{name}.") if isinstance(value, dict) else [(name, str(value))]
    return rows


def choose(wishes: Sequence[str | None], accepted: str = "") -> str:
    """The first language among wishes, then of an Accept-Language header, that there is.

    Example:
        >>> choose([None, "xx"], "fr-CH, zh-TW;q=0.9, en;q=0.8")
        'zh'
    """
    offered = [part.partition(";")[0].strip().partition("-")[0].lower() for part in accepted[:200].split(",")]
    return next((code for code in (*wishes, *offered) if code in LANGUAGES), "en")

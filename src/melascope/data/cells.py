"""Cells of a table: text in, a value out, or the rule that the text breaks."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

__all__ = [
    "Column",
    "Problem",
    "as_name",
    "cell",
    "choice",
    "composed",
    "harmless",
    "name",
    "number",
    "path",
    "plain",
    "text",
    "whole",
]

_NAME: Final = re.compile(r"[^\x00-\x20\x7f<>:\"/\\|?*.=+@-][^\x00-\x1f\x7f<>:\"/\\|?*]{0,119}")
_LONGEST: Final = 120
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f<>:\"/\\|?*]+")
_ENDS: Final = re.compile(r"\A[\s.=+@-]+|[\s.]+\Z")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True)
class Problem:
    """One cell, line or table that breaks a rule."""

    line: int | None
    """Line in the file, counted from 1; None for the file as a whole."""
    column: str | None
    value: str | None
    rule: str
    """What must hold, and what to do."""

    def __str__(self) -> str:
        where = [f"line {self.line}"] if self.line is not None else []
        where += [f"column {self.column}"] if self.column is not None else []
        value = "" if self.value is None else f"{self.value[:80]!r} "
        return f"{', '.join(where)}{': ' if where else ''}{value}{self.rule}"


@dataclass(frozen=True)
class Column:
    """One column: how its cells are read, and the rule that they keep."""

    name: str
    read: Callable[[str], Any]
    """Value of a cell that is not empty; raises ValueError where the rule is broken."""
    rule: str
    required: bool = False


def number(column: str, low: float, high: float) -> Column:
    """A number within limits, with a decimal point."""

    def read(value: str) -> float:
        result = float(value)
        if not (math.isfinite(result) and low <= result <= high):
            raise ValueError
        return result

    return Column(column, read, f"must be a number from {low:g} to {high:g}, with a decimal point, or empty")


def whole(column: str, low: int, high: int) -> Column:
    """A whole number within limits."""

    def read(value: str) -> int:
        result = float(value)
        if not (low <= result <= high and result == int(result)):
            raise ValueError
        return int(result)

    return Column(column, read, f"must be a whole number from {low} to {high}, or empty")


def choice(column: str, values: Sequence[Any]) -> Column:
    """One of some words, however they are capitalised; members of an enumeration stand for their values."""
    by_word = {str(v.value if isinstance(v, Enum) else v).casefold(): v for v in values}

    def read(value: str) -> Any:
        if value.casefold() not in by_word:
            raise ValueError
        return by_word[value.casefold()]

    return Column(column, read, f"must be one of {', '.join(by_word)}, or empty")


def name(column: str) -> Column:
    """A name that every file system takes as a file's name, and no spreadsheet as a formula."""

    def read(value: str) -> str:
        if not _NAME.fullmatch(value) or value[-1] in " .":
            raise ValueError
        return value

    rule = 'must be 1 to 120 signs, without < > : " / \\ | ? *, and must not begin with . = + - @ nor end with a point'
    return Column(column, read, rule, required=True)


def as_name(value: str) -> str:
    """A text as `name` takes it, no more of it changed than must be; empty if nothing is left.

    Example:
        >>> as_name("=Müller/张三. ")
        'Müller-张三'
    """
    return _ENDS.sub("", _ENDS.sub("", _FORBIDDEN.sub("-", value))[:_LONGEST])


def path(column: str) -> Column:
    """A file in the data set's folder."""

    def read(value: str) -> str:
        parts = value.split("/")
        if "\\" in value or ":" in value or any(p in {"", ".", ".."} or not p.isprintable() for p in parts):
            raise ValueError
        return value

    return Column(column, read, "must name a file below the data set's folder, such as photos/a.jpg, with /", True)


def composed(value: str) -> str:
    r"""A name with each accented letter as one sign (NFC): file systems and keyboards write it in two ways.

    Example:
        >>> composed("Mu\u0308ller") == "M\xfcller"
        True
    """
    return unicodedata.normalize("NFC", value)


def text(column: str) -> Column:
    """Anything."""
    return Column(column, str, "must be text")


def cell(value: object) -> str:
    """A value as it is written: numbers to their last digit, None as nothing, text so that no spreadsheet runs it."""
    if value is None:
        return ""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, str):
        return harmless(value)
    return repr(float(value)) if isinstance(value, float) else str(value)


def harmless(value: str) -> str:
    """Text with an apostrophe before what a spreadsheet would take for a formula; numbers stay as they are."""
    if not value.lstrip(" '").startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def plain(value: str) -> str:
    """The text behind `harmless`."""
    return value[1:] if value.startswith("'") and value.lstrip(" '").startswith(_FORMULA) else value

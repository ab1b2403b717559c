"""Strict reading of recipes: TOML tables into frozen dataclasses, every key there and no other."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

__all__ = ["RecipeError", "differences", "read_tables", "read_toml", "recipe_text", "within"]

Kind = TypeVar("Kind")


class RecipeError(ValueError):
    """A recipe that cannot be used; names file, key, value and rule."""


def recipe_text(source: str | Path, shipped: Sequence[str], package: str) -> tuple[str, str]:
    """Text of a recipe and how messages call it.

    Args:
        source: Name of a shipped one, or a TOML file.
        shipped: Names of those that come with the package.
        package: In whose folder ``recipes`` these lie.

    Raises:
        RecipeError: There is no such recipe, or it is no text.
    """
    if str(source) in shipped:
        return files(package).joinpath("recipes", f"{source}.toml").read_text(encoding="utf-8"), str(source)
    path = Path(source)
    if not path.is_file():
        known = " and ".join(filter(None, (", ".join(shipped[:-1]), *shipped[-1:])))
        raise RecipeError(f"{source}: is no recipe; name a .toml file, or one that comes with the package: {known}")
    try:
        return path.read_text(encoding="utf-8"), path.name
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as UTF-8 text ({error}); save it again") from None


def read_toml(text: str, called: str) -> dict[str, Any]:
    """Tables of a TOML text.

    Raises:
        RecipeError: It is none.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{called}: is no TOML ({error}); compare it with a recipe of the package") from None


def read_tables(kind: type[Kind], table: Mapping[str, Any], called: str, where: str = "") -> Kind:
    """A dataclass of dataclasses from nested tables, as TOML or JSON hold them.

    Args:
        kind: Its fields are texts, truths, numbers, tuples of numbers, literals, or such dataclasses themselves.
        table: Holds exactly their names.
        called: The file, for messages.
        where: Names of the tables around, each with a point.

    Raises:
        RecipeError: A key is missing or unknown, or a value breaks its rule.
    """
    hints = get_type_hints(kind)
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            raise RecipeError(f"{called}: {where}{key} is not known{meant}; known are {', '.join(known)}")
    missing = [name for name in known if name not in table]
    if missing:
        raise RecipeError(f"{called}: {where}{missing[0]} is missing; copy it from a recipe of the package")
    values: dict[str, Any] = {}
    for name in known:
        hint = hints[name]
        if isinstance(hint, type) and hasattr(hint, "__dataclass_fields__"):
            if not isinstance(table[name], Mapping):
                raise RecipeError(f"{called}: {where}{name} = {table[name]!r}: must be a table, [{where}{name}]")
            values[name] = read_tables(hint, table[name], called, f"{where}{name}.")
        else:
            values[name] = _value(hint, table[name], called, f"{where}{name}")
    try:
        return kind(**values)
    except ValueError as error:
        raise RecipeError(f"{called}: {where}{error}") from None


def _value(hint: Any, value: Any, called: str, where: str) -> Any:
    """A value of the type that is asked for; whole numbers serve as numbers, nothing else is converted."""
    if get_origin(hint) is Literal:
        allowed = get_args(hint)
        if value not in allowed:
            raise RecipeError(f"{called}: {where} = {value!r}: must be one of {', '.join(map(repr, allowed))}")
        return value
    if get_origin(hint) is tuple:
        count = len(get_args(hint))
        if not isinstance(value, list | tuple) or len(value) != count:
            raise RecipeError(f"{called}: {where} = {value!r}: must be a list of {count} numbers")
        return tuple(_value(float, item, called, where) for item in value)
    if hint is bool and isinstance(value, bool):
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is float and number and math.isfinite(value):
        return float(value)
    if (hint is int and number and isinstance(value, int)) or (hint is str and isinstance(value, str)):
        return value
    words = {bool: "true or false", float: "a number", int: "a whole number", str: "a text"}
    raise RecipeError(f"{called}: {where} = {value!r}: must be {words[hint]}")


def within(name: str, value: float, low: float, high: float) -> None:
    """Nothing, if a value lies between two others.

    Raises:
        ValueError: It does not.
    """
    if not low <= value <= high:
        raise ValueError(f"{name} = {value}: must lie between {low:g} and {high:g}")


def differences(one: object, other: object, where: str = "") -> Iterator[str]:
    """Where two recipes, or two tables, differ: ``stop.epochs: 20 here, 30 there``."""
    for field in fields(one):  # type: ignore[arg-type]
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if hasattr(mine, "__dataclass_fields__"):
            yield from differences(mine, theirs, f"{where}{field.name}.")
        elif mine != theirs:
            yield f"{where}{field.name}: {theirs!r} there, {mine!r} now"

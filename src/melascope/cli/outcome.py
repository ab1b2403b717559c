"""How a command says that it cannot go on, and how it shows text that somebody else wrote."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import NoReturn

import typer

__all__ = ["fail", "need_laboratory", "plain", "plain_line", "print_json", "usage"]


def usage(sentence: str) -> NoReturn:
    """Wrong usage: one sentence on standard error, exit code 2."""
    _end(sentence, 2)


def fail(sentence: str) -> NoReturn:
    """It cannot be done: one sentence on standard error, exit code 1."""
    _end(sentence, 1)


def need_laboratory(*packages: str) -> None:
    """Nothing, where the packages of the laboratory can be found that a command needs; else it fails and says so."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        fail(f"this needs the laboratory, of which {', '.join(missing)} cannot be found: pip install 'melascope[lab]'")


def _end(sentence: str, code: int) -> NoReturn:
    typer.echo(f"Error: {sentence}{'' if sentence.endswith(('.', '!')) else '.'}", err=True)
    raise typer.Exit(code)


def print_json(text: str) -> None:
    """Print JSON as UTF-8, whatever standard output takes for text: JSON knows no other, and names keep their signs."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


def plain(text: str) -> str:
    r"""Without signs that steer a terminal; lines stay lines.

    Example:
        >>> plain("a\x1b[2Jb\nc")
        'a\ufffd[2Jb\nc'
    """
    return "\n".join(plain_line(line) for line in text.split("\n"))


def plain_line(text: str) -> str:
    r"""The same, and in one line: a name may not add a line of its own.

    Example:
        >>> plain_line("a.jpg\nb.jpg")
        'a.jpg\ufffdb.jpg'
    """
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)

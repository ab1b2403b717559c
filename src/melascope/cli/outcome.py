"""How a command says that it cannot go on, and how it shows text that somebody else wrote."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NoReturn

import typer

__all__ = ["READ", "WRITE", "explained", "fail", "need_laboratory", "plain", "plain_line", "print_json", "usage"]

READ: Final = "see that it is there and may be read"
WRITE: Final = "free the disk, or see that it may be written"


def usage(sentence: str) -> NoReturn:
    """Wrong usage: one sentence on standard error, exit code 2."""
    _end(sentence, 2)


def fail(sentence: str) -> NoReturn:
    """It cannot be done: one sentence on standard error, exit code 1."""
    _end(sentence, 1)


@contextmanager
def explained(path: Path, advice: str) -> Iterator[None]:
    """Fails with one sentence where the system refuses a file: which one (`path` if it does not say), why, what to do.

    Reading and writing have advice of their own: each is done in a block of its own.
    """
    try:
        yield
    except OSError as error:
        what = f"{error.filename or path}: {error.strerror}; {advice}" if error.strerror else str(error)
        fail(plain_line(what))


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

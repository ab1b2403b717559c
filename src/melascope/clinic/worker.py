"""A process that does one kind of work, one piece after the other, and is replaced when it dies or takes too long."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Final, Generic, ParamSpec, TypeVar

from melascope.interrupts import interrupts_held

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from melascope.clinic.pictures import Measured

__all__ = ["Measure", "TookTooLong", "Worker", "WorkerFailed", "measure"]

P = ParamSpec("P")
T = TypeVar("T")
Measure = Callable[[bytes, str], "Measured"]
"""`measure`, or what stands in for it: a file's bytes and what to call it."""
_GRACE_S: Final = 3.0
_NICENESS: Final = 5
"""Pages go before analyses."""


class WorkerFailed(Exception):
    """An analysis came to no result; the sentence says how."""


class TookTooLong(WorkerFailed):
    """It was given up when its time was over."""


def measure(data: bytes, name: str) -> Measured:
    """Analyse a photograph and draw its pictures."""
    from melascope.analysis import analyze
    from melascope.clinic.pictures import draw
    from melascope.photo import PhotoRefused, read_photo

    try:
        photo = read_photo(data, name)
    except PhotoRefused:
        return draw(analyze(data, name=name), None)
    return draw(analyze(photo), photo.pixels)


class Worker(Generic[P, T]):
    """One process, started when the first piece of work comes.

    Args:
        work: A function of a module; what it takes and gives is sent between the processes. It gives no text.
        limit_s: Seconds after which a piece is given up.
        niceness: How far it stands back behind the pages.
    """

    def __init__(self, work: Callable[P, T], limit_s: float, *, niceness: int = _NICENESS) -> None:
        self._work, self._limit_s, self._niceness = work, limit_s, niceness
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None

    def __call__(self, *task: P.args, **named: P.kwargs) -> T:
        """Do one piece of work.

        Raises:
            TookTooLong: It was given up.
            WorkerFailed: The process died or raised.
        """
        pipe = self._ready()
        end = time.monotonic() + self._limit_s
        try:
            pipe.send((task, named))
            while not pipe.poll(min(1.0, max(0.0, end - time.monotonic()))):
                if time.monotonic() >= end:
                    self.stop()
                    raise TookTooLong(f"took more than {self._limit_s:.0f} s")
            answer: T | str = pipe.recv()
        except (EOFError, OSError):
            if self._process is not None:
                self._process.join(_GRACE_S)
            code = self._process.exitcode if self._process else None
            self.stop()
            raise WorkerFailed(f"the process ended with code {code}; it may have run out of memory") from None
        if isinstance(answer, str):
            raise WorkerFailed(answer)
        return answer

    def _ready(self) -> Connection:
        if self._process is not None and self._pipe is not None and self._process.is_alive():
            return self._pipe
        self.stop()
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, self._work, self._niceness), daemon=True)
        with interrupts_held():
            process.start()
        there.close()
        self._process, self._pipe = process, here
        return here

    def stop(self) -> None:
        """End the process, by force if it does not listen."""
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.send(None)
            pipe.close()
        if process is not None:
            process.terminate()
            process.join(_GRACE_S)
            if process.is_alive():
                process.kill()
                process.join(_GRACE_S)


def _serve(pipe: Connection, work: Callable[..., object], niceness: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(niceness)
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        while (piece := pipe.recv()) is not None:
            task, named = piece
            try:
                answer = work(*task, **named)
            except Exception as error:  # noqa: BLE001 (one bad photograph does not stop the rest)
                answer = f"{type(error).__name__}"
            pipe.send(answer)

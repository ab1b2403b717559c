"""The server's processes: one, or several that answer at one address while the first one analyses and watches them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import tempfile
import threading
import time
from dataclasses import replace
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn

from melascope.clinic import logs
from melascope.clinic.app import application, begin, open_clinic
from melascope.clinic.desk import Clinic
from melascope.clinic.settings import Settings
from melascope.clinic.tally import Tally
from melascope.interrupts import interrupts_held

__all__ = ["serve", "serve_many"]

_GRACE_S: Final = 15.0
_SHORT_S: Final = 10.0
_MOST_SHORT: Final = 5
"""So many lives of less than `_SHORT_S` in a row are too many: something is wrong that a new start does not mend."""


def serve(clinic: Clinic, listener: socket.socket) -> None:
    """Answer and analyse in this process, until stopped."""
    logs.to_stderr()
    uvicorn.Server(_config(clinic, None)).run(sockets=[listener])


def _config(clinic: Clinic, tally: Tally | None) -> uvicorn.Config:
    return uvicorn.Config(
        application(clinic, tally),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        proxy_headers=False,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=10,
    )


def serve_many(clinic: Clinic, listener: socket.socket, workers: int) -> bool:
    """Answer in several processes, and analyse beside this one; a process that dies is replaced.

    Returns:
        False if the workers could not be kept alive.
    """
    logs.to_stderr()
    stop = threading.Event()

    def stopped(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stopped)
    with tempfile.TemporaryDirectory(prefix="melascope-") as folder:
        crew = _Crew(clinic.settings, listener, Path(folder), workers)
        begin(clinic)
        try:
            while not stop.is_set() and crew.watch():
                pass
        finally:
            crew.stop()
            clinic.runner.stop()
            clinic.database.close()
            logs.event("stop")
    return stop.is_set()


class _Crew:
    """The processes that answer."""

    def __init__(self, settings: Settings, listener: socket.socket, folder: Path, number: int) -> None:
        self._settings, self._listener, self._folder = settings, listener, folder
        self._short = 0
        self._alive = [self._begun() for _ in range(number)]

    def _begun(self) -> tuple[SpawnProcess, float]:
        process = multiprocessing.get_context("spawn").Process(
            target=_answer, args=(self._settings, self._listener, str(self._folder)), name="worker"
        )
        with interrupts_held():
            process.start()
        return process, time.monotonic()

    def watch(self) -> bool:
        """Replace who died; False if they die as soon as they live."""
        wait([process.sentinel for process, _ in self._alive], timeout=0.5)
        for index, (process, since) in enumerate(self._alive):
            if process.is_alive():
                continue
            self._short = self._short + 1 if time.monotonic() - since < _SHORT_S else 0
            logs.event("worker", ended=process.exitcode)
            if self._short >= _MOST_SHORT:
                return False
            self._alive[index] = self._begun()
        return True

    def stop(self) -> None:
        """End them: what they are answering is answered first."""
        for process, _ in self._alive:
            process.terminate()
        end = time.monotonic() + _GRACE_S
        for process, _ in self._alive:
            process.join(max(0.0, end - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()


def _answer(settings: Settings, listener: socket.socket, folder: str) -> None:
    """The life of one worker."""
    logs.to_stderr()
    parent = multiprocessing.parent_process()

    def orphaned() -> None:
        assert parent is not None
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=orphaned, daemon=True).start()
    clinic = open_clinic(replace(settings, processes=0))
    tally = Tally(Path(folder))
    uvicorn.Server(_config(clinic, tally)).run(sockets=[listener])

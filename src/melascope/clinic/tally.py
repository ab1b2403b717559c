"""Counters of several workers as one: each writes its own into a file, and whichever is asked adds them up.

The file of a worker that ended stays, so that no counter ever falls while the server runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
from pathlib import Path
from typing import Final

from melascope.clinic.gate import Counts

__all__ = ["Tally"]

_EVERY_S: Final = 0.5


class Tally(Counts):
    """A worker's counts, told to the others twice a second.

    Args:
        folder: The same one for all workers of a server, and for nothing else.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._file = folder / f"{secrets.token_hex(8)}.json"
        self._told = -1
        self._stop = threading.Event()
        threading.Thread(target=self._run, name="tally", daemon=True).start()

    def close(self) -> None:
        """Tell for the last time."""
        self._stop.set()
        self.tell()

    def tell(self) -> None:
        """Write the file anew, if there was a request."""
        with self._lock:
            if self.number == self._told:
                return
            self._told, text = self.number, json.dumps(self.state())
        part = self._file.with_suffix(".part")
        with contextlib.suppress(OSError):  # a full disk: the others miss a few requests
            part.write_text(text)
            os.replace(part, self._file)

    def lines(self) -> list[str]:
        """All workers together, in Prometheus' text format."""
        total = Counts()
        for path in self._folder.glob("*.json"):
            if path != self._file:
                with contextlib.suppress(OSError, ValueError):
                    total.take(json.loads(path.read_text()))
        with self._lock:
            total.take(self.state())
        return total.lines()

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            self.tell()

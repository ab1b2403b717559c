"""A clinic's server that is killed and begins anew: its modules are loaded once, each life is a fork.

A line on standard input begins a life; its process number is answered, and `gone` when it has ended.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LIFE_S = 600
"""No life goes on for longer, whatever becomes of the tests."""


@dataclass
class Phoenix:
    """The server, seen from the tests."""

    port: int
    _process: subprocess.Popen[str]
    pid: int = 0

    def begin(self) -> None:
        """Start a life."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self.pid = int(self._process.stdout.readline())

    def end(self, how: int = signal.SIGKILL) -> None:
        """End it; returns when nothing of it runs any more."""
        assert self._process.stdout
        os.kill(self.pid, how)
        assert self._process.stdout.readline() == "gone\n"


@contextmanager
def phoenix(data: Path, url: str) -> Iterator[Phoenix]:
    """A server of a clinic in a process of its own."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.clinic.phoenix", str(data), url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
        cwd=ROOT,
    )
    assert process.stdout
    try:
        yield Phoenix(int(process.stdout.readline()), process)
    finally:
        process.kill()
        process.communicate()


def _lives(data: Path, url: str) -> None:
    import uvicorn
    from fastapi.testclient import TestClient

    from melascope.clinic.app import application, open_clinic
    from melascope.clinic.jobs import Runner
    from melascope.clinic.settings import Settings
    from tests.clinic.made import QuickHasher, drawn, jpeg

    class Here(Runner):
        """Does its work in a thread: an analysis that is drawn needs no process."""

        def _run(self) -> None:
            while not self._stop.is_set():
                if not self._one(self._work):
                    self._wake.wait(0.2)
                    self._wake.clear()

    listener = socket.create_server(("127.0.0.1", 0))
    settings = Settings(data=data, database_url=url, public_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    clinic = open_clinic(settings, work=drawn, keeper=QuickHasher())
    runner = Here(clinic.database, clinic.store, work=drawn)
    app = application(replace(clinic, runner=runner))
    drawn(jpeg(), "warm")
    assert TestClient(app, base_url=settings.public_url).get("/healthz").status_code == 200
    clinic.database.close()
    print(listener.getsockname()[1], flush=True)
    for _ in sys.stdin:
        pid = os.fork()
        if not pid:
            signal.alarm(_LIFE_S)
            runner._name = f"{socket.gethostname()[:80]}:{os.getpid()}"
            config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on")
            uvicorn.Server(config).run(sockets=[listener])
            os._exit(0)
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("gone", flush=True)


if __name__ == "__main__":
    _lives(Path(sys.argv[1]), sys.argv[2])

"""Several workers behind one address: for the people outside they are one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from melascope.clinic import accounts, sessions
from melascope.clinic.database import Database
from melascope.clinic.gate import Counts
from melascope.clinic.tally import Tally

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="children are found in Linux' /proc")
_WAIT_S = 120.0


def until(what: Callable[[], object]) -> None:
    end = time.monotonic() + _WAIT_S
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def workers(pid: int) -> set[int]:
    """Processes that answer, of a server."""
    found = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.add(int(child))
    return found


def test_several_workers_are_one(tmp_path: Path, migrated: Path) -> None:
    shutil.copy(migrated, tmp_path / "clinic.sqlite")
    database = Database(f"sqlite:///{tmp_path / 'clinic.sqlite'}")
    with database.writing() as db:
        user = accounts.add_user(db, None, "Ann", administrator=True)
        user.password = "set"
        db.flush()
        cookie = sessions.begin(db, user.id)
    database.close()
    command = "from melascope.cli import main; main()"
    words = ["clinic", "serve", "--data", str(tmp_path), "--port", "0", "--workers", "2"]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", command, *words], stdout=subprocess.PIPE, stderr=log, text=True, env=environ
        )
    try:
        assert server.stdout
        address = server.stdout.readline().split()[-1]
        asked = 0

        def ask(path: str) -> httpx2.Response | None:
            nonlocal asked
            try:
                answer = httpx2.get(f"{address}{path}", cookies={"melascope": cookie}, timeout=_WAIT_S, trust_env=False)
            except httpx2.TransportError:
                return None
            asked += path == "/account"
            return answer

        until(lambda: ask("/healthz"))
        until(lambda: len(workers(server.pid)) == 2)
        for _ in range(12):
            answer = ask("/account")
            assert answer is not None and answer.status_code == 200 and "Ann" in answer.text

        def counted() -> bool:
            found = ask("/metrics")
            return found is not None and f'route="/account",status="200"}} {asked}' in found.text

        until(counted)
        first = workers(server.pid)
        os.kill(min(first), signal.SIGKILL)
        until(lambda: len(workers(server.pid) - first) == 1)
        until(lambda: (ask("/account") or httpx2.Response(500)).status_code == 200)
        children = workers(server.pid)
        server.send_signal(signal.SIGTERM)
        assert server.wait(_WAIT_S) == 0
        assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
        said = (tmp_path / "log").read_text()
        assert '"event": "worker", "ended": -9' in said and '"event": "stop"' in said
    finally:
        server.kill()
        server.communicate()


def test_counts_of_workers_add_up_and_never_fall(tmp_path: Path) -> None:
    one, two, alone = Tally(tmp_path), Tally(tmp_path), Counts()
    for counts, seconds in ((one, 0.04), (two, 0.2), (two, 20.0)):
        counts.add("GET", "/patients", 200, seconds)
        alone.add("GET", "/patients", 200, seconds)
    one.close()  # it ended
    two.tell()
    (tmp_path / "broken.json").write_text("{")
    assert two.lines() == Tally(tmp_path).lines() == alone.lines()
    two.close()

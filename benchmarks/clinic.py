"""A clinic under load: people who page and upload at once, against a server that has just been started.

`python -m benchmarks.clinic [--users 20] [--seconds 600] [--workers 1] [--look 3] [--upload 60]`

Each person follows a link about every `look` seconds (lists, patients, visits, results with their pictures) and sends a
photograph about every `upload` seconds; the photographs are virtual patients of the package, each with bytes of its
own, and are analysed for real. `/healthz` is asked beside it: what an answer that needs nothing costs at that moment.
Prints the start, the idle memory, times of pages and from upload to result, failures, and the memory over the run;
`--out` keeps them as JSON.

`--still`: nobody uploads after three photographs each, and everybody asks for the same pages and pictures without a
pause: memory that grows then is lost, and not what more photographs need.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx2
import numpy as np

from melascope.cli.demo import samples
from melascope.clinic import accounts, patients, sessions, visits
from melascope.clinic.access import actor_of
from melascope.clinic.app import open_clinic
from melascope.clinic.settings import Settings

TOKEN = re.compile(r'name="csrf" value="([^"]+)"')
PHOTO = re.compile(r'href="(/photos/[0-9a-f]{32})"')
PICTURE = re.compile(r'src="(/photos/[0-9a-f]{32}/[a-z.-]+)"')
AIMS = {"pages p95": 0.3, "upload to result p95": 5.0, "start": 3.0, "idle": 400.0}


@dataclass
class Seen:
    """What was measured."""

    pages: list[float] = field(default_factory=list)
    pictures: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    uploads: list[float] = field(default_factory=list)
    """From sending the photograph to the answer that it is kept."""
    results: list[float] = field(default_factory=list)
    """From sending the photograph to its result."""
    failures: list[str] = field(default_factory=list)
    memory: list[tuple[float, float, float]] = field(default_factory=list)
    """Seconds, MB of the processes that answer, and MB of those that analyse."""


def furnish(data: Path, users: int) -> list[tuple[str, str, str]]:
    """A clinic with so many clinicians; for each a session, a patient and a visit."""
    clinic = open_clinic(Settings.of(data, environ={}))
    found = []
    with clinic.database.writing() as db:
        root = accounts.add_user(db, None, "root", administrator=True)
        root.password = "set"
        db.flush()
        study = accounts.add_study(db, actor_of(db, root), "Load")
        db.flush()
        for number in range(users):
            user = accounts.add_user(db, None, f"person {number}")
            user.password = "set"
            db.flush()
            accounts.set_role(db, actor_of(db, root), study.id, user.id, accounts.Role.CLINICIAN)
            db.flush()
            actor = actor_of(db, user)
            patient = patients.add_patient(db, actor, study.id, {"age": "40-49"})
            visit = visits.add_visit(db, actor, patient.id, {"day": "2026-01-05"})
            found.append((sessions.begin(db, user.id), patient.id, visit.id))
    clinic.database.close()
    return found


def own(data: bytes) -> bytes:
    """The same photograph with a comment that no other one has."""
    said = secrets.token_bytes(16)
    return data[:2] + b"\xff\xfe" + (len(said) + 2).to_bytes(2, "big") + said + data[2:]


def memory(pid: int) -> tuple[float, float]:
    """MB of the processes that answer and of those that analyse, shared pages divided among those who share (PSS).

    With `--workers 1`, the only case in which they are told apart: what the server has started analyses.
    """
    found, left = [0.0, 0.0], [(pid, 0)]
    while left:
        one, depth = left.pop()
        try:
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    found[depth > 0] += int(line.split()[1]) / 1024
            for path in Path(f"/proc/{one}/task").glob("*/children"):
                left += [(int(child), depth + 1) for child in path.read_text().split()]
        except OSError:
            continue
    return found[0], found[1]


@dataclass
class Person:
    """Somebody at a browser."""

    client: httpx2.AsyncClient
    patient: str
    visit: str
    photographs: list[bytes]
    seen: Seen
    random: Random

    async def get(self, path: str, times: list[float]) -> str:
        begun = time.perf_counter()
        try:
            answer = await self.client.get(path)
        except httpx2.HTTPError as error:
            self.seen.failures.append(f"GET {path[:12]}: {type(error).__name__}")
            return ""
        times.append(time.perf_counter() - begun)
        if answer.status_code != 200:
            self.seen.failures.append(f"GET {path[:12]}: {answer.status_code}")
        return answer.text if "text" in answer.headers.get("content-type", "") else ""

    async def look(self, end: float, every: float) -> None:
        own = ""
        while (now := time.perf_counter()) < end:
            await asyncio.sleep(min(self.random.expovariate(1 / every), end - now))
            ways = ["/patients", f"/patients/{self.patient}", f"/visits/{self.visit}", *([own] * bool(own))]
            text = await self.get(self.random.choice(ways), self.seen.pages)
            if found := PHOTO.findall(text):
                own = self.random.choice(found)
            for picture in sorted(set(PICTURE.findall(text)))[:8]:
                await self.get(picture, self.seen.pictures)

    async def upload(self, end: float, every: float) -> None:
        await asyncio.sleep(self.random.uniform(0, every))
        while time.perf_counter() < end:
            begun = time.perf_counter()
            known = set(PHOTO.findall(page := await self.get(f"/visits/{self.visit}", self.seen.pages)))
            token = TOKEN.search(page)
            if token is not None:
                await self._one(token[1], known)
            await asyncio.sleep(max(0.0, self.random.uniform(0.5, 1.5) * every - (time.perf_counter() - begun)))

    async def _one(self, token: str, known: set[str]) -> None:
        files = {"frontal": ("photo.jpg", own(self.random.choice(self.photographs)), "image/jpeg")}
        begun = time.perf_counter()
        try:
            answer = await self.client.post(f"/visits/{self.visit}/photos", data={"csrf": token}, files=files)
        except httpx2.HTTPError as error:
            self.seen.failures.append(f"POST: {type(error).__name__}")
            return
        self.seen.uploads.append(time.perf_counter() - begun)
        if answer.status_code != 303:
            self.seen.failures.append(f"POST: {answer.status_code}")
            return
        found = set(PHOTO.findall(await self.get(f"/visits/{self.visit}", self.seen.pages))) - known
        if len(found) != 1:
            self.seen.failures.append("an upload is not in its visit")
            return
        while True:
            state = (await self.client.get(f"{found.copy().pop()}/state")).json()["state"]
            if state in ("done", "failed"):
                break
            await asyncio.sleep(0.25)
        self.seen.results.append(time.perf_counter() - begun)
        if state == "failed":
            self.seen.failures.append("an analysis failed")


async def floor(client: httpx2.AsyncClient, pid: int, begun: float, end: float, seen: Seen) -> None:
    """Once a second, what an answer costs that needs next to nothing, and the memory."""
    while time.perf_counter() < end:
        start = time.perf_counter()
        await client.get("/healthz")
        seen.floor.append(time.perf_counter() - start)
        seen.memory.append((start - begun, *(await asyncio.to_thread(memory, pid))))
        await asyncio.sleep(1)


async def load(address: str, pid: int, people: list[tuple[str, str, str]], options: argparse.Namespace) -> Seen:
    """All people at once."""
    seen = Seen()
    photographs = [each.read_bytes() for each in samples().iterdir() if each.name in ("dslr.jpg", "telephone.jpg")]
    begun = time.perf_counter()
    end = begun + options.seconds
    clients, tasks = [], []
    for number, (cookie, patient, visit) in enumerate(people):
        client = httpx2.AsyncClient(base_url=address, cookies={"melascope": cookie}, timeout=120, trust_env=False)
        clients.append(client)
        person = Person(client, patient, visit, photographs, seen, Random(number))
        tasks += [person.look(end, options.look), person.upload(end, options.upload)]
    await asyncio.gather(floor(clients[0], pid, begun, end, seen), *tasks)
    for client in clients:
        await client.aclose()
    return seen


def still(address: str, pid: int, people: list[tuple[str, str, str]], seconds: float) -> None:
    """The same pages and pictures again and again; prints requests and memory every 15 seconds."""
    data = samples().joinpath("telephone.jpg").read_bytes()
    clients, ways = [], []
    for cookie, patient, visit in people:
        client = httpx2.Client(base_url=address, cookies={"melascope": cookie}, timeout=120, trust_env=False)
        clients.append(client)
        for _ in range(3):
            token = TOKEN.search(client.get(f"/visits/{visit}").text)
            assert token is not None
            files = {"frontal": ("photo.jpg", own(data), "image/jpeg")}
            answer = client.post(f"/visits/{visit}/photos", data={"csrf": token[1]}, files=files)
            assert answer.status_code == 303, answer.status_code
        ways.append(["/patients", f"/patients/{patient}", f"/visits/{visit}"])
    for client, mine in zip(clients, ways, strict=True):
        shown = sorted(set(PHOTO.findall(client.get(mine[2]).text)))
        assert len(shown) == 3
        while not {client.get(f"{each}/state").json()["state"] for each in shown} <= {"done", "failed"}:
            time.sleep(0.5)
        mine += shown + sorted({found for each in shown for found in PICTURE.findall(client.get(each).text)})
    begun, count = time.perf_counter(), [0] * len(people)

    def ask(number: int) -> None:
        while time.perf_counter() < begun + seconds:
            clients[number].get(ways[number][count[number] % len(ways[number])]).raise_for_status()
            count[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(people))]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        answers, analyses = memory(pid)
        print(f"{sum(count):7d} requests: {answers:.1f} MB that answers, {analyses:.1f} MB that analyses", flush=True)
        time.sleep(15)


def started(data: Path, workers: int) -> tuple[subprocess.Popen[str], str, float]:
    """The server, its address, and the seconds until it answered."""
    begun = time.perf_counter()
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "melascope", "clinic", "serve", "--port", "0"),
            *("--data", str(data), "--workers", str(workers)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout
    address = server.stdout.readline().split()[-1]
    while True:
        try:
            httpx2.get(f"{address}/healthz", trust_env=False, timeout=60)
        except httpx2.TransportError:
            time.sleep(0.01)
        else:
            return server, address, time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--look", type=float, default=3, help="seconds between two pages of a person")
    parser.add_argument("--upload", type=float, default=60, help="seconds between two uploads of a person")
    parser.add_argument("--still", action="store_true", help="the same pages again and again, without uploads")
    parser.add_argument("--out", type=Path, help="JSON to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        people = furnish(Path(folder), options.users)
        server, address, start = started(Path(folder), options.workers)
        try:
            time.sleep(3)
            idle = sum(memory(server.pid))
            if options.still:
                still(address, server.pid, people, options.seconds)
                return
            seen = asyncio.run(load(address, server.pid, people, options))
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
    report(options, start, idle, seen)


def report(options: argparse.Namespace, start: float, idle: float, seen: Seen) -> None:
    """Print the figures beside their aims."""

    def two(times: list[float]) -> str:
        return " / ".join(f"{np.percentile(times, q) * 1e3:.0f} ms" for q in (50, 95)) if times else "–"

    pages = float(np.percentile(seen.pages, 95)) if seen.pages else float("nan")
    base = float(np.percentile(seen.floor, 95)) if seen.floor else float("nan")
    quarters = [part.mean(axis=0) for part in np.array_split(np.array(seen.memory), 4) if len(part)]
    print(f"{options.users} people, {options.seconds:.0f} s, {options.workers} worker(s), {os.cpu_count()} cores")
    print(f"start                    {start:.2f} s (aim < {AIMS['start']:.0f} s)")
    print(f"idle memory              {idle:.0f} MB (aim < {AIMS['idle']:.0f} MB)")
    print(f"pages, {len(seen.pages):6d}            {two(seen.pages)} (aim p95 < 300 ms)")
    print(f"pictures, {len(seen.pictures):6d}         {two(seen.pictures)}")
    print(f"/healthz, {len(seen.floor):6d}         {two(seen.floor)}; p95 of pages is {pages / base:.1f} times that")
    print(f"upload kept, {len(seen.uploads):6d}      {two(seen.uploads)}")
    print(f"upload to result, {len(seen.results):6d} {two(seen.results)} (aim p95 < 5 s)")
    names = ("that answers", "that analyses") if options.workers == 1 else ("of the parent", "of its workers")
    for place, name in enumerate(names, 1):
        print(f"memory {name:17s} {', '.join(f'{one[place]:.0f}' for one in quarters)} MB in the quarters of the run")
    print(f"failures                 {len(seen.failures)} {sorted(set(seen.failures))[:5]}")
    if options.out:
        options.out.write_text(json.dumps({"start": start, "idle": idle, **vars(seen)}, indent=1))


if __name__ == "__main__":
    main()

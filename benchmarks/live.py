"""Frames a second of the live mode, on 1 and 2 threads: what the server does with a frame, without the network between.

`python benchmarks/live.py [ROUNDS]`: JPEG frames of 384 pixels made from the built-in virtual patients go through
`melascope.live.glance_at`, and through the server's own way (`clinic.live.Live`: checks, another process, limits off).
Each number of threads is measured in several rounds, in turns. Other work on the machine only makes rounds slower: the
quickest round comes nearest to a quiet machine, and is shown beside the median of all. What such a look reads as MASI
is printed beside that of the full analysis of the same picture.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from importlib.resources import files

import numpy as np

FRAMES, SIDE = 24, 384
NAMES = ("dslr.jpg", "telephone.jpg")


def frames() -> list[bytes]:
    """A frame of each sample."""
    import cv2

    found = []
    for name in NAMES:
        data = np.frombuffer(files("melascope.cli").joinpath("samples", name).read_bytes(), np.uint8)
        small = cv2.resize(cv2.imdecode(data, cv2.IMREAD_COLOR), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        found.append(bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]))
    return found


def totals() -> dict[str, tuple[float, float]]:
    """MASI of each sample at a glance, and as `analyze` measures it; NaN without a total."""
    from melascope import analyze, live

    found = {}
    for name, frame in zip(NAMES, frames(), strict=True):
        whole = analyze(files("melascope.cli").joinpath("samples", name).read_bytes()).masi
        masis = live.glance_at(frame, SIDE).masi, whole.masi if whole else None
        found[name] = (np.nan if masis[0] is None else masis[0], np.nan if masis[1] is None else masis[1])
    return found


def measure(threads: int) -> None:
    """Prints the seconds of each frame, by the function alone and by the server's way, as JSON."""
    import cv2

    from melascope.clinic import live
    from melascope.live import glance_at

    cv2.setNumThreads(threads)
    live.PER_SECOND = 10_000  # type: ignore[misc]
    server, shown, found = live.Live(), frames(), {}
    ways = {"function": glance_at, "server": lambda data, side: server.see("one", data, side)}
    for way, look in ways.items():
        for data in shown:
            look(data, 1080)  # start-up: process, network
        seconds = []
        for number in range(FRAMES):
            began = time.perf_counter()
            look(shown[number % len(shown)], 1080)
            seconds.append(time.perf_counter() - began)
        found[way] = seconds
    server.stop()
    print(json.dumps(found))


def main(rounds: int) -> None:
    """Prints the table."""
    taken: dict[tuple[int, str], list[list[float]]] = {}
    for _ in range(rounds):
        for threads in (1, 2):
            limits = dict.fromkeys(("MELASCOPE_THREADS", "OMP_NUM_THREADS"), str(threads))
            command = [sys.executable, __file__, "--measure", str(threads)]
            done = subprocess.run(command, env=os.environ | limits, capture_output=True, text=True, check=True)
            for way, seconds in json.loads(done.stdout).items():
                taken.setdefault((threads, way), []).append(seconds)
    print(f"{rounds} rounds of {FRAMES} frames, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(
        f"{'threads':<9}{'way':<10}{'best: p50 ms':>14}{'p95 ms':>9}{'frames/s':>10}{'all: p50 ms':>14}{'frames/s':>10}"
    )
    for (threads, way), runs in sorted(taken.items()):
        best = min(runs, key=sum)
        every = np.concatenate(runs)
        p50, p95 = np.percentile(best, (50, 95)) * 1e3
        print(
            f"{threads:<9}{way:<10}{p50:>14.0f}{p95:>9.0f}{1 / np.mean(best):>10.1f}"
            f"{np.median(every) * 1e3:>14.0f}{1 / np.mean(every):>10.1f}"
        )
    for name, (glanced, analysed) in totals().items():
        print(f"{name}: MASI of one look {glanced:.1f}, of the full analysis {analysed:.1f}")


if __name__ == "__main__":
    if "--measure" in sys.argv:
        measure(int(sys.argv[-1]))
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("rounds", nargs="?", type=int, default=5, help="Of each number of threads.")
        main(parser.parse_args().rounds)

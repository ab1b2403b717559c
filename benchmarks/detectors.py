"""Speed of the detectors in onnxruntime: milliseconds and GFLOP/s of one picture, by side and number of threads.

    python benchmarks/detectors.py [--names yolov5n,yolov5s] [--sides 640,320] [--threads 1,2] [--csv FILE]

Weights are random: they change no time, except that of the suppression, which is left out. Operations are two for each
pair of multiplication and addition, of convolutions and linear layers. Beside them, what was measured elsewhere on a
machine of two cores for graphs of the published architecture: 7.8 GFLOP in 35 and 21 ms, 24 GFLOP in 98 and 58 ms, at
640 pixels with 1 and 2 threads. Run it on a machine that does nothing else: the median and the fastest run are printed.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from melascope.lab.detect.export import session, write_onnx
from melascope.lab.detect.flops import gflops, parameters
from melascope.lab.detect.registry import CARDS, build

ELSEWHERE = (
    ("n-size graph elsewhere", 7.8, 640, {1: 35.0, 2: 21.0}),
    ("s-size graph elsewhere", 24.0, 640, {1: 98.0, 2: 58.0}),
)
COLUMNS = (
    "detector",
    "side",
    "parameters_m",
    "gflop",
    "megabytes",
    "threads",
    "ms_median",
    "ms_fastest",
    "gflop_per_s",
)


def measured(path: Path, side: int, threads: int, times: int) -> tuple[float, float]:
    """Median and fastest milliseconds."""
    running = session(path, threads)
    pixels = np.random.default_rng(1).uniform(0, 255, (1, 3, side, side)).astype(np.float32)
    taken = []
    for _ in range(times + 3):
        began = time.perf_counter()
        running.run(None, {"pixels": pixels})
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken[3:]), min(taken[3:])


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--names", default="yolov5n,yolov5s,yolov5m,ssdlite_mobilenet,fasterrcnn_mobilenet,dfine_n")
    asked.add_argument("--sides", default="640,320")
    asked.add_argument("--threads", default="1,2")
    asked.add_argument("--times", type=int, default=20)
    asked.add_argument("--csv", type=Path)
    how = asked.parse_args()
    names = how.names.split(",")
    for name in names:
        if name not in CARDS:
            sys.exit(f"{name!r} is no detector; choose from {', '.join(CARDS)}")
    cores, load = os.cpu_count(), os.getloadavg()[0]
    print(f"{cores} cores, load {load:.1f} before{' (the machine was busy)' if load > 0.5 else ''}; batch 1\n")
    print(
        f"{'detector':24}{'side':>5}{'M par.':>8}{'GFLOP':>8}{'MB':>7}{'thr.':>5}{'ms':>9}{'fastest':>9}{'GFLOP/s':>9}"
    )
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            for side in map(int, how.sides.split(",")):
                torch.manual_seed(1)
                detector = build(name, 6, side=side).eval()
                path = Path(folder) / f"{name}-{side}.onnx"
                write_onnx(detector, torch.rand(1, 3, side, side) * 255, path)
                work, size = gflops(detector, side), path.stat().st_size / 1e6
                for threads in map(int, how.threads.split(",")):
                    ms, fastest = measured(path, side, threads, how.times)
                    rows.append(
                        (name, side, round(parameters(detector) / 1e6, 2), round(work, 2), round(size, 1), threads,
                         round(ms, 1), round(fastest, 1), round(1000 * work / ms, 1))
                    )  # fmt: skip
                    print("{:24}{:>5}{:>8}{:>8}{:>7}{:>5}{:>9}{:>9}{:>9}".format(*rows[-1]), flush=True)
    for name, work, side, times in ELSEWHERE:
        for threads, ms in times.items():
            print(f"{name:24}{side:>5}{'':>8}{work:>8}{'':>7}{threads:>5}{ms:>9}{'':>9}{1000 * work / ms:>9.1f}")
    if how.csv is not None:
        with how.csv.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main()

"""Speed of the detectors in onnxruntime: milliseconds and GFLOP/s of one picture, by side and number of threads.

    python benchmarks/detectors.py [--names yolov5n,yolov5s] [--sides 640,320] [--threads 1,2] [--csv FILE]

Weights are random: they change no time, except that of the suppression, which is left out. Operations are two for each
pair of multiplication and addition, of convolutions and linear layers.

Beside YOLOv5n and s run three peers: `as published`, the same layers and the decoding that was published with them,
which gives one table of boxes, objectness and kinds; `same layers`, bare, which tells what decoding adds; and `later
heads`, bare, the separate heads that the published network was given afterwards (7.7 and 24.0 GFLOP at 640 pixels and
80 kinds). They run by turns, so that a machine's speed and load touch all alike; what counts is the ratio, our
milliseconds a GFLOP to the peer's.

With --learn only the time of learning from a photograph is printed: forward, losses and backward of batches of four on
one thread, in seconds of the processor, which other work on the machine lengthens less than those of a clock.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from melascope.lab.detect.anchors import published
from melascope.lab.detect.assignment import Targets
from melascope.lab.detect.blocks import Conv
from melascope.lab.detect.decoding import places
from melascope.lab.detect.export import session, write_onnx
from melascope.lab.detect.flops import gflops, parameters
from melascope.lab.detect.registry import CARDS, build
from melascope.lab.detect.yolov5 import YoloV5

PEERS = {"yolov5n": "n", "yolov5s": "s"}
KINDS_OF_PEERS = ("as published", "same layers", "later heads")
ROUNDS = 5
_KINDS, _BINS = 80, 16
_PHOTOS = 4
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
    "ours_to_peer",
)


class _Heads(nn.Module):
    """Separate heads of one map: the sides of a box as distributions, and the kinds."""

    def __init__(self, c: int, narrowest: int) -> None:
        super().__init__()
        box, kinds = max(16, narrowest // 4, 4 * _BINS), max(narrowest, min(_KINDS, 100))
        self.box = nn.Sequential(Conv(c, box, 3), Conv(box, box, 3), nn.Conv2d(box, 4 * _BINS, 1))
        self.kinds = nn.Sequential(Conv(c, kinds, 3), Conv(kinds, kinds, 3), nn.Conv2d(kinds, _KINDS, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat((self.box(x), self.kinds(x)), dim=1)


class Peer(nn.Module):
    """A peer of YOLOv5: pictures (N, 3, S, S) of 0 to 1 to three raw maps, or to (N, boxes, 5 + kinds) as published.

    Args:
        size: n or s.
        kind: One of `KINDS_OF_PEERS`.
    """

    def __init__(self, size: str, kind: str) -> None:
        super().__init__()
        self.network = YoloV5(size, 3 * (5 + 6))
        self.decodes = kind == "as published"
        if kind == "later heads":
            widths = [head.in_channels for head in self.network.heads]
            self.network.heads = nn.ModuleList(_Heads(c, widths[0]) for c in widths)

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor] | torch.Tensor:
        maps = self.network(pixels)
        return torch.cat([self._table(raw, level) for level, raw in enumerate(maps)], dim=1) if self.decodes else maps

    def _table(self, raw: torch.Tensor, level: int) -> torch.Tensor:
        """Sigmoid of everything, then centre = (2 s - 0.5 + cell) stride and size = (2 s)^2 anchor (Jocher 2020)."""
        photos, _, rows, columns = raw.shape
        sure = raw.view(photos, 3, -1, rows, columns).permute(0, 1, 3, 4, 2).sigmoid()
        anchors = torch.as_tensor(published(640), dtype=torch.float32).view(3, 3, 2)[level].view(1, 3, 1, 1, 2)
        centre = (2 * sure[..., :2] - 0.5 + places(rows, columns, raw.device)) * self.network.strides[level]
        extent = (2 * sure[..., 2:4]) ** 2 * anchors
        return torch.cat((centre, extent, sure[..., 4:]), dim=-1).reshape(photos, 3 * rows * columns, -1)


def write_peer(peer: Peer, side: int, path: Path) -> None:
    outputs = ["table"] if peer.decodes else ["p3", "p4", "p5"]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            peer.eval(), (torch.rand(1, 3, side, side),), str(path), input_names=["pixels"], opset_version=17,
            output_names=outputs, dynamo=False, dynamic_axes={name: {0: "photos"} for name in ("pixels", *outputs)},
        )  # fmt: skip


def measured(paths: Sequence[Path], side: int, threads: int, times: int) -> list[tuple[float, float]]:
    """Median and fastest milliseconds of each file. They take turns by rounds: within one, no other's threads wait."""
    running = [session(path, threads) for path in paths]
    pixels = np.random.default_rng(1).uniform(0, 255, (1, 3, side, side)).astype(np.float32)
    taken: list[list[float]] = [[] for _ in paths]
    for _ in range(ROUNDS):
        for one, into in zip(running, taken, strict=True):
            for run in range(-2, max(1, times // ROUNDS)):
                began = time.perf_counter()
                one.run(None, {"pixels": pixels})
                if run >= 0:
                    into.append(1000 * (time.perf_counter() - began))
    return [(statistics.median(each), min(each)) for each in taken]


def learning(name: str, side: int) -> float:
    """Seconds of the processor in which a detector learns from a photo."""
    torch.set_num_threads(1)
    detector = build(name, 6, side=side).train().to(memory_format=torch.channels_last)
    pixels = (torch.rand(_PHOTOS, 3, side, side) * 255).to(memory_format=torch.channels_last)
    boxes = torch.tensor([[50.0, 50.0, 150.0, 150.0]]).repeat(_PHOTOS, 1)
    targets = Targets(torch.arange(_PHOTOS), torch.zeros(_PHOTOS, dtype=torch.long), boxes)
    taken = []
    for _ in range(3):
        began = time.process_time()
        detector.losses(pixels, targets)["loss"].backward()
        taken.append((time.process_time() - began) / _PHOTOS)
    return min(taken[1:])


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--names", default="yolov5n,yolov5s,yolov5m,ssdlite_mobilenet,fasterrcnn_mobilenet,dfine_n")
    asked.add_argument("--sides", default="640,320")
    asked.add_argument("--threads", default="1,2")
    asked.add_argument("--times", type=int, default=20)
    asked.add_argument("--csv", type=Path)
    asked.add_argument("--learn", action="store_true", help="seconds of learning from a photo instead")
    how = asked.parse_args()
    names = how.names.split(",")
    for name in names:
        if name not in CARDS:
            sys.exit(f"{name!r} is no detector; choose from {', '.join(CARDS)}")
    if how.learn:
        for name in names:
            for side in map(int, how.sides.split(",")):
                print(f"{name:24}{side:>5}{learning(name, side):>9.2f} s a photo", flush=True)
        return
    cores, load = os.cpu_count(), os.getloadavg()[0]
    print(f"{cores} cores, load {load:.1f} before{' (the machine was busy)' if load > 0.5 else ''}; batch 1\n")
    print(
        f"{'detector':24}{'side':>5}{'M par.':>8}{'GFLOP':>8}{'MB':>7}{'thr.':>5}{'ms':>9}{'fastest':>9}{'GFLOP/s':>9}"
        f"{'ratio':>7}"
    )
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            for side in map(int, how.sides.split(",")):
                torch.manual_seed(1)
                detector = build(name, 6, side=side).eval()
                path = Path(folder) / f"{name}-{side}.onnx"
                write_onnx(detector, torch.rand(1, 3, side, side) * 255, path)
                files = [(name, path, gflops(detector, side), parameters(detector))]
                for kind in KINDS_OF_PEERS if name in PEERS else ():
                    peer, beside = Peer(PEERS[name], kind), Path(folder) / f"peer-{name}-{side}-{kind}.onnx"
                    write_peer(peer, side, beside)
                    files.append((f"  {kind}, {PEERS[name]}-size", beside, gflops(peer, side), parameters(peer)))
                for threads in map(int, how.threads.split(",")):
                    times = measured([path for _, path, _, _ in files], side, threads, how.times)
                    own = times[0][0] / files[0][2]
                    for (label, path, work, held), (ms, fastest) in zip(files, times, strict=True):
                        ratio = "" if label == name else f"{own * work / ms:.2f}"
                        rows.append(
                            (label, side, round(held / 1e6, 2), round(work, 2), round(path.stat().st_size / 1e6, 1),
                             threads, round(ms, 1), round(fastest, 1), round(1000 * work / ms, 1), ratio)
                        )  # fmt: skip
                        print("{:24}{:>5}{:>8}{:>8}{:>7}{:>5}{:>9}{:>9}{:>9}{:>7}".format(*rows[-1]), flush=True)
    if how.csv is not None:
        with how.csv.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main()

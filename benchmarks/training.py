"""What memory that is kept does to training on a CPU: photos a second with it, and as the C library does by itself.

`python -m benchmarks.training [--models mobilenet_v2,densenet121,...] [--side 224] [--batch 32] [--steps 4]`

Each figure is taken in a process of its own: forward, backward and a step of Adam on random pixels, channels last,
after one such step that is not counted. System time beside it: it is what giving memory back and forth costs.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time


def measure(name: str, side: int, batch: int, steps: int, kept: bool) -> dict[str, float]:
    """Photos a second, and seconds of the system per photo, of this process."""
    import torch
    from torch.nn.functional import cross_entropy

    from melascope.lab.machine import keep_freed_memory
    from melascope.lab.severity.registry import outputs_of
    from melascope.lab.severity.weights import start

    if kept and not keep_freed_memory():
        raise SystemExit("this C library cannot be told to keep memory")
    network = start(name, "none", classes=3, side=side).network.to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    pixels = torch.randn(batch, 3, side, side).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 3, (batch,))
    begun, before = 0.0, resource.getrusage(resource.RUSAGE_SELF)
    for step in range(steps + 1):
        if step == 1:
            begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        outputs, _ = outputs_of(network, pixels)
        optimiser.zero_grad(set_to_none=True)
        cross_entropy(outputs, labels).backward()
        optimiser.step()
    seconds = time.perf_counter() - begun
    system = resource.getrusage(resource.RUSAGE_SELF).ru_stime - before.ru_stime
    return {"photos_per_s": steps * batch / seconds, "system_ms": 1e3 * system / (steps * batch)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="alexnet,resnet18,googlenet,densenet121,mobilenet_v2")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--one", choices=("kept", "given back"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        found = measure(options.models, options.side, options.batch, options.steps, options.one == "kept")
        print(json.dumps(found))
        return
    print(f"{'':14s}{'given back':>22s}{'kept':>22s}   ratio")
    for name in options.models.split(","):
        rows = []
        for way in ("given back", "kept"):
            words = [sys.executable, "-W", "ignore", "-m", "benchmarks.training", "--models", name, "--one", way]
            words += ["--side", str(options.side), "--batch", str(options.batch), "--steps", str(options.steps)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
        cells = [f"{row['photos_per_s']:6.1f}/s, {row['system_ms']:5.1f} ms sys" for row in rows]
        print(f"{name:14s}{cells[0]:>22s}{cells[1]:>22s}   {rows[1]['photos_per_s'] / rows[0]['photos_per_s']:.2f}")


if __name__ == "__main__":
    main()

"""Damaged files, seeded: `python tests/photo/mutations.py --first 17 --count 1 --verbose` replays one.

Run as a program it reads them all and prints what came out as JSON. A case that takes more than the limit ends the
program by SIGALRM; its number is then the last line on standard error.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from melascope.photo import Photo, PhotoRefused, read_photo
from tests.photo import samples

SEED = 20240607
SECONDS_PER_FILE = 5.0

Random = np.random.Generator
INTERESTING = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def flip_bits(data: bytearray, other: bytes, random: Random) -> None:
    for _ in range(int(random.integers(1, 24))):
        data[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))


def truncate(data: bytearray, other: bytes, random: Random) -> None:
    del data[int(random.integers(1, len(data))) :]


def splice(data: bytearray, other: bytes, random: Random) -> None:
    start, at = int(random.integers(len(other))), int(random.integers(len(data)))
    length = int(random.integers(1, 400))
    data[at : at + int(random.integers(0, length))] = other[start : start + length]


def set_header_field(data: bytearray, other: bytes, random: Random) -> None:
    """An extreme number somewhere in the first bytes, where sizes, depths and counts are."""
    for _ in range(int(random.integers(1, 4))):
        length = int(random.choice([1, 2, 4]))
        at = int(random.integers(2, min(len(data), 250)))
        value = int(random.choice(INTERESTING)) & (1 << 8 * length) - 1
        data[at : at + length] = value.to_bytes(length, str(random.choice(["big", "little"])))  # type: ignore[arg-type]


def set_any_field(data: bytearray, other: bytes, random: Random) -> None:
    """The same anywhere: TIFF keeps its tags at the end, PNG and HEIF keep theirs in boxes."""
    for _ in range(int(random.integers(1, 8))):
        length = int(random.choice([1, 2, 4]))
        at = int(random.integers(len(data)))
        value = int(random.choice(INTERESTING)) & (1 << 8 * length) - 1
        data[at : at + length] = value.to_bytes(length, str(random.choice(["big", "little"])))  # type: ignore[arg-type]


def repeat(data: bytearray, other: bytes, random: Random) -> None:
    at, length = int(random.integers(len(data))), int(random.integers(1, 200))
    data[at:at] = data[at : at + length] * int(random.integers(1, 60))


def cut_out(data: bytearray, other: bytes, random: Random) -> None:
    at = int(random.integers(len(data)))
    del data[at : at + int(random.integers(1, 100))]


def blank(data: bytearray, other: bytes, random: Random) -> None:
    at, length = int(random.integers(4, len(data))), int(random.integers(1, 300))
    data[at : at + length] = bytes([int(random.choice([0, 255]))]) * len(data[at : at + length])


def noise_after_start(data: bytearray, other: bytes, random: Random) -> None:
    keep = int(random.integers(4, min(64, len(data))))
    data[keep:] = random.bytes(int(random.integers(0, 3000)))


def noise(data: bytearray, other: bytes, random: Random) -> None:
    data[:] = random.bytes(int(random.integers(1, 3000)))


MUTATIONS: tuple[Callable[[bytearray, bytes, Random], None], ...] = (
    flip_bits,
    truncate,
    splice,
    set_header_field,
    set_any_field,
    repeat,
    cut_out,
    blank,
    noise_after_start,
    noise,
)


def mutated(number: int, seeds: dict[str, bytes]) -> tuple[str, str, bytes]:
    """Name of the seed, name of the mutation, and the damaged file of this number."""
    names = sorted(seeds)
    name, mutation = names[number % len(names)], MUTATIONS[number // len(names) % len(MUTATIONS)]
    random = np.random.default_rng((SEED, number))
    data = bytearray(seeds[name])
    mutation(data, seeds[names[int(random.integers(len(names)))]], random)
    return name, mutation.__name__, bytes(data)


def attempt(data: bytes) -> Photo | PhotoRefused:
    try:
        return read_photo(data)
    except PhotoRefused as refused:
        return refused


def outcome(data: bytes) -> str:
    """`photo`, or the code of the refusal; anything else is an error."""
    read = attempt(data)
    if isinstance(read, PhotoRefused):
        assert read.finding.effect == "refused"
        assert read.finding.advice
        return read.finding.code
    photo = read
    assert isinstance(photo, Photo)
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.ndim == 3
    assert min(photo.pixels.shape[:2]) >= 64
    return "photo"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=5500)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    seeds = samples.seeds()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    by_outcome: Counter[str] = Counter()
    slowest = (0.0, -1)
    for number in range(options.first, options.first + options.count):
        name, mutation, data = mutated(number, seeds)
        print(number, file=sys.stderr)
        signal.setitimer(signal.ITIMER_REAL, SECONDS_PER_FILE)
        start = time.perf_counter()
        result = outcome(data)
        seconds = time.perf_counter() - start
        signal.setitimer(signal.ITIMER_REAL, 0)
        by_outcome[result] += 1
        slowest = max(slowest, (seconds, number))
        if options.verbose:
            print(f"{number} {name} {mutation}: {len(data)} bytes, {seconds:.3f} s, {result}", file=sys.stderr)
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1e6
    report = {"outcomes": by_outcome, "slowest_s": slowest[0], "slowest_number": slowest[1], "peak_gb": peak}
    print(json.dumps(report))


if __name__ == "__main__":
    main()

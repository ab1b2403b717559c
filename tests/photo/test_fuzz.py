"""Thousands of damaged files: each is read or refused, quickly, and within bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.photo import mutations, samples

COUNT = 5500  # every mutation of every seed about 25 times


def test_every_mutation_meets_every_seed() -> None:
    seeds = samples.seeds()
    met = Counter(mutations.mutated(number, seeds)[:2] for number in range(COUNT))
    assert len(met) == len(seeds) * len(mutations.MUTATIONS)
    assert min(met.values()) >= 5


def test_a_damaged_file_can_be_made_again() -> None:
    assert mutations.mutated(17, samples.seeds()) == mutations.mutated(17, samples.seeds())
    assert mutations.mutated(17, samples.seeds())[2] != mutations.mutated(18, samples.seeds())[2]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
def test_damaged_files_are_read_or_refused() -> None:
    """In a process of its own: a crash of a decoder's C code shows as its exit code, a hang as SIGALRM's."""
    program = [sys.executable, "-W", "error", str(Path(mutations.__file__)), "--count", str(COUNT)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
    last = done.stderr.strip().splitlines()[-12:]
    assert done.returncode == 0, f"exit {done.returncode}, standard error ends with {last}"
    assert "Warning" not in done.stderr  # libtiff's C code prints lines of its own, which are let through
    report = json.loads(done.stdout)
    assert report["slowest_s"] < 5, report
    assert report["peak_gb"] < 2, report
    outcomes = report["outcomes"]
    assert sum(outcomes.values()) == COUNT
    assert outcomes["photo"] > COUNT / 10, outcomes  # else the mutations only ever break the first bytes
    assert outcomes["file_damaged"] > COUNT / 10, outcomes
    assert "out_of_memory" not in outcomes

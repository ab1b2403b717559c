"""What is asked of the machine that trains."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")

PROGRAMME = """
import resource, sys
import numpy as np
from melascope.lab.machine import keep_freed_memory
assert len(sys.argv) == 1 or keep_freed_memory()
np.ones(8 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    np.ones(8 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_freed_memory_is_used_again() -> None:
    by_itself, kept = (
        int(subprocess.check_output([sys.executable, "-c", PROGRAMME, *words], text=True)) for words in ((), ("kept",))
    )
    assert kept < 100 and by_itself > 10 * kept + 100

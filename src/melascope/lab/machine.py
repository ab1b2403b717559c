"""On what a network is trained; changes speed, not the recipe."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from melascope.cores import cores

__all__ = ["Machine", "computes_bf16", "device_of", "gpu_workers", "keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
"""Of glibc's malloc.h."""


@dataclass(frozen=True)
class Machine:
    """One device of one machine."""

    accelerator: str = "auto"
    """``auto``, ``cpu``, ``gpu`` ..."""
    workers: int | None = None
    """Processes that vary photos; None: 0 on a CPU, up to 8 beside a GPU."""
    precision: str = "auto"
    """``bf16``, ``32``, or ``auto``: bf16 where the machine computes it."""
    threads: int | None = None
    """Of a CPU; None: as torch decides."""


def device_of(machine: Machine) -> torch.device:
    """Where tensors lie."""
    gpu = machine.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return torch.device("cuda" if gpu else "cpu")


def computes_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is computed there, not only emulated."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


def gpu_workers() -> int:
    """Processes beside a GPU: one core is left for the training itself."""
    return max(0, min(8, cores() - 1))


def keep_freed_memory() -> bool:
    """Have this process keep the memory that tensors leave, for the next ones, until it ends.

    The C library gives each large tensor back to the system and asks for it anew, page by page: on a CPU, that may be a
    third of the training of a network of many thin layers (`benchmarks/training.py`).

    Returns:
        Whether it could be set: by glibc only.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 256 << 20))
    return all(mallopt(name, value) == 1 for name, value in settings)

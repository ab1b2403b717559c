"""Cohorts for the benchmarks, rendered or taken, and work on their photographs by several processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import cv2
from rich.console import Console
from rich.progress import track

from melascope.cohort.patient import Cohort
from melascope.cores import cores
from melascope.data import DataSet
from melascope.data.layout import MANIFEST

__all__ = ["asked_for", "cohort_in", "each_photo", "made_with", "opened", "untold"]

T = TypeVar("T")


@contextmanager
def cohort_in(folder: Path | None, cohort: Cohort) -> Iterator[Path]:
    """The cohort that lies in a folder, whichever; if none does, `cohort` is rendered there, or for the while."""
    with TemporaryDirectory() as scratch:
        place = folder or Path(scratch) / "cohort"
        if not (place / MANIFEST).exists():
            from melascope.cohort.render import render_cohort

            render_cohort(cohort, place, jobs=cores(), maps=False)
        yield place


@cache
def opened(folder: str) -> DataSet:
    """A data set, opened once in a process."""
    return DataSet.open(Path(folder))


def made_with(folder: Path) -> dict[str, Any]:
    """What a cohort was made from: patients, seed, per_head ..."""
    about = DataSet.open(folder).about
    return about.generator if about else {}


def untold(made: Mapping[str, Any], told: Iterable[str], asked: Cohort) -> list[str]:
    """What of a cohort is otherwise than the benchmark asks for, besides what a command tells.

    Args:
        made: From `made_with`.
        told: What the command tells, such as `seed`.
        asked: What the benchmark would have rendered.
    """

    def alike(name: str, value: Any) -> bool:
        found = made.get(name, value) or None
        return (tuple(found) if isinstance(found, list) else found) == (value or None)

    return [name for name, value in asdict(asked).items() if name not in set(told) and not alike(name, value)]


def asked_for(made: Mapping[str, Any], told: Sequence[str], asked: Cohort) -> str:
    """The options of a benchmark's command that tell of its cohort, and what of the cohort no option tells.

    Args:
        made: From `made_with`; empty if nothing is known.
        told: What there are options for.
        asked: What the benchmark would have rendered.
    """
    words = [f"--{name.replace('_', '-')} {made.get(name, 'unknown')}" for name in told]
    others = untold(made, told, asked)
    return " ".join(words) + (f" (of a --cohort with other {', '.join(others)})" if others else "")


def each_photo(work: Callable[[tuple[str, str]], T], folder: Path, photos: Sequence[str], what: str) -> list[T]:
    """`work((folder, photo id))` of each photograph, in their order, by one process per core with one thread each."""
    os.environ["MELASCOPE_THREADS"] = "1"
    tasks = [(str(folder), photo) for photo in photos]
    with ProcessPoolExecutor(cores(), mp_context=get_context("spawn"), initializer=_begin) as pool:
        done = pool.map(work, tasks, chunksize=4)
        return list(track(done, description=what, total=len(tasks), console=Console(stderr=True)))


def _begin() -> None:
    cv2.setNumThreads(1)

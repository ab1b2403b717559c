"""Many photographs: analyse them over the cores, and outlive what goes wrong.

Every photograph is analysed and written by a process of its own pool. A photograph that makes the programme fail, takes
too long or kills its process becomes a refusal with the finding `failed`; the others go on.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from melascope.archive import RECORD, Analyse, sha256_of, shown
from melascope.cores import cores
from melascope.interrupts import interrupts_held

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from melascope.record import Analysis
    from melascope.report.write import Exports

__all__ = [
    "Result",
    "analyze_all",
    "analyze_one",
    "cores",
    "give_up",
]

_LIMIT_S: Final = 300.0
_GRACE_S: Final = 5.0


@dataclass(frozen=True)
class Result:
    """One photograph that is done."""

    photo: Path
    folder: Path
    analysis: Analysis
    """Without arrays. A photograph that failed is a refusal with the finding `failed`."""


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    task: int | None = None
    since: float = field(default=0.0)


def analyze_all(
    photos: Sequence[Path],
    folders: Sequence[Path],
    *,
    pdf: bool = False,
    exports: Exports | None = None,
    jobs: int | None = None,
    analyse: Analyse | None = None,
    limit_s: float = _LIMIT_S,
    threads: int | None = None,
) -> Generator[Result, None, None]:
    """Analyse photographs and write their results; yields each when it is done, in the order of completion.

    One photograph alone is analysed in this process (unless `threads` are given), several in `jobs` processes. When the
    iteration is ended early (`close`, or Ctrl-C), photographs under way are given five seconds to be finished and no
    half file stays.

    Args:
        photos: Files, as from `find_photos`.
        folders: A folder for each, as from `give_folders`.
        pdf: Also write `report.pdf`.
        exports: What to write for other systems.
        jobs: Processes; all cores if None.
        analyse: Stands in for `melascope.analysis.analyze`. Several processes need one that can be pickled.
        limit_s: Seconds after which a photograph is given up.
        threads: Of each process; they share the cores if None.
    """
    if len(photos) == 1 and threads is None:
        yield Result(
            photos[0], folders[0], analyze_one(photos[0], folders[0], pdf=pdf, exports=exports, analyse=analyse)
        )
        return
    number = max(1, min(jobs or cores(), len(photos)))
    threads = threads or max(1, cores() // number)
    waiting = deque(range(len(photos)))
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.task is not None for worker in workers):
            while waiting and len(workers) < min(number, len(waiting) + len(workers)):
                workers.append(_start(analyse, pdf, threads, exports))
            for worker in workers:
                if worker.task is None and waiting:
                    _give(worker, waiting.popleft(), photos, folders)
            for worker in _ready(workers):
                task, answer = worker.task, _answer(worker, limit_s)
                if task is None or answer is None:
                    continue
                worker.task = None
                if isinstance(answer, str):
                    workers.remove(worker)
                    analysis = give_up(photos[task], folders[task], answer, pdf=pdf)
                else:
                    from melascope.record import Analysis

                    analysis = Analysis.model_validate(answer)
                yield Result(photos[task], folders[task], analysis)
    finally:
        _stop(workers, folders)


def _start(analyse: Analyse | None, pdf: bool, threads: int, exports: Exports | None = None) -> _Worker:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, analyse, pdf, threads, exports), daemon=True)
    with interrupts_held():
        process.start()
    there.close()
    return _Worker(process, here)


def _give(worker: _Worker, task: int, photos: Sequence[Path], folders: Sequence[Path]) -> None:
    worker.task, worker.since = task, time.monotonic()
    with contextlib.suppress(OSError):  # a process that has just died is noticed when its answer is read
        worker.pipe.send((photos[task], folders[task]))


def _ready(workers: list[_Worker]) -> list[_Worker]:
    """Workers that have answered or died, or all of them once a second, to look at the time."""
    busy = [worker for worker in workers if worker.task is not None]
    ready = wait([worker.pipe for worker in busy], timeout=1.0)
    return [worker for worker in busy if worker.pipe in ready] or busy


def _answer(worker: _Worker, limit_s: float) -> dict[str, Any] | str | None:
    """The record as plain data, a sentence if there will be none, or None if the worker is still at work."""
    try:
        if worker.pipe.poll():
            answer: dict[str, Any] = worker.pipe.recv()
            return answer
    except (EOFError, OSError):
        worker.process.join(_GRACE_S)
        code = worker.process.exitcode
        how = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
        return f"the process that analysed this photograph {how}; it may have run out of memory"
    if time.monotonic() - worker.since > limit_s:
        worker.process.kill()
        worker.process.join(_GRACE_S)
        return f"the analysis took more than {limit_s:.0f} s and was given up"
    return None


def _stop(workers: list[_Worker], folders: Sequence[Path]) -> None:
    for worker in workers:
        with contextlib.suppress(OSError):
            worker.pipe.send(None)
    end = time.monotonic() + _GRACE_S
    try:
        for worker in workers:
            worker.process.join(max(0.0, end - time.monotonic()))
    finally:
        for worker in workers:
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join(_GRACE_S)
            if worker.task is not None:
                from melascope.report.write import sweep

                sweep(folders[worker.task])
            worker.pipe.close()


def _work(pipe: Connection, analyse: Analyse | None, pdf: bool, threads: int, exports: Exports | None = None) -> None:
    """A worker process: a photograph in, its record out, until None comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("MELASCOPE_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    import cv2

    cv2.setNumThreads(threads)
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        while (task := pipe.recv()) is not None:
            photo, folder = task
            pipe.send(analyze_one(photo, folder, pdf=pdf, exports=exports, analyse=analyse).model_dump())


def analyze_one(
    photo: Path,
    folder: Path | None,
    *,
    pdf: bool = False,
    exports: Exports | None = None,
    analyse: Analyse | None = None,
) -> Analysis:
    """Analyse one photograph in this process and write its results; whatever goes wrong becomes a refusal.

    Nothing is written if `folder` is None.
    """
    try:
        from melascope.report.write import NO_EXPORTS, write

        analysis = (analyse or _analyse())(photo, name=shown(photo.name))
        if folder is None:
            return analysis
        dicom = exports is not None and exports.dicom and analysis.quality.usable
        original = photo.read_bytes() if dicom else b""
    except Exception as error:  # noqa: BLE001 (one bad file does not stop the rest)
        return give_up(photo, folder, _failure(error, photo, folder), pdf=pdf)
    try:
        return write(analysis, folder, pdf=pdf, exports=exports or NO_EXPORTS, original=original)
    except OSError as error:
        reason = f"the result could not be written ({error.strerror or type(error).__name__})"
        return give_up(photo, folder, reason, pdf=pdf, way_out="Free the disk or name another --out.")
    except Exception as error:  # noqa: BLE001 (likewise)
        return give_up(photo, folder, _failure(error, photo, folder), pdf=pdf)


def _failure(error: Exception, photo: Path, folder: Path | None) -> str:
    """What went wrong, without the folders in which photograph and results lie: they may tell who the patient is."""
    said = str(error)
    if isinstance(error, OSError):
        said = error.strerror or ""
    for path in (photo, folder):
        for known in () if path is None else (os.path.abspath(path), os.fspath(path)):
            said = said.replace(known, os.path.basename(known))
    return f"the programme failed: {type(error).__name__}{said and ': '}{said}"


def _analyse() -> Analyse:
    from melascope.analysis import analyze

    return analyze


def give_up(
    photo: Path,
    folder: Path | None,
    reason: str,
    *,
    pdf: bool = False,
    way_out: str = "Try a fresh copy of the file; if it fails again, please report it.",
) -> Analysis:
    """The refusal of a photograph that came to no result.

    It is written like any other, but never over a result of the same bytes that an earlier run came to. Nothing is
    written if `folder` is None.
    """
    import melascope
    from melascope.photo.photograph import without_folder
    from melascope.record import Analysis, Finding, PhotoRecord, Quality
    from melascope.report.write import sweep, write
    from melascope.vocabulary import DISCLAIMER, Verdict, View

    digest = None
    with contextlib.suppress(OSError):
        digest = sha256_of(photo)
    stays = folder is not None and _came_to_a_result(folder, digest)
    sentences = [f"{shown(reason)[:1].upper()}{shown(reason)[1:]}.", way_out]
    if stays:
        sentences.append("What an earlier run made of it stays in its folder.")
    failure = Analysis(
        photo=PhotoRecord(file=without_folder(shown(photo.name)), width=0, height=0, sha256=digest),
        view=View.NONE,
        quality=Quality(
            usable=False,
            verdict=Verdict.REFUSED,
            findings=(Finding(code="failed", value=None, limit=None, advice=" ".join(sentences), effect="refused"),),
        ),
        skin_tone=None,
        regions=None,
        masi=None,
        lesions=(),
        versions={"melascope": melascope.__version__},
        disclaimer=DISCLAIMER,
    )
    if folder is None:
        return failure
    sweep(folder)
    if stays:
        return failure
    try:
        return write(failure, folder, pdf=pdf)
    except Exception:  # noqa: BLE001 (the disk may be full: the result is still reported)
        return failure


def _came_to_a_result(folder: Path, sha256: str | None) -> bool:
    """Whether a folder holds a record of the same bytes that is not itself of a failure."""
    from melascope.record import Analysis

    try:
        record = Analysis.model_validate_json((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    failed = any(finding.code == "failed" for finding in record.quality.findings)
    return sha256 is not None and record.photo.sha256 == sha256 and not failed

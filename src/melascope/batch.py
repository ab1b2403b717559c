"""Many photographs: find them, give each a folder, analyse them over the cores, and outlive what goes wrong.

Every photograph is analysed and written by a process of its own pool. A photograph that makes the programme fail, takes
too long or kills its process becomes a refusal with the finding `failed`; the others go on.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import multiprocessing
import os
import re
import signal
import time
import unicodedata
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from melascope.interrupts import interrupts_held

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from melascope.record import Analysis, Files
    from melascope.report.write import Exports

__all__ = [
    "EXTENSIONS",
    "SUMMARY",
    "Result",
    "analyze_all",
    "analyze_one",
    "cores",
    "done_before",
    "find_photos",
    "give_folders",
    "give_up",
]

Analyse = Callable[..., "Analysis"]
"""`melascope.analysis.analyze`, or what stands in for it: takes a path and `name`, returns a record."""

EXTENSIONS: Final = frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .webp .tif .tiff .bmp .dib .heic .heif .hif".split()  # noqa: SIM905
)
"""What is taken for a photograph in a folder or by a pattern; a file that is named is always tried."""
SUMMARY: Final = "summary.csv"
_RECORD: Final = "analysis.json"
_LIMIT_S: Final = 300.0
_GRACE_S: Final = 5.0


@dataclass(frozen=True)
class Result:
    """One photograph that is done."""

    photo: Path
    folder: Path
    analysis: Analysis
    """Without arrays. A photograph that failed is a refusal with the finding `failed`."""


def find_photos(arguments: Sequence[str | Path], *, out: str | Path | None = None) -> list[Path]:
    """Photographs named by files, folders (searched to the bottom) and patterns such as ``visit?/*.jpg``.

    A file that is named is always in the list, also if it does not exist: it is refused later, as a result. In folders
    and by patterns, files with one of `EXTENSIONS` are taken; hidden ones, the folder `out` and folders that hold a
    result are left out. No file comes twice.

    Raises:
        LookupError: A folder or a pattern holds no photograph, or an argument is empty.
    """
    found: dict[str, Path] = {}
    apart = None if out is None else os.path.abspath(out)
    for named in arguments:
        if not str(named).strip():
            raise LookupError("an empty name was given: name a photograph, a folder or a pattern ('.' is this folder)")
        argument = Path(named)
        if argument.is_dir():
            here = _in_folder(argument, apart)
        elif not argument.exists() and glob.has_magic(str(argument)):
            here = []
            for match in sorted(glob.glob(str(argument), recursive=True)):
                if os.path.isdir(match):
                    here += _in_folder(Path(match), apart)
                elif Path(match).suffix.lower() in EXTENSIONS:
                    here.append(Path(match))
        else:
            here = [argument]
        if not here:
            kind = "folder" if argument.is_dir() else "pattern"
            endings = " ".join(sorted(EXTENSIONS))
            raise LookupError(f"the {kind} {_shown(str(argument))!r} holds no photograph ({endings}): name another one")
        for path in here:
            found.setdefault(os.path.abspath(path), path)
    return list(found.values())


def _in_folder(folder: Path, apart: str | None) -> list[Path]:
    paths = []
    for root, folders, files in os.walk(folder):
        if _RECORD in files:
            folders.clear()
            continue
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and os.path.abspath(os.path.join(root, name)) != apart
        )
        paths += [
            Path(root, name)
            for name in sorted(files)
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS
        ]
    return paths


def give_folders(photos: Sequence[Path], out: str | Path, *, resume: bool = False) -> list[Path]:
    """The folder for the results of each photograph: ``out/<stem>``, then ``out/<stem>-2``, ``-3`` ...

    A name is free if no photograph of this list has it (letter case and Unicode form aside) and if there is no such
    folder yet, or one that is empty or holds the result of the same photograph (same name and SHA-256), which is then
    replaced. So a second run replaces its own results, and never those of another photograph. To `resume`, a folder
    with nothing but files of a result that was never finished is free, too.
    """
    taken = {SUMMARY}
    folders = []
    for photo in photos:
        stem = _folder_name(photo.stem)
        number = 1
        while True:
            name = stem if number == 1 else f"{stem}-{number}"
            key = unicodedata.normalize("NFC", name).casefold()
            folder = Path(out, name)
            if key not in taken and (_free(folder, photo) or (resume and _unfinished(folder))):
                break
            number += 1
        taken.add(key)
        folders.append(folder)
    return folders


def _folder_name(stem: str) -> str:
    """A stem that every file system takes as one folder."""
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f]', "_", _shown(stem)).rstrip(". ")[:120]
    reserved = re.fullmatch(r"(?i)con|prn|aux|nul|com\d|lpt\d", name.partition(".")[0])
    return f"photo{'_' if name else ''}{name}" if reserved or not name else name


def _free(folder: Path, photo: Path) -> bool:
    if not os.path.lexists(folder):
        return True
    from melascope.photo.photograph import without_folder

    try:
        if not any(folder.iterdir()):
            return True
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))["photo"]
        digest = _sha256(photo) if photo.is_file() else None
        name = without_folder(_shown(photo.name))
        return bool(record["file"] == name and (digest is None or record["sha256"] in (digest, None)))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _unfinished(folder: Path) -> bool:
    """Files of a result, whole or half written, without the record that comes last."""
    from melascope.report.write import DICOM, NAMES, PART

    try:
        names = [each.name for each in folder.iterdir()]
    except OSError:
        return False
    known = {*NAMES, *(f".{name}{PART}" for name in (*NAMES, _RECORD))}
    if DICOM in names and all(re.fullmatch(rf"[^/]+\.dcm({PART})?", each.name) for each in (folder / DICOM).glob("*")):
        known.add(DICOM)
    return known.issuperset(names)


def done_before(
    photo: Path, folder: Path, *, pdf: bool = False, exports: Exports | None = None, analyse: Analyse | None = None
) -> Analysis | None:
    """The record of a photograph that an earlier run finished; None if there is work left.

    It is done if the record is there, of the same bytes, made by the same version and networks, and did not fail.

    Args:
        photo: The file.
        folder: Its folder, as from `give_folders`.
        pdf: `report.pdf` must be there, too.
        exports: So must be these.
        analyse: What stood in for the analysis; its records name the package's version alone.
    """
    from melascope.record import Analysis

    try:
        record = Analysis.model_validate_json((folder / _RECORD).read_text(encoding="utf-8"))
        if record.photo.sha256 is None or record.photo.sha256 != _sha256(photo):
            return None
    except (OSError, ValueError):
        return None
    if any(finding.code == "failed" for finding in record.quality.findings):
        return None
    files = record.files
    wished = (pdf, files.report_pdf), (exports is not None and exports.fhir is not None, files.fhir)
    if any(wish and (name is None or not (folder / name).is_file()) for wish, name in wished):
        return None
    if exports is not None and not _exported(folder, files, exports):
        return None
    wanted = _made_by(analyse)
    return record if {name: record.versions.get(name) for name in wanted} == wanted else None


def _exported(folder: Path, files: Files, exports: Exports) -> bool:
    """Whether all that is wished for other systems is there, in the release of FHIR that is wished now."""
    from melascope.report.fhir import release_of

    if exports.dicom and (files.dicom is None or not all((folder / each).is_file() for each in files.dicom)):
        return False
    if exports.fhir is None or files.fhir is None:
        return True
    try:
        made = json.loads((folder / files.fhir).read_text(encoding="utf-8"))
        return release_of(made) == exports.fhir
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _made_by(analyse: Analyse | None) -> dict[str, str | None]:
    """What a record of this installation says of its making."""
    if analyse is not None:
        import melascope

        return {"melascope": melascope.__version__}
    from melascope.analysis import versions

    found = versions()
    return {name: found.get(name) for name in ("schema", "melascope", "skin network", "severity network")}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _shown(name: str) -> str:
    """A file name as text: bytes that are not UTF-8 become U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
                _sweep(folders[worker.task])
            worker.pipe.close()


def _sweep(folder: Path) -> None:
    """Remove what a killed process left half written."""
    for part in folder.glob(".*.part"):
        with contextlib.suppress(OSError):
            part.unlink()


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

        analysis = (analyse or _analyse())(photo, name=_shown(photo.name))
        if folder is None:
            return analysis
        original = photo.read_bytes() if exports is not None and exports.dicom else b""
        return write(analysis, folder, pdf=pdf, exports=exports or NO_EXPORTS, original=original)
    except Exception as error:  # noqa: BLE001 (one bad file does not stop the rest)
        return give_up(photo, folder, f"the programme failed: {type(error).__name__}: {error}", pdf=pdf)


def _analyse() -> Analyse:
    from melascope.analysis import analyze

    return analyze


def give_up(photo: Path, folder: Path | None, reason: str, *, pdf: bool = False) -> Analysis:
    """The refusal of a photograph that came to no result, written like any other; nothing is if `folder` is None."""
    import melascope
    from melascope.photo.photograph import without_folder
    from melascope.record import Analysis, Finding, PhotoRecord, Quality
    from melascope.report.write import write
    from melascope.vocabulary import DISCLAIMER, Verdict, View

    digest = None
    with contextlib.suppress(OSError):
        digest = _sha256(photo)
    advice = (
        f"{_shown(reason)[:1].upper()}{_shown(reason)[1:]}. "
        "Try a fresh copy of the file; if it fails again, please report it."
    )
    failure = Analysis(
        photo=PhotoRecord(file=without_folder(_shown(photo.name)), width=0, height=0, sha256=digest),
        view=View.NONE,
        quality=Quality(
            usable=False,
            verdict=Verdict.REFUSED,
            findings=(Finding(code="failed", value=None, limit=None, advice=advice, effect="refused"),),
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
    _sweep(folder)
    try:
        return write(failure, folder, pdf=pdf)
    except Exception:  # noqa: BLE001 (the disk may be full: the result is still reported)
        return failure

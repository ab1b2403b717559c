"""A whole cohort on disk: photographs, masks, maps and records, by several processes, resumable, the same every time.

The unit of work is a cast on one visit: its scenes are rendered once and serve all its patients. Each photograph's
record is written last and each file whole or not at all, so that a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import melascope
from melascope.cohort.patient import TWINS, Cohort, photo_plans, sample_cast, sample_patient, visits_of
from melascope.data.about import About, read_about, write_about
from melascope.data.layout import ABOUT, record_path
from melascope.interrupts import interrupts_held

__all__ = ["CohortError", "Renderer", "render_cohort"]

_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class CohortError(Exception):
    """A cohort cannot be rendered; the message says why and the way out."""


def render_cohort(
    cohort: Cohort,
    out: Path,
    *,
    jobs: int,
    maps: bool = True,
    advance: Callable[[int], None] = lambda _: None,
) -> Path:
    """Renders what of the cohort is not there yet, then writes the tables over all of it.

    Args:
        cohort: What to render.
        out: Folder of the data set; an unfinished one of the same cohort is gone on with.
        jobs: Worker processes, each with one thread; the output does not depend on it.
        maps: Whether to write melanin, blood, density and reflectance of every photograph.
        advance: Told how many photographs have become ready, those found ready included.

    Returns:
        The manifest.

    Raises:
        CohortError: The folder holds another cohort, a worker died, or a record cannot be read.
        ModuleNotFoundError: The extra `cohort` is not installed.
    """
    from melascope.cohort.files import RecordError
    from melascope.cohort.tables import write_tables

    about = _about(cohort, maps)
    _claim(out, about)
    tasks = []
    for cast in range(cohort.casts):
        for visit in range(1, cohort.visits + 1):
            names = _names(cohort, cast, visit)
            ready = sum(record_path(out, name).exists() for name in names)
            advance(ready)
            if ready < len(names):
                tasks.append((cast, visit))
    if tasks:
        _run(cohort, out, tasks, jobs, maps, advance)
    for part in out.rglob(".*.part"):  # what a killed run was writing
        part.unlink()
    try:
        return write_tables(cohort, out)
    except RecordError as error:
        raise CohortError(f"{error}; remove that record and run the same command again") from None


class Renderer:
    """Renders the photographs of one cast and visit after the other; keeps what they share."""

    def __init__(self, cohort: Cohort, out: Path, maps: bool) -> None:
        from melascope.cohort.chart import face_chart

        self.cohort, self.out, self.maps = cohort, out, maps
        self.chart = face_chart()

    def __call__(self, cast_number: int, visit: int) -> Iterator[str]:
        """Writes what is missing of a cast's visit and names each photograph when it is done."""
        from melascope.cohort.face import make_face
        from melascope.cohort.files import write_photo
        from melascope.cohort.photograph import photograph
        from melascope.cohort.scene import photograph_cast

        cast = sample_cast(self.cohort, cast_number)
        scenes: dict[int, Any] = {}
        for number in self.cohort.members(cast_number):
            patient = sample_patient(self.cohort, number)
            plans = [
                plan
                for plan in photo_plans(self.cohort, patient, visit)
                if not record_path(self.out, plan.name).exists()
            ]
            if not plans:
                continue
            today = next(one for one in visits_of(self.cohort, patient) if one.number == visit)
            face = make_face(today.skin, today.lesions, self.chart)
            for plan in plans:
                if plan.slot not in scenes:
                    scenes[plan.slot] = photograph_cast(cast, plan.shot)
                photo = photograph(face, scenes[plan.slot], self.chart, patient.hair_rgb, plan.camera)
                write_photo(self.out, self.cohort, cast, patient, today, plan, face, photo, self.chart, self.maps)
                yield plan.name


def _names(cohort: Cohort, cast: int, visit: int) -> list[str]:
    patients = (sample_patient(cohort, number) for number in cohort.members(cast))
    return [plan.name for patient in patients for plan in photo_plans(cohort, patient, visit)]


def _about(cohort: Cohort, maps: bool) -> About:
    from melascope.cohort.files import made_with

    return About(
        name=f"virtual cohort of {cohort.patients} patients, seed {cohort.seed}",
        made_by=f"melascope {melascope.__version__}",
        licence="CC0-1.0",
        notes="People who do not exist. Research software, not a medical device.",
        generator={
            **_asked(cohort),
            **({"twins": TWINS} if cohort.each_tone else {}),
            "maps": maps,
            "made_with": made_with(),
        },
    )


def _asked(cohort: Cohort) -> dict[str, Any]:
    """What is asked for, as JSON keeps it."""
    return {name: list(asked) if isinstance(asked, tuple) else asked for name, asked in asdict(cohort).items()}


def _claim(out: Path, about: About) -> None:
    """Takes the folder for this cohort, or refuses one that holds something else."""
    from melascope.cohort.files import made_otherwise

    path = out / ABOUT
    if path.exists():
        try:
            there = read_about(path)
        except (OSError, ValueError) as error:
            raise CohortError(f"{path} cannot be read ({error}): name another folder, or remove it") from None
        if there.made_by != about.made_by:
            raise CohortError(
                f"{out} was made by {there.made_by or 'others'}, not {about.made_by}: name another folder"
            )
        was = {**_asked(Cohort(1)), **there.generator}  # what earlier versions do not tell was not asked for
        if about.generator.get("twins") and "each_tone" in there.generator and was.get("twins") != TWINS:
            raise CohortError(
                f"{out} holds people in each tone of an earlier version (twins {was.get('twins', 1)}, here {TWINS}): "
                "others would be added; name a new folder"
            )
        differing = [key for key, now in about.generator.items() if key != "made_with" and was.get(key) != now]
        if differing:
            told = ", ".join(f"{key} {was.get(key)!r}" for key in differing)
            raise CohortError(f"{out} holds another cohort ({told}): ask for the same, or name another folder")
        otherwise = made_otherwise(was.get("made_with"))
        if otherwise:
            raise CohortError(f"{out} was made otherwise ({otherwise}): its pictures could differ; name a new folder")
        return
    if out.exists() and any(not path.name.endswith(".part") for path in out.iterdir()):
        raise CohortError(f"{out} is not empty and holds no cohort: name another folder")
    out.mkdir(parents=True, exist_ok=True)
    write_about(about, path)


def _run(
    cohort: Cohort, out: Path, tasks: list[tuple[int, int]], jobs: int, maps: bool, advance: Callable[[int], None]
) -> None:
    context = get_context("spawn")
    done, stop = context.Value("q", 0), context.Event()
    told = 0

    def tell() -> None:
        nonlocal told
        now = int(done.value)
        advance(now - told)
        told = now

    kept = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # read by the workers when they start
    try:
        with ProcessPoolExecutor(
            min(jobs, len(tasks)), mp_context=context, initializer=_begin, initargs=(cohort, out, maps, done, stop)
        ) as pool:
            with interrupts_held():  # the parent ends the work
                waiting: set[Future[None]] = {pool.submit(_work, *task) for task in tasks}
            try:
                while waiting:
                    ended, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                    for future in ended:
                        future.result()
                    tell()
            except BaseException:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
    except BrokenProcessPool:
        raise CohortError(
            "a worker process died (out of memory?): run the same command again to go on, with fewer --jobs"
        ) from None
    finally:
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    tell()


_renderer: Renderer | None = None
_done: Any = None
_stop: Any = None


def _begin(cohort: Cohort, out: Path, maps: bool, done: Any, stop: Any) -> None:
    import cv2

    global _renderer, _done, _stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    cv2.setNumThreads(1)
    _renderer, _done, _stop = Renderer(cohort, out, maps), done, stop


def _end_with(parent: int) -> None:
    """Ends this worker when its parent is gone, killed perhaps: a second run must not meet the first one's workers."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def _work(cast: int, visit: int) -> None:
    assert _renderer is not None
    for _ in _renderer(cast, visit):
        with _done.get_lock():
            _done.value += 1
        if _stop.is_set():
            return

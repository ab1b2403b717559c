"""Check a data set's folder: everything that would make a reader fail or a result wrong, and what to do about it."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.data.about import read_about
from melascope.data.box import Box
from melascope.data.check_photo import Inspected, Task, inspect
from melascope.data.check_rows import check_ratings, check_rows
from melascope.data.coco import CocoError, CocoFile
from melascope.data.duplicates import near_duplicates
from melascope.data.finding import Finding
from melascope.data.layout import (
    ABOUT,
    ANNOTATIONS,
    MANIFEST,
    PHOTOS,
    RATINGS,
    instances_path,
    lesion_mask_path,
    region_mask_path,
    voc_path,
)
from melascope.data.manifest import scan_manifest
from melascope.data.ratings import scan_ratings
from melascope.data.row import Row
from melascope.interrupts import interrupts_held

__all__ = ["Checked", "check"]

Lines = Sequence[tuple[int, Row]]
Progress = Callable[[int, int], None]
_AHEAD: Final = 8
"""Photos that wait for each process; so few are done without another one."""
_CELL: Final = "correct the cell"


@dataclass(frozen=True)
class Checked:
    """The result of a check."""

    photos: int
    """Rows that could be read."""
    findings: tuple[Finding, ...]
    """Errors first, in the order of the checks."""

    @property
    def errors(self) -> int:
        """Findings that are errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        """Findings that are warnings."""
        return len(self.findings) - self.errors


def check(folder: Path, *, jobs: int = 1, progress: Progress | None = None) -> Checked:
    """Check manifest, splits, photos, masks, boxes, ratings and near-duplicates.

    One photo is held at a time (for each process), and a small picture of 1 kB of each.

    Args:
        folder: The data set.
        jobs: Processes. With more than one, the main module must be importable (``if __name__ == "__main__":``).
        progress: Called with the number of photos that are done and of all.

    Raises:
        FileNotFoundError: The folder holds no manifest.
    """
    if not (folder / MANIFEST).is_file():
        raise FileNotFoundError(
            f"{folder / MANIFEST}: is not there: name the folder of a data set, which holds {MANIFEST}"
        )
    lines, problems = scan_manifest(folder / MANIFEST)
    findings = [
        Finding("manifest", "error", _place(MANIFEST, p.line, p.column), _said(p.value, p.rule), _CELL)
        for p in problems
    ]
    if not lines and not problems:
        findings.append(Finding("manifest", "error", MANIFEST, "holds no photo", "add one row a photo"))
    findings += _about(folder)
    findings += check_rows(lines)
    findings += _ratings(folder, lines)
    findings += _strangers(folder, [row for _, row in lines])
    pictures: list[tuple[Row, int, NDArray[np.uint8]]] = []
    coco, wrong = _coco(folder, [row for _, row in lines])
    findings += wrong
    try:
        for done, (inspected, (line, row)) in enumerate(
            zip(_inspect(folder, lines, coco, jobs), lines, strict=True), 1
        ):
            findings += inspected.findings
            if inspected.small is not None:
                pictures.append((row, line, inspected.small))
            if progress is not None:
                progress(done, len(lines))
    finally:
        if coco is not None:
            coco.close()
    findings += _duplicates(pictures)
    findings.sort(key=lambda finding: finding.severity != "error")
    return Checked(len(lines), tuple(findings))


def _inspect(folder: Path, lines: Lines, coco: CocoFile | None, jobs: int) -> Iterator[Inspected]:
    tasks = (_task(folder, line, row, coco) for line, row in lines)
    if jobs <= 1 or len(lines) <= _AHEAD * jobs:
        yield from map(inspect, tasks)
        return
    waiting: deque[Future[Inspected]] = deque()
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_ignore_interrupts)
    try:
        for task in tasks:
            with interrupts_held():
                waiting.append(pool.submit(inspect, task))
            if len(waiting) >= _AHEAD * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _task(folder: Path, line: int, row: Row, coco: CocoFile | None) -> Task:
    image = None if coco is None else coco.find(row.photo_id, row.file)
    if coco is None or image is None:
        return Task(folder, line, row)
    boxes = tuple(box if isinstance(box, Box) else str(box) for box in coco.boxes(image))
    found = coco.images[image]
    return Task(folder, line, row, boxes, (found.height, found.width))


def _about(folder: Path) -> Iterator[Finding]:
    path = folder / ABOUT
    if not path.is_file():
        advice = "write name, made_by and licence, so that others know what it is"
        yield Finding("about-missing", "warning", ABOUT, "is not there", advice)
        return
    try:
        about = read_about(path)
    except ValueError as error:
        yield Finding("about", "error", ABOUT, str(error).removeprefix(f"{path}: "), "correct the file")
        return
    if not about.licence:
        yield Finding("about", "warning", f"{ABOUT} licence", "is empty", "say what may be done with the photos")


def _ratings(folder: Path, lines: Lines) -> Iterator[Finding]:
    path = folder / RATINGS
    if not path.is_file():
        return
    ratings, problems = scan_ratings(path)
    for p in problems:
        yield Finding("ratings", "error", _place(RATINGS, p.line, p.column), _said(p.value, p.rule), _CELL)
    yield from check_ratings(ratings, lines)


def _coco(folder: Path, rows: Sequence[Row]) -> tuple[CocoFile | None, list[Finding]]:
    path = folder / ANNOTATIONS
    if not path.is_file():
        return None, []
    try:
        coco = CocoFile(path)
    except CocoError as error:
        what = str(error).removeprefix(f"{path}: ")
        return None, [Finding("annotations-unreadable", "error", ANNOTATIONS, what, "write it anew")]
    findings = []
    if coco.unknown:
        what = f"annotations name {len(coco.unknown)} images that the file does not hold, such as {min(coco.unknown)}"
        findings.append(Finding("box-of-nothing", "error", ANNOTATIONS, what, "add the images, or remove the boxes"))
    found = {coco.find(row.photo_id, row.file) for row in rows}
    if strangers := sorted(set(coco.images) - found):
        what = f"{len(strangers)} images are not in {MANIFEST}, such as {coco.images[strangers[0]].file!r}"
        findings.append(Finding("stranger", "warning", ANNOTATIONS, what, "add rows, or remove the images"))
    return coco, findings


def _strangers(folder: Path, rows: Sequence[Row]) -> Iterator[Finding]:
    """Files that no row names, and masks that some photos have and others lack."""
    named = {row.file for row in rows}
    for path in _files(folder / PHOTOS):
        name = path.relative_to(folder).as_posix()
        if name not in named:
            yield Finding("stranger", "warning", name, f"is not in {MANIFEST}", "add a row, or remove the file")
    ids = {row.photo_id for row in rows}
    for place in (region_mask_path, lesion_mask_path, instances_path, voc_path):
        example = place(folder, "x")
        parent = example.parent
        there = {path.stem for path in _files(parent) if path.suffix == example.suffix}
        where = parent.relative_to(folder).as_posix()
        for name in sorted(there - ids):
            what = f"belongs to no photo of {MANIFEST}"
            yield Finding("stranger", "warning", f"{where}/{name}{example.suffix}", what, "rename or remove it")
        lacking = sorted(ids - there)
        if there & ids and lacking:
            what = f"{len(lacking)} of {len(ids)} photos have no file here, such as {lacking[0]}"
            yield Finding("mask-missing", "warning", where, what, "these photos count as not labelled")


def _files(folder: Path) -> list[Path]:
    found = [Path(root, name) for root, _, names in os.walk(folder) for name in names if not name.startswith(".")]
    return sorted(found)


def _duplicates(pictures: Sequence[tuple[Row, int, NDArray[np.uint8]]]) -> Iterator[Finding]:
    for pair in near_duplicates([small for _, _, small in pictures]):
        (first, line, _), (second, other, _) = pictures[pair.first], pictures[pair.second]
        crossed = [
            column
            for column in ("split_631", "split_82")
            if None not in (splits := {getattr(first, column), getattr(second, column)}) and len(splits) == 2
        ]
        mirrored = " mirrored," if pair.mirrored else ""
        what = (
            f"shows the same picture as {first.file} (line {line}),{mirrored} {pair.bits} of 64 bits apart, "
            f"likeness {pair.likeness:.3f}"
        )
        where = f"{second.file} ({MANIFEST} line {other})"
        if crossed:
            advice = "remove one of the two, or put both in one split"
            yield Finding("duplicate-across-splits", "error", where, f"{what}, in another split", advice)
        elif first.patient != second.patient and not (first.group and first.group == second.group):
            what = f"{what}, as patient {first.patient!r} and here {second.patient!r}"
            yield Finding("duplicate-across-patients", "error", where, what, "remove one, or give both one patient")
        elif first.patient == second.patient and first.visit != second.visit:
            what = f"{what}, in visit {first.visit} and here {second.visit}"
            advice = "see whether one photo was filed under two visits"
            yield Finding("duplicate-across-visits", "warning", where, what, advice)


def _place(file: str, line: int | None, column: str | None) -> str:
    place = file if line is None else f"{file} line {line}"
    return place if column is None else f"{place}, {column}"


def _said(value: str | None, rule: str) -> str:
    return rule if value is None else f"{value[:80]!r} {rule}"

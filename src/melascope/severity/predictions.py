"""``predictions.csv``: read and checked, written whole. All figures of a benchmark follow from it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from melascope.data.cells import Problem, cell, number, plain, whole
from melascope.data.layout import write_whole
from melascope.data.manifest import read_table
from melascope.severity.prediction import CLASSES, Prediction, Scored, band, scored

__all__ = [
    "CLASSES",
    "COLUMNS",
    "Prediction",
    "PredictionsError",
    "Scored",
    "band",
    "read_predictions",
    "scored",
    "write_predictions",
]

COLUMNS: Final = (
    "photo", "patient", "part", "truth", "rated_masi", "p_mild", "p_moderate", "p_severe", "predicted_masi",
    "true_masi", "tone_band", "device", "view", "group", "subject", "raters",
)  # fmt: skip
"""``raters`` holds the MASI of the single raters, ``rater1=12.0;rater2=14.5``, where they are known."""
_REQUIRED: Final = COLUMNS[:8]
_WORDS: Final = ("photo", "patient", "part", "tone_band", "device", "view", "group", "subject")
_SHARES: Final = COLUMNS[5:8]
_MASI: Final = (number("masi", 0, 48).read, "must be a MASI from 0 to 48, with a decimal point")
_SHARE: Final = (number("p", 0, 1).read, "must be a probability from 0 to 1, with a decimal point")
_CLASS: Final = (whole("truth", 0, len(CLASSES) - 1).read, "must be 0 (mild), 1 (moderate) or 2 (severe)")
_SUM_SLACK: Final = 1e-3
_BAND_SLACK: Final = 1e-6
_SHOWN: Final = 20
Fault = tuple[str | None, str | None, str]


class PredictionsError(ValueError):
    """Predictions that cannot be used; each problem names the line, the value, the rule and the way out."""

    def __init__(self, source: Path | str, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        more = len(self.problems) - _SHOWN
        shown = [f"  {problem}" for problem in self.problems[:_SHOWN]]
        head = f"{source}: {len(self.problems)} problem{'' if len(self.problems) == 1 else 's'}"
        super().__init__("\n".join([head, *shown, *([f"  ... and {more} more"] if more > 0 else [])]))


def read_predictions(path: Path) -> tuple[Prediction, ...]:
    """Read ``predictions.csv``.

    Raises:
        PredictionsError: Everything that is wrong, by line.
    """
    path = Path(path)
    if not path.is_file():
        raise PredictionsError(path, ["is no file; name a predictions.csv, or the folder of a run"])
    table, found = read_table(path, _REQUIRED)
    problems = list(found)
    rows: list[tuple[int, Prediction]] = []
    for line, cells in table:
        faults: list[Fault] = []
        row = _row({name: plain(cells.get(name, "").strip()) for name in COLUMNS}, faults)
        problems += [Problem(line, *fault) for fault in faults]
        if row is not None:
            rows.append((line, row))
    problems += _between(rows)
    if not table and not problems:
        problems.append(Problem(None, None, None, "holds no row below its header: predict the photos of the run again"))
    if problems:
        raise PredictionsError(path, map(str, sorted(problems, key=lambda problem: problem.line or 0)))
    return tuple(row for _, row in rows)


def write_predictions(rows: Iterable[Prediction], path: Path) -> None:
    """Write ``predictions.csv``, whole or not at all, numbers to their last digit."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        raters = ";".join(f"{name}={float(masi)!r}" for name, masi in row.raters.items())
        writer.writerow([*(cell(getattr(row, name)) for name in COLUMNS[:-1]), cell(raters)])
    write_whole(Path(path), stream.getvalue())


def _row(words: Mapping[str, str], faults: list[Fault]) -> Prediction | None:
    """A row of cells, or None and its faults."""

    def read(name: str, kind: tuple[Callable[[str], Any], str]) -> Any:
        try:
            return kind[0](words[name]) if words[name] else None
        except (ValueError, OverflowError):
            faults.append((name, words[name], kind[1]))
            return None

    faults += [(name, None, "is empty: every photo needs one") for name in _REQUIRED if not words[name]]
    truth = read("truth", _CLASS)
    masis = {name: read(name, _MASI) for name in ("rated_masi", "predicted_masi", "true_masi")}
    shares = {name: read(name, _SHARE) for name in _SHARES}
    raters: dict[str, float] = {}
    for word in filter(None, words["raters"].split(";")):
        name, _, value = word.rpartition("=")
        try:
            raters[name.strip()] = _MASI[0](value)
        except ValueError:
            faults.append(("raters", word, "must be NAME=MASI with a MASI from 0 to 48, parted by semicolons"))
    if faults:
        return None
    if abs(sum(shares.values()) - 1) > _SUM_SLACK:
        rule = f"add up to {sum(shares.values()):.4g}: the three must add up to 1; write probabilities, not logits"
        faults.append((", ".join(_SHARES), None, rule))
    rated = masis["rated_masi"]
    if truth not in {band(max(0.0, rated - _BAND_SLACK)), band(rated + _BAND_SLACK)}:
        rule = f"is not the band of rated_masi {rated:g}, which is {band(rated)}: correct one of the two"
        faults.append(("truth", words["truth"], rule))
    if faults:
        return None
    values: dict[str, Any] = {name: words[name] for name in _WORDS}
    return Prediction(**values, truth=truth, **masis, **shares, raters=raters)


def _between(rows: Iterable[tuple[int, Prediction]]) -> list[Problem]:
    """What is wrong between rows: a photo twice, a patient or a group in two parts, a patient in two groups."""
    photos: dict[str, int] = {}
    parts: dict[tuple[str, str], tuple[str, int]] = {}
    groups: dict[str, tuple[str, int]] = {}
    problems = []
    for line, row in rows:
        first = photos.setdefault(row.photo, line)
        if first != line:
            rule = f"is in line {first} already: keep one of the two"
            problems.append(Problem(line, "photo", row.photo, rule))
        for column, value in (("patient", row.patient), ("group", row.group)):
            part, where = parts.setdefault((column, value), (row.part, line))
            if value and part != row.part:
                rule = (
                    f"is in {row.part} here and in {part} in line {where}: a {column} belongs to one part; split anew"
                )
                problems.append(Problem(line, column, value, rule))
        group, where = groups.setdefault(row.patient, (row.group, line))
        if group != row.group:
            rule = (
                f"is not that of line {where} ({group or 'none'}), of the same patient: a patient belongs to one group"
            )
            problems.append(Problem(line, "group", row.group, rule))
    return problems

"""What is to be explained: runs, the photos that all of them have in a part, their files and true masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from melascope.data.about import read_about
from melascope.data.layout import ABOUT
from melascope.lab.severity.explain import Plan
from melascope.lab.severity.explain_photos import choose, truth_of
from melascope.lab.severity.run import CONFIG, Run, RunError, load_run, read_config
from melascope.severity.prediction import Prediction
from melascope.severity.predictions import read_predictions
from melascope.severity.ratings import read_ratings

__all__ = ["About", "PlanError", "planned"]

_PREDICTIONS: Final = "predictions.csv"


class PlanError(ValueError):
    """Runs and data that do not fit together; says what to do."""


@dataclass(frozen=True)
class About:
    """What the photos are."""

    words: str
    virtual: bool


def planned(
    folders: Sequence[Path],
    data: Path,
    photos_folder: Path | None,
    count: int,
    part: str,
    methods: Sequence[str],
    sanity: int,
    seed: int,
    out: Path,
) -> tuple[list[Callable[[], Run]], Plan, About]:
    """Loaders of the runs, one after the other, and the plan that all of them share.

    Args:
        folders: Of runs, or of folders that hold runs.
        data: A data set's folder, or a table of ratings.
        photos_folder: Of the photos of a table.
        count: Photos, in turn of every class.
        part: ``train``, ``validation`` or ``test``.
        methods: Names, checked.
        sanity: Photos that are also explained with shuffled weights.
        seed: Of the shuffling.
        out: Where everything is written.

    Raises:
        PlanError: No photo is left, or two runs bear one name.
        PredictionsError: A run's predictions are damaged.
        RatingsError: The ratings are wrong.
        RunError: A folder holds no run.
    """
    found = _runs(folders)
    names = [read_config(folder).name for folder in found]
    for name in names:
        if names.count(name) > 1:
            raise PlanError(f"{name}: two runs bear this name; explain them into two folders (--out)")
    tables = [_rows(folder, part) for folder in found]
    shared = set.intersection(*(set(table) for table in tables))
    rows = [row for photo, row in tables[0].items() if photo in shared]
    if not rows:
        raise PlanError(
            f"{found[0]}: no photo of the part {part} is common to all runs; name another --part, or fewer runs"
        )
    ratings = read_ratings(data, photos_folder)
    known = [row for row in rows if row.photo in ratings.files]
    if not known:
        raise PlanError(f"{data}: holds none of the {len(rows)} photos of the runs; name what they were trained on")
    chosen = choose(known, count)
    files = {row.photo: ratings.files[row.photo] for row in chosen}
    about = read_about(data / ABOUT) if data.is_dir() and (data / ABOUT).is_file() else None
    words = (about.name if about is not None else "") or data.resolve().name
    virtual = bool(about is not None and about.generator)
    plan = Plan(chosen, files, truth_of(data, [row.photo for row in chosen]), methods, sanity, seed, out)
    return [partial(load_run, folder) for folder in found], plan, About(words, virtual)


def _runs(folders: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for folder in folders:
        if (folder / CONFIG).is_file():
            found.append(folder)
            continue
        below = sorted(path.parent for path in folder.glob(f"*/{CONFIG}")) if folder.is_dir() else []
        below += sorted(path.parent for path in folder.glob(f"*/*/{CONFIG}")) if folder.is_dir() and not below else []
        if not below:
            raise RunError(f"{folder}: holds no run; name the folder of a run that `melascope severity train` wrote")
        found += below
    return list(dict.fromkeys(found))


def _rows(folder: Path, part: str) -> dict[str, Prediction]:
    return {row.photo: row for row in read_predictions(folder / _PREDICTIONS) if row.part == part}

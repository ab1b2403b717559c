"""What is to be explained: runs, the photos that all of them have in a part, their files and true masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from melascope.lab.severity.explain import Plan
from melascope.lab.severity.explain_photos import Truth, choose, truth_of
from melascope.lab.severity.run import CONFIG, Run, RunError, load_run, read_config
from melascope.lab.severity.sources import Labels, join, read_source, set_name
from melascope.severity.prediction import Prediction
from melascope.severity.predictions import read_predictions

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
    data: Sequence[Path],
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
        data: What the runs were trained on: a data set's folder, or a table of ratings; several if they were.
        photos_folder: Of the photos of a table.
        count: Photos, in turn of every class.
        part: ``train``, ``validation`` or ``test``.
        methods: Names, checked.
        sanity: Photos that are also explained with shuffled weights.
        seed: Of the shuffling.
        out: Where everything is written.

    Raises:
        ManifestError: The description of a data set is wrong.
        PixelsError: A mask is damaged.
        PlanError: No photo is left, or two runs bear one name.
        PredictionsError: A run's predictions are damaged.
        RatingsError: The ratings are wrong.
        RunError: A folder holds no run.
        SourceError: Data sets that cannot be taken together.
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
    labels: Labels = "truth" if read_config(found[0]).data.get("labels") == "truth" else "raters"
    source = join(data, [read_source(folder, photos_folder, labels) for folder in data])
    files = source.ratings.files
    known = [row for row in rows if row.photo in files]
    if not known:
        raise PlanError(
            f"{source.ratings.source}: holds none of the {len(rows)} photos of the runs, such as {rows[0].photo!r}; "
            "name what they were trained on, all of it"
        )
    chosen = choose(known, count)
    truths: dict[str, Truth] = {}
    for folder in data:
        # Of several data sets a photo is called FOLDER/PHOTO.
        front = f"{set_name(folder)}/" if len(data) > 1 else ""
        own = [row.photo.removeprefix(front) for row in chosen if row.photo.startswith(front)]
        truths |= {front + photo: truth for photo, truth in truth_of(folder, own).items()}
    plan = Plan(chosen, {row.photo: files[row.photo] for row in chosen}, truths, methods, sanity, seed, out)
    return [partial(load_run, folder) for folder in found], plan, About(source.about, source.virtual)


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

"""A run as the benchmark sees it: what was trained, what it predicted, what it cost."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from melascope.severity.predictions import Prediction, PredictionsError, read_predictions

__all__ = ["COSTS", "Costs", "Epoch", "RunResult", "read_result", "read_results"]

PREDICTIONS: Final = "predictions.csv"
COSTS: Final = "costs.json"
_ALIASES: Final = {
    "train_loss": "train_loss",
    "train_accuracy": "train_accuracy",
    "validation_loss": "validation_loss",
    "val_loss": "validation_loss",
    "validation_accuracy": "validation_accuracy",
    "val_accuracy": "validation_accuracy",
}


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a network costs; None where it was not measured."""

    train_images_per_s: float | None = None
    ms_1_thread: float | None = None
    """One photo by onnxruntime on one thread, in ms."""
    ms_2_threads: float | None = None
    parameters: int | None = None
    megabytes: float | None = None
    """Of the ONNX file, 10^6 bytes."""
    epochs: int | None = None
    train_minutes: float | None = None
    machine: str = ""
    """On what the times were taken, in words."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One row of a run's history; nan where it was not measured."""

    epoch: int
    train_loss: float = math.nan
    train_accuracy: float = math.nan
    validation_loss: float = math.nan
    validation_accuracy: float = math.nan


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A trained network with all that the benchmark's page shows of it."""

    name: str
    """As the tables call it; no two runs of a page share one."""
    architecture: str
    recipe: str = ""
    weights: str = ""
    """What it started from, in words: ``ImageNet``, ``cohort of 4,000 other patients``."""
    predictions: Sequence[Prediction]
    costs: Costs = Costs()
    history: Sequence[Epoch] = ()
    ours: bool = False
    """Drawn in the accent colour: the networks of this house beside the paper's."""


def read_results(path: Path) -> list[RunResult]:
    """A run's folder, a ``predictions.csv``, or a folder of runs, in the order of their names.

    Raises:
        PredictionsError: There are none, or they are damaged.
    """
    path = Path(path)
    if path.is_dir() and not (path / PREDICTIONS).is_file():
        folders = sorted(each for each in path.iterdir() if (each / PREDICTIONS).is_file())
        if not folders:
            rule = f"holds no {PREDICTIONS}, and no folder in it does; name a run that is finished, or a folder of runs"
            raise PredictionsError(path, [rule])
        return [read_result(folder) for folder in folders]
    return [read_result(path)]


def read_result(path: Path) -> RunResult:
    """A run from its folder (``predictions.csv``; ``config.json``, ``costs.json``, ``history.csv`` where they are).

    A ``predictions.csv`` alone will do: then its name stands for the network's.

    Raises:
        PredictionsError: The predictions, or a file beside them, are missing or damaged.
    """
    path = Path(path)
    if path.is_file():
        stem = path.parent.name if path.name == PREDICTIONS else path.stem
        return RunResult(name=stem or path.stem, architecture=stem or path.stem, predictions=read_predictions(path))
    config, costs = _json(path / "config.json"), _json(path / COSTS)
    name = str(config.get("name") or path.resolve().name)
    known = {field.name for field in fields(Costs)}
    return RunResult(
        name=name,
        architecture=str(config.get("architecture") or name),
        recipe=_word(config.get("recipe")),
        weights=_word(config.get("weights_note") or config.get("start") or config.get("weights")),
        predictions=read_predictions(path / PREDICTIONS),
        costs=Costs(**{key: value for key, value in costs.items() if key in known}),
        history=_history(path / "history.csv"),
        ours=bool(config.get("ours", False)),
    )


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PredictionsError(path, [f"is not JSON ({error}); train the run again, or remove the file"]) from None
    return found if isinstance(found, dict) else {}


def _word(value: object) -> str:
    """A recipe or a start by name, whether written as a word or as a table with a name."""
    if isinstance(value, dict):
        value = value.get("name", "")
    return "" if value is None else str(value)


def _history(path: Path) -> tuple[Epoch, ...]:
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    epochs: dict[int, dict[str, float]] = {}
    for row in rows:
        try:
            number = int(float(row.get("epoch") or len(epochs) + 1))
            values = {_ALIASES[key]: float(value) for key, value in row.items() if key in _ALIASES and value}
        except ValueError:
            raise PredictionsError(path, [f"holds a row that is not of numbers: {row}; remove the file"]) from None
        epochs.setdefault(number, {}).update(values)
    return tuple(Epoch(epoch=number, **values) for number, values in sorted(epochs.items()))

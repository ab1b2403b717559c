"""A run as the page sees it: what was trained, what it found, what it cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from melascope.detection.predictions import PREDICTIONS, Predictions, PredictionsError, read
from melascope.severity.results import COSTS, Costs

__all__ = ["Costs", "RunResult", "read_result", "read_results"]


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A trained detector with all that is shown of it."""

    name: str
    """As the tables call it; no two runs of a page share one."""
    architecture: str
    recipe: str = ""
    weights: str = ""
    """What it started from, in words."""
    side: int | None = None
    """Pixels of a side of its pictures."""
    predictions: Predictions
    """Of all parts."""
    costs: Costs = field(default_factory=Costs)
    ours: bool = False


def read_results(path: Path) -> list[RunResult]:
    """A run's folder, a ``predictions.json``, or a folder of runs, in the order of their names.

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
    """A run from its folder (``config.json`` and ``costs.json`` where they are), or from a ``predictions.json`` alone.

    Raises:
        PredictionsError: The predictions, or a file beside them, are missing or damaged.
    """
    path = Path(path)
    if not path.is_dir():
        found = read(path)
        stem = path.resolve().parent.name if path.name == PREDICTIONS else path.stem
        return RunResult(name=stem or "run", architecture=stem, predictions=found)
    config, costs = _json(path / "config.json"), _json(path / COSTS)
    name = str(config.get("name") or path.resolve().name)
    known = {each.name for each in fields(Costs)}
    return RunResult(
        name=name,
        architecture=str(config.get("architecture") or config.get("model") or name),
        recipe=_word(config.get("recipe")),
        weights=_word(config.get("weights_note") or config.get("start") or config.get("weights")),
        side=side if isinstance(side := config.get("side"), int) else None,
        predictions=read(path / PREDICTIONS),
        costs=Costs(**{key: value for key, value in costs.items() if key in known}),
        ours=bool(config.get("ours", False)),
    )


def _json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PredictionsError(path, [f"is not JSON ({error}); train the run again, or remove the file"]) from None
    return found if isinstance(found, dict) else {}


def _word(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("name", "")
    return "" if value is None else str(value)

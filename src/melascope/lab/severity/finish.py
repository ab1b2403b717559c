"""What follows training: calibration, weights, predictions of all parts, curves, ONNX, costs, card."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from melascope.cores import cores
from melascope.data.layout import write_whole
from melascope.lab.severity.calibrate import Calibration, calibrated, fit, fold
from melascope.lab.severity.cards import CARDS, called
from melascope.lab.severity.curves import draw_curves
from melascope.lab.severity.ending import best_epoch, images_per_second
from melascope.lab.severity.export import Exported, export
from melascope.lab.severity.photos import Photos
from melascope.lab.severity.registry import head_of
from melascope.lab.severity.run import WEIGHTS, Config, averaged, load_network, outputs_by_view
from melascope.lab.severity.study import Study
from melascope.lab.severity.train import CARD
from melascope.lab.severity.watch import BEST, write_weights
from melascope.severity.metrics import measure
from melascope.severity.prediction import Prediction, scored
from melascope.severity.predictions import write_predictions
from melascope.severity.results import COSTS
from melascope.severity.sharing import PARTS
from melascope.vocabulary import DISCLAIMER

__all__ = ["finish"]

_LEARNT: Final = {
    "raters": "Trained on the classes of raters' mean MASI: it repeats what these raters do.",
    "truth": "Trained on the MASI that its data sets state of each picture, not on what raters scored.",
}
_FIGURES: Final = (
    "accuracy", "balanced_accuracy", "precision_macro", "recall_macro", "f1_macro", "f1_weighted",
    "auc_mild", "auc_moderate", "auc_severe", "auc_macro", "kappa", "calibration_error",
)  # fmt: skip


def finish(
    folder: Path,
    config: Config,
    study: Study,
    photos: Photos,
    rows: Sequence[Mapping[str, float]],
    reason: str,
    *,
    quick: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Make a finished run of a trained one; the card comes last.

    Args:
        folder: Of the run; holds the best weights.
        config: Of the run.
        study: What it was trained on.
        photos: As they were read.
        rows: History.
        reason: Why training ended.
        quick: Leave the int8 variant out.
        tell: Called with a line for each step.
    """
    draw_curves(rows, folder / "curves.png", title=config.name, kept=_kept(config, rows))
    network = load_network(config, folder / BEST)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device)
    by_part = {part: study.part(part) for part in PARTS}
    outputs = {
        part: outputs_by_view(network, config, photos.pixels, photos.rows(chosen)) for part, chosen in by_part.items()
    }
    network = network.cpu()
    calibration = Calibration()
    how = config.recipe.reading.calibration
    if how != "none":
        calibration = fit(outputs["validation"], study.truth(by_part["validation"]), how == "ordinal")
        fold(head_of(config.architecture, network)[1], calibration)
        outputs = {
            part: calibrated(scores, calibration.temperature, calibration.ordinal).astype(np.float32)
            for part, scores in outputs.items()
        }
    write_weights(network, folder / WEIGHTS)
    predictions: list[Prediction] = []
    for part, chosen in by_part.items():
        probabilities, masi = averaged(outputs[part])
        predictions += study.predictions(chosen, probabilities, masi)
    write_predictions(predictions, folder / "predictions.csv")
    tell(f"{config.name}: {_words(predictions, 'validation')}; {_words(predictions, 'test')}")
    made = export(network, config, study, photos, folder, int8=not quick)
    if made.int8_note:
        tell(f"{config.name}: {made.int8_note}")
    costs = _costs(network, made, rows)
    write_whole(folder / COSTS, json.dumps(costs, indent=2) + "\n")
    card = _card(config, study, predictions, rows, reason, calibration, made, costs)
    write_whole(folder / CARD, json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    (folder / BEST).unlink(missing_ok=True)


def _kept(config: Config, rows: Sequence[Mapping[str, float]]) -> int:
    return best_epoch(rows) if config.recipe.stop.keep == "best" else len(rows)


def _words(predictions: Sequence[Prediction], part: str) -> str:
    figures = _figures(predictions, part)
    return f"{part} accuracy {figures['accuracy']:.3f} of {figures['photos']} photos"


def _figures(predictions: Sequence[Prediction], part: str) -> dict[str, Any]:
    table = scored([row for row in predictions if row.part == part])
    found = measure(table)
    figures: dict[str, Any] = {"photos": len(table.photos), "patients": int(table.patients.max()) + 1}
    for name, value in found.items():
        if name in _FIGURES or name.startswith(("masi", "mae")):
            figures[name] = round(float(value), 4) if np.isfinite(value) else None
    return figures


def _costs(network: torch.nn.Module, made: Exported, rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    speed = images_per_second(rows)
    return {
        "train_images_per_s": None if speed is None else round(speed, 2),
        "ms_1_thread": made.ms.get(1),
        "ms_2_threads": made.ms.get(2),
        "parameters": sum(p.numel() for p in network.parameters()),
        "megabytes": round(made.bytes / 1e6, 3),
        "epochs": len(rows),
        "train_minutes": round(sum(row["seconds"] for row in rows) / 60, 2),
        "machine": machine_words(),
        "int8": made.int8,
    }


def machine_words() -> str:
    """What the times were taken on, in words."""
    number = cores()
    words = f"{number} core{'' if number == 1 else 's'}, {platform.machine()}"
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name(0)} in training; {words} in inference"
    return words


def _card(
    config: Config,
    study: Study,
    predictions: Sequence[Prediction],
    rows: Sequence[Mapping[str, float]],
    reason: str,
    calibration: Calibration,
    made: Exported,
    costs: Mapping[str, Any],
) -> dict[str, Any]:
    limits = [DISCLAIMER, _LEARNT[study.labels]]
    if study.virtual:
        limits.insert(
            1, "Trained on virtual patients only: no photograph of a person was used to make it or to measure it."
        )
    groups: dict[str, dict[str, Any]] = {}
    for column in ("tone_band", "device", "view"):
        tested = [row for row in predictions if row.part == "test"]
        for value in sorted({getattr(row, column) for row in tested} - {""}):
            inside = [row for row in tested if getattr(row, column) == value]
            right = sum(int(np.argmax(row.probabilities)) == row.truth for row in inside)
            groups.setdefault(column, {})[value] = {"photos": len(inside), "accuracy": round(right / len(inside), 4)}
    return {
        "schema_version": "1.0",
        "name": config.name,
        "what": "Severity of melasma in a photograph of a face, mild, moderate or severe (MASI < 16, < 32, from 32 on)"
        + (", and the MASI" if config.outputs > 3 else ""),
        "date": datetime.now(UTC).date().isoformat(),
        "architecture": called(config.architecture),
        "paper": CARDS[config.architecture].paper if config.architecture in CARDS else "",
        "initialised_from": config.start,
        "data": dict(config.data),
        "recipe": asdict(config.recipe),
        "seed": config.seed,
        "epochs": len(rows),
        "kept_epoch": _kept(config, rows),
        "ended": reason,
        "calibration": {key: round(value, 5) for key, value in asdict(calibration).items() if np.isfinite(value)},
        "figures": {part: _figures(predictions, part) for part in PARTS},
        "test_by_group": groups,
        "read": f"mean of {config.recipe.reading.views} views" if config.recipe.reading.views > 1 else "one view",
        "onnx": made.described,
        "int8": made.int8,
        "costs": dict(costs),
        "versions": dict(config.versions),
        "limits": limits,
    }

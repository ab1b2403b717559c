"""What follows training: weights, predictions of all parts, curves, ONNX, costs, card."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from melascope.data.layout import write_whole
from melascope.detection.predictions import PARTS, PREDICTIONS, Predictions, write
from melascope.lab.detect.export import MODEL, Exported, export
from melascope.lab.detect.flops import gflops, parameters
from melascope.lab.detect.predicting import ap50, predictions_of
from melascope.lab.detect.registry import CARDS
from melascope.lab.detect.run import CARD, Config, made_of, with_weights, write_weights
from melascope.lab.detect.store import Kept
from melascope.lab.detect.study import Study
from melascope.lab.detect.train import BEST
from melascope.lab.detect.weights import WEIGHTS
from melascope.lab.machine import Machine, device_of
from melascope.lab.severity.ending import best_epoch, images_per_second
from melascope.lab.severity.finish import machine_words
from melascope.severity.results import COSTS
from melascope.vocabulary import DISCLAIMER

__all__ = ["finish"]

Row = Mapping[str, float]


def finish(
    folder: Path,
    config: Config,
    study: Study,
    kept: Kept,
    rows: Sequence[Row],
    reason: str,
    *,
    machine: Machine,
    tell: Callable[[str], None] = lambda _: None,
    advance: Callable[[str, int, int], None] = lambda *_: None,
) -> None:
    """Make a finished run of a trained one; the card comes last.

    Args:
        folder: Of the run; holds the best weights.
        config: Of the run.
        study: What it was trained on.
        kept: The photos as they were read.
        rows: History.
        reason: Why training ended.
        machine: On what photos are predicted.
        tell: Called with a line for each step.
        advance: Called with (what, done, all).
    """
    best = best_epoch(rows) if config.recipe.stop.keep == "best" else len(rows)
    _curves(rows, folder / "curves.png", config.name, best)
    detector = with_weights(made_of(config), folder / BEST).to(device_of(machine))
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        advance("Predicting", done, len(study.photos))

    found = predictions_of(
        detector, study, kept, range(len(study.photos)), config.recipe.reading, advance=count,
        batch=config.recipe.optimiser.batch,
    )  # fmt: skip
    write(found, folder / PREDICTIONS)
    scores = {part: round(ap50(found.part(part)), 4) for part in PARTS}
    tell(f"{config.name}: AP50 {', '.join(f'{part} {score:.3f}' for part, score in scores.items())}")
    detector = detector.cpu()
    write_weights(detector, folder / WEIGHTS)
    example = torch.from_numpy(np.stack([kept.pixels[i] for i in study.part("validation")[:2]])).permute(0, 3, 1, 2)
    made = export(detector, folder / MODEL, example)
    speed = images_per_second(rows)
    costs = {
        "train_images_per_s": None if speed is None else round(speed, 2),
        "ms_1_thread": made.ms.get(1),
        "ms_2_threads": made.ms.get(2),
        "parameters": parameters(detector),
        "gflops": round(gflops(detector, config.side), 3),
        "megabytes": round(made.bytes / 1e6, 3),
        "epochs": len(rows),
        "train_minutes": round(sum(row["seconds"] for row in rows) / 60, 2),
        "machine": machine_words(),
    }
    write_whole(folder / COSTS, json.dumps(costs, indent=2) + "\n")
    card = _card(config, study, found, scores, rows, (best, reason), made, costs)
    write_whole(folder / CARD, json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    (folder / BEST).unlink(missing_ok=True)


def _card(
    config: Config,
    study: Study,
    found: Predictions,
    scores: Mapping[str, float],
    rows: Sequence[Row],
    ended: tuple[int, str],
    made: Exported,
    costs: Mapping[str, Any],
) -> dict[str, Any]:
    limits = [
        DISCLAIMER,
        "It knows six benign kinds and nothing else: what is none of them may be called one of them.",
    ]
    if study.virtual and config.start == "random start":
        limits.insert(
            1, "Trained on virtual patients only: no photograph of a person was used to make it or to measure it."
        )
    figures = {
        part: {"photos": len(found.part(part).photos), "ap50": score, **_by_kind(found.part(part))}
        for part, score in scores.items()
    }
    return {
        "schema_version": "1.0",
        "name": config.name,
        "what": "Finds benign pigmented lesions in a photograph of a face and names them, by rectangles and scores",
        "classes": list(config.classes),
        "date": datetime.now(UTC).date().isoformat(),
        "architecture": config.architecture,
        "paper": CARDS[config.architecture].paper,
        "initialised_from": config.start,
        "data": dict(config.data),
        "boxes": "rectangles around groups of lesions of a kind"
        if config.recipe.truth.boxes == "grouped"
        else "lesions",
        "recipe": asdict(config.recipe),
        "anchors": None if config.anchors is None else asdict(config.anchors),
        "seed": config.seed,
        "epochs": len(rows),
        "kept_epoch": ended[0],
        "ended": ended[1],
        "figures": figures,
        "onnx": dict(made.described),
        "costs": dict(costs),
        "versions": dict(config.versions),
        "limits": limits,
    }


def _by_kind(found: Predictions) -> dict[str, Any]:
    shown = {kind.value: int((found.shown()[:, i]).sum()) for i, kind in enumerate(found.classes)}
    return {"photos_by_kind": shown}


def _curves(rows: Sequence[Row], to: Path, title: str, kept: int) -> None:
    """Losses and validation AP50 by epoch; the epoch whose weights are kept is marked."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(8.4, 3.4), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        epochs = [int(row["epoch"]) for row in rows]
        marker = "o" if len(rows) < 30 else ""
        for column, label, colour in (
            ("box_loss", "box", "#b45f06"), ("objectness_loss", "objectness", "#666666"),
            ("class_loss", "kind", "#1f4e79"),
        ):  # fmt: skip
            first = next((row[column] for row in rows if row[column] > 0), 0.0)
            if first:
                values = [row[column] / first for row in rows]
                left.plot(epochs, values, color=colour, marker=marker, markersize=3.5, linewidth=1.6, label=label)
        left.set_ylabel("training loss, share of the first epoch's")
        left.legend(frameon=False)
        scores = [row["validation_ap50"] for row in rows]
        right.plot(epochs, scores, color="#1f4e79", marker=marker, markersize=3.5, linewidth=1.6)
        right.set_ylabel("AP at an IoU of 0.5, validation")
        right.set_ylim(0, 1)
        left.set_ylim(bottom=0)
        for axes in (left, right):
            axes.axvline(kept, color="#666666", linewidth=0.8, linestyle=":", zorder=0)
            axes.annotate(
                f"kept: {kept}", (kept, 1.0), xycoords=("data", "axes fraction"), xytext=(3, -2), va="top",
                textcoords="offset points", fontsize=8, color="#666666",
            )  # fmt: skip
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.grid(axis="y", color="#e3e3e3", linewidth=0.7)
            axes.set_axisbelow(True)
        figure.suptitle(title, fontsize=11)
        stream = io.BytesIO()
        figure.savefig(stream, format="png")
        write_whole(to, stream.getvalue())

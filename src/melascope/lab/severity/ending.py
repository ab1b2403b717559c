"""When a training ends: a pure function of its history."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from melascope.lab.severity.recipe import Stop

__all__ = ["COLUMNS", "best_epoch", "ending", "images_per_second"]

COLUMNS: Final = (
    "epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "rate", "seconds",
    "train_images",
)  # fmt: skip
"""Of history.csv. Both losses are the cross-entropy with the class; `seconds` is the whole epoch's, validation
included; `train_images` those that were learnt from."""
Row = Mapping[str, float]


def best_epoch(rows: Sequence[Row]) -> int:
    """Epoch, from 1, with the lowest validation loss; the first of equal ones; 0 if there is none."""
    best, at = math.inf, 0
    for number, row in enumerate(rows, start=1):
        if row["validation_loss"] < best or at == 0:
            best, at = row["validation_loss"] if math.isfinite(row["validation_loss"]) else math.inf, number
    return at


def ending(rows: Sequence[Row], stop: Stop, budget_s: float | None = None) -> str:
    """Why a training ends after these epochs, in words; empty while it goes on.

    Args:
        rows: Its history.
        stop: Of the recipe.
        budget_s: Seconds after which no epoch begins that would end later; the first epoch always runs.

    Example:
        >>> rows = [{"validation_loss": loss, "seconds": 60.0} for loss in (1.0, 0.8, 0.9, 0.81, 0.8)]
        >>> ending(rows, Stop(epochs=60, patience=3, keep="best"))
        'no better validation loss for 3 epochs'
    """
    if not rows:
        return ""
    if stop.patience and len(rows) - best_epoch(rows) >= stop.patience:
        return f"no better validation loss for {stop.patience} epochs"
    if len(rows) >= stop.epochs:
        return "all epochs done"
    spent = math.fsum(row["seconds"] for row in rows)
    if budget_s is not None and spent + rows[-1]["seconds"] > budget_s:
        return f"cut off by its time budget after {len(rows)} epochs"
    return ""


def images_per_second(rows: Sequence[Row]) -> float | None:
    """Training speed: photos by seconds of whole epochs, the faster half of them; None without any."""
    speeds = sorted(row["train_images"] / row["seconds"] for row in rows if row["seconds"] > 0)
    upper = speeds[len(speeds) // 2 :]
    return sum(upper) / len(upper) if upper else None

"""When a training ends, its history, and the best weights so far."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import lightning.pytorch as pl
import torch
from torch import nn

from melascope.data.layout import write_whole
from melascope.lab.severity.ending import COLUMNS, best_epoch, ending
from melascope.lab.severity.lesson import Lesson
from melascope.lab.severity.recipe import Stop

__all__ = ["BEST", "Watch", "write_weights"]

BEST: Final = "best.safetensors"
Row = Mapping[str, float]


class Watch(pl.Callback):
    """Writes history.csv and the weights to keep, and ends the training where `ending` says so.

    Args:
        folder: Of the run.
        stop: Of the recipe.
        budget_s: Seconds of training after which no further epoch begins; None: any.
        tell: Called with each finished epoch's row.
    """

    def __init__(self, folder: Path, stop: Stop, budget_s: float | None, tell: Callable[[Row], None] | None) -> None:
        self.folder, self.stop, self.budget_s, self.tell = folder, stop, budget_s, tell
        self.rows: list[dict[str, float]] = []
        self.interrupted = False
        self._began = 0.0

    def state_dict(self) -> dict[str, Any]:
        """What last.ckpt holds of it."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from last.ckpt."""
        self.rows = [dict(row) for row in state_dict["rows"]]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """A training that had ended before it was resumed does not go on."""
        self._look(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Take the time."""
        self._began = time.monotonic()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the epoch down and keep its weights if they are the best."""
        if trainer.sanity_checking:
            return
        assert isinstance(pl_module, Lesson)
        sums = pl_module.totals()
        row = {
            "epoch": float(trainer.current_epoch + 1),
            "train_loss": _share(sums, "loss", "count"),
            "train_accuracy": _share(sums, "right", "count"),
            "validation_loss": _share(sums, "val_loss", "val_count"),
            "validation_accuracy": _share(sums, "val_right", "val_count"),
            "rate": float(trainer.optimizers[0].param_groups[-1]["lr"]),
            "seconds": time.monotonic() - self._began,
            "train_images": sums["count"],
        }
        self.rows.append(row)
        if trainer.is_global_zero:
            if self.stop.keep == "last" or best_epoch(self.rows) == len(self.rows):
                write_weights(pl_module.result, self.folder / BEST)
            write_whole(self.folder / "history.csv", history_text(self.rows))
            if self.tell is not None:
                self.tell(row)
        for logger in trainer.loggers:
            logger.log_metrics({key: row[key] for key in COLUMNS if key != "epoch"}, step=int(row["epoch"]))
        self._look(trainer)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Lightning turns an interrupt into an exit; remember which it was."""
        del trainer, pl_module
        self.interrupted = isinstance(exception, KeyboardInterrupt)

    def _look(self, trainer: pl.Trainer) -> None:
        # The first process decides for all: budgets and clocks are its own.
        if trainer.strategy.broadcast(bool(ending(self.rows, self.stop, self.budget_s))):
            trainer.should_stop = True


def history_text(rows: Sequence[Row]) -> str:
    """history.csv."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([int(row["epoch"]), *(f"{row[key]:.6g}" for key in COLUMNS[1:])])
    return stream.getvalue()


def write_weights(network: nn.Module, path: Path) -> None:
    """Write a network's tensors as safetensors, whole or not at all; what only training has is left out."""
    from safetensors.torch import save

    state = {
        key: value.detach().to("cpu", torch.float32 if value.is_floating_point() else value.dtype).contiguous()
        for key, value in network.state_dict().items()
        if not key.startswith(("aux1.", "aux2."))
    }
    write_whole(path, save(state))


def _share(sums: Mapping[str, float], what: str, of: str) -> float:
    return sums[what] / sums[of] if sums[of] else math.nan

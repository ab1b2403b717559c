"""Training one detector on a study: from photos to a finished run, resumable after a kill."""

from __future__ import annotations

import copy
import csv
import io
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from melascope.data.cells import harmless
from melascope.data.layout import write_whole
from melascope.lab.detect.anchors import Anchors, fit_anchors
from melascope.lab.detect.detector import Detector
from melascope.lab.detect.feed import Learnt, Pictures, learnt, loader
from melascope.lab.detect.predicting import ap50, predictions_of
from melascope.lab.detect.recipe import Optimiser, Recipe
from melascope.lab.detect.registry import CARDS, called, check_side
from melascope.lab.detect.run import (
    Config,
    Run,
    check_same,
    is_finished,
    load_run,
    made_of,
    write_config,
    write_weights,
)
from melascope.lab.detect.store import Kept, keep
from melascope.lab.detect.study import Study
from melascope.lab.detect.weights import note
from melascope.lab.machine import Machine, computes_bf16, device_of, gpu_workers, keep_freed_memory
from melascope.lab.severity.ending import best_epoch, ending
from melascope.lab.severity.feed import Order

__all__ = ["BEST", "COLUMNS", "train"]

BEST: Final = "best.safetensors"
COLUMNS: Final = (
    "epoch", "train_loss", "box_loss", "objectness_loss", "class_loss", "validation_ap50", "rate", "seconds",
    "train_images",
)  # fmt: skip
"""Of history.csv. Losses are means over the epoch's steps, a photo each; `validation_ap50` is the mean over the kinds
of the average precision at an IoU of 0.5; `seconds` the whole epoch's, validation included."""
_LAST: Final = "last.ckpt"
_PARTS: Final = {"train_loss": "loss", "box_loss": "box", "objectness_loss": "objectness", "class_loss": "classes"}


def train(
    study: Study,
    name: str,
    recipe: Recipe,
    folder: Path,
    *,
    weights: str = "none",
    cache: Path | None = None,
    machine: Machine | None = None,
    seed: int = 7,
    budget_s: float | None = None,
    tell: Callable[[str], None] = lambda _: None,
    advance: Callable[[str, int, int], None] = lambda *_: None,
) -> Run:
    """Train, or go on with, or find finished, the run in a folder.

    Whatever is random depends on seed, epoch and step alone: a training that was killed gives the weights of one that
    was not, on the same machine.

    Args:
        study: Photos, boxes and parts.
        name: Detector, of `melascope.lab.detect.registry.CARDS`.
        recipe: How.
        folder: Of the run.
        weights: Where it starts, see `melascope.lab.detect.registry.build`.
        cache: Where read photos are kept; FOLDER/cache if None.
        machine: On what.
        seed: Of the order, the variations, the anchors and random weights.
        budget_s: Seconds of training after which no further epoch begins.
        tell: Called with a line for each step of the way.
        advance: Called with (what, done, all) while something long is done.

    Raises:
        NoSuchDetector: There is no such detector, or it needs larger pictures.
        RunError: The folder holds another run.
        StoreError: Photos cannot be read.
        WeightsError: The weights cannot be had or do not fit.
        KeyboardInterrupt: Interrupted; the same call goes on.
    """
    from melascope.lab.detect.finish import finish

    check_side(name, recipe.picture.side)
    machine = machine or Machine()
    folder.mkdir(parents=True, exist_ok=True)
    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    start, digest = note(weights) if weights != "none" else (CARDS[name].begins, "")
    config = _config(study, name, recipe, seed, start, digest)
    if (folder / "config.json").is_file():
        check_same(folder, config)
        if is_finished(folder):
            return load_run(folder)
    kept = keep(
        study, recipe.picture.side, cache or folder / "cache", threads=machine.threads or 2,
        advance=lambda done, of: advance("Reading photos", done, of),
    )  # fmt: skip
    parts = {part: learnt(study, kept, part) for part in ("train", "validation")}
    if name.startswith("yolo"):
        anchors = _anchors(parts["train"], recipe, seed)
        config = replace(config, anchors=anchors)
        tell(
            f"{config.name}: anchors {'fitted to' if anchors.fitted else 'as published, for want of boxes:'} "
            f"{anchors.boxes} boxes: best possible recall {anchors.recall:.3f}, mean IoU {anchors.mean_iou:.3f}"
        )
    write_config(config, folder)
    _write_split(study, folder / "split.csv")
    if device_of(machine).type == "cpu":
        keep_freed_memory()
    torch.manual_seed(seed)
    lesson = _Lesson(config, made_of(config, weights), parts["train"], machine)
    rows = _taught(lesson, study, kept, folder, budget_s, tell, advance)
    reason = ending(rows, recipe.stop, budget_s).replace("validation loss", "validation AP50")
    if "budget" in reason:
        config = replace(config, weights_note=f"{config.weights_note}; {reason} of at most {recipe.stop.epochs}")
        write_config(config, folder)
    tell(f"{config.name}: {reason}; predicting, exporting, timing")
    finish(folder, config, study, kept, rows, reason, machine=machine, tell=tell, advance=advance)
    (folder / _LAST).unlink(missing_ok=True)
    return load_run(folder)


def _config(study: Study, name: str, recipe: Recipe, seed: int, start: str, digest: str) -> Config:
    label = called(name) if recipe.name == "ding2022" else f"{called(name)}, {recipe.name}"
    return Config(
        name=label,
        architecture=name,
        recipe=recipe,
        seed=seed,
        start=start,
        weights_sha256=digest,
        anchors=None,
        data={
            "name": study.about,
            "identity": study.identity,
            "virtual": study.virtual,
            "photos": len(study.photos),
            "patients": len({photo.patient for photo in study.photos}),
            "counts": study.counts(),
            "chosen": study.left_out,
        },
        weights_note=f"{start}; learns also from {study.more}" if study.more else start,
        versions={package: _version(package) for package in ("melascope", "torch", "torchvision", "transformers")},
    )


def _anchors(data: Learnt, recipe: Recipe, seed: int) -> Anchors:
    sizes = np.concatenate([boxes[:, 2:] - boxes[:, :2] for boxes in data.boxes])
    most = recipe.loss.ratio
    if recipe.anchors == "published":
        return fit_anchors(sizes[:0], recipe.picture.side, most=most)
    return fit_anchors(sizes, recipe.picture.side, seed=seed, most=most, least=max(2.0, recipe.truth.least))


@dataclass
class _Average:
    """A moving average of a network's weights and statistics."""

    network: nn.Module
    decay: float
    steps: int = 0

    @torch.no_grad()
    def follow(self, other: nn.Module) -> None:
        """One step; the first ones weigh more."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for mine, theirs in zip(self.network.state_dict().values(), other.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs.detach(), 1 - decay)
            else:
                mine.copy_(theirs)


class _Lesson:
    """A detector with its optimiser, ready for epochs."""

    def __init__(self, config: Config, detector: Detector, data: Learnt, machine: Machine) -> None:
        how, recipe = config.recipe.optimiser, config.recipe
        self.config, self.seed = config, config.seed
        self.device = device_of(machine)
        able = machine.precision == "bf16" or (machine.precision == "auto" and computes_bf16(self.device))
        self.bf16 = able and detector.bf16
        self.detector = detector.to(self.device).to(memory_format=torch.channels_last)
        self.average = _Average(copy.deepcopy(self.detector), how.average) if how.average else None
        self.optimiser = optimiser_of(self.detector, how)
        gpu = self.device.type == "cuda"
        workers = machine.workers if machine.workers is not None else (gpu_workers() if gpu else 0)
        self.order = Order(len(data.rows), config.seed, 0, 1, how.batch)
        self.batches = loader(Pictures(data, recipe, config.seed), self.order, how.batch, workers, pin=gpu)
        self.steps_an_epoch = math.ceil(len(self.order) / how.batch)

    @property
    def result(self) -> Detector:
        """What is validated and kept."""
        if self.average is None:
            return self.detector
        assert isinstance(self.average.network, Detector)
        return self.average.network

    def epoch(self, number: int, advance: Callable[[str, int, int], None]) -> dict[str, float]:
        """Learn once from each photo; mean losses, rate and count."""
        how = self.config.recipe.optimiser
        self.order.set_epoch(number)
        self.detector.train()
        sums = dict.fromkeys(_PARTS, 0.0)
        photos = steps = 0
        rate = how.rate
        for index, (pixels, targets) in enumerate(self.batches):
            step = number * self.steps_an_epoch + index
            torch.manual_seed(self.seed * 1_000_003 + step)
            factor = pace(how, step, self.config.recipe.stop.epochs * self.steps_an_epoch, self.steps_an_epoch)
            rate = how.rate * factor
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            pictures = pixels.to(self.device, non_blocking=True).permute(0, 3, 1, 2).float()
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                losses = self.detector.losses(pictures, targets.to(self.device))
            if not torch.isfinite(losses["loss"]):
                raise FloatingPointError(
                    f"{self.config.name}: the loss is not finite in epoch {number + 1}; lower optimiser.rate "
                    f"({how.rate:g}), or set optimiser.clip"
                )
            self.optimiser.zero_grad(set_to_none=True)
            losses["loss"].backward()
            if how.clip:
                nn.utils.clip_grad_norm_(self.detector.parameters(), how.clip)
            self.optimiser.step()
            if self.average is not None:
                self.average.follow(self.detector)
            photos += len(pixels)
            steps += 1
            for column, part in _PARTS.items():
                value = float(losses[part].detach())
                sums[column] += value / len(pixels) if part == "loss" and self._summed else value
            advance(f"Epoch {number + 1}", index + 1, self.steps_an_epoch)
        return {
            **{column: value / max(1, steps) for column, value in sums.items()},
            "rate": rate,
            "train_images": photos,
        }

    @property
    def _summed(self) -> bool:
        return self.config.architecture.startswith("yolo") and self.config.recipe.loss.sum_over_batch

    def save(self, path: Path, rows: Sequence[Mapping[str, float]]) -> None:
        """Write last.ckpt, whole or not at all: tensors and numbers, read back without executing anything."""
        state = {
            "detector": self.detector.state_dict(),
            "average": None if self.average is None else self.average.network.state_dict(),
            "steps": 0 if self.average is None else self.average.steps,
            "optimiser": self.optimiser.state_dict(),
            "rows": [dict(row) for row in rows],
        }
        part = path.with_name(f".{path.name}.part")
        torch.save(state, part)
        os.replace(part, path)

    def resume(self, path: Path) -> list[dict[str, float]]:
        """Go on from last.ckpt; its history."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.detector.load_state_dict(state["detector"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average is not None:
            self.average.network.load_state_dict(state["average"])
            self.average.steps = int(state["steps"])
        return [dict(row) for row in state["rows"]]


def _taught(
    lesson: _Lesson,
    study: Study,
    kept: Kept,
    folder: Path,
    budget_s: float | None,
    tell: Callable[[str], None],
    advance: Callable[[str, int, int], None],
) -> list[dict[str, float]]:
    recipe, last = lesson.config.recipe, folder / _LAST
    rows = lesson.resume(last) if last.is_file() else []
    if rows:
        tell(f"{lesson.config.name}: goes on after epoch {len(rows)}")
    validation = study.part("validation")
    while not ending(rows, recipe.stop, budget_s):
        began = time.monotonic()
        row = lesson.epoch(len(rows), advance)
        found = predictions_of(
            lesson.result, study, kept, validation, recipe.reading, batch=recipe.optimiser.batch, bf16=lesson.bf16
        )
        score = ap50(found)
        # `ending` and `best_epoch` look for the lowest of this. While nothing is found, what is learnt decides.
        learning = row["train_loss"] / (1 + row["train_loss"])
        row |= {
            "epoch": len(rows) + 1,
            "validation_ap50": score,
            "validation_loss": 1 - score if score else 1 + learning,
        }
        row["seconds"] = time.monotonic() - began
        rows.append(row)
        if recipe.stop.keep == "last" or best_epoch(rows) == len(rows):
            write_weights(lesson.result, folder / BEST)
        write_whole(folder / "history.csv", _history(rows))
        lesson.save(last, rows)
        tell(
            f"{lesson.config.name}: epoch {len(rows)}: loss {row['train_loss']:.3f}, validation AP50 {score:.3f} "
            f"({row['seconds']:.0f} s, {row['train_images'] / row['seconds']:.1f} photos/s)"
        )
    return rows


def optimiser_of(network: nn.Module, how: Optimiser) -> torch.optim.Optimizer:
    """The recipe's; norms, biases and single numbers do not decay."""
    groups: list[dict[str, Any]] = [
        {"params": [p for p in network.parameters() if p.requires_grad and p.ndim > 1]},
        {"params": [p for p in network.parameters() if p.requires_grad and p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if how.kind == "adamw":
        return torch.optim.AdamW(groups, lr=how.rate, betas=(how.momentum, 0.999), weight_decay=how.weight_decay)
    return torch.optim.SGD(
        groups, lr=how.rate, momentum=how.momentum, nesterov=how.nesterov and how.momentum > 0,
        weight_decay=how.weight_decay,
    )  # fmt: skip


def pace(how: Optimiser, step: int, steps: int, steps_an_epoch: int) -> float:
    """Factor on the learning rate at a step, counted from 0.

    Example:
        >>> from melascope.lab.detect.recipe import read_recipe
        >>> pace(read_recipe("ding2022").optimiser, 4, 1000, 10)
        0.5
    """
    warm = how.warm_up * steps_an_epoch
    factor = min(1.0, (step + 1) / warm) if warm >= 1 else 1.0
    if how.schedule == "cosine":
        factor *= how.final + (1 - how.final) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, steps))))
    return factor


def _history(rows: Sequence[Mapping[str, float]]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([int(row["epoch"]), *(f"{row[key]:.6g}" for key in COLUMNS[1:])])
    return stream.getvalue()


def _write_split(study: Study, path: Path) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("photo", "patient", "part"))
    for photo in study.photos:
        writer.writerow((harmless(photo.name), harmless(photo.patient), photo.part))
    write_whole(path, stream.getvalue())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""

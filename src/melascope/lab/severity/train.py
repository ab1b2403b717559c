"""Training one network on a study: from photos to a finished run, resumable after a kill."""

from __future__ import annotations

import json
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import lightning.pytorch as pl
import numpy as np
import torch
from torch import nn

from melascope.data.layout import write_whole
from melascope.lab import machine as machines
from melascope.lab.severity.cards import IMAGENET, PLAIN, Scaling, called
from melascope.lab.severity.ending import ending
from melascope.lab.severity.feed import Learnt, Order, Varied, loader
from melascope.lab.severity.lesson import Lesson, scaled
from melascope.lab.severity.photos import Photos, keep
from melascope.lab.severity.recipe import Recipe, differences
from melascope.lab.severity.run import CONFIG, Config, Run, RunError, load_run, read_config, write_config
from melascope.lab.severity.sources import names_of
from melascope.lab.severity.study import Study
from melascope.lab.severity.watch import Watch
from melascope.lab.severity.weights import Start, check_people, kind_of, sha256_of, start
from melascope.severity.prediction import CLASSES
from melascope.severity.sharing import write_split

__all__ = ["CARD", "Machine", "check_same", "is_finished", "label_of", "train"]

CARD: Final = "card.json"
"""Written last: a run that has one is finished."""
_LAST: Final = "last.ckpt"


@dataclass(frozen=True)
class Machine(machines.Machine):
    """On what a network is trained; changes speed, not the recipe."""

    devices: int = 1
    """Of each node."""
    nodes: int = 1


def label_of(name: str, recipe: Recipe) -> str:
    """How tables call a network: by its architecture, and by its recipe where that is not the paper's."""
    return called(name) if recipe.name == "zhang2025" else f"{called(name)}, {recipe.name}"


def is_finished(folder: Path) -> bool:
    """Whether a run is complete."""
    return (folder / CARD).is_file() and (folder / CONFIG).is_file()


def train(
    study: Study,
    name: str,
    recipe: Recipe,
    folder: Path,
    *,
    weights: str = "imagenet",
    cache: Path | None = None,
    machine: Machine | None = None,
    seed: int = 7,
    budget_s: float | None = None,
    label: str = "",
    quick: bool = False,
    tell: Callable[[str], None] = lambda _: None,
    advance: Callable[[int, int], None] | None = None,
    bar: bool = False,
) -> Run | None:
    """Train, or go on with, or find finished, the run in a folder.

    Args:
        study: Photos, labels and parts.
        name: Architecture.
        recipe: How.
        folder: Of the run.
        weights: Where it starts, see `melascope.lab.severity.weights.start`.
        cache: Where read photos are kept; FOLDER/cache if None.
        machine: On what.
        seed: Of the order, the variations, dropout and random weights.
        budget_s: Seconds of training after which no further epoch begins.
        label: How tables call it; `label_of` if empty.
        quick: Leave the int8 variant out.
        tell: Called with a line for each step of the way.
        advance: Called with (read, all) photos while they are read.
        bar: Show Lightning's progress bar.

    Returns:
        The run; None in all processes but the first of a training on several devices.

    Raises:
        RunError: The folder holds another run, or an unfinished one of an older version that does not tell its labels.
        WeightsError: The weights cannot be had, do not fit, or have seen patients of validation or test.
        PhotosError: Photos cannot be read.
        KeyboardInterrupt: Interrupted; the same call goes on.
    """
    from melascope.lab.severity.finish import finish

    machine = machine or Machine()
    folder.mkdir(parents=True, exist_ok=True)
    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    if is_finished(folder):
        check_same(folder, name, recipe, study, seed, weights)
        return load_run(folder)
    if machines.device_of(machine).type == "cpu":
        machines.keep_freed_memory()
    torch.manual_seed(seed)
    outputs = len(CLASSES) + (1 if recipe.loss.masi else 0)
    begun = start(name, weights, classes=outputs, side=recipe.picture.side)
    photos = keep(
        study.ratings.files, recipe.picture, cache or folder / "cache", threads=machine.threads or 2, advance=advance
    )
    config = _config(study, name, recipe, begun, outputs, seed, label, weights, photos)
    if (folder / CONFIG).is_file():
        check_same(folder, name, recipe, study, seed, weights)
    lesson, rows = _taught(study, photos, config, begun, folder, machine, budget_s, tell, bar)
    if lesson is None:
        return None
    reason = ending(rows, recipe.stop, budget_s)
    note = config.weights_note
    if "budget" in reason:
        note = f"{note}; {reason} of at most {recipe.stop.epochs}"
    config = replace(config, weights_note=note)
    write_config(config, folder)
    tell(f"{config.name}: {reason}; predicting, exporting, timing")
    finish(folder, config, study, photos, rows, reason, quick=quick, tell=tell)
    (folder / _LAST).unlink(missing_ok=True)
    return load_run(folder)


def _config(
    study: Study,
    name: str,
    recipe: Recipe,
    begun: Start,
    outputs: int,
    seed: int,
    label: str,
    weights: str,
    photos: Photos,
) -> Config:
    note = begun.note
    if weights not in {"none", "imagenet"}:
        # A file of weights may lie in its run's folder, which knows whom it has seen; of any other it cannot be told.
        earlier = Path(weights) if Path(weights).is_dir() else Path(weights).parent
        tested = [*study.part("validation"), *study.part("test")]
        people = {study.ratings.patient(p) for p in tested} | {study.ratings.group(p) for p in tested}
        digests = {photo: photos.digests[photo] for photo in tested}
        named = {
            name for p in tested if p in study.people for name in names_of(study.people[p], study.ratings.patient(p))
        }
        note = f"{note}; {check_people(earlier, digests, people, study.identity, named)}"
    counts = {
        part: {band.value: int((study.truth(study.part(part)) == k).sum()) for k, band in enumerate(CLASSES)}
        for part in ("train", "validation", "test")
    }
    data = {
        "name": study.about,
        "identity": study.identity,
        "virtual": study.virtual,
        "labels": study.labels,
        "photos": len(study.photos),
        "patients": len({study.ratings.patient(photo) for photo in study.photos}),
        "raters": len(study.ratings.raters),
        "counts": counts,
        "chosen": study.left_out,
    }
    scaling = {"weights": begun.scaling, "imagenet": IMAGENET, "plain": PLAIN}[recipe.picture.scaling]
    return Config(
        name=label or label_of(name, recipe),
        architecture=name,
        recipe=recipe,
        outputs=outputs,
        scaling=scaling,
        seed=seed,
        start=note,
        weights_sha256=begun.sha256,
        data=data,
        weights_note=note,
        versions={package: _version(package) for package in ("melascope", "torch", "torchvision", "lightning")},
        digest=study.digest,
    )


def _taught(
    study: Study,
    photos: Photos,
    config: Config,
    begun: Start,
    folder: Path,
    machine: Machine,
    budget_s: float | None,
    tell: Callable[[str], None],
    bar: bool,
) -> tuple[Lesson | None, list[dict[str, float]]]:
    """The training itself; (None, ...) in all processes but the first."""
    recipe, processes = config.recipe, machine.devices * machine.nodes
    parts = {name: study.part(name) for name in ("train", "validation")}
    learnt = {
        name: Learnt(
            photos.pixels,
            photos.rows(chosen),
            study.soft(chosen) if recipe.loss.target == "raters" else np.eye(3, dtype=np.float32)[study.truth(chosen)],
            study.truth(chosen),
            study.masi(chosen),
        )
        for name, chosen in parts.items()
    }
    batch = math.ceil(recipe.optimiser.batch / processes)
    own = len(Order(len(parts["train"]), config.seed, 0, processes, batch))
    an_epoch = math.ceil(own / batch)
    if begun.folded:
        _unfold(begun.network, learnt["train"], config.scaling)
    shares = np.bincount(learnt["train"].classes, minlength=3) / len(parts["train"])
    lesson = Lesson(
        begun.network.to(memory_format=torch.channels_last),
        recipe,
        config.scaling,
        shares.tolist(),
        steps=an_epoch * recipe.stop.epochs,
        steps_an_epoch=an_epoch,
        trained=begun.trained,
        seed=config.seed,
    )

    def told(row: Mapping[str, float]) -> None:
        tell(
            f"{config.name}: epoch {row['epoch']:.0f}: loss {row['train_loss']:.3f}, validation "
            f"{row['validation_loss']:.3f}, accuracy {row['validation_accuracy']:.3f} ({row['seconds']:.0f} s, "
            f"{row['train_images'] / row['seconds']:.0f} photos/s)"
        )

    watch = Watch(folder, recipe.stop, budget_s, told)
    last = folder / _LAST
    with _calm():
        trainer = _trainer(folder, config, machine, watch, bar)
        if trainer.is_global_zero:
            write_config(config, folder)
            write_split(study.split, study.ratings, folder / "split.csv")
            groups = {photo: study.ratings.group(photo) for photo in study.photos}
            known = {
                "identity": study.identity,
                "sha256": dict(photos.digests),
                "groups": groups,
                "people": dict(study.people),
            }
            write_whole(folder / "photos.json", json.dumps(known, ensure_ascii=False))
        rank, gpu = trainer.global_rank, trainer.accelerator.__class__.__name__ != "CPUAccelerator"
        workers = machine.workers if machine.workers is not None else (machines.gpu_workers() if gpu else 0)
        loaders = [
            loader(
                Varied(learnt[part], recipe.augment if part == "train" else None, config.seed),
                Order(
                    len(parts[part]),
                    config.seed if part == "train" else None,
                    rank,
                    processes,
                    batch if part == "train" else 0,
                ),
                batch,
                workers,
                pin=gpu,
            )
            for part in ("train", "validation")
        ]
        try:
            first, second = loaders
            trainer.fit(lesson, first, second, ckpt_path=str(last) if last.is_file() else None, weights_only=True)
        except SystemExit:
            if watch.interrupted:
                raise KeyboardInterrupt from None
            raise
    return (lesson if trainer.is_global_zero else None), watch.rows


def _trainer(folder: Path, config: Config, machine: Machine, watch: Watch, bar: bool) -> pl.Trainer:
    from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
    from lightning.pytorch.loggers import CSVLogger

    loggers: list[Any] = [CSVLogger(str(folder / "logs"), name="", version="csv")]
    try:
        from lightning.pytorch.loggers import TensorBoardLogger

        loggers.append(TensorBoardLogger(str(folder / "logs"), name="", version="tensorboard"))
    except ModuleNotFoundError:
        pass  # its package is an extra
    several = machine.devices * machine.nodes > 1
    callbacks: list[pl.Callback] = [watch]
    if bar:
        callbacks.append(RichProgressBar(leave=False))
    callbacks.append(
        ModelCheckpoint(
            dirpath=str(folder), filename="last", monitor=None, save_top_k=1, every_n_epochs=1,
            save_on_train_epoch_end=True, enable_version_counter=False,
        )
    )  # fmt: skip
    return pl.Trainer(
        accelerator=machine.accelerator,
        devices=machine.devices,
        num_nodes=machine.nodes,
        strategy="ddp" if several else "auto",
        precision=_precision(machine),
        max_epochs=config.recipe.stop.epochs,
        gradient_clip_val=config.recipe.optimiser.clip or None,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        logger=loggers,
        callbacks=callbacks,
        enable_progress_bar=bar,
        enable_model_summary=False,
        log_every_n_steps=10**9,
    )


def _precision(used: Machine) -> Any:
    """Lightning's word."""
    bf16 = used.precision == "bf16" or (used.precision == "auto" and machines.computes_bf16(machines.device_of(used)))
    return "bf16-mixed" if bf16 else "32-true"


@contextmanager
def _calm() -> Iterator[None]:
    """Without Lightning's advertising and advice: what matters is told by `tell`."""
    from lightning.fabric.utilities.warnings import PossibleUserWarning

    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PossibleUserWarning)
            for text in _ADVICE:
                warnings.filterwarnings("ignore", message=text)
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


_ADVICE: Final = (
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*Experiment logs directory .* exists and is not empty.*",
    ".*does not have many workers.*",
    ".*The dirpath has changed from.*",
    ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*",
    ".*Detected call of `lr_scheduler.step\\(\\)` before.*",
    ".*You are using a CUDA device .* that has Tensor Cores.*",
    ".*GPU available but not used.*",
)


@torch.no_grad()
def _unfold(network: nn.Module, learnt: Learnt, scaling: Scaling) -> None:
    """Statistics for batch norms that came folded, from training photos, so that they go on doing what they did."""
    from melascope.lab.skin.network import renormalise

    rows = learnt.rows[np.linspace(0, len(learnt.rows) - 1, min(64, len(learnt.rows))).astype(int)]
    pixels = torch.from_numpy(np.stack([np.asarray(learnt.pixels[row]) for row in rows]))
    renormalise(network, scaled(pixels, scaling))  # type: ignore[arg-type,unused-ignore]
    network.train()


def check_same(folder: Path, name: str, recipe: Recipe, study: Study, seed: int, weights: str) -> None:
    """Makes sure that a folder holds the run that is asked for.

    A run of an older version has no digest of its photos and labels: a finished one is taken as it is, and an
    unfinished one is refused, since it could go on with other labels than it was begun with.

    Raises:
        RunError: It does not.
        WeightsError: What it should have started from is not there.
    """
    there = read_config(folder)
    unlike = list(differences(recipe, there.recipe))
    if there.architecture != name:
        unlike.insert(0, f"network: {there.architecture!r} there, {name!r} now")
    labels = there.data.get("labels", "raters")
    if labels != study.labels:
        unlike.append(f"labels: {labels} there, {study.labels} now")
    if there.seed != seed:
        unlike.append(f"seed: {there.seed} there, {seed} now")
    kind, sha256 = sha256_of(weights)
    if (kind, sha256) != (kind_of(there.start), there.weights_sha256):
        unlike.append(f"weights: {there.start!r} there, {weights!r} now{', of other content' if sha256 else ''}")
    if there.digest and there.digest != study.digest:
        unlike.append("the photos or the ratings, of which some were corrected, added or left out")
    if not there.digest and not is_finished(folder):
        unlike.append("the version, which kept no digest of photos and ratings")
    split = folder / "split.csv"
    if split.is_file():
        from melascope.severity.sharing import read_split

        if dict(read_split(split)) != dict(study.split):
            unlike.append("the split, or the choice of photos")
    if unlike:
        raise RunError(
            f"{folder}: holds another run, which differs in {'; '.join(unlike[:4])}; name another folder, or remove "
            "this one"
        )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"

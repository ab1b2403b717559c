"""Several networks on the same photos and the same split, one after the other; what was stopped goes on."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from melascope.lab.severity.cards import CARDS, NAMES
from melascope.lab.severity.recipe import Recipe
from melascope.lab.severity.study import Study
from melascope.severity.sharing import read_split, write_split

__all__ = ["Entry", "Starts", "allowance", "entries", "run_benchmark", "spent_s"]

_TYPICAL_EPOCHS: Final = 15
"""With early stopping after three epochs without a better loss."""


@dataclass(frozen=True)
class Entry:
    """One network of a benchmark."""

    name: str
    recipe: Recipe
    folder: Path

    @property
    def effort(self) -> float:
        """Expected time of its training, in epochs of GoogLeNet at 224 pixels."""
        card = CARDS.get(self.name)
        stop = self.recipe.stop
        epochs = min(stop.epochs, _TYPICAL_EPOCHS) if stop.patience else stop.epochs
        return (card.effort if card else 1.0) * (self.recipe.picture.side / 224) ** 2 * epochs


@dataclass(frozen=True)
class Starts:
    """What each network starts from."""

    default: str = "imagenet"
    by_name: Mapping[str, str] | None = None

    def of(self, name: str, recipe: str) -> str:
        """Weights of an architecture; a benchmark's folder stands for its run of the same architecture.

        Of several such runs the one by the same recipe is taken, or the one by "pretrain", or else by the paper's.
        """
        found = (self.by_name or {}).get(name, self.default)
        runs = Path(found) / "runs"
        if found not in {"none", "imagenet"} and runs.is_dir():
            words = (recipe, "pretrain", "zhang2025")
            there = [runs / folder_name(name, word) for word in words if (runs / folder_name(name, word)).is_dir()]
            return str(there[0] if there else runs / folder_name(name, recipe))
        return found


def folder_name(name: str, recipe: str) -> str:
    """Of a run in a benchmark's folder ``runs``."""
    plain = "".join(sign if sign.isalnum() or sign in "_.-" else "-" for sign in name)
    return f"{plain}-{recipe}"


def entries(out: Path, models: Sequence[str], recipes: Sequence[Recipe], ours: str, own: Recipe) -> list[Entry]:
    """The networks of a benchmark in the order of its tables: recipe by recipe, then ours.

    Args:
        out: The benchmark's folder.
        models: Architectures.
        recipes: For all of them.
        ours: Architecture that is also trained by `own`; none if empty.
        own: Our recipe.
    """
    pairs = [(name, recipe) for recipe in recipes for name in models]
    if ours and not any(name == ours and recipe.name == own.name for name, recipe in pairs):
        pairs.append((ours, own))
    return [Entry(name, recipe, out / "runs" / folder_name(name, recipe.name)) for name, recipe in pairs]


def spent_s(folder: Path) -> float:
    """Seconds that a run has been trained for, by its history."""
    path = folder / "history.csv"
    if not path.is_file():
        return 0.0
    with path.open(encoding="utf-8", newline="") as stream:
        return sum(float(row["seconds"]) for row in csv.DictReader(stream))


def allowance(budget_s: float, spent: Sequence[float], efforts: Sequence[float]) -> float:
    """Seconds that the first of some networks may be trained for.

    What is left of the budget is shared by expected effort, so that what one does not need passes on to the next.

    Args:
        budget_s: Of the whole benchmark.
        spent: Seconds that each other network has had.
        efforts: Of this network and of those that are still to come.

    Example:
        >>> allowance(100.0, [40.0], [1.0, 2.0])
        20.0
    """
    return max(0.0, budget_s - sum(spent)) * efforts[0] / sum(efforts)


def run_benchmark(
    study: Study,
    plan: Sequence[Entry],
    out: Path,
    *,
    command: str,
    starts: Starts | None = None,
    seed: int = 7,
    budget_s: float | None = None,
    machine: object = None,
    quick: bool = False,
    resamples: int | None = None,
    tell: Callable[[str], None] = lambda _: None,
    advance: Callable[[int, int], None] | None = None,
    bar: bool = False,
) -> Path | None:
    """Train all networks that are not finished, the quick ones first, then write the page.

    Args:
        study: Photos, labels and split.
        plan: Networks, in the order of the tables.
        out: Folder: split.csv, cache/, runs/, and the page with its tables.
        command: What was typed; printed on the page.
        starts: Weights.
        seed: Of training.
        budget_s: Seconds for all trainings together; what is cut is said in the table.
        machine: A `melascope.lab.severity.train.Machine`.
        quick: Leave the int8 variants out.
        resamples: Draws behind each interval; the page's own number if None.
        tell: Called with a line for each step.
        advance: Called with (read, all) photos.
        bar: Show progress bars of the trainings.

    Returns:
        The page; None in all processes but the first.

    Raises:
        StudyError: `out` holds a benchmark of other photos or another split.
        WeightsError: Weights cannot be had: asked of all networks before the first is trained.
    """
    from melascope.lab.severity.study import StudyError
    from melascope.lab.severity.train import Machine, check_same, is_finished, train
    from melascope.lab.severity.weights import start
    from melascope.severity.evaluation import chosen
    from melascope.severity.page import benchmark_page
    from melascope.severity.results import read_result

    assert machine is None or isinstance(machine, Machine)
    if machine is not None and machine.devices * machine.nodes > 1 and "LOCAL_RANK" not in os.environ:
        raise StudyError(
            f"several networks on {machine.devices * machine.nodes} devices need torchrun: put `torchrun "
            f"--nproc-per-node {machine.devices} -m` before `melascope severity benchmark ...`, or train on one device"
        )
    starts = starts or Starts()
    split = out / "split.csv"
    if split.is_file() and dict(read_split(split)) != dict(study.split):
        raise StudyError(f"{out}: holds a benchmark of other photos or another split; name another folder")
    out.mkdir(parents=True, exist_ok=True)
    write_split(study.split, study.ratings, split)
    open_ = sorted((entry for entry in plan if not is_finished(entry.folder)), key=lambda entry: entry.effort)
    for entry in open_:
        weights = starts.of(entry.name, entry.recipe.name)
        if weights != "none":
            start(entry.name, weights, side=entry.recipe.picture.side)
    # Finished runs must be of this plan too: a changed recipe in an old folder is told, not shown as if it were new.
    for entry in plan:
        if entry not in open_:
            weights = starts.of(entry.name, entry.recipe.name)
            check_same(entry.folder, entry.name, entry.recipe, study, seed, weights)
    done, first = len(plan) - len(open_), True
    if done:
        tell(f"{done} of {len(plan)} networks are trained already")
    for place, entry in enumerate(open_):
        allowed = None
        if budget_s is not None:
            others = [spent_s(other.folder) for other in plan if other is not entry]
            allowed = allowance(budget_s, others, [each.effort for each in open_[place:]])
        tell(f"{done + place + 1} of {len(plan)}: {entry.folder.name}")
        trained = train(
            study,
            entry.name,
            entry.recipe,
            entry.folder,
            weights=starts.of(entry.name, entry.recipe.name),
            cache=out / "cache",
            machine=machine,
            seed=seed,
            budget_s=allowed,
            quick=quick,
            tell=tell,
            advance=advance,
            bar=bar,
        )
        first = first and trained is not None
    if not first:
        return None
    results = chosen([read_result(entry.folder) for entry in plan])
    more = {} if resamples is None else {"resamples": resamples}
    return benchmark_page(results, out, command, **more)


def known_models(text: str) -> tuple[str, ...]:
    """Names of a list with commas; all six if empty.

    Example:
        >>> known_models("vgg16, resnet18")
        ('vgg16', 'resnet18')
    """
    return tuple(word.strip() for word in text.split(",") if word.strip()) or NAMES

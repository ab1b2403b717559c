"""Several detectors on the same photos and the same split, one after the other; what was stopped goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from melascope.lab.detect.flops import gflops
from melascope.lab.detect.recipe import Recipe, RecipeError, read_recipe
from melascope.lab.detect.registry import CARDS, build, check_name
from melascope.lab.detect.run import RunError, is_finished, read_config
from melascope.lab.detect.study import Study, StudyError, gather
from melascope.lab.detect.train import train
from melascope.lab.machine import Machine
from melascope.lab.severity.benchmark import allowance, spent_s
from melascope.lab.strict import differences

__all__ = ["OURS", "PAPER", "Entry", "plan_of", "run_benchmark"]

PAPER: Final = "yolov4,yolov5s,ssd300_vgg16,fasterrcnn_resnet50"
"""Ding et al.'s four, by their recipe."""
OURS: Final = "yolov5s:melascope,dfine_s:melascope-transformer"
"""Beside them, by ours."""


@dataclass(frozen=True)
class Entry:
    """One network of a benchmark."""

    name: str
    recipe: Recipe
    folder: Path

    @property
    def effort(self) -> float:
        """Expected time of its training, in GFLOP a photo, times epochs."""
        side = self.recipe.picture.side
        return gflops(build(self.name, side=side), side, learning=True) * self.recipe.stop.epochs


def plan_of(
    text: str,
    out: Path,
    *,
    side: int | None = None,
    epochs: int | None = None,
    boxes: Literal["grouped", "single"] | None = None,
) -> list[Entry]:
    """The networks of a benchmark, in the order of its tables.

    Args:
        text: ``NAME[:RECIPE[:SIDE[:EPOCHS]]]`` with commas; recipe ding2022 where none is given, a side or a number of
            epochs that is left out as in `side` and `epochs`, or else the recipe's.
        out: The benchmark's folder; a run lies in ``runs/NAME-RECIPE``.
        side: Pixels of a side.
        epochs: At most so many.
        boxes: How boxes are read, the same for all.

    Raises:
        NoSuchDetector: There is no such detector.
        RecipeError: A recipe cannot be had, an item is not of this form, or a pair is named twice.
    """
    entries: list[Entry] = []
    for item in (word.strip() for word in text.split(",")):
        parts = [word.strip() for word in item.split(":")]
        name, recipe, *numbers = [*parts, "", "", ""][: max(4, len(parts))]
        if len(parts) > 4 or not all(word.isdigit() or not word for word in numbers):
            raise RecipeError(f"{item!r}: must be NAME, NAME:RECIPE, NAME:RECIPE:SIDE or NAME:RECIPE:SIDE:EPOCHS")
        check_name(name)
        mine, most = (int(word) if word else None for word in numbers)
        chosen = read_recipe(recipe or "ding2022").with_(side=mine or side, epochs=most or epochs, boxes=boxes)
        folder = out / "runs" / f"{name}-{chosen.name}"
        if any(entry.folder == folder for entry in entries):
            raise RecipeError(f"{item!r}: {name} is trained by {chosen.name} already; a page shows each pair once")
        entries.append(Entry(name, chosen, folder))
    if len({entry.recipe.truth for entry in entries}) > 1:
        raise RecipeError(
            "the recipes read the boxes in different ways ([truth]), and then nothing can be compared; add --boxes"
        )
    return entries


def run_benchmark(
    data: Path,
    plan: Sequence[Entry],
    out: Path,
    *,
    scheme: Literal["631", "82"] = "82",
    split: Path | None = None,
    view: str = "",
    weights: str = "none",
    seed: int = 7,
    budget_s: float | None = None,
    machine: Machine | None = None,
    tell: Callable[[str], None] = lambda _: None,
    advance: Callable[[str, int, int], None] = lambda *_: None,
) -> Study:
    """Train all networks that are not finished, the quick ones first.

    Args:
        data: A data set's folder.
        plan: Networks.
        out: Folder: cache/ and runs/.
        scheme: 8:2 as the paper's, or 6:3:1.
        split: A split.csv instead of the manifest's.
        view: Only photos of this view.
        weights: ``none``, or ``imagenet`` for those whose backbone has them.
        seed: Of split and training.
        budget_s: Seconds for all trainings together; what is cut is said in the table.
        machine: On what.
        tell: Called with a line for each step.
        advance: Called with (what, done, all).

    Returns:
        The photos, boxes and parts that all of them have learnt from.

    Raises:
        RunError: A folder holds another run than the one planned.
        StudyError: The photos cannot be learnt from.
    """
    if not plan:
        raise StudyError("no network: name at least one")
    study = gather(data, plan[0].recipe.truth, scheme=scheme, split=split, view=view, seed=seed)
    counts = ", ".join(f"{part} {len(study.part(part))}" for part in ("train", "validation", "test"))
    tell(f"{study.left_out}: {counts}")
    for entry in plan:  # another run in a folder is told before the first network is trained
        if (entry.folder / "config.json").is_file():
            there = read_config(entry.folder)
            if there.data["identity"] != study.identity:
                raise RunError(f"{entry.folder}: holds a run on other photos, boxes or parts; name another folder")
            if there.recipe != entry.recipe:
                unlike = "; ".join(list(differences(entry.recipe, there.recipe))[:3])
                raise RunError(f"{entry.folder}: holds another run ({unlike}); name another folder, or remove it")
    efforts = {entry.folder: entry.effort for entry in plan} if len(plan) > 1 else {plan[0].folder: 1.0}
    # Finished runs go through training too: a changed recipe in an old folder is told, not shown as if it were new.
    ordered = sorted(plan, key=lambda entry: (not is_finished(entry.folder), efforts[entry.folder]))
    for place, entry in enumerate(ordered):
        allowed = None
        if budget_s is not None:
            spent = [spent_s(other.folder) for other in plan if other is not entry]
            allowed = allowance(budget_s, spent, [efforts[each.folder] for each in ordered[place:]])
        tell(f"{place + 1} of {len(plan)}: {entry.folder.name}")
        start = weights if weights == "none" or CARDS[entry.name].imagenet else "none"
        train(
            study, entry.name, entry.recipe, entry.folder, weights=start, cache=out / "cache", machine=machine,
            seed=seed, budget_s=allowed, tell=tell, advance=advance,
        )  # fmt: skip
    return study

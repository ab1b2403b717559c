"""The human in the loop as an experiment: what is lost, and how much drawing saved, if a network proposes most boxes.

    python -m benchmarks.annotation_loop DATA --out runs/loop [--share 0.38] [--epochs 18] [--side 320]

Three networks of one recipe learn from the same training photos of DATA (a virtual cohort): `full` from all true
rectangles; `hand` from the true rectangles of a share of the patients (Ding et al. 2022 labelled 4,868 of 12,836 photos
by hand: 38 %); `loop` from these and, on the other photos, from what a reviewer leaves of the rectangles that `hand`
proposes there. The reviewer does not exist: one who leaves a rectangle of the right kind that overlaps the true one by
--leave (intersection over union), corrects it to the true one below that, deletes what lies on nothing, and draws what
is missing. A person would overlook some and leave some that are worse, so that what is lost here is the least that is
lost. All three are tested on the test part, true rectangles; the validation part, which chooses the epoch, is labelled
by hand beside the share. Intervals are of other test patients, not of other trainings: there is one of each. What was
stopped goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from melascope.boxes import overlap
from melascope.data.annotated import Annotated
from melascope.data.box import Box
from melascope.detection.evaluation import evaluate
from melascope.detection.loop import Made, finished, merged, proposed, started, status
from melascope.detection.matching import match
from melascope.detection.predictions import Predictions, read
from melascope.detection.results import RunResult
from melascope.detection.words import span
from melascope.lab.detect.recipe import Recipe, read_recipe
from melascope.lab.detect.study import Photo, Study, gather, identity_of
from melascope.lab.detect.train import train
from melascope.lab.machine import Machine

_SEEN = 0.5
"""Overlap from which a proposed rectangle stands for a lesion."""


def by_hand(photo: Photo, share: float) -> bool:
    """Whether a training photo is labelled by hand: all photos of a group, or a patient, alike."""
    digest = hashlib.sha256(f"hand|{photo.group or photo.patient}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def reviewed(true: Sequence[Box], made: Sequence[Made], leave: float) -> list[Box]:
    """What the reviewer hands on: each true lesion once, as it was proposed where that is good enough."""
    there = np.array([box.corners for box in true], np.float64).reshape(-1, 4)
    found = np.array([one.box for one in made], np.float64).reshape(-1, 4)
    same = np.array([[box.kind is one.kind for one in made] for box in true], bool).reshape(len(true), len(made))
    over = np.where(same, overlap(there, found), 0.0)
    taken = match(over, _SEEN).taken
    boxes = []
    for row, box in enumerate(true):
        place = int(taken[row])
        if place >= 0 and over[row, place] >= leave:
            x0, y0, x1, y1 = made[place].box
            boxes.append(Box(kind=box.kind, x0=x0, y0=y0, x1=x1, y1=y1))
        else:
            boxes.append(box)
    return boxes


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("data", type=Path)
    asked.add_argument("--out", type=Path, required=True)
    asked.add_argument("--share", type=float, default=0.38)
    asked.add_argument("--leave", type=float, default=0.75)
    asked.add_argument("--network", default="yolov5n")
    asked.add_argument("--recipe", default="melascope")
    asked.add_argument("--side", type=int, default=320)
    asked.add_argument("--epochs", type=int, default=18)
    asked.add_argument("--hand-epochs", type=int, default=30, help="of the network that learns from fewer photos")
    asked.add_argument("--threads", type=int)
    how = asked.parse_args()
    recipe = read_recipe(how.recipe).with_(side=how.side, epochs=how.epochs)
    study = gather(how.data, recipe.truth, scheme="82")
    machine = Machine(threads=how.threads)

    def taught(name: str, what: Study, by: Recipe) -> Predictions:
        train(what, how.network, by, how.out / name, cache=how.out / "cache", machine=machine, tell=print)
        return read(how.out / name / "predictions.json")

    hand = {photo.name for photo in study.photos if photo.part == "train" and by_hand(photo, how.share)}
    waiting = {photo.name for photo in study.photos if photo.part == "train"} - hand
    # Photos that wait are predicted as if they were test photos: nothing is learnt from them, nothing chosen on them.
    fewer = tuple(replace(photo, part="test") if photo.name in waiting else photo for photo in study.photos)
    by = recipe.with_(epochs=how.hand_epochs)
    first = taught("hand", replace(study, photos=fewer, identity=identity_of(fewer)), by)

    loop = started(
        (
            (photo.name, photo.patient, (photo.width, photo.height), photo.boxes if photo.name in hand else None)
            for photo in study.photos
            if photo.part == "train"
        ),
        "person",
    )
    loop = proposed(loop, first, "hand")
    true = {photo.name: photo for photo in study.photos}
    loop = merged(
        loop,
        [
            Annotated(
                entry.photo,
                (entry.width, entry.height),
                tuple(reviewed(true[entry.photo].boxes, entry.boxes, how.leave)),
                entry.photo,
            )
            for entry in loop.photos
            if entry.state == "open"
        ],
        "reviewer",
    )
    done = {one.photo: tuple(one.boxes) for one in finished(loop)}
    relabelled = tuple(replace(photo, boxes=done.get(photo.name, photo.boxes)) for photo in study.photos)
    taught("loop", replace(study, photos=relabelled, identity=identity_of(relabelled)), recipe)
    taught("full", study, recipe)

    tested = {photo.name for photo in study.photos if photo.part != "train"}
    runs = []
    for name in ("full", "loop", "hand"):
        found = read(how.out / name / "predictions.json")
        kept = tuple(photo for photo in found.photos if photo.photo in tested)
        runs.append(RunResult(name=name, architecture=how.network, predictions=Predictions(found.classes, kept)))
    benchmark = evaluate(runs)
    counts = status(loop)
    print(f"\n{len(hand)} of {len(hand) + len(waiting)} training photos by hand, {len(waiting)} reviewed; "
          f"{benchmark.photos} test photos of {benchmark.patients} patients, {benchmark.clusters} heads\n")  # fmt: skip
    print("| learnt from | mAP@50 | mAP@50-95 | photos wholly right |\n|---|---|---|---|")
    for run in runs:
        figures = benchmark.of(run.name).figures
        print(f"| {run.name} | {span(figures['ap50'])} | {span(figures['ap'])} | {span(figures['exact'])} |")
    best = {one.run.name: one for one in benchmark.evaluations}
    for name in ("loop", "hand"):
        apart = best["full"].drawn["ap50"] - best[name].drawn["ap50"]
        value = best["full"].figures["ap50"].value - best[name].figures["ap50"].value
        low, high = np.percentile(apart, [2.5, 97.5])
        print(f"\nmAP@50, full minus {name}: {value:.3f} ({low:.3f} to {high:.3f})")
    every = sum(counts.origins.values())
    print(
        f"\nReviews: {counts.by_hand} rectangles where {counts.actions} were drawn, corrected or deleted: "
        f"{100 * counts.saved:.0f} % saved there, {100 * (counts.by_hand - counts.actions) / every:.0f} % of all "
        f"{every}. {json.dumps(counts.origins)}, deleted {counts.deleted}"
    )


if __name__ == "__main__":
    main()

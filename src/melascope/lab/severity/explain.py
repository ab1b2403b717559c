"""Explaining trained runs: relevance maps of photos by several methods, and what can be measured on them.

What is measured of each photo is written down at once (``measured.jsonl``); a stopped explanation goes on.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from melascope.lab.lrp import COMPOSITES
from melascope.lab.severity import explain_pictures as pictures
from melascope.lab.severity.explain_facts import concentration, rank_correlation, shares, shuffled
from melascope.lab.severity.explain_flipping import blurred, cells, flipping_curve
from melascope.lab.severity.explain_methods import PAPER, Explainer, Found
from melascope.lab.severity.explain_photos import Truth, masks_of
from melascope.lab.severity.run import Run
from melascope.severity.prediction import Prediction

__all__ = ["STAGES", "MapFacts", "Measured", "Plan", "explain_run", "heat_map_path", "read_measured"]

STAGES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the layers whose weights are shuffled; 0 stands for the last layer alone."""
_GRID: Final = 28
"""Cells across and down in which two maps are compared."""
_FORM: Final = 1


@dataclass(frozen=True, kw_only=True)
class MapFacts:
    """What was measured of one map; scores and relevance in units of the class score."""

    total: float
    """Sum of R."""
    positive: float
    """Sum of R above zero."""
    mean: float
    """Of R over the pixels."""
    mean_absolute: float
    """Of |R| over the pixels."""
    bias: float | None
    """The biases' share (LRP)."""
    absorbed: float | None
    """What stabilisers swallowed (LRP)."""
    gap: float | None
    """Score less everything that is accounted for, as a share of the score (LRP)."""
    half: float
    """Smallest share of the pixels that holds half of the positive relevance."""
    places: Mapping[str, float]
    """Share of the positive relevance by place."""
    most_first: Sequence[float]
    least_first: Sequence[float]
    """Probability of the class as the photo is covered."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One photo, one network."""

    run: str
    photo: str
    patient: str
    group: str = ""
    """Patients who are not independent, as in the predictions."""
    seen: str = ""
    """SHA-256 of the photo's file, and of its masks where they are known."""
    truth: int
    explained: int
    """The likeliest class."""
    probability: float
    score: float
    """Of the explained class, less the mean of all."""
    places: Mapping[str, float]
    """Share of the photo's pixels by place; what uniform relevance would have."""
    maps: Mapping[str, MapFacts]
    agreement: Mapping[str, float]
    """Rank correlation of two methods, under ``one|other``."""
    sanity: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """By method: rank correlation with the map of a network whose weights are shuffled, by `STAGES`."""


@dataclass(frozen=True)
class Plan:
    """What is explained, and how."""

    photos: Sequence[Prediction]
    files: Mapping[str, Path]
    truths: Mapping[str, Truth]
    methods: Sequence[str]
    sanity: int
    """Photos of each network that are also explained with shuffled weights."""
    seed: int
    folder: Path

    def key(self, run: Run) -> str:
        """What a measurement depends on, apart from its photo."""
        weights = hashlib.sha256((run.folder / "weights.safetensors").read_bytes()).hexdigest()
        return f"{_FORM} {weights[:16]} {' '.join(self.methods)} {self.seed}"

    def seen(self, photo: str) -> str:
        """What a measurement depends on of its photo, as `Measured.seen`.

        Raises:
            OSError: The photo cannot be read.
        """
        truth = self.truths.get(photo)
        digest = hashlib.sha256(self.files[photo].read_bytes()).hexdigest()
        return f"{digest} {truth.sha256}" if truth else digest


def heat_map_path(folder: Path, run: str, photo: str) -> Path:
    """Of the strip of heat maps of one photo."""
    return folder / "heatmaps" / run / f"{photo}.png"


def explain_run(run: Run, plan: Plan, advance: Callable[[], None] = lambda: None) -> list[Measured]:
    """Explain the likeliest class of every photo; write heat maps and measurements.

    Args:
        run: Trained.
        plan: Photos and methods.
        advance: Called after each photo.

    Raises:
        LrpError: A method of LRP, and the network holds something for which no rule is known.
        OSError: A photo is not there.
        PhotoRefused: A photo cannot be read.
        PixelsError: Masks do not fit a photo.
    """
    name, key = run.config.name, plan.key(run)
    log = plan.folder / "measured.jsonl"
    done = {(one.run, one.photo): one for one in read_measured(log, key)}
    explainer = Explainer(run.network, run.config.scaling)
    checked = {row.photo for row in _spread(plan.photos, plan.sanity)}
    twins: list[Explainer] = []
    found = []
    plan.folder.mkdir(parents=True, exist_ok=True)
    for row in plan.photos:
        known = done.get((name, row.photo))
        if known is not None and known.seen != plan.seen(row.photo):
            known = None  # another picture, or other masks, under the same name
        whole = known is not None and (row.photo not in checked or bool(known.sanity))
        if known is None or not whole or not heat_map_path(plan.folder, name, row.photo).is_file():
            if row.photo in checked and not twins:
                twins = [_twin(run, stage, plan.seed) for stage in STAGES]
            known = _measure(run, explainer, row, plan, twins if row.photo in checked else [])
            with log.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"key": key, **asdict(known)}) + "\n")
        found.append(known)
        advance()
    return found


def read_measured(log: Path, key: str | None = None) -> list[Measured]:
    """Measurements that were written down, the last of each; a line that a kill cut off is left out."""
    rows: dict[tuple[str, str], Measured] = {}
    if not log.is_file():
        return []
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            table = json.loads(line)
            written = table.pop("key")
            maps = {method: MapFacts(**facts) for method, facts in table.pop("maps").items()}
            one = Measured(maps=maps, **table)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if key is None or written == key:
            rows[one.run, one.photo] = one
    return list(rows.values())


def _twin(run: Run, stage: float, seed: int) -> Explainer:
    return Explainer(shuffled(run.network, stage, seed), run.config.scaling)


def _spread(rows: Sequence[Prediction], count: int) -> list[Prediction]:
    """So many of the rows, evenly over them."""
    return [rows[round(i * (len(rows) - 1) / max(1, count - 1))] for i in range(min(count, len(rows)))]


def _measure(run: Run, explainer: Explainer, row: Prediction, plan: Plan, twins: Sequence[Explainer]) -> Measured:
    path = plan.files[row.photo]
    pixels = run.read(path)
    scores = explainer.scores(pixels)[0].double()
    chosen, probabilities = int(scores.argmax()), torch.softmax(scores, 0)
    truth = plan.truths.get(row.photo)
    masks = {} if truth is None else masks_of(truth, run.config.recipe.picture, path)
    fill = blurred(pixels)

    def answer(batch: Tensor) -> NDArray[np.float64]:
        return torch.softmax(explainer.scores(batch).double(), 1)[:, chosen].numpy()

    maps = {method: explainer.explain(pixels, chosen, method) for method in plan.methods}
    facts = {}
    for method, found in maps.items():
        curve = flipping_curve(answer, pixels, cells(found.relevance), fill)
        facts[method] = _facts(found, float(scores[chosen]), masks, curve.most_first, curve.least_first)
    coarse = {method: cells(found.relevance, _GRID) for method, found in maps.items()}
    agreement = {f"{a}|{b}": rank_correlation(coarse[a], coarse[b]) for a, b in combinations(plan.methods, 2)}
    sanity = {
        method: [
            rank_correlation(
                np.abs(coarse[method]), np.abs(cells(twin.explain(pixels, chosen, method).relevance, _GRID))
            )
            for twin in twins
        ]
        for method in plan.methods
        if twins and (method in COMPOSITES or method == PAPER)
    }
    _picture(run, row, path, maps, masks.get("melasma"), float(scores[chosen]), plan.folder)
    return Measured(
        run=run.config.name,
        photo=row.photo,
        patient=row.patient,
        group=row.group,
        seen=plan.seen(row.photo),
        truth=row.truth,
        explained=chosen,
        probability=float(probabilities[chosen]),
        score=float(scores[chosen]),
        places={place: float(mask.mean()) for place, mask in masks.items()},
        maps=facts,
        agreement=agreement,
        sanity=sanity,
    )


def _facts(
    found: Found,
    score: float,
    masks: Mapping[str, NDArray[np.float32]],
    most_first: Sequence[float],
    least_first: Sequence[float],
) -> MapFacts:
    relevance = found.relevance.double().numpy()
    total = float(relevance.sum())
    gap = None
    if found.bias is not None and found.absorbed is not None:
        gap = (score - total - found.bias - found.absorbed) / score
    return MapFacts(
        total=total,
        positive=float(relevance.clip(0).sum()),
        mean=float(relevance.mean()),
        mean_absolute=float(np.abs(relevance).mean()),
        bias=found.bias,
        absorbed=found.absorbed,
        gap=gap,
        half=concentration(relevance),
        places=shares(relevance, masks),
        most_first=list(most_first),
        least_first=list(least_first),
    )


def _picture(
    run: Run,
    row: Prediction,
    path: Path,
    maps: Mapping[str, Found],
    melasma: NDArray[np.float32] | None,
    score: float,
    folder: Path,
) -> None:
    photo = run.pixels(path)
    outlined = melasma is not None and bool((melasma >= 0.5).any())
    note = "outline: true melasma" if outlined else ""
    tiles = [pictures.Tile(pictures.outlined(photo, melasma), f"labelled {run.classes[row.truth]}", note)]
    for method, found in maps.items():
        relevance = found.relevance.double().numpy()
        scale = pictures.scale_of(relevance)
        if not math.isfinite(scale) or scale <= 0:
            scale = 1.0
        words = f"full: ±{100 * scale / abs(score):.2g} % of the score"
        tiles.append(pictures.Tile(pictures.heat(photo, relevance, scale), method, words))
    to = heat_map_path(folder, run.config.name, row.photo)
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_suffix(".part")
    pictures.strip(tiles).save(part, "PNG")
    part.replace(to)

"""Figures of the shipped network on people it has never seen: regions, crops, painted pigment, by tone band."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from melascope import networks
from melascope.cores import cores
from melascope.lab.skin.faces import LabelledFace, read_labelled
from melascope.lab.skin.teacher import IGNORE
from melascope.lab.skin.trials import BROAD, DENSITIES, SHARES, Trial, try_face
from melascope.networks import THREADS_VARIABLE
from melascope.skin.regions import find_regions
from melascope.vocabulary import FACIAL_SKIN, MASI_REGIONS, Region

__all__ = ["Overlap", "as_markdown", "crops", "each", "evaluate", "evaluate_pigment", "evaluate_regions"]

S = TypeVar("S")
T = TypeVar("T")
CROPS_PER_FACE: Final = 10


@dataclass
class Overlap:
    """Pixels of intersection and union per MASI region, pooled over photographs; and swaps of left and right."""

    both: dict[Region, int] = field(default_factory=lambda: dict.fromkeys(MASI_REGIONS, 0))
    either: dict[Region, int] = field(default_factory=lambda: dict.fromkeys(MASI_REGIONS, 0))
    photos: int = 0
    swapped: int = 0

    def add(self, truth: NDArray[np.uint8], found: NDArray[np.uint8]) -> None:
        """Adds a photograph; pixels that the teacher left open do not count."""
        known = truth != IGNORE
        for region in MASI_REGIONS:
            t, f = (truth == region) & known, (found == region) & known
            self.both[region] += int((t & f).sum())
            self.either[region] += int((t | f).sum())
        self.photos += 1
        for side, other in ((Region.RIGHT_MALAR, Region.LEFT_MALAR), (Region.LEFT_MALAR, Region.RIGHT_MALAR)):
            place = truth == side
            self.swapped += bool(place.sum() > 200 and (found[place] == other).mean() > 0.5)

    def merge(self, other: Overlap) -> None:
        """Adds what another has counted."""
        for region in MASI_REGIONS:
            self.both[region] += other.both[region]
            self.either[region] += other.either[region]
        self.photos += other.photos
        self.swapped += other.swapped

    def figures(self) -> dict[str, float | int]:
        """IoU per region and their mean."""
        iou = {r.key: round(self.both[r] / self.either[r], 3) for r in MASI_REGIONS if self.either[r]}
        mean = round(float(np.mean(list(iou.values()))), 3) if iou else float("nan")
        return {**iou, "mean": mean, "photos": self.photos, "left/right swaps": self.swapped}


def crops(face: LabelledFace, rng: np.random.Generator, count: int = CROPS_PER_FACE) -> list[tuple[slice, slice]]:
    """Random square crops that hold 15 to 60 % of the face's skin and features."""
    features = (Region.EYE, Region.BROW, Region.LIPS, Region.NOSTRIL)
    on_face = np.isin(face.labels, (*FACIAL_SKIN, *features))
    ys, xs = np.nonzero(on_face)
    extent = float(np.sqrt(on_face.sum()))
    found: list[tuple[slice, slice]] = []
    for _ in range(400):
        side = round(extent * float(rng.uniform(0.35, 1.0)))
        pick = int(rng.integers(len(xs)))
        x0, y0 = int(xs[pick]) - side // 2, int(ys[pick]) - side // 2
        if x0 < 0 or y0 < 0 or x0 + side > on_face.shape[1] or y0 + side > on_face.shape[0]:
            continue
        window = (slice(y0, y0 + side), slice(x0, x0 + side))
        if 0.15 <= on_face[window].sum() / len(xs) <= 0.60:
            found.append(window)
        if len(found) == count:
            break
    return found


def evaluate_regions(faces: Sequence[LabelledFace]) -> dict[str, Any]:
    """IoU of the four MASI regions on whole photographs and on crops, over all and by tone band."""
    parts: dict[str, dict[str, Overlap]] = {"whole faces": {}, "crops": {}}
    for face, overlaps in zip(faces, each(_regions_of, faces), strict=True):
        for table, overlap in zip(parts.values(), overlaps, strict=True):
            for key in ("all", str(face.band)):
                table.setdefault(key, Overlap()).merge(overlap)
    return {part: {key: overlap.figures() for key, overlap in sorted(table.items())} for part, table in parts.items()}


def _regions_of(number: int, face: LabelledFace) -> tuple[Overlap, Overlap]:
    """Of the whole photograph and of its crops."""
    whole, cropped = Overlap(), Overlap()
    height, width = face.labels.shape
    whole.add(face.labels, find_regions(face.pixels).full_size(width, height))
    for window in crops(face, np.random.default_rng((11, number))):
        part = np.ascontiguousarray(face.pixels[window])
        cropped.add(face.labels[window], find_regions(part).full_size(part.shape[1], part.shape[0]))
    return whole, cropped


def evaluate_pigment(faces: Sequence[LabelledFace]) -> dict[str, Any]:
    """Painted trials: error of the involved share and cover of its interval, over all, by tone band and density."""
    found = list(each(_trials_of, [face for face in faces if face.paintable]))
    trials = [trial for some, _ in found for trial in some]
    broad = [trial for _, some in found for trial in some]
    groups: dict[str, list[Trial]] = {"all": trials}
    for trial in trials:
        groups.setdefault(f"tone {trial.band}", []).append(trial)
        painted = f"density {trial.density:.2f}" if trial.true_share > 0 else "healthy"
        groups.setdefault(painted, []).append(trial)
    groups["beyond: shares of 0.75 and 0.9, not in the rows above"] = broad
    return {key: _summary(group) for key, group in sorted(groups.items())}


def _trials_of(number: int, face: LabelledFace) -> tuple[list[Trial], list[Trial]]:
    """Of shares up to 0.6, and of broader ones."""
    rng = np.random.default_rng(number)
    some, broad = ([(share, float(rng.choice(DENSITIES))) for share in shares] for shares in (SHARES, BROAD))
    return (
        list(try_face(face.name, face.pixels, face.band, number, some)),
        list(try_face(face.name, face.pixels, face.band, number, broad)),
    )


def each(work: Callable[[int, S], T], items: Sequence[S]) -> Iterator[T]:
    """`work(number, item)` of each in order, by one process per core with one thread each."""
    os.environ[THREADS_VARIABLE] = "1"
    with ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, range(len(items)), items)


def _summary(trials: list[Trial]) -> dict[str, float | int | str]:
    error = np.array([t.share - t.true_share for t in trials])
    inside = np.array([t.low <= t.true_share <= t.high for t in trials])
    painted = [t for t in trials if t.true_share > 0.05 and t.share > 0.01]
    ratio = np.median([t.excess / t.density for t in painted]) if painted else float("nan")
    return {
        "mean absolute error": round(float(np.abs(error).mean()), 3),
        "bias": round(float(error.mean()), 3),
        "inside the 90 % interval": round(float(inside.mean()), 3),
        "measured / true density (median)": round(float(ratio), 2) if painted else "",
        "regions": len(trials),
    }


def evaluate(labelled: Path, *, write_card: bool = False, page: Path | None = None) -> str:
    """All figures as JSON; with `write_card`, also into the shipped card; with `page`, also as a page of the docs."""
    faces = read_labelled(labelled, held_out=True)
    figures = {"held_out_faces": len(faces), **evaluate_regions(faces), "painted pigment": evaluate_pigment(faces)}
    path = networks.folder_of("skin") / "skin.json"
    card = {**json.loads(path.read_text(encoding="utf-8")), "figures": figures}
    if write_card:
        path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if page:
        page.write_text(as_markdown(card), encoding="utf-8")
    return json.dumps(figures, indent=2, ensure_ascii=False)


def _made(card: dict[str, Any]) -> str:
    """How long the network learnt."""
    runs = len(card.get("recipe", {}).get("mean_of", ()))
    return f"mean of {runs} runs, the last of {card['steps']} steps" if runs else f"{card['steps']} steps"


def as_markdown(card: dict[str, Any]) -> str:
    """The figures of a card as the page `docs/figures.md`."""
    figures = card["figures"]
    lines = [
        "# Figures of the shipped network",
        "",
        f"Network of {card['date']}, SHA-256 {card['sha256'][:16]}, {_made(card)}.",
        f"{figures['held_out_faces']} held-out people (a third, by hash of the person) that training has not seen.",
        "They were looked at while recipe and rules were developed: a development set, not an untouched test set.",
        "",
        "Made by `python -m melascope.lab.skin evaluate --card --page docs/figures.md`, from the labelled folder that",
        "`python -m melascope.lab.skin label` writes. Truth of the regions: the teacher's labels, not a person's.",
        "Truth of the pigment: painted, so exact. No figure here comes from a patient.",
    ]
    for part, title in (
        ("whole faces", "Regions on whole photographs: intersection over union, pixels pooled"),
        ("crops", "Regions on random crops that hold 15 to 60 % of the face"),
        ("painted pigment", "Painted pigment on held-out generated portraits: forehead and malar regions"),
    ):
        table: dict[str, dict[str, float | int]] = figures[part]
        columns = list(table["all"])
        lines += ["", f"## {title}", "", f"| | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
        order = sorted(table, key=lambda key: (key != "all", key))
        lines += [f"| {key} | {' | '.join(str(table[key].get(c, '')) for c in columns)} |" for key in order]
    return "\n".join(lines) + "\n"

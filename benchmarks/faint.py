"""Why kinds are missed: sensitivity by how dark the lesions are, of runs on a virtual cohort.

    python -m benchmarks.faint DATA RUN...

DATA is a folder that `melascope cohort render` wrote, RUN a folder of `melascope lesions train` or `measure` on it. The
records tell the optical density in red that the darkest of a patient's lesions of a kind is made with, and the pixels
of the largest one that the photograph shows. A kind is called as in the paper's tables, by the thresholds of the
validation photographs. Intervals draw groups of patients.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from benchmarks.instrument_tables import DENSITIES
from numpy.typing import NDArray

from melascope.detection.evaluation import levels_of
from melascope.detection.predictions import Predictions
from melascope.detection.results import RunResult, read_results
from melascope.detection.words import span
from melascope.severity.intervals import Floats, Interval, bootstrap

PLAIN = (0.14, 25)
"""Density and pixels of the largest lesion from which a kind is plain to see."""


@dataclass(frozen=True)
class Shown:
    """What a photograph truly shows, by kind; 0 where it shows none."""

    density: Floats
    """(photos, kinds)"""
    pixels: Floats
    """(photos, kinds) of the largest lesion."""


def shown(data: Path, photos: Predictions) -> Shown:
    """Read from the records."""
    kinds = [kind.value for kind in photos.classes]
    density, pixels = np.zeros((2, len(photos.photos), len(kinds)))
    for row, photo in enumerate(photos.photos):
        record = json.loads((data / "records" / f"{Path(photo.photo).stem}.json").read_text(encoding="utf-8"))
        for table, key, lesions in (
            (density, "density", record["visit"]["lesions"]),
            (pixels, "area_px", record["truth"]["lesions"]),
        ):
            for one in lesions:
                if one["kind"] in kinds:
                    place = kinds.index(one["kind"])
                    table[row, place] = max(table[row, place], one[key])
    return Shown(density, pixels)


def share(of: NDArray[np.bool_], among: NDArray[np.bool_], clusters: NDArray[np.intp]) -> Interval:
    """Share of some cells of a table (photos, columns) that have a property, groups of patients drawn."""
    hits, all_ = (of & among).sum(axis=1).astype(float), among.sum(axis=1).astype(float)

    def measure(weights: Floats | None) -> dict[str, Floats]:
        w = np.ones(len(all_)) if weights is None else weights
        with np.errstate(invalid="ignore"):
            return {"share": np.asarray((w @ hits) / (w @ all_))}

    return bootstrap(measure, clusters)["share"]


def lines_of(run: RunResult, data: Path) -> list[str]:
    """Lines of one run."""
    test = run.predictions.part("test")
    true, there = test.shown(), shown(data, test)
    called = test.surest() >= levels_of(run.predictions).photos
    clusters = test.clusters()
    lines = [f"\n{run.name}: {len(test.photos)} test photographs, {clusters.max() + 1} groups\n"]
    limits = pairwise((0.0, *(limit for limit, _ in DENSITIES)))
    parts = [true & (there.density >= low) & (there.density < high) for low, high in limits]
    named = [(name, among) for (_, name), among in zip(DENSITIES, parts, strict=True) if among.any()]
    lines.append("| kind | " + " | ".join(name for name, _ in named) + " |")
    lines.append("|---|" + "---|" * len(named))
    columns: Sequence[tuple[str, slice]] = [
        *((kind.value, slice(k, k + 1)) for k, kind in enumerate(test.classes)),
        ("all", slice(None)),
    ]
    for name, place in columns:
        cells = []
        for _, among in named:
            count = int(among[:, place].sum())
            if not count:
                cells.append("–")
            elif name == "all":
                cells.append(f"{span(share(called, among, clusters))} of {count}")
            else:
                cells.append(f"{(called & among)[:, place].sum() / count:.2f} of {count}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    right = (called == true).all(axis=1)
    plain = (~true | ((there.density >= PLAIN[0]) & (there.pixels >= PLAIN[1]))).all(axis=1)
    bare = ~true.any(axis=1)
    for words, rows in (
        ("all photographs", np.ones_like(right)),
        ("without lesions", bare),
        (f"with lesions, all of density {PLAIN[0]} and more, each kind's largest of {PLAIN[1]} pixels", plain & ~bare),
        ("with others", ~plain),
    ):
        if rows.any():
            exact = span(share(right[:, None], rows[:, None], clusters))
            lines.append(f"\nWholly right, {words}: {exact} of {rows.sum()}")
    return lines


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("data", type=Path)
    asked.add_argument("runs", type=Path, nargs="+")
    how = asked.parse_args()
    for path in how.runs:
        for run in read_results(path):
            print("\n".join(lines_of(run, how.data)))


if __name__ == "__main__":
    main()

"""The two instruments on the test part of the run that ships: the table of docs/severity.md, "The network that ships".

    python -m benchmarks.second_reading RUN DATA... [--alone NAMES] [--most N]

Analyses every photograph of the part `test` of a run trained with `--labels truth`, whose network must be the one that
ships, and sets what was measured and what was read against the stated MASI.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from melascope import analyze
from melascope.lab.severity.sources import join, read_source
from melascope.severity.prediction import Prediction
from melascope.severity.predictions import read_predictions


def both(path: Path) -> tuple[float, float, float, float]:
    """Measured MASI, MASI read, and the ends of the reading's interval; nan where there is none."""
    found = analyze(path)
    measured, read = found.masi.masi if found.masi else None, found.severity_reading
    ends = (np.nan, np.nan, np.nan) if read is None else (read.masi, read.masi_low, read.masi_high)
    return (np.nan if measured is None else measured, *ends)


def line(name: str, true: NDArray[np.float64], found: NDArray[np.float64]) -> str:
    """One row of the table."""
    if not len(true):
        return f"| {name} | 0 |"
    measured, read = found[:, 0] - true, found[:, 1] - true
    inside = (found[:, 2] <= true) & (true <= found[:, 3])
    cells = (f"{measured.mean():+.2f}", f"{np.abs(measured).mean():.2f}", f"{read.mean():+.2f}")
    return f"| {name} | {len(true)} | {' | '.join(cells)} | {np.abs(read).mean():.2f} | {inside.mean():.2f} |"


def report(rows: Sequence[Prediction], found: NDArray[np.float64], alone: Sequence[str] = ()) -> str:
    """The table: all, melasma alone by true MASI, device and tone band, data set.

    Args:
        rows: n photographs.
        found: (n, 4), see `both`.
        alone: Data sets whose people have melasma and nothing else.
    """
    whole = np.isfinite(found[:, :2]).all(axis=1)
    true = np.array([row.true_masi for row in rows], np.float64)
    sets = [row.photo.split("/")[0] for row in rows]
    melasma = np.array([name in alone for name in sets])
    groups = {"all": whole, "MASI 0": true == 0, "melasma and nothing else": melasma}
    for low, high in ((0, 8), (8, 16), (16, 32), (32, 49)):
        groups[f"of these, true MASI {low} to {high}"] = melasma & (true > 0) & (true >= low) & (true < high)
    for column in ("device", "tone_band"):
        values = [getattr(row, column) for row in rows]
        groups |= {str(value): np.array([one == value for one in values]) for value in sorted(set(values) - {""})}
    groups |= {f"data set {name}": np.array([one == name for one in sets]) for name in sorted(set(sets))}
    head = "| | photos | measured: mean error | absolute | read: mean error | absolute | interval holds |"
    return "\n".join(
        [head, "|---" * 7 + "|", *(line(name, true[k & whole], found[k & whole]) for name, k in groups.items())]
    )


def main() -> None:
    """Analyses and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--alone", default="", help="Data sets whose people have melasma and nothing else: study,more.")
    parser.add_argument("--most", type=int, default=None, help="Only so many photographs.")
    given = parser.parse_args()
    files = join(given.data, [read_source(folder, labels="truth") for folder in given.data]).ratings.files
    rows = [row for row in read_predictions(given.run / "predictions.csv") if row.part == "test"][: given.most]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = np.array(list(pool.map(both, [files[row.photo] for row in rows], chunksize=8)), np.float64)
    print(report(rows, found, given.alone.split(",")))


if __name__ == "__main__":
    main()

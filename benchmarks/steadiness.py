"""How far MASI and ITA move when a photograph is saved again: the figures of docs/measurement.md, section 9.

All held-out portraits of ../shared/data: generated ones as they are and with pigment painted on, official ones as they
are. Run from the repository's root: `python -m benchmarks.steadiness [--aim 0.5]`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from melascope.lab.skin.evaluate import each
from tests.whole.faces import held_out_faces, melasma
from tests.whole.test_invariance import changes

_CHANGES = ("jpeg80", "half")
_Job = tuple[Path, bool]
_Moves = tuple[tuple[float, float] | None, ...]


def main() -> None:
    """Prints median and worst change over the portraits that give a total, and how many move more than the aim."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aim", type=float, default=0.5, help="MASI that a photograph must not move by")
    aim = parser.parse_args().aim
    generated, official = held_out_faces(), held_out_faces("portraits")
    groups = (("generated", generated, False), ("painted", generated, True), ("official", official, False))
    for name, paths, painted in groups:
        found = list(each(_moves, [(path, painted) for path in paths]))
        for place, change in enumerate(_CHANGES):
            print(f"{change:7} {name:10} {_row([moves[place] for moves in found], aim)}")


def _moves(_: int, job: _Job) -> _Moves:
    path, painted = job
    pixels: NDArray[np.uint8] = np.asarray(Image.open(path).convert("RGB"), np.uint8)
    if painted:
        pixels = melasma(pixels, seed=1)
    return tuple(changes(pixels, change) for change in _CHANGES)


def _row(moves: list[tuple[float, float] | None], aim: float) -> str:
    known = np.array([move for move in moves if move])
    (masi, ita), (most_masi, most_ita) = np.median(known, axis=0), known.max(axis=0)
    beyond = int((known[:, 0] >= aim).sum())
    return (
        f"{len(known)} faces  MASI {masi:.2f}, {most_masi:.2f} at most, {beyond} by {aim} or more  "
        f"ITA {ita:.2f}, {most_ita:.2f} at most"
    )


if __name__ == "__main__":
    main()

"""How far MASI and ITA move when a photograph is saved again: the figures of docs/measurement.md, section 9.

All held-out portraits of ../shared/data: generated ones as they are and with pigment painted on, official ones as they
are. Run from the repository's root: `python -m benchmarks.steadiness`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from melascope.lab.skin.evaluate import each
from tests.whole.faces import DATA, held_out_faces, melasma
from tests.whole.test_invariance import changes

_CHANGES = ("jpeg80", "half")
_Job = tuple[Path, bool]
_Moves = tuple[tuple[float, float] | None, ...]


def main() -> None:
    """Prints median and worst change over the portraits that give a total, and how many miss an aim."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masi", type=float, default=0.5, help="MASI that a photograph must not move by")
    parser.add_argument("--ita", type=float, default=2.0, help="ITA in degrees, likewise")
    given = parser.parse_args()
    generated, official = held_out_faces(), held_out_faces("portraits")
    if not (generated and official):
        parser.error(f"{DATA}: holds no synthetic-faces or no portraits; put them there")
    groups = (("generated", generated, False), ("painted", generated, True), ("official", official, False))
    for name, paths, painted in groups:
        found = list(each(_moves, [(path, painted) for path in paths]))
        for place, change in enumerate(_CHANGES):
            print(f"{change:7} {name:10} {_row([moves[place] for moves in found], given.masi, given.ita)}")


def _moves(_: int, job: _Job) -> _Moves:
    path, painted = job
    pixels: NDArray[np.uint8] = np.asarray(Image.open(path).convert("RGB"), np.uint8)
    if painted:
        pixels = melasma(pixels, seed=1)
    return tuple(changes(pixels, change) for change in _CHANGES)


def _row(moves: list[tuple[float, float] | None], least_masi: float, least_ita: float) -> str:
    known = np.array([move for move in moves if move])
    if not len(known):
        return "no face that gives a total"
    told = f"{len(known)} faces"
    for name, least, some in (("MASI", least_masi, known[:, 0]), ("ITA", least_ita, known[:, 1])):
        told += f"  {name} {np.median(some):.2f}, {some.max():.2f} at most, {(some >= least).sum()} by {least} or more"
    return told


if __name__ == "__main__":
    main()

"""The MASI of people who are taken for free of pigment, and whom training has not seen: figures of docs/measurement.md.

    python -m benchmarks.healthy LABELLED FOLDER [FOLDER ...]

Of each FOLDER of photographs the held-out third by person (`lab.skin.faces.is_held_out`), as LABELLED/faces has it,
which `python -m melascope.lab.skin label` wrote. Whoever gives no total does not count. Nobody's name is printed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from melascope import analyze
from melascope.lab.skin.faces import read_labelled


def totals(photos: list[Path], held_out: set[str]) -> list[float]:
    """The MASI of each held-out photograph that gives one, the smallest first."""
    records = [analyze(photo) for photo in photos if f"{photo.parent.name}-{photo.stem}" in held_out]
    return sorted(one.masi.masi for one in records if one.masi is not None and one.masi.masi is not None)


def main() -> None:
    """Prints a line a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labelled", type=Path, help="What `label` wrote.")
    parser.add_argument("folders", type=Path, nargs="+", help="The photographs that were labelled.")
    given = parser.parse_args()
    held_out = {face.name for face in read_labelled(given.labelled / "faces", held_out=True)}
    for folder in given.folders:
        found = totals(sorted(path for path in folder.resolve().iterdir() if path.is_file()), held_out)
        if not found:
            parser.error(f"{folder}: no held-out person of {given.labelled} gives a total there")
        greatest = ", ".join(f"{value:.2f}" for value in found[:-4:-1])
        print(f"{folder.name}: {len(found)} totals, median {np.median(found):.2f}, the greatest {greatest}")


if __name__ == "__main__":
    main()

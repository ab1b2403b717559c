"""How far MASI and ITA move when a photograph is saved again: the figures of docs/measurement.md, section 9.

Ten held-out generated portraits from ../shared/data, as they are and with pigment painted on. Run from the repository's
root: `python -m benchmarks.steadiness`.
"""

from __future__ import annotations

import argparse

import numpy as np
from PIL import Image

from tests.whole.faces import held_out_faces, melasma
from tests.whole.test_invariance import changes


def main() -> None:
    """Prints median and worst change over the portraits that give a total."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    pictures = [np.asarray(Image.open(path).convert("RGB"), np.uint8) for path in held_out_faces()[:10]]
    for change in ("jpeg80", "half"):
        for name, photos in (("as they are", pictures), ("painted", [melasma(p, seed=1) for p in pictures])):
            moved = np.array([m for p in photos if (m := changes(p, change))])
            (masi, ita), (most_masi, most_ita) = np.median(moved, axis=0), moved.max(axis=0)
            print(f"{change:7} {name:12} {len(moved)} faces  MASI {masi:.2f}, {most_masi:.2f} at most", end="  ")
            print(f"ITA {ita:.2f}, {most_ita:.2f} at most")


if __name__ == "__main__":
    main()

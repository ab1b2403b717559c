"""Generated portraits that the network has never seen, and what is painted on them: for the tests of the whole way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from melascope.lab.skin.faces import is_held_out
from melascope.lab.skin.trials import paint
from melascope.skin.regions import find_regions

ASTRONAUT = object()
DATA = Path(__file__).parents[3] / "shared" / "data"


def held_out_faces(name: str = "synthetic-faces") -> list[Path]:
    """Portraits of the held-out third, generated ones or those of another folder; empty where they are absent."""
    folder = DATA / name
    return [path for path in sorted(folder.glob("*.jpg")) if is_held_out(f"{folder.name}-{path.stem}")]


def melasma(pixels: NDArray[np.uint8], seed: int, share: float = 0.2, density: float = 0.1) -> NDArray[np.uint8]:
    """The portrait with pigment on forehead and cheeks."""
    regions = find_regions(pixels)
    painted, _ = paint(regions.pixels, regions, share, density, np.random.default_rng(seed))
    if regions.scale < 1.0:
        return painted
    out = pixels.copy()
    x0, y0, x1, y1 = regions.frame
    out[y0:y1, x0:x1] = painted
    return out

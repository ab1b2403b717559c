"""Which of the six lesions a patch is, or that it is none of them: from what was measured of it and of those around it.

A small network names a patch by what a reader goes by: what the skin network sees there, colour and depth, contrast,
edge, size, shape, place, whether there are many of its like and whether both cheeks have them. It learnt on virtual
patients and painted photographs, whose kinds are known, and on close-ups of skin cancers, keratoses and moles, none of
which is of the six kinds (`python -m melascope.lab.naming`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope import networks
from melascope.lesions.outline import FACE_MM, Outline
from melascope.lesions.pigment import PigmentMap
from melascope.skin.regions import RegionMap
from melascope.vocabulary import Lesion, Region, View

__all__ = ["FACTS", "LEARNT_FROM", "NETWORK", "Naming", "check_pair", "describe", "name"]

NETWORK: Final = "naming"
"""Name of the network in `melascope.networks`."""
LEARNT_FROM: Final = "skin"
"""Network whose output is told."""
NAMED: Final = 0.6
"""Probability from which a patch bears the name of a kind."""
DOUBTED: Final = 0.9
"""Probability that the kinds which a patch may be have together, with that of none of the six."""
_KINDS: Final = tuple(Lesion)
_SMALL_MM: Final = 4.0
"""Diameter below which a patch counts as small."""
_PLACES: Final[tuple[tuple[str, tuple[Region, ...]], ...]] = (
    ("forehead", (Region.FOREHEAD,)),
    ("malar", (Region.RIGHT_MALAR, Region.LEFT_MALAR)),
    ("chin", (Region.CHIN,)),
    ("nose", (Region.NOSE,)),
    ("upper_lip", (Region.UPPER_LIP,)),
    ("temple", (Region.TEMPLE,)),
    ("periorbital", (Region.PERIORBITAL,)),
)
_SEEN: Final = (*(kind.value for kind in _KINDS), "look_alike")
FACTS: Final = (
    *(f"seen_{name}" for name in _SEEN),
    "depth", "probability", "contrast", "unevenness", "edge_sharpness", "blueness", "redness", "red", "green", "blue",
    "log_diameter_mm", "extent", "log_aspect", *(f"in_{name}" for name, _ in _PLACES), "close_up",
    *(f"photo_{name}" for name in _SEEN),
    "log_patches", "log_small_patches", "share_of_patches", "log_share_of_skin", "one_sided", "photo_redness",
)  # fmt: skip
"""What is told of a patch, in order. `seen_`: log odds of what the skin network sees on it; `photo_`: of the patches of
the photo, weighted by area; `one_sided`: how unlike the patches of both cheeks are in area, 0 to 1."""


@dataclass(frozen=True)
class Naming:
    """What a patch may be."""

    chances: tuple[float, ...]
    """Of each of the six kinds, in the order of `Lesion`; what is missing to 1 is that of none of them."""

    @property
    def other(self) -> float:
        """Probability that it is none of the six."""
        return max(0.0, 1.0 - math.fsum(self.chances))

    @property
    def kind(self) -> Lesion | None:
        """The most probable kind, if it is probable enough to bear its name."""
        best = int(np.argmax(self.chances))
        return _KINDS[best] if self.chances[best] >= NAMED else None

    @property
    def kinds(self) -> tuple[tuple[Lesion, float], ...]:
        """The fewest kinds, the most probable first, that are `DOUBTED` probable together with none of the six."""
        found: list[tuple[Lesion, float]] = []
        left = DOUBTED - self.other
        for place in sorted(range(len(_KINDS)), key=lambda i: -self.chances[i]):
            if left <= 1e-9:
                break
            found.append((_KINDS[place], self.chances[place]))
            left -= self.chances[place]
        return tuple(found)


def name(outlines: Sequence[Outline], regions: RegionMap, pigment: PigmentMap) -> list[Naming]:
    """Names the patches of a photo.

    Raises:
        NetworkError: The network that ships is missing, damaged, or learnt from another skin network.
    """
    if not outlines:
        return []
    check_pair()
    said = networks.load(NETWORK)(describe(outlines, regions, pigment))
    return [Naming(tuple(row)) for row in said[:, : len(_KINDS)].astype(float).tolist()]


@cache
def check_pair() -> None:
    """The network must have learnt from what this skin network says.

    Raises:
        NetworkError: It learnt from another, or one of both is missing or damaged.
    """
    networks.check_learnt_from(NETWORK, LEARNT_FROM, anew="python -m melascope.lab.naming")


def describe(outlines: Sequence[Outline], regions: RegionMap, pigment: PigmentMap) -> NDArray[np.float32]:
    """(n, FACTS) what is told of each patch of a photo."""
    if not outlines:
        return np.zeros((0, len(FACTS)), np.float32)
    areas = np.array([one.area for one in outlines], np.float64)
    seen = np.array([one.seen for one in outlines])
    diameters = np.sqrt(4 / np.pi * areas) * FACE_MM / pigment.face_px
    sides = np.array([(one.box[2] - one.box[0], one.box[3] - one.box[1]) for one in outlines], np.float64)
    places = np.array([[one.region in several for _, several in _PLACES] for one in outlines], np.float64)
    own = np.array(
        [
            (one.probability, one.contrast, one.unevenness, one.edge_sharpness, one.blueness, one.redness,
             *one.absorption)
            for one in outlines
        ]
    )  # fmt: skip
    count = len(outlines)
    right, left = (
        float(areas[[one.region is cheek for one in outlines]].sum())
        for cheek in (Region.RIGHT_MALAR, Region.LEFT_MALAR)
    )
    photo = [
        *_odds((seen * areas[:, None]).sum(axis=0) / areas.sum()),
        math.log1p(count),
        math.log1p(float((diameters < _SMALL_MM).sum())),
    ]
    skin = max(1.0, float(np.isfinite(pigment.contrast).sum()))
    rest = [
        math.log(float(areas.sum()) / skin + 1e-4),
        abs(right - left) / (right + left) if right + left else 0.0,
        float(np.average(own[:, 5], weights=areas)),
    ]
    table = np.column_stack(
        [
            _odds(seen),
            _odds(np.array([one.depth for one in outlines])),
            own,
            np.log(diameters),
            areas / sides.prod(axis=1),
            np.log(sides[:, 0] / sides[:, 1]),
            places,
            np.full(count, float(regions.view is not View.FACE)),
            np.tile(photo, (count, 1)),
            areas / areas.sum(),
            np.tile(rest, (count, 1)),
        ]
    )
    return np.asarray(np.nan_to_num(table), np.float32)


def _odds(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(shares, 1e-3, 1 - 1e-3)
    return np.asarray(np.log(inside / (1 - inside)), np.float64)

"""The photos that are explained: chosen from a run's predictions, with the true masks where a data set knows them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.data import DataSet
from melascope.data.layout import MANIFEST
from melascope.data.pixels import PixelsError
from melascope.lab.severity.recipe import Picture
from melascope.photo import read_photo
from melascope.severity.prediction import Prediction
from melascope.skin.framing import cut_square, face_box
from melascope.vocabulary import FACIAL_SKIN, MASI_REGIONS, Lesion, Region

__all__ = ["PLACES", "choose", "masks_of", "truth_of"]

_MELASMA: Final = 1 + tuple(Lesion).index(Lesion.MELASMA)
_FACE: Final = (*FACIAL_SKIN, Region.EYE, Region.BROW, Region.LIPS, Region.NOSTRIL)
PLACES: Final = ("melasma", *(region.key for region in MASI_REGIONS), "face_elsewhere", "outside")
"""The true melasma; the four MASI regions, the rest of the face and what is no face, which divide the photo."""


@dataclass(frozen=True)
class Truth:
    """What a data set knows of a photo."""

    regions: NDArray[np.uint8]
    """(H, W) codes of the upright photo."""
    lesions: NDArray[np.uint8] | None
    """(H, W) codes; None where not known."""

    @cached_property
    def sha256(self) -> str:
        """Of both masks."""
        found = hashlib.sha256()
        for mask in (self.regions, self.lesions):
            found.update(b"none" if mask is None else str(mask.shape).encode() + np.ascontiguousarray(mask).tobytes())
        return found.hexdigest()


def choose(rows: Sequence[Prediction], count: int) -> list[Prediction]:
    """Photos in turn of every class, the same for every network and every time.

    Args:
        rows: Of one part.
        count: How many; all if there are fewer.
    """
    classes: dict[int, list[Prediction]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: hashlib.sha256(row.photo.encode()).hexdigest()):
        classes[row.truth].append(row)
    chosen: list[Prediction] = []
    while len(chosen) < min(count, len(rows)):
        for truth in sorted(classes):
            if classes[truth] and len(chosen) < count:
                chosen.append(classes[truth].pop(0))
    return sorted(chosen, key=lambda row: (row.truth, row.photo))


def truth_of(data: Path, photos: Sequence[str]) -> Mapping[str, Truth]:
    """True masks by photo; those that the data do not know are left out.

    Raises:
        PixelsError: A mask is damaged.
    """
    if not (data.is_dir() and (data / MANIFEST).is_file()):
        return {}
    opened = DataSet.open(data)
    found = {}
    for photo in photos:
        if photo in opened.manifest.by_id:
            sample = opened[photo]
            regions = sample.regions()
            if regions is not None:
                found[photo] = Truth(regions, sample.lesions())
    return found


def masks_of(truth: Truth, picture: Picture, path: Path) -> dict[str, NDArray[np.float32]]:
    """Cover of every place of `PLACES` by pixel of what the network sees: (S, S), 0 to 1; melasma only where known.

    Args:
        truth: Of the photo.
        picture: The frame and size of the network's photos.
        path: The photo, in which the frame is found.

    Raises:
        PixelsError: The masks are of another size than the photo.
    """
    regions, lesions = truth.regions, truth.lesions
    if picture.frame == "face":
        pixels = read_photo(path).pixels
        if pixels.shape[:2] != regions.shape:
            raise PixelsError(
                f"{path.name}: {pixels.shape[1]} × {pixels.shape[0]}, its masks are of another size; run `melascope "
                "dataset check`"
            )
        box = face_box(pixels)
        if box is not None:
            regions = cut_square(regions, box, picture.margin)
            lesions = None if lesions is None else cut_square(lesions, box, picture.margin)
    size = (picture.side, picture.side)

    def shrunk(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        return np.asarray(cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)

    found = {region.key: shrunk(regions == region) for region in MASI_REGIONS}
    found["face_elsewhere"] = shrunk(np.isin(regions, _FACE) & ~np.isin(regions, MASI_REGIONS))
    found["outside"] = shrunk(~np.isin(regions, _FACE))
    if lesions is not None:
        found["melasma"] = shrunk(lesions == _MELASMA)
    return found

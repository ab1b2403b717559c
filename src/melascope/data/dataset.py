"""A data set's folder, opened: photos with what is known of them, read when they are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melascope.data.about import About, read_about
from melascope.data.box import Box
from melascope.data.coco import CocoError, CocoFile
from melascope.data.layout import (
    ABOUT,
    ANNOTATIONS,
    MANIFEST,
    RATINGS,
    instances_path,
    lesion_mask_path,
    maps_path,
    record_path,
    region_mask_path,
    voc_path,
)
from melascope.data.manifest import Manifest, Scheme, read_manifest, split_of
from melascope.data.pixels import PixelsError, read_maps, read_mask, read_photo_pixels
from melascope.data.ratings import Rating, read_ratings
from melascope.data.row import Row, Split
from melascope.data.voc import read_voc

__all__ = ["DataSet", "Sample"]


@dataclass(frozen=True)
class Sample:
    """One photo: its row, and readers of its files. What the data set does not hold is None."""

    folder: Path
    row: Row
    coco: CocoFile | None = None

    def pixels(self) -> NDArray[np.uint8]:
        """(H, W, 3) sRGB, upright.

        Raises:
            FileNotFoundError: The photo is not there.
            PixelsError: It cannot be decoded.
        """
        return read_photo_pixels(self.folder / self.row.file)

    def regions(self) -> NDArray[np.uint8] | None:
        """(H, W) region codes."""
        return _codes(region_mask_path(self.folder, self.row.photo_id))

    def lesions(self) -> NDArray[np.uint8] | None:
        """(H, W): 0, or a code of `melascope.data.box.KIND_CODES`."""
        return _codes(lesion_mask_path(self.folder, self.row.photo_id))

    def instances(self) -> NDArray[np.uint16] | None:
        """(H, W): 0, or the number of a single lesion."""
        path = instances_path(self.folder, self.row.photo_id)
        return read_mask(path).astype(np.uint16) if path.is_file() else None

    def boxes(self) -> list[Box] | None:
        """Lesions from COCO JSON, else from VOC XML; None if neither knows the photo, [] if it shows none.

        Raises:
            CocoError: An annotation cannot be read.
            VocError: The XML cannot be read.
        """
        image = None if self.coco is None else self.coco.find(self.row.photo_id, self.row.file)
        if self.coco is not None and image is not None:
            found = []
            for box in self.coco.boxes(image):
                if isinstance(box, CocoError):
                    raise box
                found.append(box)
            return found
        path = voc_path(self.folder, self.row.photo_id)
        return list(read_voc(path).boxes) if path.is_file() else None

    def maps(self) -> dict[str, NDArray[np.float32]] | None:
        """Maps by name, such as melanin and blood."""
        path = maps_path(self.folder, self.row.photo_id)
        return read_maps(path) if path.is_file() else None

    def record(self) -> dict[str, Any] | None:
        """Everything else that is known, as it was written."""
        path = record_path(self.folder, self.row.photo_id)
        if not path.is_file():
            return None
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return record


@dataclass(frozen=True)
class DataSet:
    """A folder with a manifest and photos, and whatever else the layout knows (docs/dataset.md).

    Example:
        >>> data = DataSet.open("cohort")  # doctest: +SKIP
        >>> for sample in data.split("train"):  # doctest: +SKIP
        ...     pixels, regions = sample.pixels(), sample.regions()
    """

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: str | Path) -> DataSet:
        """Read the manifest; photos and masks are read later, one at a time.

        Raises:
            FileNotFoundError: The folder holds no manifest.
            ManifestError: The manifest is wrong.
        """
        folder = Path(folder)
        path = folder / MANIFEST
        if not path.is_file():
            raise FileNotFoundError(f"{path}: is not there: name the folder of a data set, which holds {MANIFEST}")
        return cls(folder, read_manifest(path))

    def __len__(self) -> int:
        return len(self.manifest.rows)

    def __iter__(self) -> Iterator[Sample]:
        return (Sample(self.folder, row, self._coco) for row in self.manifest.rows)

    def __getitem__(self, photo_id: str) -> Sample:
        return Sample(self.folder, self.manifest.by_id[photo_id], self._coco)

    def split(self, name: Split, scheme: Scheme = "631") -> list[Sample]:
        """The photos of one split, of 6:3:1 or 8:2."""
        return [sample for sample in self if split_of(sample.row, scheme) == name]

    @cached_property
    def about(self) -> About | None:
        """What the data set is; None if it does not say."""
        path = self.folder / ABOUT
        return read_about(path) if path.is_file() else None

    @cached_property
    def ratings(self) -> tuple[Rating, ...]:
        """Scores by rater and region; () if there are none."""
        path = self.folder / RATINGS
        return read_ratings(path) if path.is_file() else ()

    @cached_property
    def _coco(self) -> CocoFile | None:
        path = self.folder / ANNOTATIONS
        return CocoFile(path) if path.is_file() else None


def _codes(path: Path) -> NDArray[np.uint8] | None:
    if not path.is_file():
        return None
    mask = read_mask(path)
    if mask.max(initial=0) > 255:
        raise PixelsError(f"{path}: holds codes beyond 255: write an 8-bit PNG")
    return mask.astype(np.uint8)

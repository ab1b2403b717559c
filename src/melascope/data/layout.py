"""Where things lie in a data set's folder, and writing a file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = [
    "ABOUT",
    "ANNOTATIONS",
    "MANIFEST",
    "PHOTOS",
    "RATINGS",
    "instances_path",
    "lesion_mask_path",
    "maps_path",
    "record_path",
    "reflectance_path",
    "region_mask_path",
    "voc_path",
    "write_whole",
]

ABOUT: Final = "dataset.json"
MANIFEST: Final = "manifest.csv"
RATINGS: Final = "ratings.csv"
PHOTOS: Final = "photos"
ANNOTATIONS: Final = "annotations.coco.json"


def region_mask_path(folder: Path, photo_id: str) -> Path:
    """8-bit PNG of region codes (`melascope.vocabulary.Region`)."""
    return folder / "masks" / "regions" / f"{photo_id}.png"


def lesion_mask_path(folder: Path, photo_id: str) -> Path:
    """8-bit PNG: 0 no lesion, then 1, 2 ... in the order of `melascope.vocabulary.Lesion`."""
    return folder / "masks" / "lesions" / f"{photo_id}.png"


def instances_path(folder: Path, photo_id: str) -> Path:
    """16-bit PNG: 0 no lesion, then one number a single lesion."""
    return folder / "masks" / "instances" / f"{photo_id}.png"


def maps_path(folder: Path, photo_id: str) -> Path:
    """16-bit PNG of three channels: melanin, blood, density (`melascope.data.pixels.MAP_SCALES`)."""
    return folder / "maps" / f"{photo_id}.png"


def reflectance_path(folder: Path, photo_id: str) -> Path:
    """8-bit sRGB PNG of the skin's true diffuse reflectance, 0 off the skin."""
    return folder / "maps" / f"{photo_id}.reflectance.png"


def record_path(folder: Path, photo_id: str) -> Path:
    """Everything that is known of the photo, as JSON of any form."""
    return folder / "records" / f"{photo_id}.json"


def voc_path(folder: Path, photo_id: str) -> Path:
    """Boxes as Pascal VOC XML."""
    return folder / "voc" / f"{photo_id}.xml"


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file (text as UTF-8) so that a reader finds the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)

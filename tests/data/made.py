"""A small sound data set on disk: eight photos of four patients, with every file of the layout."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.data.about import About, write_about
from melascope.data.box import Box, boxes_of_masks
from melascope.data.coco import CocoImage, CocoWriter
from melascope.data.layout import instances_path, lesion_mask_path, region_mask_path, voc_path, write_whole
from melascope.data.manifest import write_manifest
from melascope.data.pixels import write_mask
from melascope.data.ratings import Rating, write_ratings
from melascope.data.row import Part, Row
from melascope.data.voc import write_voc
from melascope.masi import RegionalScore, masi, mmasi, severity
from melascope.vocabulary import MASI_REGIONS, Lesion, Region, ToneBand

HEIGHT, WIDTH = 96, 120
SPLITS = ("train", "train", "val", "test")


def picture(seed: int) -> NDArray[np.uint8]:
    """A picture with structure of its own."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(30, 220, (8, 10, 3)).astype(np.float32)
    large = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.clip(large + rng.normal(0, 4, large.shape), 0, 255).astype(np.uint8)


def jpeg(pixels: NDArray[np.uint8], quality: int = 92) -> bytes:
    return bytes(cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def masks(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint16]]:
    """Regions, lesions and instances of a photo: a patch of melasma, a few freckles."""
    regions = np.zeros((HEIGHT, WIDTH), np.uint8)
    regions[5:90, 10:110] = Region.FOREHEAD
    regions[40:90, 10:60] = Region.RIGHT_MALAR
    lesions = np.zeros((HEIGHT, WIDTH), np.uint8)
    instances = np.zeros((HEIGHT, WIDTH), np.uint16)
    cv2.ellipse(instances, (40, 60), (18 + seed, 12), 20, 0, 360, 1, -1)
    lesions[instances == 1] = list(Lesion).index(Lesion.MELASMA) + 1
    for number in range(2, 6):
        y, x = 12 + 3 * number, 30 + 12 * number
        instances[y : y + 2, x : x + 3] = number * 100
        lesions[y : y + 2, x : x + 3] = list(Lesion).index(Lesion.FRECKLE) + 1
    return regions, lesions, instances


def rows() -> list[Row]:
    parts = {region: Part(0.1 + 0.13 * i, 1.25 + 0.5 * i, 0.8 + 0.3 * i) for i, region in enumerate(MASI_REGIONS)}
    made = []
    for number in range(8):
        patient, visit = divmod(number, 2)
        raters = (3.0 + patient, 4.5, 6.0)
        mean = math.fsum(raters) / 3
        row = Row(
            photo_id=f"p{patient}v{visit + 1}",
            patient=f"p{patient}",
            group=f"head{patient}",
            file=f"photos/p{patient}v{visit + 1}.jpg",
            visit=visit + 1,
            view="frontal",
            device="dslr" if patient % 2 else "phone",
            width=WIDTH,
            height=HEIGHT,
            split_631=SPLITS[patient],  # type: ignore[arg-type]
            split_82="test" if patient == 3 else "train",
            sex="female",
            age=41.5,
            ita_deg=33.3,
            tone_band=ToneBand.INTERMEDIATE,
            kinds=(Lesion.FRECKLE, Lesion.MELASMA),
            parts=parts,
            rater_masi=raters,
            rater_mean_masi=mean,
            rater_severity=severity(mean),
            extra={"clinic": "north, =1"},
        )
        total = masi(row.scores)
        assert total is not None
        made.append(replace(row, masi=total, mmasi=mmasi(row.scores), severity=severity(total)))
    return made


def write(folder: Path, made: list[Row] | None = None) -> Path:
    """Write the whole data set into a folder."""
    made = rows() if made is None else made
    write_about(About(name="made", licence="CC0-1.0", generator={"seed": 1}), folder / "dataset.json")
    write_manifest(made, folder / "manifest.csv")
    steps = {region: RegionalScore(2, 1, 1) for region in MASI_REGIONS}
    scored = [Rating(patient=row.patient, visit=row.visit, rater="r1", scores=steps, masi=masi(steps)) for row in made]
    write_ratings(scored, folder / "ratings.csv")
    with CocoWriter(folder / "annotations.coco.json", {"description": "made"}) as coco:
        for number, row in enumerate(made):
            write_whole(folder / row.file, jpeg(picture(number)))
            regions, lesions, instances = masks(number)
            write_mask(region_mask_path(folder, row.photo_id), regions)
            write_mask(lesion_mask_path(folder, row.photo_id), lesions)
            write_mask(instances_path(folder, row.photo_id), instances)
            boxes = boxes_of_masks(instances, lesions, sizes_mm={1: {"width_mm": 9.5}})
            coco.add(CocoImage(row.file, WIDTH, HEIGHT, row.photo_id), boxes)
            write_voc(voc_path(folder, row.photo_id), row.file, (HEIGHT, WIDTH), boxes)
    return folder


def box(**changes: object) -> Box:
    base = Box(kind=Lesion.MELASMA, x0=10, y0=20, x1=30, y1=50)
    return replace(base, **changes)  # type: ignore[arg-type]

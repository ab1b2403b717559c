"""What `melascope analyze` names on the photos of a study, as a run: the measurement beside the detectors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import ValidationError

from melascope.data.box import Box
from melascope.data.groups import grouped
from melascope.data.layout import write_whole
from melascope.detection.predictions import PREDICTIONS, Found, Predictions, write
from melascope.lab.detect.recipe import Truth
from melascope.lab.detect.study import KINDS, Study, StudyError
from melascope.record import Analysis, LesionRecord
from melascope.vocabulary import Lesion

__all__ = ["NAME", "Naming", "found_of", "naming", "records_of", "write_run"]

NAME: Final = "melascope analyze"
_WITHOUT_KINDS: Final = ("1.0", "1.1", "1.2", "1.3")


@dataclass(frozen=True)
class Naming:
    """What patches were called that lie in true rectangles of one kind."""

    patches: int
    named: int
    """That bear a name."""
    right: int
    """That bear the true one."""
    held: int
    """Whose set of possible kinds holds the true one."""
    size: float
    """Kinds in such a set, in the mean."""


def records_of(study: Study, folder: Path) -> list[Analysis]:
    """The record of each photo of a study, in its order; they belong together by the photo's content.

    Args:
        study: Photos.
        folder: Which ``melascope analyze DATA/photos --out FOLDER`` wrote.

    Raises:
        StudyError: Records are missing, damaged, or of a version that did not tell what a patch may be.
    """
    known: dict[str, Analysis] = {}
    for path in sorted(folder.glob("*/analysis.json")):
        try:
            record = Analysis.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            said = str(error).splitlines()[0]
            raise StudyError(f"{path}: is no record ({said}); analyse the photo again") from None
        if record.schema_version in _WITHOUT_KINDS:
            raise StudyError(
                f"{path}: is a record of version {record.schema_version}, which does not tell what a patch may be; "
                "analyse the photo again"
            )
        if record.photo.sha256:
            known[record.photo.sha256] = record
    found, missing = [], []
    for photo in study.photos:
        one = known.get(hashlib.sha256(photo.file.read_bytes()).hexdigest())
        if one is None:
            missing.append(photo.name)
        else:
            found.append(one)
    if missing:
        raise StudyError(
            f"{folder}: has no record of {len(missing)} of {len(study.photos)} photos, such as {missing[0]}; run "
            f"`melascope analyze` on the data set's photos with --out {folder}"
        )
    return found


def found_of(record: Analysis, reading: Truth) -> Found:
    """The patches of a record as rectangles with scores, read as the study's own boxes are.

    A patch is taken for its most probable kind, whether it bears the name or not; its score is the probability that it
    is a lesion times that of the kind. Of patches that share a rectangle it is the mean, by area.
    """
    patches = [lesion for lesion in record.lesions if lesion.kinds]
    boxes = [_box(patch) for patch in patches]
    scores = np.array([patch.score * patch.kinds[0].probability for patch in patches])
    areas = np.array([max(1, patch.area_px) for patch in patches], np.float64)
    whole = boxes
    if reading.boxes == "grouped":
        whole = grouped(boxes, reading.reach * max(record.photo.width, record.photo.height))
    means = []
    for around in whole:
        mine = [i for i, box in enumerate(boxes) if box.kind is around.kind and _holds(around, box)]
        means.append(float(np.average(scores[mine], weights=areas[mine])))
    return Found(
        np.array([KINDS.index(box.kind) for box in whole], np.intp),
        np.array([box.corners for box in whole], np.float64).reshape(-1, 4),
        np.clip(np.array(means, np.float64), 0, 1),
    )


def naming(study: Study, records: Sequence[Analysis], part: str) -> Naming:
    """How often patches bear the right name, of those whose middle lies in true rectangles of one kind alone.

    Args:
        study: Photos with their true rectangles.
        records: In the study's order.
        part: Of the study.
    """
    sets: list[tuple[Lesion, LesionRecord]] = []
    for i in study.part(part):
        photo = study.photos[i]
        for patch in records[i].lesions:
            x, y = (patch.box[0] + patch.box[2]) / 2, (patch.box[1] + patch.box[3]) / 2
            true = {box.kind for box in photo.boxes if box.x0 <= x < box.x1 and box.y0 <= y < box.y1}
            if len(true) == 1:
                sets.append((true.pop(), patch))
    return Naming(
        len(sets),
        sum(patch.kind is not None for _, patch in sets),
        sum(patch.kind is true for true, patch in sets),
        sum(any(each.kind is true for each in patch.kinds) for true, patch in sets),
        sum(len(patch.kinds) for _, patch in sets) / max(1, len(sets)),
    )


def write_run(study: Study, records: Sequence[Analysis], reading: Truth, folder: Path) -> None:
    """Write predictions.json and config.json, for `melascope lesions evaluate`."""
    photos = tuple(
        photo.with_found(found_of(record, reading)) for photo, record in zip(study.photos, records, strict=True)
    )
    folder.mkdir(parents=True, exist_ok=True)
    write(Predictions(KINDS, photos), folder / PREDICTIONS)
    config = {"name": NAME, "architecture": "measurement", "weights_note": "as shipped", "ours": True}
    write_whole(folder / "config.json", json.dumps(config, indent=2) + "\n")


def _box(patch: LesionRecord) -> Box:
    x0, y0, x1, y1 = patch.box
    return Box(kind=patch.kinds[0].kind, x0=x0, y0=y0, x1=x1, y1=y1)


def _holds(around: Box, box: Box) -> bool:
    return around.x0 <= box.x0 and around.y0 <= box.y0 and around.x1 >= box.x1 and around.y1 >= box.y1

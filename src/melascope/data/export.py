"""Annotated photos written as Pascal VOC, YOLO, COCO or Label Studio; or, with their photos, as a data set's folder."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from melascope.data.about import About, write_about
from melascope.data.annotated import AnnotationError
from melascope.data.coco import CocoImage, CocoWriter
from melascope.data.dataset import DataSet
from melascope.data.intake import Format, Taken, with_boxes
from melascope.data.label_studio import CONFIG, write_label_studio
from melascope.data.layout import ABOUT, ANNOTATIONS, MANIFEST, PHOTOS, write_whole
from melascope.data.manifest import manifest_text
from melascope.data.orientation import stored
from melascope.data.row import Row
from melascope.data.splits import deal_splits
from melascope.data.voc import write_voc
from melascope.data.yolo import CLASSES_FILE, write_classes, write_yolo
from melascope.vocabulary import Lesion

__all__ = ["LABEL_STUDIO", "taken_of", "write_annotations", "write_data_set"]

LABEL_STUDIO: Final = "label_studio.json"
_SPLITS: Final = ("split_631", "split_82")
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]+")
_STEM: Final = 100
"""Signs of a name before the number that tells it apart."""


def taken_of(data: DataSet) -> tuple[Taken, ...]:
    """The photos of a data set with their boxes.

    Raises:
        CocoError, VocError, PixelsError: A file is damaged; `melascope dataset check` says which.
    """
    found = []
    for sample in data:
        path, boxes = data.folder / sample.row.file, sample.boxes()
        found.append(Taken(path, sample.row.file, stored(path), None if boxes is None else tuple(boxes)))
    return tuple(found)


def write_annotations(taken: Sequence[Taken], out: Path, form: Format, prefix: str = "", model: str = "") -> list[Path]:
    """Write the annotations of photos; photos that nobody annotated are left out, those without lesions are kept.

    Args:
        taken: Photos and boxes.
        out: Folder.
        form: VOC and YOLO write a file for each photo, COCO and Label Studio one for all.
        prefix: Of Label Studio's addresses of photos.
        model: Label Studio: write predictions of this model, to be reviewed.

    Returns:
        The files.

    Raises:
        AnnotationError: Two photos would share a file, or none is annotated.
    """
    annotated = with_boxes(taken)
    if not annotated:
        raise AnnotationError(["no photo has annotations: there is nothing to write"])
    if form == "label-studio":
        write_label_studio(out / LABEL_STUDIO, annotated, prefix, model)
        write_whole(out / "label_config.xml", CONFIG)
        return [out / LABEL_STUDIO, out / "label_config.xml"]
    if form == "coco":
        out.mkdir(parents=True, exist_ok=True)
        with CocoWriter(out / ANNOTATIONS) as coco:
            for one in annotated:
                coco.add(CocoImage(one.photo, *(one.size or (0, 0))), one.boxes)
        return [out / ANNOTATIONS]
    ending = ".xml" if form == "voc" else ".txt"
    files: dict[Path, str] = {}
    for one in annotated:
        path = out / Path(one.photo).with_suffix(ending)
        other = files.setdefault(path, one.photo)
        if other != one.photo:
            raise AnnotationError([f"{one.photo} and {other} would both be {path.name}: rename one of the photos"])
    for path, one in zip(files, annotated, strict=True):
        width, height = one.size or (0, 0)
        if form == "voc":
            write_voc(path, one.photo, (height, width), one.boxes)
        else:
            write_yolo(path, (width, height), one.boxes)
    if form == "yolo":
        write_classes(out / CLASSES_FILE)
        return [*files, out / CLASSES_FILE]
    return list(files)


def write_data_set(
    taken: Sequence[Taken],
    out: Path,
    about: About,
    patients: Mapping[str, str],
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    known: Mapping[str, Row] | None = None,
) -> Path:
    """Make a data set's folder: photos copied as they are, COCO annotations, a manifest with splits by patient.

    Nothing is written unless every row is sound.

    Args:
        taken: Photos and boxes.
        out: A new or empty folder.
        about: What the data set says of itself.
        patients: By photo.
        seed: Of the splits.
        progress: Called with the photos done and their number.
        known: By photo, the rows of the data set that the photos come from: all that they say is kept. Its splits are
            kept too, unless `patients` names other people.

    Returns:
        The manifest.

    Raises:
        AnnotationError: A patient is in two groups.
        ManifestError: A value breaks the rule of its column.
    """
    rows = _rows(taken, patients, known or {}, seed)
    text = manifest_text(rows, out / MANIFEST)
    (out / PHOTOS).mkdir(parents=True, exist_ok=True)
    with CocoWriter(out / ANNOTATIONS) as coco:
        for done, (one, row) in enumerate(zip(taken, rows, strict=True), start=1):
            (out / row.file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(one.path, out / row.file)
            if one.boxes is not None:
                coco.add(CocoImage(row.file, *one.stored.upright, row.photo_id), one.boxes)
            if progress is not None:
                progress(done, len(taken))
    write_about(about, out / ABOUT)
    write_whole(out / MANIFEST, text)
    return out / MANIFEST


def _rows(taken: Sequence[Taken], patients: Mapping[str, str], known: Mapping[str, Row], seed: int) -> list[Row]:
    """The manifest of photos: rows that are known, or new ones; splits that are known, or new ones by group."""
    used: set[str] = set()
    rows = [_row(one, patients[one.photo], known.get(one.photo), used) for one in taken]
    _check_groups(rows)
    splits = deal_splits(rows, seed)
    same = all(one.photo in known and known[one.photo].patient == patients[one.photo] for one in taken)
    anew = [name for name in _SPLITS if not same or all(getattr(row, name) is None for row in rows)]
    return [replace(row, **{name: getattr(splits[row.photo_id], name) for name in anew}) for row in rows]


def _row(one: Taken, patient: str, known: Row | None, used: set[str]) -> Row:
    width, height = one.stored.upright
    shown = None if one.boxes is None else {box.kind for box in one.boxes}
    kinds = None if shown is None else tuple(kind for kind in Lesion if kind in shown)
    if known is not None:
        kinds = known.kinds if known.kinds is not None else kinds
        return replace(known, patient=patient, width=width, height=height, kinds=kinds)
    name = _id(one.photo, used)
    file = f"{PHOTOS}/{name}{one.path.suffix.lower()}"
    return Row(
        photo_id=name, patient=patient, file=file, width=width, height=height, kinds=kinds, extra={"source": one.photo}
    )


def _check_groups(rows: Sequence[Row]) -> None:
    groups: dict[str, Row] = {}
    for row in rows:
        other = groups.setdefault(row.patient, row)
        if other.group != row.group:
            what = f"{row.file}: patient {row.patient!r} is in group {row.group!r}, and in {other.group!r} with"
            raise AnnotationError([f"{what} {other.file}: give one patient's photos one group, or other patients"])


def _id(photo: str, used: set[str]) -> str:
    """A photo's id of plain signs, told apart from the others whatever their case."""
    stem = _UNFIT.sub("-", Path(photo).with_suffix("").as_posix()).strip("-_")[:_STEM] or "photo"
    name, number = stem, 1
    while name.casefold() in used:
        number += 1
        name = f"{stem}-{number}"
    used.add(name.casefold())
    return name

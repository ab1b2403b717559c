"""Annotated photos written as Pascal VOC, YOLO, COCO or Label Studio; or, with their photos, as a data set's folder."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from melascope.data.about import About, write_about
from melascope.data.annotated import AnnotationError
from melascope.data.coco import CocoImage, CocoWriter
from melascope.data.dataset import DataSet
from melascope.data.intake import Format, Taken, with_boxes
from melascope.data.label_studio import CONFIG, write_label_studio
from melascope.data.layout import ABOUT, ANNOTATIONS, MANIFEST, PHOTOS, write_whole
from melascope.data.manifest import write_manifest
from melascope.data.orientation import stored
from melascope.data.row import Row
from melascope.data.splits import assign_splits
from melascope.data.voc import write_voc
from melascope.data.yolo import CLASSES_FILE, write_classes, write_yolo
from melascope.vocabulary import Lesion

__all__ = ["LABEL_STUDIO", "patients_of", "taken_of", "write_annotations", "write_data_set"]

LABEL_STUDIO: Final = "label_studio.json"
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]+")


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


def patients_of(
    taken: Sequence[Taken], table: Mapping[str, str] | None = None, pattern: str | None = None
) -> dict[str, str]:
    """The patient of every photo: of a table, or of a regular expression's first group in the photo's name.

    Without either every photo is taken for a person of its own.

    Raises:
        AnnotationError: A photo has no patient in the table, or the expression does not match it.
        ValueError: The expression is none, or has no group.
    """
    try:
        found = re.compile(pattern) if pattern is not None else None
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression ({error})") from None
    if found is not None and not found.groups:
        raise ValueError(f"{pattern!r} has no group: put the part that names the patient in brackets, as (.*)_\\d+")
    patients, problems = {}, []
    for one in taken:
        if table is not None:
            patient = table.get(one.photo) or table.get(one.path.name) or table.get(one.path.stem) or ""
            rule = "is not in the table of patients: add a row"
        elif found is not None:
            match = found.search(one.photo)
            patient = (match[1] or "") if match else ""
            rule = f"does not fit the pattern {pattern!r}: no patient can be told"
        else:
            patient, rule = Path(one.photo).with_suffix("").as_posix(), ""
        if not patient.strip():
            problems.append(f"{one.photo}: {rule}")
        patients[one.photo] = _UNFIT.sub("-", patient).strip("-") or "unnamed"
    if problems:
        raise AnnotationError(problems)
    return patients


def write_data_set(
    taken: Sequence[Taken],
    out: Path,
    about: About,
    patients: Mapping[str, str],
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Make a data set's folder: photos copied as they are, COCO annotations, a manifest with splits by patient.

    Args:
        taken: Photos and boxes.
        out: A new or empty folder.
        about: What the data set says of itself.
        patients: By photo.
        seed: Of the splits.
        progress: Called with the photos done and their number.

    Returns:
        The manifest.
    """
    kinds_of: dict[str, set[Lesion]] = {}
    for one in taken:
        kinds_of.setdefault(patients[one.photo], set()).update(box.kind for box in one.boxes or ())
    strata = {name: "+".join(kind.value for kind in Lesion if kind in kinds) for name, kinds in kinds_of.items()}
    splits = assign_splits((patients[one.photo] for one in taken), seed, strata)
    rows, used = [], set[str]()
    (out / PHOTOS).mkdir(parents=True, exist_ok=True)
    with CocoWriter(out / ANNOTATIONS) as coco:
        for done, one in enumerate(taken, start=1):
            name = _id(one.photo, used)
            file = f"{PHOTOS}/{name}{one.path.suffix.lower()}"
            shutil.copyfile(one.path, out / file)
            width, height = one.stored.upright
            patient = patients[one.photo]
            shown = None if one.boxes is None else {box.kind for box in one.boxes}
            rows.append(
                Row(
                    photo_id=name,
                    patient=patient,
                    file=file,
                    width=width,
                    height=height,
                    split_631=splits[patient].split_631,
                    split_82=splits[patient].split_82,
                    kinds=None if shown is None else tuple(kind for kind in Lesion if kind in shown),
                    extra={"source": one.photo},
                )
            )
            if one.boxes is not None:
                coco.add(CocoImage(file, width, height, name), one.boxes)
            if progress is not None:
                progress(done, len(taken))
    write_about(about, out / ABOUT)
    write_manifest(rows, out / MANIFEST)
    return out / MANIFEST


def _id(photo: str, used: set[str]) -> str:
    """A photo's id of plain signs, told apart from the others whatever their case."""
    stem = _UNFIT.sub("-", Path(photo).with_suffix("").as_posix()).strip("-_")[:100] or "photo"
    name, number = stem, 1
    while name.casefold() in used:
        number += 1
        name = f"{stem}-{number}"
    used.add(name.casefold())
    return name

"""Annotated photos of any of four formats, read as one: files found, sizes compared, boxes put upright and checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from melascope.data.annotated import Annotated, AnnotationError, sound
from melascope.data.box import Box
from melascope.data.cells import composed
from melascope.data.coco import CocoError, CocoFile
from melascope.data.label_studio import read_label_studio
from melascope.data.layout import MANIFEST, PHOTOS
from melascope.data.orientation import Drawn, Stored, stored, upright
from melascope.data.pixels import PixelsError
from melascope.data.voc import VocError, read_voc
from melascope.data.yolo import CLASSES_FILE, read_classes, read_yolo

__all__ = ["FORMATS", "PHOTO_ENDINGS", "Format", "Taken", "format_of", "intake", "with_boxes"]

Format = Literal["voc", "yolo", "coco", "label-studio"]
FORMATS: Final = get_args(Format)
PHOTO_ENDINGS: Final = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".heic", ".heif", ".hif"})


@dataclass(frozen=True)
class Taken:
    """One photo with its boxes, upright and within the picture."""

    path: Path
    photo: str
    """Below the folder of photos, with ``/``."""
    stored: Stored
    boxes: tuple[Box, ...] | None
    """None: nobody has annotated it; (): it shows none."""


def format_of(source: Path) -> Format:
    """The format of a file or folder of annotations.

    Raises:
        AnnotationError: It is none of the four.
    """
    if source.is_file():
        try:
            whole = json.loads(source.read_bytes().decode("utf-8-sig"))
        except (ValueError, RecursionError):
            raise AnnotationError([f"{source}: is not JSON: name a COCO or Label Studio file, or a folder"]) from None
        if isinstance(whole, list):
            return "label-studio"
        if isinstance(whole, dict) and "images" in whole:
            return "coco"
        raise AnnotationError([f"{source}: is neither COCO (an object with images) nor Label Studio (a list of tasks)"])
    if not source.is_dir():
        raise AnnotationError([f"{source}: is not there: name a file or folder of annotations"])
    if next(source.rglob("*.xml"), None) is not None:
        return "voc"
    if next(source.rglob("*.txt"), None) is not None:
        return "yolo"
    raise AnnotationError([f"{source}: holds neither .xml (Pascal VOC) nor .txt (YOLO): name the folder that does"])


def intake(
    source: Path,
    photos: Path,
    form: Format | None = None,
    classes: Path | None = None,
    drawn: Drawn = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Taken, ...]:
    """Every photo of a folder, with the boxes that the annotations give it.

    Args:
        source: File or folder of annotations.
        photos: Folder of the photos, searched with the folders in it.
        form: The format; found out if not given.
        classes: YOLO's list of names; ``classes.txt`` or ``data.yaml`` beside the annotations if not given.
        drawn: Whether boxes are of the upright photo or of the picture as it is stored.
        progress: Called with the photos done and their number.

    Raises:
        AnnotationError: Everything that is wrong, each with its file, object and way out.
    """
    form = form or format_of(source)
    if form in {"coco", "label-studio"} and source.is_dir():
        raise AnnotationError([f"{source}: is a folder: name the JSON file of {form}"])
    files = _photo_files(photos)
    if not files:
        raise AnnotationError([f"{photos}: holds no photo ({', '.join(sorted(PHOTO_ENDINGS))}): name their folder"])
    lookup = _Lookup(photos, files)
    problems: list[str] = []
    if form == "yolo":
        found = _yolo(source, lookup, classes, drawn, problems)
    else:
        found = {"voc": _voc, "coco": _coco, "label-studio": _label_studio}[form](source, problems)
    by_file: dict[Path, Annotated] = {}
    for one in found:
        try:
            path = lookup.find(one)
        except AnnotationError as error:
            problems += error.problems
            continue
        if path in by_file:
            problems.append(f"{one.where}: {one.photo} is annotated in {by_file[path].where} too: keep one of the two")
            continue
        by_file[path] = one
    taken = []
    for done, path in enumerate(files, start=1):
        one_taken = _taken(path, photos, by_file.get(path), drawn, problems)
        if one_taken is not None:
            taken.append(one_taken)
        if progress is not None:
            progress(done, len(files))
    if problems:
        raise AnnotationError(problems)
    return tuple(taken)


def _taken(path: Path, photos: Path, one: Annotated | None, drawn: Drawn, problems: list[str]) -> Taken | None:
    name = path.relative_to(photos).as_posix()
    try:
        photo = stored(path)
    except (OSError, PixelsError) as error:
        problems.append(str(error))
        return None
    if one is None:
        return Taken(path, name, photo, None)
    drawn_on = one.size or ((photo.width, photo.height) if drawn == "stored" else photo.upright)
    boxes, wrong = sound(one.boxes, drawn_on, one.where)
    problems += wrong
    try:
        return Taken(path, name, photo, upright(boxes, one.size, photo, drawn))
    except ValueError as error:
        problems.append(f"{one.where}: {error}")
        return None


class _Lookup:
    """Photos by the names that annotations give them: the path, or else the file's name where only one has it."""

    def __init__(self, folder: Path, files: Sequence[Path]) -> None:
        self._folder = folder
        self._files = {self.name(path): path for path in files}
        self._paths: dict[str, list[Path]] = {}
        self._names: dict[str, list[Path]] = {}
        self._stems: dict[str, list[Path]] = {}
        for path in files:
            self._paths.setdefault(composed(self.name(path)), []).append(path)
            self._names.setdefault(composed(path.name), []).append(path)
            self._stems.setdefault(composed(path.stem), []).append(path)

    def find(self, one: Annotated) -> Path:
        name = one.photo.replace("\\", "/")
        if name in self._files:
            return self._files[name]
        asked = composed(name)
        alike = self._paths.get(asked) or self._names.get(asked.rpartition("/")[2], [])
        return self._only(alike, one.photo, one.where)

    def name(self, path: Path) -> str:
        """A photo below the folder."""
        return path.relative_to(self._folder).as_posix()

    def of_stem(self, file: Path, below: Path) -> Path:
        """The photo of a text file: of the same name and folder, or of the same name."""
        alike = self._stems.get(composed(file.stem), [])
        there = composed(file.relative_to(below).parent.as_posix())
        near = [path for path in alike if composed(path.relative_to(self._folder).parent.as_posix()) == there]
        return self._only(near or alike, f"{file.stem}.*", str(file))

    def _only(self, paths: Sequence[Path], name: str, where: str) -> Path:
        if not paths:
            rule = f"is not in {self._folder}: copy it there, name another folder with --photos, or remove the entry"
            raise AnnotationError([f"{where}: the photo {name!r} {rule}"])
        if len(paths) > 1:
            which = " or ".join(path.relative_to(self._folder).as_posix() for path in paths[:3])
            raise AnnotationError([f"{where}: the photo {name!r} may be {which}: name it with its folder, or rename"])
        return paths[0]


def _photo_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    # Of a data set's folder the photos alone: masks and maps are pictures too.
    within = folder / PHOTOS if (folder / MANIFEST).is_file() else folder
    return sorted(p for p in within.rglob("*") if p.suffix.lower() in PHOTO_ENDINGS and not p.name.startswith("."))


def _files(source: Path, ending: str) -> list[Path]:
    """The files of a folder and of those in it, or the one file that was named."""
    files = sorted(source.rglob(f"*{ending}")) if source.is_dir() else [source]
    if not files:
        raise AnnotationError([f"{source}: holds no {ending}: name the folder that does, or another format"])
    return files


def _folder(source: Path) -> Path:
    """The folder of annotations, or the one that their file lies in."""
    return source if source.is_dir() else source.parent


def _voc(source: Path, problems: list[str]) -> list[Annotated]:
    found = []
    for path in _files(source, ".xml"):
        try:
            voc = read_voc(path)
        except VocError as error:
            problems.append(str(error))
            continue
        if not voc.file:
            problems.append(f"{path}: has no filename: write it anew with labelImg, or add the photo's name")
            continue
        below = path.parent.relative_to(source).as_posix() if source.is_dir() else "."
        name = voc.file if below == "." else f"{below}/{voc.file}"
        found.append(Annotated(name, (voc.width, voc.height), voc.boxes, str(path)))
    return found


def _coco(source: Path, problems: list[str]) -> list[Annotated]:
    found = []
    try:
        with CocoFile(source) as coco:
            rule = "which is not listed: add it, or remove its annotations"
            problems += [f"{source}: an annotation is of image {number}, {rule}" for number in sorted(coco.unknown)]
            for number, image in coco.images.items():
                where = f"{source} image {number} ({image.file})"
                boxes = list(coco.boxes(number))
                problems += [f"{where}: {box}; correct or remove it" for box in boxes if isinstance(box, CocoError)]
                kept = tuple(box for box in boxes if isinstance(box, Box))
                found.append(Annotated(image.file, (image.width, image.height), kept, where))
    except CocoError as error:
        problems.append(str(error))
    return found


def _label_studio(source: Path, problems: list[str]) -> list[Annotated]:
    try:
        return list(read_label_studio(source))
    except AnnotationError as error:
        problems += error.problems
        return []


def _yolo(source: Path, lookup: _Lookup, classes: Path | None, drawn: Drawn, problems: list[str]) -> list[Annotated]:
    try:
        names = read_classes(classes or _classes_file(source))
    except (AnnotationError, OSError) as error:
        problems += error.problems if isinstance(error, AnnotationError) else [f"{classes}: cannot be read ({error})"]
        return []
    found = []
    for path in _files(source, ".txt"):
        if path != source and (path.name in {CLASSES_FILE, "train.txt", "val.txt", "test.txt"} or path == classes):
            continue
        try:
            photo = lookup.of_stem(path, _folder(source))
            size = stored(photo)
            drawn_on = (size.width, size.height) if drawn == "stored" else size.upright
            boxes = read_yolo(path, drawn_on, names)
            found.append(Annotated(lookup.name(photo), None, boxes, str(path)))
        except AnnotationError as error:
            problems += error.problems
        except PixelsError as error:
            problems.append(str(error))
    return found


def _classes_file(source: Path) -> Path:
    for folder in (_folder(source), _folder(source).parent):
        for name in (CLASSES_FILE, "data.yaml", "data.yml", "dataset.yaml"):
            if (folder / name).is_file():
                return folder / name
    raise AnnotationError(
        [f"{source}: no {CLASSES_FILE} or data.yaml tells what the numbers mean: add it, or name it with --classes"]
    )


def with_boxes(taken: Iterable[Taken]) -> tuple[Annotated, ...]:
    """The annotated photos, for a writer."""
    return tuple(
        Annotated(one.photo, one.stored.upright, one.boxes, one.photo) for one in taken if one.boxes is not None
    )

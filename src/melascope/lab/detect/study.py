"""What a detector learns from: photos of a data set with their boxes and parts."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from melascope.data.about import About
from melascope.data.box import Box, patches_of_mask
from melascope.data.dataset import DataSet, Sample
from melascope.data.groups import grouped
from melascope.data.layout import MANIFEST
from melascope.data.manifest import split_of
from melascope.detection import predictions
from melascope.detection.predictions import PARTS, Found, Truth
from melascope.lab.detect.parts import StudyError, parts_of
from melascope.lab.detect.recipe import Truth as HowRead
from melascope.vocabulary import Lesion

__all__ = ["KINDS", "Photo", "Study", "StudyError", "boxes_of", "gather", "identity_of"]

KINDS: Final = tuple(Lesion)
"""What a detector tells apart, in the order of its scores."""


@dataclass(frozen=True)
class Photo:
    """One photo with what is known of it."""

    name: str
    """Relative path."""
    file: Path
    patient: str
    part: str
    """train, validation or test."""
    width: int
    """Of the upright photo, pixels."""
    height: int
    boxes: tuple[Box, ...]
    """As they are learnt."""
    device: str = ""
    view: str = ""
    tone_band: str = ""
    group: str = ""
    """Of patients who are not independent."""

    @property
    def corners(self) -> NDArray[np.float64]:
        """(n, 4) x0, y0, x1, y1 of its boxes in pixels of the photo, cut at its edges."""
        table = np.array([box.corners for box in self.boxes], np.float64).reshape(-1, 4)
        return np.clip(table, 0, np.array([self.width, self.height] * 2))

    @property
    def kinds(self) -> NDArray[np.int64]:
        """(n,) places in `KINDS`."""
        return np.array([KINDS.index(box.kind) for box in self.boxes], np.int64)

    def with_found(self, found: Found) -> predictions.Photo:
        """Truth and finds, as predictions.json holds them; boxes that lie beyond the photo are left out."""
        corners = self.corners
        real = (corners[:, 2:] > corners[:, :2]).all(axis=1)
        return predictions.Photo(
            photo=self.name,
            patient=self.patient,
            part=self.part,
            width=self.width,
            height=self.height,
            group=self.group,
            device=self.device,
            view=self.view,
            tone_band=self.tone_band,
            truth=Truth(self.kinds[real].astype(np.intp), corners[real], np.zeros(int(real.sum()), np.bool_)),
            found=found,
        )


@dataclass(frozen=True)
class Study:
    """Photos to learn from and to be tested on."""

    photos: tuple[Photo, ...]
    """In the order of their names."""
    about: str
    """What the data are, in words."""
    virtual: bool
    """Whether a cohort of virtual patients."""
    identity: str
    """Of photos, boxes and parts: two studies of one identity are the same."""
    left_out: str
    """Photos that were not chosen, in words."""
    more: str = ""
    """Photos of further data sets that are learnt from, in words."""

    def part(self, name: str) -> tuple[int, ...]:
        """Places of the photos of one part."""
        return tuple(i for i, photo in enumerate(self.photos) if photo.part == name)

    def counts(self) -> dict[str, dict[str, int]]:
        """Photos and boxes by part, and boxes by kind."""
        table: dict[str, dict[str, int]] = {}
        for name in PARTS:
            mine = [self.photos[i] for i in self.part(name)]
            kinds = Counter(box.kind.value for photo in mine for box in photo.boxes)
            table[name] = {
                "photos": len(mine),
                "patients": len({photo.patient for photo in mine}),
                **{kind.value: kinds[kind.value] for kind in KINDS},
            }
        return table


def boxes_of(boxes: Sequence[Box], width: int, height: int, truth: HowRead) -> tuple[Box, ...]:
    """Boxes as the recipe reads them."""
    if truth.boxes == "single":
        return tuple(boxes)
    return tuple(grouped(boxes, truth.reach * max(width, height)))


def gather(
    data: Path,
    truth: HowRead,
    *,
    scheme: Literal["631", "82"] = "631",
    split: Path | None = None,
    view: str = "",
    device: str = "",
    seed: int = 7,
    more: Sequence[Path] = (),
) -> Study:
    """Read a data set's photos and boxes, and who is in which part.

    Parts come from a split.csv, else from the manifest, else, where its column is empty, patients (or groups) are dealt
    out by hash. Of 8:2, one group in eight of the training part becomes validation, by hash too: the epoch that is kept
    needs photos of its own.

    Args:
        data: A data set's folder (docs/dataset.md).
        truth: How boxes are read.
        scheme: 6:3:1, or 8:2.
        split: A split.csv: photo (path or id), patient, part; photos that it does not name are left out.
        view: Only photos of this view; all if empty.
        device: Only photos of this device; all if empty.
        seed: Of what is dealt out here.
        more: Further data sets; their photos are learnt from too, but for those of their test parts.

    Raises:
        ManifestError: A manifest is wrong.
        RatingsError: The split is wrong.
        StudyError: Nothing is left, nothing is known of the boxes, a part is empty, the manifest's split has gaps,
            dataset.json is damaged, or a further data set holds photos or people of the validation or test part.
    """
    study = _read(data, truth, scheme, split, view, device, seed)
    _check(study, data)
    first = study
    own = {_content(study.photos[i]) for part in ("validation", "test") for i in study.part(part)} if more else set()
    seeds = {_seed_of(data)}
    for place, folder in enumerate(more, start=1):
        further = _read(folder, truth, scheme, None, view, device, seed)
        people = _seed_of(folder)
        if people is not None and people in seeds:
            raise StudyError(f"{folder}: its people are those of another of these data sets (seed {people})")
        seeds.add(people)
        learnt = [photo for photo in further.photos if photo.part != "test"]
        if not learnt:
            raise StudyError(f"{folder}: all its photos are test photos; leave it out, or deal it out again")
        again = next((photo for photo in learnt if _content(photo) in own), None)
        if again is not None:
            raise StudyError(f"{folder}: {again.name} is a validation or test photo of {data} too; leave it out")
        if not first.virtual and not further.virtual:
            _check_people(first, data, learnt, folder)
        added = tuple(
            replace(
                photo, name=f"more{place}/{photo.name}", patient=f"more{place}/{photo.patient}", part="train",
                group=f"more{place}/{photo.group}" if photo.group else "",
            )
            for photo in learnt
        )  # fmt: skip
        study = Study(
            study.photos + added,
            f"{study.about}; {further.about}",
            study.virtual and further.virtual,
            identity_of(study.photos + added),
            f"{study.left_out}; {len(added)} of {folder.name}",
            f"{study.more}{', ' if study.more else ''}{len(added)} of {further.about}",
        )
    return study


def _check_people(study: Study, data: Path, learnt: Sequence[Photo], folder: Path) -> None:
    """Nobody of another data set may bear the name of a validation or test patient, or of such a group."""
    held = {
        (what, name.casefold()): photo.part
        for photo in study.photos
        if photo.part != "train"
        for what, name in _people_of(photo)
    }
    for photo in learnt:
        for what, name in _people_of(photo):
            part = held.get((what, name.casefold()))
            if part is not None:
                raise StudyError(
                    f"{folder}: {photo.name} is of the {what} {name!r}, a name that is in the {part} part of {data} "
                    f"too; leave the {what} out of {folder / MANIFEST}, or rename it there if it is another one"
                )


def _people_of(photo: Photo) -> list[tuple[str, str]]:
    """(patient or group, name) of a photo."""
    return [(what, name) for what, name in (("patient", photo.patient), ("group", photo.group)) if name]


def _about(opened: DataSet) -> About | None:
    try:
        return opened.about
    except ValueError as error:
        raise StudyError(str(error)) from None


def _seed_of(folder: Path) -> object:
    """The seed of a virtual cohort, whose people follow from it; None of other data sets."""
    about = _about(DataSet.open(folder))
    made = (about.generator if about else None) or {}
    return made.get("seed") if "patients" in made else None


def _content(photo: Photo) -> str:
    try:
        return hashlib.sha256(photo.file.read_bytes()).hexdigest()
    except OSError as error:
        raise StudyError(f"{photo.name}: cannot be read ({error.strerror}); see where it lies") from None


def _read(
    data: Path,
    truth: HowRead,
    scheme: Literal["631", "82"],
    split: Path | None,
    view: str,
    device: str,
    seed: int,
) -> Study:
    try:
        opened = DataSet.open(data)
    except FileNotFoundError as error:
        raise StudyError(str(error)) from None
    samples = [
        sample
        for sample in opened
        if all(
            not word or (there or "").casefold() == word.casefold()
            for word, there in ((view, sample.row.view), (device, sample.row.device))
        )
    ]
    if not samples:
        raise StudyError(f"{data}: no photo is of view {view!r} and device {device!r}; leave --view or --device out")
    rows = opened.manifest.rows
    parts = parts_of(samples, scheme, split, seed, rows)
    dealt = split is None and all(split_of(row, scheme) is None for row in rows)
    photos, unknown = [], 0
    for sample in sorted(samples, key=lambda one: one.row.file):
        row = sample.row
        if row.photo_id not in parts:
            continue
        width, height = _size(sample)
        boxes = sample.boxes()
        if boxes is None:
            boxes = _of_mask(sample, (height, width))
        if boxes is None:
            unknown += 1
            continue
        photos.append(
            Photo(
                row.file, opened.folder / row.file, row.patient, parts[row.photo_id], width, height,
                boxes_of(boxes, width, height, truth), row.device, row.view or "",
                row.tone_band.value if row.tone_band else "", row.group or "",
            )
        )  # fmt: skip
    if not photos:
        raise StudyError(
            f"{data}: nothing is known of the boxes of any photo; put annotations.coco.json, voc/ID.xml or lesion "
            "masks there"
        )
    about = _about(opened)
    made = (about.generator if about else None) or {}
    words = [f"{name} {word}" for name, word in (("view", view), ("device", device)) if word]
    if unknown:
        words.append(f"{unknown} without boxes left out")
    if dealt:
        words.append(f"patients dealt out by hash: split_{scheme} is empty")
    said = f" ({', '.join(words)})" if words else ""
    return Study(
        tuple(photos),
        (about.name if about else "") or data.resolve().name,
        "seed" in made and "patients" in made,
        identity_of(photos),
        f"{len(photos)} of {len(opened)} photos{said}",
    )


def _check(study: Study, data: Path) -> None:
    for name in PARTS:
        if not study.part(name):
            raise StudyError(f"{data}: no photo is in the part {name}; add patients, or give a split (--split FILE)")
    if not any(study.photos[i].boxes for i in study.part("train")):
        raise StudyError(f"{data}: no training photo has a box; annotate some, or give another split (--split FILE)")
    whose: dict[str, str] = {}
    for photo in study.photos:
        for who in {f"patient {photo.patient!r}", *([f"group {photo.group!r}"] if photo.group else [])}:
            if whose.setdefault(who, photo.part) != photo.part:
                raise StudyError(
                    f"{data}: {who} is in {whose[who]} and in {photo.part}; nobody may be in two parts: run `melascope "
                    "dataset check`, or give a split (--split FILE)"
                )


def _of_mask(sample: Sample, shape: tuple[int, int]) -> list[Box] | None:
    """Where nobody drew boxes: the connected patches of the lesion mask, if there is one; none of none of the six."""
    mask = sample.lesions()
    if mask is None:
        return [] if sample.row.kinds == () else None
    if mask.shape != shape:
        raise StudyError(
            f"{sample.row.file}: is of {shape[1]} x {shape[0]}, and its lesion mask of {mask.shape[1]} x "
            f"{mask.shape[0]}: run `melascope dataset check`"
        )
    return patches_of_mask(mask)


def _size(sample: Sample) -> tuple[int, int]:
    if sample.row.width and sample.row.height:
        return sample.row.width, sample.row.height
    height, width = sample.pixels().shape[:2]
    return width, height


def identity_of(photos: Sequence[Photo]) -> str:
    """Of photos, people, boxes and parts, in 16 signs."""
    digest = hashlib.sha256()
    for photo in photos:
        digest.update(f"{photo.name}|{photo.patient}|{photo.part}|{photo.width}x{photo.height}".encode())
        for box in photo.boxes:
            digest.update(f"{box.kind.value}|{box.corners}".encode())
    return digest.hexdigest()[:16]

"""Labelled faces: the one form in which any source of region labels reaches training.

A labelled folder holds `index.csv` and, per row, `images/NAME.png` and `labels/NAME.png` (region codes, 254 some skin,
255 ignore). The teacher writes such folders from photographs. A virtual cohort is read as it is, with its pigment.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.data.box import KIND_CODES
from melascope.data.layout import lesion_mask_path, maps_path, region_mask_path
from melascope.data.pixels import MAP_SCALES
from melascope.lesions.outline import FACE_MM
from melascope.vocabulary import FACIAL_SKIN, ITA_BANDS, Lesion, Region, ToneBand

__all__ = [
    "LabelledFace",
    "TruePigment",
    "apparent_ita",
    "is_held_out",
    "label_photos",
    "label_skin",
    "read_cohort",
    "read_labelled",
    "tone_band",
    "write_labelled",
]

LONGEST_SIDE: Final = 768
DENSITY_SCALE: Final = MAP_SCALES["density"]
"""What a stored density is multiplied by."""
_MASKS: Final = (region_mask_path, lesion_mask_path)


@dataclass(frozen=True)
class TruePigment:
    """The pigment of a rendered photograph, all (h, w)."""

    kinds: NDArray[np.uint8]
    """0, or a code of `melascope.data.box.KIND_CODES`."""
    density: NDArray[np.uint16]
    """Optical density in red that lesions add, times DENSITY_SCALE."""
    depths: tuple[float, ...]
    """Share of the pigment that lies in the dermis, by code of kind."""


@dataclass(frozen=True)
class LabelledFace:
    """A photograph with a label per pixel.

    `eyes` holds the centres of the patient's right and left eye as x0, y0, x1, y1 in pixels, or None. `paintable`
    says that pigment may be painted on it: true of people who do not exist or have agreed. `pigment` is what a virtual
    patient has, `face_px` the width of 140 mm of face where it is known.
    """

    name: str
    person: str
    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    eyes: tuple[float, float, float, float] | None
    band: ToneBand | None
    paintable: bool
    ita_deg: float | None = None
    face_px: float | None = None
    pigment: TruePigment | None = None


def is_held_out(person: str) -> bool:
    """Whether a person belongs to the held-out third: a fixed function of the name, so that no split can leak.

    Example:
        >>> is_held_out("someone") == is_held_out("someone")
        True
    """
    return int(hashlib.sha256(person.encode()).hexdigest(), 16) % 3 == 0


def apparent_ita(pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> float | None:
    """ITA in degrees of the median colour of malar and forehead skin as photographed; None without such skin."""
    skin = np.isin(labels, [Region.FOREHEAD, Region.RIGHT_MALAR, Region.LEFT_MALAR])
    if skin.sum() < 50:
        return None
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)[skin]
    l_star, _, b_star = np.median(lab, axis=0)
    return float(np.degrees(np.arctan2(l_star - 50.0, b_star)))


def tone_band(ita_deg: float | None) -> ToneBand | None:
    """Band of an ITA."""
    return None if ita_deg is None else next(band for limit, band in ITA_BANDS if ita_deg > limit)


def label_photos(photos: Sequence[Path], landmarker: Path, *, paintable: bool) -> Iterator[LabelledFace]:
    """Labels photographs of whole faces with the teacher; photographs without a face are left out.

    Args:
        photos: Image files, one person each.
        landmarker: MediaPipe Face Landmarker model (`face_landmarker.task`).
        paintable: Whether pigment may be painted on these people.
    """
    import mediapipe as mp  # type: ignore[import-untyped,unused-ignore]
    from mediapipe.tasks.python import BaseOptions, vision  # type: ignore[import-untyped,unused-ignore]

    from melascope.lab.skin.teacher import label_face

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(landmarker)), num_faces=3, min_face_detection_confidence=0.3
    )
    with vision.FaceLandmarker.create_from_options(options) as detector:
        for path in photos:
            pixels = _read(path)
            found = detector.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=pixels)).face_landmarks
            if len(found) != 1:  # a second face would be labelled background
                continue
            size = (pixels.shape[1], pixels.shape[0])
            points = np.array([(p.x * size[0], p.y * size[1]) for p in found[0]], np.float32)
            labels = label_face(pixels, points)
            right, left = points[[33, 133]].mean(axis=0), points[[263, 362]].mean(axis=0)
            eyes = (float(right[0]), float(right[1]), float(left[0]), float(left[1]))
            name = f"{path.parent.name}-{path.stem}"
            ita = apparent_ita(pixels, labels)
            yield LabelledFace(name, name, pixels, labels, eyes, tone_band(ita), paintable, ita)


def label_skin(photos: Sequence[Path]) -> Iterator[LabelledFace]:
    """Labels close-ups that show skin and little else as `some skin`; what differs much in colour is ignored.

    The person is the part of the file name before the last underscore but one (PAD-UFES-20: `PAT_311_666_191`).
    """
    from melascope.lab.skin.teacher import IGNORE, SOME_SKIN

    for path in photos:
        pixels = _read(path)
        lab = cv2.cvtColor(pixels.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
        distance = np.linalg.norm(lab - np.median(lab.reshape(-1, 3), axis=0), axis=2)
        labels = np.where(distance < 30, SOME_SKIN, IGNORE).astype(np.uint8)
        person = "_".join(path.stem.split("_")[:2])
        yield LabelledFace(f"skin-{path.stem}", f"skin-{person}", pixels, labels, None, None, paintable=False)


def write_labelled(faces: Iterator[LabelledFace], folder: Path) -> int:
    """Writes a labelled folder; returns the number of faces."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    rows = 0
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("name", "person", "band", "eyes", "paintable"))
        for face in faces:
            cv2.imwrite(str(folder / "images" / f"{face.name}.png"), face.pixels[..., ::-1])
            cv2.imwrite(str(folder / "labels" / f"{face.name}.png"), face.labels)
            eyes = " ".join(f"{v:.1f}" for v in face.eyes) if face.eyes else ""
            writer.writerow((face.name, face.person, face.band or "", eyes, int(face.paintable)))
            rows += 1
    return rows


def read_labelled(folder: Path, *, held_out: bool | None = None) -> list[LabelledFace]:
    """Reads a labelled folder: all faces, or only those of the training (False) or held-out (True) persons.

    Raises:
        FileNotFoundError: The folder has no `index.csv`.
    """
    index = folder / "index.csv"
    if not index.is_file():
        raise FileNotFoundError(f"{index}: a labelled folder needs it; make one with `label`")
    faces = []
    with index.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if held_out is not None and is_held_out(row["person"]) != held_out:
                continue
            image = cv2.imread(str(folder / "images" / f"{row['name']}.png"))
            labels = cv2.imread(str(folder / "labels" / f"{row['name']}.png"), cv2.IMREAD_GRAYSCALE)
            if image is None or labels is None:
                raise FileNotFoundError(f"{folder}: image or label of {row['name']!r} is missing; label again")
            eyes = tuple(float(v) for v in row["eyes"].split())
            pixels, codes = np.ascontiguousarray(image[..., ::-1], dtype=np.uint8), np.asarray(labels, np.uint8)
            faces.append(
                LabelledFace(
                    row["name"],
                    row["person"],
                    pixels,
                    codes,
                    (eyes[0], eyes[1], eyes[2], eyes[3]) if len(eyes) == 4 else None,
                    ToneBand(row["band"]) if row["band"] else None,
                    row["paintable"] == "1",
                    apparent_ita(pixels, codes) if row["band"] else None,
                )
            )
    return faces


def read_cohort(folder: Path) -> list[LabelledFace]:
    """Reads the photographs of a virtual cohort that have been rendered so far, with their exact truth.

    Raises:
        FileNotFoundError: There is none, or the cohort was rendered without maps.
    """
    faces = []
    for path in sorted((folder / "records").glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        name, plan = record["photo"]["id"], record["plan"]
        image = cv2.imread(str(folder / record["photo"]["file"]))
        labels, kinds = (cv2.imread(str(at(folder, name)), cv2.IMREAD_GRAYSCALE) for at in _MASKS)
        maps = cv2.imread(str(maps_path(folder, name)), cv2.IMREAD_UNCHANGED)
        if image is None or labels is None or kinds is None or maps is None:
            raise FileNotFoundError(
                f"{folder}: photo, masks or maps of {name} are missing; render the cohort with maps"
            )
        if not np.isin(labels, FACIAL_SKIN).any():
            continue
        depths = [0.0] * (len(Lesion) + 1)
        for lesion in record["visit"]["lesions"]:
            depths[KIND_CODES[Lesion(lesion["kind"])]] = float(lesion["depth"])
        faces.append(
            LabelledFace(
                name=name,
                person=f"{folder.name}-{record['patient']['name']}",
                pixels=np.ascontiguousarray(image[..., ::-1], dtype=np.uint8),
                labels=np.asarray(labels, np.uint8),
                eyes=_eyes(np.asarray(labels, np.uint8)),
                band=ToneBand(record["truth"]["tone_band"]),
                paintable=True,
                ita_deg=float(record["truth"]["ita_deg"]),
                face_px=FACE_MM * record["photo"]["width"] / plan["shot"]["field_mm"],
                pigment=TruePigment(np.asarray(kinds, np.uint8), np.ascontiguousarray(maps[..., 0]), tuple(depths)),
            )
        )
    if not faces:
        raise FileNotFoundError(f"{folder}: holds no virtual patients; make some with `melascope cohort render`")
    return faces


def _eyes(labels: NDArray[np.uint8]) -> tuple[float, float, float, float] | None:
    """Centres of the eyes on either side of the nose, if both are seen."""
    columns = np.nonzero(labels == Region.NOSE)[1]
    ys, xs = np.nonzero(labels == Region.EYE)
    if not columns.size:
        return None
    sides = [xs < columns.mean(), xs >= columns.mean()]
    if min(int(side.sum()) for side in sides) < 30:
        return None
    (x0, y0), (x1, y1) = ((float(xs[side].mean()), float(ys[side].mean())) for side in sides)
    return x0, y0, x1, y1


def _read(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path))
    if image is None:
        raise ValueError(f"{path}: cannot be read as an image; remove it from the folder")
    scale = min(1.0, LONGEST_SIDE / max(image.shape[:2]))
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image[..., ::-1], dtype=np.uint8)

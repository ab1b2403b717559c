"""The files of one photograph: picture, masks, maps, boxes, and the record from which it can be taken again."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

import melascope
from melascope.cohort.camera import encode_jpeg
from melascope.cohort.chart import Chart, face_chart
from melascope.cohort.face import Face, make_face
from melascope.cohort.matter import variant
from melascope.cohort.patient import Cast, Cohort, Patient, PhotoPlan, Visit
from melascope.cohort.photograph import Photograph, photograph
from melascope.cohort.truth import ALL_KINDS, as_json, photo_truth, score, surface_scores
from melascope.data.box import Box, boxes_of_masks
from melascope.data.layout import (
    PHOTOS,
    instances_path,
    lesion_mask_path,
    maps_path,
    record_path,
    reflectance_path,
    region_mask_path,
    voc_path,
    write_whole,
)
from melascope.data.pixels import MAP_SCALES, write_maps, write_mask
from melascope.data.rle import Rle, pack
from melascope.data.voc import write_voc
from melascope.vocabulary import ITA_BANDS

__all__ = ["RecordError", "made_otherwise", "made_with", "read_record", "retake", "write_photo"]

_TRUTH: Final = 2
"""Raised by hand whenever the same parameters come to give another truth or other pixels."""


class RecordError(Exception):
    """A record cannot be read or holds no photograph of this version."""


@cache
def made_with() -> dict[str, str | int]:
    """What the bytes of a photograph and its truth depend on besides the parameters and the program's version.

    Raises:
        ModuleNotFoundError: The extra `cohort` is not installed.
    """
    libraries = {name: version(name) for name in ("mitsuba", "anny", "numpy")}
    return {"variant": variant(), **libraries, "opencv": cv2.__version__, "truth": _TRUTH}


def made_otherwise(then: Any) -> str:
    """In words, how a stored `made_with` differs from this one; empty if it does not."""
    known = then if isinstance(then, dict) else {}
    both = {**known, **made_with()}
    return "; ".join(
        f"{name} {known.get(name, 'not told')}, here {made_with().get(name, 'none')}"
        for name in both
        if known.get(name) != made_with().get(name)
    )


def write_photo(
    out: Path,
    cohort: Cohort,
    cast: Cast,
    patient: Patient,
    visit: Visit,
    plan: PhotoPlan,
    face: Face,
    photo: Photograph,
    chart: Chart,
    maps: bool,
) -> None:
    """Writes all files of a photograph, the record last."""
    name = plan.name
    write_mask(region_mask_path(out, name), photo.regions)
    write_mask(lesion_mask_path(out, name), photo.kinds)
    write_mask(instances_path(out, name), photo.instances)
    if maps:
        write_maps(maps_path(out, name), {what: getattr(photo, what) for what in MAP_SCALES})
        write_whole(reflectance_path(out, name), _png(_srgb(photo.reflectance)[..., ::-1]))
    write_whole(out / PHOTOS / f"{name}.jpg", encode_jpeg(photo.pixels, plan.camera.jpeg_quality))
    boxes = boxes_of_masks(photo.instances, photo.kinds, sizes_mm=_sizes(photo))
    write_voc(voc_path(out, name), f"{PHOTOS}/{name}.jpg", photo.regions.shape, boxes)
    surface = surface_scores(face, chart)
    pigment = surface_scores(face, chart, ALL_KINDS)
    seen, seen_pigment = photo_truth(photo, surface), photo_truth(photo, pigment, ALL_KINDS)
    height, width = photo.regions.shape
    record: dict[str, Any] = {
        "version": melascope.__version__,
        "made_with": made_with(),
        "photo": {"id": name, "file": f"{PHOTOS}/{name}.jpg", "width": width, "height": height},
        "cohort": asdict(cohort),
        "cast": asdict(cast),
        "patient": asdict(patient),
        "visit": asdict(visit),
        "plan": asdict(plan),
        "truth": {
            "ita_deg": face.ita_deg,
            "tone_band": next(band for limit, band in ITA_BANDS if face.ita_deg > limit).value,
            "reflectance": face.base_rgb,
            "photo": {"melasma": {**as_json(seen), "totals": asdict(score(seen))}},
            "patient": {"melasma": {**as_json(surface), "totals": asdict(score(surface))}},
            "lesions": [_box(one) for one in boxes],
            "look_alikes": face.look_alikes,
        },
    }
    record["truth"]["photo"]["all_pigment"] = {**as_json(seen_pigment), "totals": asdict(score(seen_pigment))}
    record["truth"]["patient"]["all_pigment"] = {**as_json(pigment), "totals": asdict(score(pigment))}
    write_whole(record_path(out, name), json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def _sizes(photo: Photograph) -> dict[int, dict[str, float]]:
    """Area and diameter of every lesion on the skin."""
    areas = np.bincount(photo.instances.ravel(), weights=photo.mm2_per_px.ravel().astype(float))
    return {
        number: {"area_mm2": round(float(area), 2), "diameter_mm": round(2 * float(np.sqrt(area / np.pi)), 2)}
        for number, area in enumerate(areas)
    }


def _box(box: Box) -> dict[str, Any]:
    assert isinstance(box.outline, Rle)
    assert box.mm is not None
    return {
        "instance": box.instance,
        "kind": box.kind.value,
        "box": [int(v) for v in box.corners],
        "area_px": box.area_px,
        **box.mm,
        "runs": pack(box.outline.runs),
    }


def read_record(path: Path) -> dict[str, Any]:
    """A photograph's record.

    Raises:
        RecordError: The file cannot be read or is no such record.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read ({error}): name a file of a cohort's folder records/") from None
    if not isinstance(record, dict) or not {"cast", "patient", "visit", "plan", "truth"} <= set(record):
        raise RecordError(f"{path} is not the record of a photograph: name a file of a cohort's folder records/")
    return record


def retake(record: dict[str, Any]) -> Photograph:
    """Takes the photograph of a record again, from the record alone.

    Raises:
        RecordError: The record was written by another version or with other libraries, or does not hold what this one
            asks for.
    """
    from melascope.cohort.scene import photograph_cast

    if record.get("version") != melascope.__version__:
        raise RecordError(
            f"the record was written by melascope {record.get('version')} and this is {melascope.__version__}: "
            "the picture could differ; use that version"
        )
    differing = made_otherwise(record.get("made_with"))
    if differing:
        raise RecordError(
            f"the record was made otherwise ({differing}): the picture could differ; render into a new folder"
        )
    try:
        cast = TypeAdapter(Cast).validate_python(record["cast"])
        patient = TypeAdapter(Patient).validate_python(record["patient"])
        visit = TypeAdapter(Visit).validate_python(record["visit"])
        plan = TypeAdapter(PhotoPlan).validate_python(record["plan"])
    except ValueError as error:
        raise RecordError(f"the record does not hold what a photograph is made of: {error}") from None
    chart = face_chart()
    face = make_face(visit.skin, visit.lesions, chart)
    return photograph(face, photograph_cast(cast, plan.shot), chart, patient.hair_rgb, plan.camera)


def _png(values: NDArray[Any]) -> bytes:
    done, packed = cv2.imencode(".png", values, [cv2.IMWRITE_PNG_COMPRESSION, 2])
    if not done:
        raise RuntimeError(f"a PNG of {values.shape} {values.dtype} could not be packed")
    return packed.tobytes()


def _srgb(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    light = np.clip(linear, 0.0, 1.0)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, 1 / 2.4) - 0.055)
    return np.asarray(encoded * 255.0 + 0.5, np.uint8)

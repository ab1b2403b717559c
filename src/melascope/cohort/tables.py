"""What is written over a finished cohort: manifest, ratings and COCO annotations, from the photographs' records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from melascope.cohort.files import read_record
from melascope.cohort.patient import Cohort, photo_plans, sample_patient
from melascope.cohort.raters import rate, sample_raters
from melascope.data import Part, Row, assign_splits, write_manifest
from melascope.data.box import Box
from melascope.data.coco import CocoImage, CocoWriter
from melascope.data.layout import ANNOTATIONS, MANIFEST, RATINGS, record_path
from melascope.data.ratings import Rating, write_ratings
from melascope.data.rle import Rle, unpack
from melascope.masi import RegionalScore, masi, severity
from melascope.vocabulary import MASI_REGIONS, Lesion, Region, Severity, ToneBand

__all__ = ["write_tables"]


def write_tables(cohort: Cohort, out: Path) -> Path:
    """Writes manifest.csv, ratings.csv and annotations.coco.json, and returns the manifest's path.

    Splits go by cast, so that no head is in two of them. Raters score the patient on each visit, from the whole
    surface of the face, as they would who may turn the head.
    """
    casts = [_cast_name(number) for number in range(cohort.casts) for _ in cohort.members(number)]
    splits = assign_splits(casts, cohort.seed)
    raters = sample_raters(cohort.seed)
    rows, ratings = [], []
    rated: dict[tuple[str, int], list[float | None]] = {}
    with CocoWriter(out / ANNOTATIONS, {"description": f"virtual cohort, seed {cohort.seed}"}) as coco:
        for name, record in _records(cohort, out):
            patient, visit = record["patient"], record["visit"]["number"]
            key = patient["name"], visit
            if key not in rated:
                true = _scores(record["truth"]["patient"]["melasma"])
                rated[key] = []
                for rater in raters:
                    written = rate(true, rater, _seed(cohort, patient["number"], visit))
                    rated[key].append(masi(written))
                    ratings.append(
                        Rating(rater=rater.name, patient=key[0], visit=visit, scores=written, masi=rated[key][-1])
                    )
            rows.append(_row(record, splits[_cast_name(patient["cast"])], rated[key]))
            size = record["photo"]["height"], record["photo"]["width"]
            image = CocoImage(record["photo"]["file"], size[1], size[0], name)
            coco.add(image, (_box(one, size) for one in record["truth"]["lesions"]))
    write_ratings(ratings, out / RATINGS)
    write_manifest(rows, out / MANIFEST)
    return out / MANIFEST


def _records(cohort: Cohort, out: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number in range(cohort.patients):
        patient = sample_patient(cohort, number)
        for visit in range(1, cohort.visits + 1):
            for plan in photo_plans(cohort, patient, visit):
                yield plan.name, read_record(record_path(out, plan.name))


def _row(record: Mapping[str, Any], split: Any, rated: list[float | None]) -> Row:
    photo, patient, plan, truth = (record[key] for key in ("photo", "patient", "plan", "truth"))
    seen, whole = truth["photo"]["melasma"], truth["patient"]["melasma"]["totals"]
    pigment = truth["photo"]["all_pigment"]["totals"]
    target = plan["shot"]["target"]
    known = [total for total in rated if total is not None]
    mean = float(np.mean(known)) if known else None
    return Row(
        photo_id=photo["id"],
        patient=patient["name"],
        file=photo["file"],
        group=_cast_name(patient["cast"]),
        visit=record["visit"]["number"],
        view=plan["shot"]["view"],
        device=plan["shot"]["device"],
        region=next((r for r in Region if r.key == target), None),
        width=photo["width"],
        height=photo["height"],
        split_631=split.split_631,
        split_82=split.split_82,
        sex=patient["sex"],
        age=round(patient["age_years"], 1),
        ita_deg=truth["ita_deg"],
        tone_band=ToneBand(truth["tone_band"]),
        kinds=tuple(Lesion(kind) for kind in sorted({one["kind"] for one in truth["lesions"]})),
        parts={
            region: Part(**{key: seen[region.key][key] for key in ("share", "darkness", "homogeneity")})
            for region in MASI_REGIONS
            if region.key in seen
        },
        masi=seen["totals"]["masi"],
        mmasi=seen["totals"]["mmasi"],
        severity=None if seen["totals"]["severity"] is None else Severity(seen["totals"]["severity"]),
        rater_masi=tuple(rated),
        rater_mean_masi=mean,
        rater_severity=None if mean is None else severity(mean),
        extra={
            "months": str(record["visit"]["months"]),
            "light": plan["shot"]["light"],
            "patient_masi": repr(whole["masi"]),
            "patient_mmasi": repr(whole["mmasi"]),
            "patient_severity": whole["severity"],
            "pigment_masi": "" if pigment["masi"] is None else repr(pigment["masi"]),
            "pigment_mmasi": "" if pigment["mmasi"] is None else repr(pigment["mmasi"]),
        },
    )


def _box(one: Mapping[str, Any], size: tuple[int, int]) -> Box:
    x0, y0, x1, y1 = one["box"]
    return Box(
        kind=Lesion(one["kind"]),
        x0=x0,
        y0=y0,
        x1=x1,
        y1=y1,
        area_px=one["area_px"],
        outline=Rle(size, unpack(one["runs"])),
        instance=one["instance"],
        mm={"area_mm2": one["area_mm2"], "diameter_mm": one["diameter_mm"]},
    )


def _scores(truth: Mapping[str, Any]) -> dict[Region, RegionalScore]:
    return {
        region: RegionalScore(*(truth[region.key][key] for key in ("area", "darkness", "homogeneity")))
        for region in MASI_REGIONS
        if region.key in truth
    }


def _seed(cohort: Cohort, patient: int, visit: int) -> int:
    """Of what raters err by: the same on a person in each tone."""
    return int(np.random.default_rng((cohort.seed, 6, patient // len(cohort.twins), visit)).integers(2**31))


def _cast_name(number: int) -> str:
    return f"head{number:04d}"

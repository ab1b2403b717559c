"""What a person says otherwise: region scores, kinds of lesions, boxes deleted and drawn.

The record of the analysis is never changed. Corrections are rows that are added; the last one of a target holds, and an
empty one gives the measurement back. `read` puts both together.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy.orm import Session

from melascope.clinic.access import Actor, Conflict, Invalid, Right, photo_of
from melascope.clinic.audit import log
from melascope.clinic.tables import Correction, Photo, now
from melascope.masi import WEIGHTS, RegionalScore, masi, mmasi, severity
from melascope.record import Analysis, LesionRecord, RegionScore
from melascope.vocabulary import MASI_REGIONS, Lesion, Region, Severity

__all__ = ["Change", "LesionReading", "Reading", "RegionReading", "correct", "read", "scores_of"]

_LIMITS: Final = {"area": 6, "darkness": 4, "homogeneity": 4}
_MOST_BOXES: Final = 200
Change = tuple[str, dict[str, Any]]
"""Target and what holds there; an empty value gives the measurement back."""


@dataclass(frozen=True)
class RegionReading:
    """One region: what was measured, and what holds."""

    region: Region
    measured: RegionScore
    score: RegionalScore | None
    """What holds: a person's steps, or the measured continuous values; None if neither is there."""
    points: float | None
    """What it adds to the MASI."""
    correction: Correction | None


@dataclass(frozen=True)
class LesionReading:
    """One patch: outlined by the analysis, or drawn by a person."""

    target: str
    number: int
    """From 1, the largest first; drawn ones after those."""
    box: tuple[int, int, int, int]
    """x0, y0, x1, y1 in pixels of the upright photograph."""
    kind: Lesion | None
    """What holds."""
    measured: LesionRecord | None
    """None if a person drew it."""
    deleted: bool
    correction: Correction | None


@dataclass(frozen=True)
class Reading:
    """A photograph as it stands: the measurement and the corrections on it."""

    record: Analysis
    regions: tuple[RegionReading, ...]
    lesions: tuple[LesionReading, ...]
    masi: float | None
    mmasi: float | None
    severity: Severity | None
    rescored: bool
    """A region's score is a person's, so that the measured interval no longer belongs to the total."""

    @property
    def interval(self) -> tuple[float, float] | None:
        """90 % interval of the measured MASI; None without one, or where a person scored."""
        totals = self.record.masi
        if self.rescored or totals is None or totals.masi_low is None or totals.masi_high is None:
            return None
        return totals.masi_low, totals.masi_high


def read(photo: Photo) -> Reading | None:
    """The measurement and the corrections of a photograph; None while it is not analysed."""
    if photo.analysed is None:
        return None
    record = _record(photo.analysed.record)
    latest = {row.target: row for row in photo.corrections}
    regions = tuple(_region(record, region, latest.get(f"score/{region.key}")) for region in MASI_REGIONS)
    scores = {row.region: row.score for row in regions if row.score is not None}
    rescored = any(row.correction is not None and row.correction.value for row in regions)
    total, modified = (masi(scores), mmasi(scores)) if rescored else (None, None)
    if not rescored and record.masi is not None:
        total, modified = record.masi.masi, record.masi.mmasi
    lesions = [_outlined(index, lesion, latest.get(f"lesion/{index}")) for index, lesion in enumerate(record.lesions)]
    drawn = [row for target, row in latest.items() if target.startswith("box/") and row.value]
    lesions += [_drawn(len(lesions) + 1 + index, row) for index, row in enumerate(drawn)]
    return Reading(
        record=record,
        regions=regions,
        lesions=tuple(lesions),
        masi=total,
        mmasi=modified,
        severity=None if total is None else severity(total),
        rescored=rescored,
    )


@lru_cache(maxsize=64)
def _record(text: str) -> Analysis:
    """A record read from its JSON; pages ask for the same ones again and again."""
    return Analysis.model_validate_json(text)


def _region(record: Analysis, region: Region, row: Correction | None) -> RegionReading:
    nothing = RegionScore(visible=False, skin_px=0, involved_fraction=None, area=None, darkness=None, homogeneity=None)
    measured: RegionScore = nothing if record.regions is None else getattr(record.regions, region.key)
    score = None
    if row is not None and row.value:
        score = RegionalScore(**{name: row.value[name] for name in _LIMITS})
    elif measured.area is not None and measured.darkness is not None and measured.homogeneity is not None:
        score = RegionalScore(measured.area, measured.darkness, measured.homogeneity)
    points = None if score is None else WEIGHTS[region] * score.area * (score.darkness + score.homogeneity)
    return RegionReading(region, measured, score, points, row)


def _outlined(index: int, lesion: LesionRecord, row: Correction | None) -> LesionReading:
    value = {} if row is None else row.value
    kind = lesion.kind
    if "kind" in value:
        kind = Lesion(value["kind"]) if value["kind"] else None
    return LesionReading(f"lesion/{index}", index + 1, lesion.box, kind, lesion, bool(value.get("deleted", False)), row)


def _drawn(number: int, row: Correction) -> LesionReading:
    x0, y0, x1, y1 = row.value["box"]
    kind = Lesion(row.value["kind"]) if row.value.get("kind") else None
    return LesionReading(row.target, number, (x0, y0, x1, y1), kind, None, False, row)


# ---------------------------------------------------------------- changing


def correct(db: Session, actor: Actor, photo_id: str, version: int, changes: Sequence[Change]) -> Photo:
    """Add corrections; what holds already is not written again.

    Args:
        db: A writing transaction.
        actor: Needs the right to correct.
        photo_id: The photograph.
        version: Of the photograph as the caller saw it.
        changes: ``score/<region>``, ``lesion/<n>`` or ``box/<id>`` (``box/new`` draws one) and what holds there.

    Raises:
        Conflict: Somebody corrected it since `version`.
        Invalid: There is no analysis or no such target, or a value is out of its range.
    """
    photo = photo_of(db, actor, photo_id, Right.CORRECT)
    if photo.version != version:
        raise Conflict
    reading = read(photo)
    if reading is None:
        raise Invalid("error.not_analysed")
    latest = {row.target: row.value for row in photo.corrections}
    done = []
    for target, value in changes:
        where, original = _checked(reading, target, value)
        if latest.get(where, {}) == value or (
            where.startswith("score/") and not latest.get(where) and value == original
        ):
            continue
        db.add(Correction(photo_id=photo.id, target=where, original=original, value=value, by=actor.id, at=now()))
        done.append(where)
    if done:
        photo.corrected, photo.corrected_by = now(), actor.id
        log(db, actor.id, "photo.correct", photo, targets=" ".join(done))
        db.flush()
        db.refresh(photo)
    return photo


def _checked(reading: Reading, target: str, value: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The target as it is kept, and what was measured there."""
    sort, _, rest = target.partition("/")
    match sort:
        case "score" if rest in {region.key for region in MASI_REGIONS}:
            measured = next(row.measured for row in reading.regions if row.region.key == rest)
            if value:
                _check_score(value)
            steps = (measured.area_step, measured.darkness_step, measured.homogeneity_step)
            return target, {} if None in steps else dict(zip(_LIMITS, steps, strict=True))
        case "lesion" if rest.isdecimal() and len(rest) < 6 and int(rest) < len(reading.record.lesions):
            lesion = reading.record.lesions[int(rest)]
            _check_kind(value)
            if not set(value) <= {"kind", "deleted"}:
                raise Invalid("error.choice", "kind", value="lesion")
            return target, {"kind": lesion.kind.value if lesion.kind else ""}
        case "box" if rest == "new":
            if sum(row.measured is None for row in reading.lesions) >= _MOST_BOXES:
                raise Invalid("error.boxes_many", "box", most=_MOST_BOXES)
            _check_kind(value)
            value["box"] = _checked_box(value.get("box"), reading)
            return f"box/{secrets.token_hex(6)}", {}
        case "box" if any(row.target == target for row in reading.lesions):
            if value:
                _check_kind(value)
                value["box"] = _checked_box(value.get("box"), reading)
            return target, {}
    raise Invalid("error.choice", "target", value=target[:40])


def _check_score(value: Mapping[str, Any]) -> None:
    for name, top in _LIMITS.items():
        number = value.get(name)
        if not isinstance(number, int) or not 0 <= number <= top:
            raise Invalid("error.score", name, top=top)
    if (value["area"] == 0) != (value["darkness"] == 0 and value["homogeneity"] == 0):
        raise Invalid("error.score_zero", "area")


def _check_kind(value: Mapping[str, Any]) -> None:
    if value.get("kind") and value["kind"] not in set(Lesion):
        raise Invalid("error.choice", "kind", value=str(value["kind"])[:20])


def _checked_box(raw: object, reading: Reading) -> list[int]:
    """A box within the photograph, its corners in order."""
    width, height = reading.record.photo.width, reading.record.photo.height
    if not isinstance(raw, (list, tuple)) or len(raw) != 4 or not all(isinstance(each, int) for each in raw):
        raise Invalid("error.box", "box")
    x0, x1 = sorted((min(max(raw[0], 0), width), min(max(raw[2], 0), width)))
    y0, y1 = sorted((min(max(raw[1], 0), height), min(max(raw[3], 0), height)))
    if x1 - x0 < 3 or y1 - y0 < 3:
        raise Invalid("error.box", "box")
    return [x0, y0, x1, y1]


def scores_of(form: Mapping[str, str]) -> list[Change]:
    """The changes of the form of region scores: ``forehead.area`` and so on; a region with three empty fields is as
    measured.

    Raises:
        Invalid: Only some fields of a region are filled in, or one is no whole number.
    """
    changes: list[Change] = []
    for region in MASI_REGIONS:
        raw = {name: form.get(f"{region.key}.{name}", "").strip() for name in _LIMITS}
        if not any(raw.values()):
            changes.append((f"score/{region.key}", {}))
            continue
        value: dict[str, Any] = {}
        for name, text in raw.items():
            if not (text.isdecimal() and len(text) == 1):
                raise Invalid("error.score", f"{region.key}.{name}", top=_LIMITS[name])
            value[name] = int(text)
        changes.append((f"score/{region.key}", value))
    return changes

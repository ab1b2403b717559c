"""One photograph measured and set against its exact truth, as counts that can be added up over any group."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from benchmarks.rendered import opened
from benchmarks.visibility import detectability
from numpy.typing import NDArray

from melascope import analyze
from melascope.data import Sample
from melascope.data.box import KIND_CODES
from melascope.lesions.pigment import map_pigment
from melascope.masi import DETECTION_FLOOR, RegionalScore, masi
from melascope.photo.reading import read_photo
from melascope.record import Analysis, LesionRecord
from melascope.skin.regions import find_regions
from melascope.vocabulary import FACIAL_SKIN, MASI_REGIONS, SKIN, Region, Verdict

__all__ = [
    "IN_VIEW",
    "MISSED",
    "NO_LESION",
    "NO_NAME",
    "Held",
    "PhotoFigures",
    "Seen",
    "count_pigment",
    "count_regions",
    "look_alikes",
    "measure",
    "name_lesions",
    "probability_of",
    "true_regions_of",
    "unpainted",
]

BINS: Final = 256
"""Steps of probability in which pixels are counted."""
AWAY: Final = 0.03
"""Distance from any lesion, as a share of the picture's side, from which skin is free of it beyond doubt."""
LEAST_PX: Final = 10
"""Pixels of the smallest lesion whose name is asked for."""
TOUCHED: Final = 0.25
"""Share of a lesion that must be outlined for it to count as found."""
EMPTY: Final = 0.1
"""Share of an outline that must be lesion for it not to count as invented."""
NO_LESION: Final = "no lesion"
NO_NAME: Final = "no name"
MISSED: Final = "missed"
IN_VIEW: Final = "all skin in view"
_NAMES: Final = {code: kind.value for kind, code in KIND_CODES.items()}
_EXCHANGED: Final = ((Region.RIGHT_MALAR, Region.LEFT_MALAR), (Region.LEFT_MALAR, Region.RIGHT_MALAR))

Counts = NDArray[np.int64]
Change = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


@dataclass(frozen=True)
class Held:
    """An interval and what is true: whether the one holds the other."""

    what: str
    region: str
    low: float
    high: float
    true: float
    pigmented: bool

    @property
    def holds(self) -> bool:
        """Ends included; what rounding takes away is forgiven."""
        return self.low - 1e-9 <= self.true <= self.high + 1e-9


@dataclass(frozen=True)
class Pigment:
    """Pixels of truly bare facial skin, and what lies off it."""

    skin: int
    true: int
    called: int
    both: int
    away: int
    """Skin away from every lesion."""
    away_called: int
    off: int
    """Called pixels where no bare skin is."""
    histogram: Counts
    """(2, BINS) pixels of skin by probability: without and with a lesion."""


@dataclass(frozen=True)
class Seen:
    """What was measured in a photograph that was not refused."""

    pigment: Pigment
    overlaps: Mapping[str, tuple[int, int]]
    """By region: pixels in both truth and finding, and in either. Empty where regions have no truth of their own."""
    swapped: int
    """Cheeks called the other cheek."""
    shares: Mapping[str, tuple[float, float | None]]
    """By region, or `IN_VIEW`: true and measured involved share; None where the region was not measured."""
    held: tuple[Held, ...]
    names: tuple[tuple[str, str], ...]
    """(true kind or NO_LESION, named kind or NO_NAME or MISSED) of each lesion."""
    masi: float | None = None
    """As measured, of all pigment; None without a total."""
    detectability: float | None = None
    """Of the lesions in the picture, whoever looks (`visibility.detectability`)."""


@dataclass(frozen=True)
class PhotoFigures:
    """One photograph: what kind of photograph it is, and what was measured; None if it was refused."""

    photo: str
    head: str
    band: str
    device: str
    view: str
    kinds: tuple[str, ...] = ()
    density: float | None = None
    """Density of the visible lesions: mean over the regions of the MASI, by involved area; None without any."""
    masi: float | None = None
    """Of all pigment in the picture."""
    healthy: bool = False
    """The patient has no lesion at all."""
    look_alikes: tuple[str, ...] = field(default=())
    seen: Seen | None = None

    @property
    def close(self) -> bool:
        """A close-up."""
        return self.view == "close-up"


def measure(task: tuple[str, str], changed: Change | None = None) -> PhotoFigures:
    """Measures a photograph of a data set with exact masks: (folder, photo id).

    Args:
        task: Which.
        changed: What is done to its pixels (H, W, 3) before they are measured; each must stay where it is.
    """
    folder, photo_id = task
    sample = opened(folder)[photo_id]
    record = sample.record() or {}
    truth = true_regions_of(record)
    areas = {key: one["share"] * one["area_mm2"] for key, one in truth.items() if one["share"] > 0}
    density = sum(areas[key] * truth[key]["density"] for key in areas) / sum(areas.values()) if areas else None
    scores = {r: _score(truth[r.key]) for r in MASI_REGIONS if r.key in truth}
    return PhotoFigures(
        photo=photo_id,
        head=sample.row.kept_together,
        band=str(sample.row.tone_band),
        device=sample.row.device,
        view=str(sample.row.view),
        kinds=tuple(str(kind) for kind in sample.row.kinds or ()),
        density=density,
        masi=masi(scores),
        healthy=not (record.get("lesions") or record.get("visit", {}).get("lesions")),
        look_alikes=look_alikes(record),
        seen=_seen(Path(folder), sample, truth, changed),
    )


def unpainted(path: Path) -> PhotoFigures:
    """A photograph without truth, taken for healthy: what is called of the facial skin that was found."""
    photo = read_photo(path)
    analysis = analyze(photo)
    seen = None
    if analysis.quality.verdict is not Verdict.REFUSED:
        codes, called = analysis.arrays.region_codes, analysis.arrays.lesion_mask
        pigment = count_pigment(codes, np.zeros(codes.shape, bool), called, probability_of(photo.pixels))
        seen = Seen(pigment, {}, 0, {}, (), ())
    band = str(analysis.skin_tone.band) if analysis.skin_tone else ""
    return PhotoFigures(path.stem, path.stem, band, "", "frontal", healthy=True, seen=seen)


def true_regions_of(record: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Truth of a record by region, over all pigment; rendered and painted photographs keep it in different places."""
    truth = record["truth"]
    found = dict(truth["photo"]["all_pigment"] if "photo" in truth else truth["all_pigment"])
    found.pop("totals", None)
    return found


def look_alikes(record: Mapping[str, Any]) -> tuple[str, ...]:
    """What a virtual patient's face shows that is no pigment disease, as far as it is more than a trace of it."""
    if "visit" not in record:
        return ()
    skin, cast = record["visit"]["skin"], record["cast"]
    there = {
        "moles": any(d >= 2 for d in skin["mole_diameters_mm"]),
        "dermatosis papulosa nigra": len(skin["papulosa_diameters_mm"]) >= 3,
        "papules and acne marks": skin["papules"] + skin["marks"] >= 4,
        "redness": skin["redness"] > 0.35,
        "shaved beard": skin["beard_shadow"] > 0.2,
        "beard": cast["hair"]["beard"] != "none",
        "dark lids or mouth": max(skin["periorbital_tone"], skin["perioral_tone"]) > 0.2 or skin["eye_shadows"] > 0.6,
        "make-up": max(skin["foundation"], skin["blush"]) > 0,
        "glasses or headwear": cast["worn"]["frame"] != "none" or cast["worn"]["cover"] != "none",
    }
    return tuple(name for name, is_there in there.items() if is_there)


def count_regions(true: NDArray[np.uint8], found: NDArray[np.uint8]) -> tuple[dict[str, tuple[int, int]], int]:
    """Pixels in both and in either, by MASI region; and how many cheeks are called the other one."""
    overlaps = {}
    for region in MASI_REGIONS:
        t, f = true == region, found == region
        overlaps[region.key] = int((t & f).sum()), int((t | f).sum())
    swapped = 0
    for side, other in _EXCHANGED:
        place = true == side
        swapped += bool(place.sum() > 200 and (found[place] == other).mean() > 0.5)
    return overlaps, swapped


def count_pigment(
    codes: NDArray[np.uint8], lesion: NDArray[np.bool_], called: NDArray[np.bool_], probability: NDArray[np.float32]
) -> Pigment:
    """Counts pixels of the truly bare facial skin.

    Args:
        codes: (H, W) true regions.
        lesion: (H, W) where lesions truly are.
        called: (H, W) where disease is called.
        probability: (H, W) of disease, 0 to 1.
    """
    skin = np.isin(codes, FACIAL_SKIN)
    far = cv2.distanceTransform((~lesion).astype(np.uint8), cv2.DIST_L2, 5) if lesion.any() else None
    away = skin if far is None else skin & (far > AWAY * max(codes.shape))
    step = np.clip((probability[skin] * BINS).astype(np.int64), 0, BINS - 1)
    return Pigment(
        skin=int(skin.sum()),
        true=int((skin & lesion).sum()),
        called=int((skin & called).sum()),
        both=int((skin & lesion & called).sum()),
        away=int(away.sum()),
        away_called=int((away & called).sum()),
        off=int((called & ~np.isin(codes, SKIN)).sum()),
        histogram=np.bincount(lesion[skin] * BINS + step, minlength=2 * BINS).reshape(2, BINS),
    )


def name_lesions(
    kinds: NDArray[np.uint8],
    instances: NDArray[np.integer[Any]],
    called: NDArray[np.bool_],
    records: tuple[LesionRecord, ...],
) -> tuple[tuple[str, str], ...]:
    """True and given name of every lesion; an outline that covers hardly any lesion counts as `NO_LESION`.

    A lesion belongs to the outline that covers most of it. Records hold boxes, not outlines: each belongs to the
    outline whose box is most like its own.

    Args:
        kinds: (H, W) true kind codes, 0 none.
        instances: (H, W) numbers of single lesions, 0 none.
        called: (H, W) where disease is called.
        records: The lesions that were listed, with or without a name.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(called.astype(np.uint8), connectivity=8)
    named = _named(np.asarray(stats[1:, :4], np.int64), records)
    table = np.zeros((int(instances.max()) + 1, count), np.int64)
    np.add.at(table, (instances.ravel(), np.asarray(labels, np.int64).ravel()), 1)
    codes = np.zeros((len(table), int(kinds.max()) + 1), np.int64)
    np.add.at(codes, (instances.ravel(), kinds.ravel()), 1)
    found = []
    for row, kind in zip(table[1:], codes[1:, 1:], strict=True):
        total = int(row.sum())
        if total < LEAST_PX or not kind.any():
            continue
        outline = int(row[1:].argmax()) + 1 if count > 1 else 0
        touched = row[1:].sum() >= TOUCHED * total
        found.append((_NAMES[int(kind.argmax()) + 1], named.get(outline, NO_NAME) if touched else MISSED))
    empty = [label for label in named if table[1:, label].sum() < EMPTY * table[:, label].sum()]
    return (*found, *((NO_LESION, named[label]) for label in empty))


def _named(boxes: Counts, records: tuple[LesionRecord, ...]) -> dict[int, str]:
    """Name by label of the outline whose box (x, y, w, h) is most like a record's."""
    names: dict[int, str] = {}
    if not len(boxes):
        return names
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    for one in records:
        x0, y0, x1, y1 = one.box
        common = np.clip(np.minimum(high, (x1, y1)) - np.maximum(low, (x0, y0)), 0, None).prod(axis=1)
        alike = common / (boxes[:, 2] * boxes[:, 3] + (x1 - x0) * (y1 - y0) - common)
        best = int(alike.argmax())
        if alike[best] > 0.3:
            names.setdefault(best + 1, str(one.kind) if one.kind else NO_NAME)
    return names


def _score(truth: Mapping[str, float]) -> RegionalScore:
    return RegionalScore(truth["area"], truth["darkness"], truth["homogeneity"])


def _seen(
    folder: Path, sample: Sample, truth: Mapping[str, Mapping[str, float]], changed: Change | None
) -> Seen | None:
    photo = read_photo(folder / sample.row.file)
    if changed is not None:
        photo = replace(photo, pixels=changed(photo.pixels))
    analysis = analyze(photo)
    if analysis.quality.verdict is Verdict.REFUSED:
        return None
    codes, kinds = sample.regions(), sample.lesions()
    assert codes is not None
    assert kinds is not None
    arrays = analysis.arrays
    lesion = kinds > 0
    rendered = sample.instances()
    instances = rendered if rendered is not None else _components(kinds)
    pigment = count_pigment(codes, lesion, arrays.lesion_mask, probability_of(photo.pixels))
    overlaps, swapped = count_regions(codes, arrays.region_codes) if rendered is not None else ({}, 0)
    # A sliver of the far cheek has no shape to compare: neither truth nor measurement scores it.
    overlaps = {key: pair for key, pair in overlaps.items() if key in truth or _scored(analysis, key)}
    shares = _shares(analysis, truth)
    if analysis.skin_in_view and pigment.skin:
        shares[IN_VIEW] = pigment.true / pigment.skin, analysis.skin_in_view.involved_fraction
    return Seen(
        pigment=pigment,
        overlaps=overlaps,
        swapped=swapped,
        shares=shares,
        held=tuple(_held(analysis, truth, shares)),
        names=name_lesions(kinds, instances, arrays.lesion_mask, analysis.lesions),
        masi=analysis.masi.masi if analysis.masi else None,
        detectability=detectability(photo.pixels, np.isin(codes, FACIAL_SKIN), lesion),
    )


def _components(kinds: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Patches of one kind as single lesions, where lesions are not told apart."""
    instances = np.zeros(kinds.shape, np.int32)
    for code in np.unique(kinds[kinds > 0]):
        _, labels = cv2.connectedComponents((kinds == code).astype(np.uint8), connectivity=8)
        instances = np.where(labels > 0, labels + instances.max(), instances)
    return instances


def probability_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W) probability of pigment disease; 0 where none is measured."""
    regions = find_regions(pixels)
    x0, y0, x1, y1 = regions.frame
    full = np.zeros(pixels.shape[:2], np.float32)
    full[y0:y1, x0:x1] = cv2.resize(
        map_pigment(regions).probability, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR
    )
    return full


def _scored(analysis: Analysis, region: str) -> bool:
    return bool(getattr(analysis.regions, region).visible)


def _shares(analysis: Analysis, truth: Mapping[str, Mapping[str, float]]) -> dict[str, tuple[float, float | None]]:
    found = {}
    for key, one in truth.items():
        measured = getattr(analysis.regions, key)
        found[key] = one["share"], measured.involved_fraction if _scored(analysis, key) else None
    return found


def _held(
    analysis: Analysis, truth: Mapping[str, Mapping[str, float]], shares: Mapping[str, tuple[float, float | None]]
) -> list[Held]:
    """Every interval of the record of which the truth is known."""
    found = []

    def add(what: str, region: str, low: float | None, high: float | None, true: float | None, pigmented: bool) -> None:
        if low is not None and high is not None and true is not None:
            found.append(Held(what, region, low, high, true, pigmented))

    for key, one in truth.items():
        score = getattr(analysis.regions, key)
        pigmented = one["share"] >= DETECTION_FLOOR
        add("involved share", key, score.involved_low, score.involved_high, one["share"], pigmented)
        for what in ("darkness", "homogeneity"):
            ends = getattr(score, f"{what}_low", None), getattr(score, f"{what}_high", None)
            add(what, key, *ends, one[what], pigmented)
    if analysis.skin_in_view and IN_VIEW in shares:
        view, true = analysis.skin_in_view, shares[IN_VIEW][0]
        add("involved share", IN_VIEW, view.involved_low, view.involved_high, true, true >= DETECTION_FLOOR)
    scores = {r: _score(truth[r.key]) for r in MASI_REGIONS if r.key in truth}
    if analysis.masi:
        some = any(one["share"] >= DETECTION_FLOOR for one in truth.values())
        add("MASI", "", analysis.masi.masi_low, analysis.masi.masi_high, masi(scores), some)
    return found

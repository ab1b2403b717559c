"""The cohort's lesions grown on photographs of real, healthy skin: exact pigment on real pores, hair and light.

The regions that the measurement finds tie the photograph to the face chart: centres of the same parts in both give a
smooth map (a thin-plate spline), through which lesions in millimetres reach the picture. Pigment is laid on by its
effect, the ratio of the skin's reflectance with and without it, so that everything else of the photograph stays.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

import melascope
from melascope.archive import EXTENSIONS, shown
from melascope.cohort.camera import encode_jpeg
from melascope.cohort.chart import PX_MM, SIDE, Chart, face_chart
from melascope.cohort.face import EDGE
from melascope.cohort.growth import LesionParameters, at_any_density, grow, sample_lesion, sample_lesions
from melascope.cohort.optics import dermal_for_density, epidermal_for_density, melanin_for_ita, skin_colour
from melascope.cohort.truth import ALL_KINDS, MELASMA, as_json, score, true_regions
from melascope.data import Part, Row, assign_splits, write_manifest
from melascope.data.about import About, write_about
from melascope.data.box import KIND_CODES
from melascope.data.layout import (
    ABOUT,
    MANIFEST,
    PHOTOS,
    lesion_mask_path,
    maps_path,
    record_path,
    region_mask_path,
    write_whole,
)
from melascope.data.pixels import write_maps, write_mask
from melascope.interrupts import interrupts_held
from melascope.lesions.outline import FACE_MM
from melascope.photo.light import to_linear, to_srgb
from melascope.photo.photograph import PhotoRefused
from melascope.photo.reading import read_photo
from melascope.skin.regions import RegionMap, find_regions
from melascope.skin.tone import measure_tone
from melascope.vocabulary import FACIAL_SKIN, Lesion, Region, Severity, ToneBand, View

__all__ = ["PaintError", "Painting", "paint_canvases", "paint_photo", "to_chart", "transmission"]

MOST_PIGMENT: Final = 0.05
"""Share of the facial skin that may be called pigment disease before anything is painted."""
_ANCHORS: Final = (
    Region.FOREHEAD,
    Region.RIGHT_MALAR,
    Region.LEFT_MALAR,
    Region.CHIN,
    Region.NOSE,
    Region.UPPER_LIP,
    Region.LIPS,
)
"""Parts whose centres tie photograph and chart; eyes and brows add one on either side."""
_SMOOTH: Final = 0.02
"""How far the spline may miss an anchor, relative to the stiffness of the sheet."""
_BLOOD: Final = 0.03
_OXYGEN: Final = 0.7


class PaintError(Exception):
    """Nothing can be painted; the message says why and the way out."""


@dataclass(frozen=True)
class Painting:
    """A painted photograph with its truth, all (h, w): the working frame of its measurement."""

    pixels: NDArray[np.uint8]
    regions: NDArray[np.uint8]
    kinds: NDArray[np.uint8]
    density: NDArray[np.float32]
    mm2_per_px: NDArray[np.float32]


def to_chart(regions: RegionMap, chart: Chart) -> NDArray[np.float32] | None:
    """Chart place (h, w, 2) in mm of every pixel of a face; None where too little of a face is seen.

    A thin-plate spline (Duchon 1977; Bookstein 1989) through the centres of the parts that both show.
    """
    here, there = _anchors(regions.codes), _anchors(chart.codes)
    common = sorted(set(here) & set(there))
    if len(common) < 6:
        return None
    height, width = regions.codes.shape
    source = np.array([here[name] for name in common]) / width
    target = (np.array([there[name] for name in common]) + 0.5) / PX_MM - SIDE / PX_MM / 2
    n = len(common)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = _kernel(source, source) + _SMOOTH * np.eye(n)
    system[:n, n] = system[n, :n] = 1.0
    system[:n, n + 1 :], system[n + 1 :, :n] = source, source.T
    weights = np.linalg.solve(system, np.vstack([target, np.zeros((3, 2))]))
    ys, xs = np.mgrid[0 : height + 15 : 16, 0 : width + 15 : 16]
    places = np.stack([xs.ravel(), ys.ravel()], axis=1) / width
    coarse = _kernel(places, source) @ weights[:n] + weights[n] + places @ weights[n + 1 :]
    grid = coarse.reshape(*xs.shape, 2).astype(np.float32)
    rows, columns = (np.arange(length, dtype=np.float32) / 16 for length in (height, width))
    x, y = np.meshgrid(columns, rows)
    return np.dstack([cv2.remap(np.ascontiguousarray(grid[..., i]), x, y, cv2.INTER_LINEAR) for i in (0, 1)])


def paint_photo(
    regions: RegionMap, lesions: Sequence[LesionParameters], chart: Chart, ita_deg: float
) -> Painting | None:
    """Grows lesions on a photograph of healthy skin.

    Args:
        regions: What `find_regions` found; a whole face.
        lesions: What to grow.
        chart: The face chart.
        ita_deg: Tone of the skin: how much the same pigment shows depends on it.

    Returns:
        None if the face cannot be tied to the chart.
    """
    place = to_chart(regions, chart)
    if place is None or regions.face_px is None:
        return None
    x, y = ((np.ascontiguousarray(place[..., i]) + SIDE / PX_MM / 2) * PX_MM - 0.5 for i in (0, 1))

    def read(values: NDArray[Any], how: int = cv2.INTER_LINEAR) -> NDArray[Any]:
        return np.asarray(cv2.remap(values, x, y, how, borderMode=cv2.BORDER_CONSTANT))

    bare = np.isin(regions.codes, FACIAL_SKIN)
    inside = cv2.GaussianBlur(bare.astype(np.float32), (0, 0), 1.0) * bare
    shape = regions.codes.shape
    shallow, deep = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    kinds, cover = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
    for lesion in lesions:
        grown = grow(lesion, chart)
        amount = lesion.density * grown.body
        deep += read(np.asarray(amount * grown.dermal_share, np.float32))
        shallow += read(np.asarray(amount * (1 - grown.dermal_share), np.float32))
        covered = read(grown.cover)
        kinds[(covered >= EDGE) & (covered >= cover) & bare] = KIND_CODES[Lesion(lesion.kind)]
        cover = np.maximum(cover, covered)
    through = transmission(shallow * inside, deep * inside, ita_deg)
    light = to_linear(regions.pixels) * through
    mm = FACE_MM / regions.face_px
    return Painting(
        pixels=to_srgb(np.asarray(light, np.float32)),
        regions=regions.codes,
        kinds=kinds,
        density=np.asarray(-np.log10(through[..., 0]), np.float32),  # what is reached, not what was wished
        mm2_per_px=np.full(shape, mm * mm, np.float32),
    )


def paint_canvases(
    canvases: Path,
    out: Path,
    *,
    each: int,
    seed: int,
    kinds: tuple[str, ...],
    jobs: int,
    any_density: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> str:
    """Paints every photograph of a folder `each` times into a data set; returns a sentence on what was done.

    Each photograph counts as a person: with several of one person, splits by `patient` are not by person. With
    `any_density` a lesion's density is drawn whatever its extent (`growth.at_any_density`): broad melasma may be faint.

    Raises:
        PaintError: No photograph, a kind that does not exist, or a folder that holds something else.
    """
    photos = sorted(p for p in canvases.rglob("*") if p.suffix.lower() in EXTENSIONS) if canvases.is_dir() else []
    if not photos:
        raise PaintError(f"{canvases} holds no photograph ({', '.join(sorted(EXTENSIONS))}): name another folder")
    for kind in kinds:
        if kind not in tuple(Lesion):
            raise PaintError(f"kind {kind!r} is unknown: choose from {', '.join(Lesion)}")
    if seed < 0:
        raise PaintError(f"seed = {seed}: must not be negative")
    if out.exists() and not out.is_dir():
        raise PaintError(f"{out} is a file: name a folder")
    if out.exists() and any(out.iterdir()):
        raise PaintError(f"{out} is not empty: name another folder, or remove it")
    out.mkdir(parents=True, exist_ok=True)
    tasks = [(number, photo, out, each, seed, kinds, any_density) for number, photo in enumerate(photos)]
    done = []
    try:
        with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=get_context("spawn"), initializer=_begin) as pool:
            with interrupts_held():
                painted = pool.map(_paint_one, tasks)
            for some in painted:
                done.append(some)
                advance()
    except BrokenProcessPool:
        raise PaintError("a worker process died (out of memory?): remove the folder and use fewer --jobs") from None
    rows = [row for some in done for row in some]
    if not rows:
        raise PaintError(f"no whole, healthy face was found in the {len(photos)} photographs of {canvases}")
    splits = assign_splits([row["patient"] for row in rows], seed)
    write_manifest([_row(row, splits[row["patient"]]) for row in rows], out / MANIFEST)
    about = About(
        name=f"lesions painted on {shown(canvases.name)}, seed {seed}",
        made_by=f"melascope {melascope.__version__}",
        licence="that of the photographs",
        notes="Pigment is painted, regions are measured: for training, not for evaluation.",
        generator={"each": each, "seed": seed, "kinds": list(kinds), "any_density": any_density},
    )
    write_about(about, out / ABOUT)
    skipped = sum(not some for some in done)
    left = f"; {skipped} without a whole, healthy face were left out" if skipped else ""
    return f"{len(rows)} paintings of {len(photos) - skipped} photographs in {shown(str(out))}{left}"


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["MELASCOPE_THREADS"] = "1"
    cv2.setNumThreads(1)


def _paint_one(task: tuple[int, Path, Path, int, int, tuple[str, ...], bool]) -> list[dict[str, Any]]:
    number, path, out, each, seed, kinds, any_density = task
    try:
        photo = read_photo(path)
    except (PhotoRefused, OSError):
        return []
    pixels = photo.pixels
    regions = find_regions(pixels)
    tone = measure_tone(regions.pixels, regions.codes, None) if regions.view is View.FACE else None
    if tone is None or float((regions.disease[np.isin(regions.codes, FACIAL_SKIN)] > 0.5).mean()) > MOST_PIGMENT:
        return []
    digest = hashlib.sha256(pixels.tobytes()).digest()
    patient = f"canvas-{digest.hex()[:12]}"  # the same in any folder and any run
    chart, rows = face_chart(), []
    for index in range(each):
        rng = np.random.default_rng((seed, int.from_bytes(digest[:6]), index))
        kind = _kind(kinds, digest, index) if kinds else None
        lesions = _lesions(rng, kind, tone.band, any_density=any_density)
        painting = paint_photo(regions, lesions, chart, tone.ita_deg)
        if painting is None:
            return []
        name = f"canvas{number:05d}-{digest.hex()[:8]}-{index + 1}"
        write_whole(out / PHOTOS / f"{name}.jpg", encode_jpeg(painting.pixels, 95))
        write_mask(region_mask_path(out, name), painting.regions)
        write_mask(lesion_mask_path(out, name), painting.kinds)
        zero = np.zeros_like(painting.density)
        write_maps(maps_path(out, name), {"melanin": zero, "blood": zero, "density": painting.density})
        melasma = true_regions(
            painting.regions, np.isin(painting.kinds, MELASMA), painting.density, painting.mm2_per_px
        )
        pigment = true_regions(
            painting.regions, np.isin(painting.kinds, ALL_KINDS), painting.density, painting.mm2_per_px
        )
        truth = {"melasma": as_json(melasma), "all_pigment": as_json(pigment)}
        record = {"canvas": photo.sha256, "lesions": [lesion.record() for lesion in lesions], "truth": truth}
        write_whole(record_path(out, name), json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        height, width = painting.regions.shape
        totals = score(melasma)
        rows.append(
            {
                "name": name,
                "patient": patient,
                "size": (width, height),
                "ita_deg": tone.ita_deg,
                "band": tone.band.value,
                "kinds": [kind for kind, code in KIND_CODES.items() if (painting.kinds == code).any()],
                "truth": {r: (t.share, t.score.darkness, t.score.homogeneity) for r, t in melasma.items()},
                "totals": (totals.masi, totals.mmasi, totals.severity),
            }
        )
    return rows


def _lesions(
    rng: np.random.Generator, kind: Lesion | None, band: ToneBand, *, any_density: bool
) -> list[LesionParameters]:
    """What is painted: one of a kind, or as they occur."""
    if kind:
        found = [sample_lesion(rng, kind)]
    else:
        found = list(sample_lesions(rng, age_years=float(rng.uniform(20, 70)), sex=0.0, tone_band=band))
    if any_density:
        found = [at_any_density(one, rng) for one in found]
    return found


def _kind(kinds: tuple[str, ...], digest: bytes, index: int) -> Lesion:
    """The kind of a picture's painting: in turn, from a start that the picture's digest gives."""
    return Lesion(kinds[(int.from_bytes(digest[6:12]) + index) % len(kinds)])


def _row(row: dict[str, Any], split: Any) -> Row:
    masi, mmasi, severity = row["totals"]
    return Row(
        photo_id=row["name"],
        patient=row["patient"],
        file=f"{PHOTOS}/{row['name']}.jpg",
        visit=1,
        view="frontal",
        device="painted",
        width=row["size"][0],
        height=row["size"][1],
        split_631=split.split_631,
        split_82=split.split_82,
        ita_deg=row["ita_deg"],
        tone_band=ToneBand(row["band"]),
        kinds=tuple(row["kinds"]),
        parts={region: Part(*values) for region, values in row["truth"].items()},
        masi=masi,
        mmasi=mmasi,
        severity=None if severity is None else Severity(severity),
    )


def _anchors(codes: NDArray[np.uint8]) -> dict[str, tuple[float, float]]:
    """Centres (x, y) in pixels of the parts that are seen well enough."""
    found = {}
    least = 0.0002 * codes.size
    for region in _ANCHORS:
        ys, xs = np.nonzero(codes == region)
        if xs.size > least:
            found[region.key] = (float(xs.mean()), float(ys.mean()))
    if "nose" not in found:
        return found
    middle = found["nose"][0]
    for region in (Region.EYE, Region.BROW):
        ys, xs = np.nonzero(codes == region)
        for side, where in (("right", xs < middle), ("left", xs >= middle)):
            if where.sum() > least:
                found[f"{side}_{region.key}"] = (float(xs[where].mean()), float(ys[where].mean()))
    return found


def _kernel(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    r2 = ((a[:, None] - b[None]) ** 2).sum(axis=2)
    return np.asarray(0.5 * r2 * np.log(np.maximum(r2, 1e-12)), np.float64)


def transmission(shallow: NDArray[np.float32], deep: NDArray[np.float32], ita_deg: float) -> NDArray[np.float32]:
    """Reflectance with pigment relative to that without, by the spectral optics of the skin.

    Args:
        shallow: Wished optical density in red of epidermal pigment, any shape.
        deep: The same of dermal pigment.
        ita_deg: Tone of the skin without it.

    Returns:
        (..., 3) linear R, G, B. What is reached in red may be less than what was wished: pigment deep in dark skin.
    """
    melanin = np.float32(melanin_for_ita(float(np.clip(ita_deg, -60, 60)), _BLOOD, _OXYGEN))
    out = np.ones((*shallow.shape, 3), np.float32)
    where = (shallow + deep) > 1e-4
    if not where.any():
        return out
    zero = np.zeros(int(where.sum()), np.float32)
    base, blood = zero + melanin, zero + np.float32(_BLOOD)
    more = base + epidermal_for_density(shallow[where], base, blood, _OXYGEN)
    below = dermal_for_density(deep[where], more, blood, _OXYGEN)
    out[where] = skin_colour(more, below, blood, _OXYGEN) / skin_colour(base, zero, blood, _OXYGEN)
    return out

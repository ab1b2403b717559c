"""Records of a drawn face, for tests of everything that shows a record. Nothing here is measured."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from melascope.masi import RegionalScore, area_step, area_value, masi, mmasi, severity, step
from melascope.record import (
    Analysis,
    Arrays,
    Finding,
    KindChance,
    LesionRecord,
    Masi,
    PhotoRecord,
    Quality,
    Regions,
    RegionScore,
    RegionTone,
    SeverityRecord,
    SkinTone,
)
from melascope.vocabulary import DISCLAIMER, MASI_REGIONS, Lesion, Region, Severity, ToneBand, Verdict, View

Codes = NDArray[np.uint8]
VERSIONS = {"melascope": "0.1.0", "skin network": "0123456789abcdef", "numpy": "2.4.6"}


def drawn_codes(width: int, height: int) -> Codes:
    """Region codes (H, W) of a drawn frontal face that fills the frame."""
    v, u = np.mgrid[0:height, 0:width].astype(np.float32)
    u = (u + 0.5) / width * 2 - 1
    v = (v + 0.5) / height * 2 - 1

    def ellipse(cu: float, cv: float, ru: float, rv: float) -> NDArray[np.bool_]:
        return np.asarray(((u - cu) / ru) ** 2 + ((v - cv) / rv) ** 2 <= 1)

    codes = np.full((height, width), Region.BACKGROUND, np.uint8)
    codes[(abs(u) < 0.3) & (v > 0.6)] = Region.NECK
    codes[ellipse(0, -0.12, 0.75, 0.83)] = Region.HAIR
    face = ellipse(0, 0, 0.62, 0.86)
    codes[face] = Region.TEMPLE
    codes[face & (v < -0.25)] = Region.FOREHEAD
    codes[face & (v > -0.05) & (v < 0.6) & (u < -0.14)] = Region.RIGHT_MALAR
    codes[face & (v > -0.05) & (v < 0.6) & (u > 0.14)] = Region.LEFT_MALAR
    codes[face & (v > 0.6)] = Region.CHIN
    codes[face & (v < -0.62)] = Region.HAIR
    codes[face & (abs(u) < 0.14) & (v > -0.25) & (v < 0.25)] = Region.NOSE
    codes[face & (abs(u) < 0.3) & (v >= 0.25) & (v < 0.4)] = Region.UPPER_LIP
    codes[ellipse(0, 0.48, 0.28, 0.09)] = Region.LIPS
    for side in (-1, 1):
        codes[ellipse(side * 0.29, -0.12, 0.2, 0.12)] = Region.PERIORBITAL
        codes[ellipse(side * 0.29, -0.12, 0.12, 0.05)] = Region.EYE
        codes[ellipse(side * 0.29, -0.27, 0.17, 0.03)] = Region.BROW
        codes[ellipse(side * 0.06, 0.2, 0.03, 0.02)] = Region.NOSTRIL
    return codes


def drawn_lesions(codes: Codes, share: float) -> NDArray[np.bool_]:
    """Blobs over about `share` of the malar regions and of the forehead."""
    height, width = codes.shape
    rng = np.random.default_rng(7)
    noise = rng.normal(size=(12, 12)).astype(np.float32)
    rows = np.linspace(0, 11, height)
    columns = np.linspace(0, 11, width)
    smooth = np.array([np.interp(columns, np.arange(12), line) for line in noise])
    smooth = np.array([np.interp(rows, np.arange(12), line) for line in smooth.T]).T
    where = np.isin(codes, MASI_REGIONS)
    limit = np.quantile(smooth[where], 1 - share) if where.any() and share > 0 else np.inf
    return np.asarray(where & (smooth > limit))


def arrays_of(codes: Codes, lesions: NDArray[np.bool_], skin: tuple[int, int, int] = (214, 168, 140)) -> Arrays:
    """Paint a photograph and maps over codes and lesions."""
    height, width = codes.shape
    colours = np.full((17, 3), skin, np.float32)
    colours[Region.BACKGROUND] = (150, 165, 175)
    colours[Region.HAIR] = colours[Region.BROW] = (50, 38, 32)
    colours[Region.EYE] = (240, 240, 240)
    colours[Region.LIPS] = (178, 96, 96)
    colours[Region.NOSTRIL] = (90, 55, 45)
    light = 1.0 - 0.15 * np.abs(np.linspace(-1, 1, width))[None, :, None]
    rng = np.random.default_rng(3)
    pixels = colours[codes] * light + rng.normal(0, 2.5, (height, width, 1))
    pixels[lesions] *= (0.72, 0.64, 0.6)
    bare = np.isin(codes, [*MASI_REGIONS, Region.NOSE, Region.UPPER_LIP, Region.TEMPLE, Region.PERIORBITAL])
    work = max(1, max(height, width) // 512)
    part = (slice(None, None, work), slice(None, None, work))
    skin_part, lesion_part = bare[part], lesions[part]
    melanin = np.where(lesion_part, 0.18, 0.0) + rng.normal(0, 0.02, skin_part.shape)
    haemoglobin = rng.normal(0, 0.04, skin_part.shape)
    off = ~skin_part
    maps = [m.astype(np.float32) for m in (melanin, haemoglobin, np.maximum(0, melanin - 0.03))]
    for values in maps:
        values[off] = np.nan
    return Arrays(
        pixels=np.clip(pixels, 0, 255).astype(np.uint8),
        region_codes=codes,
        lesion_mask=lesions,
        melanin=maps[0],
        haemoglobin=maps[1],
        pigment=maps[2],
        frame=(0, 0, width, height),
    )


def tone(ita: float = 46.0) -> SkinTone:
    return SkinTone(
        ita_deg=ita,
        ita_low=ita - 7.2,
        ita_high=ita + 7.2,
        l_star=66.1,
        b_star=15.5,
        band=ToneBand.LIGHT,
        band_range=(ToneBand.LIGHT, ToneBand.INTERMEDIATE),
        monk=3,
        monk_range=(2, 4),
        fitzpatrick_range=(2, 3),
        by_region={"forehead": RegionTone(ita_deg=47.5, l_star=67.0, b_star=15.4, skin_px=4000)},
    )


def _region(codes: Codes, lesions: NDArray[np.bool_], region: Region, scored: bool) -> RegionScore:
    here = codes == region
    pixels = int(here.sum())
    if not scored or not pixels:
        return RegionScore(
            visible=False, skin_px=pixels, involved_fraction=None, area=None, darkness=None, homogeneity=None
        )
    share = float((here & lesions).sum() / pixels)
    darkness, homogeneity = (1.8, 2.3) if share else (0.0, 0.0)
    return RegionScore(
        visible=True,
        skin_px=pixels,
        involved_fraction=share,
        involved_low=max(0.0, share - 0.06),
        involved_high=min(1.0, share + 0.06),
        area=area_value(share),
        darkness=darkness,
        homogeneity=homogeneity,
        area_step=area_step(share),
        darkness_step=step(darkness),
        homogeneity_step=step(homogeneity),
        melanin_excess=0.16,
        confidence=0.93,
        covered_fraction=0.02,
    )


def _lesion_records(lesions: NDArray[np.bool_], number: int, kind: Lesion | None) -> tuple[LesionRecord, ...]:
    rows, columns = np.nonzero(lesions)
    if not len(rows):
        return ()
    records = []
    for index in range(number):
        at = (index * 7919) % len(rows)
        y, x = int(rows[at]), int(columns[at])
        size = max(2, 40 - index)
        records.append(
            LesionRecord(
                kind=kind,
                box=(x, y, min(x + size, lesions.shape[1]), min(y + size, lesions.shape[0])),
                score=0.8,
                area_px=size * size,
                contrast=0.17,
                edge_sharpness=0.4,
                blueness=-0.12 if index % 3 else 0.2,
                region="right_malar",
            )
        )
    return tuple(records)


def refused(name: str = "blurred.jpg", *, width: int = 640, height: int = 480) -> Analysis:
    """A refused photograph: findings, and nothing else."""
    return Analysis(
        photo=PhotoRecord(file=name, width=width, height=height, sha256="0" * 64),
        view=View.NONE,
        quality=Quality(
            usable=False,
            verdict=Verdict.REFUSED,
            findings=(
                Finding(
                    code="blurred",
                    value=0.021,
                    limit=0.06,
                    advice="Hold the camera still and focus on the cheek.",
                    effect="refused",
                ),
            ),
        ),
        skin_tone=None,
        regions=None,
        masi=None,
        lesions=(),
        versions=VERSIONS,
        disclaimer=DISCLAIMER,
    )


def measured(
    name: str = "face.jpg",
    *,
    width: int = 360,
    height: int = 480,
    share: float = 0.3,
    view: View = View.FACE,
    missing: tuple[Region, ...] = (),
    grey: bool = False,
    kind: Lesion | None = None,
    lesions: int = 15,
    skin: tuple[int, int, int] = (214, 168, 140),
    findings: tuple[Finding, ...] = (),
    reading: SeverityRecord | None = None,
) -> Analysis:
    """A measured photograph of the drawn face, with its arrays."""
    codes = drawn_codes(width, height)
    if view is View.CLOSE_UP:
        codes[:] = Region.RIGHT_MALAR
        missing = (Region.FOREHEAD, Region.LEFT_MALAR, Region.CHIN)
    for region in missing:
        codes[codes == region] = Region.COVERING
    mask = drawn_lesions(codes, share)
    scores = {r: _region(codes, mask, r, r not in missing) for r in MASI_REGIONS}
    if view is View.CLOSE_UP:  # where nothing tells how large a patch is
        none = dict.fromkeys(("homogeneity", "homogeneity_low", "homogeneity_high", "homogeneity_step"))
        scores = {r: score.model_copy(update=none) for r, score in scores.items()}
    values = {
        r: RegionalScore(s.area or 0, s.darkness or 0, s.homogeneity or 0) for r, s in scores.items() if s.visible
    }
    total, modified = masi(values), mmasi(values)
    absent = tuple(r.key for r in MASI_REGIONS if r not in values)
    arrays = arrays_of(codes, mask, skin)
    if reading is not None:
        arrays = replace(arrays, relevance=drawn_relevance(arrays.melanin.shape))
    return Analysis(
        photo=PhotoRecord(file=name, width=width, height=height, sha256="0" * 64),
        view=view,
        quality=Quality(usable=True, verdict=Verdict.RESERVATIONS if findings else Verdict.USABLE, findings=findings),
        skin_tone=None if grey else tone(),
        regions=Regions(**{r.key: s for r, s in scores.items()}),
        masi=Masi(
            masi=total,
            masi_low=None if total is None else max(0.0, total - 1.7),
            masi_high=None if total is None else min(48.0, total + 2.1),
            mmasi=modified,
            mmasi_low=None if modified is None else max(0.0, modified - 0.8),
            mmasi_high=None if modified is None else min(24.0, modified + 0.9),
            masi_from_steps=total,
            mmasi_from_steps=modified,
            severity=None if total is None else severity(total),
            complete=total is not None,
            missing=absent,  # type: ignore[arg-type]
        ),
        severity_reading=reading,
        lesions=_lesion_records(mask, lesions, kind),
        versions=VERSIONS if reading is None else VERSIONS | {"severity network": "fedcba9876543210"},
        disclaimer=DISCLAIMER,
    ).with_arrays(arrays)


def unsure(analysis: Analysis) -> Analysis:
    """The same with patches that may be any of three kinds, or none."""
    kinds = ((Lesion.MELASMA, 0.4), (Lesion.NEVUS_OF_OTA, 0.2), (Lesion.HORI_NEVUS, 0.1))
    chances = tuple(KindChance(kind=kind, probability=chance) for kind, chance in kinds)
    told = {"kinds": chances, "other_probability": 0.25, "kind_probability": 0.4}
    return analysis.model_copy(update={"lesions": tuple(one.model_copy(update=told) for one in analysis.lesions)})


def drawn_relevance(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """For, on the right malar region; against, on the forehead; nothing known in the lowest tenth."""
    v, u = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    u, v = u / shape[1], v / shape[0]
    values = 0.4 * np.exp(-((u - 0.3) ** 2 + (v - 0.6) ** 2) / 0.02) - 0.2 * np.exp(
        -((u - 0.5) ** 2 + (v - 0.25) ** 2) / 0.02
    )
    values[v > 0.9] = np.nan
    return np.asarray(values, np.float32)


def read_as(masi: float, *, disagrees: bool | None, virtual_only: bool = True) -> SeverityRecord:
    """A reading of moderate melasma."""
    return SeverityRecord(
        severity=Severity.MODERATE,
        mild=0.12,
        moderate=0.63,
        severe=0.25,
        masi=masi,
        masi_low=max(0.0, masi - 4.0),
        masi_high=min(48.0, masi + 5.0),
        disagrees=disagrees,
        virtual_only=virtual_only,
    )


APART = Finding(
    code="readings_disagree",
    value=26.0,
    limit=12.9,
    advice="The two instruments disagree: see the face.",
    effect="note",
)
SIDE_LIGHT = Finding(
    code="strong_shading",
    value=0.31,
    limit=0.2,
    advice="Light the face evenly from the front; avoid a window at one side.",
    effect="reservation",
    region="left_malar",
)
CASES = {
    "complete": measured(),
    "incomplete": measured("half.jpg", missing=(Region.LEFT_MALAR,), findings=(SIDE_LIGHT,)),
    "close_up": measured("cheek.jpg", view=View.CLOSE_UP, width=300, height=240),
    "refused": refused(),
    "grey": measured(
        "grey.jpg",
        grey=True,
        findings=(
            Finding(
                code="grey_scale",
                value=None,
                limit=None,
                advice="Send the colour photograph.",
                effect="reservation",
            ),
        ),
    ),
    "clear": measured("clear.jpg", share=0.0, lesions=0),
    "named": measured("named.jpg", kind=Lesion.MELASMA),
    "unsure": unsure(measured("unsure.jpg")),
    "read": measured("read.jpg", reading=read_as(13.0, disagrees=False)),
    "apart": measured("apart.jpg", reading=read_as(26.0, disagrees=True), findings=(APART,)),
}


def analyse_drawn(photo: str | Path, *, name: str | None = None) -> Analysis:
    """Stand-in for `melascope.analysis.analyze` that reads what to do from the file's text.

    The file says ``refuse``, ``raise``, ``die``, ``slow`` or anything else (a complete face).
    """
    path = Path(photo)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    word = content[:16].split()[0] if content.strip() else b""
    name = name or path.name
    if word == b"refuse":
        return _with_digest(refused(name), digest)
    if word == b"raise":
        raise RuntimeError("drawn failure")
    if word == b"die":
        os._exit(9)
    if word == b"slow":
        time.sleep(60)
    return _with_digest(measured(name, width=90, height=120), digest)


def _with_digest(analysis: Analysis, digest: str) -> Analysis:
    return analysis.model_copy(update={"photo": analysis.photo.model_copy(update={"sha256": digest})})

"""Faces for the regional network to learn from: maps, counts and truth of data sets, dealt to parts by person."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from melascope import networks
from melascope.archive import EXTENSIONS, sha256_of
from melascope.data import DataSet
from melascope.lab.skin.evaluate import each
from melascope.lab.skin.faces import is_held_out
from melascope.lab.skin.paint import cast_shadow
from melascope.lab.skin.people import FACTORS, FIGURES, group_of, part_of
from melascope.lesions.pigment import map_pigment
from melascope.lesions.regional import face_maps
from melascope.photo.light import to_linear, to_srgb
from melascope.photo.reading import read_photo
from melascope.scoring import COUNTED, MEASURED, UNCALIBRATED, counted, measure_region
from melascope.skin.regions import find_regions
from melascope.vocabulary import MASI_REGIONS, View

__all__ = ["Faces", "collect", "read_faces"]

COPIES, COPIES_CLEAR = 2, 4
"""How often a photograph that is no render is seen once more (`_poorer`); one free of pigment.
There are few of them, and their people are those that the skin network learnt from. Figures and factors are made of
originals alone."""
_SHADED: Final = 0.4
"""Share of the copies with cast shadows, so that a false patch at a shadow's edge is learnt to be none."""
_DIGEST: Final = 64
"""Signs of a SHA-256."""


@dataclass(frozen=True)
class _Job:
    photo: Path
    record: Path | None
    group: str
    person: str
    """The group under a name that holds in other folders too."""
    band: str
    kinds: str
    again: int | None
    """Seed of the copy (`_poorer`) that is looked at instead."""


def collect(sources: Sequence[str], out: Path, *, again: float = 0.25) -> int:
    """Draws the maps of all whole faces of data sets whose truth is known: `OUT/<name of the folder>.npz` each.

    A folder that is there already is left as it is.

    Args:
        sources: Folders of virtual cohorts, painted canvases, or photographs whose manifest says a MASI of 0. Of
            "FOLDER=NAME", whose faces were once labelled in a folder NAME, the third is left out that the figures of
            the skin network are made of. NAME may be the place of that folder, where the photographs are looked up by
            their SHA-256; of painted canvases, whose records tell nothing else, it must be.
        out: Where to.
        again: Share of the renders that are seen a second time, in other light, with cast shadows, smaller or
            compressed; photographs are seen `COPIES` times more, those free of pigment `COPIES_CLEAR` times; of people
            who are learnt from alone.

    Returns:
        The number of faces.

    Raises:
        ValueError: A folder does not say the truth of its photographs.
    """
    out.mkdir(parents=True, exist_ok=True)
    total = 0
    for source in sources:
        folder, _, name = source.partition("=")
        path = out / f"{Path(folder).name}.npz"
        if not path.exists():
            found = [face for face in each(_face, list(_jobs(Path(folder), name, again))) if face]
            if not found:
                raise ValueError(f"{folder}: shows no whole face whose truth is known; leave it out")
            part = path.with_suffix(".part.npz")
            skin = networks.load("skin").sha256
            arrays = {key: np.array(some) for key, some in zip(_COLUMNS, zip(*found, strict=True), strict=True)}
            np.savez_compressed(part, allow_pickle=False, skin=np.array(skin), edition=np.array(COUNTED), **arrays)
            part.replace(path)
        total += len(np.load(path)["face"])
    return total


_COLUMNS: Final = ("maps", "face", "counted", "truth", "group", "person", "band", "kinds")


def _jobs(folder: Path, source: str, again: float) -> Iterator[_Job]:
    labels = _labels(Path(source)) if source else {}
    for row in DataSet.open(folder).manifest.rows:
        record = folder / "records" / f"{row.photo_id}.json"
        told = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
        if not told and row.masi != 0:
            raise ValueError(
                f"{folder}: {row.photo_id} has neither a record of its truth nor a MASI of 0; leave it out"
            )
        canvas = str(told.get("canvas", ""))
        if canvas and len(canvas) != _DIGEST:
            raise ValueError(
                f"{folder}: was painted by an older version, which named photographs otherwise; paint anew"
            )
        content = canvas or ("" if told else sha256_of(folder / row.file))
        labelled = labels.get(content, "") if canvas or labels else f"{source}-{Path(row.file).stem}"
        if source and not labelled:
            raise ValueError(
                f"{folder}: the photograph of {row.photo_id} is not in {source}, so that nobody can say whether it is "
                f"held out; name the folder that was painted on, as {folder.name}=FOLDER"
            )
        if row.view == "close-up" or (source and is_held_out(labelled)):
            continue
        # Whose photograph lies in several folders, painted on or as it is, is one person: its SHA-256 tells.
        render = bool(told) and "canvas" not in told
        cohort = told.get("cohort", {})
        group = group_of(folder, row, told)
        person = f"seed{cohort['seed']}/{row.group}" if render and "seed" in cohort else content or group
        band, kinds = row.tone_band or "", " ".join(row.kinds or ())
        seed = zlib.crc32(row.photo_id.encode())
        photograph = COPIES_CLEAR if row.masi == 0 and kinds in ("", "none") else COPIES
        copies = int(seed % 1000 < 1000 * again) if render else photograph
        if part_of(group) in (*FIGURES, *FACTORS):
            copies = 0
        for copy in (None, *range(seed, seed + copies)):
            yield _Job(folder / row.file, record if told else None, group, person, band, kinds, copy)


def _labels(folder: Path) -> dict[str, str]:
    """Under which names a folder's photographs were labelled (`label_photos`), by their SHA-256."""
    paths = [path for path in folder.resolve().rglob("*") if path.suffix.lower() in EXTENSIONS]
    return {sha256_of(path): f"{path.parent.name}-{path.stem}" for path in paths}


def _face(number: int, job: _Job) -> tuple[Any, ...] | None:  # noqa: ARG001
    cv2.setNumThreads(1)
    pixels = read_photo(job.photo).pixels
    regions = find_regions(pixels if job.again is None else _poorer(pixels, np.random.default_rng(job.again)))
    if regions.view is not View.FACE:
        return None
    pigment = map_pigment(regions)
    told = json.loads(job.record.read_text(encoding="utf-8")) if job.record else {}
    true, truth = _true(told), np.zeros((len(MASI_REGIONS), 4), np.float32)
    rows = np.zeros((len(MASI_REGIONS), MEASURED), np.float32)
    for place, region in enumerate(MASI_REGIONS):
        if region not in regions.visible or (told and region.key not in true):
            continue
        alone = measure_region(pigment, regions.codes, region, 1.0, UNCALIBRATED)
        rows[place] = counted(alone, regions, pigment, region)
        one = true.get(region.key, {"share": 0.0, "density": 0.0, "diameter_mm": 0.0})
        truth[place] = 1.0, one["share"], one["density"], one["diameter_mm"]
    maps = face_maps(regions, pigment)
    return maps.maps.astype(np.float16), maps.face, rows, truth, job.group, job.person, job.band, job.kinds


def _true(told: dict[str, Any]) -> dict[str, Any]:
    """Truth of the picture by region: over all pigment."""
    truth = told.get("truth", {})
    photo = truth.get("photo", truth)
    return dict(photo.get("all_pigment", photo.get("melasma", {})))


def _poorer(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The photograph in other light, some with cast shadows; smaller, down to 0.45 of its size, or compressed."""
    height, width = pixels.shape[:2]
    colour = rng.normal(0, 0.07)
    gains = np.exp(rng.normal(0, 0.12) + np.array([colour, 0, -colour]) + rng.normal(0, 0.02, 3))
    light = np.minimum(to_linear(pixels) * gains.astype(np.float32), np.float32(1))
    if rng.random() < _SHADED:
        light = cast_shadow(light, 0.6 * min(height, width), rng)
    pixels = to_srgb(light)
    scale = 1.0 if rng.random() < 0.3 else float(rng.uniform(0.45, 1))
    small = cv2.resize(pixels, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.7:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 96))]
        small = _decoded(cv2.imencode(".jpg", small[..., ::-1], quality)[1])
    return np.ascontiguousarray(small, np.uint8)


def _decoded(file: NDArray[np.uint8]) -> NDArray[np.uint8]:
    pixels = cv2.imdecode(file, cv2.IMREAD_COLOR)
    assert pixels is not None
    return np.asarray(pixels[..., ::-1], np.uint8)


@dataclass(frozen=True)
class Faces:
    """Faces with their truth, one row each."""

    maps: Tensor
    """(N, CHANNELS, CELLS, CELLS)."""
    face: Tensor
    """(N, 4)."""
    counted: Tensor
    """(N, 4, MEASURED), regions in the order of the MASI; zeros where one is not in view."""
    truth: Tensor
    """(N, 4, 4): 1 where it is known, share, density, diameter in mm."""
    groups: NDArray[np.str_]
    bands: NDArray[np.str_]
    kinds: NDArray[np.str_]
    sources: NDArray[np.str_]
    skin: str
    """SHA-256 of the skin network that drew the maps."""

    def part(self, numbers: Sequence[int]) -> NDArray[np.int64]:
        """Rows of the people who fell to these parts of `PARTS`."""
        fell = np.array([part_of(group) for group in self.groups])
        return np.flatnonzero(np.isin(fell, list(numbers)))


def read_faces(folder: Path) -> Faces:
    """All that `collect` has put into a folder.

    Raises:
        FileNotFoundError: There is nothing.
        ValueError: The maps are not all of one skin network, were drawn when other numbers were told (`COUNTED`), or
            two folders show the same virtual heads, which could be learnt from in one and measured in the other.
            Folders that an older version drew do not tell.
    """
    paths = sorted(path for path in folder.glob("*.npz") if not path.name.endswith(".part.npz"))
    if not paths:
        raise FileNotFoundError(f"{folder}: holds no faces; draw some with `regional-maps`")
    parts = [dict(np.load(path)) for path in paths]
    old = [path.name for path, part in zip(paths, parts, strict=True) if int(part.get("edition", 1)) != COUNTED]
    if old:
        raise ValueError(f"{folder}: {', '.join(old)} were drawn when other numbers were told; draw them again")
    networks_of = {str(part["skin"]) for part in parts}
    if len(networks_of) > 1:
        raise ValueError(
            f"{folder}: its faces were drawn with {len(networks_of)} skin networks; draw all of them again"
        )
    parts = [{"person": part["group"], **part} for part in parts]
    joined = {key: np.concatenate([part[key] for part in parts]) for key in _COLUMNS}
    _check_heads(joined["person"], joined["group"])
    maps, face, counted_, truth = (torch.from_numpy(joined[key].astype(np.float32)) for key in _COLUMNS[:4])
    return Faces(
        maps=maps,
        face=face,
        counted=counted_,
        truth=truth,
        groups=joined["group"],
        bands=joined["band"],
        kinds=joined["kinds"],
        skin=networks_of.pop(),
        sources=np.repeat([path.stem for path in paths], [len(part["face"]) for part in parts]),
    )


def _check_heads(people: NDArray[np.str_], groups: NDArray[np.str_]) -> None:
    """Makes sure that nobody bears two names, by which they would be dealt to two parts."""
    names: dict[str, str] = {}
    for person, group in sorted(set(zip(people.tolist(), groups.tolist(), strict=True))):
        other = names.setdefault(person, group)
        if other != group:
            raise ValueError(
                f"{other!r} and {group!r} are one head, {person}: two folders hold one cohort, cohorts of one seed, or "
                "one photograph; leave one out, render it with another --seed, or let the photograph's `group` be its "
                "SHA-256, as it is where it was painted on"
            )

"""The regional network: share, density and patch size of the MASI regions, read off the maps of a whole face.

The skin network judges pixel by pixel. Where pigment is faint or broad, no pixel is sure, but the face as a whole often
is: both cheeks alike, an edge that goes on, skin that differs from the forehead. This small second network sees the
maps of `melascope.lesions.regional` and what was counted in pixels, and says how far that is off.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from melascope import networks
from melascope.data import DataSet
from melascope.lab.machine import keep_freed_memory
from melascope.lab.skin.calibrate import Ratios, add
from melascope.lab.skin.calibrate import factors as factors_of
from melascope.lab.skin.evaluate import each
from melascope.lab.skin.export import MOST_GAP
from melascope.lab.skin.faces import is_held_out
from melascope.lesions.pigment import map_pigment
from melascope.lesions.regional import CELLS, CHANNELS, FIRST_REGION, face_maps
from melascope.masi import (
    AREA_VALUES,
    DARKNESS,
    DETECTION_FLOOR,
    HOMOGENEITY_MM,
    WEIGHTS,
    masi,
    regional_score,
)
from melascope.photo.reading import read_photo
from melascope.scoring import (
    MEASURED,
    NETWORK,
    UNCALIBRATED,
    Calibration,
    RegionMeasure,
    counted,
    measure_region,
    read_regions,
    total_error,
)
from melascope.skin.regions import find_regions
from melascope.vocabulary import MASI_REGIONS, Region, View

__all__ = ["Faces", "Recipe", "RegionalNetwork", "Together", "collect", "export", "read_faces", "score", "train"]

PARTS: Final = 20
"""People are dealt to so many parts by the hash of their head's name: of the first three the figures are made, of the
next three the intervals' factors; the others are learnt from."""
FIGURES, FACTORS = range(3), range(3, 6)
_DARK: Final = (*DARKNESS, (0.62, 8.0))
"""D goes on beyond its table, so that what is learnt of a density does not end at 0.22."""
_EXCHANGED: Final = [0, 2, 1, 3]
_LIGHT: Final = [0.08, 0.08, 0.08, 0.3]
"""By how much density and logarithm of the width of a face are varied."""


# ---------------------------------------------------------------- faces


@dataclass(frozen=True)
class _Job:
    photo: Path
    record: Path | None
    group: str
    band: str
    kinds: str
    again: int | None
    """Seed of the smaller, compressed copy that is looked at instead."""


def collect(sources: Sequence[str], out: Path, *, again: float = 0.25) -> int:
    """Draws the maps of all whole faces of data sets whose truth is known: `OUT/<name of the folder>.npz` each.

    A folder that is there already is left as it is.

    Args:
        sources: Folders of virtual cohorts, painted canvases, or photographs whose manifest says a MASI of 0. Of
            "FOLDER=NAME", whose faces were once labelled in a folder NAME, the third is left out that the figures of
            the skin network are made of.
        out: Where to.
        again: Share of the photographs that are seen a second time, smaller and compressed.

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
            np.savez_compressed(part, allow_pickle=False, skin=np.array(skin), **arrays)
            part.replace(path)
        total += len(np.load(path)["face"])
    return total


_COLUMNS: Final = ("maps", "face", "counted", "truth", "group", "band", "kinds")


def _jobs(folder: Path, source: str, again: float) -> Iterator[_Job]:
    for row in DataSet.open(folder).manifest.rows:
        record = folder / "records" / f"{row.photo_id}.json"
        told = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
        if not told and row.masi != 0:
            raise ValueError(
                f"{folder}: {row.photo_id} has neither a record of its truth nor a MASI of 0; leave it out"
            )
        original = Path(told.get("canvas", row.file)).stem
        if row.view == "close-up" or (source and is_held_out(f"{source}-{original}")):
            continue
        # Who is painted on in several folders is one person: the file's name tells, of which there is no other sign.
        group = f"{folder.name}, {row.group}" if row.group else str(told.get("canvas", row.patient))
        band, kinds = row.tone_band or "", " ".join(row.kinds or ())
        seed = zlib.crc32(row.photo_id.encode())
        for second in (None, seed)[: 1 + (seed % 1000 < 1000 * again)]:
            yield _Job(folder / row.file, record if told else None, group, band, kinds, second)


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
    return maps.maps.astype(np.float16), maps.face, rows, truth, job.group, job.band, job.kinds


def _true(told: dict[str, Any]) -> dict[str, Any]:
    """Truth of the picture by region: over all pigment."""
    truth = told.get("truth", {})
    photo = truth.get("photo", truth)
    return dict(photo.get("all_pigment", photo.get("melasma", {})))


def _poorer(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The photograph smaller, down to 0.45 of its size, or compressed, or both."""
    height, width = pixels.shape[:2]
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
        fell = np.array([zlib.crc32(group.encode()) % PARTS for group in self.groups])
        return np.flatnonzero(np.isin(fell, list(numbers)))


def photographed(group: str) -> bool:
    """Whether the faces of a group are photographs: heads of virtual patients are named after their cohort."""
    return ", " not in group


def read_faces(folder: Path) -> Faces:
    """All that `collect` has put into a folder.

    Raises:
        FileNotFoundError: There is nothing.
        ValueError: The maps are not all of one skin network.
    """
    paths = sorted(path for path in folder.glob("*.npz") if not path.name.endswith(".part.npz"))
    if not paths:
        raise FileNotFoundError(f"{folder}: holds no faces; draw some with `regional-maps`")
    parts = [dict(np.load(path)) for path in paths]
    networks_of = {str(part["skin"]) for part in parts}
    if len(networks_of) > 1:
        raise ValueError(
            f"{folder}: its faces were drawn with {len(networks_of)} skin networks; draw all of them again"
        )
    joined = {key: np.concatenate([part[key] for part in parts]) for key in _COLUMNS}
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


# ---------------------------------------------------------------- network


class RegionalNetwork(nn.Module):
    """Maps of a face, and what was counted in it, to share, density and diameter of its regions.

    Inputs as in `Faces`. Output (N, 4, 3, 3): continuous A (`masi.area_value`, not cut at its ends), D of the density
    (beyond 4 for more than the table holds) and log (1 + diameter); low end, middle and high end of each.
    """

    def __init__(self, width: int = 24, deep: int = 48) -> None:
        super().__init__()
        self.first = nn.Sequential(_conv(CHANNELS, width), _conv(width, deep, stride=2))
        self.middle = nn.Sequential(_conv(deep, deep), _conv(deep, deep, dilation=2))
        self.coarse = nn.Sequential(_conv(deep, deep, stride=2), _conv(deep, deep), _conv(deep, deep, dilation=2))
        self.together = _conv(2 * deep, deep)
        told = 3 * deep + 3 * MEASURED + 4 + 3
        last = nn.Linear(64, 9)
        nn.init.zeros_(last.weight)
        last.bias.data = torch.tensor([0.0] * 3 + [-1.0] * 6)
        self.head = nn.Sequential(
            nn.Linear(told, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
            nn.Linear(128, 64),
            nn.ReLU(inplace=True),
            last,
        )
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("deviation", torch.ones(4))
        # The cheeks share everything; forehead and chin have a sign of their own.
        self.register_buffer("which", torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]))

    def forward(self, maps: Tensor, face: Tensor, counted: Tensor) -> Tensor:
        """Scores of a batch."""
        counted = torch.cat([counted[..., :1], to_scales(counted[..., 1:4]), counted[..., 4:]], dim=-1)
        counted = counted * counted[..., :1]
        x = self.first(maps)
        y = self.middle(x)
        coarse = functional.interpolate(self.coarse(y), scale_factor=2.0, mode="bilinear", align_corners=False)
        y = self.together(torch.cat([y, coarse], dim=1))
        places = functional.avg_pool2d(maps[:, FIRST_REGION - 2 :], 2)
        regions, skin = places[:, 2:], places[:, :1]
        around = functional.max_pool2d(regions, 5, 1, 2)
        seen = [_pooled(y, regions), _pooled(y, around), _pooled(y, skin).expand(-1, 4, -1)]
        there = counted[..., :1]
        others = ((counted * there).sum(1, keepdim=True) - counted * there) / (
            there.sum(1, keepdim=True) - there
        ).clamp_min(1)
        nothing = torch.zeros_like(counted[:, 0])
        opposite = torch.stack([nothing, counted[:, 2], counted[:, 1], nothing], dim=1)
        light = ((face - self.mean) / self.deviation)[:, None].expand(-1, 4, -1)
        which = self.which.expand(maps.shape[0], -1, -1)
        z = self.head(torch.cat([*seen, counted, opposite, others, light, which], dim=2))
        middle = counted[..., 1:4] + z[..., :3]
        low, high = middle - functional.softplus(z[..., 3:6]), middle + functional.softplus(z[..., 6:])
        return torch.stack([low, middle, high], dim=-1)


class Together(nn.Module):
    """Several trainings as one network: the mean of what they say, which is steadier than each of them."""

    def __init__(self, networks: Sequence[RegionalNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, maps: Tensor, face: Tensor, counted: Tensor) -> Tensor:
        """Scores of a batch."""
        return torch.stack([network(maps, face, counted) for network in self.networks]).mean(dim=0)


class _Physical(nn.Module):
    """The same with shares, densities and log (1 + diameter) for output, each within its range."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, maps: Tensor, face: Tensor, counted: Tensor) -> Tensor:
        area, dark, size = self.network(maps, face, counted).unbind(dim=2)
        share, density = _between(area.clamp(0, 6), _turned(AREA_VALUES)), _between(dark.clamp(0, 8), _turned(_DARK))
        return torch.stack([share, density, size.clamp(0, 6)], dim=2)


def _conv(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _pooled(features: Tensor, weights: Tensor) -> Tensor:
    """(N, R, C) means of (N, C, h, w) weighted by each of (N, R, h, w)."""
    flat = weights.flatten(2)
    return flat @ features.flatten(2).transpose(1, 2) / (flat.sum(2, keepdim=True) + 1e-3)


def _between(x: Tensor, table: Sequence[tuple[float, float]]) -> Tensor:
    """Linear interpolation in a table from x = 0, going on beyond its last point as before it."""
    y, last = torch.full_like(x, table[0][1]), 0.0
    for (x0, y0), (x1, y1) in pairwise(table):
        slope = (y1 - y0) / (x1 - x0)
        y, last = y + (slope - last) * functional.relu(x - x0), slope
    return y


def _turned(table: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(y, x) for x, y in table]


def to_scales(values: Tensor) -> Tensor:
    """(..., 3) share, density and diameter in mm to A, D and log (1 + diameter)."""
    share, density, diameter = values.unbind(dim=-1)
    return torch.stack([_between(share, AREA_VALUES), _between(density, _DARK), torch.log1p(diameter)], dim=-1)


def score(scales: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A, D and H of (..., 3) scales: `masi.regional_score`, so that it can be learnt through."""
    area, dark, size = scales.unbind(dim=-1)
    share, diameter = _between(area.clamp(0, 6), _turned(AREA_VALUES)), torch.expm1(size.clamp(0, 6))
    fade = ((share - DETECTION_FLOOR / 2) / (1.5 * DETECTION_FLOOR)).clamp(0, 1)
    by_size = _between(diameter.clamp_max(HOMOGENEITY_MM[-1][0]), HOMOGENEITY_MM)
    uniform = ((share - 0.5) / 0.45).clamp(0, 1) * ((diameter - 10.0) / 15.0).clamp(0, 1)
    return area.clamp(0, 6), fade * dark.clamp(0, 4), fade * (by_size + (4.0 - by_size) * uniform)


# ---------------------------------------------------------------- training


@dataclass(frozen=True)
class Recipe:
    """Settings of a run; saved with it."""

    epochs: int = 40
    batch: int = 64
    rate: float = 2e-3
    weight_decay: float = 1e-3
    warm_up: int = 100
    average: float = 0.995
    """Decay of the moving average of the weights, which is what is kept."""
    evenness: float = 0.75
    """Faces are drawn by bands of the true MASI, each as often as its number to the power of one less this."""
    smooth: float = 1.0
    """Error up to which it counts squared, beyond it simply: the smaller, the nearer to a median."""
    photographed: float = 2.0
    """How much more often a photograph is drawn than a rendered face."""
    clear: float = 6.0
    """How much more often a face free of pigment is drawn."""
    total: float = 0.1
    """Weight of the error of the MASI beside that of its parts."""
    seed: int = 7


_BANDS: Final = (0.5, 2, 4, 8, 12, 16, 24, 32, 40)


def train(folder: Path, out: Path, recipe: Recipe | None = None) -> Path:
    """Trains a regional network on the faces of a folder; returns its checkpoint.

    Args:
        folder: What `collect` made.
        out: Folder of the run: `recipe.json`, `history.csv`, `checkpoint.pt`. A run that
            stopped goes on from its last epoch.
        recipe: Settings; the defaults if None.

    Raises:
        ValueError: The folder holds a run with other settings or faces.
    """
    recipe = recipe or Recipe()
    keep_freed_memory()
    faces = read_faces(folder)
    learnt = faces.part(sorted(set(range(PARTS)) - {*FIGURES, *FACTORS}))
    out.mkdir(parents=True, exist_ok=True)
    told = {**asdict(recipe), "faces": len(learnt), "people": len(set(faces.groups[learnt]))}
    path = out / "recipe.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != told:
        raise ValueError(f"{out}: holds a run with other settings or faces; name another folder, or delete it")
    path.write_text(json.dumps(told), encoding="utf-8")
    torch.manual_seed(recipe.seed)
    network = RegionalNetwork()
    network.mean.copy_(faces.face[learnt].mean(dim=0))
    network.deviation.copy_(faces.face[learnt].std(dim=0))
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)
    average = {key: value.detach().clone() for key, value in network.state_dict().items()}
    chances = _chances(faces, learnt, recipe)
    each_epoch = max(1, len(learnt) // recipe.batch)
    steps, done, checkpoint = recipe.epochs * each_epoch, 0, out / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        done, average = int(saved["step"]), saved["average"]
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
    began, running = time.monotonic(), math.nan
    for step in range(done, steps):
        rng = np.random.default_rng((recipe.seed, step))
        torch.manual_seed(int(rng.integers(2**31)))  # dropout: a run that goes on is the run that had not stopped
        rate = recipe.rate * min(1.0, (step + 1) / recipe.warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        maps, face, rows, truth = _varied(faces, rng.choice(learnt, recipe.batch, p=chances), rng)
        network.train()
        loss = loss_of(network(maps, face, rows), rows, truth, recipe)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
        decay = min(recipe.average, (1 + step) / (10 + step))
        with torch.no_grad():
            for key, value in network.state_dict().items():
                if value.dtype.is_floating_point:
                    average[key].lerp_(value, 1 - decay)
        running = float(loss.detach()) if math.isnan(running) else 0.98 * running + 0.02 * float(loss.detach())
        if (step + 1) % each_epoch == 0:
            speed = (step + 1 - done) * recipe.batch / (time.monotonic() - began)
            print(
                f"epoch {(step + 1) // each_epoch}/{recipe.epochs}  loss {running:.4f}  {speed:.0f} faces/s", flush=True
            )
            with (out / "history.csv").open("a", encoding="utf-8") as file:
                file.write(f"{step + 1},{running:.4f}\n")
            state = {"step": step + 1, "network": network.state_dict(), "average": average}
            part = out / "checkpoint.part"
            torch.save({**state, "optimiser": optimiser.state_dict()}, part)
            part.replace(checkpoint)
    return checkpoint


def _chances(faces: Faces, learnt: NDArray[np.int64], recipe: Recipe) -> NDArray[np.float64]:
    """How often each face is drawn: bands of the MASI more evenly than they are, those free of pigment most."""
    area, dark, even = score(to_scales(faces.truth[learnt][..., 1:]))
    weights = torch.tensor([WEIGHTS[region] for region in MASI_REGIONS])
    totals = (area * (dark + even) * faces.truth[learnt][..., 0] * weights).sum(dim=1).numpy()
    bands = np.digitize(totals, _BANDS)
    counts = np.bincount(bands, minlength=len(_BANDS) + 1)
    chances = counts[bands] ** -recipe.evenness * np.where(bands == 0, recipe.clear, 1.0)
    chances *= [recipe.photographed if photographed(group) else 1.0 for group in faces.groups[learnt]]
    return np.asarray(chances / chances.sum())


def loss_of(scales: Tensor, rows: Tensor, truth: Tensor, recipe: Recipe) -> Tensor:
    """Error of area, darkness and size and of their 90 % intervals, of a region's part in the MASI and of the MASI.

    Darkness and size are asked only where `DETECTION_FLOOR` of a region is involved.

    Args:
        scales: (N, 4, 3, 3) from `RegionalNetwork`.
        rows: (N, 4, MEASURED) what was counted.
        truth: (N, 4, 4) as in `Faces`.
        recipe: Weights of its parts.
    """
    known = truth[..., 0] * rows[..., 0]
    involved = known * (truth[..., 1] >= DETECTION_FLOOR)
    asked = torch.stack([known, involved, involved], dim=-1)
    wanted = to_scales(truth[..., 1:])
    error = functional.smooth_l1_loss(scales[..., 1], wanted, reduction="none", beta=recipe.smooth)
    for share, end in ((0.05, 0), (0.95, 2)):  # pinball loss (Koenker & Bassett 1978)
        beyond = wanted - scales[..., end]
        error = error + torch.maximum(share * beyond, (share - 1) * beyond)
    parts = (error * asked / asked.sum((0, 1)).clamp_min(1)).sum()
    (area, dark, even), (true_area, true_dark, true_even) = score(scales[..., 1]), score(wanted)
    off = (area * (dark + even) - true_area * (true_dark + true_even)) * known
    of_region = (
        functional.smooth_l1_loss(off, torch.zeros_like(off), beta=4 * recipe.smooth, reduction="sum") / known.sum()
    )
    weights = torch.tensor([WEIGHTS[region] for region in MASI_REGIONS])
    off_total, whole = (off * weights).sum(dim=1), known.prod(dim=1)
    of_total = functional.smooth_l1_loss(
        off_total, torch.zeros_like(off_total), beta=2 * recipe.smooth, reduction="none"
    )
    return parts + recipe.total * (0.5 * of_region + (of_total * whole).sum() / whole.sum().clamp_min(1))


def _varied(faces: Faces, drawn: NDArray[np.int64], rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Faces moved, turned and mirrored; with other light and colour, and a skin network that is surer or less sure."""
    some = torch.from_numpy(drawn)
    maps, face, rows, truth = (part[some] for part in (faces.maps, faces.face, faces.counted, faces.truth))
    if rng.random() < 0.5:
        order = [*range(FIRST_REGION), *(FIRST_REGION + place for place in _EXCHANGED)]
        maps, rows, truth = maps.flip(-1)[:, order], rows[:, _EXCHANGED], truth[:, _EXCHANGED]
    n = len(drawn)

    def normal(*shape: int, by: float) -> Tensor:
        return torch.from_numpy(rng.normal(0, by, shape).astype(np.float32))

    def kept(*shape: int, share: float) -> Tensor:
        return torch.from_numpy((rng.random(shape) < share).astype(np.float32))

    zoom, turn = torch.exp(normal(n, by=0.05)), normal(n, by=0.05)
    place = torch.zeros(n, 2, 3)
    place[:, 0, 0], place[:, 0, 1], place[:, 1, 0], place[:, 1, 1] = zoom, turn, -turn, zoom
    place[:, :, 2] = normal(n, 2, by=0.04)
    grid = functional.affine_grid(place, [n, CHANNELS, CELLS, CELLS], align_corners=False)
    maps = functional.grid_sample(maps, grid, align_corners=False)
    skin = (maps[:, FIRST_REGION - 2 : FIRST_REGION - 1] > 0).float()
    maps[:, :1] = maps[:, :1] * torch.exp(normal(n, 1, 1, 1, by=0.1)) + skin * normal(n, 1, 1, 1, by=0.08)
    maps[:, 2:3] *= torch.exp(normal(n, 1, 1, 1, by=0.1))
    ramp = torch.linspace(-1, 1, CELLS)
    shade = normal(n, 1, 1, 1, by=0.15) * ramp[:, None] + normal(n, 1, 1, 1, by=0.15) * ramp
    maps[:, 3:6] = maps[:, 3:6] * torch.exp(normal(n, 1, 1, 1, by=0.12)) + skin * (shade + normal(n, 3, 1, 1, by=0.06))
    maps[:, 3:7] *= kept(n, 1, 1, 1, share=0.8)
    maps[:, 7:9] *= kept(n, 1, 1, 1, share=0.85)
    usual = faces.face.mean(dim=0)
    face = usual + (face - usual + normal(n, 4, by=1.0) * torch.tensor(_LIGHT)) * kept(n, 1, share=0.7)
    return maps, face, rows, truth


# ---------------------------------------------------------------- out of the laboratory


def export(folder: Path, runs: Sequence[Path], to: Path | None = None) -> Path:
    """Writes `regional.onnx` and its card from the averaged weights of runs, whole and checked or not at all.

    The card holds the factors of the intervals and the figures, each of people who were not learnt from.

    Args:
        folder: The faces that the runs learnt from.
        runs: Folders with `checkpoint.pt` and `recipe.json`; of several, the mean counts.
        to: Folder to write to; the package's own `networks` folder if None.

    Raises:
        RuntimeError: onnxruntime and torch differ by more than `MOST_GAP`; what was in the folder stays.
    """
    to = to or Path(str(files("melascope.networks")))
    network = Together([_read_run(run) for run in runs])
    faces = read_faces(folder)
    path, card_path = to / f"{NETWORK}.onnx", to / f"{NETWORK}.json"
    part, card_part = (p.with_name(f".{p.name}.part") for p in (path, card_path))
    try:
        _write_checked(_Physical(network).eval(), faces, part)
        recipes = [json.loads((run / "recipe.json").read_text(encoding="utf-8")) for run in runs]
        card = _card(network, recipes, faces, hashlib.sha256(part.read_bytes()).hexdigest())
        card_part.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(part, path)
        os.replace(card_part, card_path)
    finally:
        part.unlink(missing_ok=True)
        card_part.unlink(missing_ok=True)
    return path


def _read_run(run: Path) -> RegionalNetwork:
    network = RegionalNetwork()
    network.load_state_dict(torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)["average"])
    return network


def _write_checked(model: nn.Module, faces: Faces, path: Path) -> None:
    import onnxruntime

    example = tuple(part[:2].contiguous() for part in (faces.maps, faces.face, faces.counted))
    names = ["maps", "face", "counted"]
    torch.onnx.export(
        model,
        example,
        str(path),
        input_names=names,
        output_names=["measures"],
        dynamic_axes={name: {0: "faces"} for name in (*names, "measures")},
        opset_version=17,
        dynamo=False,
    )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    ours = session.run(None, {name: part.numpy() for name, part in zip(names, example, strict=True)})[0]
    with torch.no_grad():
        gap = float(np.abs(ours - model(*example).numpy()).max())
    if gap > MOST_GAP:
        raise RuntimeError(f"ONNX and torch differ by {gap:.2e}; at most {MOST_GAP} is allowed; try another opset")


@torch.no_grad()
def _values(network: nn.Module, faces: Faces, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """(N, 4, 3, 3) as the run time has them: the mean of those of each face and of its mirror image."""
    model, found = _Physical(network).eval(), []
    order = [*range(FIRST_REGION), *(FIRST_REGION + place for place in _EXCHANGED)]
    for some in np.array_split(rows, max(1, len(rows) // 256)):
        maps, face, told = faces.maps[some], faces.face[some], faces.counted[some]
        mirrored = model(maps.flip(-1)[:, order], face, told[:, _EXCHANGED])[:, _EXCHANGED]
        found.append(((model(maps, face, told) + mirrored) / 2).numpy())
    return np.concatenate(found)


def _measured(
    values: NDArray[np.float32], counted: NDArray[np.float32], truth: NDArray[np.float32], factors: Calibration
) -> _Told:
    """One face: what is measured and what is true of the regions of which both are known."""
    known = [region for place, region in enumerate(MASI_REGIONS) if truth[place, 0] > 0]
    true = {
        region.key: dict(
            zip(("share", "density", "diameter_mm"), truth[MASI_REGIONS.index(region), 1:].tolist(), strict=True)
        )
        for region in known
    }
    total = masi({region: regional_score(*true[region.key].values()) for region in known})
    rows: dict[Region, NDArray[np.float32]] = {region: counted[MASI_REGIONS.index(region)] for region in known}
    return read_regions(values, rows, 1.0, factors), true, total


_Told = tuple[dict[Region, RegionMeasure], dict[str, dict[str, float]], float | None]


def interval_factors(network: nn.Module, faces: Faces, rows: NDArray[np.int64]) -> Calibration:
    """Factors of the intervals, by people who were not learnt from.

    None of a region's is below 1: that the network's own intervals are too wide is not believed of photographs whose
    people the skin network knows.
    """
    ratios = Ratios()
    for row, values in zip(rows, _values(network, faces, rows), strict=True):
        told = faces.counted[row].numpy(), faces.truth[row].numpy()
        measured, true, total = _measured(values, *told, UNCALIBRATED)
        # Photographs, of which there are fewer, are groups of their own.
        band = f"{faces.bands[row]}{', photographed' if photographed(faces.groups[row]) else ''}"
        add(ratios, measured, true, band=band, kinds=str(faces.kinds[row]).split(), total=total)
    found = factors_of(ratios)
    share, density, diameter = (
        (max(1.0, below), max(1.0, above)) for below, above in (found.share, found.density, found.diameter)
    )
    return Calibration(share, density, diameter, found.total)


def figures(network: nn.Module, faces: Faces, rows: NDArray[np.int64], factors: Calibration) -> dict[str, Any]:
    """How far MASI and shares are off, counted in pixels alone and read, by people who were not learnt from."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    shares, inside, totals_inside = [], [], []
    for row, values in zip(rows, _values(network, faces, rows), strict=True):
        alone = faces.counted[row].numpy()
        measured, true, total = _measured(values, alone, faces.truth[row].numpy(), factors)
        for region, one in measured.items():
            truth = true[region.key]["share"]
            shares.append((abs(float(alone[MASI_REGIONS.index(region), 1]) - truth), abs(one.share - truth)))
            inside.append(one.low <= truth <= one.high)
        read = masi({region: one.score for region, one in measured.items()})
        if read is None or total is None:
            continue
        pixels = masi({r: regional_score(*alone[MASI_REGIONS.index(r), 1:4].astype(float).tolist()) for r in measured})
        assert pixels is not None
        (down, up), (below, above) = total_error(measured, modified=False), factors.total
        totals_inside.append(read - below * down <= total <= read + above * up)
        kinds = str(faces.kinds[row])
        what = "melasma alone" if kinds == "mel" else "other pigment" if kinds not in ("", "none") else "healthy"
        for name in ("all", f"{what}, {faces.sources[row]}", f"MASI {_band_of(total)}"):
            found.setdefault(name, []).append((total, pixels, read))
    table = {}
    for name, values in sorted(found.items()):
        true_masi, pixels, read = np.array(values).T
        table[name] = {
            "faces": len(values),
            "MASI off by, counted in pixels": round(float(np.abs(pixels - true_masi).mean()), 2),
            "too much": round(float((pixels - true_masi).mean()), 2),
            "MASI off by": round(float(np.abs(read - true_masi).mean()), 2),
            "by too much": round(float((read - true_masi).mean()), 2),
        }
    counted_error, read_error = np.array(shares).mean(axis=0)
    return {
        "MASI": table,
        "share of a region, mean absolute error, counted in pixels": round(float(counted_error), 4),
        "share of a region, mean absolute error": round(float(read_error), 4),
        "share inside its 90 % interval": round(float(np.mean(inside)), 3),
        "MASI inside its 90 % interval": round(float(np.mean(totals_inside)), 3),
    }


def _band_of(total: float) -> str:
    limits = (0.0, 0.01, 2.0, 8.0, 16.0, 32.0, 48.1)
    low, high = next((a, b) for a, b in pairwise(limits) if a <= total < b)
    return f"{low:g} to {min(high, 48):g}"


def _card(network: nn.Module, recipes: list[dict[str, Any]], faces: Faces, sha256: str) -> dict[str, Any]:
    of_factors, of_figures = faces.part(FACTORS), faces.part(FIGURES)
    factors = interval_factors(network, faces, of_factors)
    return {
        "name": NETWORK,
        "what": "Reads share, density and patch size of the four MASI regions off the maps that the skin network draws "
        "of a whole face, with their 90 % intervals.",
        "licence": "Apache-2.0",
        "date": datetime.now(UTC).date().isoformat(),
        "sha256": sha256,
        "parameters": sum(p.numel() for p in network.parameters()),
        "input": f"maps faces x {CHANNELS} x {CELLS} x {CELLS}, face faces x 4 (melascope.lesions.regional), counted "
        f"faces x 4 x {MEASURED} (melascope.scoring.counted)",
        "output": "faces x 4 regions x (share, density, log (1 + diameter in mm)) x (low end, middle, high end)",
        "skin_network": faces.skin,
        "data": {name: int((faces.sources == name).sum()) for name in sorted(set(faces.sources))},
        "people_learnt_from": recipes[0]["people"],
        "mean_of": recipes,
        "limits": "Whole faces alone. No patient with melasma was seen: pigment was rendered on virtual patients or "
        "painted on generated portraits; official portraits were taken for free of pigment, without a dermatologist's "
        "look. The photographed faces of calibration and figures are those that the skin network learnt from, so that "
        "their maps are better than those of strangers.",
        "calibration": {**asdict(factors), "photos": len(of_factors), "level": 0.9},
        "figures": {"faces": len(of_figures), **figures(network, faces, of_figures, factors)},
    }

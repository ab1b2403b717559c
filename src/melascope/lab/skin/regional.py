"""Training of the regional network (`regional_network`) on the maps of faces whose truth is known."""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from melascope.lab.machine import keep_freed_memory
from melascope.lab.skin.network import renormalise
from melascope.lab.skin.people import FACTORS, FIGURES, PARTS, photographed
from melascope.lab.skin.regional_faces import Faces, read_faces
from melascope.lab.skin.regional_network import (
    MIRRORED_CHANNELS,
    MIRRORED_REGIONS,
    RegionalNetwork,
    between,
    members,
    to_scales,
    turned,
)
from melascope.lesions.regional import CELLS, CHANNELS, FIRST_REGION
from melascope.masi import AREA_VALUES, DETECTION_FLOOR, HOMOGENEITY_MM, WEIGHTS
from melascope.scoring import DENSITY_DOUBT, MEASURED
from melascope.vocabulary import MASI_REGIONS

__all__ = ["Recipe", "loss_of", "score", "train"]

_LIGHT: Final = [0.08, 0.08, 0.08, 0.3]
"""By how much density and logarithm of the width of a face are varied."""
_COUNTED: Final = [0.0, 0.05, 0.08, 0.25, 0.02, 0.02, 0.02, 0.02, 0.08, 0.02, 0.0]
_TOGETHER: Final = [0.0, 0.08, 0.0, 0.0, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.0]
"""Standard deviation of the logarithm of what was counted in a region: of each number, and of those that rise and fall
with the pixels' probability together. The last, the density's half width, follows the density."""
_SHARES: Final = [1, 4, 5, 6, 7]
"""Places of share and probabilities, none of which is above 1."""


def score(scales: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A, D and H of (..., 3) scales: `masi.regional_score`, so that it can be learnt through."""
    area, dark, size = scales.unbind(dim=-1)
    share, diameter = between(area.clamp(0, 6), turned(AREA_VALUES)), torch.expm1(size.clamp(0, 6))
    fade = ((share - DETECTION_FLOOR / 2) / (1.5 * DETECTION_FLOOR)).clamp(0, 1)
    by_size = between(diameter.clamp_max(HOMOGENEITY_MM[-1][0]), HOMOGENEITY_MM)
    uniform = ((share - 0.5) / 0.45).clamp(0, 1) * ((diameter - 10.0) / 15.0).clamp(0, 1)
    return area.clamp(0, 6), fade * dark.clamp(0, 4), fade * (by_size + (4.0 - by_size) * uniform)


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
    photographed: float = 1.0
    """How much more often a photograph is drawn than a rendered face; it is there in several copies already."""
    clear: float = 6.0
    """How much more often a face free of pigment is drawn."""
    total: float = 0.1
    """Weight of the error of the MASI beside that of its parts."""
    seed: int = 7


_BANDS: Final = (0.5, 2, 4, 8, 12, 16, 24, 32, 40)


def train(
    folder: Path, out: Path, recipe: Recipe | None = None, *, weights: Path | None = None, member: int = 0
) -> Path:
    """Trains a regional network on the faces of a folder; returns its checkpoint.

    Args:
        folder: What `collect` made.
        out: Folder of the run: `recipe.json`, `history.csv`, `checkpoint.pt`. A run that
            stopped goes on from its last epoch.
        recipe: Settings; the defaults if None.
        weights: A `regional.onnx` to go on from, whichever skin network drew the maps that it learnt from; None starts
            from random weights.
        member: Which of the trainings in it, from 0.

    Raises:
        ValueError: The folder holds a run with other settings or faces, or the file holds no such training.
    """
    recipe = recipe or Recipe()
    keep_freed_memory()
    faces = read_faces(folder)
    learnt = faces.part(sorted(set(range(PARTS)) - {*FIGURES, *FACTORS}))
    told = {**asdict(recipe), "faces": len(learnt), "people": len(set(faces.groups[learnt]))}
    begun = None
    if weights:
        content = weights.read_bytes()
        known = members(content, str(weights))
        if not 0 <= member < len(known):
            raise ValueError(f"{weights}: holds {len(known)} trainings; member {member} must be 0 to {len(known) - 1}")
        begun = known[member]
        told["start"] = {"file": weights.name, "sha256": hashlib.sha256(content).hexdigest(), "member": member}
    out.mkdir(parents=True, exist_ok=True)
    path = out / "recipe.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != told:
        raise ValueError(f"{out}: holds a run with other settings or faces; name another folder, or delete it")
    path.write_text(json.dumps(told), encoding="utf-8")
    torch.manual_seed(recipe.seed)
    network = begun or RegionalNetwork()
    if begun:
        some = learnt[:: max(1, len(learnt) // 512)]
        renormalise(network, faces.maps[some], faces.face[some], faces.counted[some])
    else:
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
    """Faces moved, turned and mirrored; with other light and colour, and a skin network that is surer or less sure.

    What was counted is off by `_COUNTED` of itself in each region, and by `_TOGETHER` of itself in a region's share and
    probabilities alike, as it is once a photograph has been saved again; of one region in ten density and diameter are
    not told.
    """
    some = torch.from_numpy(drawn)
    maps, face, rows, truth = (part[some] for part in (faces.maps, faces.face, faces.counted, faces.truth))
    if rng.random() < 0.5:
        maps, rows, truth = maps.flip(-1)[:, MIRRORED_CHANNELS], rows[:, MIRRORED_REGIONS], truth[:, MIRRORED_REGIONS]
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
    off = normal(n, 4, MEASURED, by=1.0) * torch.tensor(_COUNTED) + normal(n, 4, 1, by=1.0) * torch.tensor(_TOGETHER)
    rows = rows * torch.exp(off)
    rows[..., _SHARES] = rows[..., _SHARES].clamp_max(1)
    rows[..., 2:4] *= kept(n, 4, 1, share=0.9)
    least, part = DENSITY_DOUBT
    rows[..., -1] = (least + part * rows[..., 2]) * rows[..., 0]
    usual = faces.face.mean(dim=0)
    face = usual + (face - usual + normal(n, 4, by=1.0) * torch.tensor(_LIGHT)) * kept(n, 1, share=0.7)
    return maps, face, rows, truth

"""Training of the skin network: one resumable run, on a CPU in about an hour or on a GPU in minutes."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset

from melascope.data.about import read_about
from melascope.data.layout import ABOUT, write_whole
from melascope.lab.machine import computes_bf16, keep_freed_memory
from melascope.lab.skin.faces import LabelledFace, read_cohort, read_labelled
from melascope.lab.skin.network import CLASSES, KINDS, PIGMENT, SkinNetwork, load_imagenet, load_shipped, renormalise
from melascope.lab.skin.teacher import IGNORE, SOME_SKIN
from melascope.lab.skin.views import SIZE, UNKNOWN, render, sample
from melascope.vocabulary import FACIAL_SKIN, SKIN, Region, ToneBand

__all__ = ["Recipe", "Views", "loss_of", "train"]

BROAD: Final = 0.15
"""Share of the facial skin from which pigment is broad: what shows least where little normal skin is left."""
LEFT_OUT: Final = (3, 0.02)
"""How many batches of a run, and what share of them more, may be left out because their gradient is no number."""
_RARITY: Final = (3.0, 5.0, 1.0, 2.0, 1.0, 3.0, 5.0)
"""Weights of a pixel of each kind and of look-alikes: small lesions have few pixels."""
_WEIGHTS: Final = {Region.BACKGROUND: 0.6, Region.HAIR: 0.6, Region.OTHER_SKIN: 0.7, Region.NECK: 0.7}


@dataclass(frozen=True)
class Recipe:
    """Settings of a run; saved with it."""

    samples: int = 60_000
    batch: int = 32
    rate: float = 2e-3
    pigment_rate: float = 2.5
    """Factor on the rate for the pigment branch, which starts from nothing."""
    weight_decay: float = 1e-4
    warm_up: int = 100
    average: float = 0.998
    """Decay of the moving average of the weights, which is what is kept."""
    skin_share: float = 0.08
    """Share of samples from close-ups of unknown place."""
    virtual_share: float = 0.5
    """Share of the remaining samples from virtual patients, if there are any."""
    dark_weight: float = 2.0
    """How much more often virtual patients of the darkest band are drawn than those of another."""
    broad_weight: float = 2.0
    """How much more often virtual patients with broad pigment, of `BROAD` of the facial skin or more, are drawn."""
    painted_share: float = 0.8
    """Share of the photographed faces on which pigment may be painted."""
    spectral: float = 0.5
    """Share of the paintings on photographs in which pigment follows the skin's optics, not fixed ratios of R, G, B."""
    look_alikes: bool = True
    """Whether moles, redness, shadows and shine are added."""
    regions: bool = True
    """Whether regions go on learning; else pigment and its kinds alone do, and regions stay as they are."""
    size: int = SIZE
    """Pixels of a view's side, a multiple of 32."""
    seed: int = 7


class _Bands:
    """Faces by tone band: each band is drawn equally often, but none more than four times as often as it is present.

    The darkest, on which pigment shows least, is drawn `dark_weight` times as often; within a band, those with broad
    pigment `broad_weight` times.
    """

    def __init__(self, faces: list[LabelledFace], dark_weight: float = 1.0, broad_weight: float = 1.0) -> None:
        self.bands = [[f for f in faces if f.band == band] for band in sorted({str(f.band) for f in faces})]
        shares = np.array([min(1 / len(self.bands), 4 * len(band) / len(faces)) for band in self.bands])
        shares *= [dark_weight if band[0].band is ToneBand.DARK else 1.0 for band in self.bands]
        self.shares = shares / max(shares.sum(), 1e-9)
        self.weights = [np.array([broad_weight if _broad(face) else 1.0 for face in band]) for band in self.bands]

    def draw(self, rng: np.random.Generator) -> LabelledFace:
        number = int(rng.choice(len(self.bands), p=self.shares))
        weights = self.weights[number]
        return self.bands[number][int(rng.choice(len(weights), p=weights / weights.sum()))]


def _broad(face: LabelledFace) -> bool:
    """Whether a virtual patient's own pigment takes much of the face."""
    if face.pigment is None:
        return False
    skin = np.isin(face.labels, FACIAL_SKIN)
    return bool(((face.pigment.kinds > 0) & skin).sum() >= BROAD * max(1, skin.sum()))


class Views(IterableDataset[tuple[Tensor, ...]]):
    """An endless, seeded stream of views; faces of each tone band are drawn equally often."""

    def __init__(self, faces: list[LabelledFace], skin: list[LabelledFace], recipe: Recipe, start: int = 0) -> None:
        super().__init__()
        self.skin, self.recipe, self.start = skin, recipe, start
        photographed = [face for face in faces if face.pigment is None]
        virtual = [face for face in faces if face.pigment is not None]
        self.virtual = _Bands(virtual, recipe.dark_weight, recipe.broad_weight)
        self.groups = [_Bands([face for face in photographed if face.paintable == flag]) for flag in (True, False)]
        self.groups = [group for group in self.groups if group.bands]

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        info = torch.utils.data.get_worker_info()
        rng = np.random.default_rng((self.recipe.seed, self.start, info.id if info else 0))
        while True:
            if self.skin and rng.random() < self.recipe.skin_share:
                face = self.skin[int(rng.integers(len(self.skin)))]
            elif self.virtual.bands and (not self.groups or rng.random() < self.recipe.virtual_share):
                face = self.virtual.draw(rng)
            else:
                painted = rng.random() < self.recipe.painted_share
                face = self.groups[0 if painted else -1].draw(rng)
            drawn = sample(face, rng, spectral=self.recipe.spectral, look_alikes=self.recipe.look_alikes)
            view = render(face, drawn, self.recipe.size)
            # Half resolution is the output's. Close-ups of unknown place hold lesions nobody outlined: no pigment loss.
            # Unpainted people have spots of their own: half the loss.
            told = np.full((self.recipe.size // 2,) * 2, 1.0 if face.paintable else 0.5 if face.eyes else 0.0)
            kinds, depth = view.kinds[::2, ::2], view.depth[::2, ::2]
            pigment = np.stack([_halved(view.cover), _halved(view.density), told, kinds, depth])
            yield (
                torch.from_numpy(view.pixels).permute(2, 0, 1),
                torch.from_numpy(view.labels[::2, ::2].copy()),
                torch.from_numpy(pigment.astype(np.float32)),
            )


def _halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    h, w = values.shape
    return np.asarray(values.reshape(h // 2, 2, w // 2, 2).mean(axis=(1, 3)), np.float32)


def loss_of(outputs: Tensor, labels: Tensor, pigment: Tensor, *, regions: bool = True) -> Tensor:
    """Region loss + pigment loss.

    Regions: weighted cross-entropy; IGNORE is left out, SOME_SKIN asks for skin of any place. Pigment: cross-entropy
    of the cover (soft at a lesion's edge) and absolute error of the density, on bare skin, and a tenth of it elsewhere.
    Kinds: weighted cross-entropy where a lesion or look-alike has a name; depth: cross-entropy where there is pigment.

    Args:
        outputs: (N, MAPS, h, w).
        labels: (N, h, w) uint8.
        pigment: (N, 5, h, w): cover, density, 1 where both are known, kind (0 none, from 1 in the order of the
            network's kinds, UNKNOWN) and share of the pigment in the dermis.
        regions: Whether regions are learnt; else their loss is told, and teaches nothing.
    """
    labels = labels.long()
    # Split, not sliced: the gradient of each slice would be as large as all the outputs.
    logits, disease, amount, names, dermal = outputs.float().split([CLASSES, 1, 1, KINDS, 1], dim=1)
    disease, amount, dermal = disease[:, 0], amount[:, 0], dermal[:, 0]
    logits = logits if regions else logits.detach()
    weights = torch.ones(CLASSES, device=outputs.device)
    for region, weight in _WEIGHTS.items():
        weights[region] = weight
    logp = functional.log_softmax(logits, dim=1)
    known = labels < CLASSES
    place = functional.nll_loss(logp, torch.where(known, labels, IGNORE), weights, ignore_index=IGNORE, reduction="sum")
    some = torch.logsumexp(logp[:, list(SKIN)], dim=1)
    skin = -(some * (labels == SOME_SKIN)).sum()
    where = (place + 0.7 * skin) / (labels != IGNORE).sum().clamp_min(1)
    cover, density, told, kind, depth = pigment.unbind(dim=1)
    bare = sum((labels == region).float() for region in SKIN)
    weight = told * (bare + 0.1 * (1 - bare)) * (labels != IGNORE)
    # Where a lesion is too faint to be seen its edge is not learnt as strictly.
    target = (cover - 0.25).mul(2).clamp(0, 1)
    found = functional.binary_cross_entropy_with_logits(disease, target, reduction="none")
    error = (amount - density).abs()
    disease_loss = ((found + 6.0 * error) * weight).sum() / weight.sum().clamp_min(1)
    named = (kind > 0) & (kind < UNKNOWN) & (labels != IGNORE)
    kinds = torch.where(named, kind - 1, IGNORE).long()
    rarity = torch.tensor(_RARITY, device=outputs.device)
    which = functional.cross_entropy(names, kinds, rarity, ignore_index=IGNORE, reduction="sum")
    which = which / (rarity[kinds.clamp_max(KINDS - 1)] * named).sum().clamp_min(1)
    deep = (cover >= 0.5).float() * told * (kind != KINDS) * (labels != IGNORE)
    below = functional.binary_cross_entropy_with_logits(dermal, depth, reduction="none")
    return where + 4.0 * disease_loss + 0.3 * which + 0.2 * (below * deep).sum() / deep.sum().clamp_min(1)


def train(
    labelled: list[Path],
    skin: Path | None,
    out: Path,
    *,
    cohorts: Sequence[Path] = (),
    weights: Path | None,
    recipe: Recipe | None = None,
    workers: int = 1,
    threads: int = 2,
) -> Path:
    """Trains, or goes on with, the run in `out`; returns its checkpoint.

    Args:
        labelled: Labelled folders of faces; persons of the held-out third are left out.
        skin: Labelled folder of skin close-ups, or None.
        cohorts: Folders of virtual patients, rendered with maps; all of them are trained on.
        out: Folder of the run: `recipe.json`, `history.csv`, `checkpoint.pt`. A run that stopped goes on from its last
            checkpoint.
        weights: Where a new run starts: ImageNet MobileNetV2 (torchvision state dict), or a `skin.onnx` to go on from;
            None starts from random weights.
        recipe: Settings; the defaults if None.
        workers: Processes that render views.
        threads: CPU threads of the network.

    Raises:
        FileNotFoundError: A folder holds no faces.
        ValueError: `out` holds a run with another recipe, start or data, a folder's `dataset.json` is damaged,
            regions are to stay as they are and there are none, or loss or gradients are no numbers any more.
    """
    recipe = recipe or Recipe()
    if not (recipe.regions or (out / "checkpoint.pt").exists() or (weights and weights.suffix == ".onnx")):
        raise ValueError("regions that stay as they are must come from somewhere: name a skin.onnx with --weights")
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(threads)
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    bf16 = computes_bf16(device)
    if device.type == "cpu":
        keep_freed_memory()
    photographed = [(folder, read_labelled(folder, held_out=False)) for folder in labelled]
    rendered = [(folder, read_cohort(folder)) for folder in cohorts]
    close_ups = read_labelled(skin, held_out=False) if skin else []
    faces = [face for _, some in (*photographed, *rendered) for face in some]
    virtual = sum(len(some) for _, some in rendered)
    data = {
        "faces": [_about(*each) for each in photographed],
        "close_ups": [_about(skin, close_ups)] if skin else [],
        "cohorts": [_about(*each) for each in rendered],
    }
    counts = {"faces": len(faces) - virtual, "skin": len(close_ups), "virtual": virtual}
    told = {**asdict(recipe), **counts, "start": _start(weights), "data": data}
    _compare(out, told)
    network = SkinNetwork(regions=recipe.regions).to(device)
    checkpoint = out / "checkpoint.pt"
    steps, done, left_out = recipe.samples // recipe.batch, 0, 0
    saved = torch.load(checkpoint, map_location=device, weights_only=True) if checkpoint.exists() else None
    if saved:
        done, left_out = int(saved["step"]), int(saved.get("left_out", 0))
        network.load_state_dict(saved["network"])
    elif weights:
        shipped = weights.suffix == ".onnx"
        (load_shipped if shipped else load_imagenet)(network, weights)
        views = iter(Views(faces, close_ups, recipe, start=10**6))
        examples = torch.stack([_scaled(next(views)[0]) for _ in range(64)]).to(device)
        renormalise(network, examples, part=None if shipped else network.encoder)
    if not saved:
        write_whole(out / "recipe.json", json.dumps(told, ensure_ascii=False))
    network.to(memory_format=torch.channels_last)
    average = {k: v.detach().clone() for k, v in (saved["average"] if saved else network.state_dict()).items()}
    branch = [p for name, p in network.named_parameters() if name.startswith(PIGMENT)]
    rest = [p for name, p in network.named_parameters() if not name.startswith(PIGMENT)]
    groups = [{"params": rest, "factor": 1.0}, {"params": branch, "factor": recipe.pigment_rate}]
    optimiser = torch.optim.AdamW(groups, lr=recipe.rate, weight_decay=recipe.weight_decay)
    if saved:
        optimiser.load_state_dict(saved["optimiser"])
    stream = Views(faces, close_ups, recipe, start=done)
    loader = iter(DataLoader(stream, batch_size=recipe.batch, num_workers=workers, prefetch_factor=4))
    network.train()
    began, running = time.monotonic(), 0.0
    for step in range(done, steps):
        rate = recipe.rate * min(1.0, (step + 1) / recipe.warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        pixels, labels, pigment = next(loader)
        batch = _scaled(pixels.to(device)).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            outputs = network(batch)
        loss = loss_of(outputs, labels.to(device), pigment.to(device), regions=recipe.regions)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        length = torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        usable = bool(torch.isfinite(length))
        left_out += not usable
        if not torch.isfinite(loss) or left_out > LEFT_OUT[0] + LEFT_OUT[1] * step:
            raise ValueError(
                f"step {step + 1}: the loss is {float(loss.detach())}, its gradient {float(length)}, of which nothing "
                "can be learnt; the last checkpoint is as it was: give the same command again to go on from it; if "
                "that ends here, a lower --rate and another --out"
            )
        if not usable:
            print(f"step {step + 1}: the gradient is {float(length)}; nothing is learnt from this batch", flush=True)
        else:
            optimiser.step()
        decay = min(recipe.average, (1 + step) / (10 + step))
        with torch.no_grad():
            for key, value in network.state_dict().items():
                if value.dtype.is_floating_point:
                    average[key].lerp_(value, 1 - decay)
        running = 0.95 * running + 0.05 * float(loss.detach()) if step > done else float(loss.detach())
        if (step + 1) % 100 == 0 or step + 1 == steps:
            speed = (step + 1 - done) * recipe.batch / (time.monotonic() - began)
            line = f"{step + 1},{running:.4f},{speed:.1f}"
            print(f"step {step + 1}/{steps}  loss {running:.4f}  {speed:.1f} views/s", flush=True)
            with (out / "history.csv").open("a") as file:
                file.write(line + "\n")
            state = {"step": step + 1, "left_out": left_out, "network": network.state_dict(), "average": average}
            partial = out / "checkpoint.part"
            torch.save({**state, "optimiser": optimiser.state_dict()}, partial)
            partial.replace(checkpoint)
    return checkpoint


def _compare(out: Path, told: dict[str, Any]) -> None:
    """Refuse a folder that holds another run; one without a checkpoint holds none.

    What an older version did not write down of its run is not compared, and stays unwritten; licences are for the card
    alone.
    """
    if not (out / "checkpoint.pt").exists():
        return
    path = out / "recipe.json"
    way_out = "name another --out, or delete its recipe.json, history.csv and checkpoint.pt"
    try:
        there = {"regions": True, **json.loads(path.read_text(encoding="utf-8"))}  # older runs know no other
    except FileNotFoundError:
        raise ValueError(f"{out}: holds a checkpoint.pt and no recipe.json; {way_out}") from None
    except (ValueError, TypeError):
        raise ValueError(f"{path}: is damaged; {way_out}") from None
    unlike = [
        f"{name} ({json.dumps(value, ensure_ascii=False)[:160]} there, "
        f"{json.dumps(told.get(name), ensure_ascii=False)[:160]} now)"
        for name, value in there.items()
        if _compared(told.get(name)) != _compared(value)
    ]
    if unlike:
        raise ValueError(f"{out}: holds a run with another {', another '.join(unlike)}; {way_out}")


def _compared(value: Any) -> Any:
    """A value of a recipe, folders without their licences."""
    if not isinstance(value, dict):
        return value
    return {
        name: [{**one, "licence": ""} for one in some] if isinstance(some, list) else some
        for name, some in value.items()
    }


def _about(folder: Path, faces: Sequence[LabelledFace]) -> dict[str, Any]:
    """What the card says of a folder: name, photographs learnt from, licence where its `dataset.json` names one."""
    path = folder / ABOUT
    licence = read_about(path).licence if path.is_file() else ""
    return {"folder": folder.resolve().name, "photos": len(faces), "licence": licence}


def _start(weights: Path | None) -> dict[str, str] | None:
    """What a run started from, for the card."""
    if weights is None:
        return None
    return {"file": weights.name, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}


def _scaled(pixels: Tensor) -> Tensor:
    return pixels.float() / 127.5 - 1.0

"""Fits the network that names patches, measures it on people it has not seen, and makes it the one that ships."""

from __future__ import annotations

import hashlib
import io
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from melascope import networks
from melascope.lab.naming.facts import OTHER, Facts, rows_of
from melascope.lab.shipping import write_network
from melascope.lesions.naming import DOUBTED, FACTS, LEARNT_FROM, NAMED, NETWORK, Naming
from melascope.record import NONE_OF_THE_SIX
from melascope.vocabulary import DISCLAIMER, Lesion

__all__ = ["Namer", "Recipe", "chances_of", "exported", "fit", "measured", "ship", "weights_of"]

_CLASSES: Final = OTHER + 1
_KINDS: Final = tuple(Lesion)


@dataclass(frozen=True)
class Recipe:
    """How it is fitted."""

    hidden: int = 48
    members: int = 5
    """Networks whose probabilities are averaged."""
    epochs: int = 120
    batch: int = 2048
    rate: float = 3e-3
    weight_decay: float = 1e-3
    noise: float = 0.15
    """Standard deviation of what is added to the facts, which have one of 1: cameras and skin networks differ."""
    none_weight: float = 3.0
    """Weight of photos of data sets that show none of the six."""
    seed: int = 7


class Namer(nn.Module):
    """(n, FACTS) facts to (n, 7) probabilities: the six kinds, none of them.

    Args:
        hidden: Units of the one hidden layer.
        members: Networks.
    """

    def __init__(self, hidden: int, members: int) -> None:
        super().__init__()
        self.middle: Tensor
        self.spread: Tensor
        self.sharpness: Tensor
        self.register_buffer("middle", torch.zeros(len(FACTS)))
        self.register_buffer("spread", torch.ones(len(FACTS)))
        self.register_buffer("sharpness", torch.ones(()))
        self.members = nn.ModuleList(
            nn.Sequential(nn.Linear(len(FACTS), hidden), nn.SiLU(), nn.Dropout(0.2), nn.Linear(hidden, _CLASSES))
            for _ in range(members)
        )

    def scaled(self, facts: Tensor) -> Tensor:
        """Facts with a mean of 0 and a deviation of 1 in training; what lies far outside is drawn in."""
        return ((facts - self.middle) / self.spread).clamp(-4, 4)

    def forward(self, facts: Tensor) -> Tensor:
        """Probabilities."""
        scaled = self.scaled(facts)
        mean = torch.stack([member(scaled).softmax(1) for member in self.members]).mean(0)
        raised = mean.clamp_min(1e-6) ** self.sharpness
        return raised / raised.sum(1, keepdim=True)


def weights_of(facts: Facts, none_weight: float = 1.0) -> NDArray[np.float64]:
    """(n,) what a patch counts: each photo 1, shared by the roots of its patches' areas; more where none is of the six.

    Args:
        facts: Patches.
        none_weight: Of photos of a data set in which nothing is.
    """
    weights = np.sqrt(facts.areas.astype(np.float64))
    for _, rows in rows_of(facts):
        weights[rows] /= weights[rows].sum()
    for source in np.unique(facts.sources):
        own = facts.sources == source
        if (facts.labels[own] == OTHER).all():
            weights[own] *= none_weight
    return weights


def fit(facts: Facts, recipe: Recipe, tell: Callable[[str], None] = lambda _: None) -> Namer:
    """Fit on the training part; the best epoch of each member and the sharpness are those of the validation part.

    Raises:
        ValueError: A part is empty, or a kind does not occur in the training part.
    """
    train, validation = facts.parts == "train", facts.parts == "validation"
    if not train.any() or not validation.any():
        raise ValueError("no patches of the training part, or none of the validation part; draw facts of more photos")
    lacking = [kind.value for place, kind in enumerate(_KINDS) if not (facts.labels[train] == place).any()]
    if lacking:
        raise ValueError(f"no patch of the training part is of the kind {', '.join(lacking)}; add photos that show it")
    torch.manual_seed(recipe.seed)
    x, y = torch.from_numpy(facts.facts), torch.from_numpy(facts.labels)
    w = torch.from_numpy(weights_of(facts, recipe.none_weight).astype(np.float32))
    by_class = torch.stack([w[train][y[train] == k].sum() for k in range(_CLASSES)])
    w_train = w[train] / by_class[y[train]].clamp_min(1e-6).sqrt()
    w_train /= w_train.mean()
    namer = Namer(recipe.hidden, recipe.members)
    namer.middle.copy_(x[train].mean(0))
    namer.spread.copy_(x[train].std(0).clamp_min(1e-3))
    scaled = namer.scaled(x)
    for number, member in enumerate(namer.members):
        loss = _taught(
            member, scaled[train], y[train], w_train, (scaled[validation], y[validation], w[validation]), recipe
        )
        tell(f"member {number + 1} of {recipe.members}: validation cross-entropy {loss:.3f}")
    namer.eval()
    _sharpen(namer, x[validation], y[validation], w[validation])
    tell(f"sharpness {float(namer.sharpness):.2f}")
    return namer


def _taught(
    member: nn.Module,
    x: Tensor,
    y: Tensor,
    w: Tensor,
    validation: tuple[Tensor, Tensor, Tensor],
    recipe: Recipe,
) -> float:
    optimiser = torch.optim.AdamW(member.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * math.ceil(len(x) / recipe.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    best, kept = math.inf, {name: value.clone() for name, value in member.state_dict().items()}
    for _ in range(recipe.epochs):
        member.train()
        for rows in torch.randperm(len(x)).split(recipe.batch):
            said = member(x[rows] + recipe.noise * torch.randn_like(x[rows]))
            loss = (functional.cross_entropy(said, y[rows], reduction="none") * w[rows]).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        member.eval()
        with torch.no_grad():
            each = functional.cross_entropy(member(validation[0]), validation[1], reduction="none")
            now = float((each * validation[2]).sum() / validation[2].sum())
        if now < best:
            best, kept = now, {name: value.clone() for name, value in member.state_dict().items()}
    member.load_state_dict(kept)
    return best


@torch.no_grad()
def _sharpen(namer: Namer, x: Tensor, y: Tensor, w: Tensor) -> None:
    """The power that makes the validation labels most probable."""
    losses = {}
    for power in np.linspace(0.5, 2.0, 61):
        namer.sharpness.fill_(float(power))
        each = functional.nll_loss(namer(x).log(), y, reduction="none")
        losses[float(power)] = float((each * w).sum())
    namer.sharpness.fill_(min(losses, key=lambda power: losses[power]))


@torch.no_grad()
def measured(facts: Facts, chances: NDArray[np.float64]) -> dict[str, float | None]:
    """How names fare: patches by weight, see `weights_of`, and photos.

    Args:
        facts: Patches.
        chances: (n, 6) of each kind; what is missing to 1 is none of them.

    Returns:
        Shares by name; None where there is nothing to take a share of. Photos are those with patches.
    """
    weights = weights_of(facts)
    namings = [Naming(tuple(row)) for row in chances.tolist()]
    of_six = facts.labels != OTHER
    said = np.array([OTHER if one.kind is None else _KINDS.index(one.kind) for one in namings])
    held = np.array([label < OTHER and any(kind is _KINDS[label] for kind, _ in one.kinds)
                     for label, one in zip(facts.labels.tolist(), namings, strict=True)])  # fmt: skip
    named, right = said != OTHER, said == facts.labels

    def share(which: NDArray[np.bool_], among: NDArray[np.bool_]) -> float | None:
        total = float(weights[among].sum())
        return round(float(weights[which & among].sum()) / total, 4) if total else None

    def mean(values: NDArray[np.int64], among: NDArray[np.bool_]) -> float | None:
        return round(float(np.average(values[among], weights=weights[among])), 2) if among.any() else None

    told_none = ~named & (np.array([one.other for one in namings]) >= NONE_OF_THE_SIX)
    photos = [rows for _, rows in rows_of(facts)]
    wrongly = [bool((named & ~right)[rows].any()) for rows in photos]
    return {
        "photos": len(photos),
        "patches": len(weights),
        "lesions_named": share(named, of_six),
        "lesions_named_rightly": share(right, of_six & named),
        "lesions_whose_kinds_hold_the_true_one": share(held, of_six),
        "kinds_of_a_lesion": mean(np.array([len(one.kinds) for one in namings]), of_six),
        "lesions_told_none": share(told_none, of_six),
        "others_named": share(named, ~of_six),
        "others_told_none": share(told_none, ~of_six),
        "names_right": share(right, named),
        "photos_with_a_wrong_name": round(sum(wrongly) / max(1, len(photos)), 4),
    }


def chances_of(namer: Namer, facts: Facts) -> NDArray[np.float64]:
    """(n, 6) probabilities of the kinds."""
    with torch.no_grad():
        return namer(torch.from_numpy(facts.facts)).numpy().astype(np.float64)[:, :OTHER]


def ship(
    namer: Namer,
    facts: Facts,
    recipe: Recipe,
    about: Mapping[str, Any],
    to: Path | None = None,
    limits: Sequence[str] = (),
) -> tuple[Path, Path]:
    """Write naming.onnx and naming.json.

    Args:
        namer: Fitted.
        facts: All parts.
        recipe: How it was fitted.
        about: Licence and data, for the card.
        to: Folder; this installation's networks if None.
        limits: Sentences for the card.
    """
    content = exported(namer)
    tested = facts.where(facts.parts == "test")
    figures: dict[str, Any] = {}
    for source in sorted(set(tested.sources.tolist())):
        own = tested.where(tested.sources == source)
        figures[source] = {"all": measured(own, chances_of(namer, own))}
        for place, kind in enumerate(_KINDS):
            if (own.labels == place).any():
                some = own.where(own.labels == place)
                figures[source][kind.value] = measured(some, chances_of(namer, some))
        for column in ("views", "bands"):
            values = sorted(set(getattr(own, column).tolist()) - {""})
            for value in values if len(values) > 1 else ():
                some = own.where(getattr(own, column) == value)
                figures[source][value] = measured(some, chances_of(namer, some))
    card = {
        "name": NETWORK,
        "what": "Says of a patch of excess pigment which of six benign lesions it is, or that it is none of them.",
        "date": datetime.now(UTC).date().isoformat(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "input": f"facts: patches x {len(FACTS)}, see `facts`",
        "output": "patches x 7: probabilities of the six kinds, of none of them",
        f"{LEARNT_FROM}_network": networks.load(LEARNT_FROM).sha256,
        "facts": list(FACTS),
        "classes": [*(kind.value for kind in _KINDS), "none of the six"],
        "named_from": NAMED,
        "doubted_to": DOUBTED,
        "recipe": asdict(recipe),
        "sharpness": round(float(namer.sharpness), 3),
        "figures": figures,
        **about,
        "limits": [DISCLAIMER, *limits],
    }
    return write_network(NETWORK, content, card, to)


def exported(namer: Namer) -> bytes:
    """As ONNX."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            namer.eval(), (torch.zeros(2, len(FACTS)),), stream, input_names=["facts"], output_names=["chances"],
            dynamic_axes={"facts": {0: "patches"}, "chances": {0: "patches"}}, opset_version=17, dynamo=False,
        )  # fmt: skip
    return stream.getvalue()

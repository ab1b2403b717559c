"""One training: the loss, the steps and the averaged weights, as Lightning runs them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from melascope.lab.severity.cards import Scaling
from melascope.lab.severity.recipe import Loss, Optimiser, Recipe
from melascope.lab.severity.registry import outputs_of

__all__ = ["MASI_MIDDLE", "MASI_UNIT", "Lesson", "class_weights", "loss_of", "masi_of", "rates", "scaled"]

MASI_MIDDLE: Final = 16.0
MASI_UNIT: Final = 8.0
"""The fourth output r of a network that predicts the MASI: MASI = MASI_MIDDLE + MASI_UNIT × r."""


def masi_of(outputs: Tensor) -> Tensor:
    """(N,) MASI that (N, 4) outputs say, any number."""
    return MASI_MIDDLE + MASI_UNIT * outputs[:, 3]


def scaled(pixels: Tensor, scaling: Scaling) -> Tensor:
    """(N, S, S, 3) uint8 as (N, 3, S, S) scaled numbers, channels last in memory."""
    mean = torch.tensor(scaling.mean, device=pixels.device)
    deviation = torch.tensor(scaling.deviation, device=pixels.device)
    return ((pixels.float() / 255 - mean) / deviation).permute(0, 3, 1, 2)


def class_weights(shares: Sequence[float], power: float) -> tuple[float, ...]:
    """Weight of each class, (1 / share) to a power, of which the mean over the photos is 1.

    Example:
        >>> [round(w, 3) for w in class_weights((0.5, 0.25, 0.25), 1.0)]
        [0.667, 1.333, 1.333]
    """
    raw = [share**-power if share > 0 else 0.0 for share in shares]
    mean = sum(share * weight for share, weight in zip(shares, raw, strict=True)) / sum(shares)
    return tuple(weight / mean for weight in raw)


def loss_of(outputs: Tensor, targets: Tensor, masi: Tensor, loss: Loss, weights: Tensor) -> Tensor:
    """Cross-entropy, squared distance of cumulated probabilities, and error of the MASI, weighted by the recipe.

    Args:
        outputs: (N, 3) class scores, or (N, 4) with the MASI's.
        targets: (N, 3) probabilities.
        masi: (N,) of the raters.
        loss: The recipe's.
        weights: (3,) of the classes.
    """
    outputs = outputs.float()
    scores = outputs[:, :3]
    targets = targets * (1 - loss.smoothing) + loss.smoothing / 3
    each = -(targets * weights * functional.log_softmax(scores, dim=1)).sum(dim=1)
    if loss.ordinal:
        gap = (scores.softmax(dim=1) - targets).cumsum(dim=1)[:, :2]
        each = each + loss.ordinal * (targets * weights).sum(dim=1) * gap.square().sum(dim=1)
    if loss.masi:
        error = functional.smooth_l1_loss(masi_of(outputs) / MASI_UNIT, masi / MASI_UNIT, reduction="none")
        each = each + loss.masi * error
    return each.mean()


def rates(optimiser: Optimiser, step: int, steps: int, steps_an_epoch: float) -> float:
    """Factor on the learning rate at a step, counted from 0."""
    warm = optimiser.warm_up * steps_an_epoch
    factor = min(1.0, (step + 1) / warm) if warm >= 1 else 1.0
    if optimiser.schedule == "cosine":
        factor *= 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, steps))))
    return factor


class Lesson(pl.LightningModule):
    """Trains one network by a recipe.

    Args:
        network: Of `recipe.loss.masi` above 0, with a fourth output.
        recipe: How.
        scaling: Of the pixels.
        shares: Of the classes in training.
        steps: Of all epochs.
        steps_an_epoch: Of one.
        trained: Whether the network comes with trained weights, so that early layers move less.
        seed: Of dropout.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        scaling: Scaling,
        shares: Sequence[float],
        *,
        steps: int,
        steps_an_epoch: int,
        trained: bool,
        seed: int,
    ) -> None:
        super().__init__()
        self.network, self.recipe, self.scaling, self.seed = network, recipe, scaling, seed
        self.steps, self.steps_an_epoch, self.trained = steps, steps_an_epoch, trained
        self.register_buffer("weights", torch.tensor(class_weights(shares, recipe.loss.balance)))
        self.kept: AveragedModel | None = None
        if recipe.optimiser.average:
            top = recipe.optimiser.average

            def average(old: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
                decay = min(top, (1 + int(count)) / (10 + int(count)))
                return decay * old + (1 - decay) * new

            self.kept = AveragedModel(network, avg_fn=average, use_buffers=True).requires_grad_(False)
        self.sums: dict[str, float] = {}

    @property
    def result(self) -> nn.Module:
        """The network that is validated and kept."""
        return self.network if self.kept is None else self.kept.module

    def on_train_epoch_start(self) -> None:
        """Count anew."""
        self.sums = dict.fromkeys(("loss", "right", "count", "val_loss", "val_right", "val_count"), 0.0)

    def training_step(self, batch: Sequence[Tensor], index: int) -> Tensor:  # noqa: ARG002
        """Loss of a batch; its dropout depends on seed, step and process alone, so that a resumed run is the same."""
        torch.manual_seed((self.seed * 1_000_003 + self.global_step) * 1009 + self.global_rank)
        pixels, targets, classes, masi = batch
        outputs, auxiliary = outputs_of(self.network, scaled(pixels, self.scaling))
        loss = loss_of(outputs, targets, masi, self.recipe.loss, self.weights)
        for other in auxiliary:
            loss = loss + self.recipe.loss.auxiliary * loss_of(other, targets, masi, self.recipe.loss, self.weights)
        # The curve shows what validation shows too: cross-entropy of the main head with the class.
        with torch.no_grad():
            self._count("", outputs, classes)
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """The averaged weights follow."""
        if self.kept is not None:
            self.kept.update_parameters(self.network)

    def validation_step(self, batch: Sequence[Tensor], index: int) -> None:  # noqa: ARG002
        """Cross-entropy with the class of the raters' mean, whatever training's loss is."""
        pixels, _, classes, _ = batch
        network = self.result
        network.eval()
        self._count("val_", outputs_of(network, scaled(pixels, self.scaling))[0], classes)

    def _count(self, prefix: str, outputs: Tensor, classes: Tensor) -> None:
        scores = outputs.detach()[:, :3].float()
        self.sums[f"{prefix}loss"] += float(functional.cross_entropy(scores, classes, reduction="sum"))
        self.sums[f"{prefix}right"] += float((scores.argmax(dim=1) == classes).sum())
        self.sums[f"{prefix}count"] += len(classes)

    def totals(self) -> dict[str, float]:
        """The epoch's sums over all processes."""
        here = torch.tensor(list(self.sums.values()), dtype=torch.float64 if self.device.type != "mps" else None)
        there: Any = self.all_gather(here.to(self.device))
        added = there.reshape(-1, len(self.sums)).sum(dim=0).tolist() if self.trainer.world_size > 1 else here.tolist()
        return dict(zip(self.sums, added, strict=True))

    def configure_optimizers(self) -> Any:
        """Optimiser and schedule of the recipe."""
        how = self.recipe.optimiser
        groups = self._groups()
        kinds: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
        more = {"momentum": 0.9, "nesterov": True} if how.kind == "sgd" else {}
        optimiser = kinds[how.kind](groups, lr=how.rate, weight_decay=how.weight_decay, **more)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: rates(how, step, self.steps, self.steps_an_epoch)
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters with their rates: the first one's is `depth` times the last one's, geometrically between them."""
        how = self.recipe.optimiser
        named = [(name, p) for name, p in self.network.named_parameters() if p.requires_grad]
        if how.depth == 1 or not self.trained:
            return [{"params": [p for _, p in named], "lr": how.rate}]
        stages = list(dict.fromkeys(_stage(name) for name, _ in named))
        place = {stage: i / max(1, len(stages) - 1) for i, stage in enumerate(stages)}
        return [
            {
                "params": [p for name, p in named if _stage(name) == stage],
                "lr": how.rate * how.depth ** (1 - place[stage]),
            }
            for stage in stages
        ]


def _stage(name: str) -> str:
    """The part of a network that a parameter belongs to: ``features.3`` of ``features.3.conv.0.weight``."""
    words = name.split(".")
    deep = 2 if len(words) > 2 and (words[1].isdigit() or words[0] == "features") else 1
    return ".".join(words[:deep])

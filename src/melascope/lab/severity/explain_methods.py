"""The methods by name: layer-wise relevance propagation by each composite, and what it is compared with."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from melascope.lab.lrp import COMPOSITES, DEFAULT, LrpError, RelevanceNetwork, composite
from melascope.lab.lrp.gradients import gradient_input, integrated_gradients
from melascope.lab.lrp.occlusion import occlusion
from melascope.lab.severity.cards import Scaling

__all__ = ["DEFAULTS", "METHODS", "PAPER", "Explainer", "Found", "centred", "chosen_methods", "limits_of"]

PAPER: Final = "gradient-input"
"""What the text of Zhang 2025 describes."""
_STEPS: Final = 24
METHODS: Final = {
    **{name: f"LRP: {one.says}" for name, one in COMPOSITES.items()},
    PAPER: "gradient of the class score × normalised pixel: what the text of Zhang 2025 describes as LRP",
    "integrated-gradients": f"mean gradient on the way from black, {_STEPS} steps, × the way (Sundararajan 2017)",
    "occlusion": "fall of the class score when patches are covered by the photo's mean, 7 × 7 (Zeiler & Fergus 2014)",
}
DEFAULTS: Final = (DEFAULT, f"{DEFAULT}-unbiased", "gamma-box", PAPER, "integrated-gradients", "occlusion")


@dataclass(frozen=True)
class Found:
    """One map of one photo, and for LRP its account."""

    relevance: Tensor
    """(S, S) in units of the class score, channels summed up."""
    bias: float | None = None
    absorbed: float | None = None


def chosen_methods(names: Sequence[str]) -> tuple[str, ...]:
    """Names of methods, checked; the default ones if empty.

    Raises:
        ValueError: A name is not known.
    """
    for name in names:
        if name not in METHODS:
            raise ValueError(f"{name}: is no method; take of {', '.join(METHODS)}")
    return tuple(dict.fromkeys(names)) or DEFAULTS


def limits_of(scaling: Scaling) -> tuple[Tensor, Tensor]:
    """What black and white are after scaling, (1, 3, 1, 1) each."""
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (scaling.mean, scaling.deviation))
    return (0 - mean) / deviation, (1 - mean) / deviation


def centred(network: nn.Module) -> nn.Module:
    """A network that gives each class score less the mean of all: the same probabilities, by another last layer.

    A class score by itself says little: all may lie below zero, and adding a number to all of them changes no answer.
    Less their mean, the likeliest class is always above zero, and what speaks for all classes alike speaks for none.

    Args:
        network: Left as it is; its copy shares all weights but the last layer's.

    Raises:
        LrpError: Its scores do not come out of a dense layer or a convolution.
    """
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    twin = copy.deepcopy(network, shared)
    layers = [module for module in twin.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    if not layers:
        raise LrpError(
            f"{type(network).__name__}: holds no convolution and no dense layer; there is nothing to explain"
        )
    last = layers[-1]
    last.weight = nn.Parameter((last.weight - last.weight.mean(0)).detach())
    if last.bias is not None:
        last.bias = nn.Parameter((last.bias - last.bias.mean()).detach())
    return twin


class Explainer:
    """A network with every method. What is explained is a class score less the mean of all, see `centred`.

    Args:
        network: In evaluation, (N, 3, S, S) to (N, classes). It is left as it is.
        scaling: Of its pixels.

    Raises:
        LrpError: The last layer cannot be centred.
    """

    def __init__(self, network: nn.Module, scaling: Scaling) -> None:
        self.network, self.limits = centred(network), limits_of(scaling)
        self._prepared: RelevanceNetwork | None = None

    def scores(self, pixels: Tensor) -> Tensor:
        """(N, classes) of (N, 3, S, S): they add up to zero.

        Raises:
            LrpError: They do not: the scores do not come out of the last layer with weights.
        """
        with torch.no_grad():
            scores: Tensor = self.network(pixels)
        if float(scores.sum(1).abs().max()) > 1e-3 * float(scores.abs().max()) + 1e-6:
            raise LrpError("the class scores do not come out of the network's last layer; it cannot be explained here")
        return scores

    def explain(self, pixels: Tensor, chosen: int, method: str) -> Found:
        """The map of one photo, (1, 3, S, S), for one class.

        Raises:
            LrpError: A method of LRP, and the network holds something for which no rule is known.
        """
        classes = torch.tensor([chosen])
        if method in COMPOSITES:
            if self._prepared is None:
                self._prepared = RelevanceNetwork(self.network)
            low, high = self.limits
            held = pixels.clamp(low, high)  # scaled in single precision, white may lie a hair above its limit
            found = self._prepared.relevance(held, composite(method), classes=classes, limits=self.limits)
            return Found(found.pixels[0].sum(0), float(found.bias), float(found.absorbed))
        if method == PAPER:
            return Found(gradient_input(self.network, pixels, classes)[0].sum(0))
        if method == "integrated-gradients":
            return Found(integrated_gradients(self.network, pixels, classes, self.limits[0], _STEPS)[0].sum(0))
        side = -(-pixels.shape[2] // 7)
        fill = pixels.mean((2, 3), keepdim=True)
        return Found(occlusion(self.network, pixels, classes, fill, side)[0, 0])

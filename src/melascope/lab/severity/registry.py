"""Architectures by name: torchvision's six of Zhang et al. 2025, and timm's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from melascope.lab.severity.cards import CARDS, NAMES, TIMM

__all__ = [
    "NAMES",
    "NoSuchNetwork",
    "build",
    "check_name",
    "head_of",
    "last_features",
    "outputs_of",
    "resize_head",
    "without_training_heads",
]

_HINT: Final = f"choose one of {', '.join(NAMES)}, or {TIMM}NAME for a network of timm"


class NoSuchNetwork(ValueError):
    """A name that no architecture has."""


def build(name: str, classes: int = 3, weights: str | Path = "none", side: int = 224) -> nn.Module:
    """A network with random or trained weights.

    Args:
        name: One of `NAMES`, or ``timm:NAME``.
        classes: Outputs.
        weights: ``none``, ``imagenet``, or a file or run, see `melascope.lab.severity.weights.start`.
        side: Pixels of a side of its pictures; only networks of one fixed size ask.

    Returns:
        A network of (N, 3, S, S) scaled pictures to (N, classes) scores, in training mode; GoogLeNet's auxiliary heads
        are there and give their scores in training (`outputs_of`).

    Raises:
        NoSuchNetwork: There is no such architecture.
        WeightsError: The weights cannot be had or do not fit.
    """
    if str(weights) != "none":
        from melascope.lab.severity.weights import start

        return start(name, str(weights), classes=classes, side=side).network
    return empty(name, classes, side)


def check_name(name: str) -> None:
    """Nothing, if there is such an architecture.

    Raises:
        NoSuchNetwork: There is none.
    """
    if name in CARDS:
        return
    if not name.startswith(TIMM):
        raise NoSuchNetwork(f"{name!r} is no network of this laboratory; {_HINT}")
    try:
        import timm
    except ModuleNotFoundError:
        raise NoSuchNetwork(f"{name!r} needs the package timm: pip install timm, or {_HINT}") from None
    plain = name.removeprefix(TIMM)
    if plain.partition(".")[0] not in timm.list_models():
        near = timm.list_models(f"*{plain[:6]}*")[:5] if plain else []
        raise NoSuchNetwork(f"timm has no network {plain!r}{f'; it has {chr(44).join(near)}' if near else ''}")


def empty(name: str, classes: int = 3, side: int = 224) -> nn.Module:
    """An architecture with random weights; see `build`."""
    check_name(name)
    if name in CARDS:
        from torchvision import models

        more: dict[str, Any] = {}
        if name == "googlenet":
            # The scaling of the pictures is the caller's; torchvision's slow initialisation is replaced by `_begin`.
            more = {"aux_logits": True, "transform_input": False, "init_weights": False}
        network: nn.Module = getattr(models, name)(weights=None, num_classes=classes, **more)
        if name == "googlenet":
            _begin(network)
        return network
    return _timm(name, classes, side, trained=False)


def _timm(name: str, classes: int, side: int, trained: bool) -> nn.Module:
    import timm

    plain = name.removeprefix(TIMM)
    network: nn.Module = timm.create_model(plain, pretrained=trained, num_classes=classes)
    if network.pretrained_cfg.get("fixed_input_size"):
        network = timm.create_model(plain, pretrained=trained, num_classes=classes, img_size=side)
    return network


def _begin(network: nn.Module) -> None:
    """GoogLeNet's random start: normal with deviation 0.01 cut at two of them, as torchvision's, drawn in no time."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.normal_(0, 0.01).clamp_(-0.02, 0.02)
                if module.bias is not None:
                    module.bias.zero_()


def outputs_of(network: nn.Module, pictures: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The scores of pictures, and those of the auxiliary heads where the network has such and is in training."""
    found = network(pictures)
    if isinstance(found, tuple):
        main, *others = found
        return main, tuple(other for other in others if other is not None)
    return found, ()


def without_training_heads(network: nn.Module) -> nn.Module:
    """The network without what only training has (GoogLeNet's auxiliary heads), changed in place."""
    if getattr(network, "aux_logits", False):
        network.aux_logits = False
        network.aux1 = network.aux2 = None
    return network


def head_of(name: str, network: nn.Module) -> tuple[str, nn.Module]:
    """Path and module of the last layer, which is linear (or a 1 × 1 convolution in a few networks of timm).

    Raises:
        NoSuchNetwork: The network has none that is known.
    """
    where = CARDS[name].head if name in CARDS else network.pretrained_cfg.get("classifier")
    if not isinstance(where, str):
        raise NoSuchNetwork(f"{name} has {where!r} for a last layer, and this laboratory needs a single one; {_HINT}")
    module = network.get_submodule(where)
    if not isinstance(module, nn.Linear | nn.Conv2d):
        raise NoSuchNetwork(f"the last layer of {name} is a {type(module).__name__}, no linear one; {_HINT}")
    return where, module


@torch.no_grad()
def resize_head(name: str, network: nn.Module, outputs: int, keep: bool = True) -> nn.Module:
    """Another number of outputs, in place: the first keep their weights if asked, others begin at random and small."""
    heads = [head_of(name, network)[0]]
    if getattr(network, "aux_logits", False):
        heads += [f"{aux}.fc2" for aux in CARDS[name].auxiliary]
    for where in heads:
        old = network.get_submodule(where)
        count = min(outputs, old.weight.shape[0]) if keep else 0
        if isinstance(old, nn.Conv2d):
            new: nn.Module = nn.Conv2d(old.in_channels, outputs, 1, bias=old.bias is not None)
        else:
            new = nn.Linear(old.in_features, outputs, bias=old.bias is not None)
        new.weight.normal_(0, 0.01)
        new.weight[:count] = old.weight[:count]
        if old.bias is not None:
            new.bias.zero_()
            new.bias[:count] = old.bias[:count]
        parent, _, leaf = where.rpartition(".")
        setattr(network.get_submodule(parent), leaf, new.to(old.weight.device))
    return network


def last_features(name: str, network: nn.Module, pictures: Tensor) -> Tensor | None:
    """(N, C, h, w) maps whose mean over places enters the last layer; None where the network does not end so."""
    if name == "densenet121":
        return torch.relu(network.features(pictures))
    if name == "mobilenet_v2":
        return network.features(pictures)
    if name in ("resnet18", "googlenet"):
        kept: list[Tensor] = []
        handle = network.avgpool.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
        try:
            network(pictures)
        finally:
            handle.remove()
        return kept[0]
    if name.startswith(TIMM):
        found = network.forward_features(pictures)
        return found if found.ndim == 4 else None
    return None

"""What can be counted on relevance maps: where it lies, how concentrated it is, how far two maps agree."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

__all__ = ["concentration", "rank_correlation", "shares", "shuffled"]


def shares(relevance: NDArray[np.floating], masks: Mapping[str, NDArray[np.floating]]) -> dict[str, float]:
    """Share of the positive relevance that lies in each place; NaN where there is none at all.

    Args:
        relevance: (H, W).
        masks: By place, (H, W), 0 to 1: how much of a pixel belongs to it.
    """
    positive = np.clip(relevance.astype(np.float64), 0, None)
    total = positive.sum()
    return {name: float((positive * mask).sum() / total) if total > 0 else float("nan") for name, mask in masks.items()}


def concentration(relevance: NDArray[np.floating]) -> float:
    """The smallest share of the pixels that holds half of the positive relevance: small is concentrated.

    Example:
        >>> concentration(np.array([[8.0, 1.0], [1.0, -3.0]]))
        0.25
    """
    positive = np.sort(np.clip(relevance.astype(np.float64), 0, None).ravel())[::-1]
    total = positive.sum()
    if total <= 0:
        return float("nan")
    return float((np.searchsorted(np.cumsum(positive), 0.5 * total) + 1) / positive.size)


def rank_correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Spearman's rank correlation of two maps, ties with their mean rank; NaN where one of them is constant."""
    from scipy.stats import rankdata

    first, second = (rankdata(values.ravel()) for values in (a, b))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def shuffled(network: nn.Module, share: float, seed: int) -> nn.Module:
    """A copy whose last layers have lost what they learnt: the numbers in each weight are dealt out anew.

    The distribution of each layer's weights stays, so that activations keep their size (after Adebayo et al. 2018, who
    draw anew). Biases and batch statistics stay.

    Args:
        network: Left as it is.
        share: Of the layers with weights, from the output on; 0 to 1, at least one layer.
        seed: Of the dealing.
    """
    twin = copy.deepcopy(network)
    layers = [module for module in twin.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    count = max(1, round(share * len(layers)))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in layers[-count:]:
            flat = layer.weight.flatten()
            layer.weight.copy_(flat[torch.randperm(flat.numel(), generator=generator)].view_as(layer.weight))
    return twin

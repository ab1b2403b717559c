"""Explanations by gradients, for comparison: gradient × input, and integrated gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["gradient_input", "integrated_gradients"]


def _gradient(network: nn.Module, pixels: Tensor, classes: Tensor) -> Tensor:
    if network.training:
        raise ValueError(
            f"{type(network).__name__}: is in training, where its answer depends on chance; call eval() first"
        )
    with torch.enable_grad():
        point = pixels.detach().clone().requires_grad_()
        logits = network(point).gather(1, classes[:, None])
        (gradient,) = torch.autograd.grad(logits.sum(), point)
    return gradient


def gradient_input(network: nn.Module, pixels: Tensor, classes: Tensor) -> Tensor:
    """The gradient of a logit times the normalised pixels: what the text of Zhang 2025 describes under the name of LRP.

    It is a first-order effect of scaling the normalised picture, and no layer-wise relevance propagation (but for a
    network of ReLUs without biases, where LRP-0 equals it: Ancona et al. 2018). Its sum is the logit for such networks
    alone.

    Args:
        network: In evaluation.
        pixels: (N, 3, H, W).
        classes: (N,) the explained logit of each photo.

    Raises:
        ValueError: The network is in training.
    """
    return _gradient(network, pixels, classes) * pixels


def integrated_gradients(
    network: nn.Module, pixels: Tensor, classes: Tensor, baseline: Tensor, steps: int = 24
) -> Tensor:
    """The mean gradient on the straight way from a baseline, times the difference to it (Sundararajan et al. 2017).

    The sum goes to the logit less the baseline's as the steps grow. Midpoint rule.

    Args:
        network: In evaluation.
        pixels: (N, 3, H, W).
        classes: (N,).
        baseline: Broadcast to `pixels`, such as black.
        steps: Forward and backward passes.

    Raises:
        ValueError: The network is in training.
    """
    way = pixels - baseline
    total = torch.zeros_like(pixels)
    for step in range(steps):
        total += _gradient(network, baseline + (step + 0.5) / steps * way, classes)
    return way * total / steps

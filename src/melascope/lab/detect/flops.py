"""What a network costs: parameters, and multiplications and additions of one picture."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["gflops", "parameters"]


def parameters(network: nn.Module) -> int:
    """Numbers that training may change, or could."""
    return sum(each.numel() for each in network.parameters())


@torch.no_grad()
def gflops(network: nn.Module, side: int, *, learning: bool = False) -> float:
    """Thousand millions of multiplications and additions (two for each pair) of convolutions and linear layers.

    Counted by hooks on one picture of zeros; what has no layer of its own (attention's products, resizing) is not.

    Args:
        network: Takes (N, 3, S, S) pictures.
        side: S.
        learning: Of a step of training: layers that learn count three times, for the way back is twice as long.
    """
    total = 0

    def count(module: nn.Module, _: Any, output: Any) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            each = module.in_channels // module.groups * module.kernel_size[0] * module.kernel_size[1]
        else:
            each = module.in_features  # type: ignore[assignment,unused-ignore]
        ways = 3 if learning and module.weight.requires_grad else 1
        total += 2 * ways * each * output.numel()

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    training = network.training
    device = next(network.parameters()).device
    try:
        network.eval()
        network(torch.zeros(1, 3, side, side, device=device))
    finally:
        for hook in hooks:
            hook.remove()
        network.train(training)
    return total / 1e9

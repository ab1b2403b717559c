"""Explanation by covering: how far the logit falls when a patch of the photo is covered (Zeiler & Fergus 2014)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["occlusion"]


def occlusion(
    network: nn.Module, pixels: Tensor, classes: Tensor, fill: Tensor, side: int, stride: int | None = None
) -> Tensor:
    """Fall of the logit, spread evenly over the covered patch; where patches overlap, the mean of them.

    Args:
        network: In evaluation.
        pixels: (N, 3, H, W).
        classes: (N,).
        fill: What covers, broadcast to `pixels`: a colour, or a blurred photo.
        side: Of a patch, in pixels. Patches at the right and lower edge may be narrower.
        stride: From one patch to the next; `side` if None.

    Returns:
        (N, 1, H, W); without overlap it sums to the sum of the falls.

    Raises:
        ValueError: The network is in training.
    """
    if network.training:
        raise ValueError(
            f"{type(network).__name__}: is in training, where its answer depends on chance; call eval() first"
        )
    stride = stride or side
    fill = fill.expand_as(pixels)
    height, width = pixels.shape[2:]
    total, times = pixels.new_zeros(len(pixels), 1, height, width), pixels.new_zeros(1, 1, height, width)
    with torch.no_grad():
        whole = network(pixels).gather(1, classes[:, None])[:, 0]
        for top in range(0, height, stride):
            for left in range(0, width, stride):
                place = (..., slice(top, top + side), slice(left, left + side))
                covered = pixels.clone()
                covered[place] = fill[place]
                fall = whole - network(covered).gather(1, classes[:, None])[:, 0]
                total[place] += (fall / times[place].numel())[:, None, None, None]
                times[place] += 1
    return total / times.clamp(min=1)

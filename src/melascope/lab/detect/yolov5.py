"""YOLOv5, version 6: CSP backbone, pyramid pooling, path aggregation, three maps of anchors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from melascope.lab.detect.blocks import C3, Conv, Focus, Sppf

__all__ = ["SIZES", "Size", "YoloV5"]


@dataclass(frozen=True)
class Size:
    """One of the family."""

    depth: float
    """Factor on the number of blocks in a stage."""
    width: float
    """Factor on the number of channels."""


SIZES: Final = {"n": Size(0.33, 0.25), "s": Size(0.33, 0.50), "m": Size(0.67, 0.75)}


class YoloV5(nn.Module):
    """(N, 3, S, S) pictures of 0 to 1 to raw maps (N, A (5 + C), S / s, S / s) of the strides s = 8, 16, 32.

    Args:
        size: n, s or m.
        outputs: A (5 + C).
        focus: The Focus stem that Ding et al. 2022 describe, instead of the 6 × 6 convolution.
    """

    strides: Final = (8, 16, 32)

    def __init__(self, size: str, outputs: int, focus: bool = False) -> None:
        super().__init__()
        of = SIZES[size]
        a, b, c, d, e = (8 * math.ceil(of.width * full / 8) for full in (64, 128, 256, 512, 1024))
        few, some, many = (max(1, round(of.depth * full)) for full in (3, 6, 9))
        self.stem = Focus(3, a) if focus else Conv(3, a, 6, 2, 2)
        self.stage2 = nn.Sequential(Conv(a, b, 3, 2), C3(b, b, few))
        self.stage3 = nn.Sequential(Conv(b, c, 3, 2), C3(c, c, some))
        self.stage4 = nn.Sequential(Conv(c, d, 3, 2), C3(d, d, many))
        self.stage5 = nn.Sequential(Conv(d, e, 3, 2), C3(e, e, few), Sppf(e, e))
        self.lateral5, self.up4 = Conv(e, d), C3(2 * d, d, few, add=False)
        self.lateral4, self.up3 = Conv(d, c), C3(2 * c, c, few, add=False)
        self.down4, self.out4 = Conv(c, c, 3, 2), C3(2 * c, d, few, add=False)
        self.down5, self.out5 = Conv(d, d, 3, 2), C3(2 * d, e, few, add=False)
        self.heads = nn.ModuleList(nn.Conv2d(channels, outputs, 1) for channels in (c, d, e))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of the strides 8, 16, 32."""
        p3 = self.stage3(self.stage2(self.stem(x)))
        p4 = self.stage4(p3)
        side5 = self.lateral5(self.stage5(p4))
        side4 = self.lateral4(self.up4(torch.cat((_twice(side5), p4), dim=1)))
        n3 = self.up3(torch.cat((_twice(side4), p3), dim=1))
        n4 = self.out4(torch.cat((self.down4(n3), side4), dim=1))
        n5 = self.out5(torch.cat((self.down5(n4), side5), dim=1))
        return [head(level) for head, level in zip(self.heads, (n3, n4, n5), strict=True)]


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")

"""YOLOv4: CSPDarknet53 with Mish, pyramid pooling, path aggregation (Bochkovskiy et al. 2020)."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from melascope.lab.detect.blocks import Conv, CspStage, Pyramid

__all__ = ["YoloV4", "yolov4_head"]


def yolov4_head(channels: int, outputs: int) -> nn.Sequential:
    """(N, channels, h, w) to raw (N, outputs, h, w): 3 × 3 to twice the channels, 1 × 1."""
    return nn.Sequential(Conv(channels, 2 * channels, 3, activation="leaky"), nn.Conv2d(2 * channels, outputs, 1))


def _chain(c_in: int, narrow: int, steps: int) -> nn.Sequential:
    """1 × 1 to `narrow`, 3 × 3 to twice as many, and so on."""
    layers: list[nn.Module] = []
    for step in range(steps):
        c_out, kernel = (narrow, 1) if step % 2 == 0 else (2 * narrow, 3)
        layers.append(Conv(c_in, c_out, kernel, activation="leaky"))
        c_in = c_out
    return nn.Sequential(*layers)


class YoloV4(nn.Module):
    """(N, 3, S, S) pictures of 0 to 1 to raw maps (N, A (5 + C), S / s, S / s) of the strides s = 8, 16, 32.

    Args:
        outputs: A (5 + C).
        width: Divides all channels; 1 as published (tests take a small one).
    """

    strides: Final = (8, 16, 32)

    def __init__(self, outputs: int, width: int = 1) -> None:
        super().__init__()
        a, b, c, d, e, f = (channels // width for channels in (32, 64, 128, 256, 512, 1024))
        self.stem = Conv(3, a, 3, activation="mish")
        self.stages12 = nn.Sequential(CspStage(a, b, 1, first=True), CspStage(b, c, 2))
        self.stage3 = CspStage(c, d, 8)
        self.stage4 = CspStage(d, e, 8)
        self.stage5 = CspStage(e, f, 4)
        self.pooled = nn.Sequential(_chain(f, e, 3), Pyramid(), _chain(4 * e, e, 3))
        self.up5, self.lateral4, self.merge4 = self._side(e, d), self._side(e, d), _chain(2 * d, d, 5)
        self.up4, self.lateral3, self.merge3 = self._side(d, c), self._side(d, c), _chain(2 * c, c, 5)
        self.down3, self.out4 = Conv(c, d, 3, 2, activation="leaky"), _chain(2 * d, d, 5)
        self.down4, self.out5 = Conv(d, e, 3, 2, activation="leaky"), _chain(2 * e, e, 5)
        self.heads = nn.ModuleList(yolov4_head(channels, outputs) for channels in (c, d, e))

    @staticmethod
    def _side(c_in: int, c_out: int) -> Conv:
        return Conv(c_in, c_out, activation="leaky")

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of the strides 8, 16, 32."""
        p3 = self.stage3(self.stages12(self.stem(x)))
        p4 = self.stage4(p3)
        n5 = self.pooled(self.stage5(p4))
        n4 = self.merge4(torch.cat((self.lateral4(p4), _twice(self.up5(n5))), dim=1))
        n3 = self.merge3(torch.cat((self.lateral3(p3), _twice(self.up4(n4))), dim=1))
        m4 = self.out4(torch.cat((self.down3(n3), n4), dim=1))
        m5 = self.out5(torch.cat((self.down4(m4), n5), dim=1))
        return [head(level) for head, level in zip(self.heads, (n3, m4, m5), strict=True)]


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")

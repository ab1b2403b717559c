"""What YOLOv4 and YOLOv5 are built of."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["C3", "Bottleneck", "Conv", "CspStage", "Focus", "Pyramid", "Sppf"]

Activation = Literal["silu", "mish", "leaky"]


def _activation(kind: Activation) -> nn.Module:
    if kind == "silu":
        return nn.SiLU(inplace=True)
    return nn.Mish(inplace=True) if kind == "mish" else nn.LeakyReLU(0.1, inplace=True)


class Conv(nn.Module):
    """Convolution, batch norm, activation: (N, c_in, h, w) to (N, c_out, ⌈h/stride⌉, ⌈w/stride⌉)."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1, padding: int | None = None,
        activation: Activation = "silu",
    ) -> None:  # fmt: skip
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=False)
        self.norm = nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.03)
        self.activation = _activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """The three, one after the other."""
        return self.activation(self.norm(self.conv(x)))


class Focus(nn.Module):
    """Each 2 × 2 pixels become one of four times the channels, then a 3 × 3 convolution.

    The stem of YOLOv5 until version 6, which Ding et al. 2022 name; the 6 × 6 convolution of stride 2 that followed it
    computes the same function.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = Conv(4 * c_in, c_out, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, h, w) to (N, c_out, h / 2, w / 2)."""
        corners = (x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2])
        return self.conv(torch.cat(corners, dim=1))


class Bottleneck(nn.Module):
    """A 1 × 1 and a 3 × 3 convolution, added to what came in or not."""

    def __init__(self, c: int, hidden: int, add: bool, activation: Activation = "silu") -> None:
        super().__init__()
        self.first = Conv(c, hidden, 1, activation=activation)
        self.second = Conv(hidden, c, 3, activation=activation)
        self.add = add

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        y = self.second(self.first(x))
        return x + y if self.add else y


class C3(nn.Module):
    """Cross-stage partial block with three convolutions (Wang et al. 2020, as YOLOv5 has it)."""

    def __init__(self, c_in: int, c_out: int, depth: int, add: bool = True) -> None:
        super().__init__()
        half = c_out // 2
        self.through = Conv(c_in, half)
        self.past = Conv(c_in, half)
        self.last = Conv(2 * half, c_out)
        self.blocks = nn.Sequential(*(Bottleneck(half, half, add) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, h, w) to (N, c_out, h, w)."""
        return self.last(torch.cat((self.blocks(self.through(x)), self.past(x)), dim=1))


class CspStage(nn.Module):
    """A stage of CSPDarknet53: halves the map, then residual blocks on one part of the channels."""

    def __init__(self, c_in: int, c_out: int, depth: int, first: bool = False) -> None:
        super().__init__()
        part = c_out if first else c_out // 2
        hidden = c_out // 2 if first else part
        self.down = Conv(c_in, c_out, 3, 2, activation="mish")
        self.past = Conv(c_out, part, activation="mish")
        self.through = Conv(c_out, part, activation="mish")
        self.blocks = nn.Sequential(*(Bottleneck(part, hidden, True, "mish") for _ in range(depth)))
        self.after = Conv(part, part, activation="mish")
        self.last = Conv(2 * part, c_out, activation="mish")

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, h, w) to (N, c_out, h / 2, w / 2)."""
        x = self.down(x)
        return self.last(torch.cat((self.after(self.blocks(self.through(x))), self.past(x)), dim=1))


class Sppf(nn.Module):
    """Spatial pyramid pooling by repeated 5 × 5 maxima, which are those of 5, 9 and 13."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.first = Conv(c_in, c_in // 2)
        self.last = Conv(2 * c_in, c_out)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, h, w) to (N, c_out, h, w)."""
        x = self.first(x)
        maps = [x]
        for _ in range(3):
            maps.append(functional.max_pool2d(maps[-1], 5, 1, 2))
        return self.last(torch.cat(maps, dim=1))


class Pyramid(nn.Module):
    """Spatial pyramid pooling of YOLOv4: maxima over 13, 9 and 5 places beside the map itself."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, c, h, w) to (N, 4 c, h, w)."""
        return torch.cat((*(functional.max_pool2d(x, size, 1, size // 2) for size in (13, 9, 5)), x), dim=1)

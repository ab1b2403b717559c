"""Detectors on the skin network that ships, which already sees where pigment is and what kind it resembles."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from melascope import networks
from melascope.lab.detect.blocks import C3, Conv, Sppf
from melascope.lab.detect.decoding import Decoding
from melascope.lab.detect.yolov4 import yolov4_head
from melascope.lab.skin.network import MAPS, SkinNetwork, folded, load_shipped

__all__ = ["WIDTHS", "SkinPyramid", "SkinYolo"]

_PLACES: Final = (32, 96, 160)
"""Channels of the encoder's maps of strides 8, 16 and 32."""
WIDTHS: Final = (64, 96, 128)
"""Channels of the pyramid's maps of these strides."""

_FEW: Final = 4
"""Pictures whose maps stay in a processor's cache."""


class SkinPyramid(nn.Module):
    """(N, 3, S, S) pictures of 0 to 1 to maps (N, WIDTHS, S / s, S / s) of the strides s = 8, 16, 32.

    The skin network stays as it is. Beside three maps of its encoder, a path down and one up again see the skin
    network's own maps (regions, pigment, density, kinds, depth), which a narrow convolution brings down to stride 8.
    """

    strides: Final = (8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        self.skin = SkinNetwork()
        load_shipped(self.skin, networks.folder_of("skin") / "skin.onnx")
        self.skin.requires_grad_(False)
        self._folded: list[SkinNetwork] = []
        a, b, c = WIDTHS
        self.maps = nn.Sequential(Conv(MAPS, 32, 3, 2), Conv(32, a, 3, 2))
        self.in3, self.in4, self.in5 = Conv(a + _PLACES[0], a), Conv(_PLACES[1], b), Conv(_PLACES[2], c)
        self.down4, self.mix4 = Conv(a, b, 3, 2), C3(2 * b, b, 1)
        self.down5, self.mix5 = Conv(b, c, 3, 2), nn.Sequential(C3(2 * c, c, 1), Sppf(c, c))
        self.lateral5, self.up4 = Conv(c, b), C3(2 * b, b, 1, add=False)
        self.lateral4, self.up3 = Conv(b, a), C3(2 * a, a, 1, add=False)
        self.out4, self.out5 = C3(2 * b, b, 1, add=False), C3(2 * c, c, 1, add=False)
        self.again4, self.again5 = Conv(a, b, 3, 2), Conv(b, c, 3, 2)

    def train(self, mode: bool = True) -> SkinPyramid:
        """Training mode for all but the skin network."""
        super().train(mode)
        self.skin.eval()
        self._folded.clear()  # other weights may have been loaded since, or the network moved
        return self

    def _seen(self, pixels: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """What the skin network sees; in training a copy of it, norms folded, and a few pictures at a time."""
        if not self.training:
            return self.skin.seen(pixels)
        if not self._folded:
            self._folded.append(folded(self.skin).to(pixels.device, memory_format=torch.channels_last))
        network = self._folded[0]
        some = [network.seen(few) for few in pixels.split(len(pixels) if pixels.is_cuda else _FEW)]
        places = tuple(torch.cat(level) for level in zip(*(places for _, places in some), strict=True))
        return torch.cat([seen for seen, _ in some]), places

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of the strides 8, 16, 32."""
        with torch.no_grad():
            seen, places = self._seen(x * 2 - 1)
            maps = torch.cat([part.softmax(1) if soft else part for part, soft in _parts(seen)], dim=1)
        p3 = self.in3(torch.cat((self.maps(maps), places[0]), dim=1))
        p4 = self.mix4(torch.cat((self.down4(p3), self.in4(places[1])), dim=1))
        p5 = self.mix5(torch.cat((self.down5(p4), self.in5(places[2])), dim=1))
        n4 = self.up4(torch.cat((_twice(self.lateral5(p5)), p4), dim=1))
        n3 = self.up3(torch.cat((_twice(self.lateral4(n4)), p3), dim=1))
        n4 = self.out4(torch.cat((self.again4(n3), n4), dim=1))
        n5 = self.out5(torch.cat((self.again5(n4), p5), dim=1))
        return [n3, n4, n5]


class SkinYolo(SkinPyramid):
    """The pyramid with a YOLO's heads: (N, 3, S, S) to raw maps (N, A (5 + C), S / s, S / s).

    Args:
        outputs: A (5 + C).
        decoding: Whose heads: v5, a 1 × 1 convolution; v4, a 3 × 3 one before it.
    """

    def __init__(self, outputs: int, decoding: Decoding = "v5") -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            yolov4_head(channels, outputs) if decoding == "v4" else nn.Conv2d(channels, outputs, 1)
            for channels in WIDTHS
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Raw maps of the strides 8, 16, 32."""
        return [head(level) for head, level in zip(self.heads, super().forward(x), strict=True)]


def _parts(seen: Tensor) -> list[tuple[Tensor, bool]]:
    """The skin network's logits in parts, and whether each is one of several that exclude each other."""
    from melascope.lab.skin.network import CLASSES, KINDS

    regions, disease, density, kinds, depth = seen.split([CLASSES, 1, 1, KINDS, 1], dim=1)
    return [(regions, True), (disease.sigmoid(), False), (density, False), (kinds, True), (depth.sigmoid(), False)]


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")

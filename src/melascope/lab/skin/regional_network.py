"""The regional network itself: share, density and patch size of the MASI regions, read off the maps of a whole face.

The skin network judges pixel by pixel. Where pigment is faint or broad, no pixel is sure, but the face as a whole often
is: both cheeks alike, an edge that goes on, skin that differs from the forehead. This small second network sees the
maps of `melascope.lesions.regional` and what was counted in pixels, and says how far that is off.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from melascope.lesions.regional import CHANNELS, FIRST_REGION
from melascope.masi import AREA_VALUES, DARKNESS
from melascope.scoring import MEASURED

__all__ = [
    "MIRRORED_CHANNELS",
    "MIRRORED_REGIONS",
    "Physical",
    "RegionalNetwork",
    "Together",
    "between",
    "members",
    "to_scales",
    "turned",
]

MIRRORED_REGIONS: Final = [0, 2, 1, 3]
MIRRORED_CHANNELS: Final = [*range(FIRST_REGION), *(FIRST_REGION + place for place in MIRRORED_REGIONS)]
"""Order of regions, and of the maps' channels, in the mirror image."""
_DARK: Final = (*DARKNESS, (0.62, 8.0))
"""D goes on beyond its table, so that what is learnt of a density does not end at 0.22."""


class RegionalNetwork(nn.Module):
    """Maps of a face, and what was counted in it, to share, density and diameter of its regions.

    Inputs as in `Faces`. Output (N, 4, 3, 3): continuous A (`masi.area_value`, not cut at its ends), D of the density
    (beyond 4 for more than the table holds) and log (1 + diameter); low end, middle and high end of each.
    """

    def __init__(self, width: int = 24, deep: int = 48) -> None:
        super().__init__()
        self.first = nn.Sequential(_conv(CHANNELS, width), _conv(width, deep, stride=2))
        self.middle = nn.Sequential(_conv(deep, deep), _conv(deep, deep, dilation=2))
        self.coarse = nn.Sequential(_conv(deep, deep, stride=2), _conv(deep, deep), _conv(deep, deep, dilation=2))
        self.together = _conv(2 * deep, deep)
        told = 3 * deep + 3 * MEASURED + 4 + 3
        last = nn.Linear(64, 9)
        nn.init.zeros_(last.weight)
        last.bias.data = torch.tensor([0.0] * 3 + [-1.0] * 6)
        self.head = nn.Sequential(
            nn.Linear(told, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
            nn.Linear(128, 64),
            nn.ReLU(inplace=True),
            last,
        )
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("deviation", torch.ones(4))
        # The face's width in pixels is not told: another size of the photograph must change nothing.
        self.register_buffer("told", torch.tensor([1.0, 1.0, 1.0, 0.0]), persistent=False)
        # The cheeks share everything; forehead and chin have a sign of their own.
        self.register_buffer("which", torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]))

    def forward(self, maps: Tensor, face: Tensor, counted: Tensor) -> Tensor:
        """Scores of a batch."""
        counted = torch.cat([counted[..., :1], to_scales(counted[..., 1:4]), counted[..., 4:]], dim=-1)
        counted = counted * counted[..., :1]
        x = self.first(maps)
        y = self.middle(x)
        coarse = functional.interpolate(self.coarse(y), scale_factor=2.0, mode="bilinear", align_corners=False)
        y = self.together(torch.cat([y, coarse], dim=1))
        places = functional.avg_pool2d(maps[:, FIRST_REGION - 2 :], 2)
        regions, skin = places[:, 2:], places[:, :1]
        around = functional.max_pool2d(regions, 5, 1, 2)
        seen = [_pooled(y, regions), _pooled(y, around), _pooled(y, skin).expand(-1, 4, -1)]
        there = counted[..., :1]
        others = ((counted * there).sum(1, keepdim=True) - counted * there) / (
            there.sum(1, keepdim=True) - there
        ).clamp_min(1)
        nothing = torch.zeros_like(counted[:, 0])
        opposite = torch.stack([nothing, counted[:, 2], counted[:, 1], nothing], dim=1)
        light = ((face - self.mean) / self.deviation * self.told)[:, None].expand(-1, 4, -1)
        which = self.which.expand(maps.shape[0], -1, -1)
        z = self.head(torch.cat([*seen, counted, opposite, others, light, which], dim=2))
        middle = counted[..., 1:4] + z[..., :3]
        low, high = middle - functional.softplus(z[..., 3:6]), middle + functional.softplus(z[..., 6:])
        return torch.stack([low, middle, high], dim=-1)


class Together(nn.Module):
    """Several trainings as one network: the mean of what they say, which is steadier than each of them."""

    def __init__(self, networks: Sequence[RegionalNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, maps: Tensor, face: Tensor, counted: Tensor) -> Tensor:
        """Scores of a batch."""
        return torch.stack([network(maps, face, counted) for network in self.networks]).mean(dim=0)


class Physical(nn.Module):
    """The same with shares, densities and log (1 + diameter) for output, each within its range."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, maps: Tensor, face: Tensor, counted: Tensor) -> Tensor:
        """Measures of a batch."""
        area, dark, size = self.network(maps, face, counted).unbind(dim=2)
        share, density = between(area.clamp(0, 6), turned(AREA_VALUES)), between(dark.clamp(0, 8), turned(_DARK))
        return torch.stack([share, density, size.clamp(0, 6)], dim=2)


def members(content: bytes, name: str = "the file") -> list[RegionalNetwork]:
    """The networks of which an exported one is the mean; norms are folded into the convolutions before them.

    Args:
        content: Of a `regional.onnx`.
        name: Of the file, for the message.

    Raises:
        ValueError: It holds another network than this version builds.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_model_from_string(content).graph
    values = {t.name: torch.from_numpy(numpy_helper.to_array(t).astype(np.float32)) for t in graph.initializer}
    found: dict[str, list[Tensor]] = {"Conv": [], "MatMul": [], "Add": [], "Sub": [], "Div": []}
    for node in graph.node:
        if node.op_type in ("Cast", "Identity") and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]]
        elif node.op_type in found:
            found[node.op_type] += [values[key] for key in node.input if key in values and values[key].ndim > 0]
    networks: list[RegionalNetwork] = []
    while found["Conv"] or not networks:
        network = RegionalNetwork().eval()
        try:
            for module in network.modules():
                if isinstance(module, nn.Conv2d):
                    module.weight.data.copy_(found["Conv"].pop(0))
                elif isinstance(module, nn.BatchNorm2d):  # a shift alone
                    module.bias.data.copy_(found["Conv"].pop(0))
                    module.weight.data.fill_((1.0 + module.eps) ** 0.5)
                elif isinstance(module, nn.Linear):
                    module.weight.data.copy_(found["MatMul"].pop(0).T)
                    module.bias.data.copy_(found["Add"].pop(0))
            network.mean.copy_(found["Sub"].pop(0))
            network.deviation.copy_(found["Div"].pop(0))
        except (IndexError, RuntimeError):
            raise ValueError(f"{name}: holds another network than this version builds; leave it out") from None
        networks.append(network)
    return networks


def _conv(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _pooled(features: Tensor, weights: Tensor) -> Tensor:
    """(N, R, C) means of (N, C, h, w) weighted by each of (N, R, h, w)."""
    flat = weights.flatten(2)
    return flat @ features.flatten(2).transpose(1, 2) / (flat.sum(2, keepdim=True) + 1e-3)


def between(x: Tensor, table: Sequence[tuple[float, float]]) -> Tensor:
    """Linear interpolation in a table from x = 0, going on beyond its last point as before it."""
    y, last = torch.full_like(x, table[0][1]), 0.0
    for (x0, y0), (x1, y1) in pairwise(table):
        slope = (y1 - y0) / (x1 - x0)
        y, last = y + (slope - last) * functional.relu(x - x0), slope
    return y


def turned(table: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """A table read the other way."""
    return [(y, x) for x, y in table]


def to_scales(values: Tensor) -> Tensor:
    """(..., 3) share, density and diameter in mm to A, D and log (1 + diameter)."""
    share, density, diameter = values.unbind(dim=-1)
    return torch.stack([between(share, AREA_VALUES), between(density, _DARK), torch.log1p(diameter)], dim=-1)

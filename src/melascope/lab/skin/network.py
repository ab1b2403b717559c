"""The skin network: a MobileNetV2 encoder (Sandler et al. 2018) and a light top-down decoder."""

from __future__ import annotations

import copy
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import mobilenet_v2

from melascope.vocabulary import Lesion, Region

__all__ = ["CLASSES", "KINDS", "MAPS", "SkinNetwork", "folded", "load_imagenet", "load_shipped", "renormalise"]

CLASSES: Final = len(Region)
KINDS: Final = len(Lesion) + 1
"""The six lesions and, last, what looks like one."""
MAPS: Final = CLASSES + 2 + KINDS + 1
FROZEN: Final = 3
"""Encoder blocks that keep their ImageNet weights: edges and colours, and three quarters of the cost of training."""
PIGMENT: Final = ("pigment", "kind", "contrast")
"""How the names begin of the parts that read pigment and its kind, off maps that those of the regions leave behind."""
CONTRASTS: Final = (4, 8, 16)
"""Neighbourhoods, in pixels of a map, to which the pigment branch compares each pixel."""
COLOURS: Final = 3 * (1 + len(CONTRASTS))
"""Maps of density, and of how it differs from that of its neighbourhoods."""


class Pointwise(nn.Conv2d):
    """A 1 x 1 convolution that trains as a matrix product: on a CPU in bfloat16 torch's own takes far longer."""

    def forward(self, x: Tensor) -> Tensor:
        """Scores of (N, C, h, w)."""
        if not (self.training and torch.is_grad_enabled()) or x.shape[-2:] == (1, 1):
            return super().forward(x)
        return functional.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


class Dilated(nn.Conv2d):
    """A depthwise convolution with gaps that trains in single precision.

    On a CPU in bfloat16 torch 2.15 gives its weights a wrong gradient from 32 x 32 pixels on, now and then of 1e29, and
    takes up to six times as long.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Maps of the shape of `x`."""
        if not (self.training and torch.is_grad_enabled()):
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


def _separable(channels: int, dilation: int = 1) -> nn.Sequential:
    depthwise = Dilated if dilation > 1 else nn.Conv2d
    return nn.Sequential(
        depthwise(channels, channels, 3, padding=dilation, dilation=dilation, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU6(inplace=True),
        Pointwise(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU6(inplace=True),
    )


def _lateral(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(Pointwise(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


class _Contrast(nn.Module):
    """Densities beside those of their surroundings, at strides 2, 4 and 8: for pigment that takes few levels away.

    Neighbourhoods grow as the picture is made smaller, and its noise with it. On light skin more slight pigment is
    found with it, on dark skin it was not, in trials in which one of its convolutions learnt from a wrong gradient
    (docs/measurement.md, section 4).
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (24, 48, 96)
        inputs = (COLOURS, COLOURS + 24, COLOURS + 48)
        self.enter = nn.ModuleList(_lateral(*pair) for pair in zip(inputs, widths, strict=True))
        self.refine = nn.ModuleList(
            nn.Sequential(*(_separable(width, 2**n) for n in range(depth)))
            for depth, width in enumerate(widths, start=1)
        )
        self.leave = nn.ModuleList(_lateral(width, width) for width in widths)
        for lateral in self.leave:
            nn.init.zeros_(lateral[1].weight)  # it has no say until it has learnt something

    def forward(self, density: Tensor) -> list[Tensor]:
        """Maps of 24, 48 and 96 channels at strides 2, 4 and 8, of the density (N, 3, h, w) at stride 2."""
        maps: list[Tensor] = []
        x = _contrasts(density)
        for level, (enter, refine, leave) in enumerate(zip(self.enter, self.refine, self.leave, strict=True)):
            if level:
                density = functional.avg_pool2d(density, 2)
                x = torch.cat([_contrasts(density), functional.avg_pool2d(x, 2)], dim=1)
            x = functional.relu6(enter(x))
            x = x + refine(x)
            maps.append(leave(x))
        return maps


class SkinNetwork(nn.Module):
    """Pixels to regions and pigment.

    Input (N, 3, S, S) float, RGB scaled to -1 ... 1, S a multiple of 32. Output (N, MAPS, S/2, S/2): region logits, the
    logit of pigment disease, pigment density (optical density in red, any sign), logits of what the pigment is (the six
    lesions in the order of `Lesion`, then their look-alikes), and the logit of its lying in the dermis.
    The encoder ends at stride 32 with 160 channels (block 16): the last block and the 1280-channel head are left out.
    """

    def __init__(self, *, regions: bool = True) -> None:
        """Builds it.

        Args:
            regions: Whether regions are learnt; else pigment and its kinds alone are.
        """
        super().__init__()
        self.regions = regions
        self.encoder = mobilenet_v2(weights=None).features[:17]
        for name, module in list(self.encoder.named_modules()):
            if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
                module.padding = (0, 0)  # the padding is done in front: below and to the right only
            elif isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1):
                pointwise = Pointwise(module.in_channels, module.out_channels, 1, bias=False)
                self.encoder.set_submodule(name, pointwise)
        width = 96
        self.deepest = _lateral(160, width)
        self.context = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(160, width, 1), nn.ReLU6(inplace=True))
        self.wide = _separable(width, dilation=2)
        self.lateral16 = _lateral(96, width)
        self.refine16 = _separable(width)
        self.lateral8 = _lateral(32, width)
        self.refine8 = _separable(width)
        self.narrow = _lateral(width, 48)
        self.lateral4 = _lateral(24, 48)
        self.refine4 = _separable(48)
        self.head = Pointwise(48, CLASSES, 1)
        self.pigment8 = _separable(width)
        self.pigment_narrow = _lateral(width, 48)
        self.pigment4 = _lateral(24, 48)
        self.pigment2 = _lateral(16 + COLOURS, 24)
        self.pigment_up = _lateral(48, 24)
        self.pigment_refine4 = _separable(48)
        self.pigment_refine2 = _separable(24)
        self.pigment = Pointwise(24, 2, 1)
        self.kind_narrow = _lateral(96, 48)
        self.kind_refine = _separable(48)
        self.kind = Pointwise(48, KINDS + 1, 1)
        self.contrast = _Contrast()
        if not regions:
            for name, part in self.named_children():
                part.requires_grad_(name.startswith(PIGMENT))

    def train(self, mode: bool = True) -> SkinNetwork:
        """Training mode for all but the frozen blocks; without regions for the parts of the pigment alone."""
        super().train(mode)
        for block in self.encoder[:FROZEN]:
            block.eval()
        for name, part in self.named_children():
            if not (self.regions or name.startswith(PIGMENT)):
                part.eval()
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits at half the input's resolution."""
        return self.seen(pixels)[0]

    def seen(self, pixels: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Logits at half the input's resolution, and the encoder's maps of strides 8, 16 and 32."""
        stages: list[Tensor] = []
        x = pixels
        density = -torch.log(functional.avg_pool2d(pixels, 2) * 0.5 + 0.53)
        fine, middle, coarse = self.contrast(density)
        for index, block in enumerate(self.encoder):
            with torch.set_grad_enabled(torch.is_grad_enabled() and index >= FROZEN and self.regions):
                x = _run(block, x)
            if index in (1, 3, 6, 13, 16):
                stages.append(x)
        at2, at4, at8, at16, at32 = stages
        y = self.deepest(at32) + self.context(at32)
        y = self.wide(functional.relu6(y))
        y = self.refine16(functional.relu6(self.lateral16(at16) + _double(y)))
        at_8 = functional.relu6(self.lateral8(at8) + _double(y))
        y = self.refine8(at_8)
        y = self.refine4(functional.relu6(self.lateral4(at4) + _double(self.narrow(y))))
        p = self.pigment8(at_8) + coarse
        p4 = self.pigment_refine4(functional.relu6(self.pigment4(at4) + middle + _double(self.pigment_narrow(p))))
        at_2 = self.pigment2(torch.cat([at2, _contrasts(density)], dim=1)) + fine
        p = self.pigment_refine2(functional.relu6(at_2 + _double(self.pigment_up(p4))))
        maps = [_double(self.head(y)), self.pigment(p)]
        # What it is depends on where it lies and what it looks like; run last, so that older files are a beginning.
        k = self.kind_refine(functional.relu6(self.kind_narrow(torch.cat([y, p4], dim=1))))
        return torch.cat([*maps, _double(self.kind(k))], dim=1), (at8, at16, at32)


def folded(network: SkinNetwork) -> SkinNetwork:
    """A copy that learns nothing more: each norm is folded into the convolution before it, which on a CPU saves two
    fifths of the time.
    """
    copied = copy.deepcopy(network).eval().requires_grad_(False)
    for parent in copied.modules():
        children = list(parent.named_children())
        for (first, one), (second, next_) in pairwise(children):
            if isinstance(one, nn.Conv2d) and isinstance(next_, nn.BatchNorm2d):
                setattr(parent, first, fuse_conv_bn_eval(one, next_))
                setattr(parent, second, nn.Identity())
    return copied


def _contrasts(density: Tensor) -> Tensor:
    """Optical density, and how it differs from the means of its neighbourhoods: what pigment adds to."""
    parts = [density]
    for size in CONTRASTS:
        mean = functional.avg_pool2d(density, size, ceil_mode=True)
        around = functional.interpolate(mean, size=density.shape[-2:], mode="bilinear", align_corners=False)
        parts.append(torch.tanh((density - around) * 5.0))  # the edge of a face must not drown a freckle
    return torch.cat(parts, dim=1)


def _run(block: nn.Module, x: Tensor) -> Tensor:
    """Runs an encoder block with the zero padding (0, 1, 0, 1) that the ImageNet weights were trained with."""
    if isinstance(block, nn.Sequential) or type(block).__name__ == "Conv2dNormActivation":
        for module in block.children():
            x = _run_leaf(module, x)
        return x
    inner = block.conv
    y = x
    for module in inner.children():
        y = _run(module, y) if isinstance(module, nn.Sequential) else _run_leaf(module, y)
    return x + y if block.use_res_connect else y


def _run_leaf(module: nn.Module, x: Tensor) -> Tensor:
    if not isinstance(module, nn.Conv2d) or module.stride != (2, 2):
        return module(x)
    if module.training and torch.is_grad_enabled():
        # The same values: on a CPU a depthwise convolution with a stride trains far more slowly than one without.
        every = functional.conv2d(x, module.weight, None, 1, 1, groups=module.groups)
        return every[..., 1::2, 1::2].contiguous(memory_format=torch.channels_last)
    return module(functional.pad(x, (0, 1, 0, 1)))


def _double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def load_imagenet(network: SkinNetwork, path: Path) -> None:
    """Loads a torchvision MobileNetV2 state dict into the encoder.

    Raises:
        RuntimeError: The file holds other tensors.
    """
    state = torch.load(path, map_location="cpu", weights_only=True)
    prefix = "features."
    encoder = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    network.encoder.load_state_dict({k: v for k, v in encoder.items() if int(k.split(".")[0]) < 17})


@torch.no_grad()
def load_shipped(network: SkinNetwork, path: Path, side: int = 64) -> None:
    """Loads an exported ONNX file, in which each batch norm has been folded into the convolution before it.

    Both list their convolutions in the order in which they are run. A norm becomes the identity plus a shift;
    `renormalise` then gives it statistics to train with. A file of an earlier version holds no contrast path, which
    stays as it is and has no say.

    Args:
        network: What to fill; it computes what the file computes, in evaluation.
        path: `skin.onnx`.
        side: Pixels of the view on which the order of the convolutions is read off.

    Raises:
        ValueError: The file holds another architecture.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    tensors = {t.name: torch.from_numpy(numpy_helper.to_array(t).astype(np.float32)) for t in graph.initializer}
    for node in graph.node:
        if node.op_type in ("Cast", "Identity") and node.input[0] in tensors:  # half precision; equal weights
            tensors[node.output[0]] = tensors[node.input[0]]
    stored = [[tensors[name] for name in node.input[1:]] for node in graph.node if node.op_type == "Conv"]
    order: list[nn.Conv2d] = []
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    hooks = [m.register_forward_hook(lambda module, *_: order.append(module)) for m in convolutions]
    network.eval()
    network(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    added = set(network.contrast.modules())
    if len(stored) < len(order):
        order = [module for module in order if module not in added]
    shapes = [tuple(m.weight.shape) for m in order]
    if shapes != [tuple(weight.shape) for weight, _ in stored]:
        raise ValueError(f"{path} holds another network than this laboratory builds; export it with this version")
    norms = _norm_after(network)
    for module, (weight, bias) in zip(order, stored, strict=True):
        module.weight.copy_(weight)
        if module.bias is not None:
            module.bias.copy_(bias)
            continue
        norm = norms[module]
        norm.running_mean.zero_()
        norm.running_var.fill_(1.0)
        norm.weight.fill_((1.0 + norm.eps) ** 0.5)
        norm.bias.copy_(bias)


def _norm_after(network: nn.Module) -> dict[nn.Module, nn.BatchNorm2d]:
    modules = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    return {conv: norm for conv, norm in pairwise(modules) if isinstance(norm, nn.BatchNorm2d)}


@torch.no_grad()
def renormalise(network: nn.Module, *inputs: Tensor, part: nn.Module | None = None) -> None:
    """Gives folded batch norms real statistics without changing what the network computes.

    Weights whose batch norm was folded into the convolution have mean 0 and variance 1 there; training would
    normalise them to something else. Each norm of `part` (the whole network if None) gets the mean and variance that
    `inputs` have there, and a scale and shift that undo it.
    """
    network.eval()
    norms = [m for m in (part or network).modules() if isinstance(m, nn.BatchNorm2d)]

    def adopt(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        x = given[0].float()
        mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3)).clamp_min(1e-4)
        old = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        shift = norm.bias - old * norm.running_mean
        norm.weight.copy_(old * torch.sqrt(var + norm.eps))
        norm.bias.copy_(shift + old * mean)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(var)

    hooks = [norm.register_forward_pre_hook(adopt) for norm in norms]
    network(*inputs)
    for hook in hooks:
        hook.remove()

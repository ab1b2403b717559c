"""Networks for the tests: the paper's six with weights of a realistic size, and the batch statistics of a picture."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")

import torch
from torch import Tensor, nn
from torchvision import models

SIX = ("alexnet", "resnet18", "googlenet", "vgg16", "densenet121", "mobilenet_v2")
MEAN = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).view(1, 3, 1, 1)
LIMITS = ((0 - MEAN) / STD, (1 - MEAN) / STD)
WIDTH = 32
"""Of the hidden dense layers of AlexNet and VGG16, which have 4096: the same network, a fiftieth of the numbers."""


def photos(count: int, side: int, seed: int = 3) -> Tensor:
    """Smooth coloured fields with fine texture, normalised: (count, 3, side, side)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 5, generator=generator, dtype=torch.float64)
    fine = torch.rand(count, 3, side, side, generator=generator, dtype=torch.float64)
    smooth = nn.functional.interpolate(coarse, (side, side), mode="bicubic", align_corners=False)
    return ((0.8 * smooth + 0.2 * fine).clamp(0, 1) - MEAN) / STD


def network(name: str, statistics: Tensor, seed: int = 5) -> nn.Module:
    """One of the six in float64 and evaluation: He weights, small biases, running statistics of `statistics`."""
    torch.manual_seed(seed)
    options = {"aux_logits": True, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        built: nn.Module = getattr(models, name)(weights=None, num_classes=3, **options)
        if name in {"alexnet", "vgg11", "vgg16"}:
            _narrow(built.classifier)
    built = built.double().to_empty(device="cpu")
    for module in built.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.normal_(module.bias, 0, 0.05)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
            module.reset_running_stats()
            module.momentum = None  # the mean over all batches: exactly these statistics
    built.train()
    for module in built.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    with torch.no_grad():
        built(statistics)
    return built.eval()


def _narrow(classifier: nn.Sequential) -> None:
    layers = [index for index, module in enumerate(classifier) if isinstance(module, nn.Linear)]
    widths = [classifier[layers[0]].in_features, WIDTH, WIDTH, 3]
    for number, index in enumerate(layers):
        classifier[index] = nn.Linear(widths[number], widths[number + 1])

"""What is known of the six architectures of Zhang et al. 2025 before anything is trained: data, no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["CARDS", "IMAGENET", "NAMES", "PLAIN", "TIMM", "Card", "Scaling", "called"]

TIMM: Final = "timm:"
"""What stands before the name of a network of the package timm."""


@dataclass(frozen=True)
class Scaling:
    """How pixels become numbers: (value / 255 − mean) / deviation, by channel, R, G, B."""

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


IMAGENET: Final = Scaling((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of ImageNet's pixels, which torchvision's weights expect."""
PLAIN: Final = Scaling((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""−1 to 1."""


@dataclass(frozen=True)
class Card:
    """One architecture as torchvision builds it."""

    name: str
    title: str
    """As the paper writes it."""
    parameters: int
    """With ImageNet's 1000 classes, auxiliary heads left out."""
    parameters_of_three: int
    """With mild, moderate and severe."""
    side: int
    """Pixels of a side that it was published for."""
    billions: float
    """Multiplications and additions of one picture of that side, in thousand millions."""
    megabytes: float
    """Of torchvision's file of ImageNet weights."""
    imagenet_accuracy: float
    """Top-1 accuracy of those weights on ImageNet, in percent, as torchvision prints it."""
    head: str
    """Where the last layer lies."""
    pooled: bool
    """Ends in one global mean and one linear layer, so that every class score is a sum over places."""
    auxiliary: tuple[str, ...]
    """Heads that only training has."""
    effort: float
    """Time of one picture in training, GoogLeNet's being 1 (2 CPU cores, bfloat16, 224 pixels)."""
    scaling: Scaling
    """Of torchvision's weights."""
    paper: str


CARDS: Final[Mapping[str, Card]] = {
    card.name: card
    for card in (
        Card(
            "alexnet", "AlexNet", 61_100_840, 57_016_131, 224, 0.714, 233.087, 56.522, "classifier.6", False, (), 0.7,
            IMAGENET, "Krizhevsky A. One weird trick for parallelizing convolutional neural networks. "
            "arXiv:1404.5997, 2014",
        ),
        Card(
            "resnet18", "ResNet-18", 11_689_512, 11_178_051, 224, 1.814, 44.661, 69.758, "fc", True, (), 0.9,
            IMAGENET, "He K, Zhang X, Ren S, Sun J. Deep residual learning for image recognition. CVPR 2016",
        ),
        Card(
            "googlenet", "GoogLeNet", 6_624_904, 5_602_979, 224, 1.498, 49.731, 69.778, "fc", True,
            ("aux1", "aux2"), 1.0,
            PLAIN, "Szegedy C, Liu W, Jia Y, et al. Going deeper with convolutions. CVPR 2015",
        ),
        Card(
            "vgg16", "VGG16", 138_357_544, 134_272_835, 224, 15.470, 527.796, 71.592, "classifier.6", False, (), 10.8,
            IMAGENET, "Simonyan K, Zisserman A. Very deep convolutional networks for large-scale image "
            "recognition. ICLR 2015",
        ),
        Card(
            "densenet121", "DenseNet121", 7_978_856, 6_956_931, 224, 2.834, 30.845, 74.434, "classifier", True, (), 2.3,
            IMAGENET, "Huang G, Liu Z, van der Maaten L, Weinberger KQ. Densely connected convolutional "
            "networks. CVPR 2017",
        ),
        Card(
            "mobilenet_v2", "MobileNetV2", 3_504_872, 2_227_715, 224, 0.301, 13.555, 71.878, "classifier.1", True,
            (), 1.05,
            IMAGENET, "Sandler M, Howard A, Zhu M, Zhmoginov A, Chen LC. MobileNetV2: inverted residuals and linear "
            "bottlenecks. CVPR 2018",
        ),
    )
}  # fmt: skip
NAMES: Final = tuple(CARDS)
"""The six, in the order in which the paper names them."""


def called(name: str) -> str:
    """How people write the name of an architecture.

    Example:
        >>> called("mobilenet_v2"), called("timm:resnet10t")
        ('MobileNetV2', 'resnet10t (timm)')
    """
    return CARDS[name].title if name in CARDS else f"{name.removeprefix(TIMM)} (timm)"

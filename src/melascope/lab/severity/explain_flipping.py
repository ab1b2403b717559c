"""Pixel flipping: how fast a network loses its answer when a photo is covered in the order of a relevance map.

Bach et al. 2015, Samek et al. 2017. A map is right for its network if covering what it calls relevant first lowers the
answer fast, and covering that last leaves it high for long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

__all__ = ["CELLS", "FRACTIONS", "Curve", "area_under", "blurred", "cells", "flipped", "flipping_curve"]

CELLS: Final = 14
"""Cells across and down that are covered whole: 16 pixels of 224."""
FRACTIONS: Final = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
"""Shares of the cells that are covered."""


@dataclass(frozen=True)
class Curve:
    """Probability of the explained class by the covered share of the photo."""

    most_first: tuple[float, ...]
    least_first: tuple[float, ...]

    @property
    def fidelity(self) -> float:
        """Area between the two curves, -1 to 1; 0 is chance."""
        return area_under(self.least_first) - area_under(self.most_first)


def area_under(values: Sequence[float], at: Sequence[float] = FRACTIONS) -> float:
    """Area under a curve over the covered share, by trapezia; 0 to 1 for probabilities."""
    return float(np.trapezoid(values, at))


def cells(relevance: Tensor, count: int = CELLS) -> NDArray[np.float64]:
    """(count, count) sums of an (H, W) map over cells."""
    height, width = relevance.shape
    means = functional.adaptive_avg_pool2d(relevance[None, None].double(), count)[0, 0]
    return means.numpy() * (height * width / count**2)


def blurred(pixels: Tensor) -> Tensor:
    """(1, 3, H, W) without detail: a Gaussian blur of an eighth of the side. Colour and light stay, pigment goes."""
    picture = np.ascontiguousarray(pixels[0].permute(1, 2, 0).cpu().numpy())
    soft = cv2.GaussianBlur(picture, (0, 0), picture.shape[0] / 8, borderType=cv2.BORDER_REFLECT)
    return torch.from_numpy(soft).permute(2, 0, 1)[None].to(pixels)


def flipped(pixels: Tensor, fill: Tensor, order: NDArray[np.intp], covered: int, count: int = CELLS) -> Tensor:
    """The photo with the first `covered` cells of an order replaced by the fill.

    Args:
        pixels: (1, 3, H, W).
        fill: The same shape.
        order: (count²,) numbers of cells, row by row from the top left.
        covered: How many of them.
        count: Cells across and down.
    """
    mask = torch.zeros(count * count)
    mask[torch.from_numpy(order[:covered].copy())] = 1
    size = pixels.shape[2:]
    whole = functional.interpolate(mask.view(1, 1, count, count), size, mode="nearest").to(pixels)
    return pixels * (1 - whole) + fill * whole


def flipping_curve(
    answer: Callable[[Tensor], NDArray[np.float64]],
    pixels: Tensor,
    relevance: NDArray[np.float64],
    fill: Tensor,
    fractions: Sequence[float] = FRACTIONS,
) -> Curve:
    """Both curves of one photo.

    Args:
        answer: Of (N, 3, H, W) photos, the probability of the explained class, (N,).
        pixels: (1, 3, H, W).
        relevance: (count, count) of cells.
        fill: What covers, in the shape of `pixels`.
        fractions: Shares of cells to cover.
    """
    count = len(relevance)
    most = np.argsort(-relevance.ravel(), kind="stable")
    numbers = [round(fraction * count**2) for fraction in fractions]
    curves = []
    for order in (most, most[::-1]):
        batch = torch.cat([flipped(pixels, fill, order, number, count) for number in numbers])
        curves.append(tuple(float(value) for value in answer(batch)))
    return Curve(*curves)

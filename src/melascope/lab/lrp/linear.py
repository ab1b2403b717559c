"""The linear maps of a network, each with its transpose, whole or by the sign of its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.grad import conv2d_input

__all__ = ["Convolution", "Dense", "Linear", "Part", "Plain", "Scale", "Total", "pulled_back"]

Part = Literal["all", "positive", "negative", "flat"]
"""Which weights: as they are, those above zero, those below zero, or a one for each."""


class Linear(Protocol):
    """z = W x + b, of which the rules need W by parts, its transpose, and b."""

    @property
    def bias(self) -> Tensor | None:
        """Ready to be added to the output; None for none."""

    @property
    def signed(self) -> bool:
        """Whether any weight may lie below zero."""

    def run(self, x: Tensor, part: Part = "all") -> Tensor:
        """W x, without the bias."""

    def back(self, s: Tensor, like: Tensor, part: Part = "all") -> Tensor:
        """Wᵀ s, in the shape of `like`."""


def _weights(weight: Tensor, part: Part) -> Tensor:
    if part == "positive":
        return weight.clamp(min=0)
    if part == "negative":
        return weight.clamp(max=0)
    return torch.ones_like(weight) if part == "flat" else weight


def pulled_back(function: Callable[[Tensor], Tensor], at: Tensor, s: Tensor) -> Tensor:
    """Sᵀ J of a function at a point: the transpose, for functions that are linear there."""
    with torch.enable_grad():
        point = at.detach().requires_grad_()
        out = function(point)
    (gradient,) = torch.autograd.grad(out, point, s)
    return gradient


@dataclass(frozen=True)
class Convolution:
    """A convolution in two dimensions with zeros around; `bias` is (1, C, 1, 1)."""

    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    signed: bool = True

    def run(self, x: Tensor, part: Part = "all") -> Tensor:
        """W x."""
        weight = _weights(self.weight, part)
        return functional.conv2d(x, weight, None, self.stride, self.padding, self.dilation, self.groups)

    def back(self, s: Tensor, like: Tensor, part: Part = "all") -> Tensor:
        """Wᵀ s."""
        weight = _weights(self.weight, part)
        return conv2d_input(like.shape, weight, s, self.stride, self.padding, self.dilation, self.groups)


@dataclass(frozen=True)
class Dense:
    """A fully connected layer over the last dimension."""

    weight: Tensor
    bias: Tensor | None
    signed: bool = True

    def run(self, x: Tensor, part: Part = "all") -> Tensor:
        """W x."""
        return functional.linear(x, _weights(self.weight, part))

    def back(self, s: Tensor, like: Tensor, part: Part = "all") -> Tensor:  # noqa: ARG002
        """Wᵀ s."""
        return s @ _weights(self.weight, part)


@dataclass(frozen=True)
class Scale:
    """A factor and a shift for each channel: a batch normalisation that stands alone. Both broadcast over the input."""

    weight: Tensor
    bias: Tensor | None
    signed: bool = True

    def run(self, x: Tensor, part: Part = "all") -> Tensor:
        """W x."""
        return x * _weights(self.weight, part)

    def back(self, s: Tensor, like: Tensor, part: Part = "all") -> Tensor:  # noqa: ARG002
        """Wᵀ s."""
        return s * _weights(self.weight, part)


@dataclass(frozen=True)
class Plain:
    """A linear function without parameters whose weights are equal and not negative: a mean, a pooling of means."""

    function: Callable[[Tensor], Tensor]
    bias: None = None
    signed: bool = False

    def run(self, x: Tensor, part: Part = "all") -> Tensor:  # noqa: ARG002
        """W x."""
        return self.function(x)

    def back(self, s: Tensor, like: Tensor, part: Part = "all") -> Tensor:  # noqa: ARG002
        """Wᵀ s."""
        return pulled_back(self.function, like, s)


@dataclass(frozen=True)
class Total:
    """The sum over dimension 1, along which the terms of an addition are stacked."""

    bias: None = None
    signed: bool = False

    def run(self, x: Tensor, part: Part = "all") -> Tensor:  # noqa: ARG002
        """W x."""
        return x.sum(1)

    def back(self, s: Tensor, like: Tensor, part: Part = "all") -> Any:  # noqa: ARG002
        """Wᵀ s."""
        return s.unsqueeze(1).expand_as(like)

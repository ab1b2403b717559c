"""The rules of layer-wise relevance propagation, each with an exact account of where the relevance goes.

A rule takes the relevance R_k of the outputs of z_k = sum_j x_j w_jk + b_k and gives

- to the inputs R_j = sum_k share_jk R_k,
- to the bias its own share, as to one more input that is always 1,
- to nobody what the stabiliser in the denominator swallows (`absorbed`).

The three add up to sum_k R_k for every rule, photo and layer: Bach et al. 2015 (epsilon, alpha-beta), Montavon et al.
2017 (z-plus, box), Lapuschkin et al. 2017 (flat), Montavon et al. 2019 (gamma), Andéol et al. 2021 (gamma for outputs
of either sign).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

import torch
from torch import Tensor

from melascope.lab.lrp.linear import Linear, Part

__all__ = ["STABILISER", "AlphaBeta", "Box", "Epsilon", "Flat", "Gamma", "Rule", "Shares", "SignedPlus", "ZPlus"]

STABILISER: Final = 1e-9
"""Added to denominators of one sign, away from zero. It only matters where there is nothing to share out."""


class Shares(NamedTuple):
    """Where the relevance of a layer's outputs went."""

    inputs: Tensor
    """In the shape of the layer's input."""
    bias: Tensor
    """(N,), the biases' share."""
    absorbed: Tensor
    """(N,), what the stabiliser swallowed."""


class Rule(Protocol):
    """One way to share relevance out."""

    def share(self, linear: Linear, x: Tensor, z: Tensor, relevance: Tensor, box: tuple[Tensor, Tensor]) -> Shares:
        """Share `relevance` (as z) out among x, the bias, and nobody.

        Args:
            linear: The layer.
            x: Its input, (N, ...).
            z: Its output with the bias, (N, ...).
            relevance: In the shape of z.
            box: The least and the greatest value that each element of x can have; only `Box` looks at it.
        """


def _stable(z: Tensor, epsilon: float) -> Tensor:
    return z + torch.where(z < 0, -epsilon, epsilon).to(z.dtype)


def _sum(values: Tensor) -> Tensor:
    return values.flatten(1).sum(1)


def _bias(linear: Linear, like: Tensor) -> Tensor:
    return like.new_zeros(()) if linear.bias is None else linear.bias


class _Signed:
    """The contributions x_j w_jk of one sign: their sum, and their transpose. Terms that are zero are not computed."""

    def __init__(self, linear: Linear, x: Tensor, sign: int, *, biases: bool = True) -> None:
        self.linear, self.x = linear, x
        same: tuple[Part, Part] = ("positive", "negative") if sign > 0 else ("negative", "positive")
        halves = ((x.clamp(min=0), same[0]), (x.clamp(max=0), same[1]))
        self.halves = [
            (half, part) for half, part in halves if (part == "positive" or linear.signed) and bool(half.any())
        ]
        bias = _bias(linear, x) if biases else x.new_zeros(())
        self.bias = bias.clamp(min=0) if sign > 0 else bias.clamp(max=0)

    def total(self, z: Tensor) -> Tensor:
        """Their sum for each output, the bias of that sign with it."""
        total = torch.zeros_like(z) + self.bias
        for half, part in self.halves:
            total = total + self.linear.run(half, part)
        return total

    def back(self, s: Tensor) -> Tensor:
        """Sum_k contribution_jk s_k."""
        back = torch.zeros_like(self.x)
        for half, part in self.halves:
            back = back + half * self.linear.back(s, half, part)
        return back


@dataclass(frozen=True)
class _Without:
    """A linear map without its bias."""

    of: Linear
    bias: None = None

    @property
    def signed(self) -> bool:
        return self.of.signed

    def run(self, x: Tensor, part: Part = "all") -> Tensor:
        return self.of.run(x, part)

    def back(self, s: Tensor, like: Tensor, part: Part = "all") -> Tensor:
        return self.of.back(s, like, part)


@dataclass(frozen=True)
class Epsilon:
    """R_j = sum_k x_j w_jk / (z_k + epsilon sign z_k) R_k (Bach et al. 2015, eq. 58); epsilon 0 is LRP-0."""

    epsilon: float = 1e-6

    def share(self, linear: Linear, x: Tensor, z: Tensor, relevance: Tensor, box: tuple[Tensor, Tensor]) -> Shares:  # noqa: ARG002
        """See `Rule`."""
        whole = _stable(z, self.epsilon)
        s = relevance / whole
        return Shares(x * linear.back(s, x), _sum(_bias(linear, x) * s), _sum((whole - z) * s))


@dataclass(frozen=True)
class ZPlus:
    """R_j = sum_k (x_j w_jk)⁺ / sum_j (x_j w_jk)⁺ R_k, the bias with them (alpha 1, beta 0; Bach et al. 2015, 60)."""

    stabiliser: float = STABILISER

    def share(self, linear: Linear, x: Tensor, z: Tensor, relevance: Tensor, box: tuple[Tensor, Tensor]) -> Shares:  # noqa: ARG002
        """See `Rule`."""
        return _one_sign(_Signed(linear, x, 1), z, relevance, self.stabiliser)


def _one_sign(part: _Signed, z: Tensor, relevance: Tensor, stabiliser: float) -> Shares:
    total = part.total(z)
    whole = _stable(total, stabiliser)
    s = relevance / whole
    return Shares(part.back(s), _sum(part.bias * s), _sum((whole - total) * s))


def _added(one: Shares, other: Shares) -> Shares:
    return Shares(*(a + b for a, b in zip(one, other, strict=True)))


@dataclass(frozen=True)
class SignedPlus:
    """Z-plus for outputs above zero, its mirror image for those below: the contributions that made the sign share.

    In a network of ReLUs it is z-plus, for outputs below zero have no relevance there (unless `biases` is off). Where a
    layer has no activation behind it (MobileNetV2's bottlenecks, branches of a sum), the relevance of an output below
    zero goes to what pulled it down. The limit of `Gamma` for an infinite gamma. It never makes sum |R| larger.
    """

    stabiliser: float = STABILISER
    biases: bool = True
    """Whether a bias has a share of its own. If not, the inputs share out all, as if there were no bias, and what an
    output owes to its bias alone goes to all inputs that it sees alike (`Flat`), those that are zero among them."""

    def share(self, linear: Linear, x: Tensor, z: Tensor, relevance: Tensor, box: tuple[Tensor, Tensor]) -> Shares:  # noqa: ARG002
        """See `Rule`."""
        below = z < 0
        plus = _Signed(linear, x, 1, biases=self.biases)
        found = self._one_sign(plus, z, relevance.masked_fill(below, 0))
        down = relevance.masked_fill(~below, 0)
        if not bool(down.any()):
            return found
        minus = _Signed(linear, x, -1, biases=self.biases)
        return _added(found, self._one_sign(minus, z, down))

    def _one_sign(self, part: _Signed, z: Tensor, relevance: Tensor) -> Shares:
        if self.biases:
            return _one_sign(part, z, relevance, self.stabiliser)
        alone = part.total(z) == 0
        if not bool((alone & (relevance != 0)).any()):
            return _one_sign(part, z, relevance, self.stabiliser)
        found = _one_sign(part, z, relevance.masked_fill(alone, 0), self.stabiliser)
        return _added(found, Flat().share(part.linear, part.x, z, relevance.masked_fill(~alone, 0), (z, z)))


@dataclass(frozen=True)
class AlphaBeta:
    """Alpha times the shares of the contributions above zero less beta times those below (Bach et al. 2015, eq. 60).

    The formula conserves only where both signs occur. Where an output has contributions of one sign, they take all.

    Raises:
        ValueError: alpha - beta is not 1, or one of them lies below zero.
    """

    alpha: float = 2.0
    beta: float = 1.0
    stabiliser: float = STABILISER

    def __post_init__(self) -> None:
        if self.alpha < 0 or self.beta < 0 or abs(self.alpha - self.beta - 1) > 1e-12:
            raise ValueError(
                f"alpha {self.alpha}, beta {self.beta}: alpha - beta must be 1 and none below zero; take 2, 1"
            )

    def share(self, linear: Linear, x: Tensor, z: Tensor, relevance: Tensor, box: tuple[Tensor, Tensor]) -> Shares:  # noqa: ARG002
        """See `Rule`."""
        plus, minus = _Signed(linear, x, 1), _Signed(linear, x, -1)
        above, below = plus.total(z), minus.total(z)
        alpha = torch.where(below == 0, 1.0, torch.where(above == 0, 0.0, self.alpha)).to(z.dtype)
        whole, hole = above + self.stabiliser, below - self.stabiliser
        s, t = alpha * relevance / whole, (1 - alpha) * relevance / hole
        return Shares(
            plus.back(s) + minus.back(t),
            _sum(plus.bias * s + minus.bias * t),
            _sum(self.stabiliser * (s - t)),
        )


@dataclass(frozen=True)
class Gamma:
    """Contributions of the output's own sign count 1 + gamma times, the others once.

    R_j = sum_k (c_jk + gamma c_jk^s) / (z_k + gamma z_k^s) R_k with c_jk = x_j w_jk, and ^s the part of the sign of z_k
    (Montavon et al. 2019 for inputs and outputs above zero; Andéol et al. 2021 for any). One layer of it makes sum |R|
    at most 1 + 2 / gamma times as large, however near zero z_k lies.

    Raises:
        ValueError: gamma lies below zero.
    """

    gamma: float = 0.25
    stabiliser: float = STABILISER
    biases: bool = True
    """Whether a bias has a share of its own. If not, z_k is the sum of the other terms."""

    def __post_init__(self) -> None:
        if self.gamma < 0:
            raise ValueError(f"gamma {self.gamma}: must not lie below zero; take 0.25")

    def share(self, linear: Linear, x: Tensor, z: Tensor, relevance: Tensor, box: tuple[Tensor, Tensor]) -> Shares:
        """See `Rule`."""
        if not self.biases:
            return replace(self, biases=True).share(_Without(linear), x, linear.run(x), relevance, box)
        plus, minus = _Signed(linear, x, 1), _Signed(linear, x, -1)
        own = torch.where(z < 0, minus.total(z), plus.total(z))
        total = z + self.gamma * own
        whole = _stable(total, self.stabiliser)
        s = relevance / whole
        up, down = s.masked_fill(z < 0, 0), s.masked_fill(z >= 0, 0)
        inputs = x * linear.back(s, x) + self.gamma * plus.back(up)
        bias = _bias(linear, x) * s + self.gamma * plus.bias * up + self.gamma * minus.bias * down
        if bool(down.any()):
            inputs = inputs + self.gamma * minus.back(down)
        return Shares(inputs, _sum(bias), _sum((whole - total) * s))


@dataclass(frozen=True)
class Box:
    """For pixels between limits l and h: R_j = sum_k (x_j w_jk - l_j w_jk⁺ - h_j w_jk⁻) / sum_j (...) R_k.

    No term lies below zero, and the bias has no share (Montavon et al. 2017, table 1).
    """

    stabiliser: float = STABILISER

    def share(self, linear: Linear, x: Tensor, z: Tensor, relevance: Tensor, box: tuple[Tensor, Tensor]) -> Shares:  # noqa: ARG002
        """See `Rule`."""
        low, high = box
        total = linear.run(x) - linear.run(low, "positive") - linear.run(high, "negative")
        whole = _stable(total, self.stabiliser)
        s = relevance / whole
        inputs = x * linear.back(s, x) - low * linear.back(s, x, "positive") - high * linear.back(s, x, "negative")
        return Shares(inputs, torch.zeros_like(_sum(s)), _sum((whole - total) * s))


@dataclass(frozen=True)
class Flat:
    """Every input that an output sees gets the same share, whatever it is (Lapuschkin et al. 2017)."""

    def share(self, linear: Linear, x: Tensor, z: Tensor, relevance: Tensor, box: tuple[Tensor, Tensor]) -> Shares:  # noqa: ARG002
        """See `Rule`."""
        s = relevance / linear.run(torch.ones_like(x), "flat")
        none = torch.zeros_like(_sum(s))
        return Shares(linear.back(s, x, "flat"), none, none)

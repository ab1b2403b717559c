"""Named sets of rules: which layer is shared out by which rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from melascope.lab.lrp.rules import STABILISER, AlphaBeta, Box, Epsilon, Flat, Gamma, Rule, SignedPlus, ZPlus

__all__ = ["COMPOSITES", "DEFAULT", "Composite", "composite"]


@dataclass(frozen=True, kw_only=True)
class Composite:
    """A rule for each place in a network."""

    name: str
    says: str
    """In a few words."""
    convolution: Rule
    first: Rule | None = None
    """Of the convolution at the pixels; None: as the others."""
    depthwise: Rule | None = None
    """Of convolutions whose channels do not mix; None: as the others."""
    hidden: Rule
    """Of fully connected layers before the last linear layer."""
    head: Rule
    """Of the last linear layer, whose outputs are the logits."""
    norm: Rule | None = None
    """Of a batch normalisation that cannot be merged; None: the relevance passes, as through an activation."""
    total: Rule
    """Of additions."""
    mean: Rule
    """Of pooling by means."""


def _literature(name: str, says: str, convolution: Rule, **others: Rule) -> Composite:
    dense, plain = Epsilon(), Epsilon(STABILISER)
    return Composite(
        name=name, says=says, convolution=convolution, hidden=dense, head=dense, total=plain, mean=plain, **others
    )


_PLUS: Final = SignedPlus()
_GAMMA: Final = Gamma(0.25)
_ALONE: Final = SignedPlus(biases=False)
DEFAULT: Final = "gamma-plus-box"
_ALL: Final = (
    Composite(
        name=DEFAULT,
        says="gamma 0.25 at the logits, signed z-plus in between, the box rule at the pixels; Σ|R| at most 9 |logit|",
        convolution=_PLUS,
        first=Box(),
        hidden=_PLUS,
        head=_GAMMA,
        norm=_PLUS,
        total=_PLUS,
        mean=_PLUS,
    ),
    Composite(
        name="gamma-plus-box-unbiased",
        says="the same, but biases have no share: all relevance goes to inputs",
        convolution=_ALONE,
        first=Box(),
        hidden=_ALONE,
        head=Gamma(0.25, biases=False),
        norm=_ALONE,
        total=_PLUS,
        mean=_PLUS,
    ),
    Composite(
        name="gamma-box",
        says="gamma 0.25 with the sign of the output in every layer, the box rule at the pixels",
        convolution=_GAMMA,
        first=Box(),
        hidden=_GAMMA,
        head=_GAMMA,
        norm=_GAMMA,
        total=_GAMMA,
        mean=_GAMMA,
    ),
    _literature(
        "epsilon", "epsilon everywhere, near gradient × input in a network of ReLUs", Epsilon(), norm=Epsilon()
    ),
    _literature("epsilon-plus", "epsilon in dense layers, z-plus in convolutions", ZPlus()),
    _literature("epsilon-plus-flat", "epsilon-plus with the flat rule at the pixels", ZPlus(), first=Flat()),
    _literature("epsilon-plus-box", "epsilon-plus with the box rule at the pixels", ZPlus(), first=Box()),
    _literature("epsilon-gamma-box", "epsilon, gamma 0.25 in convolutions, box at the pixels", Gamma(), first=Box()),
    _literature("epsilon-alpha2-beta1", "epsilon, alpha 2 beta 1 in convolutions", AlphaBeta()),
    _literature("epsilon-alpha2-beta1-box", "the same with the box rule at the pixels", AlphaBeta(), first=Box()),
)
COMPOSITES: Final = {one.name: one for one in _ALL}


def composite(name: str) -> Composite:
    """A composite by its name.

    Raises:
        ValueError: No composite has this name.

    Example:
        >>> composite("epsilon-plus").convolution
        ZPlus(stabiliser=1e-09)
    """
    if name not in COMPOSITES:
        raise ValueError(f"{name}: is no composite of rules; take one of {', '.join(COMPOSITES)}")
    return COMPOSITES[name]

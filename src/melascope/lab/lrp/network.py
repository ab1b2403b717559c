"""Layer-wise relevance propagation through a traced network, with a full account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from melascope.lab.lrp.composites import DEFAULT, Composite, composite
from melascope.lab.lrp.graph import (
    Affine,
    Apart,
    Joined,
    LrpError,
    Moved,
    Passed,
    Product,
    Step,
    Sum,
    Value,
    steps_of,
)
from melascope.lab.lrp.linear import Convolution, Dense, Plain, Scale, Total, pulled_back
from melascope.lab.lrp.rules import Box, Rule, Shares

__all__ = ["Relevance", "RelevanceNetwork"]

Limits = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Relevance:
    """The relevance of N photos, and where the rest of each logit went."""

    pixels: Tensor
    """(N, 3, H, W)."""
    logits: Tensor
    """(N, classes), of the prepared network: the network's own up to rounding."""
    target: Tensor
    """(N,), the explained logit."""
    bias: Tensor
    """(N,), the biases' share."""
    absorbed: Tensor
    """(N,), what stabilisers swallowed."""

    @property
    def gap(self) -> Tensor:
        """(N,): target less everything that is accounted for. Zero up to rounding."""
        return self.target - self.pixels.flatten(1).sum(1) - self.bias - self.absorbed

    @property
    def spread(self) -> Tensor:
        """(N,): sum |R| over the pixels as a multiple of |target|."""
        return self.pixels.abs().flatten(1).sum(1) / self.target.abs()


class RelevanceNetwork:
    """A network prepared for layer-wise relevance propagation. The network itself is left as it is.

    The weights are those of the moment of preparation where a batch normalisation was merged, and shared elsewhere:
    prepare again after training.

    Args:
        network: In any mode; it is explained as it runs in evaluation. Input (N, 3, H, W), output (N, classes).

    Raises:
        LrpError: The network holds something for which no rule is known.

    Example:
        >>> lrp = RelevanceNetwork(network)  # doctest: +SKIP
        >>> found = lrp.relevance(pixels, composite("epsilon-plus"), limits=(low, high))  # doctest: +SKIP
        >>> found.pixels.sum() + found.bias + found.absorbed  # the logit  # doctest: +SKIP
    """

    def __init__(self, network: nn.Module) -> None:
        self.steps, self.last = steps_of(network)
        self._before_any_layer = self._prefix()
        weighty = [step.name for step in self.steps if _is_layer(step)]
        if not weighty:
            raise LrpError(
                f"{type(network).__name__}: holds no convolution and no dense layer; there is nothing to explain"
            )
        self._head = weighty[-1]
        self._gates = {s.name for s in self.steps if isinstance(s.kind, Passed) and _is_gate(s.kind.function)}

    def _prefix(self) -> set[str]:
        """Steps that only prepare the pixels: no layer lies before them, and they are none."""
        inside: set[str] = set()
        for step in self.steps:
            if isinstance(step.kind, Apart) or (not _is_layer(step) and all(name in inside for name in step.inputs)):
                inside.add(step.name)
        return inside

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits, (N, classes)."""
        with torch.no_grad():
            return self._run(pixels)[self.last]

    def relevance(
        self,
        pixels: Tensor,
        rules: Composite | None = None,
        *,
        classes: Tensor | None = None,
        limits: Limits | None = None,
    ) -> Relevance:
        """Relevance of every pixel and channel for one logit of each photo.

        Args:
            pixels: (N, 3, H, W), of the network's own type and normalisation.
            rules: Composite; the default one if None.
            classes: (N,) the logit to explain; the greatest one of each photo if None.
            limits: The least and greatest value that a pixel can have, broadcast to `pixels`; for the box rule.

        Raises:
            ValueError: The composite needs limits that are not given, or a pixel lies beyond them.
        """
        rules = rules or composite(DEFAULT)
        with torch.no_grad():
            values = self._run(pixels)
            logits = values[self.last]
            chosen = logits.argmax(1) if classes is None else classes.to(logits.device)
            boxes = self._boxes(pixels, rules, limits)
            target = logits.gather(1, chosen[:, None])
            start = torch.zeros_like(logits).scatter(1, chosen[:, None], target)
            found, bias, absorbed = self._back(values, start, rules, boxes)
        return Relevance(found, logits, target[:, 0], bias, absorbed)

    def _run(self, pixels: Tensor, only: set[str] | None = None) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for step in self.steps:
            if only is not None and step.name not in only:
                continue
            values[step.name] = pixels if isinstance(step.kind, Apart) else _output(step, values)
        return values

    def _boxes(self, pixels: Tensor, rules: Composite, limits: Limits | None) -> dict[str, Limits]:
        """Least and greatest values of what the pixels become before the first layer."""
        if limits is None:
            if isinstance(rules.first, Box):
                raise ValueError(
                    f"{rules.name}: its box rule needs the least and greatest values of a pixel; give limits"
                )
            return {}
        low, high = (limit.to(pixels).expand_as(pixels) for limit in limits)
        slack = 1e-5 * (high - low)
        if bool(((pixels < low - slack) | (pixels > high + slack)).any()):
            raise ValueError("limits: a pixel lies beyond them; give those of the network's normalisation")
        corners = [self._run(corner, self._before_any_layer) for corner in (low, high)]
        return {
            name: (torch.minimum(corners[0][name], corners[1][name]), torch.maximum(corners[0][name], corners[1][name]))
            for name in corners[0]
            if isinstance(corners[0][name], Tensor)
        }

    def _back(
        self, values: dict[str, Any], start: Tensor, rules: Composite, boxes: dict[str, Limits]
    ) -> tuple[Tensor, Tensor, Tensor]:
        waiting: dict[str, Tensor] = {self.last: start}
        bias, absorbed = start.new_zeros(len(start)), start.new_zeros(len(start))
        for step in reversed(self.steps):
            relevance = waiting.pop(step.name, None)
            if relevance is None or isinstance(step.kind, Value):
                continue
            if isinstance(step.kind, Apart):
                return relevance, bias, absorbed
            parts, shares = self._step_back(step, values, relevance, rules, boxes)
            if shares is not None:
                bias, absorbed = bias + shares.bias, absorbed + shares.absorbed
            for name, part in parts:
                waiting[name] = waiting[name] + part if name in waiting else part
        raise LrpError("the output does not depend on the input")

    def _step_back(
        self, step: Step, values: dict[str, Any], relevance: Tensor, rules: Composite, boxes: dict[str, Limits]
    ) -> tuple[list[tuple[str, Tensor]], Shares | None]:
        kind, names, out = step.kind, step.inputs, values[step.name]
        if isinstance(kind, Affine):
            x = values[names[0]]
            rule = self._rule(step, kind, rules)
            if rule is None:
                return [(names[0], relevance)], None
            shares = rule.share(kind.linear, x, out, relevance, boxes.get(names[0], (x, x)))
            return [(names[0], shares.inputs)], shares
        if isinstance(kind, Sum):
            if len(names) != 2 or any(values[name].shape != out.shape for name in names):
                raise LrpError(f"{step.name}: adds tensors of two shapes; no rule is known for it")
            terms = torch.stack([values[name] for name in names], 1)
            shares = rules.total.share(Total(), terms, out, relevance, (terms, terms))
            return [(names[0], shares.inputs[:, 0]), (names[1], shares.inputs[:, 1])], shares
        if isinstance(kind, Joined):
            sizes = [values[name].shape[kind.dimension] for name in names]
            return list(zip(names, relevance.split(sizes, kind.dimension), strict=True)), None
        if isinstance(kind, Product):
            return [(self._signal(names, values), relevance)], None
        if isinstance(kind, Moved):
            args, kwargs = step.bound(values)
            moved = pulled_back(lambda x: kind.function(x, *args[1:], **kwargs), args[0], relevance)
            return [(names[0], moved)], None
        return [(names[0], relevance)], None

    def _rule(self, step: Step, kind: Affine, rules: Composite) -> Rule | None:
        linear = kind.linear
        if isinstance(linear, Plain):
            return rules.mean
        if isinstance(linear, Scale):
            return None if step.name in self._before_any_layer else rules.norm
        if step.name == self._head:
            return rules.head
        if isinstance(linear, Dense):
            return rules.hidden
        assert isinstance(linear, Convolution)
        if rules.first is not None and step.inputs[0] in self._before_any_layer:
            return rules.first
        mixes = linear.groups == 1 or linear.weight.shape[1] > 1
        return rules.convolution if mixes or rules.depthwise is None else rules.depthwise

    def _signal(self, names: tuple[str, ...], values: dict[str, Any]) -> str:
        """Of a product's two factors the one that is no gate: not out of a sigmoid, not smaller than the product."""
        gates = [name for name in names[:2] if name in self._gates]
        if len(gates) == 1:
            return names[1] if names[0] == gates[0] else names[0]
        return max(names[:2], key=lambda name: values[name].numel())


def _is_layer(step: Step) -> bool:
    return isinstance(step.kind, Affine) and isinstance(step.kind.linear, Convolution | Dense)


def _is_gate(function: Any) -> bool:
    return isinstance(function, nn.Sigmoid | nn.Hardsigmoid)


def _output(step: Step, values: dict[str, Any]) -> Any:
    kind = step.kind
    args, kwargs = step.bound(values)
    if isinstance(kind, Affine):
        z = kind.linear.run(values[step.inputs[0]])
        return z if kind.linear.bias is None else z + kind.linear.bias
    if isinstance(kind, Sum):
        return args[0] + args[1]
    if isinstance(kind, Joined):
        return torch.cat(list(args[0]), kind.dimension)
    if isinstance(kind, Product):
        return args[0] * args[1]
    assert isinstance(kind, Passed | Moved | Value)
    return kind.function(*args, **kwargs)

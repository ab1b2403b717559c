"""A network as a list of steps: traced, batch normalisation merged, every step with its way of passing relevance back.

The network itself is never touched: its modules are copied (the parameters are shared, not copied), and the copy is
traced by `torch.fx` as it runs in evaluation.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from melascope.lab.lrp.linear import Convolution, Dense, Linear, Plain, Scale

__all__ = ["Affine", "Apart", "Joined", "LrpError", "Moved", "Passed", "Product", "Step", "Sum", "Value", "steps_of"]


class LrpError(ValueError):
    """A network holds something for which no rule is known."""


@dataclass(frozen=True)
class Affine:
    """A linear layer: a rule shares the relevance out."""

    linear: Linear


@dataclass(frozen=True)
class Sum:
    """An addition of tensors of one shape: a rule shares the relevance out."""


@dataclass(frozen=True)
class Joined:
    """A concatenation: each part keeps its relevance."""

    dimension: int


@dataclass(frozen=True)
class Passed:
    """A function of each element by itself (an activation): the relevance passes as it is."""

    function: Callable[..., Any]


@dataclass(frozen=True)
class Moved:
    """Elements are chosen or set elsewhere (maximum, reshaping): the relevance goes to where they came from."""

    function: Callable[..., Any]


@dataclass(frozen=True)
class Product:
    """A signal times a gate: the signal has the relevance, the gate none (Arras et al. 2017)."""


@dataclass(frozen=True)
class Value:
    """A number or a shape that a later step needs."""

    function: Callable[..., Any]


@dataclass(frozen=True)
class Apart:
    """The input."""


Kind = Affine | Sum | Joined | Passed | Moved | Product | Value | Apart


@dataclass(frozen=True)
class Step:
    """One step of a network, in the order in which they run."""

    name: str
    kind: Kind
    args: tuple[Any, ...] = ()
    """Arguments; an `fx.Node` in them stands for the output of the step of that name."""
    kwargs: dict[str, Any] | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the steps whose outputs this one takes, in order."""
        found: list[str] = []
        fx.map_arg((self.args, self.kwargs or {}), lambda node: found.append(node.name))
        return tuple(found)

    def bound(self, values: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with the outputs of earlier steps put in."""
        args, kwargs = fx.map_arg((self.args, self.kwargs or {}), lambda node: values[node.name])
        return args, kwargs


_ACTIVATIONS: Final = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus, nn.Sigmoid, nn.Tanh, nn.Hardswish,
    nn.Hardsigmoid, nn.Hardtanh,
)  # fmt: skip
_SAME: Final = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_CHOICES: Final = (nn.MaxPool2d, nn.AdaptiveMaxPool2d, nn.Flatten, nn.Unflatten, nn.ZeroPad2d)
_MEANS: Final = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
_PASSED: Final = {
    functional.relu, functional.relu_, functional.relu6, functional.silu, functional.gelu, functional.hardswish,
    functional.sigmoid, functional.hardsigmoid, functional.leaky_relu, torch.relu, torch.relu_, torch.sigmoid,
    torch.tanh,
}  # fmt: skip
_MOVED: Final = {
    torch.flatten, torch.reshape, torch.squeeze, torch.unsqueeze, torch.permute, torch.transpose, torch.clone,
    functional.max_pool2d, functional.adaptive_max_pool2d, torch.max_pool2d, functional.pad, operator.getitem,
}  # fmt: skip
_MEAN_CALLS: Final = {functional.avg_pool2d, functional.adaptive_avg_pool2d, torch.mean}
_PASSED_METHODS: Final = {"relu", "relu_", "sigmoid", "tanh"}
_MOVED_METHODS: Final = {
    "view",
    "reshape",
    "flatten",
    "permute",
    "transpose",
    "squeeze",
    "unsqueeze",
    "contiguous",
    "clone",
}
_VALUE_METHODS: Final = {"size", "dim", "numel"}
_ADDITIONS: Final = {operator.add, operator.iadd, torch.add}
_PRODUCTS: Final = {operator.mul, operator.imul, torch.mul}
_ADVICE: Final = "for such a network take the methods gradient-input, integrated-gradients or occlusion"


def steps_of(network: nn.Module) -> tuple[list[Step], str]:
    """Steps of a network in evaluation, and the name of the one whose output is the network's.

    Raises:
        LrpError: It cannot be traced, or holds something for which no rule is known.
    """
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    twin = copy.deepcopy(network, shared).eval()
    for module in twin.modules():
        for hooks in (module._forward_hooks, module._forward_pre_hooks):
            hooks.clear()
    try:
        graph = fx.Tracer().trace(twin)
    except Exception as error:  # whatever a foreign forward() raises when it is traced
        raise LrpError(f"{type(network).__name__}: its way cannot be followed ({error}); {_ADVICE}") from error
    return _Reader(twin, graph).steps()


class _Reader:
    def __init__(self, network: nn.Module, graph: fx.Graph) -> None:
        self.network, self.graph = network, graph
        self.modules = dict(network.named_modules())

    def steps(self) -> tuple[list[Step], str]:
        found: list[Step] = []
        for node in self.graph.nodes:
            if node.op == "output":
                last = node.args[0]
                if not isinstance(last, fx.Node):
                    raise LrpError(f"{type(self.network).__name__}: gives {type(last).__name__}, must give one tensor")
                return found, last.name
            kind = self._kind(node)
            found.append(Step(node.name, kind, tuple(node.args), dict(node.kwargs)))
        raise LrpError(f"{type(self.network).__name__}: gives nothing")

    def _kind(self, node: fx.Node) -> Kind:
        if node.op == "placeholder":
            return Apart()
        if node.op == "get_attr":
            tensor = operator.attrgetter(str(node.target))(self.network)
            return Value(lambda: tensor)
        if node.op == "call_module":
            return self._module(node, self.modules[str(node.target)])
        if node.op == "call_method":
            return self._method(node, str(node.target))
        return self._function(node, node.target)

    def _module(self, node: fx.Node, module: nn.Module) -> Kind:
        if isinstance(module, nn.Conv2d | nn.Linear):
            return Affine(_merged(module, self._norm_behind(node)))
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            before = node.args[0]
            if isinstance(before, fx.Node) and self._norm_behind(before) is module:
                return Moved(_same)
            return Affine(_standing_alone(module, 4 if isinstance(module, nn.BatchNorm2d) else 2))
        if isinstance(module, _SAME):
            return Moved(_same)
        if isinstance(module, _ACTIVATIONS):
            return Passed(_not_in_place(module))
        if isinstance(module, _CHOICES):
            return Moved(module)
        if isinstance(module, _MEANS):
            return Affine(Plain(module))
        raise LrpError(f"{node.target} ({type(module).__name__}): no rule is known for it; {_ADVICE}")

    def _norm_behind(self, node: fx.Node) -> nn.Module | None:
        """The batch normalisation that alone takes a linear layer's output."""
        if node.op != "call_module" or not isinstance(self.modules[str(node.target)], nn.Conv2d | nn.Linear):
            return None
        users = list(node.users)
        if len(users) != 1 or users[0].op != "call_module":
            return None
        module = self.modules[str(users[0].target)]
        return module if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) else None

    def _method(self, node: fx.Node, name: str) -> Kind:
        def call(x: Any, *args: Any, **kwargs: Any) -> Any:
            return getattr(x, name)(*args, **kwargs)

        if name in _VALUE_METHODS:
            return Value(call)
        if name in _PASSED_METHODS:
            return Passed(lambda x: getattr(x, name.rstrip("_"))())
        if name in _MOVED_METHODS:
            return Moved(call)
        if name == "mean":
            return Affine(Plain(_tail(call, node)))
        if name in {"add", "add_"}:
            return self._addition(node)
        if name in {"mul", "mul_"}:
            return self._product(node)
        raise LrpError(f"{node.name} (the method {name}): no rule is known for it; {_ADVICE}")

    def _function(self, node: fx.Node, target: Any) -> Kind:
        if target is getattr:
            return Value(getattr)
        if target in _PASSED:
            return Passed(_functional_not_in_place(target))
        if target in _MOVED:
            return Moved(target)
        if target in _MEAN_CALLS:
            return Affine(Plain(_tail(target, node)))
        if target in _ADDITIONS:
            return self._addition(node)
        if target in _PRODUCTS:
            return self._product(node)
        if target in {torch.cat, torch.concat}:
            dimension = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
            return Joined(int(dimension))
        if target is functional.dropout and not node.kwargs.get("training", True):
            return Moved(lambda x, *_, **__: x)
        if target is torch._assert:
            return Value(lambda *_, **__: None)
        raise LrpError(f"{node.name} ({getattr(target, '__name__', target)}): no rule is known for it; {_ADVICE}")

    def _addition(self, node: fx.Node) -> Kind:
        if all(isinstance(argument, fx.Node) for argument in node.args[:2]):
            return Sum()
        number = _number(node)
        return Affine(Scale(torch.ones_like(number), number))

    def _product(self, node: fx.Node) -> Kind:
        if all(isinstance(argument, fx.Node) for argument in node.args[:2]):
            return Product()
        return Affine(Scale(_number(node), None))


def _number(node: fx.Node) -> Tensor:
    """The fixed one of two terms or factors; a tensor without dimensions takes on the type of the other."""
    return torch.tensor(next(float(a) for a in node.args if isinstance(a, int | float)), dtype=torch.float64)


def _same(x: Any) -> Any:
    return x


def _not_in_place(module: nn.Module) -> nn.Module:
    if getattr(module, "inplace", False):
        module.inplace = False  # the copy's
    return module


def _functional_not_in_place(function: Callable[..., Any]) -> Callable[..., Any]:
    plain = {functional.relu_: functional.relu, torch.relu_: torch.relu}.get(function, function)

    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        return plain(x.clone(), *args, **kwargs)

    return call


def _tail(function: Callable[..., Any], node: fx.Node) -> Callable[[Tensor], Tensor]:
    """The function of its first argument alone; the others are fixed numbers."""
    rest, named = node.args[1:], dict(node.kwargs)
    return lambda x: function(x, *rest, **named)


def _merged(module: nn.Conv2d | nn.Linear, norm: nn.Module | None) -> Linear:
    """A linear layer with the batch normalisation behind it: the same function, eps and all."""
    weight, bias = module.weight.detach(), None if module.bias is None else module.bias.detach()
    if norm is not None:
        factor, shift = _factor_and_shift(norm)
        weight = weight * factor.view(-1, *[1] * (weight.ndim - 1))
        bias = shift if bias is None else bias * factor + shift
    if isinstance(module, nn.Linear):
        return Dense(weight, bias)
    if module.padding_mode != "zeros":
        raise LrpError(f"padding_mode {module.padding_mode}: no rule is known for it; {_ADVICE}")
    channels = None if bias is None else bias.view(1, -1, 1, 1)
    return Convolution(weight, channels, module.stride, _padding(module), module.dilation, module.groups)


def _padding(module: nn.Conv2d) -> tuple[int, int]:
    if not isinstance(module.padding, str):
        return module.padding
    if module.padding == "valid":
        return 0, 0
    both = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
    if any(total % 2 for total in both):
        raise LrpError(f"padding 'same' of a kernel {module.kernel_size}: no rule is known for it; {_ADVICE}")
    return both[0] // 2, both[1] // 2


def _standing_alone(norm: nn.Module, dimensions: int) -> Scale:
    factor, shift = _factor_and_shift(norm)
    shape = (1, -1, *[1] * (dimensions - 2))
    return Scale(factor.view(shape), shift.view(shape))


def _factor_and_shift(norm: Any) -> tuple[Tensor, Tensor]:
    if norm.running_mean is None:
        raise LrpError(f"a batch normalisation without running statistics depends on the batch; {_ADVICE}")
    factor = (norm.running_var + norm.eps).rsqrt()
    if norm.weight is not None:
        factor = factor * norm.weight.detach()
    shift = -norm.running_mean * factor
    return factor, shift if norm.bias is None else shift + norm.bias.detach()

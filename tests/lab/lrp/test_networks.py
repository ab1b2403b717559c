"""The guarantee on the six networks of Zhang 2025, in float64, and zennit's own set-ups as the oracle."""

from __future__ import annotations

import copy
from collections import Counter
from functools import cache
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
pytest.importorskip("torchvision", reason="torchvision is not installed: `make lab` adds it")

from torch import Tensor, nn  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from melascope.lab.lrp import COMPOSITES, DEFAULT, LrpError, RelevanceNetwork, composite  # noqa: E402
from tests.lab.lrp.sample_networks import LIMITS, SIX, network, photos  # noqa: E402

pytestmark = pytest.mark.torch
SIDE = 64


@cache
def made(name: str) -> tuple[nn.Module, Tensor]:
    pixels = photos(4, SIDE)
    return network(name, pixels), pixels[:3]


@pytest.fixture(params=SIX)
def six(request: pytest.FixtureRequest) -> tuple[str, nn.Module, Tensor]:
    return (request.param, *made(request.param))


def test_the_guarantee(six: tuple[str, nn.Module, Tensor]) -> None:
    """Sum of relevance and the biases' share is the logit, nothing grows, the logits are the network's own."""
    _, model, pixels = six
    prepared = RelevanceNetwork(model)
    with torch.no_grad():
        logits = model(pixels)
    assert float((prepared.forward(pixels) - logits).abs().max()) <= 1e-6 * float(logits.abs().max())
    classes = torch.tensor([0, 1, 2])
    found = prepared.relevance(pixels, classes=classes, limits=LIMITS)
    assert torch.equal(found.target, found.logits.diagonal())
    total = found.pixels.flatten(1).sum(1) + found.bias
    assert float(((total - found.target) / found.target).abs().max()) <= 1e-6
    assert float(found.spread.max()) <= 10
    assert bool((found.pixels.abs().flatten(1).sum(1) > 1e-3 * found.target.abs()).all())


def test_without_biases_all_of_it_goes_to_pixels(six: tuple[str, nn.Module, Tensor]) -> None:
    _, model, pixels = six
    found = RelevanceNetwork(model).relevance(pixels, composite(f"{DEFAULT}-unbiased"), limits=LIMITS)
    assert bool((found.bias == 0).all())
    total = found.pixels.flatten(1).sum(1) + found.absorbed
    assert float(((total - found.target) / found.target).abs().max()) <= 1e-6
    assert float((found.absorbed / found.target).abs().max()) <= 1e-6
    assert float(found.spread.max()) <= 10


@pytest.mark.parametrize("rules", [name for name in COMPOSITES if name != DEFAULT])
@pytest.mark.parametrize("name", ["resnet18", "googlenet", "mobilenet_v2"])
def test_every_composite_accounts_for_the_logit(name: str, rules: str) -> None:
    model, pixels = made(name)
    found = RelevanceNetwork(model).relevance(pixels[:1], composite(rules), limits=LIMITS)
    flows = found.pixels.abs().flatten(1).sum(1) + found.bias.abs() + found.target.abs()
    assert float((found.gap.abs() / flows).max()) <= 1e-9


def state(model: nn.Module) -> dict[str, Any]:
    hooks = Counter(len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in model.modules())
    return {
        "values": {key: (value.clone(), value.data_ptr()) for key, value in model.state_dict(keep_vars=True).items()},
        "modules": [(name, id(module), type(module), module.training) for name, module in model.named_modules()],
        "attributes": [{k: v for k, v in vars(module).items() if not k.startswith("_")} for module in model.modules()],
        "gradients": [p.grad is None for p in model.parameters()],
        "hooks": hooks,
    }


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["alexnet", "densenet121", "googlenet"])
def test_the_network_is_left_as_it_was(name: str, training: bool) -> None:
    model, pixels = made(name)
    model = copy.deepcopy(model).train(training)
    called: list[int] = []
    handle = next(iter(model.children())).register_forward_hook(lambda *_: called.append(1))
    before = state(model)
    RelevanceNetwork(model).relevance(pixels, limits=LIMITS)
    after = state(model)
    assert called == []
    handle.remove()
    values, later = before.pop("values"), after.pop("values")
    assert before == after
    assert values.keys() == later.keys()
    assert all(torch.equal(values[k][0], later[k][0]) and values[k][1] == later[k][1] for k in values)


class _Convolutions(TorchDispatchMode):
    """Counts what a pass costs: convolutions, and the two kinds of their transposes."""

    def __init__(self) -> None:
        super().__init__()
        self.forward = self.backward = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._overloadpacket._qualified_op_name
        self.forward += name == "aten::convolution"
        self.backward += name == "aten::convolution_backward"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "rules", [DEFAULT, f"{DEFAULT}-unbiased", "epsilon-plus-flat", "epsilon-gamma-box", "epsilon-alpha2-beta1-box"]
)
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_a_photo_costs_at_most_ten_passes(name: str, rules: str) -> None:
    model, pixels = made(name)
    prepared = RelevanceNetwork(model)
    with _Convolutions() as once:
        model(pixels[:1].requires_grad_()).max().backward()
    with _Convolutions() as counted:
        prepared.relevance(pixels[:1].detach(), composite(rules), limits=LIMITS)
    for parameter in model.parameters():
        parameter.grad = None
    assert once.forward == once.backward > 0
    assert counted.forward <= 10 * once.forward
    assert counted.backward <= 10 * once.backward
    assert counted.forward >= once.forward


def zennit_relevance(model: nn.Module, pixels: Tensor, made_composite: Any, chosen: Tensor) -> Tensor:
    point = pixels.clone().requires_grad_()
    with made_composite.context(model) as modified:
        logits = modified(point)
        start = torch.zeros_like(logits).scatter(1, chosen[:, None], logits.detach().gather(1, chosen[:, None]))
        (relevance,) = torch.autograd.grad(logits, point, start)
    return relevance


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("epsilon-plus", "EpsilonPlus"),
        ("epsilon-plus-flat", "EpsilonPlusFlat"),
        ("epsilon-gamma-box", "EpsilonGammaBox"),
        ("epsilon-alpha2-beta1", "EpsilonAlpha2Beta1"),
    ],
)
@pytest.mark.parametrize("name", ["vgg11", "resnet18"])
def test_zennit_gives_the_same(name: str, ours: str, theirs: str) -> None:
    """Zennit's canonizers leave `eps` in the merged batch normalisation: for the oracle it is set to zero."""
    pytest.importorskip("zennit", reason="zennit is not installed")
    from zennit import composites
    from zennit import torchvision as canonizers

    pixels = photos(2, 32)
    model = network(name, pixels)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var += module.eps
            module.eps = 0.0
    canonizer = canonizers.VGGCanonizer() if name == "vgg11" else canonizers.ResNetCanonizer()
    options = {"low": LIMITS[0], "high": LIMITS[1]} if "Box" in theirs else {}
    found = RelevanceNetwork(model).relevance(pixels, composite(ours), limits=LIMITS)
    oracle = getattr(composites, theirs)(canonizers=[canonizer], stabilizer=1e-9, **options)
    expected = zennit_relevance(model, pixels, oracle, found.logits.argmax(1))
    assert float((found.pixels - expected).abs().max()) <= 1e-6 * float(expected.abs().max())


class _Odd(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.fft(x).real.mean((2, 3))


class _Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) if x.sum() > 0 else x.amax((2, 3))


@pytest.mark.parametrize("model", [_Odd(), _Branching(), nn.Sequential(nn.Conv2d(3, 3, 1), nn.LayerNorm(4)), nn.ReLU()])
def test_what_has_no_rule_is_refused(model: nn.Module) -> None:
    with pytest.raises(LrpError, match=r"gradient-input|nothing to explain"):
        RelevanceNetwork(model)


def test_the_box_needs_limits_that_hold() -> None:
    model, pixels = made("alexnet")
    prepared = RelevanceNetwork(model)
    with pytest.raises(ValueError, match="give limits"):
        prepared.relevance(pixels)
    with pytest.raises(ValueError, match="lies beyond"):
        prepared.relevance(pixels + 10, limits=LIMITS)
    with pytest.raises(ValueError, match="take one of"):
        composite("lrp")


def test_imagenet_googlenet_scales_its_input() -> None:
    """With ImageNet's weights torchvision's GoogLeNet rescales the channels first; the box goes along."""
    model, pixels = made("googlenet")
    model = copy.deepcopy(model)
    model.transform_input = True
    found = RelevanceNetwork(model).relevance(pixels, limits=LIMITS)
    assert float((found.logits - model(pixels).detach()).abs().max()) <= 1e-9
    total = found.pixels.flatten(1).sum(1) + found.bias
    assert float(((total - found.target) / found.target).abs().max()) <= 1e-6


def test_a_gate_has_no_relevance() -> None:
    """A squeeze-and-excitation block: the signal keeps all."""

    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.gate, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 3)
            self.sigmoid = nn.Sigmoid()

        def forward(self, x: Tensor) -> Tensor:
            y = torch.relu(self.first(x))
            return self.head((y * self.sigmoid(self.gate(y.mean((2, 3), keepdim=True)))).mean([2, 3]))

    torch.manual_seed(1)
    pixels = photos(2, 16)
    found = RelevanceNetwork(Gated().double()).relevance(pixels, limits=LIMITS)
    assert float(found.gap.abs().max()) <= 1e-9
    assert float(found.spread.max()) <= 9

"""Each rule against its formula, written out as loops over a small layer."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")

from torch import Tensor  # noqa: E402

from melascope.lab.lrp.linear import Convolution, Dense, Plain, Scale  # noqa: E402
from melascope.lab.lrp.rules import AlphaBeta, Box, Epsilon, Flat, Gamma, Rule, SignedPlus, ZPlus  # noqa: E402

pytestmark = pytest.mark.torch
RULES: dict[str, Rule] = {
    "epsilon": Epsilon(0.01),
    "zplus": ZPlus(),
    "signed": SignedPlus(),
    "alphabeta": AlphaBeta(2, 1),
    "gamma": Gamma(0.25),
    "signed, unbiased": SignedPlus(biases=False),
    "gamma, unbiased": Gamma(0.25, biases=False),
    "box": Box(),
    "flat": Flat(),
}
LOW, HIGH = -2.5, 2.5


def literal(name: str, w: Tensor, b: Tensor, x: Tensor, r: Tensor) -> tuple[list[float], float]:
    """R_j of one photo and the bias's share: w (K, J), b (K,), x (J,), r (K,). Nothing but scalars.

    Epsilon, z-plus, alpha-beta: Bach et al. 2015, eq. 58 and 60. Box: Montavon et al. 2017, table 1. Gamma: Montavon et
    al. 2019, table 10.1, with the sign of the output as Andéol et al. 2021 have it. Flat: Lapuschkin et al. 2017.
    """
    found, rest = [0.0] * len(x), 0.0
    for k in range(len(b)):
        terms = [float(x[j] * w[k, j]) for j in range(len(x))] + [float(b[k])]  # the bias is the last term
        z = sum(terms)
        if name.endswith("unbiased"):
            terms[-1] = 0.0
            z = sum(terms) if name.startswith("gamma") else z
        plus, minus = [max(t, 0.0) for t in terms], [min(t, 0.0) for t in terms]
        if name == "epsilon":
            shares = [t / (z + (0.01 if z >= 0 else -0.01)) for t in terms]
        elif name == "zplus":
            shares = [t / sum(plus) for t in plus]
        elif name.startswith("signed"):
            own = plus if z >= 0 else minus
            shares = [t / sum(own) for t in own] if any(own) else [1 / len(x)] * len(x) + [0.0]
        elif name == "alphabeta":
            alpha = 2 if sum(minus) < 0 < sum(plus) else 1 if sum(plus) > 0 else 0  # ours: one sign alone takes all
            up, down = sum(plus) or 1, sum(minus) or -1
            shares = [alpha * p / up + (1 - alpha) * m / down for p, m in zip(plus, minus, strict=True)]
        elif name.startswith("gamma"):
            own = plus if z >= 0 else minus
            shares = [(t + 0.25 * o) / (z + 0.25 * sum(own)) for t, o in zip(terms, own, strict=True)]
        elif name == "box":
            boxed = [
                float(x[j] * w[k, j]) - LOW * max(float(w[k, j]), 0) - HIGH * min(float(w[k, j]), 0)
                for j in range(len(x))
            ]
            shares = [t / sum(boxed) for t in boxed] + [0.0]
        else:
            shares = [1 / len(x)] * len(x) + [0.0]
        for j in range(len(x)):
            found[j] += shares[j] * float(r[k])
        rest += shares[-1] * float(r[k])
    return found, rest


def drawn(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return numbers(3, 6), 0.3 * numbers(3), numbers(2, 6).clamp(-2.4, 2.4), numbers(2, 3)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_rule_is_its_formula(name: str, seed: int) -> None:
    w, b, x, r = drawn(seed)
    limits = (torch.full_like(x, LOW), torch.full_like(x, HIGH))
    shares = RULES[name].share(Dense(w, b), x, x @ w.T + b, r, limits)
    for photo in range(2):
        inputs, bias = literal(name, w, b, x[photo], r[photo])
        assert shares.inputs[photo].tolist() == pytest.approx(inputs, rel=1e-6, abs=1e-9)
        assert float(shares.bias[photo]) == pytest.approx(bias, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("seed", [3, 4])
def test_nothing_is_lost(name: str, seed: int) -> None:
    w, b, x, r = drawn(seed)
    limits = (torch.full_like(x, LOW), torch.full_like(x, HIGH))
    shares = RULES[name].share(Dense(w, b), x, x @ w.T + b, r, limits)
    assert torch.allclose(shares.inputs.sum(1) + shares.bias + shares.absorbed, r.sum(1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", RULES)
def test_a_convolution_is_the_dense_layer_of_its_matrix(name: str) -> None:
    generator = torch.Generator().manual_seed(9)
    weight = torch.randn(4, 2, 3, 2, generator=generator, dtype=torch.float64)
    bias = torch.randn(4, generator=generator, dtype=torch.float64)
    x = torch.randn(1, 4, 5, 4, generator=generator, dtype=torch.float64).clamp(-2.4, 2.4)
    layer = Convolution(weight, bias.view(1, -1, 1, 1), (2, 1), (1, 0), (1, 2), 2)
    z = layer.run(x) + layer.bias
    relevance = torch.randn(z.shape, generator=generator, dtype=torch.float64)
    columns = [layer.run(unit.view(x.shape)).flatten() for unit in torch.eye(x.numel(), dtype=torch.float64)]
    matrix = torch.stack(columns, 1)
    flat_matrix = torch.stack(
        [layer.run(unit.view(x.shape), "flat").flatten() for unit in torch.eye(x.numel(), dtype=torch.float64)], 1
    )
    limits = (torch.full_like(x, LOW), torch.full_like(x, HIGH))
    shares = RULES[name].share(layer, x, z, relevance, limits)
    spread = bias.repeat_interleave(z[0, 0].numel())
    if name == "flat":
        expected = [float(v) for v in (flat_matrix / flat_matrix.sum(1, keepdim=True)).T @ relevance.flatten()]
    else:
        expected, _ = literal(name, matrix, spread, x.flatten(), relevance.flatten())
    assert shares.inputs.flatten().tolist() == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_where_one_sign_is_missing_the_other_takes_all() -> None:
    x = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    layer = Dense(torch.tensor([[1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64), None)
    relevance = torch.tensor([[3.0, 6.0]], dtype=torch.float64)
    shares = AlphaBeta().share(layer, x, layer.run(x), relevance, (x, x))
    assert shares.inputs.tolist()[0] == pytest.approx([3.0, 6.0])
    assert float(shares.absorbed) == pytest.approx(0, abs=1e-7)


def test_an_output_that_owes_all_to_its_bias_falls_to_all_inputs_alike() -> None:
    x = torch.tensor([[1.0, 2.0, 0.0]], dtype=torch.float64)
    w, b = torch.tensor([[-1.0, -0.5, 2.0]], dtype=torch.float64), torch.tensor([5.0], dtype=torch.float64)
    relevance = torch.tensor([[3.0]], dtype=torch.float64)
    shares = SignedPlus(biases=False).share(Dense(w, b), x, x @ w.T + b, relevance, (x, x))
    assert shares.inputs.tolist()[0] == pytest.approx([1.0, 1.0, 1.0])
    assert float(shares.bias) == float(shares.absorbed) == 0


def test_where_nothing_can_be_shared_the_account_says_so() -> None:
    x = torch.zeros(1, 2, dtype=torch.float64)
    layer = Dense(torch.ones(1, 2, dtype=torch.float64), None)
    shares = ZPlus().share(layer, x, layer.run(x), torch.tensor([[5.0]], dtype=torch.float64), (x, x))
    assert shares.inputs.tolist() == [[0, 0]]
    assert float(shares.absorbed) == 5


@pytest.mark.parametrize("distance", [1e-12, 1e-6, 1.0])
def test_gamma_never_grows_beyond_its_bound(distance: float) -> None:
    """z is the small difference of two large terms: epsilon explodes there, gamma 0.25 stays below 9."""
    x = torch.tensor([[1.0, 1.0]], dtype=torch.float64)
    layer = Dense(torch.tensor([[1.0 + distance, -1.0]], dtype=torch.float64), None)
    z = layer.run(x)
    spread = Gamma(0.25).share(layer, x, z, torch.ones_like(z), (x, x)).inputs.abs().sum()
    assert float(spread) <= 9 + 1e-6
    if distance < 1e-3:
        assert float(Epsilon(0).share(layer, x, z, torch.ones_like(z), (x, x)).inputs.abs().sum()) > 1e5


def test_signed_plus_never_grows() -> None:
    for seed in range(5):
        w, b, x, r = drawn(seed)
        shares = SignedPlus().share(Dense(w, b), x, x @ w.T + b, r, (x, x))
        assert float(shares.inputs.abs().sum()) <= float(r.abs().sum()) + 1e-9


def test_scale_and_mean_are_linear_maps() -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(2, 3, 4, 4, generator=generator, dtype=torch.float64)
    factor = torch.tensor([1.5, -0.5, 2.0], dtype=torch.float64).view(1, 3, 1, 1)
    for layer, s in ((Scale(factor, None), x.flip(3)), (Plain(torch.nn.AvgPool2d(2)), x[..., :2, :2])):
        assert float((layer.run(x) * s).sum()) == pytest.approx(float((x * layer.back(s, x)).sum()))


@pytest.mark.parametrize(("make", "word"), [(lambda: AlphaBeta(2, 0.5), "2, 1"), (lambda: Gamma(-1), "0.25")])
def test_impossible_parameters_are_refused(make: object, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        make()  # type: ignore[operator]

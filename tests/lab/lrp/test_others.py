"""What layer-wise relevance propagation is compared with: gradients, integrated gradients, occlusion."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")

from torch import nn  # noqa: E402

from melascope.lab.lrp.gradients import gradient_input, integrated_gradients  # noqa: E402
from melascope.lab.lrp.occlusion import occlusion  # noqa: E402

pytestmark = pytest.mark.torch


def small() -> nn.Module:
    torch.manual_seed(4)
    layers = nn.Conv2d(3, 5, 3, stride=2), nn.Softplus(), nn.Flatten(), nn.Linear(45, 3)
    return nn.Sequential(*layers).double().eval()


def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(8)
    return torch.randn(2, 3, 8, 8, generator=generator, dtype=torch.float64), torch.tensor([2, 0])


def test_gradient_input_is_a_difference_quotient_times_the_pixel() -> None:
    network, (pixels, classes) = small(), drawn()
    found = gradient_input(network, pixels, classes)
    for place in ((0, 1, 3, 4), (1, 2, 0, 7)):
        step = torch.zeros_like(pixels)
        step[place] = 1e-5
        with torch.no_grad():
            rise = (network(pixels + step) - network(pixels - step))[place[0], classes[place[0]]] / 2e-5
        assert float(found[place]) == pytest.approx(float(rise * pixels[place]), rel=1e-6, abs=1e-12)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_integrated_gradients_add_up_to_the_difference() -> None:
    network, (pixels, classes) = small(), drawn()
    baseline = torch.full((1, 3, 1, 1), -2.0, dtype=torch.float64)
    found = integrated_gradients(network, pixels, classes, baseline, steps=200)
    with torch.no_grad():
        rise = network(pixels) - network(baseline.expand_as(pixels))
    assert found.flatten(1).sum(1).tolist() == pytest.approx(rise.gather(1, classes[:, None])[:, 0].tolist(), rel=1e-4)


def test_captum_gives_the_same_integrated_gradients() -> None:
    captum = pytest.importorskip("captum.attr", reason="captum is not installed")
    network, (pixels, classes) = small(), drawn()
    baseline = torch.full_like(pixels, -2.0)
    expected = captum.IntegratedGradients(network).attribute(
        pixels, baseline, target=classes, n_steps=24, method="riemann_middle"
    )
    found = integrated_gradients(network, pixels, classes, baseline, steps=24)
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-7)  # its steps are in single precision


@pytest.mark.parametrize(("side", "stride"), [(3, None), (4, 2)])
def test_occlusion_is_its_definition(side: int, stride: int | None) -> None:
    network, (pixels, classes) = small(), drawn()
    fill = torch.zeros(1, 3, 1, 1, dtype=torch.float64)
    found = occlusion(network, pixels, classes, fill, side, stride)
    step = stride or side
    for photo in range(2):
        falls: dict[tuple[int, int], list[float]] = {}
        for top in range(0, 8, step):
            for left in range(0, 8, step):
                covered = pixels[photo : photo + 1].clone()
                places = [(y, x) for y in range(top, min(8, top + side)) for x in range(left, min(8, left + side))]
                for y, x in places:
                    covered[0, :, y, x] = 0
                with torch.no_grad():
                    fall = float((network(pixels[photo : photo + 1]) - network(covered))[0, classes[photo]])
                for place in places:
                    falls.setdefault(place, []).append(fall / len(places))
        for (y, x), values in falls.items():
            assert float(found[photo, 0, y, x]) == pytest.approx(sum(values) / len(values))


def test_a_network_in_training_is_refused() -> None:
    network, (pixels, classes) = small().train(), drawn()
    with pytest.raises(ValueError, match=r"eval\(\)"):
        gradient_input(network, pixels, classes)
    with pytest.raises(ValueError, match=r"eval\(\)"):
        occlusion(network, pixels, classes, pixels, 4)

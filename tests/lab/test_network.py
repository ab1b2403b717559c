"""The network and its loss, where torch is installed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from melascope.lab.skin.teacher import IGNORE, SOME_SKIN
from melascope.vocabulary import SKIN, Region

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
pytest.importorskip("torchvision", reason="torchvision is not installed: `make lab` adds it")

from melascope.lab.skin.network import CLASSES, SkinNetwork, load_imagenet, renormalise  # noqa: E402
from melascope.lab.skin.train import loss_of  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def network() -> SkinNetwork:
    torch.manual_seed(1)
    return SkinNetwork().eval()


@pytest.mark.parametrize(("count", "side"), [(1, 64), (2, 96), (1, 256)])
def test_maps_have_half_the_side(network: SkinNetwork, count: int, side: int) -> None:
    with torch.no_grad():
        maps = network(torch.zeros(count, 3, side, side))
    assert maps.shape == (count, 19, side // 2, side // 2)
    assert CLASSES + 2 == 19


def test_the_first_blocks_stay_frozen(network: SkinNetwork) -> None:
    network.train()
    network(torch.rand(2, 3, 64, 64)).sum().backward()
    frozen = [p.grad for block in network.encoder[:3] for p in block.parameters()]
    assert all(gradient is None for gradient in frozen)
    others = [p.grad for block in network.encoder[3:] for p in block.parameters()]
    assert all(gradient is not None for gradient in others)
    assert not any(module.training for block in network.encoder[:3] for module in block.modules())
    assert network.encoder[3].training


def test_renormalising_changes_statistics_and_not_outputs(network: SkinNetwork) -> None:
    pixels = torch.rand(4, 3, 96, 96) * 2 - 1
    with torch.no_grad():
        before = network(pixels)
    means = [m.running_mean.clone() for m in network.encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    renormalise(network, pixels)
    with torch.no_grad():
        after = network(pixels)
    assert before.std() > 1e-3
    assert float((after - before).abs().max()) < 1e-4
    now = [m.running_mean for m in network.encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert all((a != b).any() for a, b in zip(means, now, strict=True))


def test_imagenet_weights_reach_the_encoder(network: SkinNetwork, tmp_path: Path) -> None:
    from torchvision.models import mobilenet_v2

    torch.manual_seed(2)
    whole = mobilenet_v2(weights=None)
    torch.save(whole.state_dict(), tmp_path / "weights.pt")
    load_imagenet(network, tmp_path / "weights.pt")
    for mine, theirs in zip(network.encoder.parameters(), whole.features[:17].parameters(), strict=True):
        assert (mine == theirs).all()


def slow_regions(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Region loss, one pixel at a time, in double precision."""
    weights = {Region.BACKGROUND: 0.6, Region.HAIR: 0.6, Region.OTHER_SKIN: 0.7, Region.NECK: 0.7}
    total, known = 0.0, 0
    for n, y, x in np.ndindex(labels.shape):
        label = int(labels[n, y, x])
        if label == IGNORE:
            continue
        known += 1
        odds = [math.exp(float(v)) for v in outputs[n, :CLASSES, y, x]]
        chance = [o / sum(odds) for o in odds]
        if label == SOME_SKIN:
            total += 0.7 * -math.log(sum(chance[region] for region in SKIN))
        else:
            total += weights.get(Region(label), 1.0) * -math.log(chance[label])
    return total / max(known, 1)


def slow_pigment(outputs: np.ndarray, labels: np.ndarray, pigment: np.ndarray) -> tuple[float, float]:
    """Weighted means of the cross-entropy of the cover and of the error of the density, likewise."""
    entropy, error, mass = 0.0, 0.0, 0.0
    for n, y, x in np.ndindex(labels.shape):
        label = int(labels[n, y, x])
        if label == IGNORE:
            continue
        cover, density, told = (float(v) for v in pigment[n, :, y, x])
        target = min(1.0, max(0.0, 2 * (cover - 0.25)))
        disease = 1 / (1 + math.exp(-float(outputs[n, CLASSES, y, x])))
        weight = told * (1.0 if label in SKIN else 0.1)
        entropy += weight * -(target * math.log(disease) + (1 - target) * math.log(1 - disease))
        error += weight * abs(float(outputs[n, CLASSES + 1, y, x]) - density)
        mass += weight
    return entropy / max(mass, 1.0), error / max(mass, 1.0)


def tiny(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    outputs = rng.normal(0, 2, (2, CLASSES + 2, 6, 7)).astype(np.float32)
    labels = rng.choice([*Region, SOME_SKIN, IGNORE], (2, 6, 7)).astype(np.uint8)
    labels[0, 0, :4] = SOME_SKIN, IGNORE, Region.NECK, Region.BACKGROUND
    told = rng.choice([0.0, 0.5, 1.0], (2, 1, 6, 7))
    pigment = np.concatenate([rng.uniform(0, 1, (2, 1, 6, 7)), rng.uniform(0, 0.3, (2, 1, 6, 7)), told], axis=1)
    return outputs, labels, pigment.astype(np.float32)


def loss(outputs: np.ndarray, labels: np.ndarray, pigment: np.ndarray) -> float:
    return float(loss_of(*(torch.from_numpy(part) for part in (outputs, labels, pigment))))


def balance() -> tuple[float, float]:
    """Factors of the cross-entropy and of the density's error, read off a single pixel: they are a matter of tuning."""
    labels, pigment = np.full((1, 1, 1), Region.CHIN, np.uint8), np.array([0.0, 0.0, 1.0], np.float32)
    outputs = np.zeros((1, CLASSES + 2, 1, 1), np.float32)
    outputs[:, Region.CHIN] = 50.0
    entropy = loss(outputs, labels, pigment.reshape(1, 3, 1, 1)) / math.log(2)
    outputs[:, CLASSES], outputs[:, CLASSES + 1] = -50.0, 1.0
    return entropy, loss(outputs, labels, pigment.reshape(1, 3, 1, 1))


@pytest.mark.parametrize("seed", range(4))
def test_the_loss_is_what_it_says(seed: int) -> None:
    outputs, labels, pigment = tiny(seed)
    untold = pigment * np.array([1, 1, 0], np.float32).reshape(1, 3, 1, 1)
    regions = slow_regions(outputs, labels)
    assert loss(outputs, labels, untold) == pytest.approx(regions, rel=1e-4)
    (a, b), (entropy, error) = balance(), slow_pigment(outputs, labels, pigment)
    assert min(a, b, entropy, error) > 0.1
    assert loss(outputs, labels, pigment) == pytest.approx(regions + a * entropy + b * error, rel=1e-4)


def test_pixels_to_ignore_do_not_count() -> None:
    outputs, labels, pigment = tiny(0)
    before = loss(outputs, labels, pigment)
    left_out = labels == IGNORE
    assert left_out.any()
    outputs[np.broadcast_to(left_out[:, None], outputs.shape)] += 3.0
    pigment[:, :2][np.broadcast_to(left_out[:, None], (2, 2, 6, 7))] = 0.9
    assert loss(outputs, labels, pigment) == pytest.approx(before, rel=1e-5)


def test_some_skin_asks_for_skin_of_any_place() -> None:
    labels, pigment = np.full((1, 2, 2), SOME_SKIN, np.uint8), np.zeros((1, 3, 2, 2), np.float32)
    for region in Region:
        outputs = np.zeros((1, CLASSES + 2, 2, 2), np.float32)
        outputs[:, region] = 20.0
        found = loss(outputs, labels, pigment)
        assert found < 1e-4 if region in SKIN else found > 5, region
    even = np.zeros((1, CLASSES + 2, 2, 2), np.float32)
    assert loss(even, labels, pigment) == pytest.approx(-0.7 * math.log(len(SKIN) / CLASSES), rel=1e-5)


def test_nothing_known_costs_nothing() -> None:
    outputs, labels, pigment = tiny(1)
    assert loss(outputs, np.full_like(labels, IGNORE), pigment) == 0.0

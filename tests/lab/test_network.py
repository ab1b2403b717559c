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

from torch.nn import functional  # noqa: E402

from melascope.lab.skin.network import (  # noqa: E402
    CLASSES,
    KINDS,
    MAPS,
    SkinNetwork,
    _Contrast,
    _contrasts,
    load_imagenet,
    renormalise,
)
from melascope.lab.skin.train import loss_of  # noqa: E402
from melascope.lab.skin.views import LOOK_ALIKE, UNKNOWN  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def network() -> SkinNetwork:
    torch.manual_seed(1)
    return SkinNetwork().eval()


@pytest.mark.parametrize(("count", "side"), [(1, 64), (2, 96), (1, 256)])
def test_maps_have_half_the_side(network: SkinNetwork, count: int, side: int) -> None:
    with torch.no_grad():
        maps = network(torch.zeros(count, 3, side, side))
    assert maps.shape == (count, 27, side // 2, side // 2)
    assert MAPS == 27


def test_what_is_quicker_to_train_computes_the_same(network: SkinNetwork) -> None:
    """1 x 1 convolutions as products, strides as every other pixel: against plain convolutions."""
    pixels = torch.rand(2, 3, 96, 96) * 2 - 1
    with torch.no_grad():
        plain = network(pixels)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.train()  # and the norms stay as they are
    quick = network(pixels)
    assert quick.requires_grad
    assert plain.std() > 1e-3
    assert float((quick.detach() - plain).abs().max()) < 1e-4


def test_the_first_blocks_stay_frozen(network: SkinNetwork) -> None:
    network.train()
    network(torch.rand(2, 3, 64, 64)).sum().backward()
    frozen = [p.grad for block in network.encoder[:3] for p in block.parameters()]
    assert all(gradient is None for gradient in frozen)
    others = [p.grad for block in network.encoder[3:] for p in block.parameters()]
    assert all(gradient is not None for gradient in others)
    assert not any(module.training for block in network.encoder[:3] for module in block.modules())
    assert network.encoder[3].training


def test_without_regions_only_the_parts_of_the_pigment_learn() -> None:
    torch.manual_seed(3)
    network = SkinNetwork(regions=False).train()
    pixels = torch.rand(2, 3, 64, 64) * 2 - 1
    before = {key: value.clone() for key, value in network.state_dict().items()}
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=0.01)
    outputs = network(pixels)
    (outputs - 1).square().mean().backward()
    optimiser.step()
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    assert {key.split(".")[0] for key in changed} == {
        name for name, _ in network.named_children() if name.startswith(("pigment", "kind", "contrast"))
    }
    network.eval()
    after = network(pixels)
    whole = SkinNetwork().eval()
    whole.load_state_dict(before)
    with torch.no_grad():
        assert torch.equal(after[:, :CLASSES], whole(pixels)[:, :CLASSES])
        assert not torch.allclose(after[:, CLASSES:], whole(pixels)[:, CLASSES:])


def test_the_contrast_path_has_no_say_before_it_has_learnt(network: SkinNetwork) -> None:
    pixels = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        before = network(pixels)
        for maps in network.contrast.enter:
            maps[0].weight.mul_(3.0)
        assert torch.equal(network(pixels), before)
        for maps in network.contrast.leave:
            maps[1].weight.fill_(1.0)
        after = network(pixels)
    assert torch.equal(after[:, :CLASSES], before[:, :CLASSES]), "regions do not look at it"
    assert not torch.allclose(after[:, CLASSES], before[:, CLASSES])


@pytest.mark.parametrize("level", range(3))
def test_the_contrast_path_compares_and_does_not_mind_brightness(level: int) -> None:
    """A mark of the same density is the same to it on skin of any lightness, but for the lightness itself."""
    mark = torch.zeros(1, 3, 64, 64)
    mark[:, :, 24:40, 24:40] = 0.1
    contrasts = [_contrasts(functional.avg_pool2d(skin + mark, 2**level))[:, 3:] for skin in (0.3, 1.5)]
    assert float(contrasts[0].abs().max()) > 0.1
    assert torch.allclose(*contrasts, atol=1e-5)


def test_in_half_precision_the_contrast_path_learns_from_the_same_gradient() -> None:
    torch.manual_seed(3)
    path = _Contrast().train()
    for lateral in path.leave:
        torch.nn.init.ones_(lateral[1].weight)
    density = torch.rand(2, 3, 112, 112).contiguous(memory_format=torch.channels_last)  # of a view of 224 pixels
    gradients = []
    for half in (False, True):
        path.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            maps = path(density)
        sum((x.float() * torch.linspace(-1, 1, x.shape[-1])).sum() for x in maps).backward()
        gradients.append({name: p.grad for name, p in path.named_parameters() if name.endswith("0.weight")})
    whole, halved = gradients
    assert any(torch.Size([48, 1, 3, 3]) == value.shape for value in whole.values())
    for name, value in whole.items():
        assert functional.cosine_similarity(value.flatten(), halved[name].flatten(), dim=0) > 0.9, name


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
        cover, density, told = (float(v) for v in pigment[n, :3, y, x])
        target = min(1.0, max(0.0, 2 * (cover - 0.25)))
        disease = 1 / (1 + math.exp(-float(outputs[n, CLASSES, y, x])))
        weight = told * (1.0 if label in SKIN else 0.1)
        entropy += weight * -(target * math.log(disease) + (1 - target) * math.log(1 - disease))
        error += weight * abs(float(outputs[n, CLASSES + 1, y, x]) - density)
        mass += weight
    return entropy / max(mass, 1.0), error / max(mass, 1.0)


def slow_kinds(outputs: np.ndarray, labels: np.ndarray, pigment: np.ndarray) -> tuple[float, float]:
    """Weighted mean of the cross-entropy of named marks, and mean of that of the depth of pigment, likewise."""
    rarity = (3.0, 5.0, 1.0, 2.0, 1.0, 3.0, 5.0)  # small lesions have few pixels
    which, below, mass, deep = 0.0, 0.0, 0.0, 0.0
    for n, y, x in np.ndindex(labels.shape):
        cover, _, told, kind, depth = (float(v) for v in pigment[n, :, y, x])
        if 0 < kind < UNKNOWN and int(labels[n, y, x]) != IGNORE:
            odds = [math.exp(float(v)) for v in outputs[n, CLASSES + 2 : CLASSES + 2 + KINDS, y, x]]
            weight = rarity[int(kind) - 1]
            which += weight * -math.log(odds[int(kind) - 1] / sum(odds))
            mass += weight
        if cover >= 0.5 and kind != LOOK_ALIKE and int(labels[n, y, x]) != IGNORE:
            share = 1 / (1 + math.exp(-float(outputs[n, MAPS - 1, y, x])))
            below += told * -(depth * math.log(share) + (1 - depth) * math.log(1 - share))
            deep += told
    return which / max(mass, 1.0), below / max(deep, 1.0)


def tiny(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    outputs = rng.normal(0, 2, (2, MAPS, 6, 7)).astype(np.float32)
    labels = rng.choice([*Region, SOME_SKIN, IGNORE], (2, 6, 7)).astype(np.uint8)
    labels[0, 0, :4] = SOME_SKIN, IGNORE, Region.NECK, Region.BACKGROUND
    told = rng.choice([0.0, 0.5, 1.0], (2, 1, 6, 7))
    kinds = rng.choice([0, 1, 2, 3, 4, 5, 6, LOOK_ALIKE, UNKNOWN], (2, 1, 6, 7))
    depth = rng.uniform(0, 1, (2, 1, 6, 7))
    pigment = [rng.uniform(0, 1, (2, 1, 6, 7)), rng.uniform(0, 0.3, (2, 1, 6, 7)), told, kinds, depth]
    pigment = np.concatenate(pigment, axis=1)
    return outputs, labels, pigment.astype(np.float32)


def loss(outputs: np.ndarray, labels: np.ndarray, pigment: np.ndarray) -> float:
    return float(loss_of(*(torch.from_numpy(part) for part in (outputs, labels, pigment))))


def balance() -> tuple[float, float]:
    """Factors of the cross-entropy and of the density's error, read off a single pixel: they are a matter of tuning."""
    labels, pigment = np.full((1, 1, 1), Region.CHIN, np.uint8), np.array([0.0, 0.0, 1.0, 0.0, 0.0], np.float32)
    outputs = np.zeros((1, MAPS, 1, 1), np.float32)
    outputs[:, Region.CHIN] = 50.0
    entropy = loss(outputs, labels, pigment.reshape(1, 5, 1, 1)) / math.log(2)
    outputs[:, CLASSES], outputs[:, CLASSES + 1] = -50.0, 1.0
    return entropy, loss(outputs, labels, pigment.reshape(1, 5, 1, 1))


@pytest.mark.parametrize("seed", range(4))
def test_the_loss_is_what_it_says(seed: int) -> None:
    outputs, labels, pigment = tiny(seed)
    untold = pigment * np.array([1, 1, 0, 0, 0], np.float32).reshape(1, 5, 1, 1)
    regions = slow_regions(outputs, labels)
    assert loss(outputs, labels, untold) == pytest.approx(regions, rel=1e-4)
    (a, b), (entropy, error) = balance(), slow_pigment(outputs, labels, pigment)
    assert min(a, b, entropy, error) > 0.1
    unnamed = pigment * np.array([1, 1, 1, 0, 0], np.float32).reshape(1, 5, 1, 1)
    unnamed[:, 3] = LOOK_ALIKE  # neither a name that is asked for elsewhere nor pigment with a depth
    named = outputs.copy()
    named[:, CLASSES + 2 :] = 0.0
    named[:, CLASSES + 1 + LOOK_ALIKE] = 60.0
    assert loss(named, labels, unnamed) == pytest.approx(regions + a * entropy + b * error, rel=1e-4)
    which, below = slow_kinds(outputs, labels, pigment)
    assert min(which, below) > 0.1
    rest = loss(outputs, labels, pigment) - regions - a * entropy - b * error
    assert rest == pytest.approx(0.3 * which + 0.2 * below, rel=1e-3)


def test_pixels_to_ignore_do_not_count() -> None:
    outputs, labels, pigment = tiny(0)
    before = loss(outputs, labels, pigment)
    left_out = labels == IGNORE
    assert left_out.any()
    outputs[np.broadcast_to(left_out[:, None], outputs.shape)] += 3.0
    pigment[:, :2][np.broadcast_to(left_out[:, None], (2, 2, 6, 7))] = 0.9
    assert loss(outputs, labels, pigment) == pytest.approx(before, rel=1e-5)


def test_some_skin_asks_for_skin_of_any_place() -> None:
    labels, pigment = np.full((1, 2, 2), SOME_SKIN, np.uint8), np.zeros((1, 5, 2, 2), np.float32)
    for region in Region:
        outputs = np.zeros((1, MAPS, 2, 2), np.float32)
        outputs[:, region] = 20.0
        found = loss(outputs, labels, pigment)
        assert found < 1e-4 if region in SKIN else found > 5, region
    even = np.zeros((1, MAPS, 2, 2), np.float32)
    assert loss(even, labels, pigment) == pytest.approx(-0.7 * math.log(len(SKIN) / CLASSES), rel=1e-5)


def test_regions_that_stay_teach_nothing() -> None:
    outputs, labels, pigment = (torch.from_numpy(part) for part in tiny(2))
    for regions in (True, False):
        leaf = outputs.clone().requires_grad_()
        found = loss_of(leaf, labels, pigment, regions=regions)
        found.backward()
        assert leaf.grad is not None
        assert bool(leaf.grad[:, :CLASSES].any()) is regions
        assert leaf.grad[:, CLASSES:].any()
        assert float(found.detach()) == pytest.approx(float(loss_of(outputs, labels, pigment)))


def test_nothing_known_costs_nothing() -> None:
    outputs, labels, pigment = tiny(1)
    assert loss(outputs, np.full_like(labels, IGNORE), pigment) == 0.0

"""Architectures, weights and the loss, where torch is installed."""

from __future__ import annotations

import json
import math
import urllib.error
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
pytest.importorskip("torchvision", reason="torchvision is not installed: `make lab` adds it")
pytest.importorskip("lightning", reason="lightning is not installed: `make lab` adds it")

from melascope.lab.severity.calibrate import calibrated, fit, fold  # noqa: E402
from melascope.lab.severity.cards import CARDS, NAMES  # noqa: E402
from melascope.lab.severity.feed import Learnt, Order, Varied, loader  # noqa: E402
from melascope.lab.severity.lesson import Lesson, class_weights, loss_of, masi_of, rates, scaled  # noqa: E402
from melascope.lab.severity.recipe import Recipe, read_recipe  # noqa: E402
from melascope.lab.severity.registry import (  # noqa: E402
    NoSuchNetwork,
    build,
    head_of,
    last_features,
    outputs_of,
    resize_head,
    without_training_heads,
)
from melascope.lab.severity.run import averaged  # noqa: E402
from melascope.lab.severity.weights import WeightsError, _is_folded, start  # noqa: E402

pytestmark = pytest.mark.torch
OURS, PAPERS = read_recipe("melascope"), read_recipe("zhang2025")


@pytest.mark.parametrize("name", NAMES)
def test_the_cards_tell_what_torchvision_builds(name: str) -> None:
    from torchvision.models import get_model_weights

    card = CARDS[name]
    for classes, told in ((1000, card.parameters), (3, card.parameters_of_three)):
        with torch.device("meta"):
            network = without_training_heads(build(name, classes))
        assert sum(p.numel() for p in network.parameters()) == told
        assert head_of(name, network)[1].weight.shape[0] == classes
    meta = next(iter(get_model_weights(name))).meta
    assert (card.parameters, card.billions, card.megabytes) == (meta["num_params"], meta["_ops"], meta["_file_size"])
    assert card.imagenet_accuracy == meta["_metrics"]["ImageNet-1K"]["acc@1"]
    if card.auxiliary:
        with torch.device("meta"):
            assert all(hasattr(build(name), head) for head in card.auxiliary)


@pytest.mark.parametrize("name", [name for name in NAMES if CARDS[name].pooled])
def test_scores_are_sums_over_places_where_the_card_says_so(name: str) -> None:
    if name == "densenet121":
        pytest.skip("slow; the same code path as the others, checked at every export")
    network = without_training_heads(build(name)).eval()
    pictures = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        features, head = last_features(name, network, pictures), head_of(name, network)[1]
        assert features is not None and features.ndim == 4
        assert torch.allclose(features.mean(dim=(2, 3)) @ head.weight.T + head.bias, network(pictures), atol=1e-5)


def test_googlenet_has_auxiliary_heads_in_training_only() -> None:
    network = build("googlenet", classes=4)
    main, others = outputs_of(network, torch.rand(2, 3, 64, 64))
    assert main.shape == (2, 4) and [each.shape for each in others] == [(2, 4), (2, 4)]
    assert outputs_of(network.eval(), torch.rand(2, 3, 64, 64))[1] == ()


def test_timm_by_name() -> None:
    pytest.importorskip("timm", reason="timm is not installed: `make lab` adds it")
    network = build("timm:resnet10t", classes=4).eval()
    assert head_of("timm:resnet10t", network)[1].out_features == 4
    resize_head("timm:resnet10t", network, 3)
    assert network(torch.rand(1, 3, 32, 32)).shape == (1, 3)
    with pytest.raises(NoSuchNetwork, match="timm has no network 'resnet10q'"):
        build("timm:resnet10q")


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(NoSuchNetwork, match="alexnet, resnet18, googlenet, vgg16, densenet121, mobilenet_v2"):
        build("googlenet2")


def test_a_resized_head_keeps_what_it_is_told_to_keep() -> None:
    network = build("mobilenet_v2", classes=4).eval()
    pictures = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        before = network(pictures)
        assert torch.allclose(resize_head("mobilenet_v2", network, 3)(pictures), before[:, :3], atol=1e-6)
        old = head_of("mobilenet_v2", network)[1].weight.clone()
        resize_head("mobilenet_v2", network, 3, keep=False)
    assert not torch.equal(head_of("mobilenet_v2", network)[1].weight, old)


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    """Of a MobileNetV2 of ImageNet's classes."""
    return build("mobilenet_v2", classes=1000).state_dict()


class TestWeights:
    """Never a silent random start."""

    def test_offline_is_one_sentence_with_the_way_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def offline(*_: object, **__: object) -> None:
            raise urllib.error.URLError("Name or service not known")

        monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
        with pytest.raises(WeightsError) as caught:
            start("mobilenet_v2", "imagenet")
        assert str(caught.value) == (
            "ImageNet weights of MobileNetV2 cannot be had from here (Name or service not known): use --weights none "
            "(a random start) or --weights FILE"
        )

    def test_imagenets_body_with_a_head_of_ones_own(
        self, monkeypatch: pytest.MonkeyPatch, state: dict[str, Any]
    ) -> None:
        monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: state)
        begun = start("mobilenet_v2", "imagenet", classes=4)
        mine = begun.network.state_dict()
        assert begun.trained and begun.scaling == CARDS["mobilenet_v2"].scaling
        assert torch.equal(mine["features.0.0.weight"], state["features.0.0.weight"])
        assert mine["classifier.1.weight"].shape == (4, 1280)
        assert not torch.equal(mine["classifier.1.weight"], state["classifier.1.weight"][:4])

    @pytest.mark.parametrize("ending", ["pth", "safetensors"])
    def test_files_of_weights(self, tmp_path: Path, ending: str, state: dict[str, Any]) -> None:
        from safetensors.torch import save_file

        path = tmp_path / f"mine.{ending}"
        if ending == "pth":
            torch.save({"state_dict": state}, path)
        else:
            save_file(state, str(path))
        begun = start("mobilenet_v2", str(path))
        assert torch.equal(
            begun.network.state_dict()["features.3.conv.0.0.weight"], state["features.3.conv.0.0.weight"]
        )
        assert begun.note == path.name and begun.trained and len(begun.sha256) == 64
        with pytest.raises(WeightsError, match=f"{path.name} is no ResNet-18: it lacks conv1.weight"):
            start("resnet18", str(path))

    def test_a_pickle_is_never_run(self, tmp_path: Path) -> None:
        import pickle

        class Trap:
            def __reduce__(self) -> tuple[object, tuple[str]]:
                return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

        path = tmp_path / "trap.pth"
        path.write_bytes(pickle.dumps(Trap()))
        with pytest.raises(WeightsError, match="no file of weights alone"):
            start("mobilenet_v2", str(path))
        assert not (tmp_path / "sprung").exists()

    def test_folded_batch_norms_are_noticed(self, state: dict[str, Any]) -> None:
        assert _is_folded(state)  # a random start has mean 0 and variance 1 everywhere, as folded ones do
        changed = state["features.0.1.running_mean"] + 1
        assert not _is_folded({**state, "features.0.1.running_mean": changed})

    @pytest.mark.parametrize("what", ["absent", "folder"])
    def test_what_is_no_weights(self, tmp_path: Path, what: str) -> None:
        given = str(tmp_path / "x.pth") if what == "absent" else str(tmp_path)
        with pytest.raises(WeightsError, match="no such file or folder" if what == "absent" else "is no run"):
            start("resnet18", given)


class TestLoss:
    """Against a version that is written out term by term."""

    def slow(self, outputs: np.ndarray, targets: np.ndarray, masi: np.ndarray, weights: np.ndarray) -> float:
        total = 0.0
        for scores, target, rated in zip(outputs, targets, masi, strict=True):
            p = np.exp(scores[:3]) / np.exp(scores[:3]).sum()
            target = target * (1 - OURS.loss.smoothing) + OURS.loss.smoothing / 3
            entropy = -sum(target[c] * weights[c] * math.log(p[c]) for c in range(3))
            below = [(sum(p[: k + 1]) - sum(target[: k + 1])) ** 2 for k in range(2)]
            error = abs((16 + 8 * scores[3] - rated) / 8)
            smooth = 0.5 * error**2 if error < 1 else error - 0.5
            weight = sum(target[c] * weights[c] for c in range(3))
            total += entropy + OURS.loss.ordinal * weight * sum(below) + OURS.loss.masi * smooth
        return total / len(outputs)

    def test_ours(self) -> None:
        rng = np.random.default_rng(0)
        outputs, masi = rng.normal(0, 2, (6, 4)), rng.uniform(0, 48, 6)
        targets, weights = rng.dirichlet(np.ones(3), 6), np.array([0.7, 1.2, 1.5])
        found = loss_of(*(torch.tensor(x) for x in (outputs, targets, masi)), OURS.loss, torch.tensor(weights))
        assert float(found) == pytest.approx(self.slow(outputs, targets, masi, weights), rel=1e-6)

    def test_the_papers_is_cross_entropy(self) -> None:
        scores, classes = torch.randn(8, 3), torch.randint(0, 3, (8,))
        targets = torch.nn.functional.one_hot(classes, 3).float()
        found = loss_of(scores, targets, torch.zeros(8), PAPERS.loss, torch.tensor(class_weights((0.5, 0.3, 0.2), 0.0)))
        assert float(found) == pytest.approx(float(torch.nn.functional.cross_entropy(scores, classes)), rel=1e-6)

    def test_class_weights_leave_the_mean_at_one(self) -> None:
        shares = (0.6, 0.3, 0.1)
        weights = class_weights(shares, 0.5)
        assert sum(s * w for s, w in zip(shares, weights, strict=True)) == pytest.approx(1)
        assert weights[2] / weights[0] == pytest.approx((0.6 / 0.1) ** 0.5)
        assert class_weights(shares, 1.0)[0] * 0.6 == pytest.approx(class_weights(shares, 1.0)[2] * 0.1)


def test_the_rate_rises_and_falls() -> None:
    found = [rates(OURS.optimiser, step, 400, 10) for step in range(400)]
    assert found[0] == pytest.approx(1 / 20) and max(found) > 0.98
    assert found[200] == pytest.approx(0.5, abs=0.01) and found[-1] < 1e-4
    assert {rates(PAPERS.optimiser, step, 400, 10) for step in range(400)} == {1.0}


def test_early_layers_move_less_only_where_they_are_trained() -> None:
    recipe = replace(OURS, optimiser=replace(OURS.optimiser, average=0.0))
    with torch.device("meta"):
        network = build("mobilenet_v2", 4)

    def groups(trained: bool, recipe: Recipe) -> list[float]:
        scaling, shares = CARDS["mobilenet_v2"].scaling, (0.4, 0.3, 0.3)
        lesson = Lesson(network, recipe, scaling, shares, steps=9, steps_an_epoch=3, trained=trained, seed=1)
        found = lesson._groups()
        assert sum(len(group["params"]) for group in found) == len(list(network.parameters()))
        return [group["lr"] for group in found]

    slow = groups(True, recipe)
    assert slow == sorted(slow) and len(set(slow)) == len(slow) > 10
    assert (slow[0], slow[-1]) == (pytest.approx(1e-3 * OURS.optimiser.depth), pytest.approx(1e-3))
    assert groups(False, recipe) == [1e-3] == groups(True, PAPERS)


def test_scaling_is_the_cards() -> None:
    pixels = torch.randint(0, 256, (2, 4, 4, 3), dtype=torch.uint8)
    found = scaled(pixels, CARDS["resnet18"].scaling)
    assert found.shape == (2, 3, 4, 4)
    assert float(found[1, 2, 3, 0]) == pytest.approx((int(pixels[1, 3, 0, 2]) / 255 - 0.406) / 0.225, rel=1e-5)


class TestFeed:
    """Order and variations depend on seed and epoch alone."""

    def learnt(self, count: int = 9) -> Learnt:
        pixels = np.random.default_rng(1).integers(0, 255, (count, 8, 8, 3)).astype(np.uint8)
        return Learnt(pixels, np.arange(count), np.eye(3, dtype=np.float32)[[0] * count], np.zeros(count, np.int64),
                      np.arange(count, dtype=np.float32))  # fmt: skip

    def batches(self, epoch: int, workers: int = 0) -> list[np.ndarray]:
        order = Order(9, seed=5, batch=4)
        order.set_epoch(epoch)
        feed = loader(Varied(self.learnt(), PAPERS.augment, 5), order, 4, workers)
        return [batch[0].numpy() for batch in feed]

    def test_an_epoch_is_the_same_each_time_and_another_one_is_not(self) -> None:
        assert all(np.array_equal(a, b) for a, b in zip(self.batches(2), self.batches(2), strict=True))
        assert not np.array_equal(self.batches(2)[0], self.batches(3)[0])

    def test_a_rest_of_one_is_left_out_in_training_only(self) -> None:
        assert [len(batch) for batch in self.batches(0)] == [4, 4]
        plain = loader(Varied(self.learnt(), None, 5), Order(9, None, batch=4), 4, 0)
        assert [batch[3].tolist() for batch in plain] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]

    def test_processes_share_an_epoch(self) -> None:
        shares = []
        for rank in range(3):
            order = Order(10, seed=1, rank=rank, of=3)
            order.set_epoch(4)
            shares.append([i for _, i in order])
        assert [len(share) for share in shares] == [4, 4, 4]
        assert {i for share in shares for i in share} == set(range(10))
        whole = [[i for _, i in Order(10, None, rank, 3)] for rank in range(3)]
        assert sorted(i for share in whole for i in share) == list(range(10))


class TestCalibration:
    """Folded into the last layer, it is what it is told to be."""

    def test_folding_is_calibrating(self) -> None:
        head, features = torch.nn.Linear(5, 4), torch.randn(7, 5)
        with torch.no_grad():
            before = head(features).numpy()
            new = calibrated(before, 0.7, 1.3)
            fold(head, fit(before[None], np.array([0, 1, 2, 0, 1, 2, 0]), True).__class__(0.7, 1.3))
            assert np.allclose(head(features).numpy(), new, atol=1e-5)
        masi = masi_of(torch.tensor(before)).numpy()
        assert np.allclose(new[:, 1] - 0.7 * before[:, 1], 1.3 * (masi - 16) / 8, atol=1e-5)
        assert np.allclose(new[:, 2] - 0.7 * before[:, 2], 1.3 * ((masi - 16) + (masi - 32)) / 8, atol=1e-5)
        assert np.allclose(new[:, 3], before[:, 3])

    def test_a_temperature_that_was_lost_is_found(self) -> None:
        rng = np.random.default_rng(2)
        scores = rng.normal(0, 1.5, (4000, 3))
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        truth = np.array([rng.choice(3, p=row) for row in p])
        found = fit(3 * scores[None], truth, False)
        assert found.temperature == pytest.approx(1 / 3, rel=0.08) and found.ordinal == 0
        assert found.loss_after < found.loss_before

    def test_a_masi_that_knows_more_than_the_classes_joins(self) -> None:
        rng = np.random.default_rng(3)
        masi = rng.uniform(0, 48, 900)
        truth = np.digitize(masi + rng.normal(0, 2, 900), (16, 32))
        outputs = np.column_stack([rng.normal(0, 0.1, (900, 3)), (masi - 16) / 8])
        found = fit(outputs[None], truth, True)
        right = averaged(calibrated(outputs[None], found.temperature, found.ordinal))[0].argmax(axis=1) == truth
        assert found.ordinal > 2 and right.mean() > 0.85

    def test_views_are_averaged_as_probabilities(self) -> None:
        outputs = np.random.default_rng(4).normal(0, 2, (3, 5, 4))
        p = np.exp(outputs[..., :3]) / np.exp(outputs[..., :3]).sum(axis=-1, keepdims=True)
        found, masi = averaged(outputs)
        assert np.allclose(found, p.mean(axis=0))
        assert masi is not None
        assert np.allclose(masi, np.clip(16 + 8 * outputs[..., 3], 0, 48).mean(axis=0))


def test_cards_are_plain_data() -> None:
    from dataclasses import asdict

    assert json.loads(json.dumps(asdict(CARDS["googlenet"])))["title"] == "GoogLeNet"

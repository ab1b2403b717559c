"""What is measured on relevance maps, each against its definition, and the way from a run to the page."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
pytest.importorskip("scipy", reason="scipy is not installed: `make lab` adds it")

from torch import Tensor, nn  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from melascope.cli.app import app  # noqa: E402
from melascope.data.pixels import PixelsError  # noqa: E402
from melascope.lab.lrp import DEFAULT, LrpError  # noqa: E402
from melascope.lab.severity import explain_pictures as pictures  # noqa: E402
from melascope.lab.severity.cards import IMAGENET  # noqa: E402
from melascope.lab.severity.explain import Plan, explain_run, read_measured  # noqa: E402
from melascope.lab.severity.explain_facts import concentration, rank_correlation, shares, shuffled  # noqa: E402
from melascope.lab.severity.explain_flipping import area_under, blurred, cells, flipping_curve  # noqa: E402
from melascope.lab.severity.explain_methods import Explainer, centred, chosen_methods, limits_of  # noqa: E402
from melascope.lab.severity.explain_page import write_explanation  # noqa: E402
from melascope.lab.severity.explain_photos import PLACES, Truth, choose, masks_of  # noqa: E402
from melascope.severity.prediction import Prediction  # noqa: E402
from melascope.vocabulary import Region  # noqa: E402

pytestmark = pytest.mark.torch
SIDE = 28


def prediction(name: str, truth: int) -> Prediction:
    masi = (4.0, 20.0, 40.0)[truth]
    return Prediction(
        photo=name, patient=f"of {name}", part="test", truth=truth, rated_masi=masi,
        p_mild=0.5, p_moderate=0.3, p_severe=0.2,
    )  # fmt: skip


def test_flipping_covers_one_cell_after_the_other() -> None:
    """Against a loop that covers cell by cell, pixel by pixel."""
    generator = torch.Generator().manual_seed(3)
    pixels = torch.rand(1, 3, 12, 12, generator=generator)
    fill = torch.rand(1, 3, 12, 12, generator=generator)
    weights = torch.randn(3, 12, 12, generator=generator)
    relevance = np.random.default_rng(1).normal(size=(4, 4))

    def answer(batch: Tensor) -> Any:
        return torch.sigmoid((batch * weights).sum((1, 2, 3))).numpy().astype(float)

    fractions = (0.0, 0.25, 0.5, 1.0)
    curve = flipping_curve(answer, pixels, relevance, fill, fractions)
    order = sorted(((relevance[y, x], y, x) for y in range(4) for x in range(4)), reverse=True)
    for ranked, found in ((order, curve.most_first), (order[::-1], curve.least_first)):
        covered, expected = pixels.clone(), []
        for number in range(17):
            if number in (0, 4, 8, 16):
                expected.append(float(answer(covered)[0]))
            if number < 16:
                _, top, left = ranked[number]
                for y in range(3 * top, 3 * top + 3):
                    for x in range(3 * left, 3 * left + 3):
                        for channel in range(3):
                            covered[0, channel, y, x] = fill[0, channel, y, x]
        assert found == pytest.approx(expected, abs=1e-6)


def test_a_map_that_is_right_has_the_greater_area_between_its_curves() -> None:
    pixels = torch.ones(1, 3, SIDE, SIDE)
    pixels[..., :14, :14] = 3
    right = torch.zeros(SIDE, SIDE)
    right[:14, :14] = 1

    def answer(batch: Tensor) -> Any:
        return (batch[:, :, :14, :14].mean((1, 2, 3)) - 1).numpy() / 2

    fill = torch.ones_like(pixels)
    good = flipping_curve(answer, pixels, cells(right), fill)
    bad = flipping_curve(answer, pixels, cells(-right), fill)
    assert good.fidelity > 0.5
    assert bad.fidelity == pytest.approx(-good.fidelity)
    assert area_under((0, 1), (0, 1)) == 0.5


def test_cells_are_sums() -> None:
    relevance = torch.arange(36.0).view(6, 6)
    expected = [[float(relevance[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].sum()) for x in range(3)] for y in range(3)]
    assert cells(relevance, 3).tolist() == expected


def test_a_blur_keeps_the_colour_and_takes_the_detail() -> None:
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    soft = blurred(pixels)
    assert soft.mean((2, 3)).tolist()[0] == pytest.approx(pixels.mean((2, 3)).tolist()[0], abs=0.02)
    assert float(soft.std()) < 0.1 * float(pixels.std())


def test_shares_concentration_and_ranks_by_hand() -> None:
    relevance = np.array([[4.0, 2.0], [-9.0, 2.0]])
    masks = {"left": np.array([[1.0, 0.0], [1.0, 0.0]]), "half": np.full((2, 2), 0.5)}
    assert shares(relevance, masks) == {"left": 0.5, "half": 0.5}
    assert concentration(relevance) == 0.25
    assert np.isnan(shares(-np.ones((2, 2)), masks)["left"])
    assert np.isnan(concentration(-np.ones((2, 2))))
    a, b = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([2.0, 1.0, 4.0, 3.0, 5.0])
    assert rank_correlation(a, b) == pytest.approx(1 - 6 * 4 / (5 * 24))
    assert np.isnan(rank_correlation(a, np.zeros(5)))


def small(outputs: int = 3) -> nn.Module:
    torch.manual_seed(2)
    body = nn.Conv2d(3, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    return nn.Sequential(*body, nn.Linear(24, outputs)).eval()


def test_shuffling_keeps_the_numbers_and_the_network() -> None:
    network = small()
    before = copy.deepcopy(network.state_dict())
    head, all_of_them = shuffled(network, 0.0, 1), shuffled(network, 1.0, 1)
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key])
    assert torch.equal(head[0].weight, network[0].weight)
    assert not torch.equal(head[5].weight, network[5].weight)
    assert not torch.equal(all_of_them[0].weight, network[0].weight)
    assert torch.equal(all_of_them[0].weight.flatten().sort()[0], network[0].weight.flatten().sort()[0])


def test_centred_scores_give_the_same_probabilities() -> None:
    network, pixels = small(), torch.rand(4, 3, SIDE, SIDE)
    before = copy.deepcopy(network.state_dict())
    with torch.no_grad():
        scores, plain = centred(network)(pixels), network(pixels)
    assert torch.allclose(scores, plain - plain.mean(1, keepdim=True), atol=1e-6)
    assert all(torch.equal(network.state_dict()[key], value) for key, value in before.items())
    with pytest.raises(LrpError, match="last layer"):
        Explainer(nn.Sequential(small(), nn.Sigmoid()).eval(), IMAGENET).scores(pixels)


def test_limits_are_black_and_white() -> None:
    low, high = limits_of(IMAGENET)
    assert low.flatten().tolist() == pytest.approx([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225])
    assert high.flatten().tolist() == pytest.approx([0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225])


def test_photos_are_chosen_in_turn_of_the_classes_and_always_the_same() -> None:
    rows = [prediction(f"p{i}", 0 if i < 8 else 1 if i < 10 else 2) for i in range(11)]
    chosen = choose(rows, 6)
    assert [row.truth for row in chosen] == [0, 0, 0, 1, 1, 2]
    assert choose(rows[::-1], 6) == chosen
    assert len(choose(rows, 50)) == 11


def test_places_divide_the_photo() -> None:
    regions = np.random.default_rng(5).integers(0, len(Region), (56, 56)).astype(np.uint8)
    lesions = np.zeros((56, 56), np.uint8)
    lesions[:28] = 3
    picture: Any = SimpleNamespace(side=SIDE, frame="whole", margin=0.0)
    masks = masks_of(Truth(regions, lesions), picture, Path("unread"))
    assert set(masks) == set(PLACES)
    assert np.allclose(sum(masks[place] for place in PLACES if place != "melasma"), 1)
    assert masks["melasma"][:14].min() == 1
    assert masks["melasma"][14:].max() == 0
    assert float(masks["chin"].mean()) == pytest.approx(float((regions == Region.CHIN).mean()), abs=1e-6)


def test_masks_of_another_size_are_said(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((96, 72, 3), np.uint8))
    picture: Any = SimpleNamespace(side=SIDE, frame="face", margin=0.1)
    truth = Truth(np.zeros((56, 56), np.uint8), None)
    with pytest.raises(PixelsError, match=r"a.png: 72 × 96, its masks are of another size; run `melascope dataset"):
        masks_of(truth, picture, tmp_path / "a.png")
    assert truth.sha256 != Truth(truth.regions, truth.regions).sha256


def test_zero_has_no_colour_and_full_colour_is_the_scale() -> None:
    photo = np.full((2, 2, 3), 200, np.uint8)
    shown = pictures.heat(photo, np.array([[0.0, 2.0], [-2.0, 1.0]]), 2.0)
    assert np.ptp(shown[0, 0].astype(int)) == 0
    assert shown[0, 1].tolist() == [178, 24, 43]
    assert shown[1, 0].tolist() == [33, 102, 172]
    assert shown[1, 1].tolist() == pytest.approx((shown[0, 0].astype(float) + shown[0, 1]) / 2, abs=1)


def test_methods_are_checked() -> None:
    assert chosen_methods([])[0] == DEFAULT
    assert chosen_methods(["occlusion", "occlusion"]) == ("occlusion",)
    with pytest.raises(ValueError, match="take of"):
        chosen_methods(["lrp"])


class FakeRun:
    """What `explain_run` needs of a run, with a small network and drawn photos."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "weights.safetensors").write_bytes(b"weights")
        self.network = small()
        self.classes = ("mild", "moderate", "severe")
        picture = SimpleNamespace(side=SIDE, frame="whole", margin=0.0)
        self.config = SimpleNamespace(name="Small", scaling=IMAGENET, recipe=SimpleNamespace(picture=picture))
        self.reads = 0

    def pixels(self, path: Path) -> Any:
        return np.random.default_rng(len(path.name)).integers(0, 256, (SIDE, SIDE, 3), np.uint8)

    def read(self, path: Path) -> Tensor:
        self.reads += 1
        scaled = torch.from_numpy(self.pixels(path)).permute(2, 0, 1)[None].float() / 255
        return (scaled - torch.tensor(IMAGENET.mean).view(1, 3, 1, 1)) / torch.tensor(IMAGENET.deviation).view(
            1, 3, 1, 1
        )


def test_from_a_run_to_the_page_and_on_after_a_stop(tmp_path: Path) -> None:
    rows = [prediction("a", 0), prediction("bb", 1), prediction("ccc", 2)]
    regions = np.random.default_rng(5).integers(0, len(Region), (56, 56)).astype(np.uint8)
    truth = Truth(regions, np.where(regions % 2, 3, 0).astype(np.uint8))
    methods = (DEFAULT, "gradient-input", "occlusion")
    files = {row.photo: tmp_path / row.photo for row in rows}
    for path in files.values():
        path.write_text("a picture")
    plan = Plan(rows, files, {"a": truth, "ccc": truth}, methods, 2, 7, tmp_path / "out")
    run: Any = FakeRun(tmp_path)
    found = explain_run(run, plan)
    assert [one.photo for one in found] == ["a", "bb", "ccc"]
    assert run.reads == 3
    facts = found[0].maps[DEFAULT]
    assert facts.gap is not None and abs(facts.gap) < 1e-4
    assert sum(facts.places[place] for place in PLACES if place != "melasma") == pytest.approx(1, abs=1e-5)
    assert found[1].places == {}
    assert [bool(one.sanity) for one in found] == [True, False, True]
    assert found[0].maps["gradient-input"].bias is None

    log = plan.folder / "measured.jsonl"
    log.write_text(log.read_text() + '{"cut off', encoding="utf-8")
    again = explain_run(run, plan)
    assert run.reads == 3
    assert again == found
    assert read_measured(log, "another key") == []

    files["bb"].write_text("another picture")
    other = Truth(regions, np.zeros_like(regions))
    changed = explain_run(run, replace(plan, truths={"a": truth, "ccc": other}))
    assert run.reads == 5  # the photo that changed, and the one whose masks did
    assert changed[0] == found[0] and changed[1].seen != found[1].seen
    assert changed[2].places["melasma"] == 0 < found[2].places["melasma"]

    page = write_explanation(found, plan.folder, "melascope severity explain", data="a test", part="test", virtual=True)
    text = page.read_text(encoding="utf-8")
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert text.count("data:image/jpeg") == 4
    assert "Not a medical device" in text
    table = (plan.folder / "places.csv").read_text().splitlines()
    assert table[0].startswith("network,method,melasma_share,melasma_share_low")
    assert len(table) == 1 + 1 + len(methods)
    for name in ("table2", "flipping", "agreement", "sanity", "account", "photos"):
        assert (plan.folder / f"{name}.csv").is_file()


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    command = CliRunner()
    listed = command.invoke(app, ["severity", "explain", ".", "--data", ".", "--methods", "?"])
    assert listed.exit_code == 0 and "gradient-input: " in listed.output
    wrong = command.invoke(app, ["severity", "explain", ".", "--data", ".", "--methods", "lrp"])
    assert wrong.exit_code == 2 and "take of" in wrong.output
    empty = command.invoke(app, ["severity", "explain", str(tmp_path), "--data", str(tmp_path)])
    assert empty.exit_code == 1 and "holds no run" in empty.output

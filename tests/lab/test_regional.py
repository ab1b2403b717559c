"""The regional network: its scales are those of the score, its training learns, its file says the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")

from melascope import networks  # noqa: E402
from melascope.lab.skin import regional as room  # noqa: E402
from melascope.lab.skin import regional_export, regional_faces  # noqa: E402
from melascope.lab.skin.calibrate import Ratios  # noqa: E402
from melascope.lab.skin.network import renormalise  # noqa: E402
from melascope.lab.skin.people import FACTORS, FIGURES, PARTS  # noqa: E402
from melascope.lab.skin.regional import Recipe, loss_of, score  # noqa: E402
from melascope.lab.skin.regional_network import RegionalNetwork, members, to_scales  # noqa: E402
from melascope.lesions.regional import CELLS, CHANNELS  # noqa: E402
from melascope.masi import area_value, regional_score  # noqa: E402
from melascope.scoring import MEASURED  # noqa: E402
from tests.lab.drawn import drawn_maps  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("share", [0.0, 0.004, 0.02, 0.1, 0.55, 0.97, 1.0])
@pytest.mark.parametrize(("density", "diameter"), [(0.0, 0.0), (0.02, 2.0), (0.1, 14.0), (0.3, 60.0)])
def test_scores_are_those_of_the_run_time(share: float, density: float, diameter: float) -> None:
    scales = to_scales(torch.tensor([share, density, diameter], dtype=torch.float64))
    assert float(scales[0]) == pytest.approx(area_value(share))
    true = regional_score(share, density, diameter)
    found = [float(part) for part in score(scales)]
    assert found == pytest.approx([true.area, true.darkness, true.homogeneity], abs=1e-6)


def test_an_untrained_network_says_what_was_counted(tmp_path: Path) -> None:
    faces = regional_faces.read_faces(drawn_maps(tmp_path / "faces"))
    values = regional_export._values(RegionalNetwork(), faces, np.arange(5))
    assert values[:, :, 0, 1] == pytest.approx(faces.counted[:5, :, 1].numpy(), abs=1e-4)
    assert values[:, :, 1, 1] == pytest.approx(faces.counted[:5, :, 2].numpy(), abs=1e-4)
    assert (values[..., 0] <= values[..., 1]).all() and (values[..., 1] <= values[..., 2]).all()


@pytest.mark.parametrize("seed", [0, 2])
def test_what_was_counted_varies_and_truth_and_absence_do_not(tmp_path: Path, seed: int) -> None:
    """Once of faces as they are and once of mirrored ones, whose cheeks are exchanged."""
    faces = regional_faces.read_faces(drawn_maps(tmp_path / "faces"))
    faces.counted[..., 4:] = 0.1
    faces.counted[:, 3] = 0
    rng = np.random.default_rng(seed)
    mirrored = np.random.default_rng(seed).random() < 0.5
    assert mirrored == (seed == 2)
    _, _, rows, truth = room._varied(faces, np.arange(96), rng)
    order = [0, 2, 1, 3] if mirrored else [0, 1, 2, 3]
    assert torch.equal(truth, faces.truth[:, order])
    assert (rows[:, :3, 0] == 1).all() and not rows[:, 3].any()
    told = (rows[:, :3, 2] > 0) & (rows[:, :3, 3] > 0)
    assert 0.8 < float(told.float().mean()) < 0.97
    assert torch.allclose(rows[:, :3, -1], 0.01 + 0.2 * rows[:, :3, 2])
    off = torch.log(rows[:, :3, 1:] / faces.counted[:, order][:, :3, 1:].clamp_min(1e-9))[told]
    assert off[:, :3].std(dim=0).numpy() == pytest.approx([0.094, 0.08, 0.25], rel=0.15)
    assert float(torch.corrcoef(off[:, [0, 3]].T)[0, 1]) > 0.6  # share and mean probability rise together


def test_no_share_and_no_probability_is_told_above_1(tmp_path: Path) -> None:
    faces = regional_faces.read_faces(drawn_maps(tmp_path / "faces"))
    faces.counted[..., 1], faces.counted[..., 4:8] = 0.99, 0.99
    _, _, rows, _ = room._varied(faces, np.arange(96), np.random.default_rng(0))
    some = rows[..., [1, 4, 5, 6, 7]]
    assert some.max() == 1 and (some == 1).float().mean() > 0.2 and rows[..., 3].max() > 40  # a diameter may grow


def test_the_width_of_a_face_in_pixels_is_not_learnt_from() -> None:
    torch.manual_seed(2)
    network = RegionalNetwork().eval()
    torch.nn.init.normal_(network.head[-1].weight)  # zeros at first, which say nothing of anything
    maps, rows = torch.rand(2, CHANNELS, CELLS, CELLS), torch.rand(2, 4, MEASURED)
    face = torch.tensor([[0.5, 0.8, 1.0, -0.9]]).expand(2, -1)
    with torch.no_grad():
        said = network(maps, face, rows)
        assert torch.equal(said, network(maps, face + torch.tensor([0, 0, 0, 0.7]), rows))
        assert not torch.equal(said, network(maps, face + torch.tensor([0.2, 0, 0, 0]), rows))


def test_nobody_who_is_learnt_from_is_in_a_figure(tmp_path: Path) -> None:
    faces = regional_faces.read_faces(drawn_maps(tmp_path / "faces"))
    parts = [set(faces.part(some)) for some in (FIGURES, FACTORS, range(6, PARTS))]
    assert sorted(set.union(*parts)) == list(range(96))
    assert sum(map(len, parts)) == 96 and all(parts)


def test_training_learns_how_far_the_count_is_off(tmp_path: Path) -> None:
    folder = drawn_maps(tmp_path / "faces")
    recipe = Recipe(epochs=60, batch=16, rate=5e-3, warm_up=5, average=0.9)
    room.train(folder, tmp_path / "run", recipe)
    faces = regional_faces.read_faces(folder)
    network = RegionalNetwork()
    network.load_state_dict(torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["average"])
    unseen = faces.part(FIGURES)
    error = np.abs(
        regional_export._values(network, faces, unseen)[:, :, 0, 1] - faces.truth[unseen, :, 1].numpy()
    ).mean()
    assert error < 0.5 * float((faces.truth - faces.counted[..., :4])[unseen, :, 1].abs().mean())


def _slow_loss(scales: np.ndarray, rows: np.ndarray, truth: np.ndarray, recipe: Recipe) -> float:
    """`loss_of`, number by number."""

    def smooth(error: float, beta: float) -> float:
        return error**2 / (2 * beta) if abs(error) < beta else abs(error) - beta / 2

    parts: list[list[float]] = [[], [], []]  # of area, of darkness and of size
    of_regions, totals = list[float](), list[float]()
    for said, told, true in zip(scales, rows, truth, strict=True):
        total, whole = 0.0, True
        for region, weight in enumerate((0.3, 0.3, 0.3, 0.1)):
            if not (told[region, 0] and true[region, 0]):
                whole = False
                continue
            wanted = to_scales(torch.from_numpy(true[region, 1:])).numpy()
            for scale in range(3) if true[region, 1] >= 0.01 else range(1):
                low, middle, high = said[region, scale]
                error = smooth(middle - wanted[scale], recipe.smooth)
                for quantile, end in ((0.05, low), (0.95, high)):
                    beyond = wanted[scale] - end
                    error += quantile * beyond if beyond > 0 else (quantile - 1) * beyond
                parts[scale].append(error)
            (a, d, h), (true_a, true_d, true_h) = (
                [float(part) for part in score(torch.from_numpy(values))] for values in (said[region, :, 1], wanted)
            )
            off = a * (d + h) - true_a * (true_d + true_h)
            of_regions.append(smooth(off, 4 * recipe.smooth))
            total += weight * off
        if whole:
            totals.append(smooth(total, 2 * recipe.smooth))
    beside = recipe.total * (0.5 * np.mean(of_regions) + np.mean(totals))
    return float(sum(np.mean(some) for some in parts) + beside)


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(smooth=0.4, total=0.3)])
def test_the_loss_is_that_of_its_parts_one_by_one(recipe: Recipe) -> None:
    rng = np.random.default_rng(1)
    middle = rng.uniform(0.2, 4.5, (6, 4, 3, 1))
    scales = np.concatenate([middle - rng.uniform(0, 1, middle.shape), middle, middle + 1], axis=-1)
    rows, truth = np.ones((6, 4, MEASURED)), np.ones((6, 4, 4))
    truth[..., 1:] = rng.uniform(0, [0.9, 0.3, 40.0], (6, 4, 3))
    truth[:2, :, 1] = [0.0, 0.004, 0.5, 0.0]
    rows[2, 1, 0] = truth[3, 2, 0] = 0  # not in view; not known
    found = loss_of(*(torch.from_numpy(some) for some in (scales, rows, truth)), recipe)
    assert float(found) == pytest.approx(_slow_loss(scales, rows, truth, recipe), rel=1e-6)


@pytest.mark.filterwarnings("ignore")  # torch's own exporter is deprecated, and traces
def test_a_stopped_run_goes_on_and_ends_as_if_it_had_not_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, recipe = drawn_maps(tmp_path / "faces", 64), Recipe(epochs=4, batch=16)
    room.train(folder, tmp_path / "whole", recipe)
    save, saved = torch.save, []

    def stop(state: object, path: Path) -> None:
        save(state, path)
        saved.append(path)
        if len(saved) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(room.torch, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        room.train(folder, tmp_path / "stopped", recipe)
    monkeypatch.undo()
    room.train(folder, tmp_path / "stopped", recipe)
    one, two = (torch.load(tmp_path / run / "checkpoint.pt", weights_only=True) for run in ("whole", "stopped"))
    assert one["step"] == two["step"]
    for key, value in one["average"].items():
        assert torch.equal(value, two["average"][key]), key


@pytest.mark.parametrize(
    ("photographs", "virtual", "density"),
    [(0.2, 0.6, 0.6), (1.7, 0.6, 1.7), (0.2, None, 1.0), (1.7, 1.2, 1.7), (0.2, 0.3, 0.5)],
)
def test_intervals_narrower_than_the_networks_own_are_believed_of_virtual_people_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photographs: float, virtual: float | None, density: float
) -> None:
    faces = regional_faces.read_faces(drawn_maps(tmp_path / "faces"))
    faces = replace(faces, groups=np.where(np.arange(96) < 48, "a cohort, head0001", faces.groups))
    rows = np.arange(0 if virtual else 48, 96)

    def add(ratios: Ratios, *_: object, band: str, **__: object) -> None:
        photograph = "photographed" in band
        ratio, group = (photographs, f"photograph {len(ratios.share)}") if photograph else (virtual, "virtual")
        for part in (ratios.share, ratios.density, ratios.diameter, ratios.total):
            part += [(group, ratio), (group, -2 * ratio)]  # groups count alike: photographs outweigh virtual people

    monkeypatch.setattr(regional_export, "add", add)
    found = regional_export.interval_factors(RegionalNetwork(), faces, rows)
    below = 2 * max(photographs, virtual or 0.0) if virtual else max(1.0, 2 * photographs)
    assert found.density == found.diameter == (max(below, 0.5), density)
    assert found.share == (max(1.0, 2 * photographs), max(1.0, photographs))  # most are of skin without pigment


@pytest.mark.filterwarnings("ignore")
def test_the_file_says_what_the_network_says_and_the_card_what_it_was(tmp_path: Path) -> None:
    folder = drawn_maps(tmp_path / "faces")
    room.train(folder, tmp_path / "run", Recipe(epochs=1))
    (tmp_path / "to").mkdir()
    path = regional_export.export(folder, [tmp_path / "run"], tmp_path / "to")
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["data"] == {"some": 96} and card["skin_network"] == "a skin network"
    faces = regional_faces.read_faces(folder)
    assert card["calibration"]["photos"] == len(faces.part(FACTORS))
    assert card["figures"]["faces"] == len(faces.part(FIGURES))
    assert sorted(p.name for p in path.parent.iterdir()) == ["regional.json", "regional.onnx"]


@pytest.mark.filterwarnings("ignore")
def test_trainings_are_read_back_from_a_file_and_count_with_others(tmp_path: Path) -> None:
    folder = drawn_maps(tmp_path / "faces")
    runs = [tmp_path / "a", tmp_path / "b"]
    for seed, run in enumerate(runs):
        room.train(folder, run, Recipe(epochs=1, seed=seed))
    for name in ("first", "again", "three"):
        (tmp_path / name).mkdir()
    first = regional_export.export(folder, runs, tmp_path / "first")
    faces = regional_faces.read_faces(folder)
    some = faces.maps[:8], faces.face[:8], faces.counted[:8]
    for run, found in zip(runs, members(first.read_bytes()), strict=True):
        network = RegionalNetwork()
        network.load_state_dict(torch.load(run / "checkpoint.pt", weights_only=True)["average"])
        with torch.no_grad():
            assert found(*some).numpy() == pytest.approx(network.eval()(*some).numpy(), abs=5e-3)
    again = regional_export.export(folder, [first], tmp_path / "again")
    card = json.loads(again.with_suffix(".json").read_text(encoding="utf-8"))
    assert [recipe["seed"] for recipe in card["mean_of"]] == [0, 1]
    three = regional_export.export(folder, [first, runs[0]], tmp_path / "three")
    assert len(members(three.read_bytes())) == 3
    with pytest.raises(ValueError, match="naming: holds another network than this version builds"):
        members(Path(networks.__path__[0], "naming.onnx").read_bytes(), "naming")
    first.with_suffix(".json").write_text(json.dumps({**card, "mean_of": card["mean_of"][:1]}), encoding="utf-8")
    with pytest.raises(ValueError, match="holds 2 trainings, its card names 1; leave it out"):
        regional_export.export(folder, [first], tmp_path / "again")
    old = {**card, "skin_network": "another"}
    first.with_suffix(".json").write_text(json.dumps(old), encoding="utf-8")
    with pytest.raises(ValueError, match="another skin network, or was told other numbers; leave it out"):
        regional_export.export(folder, [first], tmp_path / "again")


@pytest.mark.filterwarnings("ignore")
def test_a_training_goes_on_from_one_of_a_file(tmp_path: Path) -> None:
    folder = drawn_maps(tmp_path / "faces")
    runs = [tmp_path / "a", tmp_path / "b"]
    for seed, run in enumerate(runs):
        room.train(folder, run, Recipe(epochs=1, seed=seed))
    (tmp_path / "to").mkdir()
    file = regional_export.export(folder, runs, tmp_path / "to")
    faces = regional_faces.read_faces(folder)
    some = faces.maps[:8], faces.face[:8], faces.counted[:8]
    network = members(file.read_bytes())[1]
    with torch.no_grad():
        before = network(*some).numpy()
        renormalise(network, *some)
        assert network(*some).numpy() == pytest.approx(before, abs=1e-3)
    with pytest.raises(ValueError, match=r"regional.onnx: holds 2 trainings; member 2 must be 0 to 1"):
        room.train(folder, tmp_path / "on", Recipe(epochs=1, rate=0.0), weights=file, member=2)
    # A rate of nothing leaves the weights, and the norms what they say together, but for what moves with what is seen.
    room.train(folder, tmp_path / "on", Recipe(epochs=1, rate=0.0), weights=file, member=1)
    on = torch.load(tmp_path / "on" / "checkpoint.pt", weights_only=True)["network"]
    told = json.loads((tmp_path / "on" / "recipe.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert told["start"] == {"file": "regional.onnx", "sha256": digest, "member": 1}
    for key, value in members(file.read_bytes())[1].state_dict().items():
        if ("weight" in key and value.ndim > 1) or key in ("mean", "deviation"):
            assert torch.equal(on[key], value), key
    whole = RegionalNetwork()
    whole.load_state_dict(on)
    with torch.no_grad():
        assert whole.eval()(*some).numpy() == pytest.approx(before, abs=0.3)
    room.train(folder, tmp_path / "on", Recipe(epochs=1, rate=0.0), weights=file, member=1)  # is done already
    with pytest.raises(ValueError, match="holds a run with other settings"):
        room.train(folder, tmp_path / "on", Recipe(epochs=1, rate=0.0), weights=file, member=0)


@pytest.mark.filterwarnings("ignore")
def test_a_failed_check_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = drawn_maps(tmp_path / "faces")
    room.train(folder, tmp_path / "run", Recipe(epochs=1))
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "regional.onnx").write_text("old")
    monkeypatch.setattr(regional_export, "MOST_GAP", -1.0)
    with pytest.raises(RuntimeError, match="differ by"):
        regional_export.export(folder, [tmp_path / "run"], tmp_path / "to")
    assert [p.name for p in (tmp_path / "to").iterdir()] == ["regional.onnx"]


def test_a_run_does_not_go_on_with_other_settings(tmp_path: Path) -> None:
    folder = drawn_maps(tmp_path / "faces", 32)
    room.train(folder, tmp_path / "run", Recipe(epochs=1, batch=16))
    with pytest.raises(ValueError, match="holds a run with other settings or faces; name another folder, or delete it"):
        room.train(folder, tmp_path / "run", Recipe(epochs=1, batch=16, seed=8))

"""The mean of two trainings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
pytestmark = pytest.mark.torch

pytest.importorskip("torchvision", reason="torchvision is not installed: `make lab` adds it")

from melascope.lab.skin.average import average  # noqa: E402
from melascope.lab.skin.export import export  # noqa: E402
from melascope.lab.skin.network import SkinNetwork, folded  # noqa: E402


def run(folder: Path, value: float, steps: int) -> Path:
    folder.mkdir()
    weights = {"a.weight": torch.full((2, 3), value), "a.number": torch.tensor(steps)}
    torch.save({"step": steps, "network": {}, "average": weights}, folder / "checkpoint.pt")
    (folder / "recipe.json").write_text(json.dumps({"samples": steps}))
    return folder


def test_weights_are_meant_and_counters_and_recipe_are_the_lasts(tmp_path: Path) -> None:
    runs = [run(tmp_path / "one", 1.0, 10), run(tmp_path / "two", 2.0, 20)]
    found = torch.load(average(runs, tmp_path / "mean"), weights_only=True)
    assert found["step"] == 20
    assert (found["average"]["a.weight"] == 1.5).all()
    assert found["average"]["a.number"] == 20
    recipe = json.loads((tmp_path / "mean" / "recipe.json").read_text())
    assert recipe["samples"] == 20
    assert len(set(recipe["mean_of"])) == 2


def test_one_run_has_no_mean(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two or more"):
        average([run(tmp_path / "one", 1.0, 10)], tmp_path / "mean")


@pytest.mark.filterwarnings("ignore")  # torch's own exporter is deprecated, and traces
def test_files_that_were_exported_have_the_mean_of_their_weights(tmp_path: Path) -> None:
    files, heads = [], []
    for seed in (1, 2):
        torch.manual_seed(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        network = SkinNetwork().eval()
        torch.save({"step": seed, "average": network.state_dict()}, folder / "checkpoint.pt")
        (folder / "recipe.json").write_text(json.dumps({"samples": seed}))
        files.append(export(folder, folder))
        heads.append(folded(network))
    mean = tmp_path / "mean"
    found = torch.load(average(files, mean), weights_only=True)
    assert found["step"] == 2
    network = SkinNetwork()
    network.load_state_dict(found["average"])
    ours, ones = folded(network).state_dict(), [head.state_dict() for head in heads]
    for key, value in ours.items():
        if value.dtype.is_floating_point:  # the files are in half precision
            assert torch.allclose(value, (ones[0][key] + ones[1][key]) / 2, atol=2e-3), key
    assert json.loads((mean / "recipe.json").read_text())["samples"] == 2
    assert export(mean, mean).is_file()


def test_a_folder_and_a_file_have_no_mean(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="folders alone, or files alone"):
        average([run(tmp_path / "one", 1.0, 10), tmp_path / "skin.onnx"], tmp_path / "mean")

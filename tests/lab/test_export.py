"""The export: a network with its card, both whole or neither."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
pytest.importorskip("torchvision", reason="torchvision is not installed: `make lab` adds it")

from melascope.lab.skin import export as room  # noqa: E402
from melascope.lab.skin.network import SkinNetwork, load_shipped  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def run(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    folder = tmp_path / "run"
    folder.mkdir()
    torch.save({"average": SkinNetwork().state_dict(), "step": 12}, folder / "checkpoint.pt")
    (folder / "recipe.json").write_text(json.dumps({"faces": 17, "skin": 5}), encoding="utf-8")
    return folder


@pytest.fixture
def to(tmp_path: Path) -> Path:
    folder = tmp_path / "to"
    folder.mkdir()
    for name in ("skin.onnx", "skin.json"):
        (folder / name).write_text("old")
    return folder


@pytest.mark.filterwarnings("ignore")  # torch's own exporter is deprecated, and traces
def test_network_and_card_belong_together(run: Path, to: Path) -> None:
    path = room.export(run, to)
    card = json.loads((to / "skin.json").read_text(encoding="utf-8"))
    assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card["steps"] == 12
    assert card["limits"].startswith("Trained on 17 faces and 0 photographs of virtual patients;")
    assert card["data"]["faces"].startswith("17, folders and licences not recorded;")
    assert card["data"]["close_ups"].startswith("5, folders and licences not recorded;")
    assert card["initialised_from"] == "not recorded"
    assert sorted(p.name for p in to.iterdir()) == ["skin.json", "skin.onnx"]


@pytest.mark.filterwarnings("ignore")
def test_weights_are_halved_and_read_back(run: Path, to: Path) -> None:
    path = room.export(run, to)
    saved = SkinNetwork()
    saved.load_state_dict(torch.load(run / "checkpoint.pt", weights_only=True)["average"])
    assert path.stat().st_size < 2.3 * sum(p.numel() for p in saved.parameters())
    read = SkinNetwork()
    load_shipped(read, path)
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1
    with torch.no_grad():
        assert read.eval()(pixels).numpy() == pytest.approx(saved.eval()(pixels).numpy(), abs=0.05)


def test_the_softmax_of_single_steps_is_softmax() -> None:
    scores = torch.randn(2, 17, 5, 4, generator=torch.Generator().manual_seed(3)) * 200  # exp alone would overflow
    assert room._softmax(scores).numpy() == pytest.approx(scores.softmax(dim=1).numpy(), abs=1e-6)


class _Older(torch.nn.Module):
    """In the place of the contrast path, in networks that had none."""

    def forward(self, density: torch.Tensor) -> list[torch.Tensor]:
        count, _, height, width = (int(side) for side in density.shape)
        return [torch.zeros(count, c, height // s, width // s) for c, s in ((24, 1), (48, 2), (96, 4))]


@pytest.mark.filterwarnings("ignore")
def test_a_file_from_before_the_contrast_path_is_a_beginning(tmp_path: Path) -> None:
    torch.manual_seed(4)
    older = SkinNetwork().eval()
    older.contrast = _Older()  # type: ignore[assignment]
    example = torch.rand(2, 3, 256, 256) * 2 - 1
    room._write_checked(room._Probabilities(older).eval(), example, tmp_path / "skin.onnx")
    read = SkinNetwork()
    load_shipped(read, tmp_path / "skin.onnx")
    with torch.no_grad():
        assert read.eval()(example).numpy() == pytest.approx(older(example).numpy(), abs=0.05)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("limit", ["MOST_GAP", "HALVED_GAP", "HALVED_DENSITY_GAP"])
def test_a_failed_check_leaves_what_was_there(run: Path, to: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(room, limit, -1.0)
    with pytest.raises(RuntimeError, match="differ by"):
        room.export(run, to)
    assert {p.name: p.read_text() for p in to.iterdir()} == {"skin.onnx": "old", "skin.json": "old"}


def test_the_card_says_what_the_run_wrote_down(run: Path) -> None:
    faces = [{"folder": "mine", "photos": 9, "licence": "CC0"}, {"folder": "yours", "photos": 8, "licence": ""}]
    recipe = {"faces": 17, "skin": 0, "virtual": 3, "start": None}
    recipe["data"] = {
        "faces": faces, "close_ups": [], "cohorts": [{"folder": "A", "photos": 3, "licence": "CC0-1.0"}],
    }  # fmt: skip
    card = room._card(SkinNetwork(), {"step": 1}, recipe, run / "checkpoint.pt")
    assert card["data"]["faces"].startswith("9 of mine (CC0), 8 of yours (licence not recorded);")
    assert card["data"]["close_ups"].startswith("none;")
    assert card["data"]["virtual_patients"].startswith("3 of A (CC0-1.0);")
    assert not any(word in json.dumps(card) for word in ("PAD-UFES", "voteview", "tobecwb"))


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (None, "random start"),
        ({"file": "any.pth", "sha256": room._IMAGENET}, "ImageNet MobileNetV2 (Apache-2.0)"),
        ({"file": "mine.pth", "sha256": "abc"}, "mine.pth (sha256 abc)"),
        ({"file": "skin.onnx", "sha256": "abc"}, "an earlier skin.onnx (sha256 abc)"),
    ],
)
def test_the_card_says_where_a_run_started(start: dict[str, str] | None, said: str) -> None:
    assert room._origin({"start": start}) == said

"""The export: a network with its card, both whole or neither."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
pytest.importorskip("torchvision", reason="torchvision is not installed: `make lab` adds it")

from melascope.lab.skin import export as room  # noqa: E402
from melascope.lab.skin.network import SkinNetwork  # noqa: E402

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
    assert card["data"]["close_ups"].startswith("5 of PAD-UFES-20")
    assert "no patient with melasma was seen" in card["data"]["pigment"]
    assert sorted(p.name for p in to.iterdir()) == ["skin.json", "skin.onnx"]


@pytest.mark.filterwarnings("ignore")
def test_a_failed_check_leaves_what_was_there(run: Path, to: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_GAP", -1.0)
    with pytest.raises(RuntimeError, match="differ by"):
        room.export(run, to)
    assert {p.name: p.read_text() for p in to.iterdir()} == {"skin.onnx": "old", "skin.json": "old"}

"""The skin network's training: a folder holds one run, and says what it was made from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
pytest.importorskip("torchvision", reason="torchvision is not installed: `make lab` adds it")

from melascope.lab.skin.__main__ import app  # noqa: E402
from melascope.lab.skin.faces import is_held_out, write_labelled  # noqa: E402
from melascope.lab.skin.train import LEFT_OUT, Recipe, _compare, train  # noqa: E402
from tests.lab.drawn import drawn_face  # noqa: E402

pytestmark = pytest.mark.torch
NOTHING = Recipe(samples=0, size=64)
"""Everything but the steps."""


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A labelled folder of two faces, of which none is held out."""
    people = [name for name in (f"person{number}" for number in range(9)) if not is_held_out(name)][:2]
    write_labelled((drawn_face(person=name) for name in people), tmp_path / "faces")
    return tmp_path / "faces"


def recipe_of(run: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    return found


def test_a_run_says_what_it_was_made_from(faces: Path, tmp_path: Path) -> None:
    train([faces], None, tmp_path / "one", weights=None, recipe=NOTHING)
    assert recipe_of(tmp_path / "one")["data"] == {
        "faces": [{"folder": "faces", "photos": 2, "licence": ""}], "close_ups": [], "cohorts": [],
    }  # fmt: skip
    (faces / "dataset.json").write_text('{"name": "portraits", "licence": "CC BY 4.0"}')
    train([faces], faces, tmp_path / "two", weights=None, recipe=NOTHING)
    told = {"folder": "faces", "photos": 2, "licence": "CC BY 4.0"}
    assert recipe_of(tmp_path / "two")["data"] == {"faces": [told], "close_ups": [told], "cohorts": []}


def test_regions_that_stay_must_come_from_a_network_that_has_them(faces: Path, tmp_path: Path) -> None:
    still = replace(NOTHING, regions=False)
    imagenet = tmp_path / "mobilenet_v2.pth"
    for weights in (None, imagenet):
        with pytest.raises(ValueError, match=r"must come from somewhere: name a skin.onnx with --weights"):
            train([faces], None, tmp_path / "one", weights=weights, recipe=still)
    assert not (tmp_path / "one").exists()


def test_an_older_run_does_not_go_on_without_its_regions(faces: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train([faces], None, run, weights=None, recipe=NOTHING)
    torch.save({"of": "the run that is there"}, run / "checkpoint.pt")
    older = {key: value for key, value in recipe_of(run).items() if key != "regions"}
    (run / "recipe.json").write_text(json.dumps(older), encoding="utf-8")
    with pytest.raises(ValueError, match=r"another regions \(true there, false now\)"):
        train([faces], None, run, weights=None, recipe=replace(NOTHING, regions=False))


def _steep(outputs: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
    """A loss of 0 whose gradient is no number."""
    return (outputs - outputs.detach()).abs().sqrt().sum()


@pytest.mark.parametrize(
    ("loss", "step"), [(lambda outputs, *_, **__: outputs.sum() * float("nan"), 1), (_steep, LEFT_OUT[0] + 1)]
)
def test_a_loss_or_gradients_that_are_no_numbers_end_a_run(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: object, step: int
) -> None:
    monkeypatch.setattr("melascope.lab.skin.train.loss_of", loss)
    with pytest.raises(ValueError, match=rf"step {step}: the loss is (nan|0.0), its gradient nan.*same command again"):
        train([faces], None, tmp_path / "one", weights=None, recipe=Recipe(samples=12, batch=2, size=64))
    assert not (tmp_path / "one" / "checkpoint.pt").exists()


def test_of_a_batch_whose_gradient_is_no_number_nothing_is_learnt(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    losses = iter([_steep, lambda outputs, *_, **__: outputs.square().mean(), _steep])
    monkeypatch.setattr("melascope.lab.skin.train.loss_of", lambda *given, **told: next(losses)(*given, **told))
    learnt = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self: (learnt.append(self), step(self)))
    run = train([faces], None, tmp_path / "one", weights=None, recipe=Recipe(samples=6, batch=2, size=64))
    assert len(learnt) == 1
    told = capsys.readouterr().out
    assert "step 1: the gradient is nan; nothing is learnt" in told
    assert "step 2:" not in told
    assert "step 3: the gradient is nan" in told
    state = torch.load(run, weights_only=True)
    assert (state["step"], state["left_out"]) == (3, 2)
    assert all(torch.isfinite(value).all() for value in state["network"].values())


def test_a_folder_with_another_run_is_refused_and_left_as_it_is(faces: Path, tmp_path: Path) -> None:
    run, other = tmp_path / "run", tmp_path / "other.onnx"
    train([faces], None, run, weights=None, recipe=NOTHING)
    torch.save({"of": "the run that is there"}, run / "checkpoint.pt")
    before = (run / "recipe.json").read_bytes()
    other.write_bytes(b"another start")
    with pytest.raises(
        ValueError, match=r"another rate \(0.002 there, 0.001 now\); name another --out, or delete its r"
    ):
        train([faces], None, run, weights=None, recipe=Recipe(samples=0, size=64, rate=1e-3))
    with pytest.raises(ValueError, match=r"another start \(null there, .*other.onnx"):
        train([faces], None, run, weights=other, recipe=NOTHING)
    faces.rename(tmp_path / "others")
    with pytest.raises(ValueError, match=r"another data \(.*faces.* there, .*others.* now\)"):
        train([tmp_path / "others"], None, run, weights=None, recipe=NOTHING)
    assert (run / "recipe.json").read_bytes() == before


def test_a_run_of_an_older_version_goes_on_by_what_it_wrote_down(faces: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train([faces], None, run, weights=None, recipe=NOTHING)
    now = recipe_of(run)
    torch.save({}, run / "checkpoint.pt")
    old = {name: value for name, value in now.items() if name != "data"}
    (run / "recipe.json").write_text(json.dumps(old), encoding="utf-8")
    _compare(run, now)
    assert recipe_of(run) == old  # nothing is said of what was not written down then
    (run / "recipe.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"recipe.json: is damaged; name another --out"):
        train([faces], None, run, weights=None, recipe=NOTHING)
    (run / "recipe.json").unlink()
    with pytest.raises(ValueError, match=r"holds a checkpoint.pt and no recipe.json"):
        train([faces], None, run, weights=None, recipe=NOTHING)


def test_a_start_that_failed_keeps_no_folder(faces: Path, tmp_path: Path) -> None:
    run, wrong = tmp_path / "run", tmp_path / "wrong.pth"
    torch.save({"no": torch.zeros(1)}, wrong)
    with pytest.raises((KeyError, RuntimeError)):
        train([faces], None, run, weights=wrong, recipe=NOTHING)
    assert not (run / "recipe.json").exists()
    train([faces], None, run, weights=None, recipe=NOTHING)
    assert recipe_of(run)["start"] is None


def test_a_licence_that_is_told_later_is_no_other_run(faces: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train([faces], None, run, weights=None, recipe=NOTHING)
    torch.save({}, run / "checkpoint.pt")
    now = recipe_of(run)
    now["data"] = {"faces": [{"folder": "faces", "photos": 2, "licence": "CC0"}], "close_ups": [], "cohorts": []}
    _compare(run, now)
    now["data"] = {"faces": [{"folder": "faces", "photos": 3, "licence": ""}], "close_ups": [], "cohorts": []}
    with pytest.raises(ValueError, match="another data"):
        _compare(run, now)


def test_the_command_says_it_in_a_sentence(faces: Path, tmp_path: Path) -> None:
    words = ["train", "--labelled", str(tmp_path), "--out", str(tmp_path / "run"), "--samples"]
    assert CliRunner().invoke(app, [*words, "0"]).exit_code == 0
    torch.save({}, tmp_path / "run" / "checkpoint.pt")
    refused = CliRunner().invoke(app, [*words, "1"], env={"COLUMNS": "400"})
    assert refused.exit_code == 2 and "holds a run with another samples" in refused.stderr

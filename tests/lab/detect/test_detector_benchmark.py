"""Several detectors by one command: which networks, in what order, what was stopped, and the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
pytestmark = pytest.mark.torch

from melascope.cli.app import app  # noqa: E402
from melascope.detection.results import read_result  # noqa: E402
from melascope.lab.detect import benchmark  # noqa: E402
from melascope.lab.detect.benchmark import OURS, PAPER, plan_of, run_benchmark  # noqa: E402
from melascope.lab.detect.recipe import RecipeError  # noqa: E402
from melascope.lab.machine import Machine  # noqa: E402
from tests.lab.detect.test_study import made  # noqa: E402


def test_a_plan_says_network_recipe_side_and_epochs(tmp_path: Path) -> None:
    plan = plan_of("yolov5n, yolov5n:melascope:320,yolov4::192:3", tmp_path, side=416, epochs=20)
    told = [(e.name, e.recipe.name, e.recipe.picture.side, e.recipe.stop.epochs, e.folder.name) for e in plan]
    assert told == [
        ("yolov5n", "ding2022", 416, 20, "yolov5n-ding2022"),
        ("yolov5n", "melascope", 320, 20, "yolov5n-melascope"),
        ("yolov4", "ding2022", 192, 3, "yolov4-ding2022"),
    ]


def test_the_networks_of_the_paper_and_ours_are_the_default(tmp_path: Path) -> None:
    names = [entry.name for entry in plan_of(f"{PAPER},{OURS}", tmp_path)]
    assert names == ["yolov4", "yolov5s", "ssd300_vgg16", "fasterrcnn_resnet50", "yolov5s", "dfine_s"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yolov5n:ding2022:x", "must be NAME, NAME:RECIPE"),
        ("yolov5n:ding2022:320:5:1", "must be NAME, NAME:RECIPE"),
        ("yolov5n,yolov5n:ding2022", "is trained by ding2022 already"),
        ("yolov5n::333", "must be a multiple of 32"),
        ("yolov5n:dong", "dong: is no recipe"),
    ],
)
def test_what_is_no_plan_is_told(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=said):
        plan_of(text, tmp_path)


def test_the_quick_ones_come_first_and_a_budget_is_shared_by_effort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, float | None]] = []

    def note(_study: object, name: str, _recipe: object, _folder: Path, **how: object) -> None:
        asked.append((name, how["budget_s"]))  # type: ignore[arg-type]

    monkeypatch.setattr(benchmark, "train", note)
    plan = plan_of("ssdlite_mobilenet::64:4,yolov5n::64:1", tmp_path / "out")
    small, large = sorted(entry.effort for entry in plan)
    run_benchmark(made(tmp_path / "data", 8), plan, tmp_path / "out", scheme="631", budget_s=100)
    assert [name for name, _ in asked] == [entry.name for entry in sorted(plan, key=lambda e: e.effort)]
    assert asked[0][1] == pytest.approx(100 * small / (small + large))
    assert asked[1][1] == 100  # nothing was spent


def test_one_command_trains_goes_on_and_writes_the_pages(tmp_path: Path) -> None:
    data, out = made(tmp_path / "data", 16), tmp_path / "out"
    words = ["lesions", "benchmark", str(data), "--out", str(out), "--scheme", "631", "--size", "64", "--epochs", "1",
             "--threads", "1", "--resamples", "100", "--boxes", "grouped", "--networks"]  # fmt: skip
    first = CliRunner().invoke(app, [*words, "yolov5n"])
    assert first.exit_code == 0, first.output
    kept = (out / "runs" / "yolov5n-ding2022" / "weights.safetensors").stat().st_mtime_ns
    again = CliRunner().invoke(app, [*words, "yolov5n,yolov5n:melascope"])
    assert again.exit_code == 0, again.output
    assert (out / "runs" / "yolov5n-ding2022" / "weights.safetensors").stat().st_mtime_ns == kept
    assert read_result(out / "runs" / "yolov5n-melascope").side == 64
    page = (out / "detectors.html").read_text(encoding="utf-8")
    assert "YOLOv5n, melascope" in page
    assert "random start" in page
    assert "Examples" not in page  # nobody says that these are virtual patients
    assert (out / "costs.csv").read_text(encoding="utf-8").splitlines()[1].split(",")[6] == "64"
    assert (out / "device-dslr" / "detectors.html").is_file()
    assert (out / "device-phone" / "overview.csv").is_file()
    changed = CliRunner().invoke(app, [*words, "yolov5n::64:2"])
    assert changed.exit_code == 1
    assert "stop.epochs: 1 there, 2 now" in " ".join(changed.output.split())


def test_runs_on_other_photos_are_not_shown_as_of_these(tmp_path: Path) -> None:
    plan = plan_of("yolov5n", tmp_path / "out", side=64, epochs=1)
    machine = Machine("cpu", 0, "32", 1)
    run_benchmark(made(tmp_path / "data", 8), plan, tmp_path / "out", scheme="631", machine=machine)
    with pytest.raises(ValueError, match="other photos, boxes or parts"):
        run_benchmark(made(tmp_path / "more", 12), plan, tmp_path / "out", scheme="631", machine=machine)

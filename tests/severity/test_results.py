"""Runs as they lie on disk, and which of their photos are evaluated."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from melascope.severity.evaluation import chosen, evaluate
from melascope.severity.paper import paper
from melascope.severity.predictions import PredictionsError, write_predictions
from melascope.severity.results import read_results
from tests.severity.simulated import rows, run


def write_run(folder: Path, noise: float = 4.0, **config: object) -> Path:
    write_predictions(rows(60, noise=noise, seed=int(noise)), folder / "predictions.csv")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_a_run_is_its_predictions_config_costs_and_history(tmp_path: Path) -> None:
    folder = write_run(
        tmp_path / "run", name="VGG", architecture="vgg16", recipe={"name": "zhang2025"}, start="none", ours=True
    )
    (folder / "costs.json").write_text('{"parameters": 5, "ms_1_thread": 2.5, "unknown": 1}')
    (folder / "history.csv").write_text("epoch,train_loss,val_loss,lr\n1,0.9,1.0,0.1\n2,0.8,,0.1\n")
    (found,) = read_results(folder)
    assert (found.name, found.architecture, found.recipe, found.weights, found.ours) == (
        "VGG", "vgg16", "zhang2025", "none", True,
    )  # fmt: skip
    assert (found.costs.parameters, found.costs.ms_1_thread, found.costs.megabytes) == (5, 2.5, None)
    assert [(e.epoch, e.train_loss) for e in found.history] == [(1, 0.9), (2, 0.8)]
    assert found.history[0].validation_loss == 1.0 and found.history[1].validation_loss != 1.0
    assert len(found.predictions) == 60


def test_predictions_alone_will_do(tmp_path: Path) -> None:
    write_predictions(rows(5), tmp_path / "mine.csv")
    (found,) = read_results(tmp_path / "mine.csv")
    assert (found.name, found.history) == ("mine", ())


def test_a_folder_of_runs_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_run(tmp_path / name)
    (tmp_path / "notes").mkdir()
    assert [found.name for found in read_results(tmp_path)] == ["a", "b"]


def test_a_folder_without_runs_and_a_damaged_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match=r"holds no predictions\.csv"):
        read_results(tmp_path)
    folder = write_run(tmp_path / "run")
    (folder / "config.json").write_text("{")
    with pytest.raises(PredictionsError, match="is not JSON"):
        read_results(folder)
    (folder / "config.json").write_text("{}")
    (folder / "history.csv").write_text("epoch,val_loss\n1,low\n")
    with pytest.raises(PredictionsError, match="not of numbers"):
        read_results(folder)


def test_only_the_part_and_values_asked_for_are_kept() -> None:
    given = [replace(row, part="train" if k < 10 else "test") for k, row in enumerate(rows(40))]
    (found,) = chosen([replace(run(), predictions=given)], "test", {"device": "DSLR"})
    assert len(found.predictions) == 15
    assert {row.device for row in found.predictions} == {"dslr"}
    with pytest.raises(ValueError, match="no photo of part validation; its parts are: train 10, test 30"):
        chosen([replace(run(), predictions=given)], "validation")


def test_runs_of_other_photos_or_labels_or_names_are_not_compared() -> None:
    one, other = run("a", count=40), run("b", count=40, seed=1)
    with pytest.raises(ValueError, match="two runs are named a"):
        evaluate([one, one], 100)
    with pytest.raises(ValueError, match="differ in 1 photos, such as photo0039"):
        evaluate([one, replace(other, predictions=other.predictions[:-1])], 100)
    changed = [replace(other.predictions[0], truth=2), *other.predictions[1:]]
    with pytest.raises(ValueError, match="differ in 1 photos, such as photo0000"):
        evaluate([one, replace(other, predictions=changed)], 100)
    grouped = [replace(row, group="head") for row in other.predictions]
    with pytest.raises(ValueError, match="differ in the groups of 40 photos, such as photo0000: one of them"):
        evaluate([one, replace(other, predictions=grouped)], 100)
    with pytest.raises(ValueError, match="no run"):
        evaluate([])


def test_the_printed_figures_hold_what_the_paper_s_text_states() -> None:
    assert paper().of("googlenet") == paper().of("GoogLeNet")
    assert paper().of("GoogLeNet")["precision_weighted"] == 0.770
    assert [paper().of(name).get("accuracy") for name in ("alexnet", "resnet18", "vgg16", "densenet121")] == [
        0.453, None, 0.453, 0.727,
    ]  # fmt: skip
    assert paper().of("mobilenet_v2")["f1_weighted"] == 0.694
    assert paper().of("timm:repvit_m0_9") == {}


def test_the_paper_s_accuracies_are_counts_of_139_photos() -> None:
    printed = {found["accuracy"] for found in paper().architectures.values() if "accuracy" in found}
    assert printed == {round(count / 139, 3) for count in (105, 101, 63)}

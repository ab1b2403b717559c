"""Whole trainings, tiny: what a run holds, how it goes on, what it refuses, where torch is installed."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
for package in ("torchvision", "lightning", "safetensors", "onnx", "onnxruntime", "scipy", "matplotlib"):
    pytest.importorskip(package, reason=f"{package} is not installed: `make lab` adds it")

from safetensors.torch import load_file  # noqa: E402

from melascope.lab.severity.explain_plan import PlanError, planned  # noqa: E402
from melascope.lab.severity.export import _means, _quantise, onnx_probabilities  # noqa: E402
from melascope.lab.severity.photos import keep  # noqa: E402
from melascope.lab.severity.recipe import Recipe, read_recipe  # noqa: E402
from melascope.lab.severity.run import RunError, load_run, predict, read_config, write_config  # noqa: E402
from melascope.lab.severity.ship import ship  # noqa: E402
from melascope.lab.severity.study import gather  # noqa: E402
from melascope.lab.severity.train import Machine, check_same, is_finished, train  # noqa: E402
from melascope.lab.severity.weights import WeightsError, check_people, start  # noqa: E402
from melascope.severity.prediction import band  # noqa: E402
from melascope.severity.predictions import read_predictions  # noqa: E402
from melascope.severity.results import read_result  # noqa: E402
from tests.lab.severity.faces import study  # noqa: E402
from tests.lab.severity.test_study import cohort, reseeded  # noqa: E402

pytestmark = pytest.mark.torch
NETWORK = "mobilenet_v2"
ON = Machine(accelerator="cpu", precision="32", threads=1)


def ours(epochs: int) -> Recipe:
    recipe = read_recipe("melascope").with_(side=32, epochs=epochs, batch=8)
    whole = replace(recipe.picture, frame="whole")
    return replace(recipe, picture=whole, reading=replace(recipe.reading, views=2))


class Killed(Exception):
    """Stands for kill -9 in the middle of an epoch."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two epochs."""
    folder = tmp_path_factory.mktemp("whole")
    run = train(study(folder / "photos"), NETWORK, ours(2), folder / "run", weights="none", machine=ON, quick=True)
    assert run is not None
    return folder / "run"


def test_a_run_is_complete(whole: Path) -> None:
    names = {path.name for path in whole.iterdir()}
    assert names >= {
        "config.json", "split.csv", "photos.json", "history.csv", "curves.png", "weights.safetensors",
        "predictions.csv", "model.onnx", "costs.json", "card.json", "logs",
    }  # fmt: skip
    assert "last.ckpt" not in names and "best.safetensors" not in names
    assert is_finished(whole)
    with (whole / "history.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(float(row["train_images"]) in (14, 15) for row in rows)
    picture = cv2.imread(str(whole / "curves.png"))
    assert picture.shape[1] > 1000 and picture.std() > 5
    assert (whole / "logs" / "csv" / "metrics.csv").is_file()


def test_the_card_says_what_it_is_and_what_it_is_not(whole: Path) -> None:
    card = json.loads((whole / "card.json").read_text(encoding="utf-8"))
    assert "Trained on virtual patients only" in card["limits"][1]
    assert card["initialised_from"] == "random start" and card["architecture"] == "MobileNetV2"
    assert card["data"]["photos"] == 24 and sum(card["data"]["counts"]["test"].values()) in (2, 3)
    assert card["recipe"]["loss"]["target"] == "raters"
    assert card["onnx"]["largest_difference_from_torch"] <= 1e-4
    predictions = [row for row in read_predictions(whole / "predictions.csv") if row.part == "test"]
    right = np.mean([int(np.argmax(row.probabilities)) == row.truth for row in predictions])
    assert card["figures"]["test"]["accuracy"] == pytest.approx(right, abs=1e-4)


def test_predictions_cover_all_parts_with_masi(whole: Path) -> None:
    rows = read_predictions(whole / "predictions.csv")
    assert len(rows) == 24 and {row.part for row in rows} == {"train", "validation", "test"}
    assert all(row.predicted_masi is not None and 0 <= row.predicted_masi <= 48 for row in rows)
    assert all(row.truth == band(row.rated_masi) and len(row.raters) == 3 for row in rows)


def test_the_benchmark_reads_it(whole: Path) -> None:
    result = read_result(whole)
    assert result.name == "MobileNetV2, melascope" and result.recipe == "melascope" and result.ours
    assert result.weights == "random start"
    assert len(result.history) == 2 and result.history[1].validation_loss > 0
    costs = result.costs
    assert costs.epochs == 2 and costs.parameters == 2_227_715 + 1281
    assert all(value is not None and value > 0 for value in (costs.ms_1_thread, costs.ms_2_threads, costs.megabytes))


def test_a_loaded_run_predicts_what_was_saved(whole: Path) -> None:
    run = load_run(whole)
    assert run.classes == ("mild", "moderate", "severe") and not run.network.training
    rows = read_predictions(whole / "predictions.csv")[:3]
    paths = [whole.parent / "photos" / f"{row.photo}.png" for row in rows]
    probabilities, masi = predict(run, paths)
    assert masi is not None
    assert np.allclose(probabilities, [row.probabilities for row in rows], atol=1e-5)
    assert np.allclose(masi, [row.predicted_masi for row in rows], atol=1e-3)
    picture = run.read(paths[0])
    assert picture.shape == (1, 3, 32, 32)
    with torch.no_grad():
        assert run.network(picture).shape == (1, 3)
        assert torch.allclose(run.network(picture), run.full(picture)[:, :3], atol=1e-6)


def test_onnx_reads_pixels_and_its_maps_add_up(whole: Path) -> None:
    import onnxruntime

    run = load_run(whole)
    found = study(whole.parent / "photos")
    photos = keep(found.ratings.files, run.config.recipe.picture, whole / "cache")
    batch = photos.pixels[:5].transpose(0, 3, 1, 2).astype(np.float32)
    session = onnxruntime.InferenceSession(str(whole / "model.onnx"), providers=["CPUExecutionProvider"])
    probabilities, masi, maps = session.run(["probabilities", "masi", "maps"], {"pixels": batch})
    with torch.no_grad():
        scores = torch.cat([run.full(run.read(found.ratings.files[name])) for name in photos.names[:5]])
    assert np.allclose(probabilities, scores[:, :3].softmax(dim=1).numpy(), atol=1e-4)
    assert np.allclose(masi, np.clip(16 + 8 * scores[:, 3].numpy(), 0, 48), atol=5e-3)
    bias = json.loads((whole / "card.json").read_text(encoding="utf-8"))["onnx"]["bias"]
    assert np.allclose(maps.sum(axis=(2, 3)) + np.array(bias), scores.numpy(), atol=1e-4)
    assert np.allclose(onnx_probabilities(whole / "model.onnx", photos.pixels, range(5)), probabilities, atol=1e-6)


def test_a_killed_run_goes_on_and_ends_the_same(whole: Path, tmp_path: Path) -> None:
    photos = study(whole.parent / "photos")
    lines: list[str] = []

    def killer(line: str) -> None:
        if "epoch 2" in line:
            raise Killed

    options = {"weights": "none", "machine": ON, "quick": True, "cache": whole / "cache"}
    with pytest.raises(Killed):
        train(photos, NETWORK, ours(2), tmp_path / "run", tell=killer, **options)
    assert (tmp_path / "run" / "last.ckpt").is_file() and not is_finished(tmp_path / "run")
    with pytest.raises(RunError, match="has no weights"):
        load_run(tmp_path / "run")
    train(photos, NETWORK, ours(2), tmp_path / "run", tell=lines.append, **options)
    assert not any("epoch 1" in line for line in lines) and any("epoch 2" in line for line in lines)
    one, other = (load_file(str(folder / "weights.safetensors")) for folder in (whole, tmp_path / "run"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_finished_run_is_found_and_another_is_refused(whole: Path) -> None:
    photos = study(whole.parent / "photos")
    before = (whole / "card.json").stat().st_mtime_ns
    assert train(photos, NETWORK, ours(2), whole, weights="none", machine=ON) is not None
    assert (whole / "card.json").stat().st_mtime_ns == before
    with pytest.raises(RunError, match=r"stop\.epochs: 2 there, 3 now"):
        train(photos, NETWORK, ours(3), whole, weights="none", machine=ON)
    with pytest.raises(RunError, match="labels: raters there, truth now"):
        train(replace(photos, labels="truth"), NETWORK, ours(2), whole, weights="none", machine=ON)
    with pytest.raises(RunError, match="network: 'mobilenet_v2' there, 'resnet18' now"):
        train(photos, "resnet18", ours(2), whole, weights="none", machine=ON)


def test_corrected_labels_and_other_weights_are_another_run(whole: Path, tmp_path: Path) -> None:
    photos = study(whole.parent / "photos")
    rows = tuple(
        replace(row, masi=row.masi + 0.5) if row.photo == photos.photos[0] else row for row in photos.ratings.rows
    )
    corrected = replace(photos, ratings=replace(photos.ratings, rows=rows))
    with pytest.raises(RunError, match="the photos or the ratings, of which some were corrected"):
        train(corrected, NETWORK, ours(2), whole, weights="none", machine=ON)
    saved = whole / "weights.safetensors"
    for asked in ("imagenet", str(whole), str(saved)):
        with pytest.raises(RunError, match="weights: 'random start' there"):
            check_same(whole, NETWORK, ours(2), photos, 7, asked)
    with pytest.raises(WeightsError, match="there is no such file"):
        check_same(whole, NETWORK, ours(2), photos, 7, str(tmp_path / "gone.pth"))
    digest = hashlib.sha256(saved.read_bytes()).hexdigest()
    starts = {str(whole): "trained on 15 of 24 photos", str(saved): "weights.safetensors; no patient is shared with it"}
    for asked, note in starts.items():
        write_config(replace(load_run(whole).config, start=note, weights_sha256=digest), tmp_path)
        check_same(tmp_path, NETWORK, ours(2), photos, 7, asked)
        other = next(key for key in starts if key != asked)
        with pytest.raises(RunError, match="weights: "):  # a run's last layer is taken over, a file's is not
            check_same(tmp_path, NETWORK, ours(2), photos, 7, other)
        write_config(replace(load_run(whole).config, start=note, weights_sha256="0" * 64), tmp_path)
        with pytest.raises(RunError, match="now, of other content"):
            check_same(tmp_path, NETWORK, ours(2), photos, 7, asked)


def test_a_run_of_an_older_version_is_found_finished_and_refused_unfinished(whole: Path, tmp_path: Path) -> None:
    photos = study(whole.parent / "photos")
    write_config(replace(load_run(whole).config, digest=""), tmp_path)
    with pytest.raises(RunError, match="the version, which kept no digest of photos and ratings"):
        check_same(tmp_path, NETWORK, ours(2), photos, 7, "none")
    (tmp_path / "card.json").write_text("{}")
    check_same(tmp_path, NETWORK, ours(2), photos, 7, "none")


def test_a_run_s_file_of_weights_is_asked_whom_it_has_seen(whole: Path, tmp_path: Path) -> None:
    photos = study(whole.parent / "photos")
    swapped = {"train": "test", "validation": "validation", "test": "train"}
    other = replace(photos, split={photo: swapped[part] for photo, part in photos.split.items()})
    options = {"machine": ON, "quick": True, "cache": whole / "cache"}
    with pytest.raises(WeightsError, match=r"was trained on .* of the photos that are to be validated or tested on"):
        train(other, NETWORK, ours(1), tmp_path / "run", weights=str(whole / "weights.safetensors"), **options)
    alone = tmp_path / "mine.safetensors"
    alone.write_bytes((whole / "weights.safetensors").read_bytes())

    def killer(line: str) -> None:
        raise Killed

    with pytest.raises(Killed):
        train(other, NETWORK, ours(1), tmp_path / "run", weights=str(alone), tell=killer, **options)
    there = read_config(tmp_path / "run")
    assert there.start == "mine.safetensors; whether a patient is shared with it cannot be told"


def test_an_earlier_run_serves_as_a_start_if_nobody_was_seen(whole: Path, tmp_path: Path) -> None:
    begun = start(NETWORK, str(whole), classes=4)
    learnt = (whole / "split.csv").read_text(encoding="utf-8").count(",train")
    assert 0 < learnt < 24
    assert begun.trained and f"trained on {learnt} of 24 photos of 24 other patients (drawn faces)" in begun.note
    saved = load_file(str(whole / "weights.safetensors"))
    assert torch.equal(begun.network.state_dict()["classifier.1.weight"], saved["classifier.1.weight"])
    assert start(NETWORK, str(whole), classes=3).network.classifier[1].out_features == 3
    with pytest.raises(WeightsError, match="holds MobileNetV2, not ResNet-18"):
        start("resnet18", str(whole))
    photos = json.loads((whole / "photos.json").read_text(encoding="utf-8"))["sha256"]
    train_photo = next(row.photo for row in read_predictions(whole / "predictions.csv") if row.part == "train")
    test_photo = next(row.photo for row in read_predictions(whole / "predictions.csv") if row.part == "test")
    with pytest.raises(WeightsError, match="1 of the photos that are to be validated or tested on, such as new"):
        check_people(whole, {"new": photos[train_photo]}, ["q1"], "")
    with pytest.raises(WeightsError, match=r"1 of the patients or groups .* such as p00"):
        check_people(whole, {"new": "0" * 64}, ["p00", "q1"], "")
    assert check_people(whole, {"new": photos[test_photo]}, ["q1"], "") == "no patient is shared with it"


def test_cohorts_of_other_seeds_hold_other_people(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text((whole / "split.csv").read_text(encoding="utf-8"), encoding="utf-8")
    known = json.loads((whole / "photos.json").read_text(encoding="utf-8")) | {"identity": "seed 1, 24 patients"}
    (tmp_path / "photos.json").write_text(json.dumps(known), encoding="utf-8")
    said = check_people(tmp_path, {"new": "0" * 64}, ["p00"], "seed 2, 24 patients")
    assert "its virtual patients (seed 1, 24 patients) are others than these" in said
    with pytest.raises(WeightsError):
        check_people(tmp_path, {"new": "0" * 64}, ["p00"], "seed 1, 24 patients")
    assert "cannot be told" in check_people(tmp_path / "nowhere", {}, [], "")
    # Taken together with others, they are found by the names that hold everywhere.
    people = {photo: f"seed1/{who}" for photo, who in known["groups"].items()}
    (tmp_path / "photos.json").write_text(json.dumps(known | {"people": people}), encoding="utf-8")
    assert (
        check_people(tmp_path, {"new": "0" * 64}, ["a/p00"], "a + b", ["seed2/p00"]) == "no patient is shared with it"
    )
    real = known | {"identity": "", "people": known["groups"]}
    (tmp_path / "photos.json").write_text(json.dumps(real), encoding="utf-8")
    with pytest.raises(WeightsError, match="such as p00"):  # the same patient, of whom the data now know a family
        check_people(tmp_path, {"new": "0" * 64}, ["p00", "family1"], "", ["family1"])
    (tmp_path / "photos.json").write_text(json.dumps(known | {"people": people}), encoding="utf-8")
    with pytest.raises(WeightsError, match="such as seed1/p00"):
        check_people(tmp_path, {"new": "0" * 64}, ["a/p00"], "a + b", ["seed1/p00"])


def test_virtual_people_of_one_seed_are_found_by_head_and_by_number(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text((whole / "split.csv").read_text(encoding="utf-8"), encoding="utf-8")
    known = json.loads((whole / "photos.json").read_text(encoding="utf-8"))
    known |= {"identity": "seed 1, 24 patients", "people": dict.fromkeys(known["groups"], "seed1/head0")}
    (tmp_path / "photos.json").write_text(json.dumps(known), encoding="utf-8")
    new = {"new": "0" * 64}
    for name in ("seed1/head0", "seed1/p00"):  # by number: the patient on another head, where heads hold others
        with pytest.raises(WeightsError, match=f"such as {name}"):
            check_people(tmp_path, new, ["p00"], "seed 1, 9 patients", [name])
    assert check_people(tmp_path, new, ["p00"], "seed 2, 9 patients", ["seed2/p00"]) == "no patient is shared with it"


def test_several_data_sets_with_a_stated_masi_are_learnt_shipped_and_explained(tmp_path: Path) -> None:
    folders = [reseeded(cohort(tmp_path / name, 30), k) for k, name in enumerate(("one", "two"))]
    found = gather(folders, labels="truth", view="frontal", majority=None, seed=2)
    run = tmp_path / "run"
    assert train(found, NETWORK, ours(1), run, weights="none", machine=ON, quick=True) is not None
    card = json.loads((run / "card.json").read_text(encoding="utf-8"))
    assert card["data"]["labels"] == "truth" and card["data"]["raters"] == 1
    assert not any("rater" in limit and "not on" not in limit for limit in card["limits"])
    shipped = ship(run, tmp_path / "shipped", licence="none")
    assert json.loads(shipped.card.read_text(encoding="utf-8"))["interval"]["of"] == "the picture's own MASI"
    opened, plan, about = planned([run], folders, None, 4, "train", ["occlusion"], 0, 7, tmp_path / "explained")
    assert len(plan.photos) == 4 and {row.photo.split("/")[0] for row in plan.photos} <= {"one", "two"}
    assert all(path.is_file() for path in plan.files.values()) and about.virtual and len(opened) == 1
    with pytest.raises(PlanError, match=r"holds none of the .* photos of the runs, such as"):
        planned([run], folders[:1], None, 4, "train", ["occlusion"], 0, 7, tmp_path / "explained")


def test_int8_is_written_and_reads_the_same_pixels(whole: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3)).astype(np.uint8)

    class Some:
        pass

    some = Some()
    some.pixels = pixels  # type: ignore[attr-defined]
    _quantise("static", whole / "model.onnx", tmp_path / "small.onnx", some, np.arange(4))  # type: ignore[arg-type]
    assert (tmp_path / "small.onnx").stat().st_size < 0.4 * (whole / "model.onnx").stat().st_size
    found = onnx_probabilities(tmp_path / "small.onnx", pixels, range(4))
    assert np.allclose(found.sum(axis=1), 1, atol=1e-4)


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 6), (2, 7), (9, 6), (12, 6)])
def test_pooling_by_matrices_is_adaptive_pooling(inputs: int, outputs: int) -> None:
    features = torch.rand(1, 2, inputs, inputs)
    matrix = _means(inputs, outputs)
    pooled = torch.nn.functional.adaptive_avg_pool2d(features, outputs)
    assert torch.allclose(matrix @ features @ matrix.T, pooled, atol=1e-6)

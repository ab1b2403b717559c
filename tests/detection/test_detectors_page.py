"""The page of detectors and its command: files, figures that agree, people who are not shown, faults told."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from melascope.cli.app import app
from melascope.data.about import About, write_about
from melascope.data.layout import write_whole
from melascope.detection.evaluation import evaluate
from melascope.detection.figures import precision_recall, roc
from melascope.detection.page import html
from melascope.detection.paper import TABLES, paper
from melascope.detection.predictions import Predictions, Truth, read, write
from melascope.detection.results import RunResult, read_results
from melascope.severity.comparison import holm, mcnemar
from tests.detection.simulated import CLASSES, predictions


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["lesions", "evaluate", *map(str, arguments), "--resamples", "100"])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for k, (name, skill) in enumerate((("ssd", 0.6), ("yolov5s", 0.95))):
        write(predictions(40, skill=skill), folder / name / "predictions.json")
        config = {"name": f"<b>{name}", "architecture": name, "ours": bool(k), "recipe": {"name": "ding2022"}}
        write_whole(folder / name / "config.json", json.dumps(config))
        write_whole(folder / name / "costs.json", json.dumps({"parameters": 7_200_000, "ms_1_thread": 98.0}))
    return folder


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_a_folder_of_runs_becomes_a_page(runs: Path, tmp_path: Path) -> None:
    found = call(runs, "--out", tmp_path)
    assert found.exit_code == 0, found.output
    assert "20 photos of the test part, 10 patients" in found.stdout
    names = {path.stem for path in tmp_path.glob("*.csv")}
    assert {"overview", "by_kind", "detection", "froc", "boxes", "sizes", "groups", "confusion", "curves"} <= names
    overview = {row["network"]: row for row in table(tmp_path / "overview.csv")}
    best = overview["<b>yolov5s"]
    assert float(best["exact_low"]) <= float(best["exact"]) <= float(best["exact_high"])
    assert float(best["exact"]) > float(overview["<b>ssd"]["exact"])
    assert best["paper_exact"] == "0.929"
    page = (tmp_path / "detectors.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;yolov5s" in page and "<b>yolov5s" not in page
    assert not re.search(r"<script|https?://(?!www\.w3\.org)", page)
    assert page.count("<svg") == 6
    rows = table(tmp_path / "groups.csv")
    assert all(row["value"] and row["photos"] for row in rows)
    # The device's photos are all photos; what is right adds up.
    device = [row for row in rows if row["what"] == "Device" and row["network"] == "<b>yolov5s"]
    assert sum(int(row["photos"]) * float(row["exact"]) for row in device) == pytest.approx(20 * float(best["exact"]))


def test_thresholds_come_from_validation_photos_alone() -> None:
    made = predictions(60, skill=0.9)
    whole = evaluate([RunResult(name="a", architecture="a", predictions=made)], resamples=100)
    rng = np.random.default_rng(0)
    shaken = tuple(
        one
        if one.part == "validation"
        else replace(one, found=replace(one.found, scores=rng.random(len(one.found.scores))))
        for one in made.photos
    )
    other = evaluate(
        [RunResult(name="a", architecture="a", predictions=Predictions(made.classes, shaken))], resamples=100
    )
    assert np.array_equal(whole.evaluations[0].levels.photos, other.evaluations[0].levels.photos)
    assert np.array_equal(whole.evaluations[0].levels.boxes, other.evaluations[0].levels.boxes)
    assert whole.evaluations[0].figures["exact"].value != other.evaluations[0].figures["exact"].value


def test_intervals_draw_groups_of_patients_where_the_data_name_them(tmp_path: Path) -> None:
    plain = predictions(120)
    number = {photo.photo: f"{int(photo.patient[1:]) // 24}{photo.part}" for photo in plain.photos}
    grouped = Predictions(
        plain.classes, tuple(replace(photo, group=f"g{number[photo.photo]}") for photo in plain.photos)
    )
    # What must come out: the same as if each group were one patient.
    merged = Predictions(
        plain.classes, tuple(replace(photo, patient=f"g{number[photo.photo]}") for photo in plain.photos)
    )
    write(grouped, tmp_path / "predictions.json")
    by_patient, by_group, as_one = (
        evaluate([RunResult(name="one", architecture="yolov5n", predictions=each)], resamples=200)
        for each in (plain, read(tmp_path / "predictions.json"), merged)
    )
    assert by_group.patients == by_patient.patients > by_group.clusters == as_one.clusters
    figure = by_group.of("one").figures["exact"]
    assert figure == as_one.of("one").figures["exact"] != by_patient.of("one").figures["exact"]
    assert figure.value == by_patient.of("one").figures["exact"].value
    assert f"draws of the {by_group.clusters} groups of patients" in html(by_group, "command")
    assert "draws of patients with" in html(by_patient, "command")


def test_without_validation_photos_the_threshold_is_one_half_and_says_so() -> None:
    made = predictions(40)
    tested = Predictions(made.classes, tuple(p for p in made.photos if p.part == "test"))
    found = evaluate([RunResult(name="a", architecture="a", predictions=tested)], resamples=100)
    assert (found.evaluations[0].levels.photos == 0.5).all()
    assert "no validation photos to choose them on" in html(found, "melascope")


def test_one_run_with_one_photo_makes_a_page() -> None:
    made = predictions(40)
    for photo in made.photos[4:8]:
        alone = Predictions(made.classes, (replace(photo, part="test"),))
        assert "photos wholly right" in html(
            evaluate([RunResult(name="a", architecture="a", predictions=alone)], resamples=100), "melascope"
        )


def test_runs_on_other_photos_are_not_compared() -> None:
    made = predictions(40)
    other = Predictions(made.classes, made.photos[:-2])
    with pytest.raises(ValueError, match=r"a and b differ in 2 photos, such as photos/0038\.jpg"):
        evaluate(
            [RunResult(name=n, architecture="", predictions=p) for n, p in (("a", made), ("b", other))], resamples=100
        )
    with pytest.raises(ValueError, match="two runs are named a"):
        evaluate([RunResult(name="a", architecture="", predictions=made)] * 2, resamples=100)


def test_runs_that_differ_in_crowds_are_not_compared() -> None:
    made = predictions(40)
    place = next(k for k, one in enumerate(made.photos) if one.part == "test" and len(one.truth.kinds))
    photos = list(made.photos)
    photos[place] = replace(photos[place], truth=replace(photos[place].truth, crowd=photos[place].truth.kinds >= 0))
    other = Predictions(made.classes, tuple(photos))
    with pytest.raises(ValueError, match=f"a and b differ in 1 photos, such as {photos[place].photo}"):
        evaluate(
            [RunResult(name=n, architecture="", predictions=p) for n, p in (("a", made), ("b", other))], resamples=100
        )


@pytest.mark.parametrize(
    ("part", "threshold", "words"),
    [
        ("test", None, ""),
        ("validation", 0.5, ""),
        ("validation", None, "the thresholds were chosen on all these 10 photos, so that figures flatter"),
        ("train", 0.5, "the network learnt from all these 10 photos, so that figures flatter"),
        (
            "all",
            None,
            "learnt from 10 of these 40 photos and the thresholds were chosen on 10 of these 40 photos, so that",
        ),
    ],
)
def test_that_figures_flatter_is_said(part: str, threshold: float | None, words: str) -> None:
    run = RunResult(name="a", architecture="", predictions=predictions(40))
    page = html(evaluate([run], part, threshold=threshold, resamples=100), "melascope")
    assert words in page and ("flatter" in page) is bool(words)


def test_networks_are_compared_with_allowance_for_all_pairs() -> None:
    runs = [
        RunResult(name=name, architecture="", predictions=predictions(160, skill=skill))
        for name, skill in (("a", 0.55), ("b", 0.95), ("c", 0.6), ("d", 0.8))
    ]
    found = evaluate(runs, resamples=100)
    right = [one.right for one in found.evaluations]
    pairs = {(i, j): mcnemar(right[i], right[j]).p for i in range(4) for j in range(i + 1, 4)}
    adjusted = dict(zip(pairs, holm(list(pairs.values())), strict=True))
    assert found.best == "b"
    assert [one.p_adjusted for one in found.comparisons] == [adjusted[0, 1], adjusted[1, 2], adjusted[1, 3]]
    assert adjusted[1, 3] > pairs[1, 3] > 0
    assert "for all pairs of networks" in html(found, "melascope")


@pytest.mark.parametrize(("every", "words"), [(True, "every photo shows it"), (False, "no photo shows it")])
def test_why_a_kind_has_no_curve_is_said(every: bool, words: str) -> None:
    photos = []
    for one in predictions(40).photos:
        kept = one.truth.kinds != 2
        kinds = np.append(one.truth.kinds[kept], [2] if every else []).astype(np.intp)
        boxes = np.vstack([one.truth.boxes[kept], [[1.0, 1, 9, 9]] if every else np.zeros((0, 4))])
        photos.append(replace(one, truth=Truth(kinds, boxes, np.zeros(len(kinds), bool))))
    run = RunResult(name="a", architecture="", predictions=Predictions(CLASSES, tuple(photos)))
    found = evaluate([run], resamples=100)
    assert roc(found).count(words) == 1 and roc(found).count("shows it") == 1
    assert precision_recall(found).count("shows it") == (not every)


def test_examples_are_shown_of_virtual_patients_alone(runs: Path, tmp_path: Path) -> None:
    import cv2

    data = tmp_path / "data"
    (data / "photos").mkdir(parents=True)
    for photo in predictions(40).photos:
        cv2.imwrite(str(data / photo.photo), np.full((640, 640, 3), 140, np.uint8))
    for about in (None, About(name="clinic", made_by="people"), About(name="clinic", made_by="melascope 0.1.0")):
        if about is not None:
            write_about(about, data / "dataset.json")
        found = call(runs / "ssd", "--out", tmp_path / "a", "--photos", data)
        assert (found.exit_code, "virtual patients" in found.stderr) == (2, True)
    write_about(About(name="c", made_by="melascope 0.1.0", generator={"patients": 20}), data / "dataset.json")
    assert call(runs / "ssd", "--out", tmp_path / "a", "--photos", data).exit_code == 0
    page = (tmp_path / "a" / "detectors.html").read_text(encoding="utf-8")
    assert 4 < page.count("data:image/jpeg;base64,") <= 8
    assert len(page) < 1_500_000


def test_the_papers_figures_are_told_by_family() -> None:
    assert paper().of("YOLOv5n")["precision_mean"] == 0.956
    assert paper().of("fasterrcnn_resnet50")["sensitivity_caf"] == 0.99
    assert paper().of("YOLOv5s", phones=True)["exact"] == 0.905
    assert paper().of("ssdlite320")["exact"] == 0.852
    assert paper().of("rtdetr") == {}
    # The printed averages are the means of the printed kinds, to the last digit but one rounding.
    for printed in (*paper().architectures.values(), paper().readers, *paper().smartphones.values()):
        for key in TABLES:
            kinds = [value for name, value in printed.items() if name.startswith(key) and not name.endswith("mean")]
            assert np.mean(kinds) == pytest.approx(printed[f"{key}_mean"], abs=0.0016), key


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (("--only", "colour=red"), 2, "COLUMN=VALUE"),
        (("--part", "exam"), 2, "--part exam: must be test, validation, train or all"),
        (("--only", "device=film"), 1, "no photo of part test and device film"),
    ],
)
def test_wrong_questions_are_answered(runs: Path, more: tuple[str, ...], code: int, words: str) -> None:
    found = call(runs / "ssd", *more)
    assert (found.exit_code, words in found.stderr) == (code, True)
    assert found.exception is None or isinstance(found.exception, SystemExit)


def test_what_is_not_there_is_told(runs: Path, tmp_path: Path) -> None:
    assert call(tmp_path / "nowhere").exit_code == 1
    (tmp_path / "empty").mkdir()
    found = call(tmp_path / "empty")
    assert (found.exit_code, "holds no predictions.json" in found.stderr) == (1, True)
    found = call(runs / "ssd", runs / "yolov5s")
    assert (found.exit_code, "--out" in found.stderr) == (2, True)
    assert [run.name for run in read_results(runs)] == ["<b>ssd", "<b>yolov5s"]

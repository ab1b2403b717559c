"""The human in the loop: provenance, the queue's order, what was saved, and the commands from end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from melascope.cli.app import app
from melascope.data import Row, write_manifest
from melascope.data.annotated import Annotated
from melascope.data.box import Box
from melascope.data.coco import CocoFile, CocoImage, CocoWriter
from melascope.detection.isotonic import isotonic
from melascope.detection.loop import (
    Entry,
    Loop,
    LoopError,
    Made,
    merged,
    plain_boxes,
    plain_chances,
    proposed,
    queue,
    read_loop,
    status,
    write_loop,
)
from melascope.detection.predictions import Found, Photo, Predictions, Truth, write
from melascope.vocabulary import Lesion
from tests.detection.simulated import CLASSES, predictions


def box(kind: Lesion, *corners: float) -> Box:
    return Box(kind=kind, x0=corners[0], y0=corners[1], x1=corners[2], y1=corners[3])


def test_every_box_keeps_who_made_it() -> None:
    machine = [
        Made(kind=Lesion.MELASMA, box=(10, 10, 50, 50), model="net", chance=0.9),
        Made(kind=Lesion.FRECKLE, box=(60, 60, 80, 80), model="net", chance=0.5),
        Made(kind=Lesion.HORI_NEVUS, box=(10, 60, 30, 80), model="net", chance=0.6),
        Made(kind=Lesion.SOLAR_LENTIGO, box=(85, 5, 95, 15), model="net", chance=0.3),
    ]
    entry = Entry(photo="photos/a.jpg", patient="p", width=100, height=100, boxes=tuple(machine), model="net")
    by_hand = Entry(photo="photos/b.jpg", patient="q", width=100, height=100)
    reviewed = (
        box(Lesion.MELASMA, 10, 10, 50, 50),  # left
        box(Lesion.FRECKLE, 60, 60, 84, 84),  # moved
        box(Lesion.MELASMA, 10, 60, 30, 80),  # renamed
        box(Lesion.NEVUS_OF_OTA, 70, 20, 90, 40),  # drawn
    )
    reviews = [Annotated("a.jpg", (100, 100), reviewed, ""), Annotated("photos/b.jpg", None, reviewed[:1], "")]
    loop = merged(Loop((entry, by_hand), ("net",)), reviews, "anna")
    first, second = loop.photos
    assert [one.origin for one in first.boxes] == [
        "model, left by person",
        "model, corrected by person",
        "model, corrected by person",
        "person",
    ]
    assert all(one.person == "anna" for one in first.boxes)
    assert (first.state, first.deleted, second.state) == ("reviewed", 1, "by hand")
    found = status(loop)
    assert found.states == {"open": 0, "by hand": 1, "reviewed": 1}
    assert (found.actions, found.by_hand, found.saved) == (4, 4, 0)  # two corrected, one drawn, one deleted
    with pytest.raises(LoopError, match="finished already"):
        merged(loop, reviews, "ben")
    with pytest.raises(LoopError, match="not in the loop"):
        merged(loop, [Annotated("c.jpg", None, (), "x")], "ben")
    with pytest.raises(LoopError, match="reviewed at 50 x 50"):
        merged(Loop((entry,)), [Annotated("a.jpg", (50, 50), (), "x")], "ben")


def test_a_box_beyond_the_picture_that_was_left_is_not_corrected() -> None:
    machine = (
        Made(kind=Lesion.MELASMA, box=(80, 10, 130, 50), model="net"),  # 20 of its 50 pixels are on the photo
        Made(kind=Lesion.FRECKLE, box=(120, 10, 130, 20), model="net"),  # nobody sees it
    )
    entry = Entry(photo="a.jpg", patient="p", width=100, height=100, boxes=machine, model="net")
    seen = plain_boxes(entry)
    assert seen == (box(Lesion.MELASMA, 80, 10, 100, 50),) and plain_chances(entry) == (None,)
    loop = merged(Loop((entry,)), [Annotated("a.jpg", None, seen, "")], "anna")
    assert [one.origin for one in loop.photos[0].boxes] == ["model, left by person"]
    assert (loop.photos[0].deleted, status(loop).saved) == (0, 1)
    loop = merged(Loop((entry,)), [Annotated("a.jpg", None, (box(Lesion.MELASMA, 80, 10, 130, 50),), "")], "anna")
    assert status(loop).saved == 1


def test_a_review_that_changes_nothing_saves_everything() -> None:
    machine = (Made(kind=Lesion.MELASMA, box=(10, 10, 50, 50), model="net"),)
    entry = Entry(photo="a.jpg", patient="p", width=100, height=100, boxes=machine, model="net")
    loop = merged(Loop((entry,)), [Annotated("a.jpg", None, (box(Lesion.MELASMA, 10, 10, 50, 50),), "")], "anna")
    assert status(loop).saved == 1
    empty = replace(entry, boxes=())
    loop = merged(Loop((empty,)), [Annotated("a.jpg", None, (), "")], "anna")
    assert loop.photos[0].state == "reviewed" and np.isnan(status(loop).saved)


def opened(made: Predictions) -> Loop:
    """Test photos are open, the others are finished by hand."""
    return Loop(
        tuple(
            Entry(
                photo=one.photo,
                patient=one.patient,
                width=one.width,
                height=one.height,
                state="open" if one.part == "test" else "by hand",
            )
            for one in made.photos
        )
    )


@pytest.mark.parametrize(("right", "told"), [(4, 0), (8, 1)])
def test_a_box_is_proposed_if_it_is_more_probably_right_than_not(right: int, told: int) -> None:
    """Of ten such boxes on validation photos four, or eight, were right; by highest F1 both would be proposed."""
    truth = Truth(np.array([2]), np.array([[10.0, 10, 50, 50]]), np.zeros(1, dtype=bool))
    hit, off = np.array([[10.0, 10, 50, 50]]), np.array([[60.0, 60, 90, 90]])
    photos = [
        Photo(
            photo=f"{k}.jpg", patient=f"p{k}", part="validation" if k < 10 else "test", width=100, height=100,
            truth=truth, found=Found(np.array([2]), hit if k < right else off, np.array([0.4])),
        )
        for k in range(11)
    ]  # fmt: skip
    whole = Predictions(CLASSES, tuple(photos))
    waiting = [entry for entry in proposed(opened(whole), whole, "net").photos if entry.state == "open"]
    assert [len(entry.boxes) for entry in waiting] == [told]
    assert [one.chance for entry in waiting for one in entry.boxes] == [0.75] * told  # (8 + 1) / (10 + 2)


def test_the_queue_asks_first_where_most_is_expected_and_patients_take_turns() -> None:
    made = predictions(80, skill=0.7)
    nothing = Truth(np.zeros(0, dtype=np.intp), np.zeros((0, 4)), np.zeros(0, dtype=bool))
    sure = Found(np.array([2]), np.array([[0.0, 0, 9, 9]]), np.array([0.99]))
    several = Found(np.full(6, 2), np.tile([0.0, 0, 9, 9], (6, 1)), np.full(6, 0.4))
    photos = [
        replace(one, truth=nothing, found=sure if k % 2 else several) if one.part == "test" else one
        for k, one in enumerate(made.photos)
    ]
    whole = Predictions(CLASSES, tuple(photos))
    loop = proposed(opened(whole), whole, "net")
    waiting = queue(loop, whole)
    assert len(waiting) == sum(one.part == "test" for one in photos)
    half = len(waiting) // 2
    # Of each patient the doubtful photo comes before any patient's second one.
    assert len({one.entry.patient for one in waiting[:half]}) == half
    assert all(one.uncertainty > 2 for one in waiting[:half])
    assert min(one.gain for one in waiting[:half]) > max(one.gain for one in waiting[half:])
    assert loop.rounds == ("net",)
    assert all(made_.model == "net" and made_.origin == "model" for e in loop.photos for made_ in e.boxes)


def test_the_loop_comes_back_and_damage_is_told(tmp_path: Path) -> None:
    made = predictions(20, skill=0.9)
    loop = proposed(opened(made), made, "net")
    write_loop(loop, tmp_path / "loop.json")
    assert read_loop(tmp_path / "loop.json") == loop
    text = (tmp_path / "loop.json").read_text()
    for wrong in ("", text.replace('"open"', '"ajar"'), text.replace('"patient"', '"who"'), text[:-9]):
        (tmp_path / "loop.json").write_text(wrong)
        with pytest.raises(LoopError, match="is damaged"):
            read_loop(tmp_path / "loop.json")
    (tmp_path / "loop.json").write_text(text.replace('"1.0"', '"2.0"'))
    with pytest.raises(LoopError, match="update it"):
        read_loop(tmp_path / "loop.json")


def test_isotonic_regression_rises_and_is_the_best_such_curve() -> None:
    rng = np.random.default_rng(3)
    scores = rng.random(300).round(1)
    right = rng.random(300) < scores**2
    fit = isotonic(scores, right)
    assert (np.diff(fit.shares) >= 0).all() and (np.diff(fit.scores) > 0).all()
    # The min-max formula of isotonic regression: max over starts of min over ends of means.
    values = np.unique(scores)
    hits, counts = (np.array([one[scores == v].sum() for v in values], float) for one in (right, np.ones(300)))
    level = [
        max(min(hits[i : j + 1].sum() / counts[i : j + 1].sum() for j in range(k, len(values))) for i in range(k + 1))
        for k in range(len(values))
    ]
    blocks = np.unique(np.array(level).round(12), return_index=True)[1]
    assert len(blocks) == len(fit.shares)
    groups = np.split(np.arange(len(values)), blocks[1:])
    smooth = [(hits[g].sum() + 1) / (counts[g].sum() + 2) for g in groups]
    assert fit.shares == pytest.approx(np.maximum.accumulate(smooth))


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["lesions", "annotate", *map(str, arguments)])


def began(tmp_path: Path) -> Path:
    """A data set that begins a loop, and beside it `net`, what a network found on it."""
    made = predictions(24, skill=0.9)
    data = tmp_path / "data"
    (data / "photos").mkdir(parents=True)
    rows = []
    with CocoWriter(data / "annotations.coco.json") as coco:
        for one in made.photos:
            Image.fromarray(np.full((640, 640, 3), 99, np.uint8)).save(data / one.photo)
            name = Path(one.photo).stem
            rows.append(Row(photo_id=name, patient=one.patient, file=one.photo, width=640, height=640))
            if one.part != "test":
                coco.add(CocoImage(one.photo, 640, 640, name), [])
    write_manifest(rows, data / "manifest.csv")
    write(made, tmp_path / "net/predictions.json")
    return data


def test_from_the_queue_to_the_next_training(tmp_path: Path) -> None:
    data = began(tmp_path)
    loop = tmp_path / "loop"
    assert call("queue", loop, tmp_path / "net").exit_code == 2
    found = call("queue", loop, tmp_path / "net", "--data", data, "--count", 5)
    assert found.exit_code == 0, found.output
    assert "12 photos wait; 12 of them were predicted; the first 5" in found.stdout
    tasks = json.loads((loop / "review.json").read_text())
    for task in tasks:  # a person leaves all as it is
        task["annotations"] = [{"result": task.pop("predictions")[0]["result"]}]
    (tmp_path / "reviewed.json").write_text(json.dumps(tasks))
    found = call("merge", loop, tmp_path / "reviewed.json", "--person", "anna")
    assert (found.exit_code, "5 photos merged; 7 wait" in found.stdout) == (0, True), found.output
    found = call("status", loop)
    assert "7 open, 12 by hand, 5 reviewed" in found.stdout and "100 % saved" in found.stdout
    with CocoFile(loop / "annotations.coco.json") as file:
        assert len(file.images) == 17
    again = call("merge", loop, tmp_path / "reviewed.json", "--person", "anna")
    assert (again.exit_code, "is finished already" in again.stderr) == (1, True)
    assert call("queue", loop, tmp_path / "net").exit_code == 0
    assert (call("status", tmp_path / "nowhere")).exit_code == 1


def refuse(path: str, target: Path) -> None:
    raise PermissionError(13, "Permission denied", str(target))


def test_files_that_are_refused_are_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, loop = began(tmp_path), tmp_path / "loop"
    queue_of = ("queue", loop, tmp_path / "net", "--data", data)
    (tmp_path / "file").write_text("")
    found = call("queue", tmp_path / "file", tmp_path / "net", "--data", data)
    assert (found.exit_code, "disk, or see that it may be written" in found.stderr) == (1, True), found.output
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", refuse)
        found = call(*queue_of)
        assert found.exit_code == 1
        assert f"{loop / 'queue.csv'}: Permission denied; free the disk, or see that it may be written" in found.stderr
    assert call(*queue_of).exit_code == 0
    found = call("merge", loop, data, "--person", "anna")  # a folder
    assert found.exit_code == 1
    assert f"{data}: Is a directory; see that it is there and may be read" in found.stderr
    (tmp_path / "reviewed.json").write_text("[]")
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", refuse)
        found = call("merge", loop, tmp_path / "reviewed.json", "--person", "anna")
        assert (found.exit_code, "Permission denied; free the disk" in found.stderr) == (1, True), found.output
    gone = json.loads((loop / "review.json").read_text())[0]["data"]["image"]
    (data / gone).unlink()
    found = call(*queue_of, "--with-photos")
    words = f"{data / gone}: is not there; name the data set of these photos with --data"
    assert (found.exit_code, words in found.stderr) == (1, True), found.output
    (loop / "loop.json").unlink()
    found = call(*queue_of)
    words = f"{data / gone}: No such file or directory; see that it is there and may be read"
    assert (found.exit_code, words in found.stderr) == (1, True), found.output

"""Average precision and FROC, against a slow reading of their definitions and against COCO's own programme."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

import numpy as np
import pytest

from melascope.detection.average_precision import RECALLS, average_precision, precision_recall
from melascope.detection.froc import RATES, curve, sensitivities
from melascope.detection.predictions import Photo, Predictions
from melascope.detection.ranked import AREAS, OVERLAPS, joined, ranked
from tests.detection.simulated import predictions


def slow_iou(a: Sequence[float], b: Sequence[float], crowd: bool) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inside = max(0.0, width) * max(0.0, height)
    own, other = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    return inside / (own if crowd else own + other - inside)


def slow_matches(
    photo: Photo, kind: int, least: float, area: tuple[float, float], most: int
) -> tuple[list[tuple[float, str]], int]:
    """(score, hit / alarm / nothing) of each found box, and the true boxes that count: COCO's rules, word for word."""
    true = []
    for k, box, crowd in zip(photo.truth.kinds, photo.truth.boxes, photo.truth.crowd, strict=True):
        if k == kind:
            size = (box[2] - box[0]) * (box[3] - box[1])
            true.append([box, bool(crowd), bool(crowd) or size < area[0] or size > area[1], False])
    true.sort(key=lambda entry: entry[2])
    found = [
        (float(s), box)
        for k, box, s in zip(photo.found.kinds, photo.found.boxes, photo.found.scores, strict=True)
        if k == kind
    ]
    found.sort(key=lambda entry: -entry[0])
    outcome = []
    for score, box in found[:most]:
        best, place = least, -1
        for number, (other, crowd, ignored, taken) in enumerate(true):
            if taken and not crowd:
                continue
            if place >= 0 and not true[place][2] and ignored:
                break
            over = slow_iou(box, other, crowd)
            if over < best:
                continue
            best, place = over, number
        size = (box[2] - box[0]) * (box[3] - box[1])
        if place >= 0:
            true[place][3] = True
            outcome.append((score, "nothing" if true[place][2] else "hit"))
        else:
            outcome.append((score, "nothing" if size < area[0] or size > area[1] else "alarm"))
    return outcome, sum(not entry[2] for entry in true)


def slow_average_precision(
    photos: Sequence[Photo], kind: int, least: float, area: tuple[float, float] = AREAS["all"], most: int = 100
) -> float:
    everything, true = [], 0
    for photo in photos:
        outcome, own = slow_matches(photo, kind, least, area, most)
        everything += outcome
        true += own
    if not true:
        return float("nan")
    everything.sort(key=lambda entry: -entry[0])
    points, hits, alarms = [], 0, 0
    for _, what in everything:
        hits, alarms = hits + (what == "hit"), alarms + (what == "alarm")
        points.append((hits / true, hits / (hits + alarms) if hits + alarms else 0.0))
    best = [max((p for r, p in points if r >= recall), default=0.0) for recall in RECALLS]
    return sum(best) / 101


@pytest.fixture(scope="module")
def made() -> Predictions:
    return predictions(24, crowds=True)


@pytest.mark.parametrize("area", AREAS)
def test_average_precision_is_that_of_the_definition(made: Predictions, area: str) -> None:
    for kind in range(6):
        fast = average_precision(ranked(made.photos, kind, area=AREAS[area]))
        for place in (0, 5, 9):
            slow = slow_average_precision(made.photos, kind, OVERLAPS[place], AREAS[area])
            assert fast[place] == pytest.approx(slow, abs=1e-12, nan_ok=True)


def test_only_the_surest_boxes_of_a_photo_count(made: Predictions) -> None:
    for most in (1, 2):
        fast = average_precision(ranked(made.photos, 2, most=most))[0]
        assert fast == pytest.approx(slow_average_precision(made.photos, 2, 0.5, most=most))


def test_weights_are_photos_that_come_again(made: Predictions) -> None:
    times = np.random.default_rng(5).integers(0, 4, (2, len(made.photos)))
    for kind in range(6):
        fast = average_precision(ranked(made.photos, kind), times.astype(float))
        for row, own in enumerate(times):
            again = [photo for photo, n in zip(made.photos, own, strict=True) for _ in range(n)]
            assert fast[row] == pytest.approx(average_precision(ranked(again, kind)), nan_ok=True)
            assert fast[row, 0] == pytest.approx(slow_average_precision(again, kind, 0.5), nan_ok=True)


@pytest.mark.parametrize("crowds", [False, True])
def test_average_precision_is_that_of_pycocotools(crowds: bool) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    made = predictions(36, seed=8, crowds=crowds)
    images, truths, founds = [], [], []
    for number, photo in enumerate(made.photos, start=1):
        images.append({"id": number, "width": photo.width, "height": photo.height})
        for kind, (x0, y0, x1, y1), crowd in zip(
            photo.truth.kinds, photo.truth.boxes.tolist(), photo.truth.crowd, strict=True
        ):
            box = [x0, y0, x1 - x0, y1 - y0]
            truths.append(
                {
                    "id": len(truths) + 1, "image_id": number, "category_id": int(kind) + 1, "bbox": box,
                    "area": box[2] * box[3], "iscrowd": int(crowd),
                }
            )  # fmt: skip
        for kind, (x0, y0, x1, y1), score in zip(
            photo.found.kinds, photo.found.boxes.tolist(), photo.found.scores.tolist(), strict=True
        ):
            founds.append(
                {"image_id": number, "category_id": int(kind) + 1, "bbox": [x0, y0, x1 - x0, y1 - y0], "score": score}
            )
    with contextlib.redirect_stdout(io.StringIO()):
        true = coco.COCO()
        true.dataset = {
            "images": images, "annotations": truths, "categories": [{"id": k + 1, "name": str(k)} for k in range(6)],
            "info": {},
        }  # fmt: skip
        true.createIndex()
        run = evaluation.COCOeval(true, true.loadRes(founds), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    precision = run.eval["precision"]  # overlaps, recalls, kinds, areas, most
    for place, area in enumerate(AREAS.values()):
        for kind in range(6):
            theirs = precision[:, :, kind, place, 2].mean(axis=1)
            ours = average_precision(ranked(made.photos, kind, area=area))
            assert ours == pytest.approx(np.where(theirs < 0, np.nan, theirs), abs=1e-9, nan_ok=True)
    every = np.array([average_precision(ranked(made.photos, kind)) for kind in range(6)])
    assert np.nanmean(every) == pytest.approx(run.stats[0], abs=1e-9)
    assert np.nanmean(every[:, 0]) == pytest.approx(run.stats[1], abs=1e-9)


def test_a_perfect_detector_has_1_and_one_that_finds_nothing_0(made: Predictions) -> None:
    truth = made.photos[2].truth
    assert len(truth.kinds)
    one = made.photos[2]
    kind = int(truth.kinds[~truth.crowd][0])
    from dataclasses import replace

    perfect = replace(one, found=type(one.found)(truth.kinds, truth.boxes, np.full(len(truth.kinds), 0.5)))
    assert average_precision(ranked([perfect], kind)) == pytest.approx(np.ones(10))
    nothing = replace(one, found=type(one.found)(truth.kinds[:0], truth.boxes[:0], np.zeros(0)))
    assert average_precision(ranked([nothing], kind)) == pytest.approx(np.zeros(10))
    assert sensitivities(ranked([nothing], kind)) == pytest.approx(np.zeros(len(RATES)))


def test_froc_is_a_count_at_every_score(made: Predictions) -> None:
    every = joined([ranked(made.photos, kind) for kind in range(6)])
    rate, share, scores = curve(every)
    outcomes = [slow_matches(photo, kind, 0.5, AREAS["all"], 100) for photo in made.photos for kind in range(6)]
    true = sum(own for _, own in outcomes)
    boxes = [entry for outcome, _ in outcomes for entry in outcome]
    assert (rate[0], share[0]) == (0, 0)
    for place in range(1, len(scores), 7):
        sure = [what for score, what in boxes if score >= scores[place]]
        assert rate[place] == pytest.approx(sure.count("alarm") / len(made.photos))
        assert share[place] == pytest.approx(sure.count("hit") / true)
    for place, most in enumerate(RATES):
        reached = max(s for r, s in zip(rate, share, strict=True) if r <= most)
        assert sensitivities(every)[place] == pytest.approx(reached)


def test_froc_with_weights_is_that_of_photos_that_come_again(made: Predictions) -> None:
    times = np.random.default_rng(9).integers(0, 3, (4, len(made.photos)))
    parts = [ranked(made.photos, kind) for kind in range(6)]
    fast = sensitivities(joined(parts), times.astype(float))
    for row, own in enumerate(times):
        again = [photo for photo, n in zip(made.photos, own, strict=True) for _ in range(n)]
        assert fast[row] == pytest.approx(sensitivities(joined([ranked(again, kind) for kind in range(6)])))


def test_precision_and_recall_are_those_of_the_boxes_above_a_score(made: Predictions) -> None:
    kind = 2
    precision, recall, scores = precision_recall(ranked(made.photos, kind))
    outcomes = [slow_matches(photo, kind, 0.5, AREAS["all"], 100) for photo in made.photos]
    true = sum(own for _, own in outcomes)
    for p, r, least in zip(precision, recall, scores, strict=True):
        sure = [what for outcome, _ in outcomes for score, what in outcome if score >= least]
        hits, alarms = sure.count("hit"), sure.count("alarm")
        assert p == pytest.approx(hits / (hits + alarms) if hits + alarms else 1.0)
        assert r == pytest.approx(hits / true)

"""Photos, boxes and confusion, each against a count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from melascope.detection.confusion import boxes_confused, photos_confused
from melascope.detection.counts import SIZES, box_thresholds, counted, found_of, measure_boxes, size_of
from melascope.detection.photo_level import DEFAULT_THRESHOLD, best_threshold, measure, measure_calls, thresholds
from melascope.detection.predictions import Found, Photo, Predictions, Truth
from melascope.severity.metrics import auc
from tests.detection.simulated import CLASSES, predictions

NAMES = tuple(kind.value for kind in CLASSES)


def a_photo(truth: list[tuple[int, list[float]]], found: list[tuple[int, list[float], float]]) -> Photo:
    return Photo(
        photo="a.jpg",
        patient="p",
        part="test",
        width=100,
        height=200,
        truth=Truth(
            np.array([k for k, _ in truth], dtype=np.intp),
            np.array([box for _, box in truth], dtype=float).reshape(-1, 4),
            np.zeros(len(truth), dtype=bool),
        ),
        found=Found(
            np.array([k for k, _, _ in found], dtype=np.intp),
            np.array([box for _, box, _ in found], dtype=float).reshape(-1, 4),
            np.array([score for *_, score in found], dtype=float),
        ),
    )


def test_tables_are_counts_of_photos() -> None:
    made = predictions(60)
    shown, called = made.shown(), made.surest() >= 0.4
    found = measure_calls(shown, called, NAMES)
    exact = 0
    for row in range(60):
        exact += all(shown[row, k] == called[row, k] for k in range(6))
    assert found["exact"] == exact / 60
    sensitivities = []
    for k, name in enumerate(NAMES):
        pairs = [(bool(shown[row, k]), bool(called[row, k])) for row in range(60)]
        tp, fp, fn, tn = (pairs.count(pair) for pair in ((True, True), (False, True), (True, False), (False, False)))
        assert found[f"precision_{name}"] == pytest.approx(tp / (tp + fp))
        assert found[f"sensitivity_{name}"] == pytest.approx(tp / (tp + fn))
        assert found[f"specificity_{name}"] == pytest.approx(tn / (tn + fp))  # not the paper's TN / (FP + FN)
        assert found[f"accuracy_{name}"] == pytest.approx((tp + tn) / 60)
        sensitivities.append(tp / (tp + fn))
    assert found["sensitivity_mean"] == pytest.approx(np.mean(sensitivities))


def test_weights_are_photos_that_come_again() -> None:
    made = predictions(30)
    shown, surest, levels = made.shown(), made.surest(), np.full(6, 0.4)
    times = np.random.default_rng(2).integers(0, 3, (4, 30))
    fast = measure(shown, surest, levels, NAMES, times.astype(float))
    for row, own in enumerate(times):
        again = np.repeat(np.arange(30), own)
        slow = measure(shown[again], surest[again], levels, NAMES)
        for key, value in slow.items():
            assert fast[key][row] == pytest.approx(float(value), nan_ok=True), key
    table = counted(made.photos, levels)
    fast = measure_boxes(table, NAMES, times.astype(float))
    for row, own in enumerate(times):
        again = [photo for photo, n in zip(made.photos, own, strict=True) for _ in range(n)]
        for key, value in measure_boxes(counted(again, levels), NAMES).items():
            assert fast[key][row] == pytest.approx(float(value), nan_ok=True), key


def test_what_nobody_shows_or_calls() -> None:
    shown, called = np.array([[True, False], [False, False]]), np.zeros((2, 2), dtype=bool)
    found = measure_calls(shown, called, ("mel", "ota"))
    assert found["precision_mel"] == 0
    assert np.isnan(found["precision_ota"]) and np.isnan(found["sensitivity_ota"])
    assert found["sensitivity_mean"] == 0
    assert found["specificity_ota"] == 1
    assert found["exact"] == 0.5


def slow_f1(positive: np.ndarray, score: np.ndarray, level: float, missed: int) -> float:
    called = score >= level
    tp = int((called & positive).sum())
    return 2 * tp / (2 * tp + int((called & ~positive).sum()) + int((~called & positive).sum()) + missed)


@pytest.mark.parametrize("missed", [0, 7])
def test_the_threshold_has_the_highest_f1(missed: int) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        positive = rng.random(30) < 0.4
        score = np.where(rng.random(30) < 0.2, 0.0, (rng.random(30) * 0.6 + 0.4 * positive).round(2))
        level = best_threshold(positive, score, missed)
        best = max(slow_f1(positive, score, each, missed) for each in np.arange(0.0025, 1.1, 0.005))
        assert slow_f1(positive, score, level, missed) == pytest.approx(best)
        assert 0 < level < 1 and not (score == level).any()


def test_thresholds_without_anything_to_choose_them_on() -> None:
    assert thresholds(np.zeros((3, 1), dtype=bool), np.full((3, 1), 0.9)).tolist() == [DEFAULT_THRESHOLD]
    assert thresholds(np.ones((3, 1), dtype=bool), np.zeros((3, 1))).tolist() == [DEFAULT_THRESHOLD]


def test_the_area_is_that_of_the_surest_box() -> None:
    made = predictions(50)
    found = measure(made.shown(), made.surest(), np.full(6, 0.5), NAMES)
    for k, name in enumerate(NAMES):
        score = [max([s for kind, s in zip(p.found.kinds, p.found.scores, strict=True) if kind == k], default=0.0)
                 for p in made.photos]  # fmt: skip
        assert found[f"auc_{name}"] == auc(made.shown()[:, k], np.array(score))


def test_boxes_are_found_missed_and_false_and_counted_by_size() -> None:
    photo = a_photo(
        [(0, [0, 0, 10, 10]), (0, [50, 50, 60, 60]), (2, [0, 100, 80, 180])],
        [
            (0, [0, 0, 10, 9], 0.9),  # found
            (0, [0, 0, 10, 10], 0.8),  # the same lesion again: a false alarm
            (0, [50, 50, 60, 60], 0.3),  # below the threshold
            (1, [50, 50, 60, 60], 0.7),  # the wrong kind
            (2, [0, 100, 80, 150], 0.6),  # found: 4000 of 6400
        ],
    )
    caught, false = found_of(photo, np.full(6, 0.5))
    assert caught.tolist() == [True, False, True]
    assert false.tolist() == [False, True, False, True, False]
    assert size_of(photo.truth.boxes, photo).tolist() == [3, 3, 4]  # 10 and 80 of the shorter side, 100
    assert SIZES[3] == 0.1
    found = measure_boxes(counted([photo], np.full(6, 0.5)), NAMES)
    assert found["alarms"] == 2
    assert found["box_sensitivity"] == pytest.approx(2 / 3)
    assert found["box_precision"] == 0.5
    assert found["box_precision_sl"] == 0.5 and found["box_sensitivity_mel"] == 1
    assert (found["size_3"], found["size_4"]) == (0.5, 1)
    assert np.isnan(found["box_precision_caf"])


def test_confusion_of_boxes_tells_wrong_kinds_from_misses() -> None:
    photo = a_photo(
        [(0, [0, 0, 10, 10]), (2, [20, 20, 40, 40]), (3, [60, 60, 80, 80])],
        [
            (5, [20, 20, 40, 39], 0.95),  # overlaps the melasma, as a wrong kind
            (2, [20, 21, 40, 40], 0.6),  # the right kind is matched first, though less sure
            (1, [0, 0, 10, 10], 0.7),  # a lentigo taken for a freckle
            (4, [85, 85, 99, 99], 0.8),  # nothing there
        ],
    )
    matrix = boxes_confused([photo], np.full(6, 0.5))
    expected = np.zeros((7, 7), dtype=int)
    expected[2, 2] = expected[6, 5] = expected[0, 1] = expected[6, 4] = expected[3, 6] = 1
    assert matrix.tolist() == expected.tolist()


def test_confusion_of_boxes_accounts_for_every_box() -> None:
    made = predictions(40)
    level = np.full(6, 0.35)
    matrix = boxes_confused(made.photos, level)
    assert matrix[:6].sum(axis=1).tolist() == [
        sum(int((photo.truth.kinds == k).sum()) for photo in made.photos) for k in range(6)
    ]
    assert matrix[:, :6].sum(axis=0).tolist() == [
        sum(int(((photo.found.kinds == k) & (photo.found.scores >= 0.35)).sum()) for photo in made.photos)
        for k in range(6)
    ]
    assert np.diag(matrix)[:6].tolist() == counted(made.photos, level).hits.sum(axis=0).tolist()


def test_confusion_of_photos_takes_the_kind_most_above_its_threshold() -> None:
    photo = a_photo([(0, [0, 0, 10, 10])], [(1, [0, 0, 5, 5], 0.9), (0, [0, 0, 10, 10], 0.6)])
    whole = Predictions(CLASSES, (photo,))
    assert photos_confused(whole, np.array([0.2, 0.8, 0.5, 0.5, 0.5, 0.5]))[0, 0] == 1
    assert photos_confused(whole, np.full(6, 0.5))[0, 1] == 1
    assert photos_confused(whole, np.full(6, 0.95))[0, 6] == 1
    several = a_photo([(0, [0, 0, 10, 10]), (1, [0, 0, 5, 5])], [])
    assert photos_confused(Predictions(CLASSES, (several,)), np.full(6, 0.5)).sum() == 0


def test_box_thresholds_are_those_of_the_highest_f1_of_boxes() -> None:
    made = predictions(30)
    levels = box_thresholds(made.photos, 6)
    for kind in range(6):

        def f1(level: float, kind: int = kind) -> float:
            table = counted(made.photos, np.where(np.arange(6) == kind, level, 2.0))
            hits, alarms, lesions = (one[:, kind].sum() for one in (table.hits, table.alarms, table.lesions))
            return float(2 * hits / (hits + alarms + lesions))

        assert f1(float(levels[kind])) == pytest.approx(max(map(f1, _scores(made, kind))))


def _scores(made: Predictions, kind: int) -> list[float]:
    return sorted({float(s) for p in made.photos for s in p.found.scores[p.found.kinds == kind]})

"""Suppression and letterbox against slow references."""

from __future__ import annotations

import numpy as np
import pytest

from melascope.lesions.letterbox import GREY, fit, letterbox
from melascope.lesions.suppression import suppress


def slow(boxes: np.ndarray, scores: np.ndarray, threshold: float, overlap: float) -> list[tuple[int, int]]:
    """(row, kind) of what stays: kind by kind, take the surest box, strike out those that overlap it, and so on."""

    def iou(a: np.ndarray, b: np.ndarray) -> float:
        w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
        h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
        return w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h)

    stays = []
    for kind in range(scores.shape[1]):
        left = [row for row in range(len(boxes)) if scores[row, kind] >= threshold]
        while left:
            best = max(left, key=lambda row: scores[row, kind])
            stays.append((best, kind))
            left = [row for row in left if row != best and iou(boxes[best], boxes[row]) <= overlap]
    return stays


@pytest.mark.parametrize("overlap", [0.1, 0.45, 0.8])
@pytest.mark.parametrize("seed", range(5))
def test_what_stays_is_what_the_slow_rule_leaves(seed: int, overlap: float) -> None:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 60, (80, 2))
    boxes = np.hstack([low, low + rng.uniform(5, 40, (80, 2))])
    scores = rng.random((80, 3))
    found = suppress(boxes, scores, threshold=0.3, overlap=overlap, limit=1000)
    expected = sorted(slow(boxes, scores, 0.3, overlap), key=lambda each: -scores[each])
    assert found.kinds.tolist() == [kind for _, kind in expected]
    np.testing.assert_allclose(found.boxes, boxes[[row for row, _ in expected]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [scores[each] for each in expected], rtol=1e-6)
    assert len(suppress(boxes, scores, threshold=0.3, overlap=overlap, limit=7)) == 7


def test_without_suppression_all_stay_and_nothing_gives_nothing() -> None:
    boxes = np.array([[0.0, 0, 9, 9]] * 4)
    scores = np.full((4, 2), 0.5)
    assert len(suppress(boxes, scores, overlap=1.0)) == 8
    assert len(suppress(boxes, scores, overlap=0.5)) == 2
    assert len(suppress(boxes[:0], scores[:0])) == 0
    assert len(suppress(boxes, scores, threshold=0.6)) == 0


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 4\) and scores of \(2, 6\)"):
        suppress(np.zeros((3, 4)), np.zeros((2, 6)))


@pytest.mark.parametrize(("width", "height"), [(400, 200), (200, 400), (300, 300), (33, 100), (1000, 7)])
def test_boxes_come_back_from_the_letterbox(width: int, height: int) -> None:
    place = fit(width, height, 96)
    boxes = np.array([[0, 0, width, height], [width / 3, height / 4, width / 2, height / 2]], float)
    inside = place.to_picture(boxes)
    assert inside.min() >= 0
    assert inside.max() <= 96 + 1e-9
    np.testing.assert_allclose(place.to_photo(inside), boxes, atol=1e-9)
    np.testing.assert_allclose(place.to_photo(inside + np.array([-50, -50, 50, 50]))[0], [0, 0, width, height])


def test_the_photo_lies_where_the_fit_says() -> None:
    photo = np.full((50, 100, 3), 200, np.uint8)
    photo[20:30, 40:60] = (255, 0, 0)
    picture = letterbox(photo, 200)
    place = fit(100, 50, 200)
    assert (picture[:50] == GREY).all()
    assert (picture[150:] == GREY).all()
    red = np.argwhere(picture[..., 1] < 60)
    x0, y0, x1, y1 = place.to_picture(np.array([[40, 20, 60, 30]]))[0]
    assert (red.min(axis=0) - (y0, x0)).max() <= 1.5
    assert ((y1, x1) - red.max(axis=0)).max() <= 2.5

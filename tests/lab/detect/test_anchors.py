"""Anchors against the literal formulas."""

from __future__ import annotations

import numpy as np
import pytest

from melascope.lab.detect.anchors import PUBLISHED, best_ratio, fit_anchors, fitness, kmeans, published, shape_iou

RNG = np.random.default_rng(3)
SIZES = np.concatenate(
    [RNG.normal(centre, 0.1 * np.array(centre), (40, 2)) for centre in ((8, 9), (30, 20), (90, 140))]
)


def test_shape_iou_fitness_and_recall_are_the_literal_ones() -> None:
    anchors = np.array([[10.0, 10], [60, 20]])
    total = near = 0.0
    for i, (w, h) in enumerate(SIZES):
        best = 0.0
        for k, (a, b) in enumerate(anchors):
            inside = min(w, a) * min(h, b)
            assert shape_iou(SIZES, anchors)[i, k] == pytest.approx(inside / (w * h + a * b - inside))
            best = max(best, min(w / a, a / w, h / b, b / h))
        assert best_ratio(SIZES, anchors)[i] == pytest.approx(best)
        total += best if best > 1 / 4 else 0.0
        near += best > 1 / 4
    assert fitness(SIZES, anchors) == pytest.approx(total / len(SIZES))
    assert 0 < near < len(SIZES)


def test_kmeans_finds_the_middles_of_clear_clusters() -> None:
    centres = kmeans(SIZES, 3, np.random.default_rng(1))
    found = centres[np.argsort(centres.prod(axis=1))]
    expected = [np.median(SIZES[i : i + 40], axis=0) for i in (0, 40, 80)]
    np.testing.assert_allclose(found, expected)


def test_fitted_anchors_are_better_than_published_ones_and_repeatable() -> None:
    fitted = fit_anchors(SIZES, 320, generations=200)
    assert fitted == fit_anchors(SIZES, 320, generations=200)
    assert fitted.fitted
    assert fitted.recall == 1.0
    assert fitness(SIZES, np.array(fitted.sizes)) > fitness(SIZES, published(320)) + 0.1
    assert (
        fitness(SIZES, np.array(fitted.sizes)) >= fitness(SIZES, kmeans(SIZES, 9, np.random.default_rng((7, 9)))) - 0.01
    )
    areas = [w * h for w, h in fitted.sizes]
    assert areas == sorted(areas)


def test_too_few_boxes_leave_the_published_anchors() -> None:
    few = fit_anchors(SIZES[:4], 416)
    assert not few.fitted
    assert few.sizes == tuple((float(w), float(h)) for w, h in sorted(PUBLISHED, key=lambda each: each[0] * each[1]))
    assert fit_anchors(np.zeros((0, 2)), 416).recall == 0.0

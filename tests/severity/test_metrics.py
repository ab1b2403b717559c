"""Every metric against a literal reference that counts photo by photo."""

from __future__ import annotations

import math

import numpy as np
import pytest

from melascope.severity.metrics import (
    METRICS,
    auc,
    bins,
    brier,
    calibration_error,
    confusion,
    f1s,
    log_loss,
    macro,
    measure,
    precisions,
    quadratic_kappa,
    recalls,
    roc,
    weighted,
)
from melascope.severity.prediction import Scored, scored
from tests.severity.simulated import rows

K = 3


def table(seed: int, n: int = 60) -> tuple[list[int], list[int], np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, K, n)
    logits = rng.normal(0, 1, (n, K)) + 1.2 * np.eye(K)[truth]
    probabilities = np.round(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 2)
    probabilities[:, 2] = 1 - probabilities[:, 0] - probabilities[:, 1]
    return truth.tolist(), [max(range(K), key=lambda k: (row[k], -k)) for row in probabilities.tolist()], probabilities


def as_scored(truth: list[int], probabilities: np.ndarray) -> Scored:
    n = len(truth)
    names = tuple(str(k) for k in range(n))
    return Scored(names, np.arange(n), np.arange(n), np.array(truth), probabilities, np.zeros(n), None)


def slow_labels(truth: list[int], predicted: list[int]) -> dict[str, float]:
    found: dict[str, float] = {}
    per: dict[str, list[float]] = {"precision": [], "recall": [], "f1": []}
    support = [truth.count(k) for k in range(K)]
    for k in range(K):
        tp = sum(t == k and p == k for t, p in zip(truth, predicted, strict=True))
        fp = sum(t != k and p == k for t, p in zip(truth, predicted, strict=True))
        fn = sum(t == k and p != k for t, p in zip(truth, predicted, strict=True))
        if not support[k]:
            values = (math.nan,) * 3
        else:
            precision = tp / (tp + fp) if tp + fp else 0.0
            recall = tp / (tp + fn)
            values = (precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0)
        for name, value in zip(per, values, strict=True):
            per[name].append(value)
    n = len(truth)
    found["accuracy"] = sum(t == p for t, p in zip(truth, predicted, strict=True)) / n
    for name, values_of in per.items():
        known = [k for k in range(K) if support[k]]
        found[f"{name}_macro"] = sum(values_of[k] for k in known) / len(known)
        found[f"{name}_weighted"] = sum(values_of[k] * support[k] for k in known) / n
        for k, word in enumerate(("mild", "moderate", "severe")):
            found[f"{name}_{word}"] = values_of[k]
    found["balanced_accuracy"] = found["recall_macro"]
    found["band_error"] = sum(abs(t - p) for t, p in zip(truth, predicted, strict=True)) / n
    # Cohen 1968: one minus observed over expected squared disagreement.
    observed = sum((t - p) ** 2 for t, p in zip(truth, predicted, strict=True)) / n
    expected = sum((t - p) ** 2 for t in truth for p in predicted) / n**2
    found["kappa"] = 1 - observed / expected if expected else math.nan
    return found


def slow_auc(positive: list[bool], score: list[float]) -> float:
    wins = pairs = 0.0
    for i, a in enumerate(positive):
        for j, b in enumerate(positive):
            if a and not b:
                pairs += 1
                wins += 1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0
    return wins / pairs if pairs else math.nan


def slow_calibration(truth: list[int], probabilities: np.ndarray) -> float:
    total = 0.0
    for k in range(10):
        inside = []
        for t, row in zip(truth, probabilities.tolist(), strict=True):
            top = max(row)
            if k / 10 < top <= (k + 1) / 10:
                inside.append((top, row.index(top) == t))
        if inside:
            mean = sum(p for p, _ in inside) / len(inside)
            share = sum(right for _, right in inside) / len(inside)
            total += len(inside) / len(truth) * abs(mean - share)
    return total


@pytest.mark.parametrize("seed", range(4))
def test_every_figure_is_that_of_the_slow_count(seed: int) -> None:
    truth, predicted, probabilities = table(seed)
    found = measure(as_scored(truth, probabilities))
    expected = slow_labels(truth, predicted)
    areas = [slow_auc([t == k for t in truth], probabilities[:, k].tolist()) for k in range(K)]
    expected |= dict(zip(("auc_mild", "auc_moderate", "auc_severe"), areas, strict=True))
    expected["auc_macro"] = sum(areas) / K
    expected["calibration_error"] = slow_calibration(truth, probabilities)
    true = [row[t] for t, row in zip(truth, probabilities.tolist(), strict=True)]
    expected["log_loss"] = sum(-math.log(max(p, 1e-7)) for p in true) / len(truth)
    expected["brier"] = sum(
        sum((p - (k == t)) ** 2 for k, p in enumerate(row))
        for t, row in zip(truth, probabilities.tolist(), strict=True)
    ) / len(truth)
    assert set(found) == set(expected) == set(METRICS) - {"masi_error"}
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, abs=1e-12, nan_ok=True), name


@pytest.mark.parametrize("seed", range(3))
def test_weights_count_photos_as_often_as_repeating_them(seed: int) -> None:
    truth, _, probabilities = table(seed, 40)
    times = np.random.default_rng(seed).integers(0, 4, (2, 40))
    found = measure(as_scored(truth, probabilities), times.astype(float))
    for draw in range(2):
        repeated = np.repeat(np.arange(40), times[draw])
        expected = measure(as_scored(np.array(truth)[repeated].tolist(), probabilities[repeated]))
        for name, value in expected.items():
            assert found[name][draw] == pytest.approx(float(value), abs=1e-12, nan_ok=True), name


def test_the_error_of_the_implied_masi() -> None:
    given = rows(30)
    expected = sum(abs((row.predicted_masi or 0) - row.rated_masi) for row in given) / 30
    assert float(measure(scored(given))["masi_error"]) == pytest.approx(expected)


def test_a_class_that_is_never_predicted_has_precision_0() -> None:
    matrix = confusion(np.array([0, 1, 2, 2]), np.array([0, 0, 0, 0]))
    assert precisions(matrix).tolist() == [0.25, 0.0, 0.0]
    assert f1s(matrix).tolist() == [0.4, 0.0, 0.0]
    assert float(macro(f1s(matrix))) == pytest.approx(0.4 / 3)


def test_a_class_without_photos_is_left_out_of_the_macro_averages() -> None:
    matrix = confusion(np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1]))
    for values in (precisions(matrix), recalls(matrix), f1s(matrix)):
        assert np.isnan(values).tolist() == [False, False, True]
    assert float(macro(recalls(matrix))) == 0.75
    assert float(weighted(recalls(matrix), matrix)) == 0.75


def test_one_class_throughout_has_no_kappa_and_no_area() -> None:
    truth = np.array([1, 1, 1])
    assert np.isnan(quadratic_kappa(confusion(truth, truth)))
    assert np.isnan(auc(truth == 1, np.array([0.1, 0.2, 0.3])))


def test_the_paper_s_two_worst_networks_call_everything_by_the_largest_class() -> None:
    """Zhang 2025: accuracy 0.453 and F1 0.283; 63 of 139 photos in the largest class, averages weighted."""
    truth = np.array([0] * 63 + [1] * 50 + [2] * 26)
    matrix = confusion(truth, np.zeros(139, dtype=np.intp))
    assert round(63 / 139, 3) == 0.453
    assert round(float(weighted(f1s(matrix), matrix)), 3) == 0.283
    assert round(float(macro(f1s(matrix))), 3) != 0.283


@pytest.mark.parametrize("seed", range(3))
def test_the_area_under_the_points_of_the_curve_is_the_area(seed: int) -> None:
    truth, _, probabilities = table(seed)
    positive = np.array(truth) == 1
    curve = roc(positive, probabilities[:, 1])
    under = np.trapezoid(curve.true_positive, curve.false_positive)
    assert under == pytest.approx(float(auc(positive, probabilities[:, 1])), abs=1e-12)
    for x, y, threshold in zip(curve.false_positive, curve.true_positive, curve.thresholds, strict=True):
        called = probabilities[:, 1] >= threshold
        assert x == pytest.approx((called & ~positive).sum() / (~positive).sum())
        assert y == pytest.approx((called & positive).sum() / positive.sum())


def test_points_on_a_straight_line_are_left_out_and_the_ends_kept() -> None:
    curve = roc(np.array([True] * 5 + [False] * 5), np.arange(10, 0, -1).astype(float))
    assert curve.false_positive.tolist() == [0, 0, 1]
    assert curve.true_positive.tolist() == [0, 1, 1]


def test_a_curve_needs_both_kinds() -> None:
    with pytest.raises(ValueError, match="needs both kinds"):
        roc(np.array([True, True]), np.array([0.1, 0.2]))


def test_reliability_bins_hold_every_photo_once() -> None:
    truth, predicted, probabilities = table(5)
    found = bins(np.array(truth), probabilities)
    assert sum(bin_.count for bin_ in found) == len(truth)
    right = sum(bin_.count * bin_.right for bin_ in found if bin_.count)
    assert right == pytest.approx(sum(t == p for t, p in zip(truth, predicted, strict=True)))
    for bin_ in found:
        if bin_.count:
            assert bin_.low < bin_.confidence <= bin_.high
            assert 0 <= bin_.right_low <= bin_.right <= bin_.right_high <= 1


def test_the_interval_of_a_bin_is_wilson_s() -> None:
    """8 of 10: Wilson's interval solves (p - 0.8)^2 = z^2 p (1 - p) / 10."""
    probabilities = np.array([[0.75, 0.15, 0.1]] * 10)
    found = bins(np.array([0] * 8 + [1] * 2), probabilities)[7]
    for end in (found.right_low, found.right_high):
        assert (end - 0.8) ** 2 == pytest.approx(1.959964**2 * end * (1 - end) / 10, rel=1e-5)


def test_perfect_certainty_has_no_error() -> None:
    truth = np.array([0, 1, 2, 1])
    certain = np.eye(3)[truth]
    assert float(calibration_error(truth, certain)) == 0
    assert float(brier(truth, certain)) == 0
    assert float(log_loss(truth, certain)) == 0
    assert float(log_loss(truth, np.eye(3)[(truth + 1) % 3])) == pytest.approx(-math.log(1e-7))

"""Calibration of class scores on the validation part, folded into the last layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from melascope.lab.severity.lesson import MASI_MIDDLE, MASI_UNIT

__all__ = ["Calibration", "calibrated", "fit", "fold"]

_UPPER = 32.0


@dataclass(frozen=True)
class Calibration:
    """New class scores = temperature × old ones + ordinal × (0, r, 2 r − 2), r the predicted MASI's output.

    The second term is the adjacent-category model of ordered classes: moderate against mild gains with the MASI's
    distance from 16, severe against moderate with its distance from 32, in units of 8 points.
    """

    temperature: float = 1.0
    """Factor; below 1 makes a network less certain. Guo et al. 2017 divide by its inverse."""
    ordinal: float = 0.0
    loss_before: float = float("nan")
    """Mean -ln p of the true class on the validation part."""
    loss_after: float = float("nan")


def calibrated(outputs: NDArray[np.floating], temperature: float, ordinal: float) -> NDArray[np.float64]:
    """(..., outputs) with new class scores; see `Calibration`."""
    new = np.array(outputs, np.float64)
    new[..., :3] *= temperature
    if ordinal:
        r = new[..., 3]
        shift = (_UPPER - MASI_MIDDLE) / MASI_UNIT
        new[..., 1] += ordinal * r
        new[..., 2] += ordinal * (2 * r - shift)
    return new


def fit(outputs: NDArray[np.floating], truth: NDArray[np.int64], with_masi: bool) -> Calibration:
    """The calibration with the least loss of probabilities that are averaged over views.

    Args:
        outputs: (V, N, outputs) scores of validation photos in V views.
        truth: (N,) classes.
        with_masi: Whether the predicted MASI may join.
    """
    from scipy.optimize import minimize

    from melascope.lab.severity.run import averaged

    def loss(values: NDArray[np.float64]) -> float:
        temperature = float(np.exp(np.clip(values[0], -4, 3)))
        ordinal = float(np.clip(values[1], 0, 20)) if with_masi else 0.0
        probabilities, _ = averaged(calibrated(outputs, temperature, ordinal))
        # A light pull towards leaving scores as they are, so that few photos, all told rightly, make no certainty.
        pull = 0.5 * (values[0] ** 2 + (0.1 * values[1] ** 2 if with_masi else 0.0)) / len(truth)
        return float(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-7)).mean() + pull)

    before = loss(np.zeros(2))
    beginnings = [np.array([0.0, 0.1]), np.array([-1.0, 2.0])] if with_masi else [np.zeros(1)]
    options = {"maxiter": 400, "xatol": 1e-3, "fatol": 1e-6}
    tried = [minimize(loss, begin, method="Nelder-Mead", options=options) for begin in beginnings]
    best = min(tried, key=lambda found: float(found.fun))
    temperature = float(np.exp(np.clip(best.x[0], -4, 3)))
    ordinal = float(np.clip(best.x[1], 0, 20)) if with_masi else 0.0
    return Calibration(temperature, ordinal, before, float(best.fun))


@torch.no_grad()
def fold(head: nn.Module, calibration: Calibration) -> None:
    """Changes the last layer so that it gives calibrated scores, in place."""
    weight, bias = head.weight, head.bias
    a, b = calibration.temperature, calibration.ordinal
    weight[:3] *= a
    bias[:3] *= a
    if b:
        shift = (_UPPER - MASI_MIDDLE) / MASI_UNIT
        weight[1] += b * weight[3]
        bias[1] += b * bias[3]
        weight[2] += 2 * b * weight[3]
        bias[2] += b * (2 * bias[3] - shift)

"""Predictions of networks that do not exist, for tests."""

from __future__ import annotations

import numpy as np

from melascope.severity.prediction import Prediction, band
from melascope.severity.results import Costs, Epoch, RunResult


def rows(
    count: int = 120, *, noise: float = 4.0, seed: int = 0, per_patient: int = 1, part: str = "test"
) -> tuple[Prediction, ...]:
    """Photos whose label is the same for every `noise`: only what the network says differs."""
    rng = np.random.default_rng(11)
    true = rng.uniform(0, 46, count // per_patient).repeat(per_patient)
    raters = np.clip(true[:, None] + rng.normal(0, 3, (len(true), 3)), 0, 48).round(1)
    seen = raters.mean(axis=1) + np.random.default_rng(seed).normal(0, noise, len(true))
    found = []
    for k, value in enumerate(seen):
        low, high = 1 / (1 + np.exp(np.clip(value - 16, -30, 30))), 1 / (1 + np.exp(np.clip(32 - value, -30, 30)))
        found.append(
            Prediction(
                photo=f"photo{k:04d}",
                patient=f"patient{k // per_patient:04d}",
                part=part,
                truth=band(float(raters[k].mean())),
                rated_masi=float(raters[k].mean()),
                p_mild=float(low),
                p_moderate=float(max(0.0, 1 - low - high)),
                p_severe=float(min(high, 1 - low)),
                predicted_masi=float(np.clip(value, 0, 48)),
                true_masi=float(true[k]),
                tone_band=("light", "tan", "dark")[k % 3],
                device=("dslr", "phone")[k % 2],
                view="frontal",
                raters={f"rater{r + 1}": float(raters[k, r]) for r in range(3)},
            )
        )
    return tuple(found)


def run(name: str = "GoogLeNet", *, ours: bool = False, costs: bool = True, **how: float) -> RunResult:
    """A run with predictions, costs and a history."""
    return RunResult(
        name=name,
        architecture=name.casefold(),
        recipe="zhang2025",
        weights="ImageNet",
        predictions=rows(**how),  # type: ignore[arg-type]
        costs=Costs(train_images_per_s=31.0, ms_1_thread=25, parameters=5_600_000, megabytes=22.4)
        if costs
        else Costs(),
        history=[Epoch(epoch=k, train_loss=1 / k, validation_loss=1.1 / k, validation_accuracy=0.5) for k in (1, 2, 3)],
        ours=ours,
    )

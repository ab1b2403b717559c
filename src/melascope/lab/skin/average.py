"""The mean of several trainings of the skin network, which is steadier than each of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch

__all__ = ["average"]


def average(runs: Sequence[Path], out: Path) -> Path:
    """Writes a run whose weights are the mean of those of other runs (Wortsman et al., ICML 2022).

    It is of use only if the runs went on from one another, or from one start.

    Args:
        runs: Folders with `checkpoint.pt` and `recipe.json`; the recipe of the last is kept.
        out: Folder of the new run.

    Returns:
        Its checkpoint.

    Raises:
        ValueError: Fewer than two runs.
    """
    if len(runs) < 2:
        raise ValueError(f"{len(runs)} runs: an average needs two or more")
    saved = [torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True) for run in runs]
    weights = {
        key: torch.stack([one["average"][key] for one in saved]).mean(dim=0) if value.dtype.is_floating_point else value
        for key, value in saved[-1]["average"].items()
    }
    out.mkdir(parents=True, exist_ok=True)
    recipe = json.loads((runs[-1] / "recipe.json").read_text(encoding="utf-8"))
    recipe["mean_of"] = [hashlib.sha256((run / "checkpoint.pt").read_bytes()).hexdigest() for run in runs]
    (out / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    torch.save({"step": saved[-1]["step"], "network": weights, "average": weights}, out / "checkpoint.pt")
    return out / "checkpoint.pt"

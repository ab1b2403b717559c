"""The mean of several trainings of the skin network, which is steadier than each of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from melascope.lab.skin.network import SkinNetwork, load_shipped

__all__ = ["average"]


def average(runs: Sequence[Path], out: Path) -> Path:
    """Writes a run whose weights are the mean of those of other runs, or of files that they were exported to.

    It is of use only if the runs went on from one another, or from one start (Wortsman et al., ICML 2022; of a network
    and one that was trained on from it: Wortsman et al., CVPR 2022).

    Args:
        runs: Folders with `checkpoint.pt` and `recipe.json`, or files `skin.onnx` with `skin.json` beside each; not
            both. The recipe of the last is kept.
        out: Folder of the new run.

    Returns:
        Its checkpoint.

    Raises:
        FileNotFoundError: A folder or file is not there, or has no recipe or card.
        ValueError: Fewer than two runs, folders and files together, or a file holds another network.
    """
    if len(runs) < 2:
        raise ValueError(f"{len(runs)} runs: an average needs two or more")
    exported = [run for run in runs if run.suffix == ".onnx"]
    if exported and len(exported) < len(runs):
        # The norms of a file are folded into its convolutions, those of a run are not.
        raise ValueError(f"{exported[0]} is a file and another is a folder: name folders alone, or files alone")
    saved = [_read_file(run) if exported else _read_run(run) for run in runs]
    step, recipe, last = saved[-1][:3]
    weights = {
        key: torch.stack([one[2][key] for one in saved]).mean(dim=0) if value.dtype.is_floating_point else value
        for key, value in last.items()
    }
    out.mkdir(parents=True, exist_ok=True)
    recipe["mean_of"] = [hashlib.sha256(one[3]).hexdigest() for one in saved]
    (out / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    torch.save({"step": step, "network": weights, "average": weights}, out / "checkpoint.pt")
    return out / "checkpoint.pt"


_Read = tuple[int, dict[str, Any], dict[str, torch.Tensor], bytes]
"""Steps, recipe, weights, and the content that is named by its hash."""


def _read_run(run: Path) -> _Read:
    path = run / "checkpoint.pt"
    saved = torch.load(path, map_location="cpu", weights_only=True)
    recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    return int(saved["step"]), recipe, saved["average"], path.read_bytes()


def _read_file(path: Path) -> _Read:
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    network = SkinNetwork()
    load_shipped(network, path)
    return int(card["steps"]), card["recipe"], network.state_dict(), path.read_bytes()

"""A run on disk: RUN/{config.json, split.csv, photos.json, history.csv, weights.safetensors, predictions.csv, ...}."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from melascope.data.layout import write_whole
from melascope.lab.severity.augment import Variation, vary
from melascope.lab.severity.cards import Scaling
from melascope.lab.severity.lesson import masi_of, scaled
from melascope.lab.severity.photos import read_framed
from melascope.lab.severity.recipe import Recipe, RecipeError, recipe_of
from melascope.lab.severity.registry import empty, resize_head, without_training_heads
from melascope.severity.prediction import CLASSES

__all__ = [
    "CONFIG",
    "VIEWS",
    "WEIGHTS",
    "Config",
    "Run",
    "RunError",
    "load_run",
    "predict",
    "read_config",
    "write_config",
]

CONFIG: Final = "config.json"
WEIGHTS: Final = "weights.safetensors"
VIEWS: Final = (
    Variation(),
    Variation(mirrored=True),
    Variation(zoom=0.94),
    Variation(zoom=0.94, mirrored=True),
    Variation(right=0.03, down=0.02),
    Variation(right=-0.03, down=-0.02, mirrored=True),
    Variation(right=-0.03, down=0.02),
    Variation(right=0.03, down=-0.02, mirrored=True),
    Variation(turn_deg=5.0),
    Variation(turn_deg=-5.0, mirrored=True),
)
"""Views of a photo whose probabilities may be averaged, in the order in which recipes ask for them."""


class RunError(ValueError):
    """A folder that holds no run, or not a whole one; says what to do."""


@dataclass(frozen=True)
class Config:
    """What decides a run; written before training."""

    name: str
    """As the benchmark's tables call it."""
    architecture: str
    """One of `melascope.lab.severity.registry.NAMES`, or ``timm:NAME``."""
    recipe: Recipe
    outputs: int
    """3 class scores, or 4 with the MASI's."""
    scaling: Scaling
    seed: int
    start: str
    """Of the weights, in words."""
    weights_sha256: str
    """Of the file or run that it started from; empty where there was none."""
    data: Mapping[str, Any]
    """Name, identity, photos, patients, counts by part and class, what was left out, whether virtual."""
    weights_note: str = ""
    """The start, and what was cut short, for tables."""
    versions: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    """Of photos and labels, see `Study.digest`; empty in runs of older versions."""

    @property
    def side(self) -> int:
        """Pixels of a side."""
        return self.recipe.picture.side

    @property
    def classes(self) -> tuple[str, ...]:
        """mild, moderate, severe."""
        return tuple(each.value for each in CLASSES)


@dataclass(frozen=True)
class Run:
    """A trained network with all that is needed to use it."""

    folder: Path
    config: Config
    full: nn.Module
    """(N, 3, S, S) scaled pictures to (N, outputs), in evaluation."""

    @property
    def classes(self) -> tuple[str, ...]:
        """mild, moderate, severe."""
        return self.config.classes

    @cached_property
    def network(self) -> nn.Module:
        """The plain architecture with its three class scores, in evaluation; the MASI's output is left out."""
        if self.config.outputs == len(CLASSES):
            return self.full
        return resize_head(self.config.architecture, copy.deepcopy(self.full), len(CLASSES)).eval()

    def read(self, path: Path) -> Tensor:
        """(1, 3, S, S) scaled picture of a photo's file.

        Raises:
            PhotoRefused: The photo cannot be read.
        """
        return scaled(torch.from_numpy(self.pixels(path)[None]), self.config.scaling).contiguous()

    def pixels(self, path: Path) -> NDArray[np.uint8]:
        """(S, S, 3) picture of a photo's file, as `read` scales it: what a heat map is laid over."""
        return read_framed(path, self.config.recipe.picture)[0]


def load_run(folder: Path) -> Run:
    """A finished run.

    Raises:
        RunError: The folder holds none, or its files do not fit.
    """
    folder = Path(folder)
    config = read_config(folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise RunError(f"{folder}: has no {WEIGHTS}: its training has not ended; give the same command again to go on")
    return Run(folder, config, load_network(config, path))


def load_network(config: Config, path: Path) -> nn.Module:
    """A run's network with the weights of a file, in evaluation.

    Raises:
        RunError: They do not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    network = without_training_heads(empty(config.architecture, config.outputs, config.side))
    try:
        network.load_state_dict(load_file(str(path)))
    except (RuntimeError, SafetensorError, OSError) as error:
        said = str(error).strip().splitlines()[-1].strip()[:160]
        raise RunError(f"{path}: does not fit {config.architecture} ({said}); train the run again") from None
    return network.eval()


@torch.no_grad()
def outputs_by_view(
    network: nn.Module,
    config: Config,
    pixels: NDArray[np.uint8],
    rows: Sequence[int] | NDArray[np.intp],
    batch: int = 32,
) -> NDArray[np.float32]:
    """(V, N, outputs) scores of photos in each of the recipe's views.

    Args:
        network: In evaluation.
        config: Of its run.
        pixels: (M, S, S, 3).
        rows: N places in them.
        batch: Photos at a time.
    """
    device = next(network.parameters()).device
    chosen = [
        [
            network(
                scaled(
                    torch.from_numpy(
                        np.stack([vary(np.asarray(pixels[i]), view) for i in rows[first : first + batch]])
                    ).to(device),
                    config.scaling,
                )
            )
            .float()
            .cpu()
            .numpy()
            for first in range(0, len(rows), batch)
        ]
        for view in VIEWS[: config.recipe.reading.views]
    ]
    return np.stack([np.concatenate(parts) for parts in chosen]).astype(np.float32)


def averaged(outputs: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Mean probabilities (N, 3) and mean MASI (N,) or None of the (V, N, outputs) scores of views."""
    scores = outputs[..., :3].astype(np.float64)
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    probabilities = (raised / raised.sum(axis=-1, keepdims=True)).mean(axis=0)
    if outputs.shape[-1] == 3:
        return probabilities, None
    return probabilities, np.clip(masi_of(torch.from_numpy(outputs.reshape(-1, 4))).numpy(), 0, 48).reshape(
        outputs.shape[:2]
    ).mean(axis=0).astype(np.float64)


def predict(run: Run, paths: Sequence[Path]) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Probabilities (N, 3) and MASI (N,) or None of photos' files, read as the recipe says.

    Raises:
        PhotoRefused: A photo cannot be read.
    """
    pixels = np.stack([run.pixels(path) for path in paths])
    return averaged(outputs_by_view(run.full, run.config, pixels, range(len(paths))))


def write_config(config: Config, folder: Path) -> None:
    """Write config.json, whole or not at all."""
    table = asdict(config)
    table |= {
        "schema_version": "1.0",
        "classes": list(config.classes),
        "side": config.side,
        "mean": list(config.scaling.mean),
        "deviation": list(config.scaling.deviation),
        "ours": config.recipe.name != "zhang2025",
        "masi": "16 + 8 x the fourth output" if config.outputs > 3 else None,
    }
    del table["scaling"]
    write_whole(folder / CONFIG, json.dumps(table, indent=2, ensure_ascii=False) + "\n")


def read_config(folder: Path) -> Config:
    """config.json of a run.

    Raises:
        RunError: There is none, or it is damaged.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise RunError(f"{folder}: holds no {CONFIG}; name the folder of a run that `melascope severity train` wrote")
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return Config(
            name=str(table["name"]),
            architecture=str(table["architecture"]),
            recipe=recipe_of(table["recipe"], str(path)),
            outputs=int(table["outputs"]),
            scaling=Scaling(_three(table["mean"]), _three(table["deviation"])),
            seed=int(table["seed"]),
            start=str(table["start"]),
            weights_sha256=str(table["weights_sha256"]),
            data=dict(table["data"]),
            weights_note=str(table["weights_note"]),
            versions=dict(table["versions"]),
            digest=str(table.get("digest", "")),
        )
    except RecipeError as error:
        raise RunError(str(error)) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: is damaged ({type(error).__name__}: {error}); train the run again") from None


def _three(values: Sequence[Any]) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue

"""A run on disk: RUN/{config.json, split.csv, history.csv, weights.safetensors, predictions.json, model.onnx, ...}."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import nn

from melascope.data.layout import write_whole
from melascope.lab.detect.anchors import Anchors
from melascope.lab.detect.detector import Detector
from melascope.lab.detect.recipe import Recipe, RecipeError, recipe_of
from melascope.lab.detect.registry import NoSuchDetector, build
from melascope.lab.detect.study import KINDS
from melascope.lab.detect.weights import IMAGENET, WEIGHTS
from melascope.lab.strict import differences
from melascope.lesions.suppression import Detections

__all__ = [
    "CARD", "CONFIG", "Config", "Run", "RunError", "check_same", "detect", "is_finished", "load_run", "made_of",
    "read_config", "write_config", "write_weights",
]  # fmt: skip

CONFIG: Final = "config.json"
CARD: Final = "card.json"
"""Written last: a run that has one is finished."""


class RunError(ValueError):
    """A folder that holds no run, or not a whole one, or another one; says what to do."""


@dataclass(frozen=True)
class Config:
    """What decides a run; written before training."""

    name: str
    """As tables call it."""
    architecture: str
    """One of `melascope.lab.detect.registry.CARDS`."""
    recipe: Recipe
    seed: int
    start: str
    """Of the weights, in words."""
    weights_sha256: str
    """Of the run that it started from; empty where there was none."""
    anchors: Anchors | None
    """Of a YOLO."""
    data: Mapping[str, Any]
    """Name, identity, counts by part and kind, what was left out, whether virtual."""
    weights_note: str = ""
    """The start, and what was cut short, for tables."""
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def side(self) -> int:
        """Pixels of a side."""
        return self.recipe.picture.side

    @property
    def classes(self) -> tuple[str, ...]:
        """The six kinds."""
        return tuple(kind.value for kind in KINDS)


@dataclass(frozen=True)
class Run:
    """A trained detector with all that is needed to use it."""

    folder: Path
    config: Config
    detector: Detector
    """In evaluation."""


def made_of(config: Config, weights: str = "none") -> Detector:
    """The detector of a run, with its anchors, untrained or with weights to begin with."""
    detector = build(
        config.architecture, len(KINDS), weights, side=config.side, loss=config.recipe.loss,
        as_imagenet=IMAGENET in config.start,
    )  # fmt: skip
    detector.overlap = 1.0 if detector.overlap >= 1 else config.recipe.reading.overlap
    if config.anchors is not None:
        from melascope.lab.detect.yolo import Yolo

        assert isinstance(detector, Yolo)
        detector.set_anchors(np.array(config.anchors.sizes))
    return detector


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
    try:
        detector = made_of(config)
    except NoSuchDetector as error:
        raise RunError(f"{folder}: {error}") from None
    return Run(folder, config, with_weights(detector, path))


def with_weights(detector: Detector, path: Path) -> Detector:
    """A detector with all weights of a file, in evaluation.

    Raises:
        RunError: They do not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        detector.load_state_dict(load_file(str(path)), strict=False)
        lacking = set(detector.state_dict()) - set(load_file(str(path))) - _shared(detector)
    except (RuntimeError, SafetensorError, OSError) as error:
        said = str(error).strip().splitlines()[-1].strip()[:160]
        raise RunError(f"{path}: does not fit {detector.name} ({said}); train the run again") from None
    if lacking:
        raise RunError(f"{path}: lacks {len(lacking)} tensors, such as {min(lacking)}; train the run again")
    return detector.eval()


def write_weights(network: nn.Module, path: Path) -> None:
    """Write a network's tensors as safetensors, whole or not at all; of shared ones, one."""
    from safetensors.torch import save

    skipped = _shared(network)
    state = {
        key: value.detach().to("cpu").contiguous().clone()
        for key, value in network.state_dict().items()
        if key not in skipped
    }
    write_whole(path, save(state))


def _shared(network: nn.Module) -> set[str]:
    """Names of tensors that are other ones' second names."""
    seen: set[tuple[int, tuple[int, ...]]] = set()
    again = set()
    for key, value in network.state_dict(keep_vars=True).items():
        place = (value.data_ptr(), tuple(value.shape))
        if value.numel() and place in seen:
            again.add(key)
        seen.add(place)
    return again


def detect(run: Run, path: Path, *, threshold: float | None = None) -> Detections:
    """What a run finds on a photo's file, in pixels of the upright photo.

    Raises:
        PhotoRefused: The photo cannot be read.
    """
    import torch

    from melascope.lesions.letterbox import fit, letterbox
    from melascope.photo import read_photo

    pixels = read_photo(path).pixels
    height, width = pixels.shape[:2]
    side = run.config.side
    picture = torch.from_numpy(letterbox(pixels, side)).permute(2, 0, 1)[None].float()
    how = run.config.recipe.reading
    found = run.detector.predict(picture, threshold=how.threshold if threshold is None else threshold, limit=how.limit)[
        0
    ]
    boxes = fit(width, height, side).to_photo(found.boxes).astype(np.float32)
    return Detections(boxes, found.scores, found.kinds)


def is_finished(folder: Path) -> bool:
    """Whether a run is complete."""
    return (folder / CARD).is_file() and (folder / CONFIG).is_file()


def check_same(folder: Path, config: Config) -> None:
    """Makes sure that a folder holds the run that is asked for.

    Raises:
        RunError: It does not.
    """
    there = read_config(folder)
    unlike = list(differences(config.recipe, there.recipe))
    for what in ("architecture", "seed", "weights_sha256"):
        mine, theirs = getattr(config, what), getattr(there, what)
        if mine != theirs:
            unlike.insert(0, f"{what}: {theirs!r} there, {mine!r} now")
    if config.start != there.start and not unlike:
        unlike.append(f"start: {there.start!r} there, {config.start!r} now")
    if config.data["identity"] != there.data["identity"]:
        unlike.append("other photos, boxes or parts")
    if unlike:
        raise RunError(f"{folder}: holds another run ({'; '.join(unlike[:5])}); name another folder, or empty this one")


def write_config(config: Config, folder: Path) -> None:
    """Write config.json, whole or not at all."""
    table = asdict(config)
    table |= {
        "schema_version": "1.0",
        "classes": list(config.classes),
        "side": config.side,
        "ours": config.recipe.name != "ding2022",
    }
    write_whole(folder / CONFIG, json.dumps(table, indent=2, ensure_ascii=False) + "\n")


def read_config(folder: Path) -> Config:
    """config.json of a run.

    Raises:
        RunError: There is none, or it is damaged.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise RunError(f"{folder}: holds no {CONFIG}; name the folder of a run that `melascope lesions train` wrote")
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        anchors = table["anchors"]
        return Config(
            name=str(table["name"]),
            architecture=str(table["architecture"]),
            recipe=recipe_of(table["recipe"], str(path)),
            seed=int(table["seed"]),
            start=str(table["start"]),
            weights_sha256=str(table["weights_sha256"]),
            anchors=None
            if anchors is None
            else Anchors(
                tuple((float(w), float(h)) for w, h in anchors["sizes"]), int(anchors["boxes"]),
                float(anchors["recall"]), float(anchors["mean_iou"]), bool(anchors["fitted"]),
            ),
            data=dict(table["data"]),
            weights_note=str(table["weights_note"]),
            versions=dict(table["versions"]),
        )  # fmt: skip
    except RecipeError as error:
        raise RunError(str(error)) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: is damaged ({type(error).__name__}: {error}); train the run again") from None

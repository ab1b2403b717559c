"""What a detector starts from: chance, ImageNet where torchvision has it, or an earlier run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch

from melascope.lab.detect.detector import Detector
from melascope.lab.detect.registry import CARDS

__all__ = ["IMAGENET", "WEIGHTS", "WeightsError", "load", "note", "telling"]

IMAGENET: Final = "backbone: ImageNet (torchvision)"
"""Where a run began, in its config: torchvision builds another network then."""
WEIGHTS: Final = "weights.safetensors"
_WAY_OUT: Final = "use --weights none (a random start) or --weights RUN (an earlier run)"


class WeightsError(ValueError):
    """Weights that cannot be had or do not fit; says why, and the way out."""


@contextmanager
def telling(name: str) -> Iterator[None]:
    """A download that fails is told in a sentence."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = str(getattr(error, "reason", "") or error).strip().splitlines()
        said = reason[0][:160] if reason else type(error).__name__
        raise WeightsError(f"ImageNet weights of {name} cannot be had from here ({said}): {_WAY_OUT}") from None


@torch.no_grad()
def load(detector: Detector, weights: str) -> int:
    """Take over what fits of a file or run; nothing for ``none``, and for ``imagenet`` what was built with it.

    Returns:
        Tensors that were taken over.

    Raises:
        WeightsError: There is no such file, or less than half of the detector's tensors are in it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if weights == "none":
        return 0
    if weights == "imagenet":
        if CARDS[detector.name].imagenet:
            return 0
        raise WeightsError(f"{detector.name} has no ImageNet weights that may be used here: {_WAY_OUT}")
    path = _file(weights)
    try:
        there = load_file(str(path))
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: cannot be read as safetensors ({error}); {_WAY_OUT}") from None
    mine = detector.state_dict()
    fitting = {key: value for key, value in there.items() if key in mine and mine[key].shape == value.shape}
    if 2 * len(fitting) < len(mine):
        raise WeightsError(
            f"{path}: only {len(fitting)} of the {len(mine)} tensors of {detector.name} are in it: it is of another "
            f"network; {_WAY_OUT}"
        )
    detector.load_state_dict(fitting, strict=False)
    return len(fitting)


def note(weights: str) -> tuple[str, str]:
    """Where a detector with other weights starts, in words, and the SHA-256 of the file, empty where there is none."""
    if weights == "imagenet":
        return IMAGENET, ""
    path = _file(weights)
    said = f"earlier run {path.parent.name}"
    try:
        began = str(json.loads((path.parent / "config.json").read_text(encoding="utf-8"))["start"])
    except (OSError, ValueError, KeyError, TypeError):
        began = ""  # weights alone
    return f"{said}, {IMAGENET}" if IMAGENET in began else said, hashlib.sha256(path.read_bytes()).hexdigest()


def _file(weights: str) -> Path:
    path = Path(weights)
    path = path / WEIGHTS if path.is_dir() else path
    if not path.is_file():
        raise WeightsError(f"--weights {weights}: must be none, imagenet, a run's folder or its {WEIGHTS}; correct it")
    return path

"""What a network starts from: ImageNet, a file, or an earlier run, never chance unless that is asked for."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from melascope.lab.severity.cards import CARDS, IMAGENET, PLAIN, TIMM, Scaling, called
from melascope.lab.severity.registry import _timm, empty, head_of, resize_head
from melascope.lab.severity.sources import names_of

__all__ = ["Start", "WeightsError", "check_people", "kind_of", "sha256_of", "start"]

_SAVED: Final = "weights.safetensors"
_WAY_OUT: Final = "use --weights none (a random start) or --weights FILE"


class WeightsError(ValueError):
    """Weights that cannot be had or do not fit; says why, and the way out."""


@dataclass(frozen=True)
class Start:
    """A network that is ready to be trained."""

    network: nn.Module
    scaling: Scaling
    """What the weights expect."""
    note: str
    """Where it comes from, in words, for tables and cards."""
    trained: bool
    """Whether the weights are trained ones."""
    folded: bool = False
    """Whether batch norms came folded into their convolutions, so that they need statistics before training."""
    sha256: str = ""


def start(name: str, weights: str, *, classes: int = 3, side: int = 224) -> Start:
    """A network with the weights that are asked for, and a last layer of its own.

    Args:
        name: One of `NAMES`, or ``timm:NAME``.
        weights: ``none``; ``imagenet`` (torchvision's or timm's own, downloaded once by these libraries); a state dict
            (.pth, .pt, .safetensors); or the folder of a run of this laboratory.
        classes: Outputs. The last layer is taken over only from a run.
        side: Pixels of a side.

    Raises:
        NoSuchNetwork: There is no such architecture.
        WeightsError: The weights cannot be had or do not fit.
    """
    if weights == "none":
        return Start(empty(name, classes, side), IMAGENET, "random start", trained=False)
    if weights == "imagenet":
        return _imagenet(name, classes, side)
    path = Path(weights)
    if path.is_dir():
        return _run(name, path, classes, side)
    _there(path)
    return _file(name, path, classes, side)


def kind_of(note: str) -> str:
    """What kind of start the note of one tells of, in words.

    Example:
        >>> kind_of("random start"), kind_of("ImageNet (torchvision)"), kind_of("trained on 5 of 9"), kind_of("a.pth")
        ('none', 'imagenet', 'a run', 'a file')
    """
    begins = {"random start": "none", "ImageNet (": "imagenet", "trained on ": "a run"}
    return next((kind for words, kind in begins.items() if note.startswith(words)), "a file")


def sha256_of(weights: str) -> tuple[str, str]:
    """The kind of start that is asked for, as `kind_of` says it, and the SHA-256 of what it is read from.

    Empty where it has none of its own: ``none``, ``imagenet``.

    Raises:
        WeightsError: There is no such file or folder.
    """
    if weights in {"none", "imagenet"}:
        return weights, ""
    path = Path(weights)
    kind = "a run" if path.is_dir() else "a file"
    path = path / _SAVED if path.is_dir() else path
    _there(path)
    return kind, hashlib.sha256(path.read_bytes()).hexdigest()


def _there(path: Path) -> None:
    if not path.is_file():
        raise WeightsError(
            f"--weights {path}: must be none, imagenet, a file (.pth, .safetensors) or a run's folder, and there is "
            "no such file or folder; correct its name"
        )


def _imagenet(name: str, classes: int, side: int) -> Start:
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # it tells of every attempt; the last one is enough
    try:
        if name in CARDS:
            from torchvision.models import get_model_weights

            entry = next(iter(get_model_weights(name)))
            state = entry.get_state_dict(progress=False, check_hash=True)
            network = empty(name, 1000, side)
            network.load_state_dict(_renamed(state))
        elif name.startswith(TIMM):
            empty(name, classes, side)  # a name that does not exist is no matter of the network
            network = _timm(name, classes, side, trained=True)
        else:
            network = empty(name, classes, side)
    except (OSError, RuntimeError) as error:
        # urllib's and the hub's errors are OSErrors; a broken download fails its checksum with a RuntimeError.
        reason = str(getattr(error, "reason", "") or error).strip().splitlines()
        raise WeightsError(
            f"ImageNet weights of {called(name)} cannot be had from here "
            f"({reason[0][:160] if reason else type(error).__name__}): "
            f"{_WAY_OUT}"
        ) from None
    if name in CARDS:
        return Start(
            resize_head(name, network, classes, keep=False), CARDS[name].scaling, "ImageNet (torchvision)", trained=True
        )
    made = network.pretrained_cfg
    return Start(network, Scaling(tuple(made["mean"]), tuple(made["std"])), "ImageNet (timm)", trained=True)


def _file(name: str, path: Path, classes: int, side: int) -> Start:
    state = _read(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    network = empty(name, classes, side)
    where, _ = head_of(name, network)
    heads = {where, *(f"{aux}.fc2" for aux in (CARDS[name].auxiliary if name in CARDS else ()))}
    body = {
        key: value for key, value in _renamed(state).items() if not any(key.startswith(f"{head}.") for head in heads)
    }
    mine = network.state_dict()
    needed = [key for key in mine if not any(key.startswith(f"{head}.") for head in heads)]
    optional = CARDS[name].auxiliary if name in CARDS else ()
    missing = [key for key in needed if key not in body and not key.startswith(optional or ("\0",))]
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    unlike = [key for key in body if key in mine and body[key].shape != mine[key].shape]
    extra = [key for key in body if key not in mine]
    if missing or unlike or extra:
        first = (missing or unlike or extra)[0]
        what = "lacks" if missing else "has another shape of" if unlike else "has besides"
        raise WeightsError(
            f"{path.name} is no {called(name)}: it {what} {first}; name weights of the same architecture"
        )
    network.load_state_dict(body, strict=False)
    folded = _is_folded(body)
    note = f"{path.name}{', ImageNet' if 'imagenet' in path.name.lower() else ''}"
    # The converted quantised MobileNetV2 is read by −1 to 1. Its convolutions of stride 2 were trained with padding
    # below and to the right; torchvision's pad on all sides, which moves their grid: the features are those of the
    # photo moved by 31 pixels, up to what happens at its border.
    return Start(network, PLAIN if folded else _scaling(name), note, trained=True, folded=folded, sha256=sha256)


def _run(name: str, folder: Path, classes: int, side: int) -> Start:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        architecture, scaling = config["architecture"], Scaling(tuple(config["mean"]), tuple(config["deviation"]))
        outputs = int(config["outputs"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{folder}: is no run of this laboratory ({type(error).__name__}: {error}); name a folder that `melascope "
            "severity train` wrote, or a file of weights"
        ) from None
    if architecture != name:
        raise WeightsError(f"{folder}: holds {called(architecture)}, not {called(name)}; name a run of {called(name)}")
    path = folder / _SAVED
    if not path.is_file():
        raise WeightsError(f"{folder}: has no {_SAVED}: its training has not ended; finish it first")
    network = empty(name, outputs, side)
    state = _read(path)
    try:
        lacking = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise WeightsError(f"{path}: does not fit {called(name)} ({str(error).splitlines()[-1].strip()})") from None
    body = [key for key in lacking.missing_keys if not key.startswith(CARDS[name].auxiliary if name in CARDS else ())]
    if body or lacking.unexpected_keys:
        raise WeightsError(f"{path}: lacks {(body or lacking.unexpected_keys)[0]}; train the run again")
    if outputs != classes:
        resize_head(name, network, classes)
    about = config.get("data", {})
    learnt = sum(about.get("counts", {}).get("train", {}).values()) or "?"
    note = (
        f"trained on {learnt} of {about.get('photos', '?')} photos of {about.get('patients', '?')} other patients "
        f"({about.get('name', folder.name)})"
    )
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Start(network, scaling, note, trained=True, sha256=sha256)


def check_people(
    folder: Path, photos: Mapping[str, str], patients: Iterable[str], identity: str, people: Iterable[str] = ()
) -> str:
    """Makes sure that a run was not trained on people on whom its successor will be validated or tested.

    Args:
        folder: The earlier run, or whatever folder its weights lie in.
        photos: SHA-256 of the photos of validation and test now.
        patients: Patients, and groups that may not be divided, of validation and test now.
        identity: Of the data now, see `Study.identity`.
        people: Everybody of validation and test now, under names that hold in other data sets too, see `Study.people`.

    Returns:
        What was found, in words.

    Raises:
        WeightsError: Somebody was seen before.
    """
    try:
        with (folder / "split.csv").open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row["part"] != "test"]
        seen = {row["photo"] for row in rows}
        known = json.loads((folder / "photos.json").read_text(encoding="utf-8"))
        digests = {known["sha256"][photo] for photo in seen}
        theirs, groups = known["identity"], {known["groups"][photo] for photo in seen}
        people_of = known.get("people") or {}
        before = {name for row in rows if people_of for name in names_of(people_of[row["photo"]], str(row["patient"]))}
    except (OSError, ValueError, KeyError, TypeError):
        return "whether a patient is shared with it cannot be told"
    same = sorted(photo for photo, digest in photos.items() if digest in digests)
    if same:
        raise WeightsError(
            f"{folder}: was trained on {len(same)} of the photos that are to be validated or tested on, such as "
            f"{same[0]}; use a run of other patients, or its own split (--split)"
        )
    now = set(people)
    named = ({row["patient"] for row in rows} | groups) & set(patients)
    if before and now:
        # Of people who are not virtual a patient's name tells too, whatever group one data set has for them.
        shared = sorted((before & now) | (set() if identity or theirs else named))
    elif identity and theirs and identity != theirs:
        return f"no photo is shared with it, and its virtual patients ({theirs}) are others than these ({identity})"
    else:
        shared = sorted(named)
    if shared:
        raise WeightsError(
            f"{folder}: was trained on {len(shared)} of the patients or groups that are to be validated or tested on, "
            f"such as {shared[0]}; use a run of other patients, or its own split (--split)"
        )
    return "no patient is shared with it"


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            from safetensors import SafetensorError
            from safetensors.torch import load_file

            try:
                return dict(load_file(str(path)))
            except SafetensorError as error:
                raise ValueError(str(error)) from None
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - a damaged file fails in every way there is
        raise WeightsError(
            f"{path}: is no file of weights alone ({type(error).__name__}), or it is damaged; name a state dict saved "
            "by torch.save or safetensors"
        ) from None
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise WeightsError(f"{path}: holds no state dict; save network.state_dict() alone")
    return {str(key).removeprefix("module."): value for key, value in found.items()}


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """DenseNet's old names of layers (``denselayer1.norm.1``) as they are now (``denselayer1.norm1``)."""
    return {
        re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.", r"\1\2.", key): value for key, value in state.items()
    }


def _is_folded(state: Mapping[str, Tensor]) -> bool:
    means = [value for key, value in state.items() if key.endswith("running_mean")]
    return bool(means) and all(not value.any() for value in means)


def _scaling(name: str) -> Scaling:
    return CARDS[name].scaling if name in CARDS else IMAGENET

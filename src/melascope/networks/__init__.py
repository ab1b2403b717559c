"""Shipped networks: ONNX files with their JSON cards, and the one class that runs them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from melascope.cores import cores

__all__ = [
    "FOLDER_VARIABLE",
    "THREADS_VARIABLE",
    "Network",
    "NetworkError",
    "check_learnt_from",
    "folder_of",
    "folder_to_write",
    "load",
    "ships",
]

THREADS_VARIABLE: Final = "MELASCOPE_THREADS"
"""Environment variable with the threads that one network may use; 0 or unset: one per core."""

FOLDER_VARIABLE: Final = "MELASCOPE_NETWORKS"
"""Environment variable with a folder whose networks take the places of the installed ones of the same names."""


class NetworkError(RuntimeError):
    """A shipped network is missing, damaged or not the one that its card describes."""


class Network:
    """An ONNX network on the CPU.

    Pictures of a batch are looked at one by one, shared out among the threads: one picture gains little from a second
    thread, and a batch takes memory. A picture alone gets all threads.

    Args:
        name: File name without suffix, in the folder that the environment says or in `melascope/networks`.

    Raises:
        NetworkError: The file or its card is missing, or the file's SHA-256 is not the card's.
    """

    def __init__(self, name: str) -> None:
        folder = folder_of(name)
        try:
            model = (folder / f"{name}.onnx").read_bytes()
            self.card: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            promised = str(self.card["sha256"])
        except (FileNotFoundError, ValueError, KeyError) as error:
            raise NetworkError(f"network {name!r}: {error}; {_way_out()}") from error
        self.sha256 = hashlib.sha256(model).hexdigest()
        if self.sha256 != promised:
            raise NetworkError(
                f"network {name!r}: the file's SHA-256 is {self.sha256[:12]}..., its card says "
                f"{promised[:12]}...; {_way_out()}"
            )
        self._model, self._threads = model, _threads()
        self._each = _session(model, 1)
        self._inputs = [each.name for each in self._each.get_inputs()]
        self._outputs = [output.name for output in self._each.get_outputs()]

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Runs the network on a batch and gives its first output; shapes are those of the card."""
        return self._run({self._inputs[0]: batch}, self._outputs[:1])[0]

    def outputs(self, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Runs the network on a batch and gives all outputs, by the names that the card tells."""
        return self.run({self._inputs[0]: batch})

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """The same of a network with several inputs, by their names; all have a row for each row of the outputs."""
        return dict(zip(self._outputs, self._run(inputs, self._outputs), strict=True))

    def _run(self, inputs: Mapping[str, NDArray[np.float32]], outputs: list[str]) -> list[NDArray[np.float32]]:
        first = next(iter(inputs.values()))
        if first.ndim < 3 or len(first) < 2:
            found = self._alone.run(outputs, dict(inputs))
            return [np.asarray(values, np.float32) for values in found]
        parts = [{name: values[row : row + 1] for name, values in inputs.items()} for row in range(len(first))]
        if self._threads == 1:
            done = [self._each.run(outputs, part) for part in parts]
        else:
            with ThreadPoolExecutor(min(len(parts), self._threads)) as pool:
                done = list(pool.map(lambda part: self._each.run(outputs, part), parts))
        return [np.concatenate(values).astype(np.float32, copy=False) for values in zip(*done, strict=True)]

    @cached_property
    def _alone(self) -> Any:
        """For what comes alone: made when it does, for it holds the weights once more."""
        return self._each if self._threads == 1 else _session(self._model, self._threads)


def _session(model: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _way_out() -> str:
    if os.environ.get(FOLDER_VARIABLE):
        return f"mend what lies in {os.environ[FOLDER_VARIABLE]}, unset {FOLDER_VARIABLE}, or install melascope again"
    return "install melascope again"


def _threads() -> int:
    """Threads of a network: what the environment says, or one per core that this process may use."""
    text = os.environ.get(THREADS_VARIABLE, "0")
    if not (text.isascii() and text.isdigit()):
        raise NetworkError(f"{THREADS_VARIABLE} = {text!r}: must be a whole number; unset it, or set it to 1 or more")
    return int(text) or cores()


def folder_to_write() -> Path:
    """Where networks and cards are written: the folder that the environment says, made if need be, or the package."""
    said = os.environ.get(FOLDER_VARIABLE)
    if not said:
        return Path(str(files("melascope.networks")))
    Path(said).mkdir(parents=True, exist_ok=True)
    return Path(said)


def folder_of(name: str) -> Path:
    """The folder that the environment says, if it has a network of that name, whole or not; else the package.

    Raises:
        NetworkError: There is no such folder.
    """
    said = os.environ.get(FOLDER_VARIABLE)
    if said and not Path(said).is_dir():
        raise NetworkError(f"{FOLDER_VARIABLE} = {said!r}: is no folder; unset it, or name a folder of networks")
    return Path(said) if said and _has(Path(said), name) else Path(str(files("melascope.networks")))


def _has(folder: Path, name: str) -> bool:
    return any((folder / f"{name}.{suffix}").is_file() for suffix in ("onnx", "json"))


def ships(name: str) -> bool:
    """Whether there is a network of that name, whole or not."""
    return _has(folder_of(name), name)


@cache
def load(name: str) -> Network:
    """The network of that name, loaded once per process."""
    return Network(name)


def check_learnt_from(name: str, other: str, *, anew: str) -> None:
    """A network that looks at what another says must have learnt from that one: its card holds the SHA-256.

    Args:
        name: The network, whose card says `<other>_network`.
        other: Name of the other.
        anew: The command that makes it anew.

    Raises:
        NetworkError: It learnt from another, or one of both is missing or damaged.
    """
    installed, wanted = load(other).sha256, load(name).card.get(f"{other}_network")
    if wanted != installed:
        raise NetworkError(
            f"network {name!r}: it learnt from the {other} network {str(wanted)[:12]}..., and {installed[:12]}... is "
            f"in use; {_way_out()}, or train it anew (`{anew}`)"
        )

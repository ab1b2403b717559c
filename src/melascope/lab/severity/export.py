"""ONNX files of a trained network: checked against torch, timed, and an int8 variant where it is as good."""

from __future__ import annotations

import hashlib
import os
import statistics
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from melascope.lab.severity.cards import Scaling
from melascope.lab.severity.lesson import masi_of
from melascope.lab.severity.photos import Photos
from melascope.lab.severity.registry import head_of, last_features
from melascope.lab.severity.run import Config
from melascope.lab.severity.study import Study

__all__ = ["MOST_GAP", "MOST_LOSS", "Exported", "Readable", "export", "onnx_probabilities"]

MODEL: Final = "model.onnx"
INT8: Final = "model.int8.onnx"
MOST_GAP: Final = 1e-4
"""Most by which a probability may differ between onnxruntime and torch; the MASI by 48 times as much."""
MOST_LOSS: Final = 0.005
"""Accuracy on validation that an int8 variant may lose; at this or more it is not kept."""
_CALIBRATION_PHOTOS: Final = 96
_TIMED: Final = 15


@dataclass(frozen=True)
class Exported:
    """What was written."""

    bytes: int
    ms: Mapping[int, float]
    """Milliseconds of one photo by threads, median."""
    described: Mapping[str, Any]
    """For the card: file, SHA-256, inputs, outputs, difference from torch."""
    int8: Mapping[str, Any] | None = None
    int8_note: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


class Readable(nn.Module):
    """A network that takes pixels and gives probabilities, MASI and, where it can, the share of each place in them.

    Input (N, 3, S, S) float, RGB from 0 to 255. Output: probabilities (N, 3); masi (N,) if the network has it; maps
    (N, outputs, h, w) if it ends in one mean over places and one linear layer: their sum over places plus the layer's
    bias is each class score, and the MASI's output, exactly (Zhou et al. 2016, class activation maps).
    """

    def __init__(self, network: nn.Module, name: str, scaling: Scaling, outputs: int, maps: bool) -> None:
        super().__init__()
        self.network, self.name, self.outputs, self.maps = network, name, outputs, maps
        mean, deviation = torch.tensor(scaling.mean), torch.tensor(scaling.deviation)
        self.register_buffer("factor", (1 / (255 * deviation)).reshape(1, 3, 1, 1))
        self.register_buffer("offset", (-mean / deviation).reshape(1, 3, 1, 1))

    @property
    def names(self) -> list[str]:
        """Of the outputs."""
        return ["probabilities", *(["masi"] if self.outputs > 3 else []), *(["maps"] if self.maps else [])]

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Outputs in the order of `names`."""
        pictures = pixels * self.factor + self.offset
        maps = None
        if self.maps:
            features = last_features(self.name, self.network, pictures)
            assert features is not None
            head = head_of(self.name, self.network)[1]
            weight = head.weight.reshape(head.weight.shape[0], -1, 1, 1)
            maps = torch.nn.functional.conv2d(features, weight) / (features.shape[2] * features.shape[3])
            scores = maps.sum(dim=(2, 3)) + head.bias
        else:
            scores = self.network(pictures)
        found = [scores[:, :3].softmax(dim=1)]
        if self.outputs > 3:
            found.append(masi_of(scores).clamp(0, 48))
        if maps is not None:
            found.append(maps)
        return tuple(found)


def export(
    network: nn.Module, config: Config, study: Study, photos: Photos, folder: Path, *, int8: bool = True
) -> Exported:
    """Write model.onnx, and model.int8.onnx if it is kept, checked or not at all.

    Args:
        network: In evaluation, on the CPU.
        config: Of the run.
        study: For the photos that the int8 variant is fitted and judged on.
        photos: As they were read.
        folder: Of the run.
        int8: Whether to try the int8 variant.

    Raises:
        RuntimeError: onnxruntime and torch differ by more than `MOST_GAP`.
    """
    rows = photos.rows(study.part("validation")[:4])
    example = _batch(photos.pixels, rows)
    model = Readable(network, config.architecture, config.scaling, config.outputs, _sums_up(network, config)).eval()
    path = folder / MODEL
    part = path.with_name(f".{path.name}.part")
    try:
        with _without_adaptive_pools(network, config.side):
            _to_onnx(model, example, part)
        gap = _gap(model, part, example)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    side = config.side
    described = {
        "file": MODEL,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "input": f"pixels: photos x 3 x {side} x {side} float32, RGB from 0 to 255",
        "frame": config.recipe.picture.frame,
        "outputs": model.names,
        "largest_difference_from_torch": float(f"{gap:.2e}"),
    }
    if model.maps:
        described["maps"] = "their sum over places plus `bias` gives the class scores (and the MASI's output), exactly"
        described["bias"] = head_of(config.architecture, network)[1].bias.tolist()
    ms = {threads: _ms(path, example[:1], threads) for threads in (1, 2)}
    small, note = (None, "")
    if int8:
        small, note = _int8(path, study, photos, folder)
    return Exported(path.stat().st_size, ms, described, small, note)


def onnx_probabilities(
    path: Path, pixels: NDArray[np.uint8], rows: Sequence[int] | NDArray[np.intp], batch: int = 16
) -> NDArray[np.float32]:
    """(N, 3) probabilities that an ONNX file gives to photos (M, S, S, 3) at N places, one view each."""
    session = _session(path, 0)
    parts = [
        session.run(["probabilities"], {"pixels": _batch(pixels, rows[i : i + batch]).numpy()})[0]
        for i in range(0, len(rows), batch)
    ]
    return np.concatenate(parts)


@torch.no_grad()
def _sums_up(network: nn.Module, config: Config) -> bool:
    """Whether the class scores are sums over places: asked of the network itself, not of its name."""
    pictures = torch.linspace(-1, 1, 3 * config.side**2).reshape(1, 3, config.side, config.side)
    try:
        features = last_features(config.architecture, network, pictures)
        if features is None:
            return False
        head = head_of(config.architecture, network)[1]
        if head.bias is None:
            return False
        scores = features.mean(dim=(2, 3)) @ head.weight.flatten(1).T + head.bias
        there = network(pictures)
    except (RuntimeError, AttributeError):
        return False
    return scores.shape == there.shape and bool(torch.allclose(scores, there, atol=1e-4, rtol=1e-4))


def _to_onnx(model: nn.Module, example: Tensor, path: Path) -> None:
    names = model.names
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of the exporter by tracing, which needs no further package
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.filterwarnings("ignore", message=".*legacy TorchScript-based ONNX export.*")
        torch.onnx.export(
            model,
            (example,),
            str(path),
            input_names=["pixels"],
            output_names=names,
            dynamic_axes={name: {0: "photos"} for name in ("pixels", *names)},
            opset_version=17,
            dynamo=False,
        )


class _Pool(nn.Module):
    """Adaptive mean pooling as two products with matrices, which ONNX has for every size."""

    def __init__(self, inputs: tuple[int, int], outputs: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("down", _means(inputs[0], outputs[0]))
        self.register_buffer("across", _means(inputs[1], outputs[1]).T)

    def forward(self, features: Tensor) -> Tensor:
        return self.down @ features @ self.across


def _means(inputs: int, outputs: int) -> Tensor:
    """(outputs, inputs) matrix whose row i takes the mean of the cells from floor(i n/m) to ceil((i + 1) n/m)."""
    matrix = torch.zeros(outputs, inputs)
    for i in range(outputs):
        first, last = i * inputs // outputs, -(-(i + 1) * inputs // outputs)
        matrix[i, first:last] = 1 / (last - first)
    return matrix


@contextmanager
def _without_adaptive_pools(network: nn.Module, side: int) -> Iterator[None]:
    """While it lasts, pools to a size that does not divide their input's (AlexNet, VGG16 at odd sides) are `_Pool`s."""
    pools = {name: m for name, m in network.named_modules() if isinstance(m, nn.AdaptiveAvgPool2d)}
    sizes: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {}

    def note(name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            sizes[name] = (tuple(inputs[0].shape[-2:]), tuple(output.shape[-2:]))

        return hook

    handles = [pool.register_forward_hook(note(name)) for name, pool in pools.items()]
    with torch.no_grad():
        network(torch.zeros(1, 3, side, side))
    for handle in handles:
        handle.remove()
    odd = [name for name, (there, out) in sizes.items() if there[0] % out[0] or there[1] % out[1]]
    try:
        for name in odd:
            _put(network, name, _Pool(*sizes[name]))
        yield
    finally:
        for name in odd:
            _put(network, name, pools[name])


def _put(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(network.get_submodule(parent), leaf, module)


def _gap(model: Readable, path: Path, example: Tensor) -> float:
    session = _session(path, 0)
    ours = session.run(None, {"pixels": example.numpy()})
    with torch.no_grad():
        theirs = model(example)
    gaps = [float(np.abs(a - b.numpy()).max()) for a, b in zip(ours, theirs, strict=True)]
    most = [MOST_GAP, *([48 * MOST_GAP] if model.outputs > 3 else [])]
    if any(gap > limit for gap, limit in zip(gaps, most, strict=False)):
        raise RuntimeError(
            f"ONNX and torch differ by {max(gaps):.2e}; at most {MOST_GAP} is allowed; report it with the run's card"
        )
    return gaps[0]


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _ms(path: Path, example: Tensor, threads: int) -> float:
    session = _session(path, threads)
    feed = {"pixels": example.numpy()}
    times = []
    for _ in range(_TIMED + 3):
        began = time.perf_counter()
        session.run(["probabilities"], feed)
        times.append(time.perf_counter() - began)
    return round(1000 * statistics.median(times[3:]), 2)


def _batch(pixels: NDArray[np.uint8], rows: Sequence[int] | NDArray[np.intp]) -> Tensor:
    return (
        torch.from_numpy(np.stack([np.asarray(pixels[row]) for row in rows])).permute(0, 3, 1, 2).float().contiguous()
    )


def _int8(path: Path, study: Study, photos: Photos, folder: Path) -> tuple[dict[str, Any] | None, str]:
    """Static quantisation (8 bits, weights by channel), or else dynamic; kept if validation hardly suffers."""
    chosen = study.part("validation")
    rows, truth = photos.rows(chosen), study.truth(chosen)
    before = float((onnx_probabilities(path, photos.pixels, rows).argmax(axis=1) == truth).mean())
    tried: list[str] = []
    train = study.part("train")
    some = photos.rows(
        [train[i] for i in np.linspace(0, len(train) - 1, min(_CALIBRATION_PHOTOS, len(train))).astype(int)]
    )
    for kind in ("static", "dynamic"):
        part = folder / f".{INT8}.part.onnx"
        try:
            _quantise(kind, path, part, photos, some)
            after = float((onnx_probabilities(part, photos.pixels, rows).argmax(axis=1) == truth).mean())
            size = part.stat().st_size
            tried.append(f"{kind} {after:.3f}, {size / 1e6:.1f} MB")
            if before - after < MOST_LOSS and size < path.stat().st_size:
                os.replace(part, folder / INT8)
                small = folder / INT8
                example = _batch(photos.pixels, rows[:1])
                found = {
                    "file": INT8,
                    "kind": kind,
                    "sha256": hashlib.sha256(small.read_bytes()).hexdigest(),
                    "megabytes": round(size / 1e6, 3),
                    "validation_accuracy": round(after, 4),
                    "validation_accuracy_float": round(before, 4),
                    "ms_1_thread": _ms(small, example, 1),
                    "ms_2_threads": _ms(small, example, 2),
                }
                return (
                    found,
                    f"int8 kept ({kind}): validation accuracy {before:.3f} to {after:.3f}, {size / 1e6:.1f} MB",
                )
        except Exception as error:  # noqa: BLE001 - what a quantiser cannot do is no fault of the run
            tried.append(f"{kind} failed ({type(error).__name__})")
        finally:
            part.unlink(missing_ok=True)
    (folder / INT8).unlink(missing_ok=True)
    return None, f"int8 not kept: validation accuracy {before:.3f} becomes {'; '.join(tried)}"


def _quantise(kind: str, path: Path, to: Path, photos: Photos, rows: NDArray[np.intp]) -> None:
    import logging

    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_dynamic,
        quantize_static,
    )

    class Some(CalibrationDataReader):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            self.left = iter(range(0, len(rows), 8))

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            first = next(self.left, None)
            return None if first is None else {"pixels": _batch(photos.pixels, rows[first : first + 8]).numpy()}

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises a step that changes nothing here
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if kind == "dynamic":
                quantize_dynamic(str(path), str(to), weight_type=QuantType.QInt8)
            else:
                quantize_static(
                    str(path), str(to), Some(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                    op_types_to_quantize=["Conv", "Gemm", "MatMul"],
                )  # fmt: skip
    finally:
        root.setLevel(level)

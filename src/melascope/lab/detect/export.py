"""A detector as an ONNX file, checked against torch, and its speed in onnxruntime.

The file takes ``pixels`` (N, 3, S, S) float32, R, G, B from 0 to 255, and gives ``boxes`` (N, M, 4), x0, y0, x1, y1 in
pixels of the picture, and ``scores`` (N, M, C). Non-maximum suppression follows outside of it, in numpy:
`melascope.lesions.suppression.suppress` (the proposals of Faster R-CNN have had one of their own inside; D-FINE needs
none).
"""

from __future__ import annotations

import hashlib
import os
import statistics
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from melascope.lab.detect.boxes import iou_table
from melascope.lab.detect.detector import Detector

__all__ = ["MOST_GAP", "Exported", "export", "gap", "session", "timed", "write_onnx"]

MODEL: Final = "model.onnx"
MOST_GAP: Final = 1e-3
"""Most by which a box may differ between onnxruntime and torch, as a share of the picture's side; scores likewise."""
_LEAST_SCORE: Final = 0.005
"""Of candidates that are compared: where scores are ranked inside a network, the hindmost change places at random."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    bytes: int
    ms: Mapping[int, float]
    """Milliseconds of one picture by threads, median."""
    described: Mapping[str, Any]
    """For the card: file, SHA-256, inputs, outputs, difference from torch."""


def export(
    detector: Detector, path: Path, example: Tensor, *, threads: tuple[int, ...] = (1, 2), times: int = 15
) -> Exported:
    """Write a detector as ONNX, checked or not at all.

    Args:
        detector: On the CPU; is put in evaluation.
        path: File.
        example: (N, 3, S, S) pictures of 0 to 255, for tracing and for the check.
        threads: Of which the times are taken.
        times: Runs of each time.

    Raises:
        RuntimeError: onnxruntime and torch differ by more than `MOST_GAP`.
    """
    detector.eval()
    example = example.float().contiguous()
    part = path.with_name(f".{path.name}.part")
    try:
        write_onnx(detector, example[:1] if detector.fixed_batch else example, part)
        apart = max(gap(detector, part, example[i : i + 1]) for i in range(len(example)))
        if apart > MOST_GAP:
            raise RuntimeError(f"ONNX and torch differ by {apart:.2e} of the side; at most {MOST_GAP} is allowed")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    side = detector.side
    count = "1" if detector.fixed_batch else "photos"
    described = {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "input": f"pixels: {count} x 3 x {side} x {side} float32, RGB from 0 to 255, the photo letterboxed on grey 114",
        "outputs": ["boxes", "scores"],
        "suppression": "none needed" if detector.overlap >= 1 else f"outside, by kind, IoU {detector.overlap}",
        "largest_difference_from_torch": float(f"{apart:.2e}"),
    }
    ms = {count: timed(path, example[:1].numpy(), count, times) for count in threads}
    return Exported(path.stat().st_size, ms, described)


def write_onnx(detector: Detector, example: Tensor, path: Path) -> None:
    """Write a detector in evaluation as ONNX, unchecked; by tracing with `example`."""
    dynamic = {0: "photos"} if not detector.fixed_batch else {}
    axes = {"pixels": dynamic, "boxes": {**dynamic}, "scores": {**dynamic}}
    if detector.fixed_batch:
        axes = {"boxes": {1: "boxes"}, "scores": {1: "boxes"}}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of the exporter by tracing, which needs no further package
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", FutureWarning)
        torch.onnx.export(
            detector,
            (example,),
            str(path),
            input_names=["pixels"],
            output_names=["boxes", "scores"],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )


@torch.no_grad()
def gap(detector: Detector, path: Path, example: Tensor) -> float:
    """Largest difference between the file's and torch's candidates of one picture: boxes as shares of the side, scores.

    Candidates are compared in their order, or, where a network ranks them, with the one of the other side that they
    overlap most, which needs scores that are well above those of the background (`_LEAST_SCORE`).
    """
    ours = [torch.from_numpy(each[0]) for each in session(path, 0).run(None, {"pixels": example.numpy()})]
    theirs = [each[0].float() for each in detector.eval()(example)]
    if ours[0].shape == theirs[0].shape:
        apart = _apart(ours, theirs, detector.side)
        if apart <= MOST_GAP:
            return apart
    worst = 0.0
    for one, other in ((ours, theirs), (theirs, ours)):
        best, kind = one[1].max(dim=1)
        sure = best >= max(_LEAST_SCORE, float(best.max()) / 2)
        for box, score, which in zip(one[0][sure], best[sure], kind[sure], strict=True):
            alike = other[1].argmax(dim=1) == which
            if not alike.any():
                return 1.0
            boxes, scores = other[0][alike], other[1][alike][:, which]
            near = iou_table(box[None], boxes)[0] - (scores - score).abs()
            at = int(near.argmax())
            distance = float((boxes[at] - box).abs().max()) / detector.side
            worst = max(worst, distance, float((scores[at] - score).abs()))
    return worst


def _apart(ours: list[Tensor], theirs: list[Tensor], side: int) -> float:
    boxes = float((ours[0] - theirs[0]).abs().max()) / side if ours[0].numel() else 0.0
    scores = float((ours[1] - theirs[1]).abs().max()) if ours[1].numel() else 0.0
    return max(boxes, scores)


def session(path: Path, threads: int) -> Any:
    """An onnxruntime session on the CPU; 0 threads: as many as there are cores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def timed(path: Path, pixels: NDArray[np.float32], threads: int, times: int = 15) -> float:
    """Milliseconds of one run, median of some after three that do not count."""
    running = session(path, threads)
    taken = []
    for _ in range(times + 3):
        began = time.perf_counter()
        running.run(None, {"pixels": pixels})
        taken.append(time.perf_counter() - began)
    return round(1000 * statistics.median(taken[3:]), 2)

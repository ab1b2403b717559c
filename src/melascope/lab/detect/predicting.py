"""What a detector finds on the photos of a study, as predictions.json holds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from melascope.detection.average_precision import average_precision
from melascope.detection.predictions import Found, Photo, Predictions
from melascope.detection.ranked import ranked
from melascope.lab.detect.detector import Detector
from melascope.lab.detect.recipe import Reading
from melascope.lab.detect.store import Kept
from melascope.lab.detect.study import KINDS, Study
from melascope.lesions.suppression import Detections

__all__ = ["ap50", "predictions_of"]


def predictions_of(
    detector: Detector,
    study: Study,
    kept: Kept,
    rows: Sequence[int],
    reading: Reading,
    *,
    batch: int = 8,
    bf16: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> Predictions:
    """Truth and finds of photos, in pixels of the upright photo.

    Args:
        detector: On any device.
        study: Photos.
        kept: As they were read.
        rows: Which of them.
        reading: Threshold, limit, overlap.
        batch: Photos at a time.
        bf16: Compute in bfloat16.
        advance: Called with the number of photos of each finished batch.
    """
    device = next(detector.parameters()).device
    found: list[Photo] = []
    for first in range(0, len(rows), batch):
        some = rows[first : first + batch]
        pixels = torch.from_numpy(np.stack([np.asarray(kept.pixels[i]) for i in some])).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            each = detector.predict(
                pixels.permute(0, 3, 1, 2).float(), threshold=reading.threshold, limit=reading.limit
            )
        found += [_photo(study, kept, i, detections) for i, detections in zip(some, each, strict=True)]
        advance(len(some))
    return Predictions(KINDS, tuple(found))


def _photo(study: Study, kept: Kept, i: int, found: Detections) -> Photo:
    boxes = kept.fits[i].to_photo(found.boxes)
    seen = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return study.photos[i].with_found(
        Found(
            found.kinds[seen],
            boxes[seen].round(2),
            np.clip(found.scores[seen].astype(np.float64), 0, 1).round(5),
        )
    )


def ap50(predictions: Predictions) -> float:
    """Mean over the kinds of the average precision at an IoU of 0.5; 0 where no kind is shown."""
    each = [average_precision(ranked(predictions.photos, kind, (0.5,)))[0] for kind in range(len(predictions.classes))]
    known = [float(value) for value in each if np.isfinite(value)]
    return sum(known) / len(known) if known else 0.0

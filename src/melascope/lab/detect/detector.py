"""What every detector can do, whatever it is made of."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from melascope.lab.detect.assignment import Targets
from melascope.lesions.suppression import Detections, suppress

__all__ = ["Detector"]


class Detector(nn.Module):
    """A network that finds boxes of `classes` kinds on square pictures of `side` pixels.

    Pictures are (N, 3, S, S), R, G, B from 0 to 255, of any number type; how they are scaled is the detector's own.
    Called, it gives its candidates, before non-maximum suppression: what `melascope.lab.detect.export` writes.
    """

    name: str
    classes: int
    side: int
    overlap: float = 0.45
    """Of non-maximum suppression: most IoU of two boxes of a kind; 1 where the network needs none."""
    bf16: bool = True
    """Whether it may be trained in bfloat16."""
    fixed_batch: bool = False
    """Whether its ONNX file takes one picture at a time."""

    def losses(self, pixels: Tensor, targets: Targets) -> Mapping[str, Tensor]:
        """What training makes small: parts by name, and their weighted sum under ``loss``. Needs training mode."""
        raise NotImplementedError

    def candidates(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes (N, M, 4), x0, y0, x1, y1 in pixels of the picture, and scores (N, M, C), 0 to 1. In evaluation."""
        raise NotImplementedError

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """See `candidates`."""
        return self.candidates(pixels)

    @torch.no_grad()
    def predict(
        self, pixels: Tensor, *, threshold: float = 0.05, overlap: float | None = None, limit: int = 300
    ) -> list[Detections]:
        """What it finds on each picture, after non-maximum suppression (`melascope.lesions.suppression.suppress`)."""
        training = self.training
        self.eval()
        try:
            boxes, scores = self.candidates(pixels)
        finally:
            self.train(training)
        most = self.overlap if overlap is None else overlap
        return [
            suppress(b, s, threshold=threshold, overlap=most, limit=limit)
            for b, s in zip(boxes.float().cpu().numpy(), scores.float().cpu().numpy(), strict=True)
        ]

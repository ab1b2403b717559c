"""YOLOs as detectors: a network of raw maps, its anchors, its losses, its boxes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from melascope.lab.detect.anchors import published
from melascope.lab.detect.assignment import Targets
from melascope.lab.detect.decoding import Decoding, places, spread_out
from melascope.lab.detect.detector import Detector
from melascope.lab.detect.losses import yolo_losses
from melascope.lab.detect.recipe import Loss, read_recipe
from melascope.lab.detect.skin_pyramid import SkinYolo
from melascope.lab.detect.yolov4 import YoloV4
from melascope.lab.detect.yolov5 import YoloV5

__all__ = ["Yolo"]

_EACH: Final = 3
"""Anchors of a stride."""


class Yolo(Detector):
    """A YOLO with nine anchors.

    Args:
        name: yolov5n, yolov5s, yolov5m, each also with ``-focus``, yolov4, yolo_skin or yolov4_skin.
        classes: Kinds.
        side: Pixels of a side of its pictures, a multiple of 32.
        loss: Of the recipe; the shipped ``ding2022`` if None.
        narrow: Divides YOLOv4's channels.
    """

    def __init__(self, name: str, classes: int, side: int, loss: Loss | None = None, narrow: int = 1) -> None:
        super().__init__()
        self.name, self.classes, self.side = name, classes, side
        self.loss = loss or read_recipe("ding2022").loss
        outputs = _EACH * (5 + classes)
        self.decoding: Decoding = "v4" if name.startswith("yolov4") else "v5"
        if name == "yolov4":
            self.network: YoloV4 | YoloV5 | SkinYolo = YoloV4(outputs, narrow)
        elif name in ("yolo_skin", "yolov4_skin"):
            self.network = SkinYolo(outputs, self.decoding)
        else:
            size, _, stem = name.removeprefix("yolov5").partition("-")
            self.network = YoloV5(size, outputs, focus=stem == "focus")
        self.strides = self.network.strides
        self.anchors: Tensor
        self.register_buffer("anchors", torch.empty(3, _EACH, 2))
        self.set_anchors(published(side))
        self._begin()

    def set_anchors(self, sizes: NDArray[np.float64]) -> None:
        """Take (9, 2) anchors, width and height in pixels, smallest first."""
        self.anchors.copy_(torch.as_tensor(np.asarray(sizes), dtype=torch.float32).reshape(3, _EACH, 2))

    @torch.no_grad()
    def _begin(self) -> None:
        """Heads begin with few objects, about eight a picture, of any kind alike (Lin et al. 2017, 3.3)."""
        for head, stride in zip(self.network.heads, self.strides, strict=True):
            last = head[-1] if isinstance(head, nn.Sequential) else head
            assert isinstance(last, nn.Conv2d)
            assert last.bias is not None
            bias = last.bias.view(_EACH, -1)
            bias[:, 4] = math.log(8 / (640 / stride) ** 2)
            bias[:, 5:] = -math.log(self.classes)

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """(N, 3, S / s, S / s, 5 + C) raw numbers by stride."""
        found = []
        for raw in self.network(pixels * (1 / 255)):
            photos, _, rows, columns = raw.shape
            found.append(raw.view(photos, _EACH, 5 + self.classes, rows, columns).permute(0, 1, 3, 4, 2))
        return found

    def losses(self, pixels: Tensor, targets: Targets) -> Mapping[str, Tensor]:
        """Box, objectness and class loss, see `melascope.lab.detect.losses.yolo_losses`."""
        how = self.loss
        if how.assignment == "own":
            from dataclasses import replace

            how = replace(how, assignment="shape" if self.decoding == "v4" else "ratio")
        return yolo_losses(self.maps(pixels), targets, self.anchors, self.strides, how, self.decoding)

    def candidates(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Every anchor at every place; scores are objectness times kind."""
        boxes, scores = [], []
        for level, raw in enumerate(self.network(pixels * (1 / 255))):
            photos, _, rows, columns = raw.shape
            # Numbers before places, as the network gives them: places lie side by side in memory, and are many.
            each = raw.view(photos, _EACH, 5 + self.classes, rows * columns)
            cells, anchors = places(rows, columns, raw.device).reshape(-1, 2).T, self.anchors[level][..., None]
            found = spread_out(each[:, :, :4], cells, anchors, self.strides[level], self.decoding, dim=2)
            sure = each[:, :, 4:].sigmoid()
            boxes.append(found.transpose(1, 2).flatten(2))
            scores.append((sure[:, :, :1] * sure[:, :, 1:]).transpose(1, 2).flatten(2))
        return torch.cat(boxes, dim=2).transpose(1, 2), torch.cat(scores, dim=2).transpose(1, 2)

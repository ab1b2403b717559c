"""Which anchor, at which place, has to find which box."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from melascope.lab.detect.boxes import centres_of, iou_table

__all__ = ["Assigned", "Targets", "by_ratio", "by_shape", "kinds_by_overlap"]


@dataclass(frozen=True)
class Targets:
    """The true boxes of a batch."""

    photo: Tensor
    """(T,) int64: place in the batch."""
    kinds: Tensor
    """(T,) int64: 0 to C − 1."""
    boxes: Tensor
    """(T, 4) x0, y0, x1, y1 in pixels of the picture."""

    def of(self, photo: int) -> tuple[Tensor, Tensor]:
        """Boxes and kinds of one photo."""
        mine = self.photo == photo
        return self.boxes[mine], self.kinds[mine]

    def to(self, device: torch.device | str) -> Targets:
        """The same elsewhere."""
        return Targets(self.photo.to(device), self.kinds.to(device), self.boxes.to(device))


@dataclass(frozen=True)
class Assigned:
    """Places of one stride that have to find a box: K of them, all tensors (K,) int64."""

    photo: Tensor
    anchor: Tensor
    row: Tensor
    column: Tensor
    truth: Tensor
    """Place in the targets."""


def by_ratio(targets: Targets, anchors: Tensor, stride: int, shape: tuple[int, int], most: float = 4.0) -> Assigned:
    """The published rule of YOLOv5.

    A box belongs to each anchor whose width and height differ from its own by less than the factor `most`, in the cell
    of its centre and in the two cells beside it that are nearest to that centre, where they are on the map.

    Args:
        targets: All true boxes of the batch.
        anchors: (A, 2) width and height in pixels.
        stride: Pixels of a cell.
        shape: Rows and columns of the map.
        most: Factor.
    """
    centres = centres_of(targets.boxes)
    ratio = centres[:, None, 2:].clamp(min=1e-6) / anchors[None]
    close = torch.maximum(ratio, 1 / ratio).amax(dim=2) < most
    truth, anchor = close.nonzero(as_tuple=True)
    at = centres[truth, :2] / stride
    rows, columns = shape
    column, row = at[:, 0].long().clamp(0, columns - 1), at[:, 1].long().clamp(0, rows - 1)
    part = at - torch.stack((column, row), dim=1)
    left, up = part[:, 0] < 0.5, part[:, 1] < 0.5
    beside = torch.where(left, column - 1, column + 1)
    above = torch.where(up, row - 1, row + 1)
    on = (beside >= 0) & (beside < columns) & (part[:, 0] != 0.5)
    over = (above >= 0) & (above < rows) & (part[:, 1] != 0.5)
    truth = torch.cat((truth, truth[on], truth[over]))
    anchor = torch.cat((anchor, anchor[on], anchor[over]))
    row = torch.cat((row, row[on], above[over]))
    column = torch.cat((column, beside[on], column[over]))
    return Assigned(targets.photo[truth], anchor, row, column, truth)


def by_shape(
    targets: Targets, anchors: Tensor, strides: Tensor, sizes: list[tuple[int, int]], least: float = 0.213
) -> list[Assigned]:
    """The rule of YOLOv4: the anchor of the most similar shape, and all whose IoU with the box on one centre is enough.

    Args:
        targets: All true boxes of the batch.
        anchors: (L, A, 2) width and height in pixels.
        strides: (L,) pixels of a cell.
        sizes: Rows and columns of each map.
        least: IoU from which a further anchor counts.
    """
    centres = centres_of(targets.boxes)
    flat = anchors.reshape(-1, 2)
    inside = torch.minimum(centres[:, None, 2:], flat[None]).prod(dim=2)
    shapes = inside / (centres[:, None, 2:].prod(dim=2) + flat.prod(dim=1) - inside).clamp(min=1e-9)
    chosen = shapes > least
    if len(centres):
        chosen[torch.arange(len(centres), device=chosen.device), shapes.argmax(dim=1)] = True
    each = anchors.shape[1]
    found = []
    for level, (rows, columns) in enumerate(sizes):
        truth, anchor = chosen[:, level * each : (level + 1) * each].nonzero(as_tuple=True)
        at = (centres[truth, :2] / strides[level]).long()
        found.append(
            Assigned(targets.photo[truth], anchor, at[:, 1].clamp(0, rows - 1), at[:, 0].clamp(0, columns - 1), truth)
        )
    return found


def kinds_by_overlap(boxes: Tensor, anchors: Tensor, positive: float = 0.5, negative: float = 0.02) -> Tensor:
    """The paper's rule for the class loss (Ding et al. 2022, after eq. 7).

    An anchor, as a box at its place, is positive if its IoU with a true box is above `positive`, negative if none
    reaches `negative`, else it is ignored. Ours, for boxes that no anchor overlaps so much: the anchor that overlaps a
    true box most is positive too.

    Args:
        boxes: (T, 4) true boxes of one photo.
        anchors: (M, 4) at their places, same pixels.
        positive: IoU above which an anchor is positive.
        negative: IoU below which it is negative.

    Returns:
        (M,) int64: place of the true box; −1 for a negative anchor, −2 for one that is ignored.
    """
    if not len(boxes):
        return torch.full((len(anchors),), -1, dtype=torch.int64, device=anchors.device)
    table = iou_table(boxes, anchors)
    best, which = table.max(dim=0)
    found = torch.where(best > positive, which, torch.where(best < negative, -1, -2))
    found[table.argmax(dim=1)] = torch.arange(len(boxes), device=anchors.device)
    return found

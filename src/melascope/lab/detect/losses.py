"""Losses of the YOLO family: box, objectness, class, as Ding et al. 2022 print them and as they were published."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from melascope.lab.detect.assignment import Assigned, Targets, by_ratio, by_shape, kinds_by_overlap
from melascope.lab.detect.boxes import ciou, giou, iou_table
from melascope.lab.detect.decoding import Decoding, at_places, spread_out, whole_map
from melascope.lab.detect.recipe import Loss

__all__ = ["box_loss", "class_loss", "overlap_class_loss", "yolo_losses"]


def box_loss(found: Tensor, true: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """(K,) 1 − CIoU or 1 − GIoU of pairs of boxes (Ding et al. 2022, eq. 4 and 5), and the measure itself."""
    measure = ciou(found, true) if kind == "ciou" else giou(found, true)
    return 1 - measure, measure


def class_loss(scores: Tensor, kinds: Tensor, smoothing: float) -> Tensor:
    """(K, C) binary cross-entropy of each kind (eq. 3 and 7), of places that have to find a box of that kind.

    Args:
        scores: (K, C) before the sigmoid.
        kinds: (K,).
        smoothing: Targets are 1 − smoothing / 2 and smoothing / 2.
    """
    target = torch.full_like(scores, smoothing / 2)
    target[torch.arange(len(kinds), device=kinds.device), kinds] = 1 - smoothing / 2
    return functional.binary_cross_entropy_with_logits(scores, target, reduction="none")


def overlap_class_loss(scores: Tensor, which: Tensor, kinds: Tensor, smoothing: float) -> Tensor:
    """The paper's class loss of one photo: mean over positive anchors and kinds, plus that over negative ones.

    The paper does not say how many negative anchors weigh against few positive ones; here each side counts as one.

    Args:
        scores: (M, C) before the sigmoid.
        which: (M,) of `kinds_by_overlap`.
        kinds: (T,) of the true boxes.
        smoothing: See `class_loss`; negative anchors have targets of 0.
    """
    total = scores.sum() * 0
    positive, negative = which >= 0, which == -1
    if positive.any():
        total = total + class_loss(scores[positive], kinds[which[positive]], smoothing).mean()
    if negative.any():
        total = total + functional.softplus(scores[negative]).mean()
    return total


def yolo_losses(
    maps: Sequence[Tensor], targets: Targets, anchors: Tensor, strides: Sequence[int], loss: Loss, decoding: Decoding
) -> dict[str, Tensor]:
    """Box, objectness and class loss of a batch, and their weighted sum.

    Args:
        maps: (N, A, h, w, 5 + C) raw, by stride: x, y, w, h, objectness, kinds.
        targets: True boxes.
        anchors: (L, A, 2) in pixels.
        strides: L of them.
        loss: The recipe's.
        decoding: Of the network.
    """
    maps = [each.float() for each in maps]
    device, photos = maps[0].device, len(maps[0])
    box = torch.zeros((), device=device)
    objectness = torch.zeros((), device=device)
    kinds = torch.zeros((), device=device)
    shapes = [(each.shape[2], each.shape[3]) for each in maps]
    if loss.assignment == "shape":
        places = by_shape(targets, anchors, torch.tensor(strides), shapes, loss.shape_iou)
    else:
        places = [by_ratio(targets, anchors[i], strides[i], shapes[i], loss.ratio) for i in range(len(maps))]
    for level, (raw, at) in enumerate(zip(maps, places, strict=True)):
        wanted, counted = torch.zeros(raw.shape[:4], device=device), torch.ones(raw.shape[:4], device=device)
        if loss.ignore < 1:
            counted = _uncertain(raw, targets, anchors[level], strides[level], decoding, loss.ignore)
        if len(at.photo):
            own = raw[at.photo, at.anchor, at.row, at.column]
            cells = torch.stack((at.column, at.row), dim=1).float()
            found = spread_out(own[:, :4], cells, anchors[level][at.anchor], strides[level], decoding)
            each, measure = box_loss(found, targets.boxes[at.truth], loss.box)
            box = box + each.mean()
            if loss.classes == "assigned":
                kinds = kinds + class_loss(own[:, 5:], targets.kinds[at.truth], loss.smoothing).mean()
            _mark(
                wanted, at, measure.detach().clamp(0, 1) if loss.objectness == "overlap" else torch.ones_like(measure)
            )
            counted[at.photo, at.anchor, at.row, at.column] = 1
        each = functional.binary_cross_entropy_with_logits(raw[..., 4], wanted, reduction="none")
        objectness = objectness + loss.levels[level] * (each * counted).sum() / counted.sum().clamp(min=1)
    if loss.classes == "overlap":
        kinds = _by_overlap(maps, targets, anchors, strides, loss)
    total = loss.weight_box * box + loss.weight_objectness * objectness + loss.weight_classes * kinds
    if loss.sum_over_batch:
        total = total * photos
    return {"loss": total, "box": box.detach(), "objectness": objectness.detach(), "classes": kinds.detach()}


def _mark(wanted: Tensor, at: Assigned, values: Tensor) -> None:
    """Where several boxes share a place, the best fitting one decides."""
    _, anchors, rows, columns = wanted.shape
    flat = ((at.photo * anchors + at.anchor) * rows + at.row) * columns + at.column
    wanted.view(-1).scatter_reduce_(0, flat, values, "amax")


@torch.no_grad()
def _uncertain(
    raw: Tensor, targets: Targets, anchors: Tensor, stride: int, decoding: Decoding, ignore: float
) -> Tensor:
    """(N, A, h, w) 0 where a box that nobody asked for overlaps a true one by more than `ignore`, else 1."""
    counted = torch.ones(raw.shape[:4], device=raw.device)
    found = whole_map(raw, anchors, stride, decoding)
    for photo in range(len(raw)):
        boxes, _ = targets.of(photo)
        if len(boxes):
            best = iou_table(found[photo].reshape(-1, 4), boxes).amax(dim=1)
            counted[photo] = (best <= ignore).float().reshape(counted[photo].shape)
    return counted


def _by_overlap(
    maps: Sequence[Tensor], targets: Targets, anchors: Tensor, strides: Sequence[int], loss: Loss
) -> Tensor:
    """The paper's class loss, mean over the photos of a batch."""
    at = torch.cat(
        [at_places(raw.shape[2], raw.shape[3], anchors[level], strides[level]) for level, raw in enumerate(maps)]
    )
    scores = torch.cat([raw[..., 5:].flatten(1, 3) for raw in maps], dim=1)
    total = torch.zeros((), device=scores.device)
    for photo in range(len(scores)):
        boxes, kinds = targets.of(photo)
        which = kinds_by_overlap(boxes, at, loss.positive, loss.negative)
        total = total + overlap_class_loss(scores[photo], which, kinds, loss.smoothing)
    return total / len(scores)

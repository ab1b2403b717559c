"""Overlap of boxes: IoU, generalised and complete IoU. Boxes are x0, y0, x1, y1."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["centres_of", "ciou", "corners_of", "giou", "iou", "iou_table"]

_SMALL = 1e-7


def corners_of(boxes: Tensor) -> Tensor:
    """(..., 4) centre x, centre y, width, height as x0, y0, x1, y1."""
    middle, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat((middle - half, middle + half), dim=-1)


def centres_of(boxes: Tensor) -> Tensor:
    """(..., 4) x0, y0, x1, y1 as centre x, centre y, width, height."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat(((low + high) / 2, high - low), dim=-1)


def iou(one: Tensor, other: Tensor) -> Tensor:
    """(...) intersection over union of pairs of (..., 4) boxes, 0 to 1."""
    inside, joined = _areas(one, other)
    return inside / joined


def iou_table(one: Tensor, other: Tensor) -> Tensor:
    """(n, m) intersection over union of each of (n, 4) boxes with each of (m, 4)."""
    return iou(one[:, None], other[None])


def giou(one: Tensor, other: Tensor) -> Tensor:
    """(...) generalised IoU of pairs, −1 to 1: the IoU less the empty share of the smallest box around both.

    Rezatofighi et al. 2019; Ding et al. 2022, eq. 5.
    """
    inside, joined = _areas(one, other)
    around = _hull(one, other).prod(dim=-1) + _SMALL
    return inside / joined - (around - joined) / around


def ciou(one: Tensor, other: Tensor) -> Tensor:
    """(...) complete IoU of pairs: less the distance of the centres and the difference of the shapes.

    IoU − d²/c² − αv, with d between the centres, c the diagonal of the smallest box around both,
    v = 4/π² (atan(w'/h') − atan(w/h))² and α = v / (1 − IoU + v), which is taken as a constant (Zheng et al. 2020).
    """
    inside, joined = _areas(one, other)
    overlap = inside / joined
    diagonal = _hull(one, other).square().sum(dim=-1) + _SMALL
    first, second = centres_of(one), centres_of(other)
    distance = (first[..., :2] - second[..., :2]).square().sum(dim=-1)
    angles = [torch.atan(box[..., 2] / box[..., 3].clamp(min=_SMALL)) for box in (first, second)]
    v = 4 / math.pi**2 * (angles[1] - angles[0]).square()
    with torch.no_grad():
        alpha = v / (1 - overlap + v + _SMALL)
    return overlap - distance / diagonal - alpha * v


def _areas(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Of the intersection and of the union."""
    low, high = torch.maximum(one[..., :2], other[..., :2]), torch.minimum(one[..., 2:], other[..., 2:])
    inside = (high - low).clamp(min=0).prod(dim=-1)
    own = [(box[..., 2:] - box[..., :2]).prod(dim=-1) for box in (one, other)]
    return inside, own[0] + own[1] - inside + _SMALL


def _hull(one: Tensor, other: Tensor) -> Tensor:
    """Width and height of the smallest box around both."""
    return torch.maximum(one[..., 2:], other[..., 2:]) - torch.minimum(one[..., :2], other[..., :2])

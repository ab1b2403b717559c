"""Faster R-CNN and SSD of torchvision, for kinds of lesions instead of COCO's objects."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Final
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import detection
from torchvision.models.detection import ssd
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.faster_rcnn import FasterRCNN, FastRCNNPredictor, TwoMLPHead
from torchvision.ops import MultiScaleRoIAlign

from melascope.lab.detect.assignment import Targets
from melascope.lab.detect.blocks import Conv
from melascope.lab.detect.boxes import centres_of, corners_of
from melascope.lab.detect.detector import Detector
from melascope.lab.detect.skin_pyramid import WIDTHS, SkinPyramid

__all__ = ["FASTER_RCNN", "SSD", "FasterRcnn", "Ssd"]

FASTER_RCNN: Final = {
    "fasterrcnn_mobilenet": "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_resnet50": "fasterrcnn_resnet50_fpn",
    "fasterrcnn_skin": None,
}
"""torchvision's builder; None: its heads on the skin network that ships."""
_SAMPLES: Final = 128
"""Proposals of a photo that the head of a small Faster R-CNN learns from, instead of torchvision's 512: photos hold a
few boxes, and those samples are two thirds of what a step costs on a CPU."""
_CHANGED: Final = {"fasterrcnn_mobilenet": {"box_batch_size_per_image": _SAMPLES}}
"""What torchvision's builders are told beside their own settings."""
_MOST_GROWTH: Final = math.log(1000 / 16)
"""torchvision's bound of the exponents of width and height."""
SSD: Final = {
    "ssd300_vgg16": "ssd300_vgg16",
    "ssdlite_mobilenet": "ssdlite320_mobilenet_v3_large",
    "ssd_skin": None,
}
_FEATURES: Final = {"ssd300_vgg16": "IMAGENET1K_FEATURES"}
"""torchvision's weights that fit how a builder scales pictures, where they are not the first ones."""
_STRIDES: Final = (8, 8, 16, 32, 64)
_SIDES: Final = (0.02, 0.05, 0.12, 0.28, 0.6)
"""Anchors on the skin network by map, as shares of the picture's side: the smaller of two."""
_PROPOSALS: Final = {"train": 500, "test": 150}
"""Of a photo, on the skin network."""
_HEAD: Final = 256
"""Numbers of a proposal in the head on the skin network, where torchvision has 1024."""
_POOLED: Final = 0.3
"""Share of the picture's side that a proposal takes which is looked up in the map of stride 16."""
_RARE: Final = 0.01
"""Chance of each kind at a place, with which SSD begins on the skin network (Lin et al. 2017, 3.3)."""
_NEGATIVES: Final = 3
"""Of SSD: negatives for each positive; and of each photo, where none of a batch shows a lesion."""


class _SkinBackbone(nn.Module):
    """The skin network's pyramid as torchvision wants a backbone: five maps of one width.

    Two of them have a stride of 8: small lesions have one of their own. The fifth, of stride 64, follows the last.
    """

    out_channels: Final = 96

    def __init__(self) -> None:
        super().__init__()
        self.pyramid = SkinPyramid()
        self.even = nn.ModuleList(Conv(width, self.out_channels) for width in (WIDTHS[0], *WIDTHS))
        self.coarser = Conv(self.out_channels, self.out_channels, 3, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Maps by number."""
        levels = self.pyramid(x)
        maps = [even(level) for even, level in zip(self.even, (levels[0], *levels), strict=True)]
        return {str(number): each for number, each in enumerate([*maps, self.coarser(maps[-1])])}


class _Anchors(AnchorGenerator):
    """torchvision's, by the maps' true strides: it takes a picture's side by a map's, which need not be whole."""

    def grid_anchors(self, grid_sizes: list[list[int]], strides: list[list[Tensor]]) -> list[Tensor]:
        """Anchors of each map."""
        true = [
            [torch.full_like(each, stride) for each in pair] for pair, stride in zip(strides, _STRIDES, strict=True)
        ]
        return super().grid_anchors(grid_sizes, true)


def _faster_rcnn_on_skin(classes: int, side: int) -> nn.Module:
    backbone = _SkinBackbone()
    anchors = _Anchors(
        sizes=tuple((share * side, 1.5 * share * side) for share in _SIDES),
        aspect_ratios=((0.5, 1.0, 2.0),) * len(_SIDES),
    )
    pool = MultiScaleRoIAlign(["1", "2", "3"], output_size=7, sampling_ratio=2, canonical_scale=round(_POOLED * side))
    return FasterRCNN(
        backbone, min_size=side, max_size=side, image_mean=[0.0] * 3, image_std=[1.0] * 3, rpn_anchor_generator=anchors,
        box_roi_pool=pool, box_head=TwoMLPHead(backbone.out_channels * 7 * 7, _HEAD),
        box_predictor=FastRCNNPredictor(_HEAD, classes + 1), box_batch_size_per_image=_SAMPLES,
        rpn_pre_nms_top_n_train=2 * _PROPOSALS["train"], rpn_post_nms_top_n_train=_PROPOSALS["train"],
        rpn_pre_nms_top_n_test=2 * _PROPOSALS["test"], rpn_post_nms_top_n_test=_PROPOSALS["test"],
    )  # fmt: skip


def _ssd_on_skin(classes: int, side: int) -> nn.Module:
    backbone = _SkinBackbone()
    shapes = [[2], [2, 3], [2, 3], [2, 3], [2]]
    anchors = DefaultBoxGenerator(shapes, scales=[*_SIDES, 1.0], steps=list(_STRIDES))
    head = ssd.SSDHead([backbone.out_channels] * len(_SIDES), anchors.num_anchors_per_location(), classes + 1)
    for last in head.classification_head.module_list:
        nn.init.normal_(last.weight, std=0.01)
        bias = nn.init.zeros_(last.bias).view(-1, classes + 1)
        bias.data[:, 0] = math.log((1 - classes * _RARE) / _RARE)
    return ssd.SSD(backbone, anchors, (side, side), classes + 1, image_mean=[0.0] * 3, image_std=[1.0] * 3, head=head)


def _published(name: str, builder: str, classes: int, imagenet: bool, learnt: bool) -> nn.Module:
    """A network of torchvision. From ImageNet it is another one: norms that stand still, or wider last layers."""
    backbone = _FEATURES.get(name, "IMAGENET1K_V1") if imagenet else None
    with _by_chance() if imagenet and not learnt else nullcontext():
        network: nn.Module = getattr(detection, builder)(
            weights=None, weights_backbone=backbone, num_classes=classes + 1, **_CHANGED.get(name, {})
        )
        return network


@contextmanager
def _by_chance() -> Iterator[None]:
    """Meanwhile all weights of torchvision, in the whole process, are weights of chance, and nothing is fetched."""
    from torchvision.models import WeightsEnum, get_model

    def state(self: WeightsEnum, *_: Any, **__: Any) -> Any:
        return get_model(type(self).__name__.removesuffix("_Weights").lower(), weights=None).state_dict()

    with torch.random.fork_rng(), patch.object(WeightsEnum, "get_state_dict", state):
        yield


class _Torchvision(Detector):
    """torchvision's parts without its resizing: our pictures are of one size.

    Args:
        name: One of its `builders`.
        classes: Kinds.
        side: Pixels of a side of its pictures.
        imagenet: Whether it is built as one that begins with ImageNet's backbone.
        learnt: Whether the backbone's weights are then fetched; if not, they are of chance.
    """

    builders: Mapping[str, str | None]
    on_skin: Callable[[int, int], nn.Module]
    """Kinds and side to a network on the skin network that ships."""

    def __init__(self, name: str, classes: int, side: int, imagenet: bool = False, learnt: bool = True) -> None:
        super().__init__()
        self.name, self.classes, self.side = name, classes, side
        builder = self.builders[name]
        self.network: Any = (
            _published(name, builder, classes, imagenet, learnt) if builder else type(self).on_skin(classes, side)
        )
        scaling = self.network.transform
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor(scaling.image_mean).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(scaling.image_std).reshape(1, 3, 1, 1), persistent=False)

    def _pictures(self, pixels: Tensor) -> Any:
        """With their size, as torchvision's parts want them."""
        from torchvision.models.detection.image_list import ImageList

        scaled = (pixels / 255 - self.mean) / self.deviation
        return ImageList(scaled, [(self.side, self.side)] * len(pixels))

    def _targets(self, photos: int, targets: Targets) -> list[dict[str, Tensor]]:
        """By photo; kind 0 is torchvision's 1, its 0 is the background."""
        found = []
        for photo in range(photos):
            boxes, kinds = targets.of(photo)
            found.append({"boxes": boxes, "labels": kinds + 1})
        return found


class FasterRcnn(_Torchvision):
    """Two stages: a network proposes boxes, a second head names and corrects them (Ren et al. 2015)."""

    builders = FASTER_RCNN
    on_skin = staticmethod(_faster_rcnn_on_skin)
    fixed_batch = True

    def losses(self, pixels: Tensor, targets: Targets) -> Mapping[str, Tensor]:
        """Of the proposals (objectness, box) and of the head (class, box), as published."""
        pictures, wanted = self._pictures(pixels), self._targets(len(pixels), targets)
        features = _plain(self.network.backbone(pictures.tensors))
        with torch.autocast(pixels.device.type, enabled=False):
            proposals, first = self.network.rpn(pictures, features, wanted)
            _, second = self.network.roi_heads(features, proposals, pictures.image_sizes, wanted)
        box = second["loss_box_reg"] + first["loss_rpn_box_reg"]
        kinds, objectness = second["loss_classifier"], first["loss_objectness"]
        return {
            "loss": box + kinds + objectness,
            "box": box.detach(),
            "objectness": objectness.detach(),
            "classes": kinds.detach(),
        }

    def candidates(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Each proposal as the head corrects it for each kind: M is their number times C, one kind's score each.

        Proposals have gone through their own non-maximum suppression, in the network; pictures of a batch that have
        fewer of them are filled up with empty boxes of score 0.
        """
        from torchvision.ops import clip_boxes_to_image

        pictures = self._pictures(pixels)
        features = _plain(self.network.backbone(pictures.tensors))
        heads = self.network.roi_heads
        with torch.autocast(pixels.device.type, enabled=False):
            proposals, _ = self.network.rpn(pictures, features)
            pooled = heads.box_head(heads.box_roi_pool(features, proposals, pictures.image_sizes))
            logits, moves = heads.box_predictor(pooled)
        boxes = heads.box_coder.decode(moves, proposals)[:, 1:]
        boxes = clip_boxes_to_image(boxes, (self.side, self.side))
        scores = logits.softmax(dim=1)[:, 1:]
        kind = torch.eye(self.classes, device=scores.device)
        own = scores[:, :, None] * kind
        if len(pixels) == 1:
            return boxes.reshape(1, -1, 4), own.reshape(1, -1, self.classes)
        counts = [len(each) for each in proposals]
        most = max(counts)
        split = zip(boxes.split(counts), own.split(counts), strict=True)
        filled = [
            (
                torch.nn.functional.pad(b, (0, 0, 0, 0, 0, most - len(b))).flatten(0, 1),
                torch.nn.functional.pad(s, (0, 0, 0, 0, 0, most - len(s))).flatten(0, 1),
            )
            for b, s in split
        ]
        return torch.stack([b for b, _ in filled]), torch.stack([s for _, s in filled])


class Ssd(_Torchvision):
    """One stage: boxes of several shapes at every place of several maps (Liu et al. 2016)."""

    builders = SSD
    on_skin = staticmethod(_ssd_on_skin)

    def losses(self, pixels: Tensor, targets: Targets) -> Mapping[str, Tensor]:
        """Class and box loss with hard negatives.

        torchvision takes three negatives for each positive of a photo, and so learns nothing from photos without
        lesions; here they are taken from the whole batch, as if it were one photo.
        """
        from torchvision.ops import box_iou

        pictures, wanted = self._pictures(pixels), self._targets(len(pixels), targets)
        features, found = self._found(pictures)
        anchors = self.network.anchor_generator(pictures, features)
        before, matched = 0, []
        for one, places in zip(wanted, anchors, strict=True):
            none = torch.full((len(places),), -1, dtype=torch.int64, device=places.device)
            match = self.network.proposal_matcher(box_iou(one["boxes"], places)) if len(one["boxes"]) else none
            matched.append(torch.where(match >= 0, match + before, match))
            before += len(one["boxes"])
        if not before:
            against = functional.cross_entropy(
                found["cls_logits"].flatten(0, 1), torch.zeros_like(torch.cat(matched)), reduction="none"
            )
            kinds = against.topk(min(len(against), _NEGATIVES * len(pixels))).values.sum() / len(pixels)
            box = found["bbox_regression"].sum() * 0
        else:
            together = {key: torch.cat([one[key] for one in wanted]) for key in ("boxes", "labels")}
            parts = self.network.compute_loss(
                [together], {key: each.flatten(0, 1)[None] for key, each in found.items()}, [torch.cat(anchors)],
                [torch.cat(matched)],
            )  # fmt: skip
            box, kinds = parts["bbox_regression"], parts["classification"]
        return {"loss": box + kinds, "box": box.detach(), "objectness": box.detach() * 0, "classes": kinds.detach()}

    def candidates(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Every default box, moved; scores are a softmax over kinds and background."""
        pictures = self._pictures(pixels)
        features, found = self._found(pictures)
        anchors = self.network.anchor_generator(pictures, features)
        boxes = _decoded(found["bbox_regression"], anchors[0], self.network.box_coder.weights)
        return boxes.clamp(0, self.side), found["cls_logits"].softmax(dim=2)[..., 1:]

    def _found(self, pictures: Any) -> tuple[list[Tensor], dict[str, Tensor]]:
        features = list(_plain(self.network.backbone(pictures.tensors)).values())
        with torch.autocast(features[0].device.type, enabled=False):
            return features, self.network.head(features)


def _plain(features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Maps in float32: the backbone may have run in bfloat16, whose steps are too coarse for boxes."""
    return {name: each.float() for name, each in features.items()}


def _decoded(moves: Tensor, anchors: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """(N, M, 4) boxes of moves (N, M, 4) from anchors (M, 4), by Ren et al. 2015, eq. 2, for a batch of any size."""
    at = centres_of(anchors)
    scaled = moves / torch.tensor(weights, device=moves.device)
    middle = scaled[..., :2] * at[:, 2:] + at[:, :2]
    size = scaled[..., 2:].clamp(max=_MOST_GROWTH).exp() * at[:, 2:]
    return corners_of(torch.cat((middle, size), dim=2))

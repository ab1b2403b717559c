"""D-FINE, a transformer that needs no anchors and no suppression (Peng et al. 2024), of the package transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from melascope.lab.detect.assignment import Targets
from melascope.lab.detect.boxes import centres_of, corners_of
from melascope.lab.detect.detector import Detector

__all__ = ["DFINE", "DFine"]

_BACKBONE: Final = {
    "stem_channels": [3, 16, 16],
    "stage_in_channels": [16, 64, 256, 512],
    "stage_mid_channels": [16, 32, 64, 128],
    "stage_out_channels": [64, 256, 512, 1024],
    "stage_num_blocks": [1, 1, 2, 1],
    "stage_numb_of_layers": [3, 3, 3, 3],
    "hidden_sizes": [64, 256, 512, 1024],
    "depths": [1, 1, 2, 1],
    "use_learnable_affine_block": True,
}
"""HGNetV2-B0."""
DFINE: Final[Mapping[str, Mapping[str, Any]]] = {
    "dfine_n": {
        "out_indices": [3, 4], "encoder_in_channels": [512, 1024], "feat_strides": [16, 32], "num_feature_levels": 2,
        "encode_proj_layers": [1], "encoder_hidden_dim": 128, "d_model": 128, "decoder_in_channels": [128, 128],
        "encoder_ffn_dim": 512, "decoder_ffn_dim": 512, "decoder_n_points": [6, 6], "decoder_layers": 3,
        "hidden_expansion": 0.34, "depth_mult": 0.5,
    },
    "dfine_s": {
        "out_indices": [2, 3, 4], "encoder_in_channels": [256, 512, 1024], "feat_strides": [8, 16, 32],
        "num_feature_levels": 3, "encode_proj_layers": [2], "encoder_hidden_dim": 256, "d_model": 256,
        "decoder_in_channels": [256, 256, 256], "encoder_ffn_dim": 1024, "decoder_ffn_dim": 1024,
        "decoder_n_points": [3, 6, 3], "decoder_layers": 3, "hidden_expansion": 0.5, "depth_mult": 0.34,
    },
}  # fmt: skip
"""The published sizes N and S, in the words of the package's configuration."""


class DFine(Detector):
    """A D-FINE with random weights.

    Args:
        name: dfine_n or dfine_s.
        classes: Kinds.
        side: Pixels of a side of its pictures, a multiple of 32.
        queries: Boxes that it gives for each picture; fewer where the picture has fewer places.
    """

    overlap = 1.0
    bf16 = False

    def __init__(self, name: str, classes: int, side: int, queries: int = 300) -> None:
        from transformers import DFineConfig, DFineForObjectDetection
        from transformers.models.hgnet_v2.configuration_hgnet_v2 import HGNetV2Config

        super().__init__()
        self.name, self.classes, self.side = name, classes, side
        how = dict(DFINE[name])
        places = sum((side // stride) ** 2 for stride in how["feat_strides"])
        backbone = HGNetV2Config(**_BACKBONE, out_indices=how.pop("out_indices"))
        config = DFineConfig(
            backbone_config=backbone,
            num_labels=classes,
            num_queries=min(queries, places),
            freeze_backbone_batch_norms=False,
            **how,
        )
        self.network: Any = DFineForObjectDetection(config)

    def losses(self, pixels: Tensor, targets: Targets) -> Mapping[str, Tensor]:
        """Varifocal, box, GIoU and distribution losses of all layers, matched one to one, as published."""
        labels = []
        for photo in range(len(pixels)):
            boxes, kinds = targets.of(photo)
            labels.append({"class_labels": kinds, "boxes": centres_of(boxes) / self.side})
        found = self.network(pixel_values=pixels / 255, labels=labels)
        parts = found.loss_dict

        def added(*words: str) -> Tensor:
            chosen = [value.detach() for name, value in parts.items() if any(word in name for word in words)]
            return torch.stack(chosen).sum() if chosen else torch.zeros((), device=pixels.device)

        return {
            "loss": found.loss,
            "box": added("bbox", "giou"),
            "objectness": added("fgl", "ddf"),
            "classes": added("vfl"),
        }

    def candidates(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """One box a query; scores are a sigmoid of each kind."""
        found = self.network(pixel_values=pixels / 255)
        return corners_of(found.pred_boxes) * self.side, found.logits.sigmoid()

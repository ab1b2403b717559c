"""Assignment, losses and decoding together: a small network learns a few pictures by heart and finds their boxes."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
pytestmark = pytest.mark.torch

from melascope.lab.detect.assignment import Targets  # noqa: E402
from melascope.lab.detect.yolo import Yolo  # noqa: E402

SIDE = 64
COLOURS = ((220, 40, 40), (40, 200, 60), (60, 70, 230))


def pictures() -> tuple[torch.Tensor, Targets]:
    """Four pictures with two rectangles each, of which the colour is the kind."""
    rng = np.random.default_rng(5)
    pixels = np.full((4, SIDE, SIDE, 3), 110, np.uint8)
    photo, kinds, boxes = [], [], []
    for i in range(4):
        for half in (0, 1):
            kind = int(rng.integers(3))
            w, h = rng.integers(12, 28, 2)
            x, y = int(rng.integers(0, SIDE - w)), int(half * 32 + rng.integers(0, 32 - h + 1))
            pixels[i, y : y + h, x : x + w] = COLOURS[kind]
            photo.append(i)
            kinds.append(kind)
            boxes.append([x, y, x + w, y + h])
    truth = Targets(torch.tensor(photo), torch.tensor(kinds), torch.tensor(boxes, dtype=torch.float32))
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float(), truth


@pytest.mark.parametrize("classes", ["assigned", "overlap"])
def test_eight_rectangles_are_learnt_by_heart(classes: str) -> None:
    from dataclasses import replace

    from melascope.lab.detect.recipe import read_recipe

    torch.manual_seed(2)
    loss = replace(read_recipe("ding2022").loss, classes=classes)
    detector = Yolo("yolov5n", 3, SIDE, loss).train()
    detector.set_anchors(
        np.array([[12, 12], [16, 16], [20, 20], [24, 18], [18, 24], [24, 24], [28, 20], [20, 28], [28, 28]], float)
    )
    pixels, truth = pictures()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=4e-3)
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = 4e-3 * min(1.0, (step + 1) / 10) * (1 - 0.95 * step / STEPS)
        total = detector.losses(pixels, truth)["loss"]
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
    # Batch norms' statistics follow slowly: they are taken anew of what was learnt.
    for module in detector.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    with torch.no_grad():
        detector.maps(pixels)
    for i, found in enumerate(detector.predict(pixels, threshold=0.2)):
        boxes, kinds = truth.of(i)
        for box, kind in zip(boxes.numpy(), kinds.tolist(), strict=True):
            mine = found.boxes[found.kinds == kind]
            assert len(mine), f"picture {i}: kind {kind} was not found"
            low, high = np.maximum(mine[:, :2], box[:2]), np.minimum(mine[:, 2:], box[2:])
            inside = np.clip(high - low, 0, None).prod(axis=1)
            joined = (mine[:, 2:] - mine[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod() - inside
            assert (inside / joined).max() > 0.6


STEPS = 160

"""The detectors: sizes as published, losses that learn, files that say what torch says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make lab` adds it")
pytestmark = pytest.mark.torch

from melascope.lab.detect.assignment import Targets, by_ratio  # noqa: E402
from melascope.lab.detect.export import MOST_GAP, export  # noqa: E402
from melascope.lab.detect.flops import gflops, parameters  # noqa: E402
from melascope.lab.detect.registry import CARDS, NoSuchDetector, build, check_name  # noqa: E402
from melascope.lab.detect.skin_pyramid import SkinYolo  # noqa: E402
from melascope.lab.detect.weights import IMAGENET, WeightsError, load, note  # noqa: E402
from melascope.lab.detect.yolo import Yolo  # noqa: E402
from melascope.lab.detect.yolov4 import YoloV4  # noqa: E402
from melascope.lab.detect.yolov5 import YoloV5  # noqa: E402

OUTPUTS_OF_COCO = 3 * (5 + 80)


@pytest.mark.parametrize(
    ("size", "count", "published"), [("n", 1_872_157, 4.5), ("s", 7_235_389, 16.5), ("m", 21_190_557, 49.0)]
)
def test_yolov5_is_as_large_as_published(size: str, count: int, published: float) -> None:
    network = YoloV5(size, OUTPUTS_OF_COCO)
    assert parameters(network) == count
    # Operations grow with the area: 64 pixels instead of 640.
    assert 100 * gflops(network, 64) == pytest.approx(published, rel=0.01)


def test_what_stands_still_is_no_work_on_the_way_back() -> None:
    network = SkinYolo(3 * (5 + 6))
    once, learning = gflops(network, 64), gflops(network, 64, learning=True)
    frozen = gflops(network.skin, 64)
    assert learning == pytest.approx(frozen + 3 * (once - frozen))
    assert gflops(YoloV5("n", 33), 64, learning=True) == pytest.approx(3 * gflops(YoloV5("n", 33), 64))


def test_yolo_skin_sees_in_training_what_its_skin_network_sees() -> None:
    """Norms folded, a few pictures at a time; and what it sees now, not what it saw with other weights."""
    network = SkinYolo(3 * (5 + 6)).train()
    pictures = torch.rand(5, 3, 64, 64) * 2 - 1

    def agree() -> None:
        with torch.no_grad():
            seen, places = network._seen(pictures)
            wanted, levels = network.skin.seen(pictures)
        for one, other in zip((seen, *places), (wanted, *levels), strict=True):
            assert one.shape == other.shape
            assert torch.allclose(one, other, atol=1e-4 * float(other.abs().max()))

    agree()
    with torch.no_grad():
        network.skin.pigment.weight.mul_(-2)
    network.train()
    agree()


def test_yolov4_is_as_large_as_published() -> None:
    with torch.device("meta"):
        network = YoloV4(OUTPUTS_OF_COCO)
    assert parameters(network) == 64_363_101


def test_focus_and_the_six_by_six_stem_compute_the_same() -> None:
    focus, plain = YoloV5("n", 33, focus=True).stem.eval(), YoloV5("n", 33).stem.eval()
    kernel = plain.conv.weight.data
    # Channels of Focus: the corners (even row, even column), (odd, even), (even, odd), (odd, odd), R, G, B each.
    parts = [kernel[:, :, i::2, j::2] for j in (0, 1) for i in (0, 1)]
    focus.conv.conv.weight.data.copy_(torch.cat(parts, dim=1))
    pixels = torch.rand(1, 3, 32, 32)
    assert torch.allclose(focus(pixels), plain(pixels), atol=1e-5)


def boxes() -> Targets:
    return Targets(torch.tensor([0, 0]), torch.tensor([2, 5]), torch.tensor([[10.0, 12, 50, 40], [60.0, 70, 80, 90]]))


NO_BOXES = Targets(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4))
SMALL = [
    ("yolov5n", 96),
    ("yolo_skin", 96),
    ("yolov4_skin", 96),
    ("yolov5n-focus", 96),
    ("ssdlite_mobilenet", 96),
    ("fasterrcnn_mobilenet", 96),
    ("fasterrcnn_skin", 96),
    ("ssd_skin", 96),
]


@pytest.mark.parametrize(("name", "side"), SMALL)
def test_onnx_says_what_torch_says(name: str, side: int, tmp_path: Path) -> None:
    torch.manual_seed(3)
    detector = build(name, 6, side=side)
    pixels = torch.rand(2, 3, side, side) * 255
    made = export(detector, tmp_path / "model.onnx", pixels, threads=(1,), times=1)
    assert made.described["largest_difference_from_torch"] <= MOST_GAP
    assert (tmp_path / "model.onnx").stat().st_size == made.bytes
    found = detector.predict(pixels, threshold=0.0)
    assert len(found) == 2
    assert all(len(each) for each in found)
    assert all(np.isfinite(each.boxes).all() and each.kinds.max() < 6 for each in found)


def test_a_narrow_yolov4_learns_and_is_exported(tmp_path: Path) -> None:
    torch.manual_seed(3)
    detector = Yolo("yolov4", 6, 96, narrow=16).train()
    first = float(detector.losses(torch.full((2, 3, 96, 96), 99.0), boxes())["loss"].detach())
    assert np.isfinite(first)
    pixels = torch.rand(2, 3, 96, 96) * 255
    made = export(detector, tmp_path / "model.onnx", pixels, threads=(), times=0)
    assert made.described["largest_difference_from_torch"] <= MOST_GAP


@pytest.mark.parametrize(
    "name", ["yolov5n", "yolov4_skin", "ssdlite_mobilenet", "fasterrcnn_mobilenet", "fasterrcnn_skin", "ssd_skin"]
)
def test_one_step_makes_the_loss_smaller_and_photos_without_boxes_are_no_error(name: str) -> None:
    torch.manual_seed(1)
    detector = build(name, 6, side=96).train()
    pixels = torch.rand(2, 3, 96, 96) * 255
    optimiser = torch.optim.SGD([p for p in detector.parameters() if p.requires_grad], lr=1e-3)
    told = []
    for _ in range(4):
        torch.manual_seed(1)
        losses = detector.losses(pixels, boxes())
        optimiser.zero_grad()
        losses["loss"].backward()
        optimiser.step()
        told.append(float(losses["loss"].detach()))
    assert told[-1] < told[0]
    assert torch.isfinite(detector.losses(pixels, NO_BOXES)["loss"])


def test_ssd_learns_from_photos_without_lesions_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision's own loss of such a photo is 0: what is called there would never be unlearnt."""
    torch.manual_seed(1)
    detector = build("ssd_skin", 6, side=96).train()
    pixels = torch.rand(2, 3, 96, 96) * 255
    assert float(detector.losses(pixels, NO_BOXES)["loss"].detach()) > 0
    found, logits = detector._found, []

    def with_a_false_alarm(pictures: object) -> object:
        features, outputs = found(pictures)
        outputs["cls_logits"].retain_grad()
        logits.append(outputs["cls_logits"])
        alarm = torch.zeros_like(outputs["cls_logits"])
        alarm[1, 7, 3] = 20.0  # on the second photo, which has no box
        return features, outputs | {"cls_logits": outputs["cls_logits"] + alarm}

    monkeypatch.setattr(detector, "_found", with_a_false_alarm)
    detector.losses(pixels, boxes())["loss"].backward()
    assert float(logits[0].grad[1, 7, 3]) > 0.01


@pytest.mark.parametrize("side", [96, 320, 416])
def test_anchors_on_the_skin_network_lie_where_their_maps_look(side: int) -> None:
    """13 places of stride 32 are followed by 7 of stride 64, not by 7 of 416 / 7."""
    rcnn, ssd = build("fasterrcnn_skin", 6, side=side).eval(), build("ssd_skin", 6, side=side).eval()
    pictures = rcnn._pictures(torch.zeros(1, 3, side, side))
    with torch.no_grad():
        maps = list(rcnn.network.backbone(pictures.tensors).values())
    assert [each.shape[-1] for each in maps] == [-(-side // stride) for stride in (8, 8, 16, 32, 64)]
    corners = rcnn.network.rpn.anchor_generator(pictures, maps)[0]
    centres = ((corners[:, 0] + corners[:, 2]) / 2).reshape(-1, 6)[:, 0]
    last = maps[-1].shape[-1]
    assert centres[-last:].tolist() == [64.0 * place for place in range(last)]
    if last > 2:  # default boxes are cut at the picture's edge; those in the third place of the third row are whole
        each = 2 + 2 * 1
        first = ssd.network.anchor_generator(pictures, maps)[0][-each * last * last :][each * (2 * last + 2)]
        assert ((first[:2] + first[2:]) / 2).tolist() == pytest.approx([160.0, 160.0])


@pytest.mark.parametrize(("name", "file"), [
    ("fasterrcnn_mobilenet", "mobilenet_v3_large-8738ca79"), ("ssdlite_mobilenet", "mobilenet_v3_large-8738ca79"),
    ("fasterrcnn_resnet50", "resnet50-0676ba61"), ("ssd300_vgg16", "vgg16_features"),
])  # fmt: skip
def test_a_run_from_imagenet_is_built_again_without_a_download(
    name: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchvision builds another network from ImageNet: standing norms, wider last layers; and VGG's own file."""
    from torchvision.models import _api, get_model

    fetched: list[str] = []

    def fetch(url: str, **_: object) -> object:
        fetched.append(url)
        return get_model(url.rsplit("/", 1)[1].split("-")[0].removesuffix("_features"), weights=None).state_dict()

    monkeypatch.setattr(_api, "load_state_dict_from_url", fetch)
    side = max(96, CARDS[name].least)
    begun = build(name, 6, "imagenet", side=side)
    assert [url for url in fetched if file in url] == fetched
    assert len(fetched) == 1
    again = build(name, 6, side=side, as_imagenet=True)
    assert len(fetched) == 1
    mine, theirs = begun.state_dict(), again.state_dict()
    assert {key: value.shape for key, value in mine.items()} == {key: value.shape for key, value in theirs.items()}
    again.load_state_dict(mine)
    if name != "ssd300_vgg16":
        plain = build(name, 6, side=side).state_dict()
        assert {key: value.shape for key, value in plain.items()} != {key: value.shape for key, value in mine.items()}


def test_a_run_tells_those_that_go_on_from_it_that_it_began_with_imagenet(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"weights")
    assert note(str(tmp_path))[0] == f"earlier run {tmp_path.name}"
    for began, told in (("random start", False), (IMAGENET, True), (f"earlier run x, {IMAGENET}", True)):
        (tmp_path / "config.json").write_text(json.dumps({"start": began}))
        assert (IMAGENET in note(str(tmp_path))[0]) is told
    (tmp_path / "config.json").write_text("[")
    assert IMAGENET not in note(str(tmp_path / "weights.safetensors"))[0]


def test_names_and_weights_that_do_not_fit_are_told(tmp_path: Path) -> None:
    with pytest.raises(NoSuchDetector, match="yolov5n, yolov5s"):
        check_name("yolov9")
    with pytest.raises(NoSuchDetector, match="ssd300_vgg16 needs pictures of 288 pixels or more, not 256"):
        build("ssd300_vgg16", 6, side=256)
    detector = build("yolov5n", 6, side=64)
    with pytest.raises(WeightsError, match="has no ImageNet weights"):
        load(detector, "imagenet")
    with pytest.raises(WeightsError, match="ssd_skin has no ImageNet weights"):
        build("ssd_skin", 6, "imagenet", side=96)
    with pytest.raises(WeightsError, match="must be none, imagenet"):
        load(detector, str(tmp_path / "nothing"))


class Said(torch.nn.Module):
    """A network that gives the maps it was told."""

    strides = (8, 16, 32)

    def __init__(self, maps: list[torch.Tensor]) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, _: torch.Tensor) -> list[torch.Tensor]:
        return self.maps


def test_maps_that_say_the_truth_give_the_true_boxes() -> None:
    """What is assigned, written down by the inverse of the decoding, comes back as box and kind, and costs nothing."""
    side, true = 96, boxes()
    detector = Yolo("yolov5n", 6, side)
    detector.set_anchors(
        np.array([[8, 8], [12, 9], [14, 16], [20, 20], [22, 30], [30, 22], [38, 30], [44, 40], [60, 60]])
    )
    maps = []
    for level, stride in enumerate(detector.strides):
        cells = side // stride
        raw = torch.full((2, 3, 5 + 6, cells, cells), -12.0)
        at = by_ratio(true, detector.anchors[level], stride, (cells, cells))
        for photo, a, row, column, t in zip(at.photo, at.anchor, at.row, at.column, at.truth, strict=True):
            x0, y0, x1, y1 = true.boxes[t].tolist()
            middle = torch.tensor([(x0 + x1) / 2 / stride - float(column), (y0 + y1) / 2 / stride - float(row)])
            size = torch.tensor([x1 - x0, y1 - y0]) / detector.anchors[level, a]
            raw[photo, a, :2, row, column] = torch.logit((middle + 0.5) / 2, eps=1e-4)
            raw[photo, a, 2:4, row, column] = torch.logit(size.sqrt() / 2, eps=1e-4)
            raw[photo, a, 4, row, column] = 12.0
            raw[photo, a, 5 + true.kinds[t], row, column] = 12.0
        maps.append(raw.flatten(1, 2))
    detector.network = Said(maps)
    pixels = torch.zeros(2, 3, side, side)
    losses = detector.losses(pixels, true)
    assert float(losses["box"]) < 0.01
    assert float(losses["objectness"]) < 0.01
    one, two = detector.predict(pixels, threshold=0.5)
    assert len(two) == 0
    assert sorted(one.kinds.tolist()) == [2, 5]
    order = np.argsort(one.kinds)
    np.testing.assert_allclose(one.boxes[order], true.boxes.numpy(), atol=0.2)

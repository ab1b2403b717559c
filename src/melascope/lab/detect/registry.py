"""Detectors by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from melascope.lab.detect.detector import Detector
from melascope.lab.detect.recipe import Loss

__all__ = ["CARDS", "Card", "NoSuchDetector", "build", "called", "check_name", "check_side"]


class NoSuchDetector(ValueError):
    """A name that no detector has, or one that this place cannot build."""


@dataclass(frozen=True)
class Card:
    """What is known of a detector before anything is trained."""

    title: str
    parameters: float
    """Published, in millions, with the kinds of COCO."""
    gflops: float | None
    """Published, multiplications and additions counted as two, at `side`."""
    side: int
    """Pixels of a side that it was published for."""
    paper: str
    least: int = 64
    """Pixels of a side that it needs: with fewer its coarsest maps have no place left."""
    begins: str = "random start"
    """With no other weights, in words."""
    imagenet: bool = False
    """Whether torchvision has its backbone learnt from ImageNet."""


_YOLOV5: Final = "Jocher G. YOLOv5, version 6 (doi:10.5281/zenodo.3908559), 2020; written from its description"
_YOLOV4: Final = (
    "Bochkovskiy A, Wang CY, Liao HYM. YOLOv4: optimal speed and accuracy of object detection. arXiv:2004.10934, 2020"
)
_SSD: Final = "Liu W, Anguelov D, Erhan D, et al. SSD: single shot multibox detector. ECCV 2016"
_RCNN: Final = (
    "Ren S, He K, Girshick R, Sun J. Faster R-CNN: towards real-time object detection with region proposal networks. "
    "NeurIPS 2015"
)
_DFINE: Final = (
    "Peng Y, Li H, Wu P, et al. D-FINE: redefine regression task in DETRs as fine-grained distribution refinement. "
    "arXiv:2410.13842, 2024"
)
_ON_SKIN: Final = "heads random, on the skin network that ships, which stays as it is"
CARDS: Final = {
    "yolov5n": Card("YOLOv5n", 1.9, 4.5, 640, _YOLOV5),
    "yolov5s": Card("YOLOv5s", 7.2, 16.5, 640, _YOLOV5),
    "yolov5m": Card("YOLOv5m", 21.2, 49.0, 640, _YOLOV5),
    "yolov5n-focus": Card("YOLOv5n, Focus", 1.9, None, 640, _YOLOV5),
    "yolov5s-focus": Card("YOLOv5s, Focus", 7.2, None, 640, _YOLOV5),
    "yolov5m-focus": Card("YOLOv5m, Focus", 21.2, None, 640, _YOLOV5),
    "yolov4": Card("YOLOv4", 64.4, 128.5, 608, _YOLOV4),
    "yolo_skin": Card(
        "YOLO-skin", 2.4, None, 320, "ours: YOLOv5's heads on the skin network that ships",
        begins=_ON_SKIN,
    ),
    "yolov4_skin": Card("YOLOv4-skin", 3.0, None, 320, f"{_YOLOV4}; on the skin network that ships", begins=_ON_SKIN),
    "fasterrcnn_skin": Card(
        "Faster R-CNN-skin", 3.8, None, 320, f"{_RCNN}; on the skin network that ships", 96, _ON_SKIN
    ),
    "ssd_skin": Card("SSD-skin", 4.3, None, 320, f"{_SSD}; on the skin network that ships", 96, _ON_SKIN),
    "fasterrcnn_mobilenet": Card("Faster R-CNN (MobileNetV3)", 19.4, None, 320, _RCNN, imagenet=True),
    "fasterrcnn_resnet50": Card("Faster R-CNN (ResNet-50)", 41.8, None, 800, _RCNN, imagenet=True),
    "ssd300_vgg16": Card("SSD300 (VGG16)", 35.6, None, 300, _SSD, 288, imagenet=True),
    "ssdlite_mobilenet": Card("SSDLite (MobileNetV3)", 3.4, None, 320, _SSD, imagenet=True),
    "dfine_n": Card("D-FINE-N", 4.0, 7.0, 640, _DFINE),
    "dfine_s": Card("D-FINE-S", 10.0, 25.0, 640, _DFINE),
}  # fmt: skip
"""All detectors: Ding et al.'s four, in the sizes that are at hand, and a modern one."""


def called(name: str) -> str:
    """How people write the name of a detector."""
    return CARDS[name].title


def check_name(name: str) -> None:
    """Nothing, if there is such a detector.

    Raises:
        NoSuchDetector: There is none, or its package is missing.
    """
    if name not in CARDS:
        raise NoSuchDetector(f"{name!r} is no detector of this laboratory; choose one of {', '.join(CARDS)}")
    if name.startswith("dfine"):
        from importlib.util import find_spec

        if find_spec("transformers") is None:
            raise NoSuchDetector(f"{name} needs the package transformers: pip install transformers, or choose another")


def check_side(name: str, side: int) -> None:
    """Nothing, if the detector can work on pictures of that side.

    Raises:
        NoSuchDetector: It needs larger ones.
    """
    if side < (least := CARDS[name].least):
        raise NoSuchDetector(f"{name} needs pictures of {least} pixels or more, not {side}: give --size {least}")


def build(
    name: str,
    classes: int = 6,
    weights: str = "none",
    *,
    side: int | None = None,
    loss: Loss | None = None,
    as_imagenet: bool = False,
) -> Detector:
    """A detector.

    Args:
        name: One of `CARDS`.
        classes: Kinds.
        weights: ``none``: random; ``imagenet``: torchvision's backbone weights, where it has them and they can be had;
            a run's folder or its weights.safetensors: what fits of them.
        side: Pixels of a side of its pictures; the published one if None.
        loss: Of a recipe, for a YOLO.
        as_imagenet: Built as one that begins with ImageNet's backbone, and without it: for weights that follow.

    Raises:
        NoSuchDetector: There is none of this name, or it needs larger pictures.
        WeightsError: The weights cannot be had or do not fit.
    """
    check_name(name)
    chosen = CARDS[name].side if side is None else side
    check_side(name, chosen)
    if name.startswith(("fasterrcnn", "ssd")):
        from melascope.lab.detect.torchvision_detectors import FASTER_RCNN, FasterRcnn, Ssd
        from melascope.lab.detect.weights import telling

        kind = FasterRcnn if name in FASTER_RCNN else Ssd
        with telling(name):
            fetched = weights == "imagenet" and CARDS[name].imagenet
            made: Detector = kind(name, classes, chosen, imagenet=fetched or as_imagenet, learnt=fetched)
    elif name.startswith("dfine"):
        from melascope.lab.detect.modern import DFine

        made = DFine(name, classes, chosen)
    else:
        from melascope.lab.detect.yolo import Yolo

        made = Yolo(name, classes, chosen, loss)
    if weights != "none":
        from melascope.lab.detect.weights import load

        load(made, weights)
    return made

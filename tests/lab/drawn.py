"""A drawn face with its labels, flat skin, so that whatever a view changes can be told to the pixel; drawn maps."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.lab.skin.faces import LabelledFace
from melascope.lesions.regional import CELLS, CHANNELS, FIRST_REGION
from melascope.scoring import COUNTED, MEASURED
from melascope.vocabulary import Region, ToneBand

SIDE = 300
GREY = 150


def drawn_face(*, paintable: bool = True, person: str = "drawn") -> LabelledFace:
    """An oval of grey skin, 160 px wide, with eyes and lips under dark hair on a darker ground."""
    labels = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(labels, (150, 130), (105, 120), 0, 0, 360, int(Region.HAIR), -1)
    oval = np.zeros_like(labels)
    cv2.ellipse(oval, (150, 160), (80, 105), 0, 0, 360, 1, -1)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    labels[oval > 0] = Region.NOSE
    labels[(oval > 0) & (rows < 125)] = Region.FOREHEAD
    labels[(oval > 0) & (rows >= 150) & (columns < 135)] = Region.RIGHT_MALAR
    labels[(oval > 0) & (rows >= 150) & (columns > 165)] = Region.LEFT_MALAR
    labels[(oval > 0) & (rows > 225)] = Region.CHIN
    for x in (115, 185):
        cv2.ellipse(labels, (x, 138), (14, 7), 0, 0, 360, int(Region.EYE), -1)
    cv2.ellipse(labels, (150, 212), (26, 9), 0, 0, 360, int(Region.LIPS), -1)
    pixels: NDArray[np.uint8] = np.full((SIDE, SIDE, 3), 60, np.uint8)
    pixels[oval > 0] = GREY
    pixels[labels == Region.HAIR] = 30
    pixels[labels == Region.EYE] = 220
    eyes = (115.0, 138.0, 185.0, 138.0)
    return LabelledFace(person, person, pixels, labels, eyes, ToneBand.TAN, paintable)


def drawn_maps(folder: Path, faces: int = 96, seed: int = 0) -> Path:
    """Faces of which the regions are twice as much involved as was counted, by as many people."""
    rng = np.random.default_rng(seed)
    maps = rng.normal(0, 0.3, (faces, CHANNELS, CELLS, CELLS))
    maps[:, FIRST_REGION - 2 :] = 0
    maps[:, FIRST_REGION - 2 : FIRST_REGION] = 1
    for place in range(4):
        maps[:, FIRST_REGION + place, 12 * place : 12 * place + 12] = 1
    counted = np.zeros((faces, 4, MEASURED))
    counted[..., 0] = 1
    counted[..., 1] = rng.uniform(0, 0.5, (faces, 4))
    counted[..., 2], counted[..., 3] = rng.uniform(0.02, 0.2, (faces, 4)), rng.uniform(1, 40, (faces, 4))
    truth = np.stack([np.ones((faces, 4)), 2 * counted[..., 1], counted[..., 2], counted[..., 3]], axis=-1)
    folder.mkdir(parents=True)
    np.savez(
        folder / "some.npz",
        maps=maps.astype(np.float16),
        face=rng.normal(0, 1, (faces, 4)).astype(np.float32),
        counted=counted.astype(np.float32),
        truth=truth.astype(np.float32),
        group=np.array([f"head{n}" for n in range(faces)]),
        band=np.array(["tan"] * faces),
        kinds=np.array(["mel"] * faces),
        skin=np.array("a skin network"),
        edition=np.array(COUNTED),
    )
    return folder

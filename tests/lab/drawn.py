"""A drawn face with its labels: flat skin, so that whatever a view changes can be told to the pixel."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.lab.skin.faces import LabelledFace
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

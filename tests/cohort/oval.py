"""A face chart of ellipses: what skin needs of a chart, made in a moment and without the head's data."""

from functools import cache

import numpy as np

from melascope.cohort.chart import PX_MM, SIDE, Chart
from melascope.vocabulary import Region

_HALF = {
    "eye": (32, -20),
    "nose_wing": (18, 22),
    "mouth_corner": (25, 49),
    "cheekbone": (50, 8),
    "temple": (72, -25),
    "jaw": (75, 62),
}
_MIDDLE = {
    "nose_tip": (0, 18),
    "mouth": (0, 48),
    "upper_lip": (0, 41),
    "forehead": (0, -62),
    "glabella": (0, -28),
    "chin": (0, 80),
}


@cache
def oval_chart() -> Chart:
    axis = (np.arange(SIDE) + 0.5) / PX_MM - SIDE / PX_MM / 2
    x, y = np.meshgrid(axis, axis)

    def oval(cx, cy, rx, ry):
        return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1

    valid, face = oval(0, 0, 118, 124), oval(0, 0, 92, 105)
    codes = np.where(valid, np.uint8(Region.OTHER_SKIN), np.uint8(Region.BACKGROUND))
    codes[face] = np.where(x[face] < 0, Region.RIGHT_MALAR, Region.LEFT_MALAR)
    codes[face & (abs(x) > 58) & (y < -5)] = Region.TEMPLE
    codes[face & (y < -32) & (abs(x) < 62)] = Region.FOREHEAD
    codes[face & (y > 58) & (abs(x) < 38)] = Region.CHIN
    codes[face & (y > 20) & (y < 58) & (abs(x) < 30)] = Region.UPPER_LIP
    codes[face & (abs(x) < 10 + np.clip((y + 30) / 6, 0, 12)) & (y > -28) & (y < 28)] = Region.NOSE
    for side in (-1, 1):
        codes[oval(32 * side, -20, 20, 13)] = Region.PERIORBITAL
        codes[oval(32 * side, -20, 13, 5)] = Region.EYE
        codes[oval(33 * side, -38, 20, 4)] = Region.BROW
        codes[oval(8 * side, 29, 4, 2.5)] = Region.NOSTRIL
    bow = np.clip(1 - (x / 25) ** 2, 0, 1)
    codes[(bow > 0) & (y > 49 - 8 * bow) & (y < 49 + 10 * bow)] = Region.LIPS
    marks = {name: (float(a), float(b)) for name, (a, b) in _MIDDLE.items()}
    for name, (a, b) in _HALF.items():
        marks[f"right_{name}"], marks[f"left_{name}"] = (-float(a), float(b)), (float(a), float(b))
    return Chart(codes=codes, valid=valid, position_mm=np.zeros((SIDE, SIDE, 3), np.float32), landmarks=marks)

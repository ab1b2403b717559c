"""The clinical words, once: regions, lesions, severity, skin-tone scales, views.

Right and left are the patient's: in a frontal photograph that is not mirrored, the right malar region lies on the
left half of the image.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

__all__ = [
    "DISCLAIMER",
    "EXCHANGED_WHEN_MIRRORED",
    "FACIAL_SKIN",
    "ITA_BANDS",
    "MASI_REGIONS",
    "MONK_TONES",
    "MOST_LESIONS",
    "SKIN",
    "Lesion",
    "Region",
    "Severity",
    "ToneBand",
    "Verdict",
    "View",
]

DISCLAIMER: Final = "Research software. Not a medical device: not for diagnosis or for treatment decisions."


class Region(IntEnum):
    """What a pixel of a photograph shows. The value is the code in a region mask."""

    BACKGROUND = 0
    FOREHEAD = 1
    RIGHT_MALAR = 2
    LEFT_MALAR = 3
    CHIN = 4
    NOSE = 5
    UPPER_LIP = 6
    TEMPLE = 7
    PERIORBITAL = 8
    EYE = 9
    BROW = 10
    LIPS = 11
    NOSTRIL = 12
    HAIR = 13
    NECK = 14
    OTHER_SKIN = 15
    COVERING = 16

    @property
    def key(self) -> str:
        """The name in files: ``right_malar``."""
        return self.name.lower()

    @property
    def label(self) -> str:
        """The name for people: ``Right malar``."""
        return self.name.capitalize().replace("_", " ")


MASI_REGIONS: Final = (Region.FOREHEAD, Region.RIGHT_MALAR, Region.LEFT_MALAR, Region.CHIN)
"""The four regions of the MASI, in the order in which the score is written."""

FACIAL_SKIN: Final = (*MASI_REGIONS, Region.NOSE, Region.UPPER_LIP, Region.TEMPLE, Region.PERIORBITAL)
"""Bare skin of the face."""

SKIN: Final = (*FACIAL_SKIN, Region.NECK, Region.OTHER_SKIN)
"""Bare skin of any place. OTHER_SKIN is skin whose place cannot be told, or that is not of face or neck."""

EXCHANGED_WHEN_MIRRORED: Final = (Region.RIGHT_MALAR, Region.LEFT_MALAR)
"""The two codes that change places when a photograph is mirrored."""


class Lesion(StrEnum):
    """The six benign pigmented lesions, by the abbreviations of Ding et al. 2022."""

    SOLAR_LENTIGO = "sl"
    FRECKLE = "fre"
    MELASMA = "mel"
    CAFE_AU_LAIT = "caf"
    NEVUS_OF_OTA = "ota"
    HORI_NEVUS = "hori"


MOST_LESIONS: Final = 200
"""Patches outlined in a photograph at most, the largest first."""


class Severity(StrEnum):
    """Melasma severity by MASI (Zhang et al. 2025): mild < 16, moderate 16 to < 32, severe >= 32."""

    MILD = "mild"
    MODERATE = "moderate"
    SEVERE = "severe"


class View(StrEnum):
    """What a photograph takes in: a whole face, skin without a whole face, or no skin at all."""

    FACE = "face"
    CLOSE_UP = "close-up"
    NONE = "none"


class Verdict(StrEnum):
    """What may be done with a photograph."""

    USABLE = "usable"
    RESERVATIONS = "usable with reservations"
    REFUSED = "refused"


class ToneBand(StrEnum):
    """Bands of the individual typology angle (Chardon 1991, Del Bino 2013), from lightest to darkest."""

    VERY_LIGHT = "very light"
    LIGHT = "light"
    INTERMEDIATE = "intermediate"
    TAN = "tan"
    BROWN = "brown"
    DARK = "dark"


ITA_BANDS: Final = (
    (55.0, ToneBand.VERY_LIGHT),
    (41.0, ToneBand.LIGHT),
    (28.0, ToneBand.INTERMEDIATE),
    (10.0, ToneBand.TAN),
    (-30.0, ToneBand.BROWN),
    (float("-inf"), ToneBand.DARK),
)
"""(lower limit in degrees, exclusive; band): the band of an angle is the first whose limit lies below it."""

MONK_TONES: Final = (
    "#f6ede4",
    "#f3e7db",
    "#f7ead0",
    "#eadaba",
    "#d7bd96",
    "#a07e56",
    "#825c43",
    "#604134",
    "#3a312a",
    "#292420",
)
"""sRGB of the Monk Skin Tone scale, 1 (lightest) to 10 (Monk 2019; published by Google 2022, CC BY 4.0)."""

"""The wording of the reports: how numbers are written, and every term with its gloss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from melascope.masi import severity
from melascope.record import Analysis, LesionRecord, Masi, SeverityRecord, SkinTone
from melascope.vocabulary import MOST_LESIONS, Lesion, Region

__all__ = [
    "METHOD",
    "NAMING_METHOD",
    "READING_METHOD",
    "READING_WHAT",
    "agreement_sentence",
    "band_sentence",
    "band_span",
    "edge",
    "glossary",
    "hue",
    "kind_name",
    "kind_words",
    "listed",
    "one_decimal",
    "patch_count",
    "percent",
    "percent_span",
    "reading_caution",
    "region_name",
    "span",
    "title",
    "whole_span",
]

METHOD: Final = (
    (
        "The photograph was brought to upright sRGB colour and checked for what would spoil a measurement: size, "
        "sharpness, exposure, shading, colour cast and coverings."
    ),
    "A segmentation network named the region of every pixel; right and left are the patient's.",
    (
        "The colours were turned into linear light and separated into melanin, haemoglobin and shading after the "
        "Beer–Lambert law; shine is not separated and lowers both where it lies."
    ),
    (
        "The same network outlined excess pigment and read its density; it learnt from virtual patients and from "
        "pigment painted on generated portraits, and has not seen a patient with melasma."
    ),
    (
        "In each region the area step A follows from the involved share, darkness D from the density read in the "
        "involved skin and homogeneity H from the size of the patches; MASI and mMASI are added up from the "
        "continuous values behind the steps. In a whole face a second network, which sees all regions together, has "
        "the last word on the three: it may find pigment that is too faint or too broad for an outline."
    ),
    (
        "Intervals are meant to hold 90 %; that was checked on virtual patients and painted faces only. They widen "
        "with reservations about the photograph, except for several faces and a missing region. The score measures "
        "pigment and does not establish that this pigment is melasma."
    ),
)
NAMING_METHOD: Final = "A small network named the patches by what was measured of them and of those around them."
"""Where one did."""

READING_METHOD: Final = (
    "Apart from all this, the severity network read class and MASI off the whole face at once, as it learnt from "
    "labelled photographs; it measures nothing, and the two can be wrong together."
)

READING_WHAT: Final = "A second instrument: it looks at the whole face at once and outlines nothing."

_KINDS: Final = {
    Lesion.SOLAR_LENTIGO: "solar lentigo",
    Lesion.FRECKLE: "freckle",
    Lesion.MELASMA: "melasma",
    Lesion.CAFE_AU_LAIT: "café-au-lait macule",
    Lesion.NEVUS_OF_OTA: "nevus of Ota",
    Lesion.HORI_NEVUS: "Hori's nevus",
}

_REGION_TERMS: Final = (
    ("Region", "One of the four parts of the face that the score uses: forehead, right and left malar, chin."),
    ("Malar", "The cheek, from the lower lid to the jaw. Right and left are the patient's."),
    ("Involved share", "Part of the region's visible skin that carries excess pigment."),
    (
        "A, area",
        "0 none, 1 below 10 %, 2 from 10 %, 3 from 30 %, 4 from 50 %, 5 from 70 %, 6 from 90 % of the region involved.",
    ),
    ("D, darkness", "0 absent, 1 slight, 2 mild, 3 marked, 4 maximum."),
    ("H, homogeneity", "0 none, 1 specks, 2 patches under 1.5 cm, 3 patches over 2 cm, 4 uniform without clear areas."),
    ("Step and value", "A rater writes whole steps; the small figure is the continuous value behind the step."),
    ("90 % interval", "The range that is expected to hold the true value nine times out of ten."),
)
_TOTAL_TERMS: Final = (
    (
        "MASI",
        (
            "Melasma Area and Severity Index, 0 to 48: the sum over the regions of weight × A × (D + H); the forehead "
            "and each malar region weigh 0.3, the chin 0.1."
        ),
    ),
    ("mMASI", "Modified MASI, 0 to 24: the same without homogeneity."),
    ("Points", "What the region adds to the MASI."),
    ("Severity", "Mild: MASI below 16. Moderate: 16 to below 32. Severe: from 32 (Zhang et al. 2025)."),
)
_TONE_TERMS: Final = (
    (
        "ITA",
        (
            "Individual typology angle in degrees, from lightness L* and yellowness b* of unaffected skin: very light "
            "above 55, light above 41, intermediate above 28, tan above 10, brown above −30, dark up to −30."
        ),
    ),
    ("Monk tone", "Nearest of the ten tones of the Monk Skin Tone scale, 1 lightest to 10 darkest."),
    (
        "Fitzpatrick phototype",
        "How skin burns and tans, I to VI. It is a question to the patient; colour only suggests a range.",
    ),
)
_MAP_TERMS: Final = (
    ("Melanin", "The brown pigment of skin."),
    ("Haemoglobin", "The red pigment of blood; redness is not melanin."),
    (
        "Optical density (OD)",
        (
            "How strongly a pigment takes light away: 0.1 OD more lets 79 % of the light through, 0.3 OD half of it. "
            "Zero is this patient's normal skin."
        ),
    ),
    ("Excess pigment", "Melanin above what is normal for this skin at that place, in OD."),
    (
        "Patch",
        "A connected area of excess pigment that was outlined. Moles, hair and shadows are meant to be left out.",
    ),
    ("Contrast", "Melanin of the patch above the skin around it, in OD, by colour alone; D does not rest on it."),
    ("Edge", "Whether the border of the patch is a step (sharp) or fades."),
    ("Colour", "Brown suggests pigment near the surface, blue-grey pigment that lies deeper."),
)
_READING_TERMS: Final = (
    ("Severity network", "A network that learnt severity from whole photographs of faces, as one number each."),
    ("Probability", "How many such faces out of a hundred would lie in this band, as the network sees it."),
    (
        "Relevance",
        "How much each place of the photograph adds to the score of the class that the network reads, or takes off it.",
    ),
)
_KIND_TERM: Final = (
    "Kind",
    (
        "Which of six benign pigmented lesions the patch resembles, or none; unsure: what it may be, the most probable "
        "first. No diagnosis: it rules no skin cancer out."
    ),
)


def glossary(*, totals: bool, tone: bool, kinds: bool, reading: bool = False) -> tuple[tuple[str, str], ...]:
    """(term, gloss) of every term that a report of this content uses."""
    return (
        *(_TOTAL_TERMS if totals else _TOTAL_TERMS[:2]),
        *_REGION_TERMS,
        *(_TONE_TERMS if tone else ()),
        *_MAP_TERMS,
        *((_KIND_TERM,) if kinds else ()),
        *(_READING_TERMS if reading else ()),
    )


def one_decimal(value: float | None) -> str:
    """``10.8``; empty for None."""
    return "" if value is None else f"{value:.1f}"


def span(low: float | None, high: float | None, decimals: int = 1) -> str:
    """``9.1 to 12.9``; ``not given`` if an end is missing."""
    if low is None or high is None:
        return "not given"
    first, last = (f"{value:z.{decimals}f}" for value in (low, high))
    return f"{first} to {last}"


def percent(share: float | None) -> str:
    """``23 %`` of a share between 0 and 1; ``< 1 %`` for what would round to nothing but is not."""
    if share is None:
        return ""
    if 0 < share < 0.005:
        return "< 1 %"
    return f"{share * 100:.0f} %"


def percent_span(low: float | None, high: float | None) -> str:
    """``18 to 29 %``; empty if an end is missing."""
    return "" if low is None or high is None else f"{low * 100:.0f} to {high * 100:.0f} %"


def whole_span(first: int, last: int, *, roman: bool = False) -> str:
    """``2 to 4``, or ``II to IV``; one number if both are the same."""
    names = ["", "I", "II", "III", "IV", "V", "VI"] if roman else [str(k) for k in range(11)]
    return names[first] if first == last else f"{names[first]} to {names[last]}"


def band_span(tone: SkinTone) -> str:
    """Band of the skin tone, and the range that its interval allows: ``light (light to intermediate)``."""
    first, last = tone.band_range
    return tone.band.value if first == last else f"{tone.band.value} ({first.value} to {last.value})"


def band_sentence(total: float, low: float | None, high: float | None) -> str:
    """Where the MASI lies on its scale, and whether its interval reaches another band."""
    scale = "The scale runs from 0 to 48; mild ends at 16, moderate at 32."
    if low is None or high is None:
        return scale
    others = [band.value for band in (severity(low), severity(high)) if band is not severity(total)]
    if not others:
        return f"{scale} The whole interval lies in this band."
    return f"{scale} The interval reaches into {listed(list(dict.fromkeys(others)), 'and')}: read the band with care."


def agreement_sentence(totals: Masi | None, read: SeverityRecord) -> str:
    """Whether the measured MASI and the one that the severity network implies can both be right."""
    said = f"It reads a MASI of {one_decimal(read.masi)} (90 % interval {span(read.masi_low, read.masi_high)})"
    unsure = ""
    if severity(read.masi) is not read.severity:
        unsure = f" This is not in the band that it finds likeliest, {read.severity.value}: it is unsure."
    if totals is None or totals.masi is None or read.disagrees is None:
        return f"{said}; none was measured beside which it could stand.{unsure}"
    measured = f"{one_decimal(totals.masi)} ({span(totals.masi_low, totals.masi_high)})"
    if read.disagrees:
        return f"{said}; the measured one, {measured}, has no value in common with it.{unsure}"
    return f"{said}, which agrees with the measured one, {measured}: the intervals overlap.{unsure}"


def reading_caution(read: SeverityRecord) -> str:
    """What the reading may not be taken for."""
    learnt = (
        "The network was trained on virtual patients only and has seen no photograph of a person. " * read.virtual_only
    )
    if read.labels == "truth":
        return f"{learnt}It learnt a MASI stated with each picture, and does not know what melasma is."
    return f"{learnt}It repeats what its raters did, and does not know what melasma is."


def listed(names: Sequence[str], word: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {word} {names[-1]}"


def title(code: str) -> str:
    """A finding's code as words: ``too_small`` is ``Too small``."""
    return code.replace("_", " ").replace("-", " ").strip().capitalize()


def region_name(key: str) -> str:
    """Name for people of a region's key; an unknown key is shown as it is, in words."""
    try:
        return Region[key.upper()].label
    except KeyError:
        return title(key)


def kind_name(kind: Lesion) -> str:
    """Name for people of a lesion."""
    return _KINDS[kind]


def kind_words(lesion: LesionRecord) -> str:
    """The kind of a patch for people: one or the two that it may be, none of the six, what it may be if that is unsure.

    Empty where nothing is known.
    """
    if (said := lesion.said) is not None:
        return " or ".join(map(kind_name, said)) or "like none of the six"
    names = ["none of the six" if kind is None else kind_name(kind) for kind in lesion.perhaps]
    return f"unsure: {listed(names, 'or')}" if names else ""


def patch_count(analysis: Analysis, unlisted_from: int = 0) -> str:
    """Number of patches behind the first `unlisted_from`; "or more" where the record's list was full."""
    number = len(analysis.lesions)
    return f"{number - unlisted_from}{' or more' if number >= MOST_LESIONS else ''}"


def edge(sharpness: float) -> str:
    """``fading``, ``fairly sharp`` or ``sharp``, in thirds of the scale from 0 to 1."""
    return "fading" if sharpness < 1 / 3 else "fairly sharp" if sharpness < 2 / 3 else "sharp"


def hue(blueness: float) -> str:
    """``brown``, ``blue-grey``, or ``between`` where the shift is small."""
    if abs(blueness) < 0.05:
        return "between"
    return "brown" if blueness < 0 else "blue-grey"

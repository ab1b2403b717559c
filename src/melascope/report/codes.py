"""The codes under which values leave the house: ours, and those of common systems where one says the same.

A code of ours belongs to the code system `OURS`. Codes have at most 16 signs, as DICOM asks for, where they stand under
the coding scheme designator `DESIGNATOR`. Codes of SNOMED CT are given only where they are known to mean this; the
kinds of lesions keep their own code in front, since what a network takes for melasma is no diagnosis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from melascope.vocabulary import Lesion, Region, Severity, Verdict

__all__ = [
    "CONCEPTS",
    "DESIGNATOR",
    "FACE_SKIN",
    "ICD10",
    "ICD10_KINDS",
    "KINDS",
    "LATERALITY",
    "LOINC_PHOTOGRAPH",
    "OURS",
    "PLACES",
    "SEVERITIES",
    "SNOMED",
    "SNOMED_KINDS",
    "SNOMED_PLACES",
    "SNOMED_SEVERITIES",
    "UCUM",
    "VERDICTS",
    "Code",
]

OURS: Final = "https://melascope.org/fhir/CodeSystem/facial-pigment"
"""Our code system. It is an address to tell codes apart by, not a page."""
DESIGNATOR: Final = "99MELASCOPE"
SNOMED: Final = "http://snomed.info/sct"
ICD10: Final = "http://hl7.org/fhir/sid/icd-10"
UCUM: Final = "http://unitsofmeasure.org"


@dataclass(frozen=True)
class Code:
    """One code: its sign, its name for people, and the unit (UCUM) of a value under it."""

    code: str
    display: str
    definition: str = ""
    unit: str = ""


def _codes(*rows: tuple[str, str, str, str]) -> dict[str, Code]:
    return {code: Code(code, display, definition, unit) for code, display, unit, definition in rows}


CONCEPTS: Final = _codes(
    ("visit-report", "Facial pigment report", "", "All that was found in the photographs of one visit."),
    ("photo", "Photograph analysed", "", "One photograph; its members are what was found in it."),
    ("image-quality", "Photograph quality", "", "Whether the photograph can be measured; notes say why not."),
    ("masi", "MASI", "{score}", "Melasma Area and Severity Index, 0 to 48."),
    ("masi-low", "MASI, lower end", "{score}", "Lower end of the 90 % interval of the MASI."),
    ("masi-high", "MASI, upper end", "{score}", "Upper end of the 90 % interval of the MASI."),
    ("masi-measured", "MASI, as measured", "{score}", "What was measured where a person scored otherwise."),
    ("mmasi", "mMASI", "{score}", "Modified MASI (without homogeneity), 0 to 24."),
    ("mmasi-low", "mMASI, lower end", "{score}", "Lower end of the 90 % interval of the mMASI."),
    ("mmasi-high", "mMASI, upper end", "{score}", "Upper end of the 90 % interval of the mMASI."),
    ("mmasi-measured", "mMASI, as measured", "{score}", "What was measured where a person scored otherwise."),
    ("severity", "Melasma severity", "", "Band of the MASI: mild below 16, moderate below 32, severe from 32."),
    ("region", "MASI region", "", "One of the four regions of the MASI; the values are its components."),
    (
        "region-measured",
        "MASI region, as measured",
        "",
        "What was measured where a person scored the region otherwise.",
    ),
    ("skin-in-view", "Skin in view", "", "All bare skin of a close-up, measured as one."),
    ("involved", "Involved share", "%", "Share of the region's visible skin that carries excess pigment."),
    ("involved-low", "Involved share, lower end", "%", "Lower end of its 90 % interval."),
    ("involved-high", "Involved share, upper end", "%", "Upper end of its 90 % interval."),
    ("area", "Area (A)", "{score}", "MASI A, 0 to 6: continuous if measured, a whole step if rated."),
    ("area-step", "Area (A), step", "{score}", "Measured A as a rater writes it."),
    ("darkness", "Darkness (D)", "{score}", "MASI D, 0 to 4."),
    ("darkness-low", "Darkness (D), lower end", "{score}", "Lower end of its 90 % interval."),
    ("darkness-high", "Darkness (D), upper end", "{score}", "Upper end of its 90 % interval."),
    ("darkness-step", "Darkness (D), step", "{score}", "Measured D as a rater writes it."),
    ("homogeneity", "Homogeneity (H)", "{score}", "MASI H, 0 to 4."),
    ("homogeneity-low", "Homogeneity (H), lower end", "{score}", "Lower end of its 90 % interval."),
    ("homogeneity-high", "Homogeneity (H), upper end", "{score}", "Upper end of its 90 % interval."),
    ("homogeneity-step", "Homogeneity (H), step", "{score}", "Measured H as a rater writes it."),
    ("melanin-excess", "Excess melanin density", "{od}", "Of the involved skin above normal, optical density units."),
    ("skin-tone", "Skin tone", "deg", "Individual typology angle (ITA) of unaffected skin."),
    ("ita-low", "ITA, lower end", "deg", "Lower end of the 90 % interval of the ITA."),
    ("ita-high", "ITA, upper end", "deg", "Upper end of the 90 % interval of the ITA."),
    ("l-star", "Lightness L*", "{score}", "CIE L* (D65) of unaffected skin."),
    ("b-star", "Yellowness b*", "{score}", "CIE b* (D65) of unaffected skin."),
    ("monk", "Monk skin tone", "{score}", "Nearest tone of the Monk scale, 1 (lightest) to 10."),
    ("lesion", "Pigmented patch", "", "One outlined patch of excess pigment; its kind is no diagnosis."),
    ("kind", "Kind of patch", "", "Which of six benign pigmented lesions the patch resembles most."),
    ("kind-probability", "Probability of the kind", "%", "As the network sees it."),
    ("none-probability", "Probability of no kind", "%", "Of none of the six kinds, as the network sees it."),
    ("kind-measured", "Kind, as measured", "", "What the network named where a person named another kind."),
    ("score", "Probability of excess pigment", "%", "Mean probability over the pixels of the patch."),
    ("contrast", "Contrast", "{od}", "Melanin of the patch above the skin around it, optical density units."),
    ("edge-sharpness", "Edge sharpness", "1", "0 fades into the skin, 1 is a step."),
    ("blueness", "Blueness", "1", "Index from -1, brown, to +1, blue-grey."),
    ("patch-area", "Area of the patch", "{pixels}", "Pixels of the upright photograph."),
    ("box-left", "Box, left", "{pixels}", "First column of the patch in the upright photograph."),
    ("box-top", "Box, top", "{pixels}", "First row."),
    ("box-right", "Box, right", "{pixels}", "Column behind the last one."),
    ("box-bottom", "Box, bottom", "{pixels}", "Row behind the last one."),
    ("network-reading", "Severity as a network reads it", "", "A second reading, off the whole face at once."),
    ("network-masi", "MASI as a network reads it", "{score}", "MASI that the reading implies."),
    ("network-low", "MASI as a network reads it, lower end", "{score}", "Lower end of its 90 % interval."),
    ("network-high", "MASI as a network reads it, upper end", "{score}", "Upper end of its 90 % interval."),
    ("prob-mild", "Probability of mild", "%", "Probability of mild melasma, as the network reads it."),
    ("prob-moderate", "Probability of moderate", "%", "Probability of moderate melasma, as the network reads it."),
    ("prob-severe", "Probability of severe", "%", "Probability of severe melasma, as the network reads it."),
    ("excess-pigment", "Excess pigment", "", "Skin that carries more melanin than is normal for this patient there."),
    ("measured", "Measured by software", "", "A value that the software measured."),
    ("rated", "Rated by a person", "", "A value that a person gave, in place of what was measured."),
)
"""Questions: what is observed or measured."""

SEVERITIES: Final = {band: Code(band.value, band.value.capitalize()) for band in Severity}
VERDICTS: Final = {
    Verdict.USABLE: Code("usable", "Usable"),
    Verdict.RESERVATIONS: Code("reservations", "Usable with reservations"),
    Verdict.REFUSED: Code("refused", "Refused"),
}
KINDS: Final = {
    Lesion.SOLAR_LENTIGO: Code("sl", "Solar lentigo"),
    Lesion.FRECKLE: Code("fre", "Freckle"),
    Lesion.MELASMA: Code("mel", "Melasma"),
    Lesion.CAFE_AU_LAIT: Code("caf", "Café-au-lait macule"),
    Lesion.NEVUS_OF_OTA: Code("ota", "Nevus of Ota"),
    Lesion.HORI_NEVUS: Code("hori", "Hori's nevus"),
}
PLACES: Final = {region: Code(region.key.replace("_", "-"), region.label) for region in Region}
"""Regions of a face; right and left are the patient's."""

SNOMED_SEVERITIES: Final = {
    Severity.MILD: Code("255604002", "Mild"),
    Severity.MODERATE: Code("6736007", "Moderate"),
    Severity.SEVERE: Code("24484000", "Severe"),
}
FACE_SKIN: Final = Code("73897004", "Skin structure of face")
SNOMED_PLACES: Final = {
    Region.FOREHEAD: Code("68698007", "Skin structure of forehead"),
    Region.RIGHT_MALAR: Code("36141000", "Skin structure of cheek"),
    Region.LEFT_MALAR: Code("36141000", "Skin structure of cheek"),
    Region.CHIN: Code("23747009", "Skin structure of chin"),
    Region.NOSE: Code("113179006", "Skin structure of nose"),
    Region.UPPER_LIP: Code("16251004", "Skin structure of upper lip"),
    Region.TEMPLE: Code("16621002", "Skin structure of temporal region"),
    Region.PERIORBITAL: Code("362916000", "Skin of eye region"),
    Region.NECK: Code("43081002", "Skin structure of neck"),
    Region.OTHER_SKIN: Code("39937001", "Skin structure"),
}
LATERALITY: Final = {Region.RIGHT_MALAR: Code("24028007", "Right"), Region.LEFT_MALAR: Code("7771000", "Left")}
SNOMED_KINDS: Final = {Lesion.MELASMA: Code("36209000", "Melasma")}
ICD10_KINDS: Final = {
    Lesion.MELASMA: Code("L81.1", "Chloasma"),
    Lesion.FRECKLE: Code("L81.2", "Freckles"),
    Lesion.CAFE_AU_LAIT: Code("L81.3", "Café au lait spots"),
}
LOINC_PHOTOGRAPH: Final = Code("72170-4", "Photographic image")

"""The values of a statement under our codes, as FHIR and DICOM both tell them: (code, value or None)."""

from __future__ import annotations

from melascope.record import RegionScore, SeverityRecord, SkinTone
from melascope.report.statement import Named, Rated

__all__ = ["Values", "lesion_values", "rated_values", "reading_values", "region_values", "tone_values"]

Values = list[tuple[str, float | None]]


def region_values(score: RegionScore) -> Values:
    """What was measured in a region."""
    return [
        ("area", score.area),
        ("area-step", score.area_step),
        ("darkness", score.darkness),
        ("darkness-low", score.darkness_low),
        ("darkness-high", score.darkness_high),
        ("darkness-step", score.darkness_step),
        ("homogeneity", score.homogeneity),
        ("homogeneity-low", score.homogeneity_low),
        ("homogeneity-high", score.homogeneity_high),
        ("homogeneity-step", score.homogeneity_step),
        ("involved", score.involved_fraction),
        ("involved-low", score.involved_low),
        ("involved-high", score.involved_high),
        ("melanin-excess", score.melanin_excess),
    ]


def rated_values(rated: Rated) -> Values:
    """What a person gave to a region."""
    return [("area", rated.area), ("darkness", rated.darkness), ("homogeneity", rated.homogeneity)]


def tone_values(tone: SkinTone) -> Values:
    """The skin tone; the first is its angle."""
    return [
        ("skin-tone", tone.ita_deg),
        ("ita-low", tone.ita_low),
        ("ita-high", tone.ita_high),
        ("l-star", tone.l_star),
        ("b-star", tone.b_star),
        ("monk", tone.monk),
    ]


def reading_values(read: SeverityRecord) -> Values:
    """What the severity network reads."""
    return [
        ("network-masi", read.masi),
        ("network-low", read.masi_low),
        ("network-high", read.masi_high),
        ("prob-mild", read.mild),
        ("prob-moderate", read.moderate),
        ("prob-severe", read.severe),
    ]


def lesion_values(lesion: Named) -> Values:
    """What was measured in a patch; nothing in one that a person drew."""
    measured = lesion.measured
    if measured is None:
        return []
    return [
        ("kind-probability", measured.kind_probability if lesion.by is None and measured.kind else None),
        ("none-probability", measured.other_probability if lesion.by is None else None),
        ("score", measured.score),
        ("patch-area", measured.area_px),
        ("contrast", measured.contrast),
        ("edge-sharpness", measured.edge_sharpness),
        ("blueness", measured.blueness),
    ]

"""The Analysis record: everything that is reported of one photograph, as one plain, versioned, typed object.

The record is what `analysis.json` holds. The arrays that belong to it (photograph, masks, maps) travel beside it in
[`Arrays`][melascope.record.Arrays] and are never part of the JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from melascope.photo.finding import Finding
from melascope.vocabulary import Lesion, Severity, ToneBand, Verdict, View

__all__ = [
    "NONE_OF_THE_SIX",
    "SCHEMA_VERSION",
    "Analysis",
    "Arrays",
    "Files",
    "Finding",
    "KindChance",
    "LesionRecord",
    "Masi",
    "PhotoRecord",
    "Quality",
    "RegionScore",
    "RegionTone",
    "Regions",
    "SeverityRecord",
    "SkinTone",
]

NONE_OF_THE_SIX: Final = 0.7
"""Probability from which a patch is told to be none of the six kinds."""
EITHER: Final = 0.6
"""Probability of two kinds together from which a patch is told to be one or the other."""
MOST_DOUBTED: Final = 3
"""So many kinds a patch of which nothing sure is known may be told to be, perhaps."""
LEAST_DOUBTED: Final = 0.1
"""Probability from which it is told that such a patch may be none of the six as well."""
SCHEMA_VERSION: Final = "1.4"
"""1.1 added `severity_reading` and `files.relevance`, 1.2 `files.fhir` and `files.dicom`, 1.3
`severity_reading.labels`, 1.4 `lesions.kinds` and
`lesions.other_probability`; what is valid in an earlier version is valid in a later one."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Pixels = Annotated[int, Field(ge=0)]
MasiRegion = Literal["forehead", "right_malar", "left_malar", "chin"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, ser_json_inf_nan="null")


class PhotoRecord(_Record):
    """The file that was read."""

    file: str
    """File name without its folder."""
    width: Pixels
    """Pixels across the upright photograph; as its file states them where it was refused before it was decoded; 0 if it
    could not be decoded."""
    height: Pixels
    """Pixels down the upright photograph; as its file states them where it was refused before it was decoded; 0 if it
    could not be decoded."""
    sha256: str | None
    """SHA-256 of the file's bytes, hexadecimal; null if there are none."""


class Quality(_Record):
    """Whether the photograph can be measured."""

    usable: bool
    """False only where the verdict is `refused`."""
    verdict: Verdict
    """Usable, usable with reservations, or refused."""
    findings: tuple[Finding, ...]
    """All findings, the gravest first."""


class RegionTone(_Record):
    """Tone of the unaffected skin of one region."""

    ita_deg: float
    """Individual typology angle, degrees."""
    l_star: float
    """CIE L* (D65)."""
    b_star: float
    """CIE b* (D65)."""
    skin_px: Pixels
    """Pixels that it rests on, in the upright photograph."""


class SkinTone(_Record):
    """Skin tone of the unaffected, evenly lit facial skin. Uncertain under unknown light: read the interval."""

    ita_deg: float
    """Individual typology angle atan2(L* - 50, b*), degrees."""
    ita_low: float
    """Lower end of the 90 % interval, degrees."""
    ita_high: float
    """Upper end of the 90 % interval, degrees."""
    l_star: float
    """CIE L* (D65)."""
    b_star: float
    """CIE b* (D65)."""
    band: ToneBand
    """Band of `ita_deg`."""
    band_range: tuple[ToneBand, ToneBand]
    """Bands of `ita_high` and `ita_low`: the lightest and the darkest that the interval allows."""
    monk: Annotated[int, Field(ge=1, le=10)]
    """Nearest tone of the Monk Skin Tone scale, 1 (lightest) to 10."""
    monk_range: tuple[int, int]
    """Lightest and darkest Monk tone that the interval allows."""
    fitzpatrick_range: tuple[int, int]
    """Lightest and darkest Fitzpatrick phototype that usually go with the interval; never a substitute for asking."""
    by_region: dict[str, RegionTone]
    """The same per region."""


class RegionScore(_Record):
    """What was measured in one MASI region. Values are null where the region is not visible or not scored."""

    visible: bool
    """Enough bare, certain skin to be measured; a total needs all four and a whole face."""
    skin_px: Pixels
    """Bare skin, in pixels of the upright photograph."""
    involved_fraction: Share | None
    """Share of the region's skin that is involved."""
    involved_low: Share | None = None
    """Lower end of its 90 % interval."""
    involved_high: Share | None = None
    """Upper end of its 90 % interval."""
    area: Annotated[float, Field(ge=0, le=6)] | None
    """MASI A, 0 to 6, continuous; the totals are made of the continuous values."""
    darkness: Annotated[float, Field(ge=0, le=4)] | None
    """MASI D, 0 to 4, continuous."""
    darkness_low: Annotated[float, Field(ge=0, le=4)] | None = None
    """Lower end of its 90 % interval."""
    darkness_high: Annotated[float, Field(ge=0, le=4)] | None = None
    """Upper end of its 90 % interval."""
    homogeneity: Annotated[float, Field(ge=0, le=4)] | None
    """MASI H, 0 to 4, continuous."""
    homogeneity_low: Annotated[float, Field(ge=0, le=4)] | None = None
    """Lower end of its 90 % interval."""
    homogeneity_high: Annotated[float, Field(ge=0, le=4)] | None = None
    """Upper end of its 90 % interval."""
    area_step: Annotated[int, Field(ge=0, le=6)] | None = None
    """A as a rater writes it."""
    darkness_step: Annotated[int, Field(ge=0, le=4)] | None = None
    """D as a rater writes it."""
    homogeneity_step: Annotated[int, Field(ge=0, le=4)] | None = None
    """H as a rater writes it."""
    melanin_excess: float | None = None
    """Melanin density of the involved skin above the patient's own normal skin (optical density units)."""
    confidence: Share | None = None
    """Mean probability that the region's pixels belong to it, by the region network."""
    covered_fraction: Share | None = None
    """Share of the region's place that hair, glasses, a bar or another covering hides (estimated); null if unknown."""


class Regions(_Record):
    """The four MASI regions. Right and left are the patient's."""

    forehead: RegionScore
    """From the brows to the hairline."""
    right_malar: RegionScore
    """Right cheek, from the lower lid to the jaw."""
    left_malar: RegionScore
    """Left cheek, from the lower lid to the jaw."""
    chin: RegionScore
    """Below the lower lip."""


class Masi(_Record):
    """Melasma Area and Severity Index. Totals are null unless all four regions were scored."""

    masi: Annotated[float, Field(ge=0, le=48)] | None
    """MASI, 0 to 48, from the continuous A, D and H."""
    masi_low: Annotated[float, Field(ge=0, le=48)] | None = None
    """Lower end of its 90 % interval."""
    masi_high: Annotated[float, Field(ge=0, le=48)] | None = None
    """Upper end of its 90 % interval."""
    mmasi: Annotated[float, Field(ge=0, le=24)] | None
    """Modified MASI (without homogeneity), 0 to 24."""
    mmasi_low: Annotated[float, Field(ge=0, le=24)] | None = None
    """Lower end of its 90 % interval."""
    mmasi_high: Annotated[float, Field(ge=0, le=24)] | None = None
    """Upper end of its 90 % interval."""
    masi_from_steps: Annotated[float, Field(ge=0, le=48)] | None = None
    """MASI from the step values, as a rater would add it up."""
    mmasi_from_steps: Annotated[float, Field(ge=0, le=24)] | None = None
    """Modified MASI from the step values."""
    severity: Severity | None
    """Band of `masi` (Zhang et al. 2025)."""
    complete: bool
    """True if all four regions were scored."""
    missing: tuple[MasiRegion, ...]
    """Regions that were not."""


class SeverityRecord(_Record):
    """What the severity network reads off the face as a whole, beside what was measured."""

    severity: Severity
    """The likeliest class."""
    mild: Share
    """Probability of mild melasma."""
    moderate: Share
    """Probability of moderate melasma."""
    severe: Share
    """Probability of severe melasma."""
    masi: Annotated[float, Field(ge=0, le=48)]
    """MASI that the network implies."""
    masi_low: Annotated[float, Field(ge=0, le=48)]
    """Lower end of its 90 % interval."""
    masi_high: Annotated[float, Field(ge=0, le=48)]
    """Upper end of its 90 % interval."""
    disagrees: bool | None
    """Whether this interval and that of the measured MASI have nothing in common; null if no MASI was measured."""
    virtual_only: bool
    """The network was trained on virtual patients only."""
    labels: Literal["raters", "truth"] = "raters"
    """What it learnt: the mean of raters, or the MASI that its data sets stated of each picture."""


class KindChance(_Record):
    """One of the six lesions with its probability."""

    kind: Lesion
    probability: Share
    """As the network sees it, among the six and none of them; not a diagnosis."""


class LesionRecord(_Record):
    """One outlined patch of excess pigment."""

    kind: Lesion | None
    """Which of the six lesions it looks like most; null where no kind is probable enough."""
    kind_probability: Share | None = None
    """Probability of the most probable kind, as the network sees it; not a diagnosis. Before 1.4: among the six."""
    kinds: tuple[KindChance, ...] = ()
    """What it may be: the fewest of the six, the most probable first, that have a probability of 0.9, together with
    that of none of them."""
    other_probability: Share | None = None
    """Probability that it is none of the six; null before 1.4."""
    box: tuple[int, int, int, int]
    """x0, y0, x1, y1 in pixels of the upright photograph; x1 and y1 are exclusive."""
    score: Share
    """Mean probability over its pixels that the skin there holds excess pigment; not a diagnosis."""
    area_px: Pixels
    """Pixels of the upright photograph."""
    contrast: float
    """Mean melanin density above the unaffected skin around it, by colour alone (optical density units)."""
    edge_sharpness: Share
    """0: fades into the skin; 1: a step. In a close-up its millimetre is a guess."""
    blueness: float
    """Sign of depth, -1 to +1: bluish shift of the excess absorption; < 0 brown (epidermal), > 0 blue-grey (dermal)."""
    region: str
    """Region that holds most of it."""

    @property
    def said(self) -> tuple[Lesion, ...] | None:
        """What people are told that it is: one kind, or two that look alike; () none of the six; None: nothing sure."""
        if self.kind is not None:
            return (self.kind,)
        if self.other_probability is not None and self.other_probability >= NONE_OF_THE_SIX:
            return ()
        two = len(self.kinds) == 2 and sum(each.probability for each in self.kinds) >= EITHER
        return tuple(each.kind for each in self.kinds) if two else None

    @property
    def perhaps(self) -> tuple[Lesion | None, ...]:
        """What it may be where nothing sure is `said`, the most probable first; None: none of the six.

        Empty where that would be more than `MOST_DOUBTED` kinds: then nothing is known.
        """
        other = self.other_probability
        if self.said is not None or other is None or not 0 < len(self.kinds) <= MOST_DOUBTED:
            return ()
        chances: list[tuple[Lesion | None, float]] = [(each.kind, each.probability) for each in self.kinds]
        if other >= LEAST_DOUBTED:
            chances.append((None, other))
        return tuple(kind for kind, _ in sorted(chances, key=lambda each: -each[1]))


class Files(_Record):
    """Files written for this photograph, relative to its folder; null where not written."""

    overlay: str | None = None
    """Photograph with regions and lesions drawn on it."""
    maps: str | None = None
    """Melanin, haemoglobin and pigment maps."""
    relevance: str | None = None
    """What the severity network's reading rests on."""
    report: str | None = None
    """HTML report."""
    report_pdf: str | None = None
    """PDF report."""
    region_mask: str | None = None
    """PNG of the upright size: region codes."""
    lesion_mask: str | None = None
    """PNG of the upright size: 0 or 255."""
    fhir: str | None = None
    """FHIR Bundle."""
    dicom: tuple[str, ...] | None = None
    """DICOM files: the photograph, its segmentation, the measurements."""


@dataclass(frozen=True)
class Arrays:
    """Images behind a record.

    `pixels`, `region_codes` and `lesion_mask` have the size (H, W) of the upright photograph. The maps have the working
    resolution of the measurement and cover `frame`; the first three are NaN off the skin.
    """

    pixels: NDArray[np.uint8]
    """(H, W, 3) sRGB."""
    region_codes: NDArray[np.uint8]
    """(H, W), values of `Region`."""
    lesion_mask: NDArray[np.bool_]
    """(H, W)."""
    melanin: NDArray[np.float32]
    """(h, w) melanin density, optical density units, 0 = this patient's normal skin."""
    haemoglobin: NDArray[np.float32]
    """(h, w) haemoglobin density, same units."""
    pigment: NDArray[np.float32]
    """(h, w) melanin density above what is normal for this skin at that place."""
    frame: tuple[int, int, int, int]
    """x0, y0, x1, y1 of the maps in the upright photograph."""
    relevance: NDArray[np.float32] | None = None
    """(h, w) what each place adds to the score of the class that the severity network reads, above the mean of the
    classes, in points for a place of the network's own coarse grid; NaN where the network was shown nothing."""


class Analysis(_Record):
    """The result of `analyze`: what one photograph shows, how sure that is, and what it rests on."""

    schema_version: Literal["1.0", "1.1", "1.2", "1.3", "1.4"] = SCHEMA_VERSION
    """Version of this layout."""
    photo: PhotoRecord
    """The file that was read."""
    view: View
    """`face`, `close-up` or `none`."""
    quality: Quality
    """Whether the photograph can be measured, and why not."""
    skin_tone: SkinTone | None
    """Null where no skin could be measured, or the photograph is grey-scale."""
    regions: Regions | None
    """Null if the photograph was refused."""
    masi: Masi | None
    """Null if the photograph was refused."""
    skin_in_view: RegionScore | None = None
    """All bare skin of a close-up, measured as one (no homogeneity: its scale is unknown); null otherwise."""
    severity_reading: SeverityRecord | None = None
    """Null where no severity network ships, or the photograph is not one that it knows."""
    lesions: tuple[LesionRecord, ...]
    """Outlined patches of excess pigment, the largest first; 200 at most, so that 200 means 200 or more."""
    files: Files = Files()
    """Files written beside the record."""
    versions: dict[str, str]
    """Versions of what made it: melascope, networks (by hash), libraries."""
    disclaimer: str
    """What this record may not be used for."""

    _arrays: Arrays | None = PrivateAttr(default=None)

    @property
    def arrays(self) -> Arrays:
        """Masks and maps.

        Raises:
            LookupError: The photograph was refused before it was measured, or the record was read from a file.
        """
        if self._arrays is None:
            raise LookupError(
                f"the record of {self.photo.file!r} carries no arrays: it was refused or read from JSON; "
                "call analyze() on a usable photograph"
            )
        return self._arrays

    def with_arrays(self, arrays: Arrays) -> Analysis:
        """The same record with its arrays."""
        other = self.model_copy()
        other._arrays = arrays
        return other

    def to_json(self) -> str:
        """The record as indented JSON, as in `analysis.json`."""
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def schema(cls) -> dict[str, Any]:  # type: ignore[override]
        """JSON Schema (2020-12) of `analysis.json`."""
        return cls.model_json_schema(mode="serialization")

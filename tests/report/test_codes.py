"""The codes of SNOMED CT mean what they are used for: held against DICOM's own tables of them."""

from __future__ import annotations

import pytest

pytest.importorskip("pydicom")

from pydicom.sr.codedict import codes as known

from melascope.report.codes import CONCEPTS, FACE_SKIN, LATERALITY, SNOMED_PLACES, SNOMED_SEVERITIES, Code
from melascope.vocabulary import Region, Severity

MEANT = [
    (FACE_SKIN, "SkinOfFace"),
    (SNOMED_PLACES[Region.FOREHEAD], "SkinOfForehead"),
    (SNOMED_PLACES[Region.RIGHT_MALAR], "SkinOfCheek"),
    (SNOMED_PLACES[Region.LEFT_MALAR], "SkinOfCheek"),
    (SNOMED_PLACES[Region.CHIN], "SkinOfChin"),
    (SNOMED_PLACES[Region.NOSE], "SkinOfNose"),
    (SNOMED_PLACES[Region.UPPER_LIP], "SkinOfUpperLip"),
    (SNOMED_PLACES[Region.TEMPLE], "SkinOfTemporalRegion"),
    (SNOMED_PLACES[Region.PERIORBITAL], "SkinOfEyeRegion"),
    (SNOMED_PLACES[Region.NECK], "SkinOfNeck"),
    (SNOMED_PLACES[Region.OTHER_SKIN], "Skin"),
    (LATERALITY[Region.RIGHT_MALAR], "Right"),
    (LATERALITY[Region.LEFT_MALAR], "Left"),
    (SNOMED_SEVERITIES[Severity.MILD], "Mild"),
    (SNOMED_SEVERITIES[Severity.MODERATE], "Moderate"),
    (SNOMED_SEVERITIES[Severity.SEVERE], "Severe"),
]


@pytest.mark.parametrize(("code", "meaning"), MEANT)
def test_a_code_means_what_it_is_used_for(code: Code, meaning: str) -> None:
    assert code.code == getattr(known.SCT, meaning).value


def test_an_index_has_no_unit_of_density() -> None:
    assert {CONCEPTS[code].unit for code in ("blueness", "edge-sharpness")} == {"1"}
    assert "-1" in CONCEPTS["blueness"].definition and "+1" in CONCEPTS["blueness"].definition


def test_every_code_is_held_against_them() -> None:
    used = {*SNOMED_PLACES.values(), *LATERALITY.values(), *SNOMED_SEVERITIES.values(), FACE_SKIN}
    assert used == {code for code, _ in MEANT}

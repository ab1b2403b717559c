"""Pigment that is counted and not outlined is said to be."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from melascope import analyze
from melascope.analysis import MOST_UNSEEN
from melascope.vocabulary import MASI_REGIONS


@pytest.mark.parametrize("sample", ["dslr.jpg", "telephone.jpg"])
def test_a_note_names_the_regions_where_more_is_counted_than_outlined(sample: str) -> None:
    found = analyze(files("melascope.cli").joinpath("samples", sample).read_bytes(), name=sample)
    assert found.regions is not None
    codes, mask = found.arrays.region_codes, found.arrays.lesion_mask
    faint = []
    for region in MASI_REGIONS:
        gap = getattr(found.regions, region.key).involved_fraction - mask[codes == region].mean()
        assert abs(gap - MOST_UNSEEN) > 0.01, "too near the limit for a mask of the photograph's own size"
        faint += [region.label.lower()] if gap > MOST_UNSEEN else []
    notes = [finding for finding in found.quality.findings if finding.code == "faint_pigment"]
    assert bool(notes) == bool(faint) == (sample == "dslr.jpg")
    for note in notes:
        assert note.effect == "note" and note.value > note.limit
        assert all((region.label.lower() in note.advice) == (region.label.lower() in faint) for region in MASI_REGIONS)


def test_a_clear_face_has_no_such_note() -> None:
    from skimage import data

    found = analyze(np.asarray(data.astronaut(), np.uint8))
    assert all(finding.code != "faint_pigment" for finding in found.quality.findings)

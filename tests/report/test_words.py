"""How numbers and names are written."""

from __future__ import annotations

import pytest

from melascope.record import KindChance
from melascope.report import words
from melascope.report.page import page
from melascope.vocabulary import Lesion
from tests.report.synthetic import CASES, read_as


@pytest.mark.parametrize(
    ("share", "text"), [(None, ""), (0.0, "0 %"), (0.003, "< 1 %"), (0.234, "23 %"), (0.996, "100 %"), (1.0, "100 %")]
)
def test_percent(share: float | None, text: str) -> None:
    assert words.percent(share) == text


@pytest.mark.parametrize(
    ("low", "high", "decimals", "text"),
    [
        (1.04, 2.06, 1, "1.0 to 2.1"),
        (None, 2.0, 1, "not given"),
        (-12.4, -0.2, 0, "-12 to 0"),
        (-0.04, 0.3, 1, "0.0 to 0.3"),
        (-0.6, 3.0, 1, "-0.6 to 3.0"),
    ],
)
def test_span(low: float | None, high: float, decimals: int, text: str) -> None:
    assert words.span(low, high, decimals) == text


def test_whole_span() -> None:
    assert words.whole_span(2, 4) == "2 to 4"
    assert words.whole_span(3, 3) == "3"
    assert words.whole_span(1, 6, roman=True) == "I to VI"


@pytest.mark.parametrize(
    ("total", "low", "high", "part"),
    [
        (10.0, 8.0, 12.0, "whole interval lies in this band"),
        (15.0, 12.0, 17.0, "reaches into moderate"),
        (20.0, 12.0, 33.0, "reaches into mild and severe"),
        (20.0, None, None, "0 to 48"),
    ],
)
def test_band_sentence(total: float, low: float | None, high: float | None, part: str) -> None:
    assert part in words.band_sentence(total, low, high)


def test_the_method_claims_no_more_than_was_checked() -> None:
    text = " ".join(words.METHOD)
    assert "has not seen a patient with melasma." in text
    assert "Intervals are meant to hold 90 %; that was checked on virtual patients and painted faces only." in text
    assert "They widen with reservations about the photograph, except for several faces and a missing region." in text
    assert (
        "How dark a patch is" not in text
        and "outlined excess pigment and read its density" in text
        and "D from the density read in the" in text
    )
    assert "Intervals hold" not in text


def test_contrast_is_told_apart_from_the_excess_and_from_darkness() -> None:
    gloss = dict(words.glossary(totals=True, tone=True, kinds=True))["Contrast"]
    assert "above the skin around it, in OD, by colour alone" in gloss and "D does not rest on it" in gloss


def test_a_reading_says_how_it_stands_to_what_was_measured() -> None:
    totals = CASES["complete"].masi
    assert words.agreement_sentence(totals, read_as(18.0, disagrees=False)) == (
        "It reads a MASI of 18.0 (90 % interval 14.0 to 23.0), which agrees with the measured one, 10.8 (9.1 to 12.9): "
        "the intervals overlap."
    )
    apart = words.agreement_sentence(totals, read_as(26.0, disagrees=True))
    assert apart.endswith("the measured one, 10.8 (9.1 to 12.9), has no value in common with it.")
    assert words.agreement_sentence(None, read_as(26.0, disagrees=None)).endswith("beside which it could stand.")
    torn = words.agreement_sentence(totals, read_as(13.0, disagrees=False))
    assert torn.endswith(" This is not in the band that it finds likeliest, moderate: it is unsure.")


@pytest.mark.parametrize("virtual", [True, False])
def test_a_reading_claims_no_patients_that_it_has_not_seen(virtual: bool) -> None:
    text = words.reading_caution(read_as(13.0, disagrees=False, virtual_only=virtual))
    assert ("trained on virtual patients only" in text) is virtual
    assert text.endswith("It repeats what its raters did, and does not know what melasma is.")


def test_a_reading_that_learnt_a_stated_masi_names_no_raters() -> None:
    read = read_as(13.0, disagrees=False, virtual_only=False).model_copy(update={"labels": "truth"})
    text = words.reading_caution(read)
    assert text == "It learnt a MASI stated with each picture, and does not know what melasma is."


@pytest.mark.parametrize(
    ("kind", "kinds", "other", "text"),
    [
        (Lesion.MELASMA, {"mel": 0.7, "hori": 0.25}, 0.05, "melasma"),
        (None, {"hori": 0.5, "mel": 0.45}, 0.05, "Hori's nevus or melasma"),
        (None, {"mel": 0.35, "hori": 0.2}, 0.45, "unsure: none of the six, melasma or Hori's nevus"),
        (None, {"mel": 0.4, "hori": 0.3, "sl": 0.25}, 0.05, "unsure: melasma, Hori's nevus or solar lentigo"),
        (None, {"mel": 0.3, "hori": 0.3, "sl": 0.2, "fre": 0.15}, 0.05, ""),  # that is to know nothing
        (None, {"mel": 0.25}, 0.75, "like none of the six"),
        (
            None,
            {"mel": 0.35, "hori": 0.2, "ota": 0.1},
            0.25,
            "unsure: melasma, none of the six, Hori's nevus or nevus of Ota",
        ),
        (None, {"mel": 0.35}, 0.65, "unsure: none of the six or melasma"),
        (None, {}, 1.0, "like none of the six"),
        (None, {}, None, ""),  # a record of an earlier version
        (None, {"mel": 0.5, "hori": 0.45, "sl": 0.04}, None, ""),  # likewise
    ],
)
def test_what_people_are_told_that_a_patch_is(
    kind: Lesion | None, kinds: dict[str, float], other: float | None, text: str
) -> None:
    chances = tuple(KindChance(kind=Lesion(name), probability=chance) for name, chance in kinds.items())
    patch = CASES["complete"].lesions[0]
    patch = patch.model_copy(update={"kind": kind, "kinds": chances, "other_probability": other})
    assert words.kind_words(patch) == text


def test_names() -> None:
    assert words.title("too_small") == "Too small"
    assert words.region_name("right_malar") == "Right malar"
    assert words.region_name("somewhere_else") == "Somewhere else"
    assert {words.kind_name(kind) for kind in Lesion} >= {"melasma", "freckle"}
    assert [words.listed(x) for x in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert [words.edge(x) for x in (0.0, 0.5, 1.0)] == ["fading", "fairly sharp", "sharp"]
    assert [words.hue(x) for x in (-0.2, 0.0, 0.2)] == ["brown", "between", "blue-grey"]


def test_points_of_the_regions_add_up_to_the_masi() -> None:
    points = sum(float(row.points) for row in page(CASES["complete"]).rows)
    totals = CASES["complete"].masi
    assert totals is not None
    assert points == pytest.approx(totals.masi, abs=0.2)

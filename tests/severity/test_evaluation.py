"""Figures of a benchmark as a whole: by what intervals are drawn."""

from __future__ import annotations

import math
from dataclasses import replace

from melascope.severity.evaluation import evaluate
from melascope.severity.findings import comparison_note, sentences
from tests.severity.simulated import rows, run


def test_intervals_draw_groups_of_patients_who_are_not_independent() -> None:
    """Five photographs on each of eight heads, all right or all wrong on a head: eight draws, not forty."""
    apart = [
        replace(row, patient=f"p{k}", p_mild=float(right), p_moderate=0.0, p_severe=float(not right), truth=0)
        for k, row in enumerate(rows(40))
        for right in [k // 5 % 2 == 0]
    ]
    apart = [replace(row, rated_masi=5.0, raters={}) for row in apart]
    heads = [replace(row, group=f"head{k // 5}") for k, row in enumerate(apart)]
    first, second = (
        evaluate([replace(run("a"), predictions=tuple(some))], resamples=500, seed=3) for some in (apart, heads)
    )
    wide, narrow = (one.evaluations[0].figures["accuracy"] for one in (second, first))
    assert first.clusters == 40 and second.clusters == 8 and second.patients == 40
    assert not first.several_photos and second.several_photos
    assert wide.value == narrow.value == 0.5
    # Standard deviations of a share of 1/2: of 8 draws 0.18, of 40 0.08; 95 % are about 3.9 of them.
    assert narrow.high - narrow.low < 0.36 < 0.55 < wide.high - wide.low
    assert "the 8 groups of patients who are not independent" in comparison_note(second)
    assert "by drawing patients," in comparison_note(first)


def test_one_group_alone_is_said_to_have_no_interval() -> None:
    runs = [run("a", count=40), run("b", count=40, seed=3)]
    runs = [replace(one, predictions=tuple(replace(r, group="head") for r in one.predictions)) for one in runs]
    found = evaluate(runs, resamples=100)
    (gap,) = found.comparisons
    assert math.isnan(gap.accuracy.low) and found.clusters == 1
    assert "has no interval, for too few are drawn" in " ".join(sentences(found))

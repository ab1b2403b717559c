"""What a benchmark's command tells of its cohort, and what it does not."""

from __future__ import annotations

import json
from dataclasses import asdict

from benchmarks.rendered import asked_for, untold

from melascope.cohort.patient import Cohort

TOLD = ("patients", "seed", "photos", "per_head")
MADE = json.loads(json.dumps(asdict(Cohort(360, 4001, photos=3, per_head=12))))


def test_the_options_are_told() -> None:
    assert asked_for(MADE, TOLD) == "--patients 360 --seed 4001 --photos 3 --per-head 12"
    assert asked_for(MADE, ("seed",)) == "--seed 4001"
    assert asked_for({}, ("seed",)) == "--seed unknown"


def test_what_no_option_tells_is_known() -> None:
    earlier = {name: value for name, value in MADE.items() if name not in ("views", "each_tone", "any_density")}
    assert untold(MADE, TOLD) == untold(earlier, TOLD) == []
    other = MADE | {"size_px": 480, "kinds": ["mel"], "any_density": True}
    assert untold(other, TOLD) == ["size_px", "kinds", "any_density"]
    assert untold(other, (*TOLD, "kinds")) == ["size_px", "any_density"]
    assert asked_for(MADE | {"each_tone": True}, ("seed",), ("each_tone",)) == "--seed 4001"
    assert asked_for(other, ("seed",)) == "--seed 4001 (of a --cohort with other size_px, kinds, any_density)"

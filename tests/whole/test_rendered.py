"""What a benchmark's command tells of its cohort, and what it does not."""

from __future__ import annotations

import json
from dataclasses import asdict

from benchmarks.rendered import asked_for, untold

from melascope.cohort.patient import Cohort

TOLD = ("patients", "seed", "photos", "per_head")
MADE = json.loads(json.dumps(asdict(Cohort(360, 4001, photos=3, per_head=12))))


ASKED = Cohort(360, 4001, photos=3, per_head=12)


def test_the_options_are_told() -> None:
    assert asked_for(MADE, TOLD, ASKED) == "--patients 360 --seed 4001 --photos 3 --per-head 12"
    assert asked_for(MADE, ("seed",), ASKED) == "--seed 4001"
    assert asked_for({}, ("seed",), ASKED) == "--seed unknown"


def test_what_no_option_tells_is_known() -> None:
    earlier = {name: value for name, value in MADE.items() if name not in ("views", "each_tone", "any_density")}
    assert untold(MADE, TOLD, ASKED) == untold(earlier, TOLD, ASKED) == []
    other = MADE | {"size_px": 480, "kinds": ["mel"], "any_density": True}
    assert untold(other, TOLD, ASKED) == ["size_px", "kinds", "any_density"]
    assert untold(other, (*TOLD, "kinds"), ASKED) == ["size_px", "any_density"]
    assert asked_for(other, ("seed",), ASKED) == "--seed 4001 (of a --cohort with other size_px, kinds, any_density)"


def test_what_a_benchmark_asks_for_by_itself_is_missed_elsewhere() -> None:
    frontal = Cohort(300, 1, photos=2, per_head=5, views=("frontal",))
    assert asked_for(json.loads(json.dumps(asdict(frontal))), ("seed",), frontal) == "--seed 1"
    assert untold(MADE, ("seed",), frontal) == ["patients", "photos", "per_head", "views"]

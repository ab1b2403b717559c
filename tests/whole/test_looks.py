"""The table by which skin networks are chosen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from benchmarks.looks import looks_table
from benchmarks.photo_figures import BINS

from tests.whole.test_tallies import with_called


def test_pixels_are_pooled_by_tone_and_make_up_and_alarms_are_of_photographs_without_a_lesion() -> None:
    histogram = np.zeros((2, BINS), np.int64)
    histogram[1, -1], histogram[0, 0] = 100, 900  # ranked without a fault
    photos = []
    for number, (band, called, true, both, worn) in enumerate(
        [
            ("dark", 100, 100, 50, ()),
            ("dark", 0, 100, 0, ("make-up",)),
            ("dark", 20, 0, 0, ()),  # of 1000 pixels of skin
            ("very light", 50, 50, 50, ("moles",)),
        ]
    ):
        one = with_called(f"p{number}", called, true=true, both=both, band=band, look_alikes=worn)
        assert one.seen
        ranked = replace(one.seen.pigment, histogram=histogram)
        photos.append(replace(one, seen=replace(one.seen, pigment=ranked)))
    rows = looks_table(photos).splitlines()[2:]
    assert rows == [
        "| all | very light | 1 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 |  | 0 |",
        "| all | dark | 2 | 1.000 | 0.333 | 0.250 | 0.500 | 1.000 | 0.0200 | 1 |",
        "| bare | very light | 1 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 |  | 0 |",
        "| bare | dark | 1 | 1.000 | 0.500 | 0.500 | 0.500 | 1.000 | 0.0200 | 1 |",
        "| make-up | dark | 1 | 1.000 | 0.000 | 0.000 |  | 1.000 |  | 0 |",
    ]

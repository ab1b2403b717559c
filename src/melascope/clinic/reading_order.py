"""In which order a rater of a reading study sees the photographs, and which of them twice."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

__all__ = ["drawn", "order"]

_APART: Final = 10
"""So many other photographs lie between the two showings of one, if there are enough."""


def order(photos: Sequence[str], twice: int, seed: int, number: int) -> list[tuple[str, bool]]:
    """The order in which one rater sees the photographs, a pure function of what is kept.

    Which photographs are shown twice is the same for all raters of a seed. Between the two showings lie at least ten
    others, or half of them where there are fewer than twenty.

    Args:
        photos: In any order.
        twice: Percent of them that are shown a second time, rounded up; 50 at most.
        seed: Of the reading study.
        number: Of the rater, from 1.

    Returns:
        Photographs, and whether it is the second showing.

    Example:
        >>> order(["a", "b", "c"], 0, seed=7, number=1) == order(["c", "b", "a"], 0, seed=7, number=1)
        True
        >>> sum(again for _, again in order(["a", "b"], 50, seed=7, number=1))
        1
    """
    known, n = sorted(photos), len(photos)
    doubled = drawn(known, -(-n * twice // 100), f"{seed}/twice")
    draw = random.Random(f"{seed}/rater {number}")  # noqa: S311 (an order that can be drawn again, no secret)
    single = [photo for photo in known if photo not in doubled]
    apart = min(_APART, n // 2)
    early = sorted(draw.sample(range(max(n - apart, len(doubled))), len(doubled)))
    firsts, rest = draw.sample(sorted(doubled), len(doubled)), draw.sample(single, len(single))
    places = dict(zip(early, firsts, strict=True))
    line = [(places.get(place) or rest.pop(), False) for place in range(n)]
    for photo in firsts:  # the earliest first, so that a later one only pushes them further apart
        first = line.index((photo, False))
        line.insert(draw.randint(min(first + apart + 1, len(line)), len(line)), (photo, True))
    return line


def drawn(known: Sequence[str], count: int, seed: str) -> set[str]:
    """So many of them, or all if there are fewer; a pure function, too."""
    return set(random.Random(seed).sample(known, min(count, len(known))))  # noqa: S311

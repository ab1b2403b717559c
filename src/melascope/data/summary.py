"""How many photos and patients of each sort a manifest holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from melascope.data.row import Row
from melascope.vocabulary import Lesion, Severity, ToneBand

__all__ = ["Count", "counts"]

_UNKNOWN: Final = "not known"


@dataclass(frozen=True)
class Count:
    """Photos and patients of one sort."""

    what: str
    """split 6:3:1, split 8:2, tone, kind, severity, view or device."""
    value: str
    photos: int
    patients: int


def counts(rows: Iterable[Row]) -> list[Count]:
    """Counts by split, tone band, kind, severity, view and device; photos with several kinds count in each.

    The severity is the true one, or else that of the raters' mean. A sort that no photo tells is left out.
    """
    rows = list(rows)
    result = []
    for what, values, order in _SORTS:
        photos: dict[str, int] = defaultdict(int)
        patients: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            for value in values(row):
                photos[value] += 1
                patients[value].add(row.patient)
        if set(photos) <= {_UNKNOWN}:
            continue
        first = [value for value in order if value in photos]
        others = sorted(set(photos) - {*first, _UNKNOWN})
        last = [_UNKNOWN] if _UNKNOWN in photos else []
        result += [Count(what, value, photos[value], len(patients[value])) for value in (*first, *others, *last)]
    return result


def _kinds(row: Row) -> list[str]:
    if row.kinds is None:
        return [_UNKNOWN]
    return [kind.value for kind in row.kinds] or ["none"]


_SORTS: Final[tuple[tuple[str, Callable[[Row], list[str]], tuple[str, ...]], ...]] = (
    ("split 6:3:1", lambda row: [row.split_631 or _UNKNOWN], ("train", "val", "test")),
    ("split 8:2", lambda row: [row.split_82 or _UNKNOWN], ("train", "test")),
    ("tone", lambda row: [row.tone_band or _UNKNOWN], tuple(ToneBand)),
    ("kind", _kinds, (*Lesion, "none")),
    ("severity", lambda row: [row.severity or row.rater_severity or _UNKNOWN], tuple(Severity)),
    ("view", lambda row: [row.view or _UNKNOWN], ("frontal", "right45", "left45", "close-up")),
    ("device", lambda row: [row.device or _UNKNOWN], ()),
)

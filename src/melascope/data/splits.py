"""Training, validation and test sets that no person is in twice."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from melascope.data.row import Row, Split
from melascope.data.ties import Key, Ties
from melascope.vocabulary import Lesion

__all__ = ["SCHEMES", "Assigned", "assign_splits", "deal_splits", "kept_together"]

SCHEMES: Final[Mapping[str, Mapping[Split, int]]] = {
    "631": {"train": 6, "val": 3, "test": 1},
    "82": {"train": 8, "test": 2},
}
"""Parts of each split: 6:3:1 (Zhang 2025) and 8:2 (Ding 2022)."""


@dataclass(frozen=True)
class Assigned:
    """The splits of one group."""

    split_631: Split
    split_82: Split


def assign_splits(groups: Iterable[str], seed: int = 0, strata: Mapping[str, str] | None = None) -> dict[str, Assigned]:
    """A split for every group (a patient, or whatever must stay together), in both schemes.

    Groups are put in an order by hash and dealt out so that, at every place of that order, each split has its share of
    the photos as nearly as groups can give it. The result depends on the names, the counts and the seed, not on the
    order of the input. Fewer than about ten groups may leave a small split empty.

    Args:
        groups: The group of every photo: a name that comes five times counts as five photos.
        seed: Another one gives another order.
        strata: Something by group, such as the severity, of which every split should get its share too.

    Example:
        >>> splits = assign_splits([f"p{i}" for i in range(10)], seed=7)
        >>> sorted(Counter(s.split_631 for s in splits.values()).items())
        [('test', 1), ('train', 6), ('val', 3)]
    """
    photos = Counter(groups)
    dealt = {name: _deal(photos, parts, f"{seed}|{name}", strata or {}) for name, parts in SCHEMES.items()}
    return {group: Assigned(dealt["631"][group], dealt["82"][group]) for group in sorted(photos)}


def deal_splits(rows: Sequence[Row], seed: int = 0) -> dict[str, Assigned]:
    """Splits by photo id: nobody is in two, and every split gets its share of each set of kinds."""
    units = kept_together(rows)
    kinds: dict[str, set[Lesion]] = {}
    for row in rows:
        kinds.setdefault(units[row.photo_id], set()).update(row.kinds or ())
    strata = {unit: "+".join(kind.value for kind in Lesion if kind in own) for unit, own in kinds.items()}
    splits = assign_splits((units[row.photo_id] for row in rows), seed, strata)
    return {row.photo_id: splits[units[row.photo_id]] for row in rows}


def kept_together(rows: Iterable[Row]) -> dict[str, str]:
    """What must not be in two splits, by photo id: all photos that patients and groups join, in any number of steps.

    Its name is that of the group, of several the first in order, or else of the patient.

    Example:
        >>> rows = [Row(photo_id=f"{k}", patient=p, group=g, file="a.jpg") for k, (p, g) in enumerate(
        ...     [("anna", "family"), ("anna", ""), ("bert", "family"), ("carl", "")])]
        >>> kept_together(rows)
        {'0': 'family', '1': 'family', '2': 'family', '3': 'carl'}
    """
    rows = list(rows)
    ties = Ties()
    for row in rows:
        if row.group:
            ties.join(("patient", row.patient), ("group", row.group))
    names: dict[Key, str] = {}
    for row in rows:
        if row.group:
            unit = ties.top(("patient", row.patient))
            names[unit] = min(names.get(unit, row.group), row.group)
    return {row.photo_id: names.get(ties.top(("patient", row.patient)), row.patient) for row in rows}


def _deal(
    photos: Mapping[str, int], parts: Mapping[Split, int], salt: str, strata: Mapping[str, str]
) -> dict[str, Split]:
    whole = sum(parts.values())
    filled: dict[Split, int] = dict.fromkeys(parts, 0)
    seen = 0
    result = {}
    for group in sorted(photos, key=lambda g: (strata.get(g, ""), hashlib.sha256(f"{salt}|{g}".encode()).digest())):
        seen += photos[group]
        # Whole numbers: what each split lacks, in `whole` parts of a photo. The first of equals takes the group.
        split = max(parts, key=lambda name: parts[name] * seen - whole * filled[name])
        filled[split] += photos[group]
        result[group] = split
    return result

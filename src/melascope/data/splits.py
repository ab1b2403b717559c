"""Training, validation and test sets that no person is in twice."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from melascope.data.row import Split

__all__ = ["SCHEMES", "Assigned", "assign_splits"]

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

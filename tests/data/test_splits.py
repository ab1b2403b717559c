"""Splits: no group in two, the right shares, the same every time."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melascope.data.row import Row
from melascope.data.splits import SCHEMES, assign_splits, deal_splits, kept_together
from melascope.vocabulary import Lesion

sizes = st.dictionaries(st.text("abcdef0123", min_size=1, max_size=6), st.integers(1, 9), min_size=1, max_size=60)


def shares(groups: list[str], scheme: str, seed: int = 0, strata: dict[str, str] | None = None) -> Counter[str]:
    assigned = assign_splits(groups, seed, strata)
    return Counter(getattr(assigned[group], f"split_{scheme}") for group in groups)


@pytest.mark.parametrize("scheme", ["631", "82"])
@given(photos=sizes, seed=st.integers(0, 9))
def test_each_split_has_its_share_as_nearly_as_groups_allow(scheme: str, photos: dict[str, int], seed: int) -> None:
    groups = [group for group, count in photos.items() for _ in range(count)]
    found = shares(groups, scheme, seed)
    assert sum(found.values()) == len(groups)
    whole = sum(SCHEMES[scheme].values())
    for split, part in SCHEMES[scheme].items():
        assert abs(found[split] - part * len(groups) / whole) <= 2 * max(photos.values())


@pytest.mark.parametrize(("scheme", "wanted"), [("631", (600, 300, 100)), ("82", (800, 0, 200))])
def test_a_thousand_equal_groups_are_split_exactly(scheme: str, wanted: tuple[int, int, int]) -> None:
    found = shares([f"p{i}" for i in range(1000)], scheme, seed=7)
    assert (found["train"], found["val"], found["test"]) == wanted


def test_the_order_of_photos_does_not_matter_and_the_seed_does() -> None:
    groups = [f"p{i % 40}" for i in range(200)]
    first = assign_splits(groups, 7)
    assert first == assign_splits(groups[::-1], 7)
    assert list(first) == sorted(set(groups))
    assert first != assign_splits(groups, 8)


def test_the_two_schemes_do_not_follow_each_other() -> None:
    assigned = assign_splits([f"p{i}" for i in range(2000)]).values()
    both = sum(a.split_631 == "test" and a.split_82 == "test" for a in assigned)
    assert 15 < both < 75  # 40 by chance


def test_every_stratum_has_its_share() -> None:
    names = [f"p{i}" for i in range(500)]
    rng = np.random.default_rng(1)
    strata = {name: str(rng.choice(["mild", "moderate", "severe"], p=[0.7, 0.25, 0.05])) for name in names}
    assigned = assign_splits(names, 3, strata)
    for stratum, count in Counter(strata.values()).items():
        found = Counter(assigned[name].split_631 for name in names if strata[name] == stratum)
        assert abs(found["val"] - 0.3 * count) <= 2
        assert abs(found["test"] - 0.1 * count) <= 2


def rows_of(*people: tuple[str, str]) -> list[Row]:
    """A row for each patient and group."""
    return [
        Row(photo_id=f"a{k}", patient=patient, group=group, file=f"a{k}.jpg", kinds=tuple(Lesion)[: k % 4])
        for k, (patient, group) in enumerate(people)
    ]


people = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(("", "", "g", "h", "i"))), max_size=30)


@given(people)
def test_nobody_is_in_two_splits_however_groups_are_filled(pairs: list[tuple[str, str]]) -> None:
    rows = rows_of(*pairs)
    units, splits = kept_together(rows), deal_splits(rows)
    for row in rows:
        for other in rows:
            if row.patient == other.patient or (row.group and row.group == other.group):
                assert units[row.photo_id] == units[other.photo_id]
                assert splits[row.photo_id] == splits[other.photo_id]
    shuffled = rows[::-1]
    assert kept_together(shuffled) == units and deal_splits(shuffled) == splits


def test_no_more_is_joined_than_must_be() -> None:
    rows = rows_of(("a", "g"), ("a", ""), ("b", "h"), ("b", "g"), ("c", "h"), ("d", ""), ("e", "i"))
    assert list(kept_together(rows).values()) == ["g", "g", "g", "g", "g", "d", "i"]


@given(st.dictionaries(st.sampled_from("abcdefghijklmnop"), st.sampled_from(("", "g", "h", "a")), min_size=1))
def test_where_groups_are_consistent_splits_are_what_they_always_were(group_of: dict[str, str]) -> None:
    rows = rows_of(*((patient, group) for patient, group in group_of.items() for _ in range(1 + ord(patient) % 3)))
    kinds: dict[str, set[Lesion]] = {}
    for row in rows:
        kinds.setdefault(row.group or row.patient, set()).update(row.kinds or ())
    strata = {name: "+".join(kind.value for kind in Lesion if kind in shown) for name, shown in kinds.items()}
    before = assign_splits([row.group or row.patient for row in rows], 7, strata)
    assert deal_splits(rows, 7) == {row.photo_id: before[row.group or row.patient] for row in rows}

"""Splits that divide nobody, and class shares like the paper's."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melascope.severity.ratings import Rating, Ratings, RatingsError
from melascope.severity.sharing import (
    LARGEST,
    MAJORITY,
    PARTS,
    balance,
    class_shares,
    read_split,
    split_patients,
    write_split,
)
from melascope.vocabulary import Severity
from tests.severity.made import made

people = st.lists(
    st.tuples(
        st.integers(1, 4), st.integers(0, 5), st.lists(st.sampled_from([2.0, 20.0, 40.0]), min_size=4, max_size=4)
    ),
    min_size=6,
    max_size=50,
)
"""Of each patient: photos, group (0: none), MASI by photo."""


def ratings_of(table: list[tuple[int, int, list[float]]]) -> Ratings:
    rows = [
        Rating(f"{p}-{i}", f"P{p}", "r", totals[i], None, None, 2, group=f"P{group}" if group else "")
        for p, (count, group, totals) in enumerate(table)
        for i in range(count)
    ]
    return Ratings(tuple(rows), Path("r.csv"), None)


def units(ratings: Ratings) -> Counter[tuple[bool, str]]:
    return Counter((bool(ratings.of(photo)[0].group), ratings.group(photo)) for photo in ratings.photos)


@settings(max_examples=60, deadline=None)
@given(table=people, seed=st.integers(0, 3))
def test_nobody_is_divided_and_shares_are_close(table: list[tuple[int, int, list[float]]], seed: int) -> None:
    ratings = ratings_of(table)
    sizes = units(ratings)
    if len(sizes) < 3:
        with pytest.raises(ValueError, match="needs three at least"):
            split_patients(ratings, seed=seed)
        return
    split = split_patients(ratings, seed=seed)
    assert set(split) == set(ratings.photos) and set(split.values()) == set(PARTS)
    for kind in (ratings.patient, lambda photo: (bool(ratings.of(photo)[0].group), ratings.group(photo))):
        parts: dict[object, set[str]] = {}
        for photo, part in split.items():
            parts.setdefault(kind(photo), set()).add(part)
        assert all(len(found) == 1 for found in parts.values())
    counts, largest = Counter(split.values()), max(sizes.values())
    for part, share in zip(PARTS, (0.6, 0.3, 0.1), strict=True):
        assert abs(counts[part] - share * len(split)) <= 2 * largest + 2


@settings(max_examples=15, deadline=None)
@given(table=people, salt=st.integers(0, 99))
def test_the_order_of_the_table_does_not_matter(table: list[tuple[int, int, list[float]]], salt: int) -> None:
    ratings = ratings_of(table)
    if len(units(ratings)) < 3:
        return
    rows = list(ratings.rows)
    random.Random(salt).shuffle(rows)
    shuffled = replace(ratings, rows=tuple(rows))
    assert split_patients(ratings) == split_patients(shuffled)
    assert {*balance(ratings, shares=present(ratings))} == {*balance(shuffled, shares=present(ratings))}


def present(ratings: Ratings) -> dict[Severity, float]:
    return {band: 1.0 for band, share in class_shares(ratings).items() if share}


def clinic(patients: int = 400, seed: int = 1) -> Ratings:
    rng = random.Random(seed)
    table = [(rng.choice([1, 2, 3]), 0, [rng.choice([2.0, 9.0, 20.0, 40.0])] * 4) for _ in range(patients)]
    return ratings_of(table)


def test_every_severity_has_its_share_in_every_part() -> None:
    ratings = clinic()
    split = split_patients(ratings)
    whole = Counter(ratings.severity(photo) for photo in ratings.photos)
    for part, share in zip(PARTS, (0.6, 0.3, 0.1), strict=True):
        found = Counter(ratings.severity(photo) for photo, its in split.items() if its == part)
        for band, count in whole.items():
            assert abs(found[band] - share * count) <= 2


def test_the_seed_matters_and_nothing_else() -> None:
    ratings = clinic()
    assert split_patients(ratings) == split_patients(ratings, (6, 3, 1), 7) == split_patients(ratings, (60, 30, 10))
    assert split_patients(ratings) != split_patients(ratings, seed=8)
    counts = Counter(split_patients(ratings, (1, 1, 1)).values())
    assert max(counts.values()) - min(counts.values()) <= 2


def test_a_few_large_groups_are_dealt_with_care() -> None:
    rng = random.Random(5)
    table = [(2, 1 + p // 10, [rng.choice([2.0, 2.0, 2.0, 20.0, 40.0])] * 4) for p in range(150)]
    ratings = ratings_of(table)
    split = split_patients(ratings)
    counts = Counter(split.values())  # of 15 heads with 20 photos each, 4.5 and 1.5 cannot be had
    assert counts["train"] == 180 and counts["validation"] in {80, 100}
    for part in PARTS:
        assert len({ratings.severity(photo) for photo, its in split.items() if its == part}) == 3


def test_shares_that_make_no_sense_are_refused() -> None:
    for shares in ((6, 3), (6, 3, 0), (6, 3, -1)):
        with pytest.raises(ValueError, match="three positive numbers"):
            split_patients(clinic(20), shares)
    with pytest.raises(ValueError, match=r"1 patient or groups .* needs three"):
        split_patients(made([[1], [2]], ["A", "A"]))


def test_a_split_is_read_as_it_was_written(tmp_path: Path) -> None:
    ratings = clinic(30)
    split = split_patients(ratings)
    write_split(split, ratings, tmp_path / "split.csv")
    assert read_split(tmp_path / "split.csv", ratings) == split
    assert (tmp_path / "split.csv").read_text().splitlines()[0] == "photo,patient,part"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("9-9,P0,train", "row 4: 'P0' is in train, and in test"),
        ("9-9,P9,val", "row 4: part 'val' must be one of train, validation, test"),
        ("0-0,P0,test", "row 4: photo '0-0' comes twice"),
        ("9-9,P9,train,x", "row 4: has 4 cells"),
        ("9-9,P9,train", "photo '0-1' of r.csv has no row"),
    ],
)
def test_faults_of_a_split(row: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text(f"photo,patient,part\n0-0,P0,test\n1-0,P1,train\n{row}\n")
    with pytest.raises(RatingsError) as caught:
        read_split(tmp_path / "split.csv", ratings_of([(2, 0, [2.0] * 4), (1, 0, [2.0] * 4)]))
    assert any(says in problem for problem in caught.value.problems), caught.value.problems
    (tmp_path / "split.csv").write_text("photo,part\na,test\n")
    with pytest.raises(RatingsError, match="must be photo, patient, part"):
        read_split(tmp_path / "split.csv")


def test_the_paper_s_majority_is_that_of_no_other_test_set() -> None:
    """0.453, 0.755 and 0.727 are all fractions of 139 photos, and of no other size near a tenth of 1,368."""

    def fits(n: int) -> bool:
        return all(any(round(count / n, 3) == share for count in range(n)) for share in (MAJORITY, 0.755, 0.727))

    assert [n for n in range(120, 160) if fits(n)] == [139]


def test_balanced_like_the_paper() -> None:
    ratings = clinic(600)
    chosen = balance(ratings)
    shares = class_shares(ratings, chosen)
    assert shares[LARGEST] == pytest.approx(MAJORITY, abs=0.002)
    assert shares[Severity.MODERATE] == pytest.approx(shares[Severity.SEVERE], abs=0.003)
    counts = Counter(ratings.severity(photo) for photo in ratings.photos)
    taken = Counter(ratings.severity(photo) for photo in chosen)
    assert any(taken[band] == counts[band] for band in counts)  # one class is used up: no larger choice exists
    assert list(chosen) == [photo for photo in ratings.photos if photo in set(chosen)]
    assert balance(ratings) == chosen != balance(ratings, seed=8)
    moderate = class_shares(ratings, balance(ratings, 0.6, Severity.MODERATE))
    assert moderate[Severity.MODERATE] == pytest.approx(0.6, abs=0.003)


def test_patients_take_turns() -> None:
    ratings = ratings_of([(4, 0, [2.0] * 4)] * 10 + [(1, 0, [20.0] * 4)] * 10 + [(1, 0, [40.0] * 4)] * 10)
    chosen = balance(ratings, shares=dict.fromkeys(Severity, 1.0))
    mild = Counter(ratings.patient(photo) for photo in chosen if ratings.severity(photo) is Severity.MILD)
    assert mild == dict.fromkeys([f"P{i}" for i in range(10)], 1)


def test_faces_without_melasma_are_left_out_unless_asked_for() -> None:
    ratings = made([[0.0]] * 30 + [[3.0]] * 30 + [[20.0]] * 30 + [[40.0]] * 30)
    assert all(ratings.mean_masi(photo) > 0 for photo in balance(ratings))
    assert any(ratings.mean_masi(photo) == 0 for photo in balance(ratings, without_melasma=True))


def test_shares_that_cannot_be_had_are_refused() -> None:
    ratings = made([[3.0], [20.0]])
    with pytest.raises(ValueError, match="no photo is severe"):
        balance(ratings)
    with pytest.raises(ValueError, match=r"majority = 1\.2"):
        balance(ratings, 1.2)
    with pytest.raises(ValueError, match="must be 0 or more"):
        balance(ratings, shares={Severity.MILD: -1.0})

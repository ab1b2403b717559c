"""The benchmark of courses: which visits are compared, what of a change is seen, what the clinic would say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchmarks.courses import apart_table, change_table, changes, page, seen_shares, told_table, visit_table
from benchmarks.pairs import Pair

from melascope.clinic.course import detectable_change
from tests.whole.test_agreement import pair


def course(patient: str, values: list[tuple[float, float | None]], head: str = "head") -> list[Pair]:
    """One photograph a visit, of true and measured MASI."""
    made = [pair(visit, "dslr", true, measured, head=head) for visit, (true, measured) in enumerate(values, start=1)]
    return [replace(one, visit=(patient, one.visit[1]), inside=True) for one in made]


def masi(one: Pair) -> tuple[float | None, float | None]:
    return one.masi


def test_visits_without_a_total_are_passed_over() -> None:
    pairs = course("a", [(20.0, 18.0), (16.0, None), (10.0, 6.0)]) + course("b", [(5.0, None), (4.0, 4.0)])
    [step] = changes(pairs, masi, whole=False)
    assert (step.true, step.measured) == (-10.0, -12.0)
    assert changes(pairs, masi, whole=True) == [step]


def test_steps_go_from_each_visit_to_the_next_whatever_the_order() -> None:
    pairs = course("a", [(20.0, 19.0), (16.0, 12.0), (10.0, 6.0)])[::-1]
    assert [(c.true, c.measured) for c in changes(pairs, masi, whole=False)] == [(-4.0, -7.0), (-6.0, -6.0)]


def test_what_is_seen_is_told_of_changes_that_are_large_enough() -> None:
    ends = ((12.0, 14.0), (12.0, 16.4), (26.0, 20.0), (19.0, 40.0))  # the last change is too small
    pairs = [one for n, end in enumerate(ends) for one in course(str(n), [(20.0, 20.0), end])]
    some = changes(pairs, masi, whole=True)
    assert seen_shares(some).tolist() == pytest.approx([0.75, 0.45, 0.0])
    row = change_table(some).splitlines()[2]
    assert [cell.strip() for cell in row.split("|")[-4:-1]] == ["0.45 (0.23 to 0.60)", "2 of 3", "0 of 3"]


def test_a_change_is_told_by_the_limit_of_the_clinic() -> None:
    limit = detectable_change(30.0)
    assert limit == detectable_change(48.0)  # one level of the MASI: one limit
    pairs = course("a", [(40.0, 40.0), (30.0, 40.0 - 0.9 * limit)])  # not told
    pairs += course("b", [(40.0, 40.0), (30.0, 40.0 - 1.1 * limit)])
    pairs += course("c", [(40.0, 40.0), (40.0, 40.0 + 1.1 * limit)])  # a false alarm
    rows = told_table(changes(pairs, masi, whole=True)).splitlines()[2:]
    assert [[int(cell) for cell in row.split("|")[2:-1]] for row in rows] == [[2, 1, 1, 0], [1, 0, 0, 1], [0, 0, 0, 0]]


def test_where_the_two_instruments_differ_it_is_told_which_is_nearer() -> None:
    limit = detectable_change(30.0)
    pairs = []
    for number, read in enumerate((32.0, 33.0, 34.0, 30.0 + 3 * limit, 30.0 + 4 * limit, 10.0)):
        ends = course(str(number), [(40.0, 40.0), (32.0, 30.0)])
        pairs += [replace(ends[0], read=(40.0, 40.0)), replace(ends[1], read=(32.0, read))]
    pairs += [replace(one, read=(20.0, None)) for one in course("unread", [(40.0, 40.0), (32.0, 10.0)])]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in apart_table(pairs).splitlines()[2:]]
    assert rows[0] == ["agree", "3", "2.0", "1.0", "0.5", "0", "2"]  # off by 2; 0, 1, 2; 1, 0.5, 0
    assert rows[1][:3] == ["differ by more than the limit", "3", "2.0"] and rows[1][5:] == ["3", "0"]


def test_the_page_has_every_table_and_says_no_nan() -> None:
    pairs = []
    for number in range(4):
        pairs += course(str(number), [(20.0, 19.0), (12.0, 10.0 + number)], head=f"h{number}")
    text = page(pairs, "python -m benchmarks.courses")
    assert text.count("\n|---") == 7 and "nan" not in text
    assert visit_table(pairs).splitlines()[2].split("|")[2:5] == [" 4 ", " 20.0 ", " -1.0 "]
    row = change_table(changes(pairs, masi, whole=True)).splitlines()[2]
    assert [cell.strip() for cell in row.split("|")[2:6]] == ["4", "-8.0", "-7.5", "+0.5"]


def test_without_a_severity_network_the_table_of_visits_stays_empty_there() -> None:
    pairs = [replace(one, read=(20.0, None)) for n in range(3) for one in course(str(n), [(20.0, 19.0), (12.0, 10.0)])]
    cells = [cell.strip() for cell in visit_table(pairs).splitlines()[2].split("|")[2:-1]]
    assert cells == ["3", "20.0", "-1.0", "1.0", "1.00", "", "", ""]

"""How much of a true change of the MASI is seen from visit to visit: the tables of docs/courses.md.

    python -m benchmarks.courses [--patients 48] [--visits 4] [--seed 5151] [--per-head 4] [--cohort DIR]
                                 [--page docs/courses.md]

Renders patients with melasma over several visits, three months apart, from the front by DSLR (or takes a cohort that
lies in DIR): melasma gets better, stays, or relapses. Each photograph is analysed, and what changes from visit to visit
is set against what truly changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from benchmarks.pairs import Pair, compare
from benchmarks.rendered import asked_for, cohort_in, each_photo, made_with
from numpy.typing import NDArray

import melascope
from melascope import networks
from melascope.clinic.course import detectable_change, repeatability
from melascope.cohort.patient import Cohort
from melascope.data import DataSet
from melascope.vocabulary import ToneBand

__all__ = ["Change", "Read", "changes", "seen_shares"]

STABLE: Final = 2.0
"""True change of the MASI below which a course counts as one that stays."""
_LIGHT: Final = (ToneBand.VERY_LIGHT, ToneBand.LIGHT, ToneBand.INTERMEDIATE)

Read = Callable[[Pair], tuple[float | None, float | None]]
"""True and measured MASI of a photograph."""


@dataclass(frozen=True)
class Change:
    """Two visits of one patient: what truly changed, and what changed as measured; after minus before."""

    head: str
    band: ToneBand
    before: tuple[float, float]
    """True and measured MASI."""
    after: tuple[float, float]

    @property
    def true(self) -> float:
        """True change."""
        return self.after[0] - self.before[0]

    @property
    def measured(self) -> float:
        """Measured change."""
        return self.after[1] - self.before[1]

    @property
    def limit(self) -> float:
        """What re-photographing may explain, as the clinic takes it."""
        return detectable_change((self.before[1] + self.after[1]) / 2)

    @property
    def told(self) -> int:
        """What the clinic says of the measured change: 0 falls, 1 no more than re-photographing explains, 2 rises."""
        return 0 if self.measured < -self.limit else 2 if self.measured > self.limit else 1


def changes(pairs: Sequence[Pair], read: Read, *, whole: bool) -> list[Change]:
    """From each visit to the next, or from the first to the last (`whole`), where both photographs gave a total."""
    courses: dict[str, dict[int, tuple[Pair, tuple[float, float]]]] = {}
    for pair in pairs:
        true, measured = read(pair)
        if true is not None and measured is not None:
            courses.setdefault(pair.visit[0], {})[pair.visit[1]] = pair, (true, measured)
    found = []
    for visits in courses.values():
        numbers = sorted(visits)
        for before, after in [(numbers[0], numbers[-1])] if whole else pairwise(numbers):
            if before != after:
                pair, values = visits[after]
                found.append(Change(pair.scene[0], ToneBand(pair.band), visits[before][1], values))
    return found


def seen_shares(some: Sequence[Change]) -> NDArray[np.float64]:
    """What of each true change of `STABLE` or more is seen: 1 is all of it, 0 nothing, below 0 the contrary."""
    return np.array([c.measured / c.true for c in some if abs(c.true) >= STABLE])


def groups(some: Sequence[Change]) -> list[tuple[str, list[Change]]]:
    """All, by what truly happened, and by skin tone."""
    tests: list[tuple[str, Callable[[Change], bool]]] = [
        ("all", lambda c: True),  # noqa: ARG005
        (f"better: true MASI falls by {STABLE:g} or more", lambda c: c.true <= -STABLE),
        (f"stays: changes by less than {STABLE:g}", lambda c: abs(c.true) < STABLE),
        (f"worse: rises by {STABLE:g} or more", lambda c: c.true >= STABLE),
        ("very light to intermediate skin", lambda c: c.band in _LIGHT),
        ("tan to dark skin", lambda c: c.band not in _LIGHT),
    ]
    return [(name, [c for c in some if test(c)]) for name, test in tests]


def change_table(some: Sequence[Change]) -> str:
    """How far a measured change is from the true one."""
    columns = (
        *("courses", "n", "true change", "measured", "mean error", "limits of agreement", "mean absolute error"),
        *("seen of a true change: median (quartiles)", "less than half of it", "more than one and a half times"),
    )
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, part in groups(some):
        row = [name, str(len(part))]
        if len(part) >= 3:
            true, measured = np.array([c.true for c in part]), np.array([c.measured for c in part])
            error = measured - true
            mean, spread = float(error.mean()), 1.96 * float(error.std(ddof=1))
            row += [f"{true.mean():+.1f}", f"{measured.mean():+.1f}", f"{mean:+.1f}"]
            row += [f"{mean - spread:+.1f} to {mean + spread:+.1f}", f"{np.abs(error).mean():.1f}"]
            seen = seen_shares(part)
            if len(seen) >= 3:
                low, middle, high = np.quantile(seen, (0.25, 0.5, 0.75))
                row += [f"{middle:.2f} ({low:.2f} to {high:.2f})", f"{(seen < 0.5).sum()} of {len(seen)}"]
                row += [f"{(seen > 1.5).sum()} of {len(seen)}"]
        lines.append(f"| {' | '.join(row + [''] * (len(columns) - len(row)))} |")
    return "\n".join(lines)


def told_table(some: Sequence[Change]) -> str:
    """What the clinic says of a change: more than re-photographing explains, or not, by what truly changed."""
    lines = ["| true change | n | told: falls | told: no more than re-photographing | told: rises |", "|---" * 5 + "|"]
    for name, part in groups(some)[1:4]:
        told = np.bincount([c.told for c in part], minlength=3)
        lines.append(f"| {name} | {len(part)} | {told[0]} | {told[1]} | {told[2]} |")
    return "\n".join(lines)


def apart_table(pairs: Sequence[Pair]) -> str:
    """Where the clinic says that the two instruments tell different changes, and which of them is nearer to the truth.

    From the first visit to the last, of photographs that both of them gave a total; both are held against the MASI of
    all pigment, which in these patients is melasma alone.
    """
    both = [pair for pair in pairs if None not in (*pair.masi, *pair.read)]
    measured, read = (changes(both, pick, whole=True) for pick in (lambda p: p.masi, lambda p: p.read))
    columns = ("the two", "n", *(f"{what}: mean absolute error" for what in ("measured", "read", "mean of both")))
    lines = [f"| {' | '.join((*columns, 'measured nearer', 'reading nearer'))} |", "|---" * 7 + "|"]
    twins = list(zip(measured, read, strict=True))
    for name, apart in (("agree", False), ("differ by more than the limit", True)):
        some = [(m, r) for m, r in twins if (abs(m.measured - r.measured) > m.limit) is apart]
        row = [name, str(len(some))]
        if len(some) >= 3:
            off = np.array([(m.measured - m.true, r.measured - m.true) for m, r in some])
            errors = np.abs(np.column_stack([off, off.mean(axis=1)]))
            row += [f"{error:.1f}" for error in errors.mean(axis=0)]
            row += [
                str(int(count)) for count in ((errors[:, 0] < errors[:, 1]).sum(), (errors[:, 1] < errors[:, 0]).sum())
            ]
        lines.append(f"| {' | '.join(row + [''] * (7 - len(row)))} |")
    return "\n".join(lines)


def visit_table(pairs: Sequence[Pair]) -> str:
    """Level by visit: how far the MASI is off, as measured and as the severity network reads it."""
    figures = ("mean error", "mean absolute error", "90 % interval holds")
    columns = [f"{who}: {figure}" for who in ("measured", "severity network") for figure in figures]
    lines = [f"| visit | photographs | true MASI | {' | '.join(columns)} |", "|---" * 9 + "|"]
    for number in sorted({pair.visit[1] for pair in pairs}):
        some = [p for p in pairs if p.visit[1] == number and None not in p.masi]
        read = [p for p in some if None not in p.read]
        cells = []
        for part, pick, inside in (
            (some, lambda p: p.masi, lambda p: p.inside),
            (read, lambda p: p.read, lambda p: p.read_inside),
        ):
            if len(part) < 3:
                cells += [""] * len(figures)
                continue
            error = np.array([pick(p)[1] - pick(p)[0] for p in part])
            held = np.mean([bool(inside(p)) for p in part])
            cells += [f"{error.mean():+.1f}", f"{np.abs(error).mean():.1f}", f"{held:.2f}"]
        mean = f"{np.mean([p.masi[0] for p in some]):.1f}" if some else ""
        lines.append(f"| {number} | {len(some)} | {mean} | {' | '.join(cells)} |")
    return "\n".join(lines)


def page(pairs: Sequence[Pair], command: str) -> str:
    """The page of docs."""
    made = ", ".join(f"{name} network {networks.load(name).sha256[:16]}" for name in ("skin", "regional", "severity"))
    patients, heads = len({p.visit[0] for p in pairs}), len({p.scene[0] for p in pairs})
    total = [p for p in pairs if None not in p.masi]
    ends = changes(pairs, lambda p: p.masi, whole=True)
    steps = changes(pairs, lambda p: p.masi, whole=False)
    reads = changes(pairs, lambda p: p.read, whole=True)
    known = repeatability()
    least, *_, most = sorted(band["masi"] for band in known["levels"])
    return f"""# Courses: how much of a change is seen

Written by `{command}`, melascope {melascope.__version__}, {made}.
{len(pairs)} frontal photographs by DSLR of {patients} [virtual patients](cohort.md) with melasma on {heads} heads,
at visits three months apart; {len(total)} gave a total. The melasma improves, stays or relapses; under treatment it
pales faster than it shrinks, so that a treated patch is fainter than an untreated one of its size. Light, pose and the
camera's place change from visit to visit; at one visit patients of one head share light and pose, so that the tables
are rougher than n suggests. Nothing was learnt from these patients, nor was the measurement changed by them. They are
rendered, not real.

## The MASI at each visit

{visit_table(pairs)}

## From the first visit to the last

The last three columns are of true changes of {STABLE:g} or more: 1 is all of the change, 0.5 half of it, more than 1
too much. A patient who relapsed and is back at the first MASI counts as one who stays.

{change_table(ends)}

As the severity network reads it ([measurement.md](measurement.md), section 8), against the MASI of melasma alone:

{change_table(reads)}

## From each visit to the next

{change_table(steps)}

## What the clinic says of a change

A change counts as real where it is more than two photographs of one visit may differ by, which is {least:g} to {most:g}
points, by the level of the MASI ([clinic.md](clinic.md), from {known["pairs"]} pairs). First to last visit:

{told_table(ends)}

Each visit to the next:

{told_table(steps)}

Beside the measured change the clinic shows that of the severity network, and says where the two differ by more than
the limit. First to last visit, both against the MASI of all pigment, which in these patients is melasma alone:

{apart_table(pairs)}
"""


def main() -> None:
    """Renders, measures, prints the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=48)
    parser.add_argument("--visits", type=int, default=4)
    parser.add_argument("--seed", type=int, default=5151)
    parser.add_argument("--per-head", type=int, default=4, help="Patients that share a head.")
    parser.add_argument("--cohort", type=Path, default=None, help="A rendered cohort, or where to render it.")
    parser.add_argument("--page", type=Path, default=None, help="Where to write the page.")
    given = parser.parse_args()
    asked = Cohort(
        given.patients,
        given.seed,
        visits=given.visits,
        photos=1,
        per_head=given.per_head,
        kinds=("mel",),
        views=("frontal",),
    )
    with cohort_in(given.cohort, asked) as folder:
        ids = [row.photo_id for row in DataSet.open(folder).manifest.rows if row.view == "frontal"]
        pairs = each_photo(compare, folder, ids, "courses")
        made = made_with(folder)
    text = page(
        pairs, f"python -m benchmarks.courses {asked_for(made, ('patients', 'visits', 'seed', 'per_head'), asked)}"
    )
    print(text)
    if given.page:
        given.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

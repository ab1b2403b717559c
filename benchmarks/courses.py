"""How much of a true change of the MASI is seen from visit to visit: the tables of docs/courses.md.

    python -m benchmarks.courses [--patients 48] [--visits 4] [--seed 5151] [--per-head 4] [--cohort DIR]
                                 [--page docs/courses.md]

Renders patients with melasma over several visits, three months apart, from the front by DSLR (or takes a cohort that
lies in DIR): melasma gets better, stays, or relapses. Each photograph is analysed, and what changes from visit to visit
is set against what truly changed. Patients of one head share light and pose, so that intervals draw heads.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from benchmarks.agreement import Pair, compare
from benchmarks.rendered import asked_for, cohort_in, each_photo, made_with
from numpy.typing import NDArray

import melascope
from melascope import networks
from melascope.clinic.course import detectable_change, repeatability
from melascope.cohort.patient import Cohort
from melascope.data import DataSet
from melascope.severity.intervals import bootstrap
from melascope.vocabulary import ToneBand

__all__ = ["Change", "Read", "changes", "seen_share"]

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
    def told(self) -> tuple[int, int]:
        """What the clinic says of the true change and of the measured one: 0 falls, 1 neither, 2 rises."""
        return _told(self.before[0], self.after[0]), _told(self.before[1], self.after[1])


def _told(before: float, after: float) -> int:
    change, limit = after - before, detectable_change((before + after) / 2)
    return 0 if change < -limit else 2 if change > limit else 1


def changes(pairs: Sequence[Pair], read: Read, *, whole: bool) -> list[Change]:
    """From each visit to the next, or from the first to the last (`whole`), where both photographs gave a total."""
    courses: dict[str, dict[int, Pair]] = {}
    for pair in pairs:
        if None not in read(pair):
            courses.setdefault(pair.visit[0], {})[pair.visit[1]] = pair
    found = []
    for visits in courses.values():
        numbers = sorted(visits)
        steps = [(numbers[0], numbers[-1])] if whole else list(pairwise(numbers))
        for before, after in steps:
            if before == after:
                continue
            one, other = (
                (float(true or 0), float(told or 0)) for true, told in map(read, (visits[before], visits[after]))
            )
            found.append(Change(visits[after].scene[0], ToneBand(visits[after].band), one, other))
    return found


def seen_share(some: Sequence[Change]) -> tuple[float, float, float]:
    """What of a true change is seen, by least squares through 0: 1 is all of it; with its 95 % interval over heads."""
    true, measured = (np.array(values) for values in zip(*((c.true, c.measured) for c in some), strict=True))
    heads = np.unique([c.head for c in some], return_inverse=True)[1]

    def measure(weights: NDArray[np.float64] | None) -> dict[str, NDArray[np.float64]]:
        w = np.ones(len(true)) if weights is None else weights
        with np.errstate(invalid="ignore", divide="ignore"):
            return {"": np.asarray(w @ (true * measured) / (w @ true**2))}

    found = bootstrap(measure, heads)[""]
    return found.value, found.low, found.high


def groups(some: Sequence[Change]) -> list[tuple[str, list[Change]]]:
    """All, by what truly happened, and by skin tone."""
    tests: list[tuple[str, Callable[[Change], bool]]] = [
        ("all", lambda c: True),  # noqa: ARG005
        (f"better: true MASI falls by {STABLE:g} or more", lambda c: c.true <= -STABLE),
        ("stays", lambda c: abs(c.true) < STABLE),
        (f"worse: rises by {STABLE:g} or more", lambda c: c.true >= STABLE),
        ("very light to intermediate skin", lambda c: c.band in _LIGHT),
        ("tan to dark skin", lambda c: c.band not in _LIGHT),
    ]
    return [(name, [c for c in some if test(c)]) for name, test in tests]


def change_table(some: Sequence[Change]) -> str:
    """How far a measured change is from the true one."""
    columns = ("courses", "n", "true change", "measured", "mean error", "limits of agreement", "mean absolute error")
    lines = [f"| {' | '.join((*columns, 'seen of a true change'))} |", "|---" * 8 + "|"]
    for name, part in groups(some):
        if len(part) < 3:
            lines.append(f"| {name} | {len(part)} |" + " |" * 6)
            continue
        true, measured = np.array([c.true for c in part]), np.array([c.measured for c in part])
        error = measured - true
        mean, spread = float(error.mean()), 1.96 * float(error.std(ddof=1))
        value, low, high = seen_share(part)
        share = "" if name == "stays" else f"{value:.2f}" + ("" if np.isnan(low) else f" ({low:.2f} to {high:.2f})")
        lines.append(
            f"| {name} | {len(part)} | {true.mean():+.1f} | {measured.mean():+.1f} | {mean:+.1f} | "
            f"{mean - spread:+.1f} to {mean + spread:+.1f} | {np.abs(error).mean():.1f} | {share} |"
        )
    return "\n".join(lines)


def told_table(some: Sequence[Change]) -> str:
    """What the clinic says of a change: more than re-photographing explains, or not, by what truly changed."""
    lines = ["| true change | n | told: falls | told: no more than re-photographing | told: rises |", "|---" * 5 + "|"]

    rows = np.zeros((3, 3), int)
    for one in some:
        rows[one.told] += 1
    names = ("falls by more than the limit", "stays within the limit", "rises by more than the limit")
    lines += [
        f"| {name} | {row.sum()} | {row[0]} | {row[1]} | {row[2]} |" for name, row in zip(names, rows, strict=True)
    ]
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
            error = np.array([pick(p)[1] - pick(p)[0] for p in part])
            held = np.array([bool(inside(p)) for p in part])
            known = [f"{error.mean():+.1f}", f"{np.abs(error).mean():.1f}", f"{held.mean():.2f}"]
            cells += known if len(part) >= 3 else [""] * 3
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
at visits three months apart; {len(total)} gave a total. Light, pose and camera's place are new at each visit. Under
treatment pigment pales faster than it shrinks, so that a treated patch is fainter than one of its size ever was at
first; or it relapses, or stays. Nothing was learnt from these patients, nor chosen by them. They are rendered, not
real. Intervals are of 95 %, by drawing heads.

## The MASI at each visit

{visit_table(pairs)}

## From the first visit to the last

The last column is what of a true change is seen, by least squares through 0: 1 is all of it, 0.5 half of it.

{change_table(ends)}

As the severity network reads it ([measurement.md](measurement.md), section 8), against the MASI of melasma alone:

{change_table(reads)}

## From each visit to the next

{change_table(steps)}

## What the clinic says of a change

A change counts as real where it is more than two photographs of one visit may differ by at that level of the MASI,
which is {least:g} to {most:g} points ([clinic.md](clinic.md), from {known["pairs"]} pairs). First to last visit:

{told_table(ends)}

Each visit to the next:

{told_table(steps)}
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

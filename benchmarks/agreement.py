"""How far `melascope analyze` is from the truth of virtual patients: the tables of docs/agreement.md.

    python -m benchmarks.agreement [--patients 300] [--seed 2027] [--per-head 5] [--cohort DIR]
                                   [--page docs/agreement.md]

Renders each patient from the front by DSLR and by telephone (or takes the frontal photographs of a cohort that lies in
DIR), analyses each photograph, and sets what was measured against what is true of the picture: mean error, limits of
agreement (Bland and Altman 1986), ICC(2,1) (McGraw and Wong 1996). Beside it stands the classical version, thresholds
without a network (`benchmarks.classical`). The two photographs of a visit are set against each other: test and retest.
Patients of one head share light and pose, so that few of them share one (`--per-head`), and intervals draw heads; each
head takes its time to render.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from benchmarks.classical import THRESHOLD
from benchmarks.pairs import Pair, compare
from benchmarks.rendered import asked_for, cohort_in, each_photo, made_with
from numpy.typing import NDArray

import melascope
from melascope import networks
from melascope.cohort.patient import Cohort
from melascope.data import DataSet
from melascope.masi import icc
from melascope.severity.agreement import drawn_icc
from melascope.severity.intervals import Interval, bootstrap
from melascope.vocabulary import ToneBand

LEVELS: Final = (0.0, 2.0, 8.0, 48.1)
"""Limits of the bands of the measured MASI in which test and retest are compared."""


def agreement(pairs: Iterable[tuple[float | None, float | None]]) -> tuple[int, float, float, float, float, float]:
    """n, mean error, lower and upper limit of agreement, mean absolute error, ICC(2,1); measured minus true."""
    both = np.array([(a, b) for a, b in pairs if a is not None and b is not None], float)
    if len(both) < 3:
        nothing = float("nan")
        return len(both), nothing, nothing, nothing, nothing, nothing
    error = both[:, 1] - both[:, 0]
    spread = 1.96 * float(error.std(ddof=1))
    mean = float(error.mean())
    try:
        # Where all are healthy there is nothing to correlate.
        single = icc(both.tolist()).single if both[:, 0].std() > 0 else float("nan")
    except ValueError:
        single = float("nan")
    return len(both), mean, mean - spread, mean + spread, float(np.abs(error).mean()), float(single)


def groups(pairs: Sequence[Pair]) -> list[tuple[str, list[Pair]]]:
    """All, by tone band, by device, and by what the patient has."""
    found: list[tuple[str, list[Pair]]] = [("all", list(pairs))]
    tests: list[tuple[str, Callable[[Pair], bool]]] = [
        *((band.value, lambda p, b=band.value: p.band == b) for band in ToneBand),
        ("DSLR", lambda p: p.device == "dslr"),
        ("telephone", lambda p: p.device == "phone"),
        ("healthy", lambda p: not p.kinds),
        ("melasma alone", lambda p: p.kinds == ("mel",)),
        ("other or several kinds", lambda p: bool(p.kinds) and p.kinds != ("mel",)),
    ]
    return found + [(name, [p for p in pairs if test(p)]) for name, test in tests]


Pick = Callable[[Pair], Iterable[tuple[float | None, float | None]]]


def table(pairs: Sequence[Pair], picks: Mapping[str, Pick], digits: int) -> str:
    """A Markdown table of agreement by group, with the columns of every pick side by side."""
    columns = ("mean error", "limits of agreement", "mean absolute error", "ICC(2,1)")
    names = [f"{name}: {column}" if name else column for name in picks for column in columns]
    lines = [f"| group | n | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for name, some in groups(pairs):
        found = [agreement(pair for p in some for pair in pick(p)) for pick in picks.values()]
        row = [name, str(found[0][0])]
        for n, mean, low, high, absolute, single in found:
            both = f"{low:+.{digits}f} to {high:+.{digits}f}"
            cells = [f"{mean:+.{digits}f}", both, f"{absolute:.{digits}f}", "" if np.isnan(single) else f"{single:.2f}"]
            row += cells if n >= 3 else [""] * len(cells)
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def retests(pairs: Sequence[Pair]) -> list[tuple[Pair, Pair]]:
    """Visits with a frontal photograph by DSLR and one by telephone: (DSLR, telephone), where both gave a total."""
    found = []
    by_visit: dict[tuple[str, int], dict[str, Pair]] = {}
    for pair in pairs:
        by_visit.setdefault(pair.visit, {}).setdefault(pair.device, pair)
    for taken in by_visit.values():
        if {"dslr", "phone"} <= set(taken):
            one, other = taken["dslr"], taken["phone"]
            if all(p.masi[0] is not None and p.masi[1] is not None for p in (one, other)):
                found.append((one, other))
    return found


def _level(both: tuple[Pair, Pair]) -> float:
    """Mean of the two measured MASI."""
    return float(np.mean([one.masi[1] for one in both if one.masi[1] is not None]))


def retest_table(pairs: Sequence[Pair]) -> str:
    """Test and retest by tone band: what the two pictures truly show, what is measured, read, and by thresholds."""
    both = retests(pairs)
    picks: dict[str, Callable[[Pair], float | None]] = {
        "true": lambda p: p.masi[0],
        "measured": lambda p: p.masi[1],
        "severity network": lambda p: p.read[1],
        "pixels alone": lambda p: p.counted,
        "thresholds": lambda p: p.classical,
    }
    columns = [f"{name}: {what}" for name in picks for what in ("mean difference", "limits of agreement", "ICC(2,1)")]
    lines = [f"| group | pairs | {' | '.join(columns)} |", "|---" * (len(columns) + 2) + "|"]
    for name, some in [("all", both), *((b.value, [pair for pair in both if pair[0].band == b]) for b in ToneBand)]:
        row = [name, str(len(some))]
        for pick in picks.values():
            n, mean, low, high, _, single = agreement((pick(one), pick(other)) for one, other in some)
            cells = [f"{mean:+.2f}", f"{low:+.2f} to {high:+.2f}", "" if np.isnan(single) else f"{single:.2f}"]
            row += cells if n >= 3 else [""] * len(cells)
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def aims(pairs: Sequence[Pair]) -> str:
    """The figures that have an aim, with 95 % intervals by drawing heads (percentiles), and whether they reach it."""
    known = [p for p in pairs if None not in p.masi]
    tests = [(*both, both[0].scene[0]) for both in retests(pairs)]
    lines = ["| MASI | value | 95 % interval | n | aim | reached |", "|---|---|---|---|---|---|"]

    def add(found: Interval, n: str, what: str, aim: str, reaches: Callable[[float], bool], sign: str = "") -> None:
        value, low, high = found.value, found.low, found.high
        between = "" if np.isnan(low) else f"{low:{sign}.2f} to {high:{sign}.2f}"
        surely = reaches(low) and reaches(high)
        met = "no" if not reaches(value) else "yes" if surely else "yes, but not surely"
        told, met = ("", "") if np.isnan(value) else (f"{value:{sign}.2f}", met)
        lines.append(f"| {what} | {told} | {between} | {n} | {aim} | {met} |")

    if len(known) >= 3:
        both = np.array([p.masi for p in known], float)
        errors, heads = both[:, 1] - both[:, 0], _numbers([p.scene[0] for p in known])
        bias = bootstrap(
            lambda w: {"": np.asarray(errors.mean() if w is None else w @ errors / w.sum(-1))},
            heads,
        )[""]
        told = f"{len(known)} photographs"
        add(bias, told, "measured less true, mean", "within 0.5 of 0", lambda value: abs(value) < 0.5, "+")
        single, _ = drawn_icc({"": both}, heads)[""]
        add(single, told, "measured and true: ICC(2,1)", ">= 0.90", lambda value: value >= 0.9)
    if len(tests) >= 3:
        both = np.array([(one.masi[1], other.masi[1]) for one, other, _ in tests], float)
        single, _ = drawn_icc({"": both}, _numbers([head for *_, head in tests]))[""]
        told = f"{len(tests)} pairs"
        add(single, told, "DSLR and telephone: ICC(2,1)", ">= 0.90", lambda value: value >= 0.9)
    return "\n".join(lines)


def cover_table(pairs: Sequence[Pair]) -> str:
    """How often the 90 % interval of the MASI holds the truth, by group; of the pigmented alone, too."""
    lines = [
        "| group | photographs | interval holds | with pigment | interval holds | truth is below it | is above it |",
        "|---" * 7 + "|",
    ]
    for name, some in groups(pairs):
        known = [p for p in some if p.inside is not None]
        pigmented = [p for p in known if p.masi[0]]
        missed = [(p.masi[0] or 0.0) - (p.masi[1] or 0.0) for p in pigmented if not p.inside]
        low, high = sum(gap < 0 for gap in missed), sum(gap > 0 for gap in missed)
        held = [f"{np.mean([p.inside for p in part]):.2f}" if part else "" for part in (known, pigmented)]
        lines.append(f"| {name} | {len(known)} | {held[0]} | {len(pigmented)} | {held[1]} | {low} | {high} |")
    return "\n".join(lines)


def _numbers(names: Sequence[str]) -> NDArray[np.intp]:
    return np.unique(names, return_inverse=True)[1]


def level_table(pairs: Sequence[Pair]) -> str:
    """What two photographs of one visit differ by, at which level of the measured MASI; of pigmented faces alone."""
    both = [each for each in retests(pairs) if all(one.masi[0] for one in each)]
    lines = ["| mean of the two | pairs | mean difference | limit | 95 % interval |", "|---" * 5 + "|"]
    for low, high in pairwise(LEVELS):
        some = [each for each in both if low <= _level(each) < high]
        row = [f"MASI {low:g} to {min(high, 48):g}", str(len(some))]
        if len(some) >= 3:
            differences = np.array([(other.masi[1] or 0.0) - (one.masi[1] or 0.0) for one, other in some])
            heads = _numbers([one.scene[0] for one, _ in some])
            limit = bootstrap(lambda w, d=differences: {"": _farther_limit(d, w)}, heads)[""]
            between = "" if np.isnan(limit.low) else f"{limit.low:.2f} to {limit.high:.2f}"
            row += [f"{differences.mean():+.2f}", f"{limit.value:.2f}", between]
        lines.append(f"| {' | '.join(row + [''] * (5 - len(row)))} |")
    return "\n".join(lines)


def _farther_limit(differences: NDArray[np.float64], weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """The limit of agreement that lies farther from 0, of differences that count `weights` times, (..., n)."""
    w = np.ones(len(differences)) if weights is None else weights
    count = w.sum(-1)
    mean = w @ differences / count
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(np.maximum(0, w @ differences**2 - count * mean**2) / (count - 1))
    return np.asarray(np.abs(mean) + 1.96 * spread)


def summary(pairs: Sequence[Pair]) -> str:
    """The worst and the best tone band in a sentence."""
    errors = {b.value: agreement(p.masi for p in pairs if p.band == b)[4] for b in ToneBand}
    known = {name: value for name, value in errors.items() if not np.isnan(value)}
    if len(known) < 2:
        return ""
    best, worst = min(known, key=lambda name: known[name]), max(known, key=lambda name: known[name])
    return (
        f"By tone band the mean absolute error of the MASI runs from {known[best]:.2f} ({best}) to {known[worst]:.2f} "
        f"({worst})."
    )


def second_reading(pairs: Sequence[Pair]) -> str:
    """What is said of the severity network's reading."""
    if all(p.read[1] is None for p in pairs):
        return "No severity network ships."
    inside = [p.read_inside for p in pairs if p.read_inside is not None]
    apart = [p for p in pairs if p.disagrees]
    none = sum(p.read[0] == 0 for p in pairs)
    nearer = sum(abs(p.read[1] - p.read[0]) < abs(p.masi[1] - p.masi[0]) for p in apart if _all_known(p))
    return f"""Severity network {networks.load("severity").sha256[:16]}: the second reading
([measurement.md](measurement.md), section 8), against the MASI of melasma alone, for that is what it learnt; the
measurement counts all pigment and stands against all. In {none} of the photographs the true MASI of melasma is 0. Its
90 % interval held that truth in {np.mean(inside):.2f} of the photographs. The two had no value in common in
{len(apart)} photographs; in {nearer} of these the reading was nearer to its truth than the measurement to its own.

{table(pairs, {"measured": lambda p: [p.masi], "severity network": lambda p: [p.read]}, 2)}"""


def _all_known(pair: Pair) -> bool:
    return None not in (*pair.read, *pair.masi)


def page(pairs: Sequence[Pair], command: str) -> str:
    """The page of docs."""
    refused = sum(p.verdict == "refused" for p in pairs)
    refusals = f"{refused} {'was' if refused == 1 else 'were'} refused"
    total = [p for p in pairs if p.masi[1] is not None and p.masi[0] is not None]
    inside = [p.inside for p in pairs if p.inside is not None]
    heads, scenes = len({p.scene[0] for p in pairs}), len({p.scene for p in pairs})
    held = f"{np.mean(inside):.2f}" if inside else "-"
    made = ", ".join(f"{name} network {networks.load(name).sha256[:16]}" for name in ("skin", "regional"))
    instruments: dict[str, Pick] = {
        "measured": lambda p: [p.masi],
        "pixels alone": lambda p: [(p.masi[0], p.counted)],
        "thresholds": lambda p: [(p.masi[0], p.classical)],
    }
    return f"""# Agreement with the truth of virtual patients

Written by `{command}`, melascope {melascope.__version__}, {made}.
{len(pairs)} frontal photographs of [virtual patients](cohort.md), {heads} heads in {scenes} scenes of light and pose:
{refusals}, {len(total)} gave a total. Patients of one head differ in skin and lesions but share light
and pose, and the regions of a face are not independent, so that limits are rougher than n suggests. Errors are measured
minus true. The truth is that of the picture, over all pigment that was grown on it. These patients were not learnt
from; whether anything was chosen after patients of a page like this one had been seen is told in
[measurement.md](measurement.md), section 6. They are rendered, not real.
The 90 % interval of the MASI held the truth in {held} of the
photographs.

{summary(pairs)}

{aims(pairs)}

ITA of an ordinary photograph is as uncertain as its interval says: the face is curved, and a telephone
chooses its own exposure.

## MASI

Pixels alone: what the skin network's pixels count, without the regional network that has the last word on a whole
face ([measurement.md](measurement.md), section 4). Thresholds: the same regions and the same score, but pigment is
what exceeds the melanin of the skin around by Otsu's threshold of the photograph, at least {THRESHOLD:.3g}, as it was
done before networks (`benchmarks/classical.py`).
Features, windows and limits were tried on fifteen virtual patients of other seeds.

{table(pairs, instruments, 2)}

## How often the 90 % interval of the MASI holds

{cover_table(pairs)}

## MASI, as the severity network reads it

{second_reading(pairs)}

## MASI, test and retest

The two frontal photographs of one visit, by DSLR and by telephone, where there are two: telephone minus DSLR. What the
pictures truly show differs too, for the head is turned a little and the camera stands elsewhere.

{retest_table(pairs)}

Of faces with pigment, by the mean of the two measured MASI. Limit: the limit of agreement that lies farther from 0. It
is made by few pairs that differ by much, where faint pigment is seen in one photograph and not in the other: it is no
surer than its interval (by drawing heads) says, and tones of skin cannot be told apart at one level.

{level_table(pairs)}

## Involved share of a region

{table(pairs, {"": lambda p: p.shares}, 3)}

## Darkness of a region in which both see pigment

{table(pairs, {"": lambda p: p.darknesses}, 2)}

## ITA, degrees

{table(pairs, {"": lambda p: [p.ita]}, 1)}
"""


def main() -> None:
    """Renders, measures, prints the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=300)
    parser.add_argument("--seed", type=int, default=2027)
    parser.add_argument("--per-head", type=int, default=5, help="Patients that share a head.")
    parser.add_argument("--cohort", type=Path, default=None, help="A rendered cohort, or where to render it.")
    parser.add_argument("--page", type=Path, default=None, help="Where to write the page.")
    given = parser.parse_args()
    asked = Cohort(given.patients, given.seed, photos=2, per_head=given.per_head, views=("frontal",))
    with cohort_in(given.cohort, asked) as folder:
        rows = [row for row in DataSet.open(folder).manifest.rows if row.view == "frontal"]
        pairs = each_photo(compare, folder, [row.photo_id for row in rows], "virtual patients")
        made = made_with(folder)
    command = f"python -m benchmarks.agreement {asked_for(made, ('patients', 'seed', 'per_head'), asked)}"
    text = page(pairs, command)
    print(text)
    if given.page:
        given.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""How far `melascope analyze` is from the truth of virtual patients: the tables of docs/agreement.md.

    python -m benchmarks.agreement [--photos 200] [--seed 2026] [--cohort DIR] [--page docs/agreement.md]

Renders frontal photographs (or takes those of a cohort that lies in DIR), analyses each, and sets what was measured
against what is true of the picture: mean error, limits of agreement (Bland and Altman 1986), ICC(2,1) (McGraw and Wong
1996). Nothing of the measurement was tuned on these patients; they serve as its first outside examination.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

import melascope
from melascope import analyze
from melascope.data import DataSet
from melascope.masi import icc
from melascope.vocabulary import MASI_REGIONS, ToneBand


@dataclass(frozen=True)
class Pair:
    """One photograph: what is true and what was measured; None where nothing was measured."""

    photo: str
    scene: tuple[str, str]
    """Head and device: what the light and pose of a frontal photograph depend on."""
    band: str
    device: str
    kinds: tuple[str, ...]
    ita: tuple[float, float | None]
    masi: tuple[float | None, float | None]
    inside: bool | None
    """Whether the interval of the measured MASI holds the true one."""
    shares: tuple[tuple[float, float], ...]
    darknesses: tuple[tuple[float, float], ...]
    verdict: str


def compare(task: tuple[str, str]) -> Pair:
    """Analyses one photograph of a cohort."""
    folder, photo_id = task
    sample = DataSet.open(folder)[photo_id]
    record = json.loads((Path(folder) / "records" / f"{photo_id}.json").read_text(encoding="utf-8"))
    truth = record["truth"]["photo"]["all_pigment"]
    analysis = analyze(Path(folder) / sample.row.file)
    shares, darknesses = [], []
    for region in MASI_REGIONS:
        measured = getattr(analysis.regions, region.key) if analysis.regions else None
        if region.key in truth and measured is not None and measured.visible:
            shares.append((truth[region.key]["share"], measured.involved_fraction))
            if truth[region.key]["share"] > 0.05 and measured.involved_fraction > 0.05:
                darknesses.append((truth[region.key]["darkness"], measured.darkness))
    total = analysis.masi.masi if analysis.masi else None
    true = truth["totals"]["masi"]
    inside = None
    if total is not None and true is not None and analysis.masi:
        assert analysis.masi.masi_low is not None
        assert analysis.masi.masi_high is not None
        inside = analysis.masi.masi_low <= true <= analysis.masi.masi_high
    tone = analysis.skin_tone
    return Pair(
        photo=photo_id,
        scene=(sample.row.group, sample.row.device),
        band=str(sample.row.tone_band),
        device=sample.row.device,
        kinds=tuple(str(kind) for kind in sample.row.kinds or ()),
        ita=(record["truth"]["ita_deg"], tone.ita_deg if tone else None),
        masi=(true, total),
        inside=inside,
        shares=tuple(shares),
        darknesses=tuple(darknesses),
        verdict=str(analysis.quality.verdict),
    )


def agreement(pairs: Iterable[tuple[float | None, float | None]]) -> tuple[int, float, float, float, float, float]:
    """n, mean error, lower and upper limit of agreement, mean absolute error, ICC(2,1); measured minus true."""
    both = np.array([(a, b) for a, b in pairs if a is not None and b is not None], float)
    if len(both) < 3:
        return len(both), *([float("nan")] * 5)
    error = both[:, 1] - both[:, 0]
    spread = 1.96 * float(error.std(ddof=1))
    mean = float(error.mean())
    # Where all are healthy there is nothing to correlate.
    single = icc(both.tolist()).single if both[:, 0].std() > 0 else float("nan")
    return len(both), mean, mean - spread, mean + spread, float(np.abs(error).mean()), float(single)


def groups(pairs: Sequence[Pair]) -> list[tuple[str, list[Pair]]]:
    """All, by tone band, by device, and by what the patient has."""
    found: list[tuple[str, list[Pair]]] = [("all", list(pairs))]
    tests: list[tuple[str, Callable[[Pair], bool]]] = [
        *((band.value, lambda p, b=band.value: p.band == b) for band in ToneBand),  # type: ignore[misc]
        ("DSLR", lambda p: p.device == "dslr"),
        ("telephone", lambda p: p.device == "phone"),
        ("healthy", lambda p: not p.kinds),
        ("melasma alone", lambda p: p.kinds == ("mel",)),
        ("other or several kinds", lambda p: bool(p.kinds) and p.kinds != ("mel",)),
    ]
    return found + [(name, [p for p in pairs if test(p)]) for name, test in tests]


def table(
    pairs: Sequence[Pair], pick: Callable[[Pair], Iterable[tuple[float | None, float | None]]], digits: int
) -> str:
    """A Markdown table of agreement by group."""
    lines = [
        "| group | n | mean error | limits of agreement | mean absolute error | ICC(2,1) |",
        "|---|---|---|---|---|---|",
    ]
    for name, some in groups(pairs):
        n, mean, low, high, absolute, single = agreement(pair for p in some for pair in pick(p))
        if n < 3:
            lines.append(f"| {name} | {n} | | | | |")
            continue
        correlation = "" if np.isnan(single) else f"{single:.2f}"
        lines.append(
            f"| {name} | {n} | {mean:+.{digits}f} | {low:+.{digits}f} to {high:+.{digits}f} | {absolute:.{digits}f} "
            f"| {correlation} |"
        )
    return "\n".join(lines)


def page(pairs: Sequence[Pair], command: str) -> str:
    """The page of docs."""
    refused = sum(p.verdict == "refused" for p in pairs)
    total = [p for p in pairs if p.masi[1] is not None and p.masi[0] is not None]
    inside = [p.inside for p in pairs if p.inside is not None]
    heads, scenes = len({p.scene[0] for p in pairs}), len({p.scene for p in pairs})
    held = f"{np.mean(inside):.2f}" if inside else "-"
    return f"""# Agreement with the truth of virtual patients

Written by `{command}`, melascope {melascope.__version__}.
{len(pairs)} frontal photographs of [virtual patients](cohort.md), {heads} heads in {scenes} scenes of light and pose:
{refused} were refused, {len(total)} gave a total. Patients of one head differ in skin and lesions but share light and
pose, and the regions of a face are not independent, so that limits are rougher than n suggests. Errors are measured
minus true. The truth is that of the picture, over all pigment that was grown on it, because this version of `analyze`
names no kinds. No part of the measurement was tuned on virtual patients: this is how it does on people it was not made
for, who are rendered and not real. The 90 % interval of the MASI held the truth in {held} of the photographs.

Read it by row. On light and intermediate skin the total follows the truth; on brown and dark skin it does not: shadow
and curvature are taken for pigment, and pigment for the skin's own tone. The network has hardly seen such skin
([figures.md](figures.md)). Darkness comes out a step too low. ITA of an ordinary photograph is as uncertain as its
interval says: the face is curved, and a telephone chooses its own exposure.

## MASI

{table(pairs, lambda p: [p.masi], 2)}

## Involved share of a region

{table(pairs, lambda p: p.shares, 3)}

## Darkness of a region in which both see pigment

{table(pairs, lambda p: p.darknesses, 2)}

## ITA, degrees

{table(pairs, lambda p: [p.ita], 1)}
"""


def main() -> None:
    """Renders, measures, prints the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--cohort", type=Path, default=None, help="A rendered cohort, or where to render it.")
    parser.add_argument("--page", type=Path, default=None, help="Where to write the page.")
    given = parser.parse_args()
    jobs = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.cohort or Path(scratch) / "cohort"
        if not (folder / "manifest.csv").exists():
            from melascope.cohort.patient import Cohort
            from melascope.cohort.render import render_cohort

            # A patient gives one frontal photograph by DSLR and, as often as not, one by telephone.
            patients = -(-given.photos * 10 // 14)
            render_cohort(Cohort(patients, given.seed), folder, jobs=jobs, maps=False)
        rows = [row for row in DataSet.open(folder).manifest.rows if row.view == "frontal"][: given.photos]
        os.environ["MELASCOPE_THREADS"] = "1"
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            pairs = list(pool.map(compare, [(str(folder), row.photo_id) for row in rows], chunksize=4))
        about = DataSet.open(folder).about
    seed = about.generator.get("seed") if about else "unknown"
    text = page(pairs, f"python -m benchmarks.agreement --photos {given.photos} --seed {seed}")
    print(text)
    if given.page:
        given.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

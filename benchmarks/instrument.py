"""How well regions and pigment are read, on virtual patients and painted canvases: the tables of docs/instrument.md.

    python -m benchmarks.instrument [--cohort DIR | --patients 120 --seed 3001] [--canvases DIR]
                                    [--page docs/instrument.md]

Renders a cohort of several views and devices (or takes one that lies in DIR), measures every photograph with
`find_regions`, `map_pigment` and `analyze`, and sets the result against the exact truth, pixel by pixel. With
`--canvases` the same is done on photographs of healthy skin that you may use, on which lesions are painted; of them
only the held-out third by person is taken (`lab.skin.faces.is_held_out`), whose names follow the folder's: leave a
folder of the training its name.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from benchmarks import tallies
from benchmarks.photo_figures import IN_VIEW, MISSED, NO_LESION, NO_NAME, PhotoFigures, measure, unpainted
from benchmarks.rendered import asked_for, cohort_in, each_photo, made_with

import melascope
from melascope import networks
from melascope.cohort.patient import Cohort
from melascope.data import DataSet
from melascope.lab.skin.faces import is_held_out
from melascope.vocabulary import MASI_REGIONS, Lesion, ToneBand

__all__ = ["DENSITIES", "aims", "cohort_part", "density_name", "gap", "groups", "page"]

Photos = Sequence[PhotoFigures]
Group = tuple[str, list[PhotoFigures]]

DENSITIES: Final = (
    (0.03, "barely visible, density < 0.03"),
    (0.08, "slight, 0.03 to 0.08"),
    (0.14, "mild, 0.08 to 0.14"),
    (0.22, "marked, 0.14 to 0.22"),
    (float("inf"), "maximum, from 0.22"),
)
"""(upper limit, name): the steps of darkness of `masi.DARKNESS`."""
MASIS: Final = ((2.0, "MASI < 2"), (8.0, "MASI 2 to 8"), (16.0, "MASI 8 to 16"), (49.0, "MASI from 16"))
WORTH: Final = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)
"""Limits of the bands of probability whose worth is counted."""
LEAST: Final = 5
"""Photographs that a tone band must have to count in the gap between bands."""
_PICTURES: Final = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
_SORTS: Final = tuple(kind.value for kind in Lesion)


# ---------------------------------------------------------------- groups


def density_name(density: float) -> str:
    """The bucket of a density."""
    return next(name for limit, name in DENSITIES if density < limit)


def groups(photos: Photos) -> list[Group]:
    """All; by tone band, device and view."""
    bands = [(band.value, [p for p in photos if p.band == band]) for band in ToneBand]
    devices = [(name, [p for p in photos if p.device == name]) for name in sorted({p.device for p in photos})]
    views = [(name, [p for p in photos if p.view == name]) for name in ("frontal", "right45", "left45", "close-up")]
    found = [("all", list(photos)), *bands, *(devices if len(devices) > 1 else []), *views]
    return [(name, some) for name, some in found if some and (name == "all" or len(some) < len(photos))]


def by_lesion(photos: Photos) -> list[Group]:
    """By kind, by density and by MASI of what the picture shows."""
    kinds = [(kind, [p for p in photos if p.kinds == (kind,)]) for kind in _SORTS]
    several = ("several kinds", [p for p in photos if len(p.kinds) > 1])
    dense = [
        (name, [p for p in photos if p.density is not None and density_name(p.density) == name])
        for _, name in DENSITIES
    ]
    elsewhere = ("outside of the four regions alone", [p for p in photos if p.kinds and p.density is None])
    low, by_masi = 0.0, []
    for high, name in MASIS:
        by_masi.append((name, [p for p in photos if p.kinds and p.masi is not None and low <= p.masi < high]))
        low = high
    return [(name, some) for name, some in (*kinds, several, *dense, elsewhere, *by_masi) if some]


def gap(photos: Photos, figure: Callable[[Photos], float], *, least: int = LEAST) -> float:
    """Difference between the best and the worst tone band, of those with enough photographs to tell."""
    values = by_band(photos, figure, least=least)
    return max(values) - min(values) if len(values) > 1 else tallies.NAN


def by_band(photos: Photos, figure: Callable[[Photos], float], *, least: int = LEAST) -> list[float]:
    """A figure of each tone band with enough photographs to tell."""
    some = [[p for p in photos if p.band == band] for band in ToneBand]
    return [value for one in some if len(one) >= least and not np.isnan(value := figure(one))]


# ---------------------------------------------------------------- tables


def number(value: float, digits: int = 3, *, sign: bool = False) -> str:
    """A figure, or nothing where there is none."""
    return "" if np.isnan(value) else f"{value:{'+' if sign else ''}.{digits}f}"


def percent(value: float) -> str:
    """A share as per cent."""
    return "" if np.isnan(value) else f"{100 * value:.1f} %"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def region_table(photos: Photos) -> str:
    """Overlap of the MASI regions by group."""
    head = ["", "photos", *(r.label.lower() for r in MASI_REGIONS), "mean", "worst tenth", "left/right swaps"]
    rows = []
    for name, some in groups(photos):
        values = tallies.iou(some)
        swaps = sum(one.swapped for one in tallies.seen(some))
        each = [number(values.get(r.key, tallies.NAN)) for r in MASI_REGIONS]
        last = [number(tallies.mean_iou(some)), number(tallies.worst_iou(some)), str(swaps)]
        rows.append([name, str(len(tallies.seen(some))), *each, *last])
    rows.append(["best band less worst", "", "", "", "", "", number(gap(photos, tallies.mean_iou)), "", ""])
    return table(head, rows)


def pigment_row(name: str, photos: Photos) -> list[str]:
    """Figures of the pigment on photographs with a lesion, and of the shares on all of the group."""
    lesioned = [p for p in photos if p.seen and p.seen.pigment.true]
    counts = tallies.histogram(lesioned)
    errors = tallies.shares(photos)
    return [
        name,
        str(len(lesioned)),
        number(tallies.dice(lesioned)),
        number(tallies.dice_by_photo(lesioned)),
        number(tallies.average_precision(counts)),
        number(tallies.best_dice(counts)),
        number(errors.absolute),
        number(errors.bias, sign=True),
        f"{errors.regions} ({errors.missing})",
    ]


PIGMENT_HEAD: Final = (
    "",
    "photos with a lesion",
    "Dice, pooled",
    "Dice, mean of photos",
    "average precision",
    "best Dice of one threshold",
    "share: mean absolute error",
    "share: bias",
    "regions (not measured)",
)


def pigment_table(photos: Photos) -> str:
    """Pigment by tone band, device, view, kind, density and MASI."""
    rows = [pigment_row(name, some) for name, some in (*groups(photos), *by_lesion(photos))]
    rows.append(
        [
            "best band less worst",
            "",
            number(gap(photos, lambda some: tallies.dice([p for p in some if p.kinds]))),
            number(gap(photos, tallies.dice_by_photo)),
            number(gap(photos, lambda some: tallies.average_precision(tallies.histogram(some)))),
            "",
            number(gap(photos, lambda some: tallies.shares(some).absolute)),
            "",
            "",
        ]
    )
    return table(PIGMENT_HEAD, rows)


def even_table(photos: Photos) -> str:
    """Dice by tone band and density: what is left of the bands' gap where lesions are equally dark.

    The last column is the mean over the densities that every band has, weighted by the photographs of all bands.
    """
    lesioned = [p for p in photos if p.seen and p.seen.pigment.true and p.density is not None]
    dense = [(name, [p for p in lesioned if density_name(p.density or 0.0) == name]) for _, name in DENSITIES]
    dense = [(name, some) for name, some in dense if some]
    bands = [band for band in ToneBand if any(p.band == band for p in lesioned)]
    shared = [all(any(p.band == band for p in some) for band in bands) for _, some in dense]
    if not any(shared):
        return "No density that every tone band has."
    weights = [len(some) * of_all for (_, some), of_all in zip(dense, shared, strict=True)]
    rows, evened = [], []
    for band in (None, *bands):
        each = [[p for p in some if band in (None, p.band)] for _, some in dense]
        values = [tallies.dice(one) if one else tallies.NAN for one in each]
        evened.append(float(np.average(np.nan_to_num(values), weights=weights)))
        cells = [f"{number(v, 2)} ({len(one)})" if one else "" for v, one in zip(values, each, strict=True)]
        rows.append([band.value if band else "all", *cells, number(evened[-1])])
    between = max(evened[1:]) - min(evened[1:]) if len(bands) > 1 else tallies.NAN
    rows.append(["best band less worst", *[""] * len(dense), number(between)])
    names = [f"{name}{'' if of_all else ' *'}" for (name, _), of_all in zip(dense, shared, strict=True)]
    return table(("", *names, "at equal densities"), rows)


def reliability_table(photos: Photos) -> str:
    """Probability against how often it is right: were it calibrated, the last two columns would agree."""
    rows = [
        [f"{low:g} to {high:g}", percent(share), number(mean, 2), number(true, 2)]
        for low, high, (share, mean, true) in zip(
            WORTH[:-1], WORTH[1:], tallies.reliability(tallies.histogram(photos), WORTH), strict=True
        )
    ]
    return table(("probability", "of all skin", "mean probability", "of it is lesion"), rows)


def share_table(photos: Photos) -> str:
    """Errors of the involved share by region."""
    rows = []
    for name, key in (*((r.label, r.key) for r in MASI_REGIONS), ("All skin of a close-up", IN_VIEW)):
        errors = tallies.shares(photos, key)
        last = number(errors.absolute), number(errors.bias, sign=True)
        rows.append([name, str(errors.regions), str(errors.missing), *last])
    return table(("region", "measured", "not measured", "mean absolute error", "bias"), rows)


def alarm_rows(photos: Photos) -> list[Group]:
    """Photographs without a lesion: of healthy patients by what else their skin shows, and of the others."""
    healthy = [p for p in photos if p.healthy]
    alike = sorted({name for p in healthy for name in p.look_alikes})
    found: list[Group] = [
        ("healthy patients", healthy),
        ("of these, plain skin", [p for p in healthy if not p.look_alikes]),
        ("of these, look-alikes", [p for p in healthy if p.look_alikes]),
        *((f"with {name}", [p for p in healthy if name in p.look_alikes]) for name in alike),
        ("lesions elsewhere, out of view", [p for p in photos if not p.healthy and not p.kinds]),
    ]
    by_group = [(f"healthy, {name}", [p for p in some if p.healthy]) for name, some in groups(photos)[1:]]
    return [(name, some) for name, some in (*found, *by_group) if tallies.alarms(some).photos]


def alarm_table(photos: Photos) -> str:
    """False alarms."""
    rows = []
    for name, some in alarm_rows(photos):
        one = tallies.alarms(some)
        rows.append([name, str(one.photos), percent(one.mean), percent(one.within), percent(one.worst)])
    healthy = [p for p in photos if p.healthy]
    between = gap(healthy, lambda some: tallies.alarms(some).mean)
    rows.append(["worst band less best", "", percent(between), "", ""])
    return table(("", "photos", "skin called disease, mean", "photos with 5 % at most", "worst photo"), rows)


def cover_table(photos: Photos) -> str:
    """Cover of the 90 % intervals, over all and by tone band."""
    bands = [(band.value, [p for p in photos if p.band == band]) for band in ToneBand]
    rows = []
    for what in ("involved share", "darkness", "homogeneity", "MASI"):
        for which, pigmented in (("", None), (", with pigment", True), (", without", False)):
            n, share, width = tallies.cover(photos, what, pigmented=pigmented)
            if not n:
                continue
            each = [tallies.cover(some, what, pigmented=pigmented) for _, some in bands]
            cells = [f"{number(held, 2)} ({count})" if count else "" for count, held, _ in each]
            rows.append([f"{what}{which}", str(n), number(share, 2), number(width, 2), *cells])
    text = table(("interval", "n", "holds the truth", "mean width", *(name for name, _ in bands)), rows)
    absent = [what for what in ("darkness", "homogeneity") if not tallies.cover(photos, what)[0]]
    return f"{text}\n\nThe record gives no interval of {' and '.join(absent)}." if absent else text


def kind_table(photos: Photos) -> str:
    """True kinds of single lesions against the names given."""
    pairs = [pair for one in tallies.seen(photos) for pair in one.names]
    if not pairs:
        return "No lesion."
    columns = (*_SORTS, NO_NAME, MISSED)
    rows = []
    for true in (*_SORTS, NO_LESION):
        given = [name for kind, name in pairs if kind == true]
        if given:
            rows.append([true, str(len(given)), *(str(given.count(column) or "") for column in columns)])
    named = [(true, name) for true, name in pairs if true in _SORTS and name in _SORTS]
    right = f"{np.mean([true == name for true, name in named]):.2f} of {len(named)}" if named else ""
    told = (
        f"Of the lesions that were found and named, the name is right for {right}."
        if named
        else ("This version gives no names: the table says how many were found.")
    )
    return f"{table(('true', 'n', *columns), rows)}\n\n{told}"


# ---------------------------------------------------------------- aims


def aims(photos: Photos, *, rendered: bool) -> str:
    """The figures that have an aim, with 95 % intervals over heads, and whether they reach it."""
    whole, close = [p for p in photos if not p.close], [p for p in photos if p.close]
    lesioned = [p for p in photos if p.kinds]
    alike = [p for p in photos if p.healthy and p.look_alikes]
    healthy = [p for p in photos if p.healthy]
    rows = []

    def add(
        what: str,
        aim: str,
        reached: Callable[[float], bool],
        some: Photos,
        figure: Callable[[Photos], float],
        count: int | None = None,
    ) -> None:
        value = figure(some)
        low, high = tallies.by_heads(some, figure)
        between = f"{low:.3f} to {high:.3f}" if not np.isnan(low) else ""
        met = "" if np.isnan(value) else "yes" if reached(value) else "no"
        rows.append([what, number(value), between, str(len(some) if count is None else count), aim, met])

    def above(limit: float) -> Callable[[float], bool]:
        return lambda value: value >= limit

    def below(limit: float) -> Callable[[float], bool]:
        return lambda value: value <= limit

    if rendered:
        add("regions, whole faces: mean IoU", ">= 0.85", above(0.85), whole, tallies.mean_iou)
        add("regions, close-ups: mean IoU", ">= 0.70", above(0.70), close, tallies.mean_iou)
        swaps = float(sum(one.swapped for one in tallies.seen(photos)))
        rows.append(["cheeks called the other", f"{swaps:.0f}", "", str(len(photos)), "0", "no" if swaps else "yes"])
    limit = 0.80 if rendered else 0.85
    add("pigment: Dice, pooled", f">= {limit:.2f}", above(limit), lesioned, tallies.dice)
    add(
        "pigment: best Dice of one threshold",
        "",
        above(limit),
        lesioned,
        lambda p: tallies.best_dice(tallies.histogram(p)),
    )
    rows[-1][-1] = ""
    add("share of a region: mean absolute error", "<= 0.04", below(0.04), photos, lambda p: tallies.shares(p).absolute)
    for who, free in (("healthy", healthy), ("look-alikes alone", alike)):
        add(f"{who}: share of skin called", "<= 0.01", below(0.01), free, lambda p: tallies.alarms(p).mean)
        add(f"{who}: photos with 5 % at most", ">= 0.95", above(0.95), free, lambda p: tallies.alarms(p).within)
    bands: list[tuple[str, Photos, Callable[[Photos], float]]] = [
        ("Dice", lesioned, tallies.dice),
        ("error of the share", photos, lambda p: tallies.shares(p).absolute),
        ("skin called on the healthy", healthy, lambda p: tallies.alarms(p).mean),
    ]
    if rendered:
        bands.insert(0, ("IoU, whole faces", whole, tallies.mean_iou))
    for name, some, figure in bands:
        value = gap(some, figure)
        met = "" if np.isnan(value) else "yes" if value <= 0.05 else "no"
        bands_told = f"{len(by_band(some, figure))} bands"
        rows.append([f"best less worst tone band: {name}", number(value), bands_told, str(len(some)), "<= 0.05", met])
    for what in ("involved share", "darkness", "homogeneity", "MASI"):
        add(
            f"90 % interval of {what}, where there is pigment: holds",
            "0.85 to 0.95",
            lambda value: 0.85 <= value <= 0.95,
            lesioned,
            lambda p, what=what: tallies.cover(p, what, pigmented=True)[1],  # type: ignore[misc]
            sum(tallies.cover([one], what, pigmented=True)[0] > 0 for one in lesioned),
        )
    rows = [row for row in rows if row[1]]
    return table(("figure", "value", "95 % interval", "photos", "aim", "reached"), rows)


# ---------------------------------------------------------------- page


def cohort_part(photos: Photos) -> str:
    """What is said of virtual patients."""
    whole, close = [p for p in photos if not p.close], [p for p in photos if p.close]
    refused = sum(p.seen is None for p in photos)
    counts = [one.pigment for one in tallies.seen(photos)]
    called, off = sum(p.called for p in counts), sum(p.off for p in counts)
    free = [p.away_called / p.away for p in counts if p.true and p.away > 0]
    heads = len({p.head for p in photos})
    return f"""## Virtual patients

{len(photos)} photographs, {heads} heads, {len(whole)} of whole faces and {len(close)} close-ups; {refused} were refused
and are in no figure. Several patients share a head, so that n promises more than it holds; the intervals below
draw whole heads again.

### Against the aims

{aims(photos, rendered=True)}

### Regions, whole faces: intersection over union, pixels pooled

A region counts in a photograph that shows a quarter of it or more, or in which it is measured. "Worst tenth": the tenth
percentile of the photographs' own means.

{region_table(whole)}

### Regions, close-ups

{region_table(close) if close else "No close-up."}

### Pigment, all views

Truth: skin that a lesion covers by half or more, on bare facial skin. Dice compares it with what is called; average
precision and the best Dice of one threshold look at the probability alone. Shares are those of the four MASI
regions, photographs without a lesion included. Density is the optical density in red that the lesions of a
photograph add, by involved area.

{pigment_table(photos)}

### Pigment by skin tone, at equal density

Dice, pooled, with the number of photographs. Bands hold lesions of unlike darkness, by chance; the last column gives
every band the mixture of densities that all have together, of those that each has (* is not among them).

{even_table(photos)}

### What a probability is worth

{reliability_table(photos)}

### Involved share by region

{share_table(photos)}

### False alarms: lesion-free skin that is called disease

{alarm_table(photos)}

Where lesions are in view, {percent(float(np.mean(free))) if free else "-"} of the skin away from them (3 % of the
picture's side) is called, in the mean of photographs. {percent(off / (called + off)) if called + off else "-"} of all
called pixels lie where no bare skin is.

### Intervals of 90 %

{cover_table(photos)}

### Kinds of single lesions

{kind_table(photos)}
"""


def canvas_part(painted: Photos, plain: Photos, told: str) -> str:
    """What is said of painted photographs."""
    refused = sum(p.seen is None for p in painted)
    bare = tallies.alarms(plain)
    return f"""## Painted canvases

{told}; {refused} were refused and are in no figure. The face is tied to the chart by the regions that the network finds
before anything is painted: the pigment is exact, its place follows the network, and another network is painted on a
little differently. Faces of which the network calls more than 5 % before anything is painted are left out. Regions have
no truth of their own here; tone bands are measured. Each canvas counts as a head.

As they are, unpainted, {percent(bare.mean)} of the skin of {bare.photos} held-out canvases is called disease, and
5 % at most in {percent(bare.within)} of them (worst {percent(bare.worst)}); nobody has looked whether all are healthy.

### Against the aims

{aims(painted, rendered=False)}

### Pigment

{pigment_table(painted)}

### Pigment by skin tone, at equal density

{even_table(painted)}

### What a probability is worth

{reliability_table(painted)}

### Involved share by region

{share_table(painted)}

### Intervals of 90 %

{cover_table(painted)}

### Kinds of patches

{kind_table(painted)}
"""


def page(parts: Sequence[str], command: str) -> str:
    """The page of docs."""
    made = ", ".join(f"{name} network {networks.load(name).sha256[:16]}" for name in ("skin", "regional"))
    top = f"""# The instrument against exact truth

Written by `{command}`, melascope {melascope.__version__}, {made}.
Nobody here is a patient: faces are rendered, or generated and painted on. People and canvases are held out: no
training has seen them. Every row says of how many photographs it is made; rows of few say little.
"""
    return "\n".join([top, *parts])


# ---------------------------------------------------------------- canvases


def held_out(folder: Path) -> list[Path]:
    """The photographs of a folder whose persons training has not seen."""
    photos = sorted(path for path in folder.iterdir() if path.suffix.lower() in _PICTURES)
    return [path for path in photos if is_held_out(f"{folder.name}-{path.stem}")]


def measure_canvas(task: tuple[str, str]) -> PhotoFigures:
    """An unpainted photograph: (folder, file name). What is called of its skin counts as a false alarm."""
    return unpainted(Path(task[0]) / task[1])


def canvases(folder: Path, each: int, seed: int) -> str:
    """Paints, measures, and says what came of it."""
    from melascope.cohort.paint import PaintError, paint_canvases

    chosen = held_out(folder) if folder.is_dir() else []
    if not chosen:
        return f"## Painted canvases\n\n{folder.name} holds no held-out photograph: name another folder.\n"
    with TemporaryDirectory() as scratch:
        source, out = Path(scratch) / folder.name, Path(scratch) / "painted"
        source.mkdir()
        for path in chosen:
            shutil.copyfile(path, source / path.name)
        plain = each_photo(measure_canvas, source, [path.name for path in chosen], "canvases as they are")
        try:
            paint_canvases(source, out, each=each, seed=seed, kinds=(), jobs=2)
        except PaintError as error:
            return f"## Painted canvases\n\n{error}\n".replace(scratch, "")
        data = DataSet.open(out)
        painted = each_photo(measure, out, [row.photo_id for row in data.manifest.rows], "painted canvases")
    faces = len({p.head for p in painted})
    told = (
        f"{len(chosen)} held-out photographs of {folder.name}, of which {faces} show a whole, healthy face; lesions as "
        f"they occur (seed {seed}) were painted on each {each} times, {len(painted)} photographs in all"
    )
    return canvas_part(painted, plain, told)


def main() -> None:
    """Renders, paints, measures, prints the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", type=Path, default=None, help="A rendered cohort, or where to render it.")
    parser.add_argument("--patients", type=int, default=120)
    parser.add_argument("--seed", type=int, default=3001)
    parser.add_argument("--photos", type=int, default=3, help="Photographs of each patient.")
    parser.add_argument("--per-head", type=int, default=4, help="Patients that share a head.")
    parser.add_argument("--canvases", type=Path, default=None, help="A folder of photographs that may be painted on.")
    parser.add_argument("--each", type=int, default=4, help="Paintings of each canvas.")
    parser.add_argument("--page", type=Path, default=None, help="Where to write the page.")
    given = parser.parse_args()
    asked = Cohort(given.patients, given.seed, photos=given.photos, per_head=given.per_head)
    with cohort_in(given.cohort, asked) as folder:
        made = made_with(folder)
        ids = [row.photo_id for row in DataSet.open(folder).manifest.rows]
        photos = each_photo(measure, folder, ids, "virtual patients")
    command = f"python -m benchmarks.instrument {asked_for(made, ('patients', 'seed', 'photos', 'per_head'))}"
    parts = [cohort_part(photos)]
    if given.canvases:
        parts.append(canvases(given.canvases, given.each, given.seed))
        command += f" --canvases {given.canvases.name} --each {given.each}"
    else:
        parts.append("## Painted canvases\n\nNot measured: name a folder of photographs with `--canvases`.\n")
    text = page(parts, command)
    print(text)
    if given.page:
        given.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

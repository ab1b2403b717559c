"""What the tone of the skin alone does to the measurement: the tables of docs/tones.md.

    python -m benchmarks.tones [--cohort DIR | --patients 360 --per-head 12 --seed 4001] [--page docs/tones.md]

Renders a cohort in which every person is there once in each of the six tones (`melascope cohort render --each-tone`),
or takes one that lies in DIR: head, lesions, light, camera and look-alikes are the same six times, so that what differs
between the columns is the tone's doing, and not the chance by which one band got other lesions than another.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmarks import tallies
from benchmarks.instrument_tables import DENSITIES, density_name, number, table
from benchmarks.photo_figures import MISSED, NO_LESION, NO_NAME, PhotoFigures, measure
from benchmarks.rendered import asked_for, cohort_in, each_photo, made_with, untold

import melascope
from melascope import networks
from melascope.cohort.patient import TWINS, Cohort
from melascope.data import DataSet
from melascope.vocabulary import ToneBand

__all__ = ["band_of", "figures", "page", "twins"]

Photos = Sequence[PhotoFigures]
BANDS = tuple(band.value for band in ToneBand)
AIM = 0.05
"""Most by which the Dice of the same lesions may differ between tones."""
TOLD = ("patients", "seed", "photos", "per_head")


def band_of(photo: str) -> str:
    """The tone in which a photograph of such a cohort shows its person."""
    return BANDS[int(photo[1:6]) % len(BANDS)]


def person_of(photo: str) -> tuple[int, str]:
    """What the six photographs of a set have in common: person, and visit, device and view."""
    return int(photo[1:6]) // len(BANDS), photo[6:]


def twins(photos: Photos) -> list[PhotoFigures]:
    """The photographs of the sets of which none was refused, with what all six of a set give.

    A total or a share that one of them lacks is left out of all, so that every column is of the same regions and faces.
    The density by which a set is grouped is that on the lightest skin.
    """
    sets: dict[tuple[int, str], list[PhotoFigures]] = defaultdict(list)
    for one in photos:
        sets[person_of(one.photo)].append(one)
    found = []
    for some in sets.values():
        seen = [one.seen for one in some if one.seen]
        if len(seen) < len(some):
            continue
        total = all(one.masi is not None for one in seen)
        shared = {key for key in seen[0].shares if all(one.shares.get(key, (0, None))[1] is not None for one in seen)}
        lightest = min(some, key=lambda one: one.photo)
        for one, its in zip(some, seen, strict=True):
            kept = replace(
                its,
                masi=its.masi if total else None,
                held=tuple(held for held in its.held if total or held.what != "MASI"),
                shares={key: pair for key, pair in its.shares.items() if key in shared},
            )
            found.append(replace(one, seen=kept, density=lightest.density))
    return found


def _masi_errors(photos: Photos) -> list[float]:
    return [p.seen.masi - p.masi for p in photos if p.seen and p.seen.masi is not None and p.masi is not None]


def _lesioned(photos: Photos) -> list[PhotoFigures]:
    return [p for p in photos if p.seen and p.seen.pigment.true]


def _told(photos: Photos, told: Callable[[str, str], bool]) -> float:
    """Share of the lesions of which (true kind, given name) is so; found or not, they are the same in every tone."""
    pairs = [(true, name) for p in tallies.seen(photos) for true, name in p.names if true != NO_LESION]
    return float(np.mean([told(*pair) for pair in pairs])) if pairs else tallies.NAN


def _dice_gap(photos: Photos) -> float:
    return gap(photos, lambda some: tallies.dice(_lesioned(some)))


def _reached(photos: Photos) -> str:
    """Whether the gap is within the aim, and whether its interval is."""
    if _dice_gap(photos) > AIM:
        return "not reached"
    return "reached" if tallies.by_heads(photos, _dice_gap)[1] <= AIM else "reached, not surely"


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else tallies.NAN


def figures() -> list[tuple[str, Callable[[Photos], float], int, bool]]:
    """(name, figure of some photographs, digits, whether it has a sign)."""
    return [
        ("regions: mean IoU, whole faces", lambda s: tallies.mean_iou([p for p in s if not p.close]), 3, False),
        ("pigment: Dice, pooled", lambda s: tallies.dice(_lesioned(s)), 3, False),
        ("pigment: share of it that is called", lambda s: tallies.recall(_lesioned(s)), 3, False),
        ("pigment: share of what is called that is pigment", lambda s: tallies.precision(_lesioned(s)), 3, False),
        ("pigment: Dice, mean of photographs", tallies.dice_by_photo, 3, False),
        ("pigment: average precision", lambda s: tallies.average_precision(tallies.histogram(_lesioned(s))), 3, False),
        ("pigment: best Dice of one threshold", lambda s: tallies.best_dice(tallies.histogram(_lesioned(s))), 3, False),
        ("share of a region: mean absolute error", lambda s: tallies.shares(s).absolute, 3, False),
        ("share of a region: bias", lambda s: tallies.shares(s).bias, 3, True),
        ("MASI: mean absolute error", lambda s: _mean([abs(e) for e in _masi_errors(s)]), 2, False),
        ("MASI: bias", lambda s: _mean(_masi_errors(s)), 2, True),
        ("MASI: 90 % interval holds the truth", lambda s: tallies.cover(s, "MASI")[1], 2, False),
        ("without a lesion: share of skin called", lambda s: tallies.alarms(s).mean, 4, False),
        ("lesions: found", lambda s: _told(s, lambda _, name: name != MISSED), 2, False),
        ("lesions: found and rightly named", lambda s: _told(s, lambda true, name: name == true), 2, False),
        (
            "lesions: found and wrongly named",
            lambda s: _told(s, lambda true, name: name not in (true, MISSED, NO_NAME)),
            2,
            False,
        ),
    ]


def _by_band(photos: Photos) -> list[list[PhotoFigures]]:
    return [[p for p in photos if band_of(p.photo) == band] for band in BANDS]


def gap(photos: Photos, figure: Callable[[Photos], float]) -> float:
    """Best tone less worst tone."""
    values = [figure(some) for some in _by_band(photos)]
    return float(np.nanmax(values) - np.nanmin(values)) if not np.isnan(values).all() else tallies.NAN


def tone_table(photos: Photos) -> str:
    """Each figure in each tone, and what lies between the best and the worst, whole heads drawn again."""
    rows = []
    for name, figure, digits, sign in figures():
        cells = [number(figure(some), digits, sign=sign) for some in _by_band(photos)]
        low, high = tallies.by_heads(photos, lambda some, figure=figure: gap(some, figure))  # type: ignore[misc]
        rows.append([name, *cells, number(gap(photos, figure), digits), f"{low:.{digits}f} to {high:.{digits}f}"])
    return table(("", *BANDS, "between", "95 % interval"), rows)


def make_up_table(photos: Photos) -> str:
    """Some figures of faces that are bare and of faces that wear make-up, in each tone: the same faces along a row."""
    told = [
        ("Dice, pooled", lambda s: tallies.dice(_lesioned(s)), 3),
        ("share of the pigment that is called", lambda s: tallies.recall(_lesioned(s)), 3),
        ("share of what is called that is pigment", lambda s: tallies.precision(_lesioned(s)), 3),
        ("share of a region: mean absolute error", lambda s: tallies.shares(s).absolute, 3),
        ("MASI: mean absolute error", lambda s: _mean([abs(e) for e in _masi_errors(s)]), 2),
    ]
    rows = []
    for name, made_up in (("bare", False), ("make-up", True)):
        some = [p for p in photos if made_up_face(p) is made_up]
        for what, figure, digits in told if _lesioned(some) else ():
            each = _by_band(some)
            low, high = tallies.by_heads(some, lambda s, figure=figure: gap(s, figure))  # type: ignore[misc]
            rows.append(
                [
                    name,
                    what,
                    str(len(_lesioned(each[0]))),
                    *(number(figure(one), digits) for one in each),
                    number(gap(some, figure), digits),
                    f"{low:.{digits}f} to {high:.{digits}f}",
                ]
            )
    head = ("face", "figure", "photographs with pigment, a tone", *BANDS, "between", "95 % interval")
    return table(head, rows)


def made_up_face(photo: PhotoFigures) -> bool:
    """Whether it wears foundation or blush."""
    return "make-up" in photo.look_alikes


def density_table(photos: Photos) -> str:
    """Dice by tone and density: the same lesions along a row."""
    rows = []
    for _, name in DENSITIES:
        some = [p for p in _lesioned(photos) if p.density is not None and density_name(p.density) == name]
        if some:
            each = _by_band(some)
            cells = [number(tallies.dice(one), 2) for one in each]
            rows.append([name, str(len(each[0])), *cells, number(gap(some, tallies.dice), 2)])
    return table(("density", "photographs a tone", *BANDS, "between"), rows)


def visibility_table(photos: Photos) -> str:
    """Median detectability of the same lesions in each tone, and what of the lightest tone's is left in the darkest."""
    rows = []
    for _, name in DENSITIES:
        some = [p for p in _lesioned(photos) if p.density is not None and density_name(p.density) == name]
        each = [[p.seen.detectability for p in one if p.seen and p.seen.detectability] for one in _by_band(some)]
        if all(each):
            medians = [float(np.median(one)) for one in each]
            cells = [number(median, 1) for median in medians]
            rows.append([name, str(len(each[0])), *cells, number(medians[-1] / medians[0], 2)])
    return table(("density", "photographs a tone", *BANDS, "dark against very light"), rows)


def kind_table(photos: Photos) -> str:
    """Dice by tone and kind: the same lesions along a row."""
    rows = []
    for kind in sorted({p.kinds for p in _lesioned(photos) if len(p.kinds) == 1}):
        some = [p for p in _lesioned(photos) if p.kinds == kind]
        each = _by_band(some)
        cells = [number(tallies.dice(one), 2) for one in each]
        rows.append([kind[0], str(len(each[0])), *cells, number(gap(some, tallies.dice), 2)])
    return table(("kind", "photographs a tone", *BANDS, "between"), rows)


def page(photos: Photos, command: str) -> str:
    """The page of docs."""
    made = ", ".join(f"{name} network {networks.load(name).sha256[:16]}" for name in ("skin", "regional", "naming"))
    whole = twins(photos)
    refused = [sum(p.seen is None for p in some) for some in _by_band(photos)]
    told = ", ".join(f"{band} {count}" for band, count in zip(BANDS, refused, strict=True))
    totals = len(_masi_errors(whole)) // len(BANDS)
    bare = [p for p in whole if not made_up_face(p)]
    reached, reached_bare = (_reached(some) for some in (whole, bare))
    return f"""# What the tone of the skin alone does

Written by `{command}`, melascope {melascope.__version__}, {made}.
{len({person_of(p.photo)[0] for p in photos})} virtual people on {len({p.head for p in photos})} heads, each \
photographed in the six tones: the same head, lesions, light and camera six times, and the same true regions, outlines
and shares; only the tone of the skin differs, and what goes with it ([cohort.md](cohort.md)). What differs along a row
is the tone's doing. (In [instrument.md](instrument.md) every tone has people of its own, and other lesions.)

{len(photos)} photographs; refused: {told}. Sets of six of which one was refused are left out, and totals and shares of
which one of the six is lacking: {len(whole)} photographs are in the figures, {totals} sets give totals. Lesions are
single ones, of 10 pixels or more. "Between" is the best tone less the worst; its interval draws whole heads again, and
can only be above 0. The aim is {AIM} or less for the Dice: {reached}; of bare faces alone: {reached_bare}. Which of
two trainings shipped once (skin network ce782712) was chosen on 20 of these people; since then networks are chosen on
others ([measurement.md](measurement.md), section 4).

## By tone

{tone_table(whole)}

## Bare faces, and make-up

Foundation lies over pigment as a film of one colour, that of the skin it is worn on, and lets a part of it through
([cohort.md](cohort.md)); what is true is of the skin beneath. A rater has it washed off first. "Make-up" here is
foundation or blush:

{make_up_table(whole)}

## Dice by density

{density_table(whole)}

## How far the pigment stands out

Of the picture alone, whoever looks: the contrast of the lesions' pixels to the clear skin beside them (means within
about a hundredth of the picture's side), in standard deviations of clear skin about its own local mean, the three
channels weighed as is best (`benchmarks/visibility.py`). Dark skin gives back less light, so that the same pigment
takes fewer of the picture's 255 levels away. Medians; photographs with at least 200 pixels of pigment, of clear skin
and of the border between. Shading that lesions happen to lie in counts, too, in every tone about alike
([measurement.md](measurement.md), section 4), so that what is left on dark skin is, if anything, less than this:

{visibility_table(whole)}

## Dice by kind, where it is the only one

{kind_table(whole)}
"""


def main() -> None:
    """Renders, measures, prints the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", type=Path, default=None, help="A cohort with --each-tone, or where to render it.")
    parser.add_argument("--patients", type=int, default=360, help="Six times the people.")
    parser.add_argument("--seed", type=int, default=4001)
    parser.add_argument("--photos", type=int, default=2, help="Photographs of each patient.")
    parser.add_argument("--per-head", type=int, default=12, help="Patients that share a head.")
    parser.add_argument("--page", type=Path, default=None, help="Where to write the page.")
    given = parser.parse_args()
    try:
        asked = Cohort(given.patients, given.seed, photos=given.photos, per_head=given.per_head, each_tone=True)
    except ValueError as error:
        parser.error(str(error))
    with cohort_in(given.cohort, asked) as folder:
        made = made_with(folder)
        if not made.get("each_tone") or made.get("tones"):
            parser.error(f"{folder} does not hold each person in all six tones: render it with --each-tone alone")
        if made.get("twins") != TWINS:
            parser.error(
                f"{folder} holds people in each tone of an earlier version (twins {made.get('twins', 1)}, here {TWINS})"
                ": render it anew"
            )
        if other := untold(made, TOLD, asked):
            parser.error(f"{folder} was rendered with other {', '.join(other)} than the page tells: leave them out")
        ids = [row.photo_id for row in DataSet.open(folder).manifest.rows]
        photos = each_photo(measure, folder, ids, "virtual people in six tones")
    text = page(photos, f"python -m benchmarks.tones {asked_for(made, TOLD, asked)}")
    print(text)
    if given.page:
        given.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

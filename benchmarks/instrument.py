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
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from benchmarks import tallies
from benchmarks.instrument_tables import (
    Photos,
    aims,
    alarm_table,
    cover_table,
    even_table,
    kind_table,
    percent,
    pigment_table,
    region_table,
    reliability_table,
    share_table,
)
from benchmarks.photo_figures import PhotoFigures, measure, unpainted
from benchmarks.rendered import asked_for, cohort_in, each_photo, made_with

import melascope
from melascope import networks
from melascope.cohort.patient import Cohort
from melascope.data import DataSet
from melascope.lab.skin.faces import is_held_out

__all__ = ["canvas_part", "cohort_part", "held_out", "page"]

_PICTURES: Final = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


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
    command = f"python -m benchmarks.instrument {asked_for(made, ('patients', 'seed', 'photos', 'per_head'), asked)}"
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

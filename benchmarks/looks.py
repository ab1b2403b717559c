"""What a skin network sees of pigment by itself: the table by which one of several is chosen.

    python -m benchmarks.looks COHORT

COHORT is a folder that `melascope cohort render` wrote. The network is the installed one, or that of the folder which
`MELASCOPE_NETWORKS` names; the regional and the naming network need not have learnt from it, as `analyze` demands: no
outline is drawn, no region read, no lesion named. A pixel is called from the probability of an outline.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks import tallies
from benchmarks.instrument_tables import number, table
from benchmarks.photo_figures import PhotoFigures, Seen, count_pigment, look_alikes, probability_of
from benchmarks.rendered import each_photo, opened
from benchmarks.tones import made_up_face

from melascope import networks
from melascope.data import DataSet
from melascope.lesions.pigment import OUTLINED
from melascope.photo.reading import read_photo
from melascope.vocabulary import ToneBand

__all__ = ["look", "looks_table"]


def look(task: tuple[str, str]) -> PhotoFigures:
    """Counts the pixels of a photograph of a virtual patient: (folder, photo id)."""
    folder, photo_id = task
    sample = opened(folder)[photo_id]
    record, codes, kinds = sample.record(), sample.regions(), sample.lesions()
    assert record is not None
    assert codes is not None
    assert kinds is not None
    probability = probability_of(read_photo(Path(folder) / sample.row.file).pixels)
    pigment = count_pigment(codes, kinds > 0, probability >= OUTLINED, probability)
    return PhotoFigures(
        photo=photo_id,
        head=sample.row.kept_together,
        band=record["patient"]["band"],
        device=sample.row.device,
        view=str(sample.row.view),
        look_alikes=look_alikes(record),
        seen=Seen(pigment, {}, 0, {}, (), ()),
    )


def looks_table(photos: Sequence[PhotoFigures]) -> str:
    """By tone of skin; all faces, those that are bare and those with make-up."""
    rows = []
    for name, wanted in (("all", (False, True)), ("bare", (False,)), ("make-up", (True,))):
        for band in ToneBand:
            some = [p for p in photos if p.band == band and made_up_face(p) in wanted]
            lesioned = [p for p in some if p.seen and p.seen.pigment.true]
            if not some:
                continue
            counts, alarms = tallies.histogram(lesioned), tallies.alarms(some)
            figures = (
                tallies.average_precision(counts),
                tallies.dice(lesioned),
                tallies.recall(lesioned),
                tallies.precision(lesioned),
                tallies.best_dice(counts),
            )
            without = [number(alarms.mean, 4), str(alarms.photos)]
            rows.append([name, band.value, str(len(lesioned)), *map(number, figures), *without])
    head = ("face", "tone", "photographs with pigment", "average precision", "Dice", "share of it that is called")
    head += ("share of what is called that is pigment", "best Dice of one threshold")
    return table((*head, "without a lesion: share of skin called", "photographs without"), rows)


def main() -> None:
    """Looks at every photograph, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path, help="A folder of virtual patients.")
    folder = parser.parse_args().cohort
    ids = [row.photo_id for row in DataSet.open(folder).manifest.rows]
    photos = each_photo(look, folder, ids, "looks")
    print(f"skin network {networks.load('skin').sha256[:16]}, {len(photos)} photographs\n\n{looks_table(photos)}")


if __name__ == "__main__":
    main()

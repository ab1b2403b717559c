"""What re-photographing explains of lesions: the figures of src/melascope/clinic/lesion_steadiness.toml.

Each patient of a cohort is photographed twice on one day, by DSLR and by telephone, so that no lesion is new, grown,
shrunk or gone. Whatever the comparison of visits finds between the two photographs is its error. Run from the
repository's root:

    melascope cohort render PAIRS --patients 14 --seed 61 --photos 2 --size 512 --kinds mel,fre,sl,caf,ota,hori \
        --per-head 7 --no-maps
    python -m benchmarks.lesion_changes PAIRS
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from melascope.clinic.between import Face, compared, face_of
from melascope.clinic.corrections import read
from melascope.clinic.pictures import measured_json
from melascope.clinic.tables import Analysed, Photo
from melascope.clinic.worker import measure
from melascope.data import DataSet

_BANDS_MM2 = (0.0, 10.0, 30.0, 100.0, 300.0)
_APPEARS_MM2 = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0)


def main() -> None:
    """Prints, by size: how much areas differ, and how many lesions are found in one photograph only."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    folder = parser.parse_args().cohort
    by_visit: dict[tuple[str, str], list[Face]] = defaultdict(list)
    network = ""
    for row in DataSet.open(folder).manifest.rows:
        measured = measure((folder / row.file).read_bytes(), row.photo_id)
        pictures = measured_json(measured) | {"files": {}}
        photo = Photo(analysed=Analysed(record=measured.record, pictures=pictures), corrections=[])
        reading = read(photo)
        face = face_of(photo, reading)
        if reading is not None and face is not None:
            network = reading.record.versions["skin network"]
            by_visit[row.patient, str(row.visit)].append(face)
    matched: list[tuple[float, float]] = []
    sizes: list[float] = []
    alone: list[float] = []
    split = pairs = 0
    for faces in by_visit.values():
        if len(faces) != 2:
            continue
        found = compared(faces[0], faces[1])
        if found is None:
            continue
        pairs += 1
        for pair in found.pairs:
            one, other = pair.area_before, pair.area_after
            if one is None or other is None:
                alone.append(pair.size)
                sizes.append(pair.size)
            else:
                matched.append((np.sqrt(one * other), np.log(other / one)))
                sizes += [one, other]
                split += len(pair.before) + len(pair.after) > 2
    print(f"skin network {network}; {pairs} pairs of photographs, {len(matched)} pairs of lesions, {split} with parts")
    middles, ratios = (np.array(column) for column in zip(*matched, strict=True))
    for low, high in zip(_BANDS_MM2, [*_BANDS_MM2[1:], np.inf], strict=True):
        here = ratios[(middles >= low) & (middles < high)]
        if len(here):
            worst = np.quantile(np.abs(here), 0.95, method="higher")
            print(
                f"area {low:g} to {high:g} mm2: {len(here)} pairs, factor of 95 %: {np.exp(worst):.2f} by rank, "
                f"{np.exp(1.96 * np.sqrt((here**2).mean())):.2f} by the normal curve, bias {np.exp(here.mean()):.2f}"
            )
    for limit in _APPEARS_MM2:
        large, lost = sum(size >= limit for size in sizes), sum(size >= limit for size in alone)
        print(f"from {limit:g} mm2: {lost} of {large} lesions in one photograph only ({lost / max(1, large):.3f})")


if __name__ == "__main__":
    main()

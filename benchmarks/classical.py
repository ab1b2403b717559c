"""A pigment map by thresholds, as it was made before networks: what the network is compared with.

    python -m benchmarks.classical [--cohort DIR ...]

Melanin from colour (`skin.chromophores`), each place compared with the skin around it: what exceeds the local
background by more than a threshold is pigment disease. The background is the weighted mean of the skin near a place,
estimated again without what was found, because a large patch would otherwise be its own background. The network lends
its regions, so that both versions look at the same skin, and nothing else: no probability of disease.

The threshold is fixed, or Otsu's (1979) where that is higher. The command prints how the involved shares agree with
the truth over a range of thresholds, on virtual patients of seeds of their own: twelve as they occur (seed 4242), and
three with melasma over four visits (seed 39). `THRESHOLD`, Otsu's help, the melanin map (rather than a colour channel)
and its window were chosen on these: they agree best by ICC(2,1), which does not reward a map that finds nothing.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from benchmarks.photo_figures import true_regions_of
from benchmarks.rendered import cohort_in, each_photo
from numpy.typing import NDArray

from melascope.cohort.patient import Cohort
from melascope.data import DataSet
from melascope.lesions.pigment import PigmentMap, map_pigment
from melascope.masi import icc
from melascope.photo.reading import read_photo
from melascope.scoring import measure_region
from melascope.skin.chromophores import chromophores, optical_density
from melascope.skin.regions import RegionMap, find_regions
from melascope.vocabulary import FACIAL_SKIN, MASI_REGIONS, SKIN

__all__ = ["THRESHOLD", "background", "classical_map", "otsu"]

THRESHOLD: Final = 0.02
"""Least melanin density above the local background from which skin counts as involved; Otsu's may be higher."""
ROUNDS: Final = 3
"""How often the background is estimated."""
REACH: Final = 0.12
"""Standard deviation of the background's window, as a share of the face's width: about 17 mm."""
TRIED: Final = (0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.06, 0.08)
COHORTS: Final = (
    Cohort(12, 4242, photos=2, per_head=2),
    Cohort(3, 39, visits=4, photos=1, per_head=1, kinds=("mel",)),
)
"""On which the threshold was chosen."""

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]


def classical_map(regions: RegionMap, threshold: float = THRESHOLD, *, by_otsu: bool = True) -> PigmentMap:
    """The pigment map of a photograph without a network's opinion on where pigment is.

    Args:
        regions: From `find_regions`; only where skin is, and of which place, is taken from it.
        threshold: Melanin density above the background.
        by_otsu: Whether Otsu's threshold of the photograph is taken instead where it is higher.

    Returns:
        A map for `measure_region`. Probabilities are 0 and 1, so that its intervals mean nothing.
    """
    frame = map_pigment(regions)  # for the scale of the face and the skin away from hair
    skin = np.isin(regions.codes, FACIAL_SKIN if regions.face_px else SKIN)
    density = optical_density(regions.pixels)
    density = np.asarray(cv2.GaussianBlur(density, (0, 0), max(0.5, 0.004 * frame.face_px)), np.float32)
    melanin = chromophores(density).melanin
    normal, involved = frame.core.copy(), np.zeros(skin.shape, bool)
    excess = np.zeros(skin.shape, np.float32)
    for _ in range(ROUNDS):
        excess = melanin - background(melanin, normal, REACH * frame.face_px)
        limit = max(threshold, otsu(excess[frame.core])) if by_otsu else threshold
        involved = _tidy(frame.core & (excess > limit), frame.core, frame.face_px)
        normal = frame.core & ~involved
    off = np.where(skin, np.float32(0), np.float32(np.nan))
    middle = np.median(melanin[normal]) if normal.any() else np.float32(0)
    return replace(
        frame,
        involved=involved,
        patches=involved,
        probability=involved.astype(np.float32),
        density=np.maximum(excess, 0) + off,
        contrast=excess + off,
        melanin=np.asarray(melanin - middle + off, np.float32),
        normal_share=float(normal.sum()) / max(1, int(skin.sum())),
    )


def background(values: Map, where: Mask, sigma: float) -> Map:
    """Weighted mean (h, w) of the values near each place, of those at `where` alone; far from any, their mean.

    A normalised convolution (Knutsson and Westin 1993) with a Gaussian of `sigma` pixels, on a small copy.
    """
    if not where.any():
        return np.full(values.shape, np.median(values), np.float32)
    scale = min(1.0, 4.0 / sigma)
    size = (max(1, round(values.shape[1] * scale)), max(1, round(values.shape[0] * scale)))
    weight = cv2.resize(where.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    sums = cv2.resize(values * where, size, interpolation=cv2.INTER_AREA)
    blurred, mass = (cv2.GaussianBlur(part, (0, 0), sigma * scale) for part in (sums, weight))
    everywhere = np.float32(values[where].mean())
    least = np.float32(0.02)  # of a window's weight: beyond, the mean of all skin takes over
    near = (blurred + least * everywhere) / (mass + least)
    return np.asarray(cv2.resize(near, values.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def otsu(values: Map, bins: int = 128) -> float:
    """Threshold that parts values into two classes with the least variance within them (Otsu 1979)."""
    if values.size < 2 or values.min() == values.max():
        return float("inf")
    counts, edges = np.histogram(values, bins)
    middles = (edges[:-1] + edges[1:]) / 2
    below, sums = counts.cumsum()[:-1], (counts * middles).cumsum()[:-1]
    above, rest = counts.sum() - below, (counts * middles).sum() - sums
    both = (below > 0) & (above > 0)
    between = np.zeros(len(below))
    between[both] = below[both] * above[both] * (sums[both] / below[both] - rest[both] / above[both]) ** 2
    return float(edges[1:-1][int(between.argmax())])


def _tidy(mask: Mask, skin: Mask, face_px: float) -> Mask:
    radius = max(1, round(0.002 * face_px))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    return np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel).astype(bool) & skin)


@dataclass(frozen=True)
class Trial:
    """True and measured involved shares of a photograph's regions at one threshold, and pixels for the Dice."""

    shares: tuple[tuple[float, float], ...]
    both: int
    either: int


def try_thresholds(task: tuple[str, str]) -> list[Trial]:
    """One photograph at every threshold of `TRIED`, fixed first, then at least Otsu's."""
    folder, photo_id = task
    sample = DataSet.open(folder)[photo_id]
    truth = true_regions_of(sample.record() or {})
    regions = find_regions(read_photo(Path(folder) / sample.row.file).pixels)
    x0, y0, x1, y1 = regions.frame
    kinds = sample.lesions()
    assert kinds is not None
    size = regions.codes.shape[::-1]
    lesion = cv2.resize(kinds[y0:y1, x0:x1], size, interpolation=cv2.INTER_NEAREST) > 0
    face = np.isin(regions.codes, FACIAL_SKIN)
    trials = []
    for by_otsu in (False, True):
        for threshold in TRIED:
            pigment = classical_map(regions, threshold, by_otsu=by_otsu)
            shares = [
                (truth[region.key]["share"], measure_region(pigment, regions.codes, region, 1.0).share)
                for region in MASI_REGIONS
                if region in regions.visible and region.key in truth
            ]
            hits = int((pigment.involved & lesion & face).sum())
            trials.append(Trial(tuple(shares), hits, int(pigment.involved.sum() + (lesion & face).sum())))
    return trials


def main() -> None:
    """Prints what each threshold gives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", type=Path, nargs=2, default=(None, None), help="The two cohorts, or where to.")
    given = parser.parse_args()
    found: list[list[Trial]] = []
    for place, cohort in zip(given.cohort, COHORTS, strict=True):
        with cohort_in(place, cohort) as folder:
            ids = [row.photo_id for row in DataSet.open(folder).manifest.rows]
            found += each_photo(try_thresholds, folder, ids, "thresholds")
    print(f"{len(found)} photographs\n")
    print("| threshold | ICC(2,1) of the share | mean absolute error | bias | Dice |\n|---|---|---|---|---|")
    for index, threshold in enumerate((*TRIED, *TRIED)):
        some = [one[index] for one in found]
        pairs = np.array([pair for trial in some for pair in trial.shares])
        errors = pairs[:, 1] - pairs[:, 0]
        dice = 2 * sum(t.both for t in some) / max(1, sum(t.either for t in some))
        name = f"{threshold:.3f}" if index < len(TRIED) else f"Otsu's, at least {threshold:.3f}"
        agreed = icc(pairs.tolist()).single
        print(f"| {name} | {agreed:.3f} | {np.abs(errors).mean():.3f} | {errors.mean():+.3f} | {dice:.3f} |")


if __name__ == "__main__":
    main()

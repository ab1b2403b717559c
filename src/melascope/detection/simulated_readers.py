"""Readers who do not exist, for demonstrations: from the truth, with stated error rates.

Each has a sensitivity and a specificity, the same for every kind: the equal-variance binormal model (Dorfman & Alf
1969). What makes a photo hard is partly shared by all readers, so that their errors go together as people's do.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.data.layout import write_whole
from melascope.vocabulary import Lesion

__all__ = ["SimulatedReader", "ratings_of", "sample_readers", "write_reads"]

SHARED: Final = 0.4
"""Share of a reading's variance that is the photo's, not the reader's."""
_NORMAL: Final = NormalDist()


@dataclass(frozen=True)
class SimulatedReader:
    """One simulated reader."""

    name: str
    sensitivity: float
    """Of every kind, 0 to 1."""
    specificity: float

    @property
    def rates(self) -> str:
        """The stated error rates, in words."""
        return f"simulated: sensitivity {self.sensitivity:g}, specificity {self.specificity:g}"


def sample_readers(count: int, seed: int = 0) -> tuple[SimulatedReader, ...]:
    """Readers of differing skill: sensitivity 0.88 to 0.98, specificity 0.96 to 0.995."""
    rng = np.random.default_rng(seed)
    return tuple(
        SimulatedReader(f"reader{k + 1}", round(rng.uniform(0.88, 0.98), 2), round(rng.uniform(0.96, 0.995), 3))
        for k in range(count)
    )


def ratings_of(shown: NDArray[np.bool_], readers: Sequence[SimulatedReader], seed: int = 0) -> NDArray[np.float64]:
    """(readers, photos, kinds) ratings from 0 to 100; 50 and more is a call.

    Args:
        shown: (photos, kinds) what is true.
        readers: Their error rates.
        seed: Of the photos' difficulties and of the readers' days.
    """
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=shown.shape)
    tables = []
    for reader in readers:
        own = rng.normal(size=shown.shape)
        noise = np.sqrt(SHARED) * hard + np.sqrt(1 - SHARED) * own
        threshold = _NORMAL.inv_cdf(reader.specificity)
        distance = _NORMAL.inv_cdf(reader.sensitivity) + threshold
        above = distance * shown + noise - threshold
        tables.append([[100 * _NORMAL.cdf(value) for value in row] for row in above.tolist()])
    return np.array(tables).round(1)


def write_reads(
    path: Path,
    photos: Sequence[str],
    classes: Sequence[Lesion],
    readers: Sequence[SimulatedReader],
    ratings: NDArray[np.float64],
) -> None:
    """Write the table that `melascope lesions readers` reads, with the error rates in every row."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["reader", "photo", *(kind.value for kind in classes), "simulated"])
    for reader, table in zip(readers, ratings.tolist(), strict=True):
        for photo, row in zip(photos, table, strict=True):
            writer.writerow([reader.name, photo, *row, reader.rates])
    write_whole(path, stream.getvalue())

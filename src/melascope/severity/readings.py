"""Ratings as the statistics want them: one row a reading, one column a rater.

Photos whose ratings are one reading (a patient who was scored once, and photographed twice) count once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from melascope.masi import WEIGHTS, severity
from melascope.severity.ratings import Rating, Ratings
from melascope.vocabulary import Region, Severity

__all__ = ["Readings", "readings"]

Floats = NDArray[np.float64]
_BANDS = tuple(Severity)


@dataclass(frozen=True)
class Readings:
    """What the raters (columns) wrote of what they looked at (rows)."""

    raters: tuple[str, ...]
    subjects: tuple[str, ...]
    """What was looked at: a photo, or a patient's visit."""
    photos: tuple[tuple[str, ...], ...]
    """Photos that the reading stands for."""
    patient_names: tuple[str, ...]
    cells: tuple[tuple[Rating, ...], ...]
    """Ratings by subject and rater."""

    @cached_property
    def masi(self) -> Floats:
        """(n, k) MASI."""
        return np.array([[cell.masi for cell in row] for row in self.cells], dtype=np.float64)

    @cached_property
    def bands(self) -> NDArray[np.intp]:
        """(n, k): 0 mild, 1 moderate, 2 severe."""
        return np.array([[_BANDS.index(severity(cell.masi)) for cell in row] for row in self.cells], dtype=np.intp)

    @cached_property
    def clusters(self) -> NDArray[np.intp]:
        """(n,) number of what is drawn for intervals: each reading's group of patients, or else its patient."""
        units = [(row[0].group, "" if row[0].group else row[0].patient) for row in self.cells]
        numbers = {unit: k for k, unit in enumerate(sorted(set(units)))}
        return np.array([numbers[unit] for unit in units], dtype=np.intp)

    @property
    def several(self) -> bool:
        """Whether a patient, or a group, has several readings, which are not independent."""
        return int(self.clusters.max()) + 1 < len(self.subjects)

    @property
    def people(self) -> int:
        """How many patients there are."""
        return len(set(self.patient_names))

    @property
    def has_parts(self) -> bool:
        """Whether every rater gave A, D and H of every region."""
        return all(cell.parts is not None for row in self.cells for cell in row)

    def part(self, region: Region, name: str) -> Floats:
        """(n, k) of a region's ``area``, ``darkness``, ``homogeneity``, or its ``points`` in the MASI."""

        def value(cell: Rating) -> float:
            if cell.parts is None:
                raise ValueError(f"{cell.photo}: the rating of {cell.rater} has no parts; see `has_parts`")
            score = cell.parts[region]
            if name == "points":
                return WEIGHTS[region] * score.area * (score.darkness + score.homogeneity)
            return float(getattr(score, name))

        return np.array([[value(cell) for cell in row] for row in self.cells], dtype=np.float64)

    @cached_property
    def ordered(self) -> bool:
        """Whether the table says when each photo was read."""
        return all(cell.order is not None for row in self.cells for cell in row)

    def order(self) -> Floats:
        """(n, k) place of each reading among the rater's own, 1 to n; equal times share their mean place."""
        when = [[(cell.order if self.ordered else cell.row) or 0.0 for cell in row] for row in self.cells]
        return np.stack([_ranks(column) for column in np.array(when, dtype=np.float64).T], axis=1)


def readings(ratings: Ratings) -> Readings:
    """The readings of a table, in its order.

    Raises:
        ValueError: There is one rater alone, or one reading.
    """
    raters = ratings.raters
    if len(raters) < 2:
        raise ValueError(
            f"there is one rater ({raters[0] if raters else 'none'}): agreement needs two or more raters of the same "
            "photos; add a column 'rater', or columns rater1_masi and rater2_masi"
        )
    photos: dict[str, list[str]] = {}
    cells: dict[str, tuple[Rating, ...]] = {}
    for photo in ratings.photos:
        by_rater = {row.rater: row for row in ratings.of(photo)}
        subject = by_rater[raters[0]].looked_at
        photos.setdefault(subject, []).append(photo)
        cells.setdefault(subject, tuple(by_rater[rater] for rater in raters))
    if len(cells) < 2:
        raise ValueError(f"there is one reading ({next(iter(cells), 'none')}): agreement needs two photos or more")
    return Readings(
        raters,
        tuple(cells),
        tuple(tuple(photos[subject]) for subject in cells),
        tuple(row[0].patient for row in cells.values()),
        tuple(cells.values()),
    )


def _ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray(last[inverse] - (counts[inverse] - 1) / 2, dtype=np.float64)

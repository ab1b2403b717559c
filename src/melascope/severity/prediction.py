"""What a network said of one photo, beside its label, and many of them as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from melascope.masi import severity
from melascope.vocabulary import Severity

__all__ = ["CLASSES", "Prediction", "Scored", "band", "scored"]

CLASSES: Final = tuple(Severity)
"""Mild, moderate, severe: the classes 0, 1, 2."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One photo: its label, and what a network made of it."""

    photo: str
    patient: str
    group: str = ""
    """Patients who are not independent: virtual ones that share a head, a family."""
    part: str
    """``train``, ``validation`` or ``test``."""
    truth: int
    """Class of the raters' mean: 0 mild, 1 moderate, 2 severe."""
    rated_masi: float
    """Mean MASI of the raters, 0 to 48: the label comes from it."""
    p_mild: float
    p_moderate: float
    p_severe: float
    predicted_masi: float | None = None
    """MASI that the network implies, where it gives one."""
    true_masi: float | None = None
    """MASI of the picture itself: known of virtual patients only."""
    tone_band: str = ""
    device: str = ""
    view: str = ""
    subject: str = ""
    """What the raters looked at: the photo, or what several photos show (``p1 visit 2``), which then share one
    reading; empty where it is not known, as in tables of older versions."""
    raters: Mapping[str, float] = field(default_factory=dict)
    """MASI by rater, where the single ones are known."""

    @property
    def probabilities(self) -> tuple[float, float, float]:
        """Of mild, moderate and severe."""
        return self.p_mild, self.p_moderate, self.p_severe


@dataclass(frozen=True)
class Scored:
    """Predictions as arrays, sorted by photo."""

    photos: tuple[str, ...]
    patients: NDArray[np.intp]
    """(n,) number of each photo's patient, from 0."""
    clusters: NDArray[np.intp]
    """(n,) number of what is drawn for intervals, from 0: each photo's group, or else its patient."""
    truth: NDArray[np.intp]
    """(n,) classes."""
    probabilities: NDArray[np.float64]
    """(n, 3), rows that add up to 1."""
    rated_masi: NDArray[np.float64]
    """(n,) mean of the raters."""
    predicted_masi: NDArray[np.float64] | None
    """(n,); None unless every photo has one."""

    @property
    def predicted(self) -> NDArray[np.intp]:
        """(n,) the likeliest class; of equally likely ones the milder."""
        return np.asarray(np.argmax(self.probabilities, axis=1))


def scored(rows: Iterable[Prediction]) -> Scored:
    """Arrays of predictions.

    Raises:
        ValueError: There are none.
    """
    table = sorted(rows, key=lambda row: row.photo)
    if not table:
        raise ValueError("no predictions: nothing can be measured; choose a part that has photos")
    patients = np.unique([row.patient for row in table], return_inverse=True)[1]
    # A patient may bear the name of another's group.
    units = {unit: k for k, unit in enumerate(sorted({(row.group, "" if row.group else row.patient) for row in table}))}
    clusters = np.array([units[row.group, "" if row.group else row.patient] for row in table], dtype=np.intp)
    probabilities = np.array([row.probabilities for row in table], dtype=np.float64)
    implied = [row.predicted_masi for row in table]
    return Scored(
        tuple(row.photo for row in table),
        patients.astype(np.intp),
        clusters,
        np.array([row.truth for row in table], dtype=np.intp),
        probabilities / probabilities.sum(axis=1, keepdims=True),
        np.array([row.rated_masi for row in table], dtype=np.float64),
        None if None in implied else np.array(implied, dtype=np.float64),
    )


def band(total: float) -> int:
    """Class of a MASI, 0 to 48; rounded to nine digits first, so that a mean of 16 that came out as 15.999... is 16.

    Example:
        >>> band(15.9), band(16.0), band(40.0)
        (0, 1, 2)
    """
    return CLASSES.index(severity(min(48.0, round(total, 9))))

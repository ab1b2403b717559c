"""What is told to other systems: a visit or one photograph, what was measured, what a person said, who signed.

FHIR and DICOM are both made of a `Statement`. It knows people by key and name only, the patient by a code, and no
photograph by the name of its file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

import numpy as np

from melascope.record import Analysis, LesionRecord
from melascope.vocabulary import Lesion, Region, Severity

__all__ = ["Image", "Named", "Person", "PhotoStatement", "Rated", "Statement", "Subject", "identity"]


def identity(record: Analysis) -> str | None:
    """What tells a photograph from all others: the SHA-256 of its file, or of its size and pixels where there is none.

    None without either, as of a file that could not be read.
    """
    if record.photo.sha256 is not None:
        return record.photo.sha256
    try:
        pixels = record.arrays.pixels
    except LookupError:
        return None
    digest = hashlib.sha256(f"{pixels.shape[1]} {pixels.shape[0]} ".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


@dataclass(frozen=True)
class Person:
    """Somebody who scored or signed."""

    key: str
    name: str


@dataclass(frozen=True)
class Subject:
    """The patient, under a code."""

    key: str
    """Identifies the patient among all."""
    code: str
    """Pseudonym, as the practice knows it."""
    system: str
    """Address under which the code is unique."""


@dataclass(frozen=True)
class Rated:
    """Steps that a person gave to one region."""

    area: float
    darkness: float
    homogeneity: float
    by: Person
    at: datetime


@dataclass(frozen=True)
class Named:
    """One patch as it stands."""

    key: str
    box: tuple[int, int, int, int]
    kind: Lesion | None
    measured: LesionRecord | None
    """None if a person drew it."""
    by: Person | None = None
    """Who drew or named it; None: as measured."""
    at: datetime | None = None


@dataclass(frozen=True)
class Image:
    """A picture of the photograph, without any of the file's metadata."""

    data: bytes
    """JPEG."""
    width: int
    height: int


@dataclass(frozen=True)
class PhotoStatement:
    """One photograph: its record, and what holds."""

    key: str
    view: Literal["frontal", "left", "right", "close-up", ""]
    """As the photographer says; empty if nobody did."""
    record: Analysis
    masi: float | None
    mmasi: float | None
    severity: Severity | None
    lesions: tuple[Named, ...]
    removed: tuple[Named, ...] = ()
    """Patches that a person took out."""
    rated: Mapping[Region, Rated] = field(default_factory=dict)
    image: Image | None = None
    analysed: datetime | None = None
    """When the analysis was made, with its zone; None if that is not known."""

    @property
    def raters(self) -> tuple[Person, ...]:
        """Everybody of whom a score is in the totals, in the order of their scores."""
        return tuple(dict.fromkeys(rated.by for rated in sorted(self.rated.values(), key=lambda rated: rated.at)))

    @classmethod
    def of(cls, record: Analysis, image: Image | None = None, analysed: datetime | None = None) -> PhotoStatement:
        """A photograph on which nobody said anything.

        Raises:
            ValueError: Nothing tells it from others: its record names no SHA-256 and carries no pixels.
        """
        key = identity(record)
        if key is None:
            raise ValueError(
                f"the record of {record.photo.file!r} names no SHA-256 and carries no pixels, so that nothing tells it "
                "from others: pass a record of a file that was read, or of an array as analyze() returned it"
            )
        totals = record.masi
        return cls(
            key=key,
            view="",
            record=record,
            masi=totals.masi if totals else None,
            mmasi=totals.mmasi if totals else None,
            severity=totals.severity if totals else None,
            lesions=tuple(
                Named(f"lesion-{number}", lesion.box, lesion.kind, lesion)
                for number, lesion in enumerate(record.lesions, 1)
            ),
            image=image,
            analysed=analysed,
        )


@dataclass(frozen=True)
class Statement:
    """A visit, or one photograph on its own."""

    key: str
    made: datetime
    """When the analysis was made or this was written; with its zone."""
    photos: tuple[PhotoStatement, ...]
    subject: Subject | None = None
    practice: str = ""
    """Practice or study to which the patient belongs."""
    day: date | None = None
    signed: tuple[tuple[Person, datetime], ...] = ()
    """Signatures of what it says now."""
    signed_before: bool = False
    """Somebody signed what it said earlier."""

    @classmethod
    def of(cls, record: Analysis, made: datetime, image: Image | None = None) -> Statement:
        """One photograph without a clinic around it.

        Raises:
            ValueError: Nothing tells it from others; see `identity`.
        """
        photo = PhotoStatement.of(record, image, made)
        return cls(photo.key, made, (photo,))

    @property
    def status(self) -> Literal["preliminary", "final", "amended"]:
        """Nothing is final that nobody signed; amended if something else was signed before."""
        if not self.signed:
            return "preliminary"
        return "amended" if self.signed_before else "final"

    @property
    def main(self) -> PhotoStatement | None:
        """The photograph that stands for the visit: the latest frontal one with a total."""
        scored = [photo for photo in self.photos if photo.masi is not None and photo.view in ("frontal", "")]
        return scored[-1] if scored else None

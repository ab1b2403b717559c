"""All DICOM files of a statement, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from melascope.report.statement import PhotoStatement, Statement

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["MISSING", "Pixels", "dicom_files", "write_dicom"]

MISSING: Final = tuple(package for package in ("highdicom", "pydicom") if find_spec(package) is None)
"""Packages that are needed and not installed."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """What a photograph shows, in the size of the upright photograph."""

    rgb: NDArray[np.uint8]
    """(H, W, 3) sRGB."""
    regions: NDArray[np.uint8] | None
    """(H, W), values of `Region`; None where nothing was measured."""
    lesions: NDArray[np.bool_] | None
    """(H, W) excess pigment."""
    format: str
    """Of the file as it came: ``JPEG``, ``PNG`` … It tells whether pixels were lost before."""
    file_bytes: int
    """Its size."""


def dicom_files(
    statement: Statement, pixels: Callable[[PhotoStatement], Pixels | None]
) -> Iterator[tuple[str, Dataset]]:
    """File names and data sets: photographs, segmentations, and one structured report on all of them.

    Args:
        statement: A visit, or one photograph.
        pixels: Gives the pixels of a photograph when they are needed; None for one that cannot be decoded.

    Raises:
        ModuleNotFoundError: `MISSING` is not empty.
    """
    from melascope.report.dicom.measurements import measurements
    from melascope.report.dicom.photograph import photograph
    from melascope.report.dicom.segmentation import segmentation

    evidence: list[tuple[PhotoStatement, Dataset, Dataset | None]] = []
    for number, photo in enumerate(statement.photos, 1):
        shown = pixels(photo)
        if shown is None:
            continue
        picture = photograph(statement, photo, shown, number)
        segments = segmentation(statement, photo, shown, picture, number)
        stem = f"{number:02d}-{photo.view or 'photograph'}"
        yield f"{stem}.dcm", picture
        if segments is not None:
            yield f"{stem}-segmentation.dcm", segments
        evidence.append((photo, _header(picture), None if segments is None else _header(segments)))
    if evidence:
        yield "measurements.dcm", measurements(statement, evidence)


def write_dicom(statement: Statement, pixels: Callable[[PhotoStatement], Pixels | None]) -> Iterator[tuple[str, bytes]]:
    """As `dicom_files`, as the bytes of files (DICOM part 10)."""
    from io import BytesIO

    for name, dataset in dicom_files(statement, pixels):
        memory = BytesIO()
        dataset.save_as(memory, enforce_file_format=True)
        yield name, memory.getvalue()


def _header(dataset: Dataset) -> Dataset:
    """A data set without its pixels: many of them are kept until the report is made."""
    from copy import copy

    header = copy(dataset)
    if "PixelData" in header:
        del header.PixelData
    return header

"""Write what belongs to one analysed photograph into its folder.

Every file is written beside its place and then moved there, and `analysis.json` comes last: a folder that holds it is
whole. Nothing of the photograph's metadata can get into a file, since all are made from pixels and from the record.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from melascope.record import Analysis, Files
from melascope.report.fhir import Release, bundle
from melascope.report.html import jpeg, render
from melascope.report.maps import maps, relevance
from melascope.report.overlay import figure, with_strip
from melascope.report.page import arrays_of
from melascope.report.statement import PhotoStatement, Statement

__all__ = ["DICOM", "NAMES", "NO_EXPORTS", "PART", "RECORD", "Exports", "write"]

RECORD: Final = "analysis.json"
PART: Final = ".part"
"""Ending of a file that is being written; one that is left over may be deleted."""
_QUICK: Final = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB]
_FILES: Final = Files(
    overlay="overlay.png",
    maps="maps.png",
    relevance="relevance.png",
    report="report.html",
    report_pdf="report.pdf",
    region_mask="region_mask.png",
    lesion_mask="lesion_mask.png",
    fhir="fhir.json",
)
DICOM: Final = "dicom"
"""Folder of the DICOM files."""
NAMES: Final = frozenset(name for _, name in _FILES if isinstance(name, str))
"""Of all files beside the record."""


@dataclass(frozen=True)
class Exports:
    """What is written for other systems besides."""

    fhir: Release | None = None
    """Release of FHIR of `fhir.json`."""
    dicom: bool = False
    """Whether to fill the folder ``dicom``."""


NO_EXPORTS: Final = Exports()


def write(
    analysis: Analysis, folder: str | Path, *, pdf: bool = False, exports: Exports = NO_EXPORTS, original: bytes = b""
) -> Analysis:
    """Write record, pictures, masks and report of one photograph.

    Args:
        analysis: Any record. Without arrays (refused, or read from JSON) only `analysis.json`, `report.html` and, if
            asked for, `report.pdf` are written.
        folder: Made if it does not exist. Files of an earlier writing are replaced, or removed if
            they are not written this time.
        pdf: Also write `report.pdf`.
        exports: What to write for other systems.
        original: The photograph's file, for DICOM: what kind it is tells whether pixels were lost.

    Returns:
        The record with `files` filled in, as it stands in `analysis.json`.

    Raises:
        OSError: The folder cannot be written to.
        ModuleNotFoundError: `pdf` or DICOM was asked for and a package that it needs is not installed.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).unlink(missing_ok=True)
    names: dict[str, str | tuple[str, ...]] = {}

    def put(kind: str, data: bytes) -> None:
        name = str(getattr(_FILES, kind))
        _replace(folder / name, data)
        names[kind] = name

    arrays = arrays_of(analysis)
    overlay_jpeg = maps_jpeg = relevance_jpeg = None
    if arrays is not None:
        drawn, panels = figure(analysis), maps(analysis)
        put("overlay", _png(with_strip(drawn, analysis)))
        put("maps", _png(panels))
        put("region_mask", _png(arrays.region_codes))
        put("lesion_mask", _png(arrays.lesion_mask.astype(np.uint8) * np.uint8(255)))
        overlay_jpeg, maps_jpeg = jpeg(drawn), jpeg(panels)
        looked = relevance(analysis)
        if looked is not None:
            put("relevance", _png(looked))
            relevance_jpeg = jpeg(looked)
    put("report", render(analysis, overlay_jpeg, maps_jpeg, relevance_jpeg).encode("utf-8"))
    if pdf:
        from melascope.report.pdf import typeset

        put("report_pdf", typeset(analysis, overlay_jpeg, maps_jpeg, relevance_jpeg))
    statement = Statement.of(analysis, datetime.now(UTC))
    if exports.fhir is not None:
        put("fhir", (json.dumps(bundle(statement, exports.fhir), indent=1, ensure_ascii=False) + "\n").encode())
    for old in (folder / DICOM).glob("*.dcm"):
        old.unlink()
    with contextlib.suppress(OSError):  # there is none, or somebody keeps something in it
        (folder / DICOM).rmdir()
    if exports.dicom:
        names["dicom"] = _put_dicom(statement, folder, original)
    written = analysis.model_copy(update={"files": Files.model_validate(names)})
    for kind, name in _FILES:
        if kind not in names and kind != "dicom":
            (folder / str(name)).unlink(missing_ok=True)
    _replace(folder / RECORD, written.to_json().encode("utf-8"))
    return written


def _put_dicom(statement: Statement, folder: Path, original: bytes) -> tuple[str, ...]:
    """Fill the folder ``dicom``; nothing for a photograph that was not measured."""
    from melascope.photo.formats import format_of
    from melascope.report.dicom import Pixels, write_dicom

    kind = format_of(original)

    def pixels(photo: PhotoStatement) -> Pixels | None:
        arrays = arrays_of(photo.record)
        if arrays is None:
            return None
        named = "" if kind is None else kind.name
        return Pixels(arrays.pixels, arrays.region_codes, arrays.lesion_mask, named, len(original))

    names = []
    for name, data in write_dicom(statement, pixels):
        (folder / DICOM).mkdir(exist_ok=True)
        _replace(folder / DICOM / name, data)
        names.append(f"{DICOM}/{name}")
    return tuple(names)


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}{PART}")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode (H, W, 3) sRGB or (H, W), without metadata; quick rather than small."""
    stored = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    done, data = cv2.imencode(".png", stored, _QUICK)
    if not done:
        raise RuntimeError(f"a picture of {pixels.shape} could not be encoded as PNG")
    return bytes(data)

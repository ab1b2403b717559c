"""Write what belongs to one analysed photograph into its folder.

All files are written beside their places first, so that a disk that fills up costs no earlier result. Then they are
moved there, between the removal of the old `analysis.json` and the coming of the new one: a folder that holds it is
whole. Nothing of the photograph's metadata can get into a file, since all are made from pixels and from the record.
"""

from __future__ import annotations

import contextlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
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
from melascope.report.statement import PhotoStatement, Statement, identity

__all__ = ["DICOM", "NAMES", "NO_EXPORTS", "PART", "RECORD", "Exports", "sweep", "write"]

RECORD: Final = "analysis.json"
PART: Final = ".part"
"""Ending of a file that is being written; one that is left over may be deleted."""
_QUICK: Final = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
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
        folder: Made if it does not exist. Files of an earlier writing are replaced, or removed if they are not written
            this time; they stay as they were if the new ones cannot be written.
        pdf: Also write `report.pdf`.
        exports: What to write for other systems. Nothing where a photograph has no identity: other systems would take
            two of them for one.
        original: The photograph's file, for DICOM: what kind it is tells whether pixels were lost.

    Returns:
        The record with `files` filled in, as it stands in `analysis.json`.

    Raises:
        OSError: The folder cannot be written to.
        ModuleNotFoundError: `pdf` or DICOM was asked for and a package that it needs is not installed.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    try:
        written = _write_parts(analysis, folder, pdf, exports, original)
        _swap(folder, written.files)
    except BaseException:
        sweep(folder)
        raise
    return written


def sweep(folder: Path) -> None:
    """Remove what was never written to its end, as far as that can be done."""
    for part in (*folder.glob(f".*{PART}"), *(folder / DICOM).glob(f".*{PART}")):
        with contextlib.suppress(OSError):
            part.unlink()
    _remove_if_empty(folder / DICOM)


def _write_parts(analysis: Analysis, folder: Path, pdf: bool, exports: Exports, original: bytes) -> Analysis:
    """Write every file beside its place; returns the record with their names."""
    names: dict[str, str | tuple[str, ...]] = {}

    def put(kind: str, data: bytes) -> None:
        name = str(getattr(_FILES, kind))
        _part(folder / name).write_bytes(data)
        names[kind] = name

    pictures, jpegs = _pictures(analysis)
    for kind, data in pictures.items():
        put(kind, data)
    embedded = (jpegs.get("overlay"), jpegs.get("maps"), jpegs.get("relevance"))
    put("report", render(analysis, *embedded).encode("utf-8"))
    if pdf:
        from melascope.report.pdf import typeset

        put("report_pdf", typeset(analysis, *embedded))
    if exports != NO_EXPORTS and identity(analysis) is not None:
        statement = Statement.of(analysis, datetime.now(UTC))
        if exports.fhir is not None:
            put("fhir", (json.dumps(bundle(statement, exports.fhir), indent=1, ensure_ascii=False) + "\n").encode())
        if exports.dicom:
            names["dicom"] = _write_dicom_parts(statement, folder, original)
    written = analysis.model_copy(update={"files": Files.model_validate(names)})
    _part(folder / RECORD).write_bytes(written.to_json().encode("utf-8"))
    return written


def _pictures(analysis: Analysis) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Pictures and masks as PNG, and the pictures that a report holds as JPEG, by the names of `Files`.

    They are drawn and encoded in two threads.
    """
    arrays = arrays_of(analysis)
    if arrays is None:
        return {}, {}

    def overlay() -> tuple[bytes, bytes]:
        drawn = figure(analysis)
        return _png(with_strip(drawn, analysis)), jpeg(drawn)

    def others() -> list[tuple[bytes, bytes] | None]:
        return [
            drawn if drawn is None else (_png(drawn), jpeg(drawn)) for drawn in (maps(analysis), relevance(analysis))
        ]

    with ThreadPoolExecutor(1) as beside:
        rest = beside.submit(others)
        both = {"overlay": overlay()}
        pngs = {
            "region_mask": _png(arrays.region_codes),
            "lesion_mask": _png(arrays.lesion_mask.astype(np.uint8) * np.uint8(255)),
        }
        both |= {kind: files for kind, files in zip(("maps", "relevance"), rest.result(), strict=True) if files}
    return pngs | {k: png for k, (png, _) in both.items()}, {k: small for k, (_, small) in both.items()}


def _write_dicom_parts(statement: Statement, folder: Path, original: bytes) -> tuple[str, ...]:
    """What goes into the folder ``dicom``; nothing for a photograph that was not measured."""
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
        _part(folder / DICOM / name).write_bytes(data)
        names.append(f"{DICOM}/{name}")
    return tuple(names)


def _swap(folder: Path, files: Files) -> None:
    """Put the written files in the places of the old ones; without a record in between, for then it is neither."""
    (folder / RECORD).unlink(missing_ok=True)
    kept = {f"{DICOM}/{old.name}" for old in (folder / DICOM).glob("*.dcm")} | NAMES
    new = [*(name for _, name in files if isinstance(name, str)), *(files.dicom or ())]
    for old in kept.difference(new):
        (folder / old).unlink(missing_ok=True)
    for name in (*new, RECORD):
        os.replace(_part(folder / name), folder / name)
    _remove_if_empty(folder / DICOM)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}{PART}")


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # there is none, or somebody keeps something in it
        folder.rmdir()


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode (H, W, 3) sRGB or (H, W), without metadata; quick rather than small."""
    stored = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    done, data = cv2.imencode(".png", stored, _QUICK)
    if not done:
        raise RuntimeError(f"a picture of {pixels.shape} could not be encoded as PNG")
    return bytes(data)

"""One row a photograph: the table that goes beside the folders of a batch."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from melascope.data.cells import harmless
from melascope.record import Analysis, RegionScore
from melascope.vocabulary import MASI_REGIONS

__all__ = ["COLUMNS", "row", "write_summary"]

_PER_REGION: Final = ("involved_fraction", "involved_low", "involved_high", "area", "darkness", "homogeneity")
COLUMNS: Final = (
    "file",
    "folder",
    "verdict",
    "view",
    "findings",
    "ita_deg",
    "ita_low",
    "ita_high",
    "tone_band",
    "monk",
    "masi",
    "masi_low",
    "masi_high",
    "mmasi",
    "mmasi_low",
    "mmasi_high",
    "severity",
    "complete",
    "missing",
    "read_severity",
    "read_mild",
    "read_moderate",
    "read_severe",
    "read_masi",
    "read_masi_low",
    "read_masi_high",
    "read_disagrees",
    "lesions",
    *(f"{region.key}_{value}" for region in MASI_REGIONS for value in _PER_REGION),
    "sha256",
    "melascope",
    "skin_network",
    "regional_network",
    "naming_network",
    "severity_network",
)
"""Columns of ``summary.csv``; an empty cell means: not given. 200 ``lesions`` mean 200 or more. ``read_...``: by the
severity network. The last five: the file, and what measured it."""


def row(analysis: Analysis, folder: str) -> dict[str, str]:
    """A record as cells. Text that a spreadsheet would take for a formula gets an apostrophe in front."""
    tone, totals = analysis.skin_tone, analysis.masi
    cells: dict[str, object] = {
        "file": harmless(analysis.photo.file),
        "folder": harmless(folder),
        "verdict": analysis.quality.verdict.value,
        "view": analysis.view.value,
        "findings": harmless(" ".join(finding.code for finding in analysis.quality.findings)),
        "lesions": "" if analysis.regions is None else len(analysis.lesions),
        "sha256": analysis.photo.sha256,
        "melascope": analysis.versions.get("melascope"),
        "skin_network": analysis.versions.get("skin network"),
        "regional_network": analysis.versions.get("regional network"),
        "naming_network": analysis.versions.get("naming network"),
        "severity_network": analysis.versions.get("severity network"),
    }
    if tone is not None:
        cells |= {
            "ita_deg": tone.ita_deg,
            "ita_low": tone.ita_low,
            "ita_high": tone.ita_high,
            "tone_band": tone.band.value,
            "monk": tone.monk,
        }
    if totals is not None:
        cells |= {
            "masi": totals.masi,
            "masi_low": totals.masi_low,
            "masi_high": totals.masi_high,
            "mmasi": totals.mmasi,
            "mmasi_low": totals.mmasi_low,
            "mmasi_high": totals.mmasi_high,
            "severity": totals.severity.value if totals.severity else "",
            "complete": _yes_no(totals.complete),
            "missing": " ".join(totals.missing),
        }
    read = analysis.severity_reading
    if read is not None:
        names = ("mild", "moderate", "severe", "masi", "masi_low", "masi_high")
        cells |= {f"read_{name}": getattr(read, name) for name in names}
        cells |= {"read_severity": read.severity.value, "read_disagrees": _yes_no(read.disagrees)}
    if analysis.regions is not None:
        for region in MASI_REGIONS:
            score: RegionScore = getattr(analysis.regions, region.key)
            cells |= {f"{region.key}_{name}": getattr(score, name) for name in _PER_REGION}
    return {name: _cell(cells.get(name)) for name in COLUMNS}


def write_summary(rows: Iterable[dict[str, str]], path: Path) -> None:
    """Write rows as UTF-8 CSV, whole or not at all."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text.getvalue(), encoding="utf-8", newline="")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _yes_no(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)

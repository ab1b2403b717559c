"""The table that ends a run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from melascope.cli.outcome import plain_line
from melascope.report.words import one_decimal, span, title
from melascope.vocabulary import Verdict

if TYPE_CHECKING:
    from melascope.batch import Result
    from melascope.record import Analysis

__all__ = ["print_table"]

_ROWS: Final = 40
_WIDE: Final = 110
"""Columns of a terminal that shows the reports' paths."""
_WIDER: Final = 132
"""Columns of one that shows the second reading too."""
_STYLES: Final = {Verdict.USABLE: "green", Verdict.RESERVATIONS: "yellow", Verdict.REFUSED: "red"}


def print_table(results: Sequence[Result], summary: Path) -> None:
    """Print one row a photograph (the first 40), the count of verdicts, and where results lie."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console() if sys.stdout.isatty() else Console(width=200)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    whole = console.width >= _WIDE
    read = console.width >= _WIDER and any(result.analysis.severity_reading for result in results[:_ROWS])
    names = ["Photograph", "Verdict", "View", "Tone", "MASI (90 %)", "Severity", *(["MASI read"] if read else [])]
    for name in (*names, "Report" if whole else "Folder"):
        table.add_column(name, overflow="fold", no_wrap=name in names[2:])
    for result in results[:_ROWS]:
        analysis = result.analysis
        verdict = analysis.quality.verdict
        report = result.folder / analysis.files.report if analysis.files.report and whole else result.folder.name
        cells = [
            Text(plain_line(analysis.photo.file)),
            Text(_verdict(analysis), style=_STYLES[verdict]),
            Text(analysis.view.value),
            Text(analysis.skin_tone.band.value if analysis.skin_tone else "-"),
            Text(_masi(analysis)),
            Text(analysis.masi.severity.value if analysis.masi and analysis.masi.severity else "-"),
        ]
        if read:
            cells.append(Text(_read(analysis)))
        table.add_row(*cells, Text(plain_line(os.fspath(report))))
    if results:
        console.print(table)
    if len(results) > _ROWS:
        console.print(Text(f"... and {len(results) - _ROWS} more in the table."))
    counts = [(verdict, sum(r.analysis.quality.verdict is verdict for r in results)) for verdict in Verdict]
    parts = ", ".join(f"{count} {verdict.value}" for verdict, count in counts if count) or "none done"
    console.print(
        Text(f"{len(results)} photograph{'' if len(results) == 1 else 's'}: {parts}. Table: {plain_line(str(summary))}")
    )
    if results:
        if not whole:
            console.print(Text(f"Reports: {plain_line(str(summary.parent))}/FOLDER/report.html"))
        console.print(Text(results[0].analysis.disclaimer))


def _verdict(analysis: Analysis) -> str:
    if analysis.quality.verdict is not Verdict.REFUSED:
        return analysis.quality.verdict.value
    reasons = [title(f.code).lower() for f in analysis.quality.findings if f.effect == "refused"]
    return f"refused: {', '.join(reasons)}" if reasons else "refused"


def _masi(analysis: Analysis) -> str:
    totals = analysis.masi
    if totals is None or totals.masi is None:
        return "-"
    return f"{one_decimal(totals.masi)} ({span(totals.masi_low, totals.masi_high)})"


def _read(analysis: Analysis) -> str:
    """What the severity network reads, beside what was measured."""
    reading = analysis.severity_reading
    if reading is None:
        return "-"
    return f"{one_decimal(reading.masi)} ({span(reading.masi_low, reading.masi_high)})"

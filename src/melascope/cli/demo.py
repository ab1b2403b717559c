"""``melascope demo``: virtual patients that come with the package, measured beside what is true of them."""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melascope.cli.outcome import usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from melascope.batch import Result

__all__ = ["command", "samples"]


def command(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for samples and results.")] = Path("melascope-demo"),
) -> None:
    """Analyse the built-in samples: photographs of people who do not exist, whose truth is known.

    Prints what was measured beside what is true of the picture.
    """
    from melascope.cli.analyze import run_batch

    folder = out / "photos"
    truth = json.loads(samples().joinpath("truth.json").read_text(encoding="utf-8"))
    photos = [folder / name for name in truth]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for photo in photos:
            photo.write_bytes(samples().joinpath(photo.name).read_bytes())
    except OSError as error:
        usage(f"--out {out}: cannot be written to ({error.strerror}); free the disk or name another one")
    results = run_batch(photos, out, jobs=1, analyse=context.obj)
    _print_truth(results, truth)
    typer.echo(f"Open {results[0].folder / 'report.html'} in a browser.")


def samples() -> Traversable:
    """The folder of the samples: JPEGs, and ``truth.json`` by their names."""
    return files("melascope.cli").joinpath("samples")


def _print_truth(results: Sequence[Result], truth: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console() if sys.stdout.isatty() else Console(width=120)
    title = "measured / true of the picture; read: the MASI by the severity network"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for name in ("Sample", "What it is", "ITA", "MASI", "read", "Forehead", "Right malar", "Left malar", "Chin"):
        table.add_column(name, overflow="fold")
    for result in results:
        true, analysis = truth[result.photo.name], result.analysis
        cells = [result.photo.stem, true["what"]]
        tone = analysis.skin_tone
        cells.append(f"{tone.ita_deg:.0f}° / {true['ita_deg']:.0f}°" if tone else f"- / {true['ita_deg']:.0f}°")
        total = analysis.masi.masi if analysis.masi else None
        cells.append(_pair(total, true["masi"], "{:.1f}"))
        reading = analysis.severity_reading
        cells.append("-" if reading is None else f"{reading.masi:.1f}")
        for region in ("forehead", "right_malar", "left_malar", "chin"):
            measured = getattr(analysis.regions, region) if analysis.regions else None
            share = measured.involved_fraction if measured and measured.visible else None
            cells.append(_pair(share, true["shares"].get(region), "{:.0%}"))
        table.add_row(*cells)
    console.print(table)


def _pair(measured: float | None, true: float | None, form: str) -> str:
    return " / ".join("-" if value is None else form.format(value) for value in (measured, true))

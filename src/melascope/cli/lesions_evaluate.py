"""``melascope lesions evaluate``: every figure of detectors from their saved predictions."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from melascope.cli.outcome import fail, plain, usage

if TYPE_CHECKING:
    from melascope.detection.evaluation import Benchmark

__all__ = ["command"]

_COLUMNS: Final = ("tone_band", "device", "view")


def command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Folder of a run, a predictions.json, or a folder of runs; several are compared.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for detectors.html, CSV files and figures.", show_default="evaluation/ beside it"),
    ] = None,
    part: Annotated[
        str, typer.Option(metavar="test|validation|train|all", help="Photos of this part of the split.")
    ] = "test",
    only: Annotated[
        list[str] | None,
        typer.Option(help="Photos with this value alone, as device=dslr or view=frontal; may be repeated."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="One for all kinds.", show_default="highest F1 on the validation photos"),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Data set of the photos, for examples on the page; virtual patients only.", show_default=False
        ),
    ] = None,
    resamples: Annotated[
        int, typer.Option(min=100, max=100_000, help="Draws of patients behind each interval.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 7,
) -> None:
    """Compute the paper's tables and more from predictions.json, and write them as a page.

    By kind: precision, sensitivity, specificity, area under the ROC curve of photos; precision, sensitivity and
    average precision of boxes. All together: photos wholly right, mAP@50 and @50-95 as pycocotools gives them, FROC,
    confusion matrices; by lesion size, skin tone, device and view. 95 % intervals by drawing patients.

    Exit code: 0 done, 1 the predictions are wrong (every fault is told, with its photo), 2 wrong usage.
    """
    from melascope.detection.evaluation import evaluate
    from melascope.detection.examples import made_of_virtual_patients
    from melascope.detection.page import write_page
    from melascope.detection.results import read_results

    wanted = _only(only or [])
    if part not in {"test", "validation", "train", "all"}:
        usage(f"--part {part}: must be test, validation, train or all")
    if out is None and len(paths) > 1:
        usage("several runs: name a folder for their page with --out")
    target = out or (paths[0] if paths[0].is_dir() else paths[0].parent) / "evaluation"
    if target.exists() and not target.is_dir():
        usage(f"--out {target}: is a file; name a folder")
    if photos is not None and not made_of_virtual_patients(photos):
        usage(f"--photos {photos}: is no data set of virtual patients; examples are not shown of people: leave it out")
    try:
        runs = [run for path in paths for run in read_results(path)]
        benchmark = evaluate(runs, part, wanted, threshold, resamples, seed)
        page = write_page(benchmark, target, shlex.join(["melascope", *sys.argv[1:]]), photos)
    except ValueError as error:
        fail(plain(str(error)))
    except OSError as error:
        fail(f"{error.filename or target}: {error.strerror or error}; free the disk or name another folder")
    _print(benchmark)
    typer.echo(f"Page: {plain(str(page))}")


def _only(words: list[str]) -> dict[str, str]:
    found = {}
    for word in words:
        name, sign, value = (piece.strip() for piece in word.partition("="))
        if not sign or name not in _COLUMNS or not value:
            usage(f"--only {plain(word)}: must be COLUMN=VALUE, where COLUMN is one of {', '.join(_COLUMNS)}")
        found[name] = value
    return found


def _print(benchmark: Benchmark) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from melascope.detection.tables import glance
    from melascope.detection.words import data_sentence, sentences
    from melascope.severity.sheets import shown
    from melascope.vocabulary import DISCLAIMER

    console = Console(soft_wrap=True) if sys.stdout.isatty() else Console(width=170, soft_wrap=True)
    sheet = glance(benchmark)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(sheet.columns):
        table.add_column(column.label, justify="right" if place else "left", overflow="fold")
    for row in shown(sheet):
        table.add_row(*(Text(plain(f"{cell.text} ({cell.small})" if cell.small else cell.text)) for cell in row))
    console.print(Text(data_sentence(benchmark)))
    console.print(table)
    for sentence in sentences(benchmark):
        console.print(Text(plain(sentence)))
    console.print(Text(DISCLAIMER))

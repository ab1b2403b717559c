"""``melascope severity evaluate``: every figure of networks from their saved predictions."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from melascope.cli.outcome import fail, plain, usage

if TYPE_CHECKING:
    from melascope.severity.evaluation import Benchmark
    from melascope.severity.results import RunResult

__all__ = ["command"]

_COLUMNS: Final = ("tone_band", "device", "view")


def command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Folder of a run, a predictions.csv, or a folder of runs; several are compared.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for benchmark.html, CSV files and figures.", show_default="evaluation/ beside it"),
    ] = None,
    part: Annotated[
        str, typer.Option(metavar="test|validation|train|all", help="Photos of this part of the split.")
    ] = "test",
    only: Annotated[
        list[str] | None,
        typer.Option(help="Photos with this value alone, as device=dslr or view=frontal; may be repeated."),
    ] = None,
    ratings: Annotated[
        Path | None,
        typer.Option(
            help="Ratings (table or data set), whose single raters and groups of patients replace the predictions'.",
            show_default=False,
        ),
    ] = None,
    resamples: Annotated[
        int, typer.Option(min=100, max=100_000, help="Draws of patients (or groups) behind each interval.")
    ] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 7,
    markdown: Annotated[
        Path | None, typer.Option(help="Also write the tables as Markdown to this file.", show_default=False)
    ] = None,
) -> None:
    """Compute every number and figure of the benchmark's page again, from saved predictions alone.

    Accuracy, precision, recall, F1, AUC, kappa and calibration with 95 % intervals by drawing patients, or groups of
    patients who are not independent; ROC curves, confusion matrices, reliability; every network against the best
    (McNemar, DeLong); what a perfect reader and one rater would score; accuracy by skin tone, device and view.

    Exit code: 0 done, 1 the predictions are wrong (every fault is told, with its line), 2 wrong usage.
    """
    from melascope.severity.evaluation import chosen, evaluate
    from melascope.severity.page import write_page
    from melascope.severity.predictions import PredictionsError
    from melascope.severity.ratings import RatingsError
    from melascope.severity.results import read_results

    wanted = _only(only or [])
    if part not in {"test", "validation", "train", "all"}:
        usage(f"--part {part}: must be test, validation, train or all")
    target = out or _beside(paths)
    if target.exists() and not target.is_dir():
        usage(f"--out {target}: is a file; name a folder")
    try:
        runs = [run for path in paths for run in read_results(path)]
        if ratings is not None:
            runs = _with_raters(runs, ratings)
        benchmark = evaluate(chosen(runs, part, wanted), resamples, seed)
        page = write_page(benchmark, target, _typed())
        if markdown is not None:
            from melascope.severity.markdown import write_markdown

            write_markdown(benchmark, markdown, _typed())
    except (PredictionsError, RatingsError) as error:
        typer.echo(f"Error: {plain(str(error))}", err=True)
        raise typer.Exit(1) from None
    except ValueError as error:
        fail(plain(str(error)))
    except OSError as error:
        fail(f"{error.filename or target}: {error.strerror or error}; free the disk or name another folder")
    _print(benchmark)
    typer.echo(f"Page: {plain(str(page))}")


def _with_raters(runs: list[RunResult], ratings: Path) -> list[RunResult]:
    from dataclasses import replace

    from melascope.severity.ceiling import with_raters
    from melascope.severity.ratings import read_ratings

    table = read_ratings(ratings)
    return [replace(run, predictions=with_raters(run.predictions, table)) for run in runs]


def _only(words: list[str]) -> dict[str, str]:
    found = {}
    for word in words:
        name, sign, value = (piece.strip() for piece in word.partition("="))
        if not sign or name not in _COLUMNS or not value:
            usage(f"--only {plain(word)}: must be COLUMN=VALUE, where COLUMN is one of {', '.join(_COLUMNS)}")
        found[name] = value
    return found


def _beside(paths: list[Path]) -> Path:
    if len(paths) > 1:
        usage("several runs: name a folder for their page with --out")
    return (paths[0] if paths[0].is_dir() else paths[0].parent) / "evaluation"


def _typed() -> str:
    """The command as it was given."""
    return shlex.join(["melascope", *sys.argv[1:]])


def _print(benchmark: Benchmark) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from melascope.severity.benchmark_sheets import glance
    from melascope.severity.findings import data_sentence, sentences
    from melascope.severity.sheets import shown
    from melascope.vocabulary import DISCLAIMER

    console = Console(soft_wrap=True) if sys.stdout.isatty() else Console(width=160, soft_wrap=True)
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

"""``melascope severity``: raters' scores of melasma, and networks that learn them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from melascope.cli import severity_evaluate, severity_explain, severity_ship, severity_train
from melascope.cli.outcome import fail, plain, usage

if TYPE_CHECKING:
    from melascope.severity.agreement import Report

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Melasma severity: how far raters agree, and networks that learn severity.",
)
_SHOWN: Final = 10
"""Photos to read again that are printed; --out writes all."""


@app.command("agreement")
def agreement_command(
    ratings: Annotated[
        Path,
        typer.Argument(
            metavar="RATINGS",
            help="Table of ratings (.csv, .xlsx, .parquet), or a data set's folder, such as a cohort.",
            show_default=False,
        ),
    ],
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which every photo of the table must lie. A data set knows its own.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for agreement.html, agreement.csv and reread.csv.", show_default=False),
    ] = None,
    incomplete: Annotated[
        str, typer.Option(metavar="refuse|drop", help="Photos that not all raters scored: refuse, or leave them out.")
    ] = "refuse",
    apart: Annotated[
        float, typer.Option(min=0.1, max=48, help="MASI points between raters from which a photo is to be read again.")
    ] = 8.0,
) -> None:
    """Say how far raters agree on the MASI, and what they should read again.

    ICC(2,1) and ICC(2,k), Bland-Altman limits and weighted kappa of each pair, drift of each rater, agreement by region
    where areas, darkness and homogeneity are given. One row a photo and rater, or one a photo with columns rater1_masi,
    rater2_masi; docs/ratings.md names all columns.

    Exit code: 0 done, 1 the ratings are wrong (every fault is told, with its row), 2 wrong usage.
    """
    from melascope.severity.agreement import agreement
    from melascope.severity.ratings import RatingsError, read_ratings

    if incomplete not in {"refuse", "drop"}:
        usage(f"--incomplete {incomplete}: must be refuse or drop")
    if out is not None and out.exists() and not out.is_dir():
        usage(f"--out {out}: is a file; name a folder")
    try:
        table = read_ratings(ratings, photos, "drop" if incomplete == "drop" else "refuse")
        report = agreement(table, apart)
    except RatingsError as error:
        typer.echo(f"Error: {plain(str(error))}", err=True)
        raise typer.Exit(1) from None
    except ValueError as error:
        fail(plain(str(error)))
    except OSError as error:
        fail(f"{error.filename or ratings}: cannot be read ({error.strerror or error}); see its permissions")
    _print_agreement(report)
    if out is None:
        return
    from melascope.severity.agreement_page import write

    try:
        paths = write(report, ratings.resolve().name, out)
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror or error}; free the disk or name another folder")
    typer.echo("Written: " + ", ".join(plain(str(path)) for path in paths))


app.command("evaluate")(severity_evaluate.command)
app.command("train")(severity_train.train_command)
app.command("benchmark")(severity_train.benchmark_command)
app.command("explain")(severity_explain.command)
app.command("ship")(severity_ship.command)


def _print_agreement(report: Report) -> None:
    import sys

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from melascope.severity.agreement_page import between, grade, number, signed
    from melascope.vocabulary import DISCLAIMER, Severity

    console = Console(soft_wrap=True) if sys.stdout.isatty() else Console(width=160, soft_wrap=True)

    def print_table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for place, name in enumerate(columns):
            table.add_column(name, justify="right" if place else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(plain(value)) for value in row))
        console.print(table)

    read, single, mean = report.readings, report.single, report.mean
    stands = sum(map(len, read.photos))
    photos = "" if stands == len(read.subjects) else f" ({stands} photos)"
    console.print(
        Text(
            f"{len(read.subjects)} readings of {read.people} patients{photos} by {len(read.raters)} raters. "
            "Intervals: 95 %."
        )
    )
    if single is None or mean is None:
        console.print(Text("The readings do not differ: no correlation can be told."))
    else:
        words = grade(single.low, single.high)
        console.print(
            Text(f"ICC(2,1)  {number(single.value)} ({between(single.low, single.high)}), {words}: one rater")
        )
        console.print(
            Text(f"ICC(2,{len(read.raters)})  {number(mean.value)} ({between(mean.low, mean.high)}): their mean")
        )
    if report.icc_affected is not None and report.affected is not None:
        found, seen = report.affected, report.icc_affected.subjects
        span = between(found.low, found.high)
        console.print(
            Text(f"ICC(2,1)  {number(found.value)} ({span}): the {seen} readings in which a rater saw melasma")
        )
    bands = [f"{band.value}" for band in Severity]
    print_table(
        ("Rater", "Mean MASI", "SD", *bands, "Bias to the others", "Drift per 100 readings"),
        [
            (
                rater.name,
                number(rater.mean, 1),
                number(rater.deviation, 1),
                *(str(count) for count in rater.bands),
                f"{signed(rater.bias.value)} ({between(rater.bias.low, rater.bias.high, 1)})",
                next(
                    (
                        f"{signed(one.slope.value)} ({between(one.slope.low, one.slope.high, 1)})"
                        for one in report.drifts
                        if one.rater == rater.name
                    ),
                    "n/a",
                ),
            )
            for rater in report.raters
        ],
    )
    print_table(
        ("Pair", "Bias", "Limits of agreement", "Kappa, linear", "Kappa, quadratic", "Same band"),
        [
            (
                f"{pair.first} - {pair.second}",
                f"{signed(pair.bias.value)} ({between(pair.bias.low, pair.bias.high, 1)})",
                between(pair.lower.value, pair.upper.value, 1),
                *(f"{number(k.value)} ({between(k.low, k.high)})" for k in (pair.kappa_linear, pair.kappa_quadratic)),
                f"{number(100 * pair.same_band.value, 1)} %",
            )
            for pair in report.pairs
        ],
    )
    again = report.reread
    console.print(
        Text(
            f"To read again: {len(again)} of {len(read.subjects)} (bands differ, or {report.reread_range:g} points or "
            f"more apart){', the farthest apart:' if again else '.'}"
        )
    )
    if again:
        print_table(
            ("Photo or visit", *read.raters, "Apart"),
            [
                (one.subject, *(number(score, 1) for score in one.scores), number(one.apart, 1))
                for one in again[:_SHOWN]
            ],
        )
        if len(again) > _SHOWN:
            console.print(Text(f"... and {len(again) - _SHOWN} more: --out DIR writes them all."))
    for note in report.notes:
        console.print(Text(f"Note: {plain(note)}."))
    console.print(Text(DISCLAIMER))

"""``melascope dataset``: what lies in a data set's folder, and what is wrong with it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from melascope.cli import dataset_convert
from melascope.cli.outcome import READ, explained, plain_line, print_json, usage

if TYPE_CHECKING:
    from melascope.data.check import Checked

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Data sets: photographs with a manifest and truths; made from annotations, checked, dealt out, summed up.",
)

_INTERRUPTED: Final = 130
_SHOWN: Final = 10
"""Findings of one code that are printed; --json prints all."""

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder of a data set: it holds manifest.csv.", show_default=False)
]


@app.command("check")
def check_command(
    folder: Folder,
    as_json: Annotated[bool, typer.Option("--json", help="Print all findings as JSON on standard output.")] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Processes. Default: one a core.", show_default=False)
    ] = None,
) -> None:
    """Look for everything that would make a reader fail or a result wrong, and say what to do.

    Missing or damaged photos and masks, sizes and codes that do not fit, boxes outside the picture or unlike their
    masks, a person in two splits, pictures that come twice, scores that do not follow from their parts.

    Exit code: 0 no error (there may be warnings), 1 at least one error, 2 wrong usage.
    """
    from concurrent.futures.process import BrokenProcessPool

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from melascope.cores import cores
    from melascope.data.check import check

    _need(folder)
    bar = Progress(
        TextColumn("Checking"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    try:
        with bar:
            task = bar.add_task("", total=None)
            checked = check(
                folder, jobs=jobs or cores(), progress=lambda done, of: bar.update(task, completed=done, total=of)
            )
    except KeyboardInterrupt:
        typer.echo("Interrupted: nothing was found out.", err=True)
        raise typer.Exit(_INTERRUPTED) from None
    except BrokenProcessPool:
        typer.echo("Error: a process was killed, perhaps for want of memory: use --jobs 1.", err=True)
        raise typer.Exit(2) from None
    except OSError as error:
        usage(f"{error.filename or folder}: cannot be read ({error.strerror or error}); see its permissions")
    if as_json:
        _print_json(folder, checked)
    else:
        _print_findings(folder, checked)
    raise typer.Exit(1 if checked.errors else 0)


app.command("convert")(dataset_convert.convert_command)
app.command("split")(dataset_convert.split_command)
app.command("stats")(dataset_convert.stats_command)


@app.command("summary")
def summary_command(folder: Folder) -> None:
    """Print how many photos and patients of each split, tone, kind, severity, view and device there are.

    Exit code: 0 printed, 1 the manifest is wrong (`melascope dataset check` says where), 2 wrong usage.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from melascope.data.dataset import DataSet
    from melascope.data.manifest import ManifestError
    from melascope.data.summary import counts

    _need(folder)
    try:
        with explained(folder, READ):
            data = DataSet.open(folder)
            about = data.about
    except (ManifestError, ValueError) as error:
        typer.echo(f"Error: {plain_line(str(error))}.", err=True)
        raise typer.Exit(1) from None
    rows = data.manifest.rows
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "", "Photos", "Patients"):
        table.add_column(name, justify="right" if name else "left", overflow="fold")
    last = ""
    for count in counts(rows):
        if count.what != last and last:
            table.add_section()
        first = "" if count.what == last else count.what
        table.add_row(Text(first), Text(plain_line(count.value)), str(count.photos), str(count.patients))
        last = count.what
    patients = len({row.patient for row in rows})
    visits = len({(row.patient, row.visit) for row in rows})
    named = "" if about is None else f"{about.name}{f' {about.version}' if about.version else ''}: "
    console = Console() if sys.stdout.isatty() else Console(width=120)
    console.print(Text(plain_line(f"{named}{len(rows)} photos of {patients} patients in {visits} visits")))
    console.print(table)


def _print_json(folder: Path, checked: Checked) -> None:
    from dataclasses import asdict

    content = {
        "schema_version": "1.0",
        "folder": folder.name,
        "photos": checked.photos,
        "errors": checked.errors,
        "warnings": checked.warnings,
        "findings": [asdict(finding) for finding in checked.findings],
    }
    print_json(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _print_findings(folder: Path, checked: Checked) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True)
    seen: Counter[tuple[str, str]] = Counter()
    for finding in checked.findings:
        key = (finding.severity, finding.code)
        seen[key] += 1
        if seen[key] > _SHOWN:
            continue
        style = "red" if finding.severity == "error" else "yellow"
        console.print(
            Text(finding.severity, style=style), Text(plain_line(f"{finding.where}: {finding.what}.")), end=""
        )
        console.print(Text(f" {plain_line(finding.advice)}. [{finding.code}]", style="dim"))
    for (_, code), count in seen.items():
        if count > _SHOWN:
            console.print(Text(f"... and {count - _SHOWN} more of {code}; --json prints all."))
    number = f"{checked.photos} photo{'' if checked.photos == 1 else 's'}"
    verdict = f"{_count(checked.errors, 'error')}, {_count(checked.warnings, 'warning')}"
    console.print(Text(f"{plain_line(str(folder))}: {number}: {verdict}."))


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def _need(folder: Path) -> None:
    if not folder.is_dir():
        usage(f"{plain_line(str(folder))}: is no folder; name the folder of a data set")
    if not (folder / "manifest.csv").is_file():
        usage(f"{plain_line(str(folder))}: holds no manifest.csv; docs/dataset.md shows the layout")

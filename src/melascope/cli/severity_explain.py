"""``melascope severity explain``: what trained networks looked at, and whether it can be believed."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from melascope.cli.outcome import fail, need_laboratory, plain, usage

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["command"]

_INTERRUPTED: Final = 130


def command(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", help="Folder of a run, or a folder of runs; several are compared.", show_default=False
        ),
    ],
    data: Annotated[
        list[Path],
        typer.Option(
            help="What the runs were trained on: a data set's folder, or a table of ratings. Repeat it for several.",
            show_default=False,
        ),
    ],
    photos_folder: Annotated[
        Path | None, typer.Option("--photos-folder", help="Folder of the photos of a table.", show_default=False)
    ] = None,
    photos: Annotated[int, typer.Option(min=1, help="How many, in turn of every class.")] = 24,
    part: Annotated[str, typer.Option(metavar="test|validation|train", help="Of the split.")] = "test",
    methods: Annotated[
        str, typer.Option(help="Names with commas between; ? lists them.", show_default="six of them")
    ] = "",
    sanity: Annotated[
        int, typer.Option(min=0, help="Photos that are also explained by networks with shuffled weights.")
    ] = 6,
    seed: Annotated[int, typer.Option(min=0, help="Of the shuffling.")] = 7,
    out: Annotated[
        Path | None, typer.Option(help="Folder for explain.html, CSV files and heat maps.", show_default="RUN/explain")
    ] = None,
) -> None:
    """Show what a network looked at: layer-wise relevance propagation by named rules, and what it is compared with.

    Heat maps beside the photos; mean relevance by network and class (Table 2, Figures 4 and 5 of Zhang 2025); and what
    can be measured: the share of relevance in the true melasma, in each region and outside the face (where the data set
    has masks), pixel flipping, agreement between methods, the change when weights are shuffled. What was stopped goes
    on when the same command is given again.

    Exit code: 0 done, 1 it cannot be done, 2 wrong usage, 130 interrupted.
    """
    need_laboratory("torch", "torchvision", "scipy", "safetensors")
    from melascope.data import ManifestError
    from melascope.data.pixels import PixelsError
    from melascope.lab.lrp import LrpError
    from melascope.lab.severity.explain import explain_run
    from melascope.lab.severity.explain_methods import METHODS, chosen_methods
    from melascope.lab.severity.explain_page import write_explanation
    from melascope.lab.severity.explain_plan import PlanError, planned
    from melascope.lab.severity.run import RunError
    from melascope.lab.severity.sources import SourceError
    from melascope.photo import PhotoRefused
    from melascope.severity.predictions import PredictionsError
    from melascope.severity.ratings import RatingsError

    if methods.strip() == "?":
        for name, words in METHODS.items():
            typer.echo(f"{name}: {words}")
        return
    if part not in {"test", "validation", "train"}:
        usage(f"--part {part}: must be test, validation or train")
    try:
        names = chosen_methods([word.strip() for word in methods.split(",") if word.strip()])
    except ValueError as error:
        usage(f"--methods {error}")
    target = out or (runs[0] / "explain")
    if target.exists() and not target.is_dir():
        usage(f"--out {target}: is a file; name a folder")
    try:
        opened, plan, about = planned(runs, data, photos_folder, photos, part, names, sanity, seed, target)
        rows = []
        with _bar() as bar:
            task = bar.add_task("", total=len(plan.photos) * len(opened))
            for load in opened:
                rows += explain_run(load(), plan, lambda: bar.advance(task))
        page = write_explanation(rows, target, _typed(), data=about.words, part=part, virtual=about.virtual)
    except (
        LrpError,
        ManifestError,
        PhotoRefused,
        PixelsError,
        PlanError,
        PredictionsError,
        RatingsError,
        RunError,
        SourceError,
    ) as error:
        fail(plain(str(error)))
    except OSError as error:
        fail(f"{error.filename or target}: {error.strerror or error}; free the disk or name another folder, then go on")
    except KeyboardInterrupt:
        typer.echo("Interrupted: explained photos are kept; the same command goes on.", err=True)
        raise typer.Exit(_INTERRUPTED) from None
    typer.echo(f"Page: {plain(str(page))}")


def _bar() -> Progress:
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.TextColumn("Explaining"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )


def _typed() -> str:
    """What was typed, without the folder of the programme."""
    return shlex.join(["melascope", *sys.argv[1:]])

"""``melascope lesions readers``: people and a network on the same photos."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melascope.cli.outcome import fail, plain, usage

if TYPE_CHECKING:
    from melascope.detection.results import RunResult

__all__ = ["command"]


def command(
    reads: Annotated[
        Path,
        typer.Argument(
            metavar="READS",
            help="Table of what was read: reader, photo, kinds (as fre;mel or none), or a column of each kind.",
            show_default=False,
        ),
    ],
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of a run, or a predictions.json.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for readers.html and CSV files.", show_default="readers/ beside READS")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Of the network, for all kinds.", show_default="highest F1 on validation"),
    ] = None,
    mode: Annotated[
        str | None, typer.Option(help="The mode that is set against the network.", show_default="the table's first")
    ] = None,
    simulate: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=50,
            help="Write READS first, of so many readers who do not exist, with stated error rates.",
            show_default=False,
        ),
    ] = None,
    resamples: Annotated[
        int, typer.Option(min=100, max=100_000, help="Draws of patients behind each interval.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws, and of simulated readers.")] = 7,
) -> None:
    """Compare readers with a network: the paper's table with its DOCTOR columns, and whether differences are real.

    Each reader and the network (McNemar, Cochran's Q), the readers' mean against the network with readers and patients
    drawn at random (Obuchowski and Rockette, Hillis), modes of reading against each other, agreement between readers.

    READS: CSV or .xlsx, one row a reader and photo, photos named as in the predictions. A column of a kind (sl, fre,
    mel, caf, ota, hori) holds 0 or 1, or 0 to 100: how sure the reader is. A column mode tells unaided from aided.

    Exit code: 0 done, 1 the table or the predictions are wrong (every fault is told), 2 wrong usage.
    """
    from melascope.detection.reader_page import sentences, write_page
    from melascope.detection.reader_study import study
    from melascope.detection.reads import read_reads
    from melascope.detection.results import read_result
    from melascope.vocabulary import DISCLAIMER

    target = out or reads.parent / "readers"
    if target.exists() and not target.is_dir():
        usage(f"--out {target}: is a file; name a folder")
    if simulate is not None and reads.exists():
        usage(f"{reads}: is there already; name a new file for simulated readers")
    try:
        result = read_result(run)
        if simulate is not None:
            _simulate(reads, result, simulate, seed)
        found = study(read_reads(reads, result.predictions.classes), result, threshold, resamples, seed, mode)
        page = write_page(found, target, shlex.join(["melascope", *sys.argv[1:]]))
    except ValueError as error:
        fail(plain(str(error)))
    except OSError as error:
        fail(f"{error.filename or target}: {error.strerror or error}; free the disk or name another folder")
    for sentence in sentences(found):
        typer.echo(plain(sentence))
    if found.simulated:
        typer.echo("Simulated readers: they do not exist, and their figures say nothing of people.")
    typer.echo(DISCLAIMER)
    typer.echo(f"Page: {plain(str(page))}")


def _simulate(reads: Path, result: RunResult, count: int, seed: int) -> None:
    from melascope.detection.simulated_readers import ratings_of, sample_readers, write_reads

    tested = result.predictions.part("test")
    if not tested.photos:
        raise ValueError(f"{result.name}: has no photo of the test part that could be read")
    readers = sample_readers(count, seed)
    ratings = ratings_of(tested.shown(), readers, seed)
    write_reads(reads, [photo.photo for photo in tested.photos], tested.classes, readers, ratings)

"""``melascope analyze``: photographs in, folders with results and a table out."""

from __future__ import annotations

import contextlib
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from melascope.cli.outcome import plain_line, print_json, usage

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from melascope.archive import Analyse
    from melascope.batch import Result
    from melascope.report.write import Exports

__all__ = ["command", "run_batch"]

DEFAULT_OUT: Final = Path("melascope-out")
_INTERRUPTED: Final = 130


class Engine(StrEnum):
    """What shares the work out."""

    LOCAL = "local"
    RAY = "ray"


def command(
    context: typer.Context,
    photos: Annotated[
        list[str],
        typer.Argument(
            metavar="PHOTO",
            help="Files, folders (searched to the bottom, but not through links) or patterns such as 'visit1/*.jpg'.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help=f"Folder for the results. Default: {DEFAULT_OUT} (with --json: nothing is written).",
            show_default=False,
        ),
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also write report.pdf.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the record of the one photograph on standard output.")
    ] = False,
    fhir: Annotated[
        str | None, typer.Option(metavar="r4|r5", help="Also write fhir.json, a FHIR Bundle.", show_default=False)
    ] = None,
    dicom: Annotated[bool, typer.Option("--dicom", help="Also write the folder dicom.")] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Processes. Default: one a core.", show_default=False)
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Skip photographs whose record is there, of the same bytes and version."),
    ] = False,
    engine: Annotated[
        Engine, typer.Option(help="local: this machine; ray: a Ray cluster, for archives too large for one machine.")
    ] = Engine.LOCAL,
    ray_address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Cluster that runs: host:6379, ray://host:10001 or auto. Default: one is started on this machine.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Analyse photographs of faces: quality, skin tone, pigment, MASI.

    For each photograph, OUT/NAME holds analysis.json, report.html, overlay.png, maps.png and two masks (and
    relevance.png, if a severity network is installed); OUT/summary.csv has one row a photograph of this run. NAME is
    the file name without its ending; where two photographs share it, the second gets NAME-2. A second run replaces the
    results of the same photograph and never those of another one.

    Exit code: 0 all were analysed, 1 at least one was refused (also: does not exist, cannot be read, failed), 2 wrong
    usage.
    """
    from melascope import archive

    if as_json and out is None and (pdf or dicom or fhir is not None):
        usage("--json alone writes no files: name a folder for --pdf, --fhir or --dicom with --out, or leave them out")
    if pdf:
        _need_typst()
    exports = _exports(fhir, dicom)
    if as_json and resume:
        usage("--json prints the record of one photograph that is analysed here and now: leave --resume out")
    if as_json and engine is Engine.RAY:
        usage("--json prints the record of one photograph that is analysed here and now: leave --engine out")
    if ray_address is not None and engine is not Engine.RAY:
        usage(f"--ray-address {ray_address}: is of use with --engine ray alone; add that, or leave the address out")
    if engine is Engine.RAY:
        _need_ray()
    if out is not None and out.exists() and not out.is_dir():
        usage(f"--out {out}: is a file; name a folder")
    try:
        found = archive.find_photos(photos, out=out or DEFAULT_OUT)
    except LookupError as error:
        usage(str(error))
    if as_json:
        if len(found) != 1:
            usage(f"--json prints the record of one photograph, and {len(found)} were named: name one, or use --out")
        _print_json(found[0], out, pdf, context.obj, exports)
    _end(
        run_batch(
            found,
            out or DEFAULT_OUT,
            pdf=pdf,
            exports=exports,
            jobs=jobs,
            analyse=context.obj,
            resume=resume,
            engine=engine,
            ray_address=ray_address,
        )
    )


def run_batch(
    photos: Sequence[Path],
    out: Path,
    *,
    pdf: bool = False,
    exports: Exports | None = None,
    jobs: int | None = None,
    analyse: Analyse | None = None,
    resume: bool = False,
    engine: Engine = Engine.LOCAL,
    ray_address: str | None = None,
) -> list[Result]:
    """Analyse photographs with a progress bar, write ``summary.csv`` and print a table, and why any has no report.

    With `resume`, what an earlier run finished is read instead, whichever engine it had.

    Returns:
        Results in the order of `photos`.

    Raises:
        typer.Exit: 1 the table cannot be written, 2 the network, `out` or Ray is of no use, 130 interrupted; after a
            sentence on standard error.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from melascope import archive
    from melascope.cli.table import print_table
    from melascope.report.summary import row, write_summary

    _need_network(analyse)
    _need_folder(out)
    folders = archive.give_folders(photos, out, resume=resume)
    results: list[Result] = []
    if resume:
        results = _done_before(photos, folders, pdf, exports, analyse)
    known = {result.photo for result in results}
    left = [(photo, folder) for photo, folder in zip(photos, folders, strict=True) if photo not in known]
    progress = Progress(
        TextColumn("Analysing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=len(photos) == 1 or not sys.stderr.isatty(),
        transient=True,
    )
    interrupted = False
    work = _work(left, pdf, exports, jobs, analyse, engine, ray_address)
    try:
        with contextlib.closing(work), progress:
            bar = progress.add_task("", total=len(photos), completed=len(results))
            for result in work:
                results.append(result)
                progress.advance(bar)
    except KeyboardInterrupt:
        interrupted = True
    order = {path: index for index, path in enumerate(photos)}
    results.sort(key=lambda result: order[result.photo])
    summary = out / archive.SUMMARY
    try:
        write_summary((row(result.analysis, result.folder.name) for result in results), summary)
    except OSError as error:
        typer.echo(f"{summary} could not be written: {error.strerror}. Free the disk or name another --out.", err=True)
        raise typer.Exit(1) from None
    print_table(results, summary)
    for result in results:
        if result.analysis.files.report is None:
            advice = " ".join(finding.advice for finding in result.analysis.quality.findings)
            typer.echo(plain_line(f"{result.analysis.photo.file}: {advice}"), err=True)
    if interrupted:
        typer.echo(f"Interrupted: {len(results)} of {len(photos)} photographs are done and in {summary}.", err=True)
        raise typer.Exit(_INTERRUPTED)
    return results


def _work(
    left: Sequence[tuple[Path, Path]],
    pdf: bool,
    exports: Exports | None,
    jobs: int | None,
    analyse: Analyse | None,
    engine: Engine,
    address: str | None,
) -> Generator[Result, None, None]:
    from melascope import batch

    photos, folders = [photo for photo, _ in left], [folder for _, folder in left]
    if engine is Engine.LOCAL:
        yield from batch.analyze_all(photos, folders, pdf=pdf, exports=exports, jobs=jobs, analyse=analyse)
        return
    from melascope import cluster

    try:
        yield from cluster.analyze_on_cluster(
            photos, folders, pdf=pdf, exports=exports, jobs=jobs, analyse=analyse, address=address
        )
    except cluster.ClusterError as error:
        usage(str(error))


def _done_before(
    photos: Sequence[Path], folders: Sequence[Path], pdf: bool, exports: Exports | None, analyse: Analyse | None
) -> list[Result]:
    from melascope import archive, batch

    results = []
    for photo, folder in zip(photos, folders, strict=True):
        found = archive.done_before(photo, folder, pdf=pdf, exports=exports, analyse=analyse)
        if found is not None:
            results.append(batch.Result(photo, folder, found))
    typer.echo(f"{len(results)} of {len(photos)} photographs were done before.", err=True)
    return results


def _print_json(photo: Path, out: Path | None, pdf: bool, analyse: Analyse | None, exports: Exports | None) -> NoReturn:
    from melascope import archive, batch

    _need_network(analyse)
    if out is not None:
        _need_folder(out)
    try:
        folder = None if out is None else archive.give_folders([photo], out)[0]
        analysis = batch.analyze_one(photo, folder, pdf=pdf, exports=exports, analyse=analyse)
    except KeyboardInterrupt:
        typer.echo("Interrupted: nothing was printed.", err=True)
        raise typer.Exit(_INTERRUPTED) from None
    print_json(analysis.to_json())
    raise typer.Exit(0 if analysis.quality.usable else 1)


def _end(results: Sequence[Result]) -> NoReturn:
    raise typer.Exit(0 if all(result.analysis.quality.usable for result in results) else 1)


def _need_network(analyse: Analyse | None) -> None:
    """Ends with a sentence where the installation is damaged: no photograph is to blame. A stand-in needs none."""
    if analyse is not None:
        return
    from melascope import networks, scoring
    from melascope.lesions import naming

    try:
        scoring.check_pair()
        naming.check_pair()
        if networks.ships("severity"):
            networks.load("severity")
    except networks.NetworkError as error:
        usage(str(error))


def _need_folder(out: Path) -> None:
    """Ends with a sentence where no results can be written: that is told before the work, not after it."""
    from tempfile import TemporaryFile

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        usage(f"--out {out}: the folder cannot be made ({error.strerror}); name another one")
    try:
        with TemporaryFile(dir=out) as probe:
            probe.write(b"probe")
    except OSError as error:
        usage(f"--out {out}: cannot be written to ({error.strerror}); free the disk or name another one")


def _exports(fhir: str | None, dicom: bool) -> Exports | None:
    """What is to be written for other systems; ends with a sentence where that cannot be."""
    if fhir is None and not dicom:
        return None
    from melascope.report.fhir import RELEASES
    from melascope.report.write import Exports

    release = next((each for each in RELEASES if fhir is not None and each == fhir.lower()), None)
    if fhir is not None and release is None:
        usage(f"--fhir {fhir}: must be r4 or r5")
    if dicom:
        from melascope.report.dicom import MISSING

        if MISSING:
            usage(f"--dicom needs {' and '.join(MISSING)}: pip install 'melascope[dicom]', or leave --dicom out")
    return Exports(release, dicom)


def _need_ray() -> None:
    from importlib.util import find_spec

    if find_spec("ray") is None:
        usage("--engine ray needs the package ray: pip install 'melascope[ray]', or leave --engine out")


def _need_typst() -> None:
    from importlib.util import find_spec

    if find_spec("typst") is None:
        usage("--pdf needs the package typst: pip install typst, or leave --pdf out")

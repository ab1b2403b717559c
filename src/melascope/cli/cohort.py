"""``melascope cohort``: virtual patients, their photographs, and everything that is true of them."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melascope.cli.outcome import fail, usage
from melascope.cores import cores

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Virtual patients: photographs with exact ground truth.")
_INTERRUPTED = 130
_Seed = Annotated[int, typer.Option(help="Another one gives other people.")]


@app.command("render")
def render(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the data set; an unfinished one goes on.")],
    patients: Annotated[
        int | None,
        typer.Option(min=1, help="How many; with --each-tone one in each tone counts. Default: 100, or 120."),
    ] = None,
    seed: _Seed = 0,
    visits: Annotated[
        int, typer.Option(min=1, help="Visits of each, three months apart; melasma gets better, stays, or relapses.")
    ] = 1,
    photos: Annotated[
        int, typer.Option(min=1, help="Photographs a visit: DSLR from the front, then a telephone, and so on.")
    ] = 2,
    size: Annotated[int, typer.Option(help="Pixels of a side.")] = 768,
    kinds: Annotated[
        str, typer.Option(help="Lesions in turn, one a patient: mel,fre,sl,caf,ota,hori. Default: as they occur.")
    ] = "",
    per_head: Annotated[
        int,
        typer.Option(help="Patients that share a head (never two splits). 0: by the cohort's size, 1 to 10 people."),
    ] = 0,
    tones: Annotated[str, typer.Option(help="Tone bands alone, as brown,dark. Default: all six alike.")] = "",
    views: Annotated[
        str, typer.Option(help="Views alone, as close-up or right45,left45. Default: from the front, then any.")
    ] = "",
    each_tone: Annotated[
        bool,
        typer.Option(
            "--each-tone",
            help="Each person once in each tone, as that many patients: all is the same but the tone and what "
            "goes with it. Numbers of patients are then multiples of the tones, six.",
        ),
    ] = False,
    any_density: Annotated[
        bool,
        typer.Option("--any-density", help="Density whatever the extent: broad lesions may be faint."),
    ] = False,
    maps: Annotated[bool, typer.Option("--maps/--no-maps", help="Melanin, blood, density, reflectance.")] = True,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes. Default: one a core.")] = None,
) -> None:
    """Render photographs of people who do not exist, with everything that is true about them.

    OUT becomes a data set: manifest.csv, photos/, masks/ of regions, lesion kinds and single lesions, maps/, records/
    with every parameter, ratings of three simulated raters, COCO and Pascal VOC annotations. A run that was stopped,
    even by kill -9, goes on when the same command is given again. The same command and version give the same bytes,
    with any number of processes.

    Exit code: 0 done, 1 could not be finished, 2 wrong usage, 130 interrupted.
    """
    _need_extra()
    from melascope.cohort.patient import Cohort
    from melascope.cohort.render import CohortError, render_cohort

    try:
        patients = patients or (120 if each_tone else 100)
        chosen = _listed(kinds), per_head, _listed(tones), _listed(views), each_tone, any_density
        cohort = Cohort(patients, seed, visits, photos, size, *chosen)
    except ValueError as error:
        usage(str(error))
    if out.exists() and not out.is_dir():
        usage(f"{out} is a file; name a folder")
    try:
        with _bar("Rendering") as bar:
            task = bar.add_task("", total=patients * visits * photos)
            manifest = render_cohort(
                cohort, out, jobs=jobs or cores(), maps=maps, advance=lambda count: bar.advance(task, count)
            )
    except CohortError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror}; free the disk or name another folder, then go on")
    except KeyboardInterrupt:
        typer.echo("Interrupted: what is done is kept; the same command goes on.", err=True)
        raise typer.Exit(_INTERRUPTED) from None
    typer.echo(f"{patients * visits * photos} photographs of {patients} patients. Manifest: {manifest}")


@app.command("again")
def again(
    record: Annotated[Path, typer.Argument(metavar="RECORD", help="A file of a cohort's folder records/.")],
    to: Annotated[Path, typer.Option(help="Picture to write, .png or .jpg.")],
) -> None:
    """Take one photograph again, from its record alone."""
    _need_extra()
    import cv2

    from melascope.cohort.camera import encode_jpeg
    from melascope.cohort.files import RecordError, read_record, retake
    from melascope.data.layout import write_whole

    if to.suffix.lower() not in {".png", ".jpg", ".jpeg"}:
        usage(f"--to {to}: must end in .png or .jpg")
    cv2.setNumThreads(1)
    try:
        known = read_record(record)
        photo = retake(known)
        if to.suffix.lower() == ".png":
            packed = cv2.imencode(".png", photo.pixels[..., ::-1])[1].tobytes()
        else:
            packed = encode_jpeg(photo.pixels, known["plan"]["camera"]["jpeg_quality"])
        write_whole(to, packed)
    except RecordError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{to} could not be written ({error.strerror}); name another place")
    typer.echo(str(to))


@app.command("sheet")
def sheet(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="A data set.")],
    to: Annotated[Path | None, typer.Option(help="Picture to write. Default: OUT/sheet.jpg.")] = None,
    columns: Annotated[int, typer.Option(min=1, help="Photographs a row.")] = 8,
    rows: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 6,
    side: Annotated[int, typer.Option(min=64, max=768, help="Pixels of a photograph.")] = 224,
    by: Annotated[
        str, typer.Option(help="ROWS,COLUMNS: kind, tone, severity, device, view, visit, light or patient.")
    ] = "",
    only: Annotated[
        list[str] | None, typer.Option(help="Such photographs alone, as device=dslr; may be repeated.")
    ] = None,
    outlines: Annotated[bool, typer.Option("--outlines", help="Draw the true outlines of the lesions.")] = False,
) -> None:
    """Lay photographs of a data set side by side, with tone, kinds and MASI below each."""
    from melascope.cohort.sheet import contact_sheet
    from melascope.data import ManifestError

    target = to or folder / "sheet.jpg"
    rows_columns = tuple(word.strip() for word in by.split(",")) if by else None
    if rows_columns is not None and len(rows_columns) != 2:
        usage(f"--by {by}: must be two words with a comma between, such as kind,tone")
    chosen = dict(word.partition("=")[::2] for word in only or [])
    try:
        contact_sheet(
            folder, target, columns=columns, rows=rows, side=side, by=rows_columns, only=chosen, outlines=outlines
        )
    except (ManifestError, ValueError, OSError) as error:
        fail(str(error))
    typer.echo(str(target))


@app.command("paint")
def paint(
    canvases: Annotated[Path, typer.Argument(metavar="CANVASES", help="Folder of photographs of healthy faces.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the data set.")],
    each: Annotated[int, typer.Option(min=1, help="Paintings of each photograph.")] = 3,
    seed: _Seed = 0,
    kinds: Annotated[str, typer.Option(help="Lesions in turn: mel,fre,sl,caf,ota,hori. Default: as they occur.")] = "",
    any_density: Annotated[
        bool,
        typer.Option("--any-density", help="Density whatever the extent: broad lesions may be faint."),
    ] = False,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes. Default: one a core.")] = None,
) -> None:
    """Grow the same lesions on real photographs of healthy skin that you may use.

    Pigment is laid on as optical density, so that pores, hair and light stay. Only for photographs of people who do
    not exist or have agreed, one of each. A photograph that shows pigment already is left out. Meant for training.
    """
    _need_extra()
    from melascope.cohort.paint import PaintError, paint_canvases

    try:
        with _bar("Painting") as bar:
            task = bar.add_task("", total=None)
            report = paint_canvases(
                canvases,
                out,
                each=each,
                seed=seed,
                kinds=_listed(kinds),
                jobs=jobs or cores(),
                any_density=any_density,
                advance=lambda: bar.advance(task),
            )
    except PaintError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror}; free the disk or name another folder")
    except KeyboardInterrupt:
        typer.echo(f"Interrupted: {out} holds no data set yet; remove it and start again.", err=True)
        raise typer.Exit(_INTERRUPTED) from None
    typer.echo(report)


def _bar(what: str) -> Progress:
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.TextColumn(what),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _need_extra() -> None:
    missing = [name for name in ("anny", "mitsuba") if find_spec(name) is None]
    if missing:
        usage(f"virtual patients need {' and '.join(missing)}: pip install 'melascope[cohort]'")

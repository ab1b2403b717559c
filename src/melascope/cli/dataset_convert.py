"""``melascope dataset convert``, ``split`` and ``stats``: annotations in other forms, parts, boxes in numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from melascope.cli.outcome import READ, WRITE, explained, fail, plain_line, usage

if TYPE_CHECKING:
    from melascope.data.about import About
    from melascope.data.dataset import DataSet
    from melascope.data.intake import Taken

__all__ = ["convert_command", "split_command", "stats_command"]

_TARGETS: Final = ("dataset", "voc", "yolo", "coco", "label-studio")
Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder of a data set: it holds manifest.csv.", show_default=False)
]


def convert_command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Folder of labelImg XML or YOLO text, a COCO or Label Studio JSON file, or a data set's folder.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write.", show_default=False)],
    to: Annotated[str, typer.Option(metavar="|".join(_TARGETS), help="What to write.")] = "dataset",
    photos: Annotated[
        Path | None, typer.Option(help="Folder of the photos.", show_default="SOURCE, or the folder it lies in")
    ] = None,
    form: Annotated[
        str | None, typer.Option("--from", metavar="voc|yolo|coco|label-studio", show_default="found out")
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="YOLO's classes.txt or data.yaml.", show_default="beside the annotations")
    ] = None,
    drawn_on: Annotated[
        str,
        typer.Option(
            metavar="auto|upright|stored",
            help="What boxes of photos that lie on their side (EXIF) were drawn on; auto: as its size says.",
        ),
    ] = "auto",
    patients: Annotated[
        Path | None,
        typer.Option(help="CSV with the columns photo and patient, for --to dataset.", show_default="a data set's own"),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(help="Regular expression whose group is the patient in a photo's name.", show_default=False),
    ] = None,
    name: Annotated[str, typer.Option(help="Of the data set.", show_default="the folder's")] = "",
    prefix: Annotated[str, typer.Option(help="Label Studio: what stands before a photo's name in an address.")] = "",
    model: Annotated[
        str, typer.Option(help="Label Studio: write predictions of this model, for review.", show_default=False)
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Of the splits.")] = 0,
) -> None:
    """Turn annotations into another form, or, with their photos, into a data set's folder.

    Photos without lesions are kept as such; photos that nobody annotated stay unknown. Boxes are those of the upright
    photo: EXIF's orientation is applied here, once. Everything that is wrong is told at once, and nothing is written.
    Of a data set's folder the manifest's rows and dataset.json are taken over; masks, ratings, maps, records are not.

    Exit code: 0 done, 1 the annotations are wrong (every fault is told with file and object), 2 wrong usage.
    """
    from melascope.data.annotated import AnnotationError
    from melascope.data.coco import CocoError
    from melascope.data.export import write_annotations, write_data_set
    from melascope.data.manifest import ManifestError
    from melascope.data.pixels import PixelsError
    from melascope.data.voc import VocError

    if to not in _TARGETS:
        usage(f"--to {plain_line(to)}: must be one of {', '.join(_TARGETS)}")
    if form is not None and form not in _TARGETS[1:]:
        usage(f"--from {plain_line(form)}: must be one of {', '.join(_TARGETS[1:])}")
    if drawn_on not in {"auto", "upright", "stored"}:
        usage(f"--drawn-on {plain_line(drawn_on)}: must be auto, upright or stored")
    if patients is not None and pattern is not None:
        usage("--patients and --pattern both name the patient: give one of them")
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        usage(f"{plain_line(str(out))}: is there already and not empty; name a new folder")
    if not source.exists():
        usage(f"{plain_line(str(source))}: is not there; name a file or folder of annotations")
    if patients is not None and not patients.is_file():
        usage(f"--patients {plain_line(str(patients))}: is no file; name a CSV with the columns photo and patient")
    try:
        with explained(source, READ):
            taken, data = _read(source, photos, form, classes, drawn_on)
            people = _people(taken, data, patients, pattern) if to == "dataset" else {}
            about = _about(data, name, out) if to == "dataset" else None
        with explained(out, "free the disk or name another folder"):
            if about is None:
                files = write_annotations(taken, out, to, prefix, model)  # type: ignore[arg-type]
                said = f"{_count(len(files), 'file')} in {plain_line(str(out))}."
            else:
                known = {} if data is None else {row.file: row for row in data.manifest.rows}
                manifest = write_data_set(taken, out, about, people, seed, known=known)
                said = f"Manifest: {plain_line(str(manifest))}, {_count(len(set(people.values())), 'patient')}."
    except (AnnotationError, CocoError, VocError, PixelsError, ManifestError) as error:
        lines = str(error).splitlines()
        typer.echo("\n".join(["Error: nothing was written.", *(f"  {plain_line(line)}" for line in lines)]), err=True)
        raise typer.Exit(1) from None
    except ValueError as error:
        usage(plain_line(str(error)))
    if about is not None and data is None and patients is None and pattern is None:
        typer.echo(
            "Warning: every photo was taken for a patient of its own; if a patient has several, splits leak: "
            "give --patients or --pattern.",
            err=True,
        )
    typer.echo(said)
    boxes = sum(len(one.boxes or ()) for one in taken)
    none, empty = sum(one.boxes is None for one in taken), sum(one.boxes == () for one in taken)
    typer.echo(f"{_count(len(taken), 'photo')}, {boxes} boxes; {empty} photos show none, {none} are not annotated.")


def split_command(
    folder: Folder,
    seed: Annotated[int, typer.Option(min=0, help="Another one deals otherwise.")] = 0,
    again: Annotated[bool, typer.Option("--again", help="Deal anew although splits are there.")] = False,
) -> None:
    """Deal patients out to training, validation and test, 6:3:1 and 8:2, and write that into manifest.csv.

    Photos that a patient or a group joins stay together; every split gets its share of each set of kinds.

    Exit code: 0 done, 1 the manifest is wrong or has splits already, 2 wrong usage.
    """
    from dataclasses import replace

    from melascope.data.layout import MANIFEST
    from melascope.data.manifest import ManifestError, read_manifest, write_manifest
    from melascope.data.splits import deal_splits

    _need(folder)
    try:
        with explained(folder / MANIFEST, READ):
            rows = read_manifest(folder / MANIFEST).rows
        if not again and any(row.split_631 or row.split_82 for row in rows):
            fail(f"{plain_line(str(folder))}: has splits already; --again deals anew (what was trained no longer fits)")
        splits = deal_splits(rows, seed)
        anew = [
            replace(row, split_631=splits[row.photo_id].split_631, split_82=splits[row.photo_id].split_82)
            for row in rows
        ]
        with explained(folder / MANIFEST, WRITE):
            write_manifest(anew, folder / MANIFEST)
    except ManifestError as error:
        fail(plain_line(str(error)))
    for label, column in (("6:3:1", "split_631"), ("8:2", "split_82")):
        counts = {part: sum(getattr(row, column) == part for row in anew) for part in ("train", "val", "test")}
        said = ", ".join(f"{part} {count}" for part, count in counts.items() if count)
        typer.echo(f"{label}: {said} photos.")


def stats_command(folder: Folder) -> None:
    """Print how many boxes of each kind there are, on how many photos and patients, and how large they are.

    Exit code: 0 printed, 1 the data set is wrong (`melascope dataset check` says where), 2 wrong usage.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from melascope.data.box_stats import box_stats
    from melascope.data.dataset import DataSet

    _need(folder)
    try:
        with explained(folder, READ):
            stats = box_stats((sample.row, sample.boxes()) for sample in DataSet.open(folder))
    except ValueError as error:
        fail(plain_line(str(error)))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    heads = ("Kind", "Boxes", "Photos", "Patients", "Per photo (highest)", "Side, px: 10 / 50 / 90 %", "% of the photo")
    for head in heads:
        table.add_column(head, justify="left" if head == "Kind" else "right")
    for one in stats.kinds:
        middle, most = one.per_photo
        sides, shares = (
            " / ".join(f"{value:.{digits}f}" for value in values)
            for values, digits in ((one.side_px, 0), (one.side_percent, 1))
        )
        cells = (one.kind.value, str(one.boxes), str(one.photos), str(one.patients), f"{middle:g} ({most})")
        table.add_row(*cells, sides, shares)
    console = Console() if sys.stdout.isatty() else Console(width=120)
    said = f"{stats.several} show several kinds, {stats.empty} none, {stats.unknown} are not annotated"
    console.print(Text(f"{_count(stats.photos, 'photo')}: {said}"))
    console.print(table)
    console.print(Text("Side: square root of the box's area; on the right of the photo's shorter side."))


def _read(
    source: Path, photos: Path | None, form: str | None, classes: Path | None, drawn_on: str
) -> tuple[tuple[Taken, ...], DataSet | None]:
    """The photos with their boxes, and the data set that they are of, if it is one."""
    from melascope.data.dataset import DataSet
    from melascope.data.export import taken_of
    from melascope.data.intake import intake

    if form is None and (source / "manifest.csv").is_file():
        data = DataSet.open(source)
        return taken_of(data), data
    folder = photos or (source if source.is_dir() else source.parent)
    choices: Any = (form, classes, drawn_on)
    return intake(source, folder, *choices), None


def _people(
    taken: tuple[Taken, ...], data: DataSet | None, patients: Path | None, pattern: str | None
) -> dict[str, str]:
    """The patient of every photo: of a table, of a pattern, of the data set, or else a person for each."""
    from melascope.data.patients import patients_of, read_patients

    if data is not None and patients is None and pattern is None:
        return {row.file: row.patient for row in data.manifest.rows}
    return patients_of(taken, None if patients is None else read_patients(patients), pattern)


def _about(data: DataSet | None, name: str, out: Path) -> About:
    """What the new data set says of itself: what the old one said, where there is one."""
    from melascope.data.about import About
    from melascope.data.annotated import AnnotationError

    try:
        old = None if data is None else data.about
    except ValueError as error:
        raise AnnotationError([str(error)]) from None
    if old is None:
        return About(name=name or out.name, made_by="people")
    return old.model_copy(update={"name": name}) if name else old


def _need(folder: Path) -> None:
    if not folder.is_dir():
        usage(f"{plain_line(str(folder))}: is no folder; name the folder of a data set")
    if not (folder / "manifest.csv").is_file():
        usage(f"{plain_line(str(folder))}: holds no manifest.csv; docs/dataset.md shows the layout")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

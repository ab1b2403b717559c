"""``melascope lesions annotate``: a network proposes, a person reviews, and every box keeps who made it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from melascope.cli.outcome import READ, WRITE, explained, fail, plain, usage

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Human in the loop: which photos to review next, merge reviews, count what was saved.",
)
_STATE: Final = "loop.json"
Folder = Annotated[Path, typer.Argument(metavar="LOOP", help="Folder of the loop.", show_default=False)]


@app.command("queue")
def queue_command(
    folder: Folder,
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of a run, or a predictions.json.", show_default=False)
    ],
    data: Annotated[
        Path | None, typer.Option(help="Data set that begins the loop; needed the first time.", show_default=False)
    ] = None,
    person: Annotated[str, typer.Option(help="Who made the data set's annotations.")] = "person",
    count: Annotated[int, typer.Option(min=1, help="Photos to review next.")] = 100,
    prefix: Annotated[str, typer.Option(help="What stands before a photo's name in Label Studio's addresses.")] = "",
    with_photos: Annotated[
        bool,
        typer.Option(
            "--with-photos", help="Write LOOP/review.zip too: the queue with its photos, for the clinic. Needs --data."
        ),
    ] = False,
) -> None:
    """Propose boxes on the photos that nobody has looked at, and queue those from whose review most is expected.

    Writes LOOP/queue.csv (all of them, in order) and LOOP/review.json: the first photos as Label Studio predictions, to
    be corrected there or in the clinic, each box with its chance to be right as its score. RUN must have predicted
    these photos too, and validation photos, by which its scores are calibrated.

    Exit code: 0 done, 1 something is wrong with the files, 2 wrong usage.
    """
    import csv
    import io
    import zipfile

    from melascope.data.annotated import Annotated as AnnotatedPhoto
    from melascope.data.label_studio import CONFIG, write_label_studio
    from melascope.data.layout import write_whole
    from melascope.detection.loop import plain_boxes, plain_chances, proposed, queue, read_loop, started, write_loop
    from melascope.detection.results import read_result

    state, at = folder / _STATE, data or Path()
    if not state.is_file() and data is None:
        usage(f"{folder}: holds no {_STATE}; begin with --data DATA")
    if with_photos and (data is None or prefix):
        usage("--with-photos takes the photos from --data DATA, and goes without --prefix")
    try:
        with explained(run, READ):
            result = read_result(run)
            if not result.predictions.part("validation").photos:
                fail(f"{run}: holds no validation photos, from which scores are calibrated; predict them too")
            if state.is_file():
                loop = read_loop(state)
            else:
                from melascope.data.dataset import DataSet
                from melascope.data.export import taken_of

                known = DataSet.open(at)
                patients = {row.file: row.patient for row in known.manifest.rows}
                taken = taken_of(known)
                loop = started(
                    ((one.photo, patients[one.photo], one.stored.upright, one.boxes) for one in taken), person
                )
            loop = proposed(loop, result.predictions, result.name)
            waiting = queue(loop, result.predictions)
            absent = [
                one.entry.photo for one in waiting[:count] if with_photos and not (at / one.entry.photo).is_file()
            ]
            if absent:
                fail(f"{at / absent[0]}: is not there; name the data set of these photos with --data")
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["place", "photo", "patient", "gain", "uncertainty_bits", "boxes"])
        for place, one in enumerate(waiting, start=1):
            entry = one.entry
            writer.writerow(
                [place, entry.photo, entry.patient, round(one.gain, 4), round(one.uncertainty, 4), len(entry.boxes)]
            )
        first = [
            AnnotatedPhoto(
                one.entry.photo, (one.entry.width, one.entry.height), plain_boxes(one.entry), one.entry.photo
            )
            for one in waiting[:count]
        ]
        with explained(folder, WRITE):
            write_whole(folder / "queue.csv", stream.getvalue())
            write_label_studio(
                folder / "review.json",
                first,
                prefix,
                model=result.name,
                chances=[plain_chances(one.entry) for one in waiting[:count]],
                notes=[
                    {"gain": round(one.gain, 4), "uncertainty_bits": round(one.uncertainty, 4)}
                    for one in waiting[:count]
                ],
            )
            write_whole(folder / "label_config.xml", CONFIG)
            if with_photos:
                part = folder / ".review.zip.part"
                with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
                    archive.write(folder / "review.json", "review.json")
                    for photo in first:
                        archive.write(at / photo.photo, photo.photo)
                part.replace(folder / "review.zip")
            write_loop(loop, state)
    except ValueError as error:
        fail(plain(str(error)))
    open_ = sum(entry.state == "open" for entry in loop.photos)
    typer.echo(
        f"{open_} photos wait; {len(waiting)} of them were predicted; the first {len(first)}: {folder / 'review.json'}"
    )


@app.command("merge")
def merge_command(
    folder: Folder,
    reviewed: Annotated[
        Path,
        typer.Argument(metavar="REVIEWED", help="Label Studio's export (JSON) of reviewed photos.", show_default=False),
    ],
    person: Annotated[str, typer.Option(help="Who reviewed.", show_default=False)],
) -> None:
    """Take reviewed photos in, and write all that is finished to LOOP/annotations.coco.json for the next training.

    Exit code: 0 done, 1 the export is wrong (nothing is changed), 2 wrong usage.
    """
    from melascope.data.annotated import AnnotationError, sound
    from melascope.data.coco import CocoImage, CocoWriter
    from melascope.data.label_studio import read_label_studio
    from melascope.data.layout import ANNOTATIONS
    from melascope.detection.loop import finished, merged, read_loop, status, write_loop

    if not person.strip():
        usage("--person is empty: say who reviewed")
    try:
        loop = read_loop(folder / _STATE)
        with explained(reviewed, READ):
            reviews = read_label_studio(reviewed)
        problems = [fault for one in reviews if one.size for fault in sound(one.boxes, one.size, one.where)[1]]
        if problems:
            raise AnnotationError(problems)
        loop = merged(loop, reviews, person.strip())
        with explained(folder, WRITE):
            with CocoWriter(folder / ANNOTATIONS) as coco:
                for one in finished(loop):
                    coco.add(CocoImage(one.photo, *(one.size or (0, 0))), one.boxes)
            write_loop(loop, folder / _STATE)
    except ValueError as error:
        fail(plain(str(error)))
    counts = status(loop)
    typer.echo(f"{len(reviews)} photos merged; {counts.states['open']} wait.")


@app.command("status")
def status_command(folder: Folder) -> None:
    """Print how many photos are finished, who made their boxes, and what the network saved.

    Exit code: 0 printed, 1 the loop's file is missing or damaged.
    """
    import math

    from melascope.detection.loop import read_loop, status

    try:
        found = status(read_loop(folder / _STATE))
    except ValueError as error:
        fail(plain(str(error)))
    typer.echo("Photos: " + ", ".join(f"{count} {state}" for state, count in found.states.items()) + ".")
    typer.echo(
        "Boxes: " + (", ".join(f"{count} {origin}" for origin, count in sorted(found.origins.items())) or "none")
    )
    typer.echo(f"Network's boxes deleted in reviews: {found.deleted}.")
    if not math.isnan(found.saved):
        typer.echo(
            f"Reviewed photos: {found.actions} boxes drawn, corrected or deleted where {found.by_hand} would have been "
            f"drawn by hand: {100 * found.saved:.0f} % saved."
        )

"""`python -m melascope.lab.skin`: label, train, evaluate and export the skin network."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
Folder = Annotated[Path, typer.Option(help="Folder of the run: labels, checkpoint, history.")]


@app.command()
def label(
    photos: Annotated[list[Path], typer.Argument(help="Folders of faces on which pigment may be painted.")],
    landmarker: Annotated[Path, typer.Option(help="MediaPipe Face Landmarker model, face_landmarker.task.")],
    unpainted: Annotated[
        list[Path] | None, typer.Option(help="Folders of faces of real people: never painted.")
    ] = None,
    skin: Annotated[list[Path] | None, typer.Option(help="Folders of skin close-ups without a whole face.")] = None,
    out: Folder = Path("runs/skin"),
) -> None:
    """Label photographs with the teacher: OUT/faces and OUT/skin."""
    from melascope.lab.skin.faces import label_photos, label_skin, write_labelled

    faces = [path for folder in photos for path in _images(folder)]
    people = [path for folder in unpainted or [] for path in _images(folder)]
    close_ups = [path for folder in skin or [] for path in _images(folder)]
    _check_names([(f"{path.parent.name}-{path.stem}", path) for path in (*faces, *people)])
    _check_names([(path.stem, path) for path in close_ups])
    labelled = chain(label_photos(faces, landmarker, paintable=True), label_photos(people, landmarker, paintable=False))
    print(f"{write_labelled(labelled, out / 'faces')} of {len(faces) + len(people)} faces labelled")
    if close_ups:
        print(f"{write_labelled(label_skin(close_ups), out / 'skin')} close-ups labelled")


@app.command()
def train(
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Where to start: ImageNet MobileNetV2 (torchvision state dict), or a skin.onnx to go on from."
        ),
    ] = None,
    rate: Annotated[float, typer.Option(help="Highest learning rate; to go on from a skin.onnx, give a third.")] = 2e-3,
    samples: Annotated[int, typer.Option(help="Views to train on.")] = 60_000,
    workers: Annotated[int, typer.Option(help="Processes that render views.")] = 1,
    threads: Annotated[int, typer.Option(help="CPU threads of the network.")] = 2,
    out: Folder = Path("runs/skin"),
    labelled: Annotated[
        Path | None, typer.Option(help="Folder with what `label` wrote, faces and skin; OUT if left out.")
    ] = None,
    also: Annotated[list[Path] | None, typer.Option(help="Further labelled folders.")] = None,
    cohort: Annotated[list[Path] | None, typer.Option(help="Virtual cohorts, rendered with maps.")] = None,
    virtual: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the views, close-ups left out, from virtual patients.")
    ] = 0.5,
    dark: Annotated[float, typer.Option(min=0.01, help="How much oftener those of the darkest skin are seen.")] = 2.0,
    regions: Annotated[
        bool, typer.Option("--regions/--pigment-alone", help="Whether regions go on learning, or stay as they are.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Another one gives other views.")] = 7,
) -> None:
    """Train on LABELLED/faces, LABELLED/skin and virtual cohorts, or go on where a stopped run ended."""
    from melascope.lab.skin.train import Recipe
    from melascope.lab.skin.train import train as run

    skin = (labelled or out) / "skin"
    folders = [(labelled or out) / "faces", *(also or [])]
    recipe = Recipe(samples=samples, rate=rate, virtual_share=virtual, dark_weight=dark, regions=regions, seed=seed)
    try:
        run(
            folders,
            skin if skin.exists() else None,
            out,
            cohorts=cohort or (),
            weights=weights,
            recipe=recipe,
            workers=workers,
            threads=threads,
        )
    except (ValueError, FileNotFoundError) as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def average(
    runs: Annotated[
        list[Path], typer.Argument(help="Two or more runs that went on from one another, or their skin.onnx.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the new run.")],
) -> None:
    """Write a run with the mean of their weights."""
    from melascope.lab.skin.average import average as run

    try:
        print(run(runs, out))
    except (ValueError, FileNotFoundError) as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def export(out: Folder = Path("runs/skin"), to: Annotated[Path | None, typer.Option()] = None) -> None:
    """Write the ONNX file with its card (figures are added by `evaluate`)."""
    from melascope.lab.skin.export import export as run

    print(run(out, to))


@app.command()
def calibrate(
    cohorts: Annotated[list[Path], typer.Argument(help="Virtual cohorts that neither training nor a figure has seen.")],
    card: Annotated[bool, typer.Option(help="Write the factors into the shipped card.")] = False,
) -> None:
    """Measure what makes the 90 % intervals hold, on virtual patients."""
    from melascope.lab.skin.calibrate import calibrate as run

    print(run(cohorts, write_card=card))


@app.command()
def unaffected(
    photos: Annotated[Path, typer.Argument(help="Folder of photographs of which you know: no pigment disease.")],
    out: Annotated[Path, typer.Option(help="Folder of the data set.")],
    view: Annotated[Literal["frontal", "close-up"], typer.Option(help="What they take in.")] = "frontal",
    person: Annotated[
        str | None, typer.Option(help="Regular expression for the patient in a file's name; else each is another.")
    ] = None,
    learnt: Annotated[bool, typer.Option("--learnt", help="Without the third that figures are made of.")] = False,
) -> None:
    """Copy photographs into a data set that says: a MASI of 0, none of the six lesions."""
    from melascope.lab.skin.unaffected import write_unaffected

    try:
        print(f"{write_unaffected(photos, out, view=view, person=person, learnt=learnt)} photographs in {out}")
    except (ValueError, FileNotFoundError) as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def regional_maps(
    data: Annotated[
        list[str],
        typer.Argument(
            help="Virtual cohorts, painted canvases, or photographs with a MASI of 0. FOLDER=NAME, if its faces were "
            "labelled in a folder NAME: leaves out the third that figures are made of. NAME may be its place; of "
            "canvases it must be."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the faces.")] = Path("runs/regional/faces"),
) -> None:
    """Draw the maps of whole faces, for the regional network to learn from."""
    from melascope.lab.skin.regional_faces import collect

    try:
        print(f"{collect(data, out)} faces in {out}")
    except (ValueError, FileNotFoundError) as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def regional_train(
    faces: Annotated[Path, typer.Option(help="What regional-maps made.")] = Path("runs/regional/faces"),
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/regional"),
    epochs: Annotated[int, typer.Option(help="Times that each face is seen.")] = 40,
    smooth: Annotated[
        float, typer.Option(help="Error up to which it counts squared; the smaller, the nearer to a median.")
    ] = 1.0,
    clear: Annotated[float, typer.Option(help="How much more often faces free of pigment are drawn.")] = 6.0,
    photographed: Annotated[
        float, typer.Option(min=0.01, help="How much more often photographs are drawn than rendered faces.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Of chance.")] = 7,
    rate: Annotated[float, typer.Option(help="Highest learning rate; to go on from a file, give a third.")] = 2e-3,
    weights: Annotated[Path | None, typer.Option(help="A regional.onnx to go on from.")] = None,
    member: Annotated[int, typer.Option(min=0, help="Which of the trainings in --weights, from 0.")] = 0,
) -> None:
    """Train the regional network, or go on where a stopped run ended."""
    from melascope.lab.skin.regional import Recipe
    from melascope.lab.skin.regional import train as run

    try:
        recipe = Recipe(epochs=epochs, smooth=smooth, clear=clear, photographed=photographed, seed=seed, rate=rate)
        print(run(faces, out, recipe, weights=weights, member=member))
    except (ValueError, FileNotFoundError) as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def regional_export(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Runs of regional-train, or a regional.onnx that shipped before; of several, the mean counts."
        ),
    ],
    faces: Annotated[Path, typer.Option(help="What regional-maps made.")] = Path("runs/regional/faces"),
    to: Annotated[Path | None, typer.Option(help="Folder to write to; the package's own if left out.")] = None,
) -> None:
    """Write the regional network with its card: intervals and figures, of people it has not seen."""
    from melascope.lab.skin.regional_export import export as run

    try:
        print(run(faces, runs, to))
    except (ValueError, FileNotFoundError) as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def evaluate(
    out: Folder = Path("runs/skin"),
    card: Annotated[bool, typer.Option(help="Write the figures into the shipped card.")] = False,
    page: Annotated[Path | None, typer.Option(help="Also write them as a page.")] = None,
) -> None:
    """Measure the shipped network on the held-out third of OUT/faces: whole faces and crops, by tone band."""
    from melascope.lab.skin.evaluate import evaluate as run

    print(run(out / "faces", write_card=card, page=page))


def _images(folder: Path) -> list[Path]:
    suffixes = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder}: is no folder; name one of photographs")
    return sorted(path for path in folder.resolve().iterdir() if path.suffix.lower() in suffixes)


def _check_names(photos: list[tuple[str, Path]]) -> None:
    """The name by which a photograph is known may not be that of two."""
    known: dict[str, Path] = {}
    for name, path in photos:
        other = known.setdefault(name, path)
        if other != path:
            raise typer.BadParameter(f"{other} and {path} would count as one; rename one of the files or folders")


if __name__ == "__main__":
    app()

"""`python -m melascope.lab.naming`: draw facts, fit the network that names patches, ship it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)


@app.command()
def facts(
    data: Annotated[
        list[Path], typer.Argument(help="Data sets with lesion masks, or whose column `kinds` says none of all photos.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for NAME.npz of each.")] = Path("runs/naming"),
    most: Annotated[int | None, typer.Option(min=1, help="Photos of each training part. Default: all.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
) -> None:
    """Analyse all photos and keep what is told of each patch, beside what it truly is."""
    from melascope.lab.naming.facts import draw_facts

    out.mkdir(parents=True, exist_ok=True)
    for folder in data:
        try:
            count = draw_facts(folder, out / f"{folder.resolve().name}.npz", most=most, jobs=jobs, tell=print)
        except (ValueError, FileNotFoundError) as error:
            raise typer.BadParameter(str(error)) from None
        print(f"{folder}: {count} patches")


@app.command()
def fit(
    files: Annotated[list[Path], typer.Argument(help="What `facts` wrote.")],
    to: Annotated[Path | None, typer.Option(help="Folder. Default: this installation's networks.")] = None,
    licence: Annotated[str, typer.Option(help="Of the weights, for the card.")] = "Apache-2.0",
    limit: Annotated[list[str] | None, typer.Option(help="A sentence for the card. May be repeated.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and noise.")] = 7,
) -> None:
    """Fit on the training parts, measure on the test parts, and write network and card."""
    from melascope.lab.naming.facts import read_facts
    from melascope.lab.naming.fit import Recipe, chances_of, measured, ship
    from melascope.lab.naming.fit import fit as fitted

    try:
        known = read_facts(files)
    except (ValueError, FileNotFoundError) as error:
        raise typer.BadParameter(str(error)) from None
    recipe = Recipe(seed=seed)
    namer = fitted(known, recipe, print)
    data = {
        source: {
            part: len(set(known.photos[(known.sources == source) & (known.parts == part)].tolist()))
            for part in ("train", "validation", "test")
        }
        for source in sorted(set(known.sources.tolist()))
    }
    model, card = ship(namer, known, recipe, {"licence": licence, "photos": data}, to, limit or ())
    for source in data:
        own = known.where((known.sources == source) & (known.parts == "test"))
        if len(own.labels):
            print(f"{source}, test: {measured(own, chances_of(namer, own))}")
    print(f"{model} ({model.stat().st_size / 1e3:.0f} kB), {card}")


if __name__ == "__main__":
    app()

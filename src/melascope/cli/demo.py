"""``melascope demo``: photographs that come with scikit-image, analysed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["command"]


def command(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for samples and results.")] = Path("melascope-demo"),
) -> None:
    """Analyse three built-in samples.

    A face, a close-up of its cheek, and a rocket, which is refused.

    The face is that of Eileen Collins, a public-domain portrait by NASA; the rocket is by SpaceX, also public domain.
    """
    from melascope.cli.analyze import run_batch

    try:
        samples = _write_samples(out / "photos")
    except ModuleNotFoundError:
        typer.echo("Error: the samples come with scikit-image: pip install melascope[demo].", err=True)
        raise typer.Exit(2) from None
    results = run_batch(samples, out, jobs=1, analyse=context.obj)
    typer.echo(f"Open {results[0].folder / 'report.html'} in a browser.")


def _write_samples(folder: Path) -> list[Path]:
    import cv2
    from skimage import data as _data

    data: Any = _data

    face = data.astronaut()
    samples = {"astronaut": face, "cheek-close-up": face[110:200, 165:245], "rocket": data.rocket()}
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, pixels in samples.items():
        path = folder / f"{name}.png"
        _, encoded = cv2.imencode(".png", pixels[..., ::-1])
        path.write_bytes(bytes(encoded))
        paths.append(path)
    return paths

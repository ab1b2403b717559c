"""``melascope severity ship``: a trained run becomes the network that `melascope analyze` reads severity with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melascope.cli.outcome import fail, need_laboratory, usage

__all__ = ["command"]


def command(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="Folder of a run of `melascope severity train`.", show_default=False),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", help="Folder to write to. Default: the networks of this installation.", show_default=False
        ),
    ] = None,
    licence: Annotated[
        str,
        typer.Option(
            help="Of the weights, for the card. Default: Apache-2.0 if only virtual patients were learnt from.",
            show_default=False,
        ),
    ] = "",
    limits: Annotated[
        list[str] | None,
        typer.Option(
            "--limit", help="A sentence for the card: what its users must know. May be repeated.", show_default=False
        ),
    ] = None,
) -> None:
    """Give a trained network to `melascope analyze`, which then reads severity beside the MASI that it measures.

    Writes severity.onnx, of at most 8 MB, and its card severity.json: data, recipe, figures by skin tone, device, view
    and class, the interval of its MASI, limits. Both replace those that are there.

    Exit code: 0 done, 1 it cannot be done, 2 wrong usage.
    """
    need_laboratory("torch", "onnx")
    if to is not None and to.exists() and not to.is_dir():
        usage(f"--to {to}: is a file; name a folder")
    from melascope.lab.severity.ship import ShipError, ship

    try:
        done = ship(run, to, licence=licence, limits=limits or ())
    except ShipError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or to or run}: {error.strerror or error}; free the disk or name another folder (--to)")
    test = done.test
    typer.echo(f"{done.model}: {done.bytes / 1e6:.1f} MB, {done.how}")
    typer.echo(
        f"{done.card}: on {test['photos']} test photos accuracy {test['accuracy']:.3f}, MASI off by "
        f"{test['masi_error']:.1f} in the mean, {100 * test['inside_the_interval']:.0f} % inside the "
        "90 % interval"
    )

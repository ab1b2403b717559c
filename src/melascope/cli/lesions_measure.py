"""``melascope lesions measure``: how well `melascope analyze` names lesions that are known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from melascope.cli.lesions_train import Scheme, Split, ViewOption
from melascope.cli.outcome import fail, plain, usage

__all__ = ["command"]


def command(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A data set's folder with known boxes.", show_default=False)
    ],
    records: Annotated[
        Path,
        typer.Argument(
            metavar="RECORDS", help="What `melascope analyze DATA/photos --out RECORDS` wrote.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run, for `melascope lesions evaluate`.")],
    boxes: Annotated[str, typer.Option(help="grouped or single: how boxes are read.")] = "grouped",
    scheme: Scheme = "82",
    split: Split = None,
    view: ViewOption = "",
    seed: Annotated[int, typer.Option(min=0, help="Of the split, where one is dealt out.")] = 7,
) -> None:
    """Set what `melascope analyze` names on a data set's photos beside what is known, as a run to be evaluated.

    Only validation and test photos need records. OUT/predictions.json can stand beside detectors on one page: give
    `melascope lesions evaluate` the folders of all runs. Printed is how often patches on test photos bear the right
    name, and hold it among the kinds that they may be.

    Exit code: 0 done, 1 records are missing or the data set is wrong, 2 wrong usage.
    """
    from dataclasses import replace

    from melascope.lab.detect.measured import naming, records_of, write_run
    from melascope.lab.detect.recipe import read_recipe
    from melascope.lab.detect.study import gather

    if boxes not in {"grouped", "single"}:
        usage(f"--boxes {boxes}: must be grouped or single")
    if scheme not in {"631", "82"}:
        usage(f"--scheme {scheme}: must be 631 or 82")
    if out.exists() and not out.is_dir():
        usage(f"--out {out}: is a file; name a folder")
    try:
        reading = read_recipe("ding2022").with_(boxes=cast('Literal["grouped", "single"]', boxes)).truth
        study = gather(data, reading, scheme=cast('Literal["631", "82"]', scheme), split=split, view=view, seed=seed)
        study = replace(study, photos=tuple(photo for photo in study.photos if photo.part != "train"))
        found = records_of(study, records)
        write_run(study, found, reading, out)
        how = naming(study, found, "test")
    except ValueError as error:
        fail(plain(str(error)))
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror or error}; free the disk or name another folder")
    if how.patches:
        typer.echo(
            f"{how.patches} patches of test photos lie in true rectangles of one kind: {how.named / how.patches:.3f} "
            f"are named, {how.right / max(1, how.named):.3f} of these rightly; the true kind is among those that a "
            f"patch may be in {how.held / how.patches:.3f}, {how.size:.1f} kinds in the mean."
        )
    typer.echo(str(out))

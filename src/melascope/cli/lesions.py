"""``melascope lesions``: networks that find and name the six kinds, and what their readers make of the same photos."""

from __future__ import annotations

import typer

from melascope.cli import lesions_annotate, lesions_evaluate, lesions_measure, lesions_readers, lesions_train

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Pigmented lesions: networks that find and name them, measured and compared with readers.",
)
app.command("train")(lesions_train.train_command)
app.command("benchmark")(lesions_train.benchmark_command)
app.command("evaluate")(lesions_evaluate.command)
app.command("measure")(lesions_measure.command)
app.command("readers")(lesions_readers.command)
app.add_typer(lesions_annotate.app, name="annotate")

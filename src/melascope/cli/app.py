"""The command ``melascope`` and what it offers."""

from __future__ import annotations

from typing import Annotated

import typer

from melascope.cli import analyze, clinic, cohort, dataset, demo, lesions, schema, severity

__all__ = ["app"]

app = typer.Typer(
    name="melascope",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        import melascope

        typer.echo(f"melascope {melascope.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Measure facial pigment from photographs. Research software, not a medical device."""


app.command("analyze")(analyze.command)
app.command("demo")(demo.command)
app.add_typer(clinic.app, name="clinic")
app.add_typer(cohort.app, name="cohort")
app.add_typer(dataset.app, name="dataset")
app.add_typer(lesions.app, name="lesions")
app.add_typer(severity.app, name="severity")
app.command("schema", hidden=True)(schema.command)

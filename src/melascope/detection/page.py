"""The page of detectors: one HTML file with every table and drawing inside, and the same as CSV and SVG beside it."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

import jinja2
from markupsafe import Markup

from melascope.data.layout import write_whole
from melascope.detection import tables, words
from melascope.detection.evaluation import Benchmark
from melascope.detection.examples import HIT, MISS, WRONG, Example, examples
from melascope.detection.figures import draw
from melascope.severity.sheets import csv_text, laid_out
from melascope.vocabulary import DISCLAIMER

__all__ = ["PAGE", "html", "template", "write_page"]

PAGE: Final = "detectors.html"


def write_page(benchmark: Benchmark, out: Path, command: str, photos: Path | None = None) -> Path:
    """Write page, tables and drawings.

    Args:
        benchmark: The figures.
        out: Folder, made if it does not exist: ``detectors.html``, CSV files, ``figures/``.
        command: What was typed to get here; printed on the page.
        photos: Folder of the data set for example photos; they are shown of virtual patients alone.

    Raises:
        ValueError: The photos are of people, or of nobody knows whom.
    """
    out = Path(out)
    shown = examples(benchmark.of(benchmark.best), photos) if photos is not None else ()
    drawings = draw(benchmark)
    for sheet in tables.everything(benchmark):
        write_whole(out / f"{sheet.key}.csv", csv_text(sheet))
    for name, drawing in drawings.items():
        write_whole(out / "figures" / f"{name}.svg", drawing)
    write_whole(out / PAGE, html(benchmark, command, shown, drawings))
    return out / PAGE


def html(
    benchmark: Benchmark, command: str, shown: tuple[Example, ...] = (), drawings: dict[str, str] | None = None
) -> str:
    """The page: no script, no request to anywhere."""
    sheets = (
        tables.overview(benchmark),
        tables.by_kind(benchmark),
        tables.detection(benchmark),
        tables.froc(benchmark),
        tables.boxes(benchmark),
        tables.sizes(benchmark),
        tables.groups(benchmark),
        tables.comparison(benchmark),
        tables.costs(benchmark),
    )
    drawn = draw(benchmark) if drawings is None else drawings
    return template("detectors.html.j2").render(
        headline=words.headline(benchmark),
        data=words.data_sentence(benchmark),
        sentences=words.sentences(benchmark),
        comparison_note=words.comparison_note(benchmark),
        method=words.method(benchmark),
        tables={sheet.key: laid_out(sheet) for sheet in sheets},
        drawings={name: Markup(drawing) for name, drawing in drawn.items()},  # noqa: S704 - escaped by svg
        networks=len(benchmark.evaluations),
        best=benchmark.best,
        examples=shown,
        colours={"hit": HIT, "miss": MISS, "wrong": WRONG},
        command=command,
        disclaimer=DISCLAIMER,
        version=version("melascope"),
    )


@lru_cache(maxsize=2)
def template(name: str) -> jinja2.Template:
    """A page of this room; style and tables are those of the severity laboratory's pages."""
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader("melascope.detection", "."), jinja2.PackageLoader("melascope.severity", ".")]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)

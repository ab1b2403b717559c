"""The benchmark's page: one HTML file with every table and drawing inside, and the same as CSV and SVG beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import jinja2
from markupsafe import Markup

from melascope.data.layout import write_whole
from melascope.severity import benchmark_sheets, figures, findings
from melascope.severity.evaluation import Benchmark, evaluate
from melascope.severity.intervals import RESAMPLES, SEED, drawn_by
from melascope.severity.results import Costs, Epoch, RunResult
from melascope.severity.sheets import csv_text, laid_out
from melascope.vocabulary import DISCLAIMER

__all__ = ["PAGE", "Costs", "Epoch", "RunResult", "benchmark_page", "draw", "html", "write_page"]

PAGE = "benchmark.html"


def benchmark_page(
    runs: Sequence[RunResult], out: Path, command: str, *, resamples: int = RESAMPLES, seed: int = SEED
) -> Path:
    """Evaluate runs on the photos that their predictions hold, and write page, tables and drawings.

    Args:
        runs: In the order of the tables; all on the same photos. Choose the test part first: `evaluation.chosen`.
        out: Folder, made if it does not exist: ``benchmark.html``, CSV files, ``figures/``.
        command: What was typed to get here; printed on the page.
        resamples: Draws behind each interval.
        seed: Of the draws.

    Returns:
        The page.

    Raises:
        ValueError: The runs cannot be compared; the message says why.
    """
    return write_page(evaluate(runs, resamples, seed), out, command)


def write_page(benchmark: Benchmark, out: Path, command: str) -> Path:
    """Write page, tables and drawings of figures that are computed already."""
    out = Path(out)
    for sheet in benchmark_sheets.everything(benchmark):
        write_whole(out / f"{sheet.key}.csv", csv_text(sheet))
    for name, drawing in draw(benchmark).items():
        if drawing:
            write_whole(out / "figures" / f"{name}.svg", drawing)
    write_whole(out / PAGE, html(benchmark, command))
    return out / PAGE


def draw(benchmark: Benchmark) -> dict[str, str]:
    """Every drawing by name, as SVG; empty where there is nothing to draw."""
    return {
        "summary": figures.summary(benchmark),
        "roc_by_class": figures.roc_by_class(benchmark),
        "roc_by_network": figures.roc_by_run(benchmark),
        "confusion": figures.confusions(benchmark),
        "reliability": figures.reliability(benchmark),
        "learning": figures.learning(benchmark),
    }


def html(benchmark: Benchmark, command: str) -> str:
    """The page: no script, no request to anywhere."""
    sheets = {
        "table_1": benchmark_sheets.table_1(benchmark),
        "balance": benchmark_sheets.balance(benchmark),
        "classes": benchmark_sheets.classes(benchmark),
        "comparison": benchmark_sheets.comparison(benchmark),
        "costs": benchmark_sheets.costs(benchmark),
        "ceiling": benchmark_sheets.ceiling(benchmark),
        "groups": benchmark_sheets.groups(benchmark),
    }
    return _template().render(
        headline=findings.headline(benchmark),
        data=findings.data_sentence(benchmark),
        sentences=findings.sentences(benchmark),
        comparison_note=findings.comparison_note(benchmark),
        method=tuple(findings.method(benchmark)),
        tables={name: laid_out(sheet) for name, sheet in sheets.items()},
        drawings={name: Markup(drawing) for name, drawing in draw(benchmark).items()},  # noqa: S704 - escaped by svg
        networks=len(benchmark.evaluations),
        ceiling_note=findings.ceiling_note(benchmark),
        printed_note=findings.printed_note(benchmark),
        command=command,
        disclaimer=DISCLAIMER,
        drawn_by=drawn_by(benchmark.clusters, benchmark.patients),
        version=version("melascope"),
    )


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("melascope.severity", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("benchmark.html.j2")

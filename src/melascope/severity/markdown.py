"""The benchmark as compact Markdown, for a project's docs; figures are links to SVG files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from melascope.data.layout import write_whole
from melascope.severity import benchmark_sheets, findings
from melascope.severity.evaluation import Benchmark, evaluate
from melascope.severity.intervals import RESAMPLES, SEED, drawn_by
from melascope.severity.page import draw
from melascope.severity.results import RunResult
from melascope.severity.sheets import Sheet, markdown
from melascope.vocabulary import DISCLAIMER

__all__ = ["markdown_page", "markdown_text", "write_markdown"]

_DRAWN = {
    "summary": "Accuracy and mean area of every network",
    "roc_by_class": "ROC curves by class",
    "roc_by_network": "ROC curves by network",
    "confusion": "Confusion matrices",
    "reliability": "Reliability",
    "learning": "Learning curves",
}


def markdown_page(
    runs: Sequence[RunResult],
    out: Path,
    command: str,
    *,
    figures: Path | None = None,
    title: str = "Severity benchmark",
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Path:
    """Evaluate runs and write the tables as Markdown.

    Args:
        runs: In the order of the tables; all on the same photos.
        out: The file, such as ``docs/severity.md``.
        command: What was typed to get here.
        figures: Folder for the drawings as SVG, to which the page then links; none if not given.
        title: Heading.
        resamples: Draws behind each interval.
        seed: Of the draws.

    Raises:
        ValueError: The runs cannot be compared; the message says why.
    """
    return write_markdown(evaluate(runs, resamples, seed), out, command, figures=figures, title=title)


def write_markdown(
    benchmark: Benchmark, out: Path, command: str, *, figures: Path | None = None, title: str = "Severity benchmark"
) -> Path:
    """The same of figures that are computed already."""
    out, links = Path(out), {}
    if figures is not None:
        for name, drawing in draw(benchmark).items():
            if drawing:
                write_whole(Path(figures) / f"{name}.svg", drawing)
                links[name] = Path(os.path.relpath(Path(figures) / f"{name}.svg", out.parent)).as_posix()
    write_whole(out, markdown_text(benchmark, command, links=links, title=title))
    return out


def markdown_text(
    benchmark: Benchmark, command: str, *, links: dict[str, str] | None = None, title: str = "Severity benchmark"
) -> str:
    """The page as text; `links` names the drawings' files."""
    drawn = {name: f"![{_DRAWN[name]}]({link})" for name, link in (links or {}).items()}
    blocks = [
        f"# {title}",
        f"Written by `{command}`, melascope {version('melascope')}. {DISCLAIMER}",
        findings.data_sentence(benchmark),
        "\n".join(f"- {sentence}" for sentence in findings.sentences(benchmark)),
        drawn.get("summary", ""),
        _table(
            benchmark_sheets.table_1(benchmark),
            "Precision, recall and F1 are weighted by the classes' photos, as the paper's; in brackets 95 % intervals "
            f"by drawing {drawn_by(benchmark.clusters, benchmark.patients)}; bold: the best. The last four columns are "
            "printed figures of other patients: no comparison; blank where the paper's text states none.",
        ),
        _table(benchmark_sheets.balance(benchmark), "Lower is better for errors, Brier score and log loss."),
        drawn.get("roc_by_class", ""),
        drawn.get("roc_by_network", ""),
        _table(benchmark_sheets.classes(benchmark), "Area under the ROC curve and F1."),
        drawn.get("confusion", ""),
        drawn.get("reliability", ""),
        _table(benchmark_sheets.comparison(benchmark), findings.comparison_note(benchmark)),
        _table(benchmark_sheets.ceiling(benchmark), findings.ceiling_note(benchmark)),
        _table(benchmark_sheets.groups(benchmark), "Small groups have wide intervals."),
        drawn.get("learning", ""),
        _table(benchmark_sheets.costs(benchmark), "Times are those of the machine named; blank: not measured."),
        "## How it was measured",
        "\n".join(f"- **{term}.** {gloss}" for term, gloss in findings.method(benchmark)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _table(sheet: Sheet, note: str) -> str:
    if not sheet.rows or len(sheet.columns) < 2:
        return ""
    return f"## {sheet.title}\n\n{note}\n\n{markdown(sheet)}"

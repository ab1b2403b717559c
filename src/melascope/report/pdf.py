"""The report as PDF, one or two A4 pages, set by Typst.

What is said travels to the typesetter as JSON and is set as text, so that no sign of a file name is taken for markup.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from importlib import resources
from pathlib import Path

from melascope.record import Analysis
from melascope.report.corrected import corrected
from melascope.report.html import jpeg
from melascope.report.maps import maps, relevance
from melascope.report.overlay import figure
from melascope.report.page import arrays_of, page
from melascope.report.statement import Statement
from melascope.report.words import patch_count

__all__ = ["MISSING_TYPST", "pdf", "typeset"]

MISSING_TYPST = "PDF reports need the package typst: pip install typst, or leave --pdf out"


def pdf(analysis: Analysis) -> bytes:
    """The report as PDF; a record without arrays gives one without pictures.

    Raises:
        ModuleNotFoundError: The package ``typst`` is not installed.
    """
    if arrays_of(analysis) is None:
        return typeset(analysis, None, None)
    looked = relevance(analysis)
    return typeset(analysis, jpeg(figure(analysis)), jpeg(maps(analysis)), None if looked is None else jpeg(looked))


def typeset(
    analysis: Analysis,
    overlay_jpeg: bytes | None,
    maps_jpeg: bytes | None,
    relevance_jpeg: bytes | None = None,
    said: Statement | None = None,
) -> bytes:
    """The report as PDF around pictures that are already encoded; with what people said of the photograph, if `said`.

    Raises:
        ModuleNotFoundError: The package ``typst`` is not installed.
    """
    try:
        import typst
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(MISSING_TYPST, name="typst") from error
    words = asdict(page(analysis) if said is None else corrected(page(analysis), said))
    words["patch_count"] = patch_count(analysis)
    template = resources.files("melascope.report").joinpath("report.typ").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="melascope-") as name:
        folder = Path(name)
        for key, data in (("overlay", overlay_jpeg), ("maps", maps_jpeg), ("relevance", relevance_jpeg)):
            words[key] = None if data is None else f"{key}.jpg"
            if data is not None:
                (folder / f"{key}.jpg").write_bytes(data)
        (folder / "page.json").write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")
        main = folder / "report.typ"
        main.write_text(template, encoding="utf-8")
        # The typefaces inside Typst hold Latin, Greek and Cyrillic; only other scripts need those of the system.
        own_type_only = all(ord(sign) < 0x530 for sign in f"{words['file']}{words['said']}")
        return bytes(typst.compile(main, root=folder, format="pdf", ignore_system_fonts=own_type_only))

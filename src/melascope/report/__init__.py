"""From an Analysis to pictures, pages and files.

`overlay.overlay` and `maps.maps` make pictures, `html.html` and `pdf.pdf` a report, and `write.write` all files of one
photograph. Nothing is imported here, so that what needs none of them starts quickly.
"""

from __future__ import annotations

from importlib import resources

__all__ = ["schema_text"]


def schema_text() -> str:
    """The JSON Schema (2020-12) of `analysis.json`, as shipped.

    Example:
        >>> '"schema_version"' in schema_text()
        True
    """
    return resources.files(__name__).joinpath("analysis.schema.json").read_text(encoding="utf-8")

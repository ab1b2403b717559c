"""``melascope schema``: the JSON Schema of analysis.json, made from the record itself."""

from __future__ import annotations

import json

from melascope.cli.outcome import print_json

__all__ = ["command"]


def command() -> None:
    """Print the JSON Schema of analysis.json."""
    from melascope.record import Analysis

    print_json(json.dumps(Analysis.schema(), indent=2, ensure_ascii=False) + "\n")

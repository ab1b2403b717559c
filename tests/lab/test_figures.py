"""The page of figures says what the shipped card says."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from melascope.lab.skin.evaluate import as_markdown


def test_the_page_is_made_of_the_shipped_card() -> None:
    card = json.loads(files("melascope.networks").joinpath("skin.json").read_text(encoding="utf-8"))
    page = Path(__file__).parents[2] / "docs" / "figures.md"
    assert page.read_text(encoding="utf-8") == as_markdown(card)

"""What axe-core finds on a page, and what it does not look for: pages that are wider than the screen."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

SIZES = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
"""A desk's screen and a telephone's."""
RUN = """() => axe.run(document, {resultTypes: ["violations"]}).then((found) => found.violations.map((each) =>
  `${each.impact}: ${each.id}: ${each.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`))"""
WIDER = "() => document.documentElement.scrollWidth > innerWidth"


@lru_cache(maxsize=1)
def _axe() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def lacks(page: Any) -> list[str]:
    """What the page lacks for who cannot see it, sees little or holds a telephone; it keeps the size it had.

    Violations of every impact count, not only serious and critical ones.
    """
    before, found = page.viewport_size, []
    for size in SIZES:
        page.set_viewport_size(size)
        page.evaluate(f"() => {{ if (!window.axe) {{ {_axe()} }} }}")
        found += [f"{size['width']} {each}" for each in page.evaluate(RUN)]
        found += [f"{size['width']} wider than the screen"] * page.evaluate(WIDER)
    page.set_viewport_size(before)
    return found

"""The page that waits for an analysis: how often it asks, and when it stops."""

from __future__ import annotations

from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")

from tests.clinic.test_story import CHROMIUM, Browser, served  # noqa: E402

__all__ = ["served"]
"""The fixture of a running clinic."""


def test_a_page_asks_until_nothing_waits_any_more(served: tuple[str, str]) -> None:
    url, link = served
    with playwright.sync_playwright() as started:
        browser = Browser(started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]), url)
        page = browser.page
        browser.set_password(link, "Anna")
        page.fill("#study-name", "Practice")
        page.click("text=Make a study")
        _visit(browser)
        asked = list[str]()
        told: dict[str, Any] = {"status": 404, "body": "no such photograph"}

        def answer(route: Any) -> None:
            asked.append(route.request.url)
            route.fulfill(**told)

        def waits() -> None:
            asked.clear()
            page.goto(visit)
            page.focus("#note")  # somebody writes: the page does not load itself anew meanwhile
            for _ in range(20):
                page.clock.run_for(5000)
                page.wait_for_timeout(20)

        visit = page.url.partition("#")[0]
        page.clock.install()
        page.route("**/state", answer)
        page.route("**/visits/*", _waiting)
        waits()
        assert len(asked) == 1
        told = {"status": 503, "body": "busy"}
        waits()
        assert len(asked) > 10
        told = {"json": {"state": "done"}}
        waits()
        assert len(asked) == 1
        page.evaluate("document.activeElement.blur()")
        with page.expect_navigation():
            page.clock.run_for(6000)
        page.context.browser.close()


def _visit(browser: Browser) -> None:
    """A patient with a visit; its page is shown."""
    page = browser.page
    browser.go("/patients/new")
    page.click("button.primary")
    page.fill("[name=day]", "2026-01-05")
    page.click("form[action$=visits] button")
    page.wait_for_selector("#note")


def _waiting(route: Any) -> None:
    """The page as it is, with one photograph that waits."""
    answer = route.fetch()
    body = answer.text().replace("<main", '<i data-wait="/photos/0/state"></i><main', 1)
    route.fulfill(response=answer, body=body)

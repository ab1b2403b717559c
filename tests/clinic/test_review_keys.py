"""A queue reviewed in a browser, by keys first, then by mouse."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")

from tests.clinic.accessible import lacks  # noqa: E402
from tests.clinic.made import PASSWORD  # noqa: E402
from tests.clinic.test_review import entry, photograph, task, zipped  # noqa: E402
from tests.clinic.test_story import CHROMIUM, served  # noqa: E402

__all__ = ["served"]
"""The fixture of a running clinic."""
TASKS = [
    task(
        "a.png",
        entry("mel", 10, 10, 20, 30, score=0.95),
        entry("fre", 50, 50, 5, 10, score=0.55),
        entry("sl", 70, 70, 10, 10, score=0.8),
    ),
    task("b.png"),
]


def test_a_photograph_is_reviewed_by_keys_and_by_mouse(served: tuple[str, str], tmp_path: Path) -> None:
    url, link = served
    file = tmp_path / "review.zip"
    file.write_bytes(zipped(TASKS, {"a.png": photograph(), "b.png": photograph(120)}))
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB").new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.set_default_timeout(30_000)
        page.goto(link)
        for name in ("#password", "#again"):
            page.fill(name, PASSWORD)
        page.fill("#name", "Anna")
        page.click("button.primary")
        page.fill("#study-name", "Practice")
        page.click("text=Make a study")
        page.goto(f"{url}/reviews")
        page.fill("#name", "Round 1")
        page.set_input_files("#file", str(file))
        page.click("text=Take in")
        page.click("a:text('Review') >> nth=-1")

        def boxes() -> list[dict[str, object]]:
            found: list[dict[str, object]] = json.loads(page.input_value("[name=boxes]"))
            return found

        def press(*keys: str) -> None:
            for key in keys:
                page.keyboard.press(key)

        page.wait_for_selector("rect.box.chosen")
        first = page.url
        assert [box["kind"] for box in boxes()] == ["fre", "sl", "mel"]  # the least certain first
        press("ArrowRight", "ArrowRight", "Shift+ArrowDown", "6")
        assert boxes()[0] == {"kind": "hori", "box": [102, 50, 112, 61], "source": 0}
        press("z")
        assert boxes()[0]["kind"] == "fre"
        press("y", "a", "x")  # the next one is deleted
        assert [box["kind"] for box in boxes()] == ["hori", "mel"]
        press("k", "k")
        assert page.inner_text("[data-list] [aria-current=true]").startswith("2 melasma 95 %")
        press("d", "d", "3")
        assert [box["source"] for box in boxes()] == [0, 2, None]
        assert "by hand" in page.inner_text("[data-list] li:last-child")

        assert lacks(page) == []

        # Keys act where the focus is, and the focus does not get lost with a button that goes.
        page.focus("nav a >> nth=0")
        before = boxes()
        press("x", "1", "z", "ArrowLeft")
        assert boxes() == before and page.url == first
        page.click(".review-canvas", position={"x": 3, "y": 3})
        press("z", "z")  # the box that was drawn goes, and its button with it
        assert len(boxes()) == 2
        press("y", "y")
        assert boxes() == before
        while page.is_enabled("[data-do=undo]"):
            page.click("[data-do=undo]")
        while boxes() != before:
            press("y")

        press("p", "n")  # there is no previous one and so nothing is lost; the next one puts the changes aside
        page.wait_for_url(lambda address: address != first)
        page.goto(first)
        assert len(boxes()) == 3 and page.is_visible("text=put aside by you")
        page.click("[data-do=draw]")
        area = page.locator(".review-canvas").bounding_box()
        at = [(area["x"] + share * area["width"], area["y"] + share * area["height"]) for share in (0.8, 0.9)]
        page.mouse.move(*at[0])
        page.mouse.down()
        page.mouse.move(*at[1], steps=3)
        page.mouse.up()
        assert boxes()[3]["box"] == pytest.approx([160, 80, 180, 90], abs=1.5)
        handle = page.locator("rect.handle.se").bounding_box()
        grip = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
        page.mouse.move(*grip)
        page.mouse.down()
        page.mouse.move(grip[0] + 0.05 * area["width"], grip[1] + 0.05 * area["height"], steps=3)
        page.mouse.up()
        assert boxes()[3]["box"] == pytest.approx([160, 80, 190, 95], abs=1.5)
        press("Enter")
        page.wait_for_url(lambda address: address != first)
        assert page.is_visible("text=No box here")
        press("Enter")
        page.wait_for_selector("text=2 of 2 reviewed")
        assert lacks(page) == []
        with page.expect_download() as download:
            page.click("a:text('Export')")
        tasks = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
        assert urllib.parse.urlsplit(first).path.startswith("/review-photos/")
        made = [one["meta"]["made_by"] for one in tasks[0]["annotations"][0]["result"]]
        assert made == ["model, corrected by person", "model, left by person", "person", "person"]
        assert tasks[1]["annotations"][0]["result"] == []
        assert complaints == []
        browser.close()

"""A browser walks the story of a practice: chromium by playwright, on a server of its own."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("there is no chromium on the PATH", allow_module_level=True)

import uvicorn  # noqa: E402

from melascope.clinic import accounts  # noqa: E402
from melascope.clinic.app import application, open_clinic  # noqa: E402
from melascope.clinic.settings import Settings  # noqa: E402
from tests.clinic.made import PASSWORD, QuickHasher, drawn, jpeg  # noqa: E402


@pytest.fixture
def served(tmp_path: Path, migrated: Path) -> Iterator[tuple[str, str]]:
    """Address of a running clinic, and of the link that makes its administrator."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(migrated, data / "clinic.sqlite")
    settings = Settings(data=data, database_url=f"sqlite:///{data / 'clinic.sqlite'}", public_url=url)
    clinic = open_clinic(settings, work=drawn, keeper=QuickHasher())
    with clinic.database.writing() as db:
        secret = accounts.first_link(db)
    # Drawn pictures need no process of their own: the runner's thread draws them.
    clinic.runner._run = lambda: _draw(clinic.runner)  # type: ignore[method-assign]
    server = uvicorn.Server(uvicorn.Config(application(clinic), log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield url, f"{url}/start/{secret}"
    server.should_exit = True
    thread.join(20)


def _draw(runner: Any) -> None:
    while not runner._stop.is_set():
        runner.drain()
        runner._wake.wait(0.2)
        runner._wake.clear()


def test_the_story_of_a_practice(served: tuple[str, str], tmp_path: Path) -> None:
    url, link = served
    files = []
    for number in (60, 64, 68, 200):
        files.append(tmp_path / f"{number}.jpg")
        files[-1].write_bytes(jpeg(number))
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB").new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.set_default_timeout(20_000)

        page.goto(link)
        page.fill("#name", "Dr Adler")
        page.fill("#password", PASSWORD)
        page.fill("#again", PASSWORD)
        page.click("button.primary")
        page.fill("#study-name", "Practice")
        page.click("text=Make a study")

        page.goto(f"{url}/patients/new")
        page.select_option("#age", "40-49")
        page.click("button.primary")
        page.fill("#day", "2026-01-05")
        page.click("text=Open a visit")
        for view, file in zip(("frontal", "left", "right"), files, strict=False):
            page.set_input_files(f"#file-{view}", str(file))
        page.click("text=Send and analyse")
        page.wait_for_selector(".gallery li:nth-child(3) img")  # the page loads itself anew when they are done
        assert page.locator(".gallery li").count() == 3

        page.click(".gallery a >> nth=0")
        before = page.inner_text(".total .value >> nth=0")
        page.wait_for_selector("img.layer.lesions")
        assert not page.is_visible("img.layer.melanin")
        page.click("label[for=layer-melanin]")
        page.wait_for_selector("img.layer.melanin")
        for part in ("area", "darkness", "homogeneity"):
            page.select_option(f"[name='forehead.{part}']", "4")
        page.click("text=Save scores")
        page.wait_for_selector("text=With scores that a person gave")
        assert page.inner_text(".total .value >> nth=0") != before
        page.click("[data-draw-button]")
        stage = page.locator(".canvas").bounding_box()
        page.mouse.move(stage["x"] + 0.3 * stage["width"], stage["y"] + 0.3 * stage["height"])
        page.mouse.down()
        page.mouse.move(stage["x"] + 0.6 * stage["width"], stage["y"] + 0.5 * stage["height"])
        page.mouse.up()
        box = [int(value) for value in page.input_value("#box").split(",")]
        assert box == pytest.approx([27, 36, 54, 60], abs=2)  # of a photograph of 90 × 120
        page.select_option("#new-kind", "ota")
        page.click("text=Add lesion")
        page.wait_for_selector("rect.drawn", state="attached")

        seen = [page.url]
        page.click("nav.crumbs a >> nth=2")
        seen.append(page.url)
        page.click("text=Sign the visit")
        page.wait_for_selector("text=Signed by Dr Adler")

        page.click("nav.crumbs a >> nth=1")
        page.fill("#day", "2026-06-05")
        page.click("text=Open a visit")
        page.set_input_files("#file-frontal", str(files[3]))
        page.click("text=Send and analyse")
        page.wait_for_selector(".gallery li img")
        page.click("nav.crumbs a >> nth=1")
        page.fill("#name", "Sunscreen")
        page.fill("#started", "2026-02-01")
        page.click("#treatments button:text('Add')")
        page.wait_for_selector("svg.chart >> text=Sunscreen")
        assert page.locator("svg.chart >> nth=0").locator("circle[r='5']").count() == 2
        page.click("text=Before and after")
        slider = page.locator(".slider input")
        slider.fill("20")
        assert "20%" in page.evaluate("document.querySelector('.second img').style.clipPath")

        page.set_viewport_size({"width": 390, "height": 800})
        lacks = Path(__file__).with_name("accessible.js").read_text(encoding="utf-8")
        for address in [*seen, page.url, "/patients", "/patients/new", "/administration", "/account", "/audit"]:
            page.goto(url + address.removeprefix(url))
            assert page.evaluate(lacks) == [], address
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(f"{url}/patients")
        page.click("tbody a")
        page.click("a.danger")
        page.fill("#code", "P-0001")
        page.click("text=Delete for good")
        page.wait_for_selector("text=No patients yet")
        page.click("text=Sign out")
        page.wait_for_selector("#password")
        assert complaints == []
        browser.close()


def test_a_photograph_is_read_with_the_keyboard_alone(served: tuple[str, str], tmp_path: Path) -> None:
    url, link = served
    files = [tmp_path / f"{number}.jpg" for number in (60, 200)]
    for number, file in zip((60, 200), files, strict=True):
        file.write_bytes(jpeg(number))
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB").new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.set_default_timeout(20_000)
        page.goto(link)
        page.fill("#name", "Dr Adler")
        page.fill("#password", PASSWORD)
        page.fill("#again", PASSWORD)
        page.click("button.primary")
        page.fill("#study-name", "Practice")
        page.click("text=Make a study")
        page.goto(f"{url}/patients/new")
        page.click("button.primary")
        page.fill("#day", "2026-01-05")
        page.click("text=Open a visit")
        page.set_input_files("#file-frontal", [str(file) for file in files])
        page.click("text=Send and analyse")
        page.wait_for_selector(".gallery li:nth-child(2) img")

        page.goto(f"{url}/readings/new")
        page.fill("#name", "Spring")
        page.fill("#twice", "0")
        page.check("label:has-text('Dr Adler') input")
        page.click("button.primary")
        page.click("text=Begin to read")
        page.wait_for_selector("input:focus")
        page.keyboard.type("3246435420")
        shown = [page.inner_text(f"[data-{name}]") for name in ("masi", "mmasi", "severity")]
        # 3 · (2 + 4), 6 · (4 + 3), 5 · (4 + 2) by 0.3; a chin without pigment needs one digit
        assert shown == ["27.0", "15.0", "moderate"]
        assert page.evaluate("document.activeElement.className") == "primary"
        lacks = Path(__file__).with_name("accessible.js").read_text(encoding="utf-8")
        assert page.evaluate(lacks) == []
        read = page.url
        page.keyboard.press("Enter")
        page.wait_for_selector("text=1 of 2 read")
        assert page.url != read
        page.keyboard.type("-9")  # the forehead cannot be seen; nine is no step
        assert page.is_checked("[name='forehead.unseen']")
        page.keyboard.type("111-222")
        assert page.inner_text("[data-masi]") == "–"
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Everything is read")
        page.set_viewport_size({"width": 390, "height": 800})
        for address in (page.url, read, f"{url}/readings", f"{url}/readings/new"):
            page.goto(address)
            assert page.evaluate(lacks) == [], address
        page.goto(read)
        assert page.inner_text("[data-masi]") == "27.0"  # as the server adds up
        page.click("text=Overview")
        page.click("text=Sign off")
        page.click("summary:text('Close the reading study')")
        page.click("button.danger")
        page.click("text=Agreement")
        page.wait_for_selector("text=There is no agreement to tell")
        assert page.evaluate(lacks) == []
        assert complaints == []
        browser.close()

"""A browser walks the story of a practice: chromium by playwright, on a server of its own."""

from __future__ import annotations

import io
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("there is no chromium on the PATH", allow_module_level=True)

import uvicorn  # noqa: E402

from melascope.clinic import accounts  # noqa: E402
from melascope.clinic.app import application, open_clinic  # noqa: E402
from melascope.clinic.settings import Settings  # noqa: E402
from melascope.clinic.texts import texts  # noqa: E402
from tests.clinic.accessible import lacks  # noqa: E402
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


class Browser:
    """Somebody at a screen; what the page complains about is kept, and the pages to look at once more."""

    def __init__(self, chromium: Any, url: str) -> None:
        self.url, self.complaints, self.seen = url, list[str](), list[str]()
        page = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB").new_page()
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.set_default_timeout(20_000)
        self.page = page

    def go(self, address: str) -> None:
        self.page.goto(self.url + address.removeprefix(self.url))

    def set_password(self, link: str, name: str) -> None:
        self.page.goto(link)
        assert lacks(self.page) == []
        self.page.fill("#name", name)
        self.page.fill("#password", PASSWORD)
        self.page.fill("#again", PASSWORD)
        self.page.click("button.primary")

    def sign_in(self, name: str) -> None:
        self.page.click("text=Sign out")
        self.page.wait_for_selector("#password")
        assert lacks(self.page) == []
        self.page.fill("#name", name)
        self.page.fill("#password", PASSWORD)
        self.page.click("button.primary")
        self.page.wait_for_selector("text=Sign out")

    def look(self) -> None:
        """Nothing is lacking here; the page is read in Chinese later on."""
        assert lacks(self.page) == [], self.page.url
        self.seen.append(self.page.url)

    def fetched(self, selector: str) -> bytes:
        """What a link leads to."""
        answer = self.page.request.get(self.url + self.page.get_attribute(selector, "href").removeprefix(self.url))
        assert answer.status == 200, selector
        return bytes(answer.body())


def test_the_story_of_a_practice(served: tuple[str, str], tmp_path: Path) -> None:
    url, link = served
    files = []
    for number in (60, 64, 68, 200):
        files.append(tmp_path / f"{number}.jpg")
        files[-1].write_bytes(jpeg(number))
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        adler, brandt = Browser(chromium, url), Browser(chromium, url)
        adler.set_password(link, "Dr Adler")
        adler.page.fill("#study-name", "Practice")
        adler.page.click("text=Make a study")
        adler.sign_in("Dr Adler")
        brandt.set_password(_invited(adler, "Dr Brandt"), "Dr Brandt")
        patient = _first_visit(adler, files[:3])
        _corrected(adler)
        _second_visit(adler, files[3])
        _read_by_two(adler, brandt, patient)
        adler.go(patient)
        _reported(adler)
        for address in ("/patients", "/patients/new", f"{patient}/edit", "/account", "/administration", "/audit"):
            adler.go(address)
            adler.look()
        _in_chinese(adler)
        adler.go("/patients")
        adler.page.click("tbody a")
        adler.page.click("a.danger")
        assert lacks(adler.page) == []
        adler.page.fill("#code", "P-0001")
        adler.page.click("text=Delete for good")
        adler.page.wait_for_selector("text=No patients yet")
        adler.page.click("text=Sign out")
        adler.page.wait_for_selector("#password")
        assert adler.complaints == []
        assert len(brandt.complaints) == 1 and "403" in brandt.complaints[0]  # what was blinded
        chromium.close()


def _invited(adler: Browser, name: str) -> str:
    """The link of a new account, which is a clinician of the study."""
    adler.go("/administration")
    adler.page.fill("#name", name)
    adler.page.click("text=Add account")
    link: str = adler.page.inner_text("code.secret")
    assert lacks(adler.page) == []
    adler.go("/administration")
    adler.page.select_option("select[name=user]", label=name)  # who is a member already is not offered
    assert adler.page.locator("select[name=user] option").count() == 1
    adler.page.click("text=Add member")
    adler.page.wait_for_selector(f"#studies th:text('{name}')")
    return link


def _first_visit(adler: Browser, files: list[Path]) -> str:
    page = adler.page
    adler.go("/patients/new")
    page.select_option("#age", "40-49")
    page.click("button.primary")
    patient: str = page.url
    page.fill("#day", "2026-01-05")
    page.click("text=Open a visit")
    for view, file in zip(("frontal", "left", "right"), files, strict=True):
        page.set_input_files(f"#file-{view}", str(file))
    page.click("text=Send and analyse")
    page.wait_for_selector(".gallery li:nth-child(3) img")  # the page loads itself anew when they are done
    assert page.locator(".gallery li").count() == 3
    return patient


def _corrected(adler: Browser) -> None:
    page = adler.page
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
    page.wait_for_load_state()  # until its photograph is there the page is still moving
    page.click("[data-draw-button]")
    stage = page.locator(".canvas").bounding_box()
    for place, button in (((0.3, 0.3), page.mouse.down), ((0.6, 0.5), page.mouse.up)):
        page.hover(".canvas", position={"x": place[0] * stage["width"], "y": place[1] * stage["height"]})
        button()
    box = [int(value) for value in page.input_value("#box").split(",")]
    assert box == pytest.approx([27, 36, 54, 60], abs=2)  # of a photograph of 90 × 120
    page.select_option("#new-kind", "ota")
    page.click("text=Add lesion")
    page.wait_for_selector("rect.drawn", state="attached")
    adler.look()
    page.click("nav.crumbs a >> nth=2")
    adler.look()
    page.click("text=Sign the visit")
    page.wait_for_selector("text=Signed by Dr Adler")


def _second_visit(adler: Browser, file: Path) -> None:
    page = adler.page
    page.click("nav.crumbs a >> nth=1")
    page.fill("#day", "2026-06-05")
    page.click("text=Open a visit")
    page.set_input_files("#file-frontal", str(file))
    page.click("text=Send and analyse")
    page.wait_for_selector(".gallery li img")
    page.click("nav.crumbs a >> nth=1")
    page.fill("#name", "Sunscreen")
    page.fill("#started", "2026-02-01")
    page.click("#treatments button:text('Add')")
    page.wait_for_selector("svg.chart >> text=Sunscreen")
    assert page.locator("svg.chart >> nth=0").locator("circle[r='5']").count() == 2
    adler.look()
    page.click("text=Before and after")
    page.locator(".slider input").fill("20")
    assert "20%" in page.evaluate("document.querySelector('.second img').style.clipPath")
    adler.look()


def _read_by_two(adler: Browser, brandt: Browser, patient: str) -> None:
    """Both frontal photographs are read by both, with keys alone; nobody sees the other's scores before the end."""
    page = adler.page
    adler.go("/readings/new")
    adler.look()
    page.fill("#name", "Spring")
    page.fill("#twice", "0")
    page.check("label:has-text('Dr Adler') input")
    page.check("label:has-text('Dr Brandt') input")
    page.click("button.primary")
    page.wait_for_selector("text=Begin to read")
    study = page.url
    adler.look()

    brandt.go(study)
    brandt.page.click("text=Begin to read")
    brandt.page.wait_for_selector("input:focus")
    brandt.page.keyboard.type("3246435420")
    shown = [brandt.page.inner_text(f"[data-{name}]") for name in ("masi", "mmasi", "severity")]
    # 3 · (2 + 4), 6 · (4 + 3), 5 · (4 + 2) by 0.3; a chin without pigment needs one digit
    assert shown == ["27.0", "15.0", "moderate"]
    assert brandt.page.evaluate("document.activeElement.className") == "primary"
    brandt.look()
    read = brandt.page.url
    brandt.page.keyboard.press("Enter")
    brandt.page.wait_for_selector("text=1 of 2 read")
    assert brandt.page.url != read
    brandt.page.keyboard.type("-9")  # the forehead cannot be seen; nine is no step
    assert brandt.page.is_checked("[name='forehead.unseen']")
    brandt.page.keyboard.type("111-222")
    assert brandt.page.inner_text("[data-masi]") == "–"
    brandt.page.uncheck("[name='forehead.unseen']")
    brandt.page.uncheck("[name='left_malar.unseen']")
    for region, digits in (("forehead", "111"), ("left_malar", "333")):
        brandt.page.focus(f"[name='{region}.area']")
        brandt.page.keyboard.type(digits)
    assert brandt.page.inner_text("[data-masi]") not in ("", "–")
    brandt.page.focus("[name='chin.area']")
    brandt.page.keyboard.press("Enter")
    brandt.page.wait_for_selector("text=Everything is read")
    assert brandt.page.locator(".queue a").count() == 1  # the one that was saved last
    brandt.look()
    brandt.page.click("button:text('Sign off')")
    brandt.page.wait_for_selector("text=signed off")
    brandt.go(read)
    assert brandt.page.inner_text("[data-masi]") == "27.0"  # as the server adds up
    brandt.go(patient)
    brandt.page.wait_for_selector("text=You rate a reading study that is still open")

    page.click("text=Begin to read")
    for digits in ("324643542111", "222333111222"):
        page.wait_for_selector("input:focus")
        page.keyboard.type(digits)
        page.keyboard.press("Enter")
    page.wait_for_selector("text=Everything is read")
    page.click("button:text('Sign off')")
    page.click("summary:text('Close the reading study')")
    page.click("button.danger")
    page.click("text=Agreement")
    page.wait_for_selector("text=How far the raters agree")
    page.wait_for_selector("td:text('Dr Brandt'), th:text('Dr Brandt')")
    adler.look()
    adler.go("/readings")
    adler.look()


def _reported(adler: Browser) -> None:
    """The report of a photograph, and what the pages offer for other systems, for statistics and for moving away."""
    page = adler.page
    with ZipFile(io.BytesIO(adler.fetched("a:text('Export')"))) as archive:
        assert archive.testzip() is None and len(archive.namelist()) > 4
    page.click("tbody a:text('2026-01-05')")
    page.wait_for_selector("text=Visit of")
    assert page.is_visible("a[href$='/dicom.zip']")
    with page.expect_download() as download:
        page.click("text=Save the bundle")
    assert b'"DiagnosticReport"' in Path(download.value.path()).read_bytes()
    page.click(".gallery a >> nth=0")
    assert adler.fetched("a[href$='/report.pdf']").startswith(b"%PDF")
    report = adler.fetched("a[href$='/report.html']").decode()
    assert "P-0001, 2026-01-05" in report and "forehead scored by Dr Adler, the rest as measured" in report
    assert "Forehead: A 4, D 4, H 4 by Dr Adler" in report
    adler.go("/patients")
    assert adler.fetched("a[href$='/photos.csv']").count(b"\n") == 5


def _in_chinese(adler: Browser) -> None:
    """Every page once more: no name of a sentence is left, and no sentence in English."""
    page, english = adler.page, texts("en").sentences
    told = {sentence for sentence in english.values() if len(sentence) > 24 and "{" not in sentence}
    page.click("button[lang=zh]")
    for address in adler.seen:
        adler.go(address)
        assert page.get_attribute("html", "lang") == "zh"
        page.evaluate("document.querySelectorAll('[lang=en]').forEach((each) => each.remove())")
        text = page.inner_text("body")
        assert [name for name in english if "." in name and name in text] == [], address
        assert [sentence for sentence in told if sentence in text] == [], address
    adler.go("/account")
    page.click("button[lang=en]")
